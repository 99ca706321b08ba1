//! `[[providers.json]]`.

use std::collections::BTreeMap;

use hyper::header::{HeaderName, HeaderValue};
use serde_json::Value;

use super::auth::{Auth, header_name, secret};
use super::pointer::Pointer;
use super::request::RequestTemplate;
use super::url_template::UrlTemplate;
use crate::model::{Invalid, Provider, ProviderName, Secret, TroubleClass};
use crate::origin::{BaseUrl, HostList};
use crate::provider::rate::CallLimits;
use crate::provider::rules::hosts;

/// One `[[providers.json]]` as written.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonWritten {
    name: String,
    url: String,
    auth: String,
    hosts: Vec<String>,
    #[serde(default)]
    pointer: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    no_picture: Vec<String>,
    #[serde(default)]
    resize: Vec<String>,
    #[serde(default)]
    name_pointer: String,
    #[serde(default)]
    identity_pointer: String,
    #[serde(default)]
    expires_pointer: String,
    #[serde(default)]
    token_expires_pointer: String,
    #[serde(default)]
    errors: Errors,
    #[serde(default)]
    error_pointer: String,
    #[serde(default)]
    error_ok: Option<Vec<Scalar>>,
    #[serde(default)]
    error_codes: BTreeMap<String, TroubleClass>,
    #[serde(default)]
    headers: BTreeMap<String, Secret>,
    #[serde(default = "max_calls")]
    max_calls: usize,
    #[serde(default = "calls_per_second")]
    calls_per_second: u32,
}

/// The default of Instagram and Facebook in `config.toml`.
fn max_calls() -> usize {
    48
}

/// The default of Instagram and Facebook in `config.toml`.
fn calls_per_second() -> u32 {
    100
}

/// One `[[providers.json]]`.
#[derive(Debug, Clone)]
pub struct JsonConfig {
    /// The name that rows use.
    pub name: ProviderName,
    pub(super) request: RequestTemplate,
    pub(super) auth: Auth,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) picture: PictureSource,
    /// Whether the API leaves the member out of the reply where there is no picture.
    pub(super) optional: bool,
    /// Parts of addresses that lead to the API's picture for accounts without one.
    pub(super) no_picture: Vec<String>,
    pub(super) resize: Option<(String, String)>,
    pub(super) name_pointer: Option<Pointer>,
    pub(super) identity_pointer: Option<Pointer>,
    pub(super) expires_pointer: Option<Pointer>,
    pub(super) token_expires_pointer: Option<Pointer>,
    pub(super) errors: Errors,
    pub(super) error_pointer: Option<Pointer>,
    pub(super) error_ok: Expected,
    pub(super) error_codes: BTreeMap<String, TroubleClass>,
    /// Hosts that may serve its pictures, with their subdomains.
    pub hosts: HostList,
    /// The limits on calls.
    pub limits: CallLimits,
}

/// Where a reply holds the picture's address.
#[derive(Debug, Clone)]
pub(super) enum PictureSource {
    /// Whole, at one place.
    Pointer(Pointer),
    /// In parts, which a template joins.
    Template(UrlTemplate),
}

/// Whose form the errors have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Errors {
    /// `error_pointer` and `error_codes` decide, else the HTTP status.
    #[default]
    Http,
    /// Meta's: code and subcode decide, as for Facebook and Instagram.
    Meta,
}

/// The value at `error_pointer` when there is no error.
#[derive(Debug, Clone)]
pub(super) enum Expected {
    /// None, in one of the ways to write it: missing, null, false, 0, "", "ok", [] or {}.
    Nothing,
    /// One of these.
    OneOf(Vec<Value>),
}

/// A value that TOML and JSON both have.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(untagged)]
enum Scalar {
    Bool(bool),
    Number(i64),
    Text(String),
}

impl TryFrom<JsonWritten> for JsonConfig {
    type Error = Invalid;

