//! What a viewer sees: the whole server in front of the stand-in, with a clock that the test moves.

/// The demo's page in Chromium: what a person sees.
mod browser;
mod changes;
mod cold;
mod day;
pub(crate) mod deletion;
pub(crate) mod faults;
pub(crate) mod limits;
pub(crate) mod near_limits;
pub(crate) mod promise;
pub(crate) mod restart;
pub(crate) mod rows;
mod stop;
mod storm;
mod write_back;
mod wrong_clock;
