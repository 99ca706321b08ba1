//! [`TokenEnd`]: when a connection's token ends.

use std::time::Duration;

use super::Timestamp;

/// So long before its end a token ends soon: Instagram's live for 60 days and are renewed by the dashboard (PROVIDERS 1.1).
const AHEAD: Duration = Duration::from_secs(7 * 24 * 3600);

/// The end of a token, and whether it has been seen to be near.
///
/// It changes nothing of what is shown or of who is asked: only the provider knows whether a token is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TokenEnd {
    /// The end.
    pub at: Timestamp,
    /// When somebody first saw that it is near, and the dashboard was told.
    pub noted_at: Option<Timestamp>,
}

impl TokenEnd {
    /// An end as it is seen now; `before` is what was known until then.
    pub fn seen(at: Timestamp, before: Option<Self>, now: Timestamp) -> Self {
        let noted_at = before.filter(|before| before.at == at).and_then(|before| before.noted_at);
        let end = Self { at, noted_at };
        Self { noted_at: noted_at.or(end.is_soon(now).then_some(now)), ..end }
    }

    /// Whether it is near, or over.
    pub fn is_soon(self, now: Timestamp) -> bool {
        self.at - AHEAD <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(days: i64) -> Timestamp {
        Timestamp::from_secs(days * 24 * 3600)
    }

    #[test]
    fn a_token_ends_soon_from_seven_days_before_its_end() {
        for (now, is_soon) in [
            (day(90), false),
            (day(93) - Duration::from_millis(1), false),
            (day(93), true),
            (day(100), true),
            (day(200), true),
        ] {
            let end = TokenEnd::seen(day(100), None, now);
            assert_eq!((end.is_soon(now), end.noted_at), (is_soon, is_soon.then_some(now)), "{now:?}");
        }
    }

    #[test]
    fn it_is_noted_once_for_each_end() {
        let noted = TokenEnd::seen(day(100), None, day(95));
        assert_eq!(TokenEnd::seen(day(100), Some(noted), day(96)), noted);
        assert_eq!(TokenEnd::seen(day(160), Some(noted), day(96)).noted_at, None);
        assert_eq!(TokenEnd::seen(day(101), Some(noted), day(96)).noted_at, Some(day(96)));
    }
}
