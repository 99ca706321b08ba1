//! The type of a value is that of its default.

use toml::Value;

use super::schema;
use super::text::{hidden, inline, shortened};
use super::{ConfigError, Source};

/// The value, if it has the type of the default.
pub(super) fn typed(key: &str, default: &Value, value: Value, from: &Source) -> Result<Value, ConfigError> {
    match (default, value) {
        (Value::Float(_), Value::Integer(whole)) => {
            Ok(i32::try_from(whole).map_or(Value::Integer(whole), |whole| Value::Float(whole.into())))
        }
        (Value::Array(_), Value::Array(items)) if items.iter().all(Value::is_str) => Ok(Value::Array(items)),
        (Value::Array(_), value @ Value::Array(_)) => {
            Err(wrong(from, key, &value, example(key, default, from)))
        }
        (default, value) if default.same_type(&value) => Ok(value),
        (default, value) => Err(wrong(from, key, &value, example(key, default, from))),
    }
}

/// A description of a right value, with the default as an example.
fn example(key: &str, default: &Value, from: &Source) -> String {
    let quotes = matches!(from, Source::Default | Source::File(_));
    match default {
        Value::String(text) if text.is_empty() || schema::is_secret(key) => "a text in quotes".to_owned(),
        Value::String(_) => format!("a text in quotes, such as {}", inline(default)),
        Value::Integer(_) => format!("a whole number, such as {}", inline(default)),
        Value::Float(_) => format!("a number, such as {}", inline(default)),
        Value::Boolean(_) => "true or false".to_owned(),
        Value::Array(items) if quotes && !items.is_empty() => {
            format!("a list of texts, such as {}", inline(default))
        }
        Value::Array(_) if quotes => "a list of texts, such as [\"...\", \"...\"]".to_owned(),
        Value::Array(_) => "a list of texts as TOML writes it, such as [\"...\", \"...\"]".to_owned(),
        Value::Datetime(_) | Value::Table(_) => format!("such as {}", inline(default)),
    }
}

/// The error for a value of the wrong type.
pub(super) fn wrong(from: &Source, key: &str, value: &Value, expected: String) -> ConfigError {
    ConfigError::Wrong { from: from.clone(), key: key.to_owned(), value: shown(key, value), expected }
}

/// A value as an error line repeats it.
pub(super) fn shown(key: &str, value: &Value) -> String {
    if schema::is_secret(key) { hidden(value) } else { shortened(inline(value)) }
}
