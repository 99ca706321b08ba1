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

#[cfg(test)]
mod tests {
    use super::super::rate::CallLimits;
    use super::*;
    use crate::model::Secret;

    const DEFAULTS: &str = r#"
        [instagram]
        base_url = "https://graph.instagram.com"
        version = "v25.0"
        app_secret = ""
        max_calls = 30
        calls_per_second = 40
        hosts = ["cdninstagram.com"]
        [facebook]
        base_url = "https://graph.facebook.com"
        version = "v24.0"
        app_secret = "s3cret"
        size = 640
        max_calls = 31
        calls_per_second = 41
        hosts = ["fbcdn.net"]
        [telegram]
        base_url = "http://127.0.0.1:8081"
        max_calls = 32
        calls_per_second = 42"#;

    fn config(text: &str) -> Result<ProvidersConfig, Invalid> {
        ProvidersConfig::try_from(toml::from_str::<ProvidersWritten>(text).unwrap())
    }

    #[test]
    fn each_section_as_written_becomes_its_config() {
        let config = config(DEFAULTS).unwrap();
        assert_eq!(config.instagram.graph.base_url.as_str(), "https://graph.instagram.com");
        assert_eq!(config.instagram.graph.app_secret, None);
        assert_eq!(config.facebook.graph.version, "v24.0");
        assert_eq!(config.facebook.graph.app_secret, Some(Secret::new("s3cret")));
        assert_eq!(config.facebook.size, 640);
        assert_eq!(config.facebook.graph.limits, CallLimits { at_once: 31, per_second: 41 });
        assert_eq!(config.telegram.base_url.as_str(), "http://127.0.0.1:8081");
        assert!(config.facebook.hosts.allows("scontent.xx.fbcdn.net"));
        assert!(!format!("{config:?}").contains("s3cret"));
    }

    #[test]
    fn a_broken_rule_is_reported_with_its_whole_key() {
        for (from, to, key, value) in [
            (
                "https://graph.instagram.com",
                "graph.instagram.com",
                "instagram.base_url",
                "graph.instagram.com",
            ),
            ("https://graph.facebook.com", "", "facebook.base_url", ""),
            ("http://127.0.0.1:8081", "ftp://a.example", "telegram.base_url", "ftp://a.example"),
            ("v25.0", "25.0", "instagram.version", "25.0"),
            ("v25.0", "v25", "instagram.version", "v25"),
            ("v25.0", "v25.0/../me", "instagram.version", "v25.0/../me"),
            ("v24.0", "v.0", "facebook.version", "v.0"),
            ("v24.0", "v24.", "facebook.version", "v24."),
            ("max_calls = 30", "max_calls = 0", "instagram.max_calls", "0"),
            ("max_calls = 31", "max_calls = 10001", "facebook.max_calls", "10001"),
            ("calls_per_second = 42", "calls_per_second = 0", "telegram.calls_per_second", "0"),
            ("640", "15", "facebook.size", "15"),
            ("640", "2049", "facebook.size", "2049"),
            ("640", "65552", "facebook.size", "65552"),
            ("\"fbcdn.net\"", "\"fbcdn.net\", \"a/b\"", "facebook.hosts", "a/b"),
        ] {
            let invalid = config(&DEFAULTS.replace(from, to)).unwrap_err();
            assert_eq!((invalid.key, invalid.value.as_str()), (key, value), "{to}");
        }
        for size in ["16", "2048"] {
            assert!(config(&DEFAULTS.replace("640", size)).is_ok(), "{size}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused() {
        for (from, to) in [("size = 640", "sise = 640"), ("[telegram]", "[telegram]\nhosts = []")] {
            assert!(toml::from_str::<ProvidersWritten>(&DEFAULTS.replace(from, to)).is_err(), "{to}");
        }
    }
}
