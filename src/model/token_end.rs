//! [`TokenEnd`]: when a connection's token ends.

use std::time::Duration;

use super::Timestamp;

/// So long before its end a token ends soon: Instagram's live for 60 days and are renewed by the dashboard (PROVIDERS 1.1).
const AHEAD: Duration = Duration::from_secs(7 * 24 * 3600);

/// The end of a token, and what was known of it when it was last looked at.
///
/// It changes nothing of what is shown or of who is asked: only the provider knows whether a token is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TokenEnd {
    /// The end.
    pub at: Timestamp,
    /// It was near, or over: the dashboard has been told.
    pub is_soon: bool,
}

impl TokenEnd {
    /// An end as it is seen now.
    pub fn seen(at: Timestamp, now: Timestamp) -> Self {
        Self { at, is_soon: at - AHEAD <= now }
    }

    /// When it began to be near.
    pub fn soon_since(self) -> Timestamp {
        self.at - AHEAD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_ends_soon_from_seven_days_before_its_end() {
        let day = |days: i64| Timestamp::from_secs(days * 24 * 3600);
        for (now, is_soon) in [
            (day(90), false),
            (day(93) - Duration::from_millis(1), false),
            (day(93), true),
            (day(100), true),
            (day(200), true),
        ] {
            assert_eq!(TokenEnd::seen(day(100), now).is_soon, is_soon, "{now:?}");
        }
        assert_eq!(TokenEnd::seen(day(100), day(0)).soon_since(), day(93));
    }
}
