//! The stored form of a trouble, for the disk and Redis: JSON whose unknown members are ignored, so that two versions can
//! read each other's.

use crate::model::{Fingerprint, Timestamp, Trouble, TroubleClass};

/// [`Trouble`] as JSON.
#[derive(serde::Serialize, serde::Deserialize)]
struct StoredTrouble {
    class: TroubleClass,
    reason: String,
    at: Timestamp,
    retry_at: Option<Timestamp>,
    failures: u32,
    fingerprint: Option<String>,
    #[serde(default, rename = "needs_action")]
    needs_action: Option<TroubleClass>,
}

pub(super) fn write_trouble(trouble: &Trouble) -> Option<String> {
    let Trouble { class, reason, at, retry_at, failures, fingerprint, needs_action } = trouble.clone();
    let fingerprint = fingerprint.map(|hash| hex::encode(hash.0));
    let stored = StoredTrouble { class, reason, at, retry_at, failures, fingerprint, needs_action };
    serde_json::to_string(&stored).ok()
}

/// A trouble whose class this version does not know is dropped: the next attempt finds out.
pub(super) fn read_trouble(text: &[u8]) -> Option<Trouble> {
    let StoredTrouble { class, reason, at, retry_at, failures, fingerprint, needs_action } =
        serde_json::from_slice(text).ok()?;
    let fingerprint = fingerprint.and_then(|hash| read_fingerprint(&hex::decode(hash).ok()?));
    // The first versions did not write it.
    let needs_action = needs_action.or(class.needs_action());
    Some(Trouble { class, reason, at, retry_at, failures, fingerprint, needs_action })
}

pub(super) fn read_fingerprint(bytes: &[u8]) -> Option<Fingerprint> {
    bytes.try_into().ok().map(Fingerprint)
}
