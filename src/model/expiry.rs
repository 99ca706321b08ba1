//! When a signed address ends, read from its own parameters (docs/providers.md, "Signed addresses").

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::{Address, Timestamp};

/// A parameter that names the end, and the condition for it.
struct Rule {
    name: &'static str,
    only: Only,
    read: Read,
}

/// The condition: a name that is too general counts only under one.
enum Only {
    Always,
    /// On this domain and below it.
    Host(&'static str),
    /// Beside all these parameters.
    With(&'static [&'static str]),
}

/// The form of the value.
enum Read {
    Hex,
    Decimal,
    /// `<epoch>_<md5>`.
    DecimalBefore(char),
    /// Akamai's `st=<epoch>~exp=<epoch>~acl=...`.
    ExpOf,
    /// `YYYY-MM-DDTHH:MM:SSZ`, or the date alone.
    Iso8601,
    /// CloudFront's JSON in base64.
    Policy,
    /// Seconds after the date in this other parameter, `YYYYMMDDTHHMMSSZ`.
    SecondsAfter(&'static str),
}

const fn rule(name: &'static str, only: Only, read: Read) -> Rule {
    Rule { name, only, read }
}

/// The families of signed addresses. Not here: `/vp/<md5>/<HEX>/` is no parameter ([`in_path`] reads it); Cloudflare's
/// `verify` names the time of issue, from which no end follows; LinkedIn's `identifierExpiresInSeconds` stands in the reply
/// ([`end_of`] checks it).
const RULES: [Rule; 15] = [
    rule("oe", Only::Always, Read::Hex), // Meta: fbcdn, cdninstagram, whatsapp
    rule("ext", Only::Always, Read::Decimal), // Meta's lookaside
    rule("__gda__", Only::Always, Read::DecimalBefore('_')), // Meta behind Akamai
    rule("x-expires", Only::Always, Read::Decimal), // TikTok, ByteDance
    rule("e", Only::Host("licdn.com"), Read::Decimal), // LinkedIn
    rule("ex", Only::With(&["is", "hm"]), Read::Hex), // Discord
    rule("Expires", Only::With(&["Signature"]), Read::Decimal), // CloudFront, S3 v2, GCS v2, Alibaba
    rule("Policy", Only::Always, Read::Policy), // CloudFront with its own policy
    rule("X-Amz-Expires", Only::Always, Read::SecondsAfter("X-Amz-Date")), // S3 v4, R2, MinIO
    rule("X-Goog-Expires", Only::Always, Read::SecondsAfter("X-Goog-Date")), // GCS v4
    rule("se", Only::With(&["sig", "sv"]), Read::Iso8601), // Azure SAS
    rule("hdnts", Only::Always, Read::ExpOf), // Akamai
    rule("hdnea", Only::Always, Read::ExpOf),
    rule("__token__", Only::Always, Read::ExpOf),
    rule("expires", Only::Always, Read::Decimal), // imgix and others, sometimes in milliseconds
];

/// Parameters that sign an address without naming its end: Cloudflare's `verify`, and those beside an end that may be absent
/// or not plausible. In lower case; each CDN has a case of its own.
const SIGNATURES: [&str; 8] =
    ["verify", "signature", "sig", "hmac", "oh", "x-signature", "x-amz-signature", "x-goog-signature"];

const YEAR: Duration = Duration::from_secs(366 * 86_400);
/// S3, GCS and R2 refuse a version 4 signature with a life of more than a week, in seconds.
const LONGEST_V4: i64 = 604_800;
/// A longer policy is not read, in characters. CloudFront takes addresses of at most 8192 bytes, and a policy of one
/// statement has a few hundred.
const LONGEST_POLICY: usize = 4096;
/// A number above this one is milliseconds: in seconds it would be the year 5138.
const MILLIS_ABOVE: i64 = 100_000_000_000;

/// The end of the address's signature; the earliest if it names several. `None` if it names none, or only ends more than a
/// year ago or ten years ahead.
pub fn expires_at(address: &Address, now: Timestamp) -> Option<Timestamp> {
    RULES
        .iter()
        .filter(|rule| rule.only.holds(address))
        .flat_map(|rule| parameters(address, rule.name).filter_map(|value| rule.read.of(&value, address)))
        .chain(in_path(address))
        .filter_map(|number| end_of(number, now))
        .min()
}

/// Whether the names of its parameters say that the address is signed, so that no character of it may change. A signed
/// address need not name an end.
pub fn is_signed(address: &Address) -> bool {
    let mut names = address.path_and_query().1.split('&').map(|pair| pair.split('=').next().unwrap_or(""));
    let is_signature = |name: &str| SIGNATURES.iter().any(|known| known.eq_ignore_ascii_case(name));
    let tells = |rule: &Rule| rule.only.holds(address) && address.parameters(rule.name).next().is_some();
    names.any(is_signature) || RULES.iter().any(tells) || in_path(address).is_some()
}

/// An end in seconds or milliseconds since the epoch; `None` if it is more than a year ago or ten years ahead.
pub fn end_of(number: i64, now: Timestamp) -> Option<Timestamp> {
    let end =
        if number > MILLIS_ABOVE { Timestamp::from_millis(number) } else { Timestamp::from_secs(number) };
    (now - YEAR < end && end < now + YEAR * 10).then_some(end)
}

impl Only {
    fn holds(&self, address: &Address) -> bool {
        match self {
            Self::Always => true,
            Self::Host(domain) => address.is_at(domain),
            Self::With(names) => names.iter().all(|name| parameter(address, name).is_some()),
        }
    }
}

impl Read {
    fn of(&self, value: &str, address: &Address) -> Option<i64> {
        match self {
            Self::Hex => hex(value),
            Self::Decimal => decimal(value),
            Self::DecimalBefore(end) => decimal(value.split(*end).next()?),
            Self::ExpOf => decimal(value.split('~').find_map(|part| part.strip_prefix("exp="))?),
            Self::Iso8601 => iso8601(value),
            Self::Policy => policy(value),
            Self::SecondsAfter(date) => {
                let date = compact(&parameter(address, date)?)?;
                date.checked_add(decimal(value).filter(|seconds| *seconds <= LONGEST_V4)?)
            }
        }
    }
}

/// The first value of a parameter, percent-decoded.
fn parameter<'a>(address: &'a Address, name: &'a str) -> Option<Cow<'a, str>> {
    parameters(address, name).next()
}

/// All values of a parameter, percent-decoded: which of them the CDN uses is unknown.
fn parameters<'a>(address: &'a Address, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
    let values = address.parameters(name);
    values.filter_map(|value| percent_encoding::percent_decode_str(value).decode_utf8().ok())
}

