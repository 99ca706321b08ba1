//! The CDN: signatures, refusals, good replies.

use super::client::{authority, get, send};
use super::{LIFE, World, picture};
use crate::{Account, Kind, pictures};

const MISMATCH: (u16, Option<&str>, &str) = (403, Some("text/plain"), "URL signature mismatch");
const EXPIRED: (u16, Option<&str>, &str) = (403, Some("text/plain"), "URL signature expired");

#[tokio::test]
async fn an_address_is_answered_until_its_oe_by_the_clock_of_the_test() {
    let world = World::with(Kind::Facebook).await;
    let address = world.sim.direct_address("1045");
    let oe = address.split_once("&oe=").unwrap().1;
    assert_eq!(i64::from_str_radix(oe, 16), Ok(super::START + 4 * 24 * 3600));
    let life = i64::try_from(LIFE.as_secs()).unwrap();
    world.advance(life - 1);
    let answer = get(&address).await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, &picture(1).bytes[..]));
    world.advance(1);
    assert_eq!(get(&address).await.parts(), EXPIRED);
    assert_eq!(EXPIRED.2.len(), 21, "as it was recorded");
}

#[tokio::test]
async fn all_addresses_can_be_ended_at_once() {
    let world = World::with(Kind::Facebook).await;
    let old = world.sim.direct_address("1045");
    world.sim.expire_all_addresses();
    assert_eq!(get(&old).await.parts(), EXPIRED);
    assert_eq!(get(&world.sim.direct_address("1045")).await.status, 200);
}

#[tokio::test]
async fn each_change_to_a_signed_address_is_refused_in_the_words_of_the_cdn() {
    let world = World::with(Kind::Facebook).await;
    let good = world.sim.direct_address("1045");
    let oh = good.split_once("&oh=").unwrap().1.split('&').next().unwrap().to_owned();
    let oe = good.split_once("&oe=").unwrap().1.to_owned();
    let later = format!("{:X}", i64::from_str_radix(&oe, 16).unwrap() + 86_400);
    let timestamp = (403, Some("text/plain"), "Bad URL timestamp");
    let hash = (403, Some("text/plain"), "Bad URL hash");
    let table = [
        ("another size", good.replace("s320x320", "s640x640"), MISMATCH),
        ("the size removed", good.replace("stp=dst-jpg_s320x320_tt6&", ""), MISMATCH),
        ("a longer life", good.replace(&oe, &later), MISMATCH),
        ("lower case hex", good.replace(&oe, &oe.to_lowercase()), MISMATCH),
        ("decoded", good.replace("%3A", ":"), MISMATCH),
        ("upper case escapes", good.replace("%2b", "%2B"), MISMATCH),
        ("an empty value removed", good.replace("&_nc_eui2=", ""), MISMATCH),
        ("an empty value without =", good.replace("_nc_eui2=", "_nc_eui2"), MISMATCH),
        ("a cache buster", format!("{good}&t=1"), MISMATCH),
        ("a trailing &", format!("{good}&"), MISMATCH),
        ("sorted", format!("{}&oh={oh}", good.replace(&format!("&oh={oh}"), "")), MISMATCH),
        (
            "oh moved ahead",
            good.replace(&format!("&oh={oh}"), "").replace("?", &format!("?oh={oh}&")),
            MISMATCH,
        ),
        (
            "oh in the middle",
            good.replace(&format!("&oh={oh}"), "").replace("&ccb", &format!("&oh={oh}&ccb")),
            MISMATCH,
        ),
        ("signed twice", good.replace("&oh=", &format!("&oh={oh}&oh=")), MISMATCH),
        ("another file", good.replace("_1045_", "_1046_"), MISMATCH),
        ("another class", good.replace("t39.30808-1", "t39.30808-6"), MISMATCH),
        ("another oh", good.replace(&oh[oh.len() - 4..], "0000"), MISMATCH),
        ("without oh", good.replace(&format!("&oh={oh}"), ""), hash),
        ("without oe", good.replace(&format!("&oe={oe}"), ""), timestamp),
        ("a garbled oe", good.replace(&oe, "xyz"), timestamp),
        ("HTML-escaped", good.replace('&', "&amp;"), timestamp),
        ("JSON-escaped", good.replace('&', "\\u0026"), timestamp),
        ("the query stripped", good.split('?').next().unwrap().to_owned(), timestamp),
    ];
    for (name, address, refusal) in table {
        assert_ne!(address, good, "{name}");
        let answer = get(&address).await;
        assert_eq!(answer.status, 403, "{name}");
        assert_eq!(answer.parts(), refusal, "{name}");
    }
    assert_eq!(get(&good).await.status, 200);
}

