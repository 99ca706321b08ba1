//! [`Parameters`]: the query of an avatar's address, in Gravatar's grammar as far as that goes.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::config::FallbackKind;
use super::error::ApiError;

/// What the address asks for. Unknown parameters are ignored: CDNs and trackers add theirs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    /// `s`, `size`: the wanted side in pixels. It is validated only: pictures are not resized yet.
    pub(super) size: Option<u16>,
    /// `d`, `default`: what to show where there is no picture.
    pub(super) fallback: Option<FallbackKind>,
    /// `f=y`, `forcedefault=y`: show the default even where there is a picture.
    pub(super) forced: bool,
}

/// The largest size that a request may ask for, in pixels, as at Gravatar.
const MAX_SIZE: u16 = 2048;

impl Parameters {
    /// Parses a query. A request without one, the common case, costs nothing.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let mut parameters = Self::default();
        for pair in query.unwrap_or("").split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "s" | "size" => parameters.size = Some(size(&decoded(value)?)?),
                "d" | "default" => {
                    let kind = FallbackKind::from_name(&decoded(value)?).ok_or(ApiError::InvalidDefault)?;
                    parameters.fallback = Some(kind);
                }
                "f" | "forcedefault" => parameters.forced = forced(&decoded(value)?)?,
                _ => {}
            }
        }
        Ok(parameters)
    }
}

fn decoded(value: &str) -> Result<Cow<'_, str>, ApiError> {
    percent_decode_str(value).decode_utf8().map_err(|_| ApiError::InvalidQuery)
}

fn size(value: &str) -> Result<u16, ApiError> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|size| digits && (1..=MAX_SIZE).contains(size)).ok_or(ApiError::InvalidSize)
}

fn forced(value: &str) -> Result<bool, ApiError> {
    match value {
        "y" => Ok(true),
        "n" => Ok(false),
        _ => Err(ApiError::InvalidForce),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gravatars_names_and_the_long_ones_are_read() {
        let expected = Parameters { size: Some(80), fallback: Some(FallbackKind::NotFound), forced: true };
        assert_eq!(Parameters::parse(Some("s=80&d=404&f=y")), Ok(expected));
        assert_eq!(Parameters::parse(Some("size=80&default=404&forcedefault=y")), Ok(expected));
        assert_eq!(Parameters::parse(Some("s=%38%30&utm_source=x&&d=404&f=y&v")), Ok(expected));
        assert_eq!(Parameters::parse(None), Ok(Parameters::default()));
    }

    #[test]
    fn a_broken_value_is_refused_by_name() {
        for (query, error) in [
            ("s=0", ApiError::InvalidSize),
            ("s=2049", ApiError::InvalidSize),
            ("s=+80", ApiError::InvalidSize),
            ("s=80px", ApiError::InvalidSize),
            ("s=", ApiError::InvalidSize),
            ("s=99999999999", ApiError::InvalidSize),
            ("d=https%3A%2F%2Fexample.com%2Fa.png", ApiError::InvalidDefault),
            ("d", ApiError::InvalidDefault),
            ("f=yes", ApiError::InvalidForce),
            ("d=%ff", ApiError::InvalidQuery),
        ] {
            assert_eq!(Parameters::parse(Some(query)), Err(error), "{query}");
        }
    }
}
