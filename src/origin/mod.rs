//! WORKS: the only way to the outside: API calls, downloads of pictures, and webhooks go through it.
//!
//! Reading order: [`Origin::open`] in `fetch`, `allowed_hosts` and `hosts` (which hosts may serve a picture), `guard` (which
//! addresses may be dialled), `resolver` (resolves a name to checked addresses), `download` (reads a picture within
//! bounds), `post` (sends webhooks).

mod allowed_hosts;
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

pub use allowed_hosts::AllowedHosts;
pub use base_url::BaseUrl;
pub use config::{ImagesConfig, ImagesWritten, OriginConfig, OriginWritten};
pub use download::Download;
pub use endpoint::Endpoint;
pub use error::{FetchError, OriginError};
pub use fetch::{ApiCall, ApiReply, Origin};
pub use guard::is_global;
pub use hosts::HostList;
pub use post::{WebhookRequest, WebhookResponse};
