//! [`Current`]: the walk that this process knows: the running one, or the last.

use tokio_util::sync::CancellationToken;

use super::status::{WarmRate, WarmState, WarmStatus};
use crate::directory::Cursor;
use crate::model::Timestamp;

/// A walk, as this process knows it.
pub(super) struct Current {
    pub(super) status: WarmStatus,
    /// All connections before it are done; `None` = none are.
    pub(super) cursor: Option<Cursor>,
    pub(super) stop: CancellationToken,
}

impl Current {
    pub(super) fn new(status: WarmStatus, cursor: Option<Cursor>) -> Self {
        Self { status, cursor, stop: CancellationToken::new() }
    }

    pub(super) fn begun(rate: WarmRate, started_at: Timestamp) -> Self {
        let (state, done, failed, total, problem) = (WarmState::Running, 0, 0, None, None);
        Self::new(WarmStatus { state, rate, started_at, done, failed, total, problem }, None)
    }

    pub(super) fn resumed(self, rate: WarmRate) -> Self {
        let status = WarmStatus { state: WarmState::Running, rate, problem: None, ..self.status };
        Self::new(status, self.cursor)
    }

    pub(super) fn is_running(&self) -> bool {
        self.status.state == WarmState::Running
    }
}
