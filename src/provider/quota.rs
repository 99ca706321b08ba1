//! [`QuotaState`]: what an app has last said about its quota, and how long it must not be asked.

use std::time::Duration;

use crate::model::{LONGEST_PAUSE, Timestamp};

/// Meta counts an app's calls over the last hour, so a stop without a stated end lasts this long.
pub(super) const QUOTA_WINDOW: Duration = Duration::from_secs(3600);

/// How much of its quota an app has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Per cent of the whole quota; at 100 and above the API refuses calls.
    pub percent: u32,
    /// When this figure stops counting: the calls that it counts have left the window by then.
    pub until: Timestamp,
}

/// The last figures of one app.
#[derive(Debug, Default)]
pub(super) struct QuotaState {
    quota: Option<Quota>,
    /// No call may start before this time.
    stopped_until: Option<Timestamp>,
    /// `stopped_until` has moved and the new value was not taken yet.
    is_new_stop: bool,
}

impl QuotaState {
    /// Records the percentage from a reply. A percentage of 100 or more stops the app.
    pub(super) fn record(&mut self, percent: u32, now: Timestamp) {
        self.quota = Some(Quota { percent, until: now + QUOTA_WINDOW });
        if percent >= 100 {
            self.stop_for(QUOTA_WINDOW, now);
        }
    }

    /// Stops the app, unless it is already stopped for longer.
    pub(super) fn stop_for(&mut self, pause: Duration, now: Timestamp) {
        if self.stopped_until(now).is_none_or(|known| known < now + pause) {
            (self.stopped_until, self.is_new_stop) = (Some(now + pause), true);
        }
    }

    /// The used share, while it still counts.
    pub(super) fn quota(&self, now: Timestamp) -> Option<Quota> {
        self.quota.filter(|quota| quota.until.is_ahead(QUOTA_WINDOW, now))
    }

    /// The end of the current stop.
    pub(super) fn stopped_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.stopped_until.filter(|until| until.is_ahead(LONGEST_PAUSE, now))
    }

    /// The end of a stop that began or grew since the last call.
    pub(super) fn take_new_stop(&mut self) -> Option<Timestamp> {
        std::mem::take(&mut self.is_new_stop).then_some(self.stopped_until).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1000);

    #[test]
    fn an_exhausted_app_stops_for_an_hour_and_the_stop_is_taken_once() {
        let mut state = QuotaState::default();
        state.record(100, NOW);
        let until = Some(NOW + QUOTA_WINDOW);
        assert_eq!((state.take_new_stop(), state.take_new_stop()), (until, None));
        assert_eq!(state.stopped_until(NOW), until);
        assert_eq!(state.stopped_until(NOW + QUOTA_WINDOW), None);
    }

    #[test]
    fn a_reply_that_was_already_on_its_way_shortens_no_stop() {
        let (mut state, hours) = (QuotaState::default(), 3 * QUOTA_WINDOW);
        state.stop_for(hours, NOW);
        state.record(100, NOW);
        state.record(99, NOW);
        state.stop_for(QUOTA_WINDOW, NOW);
        assert_eq!((state.take_new_stop(), state.stopped_until(NOW)), (Some(NOW + hours), Some(NOW + hours)));
    }

    #[test]
    fn a_stop_recorded_while_the_clock_ran_ahead_does_not_count_and_keeps_no_later_one_out() {
        let mut state = QuotaState::default();
        state.stop_for(QUOTA_WINDOW, NOW + LONGEST_PAUSE);
        assert_eq!(state.stopped_until(NOW), None);
        state.stop_for(QUOTA_WINDOW, NOW);
        assert_eq!(state.stopped_until(NOW), Some(NOW + QUOTA_WINDOW));
    }

    #[test]
    fn a_used_share_recorded_while_the_clock_ran_ahead_does_not_count() {
        let mut state = QuotaState::default();
        state.record(99, NOW + 2 * QUOTA_WINDOW);
        assert_eq!(state.quota(NOW), None);
    }

    #[test]
    fn the_used_share_counts_for_an_hour_after_the_last_reply_that_named_it() {
        let mut state = QuotaState::default();
        state.record(99, NOW);
        let until = NOW + QUOTA_WINDOW;
        assert_eq!(state.quota(until - Duration::from_millis(1)), Some(Quota { percent: 99, until }));
        assert_eq!(state.quota(until), None);
    }
}
