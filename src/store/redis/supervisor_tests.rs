//! Over a real server, with calls that fail as a test wants.

use std::io;

use super::super::test_redis::{TestRedis, server_at};
use super::*;

const TIMEOUT: Duration = Duration::from_millis(500);

fn supervisor(server: Server) -> Supervisor {
    Supervisor::new(server, TIMEOUT, std::sync::Arc::default())
}

/// A call that finds the connection broken.
async fn breaks(supervisor: &Supervisor) {
    let broken = async { Err::<(), _>(io::Error::from(io::ErrorKind::BrokenPipe).into()) };
    assert_eq!(supervisor.ask(&mut Budget::new(TIMEOUT), Access::Any, broken).await, Err(Unavailable));
}

/// Which connection there is, as soon as there is one.
async fn connected(supervisor: &Supervisor) -> u64 {
    let number = *supervisor.connection_id().wait_for(|id| *id != 0).await.unwrap();
    assert!(supervisor.connection().is_ok(), "a number without a connection");
    number
}

#[tokio::test]
async fn connections_that_break_at_once_are_not_made_again_and_again() {
    let redis = TestRedis::start();
    let supervisor = supervisor(redis.server());
    let mut made = 0;
    let breaking = async {
        loop {
            made = connected(&supervisor).await;
            breaks(&supervisor).await;
        }
    };
    tokio::select! {
        () = supervisor.run() => {}
        () = breaking => {}
        () = tokio::time::sleep(Duration::from_secs(2)) => {}
    }
    // At once, then after 0.1, 0.2, 0.4, 0.8 and 1 second.
    assert!((3..=5).contains(&made), "{made} connections");
}

#[tokio::test]
async fn a_late_failure_of_one_connection_does_not_end_the_next() {
    let redis = TestRedis::start();
    let supervisor = supervisor(redis.server());
    let ending = async {
        let first = connected(&supervisor).await;
        breaks(&supervisor).await;
        assert!(supervisor.connection().is_err() && *supervisor.connection_id().borrow() == 0);
        let second = connected(&supervisor).await;
        assert_ne!(first, second);
        // A call by the first one ends only now.
        supervisor.trip(first, "late");
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(*supervisor.connection_id().borrow(), second);
        assert!(supervisor.connection().is_ok());
    };
    tokio::select! {
        () = supervisor.run() => {}
        () = ending => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_degrades_redis_for_a_minute_unless_an_entry_is_stored() {
    let supervisor = supervisor(server_at(6379));
    let refuse = async || {
        let refused = redis::parse_redis_value(b"-OOM command not allowed\r\n").unwrap();
        let put = async { refused.extract_error().map(|_| ()) };
        assert_eq!(supervisor.ask(&mut Budget::new(TIMEOUT), Access::Put, put).await, Err(Unavailable));
    };
    refuse().await;
    let degraded = Health::Degraded("OOM command not allowed".to_owned());
    for (after, health) in [(0, &degraded), (59, &degraded), (1, &Health::Well)] {
        tokio::time::advance(Duration::from_secs(after)).await;
        assert_eq!(supervisor.health(), *health, "{after}");
    }
    refuse().await;
    assert_eq!(supervisor.health(), degraded);
    supervisor.note_stored();
    assert_eq!(supervisor.health(), Health::Well);
}
