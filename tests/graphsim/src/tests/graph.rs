//! The replies of graph.instagram.com and graph.facebook.com.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use super::client::{get, get_with};
use super::{World, picture};
use crate::{Account, Kind, Missing};

const BEARER: &str = "Authorization: Bearer 1:token\r\n";
const PAGE: &str = "/v25.0/1045?fields=picture.width(320).height(320){url,is_silhouette,width,height}";

#[tokio::test]
async fn instagram_answers_the_asked_fields_flat_or_wrapped() {
    let world = World::with(Kind::Instagram).await;
    let mut wrapped = Account::new(Kind::Instagram, "1046", "IGAAwrapped", picture(2));
    wrapped.wrapped = true;
    world.sim.add(wrapped);
    let me = format!("{}/me?fields=user_id,username,profile_picture_url", world.sim.instagram_url());
    let flat = get_with(&me, BEARER).await.json();
    assert_eq!((&flat["id"], &flat["user_id"]), (&json!("1045"), &json!("1045")));
    assert_eq!(flat["username"], "Account 1045");
    assert!(flat.get("name").is_none(), "only what was asked for");
    assert_eq!(get(flat["profile_picture_url"].as_str().unwrap()).await.body, picture(1).bytes);
    let wrapped = get(&format!("{me}&access_token=IGAAwrapped")).await.json();
    assert_eq!(wrapped["data"][0]["id"], "1046");
    let bare = get_with(&format!("{}/v25.0/me", world.sim.instagram_url()), BEARER).await.json();
    assert_eq!(bare, json!({ "id": "1045" }));
}

#[tokio::test]
async fn instagram_through_facebook_login_answers_on_the_other_host() {
    let world = World::with(Kind::InstagramViaFacebook).await;
    let query = "/v25.0/1045?fields=profile_picture_url,username,name";
    let reply = get_with(&format!("{}{query}", world.sim.facebook_url()), BEARER).await.json();
    assert_eq!(get(reply["profile_picture_url"].as_str().unwrap()).await.body, picture(1).bytes);
    assert_eq!(get_with(&format!("{}{query}", world.sim.instagram_url()), BEARER).await.status, 400);
}

#[tokio::test]
async fn instagram_says_in_three_ways_that_there_is_no_picture() {
    let world = World::with(Kind::Instagram).await;
    let me = format!("{}/me?fields=profile_picture_url", world.sim.instagram_url());
    world.sim.set_picture("1045", None);
    assert_eq!(get_with(&me, BEARER).await.json(), json!({ "id": "1045", "profile_picture_url": null }));
    world.sim.set_missing("1045", Missing::FieldAbsent);
    assert_eq!(get_with(&me, BEARER).await.json(), json!({ "id": "1045" }));
    world.sim.set_missing("1045", Missing::AnonymousFile);
    let reply = get_with(&me, BEARER).await.json();
    let address = reply["profile_picture_url"].as_str().unwrap().to_owned();
    assert!(address.contains("/44884218_345707102882519_2446069589734326272_n.jpg?"), "{address}");
    // A proxy that takes it for a picture would get one.
    let answer = get(&address).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/jpeg")));
    assert_eq!((world.sim.downloads("1045"), world.sim.total_downloads()), (0, 1));
    world.sim.expire_all_addresses();
    assert_eq!(get(&address).await.text(), "URL signature expired");
}

#[tokio::test]
async fn a_page_answers_the_named_subfields_alone() {
    let world = World::with(Kind::Facebook).await;
    let url = world.sim.facebook_url();
    let reply = get_with(&format!("{url}{PAGE}"), BEARER).await.json();
    let data = &reply["picture"]["data"];
    assert_eq!(
        (&data["is_silhouette"], &data["width"], &data["height"]),
        (&json!(false), &json!(320), &json!(320))
    );
    assert_eq!(get(data["url"].as_str().unwrap()).await.body, picture(1).bytes);
    let reply = get_with(&format!("{url}/1045?fields=picture{{url}}"), BEARER).await.json();
    assert_eq!(reply["picture"]["data"].as_object().unwrap().keys().collect::<Vec<_>>(), ["url"]);
    let reply = get_with(&format!("{url}/1045?fields=picture"), BEARER).await.json();
    assert_eq!(reply["picture"]["data"]["width"], 50);
}

