//! [`Resolved`]: what a provider says about an account.

use std::sync::Arc;
use std::time::Duration;

use super::error::ProviderError;
use crate::model::{Address, Link, Timestamp, TroubleClass};

/// What a provider says about an account, its owner and its quota.
#[derive(Debug)]
pub struct Resolved {
    /// Whether there is a picture, and where.
    pub resolution: Resolution,
    /// The account's name at the provider, for a row that has none.
    pub name: Option<Arc<str>>,
    /// How long to leave the account alone, because its quota is nearly used up.
    pub rest: Option<Duration>,
    /// When the token ends, if the provider says.
    pub token_expires_at: Option<Timestamp>,
}

/// What a provider says about an account's picture.
#[derive(Debug)]
pub enum Resolution {
    /// The picture is there.
    Picture(Link),
    /// The account has none.
    NoPicture,
    /// The reply knows the account but leaves the picture's field out. That does not prove that the picture is gone, so one
    /// such reply takes no picture away.
    FieldMissing,
}

/// The picture's field in a reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PictureField {
    Address(String),
    NoPicture,
    Missing,
}

impl PictureField {
    /// The resolution, with the link that `link` makes of the address.
    pub(super) fn resolve(self, link: impl FnOnce(Address) -> Link) -> Result<Resolution, ProviderError> {
        match self {
            Self::Address(text) => match Address::parse(&text) {
                Ok(address) => Ok(Resolution::Picture(link(address))),
                Err(error) => Err(ProviderError::new(TroubleClass::Misconfigured, error.to_string())),
            },
            Self::NoPicture => Ok(Resolution::NoPicture),
            Self::Missing => Ok(Resolution::FieldMissing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::error;
    use super::*;

    #[test]
    fn an_address_that_parsing_would_change_is_refused_with_the_reason() {
        for (address, reason) in [
            ("https://a.fbcdn.net/a b.jpg", "parsing would change the address and break its signature"),
            ("data:image/png;base64,AA", "not an absolute http or https address"),
            ("https://u:p@a.fbcdn.net/", "the address contains credentials"),
        ] {
            let resolved = PictureField::Address(address.to_owned()).resolve(|_| panic!("{address}"));
            assert_eq!(resolved.unwrap_err(), error(TroubleClass::Misconfigured, None, reason));
        }
    }
}
