//! [`Schema`]: which tables exist, and how their columns are spelled.

use super::config::{Columns, DirectoryConfig};
use super::dialect::{Column, Dialect, IdType};
use super::engine::{Engine, Keep};
use super::error::{DirectoryError, QueryFailure};
use super::table::{Named, Table, TableColumns};
use super::url::DatabaseSource;
use crate::model::Provider;

/// A table that the configuration names, or one of the dashboard's three.
#[derive(Debug, Clone)]
pub(super) struct WantedTable {
    pub(super) provider: Provider,
    pub(super) prefix: String,
    /// Its names, the likeliest first.
    pub(super) names: Vec<String>,
    /// Its columns' names, the likeliest first.
    pub(super) styles: Vec<Style>,
    /// Configured by the operator: the table and all its columns must exist.
    pub(super) required: bool,
}

/// One way to spell a table's columns.
#[derive(Debug, Clone)]
pub(super) struct Style {
    pub(super) name: &'static str,
    pub(super) columns: Columns,
}

/// The result of one look at the database's catalogue.
#[derive(Debug)]
pub(super) struct Schema {
    pub(super) looks: Vec<Look>,
}

/// What was found for one wanted table.
#[derive(Debug)]
pub(super) enum Look {
    Found(Box<Taken>),
    /// No table has one of its names.
    Absent,
    /// The table exists and cannot be used.
    Unusable {
        table: String,
        problem: String,
    },
}

/// A table that is used.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) table: Table,
    pub(super) style: &'static str,
    /// Optional columns that this table does not have.
    pub(super) lacking: Vec<String>,
}

/// The tables to look for.
pub(super) fn wanted(config: &DirectoryConfig) -> Vec<WantedTable> {
    if config.tables.is_empty() {
        return dashboard();
    }
    let written = config.tables.iter().map(|table| WantedTable {
        provider: table.provider,
        prefix: table.prefix.clone(),
        names: vec![table.table.clone()],
        styles: vec![Style { name: "as configured", columns: table.columns.clone() }],
        required: true,
    });
    written.collect()
}

/// The three tables of the dashboard, spelled as Prisma's model names or mapped to `snake_case`.
fn dashboard() -> Vec<WantedTable> {
    let table = |provider, names: [&str; 2], columns: [&str; 4]| {
        let [account, token, picture_url, name] = columns;
        let spelled = |spell: fn(&str) -> String| Columns {
            id: "id".to_owned(),
            token: spell(token),
            token_iv: None,
            token_tag: None,
            account: (!account.is_empty()).then(|| spell(account)),
            name: Some(spell(name)),
            picture_url: Some(spell(picture_url)),
            // No name for this column is common enough to guess.
            token_expires_at: None,
        };
        WantedTable {
            provider,
            prefix: String::new(),
            names: names.map(str::to_owned).to_vec(),
            styles: vec![
                Style { name: "camelCase", columns: spelled(str::to_owned) },
                Style { name: "snake_case", columns: spelled(snake_case) },
            ],
            required: false,
        }
    };
    vec![
        table(
            Provider::Instagram,
            ["InstagramConnection", "instagram_connections"],
            ["", "accessTokenEnc", "profilePictureUrl", "username"],
        ),
        table(
            Provider::Facebook,
            ["PageConnection", "page_connections"],
            ["pageId", "pageAccessTokenEnc", "profilePictureUrl", "pageName"],
        ),
        table(
            Provider::Telegram,
            ["TelegramConnection", "telegram_connections"],
            ["chatId", "botTokenEnc", "profilePictureUrl", "username"],
        ),
    ]
}

