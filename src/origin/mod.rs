//! WORKS: the only door to the outside. Providers ask through it, pictures come in through it.
//!
//! Reading order: [`Origin::open`] in `fetch`, `guard` (which addresses may be dialled), `hosts` (which hosts a provider
//! may name), `resolver` (names become addresses that were judged), `download` (bytes that were judged), `post` (to a
//! receiver of the operator's own).

mod base_url;
mod config;
mod download;
mod endpoint;
mod error;
mod fetch;
mod guard;
mod hosts;
mod post;
mod resolver;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use base_url::BaseUrl;
pub use config::{ImagesConfig, ImagesWritten, OriginConfig, OriginWritten};
pub use download::Download;
pub use endpoint::Endpoint;
pub use error::{FetchError, OriginError};
pub use fetch::{AllowedHosts, ApiCall, ApiReply, Origin};
pub use guard::is_global;
pub use hosts::HostList;
pub use post::{WebhookRequest, WebhookResponse};
