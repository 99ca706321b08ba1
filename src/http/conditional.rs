//! Conditional requests, in the order of RFC 9110 13.2.2.
//!
//! The numbers in the code are the numbers of the steps there. Step 5, `If-Range`, does not occur: ranges are ignored.

use hyper::header::{HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};

use crate::model::Timestamp;

/// What a GET or HEAD is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The representation itself (step 6).
    Proceed,
    /// 304 Not Modified.
    NotModified,
    /// 412 Precondition Failed.
    PreconditionFailed,
}

/// The validators of the selected representation.
#[derive(Debug, Clone, Copy)]
pub struct Validators<'a> {
    /// The entity tag with its quotes, and `W/` if it is weak; `None` where an answer has none.
    pub etag: Option<&'a str>,
    /// `Last-Modified`; compared in whole seconds, since that is what the header can say.
    pub last_modified: Option<Timestamp>,
}

/// Evaluates the preconditions of a GET or HEAD whose answer without them would be 200.
pub fn evaluate(headers: &HeaderMap, held: Validators<'_>) -> Verdict {
    // 1. and 2. If-Match, or where it is absent If-Unmodified-Since.
    if headers.contains_key(IF_MATCH) {
        if !any_matches(headers, &IF_MATCH, held.etag, strong) {
            return Verdict::PreconditionFailed;
        }
    } else if let (Some(asked), Some(changed)) = (date(headers, &IF_UNMODIFIED_SINCE), held.last_modified)
        && changed.as_secs() > asked.as_secs()
    {
        return Verdict::PreconditionFailed;
    }

    // 3. and 4. If-None-Match, or where it is absent If-Modified-Since.
    if headers.contains_key(IF_NONE_MATCH) {
        if any_matches(headers, &IF_NONE_MATCH, held.etag, weak) {
            return Verdict::NotModified;
        }
    } else if let (Some(asked), Some(changed)) = (date(headers, &IF_MODIFIED_SINCE), held.last_modified)
        && changed.as_secs() <= asked.as_secs()
    {
        return Verdict::NotModified;
    }

    // 6. Perform the method.
    Verdict::Proceed
}

/// Whether `*` or one tag of the lists agrees. A list that breaks the grammar agrees as far as it could be read.
fn any_matches(
    headers: &HeaderMap,
    name: &HeaderName,
    held: Option<&str>,
    agree: fn(&[u8], &[u8]) -> bool,
) -> bool {
    headers.get_all(name).iter().any(|value| {
        // `*` is "any current representation": there is one, with or without a tag.
        value.as_bytes().trim_ascii() == b"*"
            || held
                .is_some_and(|held| Tags(value.as_bytes()).any(|candidate| agree(candidate, held.as_bytes())))
    })
}

/// RFC 9110 8.8.3.2: equal, and neither is weak.
fn strong(one: &[u8], other: &[u8]) -> bool {
    one == other && !one.starts_with(b"W/")
}

/// RFC 9110 8.8.3.2: the opaque parts are equal.
fn weak(one: &[u8], other: &[u8]) -> bool {
    one.strip_prefix(b"W/").unwrap_or(one) == other.strip_prefix(b"W/").unwrap_or(other)
}

/// The entity tags of a list, each with its quotes and `W/`. Ends at the first breach of the grammar.
struct Tags<'a>(&'a [u8]);

impl<'a> Iterator for Tags<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        // Empty elements are allowed (RFC 9110 5.6.1.2).
        let start = self.0.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
        let rest = self.0.get(start..)?;
        let prefix = if rest.starts_with(b"W/") { 3 } else { 1 };
        // A comma inside the quotes belongs to the tag.
        if rest.get(prefix - 1) != Some(&b'"') {
            self.0 = &[];
            return None;
        }
        let end = prefix + rest.get(prefix..)?.iter().position(|byte| *byte == b'"')? + 1;
        let (tag, rest) = rest.split_at_checked(end)?;
        self.0 = rest;
        Some(tag)
    }
}

