//! The stored form of an entry and of a link, inside the seal: JSON whose unknown members are ignored and whose later
//! members have defaults, so that instances of two versions read each other's.

use std::sync::Arc;

use crate::model::{
    Address, Content, ETag, Entry, Generation, Identity, ImagesConfig, Link, Picture, Provider, Timestamp,
    TokenEnd, Trouble,
};
use crate::store::stored_trouble::read_fingerprint;

/// An [`Entry`] without its bytes, link and trouble, which have keys of their own.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct StoredEntry {
    content: StoredContent,
    verified_at: Timestamp,
    provider: String,
    name: Option<String>,
    fingerprint: String,
    field_missing: Option<(u32, Timestamp)>,
    generation: u64,
    #[serde(default, rename = "obeyed")]
    soft_purged_at: u64,
    #[serde(default)]
    rest_until: Option<Timestamp>,
    #[serde(default)]
    token_end: Option<TokenEnd>,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredContent {
    /// The bytes have a key of their own.
    Picture {
        etag: String,
        identity: Option<String>,
        last_modified: Timestamp,
    },
    NoPicture,
    Nothing,
}

impl StoredEntry {
    pub(super) fn of(entry: &Entry) -> Self {
        let content = match &entry.content {
            Content::NoPicture => StoredContent::NoPicture,
            Content::Nothing => StoredContent::Nothing,
            Content::Picture(picture) => StoredContent::Picture {
                etag: picture.etag.as_str().to_owned(),
                identity: picture.identity.as_deref().map(str::to_owned),
                last_modified: picture.last_modified,
            },
        };
        Self {
            content,
            verified_at: entry.verified_at,
            provider: entry.provider.to_string(),
            name: entry.name.as_deref().map(str::to_owned),
            fingerprint: hex::encode(entry.fingerprint.0),
            field_missing: entry.field_missing,
            generation: entry.generation.0,
            soft_purged_at: entry.soft_purged_at.0,
            rest_until: entry.rest_until,
            token_end: entry.token_end,
        }
    }

    /// When it was verified, and no later than `now`: the clocks of instances differ. `None`: in the future, by a wrong clock.
    pub(super) fn verified_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.verified_at.age(now).map(|_| self.verified_at.min(now))
    }

    pub(super) fn provider(&self) -> Option<Provider> {
        Provider::from_name(&self.provider)
    }

    /// The tag of its bytes, if it has any.
    pub(super) fn etag(&self) -> Option<&str> {
        match &self.content {
            StoredContent::Picture { etag, .. } => Some(etag),
            StoredContent::NoPicture | StoredContent::Nothing => None,
        }
    }

    /// Puts the parts together again. Without its bytes an entry has no content, but keeps its link. `None`: of a provider
    /// that this version does not know.
    ///
    /// A time of verification a little after `now` becomes `now`: an instance whose clock runs ahead must not keep a picture
    /// fresh for longer than the others would. A time further ahead stays, for [`Entry::corrected`].
    pub(super) fn into_entry(
        self,
        picture: Option<&Arc<Picture>>,
        link: Option<Link>,
        trouble: Option<Trouble>,
        now: Timestamp,
    ) -> Option<Entry> {
        let provider = self.provider()?;
        let verified_at = self.verified_at(now).unwrap_or(self.verified_at);
        let (content, verified_at) = match self.content {
            StoredContent::NoPicture => (Content::NoPicture, verified_at),
            StoredContent::Nothing => (Content::Nothing, verified_at),
            StoredContent::Picture { etag, identity, last_modified } => {
                match picture.filter(|picture| picture.etag.as_str() == etag) {
                    Some(picture) => {
                        let picture = picture.as_ref().clone().renamed(identity.into(), last_modified);
                        (Content::Picture(Arc::new(picture)), verified_at)
                    }
                    None => (Content::Nothing, Timestamp::EPOCH),
                }
            }
        };
        Some(Entry {
            content,
            verified_at,
            link,
            trouble,
            field_missing: self.field_missing,
            rest_until: self.rest_until,
            token_end: self.token_end,
            provider,
            name: self.name.map(Arc::from),
            fingerprint: read_fingerprint(&hex::decode(self.fingerprint).ok()?)?,
            generation: Generation(self.generation),
            soft_purged_at: Generation(self.soft_purged_at),
        })
    }
}

/// A [`Link`].
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct StoredLink {
    address: String,
    resolved_at: Timestamp,
    expires_at: Timestamp,
    identity: Identity,
    is_secret: bool,
}

