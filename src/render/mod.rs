//! WORKS: the pictures that this server draws for accounts without one.
//!
//! They are SVG made of attributes alone: no script, no style, no external reference, and every character of a name is
//! escaped. So they display under the policy of every other answer, [`CSP`].

mod blank;
mod colour;
mod initials;
mod name;

pub use blank::blank;
pub use initials::{initials, neutral};

/// The `Content-Type` of [`initials`] and [`neutral`].
pub const SVG: &str = "image/svg+xml";
/// The `Content-Type` of [`blank`].
pub const PNG: &str = "image/png";
/// The `Content-Security-Policy` of every answer.
pub const CSP: &str = "default-src 'none'; sandbox";
