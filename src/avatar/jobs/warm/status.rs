//! [`WarmStatus`]: a walk, as operators see it.

use crate::model::Timestamp;

/// Avatars a second, 1 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct WarmRate(u16);

/// How a walk is going, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarmState {
    /// It is under way.
    Running,
    /// The server stops. Its next start continues the walk, if there is a disk store.
    Interrupted,
    /// An operator stopped it.
    Stopped,
    /// A person has to act: the directory cannot be read as it is configured.
    Failed,
    /// It has visited every connection.
    Done,
}

/// A walk, as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WarmStatus {
    /// How it is going, or how it ended.
    pub state: WarmState,
    /// Its upper bound.
    pub rate: WarmRate,
    /// When it began. A resumed walk keeps it, so it tells one walk from another.
    pub started_at: Timestamp,
    /// Avatars that were refreshed or found fresh.
    pub done: u64,
    /// Those of them that have no current picture.
    pub failed: u64,
    /// Rows in the directory, once the database has counted them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Why it failed, or why it waits while it is running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Why no walk was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WarmRefused {
    /// This one is under way.
    Running(WarmStatus),
    /// The server stops.
    Stopping,
}

impl WarmRate {
    /// As a count.
    pub(super) fn per_second(self) -> usize {
        usize::from(self.0)
    }
}

impl Default for WarmRate {
    fn default() -> Self {
        Self(10)
    }
}

impl TryFrom<u16> for WarmRate {
    type Error = &'static str;

    fn try_from(rate: u16) -> Result<Self, Self::Error> {
        if (1..=1000).contains(&rate) { Ok(Self(rate)) } else { Err("a rate is 1 to 1000 avatars a second") }
    }
}

impl From<WarmRate> for u16 {
    fn from(rate: WarmRate) -> Self {
        rate.0
    }
}
