//! [`Layers`]: the defaults, the user's file and the environment merged, each value with its source.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::environment::{Environment, Variable, name_of};
use super::files::{parse, read, without_line_end};
use super::schema::{self, BLOCKS, ENCLAVES, Kind};
use super::text::HIDDEN;
use super::types::{shown, typed, wrong};
use super::{ConfigError, Source};

const DEFAULTS: &str = include_str!("../../config.toml");

/// Every value in force, and where it was written.
#[derive(Clone)]
pub struct Layers {
    defaults: Table,
    values: Table,
    sources: BTreeMap<String, Source>,
}

impl Layers {
    /// Merges the layers. Later ones win: the defaults, `file`, the variables, the files that variables name.
    ///
    /// # Errors
    /// A file that cannot be read or is not TOML; a key that does not exist or is not supported yet; a value of the
    /// wrong type.
    pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        let mut layers = Self::defaults()?;
        if let Some(file) = file {
            let from = Source::File(file.to_owned());
            let table = parse(file, &read(file, &from)?)?;
            layers.merge(table, "", &from)?;
        }
        let (paths, values): (Vec<_>, Vec<_>) =
            environment.variables().partition(|variable| layers.file_key(&variable.key).is_some());
        for variable in values {
            layers.take_value(&variable)?;
        }
        for variable in paths {
            layers.take_file(&variable)?;
        }
        layers.take_dashboards(environment);
        Ok(layers)
    }

    fn defaults() -> Result<Self, ConfigError> {
        let defaults = parse(Path::new("config.toml"), DEFAULTS)?;
        let mut values = defaults.clone();
        for blocks in BLOCKS {
            put(&mut values, blocks, Value::Array(Vec::new()));
        }
        Ok(Self { defaults, values, sources: BTreeMap::new() })
    }

    /// Where the value of a key was written. A key inside a block has the block's source.
    pub fn source(&self, key: &str) -> Source {
        let mut key = key;
        loop {
            match (self.sources.get(key), key.rfind(['.', '['])) {
                (Some(source), _) => return source.clone(),
                (None, Some(end)) => key = &key[..end],
                (None, None) => return Source::Default,
            }
        }
    }

    /// The text of one key, for a command that needs no section.
    pub fn text(&self, key: &str) -> Option<&str> {
        schema::find(&self.values, key).and_then(Value::as_str)
    }

    /// The number of blocks in a list.
    pub(super) fn count(&self, blocks: &str) -> usize {
        schema::find(&self.values, blocks).and_then(Value::as_array).map_or(0, Vec::len)
    }

    /// All values, in the order of config.toml.
    pub(super) fn values(&self) -> &Table {
        &self.values
    }

    /// One section (or list of blocks), without inner sections that belong to other code.
    pub(super) fn section(&self, path: &str) -> Value {
        let mut value = schema::find(&self.values, path).cloned().unwrap_or(Value::Table(Table::new()));
        for enclave in ENCLAVES {
            let inner = enclave.strip_prefix(path).and_then(|rest| rest.strip_prefix('.'));
            if let (Some(inner), Some(table)) = (inner, value.as_table_mut()) {
                table.remove(inner);
            }
        }
        value
    }

    /// A key's value as an error line repeats it; `None` for a whole section or block.
    pub(super) fn shown(&self, key: &str) -> Option<String> {
        schema::find(&self.values, key).filter(|value| !value.is_table()).map(|value| shown(key, value))
    }

    /// Whether a key holds a list, so that an error is about one of its values.
    pub(super) fn is_list(&self, key: &str) -> bool {
        schema::find(&self.values, key).is_some_and(Value::is_array)
    }

    /// The error for a key that does not exist.
    pub(super) fn unknown(&self, from: Source, key: &str) -> ConfigError {
        let hint = schema::hint(&self.defaults, key, |key| match &from {
            Source::Default | Source::File(_) => key.to_owned(),
            Source::Env(_) => name_of(key),
            Source::EnvFile(..) => format!("{}_FILE", name_of(key)),
        });
        ConfigError::Unknown { from, key: key.to_owned(), hint }
    }

    fn merge(&mut self, table: Table, section: &str, from: &Source) -> Result<(), ConfigError> {
        for (key, value) in table {
            let key = schema::join(section, &key);
            match (schema::kind(&self.defaults, &key), value) {
                (Kind::Section, Value::Table(inner)) => self.merge(inner, &key, from)?,
                (Kind::Section, value) => {
                    return Err(wrong(from, &key, &value, format!("a section, [{key}]")));
                }
                (Kind::Blocks, value) => self.set_blocks(&key, value, from)?,
                (Kind::Key(_), value) => self.set(&key, value, from)?,
                (Kind::NotYet, _) => return Err(ConfigError::NotSupported { from: from.clone(), key }),
                (Kind::Unknown, _) => return Err(self.unknown(from.clone(), &key)),
            }
        }
        Ok(())
    }

    fn take_value(&mut self, variable: &Variable<'_>) -> Result<(), ConfigError> {
        let from = Source::Env(variable.name.to_owned());
        let default = self.default_of(variable, &variable.key, &from)?;
        let value = match default {
            Value::String(_) => Value::String(variable.value.to_owned()),
            // If the text is no TOML value, the type check of `set` says what would be.
            _ => variable
                .value
                .trim()
                .parse()
                .unwrap_or_else(|_: toml::de::Error| Value::String(variable.value.into())),
        };
        self.set(&variable.key, value, &from)
    }

    fn take_file(&mut self, variable: &Variable<'_>) -> Result<(), ConfigError> {
        let key = self.file_key(&variable.key).unwrap_or(&variable.key).to_owned();
        let from = Source::EnvFile(variable.name.to_owned(), PathBuf::from(variable.value));
        let default = self.default_of(variable, &key, &from)?;
        let text = read(Path::new(variable.value), &from)?;
        let value = match default {
            Value::String(_) => Value::String(without_line_end(&text).to_owned()),
            Value::Array(_) => {
                let lines = text.lines().filter(|line| !line.is_empty());
                Value::Array(lines.map(|line| Value::String(line.to_owned())).collect())
            }
            _ => text.trim().parse().unwrap_or_else(|_: toml::de::Error| Value::String(text.clone())),
        };
        self.set(&key, value, &from)
    }

    /// Takes the dashboard's own variables (`DATABASE_URL`, `REDIS_URL`) for keys that are empty.
    fn take_dashboards(&mut self, environment: &Environment) {
        for (name, key, value) in environment.dashboards() {
            if schema::find(&self.values, key).and_then(Value::as_str).is_none_or(str::is_empty) {
                put(&mut self.values, key, Value::String(value.to_owned()));
                self.sources.insert(key.to_owned(), Source::Env(name.to_owned()));
            }
        }
    }

    /// The key without `_file`, unless the whole name is a key.
    fn file_key<'k>(&self, key: &'k str) -> Option<&'k str> {
        match schema::kind(&self.defaults, key) {
            Kind::Unknown | Kind::NotYet => key.strip_suffix("_file"),
            Kind::Key(_) | Kind::Section | Kind::Blocks => None,
        }
    }

    /// The default of the key that a variable sets; its type says how to read the variable's text.
    fn default_of(&self, variable: &Variable<'_>, key: &str, from: &Source) -> Result<&Value, ConfigError> {
        let variable_error =
            |expected: String| Err(ConfigError::Variable { name: variable.name.to_owned(), expected });
        if variable.name != variable.name.to_ascii_uppercase() {
            return variable_error(format!("upper case, {}", variable.name.to_ascii_uppercase()));
        }
        match schema::kind(&self.defaults, key) {
            Kind::Key(default) => Ok(default),
            Kind::Section => variable_error(format!("one key of [{key}], such as {}__...", name_of(key))),
            Kind::Blocks => variable_error(format!("[[{key}]] blocks in a file; no variable can hold them")),
            Kind::NotYet => Err(ConfigError::NotSupported {
                from: Source::Env(variable.name.to_owned()),
                key: key.to_owned(),
            }),
            Kind::Unknown => Err(self.unknown(from.clone(), key)),
        }
    }

    fn set(&mut self, key: &str, value: Value, from: &Source) -> Result<(), ConfigError> {
        let Some(default) = schema::find(&self.defaults, key) else {
            return Err(self.unknown(from.clone(), key));
        };
        let value = typed(key, default, value, from)?;
        put(&mut self.values, key, value);
        self.sources.insert(key.to_owned(), from.clone());
        Ok(())
    }

    fn set_blocks(&mut self, key: &str, value: Value, from: &Source) -> Result<(), ConfigError> {
        if !value.as_array().is_some_and(|items| items.iter().all(Value::is_table)) {
            return Err(ConfigError::Wrong {
                from: from.clone(),
                key: key.to_owned(),
                value: HIDDEN.to_owned(),
                expected: format!("blocks, each under a line [[{key}]]"),
            });
        }
        put(&mut self.values, key, value);
        self.sources.insert(key.to_owned(), from.clone());
        Ok(())
    }
}

fn put(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}
