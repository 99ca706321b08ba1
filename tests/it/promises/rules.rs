//! The times that the table speaks of: the defaults of config.toml, and what no option changes.

use std::time::Duration;

use avatar_proxy::model::units::Span;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
/// A permission is missing, or something is misconfigured.
pub(super) const LONG_PAUSE: Duration = Duration::from_secs(24 * 3600);
/// Blocked for policy.
pub(super) const POLICY_PAUSE: Duration = Duration::from_secs(6 * 3600);
/// How long a throttle lasts that names no time.
pub(super) const THROTTLE_PAUSE: Duration = HOUR;
/// An account at 80 per cent of its quota.
pub(super) const ACCOUNT_PAUSE: Duration = Duration::from_secs(600);

fn value(key: &str) -> toml::Value {
    let all: toml::Table = include_str!("../../../config.toml").parse().unwrap();
    let mut parts = key.split('.');
    let first = all[parts.next().unwrap()].clone();
    parts.fold(first, |table, part| table[part].clone())
}

/// The default of an option.
pub(crate) fn default(key: &str) -> Duration {
    Span::try_from(value(key).as_str().unwrap().to_owned()).unwrap().get()
}

pub(super) fn refresh_ahead() -> f64 {
    value("avatar.refresh_ahead").as_float().unwrap()
}

/// A view of an older picture begins a refresh.
pub(crate) fn ahead() -> Duration {
    fresh_for().mul_f64(refresh_ahead())
}

pub(crate) fn fresh_for() -> Duration {
    default("avatar.fresh_for")
}

/// An older picture is shown after a short wait alone.
pub(super) fn shown_at_once_until() -> Duration {
    fresh_for() + default("avatar.stale_while_revalidate")
}

/// For an older picture the provider is waited for as long as any answer may take.
pub(super) fn shown_soon_until() -> Duration {
    shown_at_once_until() + default("avatar.stale_if_error")
}

pub(crate) fn forgotten_after() -> Duration {
    default("avatar.forget_after")
}

/// `6 h`, `4.8 h`, `7 d 6 h`, `10 min`.
pub(super) fn written(span: Duration) -> String {
    const DAY: u64 = 24 * 3600;
    let seconds = span.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", span.as_secs_f64() / 3600.0),
        _ if seconds.is_multiple_of(DAY) => format!("{} d", seconds / DAY),
        _ => format!("{} d {} h", seconds / DAY, seconds % DAY / 3600),
    }
}
