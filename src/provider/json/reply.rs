//! What a reply says: the address, or that there is none, and what stands beside it.

use std::sync::Arc;

use serde_json::Value;

use super::config::{Errors, JsonConfig, Source};
use super::made::no_text;
use super::pointer::Pointer;
use super::trouble::{classify, code_of};
use crate::model::{Address, Secret, Timestamp, is_signed};
use crate::origin::ApiReply;
use crate::provider::Said;
use crate::provider::error::ProviderError;
use crate::provider::meta::graph;

/// The longest name that is taken for initials, in characters.
const LONGEST_NAME: usize = 100;
/// The longest identity that is taken, in bytes; a longer one names nothing.
const LONGEST_IDENTITY: usize = 256;

/// What a reply says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) said: Said,
    /// The account's name at the provider.
    pub(super) name: Option<Arc<str>>,
    /// Which picture it is.
    pub(super) identity: Option<String>,
    /// When the address ends, in seconds or milliseconds since the epoch.
    pub(super) ends: Option<i64>,
    /// The same of the token.
    pub(super) token_ends: Option<i64>,
}

impl JsonConfig {
    /// Reads a reply. Pure.
    pub(super) fn read(
        &self,
        reply: &ApiReply,
        token: &Secret,
        now: Timestamp,
    ) -> Result<Read, ProviderError> {
        let body = match self.errors {
            Errors::Meta => graph::read(reply)?,
            Errors::Http => self.body(reply, token, now)?,
        };
        let found = |pointer: &Option<Pointer>| pointer.as_ref().and_then(|pointer| pointer.find(&body));
        Ok(Read {
            said: self.said(&body)?,
            name: found(&self.name_pointer).and_then(name),
            identity: found(&self.identity_pointer).and_then(identity),
            ends: found(&self.expires_pointer).and_then(number),
            token_ends: found(&self.token_expires_pointer).and_then(number),
        })
    }

    /// The JSON of a reply that is no error.
    fn body(&self, reply: &ApiReply, token: &Secret, now: Timestamp) -> Result<Value, ProviderError> {
        let body = serde_json::from_slice::<Value>(&reply.body).ok();
        let code = body.as_ref().and_then(|body| code_of(self, body));
        if code.is_some() || !(200..300).contains(&reply.status) {
            return Err(classify(self, reply, code.as_deref(), token, now));
        }
        body.filter(|body| body.is_object() || body.is_array()).ok_or_else(ProviderError::unexpected)
    }

    fn said(&self, body: &Value) -> Result<Said, ProviderError> {
        let pointers: Vec<&Pointer> = match &self.source {
            Source::At(pointer) => vec![pointer],
            Source::Made(made) => made.members().collect(),
        };
        let mut values = Vec::new();
        for pointer in pointers {
            match pointer.find(body) {
                None if !self.optional => return Ok(Said::FieldMissing),
                None | Some(Value::Null) => return Ok(Said::NoPicture),
                Some(Value::String(text)) if text.is_empty() => return Ok(Said::NoPicture),
                Some(value) => values.push(value),
            }
        }
        let address = match &self.source {
            Source::At(_) => match values[..] {
                [Value::String(text)] => text.clone(),
                _ => return Err(no_text()),
            },
            Source::Made(made) => made.of(&values)?,
        };
        if self.no_picture.iter().any(|part| address.contains(part)) {
            return Ok(Said::NoPicture);
        }
        Ok(Said::Address(address))
    }

    /// The same picture in the size that is wanted. The size stands in the last segment of the path; where it does not
    /// stand there exactly once, or a signature covers it, the address stays as it is.
    pub(super) fn resized(&self, address: Address) -> Address {
        let Some((from, to)) = &self.resize else { return address };
        if is_signed(&address) {
            return address;
        }
        let text = address.expose();
        let path_end = text.find(['?', '#']).unwrap_or(text.len());
        let start = text[..path_end].rfind('/').map_or(path_end, |slash| slash + 1);
        let segment = &text[start..path_end];
        if segment.matches(from.as_str()).count() != 1 {
            return address;
        }
        let resized = format!("{}{}{}", &text[..start], segment.replacen(from, to, 1), &text[path_end..]);
        Address::parse(&resized).unwrap_or(address)
    }
}

fn name(value: &Value) -> Option<Arc<str>> {
    let text = value.as_str()?.trim();
    let text: String = text.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    (!text.is_empty()).then(|| text.into())
}

fn identity(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (1..=LONGEST_IDENTITY).contains(&text.len()).then_some(text)
}

fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}
