//! [`WalkRecord`]: how far a walk is, as the disk store saves it.

use super::{WarmRate, WarmState};
use crate::directory::Place;
use crate::model::Timestamp;

/// The saved form.
const VERSION: u32 = 1;

/// How far a walk is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WalkRecord {
    version: u32,
    pub(super) state: WarmState,
    pub(super) rate: WarmRate,
    pub(super) started_at: Timestamp,
    /// All connections before it are done; `None` = none are.
    pub(super) place: Option<Place>,
    pub(super) done: u64,
    pub(super) failed: u64,
}

impl WalkRecord {
    /// A walk that is about to begin.
    pub(super) fn new(rate: WarmRate, started_at: Timestamp) -> Self {
        let state = WarmState::Running;
        Self { version: VERSION, state, rate, started_at, place: None, done: 0, failed: 0 }
    }

    /// The same walk under way again.
    pub(super) fn resumed(self, rate: WarmRate) -> Self {
        Self { state: WarmState::Running, rate, ..self }
    }

    /// The same walk in another state.
    pub(super) fn with(self, state: WarmState) -> Self {
        Self { state, ..self }
    }

    /// A walk out of the file: if it was running, the process that ran it has ended.
    pub(super) fn interrupted(self) -> Self {
        match self.state {
            WarmState::Running => self.with(WarmState::Interrupted),
            WarmState::Interrupted | WarmState::Stopped | WarmState::Failed | WarmState::Done => self,
        }
    }

    /// Reads what [`WalkRecord::to_saved`] wrote. The form of another release is dropped, which costs a walk from the
    /// beginning.
    pub(super) fn read(text: &str) -> Option<Self> {
        let read = serde_json::from_str(text).ok().filter(|record: &Self| record.version == VERSION);
        if read.is_none() {
            tracing::warn!(
                "warming: the saved walk cannot be read; the next one begins at the first connection"
            );
        }
        read
    }

    /// What is saved; a walk that is done leaves nothing to resume.
    pub(super) fn to_saved(&self) -> Option<String> {
        match self.state {
            WarmState::Done => None,
            WarmState::Running | WarmState::Interrupted | WarmState::Stopped | WarmState::Failed => {
                serde_json::to_string(self).ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> WalkRecord {
        WalkRecord { done: 7, failed: 1, ..WalkRecord::new(WarmRate::default(), Timestamp::from_secs(5)) }
    }

    #[test]
    fn a_saved_walk_is_read_and_nothing_else_is_taken_for_one() {
        let saved = record().to_saved().unwrap();
        assert_eq!(WalkRecord::read(&saved), Some(record()));
        for text in
            ["", "{}", &saved.replace("\"version\":1", "\"version\":2"), &saved.replace(":10", ":1001")]
        {
            assert_eq!(WalkRecord::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_walk_that_was_under_way_when_its_process_ended_is_interrupted_and_a_stopped_one_stays_stopped() {
        assert_eq!(record().interrupted().state, WarmState::Interrupted);
        let stopped = WalkRecord { state: WarmState::Stopped, ..record() };
        assert_eq!(stopped.clone().interrupted(), stopped);
    }

    #[test]
    fn a_walk_that_is_done_leaves_nothing_to_resume() {
        assert_eq!(WalkRecord { state: WarmState::Done, ..record() }.to_saved(), None);
    }
}