/// A recipient ignores a date that is invalid (13.1.3, 13.1.4), or that comes more than once.
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<Timestamp> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    httpdate::parse_http_date(value.to_str().ok()?).ok().map(Timestamp::from_system_time)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    use super::Verdict::{NotModified, PreconditionFailed, Proceed};
    use super::*;

    const TAG: &str = "\"abc\"";
    /// Sat, 01 Aug 2026 12:00:00 GMT, and a fraction that the header cannot say.
    const CHANGED: Timestamp = Timestamp::from_millis(1_785_585_600_123);
    const BEFORE: &str = "Sat, 01 Aug 2026 11:59:59 GMT";
    const SAME: &str = "Sat, 01 Aug 2026 12:00:00 GMT";
    const AFTER: &str = "Sat, 01 Aug 2026 12:00:01 GMT";

    fn ask(fields: &[(&HeaderName, &str)], etag: Option<&str>, changed: Option<Timestamp>) -> Verdict {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        evaluate(&headers, Validators { etag, last_modified: changed })
    }

    fn asked(fields: &[(&HeaderName, &str)]) -> Verdict {
        ask(fields, Some(TAG), Some(CHANGED))
    }

    #[test]
    fn each_precondition_alone() {
        for (name, value, verdict) in [
            (&IF_MATCH, "\"abc\"", Proceed),
            (&IF_MATCH, "*", Proceed),
            (&IF_MATCH, "\"x\" , \"abc\"", Proceed),
            (&IF_MATCH, "\"x\"", PreconditionFailed),
            (&IF_MATCH, "W/\"abc\"", PreconditionFailed),
            (&IF_MATCH, "", PreconditionFailed),
            (&IF_UNMODIFIED_SINCE, BEFORE, PreconditionFailed),
            (&IF_UNMODIFIED_SINCE, SAME, Proceed),
            (&IF_UNMODIFIED_SINCE, AFTER, Proceed),
            (&IF_UNMODIFIED_SINCE, "yesterday", Proceed),
            (&IF_NONE_MATCH, "\"abc\"", NotModified),
            (&IF_NONE_MATCH, "W/\"abc\"", NotModified),
            (&IF_NONE_MATCH, " * ", NotModified),
            (&IF_NONE_MATCH, ",, \"a,b\",\t\"abc\",", NotModified),
            (&IF_NONE_MATCH, "\"abc", Proceed),
            (&IF_NONE_MATCH, "abc", Proceed),
            (&IF_NONE_MATCH, "w/\"abc\"", Proceed),
            (&IF_NONE_MATCH, "\"ABC\"", Proceed),
            (&IF_NONE_MATCH, "\"x*\"", Proceed),
            (&IF_NONE_MATCH, "", Proceed),
            (&IF_MODIFIED_SINCE, BEFORE, Proceed),
            (&IF_MODIFIED_SINCE, SAME, NotModified),
            (&IF_MODIFIED_SINCE, AFTER, NotModified),
            (&IF_MODIFIED_SINCE, "Saturday, 01-Aug-26 12:00:00 GMT", NotModified),
            (&IF_MODIFIED_SINCE, "Sat Aug  1 12:00:00 2026", NotModified),
            (&IF_MODIFIED_SINCE, "2026-08-01T12:00:00Z", Proceed),
            (&IF_MODIFIED_SINCE, "", Proceed),
        ] {
            assert_eq!(asked(&[(name, value)]), verdict, "{name}: {value}");
        }
        assert_eq!(asked(&[]), Proceed);
    }

    #[test]
    fn an_earlier_step_silences_the_later_one() {
        // 13.1.4: If-Match present, so If-Unmodified-Since is not looked at; likewise 13.1.3.
        assert_eq!(asked(&[(&IF_MATCH, TAG), (&IF_UNMODIFIED_SINCE, BEFORE)]), Proceed);
        assert_eq!(asked(&[(&IF_NONE_MATCH, "\"x\""), (&IF_MODIFIED_SINCE, AFTER)]), Proceed);
        assert_eq!(asked(&[(&IF_NONE_MATCH, TAG), (&IF_MODIFIED_SINCE, BEFORE)]), NotModified);
        assert_eq!(asked(&[(&IF_MATCH, "\"x\""), (&IF_NONE_MATCH, TAG)]), PreconditionFailed);
        assert_eq!(asked(&[(&IF_MATCH, TAG), (&IF_NONE_MATCH, TAG)]), NotModified);
        assert_eq!(asked(&[(&IF_UNMODIFIED_SINCE, BEFORE), (&IF_NONE_MATCH, TAG)]), PreconditionFailed);
    }

    #[test]
    fn a_field_may_come_in_several_lines_but_a_date_may_not() {
        assert_eq!(asked(&[(&IF_NONE_MATCH, "\"x\""), (&IF_NONE_MATCH, TAG)]), NotModified);
        assert_eq!(asked(&[(&IF_MODIFIED_SINCE, AFTER), (&IF_MODIFIED_SINCE, AFTER)]), Proceed);
    }

    #[test]
    fn an_answer_without_validators_matches_only_the_star() {
        assert_eq!(ask(&[(&IF_NONE_MATCH, "*")], None, None), NotModified);
        assert_eq!(ask(&[(&IF_NONE_MATCH, TAG)], None, None), Proceed);
        assert_eq!(ask(&[(&IF_MATCH, TAG)], None, None), PreconditionFailed);
        assert_eq!(ask(&[(&IF_MATCH, "*")], None, None), Proceed);
        assert_eq!(ask(&[(&IF_MODIFIED_SINCE, AFTER)], None, None), Proceed);
    }

    proptest! {
        #[test]
        fn no_header_whatsoever_panics(lists in prop::collection::vec("[ -~\t]{0,40}", 0..4), which in 0usize..4) {
            let name = [&IF_MATCH, &IF_UNMODIFIED_SINCE, &IF_NONE_MATCH, &IF_MODIFIED_SINCE][which];
            let fields: Vec<_> = lists.iter().map(|list| (name, list.as_str())).collect();
            asked(&fields);
        }

        #[test]
        fn every_tag_of_a_well_formed_list_is_found(
            tags in prop::collection::vec("(W/)?\"[!#-~]{0,8}\"", 1..6),
            gaps in "[ \t,]{0,3},[ \t]{0,2}",
        ) {
            let list = tags.join(&gaps);
            let found: Vec<_> = Tags(list.as_bytes()).map(|tag| tag.to_vec()).collect();
            prop_assert_eq!(found, tags.iter().map(|tag| tag.as_bytes().to_vec()).collect::<Vec<_>>());
        }
    }
}
