//! WORKS: the only way to the outside: API calls, downloads of pictures, and webhooks go through it.
//!
//! In reading order:
//!
//! | file | |
//! |---|---|
//! | `fetch` | [`Origin`]: the one HTTP client, with its calls and downloads |
//! | `allowed_hosts`, `hosts` | which hosts may serve a provider's pictures |
//! | `guard` | which IP addresses may be dialled |
//! | `resolver` | resolves a name to checked addresses |
//! | `download` | reads a picture within bounds, and checks its beginning |
//! | `post`, `endpoint` | sends a webhook to the operator's receiver |
//! | `base_url` | the address of an API |
//! | `config`, `error` | `[origin]` and `[images]`; why a call failed |

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
pub use config::{OriginConfig, OriginWritten};
pub use download::Download;
pub use endpoint::Endpoint;
pub use error::{FetchError, OriginError};
pub use fetch::{ApiCall, ApiReply, Origin};
pub use guard::is_global;
pub use hosts::HostList;
pub use post::{WebhookRequest, WebhookResponse};
