//! [`Dialect`]: where the SQL of the three databases differs.

/// The language of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Postgres,
    MySql,
    Sqlite,
}

/// How ids are stored, and so which strings can be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdType {
    Text,
    Uuid,
    Integer { unsigned: bool },
}

/// A column as the database's catalogue describes it.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// In the database's own spelling.
    pub(super) name: String,
    /// `text`, `uuid`, `bytea`, `varchar`, ... in lower case.
    pub(super) kind: String,
    /// The whole type as it is written in a cast (PostgreSQL) or a definition (MySQL).
    pub(super) full: String,
    /// The longest text that fits, in characters; `None` = not limited.
    pub(super) max_len: Option<usize>,
}

impl Dialect {
    /// The engine's name for people.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::MySql => "MySQL",
            Self::Sqlite => "SQLite",
        }
    }

    /// The one place where a name becomes SQL; `None` for a name that no database accepts.
    ///
    /// SECURITY: names come from the configuration and the catalogue and may hold quotes. The quote character is
    /// doubled; a NUL would end the statement early in C libraries.
    pub(super) fn quote(self, name: &str) -> Option<String> {
        let mark = match self {
            Self::Postgres | Self::Sqlite => '"',
            Self::MySql => '`',
        };
        if name.is_empty() || name.contains('\0') {
            return None;
        }
        Some(format!("{mark}{}{mark}", name.replace(mark, &format!("{mark}{mark}"))))
    }

    /// Whether names that differ in case alone are the same column.
    pub(super) const fn folds_case(self) -> bool {
        match self {
            Self::Postgres => false,
            Self::MySql | Self::Sqlite => true,
        }
    }

    /// The placeholder of the `n`th parameter, counted from 1. Every occurrence binds its own value.
    pub(super) fn parameter(self, n: usize) -> String {
        match self {
            Self::Postgres => format!("${n}"),
            Self::MySql | Self::Sqlite => "?".to_owned(),
        }
    }

    /// The parameter as a value of the id column's own type, so that the column's index serves.
    pub(super) fn id_parameter(self, n: usize, id: IdType, column: &Column) -> String {
        let parameter = self.parameter(n);
        match (self, id) {
            (Self::Postgres, IdType::Uuid) => format!("{parameter}::uuid"),
            (Self::Postgres, IdType::Integer { .. }) => format!("{parameter}::bigint"),
            // `character` without a length is one character long, hence the internal name.
            (Self::Postgres, IdType::Text) => match column.kind.as_str() {
                "bpchar" => format!("{parameter}::bpchar"),
                "citext" => format!("{parameter}::{}", column.full),
                _ => parameter,
            },
            (Self::MySql, IdType::Integer { unsigned: true }) => format!("CAST({parameter} AS UNSIGNED)"),
            (Self::MySql, IdType::Integer { unsigned: false }) => format!("CAST({parameter} AS SIGNED)"),
            (Self::Sqlite, IdType::Integer { .. }) => format!("CAST({parameter} AS INTEGER)"),
            (Self::MySql | Self::Sqlite, IdType::Text | IdType::Uuid) => parameter,
        }
    }

    /// The column's value as UTF-8 text.
    pub(super) fn text(self, column: &str) -> String {
        match self {
            Self::Postgres => format!("{column}::text"),
            Self::MySql => format!("CONVERT({column} USING utf8mb4)"),
            Self::Sqlite => format!("CAST({column} AS TEXT)"),
        }
    }

    /// The column's bytes in hexadecimal.
    pub(super) fn hex(self, column: &str) -> String {
        match self {
            Self::Postgres => format!("encode({column}, 'hex')"),
            Self::MySql | Self::Sqlite => format!("hex({column})"),
        }
    }

    /// No value, typed as text.
    pub(super) const fn null(self) -> &'static str {
        match self {
            Self::Postgres => "NULL::text",
            Self::MySql | Self::Sqlite => "NULL",
        }
    }

    /// A time as a number in text: seconds or milliseconds since 1970, or NULL. `None` for a column of a type that has no
    /// times. Times without a zone are UTC, as Prisma writes them.
    pub(super) fn time(self, name: &str, column: &Column) -> Option<String> {
        let kind = column.kind.as_str();
        match self {
            Self::Postgres => match kind {
                "int4" | "int8" => Some(self.text(name)),
                // An infinite time has no number and would fail the whole statement.
                "timestamp" | "timestamptz" | "date" => Some(format!(
                    "CASE WHEN isfinite({name}) THEN (EXTRACT(EPOCH FROM {name}) * 1000)::bigint::text END"
                )),
                _ => None,
            },
            Self::MySql => match kind {
                "int" | "bigint" => Some(self.text(name)),
                "datetime" | "date" => {
                    Some(self.text(&format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {name}) DIV 1000")))
                }
                // MySQL stores it in UTC and shows it in the session's zone.
                "timestamp" => Some(self.text(&format!("CAST(UNIX_TIMESTAMP({name}) * 1000 AS SIGNED)"))),
                _ => None,
            },
            // Each value has a type of its own, whatever the column declares. Only texts that look like dates go to strftime,
            // since that also takes `now`, and any number as a Julian day.
            Self::Sqlite => Some(format!(
                "CASE WHEN typeof({name}) IN ('integer', 'real') \
                 OR typeof({name}) = 'text' AND {name} NOT GLOB '*[^0-9]*' \
                 THEN CAST(CAST({name} AS INTEGER) AS TEXT) \
                 WHEN typeof({name}) = 'text' AND {name} GLOB '[0-9][0-9][0-9][0-9]-*' \
                 THEN CAST(strftime('%s', {name}) AS TEXT) END"
            )),
        }
    }

    /// Equal byte for byte, whatever the column's collation says.
    pub(super) fn exactly(self, text: &str, parameter: &str) -> String {
        match self {
            Self::Postgres => format!("{text} COLLATE \"C\" = {parameter}"),
            Self::MySql => format!("{text} COLLATE utf8mb4_bin = {parameter}"),
            Self::Sqlite => format!("{text} COLLATE BINARY = {parameter}"),
        }
    }

    /// Whether a column of this type contains bytes instead of text.
    pub(super) fn holds_bytes(self, column: &Column) -> bool {
        match self {
            Self::Postgres => column.kind == "bytea",
            Self::MySql => column.kind.ends_with("blob") || column.kind.ends_with("binary"),
            Self::Sqlite => column.kind.contains("blob"),
        }
    }

    /// How ids in this column are compared; `None` if its type has no ids.
    pub(super) fn id_type(self, column: &Column) -> Option<IdType> {
        let kind = column.kind.as_str();
        match self {
            Self::Postgres => match kind {
                "text" | "varchar" | "bpchar" | "citext" => Some(IdType::Text),
                "uuid" => Some(IdType::Uuid),
                "int2" | "int4" | "int8" => Some(IdType::Integer { unsigned: false }),
                _ => None,
            },
            Self::MySql => match kind {
                "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => Some(IdType::Text),
                "uuid" => Some(IdType::Uuid),
                "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => {
                    Some(IdType::Integer { unsigned: column.full.contains("unsigned") })
                }
                _ => None,
            },
            // SQLite types values, not columns; these are its rules of affinity (datatype3.html, 3.1).
            Self::Sqlite => {
                Some(if kind.contains("int") { IdType::Integer { unsigned: false } } else { IdType::Text })
            }
        }
    }

    /// Describes a table: rows of table, column, type, longest text and full type. Parameters: the table's name and,
    /// for PostgreSQL, the schema.
    pub(super) const fn describe(self) -> &'static str {
        match self {
            Self::Postgres => POSTGRES_COLUMNS,
            Self::MySql => MYSQL_COLUMNS,
            Self::Sqlite => SQLITE_COLUMNS,
        }
    }
}