fn snake_case(camel: &str) -> String {
    let mut snake = String::with_capacity(camel.len() + 4);
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

impl Schema {
    /// Looks for all wanted tables. It fails only if the database does not answer.
    pub(super) async fn look(
        engine: &Engine,
        source: &DatabaseSource,
        wanted: &[WantedTable],
    ) -> Result<Self, QueryFailure> {
        let mut looks = Vec::with_capacity(wanted.len());
        for (index, wanted) in wanted.iter().enumerate() {
            looks.push(look_for(engine, source, index, wanted).await?);
        }
        Ok(Self { looks })
    }

    /// The tables that are used.
    pub(super) fn tables(&self) -> impl Iterator<Item = &Table> {
        self.looks.iter().filter_map(|look| match look {
            Look::Found(taken) => Some(&taken.table),
            Look::Absent | Look::Unusable { .. } => None,
        })
    }

    /// Whether a later look may find more.
    pub(super) fn is_complete(&self) -> bool {
        self.looks.iter().all(|look| matches!(look, Look::Found(_)))
    }

    /// What an operator has to repair before an id may be called unknown.
    ///
    /// `known` says which tables an earlier look found: a table that is gone since does not make its rows unknown.
    pub(super) fn problem(&self, wanted: &[WantedTable], known: &[bool]) -> Option<DirectoryError> {
        self.ambiguity().or_else(|| self.absence(wanted, known)).map(DirectoryError::Misconfigured)
    }

    fn absence(&self, wanted: &[WantedTable], known: &[bool]) -> Option<String> {
        for ((look, wanted), known) in self.looks.iter().zip(wanted).zip(known) {
            match look {
                Look::Unusable { table, problem } => return Some(format!("the table {table:?}: {problem}")),
                Look::Absent if wanted.required || *known => {
                    return Some(format!("the table {} is not there", quoted(&wanted.names)));
                }
                Look::Absent | Look::Found(_) => {}
            }
        }
        if self.tables().next().is_none() {
            let names: Vec<String> = wanted.iter().flat_map(|wanted| wanted.names.clone()).collect();
            return Some(format!("none of the tables {} is there", quoted(&names)));
        }
        None
    }

    /// Tables with integer ids use the same numbers: only prefixes tell them apart.
    pub(super) fn ambiguity(&self) -> Option<String> {
        let counted: Vec<&Table> =
            self.tables().filter(|table| matches!(table.id_type, IdType::Integer { .. })).collect();
        let clash = counted.iter().enumerate().any(|(at, table)| {
            table.prefix.is_empty() || counted[..at].iter().any(|earlier| earlier.prefix == table.prefix)
        });
        (counted.len() > 1 && clash).then(|| {
            let names: Vec<String> = counted.iter().map(|table| table.name.clone()).collect();
            format!("the tables {} count their ids, so each needs a prefix of its own", quoted(&names))
        })
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

async fn look_for(
    engine: &Engine,
    source: &DatabaseSource,
    index: usize,
    wanted: &WantedTable,
) -> Result<Look, QueryFailure> {
    let schema = match source {
        DatabaseSource::Postgres(source) => Some(source.schema.as_str()),
        DatabaseSource::MySql(_) | DatabaseSource::Sqlite(_) => None,
    };
    let dialect = engine.dialect();
    for name in &wanted.names {
        let mut values = vec![name.as_str()];
        values.extend(schema);
        let rows = engine.run(dialect.describe(), &values, Keep::Once).await?.rows;
        let Some((name, columns)) = described(name, rows) else { continue };
        let named =
            Named { index, provider: wanted.provider, prefix: &wanted.prefix, schema, name: name.as_str() };
        return Ok(take(dialect, &named, wanted, &columns).map_or_else(
            |problem| Look::Unusable { table: name.clone(), problem },
            |taken| Look::Found(Box::new(taken)),
        ));
    }
    Ok(Look::Absent)
}

/// The columns of the table of that name; of several tables that differ in case, the one with exactly this spelling.
fn described(name: &str, rows: Vec<Vec<Option<String>>>) -> Option<(String, Vec<Column>)> {
    let rows: Vec<(String, Column)> = rows.into_iter().filter_map(column_of).collect();
    let exact = rows.iter().any(|(table, _)| table == name);
    let table = if exact { name.to_owned() } else { rows.first()?.0.clone() };
    let columns = rows.into_iter().filter(|(of, _)| *of == table).map(|(_, column)| column).collect();
    Some((table, columns))
}

fn column_of(row: Vec<Option<String>>) -> Option<(String, Column)> {
    let [table, name, kind, max_len, full]: [Option<String>; 5] = row.try_into().ok()?;
    let column = Column {
        name: name?,
        kind: kind.unwrap_or_default().to_ascii_lowercase(),
        full: full.unwrap_or_default(),
        max_len: max_len.and_then(|text| text.parse().ok()),
    };
    Some((table?, column))
}

/// Takes the first style whose token column exists.
fn take(
    dialect: Dialect,
    named: &Named<'_>,
    wanted: &WantedTable,
    columns: &[Column],
) -> Result<Taken, String> {
    let find = |name: &String| find(dialect, name, columns);
    let style = wanted.styles.iter().find(|style| find(&style.columns.token).is_some());
    let Some(style) = style else {
        let tokens: Vec<String> = wanted.styles.iter().map(|style| style.columns.token.clone()).collect();
        return Err(format!("it has no column {}", quoted(&tokens)));
    };
    let names = &style.columns;
    let needed = |name: &String| find(name).ok_or_else(|| format!("it has no column {name:?}"));
    let mut lacking = Vec::new();
    let mut optional = |name: &Option<String>| match name {
        None => Ok(None),
        Some(name) => match find(name) {
            Some(column) => Ok(Some(column)),
            None if wanted.required => Err(format!("it has no column {name:?}")),
            None => {
                lacking.push(name.clone());
                Ok(None)
            }
        },
    };
    let found = TableColumns {
        id: needed(&names.id)?,
        token: needed(&names.token)?,
        token_iv: optional(&names.token_iv)?,
        token_tag: optional(&names.token_tag)?,
        account: optional(&names.account)?,
        name: optional(&names.name)?,
        picture_url: optional(&names.picture_url)?,
        token_expires_at: optional(&names.token_expires_at)?,
    };
    Ok(Taken { table: Table::new(dialect, named, found)?, style: style.name, lacking })
}

fn find(dialect: Dialect, name: &str, columns: &[Column]) -> Option<Column> {
    let same = |column: &&Column| dialect.folds_case() && column.name.eq_ignore_ascii_case(name);
    columns.iter().find(|column| column.name == name).or_else(|| columns.iter().find(same)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_spelled_as_prisma_maps_them() {
        assert_eq!(snake_case("pageAccessTokenEnc"), "page_access_token_enc");
        assert_eq!(snake_case("id"), "id");
    }
}
