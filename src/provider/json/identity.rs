//! [`identity_of`]: which picture an address leads to, where the API does not say.

use crate::model::{Address, Identity, is_signed};

/// Hosts where another picture is known to have another path: Meta's, TikTok's, LinkedIn's and Discord's
/// (docs/providers.md, "Signed addresses"). Meta's lookaside is not among them: all its pictures share one path.
const NAMED_BY_PATH: [&str; 8] = [
    "fbcdn.net",
    "cdninstagram.com",
    "whatsapp.net",
    "tiktokcdn.com",
    "tiktokcdn-us.com",
    "tiktokcdn-eu.com",
    "licdn.com",
    "cdn.discordapp.com",
];

/// Which picture an address leads to.
///
/// In an unsigned address every character counts, because its query may name the picture. A signature changes while the
/// picture stays, so a signed address identifies the picture only on hosts where the path is known to name it, together
/// with `stp`. Elsewhere the path may be the account's, and only the bytes tell.
pub(super) fn identity_of(address: &Address) -> Identity {
    if !is_signed(address) {
        return Identity::hashed(address.expose());
    }
    if !NAMED_BY_PATH.iter().any(|domain| address.is_at(domain)) {
        return Identity::UNKNOWN;
    }
    let stp = address.parameters("stp").next().unwrap_or("");
    Identity::hashed(&format!("{}?stp={stp}", address.path_and_query().0))
}
