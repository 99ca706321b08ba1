//! [`Usage`]: the shares of the quotas that Meta names in the headers of every reply (docs/providers.md, "Meta quotas").
//!
//! Each member is a percentage of a limit of its own. The highest one decides; at 100 Meta refuses calls.

use std::time::Duration;

use hyper::HeaderMap;
use serde_json::Value;

use crate::model::LONGEST_PAUSE;
use crate::provider::quota::QUOTA_WINDOW;

const APP: &str = "x-app-usage";
const PAGE: &str = "x-page-usage";
const BUSINESS: &str = "x-business-use-case-usage";
const MEMBERS: [&str; 3] = ["call_count", "total_cputime", "total_time"];
/// A higher percentage is taken for this one: 100 already stops everything.
const HIGHEST_PERCENT: f64 = 1000.0;
/// An account rests this long at 80 %, and twice as long with each further 5 %.
const ACCOUNT_REST: Duration = Duration::from_secs(600);

/// What the usage headers of one reply ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::provider) struct Usage {
    /// The used share of the app's quota, in per cent.
    pub(in crate::provider) app_percent: Option<u32>,
    /// How long to leave the account alone: until it regains access where its quota is used up, and from 80 % on longer
    /// with each per cent.
    pub(in crate::provider) account_rest: Option<Duration>,
}

impl Usage {
    /// Reads the headers of a reply; those that hold no such JSON count as absent.
    pub(in crate::provider) fn of(headers: &HeaderMap) -> Self {
        Self { app_percent: app_percent(headers), account_rest: account_rest(headers) }
    }
}

/// The longest `estimated_time_to_regain_access` (in minutes) of all ids and types in the business header.
pub(super) fn time_to_regain(headers: &HeaderMap) -> Option<Duration> {
    let entries = entries(headers);
    let minutes = entries.iter().filter_map(|entry| entry.get("estimated_time_to_regain_access")?.as_f64());
    let longest = minutes.filter(|minutes| *minutes > 0.0).reduce(f64::max)?;
    Some(Duration::from_secs_f64((longest * 60.0).min(LONGEST_PAUSE.as_secs_f64())))
}

fn app_percent(headers: &HeaderMap) -> Option<u32> {
    let percent = highest(&json(headers.get(APP)?)?)?;
    Some(percent.clamp(0.0, HIGHEST_PERCENT).ceil() as u32)
}

fn account_rest(headers: &HeaderMap) -> Option<Duration> {
    let page = headers.get(PAGE).and_then(json).and_then(|usage| highest(&usage));
    let business = entries(headers).iter().filter_map(highest).reduce(f64::max);
    let percent = page.into_iter().chain(business).reduce(f64::max)?;
    if percent >= 100.0 {
        return Some(time_to_regain(headers).unwrap_or(QUOTA_WINDOW));
    }
    (percent >= 80.0).then(|| ACCOUNT_REST.mul_f64(2f64.powf((percent - 80.0) / 5.0)))
}

/// The entries of all ids and types in the business header.
fn entries(headers: &HeaderMap) -> Vec<Value> {
    let usages = headers.get_all(BUSINESS).iter().filter_map(json);
    let ids = usages.filter_map(|usage| Some(usage.as_object()?.values().cloned().collect::<Vec<_>>()));
    ids.flatten().filter_map(|entries| Some(entries.as_array()?.clone())).flatten().collect()
}

fn json(value: &hyper::header::HeaderValue) -> Option<Value> {
    serde_json::from_slice(value.as_bytes()).ok()
}

/// The highest of the three percentages.
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
    fn the_highest_of_the_three_percentages_counts_and_malformed_ones_do_not() {
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
            assert_eq!(Usage::of(&headers(APP, text)).app_percent, expected, "{text}");
        }
        assert_eq!(Usage::of(&HeaderMap::new()), Usage { app_percent: None, account_rest: None });
    }

    #[test]
    fn an_account_rests_from_80_per_cent_on_and_a_full_one_until_it_regains_access() {
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
            assert_eq!(Usage::of(&headers(BUSINESS, text)).account_rest, expected, "{text}");
        }
        let page = |text| Usage::of(&headers(PAGE, text)).account_rest;
        assert_eq!(page(r#"{"call_count":85}"#), minutes(20));
        assert_eq!(page(r#"{"call_count":100}"#), minutes(60));
        let app = Usage::of(&headers(APP, r#"{"call_count":100}"#)).account_rest;
        assert_eq!(app, None, "the app's own share says nothing about one account");
    }
}
