//! What an operator sees of the events.

use std::sync::Arc;
use tempfile::TempDir;

use super::util::{HOUR, MINUTE, change, status, until, view, viewed, world};
use crate::routes::connections::tell;
use crate::support::accounts::FACEBOOK;
use crate::support::webhooks::{OK, Reply};

#[tokio::test]
async fn a_receiver_that_fails_for_minutes_degrades_the_instance_and_its_return_ends_that() {
    let world = world().await;
    let proxy = world.proxy("").await;
    let ready = async |port: &str| {
        let answer = match port {
            "admin" => proxy.admin("GET", "/readyz").await,
            _ => proxy.get("/readyz").await,
        };
        assert_eq!(answer.status, 200);
        String::from_utf8(answer.body).unwrap()
    };
    view(&proxy).await;
    assert_eq!(status(&proxy).await["state"], "delivering");
    world.receiver.set(Reply::Status(500, ""));
    change(&world, &proxy, 2).await;
    until("it fails", async || status(&proxy).await["state"] == "failing").await;
    assert_eq!(status(&proxy).await["reason"], "HTTP 500");
    assert_eq!(ready("admin").await, r#"{"status":"ready"}"#, "not for a short while");
    for _ in 0..6 {
        world.clock.advance(MINUTE);
    }
    assert_eq!(ready("admin").await, r#"{"events":"HTTP 500","status":"degraded"}"#);
    assert_eq!(ready("public").await, r#"{"status":"degraded"}"#);
    world.receiver.set(OK);
    world.clock.advance(HOUR);
    world.receiver.expect(1).await;
    assert_eq!(ready("admin").await, r#"{"status":"ready"}"#);
    let address = world.receiver.url();
    for answer in [proxy.admin("GET", "/api/events").await, proxy.admin("GET", "/readyz").await] {
        assert!(!String::from_utf8_lossy(&answer.body).contains(&address));
    }
}

#[tokio::test]
async fn events_that_happen_while_the_disk_file_cannot_be_opened_are_lost_and_counted() {
    let world = world().await;
    let folder = Arc::new(TempDir::new().unwrap());
    std::fs::create_dir(folder.path().join("avatar-proxy.db.lock")).unwrap();
    let proxy = world.proxy_in(folder, "").await;
    view(&proxy).await;
    for seed in [2, 3] {
        change(&world, &proxy, seed).await;
    }
    world.db.sql(r#"DELETE FROM "PageConnection""#).await;
    tell(proxy.admin, FACEBOOK.id, "deleted").await;
    let status = status(&proxy).await;
    assert_eq!(
        (&status["state"], &status["lost"], &status["waiting"]),
        (&"failing".into(), &3.into(), &0.into())
    );
    assert!(status["reason"].as_str().unwrap().contains("could not be opened"), "{status}");
    assert_eq!(world.receiver.attempts().len(), 0);
}

#[tokio::test]
async fn without_a_receiver_the_admin_port_says_that_there_are_no_events() {
    let world = world().await;
    let proxy = world.proxy("[events]\nurl = \"\"\n").await;
    let answer = proxy.admin("GET", "/api/events").await;
    assert_eq!(answer.status, 404);
    assert!(String::from_utf8_lossy(&answer.body).contains("no_events"));
    let posted = proxy.admin("POST", "/api/events").await;
    assert_eq!((posted.status, posted.header("allow")), (405, Some("GET, HEAD")));
}

#[tokio::test]
async fn no_more_than_ten_thousand_events_wait_and_the_oldest_fall_out() {
    let (world, proxy) = viewed().await;
    world.receiver.then([Reply::Status(410, "")]);
    change(&world, &proxy, 2).await;
    until("it has gone", async || status(&proxy).await["state"] == "gone").await;
    let file = proxy.disk_file();
    let folder = proxy.stop().await;
    // As if the receiver had been away over many changes.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let fill = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
         INSERT INTO event (id, provider, kind, mark, at, sequence)
         SELECT '{}', 'facebook', 'changed', 'x' || i, 1767225600000 + i, 5000000000000 + i FROM n",
        FACEBOOK.id
    );
    sqlx::query(sqlx::AssertSqlSafe(fill)).execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    world.receiver.set(Reply::Status(410, ""));
    let proxy = world.proxy_in(folder, "").await;
    until("it has gone", async || status(&proxy).await["state"] == "gone").await;
    assert_eq!(status(&proxy).await["waiting"], 10_000);
    for seed in [3, 4] {
        change(&world, &proxy, seed).await;
    }
    let status = status(&proxy).await;
    assert_eq!((&status["waiting"], &status["dropped_full"]), (&10_000.into(), &2.into()));
}
