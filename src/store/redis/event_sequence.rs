//! The numbers of events, which all instances share: whoever sees what another has told uses its number.

use super::data::scripts;
use super::supervisor::Access;
use super::{Redis, Unavailable, millis};
use crate::model::{AvatarEvent, Dimension};
use crate::store::retention::DELETION_REMEMBERED;

/// A number that every reader of JSON can hold.
const BEYOND: u64 = 1 << 53;

impl Redis {
    /// The number of an event, at least `least` where it is a new one.
    ///
    /// It lies in clear, unlike all else: a script must compare it. The mark beside it is made with a key and says nothing
    /// of the picture or the row. SECURITY: whoever may write to the Redis can have an event told under a number that was
    /// used, or one of up to a day ahead; he cannot have one told that did not happen, since whoever sees it decides that.
    ///
    /// # Errors
    /// Redis is away, too slow, refuses, or tells no number.
    pub async fn sequence(&self, happened: &AvatarEvent, least: u64) -> Result<u64, Unavailable> {
        let open = self.open.as_ref().ok_or(Unavailable)?;
        let dimension = happened.kind.dimension();
        // A deletion is soon forgotten: the connection may be made again.
        let (life, gone) = match dimension {
            Dimension::Existence => (DELETION_REMEMBERED, "gone"),
            Dimension::Picture | Dimension::Trouble | Dimension::Expiry => (open.keep_bytes_for, ""),
        };
        let mut script = scripts::SEQUENCE.prepare_invoke();
        script.key(open.keys.of(&happened.id).event).arg(dimension.as_str());
        script
            .arg(open.sealer.mark_of(happened.dedup_key().as_bytes()))
            .arg(least)
            .arg(millis(life))
            .arg(gone);
        let number: String = open.script(&script, Access::Any, &mut self.unhurried()).await?;
        number.parse().ok().filter(|number| (1..BEYOND).contains(number)).ok_or(Unavailable)
    }
}
