//! WORDS: the values of this server's domain and their pure rules. No I/O, no async, no clock: time is an argument.
//!
//! | question | file |
//! |---|---|
//! | who is behind an id | `id`, `connection`, `provider`, `secret`, `token` |
//! | what is cached of an avatar | `entry`, `picture`, `picture_kind`, `link`, `picture_identity`, `trouble`, `token_end`, `corrected` |
//! | what a request gets | `freshness`, `cache_status`, `tags` |
//! | what an address or its bytes say | `address`, `expiry`, `sniff` |
//! | what the dashboard learns, what a purge is of | `avatar_event`, `purge` |
//! | how values are configured, and when to retry | `units`, `invalid`, `backoff` |
//!
//! Reading order: `entry`, `freshness`, `link`, `picture_identity`, `trouble`; the others when a name leads there.

mod address;
mod avatar_event;
mod backoff;
mod cache_status;
mod connection;
mod corrected;
mod entry;
mod expiry;
mod freshness;
mod id;
mod images;
mod invalid;
mod link;
mod picture;
mod picture_identity;
mod picture_kind;
mod provider;
mod purge;
mod secret;
mod sniff;
mod tags;
pub mod token;
mod token_end;
mod trouble;
pub mod units;

pub use crate::clock::Timestamp;
pub use address::{Address, AddressError};
pub use avatar_event::{AvatarEvent, Dimension, EventKind};
pub use backoff::Backoff;
pub use cache_status::{CacheStatus, FlightFailure};
pub use connection::{Connection, Fingerprint, SealedToken};
pub use entry::{Content, Entry, Generation};
pub use expiry::{end_of, expires_at, is_signed};
pub use freshness::{AvatarState, Decision, Windows, decide, state};
pub use id::{AvatarId, InvalidId};
pub use images::{ImagesConfig, ImagesWritten};
pub use invalid::Invalid;
pub use link::{Link, LinkConfig, LinkWritten};
pub use picture::{ETag, Picture, Representation};
pub use picture_identity::Identity;
pub use picture_kind::PictureKind;
pub use provider::{Provider, ProviderName};
pub use purge::{PurgeKind, PurgeScope};
pub use secret::Secret;
pub use sniff::{ImageHeader, SniffError, looks_complete, sniff};
pub use tags::Tags;
pub use token_end::TokenEnd;
pub use trouble::{LONGEST_PAUSE, Scope, Trouble, TroubleClass, own_pause};
