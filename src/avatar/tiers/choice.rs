//! [`Choice`]: which of several copies of an entry is right. A pure rule.

use crate::model::{Content, Entry, Timestamp};

/// What Redis holds of an avatar, after the purges that this instance knows of.
#[derive(Debug, Default)]
pub(super) struct Remote {
    pub(super) entry: Option<Entry>,
    /// A soft purge came after it began.
    pub(super) is_purged: bool,
    /// As in [`Shared`](crate::store::Shared).
    pub(super) elsewhere: Option<Timestamp>,
}

/// Which copy is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// This instance's own.
    Local,
    /// This instance's own, and Redis has none.
    LocalAlone,
    /// This instance's own bytes, but another instance has a newer picture that is too large for Redis.
    LocalOutdated,
    /// The one in Redis.
    Remote,
}

impl Remote {
    /// The right copy, by what both know; `None` where neither holds anything.
    pub(super) fn choose(&self, local: Option<&Entry>) -> Option<Choice> {
        Some(match (local, &self.entry) {
            (Some(local), Some(_)) if self.elsewhere.is_some_and(|at| at >= local.verified_at) => {
                Choice::LocalOutdated
            }
            // The local entry has obeyed the purge, and may know what came of it.
            (Some(local), Some(_)) if self.is_purged && !matches!(local.content, Content::Nothing) => {
                Choice::Local
            }
            (Some(local), Some(remote)) if !is_later(remote, local) => Choice::Local,
            (_, Some(_)) => Choice::Remote,
            (Some(_), None) => Choice::LocalAlone,
            (None, None) => return None,
        })
    }

    /// Whether the bytes must come from somewhere else.
    pub(super) fn lacks_bytes(&self) -> bool {
        self.entry.as_ref().is_none_or(|entry| matches!(entry.content, Content::Nothing))
    }
}

/// Whether `entry` knows more than `held`: confirmed later, or of the same age with a later failure.
pub(in crate::avatar) fn is_later(entry: &Entry, held: &Entry) -> bool {
    let known = |entry: &Entry| {
        let failed_at = entry.trouble.as_ref().map_or(Timestamp::EPOCH, |trouble| trouble.at);
        (entry.verified_at, failed_at)
    };
    known(entry) > known(held)
}
