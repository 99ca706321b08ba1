//! [`diff`]: from two entries of an avatar to the events that the dashboard receives. A pure function.

use crate::model::{AvatarEvent, AvatarId, Content, Entry, EventKind, TroubleClass};

/// The events between two entries of an avatar: at most one about the picture, one about its troubles, and one about the
/// token.
///
/// A first picture is no change. An event may be emitted again where `old` is not known any more: it then has the same
/// key, and so the same number.
pub(super) fn diff(id: &AvatarId, old: Option<&Entry>, new: &Entry) -> Vec<AvatarEvent> {
    let picture = picture_event(old, new).map(|kind| match kind {
        EventKind::Changed => event(id, new, kind, etag(new).unwrap_or_default(), None),
        _ => event(id, new, kind, String::new(), None),
    });
    picture.into_iter().chain(trouble_event(id, old, new)).chain(token_event(id, old, new)).collect()
}

fn picture_event(old: Option<&Entry>, new: &Entry) -> Option<EventKind> {
    match (&old?.content, &new.content) {
        (Content::Picture(old), Content::Picture(new)) => {
            (old.etag != new.etag).then_some(EventKind::Changed)
        }
        (Content::NoPicture, Content::Picture(_)) => Some(EventKind::Changed),
        (Content::Picture(_), Content::NoPicture) => Some(EventKind::NoPicture),
        (Content::Nothing, _) | (_, Content::Nothing) | (Content::NoPicture, Content::NoPicture) => None,
    }
}

fn trouble_event(id: &AvatarId, old: Option<&Entry>, new: &Entry) -> Option<AvatarEvent> {
    let before = old.and_then(|old| old.trouble.as_ref());
    let Some(trouble) = &new.trouble else {
        let before = before?;
        let class = before.needs_action?;
        // An entry out of Redis may merely have outlived its trouble.
        let is_confirmed = new.verified_at >= before.at;
        let discriminator = hex::encode(new.fingerprint.0);
        return is_confirmed.then(|| event(id, new, EventKind::Recovered, discriminator, Some(class)));
    };
    let kind = match trouble.class {
        TroubleClass::NeedsReauth => EventKind::NeedsReauth,
        TroubleClass::Misconfigured => EventKind::Misconfigured,
        TroubleClass::Transient
        | TroubleClass::Throttled
        | TroubleClass::Denied
        | TroubleClass::NoConsent => {
            return None;
        }
    };
    let is_known = before
        .is_some_and(|before| before.class == trouble.class && before.fingerprint == trouble.fingerprint);
    let discriminator = trouble.fingerprint.map_or_else(String::new, |row| hex::encode(row.0));
    (!is_known)
        .then(|| AvatarEvent { at: trouble.at, ..event(id, new, kind, discriminator, Some(trouble.class)) })
}

fn token_event(id: &AvatarId, old: Option<&Entry>, new: &Entry) -> Option<AvatarEvent> {
    let end = new.token_end.filter(|end| end.is_newly_near(old.and_then(|old| old.token_end)))?;
    let discriminator = end.at.as_millis().to_string();
    Some(AvatarEvent { at: end.noted_at?, ..event(id, new, EventKind::ExpiresSoon, discriminator, None) })
}

fn event(
    id: &AvatarId,
    new: &Entry,
    kind: EventKind,
    discriminator: String,
    reason: Option<TroubleClass>,
) -> AvatarEvent {
    AvatarEvent {
        id: id.clone(),
        provider: new.provider,
        kind,
        at: new.verified_at,
        discriminator,
        reason,
        etag: etag(new),
    }
}