    fn try_from(written: JsonWritten) -> Result<Self, Invalid> {
        let picture = picture_source(&written)?;
        let pointer = |key, text: &str| match text {
            "" => Ok(None),
            text => needed_pointer(key, text).map(Some),
        };
        if written.errors == Errors::Meta
            && !(written.error_pointer.is_empty() && written.error_codes.is_empty())
        {
            let expected = "\"http\" beside error_pointer or error_codes: with \"meta\" these are known";
            return Err(Invalid::new("errors", "\"meta\"", expected));
        }
        if written.error_pointer.is_empty() && !(written.error_ok.is_none() && written.error_codes.is_empty())
        {
            let expected = "a JSON Pointer beside error_ok or error_codes, which are about what stands there";
            return Err(Invalid::new("error_pointer", "\"\"", expected));
        }
        Ok(Self {
            name: name(&written.name)?,
            request: RequestTemplate::parse(&written.url).ok_or_else(|| {
                let expected = "an address such as \"https://api.example/v1/users/{account}\", with {account} at most in \
                                path and query, and no other braces, credentials or fragment";
                Invalid::new("url", quoted(&written.url), expected)
            })?,
            auth: Auth::parse(&written.auth)
                .ok_or_else(|| Invalid::new("auth", quoted(&written.auth), Auth::EXPECTED))?,
            headers: headers(written.headers)?,
            picture,
            optional: written.optional,
            no_picture: no_picture(written.no_picture)?,
            resize: resize(&written.resize)?,
            name_pointer: pointer("name_pointer", &written.name_pointer)?,
            identity_pointer: pointer("identity_pointer", &written.identity_pointer)?,
            expires_pointer: pointer("expires_pointer", &written.expires_pointer)?,
            token_expires_pointer: pointer("token_expires_pointer", &written.token_expires_pointer)?,
            errors: written.errors,
            error_pointer: pointer("error_pointer", &written.error_pointer)?,
            error_ok: match written.error_ok {
                None => Expected::Nothing,
                Some(values) => Expected::OneOf(values.into_iter().map(Value::from).collect()),
            },
            error_codes: written.error_codes,
            hosts: hosts("hosts", &written.hosts, "pbs.twimg.com")?,
            limits: CallLimits::checked(
                ["max_calls", "calls_per_second"],
                written.max_calls,
                written.calls_per_second,
            )?,
        })
    }
}

impl JsonConfig {
    /// Whether a row's token is needed at all.
    pub fn needs_token(&self) -> bool {
        self.auth.needs_token()
    }

    /// The block in one line, for `check`.
    pub fn describe(&self) -> String {
        let picture = match &self.picture {
            PictureSource::Pointer(pointer) => pointer.as_str().to_owned(),
            PictureSource::Template(template) => {
                template.members().map(Pointer::as_str).collect::<Vec<_>>().join(" and ")
            }
        };
        format!("{}, auth {}, the picture at {picture}", self.request.base().as_str(), self.auth.describe())
    }

    /// Scheme, host and port of the API.
    pub(in crate::provider) fn base(&self) -> &BaseUrl {
        self.request.base()
    }
}

impl From<Scalar> for Value {
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Bool(value) => value.into(),
            Scalar::Number(value) => value.into(),
            Scalar::Text(value) => value.into(),
        }
    }
}

fn name(text: &str) -> Result<ProviderName, Invalid> {
    match Provider::from_name(text) {
        Some(Provider::Json(name)) => Ok(name),
        Some(_) => Err(Invalid::new("name", quoted(text), "another name: this one is built in")),
        None => {
            let expected = format!("1 to {} of a-z, 0-9 and -, a letter first", ProviderName::MAX_LEN);
            Err(Invalid::new("name", quoted(text), expected))
        }
    }
}

fn picture_source(written: &JsonWritten) -> Result<PictureSource, Invalid> {
    match (written.pointer.as_str(), written.address.as_str()) {
        (pointer, "") => needed_pointer("pointer", pointer).map(PictureSource::Pointer),
        ("", address) => UrlTemplate::parse(address).map(PictureSource::Template).ok_or_else(|| {
            let expected = "an address with JSON Pointers in braces behind its host, such as \
                            \"https://cdn.example/{/id}/{/avatar}.png\"";
            Invalid::new("address", quoted(address), expected)
        }),
        (_, address) => Err(Invalid::new("address", quoted(address), "either pointer or address, not both")),
    }
}

fn needed_pointer(key: &'static str, text: &str) -> Result<Pointer, Invalid> {
    Pointer::parse(text).ok_or_else(|| Invalid::new(key, quoted(text), Pointer::EXPECTED))
}

fn headers(written: BTreeMap<String, Secret>) -> Result<Vec<(HeaderName, HeaderValue)>, Invalid> {
    let header = |(name, value): (String, Secret)| {
        let expected = "names of headers with their values, without those that the client sets itself";
        let known = header_name(&name).ok_or_else(|| Invalid::new("headers", quoted(&name), expected))?;
        let value = HeaderValue::from_str(value.expose())
            .map_err(|_| Invalid::new("headers", quoted(&name), "values of visible characters"))?;
        Ok((known, secret(value)))
    };
    written.into_iter().map(header).collect()
}

fn no_picture(parts: Vec<String>) -> Result<Vec<String>, Invalid> {
    if parts.iter().any(String::is_empty) {
        return Err(Invalid::new(
            "no_picture",
            "\"\"",
            "parts of addresses; the empty one is in every address",
        ));
    }
    Ok(parts)
}

fn resize(written: &[String]) -> Result<Option<(String, String)>, Invalid> {
    match written {
        [] => Ok(None),
        [from, to] if !from.is_empty() => Ok(Some((from.clone(), to.clone()))),
        _ => {
            let expected = "two texts: a part of the address and its replacement, such as \
                            [\"_normal.\", \"_400x400.\"]";
            Err(Invalid::new("resize", format!("{written:?}"), expected))
        }
    }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}
