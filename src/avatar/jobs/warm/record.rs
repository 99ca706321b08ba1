//! [`WalkRecord`]: how far a walk is, as the disk store saves it.

use super::current::Current;
use super::status::{WarmState, WarmStatus};
use crate::directory::Cursor;

/// The saved form.
const VERSION: u32 = 1;

/// How far a walk is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WalkRecord {
    version: u32,
    pub(super) status: WarmStatus,
    /// All connections before it are done; `None` = none are.
    pub(super) cursor: Option<Cursor>,
}

impl WalkRecord {
    /// Reads what [`WalkRecord::text`] wrote. A walk that was running is interrupted, since its process has ended. The form of
    /// another release is dropped, which costs a walk from the beginning.
    pub(super) fn read(text: &str) -> Option<Self> {
        let read = serde_json::from_str(text).ok().filter(|saved: &Self| saved.version == VERSION);
        let Some(mut saved) = read else {
            tracing::warn!(
                "warming: the saved walk cannot be read; the next one begins at the first connection"
            );
            return None;
        };
        if saved.status.state == WarmState::Running {
            saved.status.state = WarmState::Interrupted;
        }
        Some(saved)
    }

    /// What to save of a walk after a change; a walk that is done leaves nothing to resume.
    pub(super) fn text(walk: &Current, change: impl FnOnce(&mut WarmStatus)) -> Option<String> {
        let mut saved = Self { version: VERSION, status: walk.status.clone(), cursor: walk.cursor.clone() };
        change(&mut saved.status);
        match saved.status.state {
            WarmState::Done => None,
            WarmState::Running | WarmState::Interrupted | WarmState::Stopped | WarmState::Failed => {
                serde_json::to_string(&saved).ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avatar::jobs::warm::status::WarmRate;
    use crate::model::Timestamp;

    fn walk(state: WarmState) -> Current {
        let mut walk = Current::begun(WarmRate::default(), Timestamp::from_secs(5));
        (walk.status.state, walk.status.done, walk.status.failed) = (state, 7, 1);
        walk
    }

    #[test]
    fn a_saved_walk_is_read_and_nothing_else_is_taken_for_one() {
        let stopped = walk(WarmState::Stopped);
        let text = WalkRecord::text(&stopped, |_| {}).unwrap();
        assert_eq!(WalkRecord::read(&text).unwrap().status, stopped.status);
        for other in
            ["", "{}", &text.replace("\"version\":1", "\"version\":2"), &text.replace(":10", ":1001")]
        {
            assert_eq!(WalkRecord::read(other), None, "{other}");
        }
    }

    #[test]
    fn a_walk_that_was_under_way_when_its_process_ended_is_interrupted() {
        let text = WalkRecord::text(&walk(WarmState::Running), |_| {}).unwrap();
        assert_eq!(WalkRecord::read(&text).unwrap().status.state, WarmState::Interrupted);
    }

    #[test]
    fn a_walk_that_is_done_leaves_nothing_to_resume() {
        assert_eq!(
            WalkRecord::text(&walk(WarmState::Running), |status| status.state = WarmState::Done),
            None
        );
    }
}