impl StoredLink {
    pub(super) fn of(link: &Link) -> Self {
        Self {
            address: link.address.expose().to_owned(),
            resolved_at: link.resolved_at,
            expires_at: link.expires_at,
            identity: link.identity.clone(),
            is_secret: link.is_secret,
        }
    }

    /// `None`: its address is not valid.
    pub(super) fn into_link(self) -> Option<Link> {
        let Self { address, resolved_at, expires_at, identity, is_secret } = self;
        Some(Link { address: Address::parse(&address).ok()?, resolved_at, expires_at, identity, is_secret })
    }
}

/// Checks bytes that were read back. `None` if they are not the picture that the entry names.
pub(super) fn picture(bytes: bytes::Bytes, etag: &str, images: ImagesConfig) -> Option<Arc<Picture>> {
    let header = crate::model::sniff(&bytes, images).ok()?;
    (ETag::of(&bytes).as_str() == etag)
        .then(|| Arc::new(Picture::new(bytes, header, Identity::UNKNOWN, Timestamp::EPOCH)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the first version with Redis wrote it.
    const FIRST: &str = r#"{"content":{"picture":{"etag":"\"00ff\"","identity":"1_n.jpg?stp=","last_modified":1700000000000}},
        "verified_at":1700000001000,"provider":"facebook","name":"Acme",
        "fingerprint":"0707070707070707070707070707070707070707070707070707070707070707",
        "field_missing":null,"generation":3}"#;
    const FIRST_LINK: &str = r#"{"address":"https://scontent.xx.fbcdn.net/1_n.jpg?oe=1","resolved_at":1,"expires_at":2,
        "identity":"1_n.jpg?stp=","is_secret":false}"#;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_002_000);

    fn read(json: &str) -> Option<Entry> {
        serde_json::from_str::<StoredEntry>(json).ok()?.into_entry(None, None, None, NOW)
    }

    #[test]
    fn the_form_of_the_first_version_is_read() {
        let stored: StoredEntry = serde_json::from_str(FIRST).unwrap();
        assert_eq!(stored.etag(), Some("\"00ff\""));
        let entry = stored.into_entry(None, None, None, NOW).unwrap();
        assert_eq!(entry.generation, Generation(3));
        assert_eq!((entry.provider, entry.name.as_deref()), (Provider::Facebook, Some("Acme")));
        let link = serde_json::from_str::<StoredLink>(FIRST_LINK).unwrap().into_link().unwrap();
        assert_eq!(link.address.host(), "scontent.xx.fbcdn.net");
    }

    #[test]
    fn an_entry_of_a_provider_that_is_not_configured_is_read() {
        let entry = read(&FIRST.replace("facebook", "myspace")).unwrap();
        assert_eq!(entry.provider.as_str(), "myspace");
    }

    #[test]
    fn a_member_that_a_later_version_adds_is_ignored_and_one_that_it_changes_is_a_miss() {
        assert!(read(&FIRST.replacen('{', "{\"mood\":7,", 1)).is_some());
        assert!(read(&FIRST.replace("facebook", "My Space")).is_none());
        assert!(read(&FIRST.replace("\"picture\"", "\"hologram\"")).is_none());
        assert!(read(&FIRST.replace("\"verified_at\":1700000001000,", "")).is_none());
    }

    #[test]
    fn a_time_a_little_ahead_is_now_and_one_further_ahead_is_left_to_be_corrected() {
        let picture =
            r#"{"picture":{"etag":"\"00ff\"","identity":"1_n.jpg?stp=","last_modified":1700000000000}}"#;
        let json = FIRST.replace(picture, r#""no_picture""#);
        for (written, read_as) in [
            (1_700_000_001_000, 1_700_000_001_000),
            (1_700_000_002_001, 1_700_000_002_000),
            (1_700_000_302_000, 1_700_000_002_000),
            (1_700_000_302_001, 1_700_000_302_001),
            (1_900_000_000_000, 1_900_000_000_000),
        ] {
            let json = json.replace("1700000001000", &i64::to_string(&written));
            assert_eq!(read(&json).unwrap().verified_at.as_millis(), read_as, "{written}");
        }
    }

    #[test]
    fn an_entry_without_its_bytes_has_no_content_so_that_they_are_fetched() {
        let entry = read(FIRST).unwrap();
        assert!(matches!(entry.content, Content::Nothing));
        assert_eq!(entry.verified_at, Timestamp::EPOCH);
    }
}