/// Instagram from 2018 to 2020: `/vp/<md5>/<HEX>/t51...`.
fn in_path(address: &Address) -> Option<i64> {
    let mut segments = address.path_and_query().0.split('/').skip_while(|segment| *segment != "vp").skip(1);
    let md5 = segments.next()?;
    let is_md5 = md5.len() == 32 && md5.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_md5.then(|| segments.next()).flatten().and_then(hex)
}

fn hex(text: &str) -> Option<i64> {
    let fits = (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| i64::from_str_radix(text, 16).ok()).flatten()
}

fn decimal(text: &str) -> Option<i64> {
    let fits = (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

/// The end in a policy: JSON whose base64 has `-`, `_` and `~` for `+`, `=` and `/`
/// (<https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-custom-policy.html>).
///
/// Some libraries write the url-safe alphabet instead, with `_` for `/` and often without padding. JSON ends with a brace,
/// so its base64 never ends with `/`: a `_` at the end is padding, and an earlier one is `/`.
fn policy(value: &str) -> Option<i64> {
    if value.len() > LONGEST_POLICY {
        return None;
    }
    let standard = |character| match character {
        '-' => '+',
        '_' | '~' => '/',
        other => other,
    };
    let text: String = value.trim_end_matches(['_', '=']).chars().map(standard).collect();
    let policy: serde_json::Value = serde_json::from_slice(&STANDARD_NO_PAD.decode(text).ok()?).ok()?;
    policy.get("Statement")?.as_array()?.iter().filter_map(ends).min()
}

fn ends(statement: &serde_json::Value) -> Option<i64> {
    statement.get("Condition")?.get("DateLessThan")?.get("AWS:EpochTime")?.as_i64()
}

/// `YYYYMMDDTHHMMSSZ`.
fn compact(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    if date.len() != 8 || time.len() != 6 {
        return None;
    }
    let part = |text: &str, from: usize, to: usize| decimal(text.get(from..to)?);
    let day = days(part(date, 0, 4)?, part(date, 4, 6)?, part(date, 6, 8)?)?;
    Some(day * 86_400 + seconds(part(time, 0, 2)?, part(time, 2, 4)?, part(time, 4, 6)?)?)
}

/// `YYYY-MM-DD`, with `THH:MM:SSZ`, `THH:MMZ` or nothing after it; a fraction of a second is ignored.
fn iso8601(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    let mut date = date.splitn(3, '-').map(decimal);
    let day = days(date.next()??, date.next()??, date.next()??)?;
    let Some(time) = time else { return Some(day * 86_400) };
    let time = time.strip_suffix('Z')?;
    let mut time = time.split('.').next()?.splitn(3, ':').map(decimal);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next().unwrap_or(Some(0))?);
    Some(day * 86_400 + seconds(hour, minute, second)?)
}

/// Days from 1970-01-01; `None` for a date that the calendar does not have.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let date =
        jiff::civil::Date::new(year.try_into().ok()?, month.try_into().ok()?, day.try_into().ok()?).ok()?;
    let days = date.duration_since(jiff::civil::date(1970, 1, 1)).as_hours() / 24;
    (days >= 0).then_some(days)
}

