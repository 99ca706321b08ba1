//! WORDS: the values this server speaks of. No I/O, no async, no clock: time is an argument.

mod address;
mod avatar_event;
mod cache_status;
mod connection;
mod corrected;
mod entry;
mod expiry;
mod freshness;

mod id;
mod identity;
mod invalid;
mod link;
mod picture;
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
pub use cache_status::{CacheStatus, FlightFailure};
pub use connection::{Connection, Fingerprint, SealedToken};
pub use entry::{Content, Entry, Generation};
pub use expiry::{end_of, expires_at, is_signed};
pub use freshness::{AvatarState, Decision, Windows, decide, state};
pub use id::{AvatarId, InvalidId};
pub use identity::Identity;
pub use invalid::Invalid;
pub use link::{Link, LinkConfig, LinkWritten};
pub use picture::{ETag, Picture, PictureKind};
pub use provider::{Provider, ProviderName};
pub use purge::{PurgeKind, PurgeScope};
pub use secret::Secret;
pub use sniff::{ImageHeader, SniffError, looks_complete, sniff};
pub use tags::Tags;
pub use token_end::TokenEnd;
pub use trouble::{LONGEST_PAUSE, Scope, Trouble, TroubleClass, own_pause, transient_pause};
