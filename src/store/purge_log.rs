//! [`PurgeLog`]: which avatars were purged, and how a refresh under way is kept from bringing deleted bytes back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::EntryMeta;
use crate::model::{AvatarId, Entry, Generation, Provider};

/// Avatars whose purges are remembered at one time; beyond it the half that was purged longest ago is forgotten.
const MOST: usize = 100_000;
/// Providers whose purges are remembered at one time. Many more than anybody configures: the names are free.
const MOST_PROVIDERS: usize = 1000;

/// The generations of the last purges of an avatar, of a whole provider or of all; 0 = none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LastPurges {
    /// What began before is gone.
    pub hard: Generation,
    /// What began before is stale.
    pub soft: Generation,
}

/// What the purges mean for something that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// It began after them.
    Current,
    /// It is still shown, and refreshed at its next view. The generation is that of the purge.
    Stale(Generation),
    /// No byte of it may be left.
    Deleted,
}

/// What a purge is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// One avatar.
    Avatar(AvatarId),
    /// All avatars of a provider, configured or not.
    Provider(Provider),
    /// All avatars.
    All,
}

/// A purge that outlives the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPurge {
    /// Of what.
    pub subject: Subject,
    /// Deleted, or only made stale.
    pub hard: bool,
    /// What began before it is concerned.
    pub generation: Generation,
    /// Whether every instance can learn of it from Redis.
    pub told: bool,
}

/// A counter that rises with every purge and deletion, and what was purged at which count.
///
/// A refresh notes the count at its start; stores refuse what it brings if its avatar was purged since. With Redis all
/// instances take their counts from one counter there and learn of each other's, so that counts can be compared.
#[derive(Debug, Default)]
pub struct PurgeLog {
    /// Those of which somebody may know purges that are not known here.
    configured: Vec<Provider>,
    counter: AtomicU64,
    /// The highest count that Redis is known to have given: if it tells a lower one, it has forgotten the purges.
    shared: AtomicU64,
    // A plain mutex: it is held for a map operation, never across an await, and no hit in memory comes here.
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    all: LastPurges,
    providers: BTreeMap<Provider, LastPurges>,
    avatars: HashMap<AvatarId, (LastPurges, u64)>,
    /// Rises with each purge that is noted, so that the oldest can be told.
    noted: u64,
}

impl LastPurges {
    /// One purge.
    pub fn new(hard: bool, generation: Generation) -> Self {
        if hard {
            Self { hard: generation, ..Self::default() }
        } else {
            Self { soft: generation, ..Self::default() }
        }
    }

    /// The later of each.
    pub fn and(self, other: Self) -> Self {
        Self { hard: self.hard.max(other.hard), soft: self.soft.max(other.soft) }
    }

    /// The last one.
    pub fn last(self) -> Generation {
        self.hard.max(self.soft)
    }

    fn validity(self, begun: Generation, soft_purged_at: Generation) -> Validity {
        if begun < self.hard {
            Validity::Deleted
        } else if begun.max(soft_purged_at) < self.soft {
            Validity::Stale(self.soft)
        } else {
            Validity::Current
        }
    }
}

impl PurgeLog {
    /// With the providers that are configured.
    pub fn new(configured: Vec<Provider>) -> Self {
        Self { configured, ..Self::default() }
    }

    /// The count now: what a refresh that starts carries.
    pub fn current(&self) -> Generation {
        Generation(self.counter.load(Ordering::SeqCst))
    }

    /// Goes on from a count that was kept.
    pub fn catch_up(&self, generation: Generation) {
        self.counter.fetch_max(generation.0, Ordering::SeqCst);
    }

    /// Goes on from a count that Redis has given, to this instance or another.
    pub fn learn(&self, generation: Generation) {
        self.shared.fetch_max(generation.0, Ordering::SeqCst);
        self.catch_up(generation);
    }

    /// The highest count that Redis has given.
    pub fn shared(&self) -> Generation {
        Generation(self.shared.load(Ordering::SeqCst))
    }

