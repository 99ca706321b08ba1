//! Section `[avatar]`.

use std::time::Duration;

use crate::model::{Invalid, Windows, units};

/// Section `[avatar]`.
#[derive(Debug, Clone)]
pub struct AvatarConfig {
    /// The ages at which the answer changes.
    pub windows: Windows,
    /// Refreshes under way at one time, in all.
    pub max_refreshes: usize,
    /// Refreshes that wait for a place.
    pub queue: usize,
    /// How long a client waits for a refresh while last good bytes are held.
    pub wait: Duration,
    /// How long "no such connection" is remembered.
    pub unknown_for: Duration,
    /// The pause after a failed refresh, doubling with each failure.
    pub retry_min: Duration,
    /// The longest such pause.
    pub retry_max: Duration,
}

/// Section `[avatar]` as written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AvatarWritten {
    fresh_for: units::Span,
    refresh_ahead: f64,
    max_refreshes: usize,
    queue: usize,
    stale_while_revalidate: units::Span,
    stale_if_error: units::Span,
    forget_after: units::Span,
    wait: units::Span,
    no_picture_for: units::Span,
    unknown_for: units::Span,
    retry_min: units::Span,
    retry_max: units::Span,
}

impl TryFrom<AvatarWritten> for AvatarConfig {
    type Error = Invalid;

    fn try_from(written: AvatarWritten) -> Result<Self, Invalid> {
        if !(written.refresh_ahead > 0.0 && written.refresh_ahead <= 1.0) {
            let value = written.refresh_ahead.to_string();
            return Err(Invalid::new(
                "refresh_ahead",
                value,
                "a fraction above 0 and at most 1, such as 0.8",
            ));
        }
        let retry_min = written.retry_min.at_least("retry_min", Duration::from_millis(100))?;
        Ok(Self {
            windows: Windows::new(
                written.fresh_for.at_least("fresh_for", Duration::from_secs(1))?,
                written.refresh_ahead,
                written.stale_while_revalidate.get(),
                written.stale_if_error.get(),
                written.forget_after.get(),
                written.no_picture_for.at_least("no_picture_for", Duration::from_secs(1))?,
            )?,
            max_refreshes: within("max_refreshes", written.max_refreshes, 10_000)?,
            queue: within("queue", written.queue, 10_000_000)?,
            wait: written.wait.get(),
            unknown_for: written.unknown_for.get(),
            retry_min,
            retry_max: written.retry_max.at_least("retry_max", retry_min)?,
        })
    }
}

fn within(key: &'static str, value: usize, most: usize) -> Result<usize, Invalid> {
    if (1..=most).contains(&value) {
        return Ok(value);
    }
    Err(Invalid::new(key, value.to_string(), format!("a number from 1 to {most}")))
}
