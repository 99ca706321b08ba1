//! [`PurgeLog`]: which avatars were purged, so that no refresh under way brings deleted bytes back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::{EntryMeta, LastPurges, Validity};
use crate::model::{AvatarId, Entry, Generation, Provider, PurgeKind, PurgeScope};

/// The log holds the purges of so many avatars; one more, and it forgets the half that was purged longest ago.
const MAX_AVATARS: usize = 100_000;
/// The log holds the purges of so many providers. Many more than anybody configures: their names are free.
const MAX_PROVIDERS: usize = 1000;

/// A purge as the disk store holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPurge {
    /// Of what. The disk gives each avatar a row of its own.
    pub scope: PurgeScope,
    /// [`PurgeKind::Disconnect`] comes back from the disk as [`PurgeKind::Hard`].
    pub kind: PurgeKind,
    /// It reaches what began before this generation.
    pub generation: Generation,
    /// Whether Redis has it, where every instance can learn of it.
    pub published: bool,
}

/// A counter that rises with every purge, and which avatars were purged at which count.
///
/// A refresh notes the count when it starts. Stores refuse what it brings if its avatar was purged since. With Redis all
/// instances take their counts from one counter there and learn each other's, so that counts can be compared.
#[derive(Debug, Default)]
pub struct PurgeLog {
    /// Other instances may have purged these although this log has no purge of them.
    configured: Vec<Provider>,
    counter: AtomicU64,
    /// The highest count that Redis has given. If Redis gives a lower one, it has lost its memory.
    shared: AtomicU64,
    // A mutex that blocks: it is held for a map operation, never across an await, and no hit in memory takes it.
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    all: LastPurges,
    providers: BTreeMap<Provider, LastPurges>,
    /// With the number of the record, by which the log finds the oldest.
    avatars: HashMap<AvatarId, (LastPurges, u64)>,
    /// Rises with each record.
    records: u64,
}

impl PurgeLog {
    /// An empty log, with the providers that are configured.
    pub fn new(configured: Vec<Provider>) -> Self {
        Self { configured, ..Self::default() }
    }

    /// The count now, which a refresh that starts carries.
    pub fn current(&self) -> Generation {
        Generation(self.counter.load(Ordering::SeqCst))
    }

    /// Continues from a count that was stored.
    pub fn catch_up(&self, generation: Generation) {
        self.counter.fetch_max(generation.0, Ordering::SeqCst);
    }

    /// Continues from a count that Redis gave to this instance or another.
    pub fn learn(&self, generation: Generation) {
        self.shared.fetch_max(generation.0, Ordering::SeqCst);
        self.catch_up(generation);
    }

    /// The highest count that Redis has given.
    pub fn shared(&self) -> Generation {
        Generation(self.shared.load(Ordering::SeqCst))
    }

