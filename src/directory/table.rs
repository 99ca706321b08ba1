//! [`Table`]: a table that was found, with its statements built once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::dialect::{Column, Dialect, IdType};
use crate::model::{AvatarId, Connection, Provider, SealedToken, Secret, Timestamp, end_of};

/// A table whose columns are known.
#[derive(Debug)]
pub(super) struct Table {
    /// Its place among the wanted tables: [`Connection::table`].
    pub(super) index: usize,
    pub(super) provider: Provider,
    /// Its name in the database's own spelling.
    pub(super) name: String,
    pub(super) prefix: String,
    pub(super) id_type: IdType,
    pub(super) picture_max: Option<usize>,
    /// The column with the end of the token.
    pub(super) token_expires_at: Option<String>,
    bytes: TokenBytes,
    dialect: Dialect,
    id: Column,
    select: String,
    /// Ends with the id's column.
    select_ids: String,
    /// The same with the ends of the tokens, where there is a column for them.
    select_ends: Option<String>,
    id_column: String,
    count: String,
    update: Option<String>,
}

/// The found columns of a table.
#[derive(Debug)]
pub(super) struct TableColumns {
    pub(super) id: Column,
    pub(super) token: Column,
    pub(super) token_iv: Option<Column>,
    pub(super) token_tag: Option<Column>,
    pub(super) account: Option<Column>,
    pub(super) name: Option<Column>,
    pub(super) picture_url: Option<Column>,
    pub(super) token_expires_at: Option<Column>,
}

/// Which of the token's columns contain bytes (Prisma's `Bytes`) and are selected in hexadecimal.
#[derive(Debug, Clone, Copy)]
struct TokenBytes {
    value: bool,
    iv: bool,
    tag: bool,
}

/// What [`Table::new`] needs to address a table.
pub(super) struct Named<'a> {
    pub(super) index: usize,
    pub(super) provider: Provider,
    pub(super) prefix: &'a str,
    pub(super) schema: Option<&'a str>,
    pub(super) name: &'a str,
}

impl Table {
    /// Builds the statements; the error says what is wrong with the table.
    pub(super) fn new(dialect: Dialect, named: &Named<'_>, found: TableColumns) -> Result<Self, String> {
        let id_type = dialect
            .id_type(&found.id)
            .ok_or_else(|| format!("its id is of type {}: text, uuid or integer is needed", found.id.full))?;
        let quoted = Quoted { dialect, table: qualified(dialect, named)? };
        let bytes =
            |column: &Option<Column>| column.as_ref().is_some_and(|column| dialect.holds_bytes(column));
        let row_is = quoted.row_is(&found.id, id_type)?;
        let update = match &found.picture_url {
            Some(picture) => Some(quoted.update(picture, &found.id, id_type)?),
            None => None,
        };
        Ok(Self {
            index: named.index,
            provider: named.provider,
            name: named.name.to_owned(),
            prefix: named.prefix.to_owned(),
            picture_max: found.picture_url.as_ref().and_then(|column| column.max_len),
            token_expires_at: found.token_expires_at.as_ref().map(|column| column.name.clone()),
            bytes: TokenBytes {
                value: dialect.holds_bytes(&found.token),
                iv: bytes(&found.token_iv),
                tag: bytes(&found.token_tag),
            },
            select: format!("{} WHERE {row_is} LIMIT 2", quoted.select(&found)?),
            select_ids: quoted.select_ids(&found.id)?,
            select_ends: match &found.token_expires_at {
                Some(column) => Some(quoted.select_ends(column, &found.id)?),
                None => None,
            },
            id_column: quoted.column(&found.id)?,
            count: format!("SELECT {} FROM {} AS t", dialect.text("COUNT(*)"), quoted.table),
            update,
            dialect,
            id_type,
            id: found.id,
        })
    }

