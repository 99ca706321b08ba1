//! [`Message`]: what instances tell each other by publish/subscribe, sealed like every value.

use crate::model::{AvatarId, Generation, Provider, Timestamp};
use crate::store::purge_log::{LastPurges, Subject};
use crate::store::redis::data::keys::Keys;
use crate::store::redis::data::seal::Sealer;

/// No letter is longer, in bytes: an order of a thousand ids is a quarter of it.
const MAX_LETTER: usize = 256 * 1024;

/// What is told. An instance of an older version ignores what it does not know.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(tag = "news", rename_all = "snake_case")]
pub enum Message {
    /// A refresh has ended; what is held now lies in Redis.
    #[serde(rename = "landed")]
    Refreshed {
        /// Whose.
        id: String,
        /// The picture's tag, if there is one.
        etag: Option<String>,
        /// When the attempt failed, if it did.
        trouble_at: Option<Timestamp>,
    },
    /// A refresh has ended without a result.
    #[serde(rename = "free")]
    LeaseReleased {
        /// Whose.
        id: String,
    },
    /// Something must go, or become stale.
    Purge(PurgeCommand),
    /// The order of this number has been carried out.
    Done {
        /// As in [`PurgeCommand`].
        number: u64,
    },
    /// A provider's whole app is paused.
    Pause {
        /// Whose.
        provider: String,
        /// Its end.
        until: Timestamp,
    },
    /// Somebody comes, or Redis has forgotten the purges: everybody puts those back that he knows.
    #[serde(rename = "missing")]
    TombstonesMissing {
        /// Later ones than this generation.
        since: u64,
    },
    /// Purges were put back that some may not have heard of.
    #[serde(rename = "restored")]
    TombstonesRestored,
    /// This instance hears itself.
    #[serde(rename = "beat")]
    Heartbeat,
}

/// What is to be purged, for all instances.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct PurgeCommand {
    /// Tells one order of an instance from the next.
    pub number: u64,
    /// What.
    pub reach: Reach,
    /// Deleted, or only made stale.
    pub hard: bool,
    /// What began before this generation is refused.
    pub generation: u64,
    /// The connections are gone: whoever holds anything of them tells the dashboard. An earlier version does not say so.
    #[serde(default)]
    pub gone: bool,
}

/// How far a purge reaches.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// These avatars.
    Ids(Vec<String>),
    /// All of a provider.
    Provider(String),
    /// All.
    All,
}

impl PurgeCommand {
    /// The generation as such.
    pub fn generation(&self) -> Generation {
        Generation(self.generation)
    }

    /// What it means for each that it reaches.
    pub fn purged(&self) -> LastPurges {
        LastPurges::new(self.hard, self.generation())
    }
}

impl Reach {
    /// These avatars.
    pub fn named(ids: &[AvatarId]) -> Self {
        Self::Ids(ids.iter().map(ToString::to_string).collect())
    }

    /// The avatars that are named.
    pub fn ids(&self) -> Vec<AvatarId> {
        match self {
            Self::Ids(ids) => ids.iter().filter_map(|id| AvatarId::parse(id).ok()).collect(),
            Self::Provider(_) | Self::All => Vec::new(),
        }
    }

    /// All that is named.
    pub fn subjects(&self) -> Vec<Subject> {
        match self {
            Self::Ids(_) => self.ids().into_iter().map(Subject::Avatar).collect(),
            Self::Provider(name) => Provider::from_name(name).map(Subject::Provider).into_iter().collect(),
            Self::All => vec![Subject::All],
        }
    }

    /// Whether avatars are reached that are not named, so that all that is held has to be looked at.
    pub fn is_wide(&self) -> bool {
        !matches!(self, Self::Ids(_))
    }

    /// Whether all avatars of a provider are reached.
    pub fn covers(&self, provider: Provider) -> bool {
        match self {
            Self::Ids(_) => false,
            Self::Provider(name) => provider.as_str() == name,
            Self::All => true,
        }
    }
}

/// Message with its sender.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Envelope {
    pub(crate) from: String,
    #[serde(flatten)]
    pub(crate) message: Message,
}

impl Envelope {
    pub(crate) fn sealed(&self, sealer: &Sealer, channel: &str) -> Option<Vec<u8>> {
        sealer.seal(channel, &serde_json::to_vec(self).ok()?)
    }

    /// `None`: not sealed by one of us, or of a kind that this version does not know.
    pub(crate) fn open(sealer: &Sealer, channel: &str, sealed: &[u8]) -> Option<Self> {
        if sealed.len() > MAX_LETTER {
            return None;
        }
        serde_json::from_slice(&sealer.open(channel, sealed.to_vec()).ok()?).ok()
    }
}

/// Where a letter goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Recipient<'a> {
    All,
    One(&'a str),
}

impl Recipient<'_> {
    pub(crate) fn channel(self, keys: &Keys) -> String {
        match self {
            Self::All => keys.news(),
            Self::One(instance) => keys.inbox(instance),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;
    use crate::model::token::Key;

    fn sealer() -> Sealer {
        Sealer::new(&Key::parse_all(&[Secret::new("sha256:x")]).unwrap())
    }

    #[test]
    fn a_letter_is_read_on_its_own_channel_alone() {
        let letter = Envelope { from: "a".into(), message: Message::Done { number: 7 } };
        let sealed = letter.sealed(&sealer(), "p:news").unwrap();
        let read = Envelope::open(&sealer(), "p:news", &sealed).unwrap();
        assert_eq!(
            (read.from.as_str(), format!("{:?}", read.message)),
            ("a", "Done { number: 7 }".to_owned())
        );
        assert!(Envelope::open(&sealer(), "p:inbox:b", &sealed).is_none());
        assert!(Envelope::open(&sealer(), "p:news", b"{\"from\":\"a\",\"news\":\"beat\"}").is_none());
    }

    #[test]
    fn news_of_a_later_version_is_ignored_and_so_are_members_that_it_adds() {
        let open = |json: &str| {
            let sealed = sealer().seal("c", json.as_bytes()).unwrap();
            Envelope::open(&sealer(), "c", &sealed).is_some()
        };
        assert!(!open(r#"{"from":"a","news":"moved_house"}"#));
        assert!(open(r#"{"from":"a","news":"done","number":1,"took_ms":3}"#));
    }

    #[test]
    fn an_order_of_an_earlier_version_is_read_and_says_of_no_connection_that_it_is_gone() {
        let old =
            r#"{"from":"a","news":"purge","number":1,"reach":{"ids":["b"]},"hard":true,"generation":7}"#;
        let sealed = sealer().seal("c", old.as_bytes()).unwrap();
        let Some(Envelope { message: Message::Purge(order), .. }) = Envelope::open(&sealer(), "c", &sealed)
        else {
            panic!("it is not read")
        };
        assert!(order.hard && !order.gone);
    }

    #[test]
    fn an_order_reaches_what_it_names_and_passes_over_what_is_no_id() {
        let ids = Reach::Ids(vec!["a".into(), "b/c".into()]);
        assert_eq!(ids.subjects(), [Subject::Avatar(AvatarId::parse("a").unwrap())]);
        assert_eq!(Reach::All.subjects(), [Subject::All]);
    }
}
