//! Over a real server, with calls that fail as the test wants.

use std::io;

use super::super::connect::SentinelLogin;
use super::super::connect::tls::TlsFiles;
use super::super::test_redis::TestRedis;
use super::*;
use crate::model::Secret;

const TIMEOUT: Duration = Duration::from_millis(500);

fn keeper(at: &str) -> Keeper {
    let tls = TlsFiles { ca: String::new(), cert: String::new(), key: String::new() };
    let login = SentinelLogin { username: String::new(), password: Secret::new("") };
    let url = Secret::new(format!("redis://{at}"));
    Keeper::new(Server::new(&url, "avatar-proxy", tls, login).unwrap(), TIMEOUT)
}

/// A call that finds the connection broken.
async fn breaks(keeper: &Keeper) {
    let broken = async { Err::<(), _>(io::Error::from(io::ErrorKind::BrokenPipe).into()) };
    assert_eq!(keeper.ask(&mut Budget::new(TIMEOUT), Access::Any, broken).await, Err(Away));
}

/// Which connection there is, as soon as there is one.
async fn connected(keeper: &Keeper) -> u64 {
    let number = *keeper.line().wait_for(|line| *line != 0).await.unwrap();
    assert!(keeper.connection().is_ok(), "a number without a connection");
    number
}

#[tokio::test]
async fn connections_that_break_at_once_are_not_made_again_and_again() {
    let redis = TestRedis::start("");
    let keeper = keeper(&redis.at());
    let mut made = 0;
    let breaking = async {
        loop {
            made = connected(&keeper).await;
            breaks(&keeper).await;
        }
    };
    tokio::select! {
        () = keeper.run() => {}
        () = breaking => {}
        () = tokio::time::sleep(Duration::from_secs(2)) => {}
    }
    // At once, then after 0.1, 0.2, 0.4, 0.8 and 1 second.
    assert!((3..=5).contains(&made), "{made} connections");
}

#[tokio::test]
async fn what_ended_one_connection_does_not_end_the_next() {
    let redis = TestRedis::start("");
    let keeper = keeper(&redis.at());
    let ending = async {
        let first = connected(&keeper).await;
        breaks(&keeper).await;
        assert!(keeper.connection().is_err() && *keeper.line().borrow() == 0);
        let second = connected(&keeper).await;
        assert_ne!(first, second);
        // A call by the first one ends only now.
        keeper.hang_up(first, "late");
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(*keeper.line().borrow(), second);
        assert!(keeper.connection().is_ok());
    };
    tokio::select! {
        () = keeper.run() => {}
        () = ending => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_tells_for_a_minute_how_redis_is_unless_an_entry_is_kept() {
    let keeper = keeper("127.0.0.1");
    let refuse = async || {
        let refused = redis::parse_redis_value(b"-OOM command not allowed\r\n").unwrap();
        let put = async { refused.extract_error().map(|_| ()) };
        assert_eq!(keeper.ask(&mut Budget::new(TIMEOUT), Access::Put, put).await, Err(Away));
    };
    refuse().await;
    let degraded = Health::Degraded("OOM command not allowed".to_owned());
    for (after, health) in [(0, &degraded), (59, &degraded), (1, &Health::Well)] {
        tokio::time::advance(Duration::from_secs(after)).await;
        assert_eq!(keeper.health(), *health, "{after}");
    }
    refuse().await;
    assert_eq!(keeper.health(), degraded);
    keeper.kept();
    assert_eq!(keeper.health(), Health::Well);
}
