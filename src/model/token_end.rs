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
    /// Whether it is the provider's word, since the row names none. It came after the first release: what was kept before
    /// counts as the row's until the provider is asked again.
    #[serde(default)]
    pub told: bool,
}

impl TokenEnd {
    /// The end as it is seen now: the row's word, else the provider's. `before` is what was known until then.
    pub fn seen(
        row: Option<Timestamp>,
        told: Option<Timestamp>,
        before: Option<Self>,
        now: Timestamp,
    ) -> Option<Self> {
        let at = row.or(told)?;
        let noted_at = before.filter(|before| before.at == at).and_then(|before| before.noted_at);
        let noted_at = noted_at.or(is_soon(at, now).then_some(now));
        Some(Self { at, noted_at, told: row.is_none() })
    }

    /// The end, if it is the provider's word.
    pub fn named_by_provider(self) -> Option<Timestamp> {
        self.told.then_some(self.at)
    }

    /// Whether it has been noted that it is near, and had not been before.
    pub fn is_news(self, before: Option<Self>) -> bool {
        let known = before.filter(|before| before.noted_at.is_some());
        self.noted_at.is_some() && known.is_none_or(|known| known.at != self.at)
    }

    /// Whether it is near, or over.
    pub fn is_soon(self, now: Timestamp) -> bool {
        is_soon(self.at, now)
    }
}

fn is_soon(at: Timestamp, now: Timestamp) -> bool {
    at - AHEAD <= now
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_row(at: Timestamp, before: Option<TokenEnd>, now: Timestamp) -> TokenEnd {
        TokenEnd::observe(Some(at), None, before, now).unwrap()
    }

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
            let end = of_row(day(100), None, now);
            assert_eq!((end.is_soon(now), end.noted_at), (is_soon, is_soon.then_some(now)), "{now:?}");
        }
    }

    #[test]
    fn it_is_noted_once_for_each_end() {
        let noted = of_row(day(100), None, day(95));
        assert_eq!(of_row(day(100), Some(noted), day(96)), noted);
        assert!(noted.is_news(None) && !noted.is_news(Some(noted)));
        assert_eq!(of_row(day(160), Some(noted), day(96)).noted_at, None);
        assert_eq!(of_row(day(101), Some(noted), day(96)).noted_at, Some(day(96)));
    }

    #[test]
    fn the_rows_word_comes_first_and_who_said_it_does_not_make_it_news() {
        let (row, told) = (Some(day(100)), Some(day(200)));
        let seen = |row, told, before| TokenEnd::observe(row, told, before, day(95));
        assert_eq!(seen(None, None, None), None);
        assert_eq!(
            seen(row, told, None).map(|end| (end.at, end.named_by_provider())),
            Some((day(100), None))
        );
        let by_provider = seen(None, row, seen(row, None, None)).unwrap();
        assert_eq!(by_provider.named_by_provider(), row);
        assert!(!by_provider.is_news(seen(row, None, None)));
    }

    #[test]
    fn what_was_kept_before_anybody_noted_whose_word_it_is_is_read_as_the_rows() {
        let kept: TokenEnd = serde_json::from_str(r#"{"at":5,"noted_at":null}"#).unwrap();
        assert_eq!((kept.at, kept.named_by_provider()), (Timestamp::from_millis(5), None));
        let written = serde_json::to_string(&TokenEnd { told: true, ..kept }).unwrap();
        assert_eq!(
            written, r#"{"at":5,"noted_at":null,"told":true}"#,
            "older programs skip what they do not know"
        );
    }
}
