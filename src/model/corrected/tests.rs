use std::time::Duration;

use super::*;
use crate::model::{
    AvatarState, Decision, Fingerprint, Generation, Identity, ImagesConfig, Link, Provider, TroubleClass,
    decide, sniff, state,
};

const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const FUTURE: Duration = Duration::from_secs(100 * 24 * 3600);

fn windows() -> Windows {
    Windows::new(6 * HOUR, 0.5, DAY, 30 * DAY, 60 * DAY, 12 * HOUR).unwrap()
}

fn entry(content: Content, verified_at: Timestamp) -> Entry {
    Entry {
        content,
        verified_at,
        link: None,
        trouble: None,
        field_missing: None,
        rest_until: None,
        token_end: None,
        provider: Provider::Facebook,
        name: None,
        fingerprint: Fingerprint([7; 32]),
        generation: Generation::default(),
        soft_purged_at: Generation::default(),
    }
}

fn picture(last_modified: Timestamp) -> Content {
    let png: &[u8] = include_bytes!("../../../tests/fixtures/pictures/picture.png");
    let header = sniff(png, ImagesConfig { max_pixels: 1_000_000 }).unwrap();
    Content::Picture(Arc::new(Picture::new(png.into(), header, Identity::UNKNOWN, last_modified)))
}

fn trouble(at: Timestamp, retry_at: Option<Timestamp>) -> Trouble {
    Trouble {
        class: TroubleClass::Transient,
        reason: String::new(),
        at,
        retry_at,
        failures: 3,
        fingerprint: None,
        needs_action: None,
    }
}

#[test]
fn an_entry_whose_times_can_be_stays_as_it_is() {
    for verified_at in [Timestamp::EPOCH, NOW - DAY, NOW, NOW + Duration::from_secs(300)] {
        let entry = Entry {
            trouble: Some(trouble(NOW, Some(NOW + 7 * DAY))),
            rest_until: Some(NOW + 7 * DAY),
            field_missing: Some((2, NOW - DAY)),
            token_end: Some(TokenEnd { at: NOW + FUTURE, noted_at: Some(NOW), is_from_provider: false }),
            ..entry(picture(NOW), verified_at)
        };
        assert!(entry.corrected(NOW, &windows()).is_none(), "{verified_at:?}");
    }
}

#[test]
fn a_picture_confirmed_in_the_future_is_as_old_as_one_that_is_just_stale() {
    let windows = windows();
    for ahead in [Duration::from_secs(301), 2 * HOUR, FUTURE] {
        let entry = entry(picture(NOW), NOW + ahead);
        assert_eq!(decide(Some(&entry), NOW, &windows), Decision::StaleWhileRevalidate, "{ahead:?}");
        assert_eq!(state(&entry, NOW, &windows), AvatarState::Stale);
        assert!(entry.shows_last_good(NOW, &windows));
        let corrected = entry.corrected(NOW, &windows).unwrap();
        assert_eq!(corrected.verified_at, NOW - windows.fresh_until);
        assert!(corrected.corrected(NOW, &windows).is_none(), "once is enough");
    }
    let near = entry(picture(NOW), NOW + Duration::from_secs(300));
    assert_eq!(decide(Some(&near), NOW, &windows), Decision::Hit, "clocks differ by so much");
}

#[test]
fn that_there_is_no_picture_is_asked_for_again_if_it_was_confirmed_in_the_future() {
    let entry = entry(Content::NoPicture, NOW + FUTURE);
    assert_eq!(decide(Some(&entry), NOW, &windows()), Decision::Miss);
    assert_eq!(entry.corrected(NOW, &windows()).unwrap().verified_at, NOW - windows().no_picture);
}

#[test]
fn a_pause_that_began_in_the_future_is_over_and_one_without_an_end_is_not() {
    for (at, retry_at, allows) in [
        (NOW, NOW + HOUR, false),
        (NOW + Duration::from_secs(300), NOW + HOUR, false),
        (NOW + Duration::from_secs(301), NOW + HOUR, true),
        (NOW + FUTURE, NOW + FUTURE + HOUR, true),
        (NOW - HOUR, NOW - HOUR, true),
    ] {
        let trouble = trouble(at, Some(retry_at));
        assert_eq!(trouble.allows(NOW), allows, "{at:?}");
        let entry = Entry { trouble: Some(trouble), ..entry(Content::Nothing, Timestamp::EPOCH) };
        let corrected = entry.corrected(NOW, &windows()).unwrap_or(entry).trouble.unwrap();
        assert_eq!((corrected.allows(NOW), corrected.failures), (allows, 3));
        assert!(corrected.at.age(NOW).is_some());
    }
    let dead =
        Entry { trouble: Some(trouble(NOW + FUTURE, None)), ..entry(Content::Nothing, Timestamp::EPOCH) };
    assert!(!dead.trouble.as_ref().unwrap().allows(NOW));
    assert_eq!(dead.corrected(NOW, &windows()).unwrap().trouble.unwrap().retry_at, None);
}

#[test]
fn a_rest_of_the_future_is_over() {
    let at =
        |verified_at, rest_until| Entry { rest_until: Some(rest_until), ..entry(picture(NOW), verified_at) };
    for (verified_at, rest_until, rests) in [
        (NOW, NOW + HOUR, true),
        (NOW, NOW + 7 * DAY, true),
        (NOW, NOW + 8 * DAY, false),
        (NOW + 2 * HOUR, NOW + 3 * HOUR, false),
        (NOW + FUTURE, NOW + FUTURE + HOUR, false),
    ] {
        let entry = at(verified_at, rest_until);
        let entry = entry.corrected(NOW, &windows()).unwrap_or(entry);
        assert_eq!(entry.rests_until(NOW), rests.then_some(rest_until), "{rest_until:?}");
    }
    assert!(at(NOW, NOW - HOUR).corrected(NOW, &windows()).is_none(), "one that is over is no fault");
}

#[test]
fn what_else_was_noted_in_the_future_is_noted_anew() {
    let entry = Entry {
        field_missing: Some((2, NOW + FUTURE)),
        token_end: Some(TokenEnd { at: NOW + FUTURE, noted_at: Some(NOW + FUTURE), is_from_provider: true }),
        ..entry(picture(NOW + FUTURE), NOW)
    };
    let corrected = entry.corrected(NOW, &windows()).unwrap();
    assert_eq!(corrected.field_missing, Some((2, NOW)));
    assert_eq!(
        corrected.token_end,
        Some(TokenEnd { at: NOW + FUTURE, noted_at: None, is_from_provider: true })
    );
    let (old, new) = (entry.picture().unwrap(), corrected.picture().unwrap());
    assert_eq!((new.last_modified, &new.etag), (NOW, &old.etag));
    assert_eq!(corrected.verified_at, NOW);
}

#[test]
fn a_link_that_was_given_in_the_future_is_not_followed() {
    let address = crate::model::Address::parse("https://a.example/a.jpg").unwrap();
    let given = |resolved_at: Timestamp| Link {
        address: address.clone(),
        resolved_at,
        expires_at: resolved_at + DAY,
        identity: Identity::UNKNOWN,
        is_secret: false,
    };
    for (ahead, is_live) in [(Duration::ZERO, true), (Duration::from_secs(300), true), (2 * HOUR, false)] {
        assert_eq!(given(NOW + ahead).is_live(NOW), is_live, "{ahead:?}");
    }
}
