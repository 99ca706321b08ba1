//! `[providers.*]`.

use super::json::JsonConfig;
use super::rate::CallLimits;
use crate::model::{Invalid, Provider, Secret};
use crate::origin::{BaseUrl, HostList};

/// Edges of a picture that Facebook may be asked for, in pixels.
const SIZES: std::ops::RangeInclusive<u16> = 16..=2048;

/// `[providers]` as written: a section for each provider.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvidersWritten {
    instagram: InstagramWritten,
    facebook: FacebookWritten,
    telegram: TelegramWritten,
}

/// `[providers.instagram]` as written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstagramWritten {
    base_url: String,
    max_calls: usize,
    calls_per_second: u32,
    version: String,
    app_secret: Secret,
    hosts: Vec<String>,
}

/// `[providers.facebook]` as written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FacebookWritten {
    base_url: String,
    max_calls: usize,
    calls_per_second: u32,
    version: String,
    app_secret: Secret,
    size: u64,
    hosts: Vec<String>,
}

/// `[providers.telegram]` as written.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelegramWritten {
    base_url: String,
    max_calls: usize,
    calls_per_second: u32,
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
    /// `[[providers.json]]`, each of another name
    pub json: Vec<JsonConfig>,
}

/// `[providers.instagram]`.
#[derive(Debug, Clone)]
pub struct InstagramConfig {
    /// Where its API is.
    pub graph: GraphConfig,
    /// Where its pictures may lie; subdomains are meant too.
    pub hosts: HostList,
}

/// `[providers.facebook]`.
#[derive(Debug, Clone)]
pub struct FacebookConfig {
    /// Where its API is.
    pub graph: GraphConfig,
    /// The edge of the picture that is asked for, in pixels.
    pub size: u16,
    /// Where its pictures may lie; subdomains are meant too.
    pub hosts: HostList,
}

/// `[providers.telegram]`.
#[derive(Debug, Clone)]
pub struct TelegramConfig {
    /// Where its API is, and its pictures.
    pub base_url: BaseUrl,
    /// How it may be asked.
    pub limits: CallLimits,
}

/// What one of Meta's two Graph hosts needs.
#[derive(Debug, Clone)]
pub struct GraphConfig {
    /// The host.
    pub base_url: BaseUrl,
    /// The version in every path, such as `v25.0`.
    pub version: String,
    /// Signs every call (`appsecret_proof`, PROVIDERS 2.4); `None` = calls are not signed.
    pub app_secret: Option<Secret>,
    /// How it may be asked.
    pub limits: CallLimits,
}

impl ProvidersConfig {
    /// Those that a row may name.
    pub fn names(&self) -> Vec<Provider> {
        Provider::BUILT_IN.into_iter().chain(self.json.iter().map(|json| Provider::Json(json.name))).collect()
    }

    /// Whether a row's token is needed; of a provider that is not configured, too.
    pub fn needs_token(&self, provider: Provider) -> bool {
        self.json.iter().all(|json| Provider::Json(json.name) != provider || json.needs_token())
    }

    /// With the blocks, which stand in lists of their own.
    pub fn with_json(self, json: Vec<JsonConfig>) -> Self {
        Self { json, ..self }
    }
}

impl TryFrom<ProvidersWritten> for ProvidersConfig {
    type Error = Invalid;

    fn try_from(written: ProvidersWritten) -> Result<Self, Invalid> {
        let ProvidersWritten { instagram, facebook, telegram } = written;
        Ok(Self {
            instagram: InstagramConfig {
                graph: GraphConfig {
                    base_url: base_url("instagram.base_url", instagram.base_url)?,
                    version: version("instagram.version", instagram.version)?,
                    app_secret: optional(instagram.app_secret),
                    limits: CallLimits::checked(
                        ["instagram.max_calls", "instagram.calls_per_second"],
                        instagram.max_calls,
                        instagram.calls_per_second,
                    )?,
                },
                hosts: hosts("instagram.hosts", &instagram.hosts)?,
            },
            facebook: FacebookConfig {
                graph: GraphConfig {
                    base_url: base_url("facebook.base_url", facebook.base_url)?,
                    version: version("facebook.version", facebook.version)?,
                    app_secret: optional(facebook.app_secret),
                    limits: CallLimits::checked(
                        ["facebook.max_calls", "facebook.calls_per_second"],
                        facebook.max_calls,
                        facebook.calls_per_second,
                    )?,
                },
                size: size("facebook.size", facebook.size)?,
                hosts: hosts("facebook.hosts", &facebook.hosts)?,
            },
            telegram: TelegramConfig {
                base_url: base_url("telegram.base_url", telegram.base_url)?,
                limits: CallLimits::checked(
                    ["telegram.max_calls", "telegram.calls_per_second"],
                    telegram.max_calls,
                    telegram.calls_per_second,
                )?,
            },
            json: Vec::new(),
        })
    }
}

fn base_url(key: &'static str, text: String) -> Result<BaseUrl, Invalid> {
    BaseUrl::parse(&text).ok_or_else(|| {
        Invalid::new(key, text, "an address without a query, such as \"https://graph.facebook.com\"")
    })
}

fn version(key: &'static str, text: String) -> Result<String, Invalid> {
    let number = |part: &str| !part.is_empty() && part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit());
    let parts = text.strip_prefix('v').and_then(|rest| rest.split_once('.'));
    if parts.is_some_and(|(major, minor)| number(major) && number(minor)) {
        return Ok(text);
    }
    Err(Invalid::new(key, text, "a Graph version, such as \"v25.0\""))
}

fn optional(secret: Secret) -> Option<Secret> {
    (!secret.is_empty()).then_some(secret)
}

fn size(key: &'static str, pixels: u64) -> Result<u16, Invalid> {
    u16::try_from(pixels).ok().filter(|pixels| SIZES.contains(pixels)).ok_or_else(|| {
        let expected = format!("a number of pixels from {} to {}", SIZES.start(), SIZES.end());
        Invalid::new(key, pixels.to_string(), expected)
    })
}

fn hosts(key: &'static str, written: &[String]) -> Result<HostList, Invalid> {
    HostList::parse(written).map_err(|bad| Invalid::new(key, bad, "names of hosts, such as \"fbcdn.net\""))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn what_is_written_becomes_what_is_meant() {
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
    fn a_broken_bound_is_named_by_its_whole_key() {
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
    fn a_key_that_is_none_of_ours_is_refused() {
        for (from, to) in [("size = 640", "sise = 640"), ("[telegram]", "[telegram]\nhosts = []")] {
            assert!(toml::from_str::<ProvidersWritten>(&DEFAULTS.replace(from, to)).is_err(), "{to}");
        }
    }
}
