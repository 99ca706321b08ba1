//! The sections `[directory]`, `[[directory.table]]` and `[[connection]]`.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use super::url::{DatabaseSource, parse};
use crate::model::units::Span;
use crate::model::{AvatarId, Connection, Invalid, Provider, SealedToken, Secret};

/// `[directory]` as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectoryWritten {
    /// The database; empty = none.
    pub url: Secret,
    /// Connections to it, at most.
    pub max_connections: u32,
    /// How long a row is used before it is read again.
    pub cache_for: Span,
    /// How long a query may take, waiting for a connection included.
    pub timeout: Span,
    /// How often all stored ids are compared with the directory; `0s` = never.
    pub sweep: Span,
    /// Whether fresh addresses are saved in the row.
    pub write_back: bool,
    /// `[[directory.table]]`; none = the dashboard's three tables are looked for.
    #[serde(default)]
    pub table: Vec<TableWritten>,
}

/// One `[[directory.table]]` as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableWritten {
    /// Whose accounts the rows are.
    pub provider: String,
    /// The table's name as the database spells it.
    pub table: String,
    /// The column of the row's id.
    pub id: String,
    /// Put before the row's id in the address.
    #[serde(default)]
    pub prefix: String,
    /// The column of the account at the provider.
    #[serde(default)]
    pub account: String,
    /// The column of the sealed token.
    pub token: String,
    /// The column of its initialisation vector, if it is one of its own.
    #[serde(default)]
    pub token_iv: String,
    /// The column of its authentication tag, if it is one of its own.
    #[serde(default)]
    pub token_tag: String,
    /// The column of the picture's address.
    #[serde(default)]
    pub picture_url: String,
    /// The column of the account's name.
    #[serde(default)]
    pub name: String,
    /// The column of the token's end.
    #[serde(default)]
    pub token_expires_at: String,
}

/// One `[[connection]]` as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionWritten {
    /// The id in the address.
    pub id: String,
    /// Whose API to ask.
    pub provider: String,
    /// The account at the provider; empty = the token's own.
    #[serde(default)]
    pub account: String,
    /// Sealed as in the dashboard, or `plain:...`; empty where the provider needs none.
    #[serde(default = "nothing")]
    pub token: Secret,
    /// For initials.
    #[serde(default)]
    pub name: String,
    /// A first address of the picture.
    #[serde(default = "nothing")]
    pub picture_url: Secret,
}

fn nothing() -> Secret {
    Secret::new("")
}

/// `[directory]` as it is meant.
#[derive(Debug, Clone)]
pub struct DirectoryConfig {
    /// Where the database is; `None` = only `[[connection]]`.
    pub source: Option<DatabaseSource>,
    /// Connections to it, at most.
    pub max_connections: u32,
    /// How long a row is used before it is read again.
    pub cache_for: Duration,
    /// How long a query may take, waiting for a connection included.
    pub timeout: Duration,
    /// How often all stored ids are compared with the directory; `None` = never.
    pub sweep: Option<Duration>,
    /// Whether fresh addresses are saved in the row.
    pub write_back: bool,
    /// The tables; none = the dashboard's three are looked for.
    pub tables: Vec<TableConfig>,
}

/// One table with the names of its columns.
#[derive(Debug, Clone)]
pub struct TableConfig {
    /// Whose accounts the rows are.
    pub provider: Provider,
    /// The table's name.
    pub table: String,
    /// Put before the row's id in the address; may be empty.
    pub prefix: String,
    /// Its columns.
    pub columns: Columns,
}

/// The names of a table's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// The row's id.
    pub id: String,
    /// The sealed token.
    pub token: String,
    /// Its initialisation vector.
    pub token_iv: Option<String>,
    /// Its authentication tag.
    pub token_tag: Option<String>,
    /// The account at the provider.
    pub account: Option<String>,
    /// The account's name.
    pub name: Option<String>,
    /// The picture's address.
    pub picture_url: Option<String>,
    /// When the token ends.
    pub token_expires_at: Option<String>,
}