    /// The row's own id within an avatar's id; `None` if this table cannot contain it and need not be asked.
    ///
    /// Only the spelling that the database itself prints is accepted: `007` and an upper-case UUID would find their rows too,
    /// and would be aliases that a purge never reaches.
    pub(super) fn row_id<'a>(&self, id: &'a AvatarId) -> Option<&'a str> {
        let text = id.as_str().strip_prefix(&self.prefix)?;
        let fits = match self.id_type {
            IdType::Text => !text.is_empty(),
            IdType::Uuid => is_uuid(text),
            IdType::Integer { unsigned: false } => text.parse::<i64>().is_ok_and(|n| n.to_string() == text),
            IdType::Integer { unsigned: true } => text.parse::<u64>().is_ok_and(|n| n.to_string() == text),
        };
        fits.then_some(text)
    }

    /// Binds the row's id twice: once for the index, once for the comparison byte for byte.
    pub(super) fn select(&self) -> &str {
        &self.select
    }

    /// Selects which of `count` row ids exist; binds them all.
    pub(super) fn select_ids(&self, count: usize) -> String {
        self.of_ids(&self.select_ids, count)
    }

    /// Selects the ids of `count` rows and the ends of their tokens; binds the ids. `None` without such a column.
    pub(super) fn select_ends(&self, count: usize) -> Option<String> {
        self.select_ends.as_ref().map(|select| self.of_ids(select, count))
    }

    fn of_ids(&self, select: &str, count: usize) -> String {
        let parameters: Vec<String> =
            (1..=count).map(|n| self.dialect.id_parameter(n, self.id_type, &self.id)).collect();
        format!("{select} IN ({})", parameters.join(", "))
    }

    /// Selects the first `count` row ids in the column's own order: all, or those after one that is bound.
    pub(super) fn select_page(&self, from_start: bool, count: usize) -> String {
        let wanted = match from_start {
            true => "IS NOT NULL".to_owned(),
            false => format!("> {}", self.dialect.id_parameter(1, self.id_type, &self.id)),
        };
        format!("{} {wanted} ORDER BY {} LIMIT {count}", self.select_ids, self.id_column)
    }

    /// Selects how many rows there are.
    pub(super) fn select_count(&self) -> &str {
        &self.count
    }

    /// The avatar's id of a row; `None` if the row's id fits no address, so that it has no views.
    pub(super) fn avatar_id(&self, row_id: &str) -> Option<AvatarId> {
        let id = AvatarId::parse(&format!("{}{row_id}", self.prefix)).ok()?;
        (self.row_id(&id) == Some(row_id)).then_some(id)
    }

    /// Binds the new address, the row's id twice and the old address, empty for none. `None` without such a column.
    pub(super) fn update(&self) -> Option<&str> {
        self.update.as_deref()
    }

    /// A selected row as a connection; `None` if its id differs from the one asked for.
    pub(super) fn connection(
        &self,
        id: &AvatarId,
        row: Vec<Option<String>>,
        now: Timestamp,
    ) -> Option<Connection> {
        let [row_id, token, iv, tag, account, name, picture_url, expires_at]: [Option<String>; 8] =
            row.try_into().ok()?;
        if row_id.as_deref() != self.row_id(id) {
            return None;
        }
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let secret =
            |text, bytes| filled(text).map(|text| Secret::new(if bytes { base64_of(&text) } else { text }));
        Some(Connection {
            id: id.clone(),
            provider: self.provider,
            account: filled(account),
            token: SealedToken {
                value: secret(token, self.bytes.value).unwrap_or_else(|| Secret::new("")),
                iv: secret(iv, self.bytes.iv),
                tag: secret(tag, self.bytes.tag),
            },
            name: filled(name).map(Into::into),
            picture_url: filled(picture_url).map(Secret::new),
            token_expires_at: expires_at.and_then(|text| token_end(&text, now)),
            table: Some(self.index),
        })
    }
}

/// The parts of the statements. Columns always carry the table's alias: SQLite reads a quoted name that is no column as a
/// string.
struct Quoted {
    dialect: Dialect,
    table: String,
}

impl Quoted {
    fn column(&self, column: &Column) -> Result<String, String> {
        Ok(format!("t.{}", quote(self.dialect, &column.name)?))
    }

    fn text(&self, column: &Column) -> Result<String, String> {
        Ok(self.dialect.text(&self.column(column)?))
    }

    fn optional_text(&self, column: &Option<Column>) -> Result<String, String> {
        column.as_ref().map_or_else(|| Ok(self.dialect.null().to_owned()), |column| self.text(column))
    }

