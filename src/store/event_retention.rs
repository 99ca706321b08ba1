//! For how long the stores remember the last event of an avatar. Tombstones have a time of their own.

use std::time::Duration;

/// What the dashboard was told about an avatar: what is seen again within this time keeps its sequence.
pub(super) const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);

/// A deletion. Much shorter: the connection may be made again.
pub(super) const DELETION_REMEMBERED: Duration = Duration::from_secs(600);