    /// The next count, for a purge that no other instance knows.
    pub fn next(&self) -> Generation {
        Generation(self.counter.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// Records purges: stores refuse what began before them from now on.
    pub fn record(&self, scope: &PurgeScope, purges: LastPurges) {
        if purges == LastPurges::default() {
            return;
        }
        self.catch_up(purges.last());
        let mut known = self.known.lock();
        match scope {
            PurgeScope::All => known.all = known.all.and(purges),
            PurgeScope::Provider(provider) => known.record_provider(*provider, purges),
            PurgeScope::Avatars(ids) => ids.iter().for_each(|id| known.record_avatar(id, purges)),
        }
    }

    /// The last purges of an avatar: its own, those of its whole provider, and those of all.
    pub fn purged(&self, id: &AvatarId, provider: Provider) -> LastPurges {
        let known = self.known.lock();
        let own = known.avatars.get(id).map(|(purges, _)| *purges).unwrap_or_default();
        own.and(known.of_provider(provider)).and(known.all)
    }

    /// What the purges mean for an entry that began at `begun` and is stale already by the soft purge `soft_purged_at`.
    pub fn validity(
        &self,
        id: &AvatarId,
        provider: Provider,
        begun: Generation,
        soft_purged_at: Generation,
    ) -> Validity {
        self.purged(id, provider).validity(begun, soft_purged_at)
    }

    /// Whether this soft purge, or a later one, named the avatar itself and not its whole provider or all.
    pub fn is_named(&self, id: &AvatarId, purge: Generation) -> bool {
        self.known.lock().avatars.get(id).is_some_and(|(purges, _)| purge <= purges.soft)
    }

    /// Whether this avatar itself was deleted after `generation`.
    pub fn deleted_since(&self, id: &AvatarId, generation: Generation) -> bool {
        self.known.lock().avatars.get(id).is_some_and(|(purges, _)| generation < purges.hard)
    }

    /// Whether an entry may still be stored.
    pub fn accepts(&self, id: &AvatarId, entry: &Entry) -> bool {
        self.validity(id, entry.provider, entry.generation, entry.soft_purged_at) == Validity::Current
    }

    /// Whether the entry that this was taken from may still be stored.
    pub(super) fn accepts_meta(&self, meta: &EntryMeta) -> bool {
        let EntryMeta { id, provider, generation, soft_purged_at, .. } = meta;
        self.validity(id, *provider, *generation, *soft_purged_at) == Validity::Current
    }

    /// All purges in the log, for a Redis that has lost them. Each avatar is a scope of its own.
    pub fn known(&self) -> Vec<(PurgeScope, LastPurges)> {
        let known = self.known.lock();
        let all = (known.all != LastPurges::default()).then_some((PurgeScope::All, known.all));
        let providers =
            known.providers.iter().map(|(provider, purges)| (PurgeScope::Provider(*provider), *purges));
        let avatars = known.avatars.iter().map(|(id, (purges, _))| (PurgeScope::one(id), *purges));
        all.into_iter().chain(providers).chain(avatars).collect()
    }

    /// The providers that are configured, and those whose purges are in the log.
    pub fn providers(&self) -> BTreeSet<Provider> {
        self.configured.iter().copied().chain(self.known.lock().providers.keys().copied()).collect()
    }
}

impl Known {
    fn of_provider(&self, provider: Provider) -> LastPurges {
        self.providers.get(&provider).copied().unwrap_or_default()
    }

    fn record_provider(&mut self, provider: Provider, purges: LastPurges) {
        self.providers.insert(provider, self.of_provider(provider).and(purges));
        if self.providers.len() > MAX_PROVIDERS {
            let oldest = self.providers.iter().min_by_key(|(_, purges)| purges.last());
            if let Some(oldest) = oldest.map(|(provider, _)| *provider) {
                self.providers.remove(&oldest);
            }
        }
    }

    fn record_avatar(&mut self, id: &AvatarId, purges: LastPurges) {
        if self.avatars.len() >= MAX_AVATARS && !self.avatars.contains_key(id) {
            self.forget_half();
        }
        self.records += 1;
        let known = self.avatars.entry(id.clone()).or_default();
        *known = (known.0.and(purges), self.records);
    }

    fn forget_half(&mut self) {
        let mut records: Vec<u64> = self.avatars.values().map(|(_, record)| *record).collect();
        let half = records.len() / 2;
        let (_, median, _) = records.select_nth_unstable(half);
        let median = *median;
        self.avatars.retain(|_, (_, record)| *record > median);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Provider = Provider::Facebook;

    fn id(text: &str) -> AvatarId {
        AvatarId::parse(text).unwrap()
    }

    fn accepts(purge_log: &PurgeLog, name: &str, provider: Provider, begun: Generation) -> bool {
        purge_log.validity(&id(name), provider, begun, Generation::default()) == Validity::Current
    }

    fn avatar(text: &str) -> PurgeScope {
        PurgeScope::one(&id(text))
    }

    #[test]
    fn a_store_refuses_what_began_before_a_purge_and_takes_what_began_after() {
        let purge_log = PurgeLog::default();
        let before = purge_log.current();
        purge_log.record(&avatar("a"), LastPurges::new(PurgeKind::Hard, purge_log.next()));
        assert!(!accepts(&purge_log, "a", ANY, before));
        assert!(accepts(&purge_log, "b", ANY, before));
        assert!(accepts(&purge_log, "a", ANY, purge_log.current()));
    }

    #[test]
    fn a_provider_is_purged_as_a_whole_and_the_others_are_not() {
        let purge_log = PurgeLog::default();
        let before = purge_log.current();
        purge_log.record(&PurgeScope::Provider(ANY), LastPurges::new(PurgeKind::Hard, purge_log.next()));
        assert!(!accepts(&purge_log, "a", ANY, before));
        assert!(accepts(&purge_log, "a", Provider::Telegram, before));
        assert!(accepts(&purge_log, "a", ANY, purge_log.current()));
    }

    #[test]
    fn an_earlier_purge_that_arrives_late_lowers_nothing() {
        let purge_log = PurgeLog::default();
        purge_log.record(&avatar("a"), LastPurges::new(PurgeKind::Hard, Generation(7)));
        purge_log.record(&avatar("a"), LastPurges::new(PurgeKind::Hard, Generation(3)));
        assert!(!accepts(&purge_log, "a", ANY, Generation(5)));
        assert_eq!(purge_log.next(), Generation(8));
    }

    #[test]
    fn a_full_log_forgets_the_half_that_was_purged_longest_ago_and_touches_nothing_else() {
        let purge_log = PurgeLog::default();
        for n in 0..=MAX_AVATARS {
            purge_log.record(&avatar(&n.to_string()), LastPurges::new(PurgeKind::Hard, Generation(1)));
        }
        assert_eq!(purge_log.known.lock().avatars.len(), MAX_AVATARS / 2);
        assert!(accepts(&purge_log, "0", ANY, Generation(0)), "forgotten");
        assert!(!accepts(&purge_log, &MAX_AVATARS.to_string(), ANY, Generation(0)), "the last one");
        assert!(accepts(&purge_log, "another", ANY, Generation(0)), "never purged");
    }

    #[test]
    fn a_purge_of_all_reaches_every_provider_configured_or_not() {
        let purge_log = PurgeLog::new(vec![ANY]);
        let before = purge_log.current();
        purge_log.record(&PurgeScope::All, LastPurges::new(PurgeKind::Hard, purge_log.next()));
        for provider in [ANY, Provider::from_name("gone").unwrap()] {
            assert!(!accepts(&purge_log, "a", provider, before), "{provider}");
            assert!(accepts(&purge_log, "a", provider, purge_log.current()), "{provider}");
        }
        assert_eq!(
            purge_log.known(),
            [(PurgeScope::All, LastPurges::new(PurgeKind::Hard, purge_log.current()))]
        );
        assert_eq!(purge_log.providers(), BTreeSet::from([ANY]));
    }

    #[test]
    fn a_log_full_of_providers_forgets_the_one_that_was_purged_first() {
        let purge_log = PurgeLog::default();
        for n in 0..=MAX_PROVIDERS {
            let provider = Provider::from_name(&format!("p{n}")).unwrap();
            purge_log
                .record(&PurgeScope::Provider(provider), LastPurges::new(PurgeKind::Hard, purge_log.next()));
        }
        assert_eq!(purge_log.providers().len(), MAX_PROVIDERS);
        let named = |name: &str| Provider::from_name(name).unwrap();
        assert!(accepts(&purge_log, "a", named("p0"), Generation(0)), "forgotten");
        assert!(!accepts(&purge_log, "a", named("p1"), Generation(0)));
    }
}
