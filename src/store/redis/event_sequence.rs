//! The sequences of events, which all instances share: one that sees what another has reported uses the same sequence.

use super::data::scripts;
use super::supervisor::Access;
use super::{Redis, Unavailable, millis};
use crate::model::{AvatarEvent, Dimension};
use crate::store::event_retention::DELETION_REMEMBERED;

/// Every reader of JSON can hold a number below this.
const BEYOND: u64 = 1 << 53;

impl Redis {
    /// The sequence of an event; a new one is at least `least`.
    ///
    /// Unlike all else it is in clear, since a script must compare it. The mark beside it is made with a key and reveals
    /// nothing of the picture or the row. SECURITY: an attacker who may write to the Redis can give an event a sequence that
    /// was used, or one of up to a day ahead. No event can be forged: an instance decides by itself that one has happened.
    ///
    /// # Errors
    /// Redis is away, too slow, refuses, or answers no number.
    pub async fn sequence(&self, event: &AvatarEvent, least: u64) -> Result<u64, Unavailable> {
        let open = self.open.as_ref().ok_or(Unavailable)?;
        let dimension = event.kind.dimension();
        // Redis forgets a deletion soon: the connection may be made again.
        let (life, gone) = match dimension {
            Dimension::Existence => (DELETION_REMEMBERED, "gone"),
            Dimension::Picture | Dimension::Trouble | Dimension::Expiry => (open.keep_bytes_for, ""),
        };
        let mut script = scripts::SEQUENCE.prepare_invoke();
        script.key(open.keys.of(&event.id).event).arg(dimension.as_str());
        script.arg(open.sealer.mark_of(event.dedup_key().as_bytes())).arg(least).arg(millis(life)).arg(gone);
        let number: String = open.script(&script, Access::Any, &mut self.unhurried()).await?;
        number.parse().ok().filter(|number| (1..BEYOND).contains(number)).ok_or(Unavailable)
    }
}
