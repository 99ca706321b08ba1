//! ENTRANCE: the configuration.
//!
//! `config.toml` at the project's root is compiled in and parsed first; the user's file and the environment are merged
//! over it ([`Layers`]), and each section is then deserialised once, by the type that lives with the code that uses it.
//! This file only composes.
//!
//! In reading order:
//!
//! | file | |
//! |---|---|
//! | `layers` | merges the layers; each value remembers its source |
//! | `files`, `environment` | where the layers come from |
//! | `schema`, `types` | the keys that exist; a value's type is that of its default |
//! | `section` | from merged values to the type of a section |
//! | `source`, `error`, `duplicate` | where a value was written; errors as one line; a key that a file gives twice |
//! | `show`, `text` | `show-config`; values as operators see them |

mod duplicate;
mod environment;
mod error;
mod files;
mod layers;
mod schema;
mod section;
mod show;
mod source;
mod text;
mod types;

use std::collections::HashSet;
use std::path::Path;

pub use environment::Environment;
pub use error::ConfigError;
pub use layers::Layers;
use section::{blocks, broken, section, written};
pub use show::show;
pub use source::Source;

use crate::{avatar, directory, http, model, origin, provider, routes, store, telemetry, webhook};

/// Every section, checked.
pub struct Config {
    /// `[server]`
    pub server: http::ServerConfig,
    /// `[admin]`
    pub admin: http::AdminConfig,
    /// `[avatar]`
    pub avatar: avatar::AvatarConfig,
    /// `[avatar.headers]`
    pub headers: routes::HeadersConfig,
    /// `[memory]`
    pub memory: store::MemoryConfig,
    /// `[disk]`
    pub disk: store::DiskConfig,
    /// `[redis]`, where it has a URL
    pub redis: Option<store::RedisConfig>,
    /// `[directory]`
    pub directory: directory::DirectoryConfig,
    /// `[[connection]]`
    pub connections: Vec<directory::ConnectionEntry>,
    /// `[tokens]`
    pub tokens: model::token::TokensConfig,
    /// `[link]`
    pub link: model::LinkConfig,
    /// `[providers]`
    pub providers: provider::ProvidersConfig,
    /// `[origin]`
    pub origin: origin::OriginConfig,
    /// `[images]`
    pub images: model::ImagesConfig,
    /// `[events]`, where it has a URL
    pub events: Option<webhook::EventsConfig>,
    /// `[fallback]`
    pub fallback: routes::FallbackConfig,
    /// `[log]`
    pub log: telemetry::LogConfig,
}

impl Config {
    /// The defaults, then `file`, then the environment.
    ///
    /// # Errors
    /// The first error found, as one line for the operator; the program ends with code 2.
    pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        Self::from_layers(&Layers::load(file, environment)?)
    }

    /// Checks layers that are already merged.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_layers(layers: &Layers) -> Result<Self, ConfigError> {
        let server = section::<http::ServerWritten, _>(layers, "server")?;
        let avatar = section::<avatar::AvatarWritten, _>(layers, "avatar")?;
        wait_is_shorter(layers, &server, &avatar)?;
        let tokens = Self::tokens(layers)?;
        let disk = section::<store::DiskWritten, store::DiskConfig>(layers, "disk")?;
        let providers =
            section::<provider::ProvidersWritten, provider::ProvidersConfig>(layers, "providers")?
                .with_json(json_providers(layers)?);
        rows_name_known_providers(layers, &providers.names())?;
        rows_have_tokens(layers, &providers)?;
        Ok(Self {
            server,
            avatar,
            admin: section::<http::AdminWritten, _>(layers, "admin")?,
            headers: section::<routes::HeadersWritten, _>(layers, "avatar.headers")?,
            memory: section::<store::MemoryWritten, _>(layers, "memory")?,
            events: Self::events(layers, &disk)?,
            disk,
            directory: section::<directory::DirectoryWritten, _>(layers, "directory")?,
            connections: connections(layers)?,
            redis: Self::redis(layers, &tokens.keyring)?,
            tokens,
            link: section::<model::LinkWritten, _>(layers, "link")?,
            providers,
            origin: section::<origin::OriginWritten, _>(layers, "origin")?,
            images: section::<model::ImagesWritten, _>(layers, "images")?,
            fallback: section::<routes::FallbackWritten, _>(layers, "fallback")?,
            log: written(layers, "log")?,
        })
    }

    /// `[redis]`. Its values are sealed with keys of its own or with keys derived from those of `[tokens]`.
    fn redis(
        layers: &Layers,
        tokens: &model::token::Keyring,
    ) -> Result<Option<store::RedisConfig>, ConfigError> {
        let redis = written::<store::RedisWritten>(layers, "redis")?;
        redis.check(tokens).map_err(|invalid| broken(layers, "redis", invalid))
    }

    /// `[events]`, which needs a disk for events that wait.
    fn events(
        layers: &Layers,
        disk: &store::DiskConfig,
    ) -> Result<Option<webhook::EventsConfig>, ConfigError> {
        let events = written::<webhook::EventsWritten>(layers, "events")?;
        events.check(disk.path.is_some()).map_err(|invalid| broken(layers, "events", invalid))
    }

    /// `[tokens]` alone, for a command that works even if other sections are wrong.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn tokens(layers: &Layers) -> Result<model::token::TokensConfig, ConfigError> {
        section::<model::token::TokensWritten, _>(layers, "tokens")
    }
}

