//! [`Message`]: what instances send each other by publish/subscribe, sealed like every value.

use crate::model::{AvatarId, Generation, Provider, PurgeKind, PurgeScope, Timestamp};
use crate::store::LastPurges;
use crate::store::redis::data::keys::Keys;
use crate::store::redis::data::seal::Sealer;

/// The longest envelope that is opened, in bytes. A purge of a thousand ids is a quarter of it.
const MAX_ENVELOPE: usize = 256 * 1024;

/// What an instance sends. One of an older version ignores what it does not know.
///
/// The names on the wire are those of the first version.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(tag = "news", rename_all = "snake_case")]
pub enum Message {
    /// A refresh has ended, and its entry is in Redis.
    #[serde(rename = "landed")]
    Refreshed {
        /// The avatar.
        id: String,
        /// The picture's tag, if there is a picture.
        etag: Option<String>,
        /// When the attempt failed, if it did.
        trouble_at: Option<Timestamp>,
    },
    /// A refresh has ended without a result.
    #[serde(rename = "free")]
    LeaseReleased {
        /// The avatar.
        id: String,
    },
    /// A purge, for every instance to carry out.
    Purge(PurgeCommand),
    /// The sender has carried a purge out.
    Done {
        /// [`PurgeCommand::number`].
        number: u64,
    },
    /// A provider's whole app is paused.
    Pause {
        /// The provider.
        provider: String,
        /// The end of the pause.
        until: Timestamp,
    },
    /// Redis may lack tombstones: every instance puts those back that it knows.
    #[serde(rename = "missing")]
    TombstonesMissing {
        /// Of purges later than this generation.
        since: u64,
    },
    /// The sender put tombstones into Redis that other instances may not know.
    #[serde(rename = "restored")]
    TombstonesRestored,
    /// An instance sends this to itself, to see whether it receives.
    #[serde(rename = "beat")]
    Heartbeat,
}

/// A purge for all instances.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "WireCommand", into = "WireCommand")]
pub struct PurgeCommand {
    /// Tells one command of an instance from the next.
    pub number: u64,
    /// The avatars.
    pub scope: PurgeScope,
    /// What becomes of them.
    pub kind: PurgeKind,
    /// Stores refuse what began before this generation.
    pub generation: Generation,
}

/// [`PurgeCommand`] as the first version sent it.
#[derive(serde::Serialize, serde::Deserialize)]
struct WireCommand {
    number: u64,
    reach: WireScope,
    hard: bool,
    generation: u64,
    /// Versions before webhooks do not send it.
    #[serde(default)]
    gone: bool,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireScope {
    Ids(Vec<String>),
    Provider(String),
    All,
}

/// A message and its sender.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Envelope {
    pub(crate) from: String,
    #[serde(flatten)]
    pub(crate) message: Message,
}

/// The instances that a message is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Recipient<'a> {
    All,
    One(&'a str),
}

impl PurgeCommand {
    /// What it adds to the purges of each avatar in its scope.
    pub fn purges(&self) -> LastPurges {
        LastPurges::new(self.kind, self.generation)
    }
}

impl From<PurgeCommand> for WireCommand {
    fn from(command: PurgeCommand) -> Self {
        let PurgeCommand { number, scope, kind, generation } = command;
        let reach = match scope {
            PurgeScope::Avatars(ids) => WireScope::Ids(ids.iter().map(ToString::to_string).collect()),
            PurgeScope::Provider(provider) => WireScope::Provider(provider.to_string()),
            PurgeScope::All => WireScope::All,
        };
        let (hard, gone) = (kind.deletes(), kind == PurgeKind::Disconnect);
        Self { number, reach, hard, generation: generation.0, gone }
    }
}

impl TryFrom<WireCommand> for PurgeCommand {
    type Error = &'static str;

    /// Passes over a text that is no id.
    fn try_from(wire: WireCommand) -> Result<Self, Self::Error> {
        let scope = match wire.reach {
            WireScope::Ids(ids) => {
                PurgeScope::Avatars(ids.iter().filter_map(|id| AvatarId::parse(id).ok()).collect())
            }
            WireScope::Provider(name) => {
                PurgeScope::Provider(Provider::from_name(&name).ok_or("not a provider's name")?)
            }
            WireScope::All => PurgeScope::All,
        };
        let kind = match (wire.hard, wire.gone) {
            (false, _) => PurgeKind::Soft,
            (true, false) => PurgeKind::Hard,
            (true, true) => PurgeKind::Disconnect,
        };
        Ok(Self { number: wire.number, scope, kind, generation: Generation(wire.generation) })
    }
}

impl Envelope {
    pub(crate) fn sealed(&self, sealer: &Sealer, channel: &str) -> Option<Vec<u8>> {
        sealer.seal(channel, &serde_json::to_vec(self).ok()?)
    }

