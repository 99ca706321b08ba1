//! Texts from rows and replies as parts of an address.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::error::ProviderError;
use crate::model::TroubleClass;

/// Everything but the characters that RFC 3986 (2.3) calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as exactly one segment of a path; `None` where it is empty or absent.
///
/// # Errors
/// `.` and `..`, which are no segment.
pub(super) fn path_segment(text: Option<&str>) -> Result<Option<String>, ProviderError> {
    match text {
        None | Some("") => Ok(None),
        // SECURITY: dots are unreserved, so encoding would let such a segment climb to another path.
        Some("." | "..") => {
            Err(ProviderError::new(TroubleClass::Misconfigured, "the account is not a usable id"))
        }
        Some(text) => Ok(Some(encode(text))),
    }
}

/// Percent-encodes all reserved characters.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::error::error;
    use super::*;

    #[test]
    fn an_account_stays_one_segment_of_the_path() {
        for (account, expected) in [
            (None, None),
            (Some(""), None),
            (Some("17841400008460056"), Some("17841400008460056")),
            (Some("page_1-a.b~c"), Some("page_1-a.b~c")),
            (Some("a/../me?fields=x&y#z%2F"), Some("a%2F..%2Fme%3Ffields%3Dx%26y%23z%252F")),
            (Some("ä"), Some("%C3%A4")),
        ] {
            assert_eq!(path_segment(account).unwrap().as_deref(), expected);
        }
        for account in [".", ".."] {
            let expected = error(TroubleClass::Misconfigured, None, "the account is not a usable id");
            assert_eq!(path_segment(Some(account)).unwrap_err(), expected);
        }
    }
}
