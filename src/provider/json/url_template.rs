//! [`UrlTemplate`]: an address composed of a reply's members, as Discord's is of an id and a hash.

use serde_json::Value;

use super::pointer::Pointer;
use crate::model::{Address, TroubleClass};
use crate::provider::error::ProviderError;
use crate::provider::path_segment::path_segment;

/// The `address` of a block: `https://cdn.example/{/id}/{/avatar}.png`.
#[derive(Debug, Clone)]
pub(super) struct UrlTemplate {
    first: String,
    /// A member, and the text after it.
    rest: Vec<(Pointer, String)>,
}

impl UrlTemplate {
    /// Parses an absolute address with at least one pointer in braces, none of them in its host.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut pieces = text.split('{');
        let first = pieces.next()?.to_owned();
        let mut rest = Vec::new();
        for piece in pieces {
            let (pointer, text) = piece.split_once('}')?;
            rest.push((Pointer::parse(pointer)?, text.to_owned()));
        }
        let has_host = first.split_once("://").is_some_and(|(_, behind)| behind.contains('/'));
        let template = Self { first, rest };
        let sample = template.joined(template.rest.iter().map(|_| "1".to_owned()).collect());
        let is_plain = !sample.contains('}') && Address::parse(&sample).is_ok();
        (has_host && is_plain && !template.rest.is_empty()).then_some(template)
    }

    /// The members that the address needs.
    pub(super) fn members(&self) -> impl Iterator<Item = &Pointer> {
        self.rest.iter().map(|(pointer, _)| pointer)
    }

    /// The address with these values in the places of its members. They are encoded, so none of them can lead elsewhere.
    ///
    /// # Errors
    /// A value is no text or number, or no segment of a path.
    pub(super) fn fill(&self, values: &[&Value]) -> Result<String, ProviderError> {
        let parts = values.iter().map(|value| {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => return Err(no_text()),
            };
            path_segment(Some(&text))?.ok_or_else(no_text)
        });
        Ok(self.joined(parts.collect::<Result<_, _>>()?))
    }

    fn joined(&self, parts: Vec<String>) -> String {
        let rest = self.rest.iter().zip(parts).map(|((_, text), part)| part + text);
        self.first.clone() + &rest.collect::<String>()
    }
}

/// The pointer finds a value that cannot be part of an address.
pub(super) fn no_text() -> ProviderError {
    ProviderError::new(TroubleClass::Misconfigured, "the pointer finds no text")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_encoded_in_their_places() {
        let template = UrlTemplate::parse("https://cdn.example/a/{/id}/{/user/avatar}.png?size=256").unwrap();
        let pointers: Vec<&str> = template.members().map(Pointer::as_str).collect();
        assert_eq!(pointers, ["/id", "/user/avatar"]);
        let of = |id: Value, avatar: Value| template.fill(&[&id, &avatar]);
        assert_eq!(of(json!("80"), json!("a_1f")).unwrap(), "https://cdn.example/a/80/a_1f.png?size=256");
        assert_eq!(
            of(json!(80), json!("x/../y?z")).unwrap(),
            "https://cdn.example/a/80/x%2F..%2Fy%3Fz.png?size=256"
        );
        for avatar in [json!(null), json!([]), json!(true), json!(""), json!("..")] {
            assert_eq!(
                of(json!(1), avatar.clone()).unwrap_err().class,
                TroubleClass::Misconfigured,
                "{avatar}"
            );
        }
    }

    #[test]
    fn an_address_whose_host_a_reply_could_change_is_refused() {
        for text in [
            "https://cdn.example/a.png",
            "https://{/host}/a.png",
            "https://cdn.example{/port}/a.png",
            "{/whole}",
            "https://cdn.example/{id}.png",
            "https://cdn.example/{/id.png",
            "https://cdn.example/{/id}}.png",
            "https://cdn.example/a b/{/id}.png",
        ] {
            assert!(UrlTemplate::parse(text).is_none(), "{text}");
        }
    }
}