fn etag(entry: &Entry) -> Option<String> {
    entry.picture().map(|picture| picture.etag.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{
        Fingerprint, Generation, Identity, ImageHeader, Picture, PictureKind, Provider, Timestamp, Trouble,
    };

    const ROW: Fingerprint = Fingerprint([1; 32]);
    const OTHER_ROW: Fingerprint = Fingerprint([2; 32]);

    fn picture(bytes: &'static [u8]) -> Content {
        let header = ImageHeader { kind: PictureKind::Png, width: 1, height: 1 };
        Content::Picture(Arc::new(Picture::new(bytes.into(), header, Identity::from(None), Timestamp::EPOCH)))
    }

    fn entry(content: Content, at: i64, trouble: Option<Trouble>) -> Entry {
        Entry {
            content,
            verified_at: Timestamp::from_secs(at),
            link: None,
            trouble,
            field_missing: None,
            rest_until: None,
            token_end: None,
            provider: Provider::Facebook,
            name: None,
            fingerprint: ROW,
            generation: Generation::default(),
            soft_purged_at: Generation::default(),
        }
    }

    fn trouble(class: TroubleClass, row: Fingerprint, needs_action: Option<TroubleClass>) -> Option<Trouble> {
        Some(Trouble {
            class,
            reason: "x".to_owned(),
            at: Timestamp::from_secs(50),
            retry_at: None,
            failures: 1,
            fingerprint: Some(row),
            needs_action: needs_action.or(class.needs_action()),
        })
    }

    fn told(old: Option<&Entry>, new: &Entry) -> Vec<&'static str> {
        let id = AvatarId::parse("a").unwrap();
        diff(&id, old, new).into_iter().map(|event| event.kind.as_str()).collect()
    }

    #[test]
    fn another_picture_is_a_change_and_a_first_one_is_none() {
        let (a, b, none, nothing) = (
            entry(picture(b"a"), 1, None),
            entry(picture(b"b"), 2, None),
            entry(Content::NoPicture, 3, None),
            entry(Content::Nothing, 0, None),
        );
        for (old, new, expected) in [
            (None, &a, &[][..]),
            (Some(&nothing), &a, &[]),
            (Some(&a), &a, &[]),
            (Some(&a), &b, &["changed"]),
            (Some(&none), &a, &["changed"]),
            (Some(&a), &none, &["no_picture"]),
            (Some(&none), &none, &[]),
            (Some(&nothing), &none, &[]),
            (None, &none, &[]),
        ] {
            assert_eq!(told(old, new), expected, "{:?} -> {:?}", old.map(|old| &old.content), new.content);
        }
    }

    #[test]
    fn what_somebody_must_mend_is_told_once_a_row_and_so_is_its_end() {
        use TroubleClass::{Misconfigured, NeedsReauth, Transient};
        let with = |trouble| entry(picture(b"a"), 1, trouble);
        let well = entry(picture(b"a"), 60, None);
        let cleared = trouble(Misconfigured, ROW, None).map(Trouble::cleared);
        let dead = with(trouble(NeedsReauth, ROW, None));
        for (old, new, expected) in [
            (None, &dead, &["needs_reauth"][..]),
            (Some(&well), &dead, &["needs_reauth"]),
            (Some(&dead), &dead, &[]),
            (Some(&dead), &with(trouble(NeedsReauth, OTHER_ROW, None)), &["needs_reauth"]),
            (Some(&dead), &with(trouble(Misconfigured, ROW, None)), &["misconfigured"]),
            (Some(&dead), &well, &["recovered"]),
            // Another failure in between is not its end, and does not hide it.
            (Some(&dead), &with(trouble(Transient, OTHER_ROW, Some(NeedsReauth))), &[]),
            (Some(&with(trouble(Transient, OTHER_ROW, Some(NeedsReauth)))), &well, &["recovered"]),
            (Some(&with(trouble(Transient, ROW, None))), &well, &[]),
            // A restart or a soft purge clears the trouble; its event was emitted nevertheless.
            (Some(&with(cleared.clone())), &with(trouble(Misconfigured, ROW, None)), &[]),
            (Some(&with(cleared)), &well, &["recovered"]),
            // The provider has confirmed nothing: only the trouble is gone.
            (Some(&dead), &with(None), &[]),
            (Some(&well), &with(trouble(Transient, ROW, None)), &[]),
        ] {
            assert_eq!(told(old, new), expected, "{:?} -> {:?}", old.map(|old| &old.trouble), new.trouble);
        }
    }

    #[test]
    fn two_that_see_one_thing_give_it_one_mark_and_one_time() {
        let (a, b) = (entry(picture(b"a"), 1, None), entry(picture(b"b"), 7, None));
        let id = AvatarId::parse("a").unwrap();
        let older = entry(picture(b"c"), 0, None);
        assert_eq!(diff(&id, Some(&a), &b), diff(&id, Some(&older), &b));
        let [changed] = diff(&id, Some(&a), &b).try_into().unwrap();
        assert_eq!(
            (changed.at, Some(&changed.discriminator)),
            (Timestamp::from_secs(7), changed.etag.as_ref())
        );
    }

    #[test]
    fn a_picture_can_change_while_a_trouble_ends() {
        let dead = entry(picture(b"a"), 1, trouble(TroubleClass::NeedsReauth, ROW, None));
        assert_eq!(told(Some(&dead), &entry(picture(b"b"), 60, None)), ["changed", "recovered"]);
    }
}
