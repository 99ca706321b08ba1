//! RENDER: the pictures that this server draws itself, where an account has none.
//!
//! They are SVG made of attributes alone: no script, no style, no reference to anything outside, and every character of
//! a name escaped. So the policy of every other answer, [`CSP`], lets them show.

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
/// The `Content-Security-Policy` that all of them can bear.
pub const CSP: &str = "default-src 'none'; sandbox";
