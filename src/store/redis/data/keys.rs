//! [`Keys`]: the names of keys and channels in Redis.
//!
//! All keys of one avatar have its id as hash tag, so that a cluster has them in one slot and a script may touch them.

use crate::model::{AvatarId, Provider};

/// Names below `redis.prefix`.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    prefix: String,
}

/// The keys of one avatar.
#[derive(Debug, Clone)]
pub(crate) struct AvatarKeys {
    /// Generation, last soft purge, time of verification and mark of the picture in clear; then the sealed entry without bytes.
    pub(crate) entry: String,
    /// The sealed bytes.
    pub(crate) picture: String,
    /// The sealed link, until its own end.
    pub(crate) link: String,
    /// The sealed trouble of the last attempt.
    pub(crate) trouble: String,
    /// The tombstone of the last hard purge.
    pub(crate) hard: String,
    /// The tombstone of the last soft purge.
    pub(crate) soft: String,
    /// The owner of the right to refresh it.
    pub(crate) lease: String,
    /// The marks and sequences of its last events.
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

    /// A pattern for the entries of all avatars, for `SCAN`.
    pub(crate) fn entries(&self) -> String {
        // The prefix has letters, digits and `-_.:`, and so no wildcard.
        format!("{}:{{*}}:entry", self.prefix)
    }

    /// The avatar of a key that [`Keys::entries`] has matched.
    pub(crate) fn avatar(&self, entry: &str) -> Option<AvatarId> {
        let id = entry.strip_prefix(&self.prefix)?.strip_prefix(":{")?.strip_suffix("}:entry")?;
        AvatarId::parse(id).ok()
    }

    /// Keys of no avatar share one slot: a cluster that has lost another shard still has all of them.
    fn of_all(&self, what: &str) -> String {
        format!("{}:{{all}}:{what}", self.prefix)
    }

    /// The counter of generations.
    pub(crate) fn generation(&self) -> String {
        self.of_all("generation")
    }

    /// The tombstone of a provider's last purge as a whole, or of the last purge of all. No provider has the name `*`.
    pub(crate) fn purged(&self, provider: Option<Provider>, hard: bool) -> String {
        let whose = provider.as_ref().map_or("*", Provider::as_str);
        self.of_all(&format!("purged:{}:{whose}", if hard { "hard" } else { "soft" }))
    }

    /// Until when a provider's whole app is paused, sealed.
    pub(crate) fn pause(&self, provider: Provider) -> String {
        self.of_all(&format!("pause:{provider}"))
    }

    /// The instance that swept last, for as long as no other may.
    pub(crate) fn sweep(&self) -> String {
        self.of_all("sweep")
    }

    /// A sorted set: the instances, by the time at which their registration runs out.
    pub(crate) fn instances(&self) -> String {
        self.of_all("instances")
    }

    /// The channel that every instance subscribes to.
    pub(crate) fn news(&self) -> String {
        format!("{}:news", self.prefix)
    }

    /// The channel of one instance, for its own heartbeat and for answers to it.
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
