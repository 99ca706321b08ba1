//! Values as operators see them: TOML on one line, without secrets.

use toml::Value;

/// Shown instead of a secret.
pub(super) const HIDDEN: &str = "\"<hidden>\"";

/// The longest value that an error line repeats, in characters.
const MAX_SHOWN: usize = 120;

/// A value as TOML on one line; `toml`'s own `Display` breaks a text with line ends into several.
pub(super) fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Table(table) => {
            let pairs = table.iter().map(|(key, value)| format!("{} = {}", bare(key), inline(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => value.to_string(),
    }
}

/// A secret as [`HIDDEN`]; an empty one is shown, since it means that nothing is set.
pub(super) fn hidden(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => quoted(text),
        Value::Array(items) => format!("[{}]", vec![HIDDEN; items.len()].join(", ")),
        _ => HIDDEN.to_owned(),
    }
}

/// The text, cut where it is too long for one line.
pub(super) fn shortened(text: String) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// A TOML basic string.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A key: bare where TOML allows it.
pub(super) fn bare(key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(is_bare) { key.to_owned() } else { quoted(key) }
}

/// A path or name without control characters, so that it stays on its line.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}
