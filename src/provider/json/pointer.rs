//! [`Pointer`]: the place of a value in a reply (RFC 6901).

use serde_json::Value;

/// A JSON Pointer to a part of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pointer(String);

impl Pointer {
    /// What would be right, as the end of a sentence.
    pub(super) const EXPECTED: &'static str = "a JSON Pointer (RFC 6901), such as \"/data/0/url\", in which ~ is written ~0 and a / within a name ~1";

    /// Checks the syntax (RFC 6901, 3).
    pub(super) fn parse(text: &str) -> Option<Self> {
        let escapes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        (text.starts_with('/') && escapes).then(|| Self(text.to_owned()))
    }

    /// The value at this place; `None` if any part of the path is missing.
    pub(super) fn find<'v>(&self, body: &'v Value) -> Option<&'v Value> {
        body.pointer(&self.0)
    }

    /// The text as configured.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_syntax_is_that_of_rfc_6901() {
        for text in ["/", "/a", "/data/0/url", "/a~1b/m~0n", "/original~0/elements", "//", "/ "] {
            assert!(Pointer::parse(text).is_some(), "{text}");
        }
        for text in ["", "a", "data/0", "#/a", "/a~", "/a~2", "/original~/elements"] {
            assert_eq!(Pointer::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_path_with_a_missing_part_finds_nothing() {
        let body = serde_json::json!({"a": {"b~/c": [1, null]}});
        let find = |text: &str| Pointer::parse(text).unwrap().find(&body).cloned();
        assert_eq!(find("/a/b~0~1c/0"), Some(1.into()));
        assert_eq!(find("/a/b~0~1c/1"), Some(Value::Null));
        for text in ["/b", "/a/b", "/a/b~0~1c/2", "/a/b~0~1c/00", "/a/b~0~1c/0/x"] {
            assert_eq!(find(text), None, "{text}");
        }
    }
}