fn seconds(hour: i64, minute: i64, second: i64) -> Option<i64> {
    (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn end(address: &str, now: &str) -> Option<i64> {
        let address = Address::parse(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        expires_at(&address, Timestamp::from_secs(iso8601(now).unwrap())).map(Timestamp::as_millis)
    }

    #[track_caller]
    fn assert_ends(address: &str, seen: &str, expected: &str) {
        assert_eq!(end(address, seen), iso8601(expected).map(|secs| secs * 1000), "{address}");
    }

    #[test]
    fn the_ends_of_metas_real_addresses_are_read() {
        for (oe, seen, expected) in [
            ("675F45D2", "2024-12-11T18:13:50Z", "2024-12-15T21:10:42Z"),
            ("675F3D44", "2024-12-11T18:13:50Z", "2024-12-15T20:34:12Z"),
            ("675F3B25", "2024-12-11T18:13:50Z", "2024-12-15T20:25:09Z"),
            ("66648E8A", "2024-06-04T16:07Z", "2024-06-08T17:02:02Z"),
            ("666C070A", "2024-06-10T01:07Z", "2024-06-14T09:02:02Z"),
            ("6983E684", "2026-01-31T16:14Z", "2026-02-05T00:38:28Z"),
            ("69840A27", "2026-01-31T16:14Z", "2026-02-05T03:10:31Z"),
            ("6a5cfe14", "2026-07-15T06:02:12Z", "2026-07-19T16:40:52Z"),
            ("6A842163", "2026-08-13", "2026-08-18T09:09:55Z"),
            ("611247E2", "2021-08-05", "2021-08-10T09:33:22Z"),
        ] {
            let address = format!(
                "https://scontent.xx.fbcdn.net/v/t39.30808-1/1_n.jpg?stp=a&oh=00_A&oe={oe}&_nc_sid=1"
            );
            assert_ends(&address, seen, expected);
        }
        let lookaside =
            "https://platform-lookaside.fbsbx.com/platform/profilepic/?asid=1&ext=1715208892&hash=Aa";
        assert_ends(lookaside, "2024-04-08T22:54:52Z", "2024-05-08T22:54:52Z");
        let path = "https://scontent.cdninstagram.com/vp/0123456789abcdef0123456789abcdef/5DA39AF1/t51.2885-19/1_n.jpg";
        assert_ends(path, "2019-06-25", "2019-10-13T21:45:21Z");
        let gda = "https://fbcdn-profile-a.akamaihd.net/1_n.jpg?oh=a&oe=57CC2026&__gda__=1472900000_0123456789abcdef";
        assert_ends(gda, "2016-06-01", "2016-09-03T10:53:20Z");
    }

    #[test]
    fn the_ends_of_other_families_are_read() {
        for (address, seen, expected) in [
            (
                "https://p16-sign-va.tiktokcdn.com/a~c5_100x100.jpeg?x-expires=1700000000&x-signature=a%2Bb%3D",
                "2023-11-14",
                "2023-11-14T22:13:20Z",
            ),
            (
                "https://media.licdn.com/dms/image/a?e=1773878400&v=beta&t=x",
                "2026-01-01",
                "2026-03-19T00:00:00Z",
            ),
            (
                "https://cdn.discordapp.com/attachments/1/2/a.png?ex=6554a880&is=65538880&hm=0a",
                "2023-11-14",
                "2023-11-15T11:16:16Z",
            ),
            (
                "https://d1.cloudfront.net/a.jpg?Expires=1700000000&Signature=x&Key-Pair-Id=K",
                "2023-11-14",
                "2023-11-14T22:13:20Z",
            ),
            (
                "https://b.s3.amazonaws.com/a.jpg?X-Amz-Date=20240229T235959Z&X-Amz-Expires=604800",
                "2024-03-01",
                "2024-03-07T23:59:59Z",
            ),
            (
                "https://storage.googleapis.com/b/a.jpg?X-Goog-Expires=60&X-Goog-Date=20231231T235930Z",
                "2023-12-31",
                "2024-01-01T00:00:30Z",
            ),
            (
                "https://a.blob.core.windows.net/c/a.jpg?sv=2022-11-02&se=2024-02-29T08%3A30%3A00Z&sig=x",
                "2024-02-28",
                "2024-02-29T08:30:00Z",
            ),
            (
                "https://a.blob.core.windows.net/c/a.jpg?sv=2022-11-02&se=2024-03-01&sig=x",
                "2024-02-28",
                "2024-03-01",
            ),
            (
                "https://a.akamaized.net/a.jpg?hdnts=st=1699990000~exp=1700000000~acl=/*~hmac=0a",
                "2023-11-14",
                "2023-11-14T22:13:20Z",
            ),
            (
                "https://a.akamaized.net/a.jpg?hdnea=exp%3D1700000000~hmac%3D0a",
                "2023-11-14",
                "2023-11-14T22:13:20Z",
            ),
            ("https://a.imgix.net/a.jpg?expires=1700000000&s=0a", "2023-11-14", "2023-11-14T22:13:20Z"),
        ] {
            assert_ends(address, seen, expected);
        }
        assert_eq!(
            end("https://a.example/a.jpg?expires=1728262583176", "2024-10-01"),
            Some(1_728_262_583_176)
        );
    }

    /// A policy in an address, its base64 spelled by `spell`.
    fn with_policy(json: &str, spell: impl Fn(String) -> String) -> String {
        let policy = spell(base64::engine::general_purpose::STANDARD.encode(json));
        format!("https://d1.cloudfront.net/a.jpg?Policy={policy}&Signature=x&Key-Pair-Id=K")
    }

    fn as_cloudfront(base64: String) -> String {
        base64.replace('+', "-").replace('=', "_").replace('/', "~")
    }

    #[test]
    fn a_cloudfront_policy_is_read_in_every_alphabet_and_with_every_length_of_padding() {
        for resource in ["??>>~~*", "??>>~~**", "??>>~~***"] {
            let json = format!(
                r#"{{"Statement":[{{"Resource":"https://d1.cloudfront.net/{resource}","Condition":{{"DateLessThan":{{"AWS:EpochTime":1700000000}}}}}}]}}"#
            );
            let plain = base64::engine::general_purpose::STANDARD.encode(&json);
            assert!(plain.contains(['+', '/']), "{plain} shows the alphabet");
            let url_safe = |base64: String| base64.replace('+', "-").replace('/', "_");
            for spelled in [
                with_policy(&json, as_cloudfront),
                with_policy(&json, url_safe),
                with_policy(&json, |base64| url_safe(base64).replace('=', "")),
                with_policy(&json, |base64| {
                    base64.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
                }),
                with_policy(&json, |base64| as_cloudfront(base64).replace('~', "%7E")),
            ] {
                assert_ends(&spelled, "2023-11-14", "2023-11-14T22:13:20Z");
            }
        }
    }

    #[test]
    fn a_cloudfront_policy_without_a_valid_end_is_ignored() {
        let end_of = |json: &str| end(&with_policy(json, as_cloudfront), "2023-11-14");
        let until = |time: &str| {
            format!(r#"{{"Statement":[{{"Condition":{{"DateLessThan":{{"AWS:EpochTime":{time}}}}}}}]}}"#)
        };
        assert_eq!(end_of(&until("1700000000")), Some(1_700_000_000_000));
        for time in
            ["1e400", "1700000000.5", "\"1700000000\"", "null", "[1700000000]", "-1", "99999999999999999999"]
        {
            assert_eq!(end_of(&until(time)), None, "{time}");
        }
        let ending = r#"{"Condition":{"DateLessThan":{"AWS:EpochTime":1700000000}}}"#;
        for json in [
            String::new(),
            "{}".to_owned(),
            "[]".to_owned(),
            "7".to_owned(),
            "{".repeat(1000),
            "[".repeat(3000),
            format!("{}{}", "[".repeat(1000), "]".repeat(1000)),
            r#"{"Statement":{}}"#.to_owned(),
            r#"{"Statement":[]}"#.to_owned(),
            r#"{"Statement":[7,null,[],"DateLessThan"]}"#.to_owned(),
            r#"{"Statement":[{"Condition":{"DateGreaterThan":{"AWS:EpochTime":1700000000}}}]}"#.to_owned(),
            r#"{"Statement":[{"Condition":[1700000000]}]}"#.to_owned(),
            format!(r#"{{"Statement":[{ending}],"Id":"{}"}}"#, "x".repeat(4000)),
        ] {
            assert_eq!(end_of(&json), None, "{json:.80}");
        }
        assert_eq!(
            end_of(&format!(r#"{{"Statement":[{},{ending}]}}"#, ending.replace("17000", "17001"))),
            Some(1_700_000_000_000)
        );
        for value in ["____", "~~~~", "e30", "e30~", "%00", "%ff", "Policy", "-"] {
            let address = format!("https://d1.cloudfront.net/a.jpg?Policy={value}&Signature=x");
            assert_eq!(end(&address, "2023-11-14"), None, "{value}");
        }
    }

    #[test]
    fn whatsapps_ends_and_names_that_count_under_a_condition_are_read() {
        for (address, seen, expected) in [
            (
                "https://pps.whatsapp.net/v/t61.24694-24/1_n.jpg?ccb=1&oh=01_A&oe=630F8F9D",
                "2022-08-27",
                "2022-08-31T16:43:09Z",
            ),
            (
                "https://media-ams2-1.cdn.whatsapp.net/v/t61.24694-24/1_n.jpg?oe=61FA1D1B",
                "2022-01-29",
                "2022-02-02T05:56:43Z",
            ),
            ("https://licdn.com/a?e=1664409600", "2022-09-01", "2022-09-29"),
            (
                "https://a.akamaized.net/a.jpg?__token__=exp=1700000000~hmac=0a",
                "2023-11-14",
                "2023-11-14T22:13:20Z",
            ),
            (
                "https://b.r2.cloudflarestorage.com/a?X-Amz-Expires=604800&X-Amz-Date=20231114T221320Z",
                "2023-11-14",
                "2023-11-21T22:13:20Z",
            ),
        ] {
            assert_ends(address, seen, expected);
        }
    }

    #[test]
    fn a_number_from_a_reply_follows_the_same_rules() {
        let now = Timestamp::from_secs(1_660_000_000);
        for (number, expected) in [
            (1_664_409_600, Some(1_664_409_600_000)),
            (1_664_409_600_123, Some(1_664_409_600_123)),
            (5_183_999, None),
            (0, None),
            (-1, None),
            (i64::MAX, None),
            (i64::MIN, None),
        ] {
            assert_eq!(end_of(number, now).map(Timestamp::as_millis), expected, "{number}");
        }
    }

    #[test]
    fn an_end_is_plausible_from_a_year_ago_to_ten_years_ahead_and_a_number_is_seconds_up_to_1e11() {
        let (year, first_millis) = (366 * 86_400, 100_000_000_001);
        for (now, number, is_end) in [
            (1_660_000_000, 1_660_000_000 - year, false),
            (1_660_000_000, 1_660_000_001 - year, true),
            (1_660_000_000, 1_659_999_999 + 10 * year, true),
            (1_660_000_000, 1_660_000_000 + 10 * year, false),
            (1_660_000_000, (1_660_000_000 - year) * 1000, false),
            (1_660_000_000, (1_660_000_000 - year) * 1000 + 1, true),
            (1_660_000_000, (1_660_000_000 + 10 * year) * 1000 - 1, true),
            (1_660_000_000, (1_660_000_000 + 10 * year) * 1000, false),
            // In the year 5138, and in 1973.
            (100_000_000_000, 100_000_000_000, true),
            (100_000_000_000, first_millis, false),
            (100_000_000, 100_000_000_000, false),
            (100_000_000, first_millis, true),
        ] {
            assert_eq!(end_of(number, Timestamp::from_secs(now)).is_some(), is_end, "{number} at {now}");
        }
    }

    #[test]
    fn the_earliest_of_several_ends_counts() {
        // By one name, by two names, in the path.
        assert_ends("https://a.example/a.jpg?oe=6553F200&oe=6553F100", "2023-11-14", "2023-11-14T22:13:20Z");
        assert_ends(
            "https://a.cdninstagram.com/vp/0123456789abcdef0123456789abcdef/6553F100/1_n.jpg?oe=6553F200",
            "2023-11-14",
            "2023-11-14T22:13:20Z",
        );
        assert_eq!(
            end("https://a.example/a.jpg?expires=1700000000500&Expires=1700000001&Signature=x", "2023-11-14"),
            Some(1_700_000_000_500),
            "milliseconds are compared with seconds"
        );
        assert_ends(
            "https://a.example/a.jpg?Expires=1700000500&Signature=x&oe=6553F100&ext=1700000900",
            "2023-11-14",
            "2023-11-14T22:13:20Z",
        );
    }

    #[test]
    fn a_malformed_or_implausible_end_is_ignored() {
        for address in [
            "https://pbs.twimg.com/profile_images/1/a_400x400.jpg",
            "https://a.example/a.jpg?e=1700000000",
            "https://notlicdn.com/a.jpg?e=1700000000",
            "https://a.example/a.jpg?ex=6554a880",
            "https://a.example/a.jpg?se=2023-11-20",
            "https://a.example/a.jpg?verify=1700000000-mac",
            "https://a.example/a.jpg?Expires=1700000000",
            "https://a.example/a.jpg?oe=",
            "https://a.example/a.jpg?oe=zz&Expires=-5&Signature=x&ext=+1700000000&expires=soon",
            "https://a.example/a.jpg?oe=1&ext=0&Expires=9999999999&Signature=x",
            "https://a.example/a.jpg?oe=FFFFFFFFFFFFFFFF&ext=999999999999999999999",
            "https://a.example/a.jpg?X-Amz-Expires=3600",
            "https://a.example/a.jpg?X-Amz-Date=20231114T000000Z&X-Amz-Expires=604801",
            "https://media.licdn.com.evil.example/a.jpg?e=1700000000",
            "https://a.example/a.jpg?ex=6554a880&is=65538880",
            "https://a.example/a.jpg?se=2023-11-20&sig=x",
            "https://a.example/a.jpg?OE=6553F100&X-EXPIRES=1700000000",
            "https://a.example/a.jpg?hdnts=st=1700000000~acl=/*",
            "https://a.example/vp/0123456789abcdef0123456789abcdef",
            "https://a.example/a.jpg?X-Amz-Date=20231399T000000Z&X-Amz-Expires=3600",
            "https://a.example/a.jpg?X-Amz-Date=20230230T000000Z&X-Amz-Expires=3600",
            "https://a.example/a.jpg?se=2023-02-29&sig=x&sv=1",
            "https://a.example/a.jpg?se=2023-00-10&sig=x&sv=1",
            "https://a.example/a.jpg?Policy=e30_&Signature=x",
            "https://a.example/vp/short/5DA39AF1/a.jpg",
        ] {
            assert_eq!(end(address, "2023-11-14"), None, "{address}");
        }
    }

    #[test]
    fn the_names_of_its_parameters_say_that_an_address_is_signed_with_or_without_an_end() {
        let is_signed = |text: &str| is_signed(&Address::parse(text).unwrap());
        for text in [
            "https://a.example/a.jpg?verify=1700000000-mac",
            "https://a.example/a.jpg?oe=1",
            "https://a.example/a.jpg?Expires=1&Signature=x",
            "https://d1.cloudfront.net/a.jpg?Policy=x&Signature=y",
            "https://a.example/a.jpg?x=1&X-Amz-Signature=0a",
            "https://a.blob.core.windows.net/a.jpg?sv=1&sig=x",
            "https://media.licdn.com/a?e=1&v=beta&t=x",
            "https://a.akamaized.net/a.jpg?hdnts=x",
            "https://a.example/vp/0123456789abcdef0123456789abcdef/5DA39AF1/a.jpg",
        ] {
            assert!(is_signed(text), "{text}");
        }
        for text in [
            "https://pbs.twimg.com/profile_images/1/a_normal.jpg",
            "https://a.example/a.jpg?e=1&ex=1&se=1&Expires=1&size=96&signed=no",
            "https://a.example/verify/a.jpg?v=1",
        ] {
            assert!(!is_signed(text), "{text}");
        }
    }

    #[test]
    fn an_end_within_the_last_year_is_still_read() {
        assert_ends("https://a.example/a.jpg?oe=6553F100", "2024-11-01", "2023-11-14T22:13:20Z");
        assert_eq!(end("https://a.example/a.jpg?oe=6553F100", "2024-11-20"), None);
    }

    proptest! {
        #[test]
        fn arbitrary_addresses_never_panic(
            query in r"((oe|ext|__gda__|x-expires|e|ex|is|hm|Expires|Policy|X-Amz-Date|X-Amz-Expires|se|sig|sv|hdnts|expires)=[0-9A-Za-z_~:.%-]{0,20}&){0,8}",
            path in r"(/vp)?(/[0-9a-f]{32})?(/[0-9A-F]{0,20}){0,3}",
            now in any::<i64>(),
        ) {
            for host in ["media.licdn.com", "a.example"] {
                if let Ok(address) = Address::parse(&format!("https://{host}{path}?{query}")) {
                    let _ = expires_at(&address, Timestamp::from_millis(now));
                }
            }
        }

        #[test]
        fn a_hex_end_is_read_back(secs in 1_700_000_000i64..1_900_000_000) {
            let address = Address::parse(&format!("https://a.fbcdn.net/a.jpg?oe={secs:X}")).unwrap();
            let now = Timestamp::from_secs(secs - 400_000);
            prop_assert_eq!(expires_at(&address, now), Some(Timestamp::from_secs(secs)));
        }

        #[test]
        fn days_agree_with_the_dates_of_http(secs in 0i64..4_102_444_800) {
            // httpdate knows the same calendar: format, take apart, compare.
            let text = httpdate::fmt_http_date(Timestamp::from_secs(secs).to_system_time());
            let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
            let month = months.iter().position(|month| *month == &text[8..11]).unwrap() + 1;
            let iso = format!("{}-{month:02}-{}T{}Z", &text[12..16], &text[5..7], &text[17..25]);
            prop_assert_eq!(iso8601(&iso), Some(secs));
        }
    }
}
