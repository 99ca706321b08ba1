//! Which key a file gives twice. The parser says where the second one stands, but neither its name nor its section.

use std::ops::Range;

use toml::{Table, Value};

use super::schema::join;
use super::text::bare;

/// A key that no configuration has.
const PROBE: &str = "\u{1}";
/// What may close the tables and arrays that are open where a key stands: a line, an inline table, arrays and inline tables
/// within each other, a header.
const CLOSERS: [&str; 9] = [" = 0", " = 0}", " = 0}]", " = 0}}", " = 0}}]", " = 0}]}", " = 0}}}", "]", "]]"];

/// The whole name of the key at `span`, if the parser's error is about one that is given twice.
///
/// The text before the key has no error, so the parser itself says which table is open there: by where it puts another
/// key that stands in the same place.
pub(super) fn given_twice(text: &str, error: &toml::de::Error) -> Option<String> {
    let message = error.message();
    // The second: a key that has a value already is used as a section by a dotted key.
    if !message.starts_with("duplicate key") && !message.starts_with("cannot extend value") {
        return None;
    }
    let Range { start, end } = error.span()?;
    let before = text.get(..start)?;
    let closed = |closer: &&str| format!("{before}\"\\u0001\"{closer}").parse::<Table>().ok();
    let section = section_of_probe(&CLOSERS.iter().find_map(closed)?)?;
    let key: Table = format!("{} = 0", text.get(start..end)?).parse().ok()?;
    Some(join(&section, key.keys().next()?))
}

/// The path of the table with the probe, as error lines name it; blocks are counted from 1.
fn section_of_probe(table: &Table) -> Option<String> {
    if table.contains_key(PROBE) {
        return Some(String::new());
    }
    table.iter().find_map(|(key, value)| Some(under(bare(key), section_in(value)?)))
}

fn section_in(value: &Value) -> Option<String> {
    match value {
        Value::Table(table) => section_of_probe(table),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| Some(under(format!("[{}]", index + 1), section_in(item)?))),
        _ => None,
    }
}

fn under(outer: String, inner: String) -> String {
    if inner.is_empty() || inner.starts_with('[') { outer + &inner } else { format!("{outer}.{inner}") }
}
