//! [`TokenEnd`]: when a connection's token ends.

use std::time::Duration;

use super::Timestamp;

/// A token ends soon when this much of its life is left. Instagram's tokens live for 60 days, and the dashboard renews them.
const SOON: Duration = Duration::from_secs(7 * 24 * 3600);

/// The end of a token, and whether it was noticed that it is near.
///
/// It has no effect on what is served or asked: only the provider knows whether a token is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TokenEnd {
    /// The end.
    pub at: Timestamp,
    /// When it was first noticed that the end is near; the dashboard gets an event then.
    pub noted_at: Option<Timestamp>,
    /// Whether the provider named the end, because the row has none. Entries stored before this field existed count as named
    /// by the row until the provider is asked again.
    #[serde(default, rename = "told")]
    pub is_from_provider: bool,
}

impl TokenEnd {
    /// The end as known now: the row's, else the provider's. `before` is what was known until now.
    pub fn observe(
        row: Option<Timestamp>,
        provider: Option<Timestamp>,
        before: Option<Self>,
        now: Timestamp,
    ) -> Option<Self> {
        let at = row.or(provider)?;
        let noted_at = before.filter(|before| before.at == at).and_then(|before| before.noted_at);
        let noted_at = noted_at.or(is_soon(at, now).then_some(now));
        Some(Self { at, noted_at, is_from_provider: row.is_none() })
    }

    /// The end, if the provider named it.
    pub fn named_by_provider(self) -> Option<Timestamp> {
        self.is_from_provider.then_some(self.at)
    }

    /// Whether it was noticed that this end is near, and had not been noticed before.
    pub fn is_newly_near(self, before: Option<Self>) -> bool {
        let known = before.filter(|before| before.noted_at.is_some());
        self.noted_at.is_some() && known.is_none_or(|known| known.at != self.at)
    }

    /// Whether it is near or past.
    pub fn is_soon(self, now: Timestamp) -> bool {
        is_soon(self.at, now)
    }
}

fn is_soon(at: Timestamp, now: Timestamp) -> bool {
    at - SOON <= now
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
    fn a_near_end_is_noted_once() {
        let noted = of_row(day(100), None, day(95));
        assert_eq!(of_row(day(100), Some(noted), day(96)), noted);
        assert!(noted.is_newly_near(None) && !noted.is_newly_near(Some(noted)));
        assert_eq!(of_row(day(160), Some(noted), day(96)).noted_at, None);
        assert_eq!(of_row(day(101), Some(noted), day(96)).noted_at, Some(day(96)));
    }

    #[test]
    fn the_rows_end_overrides_the_providers_and_a_change_of_source_is_no_news() {
        let (row, provider) = (Some(day(100)), Some(day(200)));
        let seen = |row, provider, before| TokenEnd::observe(row, provider, before, day(95));
        assert_eq!(seen(None, None, None), None);
        assert_eq!(
            seen(row, provider, None).map(|end| (end.at, end.named_by_provider())),
            Some((day(100), None))
        );
        let by_provider = seen(None, row, seen(row, None, None)).unwrap();
        assert_eq!(by_provider.named_by_provider(), row);
        assert!(!by_provider.is_newly_near(seen(row, None, None)));
    }

    #[test]
    fn an_end_stored_before_its_source_was_recorded_counts_as_the_rows() {
        let stored: TokenEnd = serde_json::from_str(r#"{"at":5,"noted_at":null}"#).unwrap();
        assert_eq!((stored.at, stored.named_by_provider()), (Timestamp::from_millis(5), None));
        let written = serde_json::to_string(&TokenEnd { is_from_provider: true, ..stored }).unwrap();
        assert_eq!(
            written, r#"{"at":5,"noted_at":null,"told":true}"#,
            "older versions skip a field that they do not know"
        );
    }
}
