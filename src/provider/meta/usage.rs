//! What Meta says beside every reply of how much of a quota is used up (PROVIDERS 4).
//!
//! Every member is a percentage of its own limit, and the highest one decides; at 100 calls are refused.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::HeaderMap;
use serde_json::Value;

use crate::model::{LONGEST_PAUSE, Timestamp};

const APP: &str = "x-app-usage";
const PAGE: &str = "x-page-usage";
const BUSINESS: &str = "x-business-use-case-usage";
const MEMBERS: [&str; 3] = ["call_count", "total_cputime", "total_time"];
/// What is believed at most, in per cent: 100 stops everything already.
const MOST: f64 = 1000.0;
/// Where no time to regain is named: the quotas of apps count over an hour.
pub(in crate::provider) const FULL_PAUSE: Duration = Duration::from_secs(3600);
/// An account at 80 % is left alone for so long, and for twice as long with each 5 % more.
const ACCOUNT_PAUSE: Duration = Duration::from_secs(600);

/// The last word about an app.
#[derive(Debug, Default)]
pub(in crate::provider) struct Usage(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    quota: Option<Quota>,
    /// Nobody asks before then.
    stopped_until: Option<Timestamp>,
    /// The service has not been told of that yet.
    is_news: bool,
}

/// How much of its quota an app has used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Of all that it may use; 100 and more: nothing is left.
    pub percent: u32,
    /// Then this is no longer known, and nothing speaks against asking: what was used an hour before counts no longer.
    pub until: Timestamp,
}

impl Usage {
    /// Notes what a reply says; one that says nothing changes nothing, and none shortens a stop.
    pub(in crate::provider) fn note(&self, headers: &HeaderMap, now: Timestamp) {
        let Some(percent) = app_percent(headers) else { return };
        self.lock().quota = Some(Quota { percent, until: now + FULL_PAUSE });
        if percent >= 100 {
            self.refused(FULL_PAUSE, now);
        }
    }

    /// Notes that the app must not be asked for so long.
    pub(in crate::provider) fn refused(&self, pause: Duration, now: Timestamp) {
        let mut said = self.lock();
        let known = said.stopped_until.filter(|known| known.is_ahead(LONGEST_PAUSE, now));
        if known.is_none_or(|known| known < now + pause) {
            (said.stopped_until, said.is_news) = (Some(now + pause), true);
        }
    }

    /// How much is used up, as far as that is known.
    pub(in crate::provider) fn quota(&self, now: Timestamp) -> Option<Quota> {
        self.lock().quota.filter(|quota| quota.until.is_ahead(FULL_PAUSE, now))
    }

