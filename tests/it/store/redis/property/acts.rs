//! [`Act`]: what can happen, and how often it does.

use std::time::Duration;

use graphsim::Fault;
use proptest::prelude::*;

use super::INSTANCES;
use crate::support::accounts::ALL;
use crate::support::chaos::Mode;

/// What happens next.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// For this many milliseconds nothing.
    Pass(u64),
    /// An owner puts up another picture.
    Change(usize),
    /// The provider is slow, or fails.
    Provider(Trouble),
    Cdn(Trouble),
    /// One instance's way to Redis is disturbed; that of all if `None`.
    Redis(Option<usize>, Way),
    /// `kill -9`, and another is started in its place.
    Kill(usize),
    /// At which instance, whose, and whether hard.
    Purge(usize, usize, bool),
}

#[derive(Debug, Clone)]
pub(super) enum Trouble {
    None,
    Slow(u64),
    Status(u16),
    Close,
}

#[derive(Debug, Clone)]
pub(super) enum Way {
    Free,
    Slow(u64),
    Cut,
    Hang,
}

/// What leaves Redis alone.
pub(super) fn kind_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (50..400_u64).prop_map(Act::Pass),
        4 => (0..ALL.len()).prop_map(Act::Change),
        4 => trouble().prop_map(Act::Provider),
        4 => trouble().prop_map(Act::Cdn),
        3 => (0..INSTANCES, 0..ALL.len(), any::<bool>()).prop_map(|(at, whose, hard)| Act::Purge(at, whose, hard)),
        1 => (0..INSTANCES).prop_map(Act::Kill),
    ]
}

/// Anything.
pub(super) fn cruel_act() -> impl Strategy<Value = Act> {
    let way = prop_oneof![
        3 => Just(Way::Free),
        1 => (50..400_u64).prop_map(Way::Slow),
        1 => Just(Way::Cut),
        1 => Just(Way::Hang),
    ];
    prop_oneof![
        7 => kind_act(),
        4 => (proptest::option::of(0..INSTANCES), way).prop_map(|(whose, way)| Act::Redis(whose, way)),
        1 => (0..INSTANCES).prop_map(Act::Kill),
    ]
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        2 => Just(Trouble::None),
        2 => (20..250_u64).prop_map(Trouble::Slow),
        1 => prop_oneof![Just(500_u16), Just(503)].prop_map(Trouble::Status),
        1 => Just(Trouble::Close),
    ]
}

impl Trouble {
    pub(super) fn fault(&self) -> Option<Fault> {
        match self {
            Self::None => None,
            Self::Slow(millis) => Some(Fault::Latency(Duration::from_millis(*millis))),
            Self::Status(status) => {
                Some(Fault::Status { status: *status, content_type: "text/plain", body: "no".to_owned() })
            }
            Self::Close => Some(Fault::Close),
        }
    }
}

impl Way {
    pub(super) fn mode(&self) -> Mode {
        match self {
            Self::Free => Mode::Pass,
            Self::Slow(millis) => Mode::Delay(Duration::from_millis(*millis)),
            Self::Cut => Mode::Cut,
            Self::Hang => Mode::Hang,
        }
    }
}