#[tokio::test]
async fn a_page_without_a_picture_has_a_silhouette_which_is_a_real_file() {
    let world = World::with(Kind::Facebook).await;
    world.sim.set_picture("1045", None);
    let reply = get_with(&format!("{}{PAGE}", world.sim.facebook_url()), BEARER).await.json();
    let data = &reply["picture"]["data"];
    assert_eq!(data["is_silhouette"], true);
    let answer = get(data["url"].as_str().unwrap()).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/jpeg")));
}

#[tokio::test]
async fn an_expired_version_is_upgraded_and_says_so() {
    let world = World::with(Kind::Facebook).await;
    for (version, warning) in [
        ("v18.0", Some("The call has been auto-upgraded to v21.0 as v18.0 has been deprecated.")),
        ("v21.0", None),
        ("v25.0", None),
    ] {
        let address = format!("{}/{version}/1045?fields=picture", world.sim.facebook_url());
        let answer = get_with(&address, BEARER).await;
        assert_eq!((answer.status, answer.header("x-ad-api-version-warning")), (200, warning), "{version}");
    }
}

#[tokio::test]
async fn a_dead_token_is_code_190_whatever_the_call() {
    let world = World::with(Kind::Facebook).await;
    let address = format!("{}{PAGE}", world.sim.facebook_url());
    let dead = |answer: super::client::Answer| {
        assert_eq!(answer.status, 400);
        let error = answer.json()["error"].clone();
        assert_eq!((&error["code"], &error["type"]), (&json!(190), &json!("OAuthException")));
        assert!(error["message"].is_string() && error["fbtrace_id"].is_string());
    };
    dead(get(&address).await);
    dead(get_with(&address, "Authorization: Bearer other\r\n").await);
    world.sim.revoke_token("1045");
    dead(get_with(&address, BEARER).await);
    world.sim.renew_token("1045", "EAAnew");
    dead(get_with(&address, BEARER).await);
    assert_eq!(get_with(&address, "Authorization: Bearer EAAnew\r\n").await.status, 200);
    assert_eq!(world.sim.api_calls("1045"), 5);
}

#[tokio::test]
async fn a_required_appsecret_proof_is_verified() {
    let world = World::with(Kind::Facebook).await;
    world.sim.require_appsecret_proof("the app's secret");
    let address = format!("{}{PAGE}", world.sim.facebook_url());
    let mut mac = Hmac::<Sha256>::new_from_slice(b"the app's secret").unwrap();
    mac.update(b"1:token");
    let proof = hex::encode(mac.finalize().into_bytes());
    let missing = "API calls from the server require an appsecret_proof argument";
    let wrong = "Invalid appsecret_proof provided in the API argument";
    for (address, message) in [
        (address.clone(), Some(missing)),
        (format!("{address}&appsecret_proof=00"), Some(wrong)),
        (format!("{address}&appsecret_proof={proof}"), None),
    ] {
        let answer = get_with(&address, BEARER).await;
        assert_eq!(answer.status, if message.is_some() { 400 } else { 200 }, "{message:?}");
        let error = answer.json()["error"].clone();
        assert_eq!(error["message"].as_str(), message);
        assert_eq!(error["code"].as_i64(), message.map(|_| 100));
        assert_eq!(error["type"].as_str(), message.map(|_| "GraphMethodException"));
    }
}

#[tokio::test]
async fn requests_are_remembered_as_they_came() {
    let world = World::with(Kind::Facebook).await;
    let address = format!("{}{PAGE}", world.sim.facebook_url());
    get_with(&address, BEARER).await;
    assert_eq!(world.sim.request_lines(), [format!("GET {PAGE} HTTP/1.1")]);
    assert!(world.sim.heads()[0].contains(BEARER));
    assert_eq!((world.sim.api_calls("1045"), world.sim.total_api_calls()), (1, 1));
    world.sim.reset_counters();
    assert_eq!(world.sim.total_api_calls(), 0);
}
