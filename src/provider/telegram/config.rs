//! `[providers.telegram]`.

use crate::model::Invalid;
use crate::origin::BaseUrl;
use crate::provider::rate::CallLimits;
use crate::provider::rules::base_url;

/// `[providers.telegram]` as written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelegramWritten {
    base_url: String,
    max_calls: usize,
    calls_per_second: u32,
}

/// `[providers.telegram]`.
#[derive(Debug, Clone)]
pub struct TelegramConfig {
    /// The server of the API and of its pictures.
    pub base_url: BaseUrl,
    /// The limits on calls.
    pub limits: CallLimits,
}

impl TryFrom<TelegramWritten> for TelegramConfig {
    type Error = Invalid;

    fn try_from(written: TelegramWritten) -> Result<Self, Invalid> {
        Ok(Self {
            base_url: base_url("telegram.base_url", written.base_url)?,
            limits: CallLimits::checked(
                ["telegram.max_calls", "telegram.calls_per_second"],
                written.max_calls,
                written.calls_per_second,
            )?,
        })
    }
}