/// A domain counts as the type beneath it. The catalogue is read because information_schema hides tables that the role may
/// not read, and a missing permission must not look like a missing table.
const POSTGRES_COLUMNS: &str = "SELECT c.relname::text, a.attname::text, b.typname::text, \
    CASE WHEN b.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4 THEN (a.atttypmod - 4)::text END, \
    pg_catalog.format_type(b.oid, NULL)::text \
    FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid \
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
    JOIN pg_catalog.pg_type b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END \
    WHERE c.relname = $1::name AND n.nspname = $2::name AND c.relkind IN ('r', 'p', 'v', 'm', 'f') \
    AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

const MYSQL_COLUMNS: &str = "SELECT CONVERT(table_name USING utf8mb4), CONVERT(column_name USING utf8mb4), \
    CONVERT(data_type USING utf8mb4), CONVERT(character_maximum_length USING utf8mb4), \
    CONVERT(column_type USING utf8mb4) \
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? \
    ORDER BY table_name, ordinal_position";

/// No length: SQLite does not enforce the one in `VARCHAR(191)`.
const SQLITE_COLUMNS: &str = "SELECT m.name, p.name, p.type, NULL, p.type \
    FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS p \
    WHERE m.type IN ('table', 'view') AND m.name = ? COLLATE NOCASE ORDER BY m.name, p.cid";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_in_a_name_are_doubled_and_a_nul_is_refused() {
        assert_eq!(Dialect::Postgres.quote("a\"b").unwrap(), "\"a\"\"b\"");
        assert_eq!(Dialect::Sqlite.quote("a\"; DROP TABLE x; --").unwrap(), "\"a\"\"; DROP TABLE x; --\"");
        assert_eq!(Dialect::MySql.quote("a`b").unwrap(), "`a``b`");
        assert_eq!(Dialect::MySql.quote("a\"b").unwrap(), "`a\"b`");
        assert_eq!(Dialect::Postgres.quote("a\0b"), None);
        assert_eq!(Dialect::Postgres.quote(""), None);
    }
}