    /// The next count, for a purge that no other instance has heard of.
    pub fn next(&self) -> Generation {
        Generation(self.counter.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// Notes purges; what began before them is refused from now on.
    pub fn record(&self, subject: &Subject, purged: LastPurges) {
        if purged == LastPurges::default() {
            return;
        }
        self.catch_up(purged.last());
        let mut known = self.lock();
        match subject {
            Subject::All => known.all = known.all.and(purged),
            Subject::Provider(provider) => known.note_provider(*provider, purged),
            Subject::Avatar(id) => known.note(id, purged),
        }
    }

    /// The last purges that are known, of an avatar, of its whole provider or of all.
    pub fn purged(&self, id: &AvatarId, provider: Provider) -> LastPurges {
        let known = self.lock();
        let own = known.avatars.get(id).map(|(purged, _)| *purged).unwrap_or_default();
        own.and(known.of_provider(provider)).and(known.all)
    }

    /// What the purges that are known mean for something that began at `begun`, and is stale already by the soft purge
    /// `obeyed`. A deletion looks at the first alone: what a soft purge left is as old as before.
    pub fn validity(
        &self,
        id: &AvatarId,
        provider: Provider,
        begun: Generation,
        soft_purged_at: Generation,
    ) -> Validity {
        self.purged(id, provider).validity(begun, soft_purged_at)
    }

    /// Whether a soft purge, or a later one, named this avatar, and not its whole provider or all.
    pub fn is_named(&self, id: &AvatarId, purge: Generation) -> bool {
        self.lock().avatars.get(id).is_some_and(|(purged, _)| purge <= purged.soft)
    }

    /// Whether this avatar has been deleted since, by itself.
    pub fn deleted_since(&self, id: &AvatarId, generation: Generation) -> bool {
        self.lock().avatars.get(id).is_some_and(|(purged, _)| generation < purged.hard)
    }

    /// Whether an entry may still be stored.
    pub fn accepts(&self, id: &AvatarId, entry: &Entry) -> bool {
        self.validity(id, entry.provider, entry.generation, entry.soft_purged_at) == Validity::Current
    }

    /// The same of what is known of an entry.
    pub(super) fn accepts_meta(
        &self,
        EntryMeta { id, provider, generation, soft_purged_at, .. }: &EntryMeta,
    ) -> bool {
        self.validity(id, *provider, *generation, *soft_purged_at) == Validity::Current
    }

    /// All purges that are known, to tell somebody who has forgotten them.
    pub fn known(&self) -> Vec<(Subject, LastPurges)> {
        let known = self.lock();
        let all = (known.all != LastPurges::default()).then_some((Subject::All, known.all));
        let providers =
            known.providers.iter().map(|(provider, purged)| (Subject::Provider(*provider), *purged));
        let avatars = known.avatars.iter().map(|(id, (purged, _))| (Subject::Avatar(id.clone()), *purged));
        all.into_iter().chain(providers).chain(avatars).collect()
    }

    /// The providers that are configured, and those of which purges are known.
    pub fn providers(&self) -> BTreeSet<Provider> {
        self.configured.iter().copied().chain(self.lock().providers.keys().copied()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn of_provider(&self, provider: Provider) -> LastPurges {
        self.providers.get(&provider).copied().unwrap_or_default()
    }

    fn note_provider(&mut self, provider: Provider, purged: LastPurges) {
        self.providers.insert(provider, self.of_provider(provider).and(purged));
        if self.providers.len() > MOST_PROVIDERS {
            let oldest = self.providers.iter().min_by_key(|(_, purged)| purged.last());
            if let Some(oldest) = oldest.map(|(provider, _)| *provider) {
                self.providers.remove(&oldest);
            }
        }
    }

    fn note(&mut self, id: &AvatarId, purged: LastPurges) {
        if self.avatars.len() >= MOST && !self.avatars.contains_key(id) {
            self.forget_half();
        }
        self.noted += 1;
        let known = self.avatars.entry(id.clone()).or_default();
        *known = (known.0.and(purged), self.noted);
    }

    fn forget_half(&mut self) {
        let mut noted: Vec<u64> = self.avatars.values().map(|(_, at)| *at).collect();
        let half = noted.len() / 2;
        let (_, median, _) = noted.select_nth_unstable(half);
        let median = *median;
        self.avatars.retain(|_, (_, at)| *at > median);
    }
}

impl Subject {
    /// What [`fmt::Display`] has written. No id holds a colon.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("provider:") {
            // No provider is called so.
            Some("*") => Some(Self::All),
            Some(name) => Provider::from_name(name).map(Self::Provider),
            None => AvatarId::parse(text).ok().map(Self::Avatar),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Avatar(id) => write!(f, "{id}"),
            Self::Provider(provider) => write!(f, "provider:{provider}"),
            Self::All => f.write_str("provider:*"),
        }
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

    fn avatar(text: &str) -> Subject {
        Subject::Avatar(id(text))
    }

    #[test]
    fn what_started_before_a_purge_is_refused_and_what_started_after_is_not() {
        let purge_log = PurgeLog::default();
        let before = purge_log.current();
        purge_log.record(&avatar("a"), LastPurges::new(true, purge_log.next()));
        assert!(!accepts(&purge_log, "a", ANY, before));
        assert!(accepts(&purge_log, "b", ANY, before));
        assert!(accepts(&purge_log, "a", ANY, purge_log.current()));
    }

    #[test]
    fn a_provider_is_purged_as_a_whole_and_the_others_are_not() {
        let purge_log = PurgeLog::default();
        let before = purge_log.current();
        purge_log.record(&Subject::Provider(ANY), LastPurges::new(true, purge_log.next()));
        assert!(!accepts(&purge_log, "a", ANY, before));
        assert!(accepts(&purge_log, "a", Provider::Telegram, before));
        assert!(accepts(&purge_log, "a", ANY, purge_log.current()));
    }

    #[test]
    fn a_soft_purge_makes_stale_and_takes_nothing_of_a_hard_one_back() {
        let purge_log = PurgeLog::default();
        purge_log.record(&avatar("a"), LastPurges::new(true, Generation(3)));
        purge_log.record(&avatar("a"), LastPurges::new(false, Generation(7)));
        let verdict = |begun, soft_purged_at| {
            purge_log.validity(&id("a"), ANY, Generation(begun), Generation(soft_purged_at))
        };
        assert_eq!(verdict(2, 0), Validity::Deleted);
        assert_eq!(verdict(2, 7), Validity::Deleted, "stale or not");
        assert_eq!(verdict(3, 0), Validity::Stale(Generation(7)));
        assert_eq!((verdict(3, 7), verdict(7, 0)), (Validity::Current, Validity::Current));
    }

    #[test]
    fn a_purge_that_is_heard_of_late_lowers_nothing() {
        let purge_log = PurgeLog::default();
        purge_log.record(&avatar("a"), LastPurges::new(true, Generation(7)));
        purge_log.record(&avatar("a"), LastPurges::new(true, Generation(3)));
        assert!(!accepts(&purge_log, "a", ANY, Generation(5)));
        assert_eq!(purge_log.next(), Generation(8));
    }

    #[test]
    fn of_too_many_the_oldest_half_is_forgotten_and_nothing_else_is_touched() {
        let purge_log = PurgeLog::default();
        for n in 0..=MOST {
            purge_log.record(&avatar(&n.to_string()), LastPurges::new(true, Generation(1)));
        }
        assert_eq!(purge_log.lock().avatars.len(), MOST / 2);
        assert!(accepts(&purge_log, "0", ANY, Generation(0)), "forgotten");
        assert!(!accepts(&purge_log, &MOST.to_string(), ANY, Generation(0)), "the last one");
        assert!(accepts(&purge_log, "another", ANY, Generation(0)), "never purged");
    }

    #[test]
    fn a_subject_is_read_as_it_was_written() {
        let named = Provider::from_name("threads").unwrap();
        for subject in [
            avatar("clx3-a_B"),
            Subject::Provider(Provider::Telegram),
            Subject::Provider(named),
            Subject::All,
        ] {
            assert_eq!(Subject::parse(&subject.to_string()), Some(subject));
        }
        assert_eq!(Subject::parse("provider:My Space"), None);
    }

    #[test]
    fn a_purge_of_all_reaches_every_provider_whoever_configured_it() {
        let purge_log = PurgeLog::new(vec![ANY]);
        let before = purge_log.current();
        purge_log.record(&Subject::All, LastPurges::new(true, purge_log.next()));
        for provider in [ANY, Provider::from_name("gone").unwrap()] {
            assert!(!accepts(&purge_log, "a", provider, before), "{provider}");
            assert!(accepts(&purge_log, "a", provider, purge_log.current()), "{provider}");
        }
        assert_eq!(purge_log.known(), [(Subject::All, LastPurges::new(true, purge_log.current()))]);
        assert_eq!(purge_log.providers(), BTreeSet::from([ANY]));
    }

    #[test]
    fn of_too_many_providers_the_one_that_was_purged_first_is_forgotten() {
        let purge_log = PurgeLog::default();
        for n in 0..=MOST_PROVIDERS {
            let provider = Provider::from_name(&format!("p{n}")).unwrap();
            purge_log.record(&Subject::Provider(provider), LastPurges::new(true, purge_log.next()));
        }
        assert_eq!(purge_log.providers().len(), MOST_PROVIDERS);
        let named = |name: &str| Provider::from_name(name).unwrap();
        assert!(accepts(&purge_log, "a", named("p0"), Generation(0)), "forgotten");
        assert!(!accepts(&purge_log, "a", named("p1"), Generation(0)));
    }
}
