//! Replies that a test writes.

use serde_json::json;

use super::client::{get, get_with};
use super::{World, picture};
use crate::Endpoint;

#[tokio::test]
async fn an_endpoint_answers_at_its_own_target_and_for_its_own_token_alone() {
    let world = World::start().await;
    let bearer = Some(("Authorization", "Bearer t".to_owned()));
    world.sim.serve(Endpoint::new("/v1/me?fields=a,b", bearer, json!({"name": "Ada"})));
    let url = world.sim.other_url();
    let right = get_with(&format!("{url}/v1/me?fields=a,b"), "Authorization: Bearer t\r\n").await;
    assert_eq!((right.status, right.json()), (200, json!({"name": "Ada"})));
    assert_eq!(get(&format!("{url}/v1/me?fields=a,b")).await.status, 401);
    assert_eq!(get_with(&format!("{url}/v1/me?fields=a,b"), "Authorization: Bearer u\r\n").await.status, 401);
    assert_eq!(get_with(&format!("{url}/v1/me?fields=b,a"), "Authorization: Bearer t\r\n").await.status, 404);
    assert_eq!(world.sim.endpoint_calls("/v1/me?fields=a,b"), 3);
}

#[tokio::test]
async fn an_endpoint_can_be_told_to_answer_otherwise() {
    let world = World::start().await;
    world.sim.serve(Endpoint::new("/me", None, json!({})));
    let throttled = Endpoint {
        status: 429,
        headers: vec![("Retry-After", "7".to_owned())],
        ..Endpoint::new("/me", None, json!({"error": "slow"}))
    };
    let address = format!("{}/me", world.sim.other_url());
    assert_eq!(get(&address).await.status, 200);
    world.sim.serve(throttled);
    let answer = get(&address).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("7")));
    assert_eq!(world.sim.endpoint_calls("/me"), 2);
}

#[tokio::test]
async fn a_file_without_a_signature_lies_at_exactly_its_address() {
    let world = World::start().await;
    let address = world.sim.put_file("/p/1/a_400x400.jpg", picture(3));
    assert_eq!(get(&address).await.body, picture(3).bytes);
    assert_eq!(
        get(&address.replace("400x400", "normal")).await.status,
        403,
        "the signing CDN knows no such file"
    );
}
