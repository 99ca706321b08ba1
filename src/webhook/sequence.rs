//! The number of an event while Redis gives none: the same rule over what this instance has numbered.

use crate::model::{AvatarEvent, Timestamp};
use crate::store::LastSequence;

/// The lowest number that a new event of this avatar may have. `last` holds the avatar's last numbers.
pub(super) fn least(last: &[LastSequence]) -> u64 {
    last.iter().map(|last| last.sequence).max().map_or(1, |highest| highest + 1)
}

/// The number of an event. If the last event in its dimension has the same key, this is that event, and it keeps its
/// number. Otherwise the number is higher than any before, and at least the time in milliseconds: so numbers rise after a
/// lost disk too, and among instances that cannot reach Redis.
pub(super) fn sequence(last: &[LastSequence], event: &AvatarEvent, now: Timestamp) -> u64 {
    let (dimension, dedup_key) = (event.kind.dimension().as_str(), event.dedup_key());
    let known = last.iter().find(|last| last.dimension == dimension && last.dedup_key == dedup_key);
    known.map_or_else(|| least(last).max(u64::try_from(now.as_millis()).unwrap_or(0)), |known| known.sequence)
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
    fn an_event_seen_again_keeps_its_number_and_a_new_one_gets_a_higher_one() {
        let now = Timestamp::from_millis(1000);
        let last = |dimension: &str, dedup_key: &str, sequence| LastSequence {
            dimension: dimension.to_owned(),
            dedup_key: dedup_key.to_owned(),
            sequence,
        };
        let numbered = [last("picture", "changed b", 900), last("trouble", "recovered x", 2000)];
        for (last, event, expected) in [
            (&[][..], changed("b"), 1000),
            (&numbered[..1], changed("b"), 900),
            (&numbered[..1], changed("a"), 1000),
            (&numbered[..], changed("b"), 900),
            (&numbered[..], changed("a"), 2001),
            (&numbered[..], AvatarEvent { kind: EventKind::NoPicture, ..changed("b") }, 2001),
        ] {
            assert_eq!(sequence(last, &event, now), expected, "{event:?}");
        }
    }
}
