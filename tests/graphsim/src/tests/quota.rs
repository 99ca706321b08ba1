//! Quotas that fill up, stand in every reply, and empty again.

use std::time::Duration;

use serde_json::{Value, json};

use super::World;
use super::client::{Answer, get_with};
use crate::{Kind, Quota};

const HOUR: Duration = Duration::from_secs(3600);

async fn ask(world: &World) -> Answer {
    let url = format!("{}/v25.0/1045?fields=picture{{url}}", world.sim.facebook_url());
    get_with(&url, "Authorization: Bearer 1:token\r\n").await
}

fn usage(answer: &Answer, name: &str) -> Value {
    serde_json::from_str(answer.header(name).unwrap()).unwrap()
}

#[tokio::test]
async fn an_app_says_how_much_is_used_up_and_refuses_what_is_beyond_until_the_window_has_passed() {
    let world = World::with(Kind::Facebook).await;
    world.sim.set_app_quota(Kind::Facebook, Quota { calls: 4, window: HOUR });
    assert_eq!(usage(&ask(&world).await, "x-app-usage")["call_count"], 25);
    world.advance(1800);
    world.sim.spend_app_quota(Kind::Facebook, 2);
    assert_eq!(usage(&ask(&world).await, "x-app-usage")["call_count"], 100);
    let refused = ask(&world).await;
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (403, &json!(4)));
    world.advance(1800);
    let answer = ask(&world).await;
    assert_eq!((answer.status, &usage(&answer, "x-app-usage")["call_count"]), (200, &json!(100)));
    let statuses: Vec<u16> = world.sim.calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [200, 200, 403, 200]);
}

#[tokio::test]
async fn an_account_is_told_the_minutes_until_it_is_answered_again() {
    let world = World::with(Kind::Facebook).await;
    world.sim.set_account_quota("1045", Quota { calls: 2, window: HOUR });
    let told = |answer: &Answer| {
        let usage = usage(answer, "x-business-use-case-usage")["1045"][0].clone();
        (usage["call_count"].as_i64().unwrap(), usage["estimated_time_to_regain_access"].as_i64().unwrap())
    };
    assert_eq!(told(&ask(&world).await), (50, 0));
    world.advance(600);
    assert_eq!(told(&ask(&world).await), (100, 51));
    let refused = ask(&world).await;
    assert_eq!((refused.json()["error"]["code"].as_i64(), told(&refused)), (Some(80001), (100, 51)));
    world.advance(51 * 60);
    assert_eq!(ask(&world).await.status, 200);
}
