//! The stored form of an entry: what a row of the disk file holds, and how it is read back.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::model::{
    AvatarId, Content, Entry, Generation, Identity, ImagesConfig, Picture, Provider, Timestamp, sniff,
};
use crate::store::EntryMeta;
use crate::store::stored_trouble::{read_fingerprint, read_trouble, write_trouble};

/// The version of the stored form. A row of another version is a miss. A new column with a default does not raise it: an
/// older program neither reads nor writes the column.
pub(super) const VERSION: i64 = 1;

/// The tables of version 1. They hold no link: a signed address is as good as a token while it lives.
pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS avatar (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    provider TEXT NOT NULL,
    name TEXT,
    fingerprint BLOB NOT NULL,
    verified_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    content TEXT NOT NULL,
    identity TEXT,
    last_modified INTEGER NOT NULL,
    bytes BLOB,
    checksum BLOB,
    trouble TEXT,
    field_missing TEXT,
    generation INTEGER NOT NULL DEFAULT 0,
    obeyed INTEGER NOT NULL DEFAULT 0,
    rest_until INTEGER,
    token_end TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS avatar_used_at ON avatar (used_at);
CREATE TABLE IF NOT EXISTS pause (
    provider TEXT PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS swept (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    at INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS warming (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    walk TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS purged (
    subject TEXT NOT NULL,
    hard INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    told INTEGER NOT NULL,
    PRIMARY KEY (subject, hard)
) STRICT;
";

/// Columns that came after the first release, each with the statement that adds it to an older file.
pub(super) const ADDED: [(&str, &str); 4] = [
    ("generation", "ALTER TABLE avatar ADD COLUMN generation INTEGER NOT NULL DEFAULT 0"),
    ("obeyed", "ALTER TABLE avatar ADD COLUMN obeyed INTEGER NOT NULL DEFAULT 0"),
    ("rest_until", "ALTER TABLE avatar ADD COLUMN rest_until INTEGER"),
    ("token_end", "ALTER TABLE avatar ADD COLUMN token_end TEXT"),
];

/// The columns that [`read`] reads, and when the row was last used. Named one by one: `*` is another list after a column
/// was added.
pub(super) const SELECT: &str = "
SELECT id, version, provider, name, fingerprint, verified_at, used_at, content, identity, last_modified, bytes, checksum,
    trouble, field_missing, generation, obeyed, rest_until, token_end
FROM avatar WHERE id = ?";

/// Why a row cannot be used. It is dropped, and the avatar is a miss.
#[derive(Debug, thiserror::Error)]
pub(super) enum RowError {
    /// Written by a later version.
    #[error("a row of the unknown version {0}")]
    Version(i64),
    /// The checksum, the image header or a column is wrong.
    #[error("a damaged row ({0})")]
    Damaged(&'static str),
    /// SQLite failed.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
}

/// The columns of an entry, ready to be bound.
pub(super) struct RowColumns {
    pub(super) content: &'static str,
    pub(super) identity: Option<String>,
    pub(super) last_modified: i64,
    pub(super) bytes: Option<Bytes>,
    pub(super) checksum: Option<Vec<u8>>,
    pub(super) trouble: Option<String>,
    pub(super) field_missing: Option<String>,
    pub(super) token_end: Option<String>,
}

impl RowColumns {
    /// The columns of an entry.
    pub(super) fn of(entry: &Entry) -> Self {
        let picture = entry.picture();
        Self {
            content: match &entry.content {
                Content::Picture(_) => "picture",
                Content::NoPicture => "no_picture",
                Content::Nothing => "nothing",
            },
            identity: picture.and_then(|picture| picture.identity.as_deref().map(str::to_owned)),
            last_modified: picture.map_or(0, |picture| picture.last_modified.as_millis()),
            bytes: picture.map(|picture| picture.bytes.clone()),
            checksum: picture.map(|picture| Sha256::digest(&picture.bytes).to_vec()),
            trouble: entry.trouble.as_ref().and_then(write_trouble),
            field_missing: entry.field_missing.and_then(|seen| serde_json::to_string(&seen).ok()),
            token_end: entry.token_end.and_then(|end| serde_json::to_string(&end).ok()),
        }
    }
}

/// Reads a row back. Its bytes are hostile until their checksum and image header are checked again.
pub(super) fn read(row: &SqliteRow, images: ImagesConfig) -> Result<(AvatarId, Entry), RowError> {
    let version: i64 = row.try_get("version")?;
    if version != VERSION {
        return Err(RowError::Version(version));
    }
    let id = AvatarId::parse(row.try_get("id")?).map_err(|_| RowError::Damaged("id"))?;
    let provider = Provider::from_name(row.try_get("provider")?).ok_or(RowError::Damaged("provider"))?;
    let entry = Entry {
        content: read_content(row, images)?,
        verified_at: Timestamp::from_millis(row.try_get("verified_at")?),
        link: None,
        trouble: row.try_get::<Option<&str>, _>("trouble")?.and_then(|text| read_trouble(text.as_bytes())),
        field_missing: read_json(row, "field_missing")?,
        token_end: read_json(row, "token_end")?,
        rest_until: row.try_get::<Option<i64>, _>("rest_until")?.map(Timestamp::from_millis),
        provider,
        name: row.try_get::<Option<&str>, _>("name")?.map(Arc::from),
        fingerprint: read_fingerprint(row.try_get("fingerprint")?).ok_or(RowError::Damaged("fingerprint"))?,
        generation: Generation(row.try_get::<i64, _>("generation")?.cast_unsigned()),
        soft_purged_at: Generation(row.try_get::<i64, _>("obeyed")?.cast_unsigned()),
    };
    Ok((id, entry))
}

/// A value of another shape, which a later version wrote, is none.
pub(super) fn read_json<T: serde::de::DeserializeOwned>(
    row: &SqliteRow,
    column: &str,
) -> Result<Option<T>, sqlx::Error> {
    Ok(row.try_get::<Option<&str>, _>(column)?.and_then(|text| serde_json::from_str(text).ok()))
}

/// Reads an entry without its bytes.
pub(super) fn read_meta(row: &SqliteRow) -> Option<EntryMeta> {
    let generation = |column| Some(Generation(row.try_get::<i64, _>(column).ok()?.cast_unsigned()));
    Some(EntryMeta {
        id: AvatarId::parse(row.try_get("id").ok()?).ok()?,
        provider: Provider::from_name(row.try_get("provider").ok()?)?,
        verified_at: Timestamp::from_millis(row.try_get("verified_at").ok()?),
        generation: generation("generation")?,
        soft_purged_at: generation("obeyed")?,
        token_end: read_json(row, "token_end").ok()?,
    })
}

fn read_content(row: &SqliteRow, images: ImagesConfig) -> Result<Content, RowError> {
    match row.try_get("content")? {
        "no_picture" => return Ok(Content::NoPicture),
        "nothing" => return Ok(Content::Nothing),
        "picture" => {}
        _ => return Err(RowError::Damaged("content")),
    }
    let bytes: Vec<u8> = row.try_get("bytes")?;
    if row.try_get::<&[u8], _>("checksum")? != Sha256::digest(&bytes).as_slice() {
        return Err(RowError::Damaged("checksum"));
    }
    let header = sniff(&bytes, images).map_err(|_| RowError::Damaged("image header"))?;
    let identity = Identity::from(row.try_get::<Option<String>, _>("identity")?);
    let last_modified = Timestamp::from_millis(row.try_get("last_modified")?);
    Ok(Content::Picture(Arc::new(Picture::new(bytes.into(), header, identity, last_modified))))
}
