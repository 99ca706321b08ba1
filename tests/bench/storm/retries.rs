//! [`Retries`]: which avatars were asked for again, and whether that was their time.

use std::collections::HashMap;
use std::time::Duration;

use avatar_proxy::clock::Timestamp;
use avatar_proxy::model::{AvatarId, own_pause};

use crate::plan::{RETRY_MAX, RETRY_MIN};
use crate::provider::Call;
use crate::viewers::View;
use crate::world::id;

/// Clocks are read in milliseconds, on both sides.
const GRAIN: Duration = Duration::from_millis(2);

/// All calls for each avatar, in their order.
pub(crate) struct Retries(HashMap<u32, Vec<Call>>);

/// An avatar whose last call failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failing {
    pub(crate) avatar: u32,
    /// Before then it may not be asked for.
    pub(crate) due: Timestamp,
}

impl Retries {
    pub(crate) fn of(mut calls: Vec<Call>) -> Self {
        calls.sort_by_key(|call| call.began);
        let mut of_each: HashMap<u32, Vec<Call>> = HashMap::new();
        calls.into_iter().for_each(|call| of_each.entry(call.avatar).or_default().push(call));
        Self(of_each)
    }

    /// Avatars that were asked for.
    pub(crate) fn tried(&self) -> usize {
        self.0.len()
    }

    /// Calls that failed and were followed by another one.
    pub(crate) fn again(&self) -> usize {
        self.pairs().filter(|(failed, _)| failed.is_some()).count()
    }

    /// Calls that came before their avatar's own time.
    pub(crate) fn early(&self) -> usize {
        self.pairs()
            .filter(|(failed, next)| failed.is_some_and(|failed| next.began + GRAIN < failed.due))
            .count()
    }

    /// Calls for an avatar that came while one for it was answered.
    pub(crate) fn twice(&self) -> usize {
        let twice =
            |calls: &Vec<Call>| calls.windows(2).filter(|two| two[1].began + GRAIN < two[0].ended).count();
        self.0.values().map(twice).sum()
    }

    /// Those whose last call failed.
    pub(crate) fn failing(&self) -> Vec<Failing> {
        self.0.values().filter_map(|calls| failing(calls)).collect()
    }

    /// The first call for an avatar after a time.
    pub(crate) fn next(&self, avatar: u32, after: Timestamp) -> Option<&Call> {
        self.0.get(&avatar)?.iter().find(|call| call.began >= after)
    }

    /// How long those waited for a place that were viewed after their time: from that view to the call, the longest last.
    pub(crate) fn waits<'a>(&self, views: impl Iterator<Item = &'a View>) -> Vec<Duration> {
        let mut viewed: HashMap<u32, Vec<Timestamp>> = HashMap::new();
        views.for_each(|view| viewed.entry(view.avatar).or_default().push(view.at));
        let wait = |(failed, next): (Option<Failing>, &Call)| {
            let Failing { avatar, due, .. } = failed?;
            let first = viewed.get(&avatar)?.iter().find(|at| **at >= due)?;
            Some(next.began.since(*first))
        };
        let mut waits: Vec<Duration> = self.pairs().filter_map(wait).collect();
        waits.sort_unstable();
        waits
    }

    /// Each call that is not its avatar's first, with what the one before left.
    fn pairs(&self) -> impl Iterator<Item = (Option<Failing>, &Call)> {
        let of_one =
            |calls: &'_ Vec<Call>| (1..calls.len()).map(|n| (failing(&calls[..n]), n)).collect::<Vec<_>>();
        self.0
            .values()
            .flat_map(move |calls| of_one(calls).into_iter().map(move |(failed, n)| (failed, &calls[n])))
    }
}

/// What that many calls leave behind when the last of them has failed.
fn failing(calls: &[Call]) -> Option<Failing> {
    let failures = calls.iter().rev().take_while(|call| call.failed).count();
    let last = calls.last().filter(|call| call.failed)?;
    let id = AvatarId::parse(&id(last.avatar)).expect("an id");
    let pause = own_pause(&id, u32::try_from(failures).expect("few"), RETRY_MIN, RETRY_MAX);
    Some(Failing { avatar: last.avatar, due: last.ended + pause })
}
