//! Several instances that see the same change.

use std::collections::BTreeSet;

use avatar_proxy::model::ETag;

use super::util::{STALE, World, all_sent, change, status, until, view, world};
use crate::routes::connections::tell;
use crate::support::accounts::{FACEBOOK, small};
use crate::support::proxy::Proxy;
use crate::support::redis::RedisServer;
use crate::support::webhooks::{Message, OK, Reply};

async fn three(world: &World, redis: &RedisServer) -> Vec<Proxy> {
    three_with(world, redis, "").await
}

/// The same with further sections of the configuration.
async fn three_with(world: &World, redis: &RedisServer, extra: &str) -> Vec<Proxy> {
    let shared = format!(
        "[redis]\nurl = \"{}\"\nkeys = [\"sha256:the tests' own\"]\ntimeout = \"1s\"\n{extra}",
        redis.url()
    );
    let mut instances = Vec::new();
    for _ in 0..3 {
        let proxy = world.proxy(&shared).await;
        until("it is subscribed", async || subscribed(&proxy).await).await;
        instances.push(proxy);
    }
    instances
}

async fn subscribed(proxy: &Proxy) -> bool {
    let answer = proxy.admin("GET", "/api/redis").await;
    serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap()["subscribed"] == true
}

/// All instances see the present picture.
async fn all_view(instances: &[Proxy]) {
    for proxy in instances {
        view(proxy).await;
        view(proxy).await;
    }
}

fn ids(messages: &[Message]) -> BTreeSet<&str> {
    messages.iter().map(Message::id).collect()
}

#[tokio::test]
async fn three_instances_that_see_one_event_send_one_id() {
    let (world, redis) = (world().await, RedisServer::start());
    let instances = three(&world, &redis).await;
    all_view(&instances).await;
    for seed in 2..5 {
        world.sim.set_picture(FACEBOOK.account, Some(small(seed)));
        world.clock.advance(STALE);
        all_view(&instances).await;
        for proxy in &instances {
            all_sent(proxy).await;
        }
    }
    let messages = world.receiver.expect(9).await;
    assert_eq!(ids(&messages).len(), 3, "{:?}", ids(&messages));
    let bodies: BTreeSet<_> = messages.iter().map(|message| &message.body).collect();
    assert_eq!(bodies.len(), 3, "and one body");
}

#[tokio::test]
async fn one_id_is_sent_for_one_event_even_if_the_receiver_was_down_over_several() {
    let (world, redis) = (world().await, RedisServer::start());
    let instances = three(&world, &redis).await;
    all_view(&instances).await;
    world.receiver.set(Reply::Status(500, ""));
    world.sim.revoke_token(FACEBOOK.account);
    world.clock.advance(STALE);
    all_view(&instances).await;
    world.reconnect("EAAthe-new-token").await;
    world.clock.advance(super::util::MINUTE);
    for proxy in &instances {
        proxy.get_until(&FACEBOOK.path(), |answer| answer.state() == "fresh").await;
        view(proxy).await;
    }
    world.receiver.set(OK);
    until("every event is sent", async || {
        let (mut waiting, mut ended) = (0, 0);
        for proxy in &instances {
            let status = status(proxy).await;
            let count = |name: &str| status[name].as_u64().unwrap();
            waiting += count("waiting");
            ended += count("retried") + count("delivered");
        }
        // A pause counts from the end of an attempt: the clock stands still while one is under way.
        if waiting > 0 && ended == world.receiver.attempts().len() as u64 {
            world.clock.advance(super::util::MINUTE);
        }
        waiting == 0
    })
    .await;
    let told = world.receiver.accepted();
    let mut by_sequence: Vec<_> = told.iter().map(|message| (message.sequence(), message.kind())).collect();
    by_sequence.sort();
    by_sequence.dedup();
    let kinds: Vec<_> = by_sequence.iter().map(|(_, kind)| kind.as_str()).collect();
    assert_eq!(kinds, ["needs_reauth", "recovered"], "{by_sequence:?}");
    assert!(told.len() >= 4, "more than one instance told: {}", told.len());
    world.receiver.verify();
}

#[tokio::test]
async fn changes_that_are_seen_while_the_receiver_hangs_on_one_instance_have_one_id_each_in_order() {
    let (world, redis) = (world().await, RedisServer::start());
    let instances = three_with(&world, &redis, "[origin]\ntimeout = \"2s\"\n").await;
    all_view(&instances).await;
    let [hanging, other, _] = &instances[..] else { panic!("three") };
    world.receiver.then([Reply::Hang]);
    change(&world, hanging, 2).await;
    world.receiver.tried(1).await;
    let key = format!("avatar-proxy:{{{}}}:event", FACEBOOK.id);
    let before = redis.cli(&["GET", &key]);
    change(&world, hanging, 3).await;
    until("it is numbered", async || redis.cli(&["GET", &key]) != before).await;
    assert_eq!(status(hanging).await["retried"], 0, "while the attempt is under way");
    view(other).await;
    change(&world, other, 4).await;
    view(hanging).await;
    until("the attempt is given up", async || status(hanging).await["state"] == "failing").await;
    world.clock.advance(super::util::HOUR);
    until("every event is sent", async || status(hanging).await["waiting"] == 0).await;
    let told = world.receiver.accepted();
    let mut pictures: Vec<_> =
        told.iter().map(|told| (told.sequence(), told.data()["etag"].clone())).collect();
    pictures.sort_by_key(|(sequence, _)| *sequence);
    pictures.dedup();
    let etags: Vec<_> = pictures.into_iter().map(|(_, etag)| etag).collect();
    let expected = [2, 3, 4].map(|seed| ETag::of(&small(seed).bytes).as_str().into());
    assert_eq!(etags, expected as [serde_json::Value; 3], "each under one number, in their order");
    world.receiver.verify();
}

