//! What one instance resolved or downloaded, all have.

use std::time::Duration;

use super::util::{instance, redis_at, world};
use crate::support::accounts::{FACEBOOK, small};
use crate::support::client::hash;
use crate::support::redis::RedisServer;

#[tokio::test]
async fn what_one_instance_downloaded_the_others_have_without_a_call() {
    let ((sim, clock), redis) = (world().await, RedisServer::start());
    let extra = redis_at(&redis.url());
    let first = instance(&sim, &clock, &extra).await;
    assert_eq!(first.get(&FACEBOOK.path()).await.hash(), hash(&small(1).bytes));
    first.settled().await;
    let second = instance(&sim, &clock, &extra).await;
    let answer = second.get(&FACEBOOK.path()).await;
    assert_eq!((answer.state(), answer.hash()), ("fresh", hash(&small(1).bytes)));
    assert_eq!((sim.api_calls(FACEBOOK.account), sim.downloads(FACEBOOK.account)), (1, 1));
    assert!(redis.keys().iter().all(|key| key.starts_with("avatar-proxy:")), "{:?}", redis.keys());
    tokio::time::sleep(Duration::from_millis(1)).await;
}