/// A connection of the configuration.
#[derive(Debug, Clone)]
pub struct ConnectionEntry(pub(super) Connection);

impl TryFrom<DirectoryWritten> for DirectoryConfig {
    type Error = Invalid;

    fn try_from(written: DirectoryWritten) -> Result<Self, Invalid> {
        let source = match written.url.expose() {
            "" => None,
            url => Some(parse(url).map_err(|expected| Invalid::new("url", "<secret>", expected))?),
        };
        if !(1..=1000).contains(&written.max_connections) {
            return Err(Invalid::new(
                "max_connections",
                written.max_connections.to_string(),
                "a number from 1 to 1000",
            ));
        }
        Ok(Self {
            source,
            max_connections: written.max_connections,
            cache_for: written.cache_for.get(),
            timeout: written.timeout.at_least("timeout", Duration::from_millis(10))?,
            sweep: Some(written.sweep.get()).filter(|span| !span.is_zero()),
            write_back: written.write_back,
            tables: written.table.into_iter().map(TableConfig::try_from).collect::<Result<_, _>>()?,
        })
    }
}

impl TryFrom<TableWritten> for TableConfig {
    type Error = Invalid;

    fn try_from(written: TableWritten) -> Result<Self, Invalid> {
        let prefix = written.prefix;
        if !prefix.is_empty() && !AvatarId::check(&prefix) {
            return Err(Invalid::new("table.prefix", prefix, "characters of A-Z, a-z, 0-9, _ and -"));
        }
        Ok(Self {
            provider: provider("table.provider", &written.provider)?,
            table: needed("table.table", written.table)?,
            prefix,
            columns: Columns {
                id: needed("table.id", written.id)?,
                token: needed("table.token", written.token)?,
                token_iv: optional("table.token_iv", written.token_iv)?,
                token_tag: optional("table.token_tag", written.token_tag)?,
                account: optional("table.account", written.account)?,
                name: optional("table.name", written.name)?,
                picture_url: optional("table.picture_url", written.picture_url)?,
                token_expires_at: optional("table.token_expires_at", written.token_expires_at)?,
            },
        })
    }
}

impl TryFrom<ConnectionWritten> for ConnectionEntry {
    type Error = Invalid;

    fn try_from(written: ConnectionWritten) -> Result<Self, Invalid> {
        let id = AvatarId::parse(&written.id).map_err(|_| {
            Invalid::new("id", format!("{:?}", written.id), "1 to 64 of A-Z, a-z, 0-9, _ and -")
        })?;
        let filled = |text: String| (!text.is_empty()).then_some(text);
        Ok(Self(Connection {
            id,
            provider: provider("provider", &written.provider)?,
            account: filled(written.account),
            token: SealedToken { value: written.token, iv: None, tag: None },
            name: filled(written.name).map(Into::into),
            picture_url: Some(written.picture_url).filter(|url| !url.is_empty()),
            token_expires_at: None,
            table: None,
        }))
    }
}

impl ConnectionEntry {
    /// The id in the address.
    pub fn id(&self) -> &AvatarId {
        &self.0.id
    }

    /// Whose API to ask.
    pub fn provider(&self) -> Provider {
        self.0.provider
    }
}

impl fmt::Display for TableConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table)
    }
}

fn provider(key: &'static str, name: &str) -> Result<Provider, Invalid> {
    // Which of them are configured is known on a higher floor.
    Provider::from_name(name).ok_or_else(|| Invalid::new(key, format!("{name:?}"), "the name of a provider"))
}

/// A name of a table or column: anything that `Dialect::quote` takes.
fn needed(key: &'static str, name: String) -> Result<String, Invalid> {
    if name.is_empty() || name.contains('\0') {
        return Err(Invalid::new(key, format!("{name:?}"), "a name without a NUL"));
    }
    Ok(name)
}

fn optional(key: &'static str, name: String) -> Result<Option<String>, Invalid> {
    if name.is_empty() { Ok(None) } else { needed(key, name).map(Some) }
}
