//! `check`: tries the configuration, the keys, Redis and the database, and reports for each table whether it exists.

use std::time::Duration;

use anyhow::{Context, anyhow};

use super::failure::CommandFailure;
use super::output::say;
use crate::clock::Clock;
use crate::config::{Config, Layers};
use crate::directory::{CheckedTable, ConnectionEntry, Directory, DirectoryCheck, FoundTable, Lookup};
use crate::model::AvatarId;
use crate::model::token::{Keyring, OpenError};
use crate::provider::{JsonConfig, ProvidersConfig};
use crate::store::{RedisCheck, RedisConfig};

/// Prints a report; fails if something must be corrected.
pub(super) fn check(layers: &Layers) -> Result<(), CommandFailure> {
    let config = Config::from_layers(layers)?;
    say("configuration   right\n")?;
    say(&format!("tokens.keys     {}\n", counted(config.tokens.keyring.len(), "key")))?;
    say(match config.events {
        Some(_) => "events          signed, to events.url\n",
        None => "events          none: events.url is empty\n",
    })?;
    say(&json_providers(&config.providers))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("no runtime")?.block_on(neighbours(config))
}

async fn neighbours(config: Config) -> Result<(), CommandFailure> {
    let with_token = |entry: &&ConnectionEntry| config.providers.needs_token(entry.provider());
    let ids: Vec<AvatarId> =
        config.connections.iter().filter(with_token).map(|entry| entry.id().clone()).collect();
    let number = config.connections.len();
    // A check looks no id up twice, so unknown ids need not be remembered.
    let directory = Directory::new(config.directory, config.connections, Duration::ZERO)
        .context("the directory cannot be used")?;
    let closed = closed_tokens(&directory, &config.tokens.keyring, &ids).await?;
    say(&entries(number, &closed))?;
    let shared = shared_tier(config.redis.as_ref()).await?;
    let survey = directory.check().await.context("the database cannot be asked")?;
    say(&database(&survey))?;
    match (survey.problem, shared, closed.is_empty()) {
        (Some(problem), _, _) => Err(anyhow!(problem).into()),
        (None, Err(problem), _) => Err(anyhow!("Redis cannot be used: {problem}").into()),
        (None, Ok(()), false) => Err(anyhow!("some tokens of [[connection]] blocks cannot be opened").into()),
        (None, Ok(()), true) => Ok(()),
    }
}

/// Prints the report on Redis; the inner error is what must be corrected there.
async fn shared_tier(config: Option<&RedisConfig>) -> Result<Result<(), String>, CommandFailure> {
    let Some(config) = config else {
        say("redis           none: redis.url and REDIS_URL are empty\n")?;
        return Ok(Ok(()));
    };
    let survey = config.check().await;
    let state = match &survey {
        Ok(survey) => format!("connected\n{}", redis(survey)),
        Err(_) => "not connected\n".to_owned(),
    };
    say(&format!("redis           {}: {state}", config.describe()))?;
    Ok(survey.and_then(|survey| survey.storing.and(survey.subscribing)))
}

fn redis(survey: &RedisCheck) -> String {
    let noun = if survey.primaries.len() == 1 { "primary" } else { "primaries" };
    let mut out = format!("  {noun:<13} {}\n", survey.primaries.join(", "));
    if let Some(version) = &survey.version {
        out.push_str(&format!("  server        {version}\n"));
    }
    for (what, tried) in [("storing", &survey.storing), ("subscribing", &survey.subscribing)] {
        let found = tried.as_ref().map_or_else(String::as_str, |()| "works");
        out.push_str(&format!("  {what:<13} {found}\n"));
    }
    out
}

