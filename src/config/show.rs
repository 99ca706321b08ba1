//! `show-config`: every value and where it was written, as TOML with a comment on each line, secrets hidden.

use toml::{Table, Value};

use super::schema::{BLOCKS, is_secret, join};
use super::text::{bare, hidden, inline};
use super::{Layers, Source};

/// The column where comments begin, unless a value is longer.
const COMMENT_COLUMN: usize = 48;

/// The text that `show-config` prints.
pub fn show(layers: &Layers) -> String {
    let mut out = String::from("# Every option in force, and where it was written. Secrets are hidden.\n");
    section(layers, layers.values(), "", &mut out);
    out
}

/// In TOML a section's own keys stand before the sections and blocks inside it.
fn section(layers: &Layers, table: &Table, path: &str, out: &mut String) {
    for (key, value) in table {
        let path = join(path, key);
        if !value.is_table() && !BLOCKS.contains(&path.as_str()) {
            line(key, &path, value, &layers.source(&path), out);
        }
    }
    for (key, value) in table {
        let path = join(path, key);
        match value {
            Value::Table(inner) => {
                out.push_str(&format!("\n[{path}]\n"));
                section(layers, inner, &path, out);
            }
            Value::Array(blocks) if BLOCKS.contains(&path.as_str()) => all_blocks(layers, blocks, &path, out),
            _ => {}
        }
    }
}

fn all_blocks(layers: &Layers, blocks: &[Value], path: &str, out: &mut String) {
    let source = layers.source(path);
    for block in blocks.iter().filter_map(Value::as_table) {
        out.push_str(&format!("\n[[{path}]]\n"));
        for (key, value) in block {
            line(key, &join(path, key), value, &source, out);
        }
    }
}

fn line(key: &str, path: &str, value: &Value, source: &Source, out: &mut String) {
    let value = if is_secret(path) { hidden(value) } else { inline(value) };
    let setting = format!("{} = {value}", bare(key));
    out.push_str(&format!("{setting:COMMENT_COLUMN$} # {source}\n"));
}
