//! What can go wrong between this server and the dashboard's database.

use std::time::Duration;

use sqlx::mysql::MySqlDatabaseError;

use crate::model::AvatarId;
use crate::model::units::show_duration;

/// Why the directory has no answer. None of these means that a connection is gone.
///
/// SECURITY: a database's own messages repeat values ("invalid input syntax for type uuid: ..."), and a driver's may
/// repeat the URL. So an error contains none of their texts, only the code and words of our own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The database cannot be reached or did not answer in time. Asking again may help.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The configuration, the tables or the permissions are wrong: an operator has to act.
    #[error("the directory is misconfigured: {0}")]
    Misconfigured(String),
    /// More than one row has the id, so it is unclear which account is meant.
    #[error("the id {id} is found more than once: in {}", tables.join(" and "))]
    Ambiguous {
        /// The id that was asked for.
        id: AvatarId,
        /// The tables, one for each row.
        tables: Vec<String>,
    },
}

/// A query that failed.
#[derive(Debug)]
pub(super) struct QueryFailure {
    pub(super) kind: FailureKind,
    pub(super) text: String,
}

/// What a failed query means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// No connection, no answer in time, or an error that may not repeat.
    Unavailable,
    /// A table or column that existed is gone.
    Missing,
    /// The server refuses the user, the password, the database or the file.
    Login,
    /// The value does not fit the column.
    TooLong,
    /// A permission, a read-only database, a constraint or a trigger says no.
    Refused,
}

impl QueryFailure {
    pub(super) fn new(kind: FailureKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    pub(super) fn timed_out(after: Duration) -> Self {
        Self::new(FailureKind::Unavailable, format!("no answer within {}", show_duration(after)))
    }
}

impl From<QueryFailure> for DirectoryError {
    fn from(failure: QueryFailure) -> Self {
        match failure.kind {
            FailureKind::Unavailable => Self::Unavailable(failure.text),
            FailureKind::Missing | FailureKind::Login | FailureKind::TooLong | FailureKind::Refused => {
                Self::Misconfigured(failure.text)
            }
        }
    }
}

impl From<sqlx::Error> for QueryFailure {
    fn from(error: sqlx::Error) -> Self {
        use FailureKind::Unavailable;
        match error {
            sqlx::Error::Database(error) => of_database(error.as_ref()),
            sqlx::Error::Io(error) => {
                Self::new(Unavailable, format!("the connection failed ({})", error.kind()))
            }
            sqlx::Error::Tls(_) => Self::new(Unavailable, "TLS could not be agreed on"),
            sqlx::Error::PoolTimedOut => Self::new(Unavailable, "no connection in time"),
            sqlx::Error::Protocol(_) => Self::new(Unavailable, "the server broke the protocol"),
            sqlx::Error::Configuration(_) => {
                Self::new(FailureKind::Login, "the driver refuses the connection's parameters")
            }
            // The other errors cannot come from the few calls made here, or say nothing without their text.
            _ => Self::new(Unavailable, "the driver failed"),
        }
    }
}

fn of_database(error: &dyn sqlx::error::DatabaseError) -> QueryFailure {
    let code = error.code().unwrap_or_default();
    let kind = if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        of_mysql(error.number())
    } else if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        of_sqlite(code.parse().unwrap_or(0), error.message())
    } else {
        of_postgres(&code)
    };
    let words = match kind {
        FailureKind::Unavailable => "the database failed",
        FailureKind::Missing => "a table or column is missing",
        FailureKind::Login => "user, password, database or file are refused",
        FailureKind::TooLong => "a value is too long for its column",
        FailureKind::Refused => "the database does not permit it",
    };
    let code = error
        .try_downcast_ref::<MySqlDatabaseError>()
        .map_or_else(|| code.to_string(), |error| error.number().to_string());
    QueryFailure::new(kind, format!("{words} (code {code})"))
}

/// By SQLSTATE (PostgreSQL, appendix A). pgbouncer answers 08P01 where it cannot log in on our behalf.
fn of_postgres(state: &str) -> FailureKind {
    match state {
        "42P01" | "42703" | "3F000" => FailureKind::Missing,
        "22001" => FailureKind::TooLong,
        "42501" | "25006" | "P0001" => FailureKind::Refused,
        "3D000" => FailureKind::Login,
        _ if state.starts_with("28") => FailureKind::Login,
        _ if state.starts_with("23") => FailureKind::Refused,
        _ => FailureKind::Unavailable,
    }
}

/// By error number, since MySQL uses one SQLSTATE (42000) for many different errors.
fn of_mysql(number: u16) -> FailureKind {
    match number {
        1054 | 1146 => FailureKind::Missing,
        1406 => FailureKind::TooLong,
        1044 | 1045 | 1049 | 1698 => FailureKind::Login,
        1142 | 1143 | 1227 | 1288 | 1290 | 1369 | 1370 | 1644 | 1792 | 1836 | 4025 => FailureKind::Refused,
        _ => FailureKind::Unavailable,
    }
}

/// By result code; the low byte is the primary one. "No such table" has no code of its own.
fn of_sqlite(code: i32, message: &str) -> FailureKind {
    match code & 0xff {
        1 if message.starts_with("no such") => FailureKind::Missing,
        3 | 8 | 19 | 23 => FailureKind::Refused,
        14 | 26 => FailureKind::Login,
        _ => FailureKind::Unavailable,
    }
}