/// The `[[connection]]` blocks whose tokens no key opens, each with the reason.
async fn closed_tokens<'i>(
    directory: &Directory,
    keyring: &Keyring,
    ids: &'i [AvatarId],
) -> anyhow::Result<Vec<(&'i AvatarId, OpenError)>> {
    let now = Clock::system().now();
    let mut closed = Vec::new();
    for id in ids {
        if let Lookup::Found(row) = directory.lookup(id, now).await?
            && let Err(error) = keyring.open(&row.connection.token)
        {
            closed.push((id, error));
        }
    }
    Ok(closed)
}

/// The `[[providers.json]]` blocks; empty if there are none.
fn json_providers(config: &ProvidersConfig) -> String {
    let line = |json: &JsonConfig| format!("  {:<13} {}\n", json.name.as_str(), json.describe());
    match config.json.len() {
        0 => String::new(),
        number => {
            let lines = config.json.iter().map(line).collect::<String>();
            format!("providers.json  {}\n{lines}", counted(number, "block"))
        }
    }
}

fn entries(number: usize, closed: &[(&AvatarId, OpenError)]) -> String {
    let mut out = format!("[[connection]]  {}\n", counted(number, "block"));
    for (id, error) in closed {
        out.push_str(&format!("  {id}: {error}\n"));
    }
    out
}

fn database(survey: &DirectoryCheck) -> String {
    let Some(engine) = survey.engine else {
        return "database        none: directory.url and DATABASE_URL are empty\n".to_owned();
    };
    let tables = survey.tables.iter().map(table).collect::<String>();
    format!("database        {engine}\n{tables}")
}

fn table(surveyed: &CheckedTable) -> String {
    let provider = surveyed.provider.as_str();
    match &surveyed.found {
        Ok(found) => format!("  {provider:<13} {}\n", described(found)),
        Err(problem) => format!("  {provider:<13} {}: {problem}\n", surveyed.names.join(" or ")),
    }
}

fn described(found: &FoundTable) -> String {
    let mut out = format!("{}: found, columns {}, ids {}", found.table, found.style, found.id_type);
    if !found.lacking.is_empty() {
        out.push_str(&format!(", without {}", found.lacking.join(", ")));
    }
    if let Some(longest) = found.picture_max {
        out.push_str(&format!(", addresses up to {longest} characters"));
    }
    if let Some(column) = &found.token_expires_at {
        out.push_str(&format!(", tokens end as {column} says"));
    }
    out
}

fn counted(number: usize, noun: &str) -> String {
    match number {
        0 => "none".to_owned(),
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Provider;

    #[test]
    fn each_table_is_reported_as_found_or_not() {
        let checked = |found| CheckedTable {
            provider: Provider::Facebook,
            names: vec!["PageConnection".to_owned(), "page_connection".to_owned()],
            found,
        };
        let found = FoundTable {
            table: "PageConnection".to_owned(),
            style: "camelCase",
            id_type: "integer",
            lacking: vec!["pageName".to_owned()],
            picture_max: Some(191),
            token_expires_at: Some("tokenExpiresAt".to_owned()),
        };
        let survey = DirectoryCheck {
            engine: Some("MySQL"),
            entries: 0,
            tables: vec![checked(Ok(found)), checked(Err("not found".to_owned()))],
            problem: None,
        };
        assert_eq!(
            database(&survey),
            "database        MySQL\n  facebook      PageConnection: found, columns camelCase, ids integer, without \
             pageName, addresses up to 191 characters, tokens end as tokenExpiresAt says\n  facebook      PageConnection or page_connection: not found\n"
        );
    }

    #[test]
    fn without_a_database_it_says_so() {
        let survey = DirectoryCheck { engine: None, entries: 0, tables: Vec::new(), problem: None };
        assert_eq!(database(&survey), "database        none: directory.url and DATABASE_URL are empty\n");
    }

    #[test]
    fn a_token_that_no_key_opens_is_reported_by_its_id() {
        let id = AvatarId::parse("acme").unwrap();
        assert_eq!(
            entries(2, &[(&id, OpenError::NoKeys)]),
            "[[connection]]  2 blocks\n  acme: the token is sealed, and tokens.keys is empty\n"
        );
    }
}