#[tokio::test]
async fn a_deleted_row_that_three_instances_find_at_one_time_is_one_id() {
    let (world, redis) = (world().await, RedisServer::start());
    let instances = three(&world, &redis).await;
    all_view(&instances).await;
    world.db.sql(r#"DELETE FROM "PageConnection""#).await;
    let [a, b, c] = &instances[..] else { panic!("three") };
    tokio::join!(a.service.jobs().sweep(), b.service.jobs().sweep(), c.service.jobs().sweep());
    for proxy in &instances {
        all_sent(proxy).await;
    }
    assert_eq!(ids(&world.receiver.accepted()).len(), 1);
    world.receiver.verify();
}

#[tokio::test]
async fn a_deletion_is_reported_by_the_only_instance_that_held_the_avatar_whichever_gets_the_hook() {
    let (world, redis) = (world().await, RedisServer::start());
    let instances = three(&world, &redis).await;
    view(&instances[1]).await;
    let own = |what: &str| format!("avatar-proxy:{{{}}}:{what}", FACEBOOK.id);
    redis.cli(&["DEL", &own("entry"), &own("picture"), &own("link")]);
    assert_eq!(tell(instances[0].admin, FACEBOOK.id, "deleted").await.status, 200);
    let [deleted] = world.receiver.expect(1).await.try_into().unwrap();
    assert_eq!((deleted.kind().as_str(), &deleted.data()["provider"]), ("deleted", &"facebook".into()));
}

#[tokio::test]
async fn a_deletion_of_what_all_held_is_one_id() {
    let (world, redis) = (world().await, RedisServer::start());
    let instances = three(&world, &redis).await;
    all_view(&instances).await;
    assert_eq!(tell(instances[0].admin, FACEBOOK.id, "deleted").await.status, 200);
    assert_eq!(ids(&world.receiver.expect(3).await).len(), 1);
}

#[tokio::test]
async fn numbers_rise_over_a_redis_that_was_flushed_and_one_that_was_away() {
    let (world, redis) = (world().await, RedisServer::start());
    let instances = three(&world, &redis).await;
    let proxy = &instances[0];
    view(proxy).await;
    let mut seed = 1;
    let mut change = async || {
        seed += 1;
        world.sim.set_picture(FACEBOOK.account, Some(small(seed)));
        world.clock.advance(STALE);
        view(proxy).await;
        view(proxy).await;
        world.receiver.expect(seed as usize - 1).await;
    };
    change().await;
    redis.cli(&["FLUSHALL"]);
    change().await;
    redis.stop();
    change().await;
    redis.start_again();
    until("it is back", async || subscribed(proxy).await).await;
    change().await;
    let sequences: Vec<u64> = world.receiver.accepted().iter().map(Message::sequence).collect();
    assert!(sequences.windows(2).all(|two| two[0] < two[1]), "{sequences:?}");
    assert!(sequences.iter().all(|sequence| *sequence < 1 << 53));
}

#[tokio::test]
async fn a_number_that_somebody_planted_in_redis_is_not_believed() {
    let (world, redis) = (world().await, RedisServer::start());
    let instances = three(&world, &redis).await;
    view(&instances[0]).await;
    let key = format!("avatar-proxy:{{{}}}:event", FACEBOOK.id);
    for planted in
        ["9007199254740991|picture::9007199254740991", "99999999999999999999999999|x", "-1|", "1e300|", "|||"]
    {
        redis.cli(&["SET", &key, planted]);
        let before = world.receiver.accepted().len();
        world.sim.set_picture(FACEBOOK.account, Some(small(100 + u32::try_from(before).unwrap())));
        world.clock.advance(STALE);
        view(&instances[0]).await;
        let told = world.receiver.expect(before + 1).await;
        let now = avatar_proxy::clock::Clock::system().now().as_millis().unsigned_abs();
        let ahead = told[before].sequence().saturating_sub(now);
        assert!(ahead < 100_000_000, "{planted}: {ahead} ms ahead");
    }
    let known = redis.cli(&["GET", &key]);
    let etag = ETag::of(&small(104).bytes);
    assert!(!known.contains(etag.as_str().trim_matches('"')) && !known.is_empty(), "{known}");
}

#[tokio::test]
async fn without_events_nothing_is_written_and_redis_is_not_asked() {
    let (world, redis) = (world().await, RedisServer::start());
    let shared = format!(
        "[redis]\nurl = \"{}\"\nkeys = [\"sha256:the tests' own\"]\n[events]\nurl = \"\"\n",
        redis.url()
    );
    let proxy = world.proxy(&shared).await;
    view(&proxy).await;
    world.sim.set_picture(FACEBOOK.account, Some(small(2)));
    world.clock.advance(STALE);
    view(&proxy).await;
    assert!(redis.keys().iter().all(|key| !key.ends_with(":event")));
    let file = proxy.disk_file();
    let _folder = proxy.stop().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT (SELECT COUNT(*) FROM event) + (SELECT COUNT(*) FROM told)")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(rows, 0);
    assert_eq!(world.receiver.attempts().len(), 0);
}
