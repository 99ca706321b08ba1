//! [`DirectoryCheck`]: what `avatar-proxy check` reports about the database.

use super::dialect::IdType;
use super::schema::{Look, Schema};
use super::{Directory, DirectoryError};
use crate::model::Provider;

/// The database and the tables in it. Contains no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryCheck {
    /// `PostgreSQL`, `MySQL` or `SQLite`; `None` if only `[[connection]]` is configured.
    pub engine: Option<&'static str>,
    /// How many connections the configuration has.
    pub entries: usize,
    /// Each wanted table.
    pub tables: Vec<CheckedTable>,
    /// What an operator has to repair, if anything.
    pub problem: Option<String>,
}

/// A wanted table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedTable {
    /// Whose accounts it contains.
    pub provider: Provider,
    /// The names that the look tried.
    pub names: Vec<String>,
    /// The table; the error says what is wrong with it.
    pub found: Result<FoundTable, String>,
}

/// A table that is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTable {
    /// Its name in the database's own spelling.
    pub table: String,
    /// How its columns are spelled: `camelCase`, `snake_case` or `as configured`.
    pub style: &'static str,
    /// `text`, `uuid` or `integer`.
    pub id_type: &'static str,
    /// Optional columns that it does not have.
    pub lacking: Vec<String>,
    /// The longest address that fits its column, in characters; `None` = not limited, or there is no such column.
    pub picture_max: Option<usize>,
    /// The column with the end of the token, if one is mapped.
    pub token_expires_at: Option<String>,
}

impl Directory {
    /// Looks for each table, past every cache.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn check(&self) -> Result<DirectoryCheck, DirectoryError> {
        let entries = self.entries.len();
        let Some(source) = &self.config.source else {
            return Ok(DirectoryCheck { engine: None, entries, tables: Vec::new(), problem: None });
        };
        let engine = self.engine()?;
        let schema = Schema::look(engine, source, &self.wanted).await?;
        let tables = self.wanted.iter().zip(&schema.looks).map(|(wanted, look)| CheckedTable {
            provider: wanted.provider,
            names: wanted.names.clone(),
            found: found(look),
        });
        let known = vec![false; self.wanted.len()];
        Ok(DirectoryCheck {
            engine: Some(engine.dialect().name()),
            entries,
            tables: tables.collect(),
            problem: schema.problem(&self.wanted, &known).map(|problem| problem.to_string()),
        })
    }
}

fn found(look: &Look) -> Result<FoundTable, String> {
    match look {
        Look::Absent => Err("not found".to_owned()),
        Look::Unusable { table, problem } => Err(format!("{table:?}: {problem}")),
        Look::Found(taken) => Ok(FoundTable {
            table: taken.table.name.clone(),
            style: taken.style,
            id_type: match taken.table.id_type {
                IdType::Text => "text",
                IdType::Uuid => "uuid",
                IdType::Integer { .. } => "integer",
            },
            lacking: taken.lacking.clone(),
            picture_max: taken.table.picture_max,
            token_expires_at: taken.table.token_expires_at.clone(),
        }),
    }
}
