//! [`ParsedReply`]: the picture's field in a reply, and the values beside it.

use std::sync::Arc;

use serde_json::Value;

use super::config::{Errors, JsonConfig, PictureSource};
use super::error::{classify, code_of};
use super::pointer::Pointer;
use super::url_template::no_text;
use crate::model::{Address, Secret, Timestamp, is_signed};
use crate::origin::ApiReply;
use crate::provider::error::ProviderError;
use crate::provider::meta::read_body;
use crate::provider::resolution::PictureField;

/// A name is cut to this many characters; it serves for initials.
const LONGEST_NAME: usize = 100;
/// The longest identity, in bytes; a longer one is ignored.
const LONGEST_IDENTITY: usize = 256;

/// What a reply says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ParsedReply {
    pub(super) picture: PictureField,
    /// The account's name at the provider.
    pub(super) name: Option<Arc<str>>,
    /// Which picture it is, if the API says.
    pub(super) identity: Option<String>,
    /// When the address expires, in seconds or milliseconds since the epoch.
    pub(super) expires_at: Option<i64>,
    /// When the token expires, in the same units.
    pub(super) token_expires_at: Option<i64>,
}

impl JsonConfig {
    /// Parses a reply. Pure.
    ///
    /// # Errors
    /// The reply is an error, or has a shape that the block does not describe.
    pub(super) fn parse(
        &self,
        reply: &ApiReply,
        token: &Secret,
        now: Timestamp,
    ) -> Result<ParsedReply, ProviderError> {
        let body = match self.errors {
            Errors::Meta => read_body(reply)?,
            Errors::Http => self.body(reply, token, now)?,
        };
        let found = |pointer: &Option<Pointer>| pointer.as_ref().and_then(|pointer| pointer.find(&body));
        Ok(ParsedReply {
            picture: self.picture_field(&body)?,
            name: found(&self.name_pointer).and_then(name),
            identity: found(&self.identity_pointer).and_then(identity),
            expires_at: found(&self.expires_pointer).and_then(number),
            token_expires_at: found(&self.token_expires_pointer).and_then(number),
        })
    }

    /// The JSON of a reply without an error.
    fn body(&self, reply: &ApiReply, token: &Secret, now: Timestamp) -> Result<Value, ProviderError> {
        let body = serde_json::from_slice::<Value>(&reply.body).ok();
        let code = body.as_ref().and_then(|body| code_of(self, body));
        if code.is_some() || !(200..300).contains(&reply.status) {
            return Err(classify(self, reply, code.as_deref(), token, now));
        }
        body.filter(|body| body.is_object() || body.is_array()).ok_or_else(ProviderError::unexpected)
    }

    fn picture_field(&self, body: &Value) -> Result<PictureField, ProviderError> {
        let pointers: Vec<&Pointer> = match &self.picture {
            PictureSource::Pointer(pointer) => vec![pointer],
            PictureSource::Template(template) => template.members().collect(),
        };
        let mut values = Vec::new();
        for pointer in pointers {
            match pointer.find(body) {
                None if !self.optional => return Ok(PictureField::Missing),
                None | Some(Value::Null) => return Ok(PictureField::NoPicture),
                Some(Value::String(text)) if text.is_empty() => return Ok(PictureField::NoPicture),
                Some(value) => values.push(value),
            }
        }
        let address = match &self.picture {
            PictureSource::Pointer(_) => match values[..] {
                [Value::String(text)] => text.clone(),
                _ => return Err(no_text()),
            },
            PictureSource::Template(template) => template.fill(&values)?,
        };
        if self.no_picture.iter().any(|part| address.contains(part)) {
            return Ok(PictureField::NoPicture);
        }
        Ok(PictureField::Address(address))
    }

    /// The address of the same picture in the wanted size. The size stands in the last segment of the path. Where it does
    /// not occur there exactly once, or a signature covers it, the address stays as it is.
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