#[tokio::test]
async fn another_host_is_refused_and_so_is_another_method() {
    let world = World::with(Kind::Facebook).await;
    let address = world.sim.direct_address("1045");
    let target = address.strip_prefix(&world.sim.cdn_url()).unwrap();
    let (cdn, facebook) = (world.sim.cdn_url(), world.sim.facebook_url());
    let foreign = format!("GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", authority(&facebook));
    assert_eq!(send(authority(&cdn), &foreign).await.parts(), MISMATCH);
    let post = format!("POST {target} HTTP/1.1\r\nHost: {}\r\n\r\n", authority(&cdn));
    assert_eq!(send(authority(&cdn), &post).await.status, 400);
}

#[tokio::test]
async fn two_signatures_for_one_picture_differ_in_the_query_alone() {
    let world = World::with(Kind::Instagram).await;
    let (first, second) = (world.sim.direct_address("1045"), world.sim.direct_address("1045"));
    assert_ne!(first, second);
    assert_eq!(first.split('?').next(), second.split('?').next());
    assert!(first.contains("stp=dst-jpg_s320x320_tt6&") && second.contains("stp=dst-jpg_s320x320_tt6&"));
    assert!(first.contains("/v/t51.2885-19/"), "{first}");
    assert_eq!(world.sim.handed_out(), [first, second]);
}

#[tokio::test]
async fn a_new_picture_is_a_new_file_and_the_old_one_goes() {
    let world = World::with(Kind::Facebook).await;
    let old = world.sim.direct_address("1045");
    world.sim.set_picture("1045", Some(picture(2)));
    let new = world.sim.direct_address("1045");
    assert_ne!(old.split('?').next(), new.split('?').next());
    assert_eq!(get(&old).await.status, 404);
    assert_eq!(get(&new).await.body, picture(2).bytes);
    assert_eq!(world.sim.downloads("1045"), 2);
}

#[tokio::test]
async fn good_replies_have_the_recorded_headers_and_no_etag() {
    let world = World::start().await;
    for (id, picture, kind) in [
        ("1", pictures::jpeg(1, 64), "image/jpeg"),
        ("2", pictures::png(2, 64), "image/png"),
        ("3", pictures::webp(3, 64), "image/webp"),
    ] {
        let length = picture.bytes.len().to_string();
        let mut account = Account::new(Kind::Facebook, id, id, picture);
        account.corp_same_origin = id == "3";
        world.sim.add(account);
        let answer = get(&world.sim.direct_address(id)).await;
        assert_eq!(answer.header("content-type"), Some(kind));
        assert_eq!(answer.header("content-length"), Some(length.as_str()));
        assert_eq!(answer.header("cache-control"), Some("max-age=1209600, no-transform"));
        let corp = if id == "3" { "same-origin" } else { "cross-origin" };
        assert_eq!(answer.header("cross-origin-resource-policy"), Some(corp));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert!(answer.header("last-modified").is_some());
        assert_eq!(answer.header("etag"), None);
    }
}

#[tokio::test]
async fn the_pictures_are_what_they_are_called() {
    for (picture, format) in [
        (pictures::jpeg(1, 160), image::ImageFormat::Jpeg),
        (pictures::png(1, 320), image::ImageFormat::Png),
        (pictures::webp(1, 640), image::ImageFormat::WebP),
    ] {
        assert_eq!(image::guess_format(&picture.bytes).unwrap(), format);
        let decoded = image::load_from_memory(&picture.bytes).unwrap();
        assert_eq!(decoded.width(), decoded.height());
    }
    assert_eq!(image::load_from_memory(&pictures::webp(1, 640).bytes).unwrap().width(), 640);
    assert_ne!(pictures::jpeg(1, 160).bytes, pictures::jpeg(2, 160).bytes);
}
