//! The purges in the disk store's file, one row for each avatar, for each provider and for all.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqlitePool};

use crate::model::{AvatarId, Generation, Provider, PurgeKind, PurgeScope};
use crate::store::StoredPurge;

/// Rows that [`forget`] leaves.
pub(super) const MAX_PURGES: usize = 100_000;

/// How a provider's row begins. No id holds a colon.
const PROVIDER: &str = "provider:";
/// The row of a purge of all. No provider has this name.
const ALL: &str = "provider:*";

/// Writes purges, unless a later one of the same kind is there.
pub(super) async fn put(
    purges: &[StoredPurge],
    connection: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    for StoredPurge { scope, kind, generation, published } in purges {
        for subject in subjects(scope) {
            sqlx::query(
                "INSERT INTO purged (subject, hard, generation, told) VALUES (?, ?, ?, ?)
                 ON CONFLICT (subject, hard) DO UPDATE SET generation = excluded.generation, told = excluded.told
                 WHERE excluded.generation >= purged.generation",
            )
            .bind(subject)
            .bind(kind.deletes())
            .bind(generation.0.cast_signed())
            .bind(published)
            .execute(&mut *connection)
            .await?;
        }
    }
    Ok(())
}

/// All purges, oldest first, after those that were published and are older than `oldest` were dropped.
pub(super) async fn read(pool: &SqlitePool, oldest: Generation) -> Result<Vec<StoredPurge>, sqlx::Error> {
    let drop = sqlx::query("DELETE FROM purged WHERE told AND generation < ?");
    let dropped = drop.bind(oldest.0.cast_signed()).execute(pool).await;
    let rows = sqlx::query("SELECT subject, hard, generation, told FROM purged ORDER BY generation");
    let rows = rows.fetch_all(pool).await?;
    // A file that takes no deletion can still be read.
    if let Err(error) = dropped {
        tracing::debug!(%error, "disk store: old purges could not be dropped");
    }
    Ok(rows.iter().filter_map(read_row).collect())
}

/// Drops the oldest published purges beyond [`MAX_PURGES`].
pub(super) async fn forget(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    let forget = "DELETE FROM purged WHERE told AND generation <
        (SELECT MIN(generation) FROM (SELECT generation FROM purged ORDER BY generation DESC LIMIT ?))";
    sqlx::query(forget).bind(MAX_PURGES as i64).execute(pool).await?;
    Ok(())
}

fn read_row(row: &SqliteRow) -> Option<StoredPurge> {
    let kind = if row.try_get("hard").ok()? { PurgeKind::Hard } else { PurgeKind::Soft };
    Some(StoredPurge {
        scope: scope_of(row.try_get("subject").ok()?)?,
        kind,
        generation: Generation(row.try_get::<i64, _>("generation").ok()?.cast_unsigned()),
        published: row.try_get("told").ok()?,
    })
}

fn subjects(scope: &PurgeScope) -> Vec<String> {
    match scope {
        PurgeScope::Avatars(ids) => ids.iter().map(ToString::to_string).collect(),
        PurgeScope::Provider(provider) => vec![format!("{PROVIDER}{provider}")],
        PurgeScope::All => vec![ALL.to_owned()],
    }
}

fn scope_of(subject: &str) -> Option<PurgeScope> {
    if subject == ALL {
        return Some(PurgeScope::All);
    }
    match subject.strip_prefix(PROVIDER) {
        Some(name) => Provider::from_name(name).map(PurgeScope::Provider),
        None => AvatarId::parse(subject).ok().map(|id| PurgeScope::one(&id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_read_as_it_was_written() {
        let named = Provider::from_name("threads").unwrap();
        for (scope, text) in [
            (PurgeScope::one(&AvatarId::parse("clx3-a_B").unwrap()), "clx3-a_B"),
            (PurgeScope::Provider(Provider::Telegram), "provider:telegram"),
            (PurgeScope::Provider(named), "provider:threads"),
            (PurgeScope::All, "provider:*"),
        ] {
            assert_eq!(subjects(&scope), [text], "the form of earlier versions");
            assert_eq!(scope_of(text), Some(scope));
        }
        assert_eq!(scope_of("provider:My Space"), None);
    }
}