    fn token(&self, column: &Option<Column>) -> Result<String, String> {
        match column {
            Some(column) if self.dialect.holds_bytes(column) => Ok(self.dialect.hex(&self.column(column)?)),
            other => self.optional_text(other),
        }
    }

    /// In the order that [`Table::connection`] reads.
    fn select(&self, found: &TableColumns) -> Result<String, String> {
        let columns = [
            self.text(&found.id)?,
            self.token(&Some(found.token.clone()))?,
            self.token(&found.token_iv)?,
            self.token(&found.token_tag)?,
            self.optional_text(&found.account)?,
            self.optional_text(&found.name)?,
            self.optional_text(&found.picture_url)?,
            found
                .token_expires_at
                .as_ref()
                .map_or(Ok(self.dialect.null().to_owned()), |end| self.time(end))?,
        ];
        Ok(format!("SELECT {} FROM {} AS t", columns.join(", "), self.table))
    }

    fn select_ids(&self, id: &Column) -> Result<String, String> {
        Ok(format!("SELECT {} FROM {} AS t WHERE {}", self.text(id)?, self.table, self.column(id)?))
    }

    fn select_ends(&self, end: &Column, id: &Column) -> Result<String, String> {
        let (id_text, end, table, id) = (self.text(id)?, self.time(end)?, &self.table, self.column(id)?);
        Ok(format!("SELECT {id_text}, {end} FROM {table} AS t WHERE {id}"))
    }

    fn time(&self, column: &Column) -> Result<String, String> {
        self.dialect.time(&self.column(column)?, column).ok_or_else(|| {
            format!(
                "its {} is of type {}: a time, or an integer of seconds or milliseconds since 1970, is needed",
                column.name, column.full
            )
        })
    }

    fn row_is(&self, id: &Column, id_type: IdType) -> Result<String, String> {
        self.row_is_from(1, id, id_type)
    }

    fn row_is_from(&self, first: usize, id: &Column, id_type: IdType) -> Result<String, String> {
        let indexed = self.dialect.id_parameter(first, id_type, id);
        let exact = self.dialect.exactly(&self.text(id)?, &self.dialect.parameter(first + 1));
        Ok(format!("{} = {indexed} AND {exact}", self.column(id)?))
    }

    fn update(&self, picture: &Column, id: &Column, id_type: IdType) -> Result<String, String> {
        let held = format!("COALESCE({}, '')", self.text(picture)?);
        Ok(format!(
            "UPDATE {} AS t SET {} = {} WHERE {} AND {}",
            self.table,
            quote(self.dialect, &picture.name)?,
            self.dialect.parameter(1),
            self.row_is_from(2, id, id_type)?,
            self.dialect.exactly(&held, &self.dialect.parameter(4)),
        ))
    }
}

fn qualified(dialect: Dialect, named: &Named<'_>) -> Result<String, String> {
    let table = quote(dialect, named.name)?;
    match named.schema {
        Some(schema) => Ok(format!("{}.{table}", quote(dialect, schema)?)),
        None => Ok(table),
    }
}

fn quote(dialect: Dialect, name: &str) -> Result<String, String> {
    dialect.quote(name).ok_or_else(|| format!("{name:?} is no name"))
}

/// The end of a token out of a column; `None` if no token could end then.
pub(super) fn token_end(text: &str, now: Timestamp) -> Option<Timestamp> {
    end_of(text.parse().ok()?, now)
}

/// 8-4-4-4-12 in lower case (RFC 9562 4), as the databases print it.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// Base64, which is what a dashboard writes into a text column.
fn base64_of(hexadecimal: &str) -> String {
    hex::decode(hexadecimal).map(|bytes| STANDARD.encode(bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lower_case_uuids_are_ids() {
        assert!(is_uuid("018f3a5e-7b1c-7cc0-9d3e-0123456789ab"));
        for text in ["018F3A5E-7B1C-7CC0-9D3E-0123456789AB", "018f3a5e7b1c7cc09d3e0123456789ab", "7", ""] {
            assert!(!is_uuid(text), "{text}");
        }
    }

    #[test]
    fn bytes_become_base64() {
        assert_eq!(base64_of("00FFab"), "AP+r");
    }
}