    /// Until when the app must not be asked, if it must not.
    pub(in crate::provider) fn stopped_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.lock().stopped_until.filter(|until| until.is_ahead(LONGEST_PAUSE, now))
    }

    /// The same, told once.
    pub(in crate::provider) fn take_news(&self) -> Option<Timestamp> {
        let mut said = self.lock();
        std::mem::take(&mut said.is_news).then_some(said.stopped_until).flatten()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For how long a reply asks to leave its account alone: the time to regain where the quota is used up, and from 80 % on
/// longer and longer.
pub(in crate::provider) fn rest(headers: &HeaderMap) -> Option<Duration> {
    let page = headers.get(PAGE).and_then(json).and_then(|usage| highest(&usage));
    let business = entries(headers).iter().filter_map(highest).reduce(f64::max);
    let percent = page.into_iter().chain(business).reduce(f64::max)?;
    if percent >= 100.0 {
        return Some(time_to_regain(headers).unwrap_or(FULL_PAUSE));
    }
    (percent >= 80.0).then(|| ACCOUNT_PAUSE.mul_f64(2f64.powf((percent - 80.0) / 5.0)))
}

/// The longest `estimated_time_to_regain_access` (minutes) of all ids and types in the usage header.
pub(in crate::provider) fn time_to_regain(headers: &HeaderMap) -> Option<Duration> {
    let entries = entries(headers);
    let minutes = entries.iter().filter_map(|entry| entry.get("estimated_time_to_regain_access")?.as_f64());
    let longest = minutes.filter(|minutes| *minutes > 0.0).reduce(f64::max)?;
    Some(Duration::from_secs_f64(longest.min(LONGEST_PAUSE.as_secs_f64() / 60.0) * 60.0))
}

fn app_percent(headers: &HeaderMap) -> Option<u32> {
    let percent = highest(&json(headers.get(APP)?)?)?;
    Some(percent.clamp(0.0, MOST).ceil() as u32)
}

/// All ids and types of the business use cases.
fn entries(headers: &HeaderMap) -> Vec<Value> {
    let usages = headers.get_all(BUSINESS).iter().filter_map(json);
    let ids = usages.filter_map(|usage| Some(usage.as_object()?.values().cloned().collect::<Vec<_>>()));
    ids.flatten().filter_map(|entries| Some(entries.as_array()?.clone())).flatten().collect()
}

fn json(value: &hyper::header::HeaderValue) -> Option<Value> {
    serde_json::from_slice(value.as_bytes()).ok()
}

/// The highest of the percentages.
fn highest(usage: &Value) -> Option<f64> {
    MEMBERS.iter().filter_map(|name| usage.get(name)?.as_f64()).reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, text: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), text.parse().unwrap())])
    }

    #[test]
    fn the_highest_of_the_three_decides_and_nonsense_says_nothing() {
        for (text, expected) in [
            (r#"{"call_count":16,"total_cputime":15,"total_time":12}"#, Some(16)),
            (r#"{"call_count":16,"total_cputime":85.2,"total_time":12}"#, Some(86)),
            (r#"{"total_time":140}"#, Some(140)),
            (r#"{"call_count":-3}"#, Some(0)),
            (r#"{"call_count":1e300}"#, Some(1000)),
            (r#"{"call_count":"16"}"#, None),
            ("[]", None),
            ("no JSON", None),
        ] {
            assert_eq!(app_percent(&headers(APP, text)), expected, "{text}");
        }
        assert_eq!(app_percent(&HeaderMap::new()), None);
    }

    #[test]
    fn a_full_app_is_stopped_for_an_hour_and_told_once() {
        let (usage, now) = (Usage::default(), Timestamp::from_secs(1000));
        usage.note(&headers(APP, r#"{"call_count":100}"#), now);
        let until = Some(now + FULL_PAUSE);
        assert_eq!((usage.take_news(), usage.take_news()), (until, None));
        assert_eq!(usage.stopped_until(now), until);
        assert_eq!(usage.stopped_until(now + FULL_PAUSE), None);
    }

    #[test]
    fn no_reply_that_was_under_way_shortens_a_stop() {
        let (usage, now, hours) = (Usage::default(), Timestamp::from_secs(1000), 3 * FULL_PAUSE);
        usage.refused(hours, now);
        usage.note(&headers(APP, r#"{"call_count":100}"#), now);
        usage.note(&headers(APP, r#"{"call_count":99}"#), now);
        usage.refused(FULL_PAUSE, now);
        assert_eq!((usage.take_news(), usage.stopped_until(now)), (Some(now + hours), Some(now + hours)));
    }

    #[test]
    fn what_an_app_has_used_is_forgotten_after_an_hour_without_the_header() {
        let (usage, now) = (Usage::default(), Timestamp::from_secs(1000));
        usage.note(&headers(APP, r#"{"call_count":99}"#), now);
        let later = now + FULL_PAUSE - Duration::from_millis(1);
        usage.note(&HeaderMap::new(), later);
        assert_eq!(usage.quota(later), Some(Quota { percent: 99, until: now + FULL_PAUSE }));
        assert_eq!(usage.quota(now + FULL_PAUSE), None);
    }

    #[test]
    fn an_account_rests_from_80_per_cent_on_and_when_it_is_full_until_it_has_regained_access() {
        let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
        for (text, expected) in [
            (r#"{"1":[{"type":"pages","call_count":79,"estimated_time_to_regain_access":0}]}"#, None),
            (r#"{"1":[{"type":"pages","call_count":80,"estimated_time_to_regain_access":0}]}"#, minutes(10)),
            (r#"{"1":[{"total_time":3}],"2":[{"total_time":1},{"total_time":90}]}"#, minutes(40)),
            (r#"{"1":[{"total_time":100,"estimated_time_to_regain_access":23}]}"#, minutes(23)),
            (r#"{"1":[{"total_time":100,"estimated_time_to_regain_access":1e9}]}"#, minutes(7 * 24 * 60)),
            (r#"{"1":[{"total_time":140}]}"#, minutes(60)),
            (r#"{"1":{"total_time":100}}"#, None),
            (r#"[[{"total_time":100}]]"#, None),
            ("no JSON", None),
        ] {
            assert_eq!(rest(&headers(BUSINESS, text)), expected, "{text}");
        }
        assert_eq!(rest(&headers(PAGE, r#"{"call_count":85}"#)), minutes(20));
        assert_eq!(rest(&headers(PAGE, r#"{"call_count":100}"#)), minutes(60));
        assert_eq!(
            rest(&headers(APP, r#"{"call_count":100}"#)),
            None,
            "the app's own has nothing to do with it"
        );
    }
}
