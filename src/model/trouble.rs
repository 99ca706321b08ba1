//! [`Trouble`]: why the last refresh failed, and when another may start.

use std::time::Duration;

use super::{AvatarId, Backoff, Fingerprint, Timestamp};

/// A longer pause that a provider names is cut to this one. The longest quotas count over 24 hours; the rest is slack.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a failure means for the next attempts. The provider's code and subcode decide it, never the HTTP status or `type`
/// alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TroubleClass {
    /// May be over at the next attempt: time-outs, 5xx, codes 1 and 2.
    Transient,
    /// Too many calls: codes 4, 17, 32, 613, 80000 to 80014; Telegram's 429.
    Throttled,
    /// The token is dead: 102, 190; Telegram's 401. No attempt is made until the row's sealed token changes.
    NeedsReauth,
    /// The account or a permission forbids it: 3, 10, 200 to 299, 341, 368.
    Denied,
    /// The person has not consented, or no longer does: 230. As `Denied`, and past `stale_if_error_until` not even the last
    /// good bytes are served.
    NoConsent,
    /// The configuration of this server or the row is at fault: 100, 803, 2500, a token that no key opens.
    Misconfigured,
}

impl TroubleClass {
    /// All classes.
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

    /// The class, if it lasts until a person acts.
    pub const fn needs_action(self) -> Option<Self> {
        match self {
            Self::NeedsReauth | Self::Misconfigured => Some(self),
            Self::Transient | Self::Throttled | Self::Denied | Self::NoConsent => None,
        }
    }

    /// The class with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }
}

/// What a throttle applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Only this account.
    Account,
    /// Every account of the same app: Meta's code 4.
    App,
}

/// The last failure of an avatar's refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What it means for the next attempts.
    pub class: TroubleClass,
    /// What happened, without a secret: `code 190/463`, `HTTP 500`, `timed out`.
    pub reason: String,
    /// When the attempt failed.
    pub at: Timestamp,
    /// The earliest time of the next attempt; `None`: not until the row changes.
    pub retry_at: Option<Timestamp>,
    /// How many attempts have failed in a row; the transient pause doubles with each.
    pub failures: u32,
    /// The fingerprint of the row that failed. A row with another one starts afresh.
    pub fingerprint: Option<Fingerprint>,
    /// The last class that needed action since the last success. The dashboard gets an event when it is over, whatever else
    /// has failed in between.
    pub needs_action: Option<TroubleClass>,
}

impl Trouble {
    /// Whether an attempt may start now. A pause that began in the future was set by a wrong clock, and is over.
    pub fn allows(&self, now: Timestamp) -> bool {
        self.retry_at.is_some_and(|at| at <= now || self.at.age(now).is_none())
    }

    /// The same trouble after a purge: it delays no attempt, and the count of failures starts again. `needs_action` stays, so
    /// that the dashboard still learns when it is over.
    pub fn cleared(self) -> Self {
        Self { retry_at: Some(Timestamp::EPOCH), failures: 0, ..self }
    }

    /// The trouble after a purge of a whole provider or of everything. Such a purge does not mean that this token or quota is
    /// usable again, so those are not retried.
    pub fn cleared_with_all(self) -> Self {
        match self.class {
            TroubleClass::NeedsReauth | TroubleClass::Throttled => self,
            TroubleClass::Transient
            | TroubleClass::Denied
            | TroubleClass::NoConsent
            | TroubleClass::Misconfigured => self.cleared(),
        }
    }

    /// Whether a purge has cleared it.
    pub fn is_cleared(&self) -> bool {
        self.retry_at == Some(Timestamp::EPOCH)
    }
}

/// An avatar's own pause after this many transient failures in a row: `min` doubling to `max`, less up to a quarter. The
/// id and the number of the failure decide how much less, so that avatars which failed together do not return together.
pub fn own_pause(id: &AvatarId, failures: u32, min: Duration, max: Duration) -> Duration {
    Backoff::new(min, max).after(failures.max(1)).pause(jitter(id, failures))
}

/// FNV-1a of the id and the number of the failure: spreads avatars that failed together.
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
    fn avatars_that_failed_together_come_back_spread_over_a_quarter_of_the_pause() {
        let (min, max) = (Duration::from_secs(4), Duration::from_secs(3600));
        for failures in 1..4 {
            let whole = Backoff::new(min, max).after(failures).pause(0);
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
