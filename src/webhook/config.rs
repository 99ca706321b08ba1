//! Section `[events]`.

use super::signature::SigningKey;
use crate::model::{Invalid, Secret};
use crate::origin::Endpoint;

/// Section `[events]` with a URL.
#[derive(Debug, Clone)]
pub struct EventsConfig {
    /// The receiver.
    pub(super) url: Endpoint,
    /// Signs the messages.
    pub(super) key: SigningKey,
}

/// Section `[events]` as written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsWritten {
    url: Secret,
    secret: Secret,
}

impl EventsWritten {
    /// Checks the section; `None` without a URL: then no events are sent. `has_disk`: a disk store keeps events that wait over
    /// a restart.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(self, has_disk: bool) -> Result<Option<EventsConfig>, Invalid> {
        if self.url.is_empty() {
            return Ok(None);
        }
        let url = Endpoint::parse(self.url.expose()).ok_or_else(|| {
            let expected =
                "an address without credentials, such as \"https://dashboard.example/webhooks/avatars\"";
            Invalid::new("url", "", expected)
        })?;
        if !has_disk {
            return Err(Invalid::new(
                "url",
                "",
                "\"\", or a disk.path: events wait there until they are delivered",
            ));
        }
        let key = SigningKey::parse(&self.secret).ok_or_else(|| {
            Invalid::new(
                "secret",
                "",
                "\"whsec_\" and 24 to 64 bytes in base64: it signs what is posted to events.url",
            )
        })?;
        Ok(Some(EventsConfig { url, key }))
    }
}

impl EventsConfig {
    /// The receiver.
    pub fn url(&self) -> &Endpoint {
        &self.url
    }
}
