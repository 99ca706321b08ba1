//! The number of an event where no Redis gives one: the same rule over what this instance told.

use crate::model::{AvatarEvent, Timestamp};
use crate::store::LastSequence;

/// The least number that a new event of this avatar may have.
pub(super) fn least(told: &[LastSequence]) -> u64 {
    told.iter().map(|told| told.sequence).max().map_or(1, |last| last + 1)
}

/// The number of what has happened: that of the last event about the same thing if it was this one, else a higher one than
/// any before. It is not below the time in milliseconds, so that it rises over a memory that was lost, and among instances
/// whose Redis is away.
pub(super) fn sequence(told: &[LastSequence], happened: &AvatarEvent, now: Timestamp) -> u64 {
    let (dimension, dedup_key) = (happened.kind.dimension().as_str(), happened.dedup_key());
    let known = told.iter().find(|told| told.dimension == dimension && told.dedup_key == dedup_key);
    known.map_or_else(|| least(told).max(u64::try_from(now.as_millis()).unwrap_or(0)), |known| known.sequence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AvatarId, EventKind, Provider};

    fn changed(etag: &str) -> AvatarEvent {
        AvatarEvent {
            id: AvatarId::parse("a").unwrap(),
            provider: Provider::Facebook,
            kind: EventKind::Changed,
            at: Timestamp::EPOCH,
            discriminator: etag.to_owned(),
            reason: None,
            etag: Some(etag.to_owned()),
        }
    }

    #[test]
    fn what_is_seen_again_keeps_its_number_and_what_is_new_has_a_higher_one() {
        let now = Timestamp::from_millis(1000);
        let told = |dimension: &str, dedup_key: &str, sequence| LastSequence {
            dimension: dimension.to_owned(),
            dedup_key: dedup_key.to_owned(),
            sequence,
        };
        let last = [told("picture", "changed b", 900), told("trouble", "recovered x", 2000)];
        for (told, happened, expected) in [
            (&[][..], changed("b"), 1000),
            (&last[..1], changed("b"), 900),
            (&last[..1], changed("a"), 1000),
            (&last[..], changed("b"), 900),
            (&last[..], changed("a"), 2001),
            (&last[..], AvatarEvent { kind: EventKind::NoPicture, ..changed("b") }, 2001),
        ] {
            assert_eq!(sequence(told, &happened, now), expected, "{happened:?}");
        }
    }
}