/// A client that has waited for `avatar.wait` must still get its answer within `server.request_timeout`. The error names the
/// one of the two that the operator wrote.
fn wait_is_shorter(
    layers: &Layers,
    server: &http::ServerConfig,
    avatar: &avatar::AvatarConfig,
) -> Result<(), ConfigError> {
    if avatar.wait < server.request_timeout {
        return Ok(());
    }
    let show = model::units::show_duration;
    let (key, value, expected) = match layers.source("avatar.wait") {
        Source::Default => {
            let expected = format!("more than avatar.wait = {}", show(avatar.wait));
            ("server.request_timeout", server.request_timeout, expected)
        }
        Source::File(_) | Source::Env(_) | Source::EnvFile(..) => {
            let expected = format!("less than server.request_timeout = {}", show(server.request_timeout));
            ("avatar.wait", avatar.wait, expected)
        }
    };
    let value = layers.shown(key).unwrap_or_else(|| show(value));
    Err(ConfigError::Wrong { from: layers.source(key), key: key.to_owned(), value, expected })
}

/// Rows name their provider, and only here are all names known.
fn rows_name_known_providers(layers: &Layers, known: &[model::Provider]) -> Result<(), ConfigError> {
    for blocks in schema::BLOCKS {
        for key in (1..=layers.count(blocks)).map(|number| format!("{blocks}[{number}].provider")) {
            let Some(name) = layers.text(&key) else { continue };
            let names = || known.iter().map(model::Provider::as_str);
            if names().all(|known| known != name) {
                let near = schema::closest(name, names());
                let hint = near.map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
                let names = names().collect::<Vec<_>>().join(", ");
                let expected = format!("one of {names}, or the name of a [[providers.json]] block{hint}");
                let (from, value) = (layers.source(&key), text::quoted(name));
                return Err(ConfigError::Wrong { from, key, value, expected });
            }
        }
    }
    Ok(())
}

/// A `[[connection]]` may omit its token only if its provider needs none.
fn rows_have_tokens(layers: &Layers, providers: &provider::ProvidersConfig) -> Result<(), ConfigError> {
    for block in (1..=layers.count("connection")).map(|number| format!("connection[{number}]")) {
        let provider = layers.text(&format!("{block}.provider")).and_then(model::Provider::from_name);
        let needed = provider.is_some_and(|provider| providers.needs_token(provider));
        if needed && schema::find(layers.values(), &format!("{block}.token")).is_none() {
            let name = format!("{}: {block}", layers.source(&block));
            return Err(ConfigError::Variable { name, expected: "the key `token` in it".to_owned() });
        }
    }
    Ok(())
}

/// No two blocks share a name, since rows name a provider by it.
fn json_providers(layers: &Layers) -> Result<Vec<provider::JsonConfig>, ConfigError> {
    let all = blocks::<provider::JsonWritten, provider::JsonConfig>(layers, "providers.json")?;
    let mut names = HashSet::new();
    match all.iter().position(|json| !names.insert(json.name)) {
        None => Ok(all),
        Some(second) => {
            let expected = "a name that no other block has";
            let invalid = model::Invalid::new("name", text::quoted(all[second].name.as_str()), expected);
            Err(broken(layers, &format!("providers.json[{}]", second + 1), invalid))
        }
    }
}

/// No two blocks share an id, since it names one picture.
fn connections(layers: &Layers) -> Result<Vec<directory::ConnectionEntry>, ConfigError> {
    let all = blocks::<directory::ConnectionWritten, directory::ConnectionEntry>(layers, "connection")?;
    let mut ids = HashSet::new();
    match all.iter().position(|entry| !ids.insert(entry.id())) {
        None => Ok(all),
        Some(second) => Err(ConfigError::Wrong {
            from: layers.source("connection"),
            key: format!("connection[{}].id", second + 1),
            value: text::quoted(all[second].id().as_str()),
            expected: "an id that no other block has".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests;
