//! `[providers]`: a section for each built-in provider, and a block for each other one.

use super::json::JsonConfig;
use super::meta::{FacebookConfig, FacebookWritten, InstagramConfig, InstagramWritten};
use super::telegram::{TelegramConfig, TelegramWritten};
use crate::model::{Invalid, Provider};
use crate::origin::BaseUrl;

/// `[providers]` as written: a section for each built-in provider.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvidersWritten {
    instagram: InstagramWritten,
    facebook: FacebookWritten,
    telegram: TelegramWritten,
}

/// `[providers]`.
#[derive(Debug, Clone)]
pub struct ProvidersConfig {
    /// `[providers.instagram]`
    pub instagram: InstagramConfig,
    /// `[providers.facebook]`
    pub facebook: FacebookConfig,
    /// `[providers.telegram]`
    pub telegram: TelegramConfig,
    /// `[[providers.json]]`, each with another name
    pub json: Vec<JsonConfig>,
}

impl ProvidersConfig {
    /// The providers that a row may name.
    pub fn names(&self) -> Vec<Provider> {
        Provider::BUILT_IN.into_iter().chain(self.json.iter().map(|json| Provider::Json(json.name))).collect()
    }

    /// Whether a row's token is needed; `true` for a provider that is not configured.
    pub fn needs_token(&self, provider: Provider) -> bool {
        self.json.iter().all(|json| Provider::Json(json.name) != provider || json.needs_token())
    }

    /// The addresses that the operator wrote: they may be plain HTTP and private.
    pub fn trusted_bases(&self) -> Vec<BaseUrl> {
        let built_in =
            [&self.instagram.graph.base_url, &self.facebook.graph.base_url, &self.telegram.base_url];
        built_in.into_iter().chain(self.json.iter().map(JsonConfig::base)).cloned().collect()
    }

    /// Adds the blocks, which the configuration reads apart from the sections.
    pub fn with_json(self, json: Vec<JsonConfig>) -> Self {
        Self { json, ..self }
    }
}

impl TryFrom<ProvidersWritten> for ProvidersConfig {
    type Error = Invalid;

    fn try_from(written: ProvidersWritten) -> Result<Self, Invalid> {
        Ok(Self {
            instagram: written.instagram.try_into()?,
            facebook: written.facebook.try_into()?,
            telegram: written.telegram.try_into()?,
            json: Vec::new(),
        })
    }
}
