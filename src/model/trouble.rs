//! [`Trouble`]: why the last refresh failed, and when another may start.

use std::time::Duration;

use super::{AvatarId, Fingerprint, Timestamp};

/// A pause that a provider names is cut to this: its longest quotas count over 24 hours, the rest is room.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a failure means for the next attempts. Decided by the provider's code and subcode, never by HTTP status or
/// `type` alone (PROVIDERS 4, 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TroubleClass {
    /// May be gone at the next attempt: time-outs, 5xx, codes 1 and 2.
    Transient,
    /// Too many calls: codes 4, 17, 32, 613, 80000 to 80014; Telegram's 429.
    Throttled,
    /// The token is dead: 102, 190; Telegram's 401. Nobody asks until the row's sealed token changes.
    NeedsReauth,
    /// The account or a permission says no: 3, 10, 200 to 299, 341, 368.
    Denied,
    /// The person has not consented, or no longer does: 230. Denied, and beyond S3 not even last good bytes are shown.
    NoConsent,
    /// The proxy's own configuration or the row is at fault: 100, 803, 2500, a token that no key opens.
    Misconfigured,
}

impl TroubleClass {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Transient,
        Self::Throttled,
        Self::NeedsReauth,
        Self::Denied,
        Self::NoConsent,
        Self::Misconfigured,
    ];

    /// The name in logs, the admin API and stored forms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Throttled => "throttled",
            Self::NeedsReauth => "needs_reauth",
            Self::Denied => "denied",
            Self::NoConsent => "no_consent",
            Self::Misconfigured => "misconfigured",
        }
    }

    /// The class, if it stays until somebody mends something.
    pub const fn needs_action(self) -> Option<Self> {
        match self {
            Self::NeedsReauth | Self::Misconfigured => Some(self),
            Self::Transient | Self::Throttled | Self::Denied | Self::NoConsent => None,
        }
    }

    /// The class of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }
}

/// How far a throttle reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// This account alone.
    Account,
    /// Every account of the same app: Meta's code 4.
    App,
}

/// The last failure of an avatar's refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What it means.
    pub class: TroubleClass,
    /// What happened, in words without a secret: `code 190/463`, `HTTP 500`, `timed out`.
    pub reason: String,
    /// When the attempt failed.
    pub at: Timestamp,
    /// No attempt before then; `None` = not until the row changes.
    pub retry_at: Option<Timestamp>,
    /// How many attempts have failed in a row; the transient pause doubles with each.
    pub failures: u32,
    /// Of the row that failed: a row with another one starts afresh.
    pub fingerprint: Option<Fingerprint>,
    /// The last class since all was well that somebody has to mend: of its end the dashboard is told, whatever has failed
    /// in between.
    pub needs_action: Option<TroubleClass>,
}

impl Trouble {
    /// Whether an attempt may start now. A pause that began in the future was set by a wrong clock, and is over.
    pub fn allows(&self, now: Timestamp) -> bool {
        self.retry_at.is_some_and(|at| at <= now || self.at.age(now).is_none())
    }

    /// The same, but it holds no attempt back and counts for none: the next one begins afresh. What the dashboard was told
    /// is not forgotten.
    pub fn cleared(self) -> Self {
        Self { retry_at: Some(Timestamp::EPOCH), failures: 0, ..self }
    }

    /// What a purge of the whole provider or of all leaves of it: nobody has said that this token or this quota is mended,
    /// so neither is tried.
    pub fn cleared_with_all(self) -> Self {
        match self.class {
            TroubleClass::NeedsReauth | TroubleClass::Throttled => self,
            TroubleClass::Transient
            | TroubleClass::Denied
            | TroubleClass::NoConsent
            | TroubleClass::Misconfigured => self.cleared(),
        }
    }

    /// Whether it was forgiven.
    pub fn is_cleared(&self) -> bool {
        self.retry_at == Some(Timestamp::EPOCH)
    }
}

/// An avatar's own pause after so many transient failures in a row: `min` doubling to `max`, less up to a quarter. How
/// much less is taken from its id and the number of the failure, so that a herd does not return in step.
pub fn own_pause(id: &AvatarId, failures: u32, min: Duration, max: Duration) -> Duration {
    transient_pause(failures, min, max, jitter(id, failures))
}

/// The pause after `failures` failures in a row: `min` doubling to `max`, less up to a quarter, for a `jitter` in 0..=255.
pub fn transient_pause(failures: u32, min: Duration, max: Duration, jitter: u8) -> Duration {
    let doubled =
        min.saturating_mul(1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX)).min(max);
    doubled - doubled.mul_f64(f64::from(jitter) / 255.0 / 4.0)
}

/// Spreads avatars that failed together: FNV-1a of the id and the number of the failure.
fn jitter(id: &AvatarId, failures: u32) -> u8 {
    let bytes = id.as_str().bytes().chain(failures.to_be_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash >> 32) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transient_pause_doubles_up_to_its_maximum() {
        let (min, max) = (Duration::from_secs(5), Duration::from_secs(3600));
        let pauses: Vec<u64> = (1..=11).map(|n| transient_pause(n, min, max, 0).as_secs()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600]);
        assert_eq!(transient_pause(u32::MAX, min, max, 0), max);
    }

    #[test]
    fn jitter_takes_at_most_a_quarter() {
        let second = Duration::from_secs(4);
        assert_eq!(transient_pause(1, second, second, 255), Duration::from_secs(3));
    }

    #[test]
    fn avatars_that_failed_together_come_back_spread_over_a_quarter_of_the_pause() {
        let (min, max) = (Duration::from_secs(4), Duration::from_secs(3600));
        for failures in 1..4 {
            let whole = transient_pause(failures, min, max, 0);
            let mut quarters = [0; 5];
            for n in 0..1000 {
                let pause = own_pause(&AvatarId::parse(&format!("id-{n}")).unwrap(), failures, min, max);
                assert!(pause <= whole && pause >= whole * 3 / 4, "{pause:?}");
                quarters[((whole - pause).as_secs_f64() / whole.as_secs_f64() * 16.0) as usize] += 1;
            }
            assert!(quarters[..4].iter().all(|count| *count > 150), "{quarters:?}");
        }
    }
}
