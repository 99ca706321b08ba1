//! [`Environment`]: the environment variables that set options.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::ConfigError;

/// The prefix of every variable. It ends in two underscores, since Kubernetes sets `AVATAR_PROXY_PORT` and
/// `AVATAR_PROXY_SERVICE_HOST` in every container beside a service called avatar-proxy, and these are not options.
const PREFIX: &str = "AVATAR_PROXY__";
/// The dashboard's own variables, each with the option that it sets if that is empty otherwise.
const DASHBOARDS: [(&str, &str); 2] = [("DATABASE_URL", "directory.url"), ("REDIS_URL", "redis.url")];

/// The environment as a value, so that tests need no global state.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

/// Which key a variable sets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Variable<'a> {
    pub(super) name: &'a str,
    /// The whole key, before a `_FILE` is cut off.
    pub(super) key: String,
    pub(super) value: &'a str,
}

impl Environment {
    /// Selects the variables that set options.
    ///
    /// # Errors
    /// When the value of such a variable is not UTF-8.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, ConfigError> {
        let mut selected = BTreeMap::new();
        for (name, value) in variables {
            let ours =
                |name: &&str| name.starts_with(PREFIX) || DASHBOARDS.iter().any(|(own, _)| own == name);
            let Some(name) = name.to_str().filter(ours) else { continue };
            let Ok(value) = value.into_string() else {
                return Err(ConfigError::Variable { name: name.to_owned(), expected: "UTF-8".to_owned() });
            };
            selected.insert(name.to_owned(), value);
        }
        Ok(Self(selected))
    }

    /// The dashboard's variables that are set: name, key and value.
    pub(super) fn dashboards(&self) -> impl Iterator<Item = (&'static str, &'static str, &str)> {
        DASHBOARDS.into_iter().filter_map(|(name, key)| {
            let value = self.0.get(name).filter(|value| !value.is_empty())?;
            Some((name, key, value.as_str()))
        })
    }

    /// Every variable that names a key.
    pub(super) fn variables(&self) -> impl Iterator<Item = Variable<'_>> {
        self.0.iter().filter_map(|(name, value)| {
            let key = name.strip_prefix(PREFIX)?.to_ascii_lowercase().replace("__", ".");
            Some(Variable { name, key, value })
        })
    }
}

/// The variable that sets a key.
pub(super) fn name_of(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "__"))
}