    /// `None`: not sealed by an instance of ours, or of a kind that this version does not know.
    pub(crate) fn open(sealer: &Sealer, channel: &str, sealed: &[u8]) -> Option<Self> {
        if sealed.len() > MAX_ENVELOPE {
            return None;
        }
        serde_json::from_slice(&sealer.open(channel, sealed.to_vec()).ok()?).ok()
    }
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

    fn open(json: &str) -> Option<Message> {
        let sealed = sealer().seal("c", json.as_bytes()).unwrap();
        Envelope::open(&sealer(), "c", &sealed).map(|envelope| envelope.message)
    }

    #[test]
    fn an_envelope_opens_on_its_own_channel_alone() {
        let envelope = Envelope { from: "a".into(), message: Message::Done { number: 7 } };
        let sealed = envelope.sealed(&sealer(), "p:news").unwrap();
        let read = Envelope::open(&sealer(), "p:news", &sealed).unwrap();
        assert_eq!(
            (read.from.as_str(), format!("{:?}", read.message)),
            ("a", "Done { number: 7 }".to_owned())
        );
        assert!(Envelope::open(&sealer(), "p:inbox:b", &sealed).is_none());
        assert!(Envelope::open(&sealer(), "p:news", b"{\"from\":\"a\",\"news\":\"beat\"}").is_none());
    }

    #[test]
    fn a_message_of_a_later_version_is_ignored_and_so_are_members_that_it_adds() {
        assert!(open(r#"{"from":"a","news":"moved_house"}"#).is_none());
        assert!(open(r#"{"from":"a","news":"done","number":1,"took_ms":3}"#).is_some());
    }

    #[test]
    fn every_message_is_written_as_the_first_version_wrote_it() {
        let id = || "b".to_owned();
        let command =
            |scope, kind| Message::Purge(PurgeCommand { number: 1, scope, kind, generation: Generation(7) });
        let avatar = PurgeScope::one(&AvatarId::parse("b").unwrap());
        let until = Timestamp::from_millis(5);
        for (message, wire) in [
            (
                Message::Refreshed { id: id(), etag: None, trouble_at: Some(until) },
                r#"{"from":"a","news":"landed","id":"b","etag":null,"trouble_at":5}"#,
            ),
            (Message::LeaseReleased { id: id() }, r#"{"from":"a","news":"free","id":"b"}"#),
            (Message::Done { number: 1 }, r#"{"from":"a","news":"done","number":1}"#),
            (
                Message::Pause { provider: "facebook".to_owned(), until },
                r#"{"from":"a","news":"pause","provider":"facebook","until":5}"#,
            ),
            (Message::TombstonesMissing { since: 3 }, r#"{"from":"a","news":"missing","since":3}"#),
            (Message::TombstonesRestored, r#"{"from":"a","news":"restored"}"#),
            (Message::Heartbeat, r#"{"from":"a","news":"beat"}"#),
            (
                command(avatar, PurgeKind::Disconnect),
                r#"{"from":"a","news":"purge","number":1,"reach":{"ids":["b"]},"hard":true,"generation":7,"gone":true}"#,
            ),
            (
                command(PurgeScope::Provider(Provider::Telegram), PurgeKind::Hard),
                r#"{"from":"a","news":"purge","number":1,"reach":{"provider":"telegram"},"hard":true,"generation":7,"gone":false}"#,
            ),
            (
                command(PurgeScope::All, PurgeKind::Soft),
                r#"{"from":"a","news":"purge","number":1,"reach":"all","hard":false,"generation":7,"gone":false}"#,
            ),
        ] {
            let read = open(wire).unwrap();
            assert_eq!(format!("{read:?}"), format!("{message:?}"));
            let envelope = Envelope { from: "a".to_owned(), message };
            assert_eq!(serde_json::to_string(&envelope).unwrap(), wire);
        }
    }

    #[test]
    fn a_purge_of_a_version_before_webhooks_disconnects_nothing() {
        let old =
            r#"{"from":"a","news":"purge","number":1,"reach":{"ids":["b"]},"hard":true,"generation":7}"#;
        let Some(Message::Purge(command)) = open(old) else { panic!("it is not read") };
        assert_eq!(command.kind, PurgeKind::Hard);
    }

    #[test]
    fn a_purge_passes_over_a_text_that_is_no_id_and_an_unreadable_provider_is_refused() {
        let purge = |reach: &str| {
            open(&format!(
                r#"{{"from":"a","news":"purge","number":1,"reach":{reach},"hard":true,"generation":7}}"#
            ))
        };
        let Some(Message::Purge(command)) = purge(r#"{"ids":["a","b/c"]}"#) else { panic!("it is not read") };
        assert_eq!(command.scope, PurgeScope::one(&AvatarId::parse("a").unwrap()));
        assert!(purge(r#"{"provider":"My Space"}"#).is_none());
    }
}
