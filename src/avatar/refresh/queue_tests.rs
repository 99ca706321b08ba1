//! Which avatar is next in the queue.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::task_pool::TaskPool;

use super::lane::Pace;
use super::queue::{Bounds, Queue, Refused};
use crate::clock::Clock;
use crate::model::{AvatarId, Provider, Timestamp};

fn id(text: &str) -> AvatarId {
    AvatarId::parse(text).unwrap()
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn queue(permits: usize, waiting: usize) -> Arc<Queue> {
    let bounds = Bounds { permits, waiting, of_provider: HashMap::new() };
    Queue::new(bounds, Clock::manual(at(0)), TaskPool::here())
}

#[tokio::test]
async fn the_most_recently_viewed_is_next() {
    let queue = queue(1, 10);
    let running = queue.enter(&id("a"), Provider::Facebook, at(0)).await.unwrap();
    let (b, c) = (id("b"), id("c"));
    let mut old = Box::pin(queue.enter(&b, Provider::Facebook, at(1)));
    let mut new = Box::pin(queue.enter(&c, Provider::Facebook, at(2)));
    assert!(futures_util::poll!(&mut old).is_pending());
    assert!(futures_util::poll!(&mut new).is_pending());
    drop(running);
    assert!(futures_util::poll!(&mut old).is_pending());
    assert!(matches!(futures_util::poll!(&mut new), Poll::Ready(Ok(_))));
}

#[tokio::test]
async fn a_new_view_moves_one_forward() {
    let queue = queue(1, 10);
    let running = queue.enter(&id("a"), Provider::Facebook, at(0)).await.unwrap();
    let (b, c) = (id("b"), id("c"));
    let mut first = Box::pin(queue.enter(&b, Provider::Facebook, at(1)));
    let mut second = Box::pin(queue.enter(&c, Provider::Facebook, at(2)));
    assert!(futures_util::poll!(&mut first).is_pending());
    assert!(futures_util::poll!(&mut second).is_pending());
    queue.viewed(&b, at(3));
    drop(running);
    let admitted = futures_util::poll!(&mut first);
    assert!(matches!(admitted, Poll::Ready(Ok(_))));
    assert!(futures_util::poll!(&mut second).is_pending());
}

#[tokio::test]
async fn beyond_its_capacity_the_least_recently_viewed_falls_out() {
    let queue = queue(1, 1);
    let _running = queue.enter(&id("a"), Provider::Facebook, at(0)).await.unwrap();
    let (b, c) = (id("b"), id("c"));
    let mut old = Box::pin(queue.enter(&b, Provider::Facebook, at(1)));
    assert!(futures_util::poll!(&mut old).is_pending());
    let mut new = Box::pin(queue.enter(&c, Provider::Telegram, at(2)));
    assert!(futures_util::poll!(&mut new).is_pending());
    assert_eq!(old.await.unwrap_err(), Refused::Full);
    assert_eq!(queue.depth(), (1, 1));
}

#[tokio::test]
async fn a_provider_that_hangs_leaves_room_for_the_others() {
    let queue = queue(4, 10);
    let mut permits = Vec::new();
    for name in ["a", "b", "c"] {
        permits.push(queue.enter(&id(name), Provider::Instagram, at(0)).await.unwrap());
    }
    let d = id("d");
    let mut fourth = Box::pin(queue.enter(&d, Provider::Instagram, at(9)));
    assert!(futures_util::poll!(&mut fourth).is_pending());
    assert!(queue.enter(&id("e"), Provider::Telegram, at(1)).await.is_ok());
}

#[tokio::test]
async fn a_provider_has_a_bound_of_its_own_beside_its_share() {
    let of_provider = HashMap::from([(Provider::Facebook, 1)]);
    let bounds = Bounds { permits: 4, waiting: 10, of_provider };
    let queue = Queue::new(bounds, Clock::manual(at(0)), TaskPool::here());
    let _first = queue.enter(&id("a"), Provider::Facebook, at(0)).await.unwrap();
    let b = id("b");
    assert!(futures_util::poll!(Box::pin(queue.enter(&b, Provider::Facebook, at(9)))).is_pending());
    assert!(queue.enter(&id("c"), Provider::Instagram, at(1)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_provider_near_its_limit_gets_one_permit_at_a_time_and_the_last_viewed_first() {
    let (clock, interval) = (Clock::manual(at(1000)), Duration::from_secs(5));
    let bounds = Bounds { permits: 8, waiting: 10, of_provider: HashMap::new() };
    let queue = Queue::new(bounds, clock.clone(), TaskPool::here());
    queue.set_pace(Provider::Facebook, Some(Pace { interval, until: at(2000) }));
    let enter = async |name: &str, viewed: i64| {
        drop(queue.enter(&id(name), Provider::Facebook, at(viewed)).await.unwrap());
        clock.now().as_secs() - 1000
    };
    let seconds = async {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            clock.advance(Duration::from_secs(1));
        }
    };
    let (a, b, c, ()) = tokio::join!(enter("a", 1), enter("b", 3), enter("c", 2), seconds);
    assert_eq!((b, c, a), (5, 10, 15));
    assert!(queue.enter(&id("d"), Provider::Telegram, at(0)).await.is_ok(), "others are not slowed");
    queue.set_pace(Provider::Facebook, None);
    assert!(queue.enter(&id("e"), Provider::Facebook, at(0)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_pace_of_which_nothing_more_is_heard_is_over_at_its_time() {
    let clock = Clock::manual(at(1000));
    let bounds = Bounds { permits: 8, waiting: 10, of_provider: HashMap::new() };
    let queue = Queue::new(bounds, clock.clone(), TaskPool::here());
    let interval = Duration::from_secs(500);
    queue.set_pace(Provider::Facebook, Some(Pace { interval, until: at(1100) }));
    let (a, b) = (id("a"), id("b"));
    let both = async {
        tokio::join!(queue.enter(&a, Provider::Facebook, at(1)), queue.enter(&b, Provider::Facebook, at(2)))
    };
    let mut both = Box::pin(both);
    assert!(futures_util::poll!(&mut both).is_pending());
    assert_eq!(queue.next_permit(Provider::Facebook), Some(at(1100)));
    assert_eq!(queue.next_permit(Provider::Telegram), None);
    assert!(
        queue.enter_unpaced(Provider::Facebook).is_some(),
        "a refresh that begins without a call is not held up"
    );
    clock.advance(Duration::from_secs(100));
    let (a, b) = both.await;
    assert!(a.is_ok() && b.is_ok(), "both at one time");
}

#[tokio::test]
async fn a_queue_that_is_closed_sends_all_away() {
    let queue = queue(1, 10);
    let running = queue.enter(&id("a"), Provider::Facebook, at(0)).await.unwrap();
    let b = id("b");
    let mut waits = Box::pin(queue.enter(&b, Provider::Facebook, at(1)));
    assert!(futures_util::poll!(&mut waits).is_pending());
    queue.close();
    assert_eq!(waits.await.unwrap_err(), Refused::Stopping);
    drop(running);
    assert_eq!(queue.enter(&id("c"), Provider::Facebook, at(2)).await.unwrap_err(), Refused::Stopping);
    assert_eq!(queue.depth(), (0, 0));
}

#[tokio::test]
async fn a_permit_whose_waiter_has_left_goes_to_the_next() {
    let queue = queue(1, 10);
    let running = queue.enter(&id("a"), Provider::Facebook, at(0)).await.unwrap();
    let (b, c) = (id("b"), id("c"));
    let mut stays = Box::pin(queue.enter(&b, Provider::Facebook, at(1)));
    let mut leaves = Box::pin(queue.enter(&c, Provider::Facebook, at(2)));
    assert!(futures_util::poll!(&mut stays).is_pending());
    assert!(futures_util::poll!(&mut leaves).is_pending());
    drop(leaves);
    drop(running);
    assert!(stays.await.is_ok());
    assert_eq!(queue.depth(), (0, 0));
}
