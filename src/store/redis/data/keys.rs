//! [`Keys`]: the names under which things lie in Redis.
//!
//! Everything of one avatar has its id as hash tag, so that a cluster keeps it in one slot and a script may touch it.

use crate::model::{AvatarId, Provider};

/// Names below `redis.prefix`.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    prefix: String,
}

/// The keys of one avatar.
#[derive(Debug, Clone)]
pub(crate) struct AvatarKeys {
    /// Generation, time of verification and mark of the picture, then the sealed entry without its bytes.
    pub(crate) entry: String,
    /// The sealed bytes.
    pub(crate) picture: String,
    /// The sealed link, until its own end.
    pub(crate) link: String,
    /// The sealed trouble of the last attempt.
    pub(crate) trouble: String,
    /// The record of the last hard purge.
    pub(crate) hard: String,
    /// The record of the last soft purge.
    pub(crate) soft: String,
    /// The owner of the right to refresh.
    pub(crate) lease: String,
    /// What the dashboard was last told, and under which numbers.
    pub(crate) event: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    pub(crate) fn of(&self, id: &AvatarId) -> AvatarKeys {
        let name = |what: &str| format!("{}:{{{id}}}:{what}", self.prefix);
        AvatarKeys {
            entry: name("entry"),
            picture: name("picture"),
            link: name("link"),
            trouble: name("trouble"),
            hard: name("purged:hard"),
            soft: name("purged:soft"),
            lease: name("lease"),
            event: name("event"),
        }
    }

    /// Matches the entries of all avatars, for `SCAN`.
    pub(crate) fn entries(&self) -> String {
        // The prefix is letters, digits and `-_.:`, so nothing in it is a wildcard.
        format!("{}:{{*}}:entry", self.prefix)
    }

    /// Whose entry it is, of a key that [`Keys::entries`] has matched.
    pub(crate) fn avatar(&self, entry: &str) -> Option<AvatarId> {
        let id = entry.strip_prefix(&self.prefix)?.strip_prefix(":{")?.strip_suffix("}:entry")?;
        AvatarId::parse(id).ok()
    }

    /// What belongs to no avatar lies in one slot: a cluster that has lost another shard loses nothing of it.
    fn of_all(&self, what: &str) -> String {
        format!("{}:{{all}}:{what}", self.prefix)
    }

    /// The counter of generations.
    pub(crate) fn generation(&self) -> String {
        self.of_all("generation")
    }

    /// The record of a provider's last purge as a whole, or of the last purge of all; no provider is called `*`.
    pub(crate) fn purged(&self, provider: Option<Provider>, hard: bool) -> String {
        let whose = provider.as_ref().map_or("*", Provider::as_str);
        self.of_all(&format!("purged:{}:{whose}", if hard { "hard" } else { "soft" }))
    }

    /// Until when a provider's whole app is paused, sealed.
    pub(crate) fn pause(&self, provider: Provider) -> String {
        self.of_all(&format!("pause:{provider}"))
    }

    /// Which instance swept last, for as long as no other shall.
    pub(crate) fn sweep(&self) -> String {
        self.of_all("sweep")
    }

    /// A sorted set: the instances, by the time at which each counts as gone.
    pub(crate) fn instances(&self) -> String {
        self.of_all("instances")
    }

    /// The channel that every instance listens to.
    pub(crate) fn news(&self) -> String {
        format!("{}:news", self.prefix)
    }

    /// The channel of one instance: its own heartbeat, and what is answered to it.
    pub(crate) fn inbox(&self, instance: &str) -> String {
        format!("{}:inbox:{instance}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_one_avatar_shares_a_hash_tag_and_is_found_again() {
        let (keys, id) = (Keys::new("avatar-proxy"), AvatarId::parse("clx3-a_B").unwrap());
        let own = keys.of(&id);
        for key in
            [&own.entry, &own.picture, &own.link, &own.trouble, &own.hard, &own.soft, &own.lease, &own.event]
        {
            assert!(key.starts_with("avatar-proxy:{clx3-a_B}:"), "{key}");
        }
        assert_eq!(keys.avatar(&own.entry), Some(id));
        assert_eq!(keys.avatar(&own.picture), None);
        assert_eq!(keys.avatar("other:{a}:entry"), None);
    }
}
