//! [`Destination`]: who takes the events of the outbox.

/// Where events go. Each destination takes all of them, in their order and at its own pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// The dashboard's webhook.
    Webhook,
}

impl Destination {
    pub(super) const ALL: [Self; 1] = [Self::Webhook];

    /// Its name in the file.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
        }
    }
}
