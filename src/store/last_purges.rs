//! [`LastPurges`] of an avatar, and the [`Validity`] that they leave an entry.

use crate::model::{Generation, PurgeKind};

/// The generations of the last purges that reached an avatar; 0 = none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LastPurges {
    /// What began before this one is deleted.
    pub hard: Generation,
    /// What began before this one is stale.
    pub soft: Generation,
}

/// What the purges mean for a stored entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// It began after them.
    Current,
    /// It is still shown, and its next view refreshes it. The generation is the soft purge's.
    Stale(Generation),
    /// No byte of it may stay.
    Deleted,
}

impl LastPurges {
    /// One purge.
    pub fn new(kind: PurgeKind, generation: Generation) -> Self {
        match kind {
            PurgeKind::Soft => Self { soft: generation, ..Self::default() },
            PurgeKind::Hard | PurgeKind::Disconnect => Self { hard: generation, ..Self::default() },
        }
    }

    /// The later purge of each kind.
    pub fn and(self, other: Self) -> Self {
        Self { hard: self.hard.max(other.hard), soft: self.soft.max(other.soft) }
    }

    /// The last purge of any kind.
    pub fn last(self) -> Generation {
        self.hard.max(self.soft)
    }

    /// Judges an entry that began at `begun` and is stale already by the soft purge `soft_purged_at`.
    ///
    /// A deletion looks at `begun` alone: the bytes that a soft purge left are as old as before.
    pub(super) fn validity(self, begun: Generation, soft_purged_at: Generation) -> Validity {
        if begun < self.hard {
            Validity::Deleted
        } else if begun.max(soft_purged_at) < self.soft {
            Validity::Stale(self.soft)
        } else {
            Validity::Current
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_soft_purge_makes_stale_and_undoes_no_earlier_deletion() {
        let purges = LastPurges { hard: Generation(3), soft: Generation(7) };
        let validity = |begun, soft_purged_at| purges.validity(Generation(begun), Generation(soft_purged_at));
        assert_eq!(validity(2, 0), Validity::Deleted);
        assert_eq!(validity(2, 7), Validity::Deleted, "stale or not");
        assert_eq!(validity(3, 0), Validity::Stale(Generation(7)));
        assert_eq!((validity(3, 7), validity(7, 0)), (Validity::Current, Validity::Current));
    }
}
