//! Meta: Instagram and Facebook, behind two API hosts of one kind.
//!
//! Reading order: `facebook` and `instagram` (what is asked, and how a reply is read), `graph` (one call), `graph_error`
//! (what an error means), `usage` (how much of the quotas is used).

mod config;
mod facebook;
mod graph;
mod graph_error;
pub(super) mod instagram;
pub(super) mod usage;

pub use config::{FacebookConfig, FacebookWritten, GraphConfig, InstagramConfig, InstagramWritten};
pub(super) use facebook::Facebook;
pub(super) use graph::read_body;
pub(super) use instagram::Instagram;
