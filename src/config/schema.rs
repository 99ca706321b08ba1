//! The keys that exist, taken out of config.toml itself, and the few facts that TOML cannot say about them.

use toml::{Table, Value};

use super::text::bare;

/// Lists of blocks (`[[connection]]`). They have no default, so config.toml shows them in comments only.
pub(super) const BLOCKS: [&str; 3] = ["directory.table", "connection", "providers.json"];

/// Sections that stand inside another but belong to somebody else.
pub(super) const ENCLAVES: [&str; 2] = ["avatar.headers", "providers.json"];

/// Keys and sections of the contract whose features are not built yet.
pub(super) const NOT_YET: [&str; 9] = [
    "server.public_url",
    "server.tls",
    "images.sizes",
    "images.quality",
    "images.formats",
    "images.negotiate",
    "images.workers",
    "images.queue",
    "access",
];

/// Keys whose values are never shown. In a block the key stands without its number.
const SECRETS: [&str; 13] = [
    "admin.token",
    "directory.url",
    "tokens.keys",
    "redis.url",
    "redis.keys",
    "redis.sentinel.password",
    "providers.instagram.app_secret",
    "providers.facebook.app_secret",
    "connection.token",
    "connection.picture_url",
    "events.url",
    "events.secret",
    "providers.json.headers",
];

/// What a key is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind<'a> {
    /// An option; its default says which type it has.
    Key(&'a Value),
    /// A section with keys of its own.
    Section,
    /// A list of blocks.
    Blocks,
    /// Part of the contract, not of this version.
    NotYet,
    /// None of ours.
    Unknown,
}

/// What `key` is, by the defaults.
pub(super) fn kind<'a>(defaults: &'a Table, key: &str) -> Kind<'a> {
    if NOT_YET.iter().any(|path| is_within(key, path)) {
        return Kind::NotYet;
    }
    if BLOCKS.contains(&key) {
        return Kind::Blocks;
    }
    match find(defaults, key) {
        Some(Value::Table(_)) => Kind::Section,
        Some(value) => Kind::Key(value),
        None => Kind::Unknown,
    }
}

/// The value of a dotted key; `connection[2].id` is in the second block.
pub(super) fn find<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let (first, rest) = key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)));
    let value = match first.strip_suffix(']').and_then(|numbered| numbered.split_once('[')) {
        Some((name, number)) => table.get(name)?.get(number.parse::<usize>().ok()?.checked_sub(1)?)?,
        None => table.get(first)?,
    };
    rest.map_or(Some(value), |rest| find(value.as_table()?, rest))
}

/// Whether `key` is `section` or lies in it.
pub(super) fn is_within(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether the value of `key` must not be shown. Everything below such a key is as secret.
pub(super) fn is_secret(key: &str) -> bool {
    let key = without_numbers(key);
    SECRETS.iter().any(|secret| is_within(&key, secret))
}

/// `connection.token` for `connection[3].token`.
fn without_numbers(key: &str) -> String {
    let mut inside = false;
    let mut keep = |c: char| {
        inside = (inside || c == '[') && c != ']';
        !inside && c != ']'
    };
    key.chars().filter(|c| keep(*c)).collect()
}

/// A key below a section; the root is the empty section.
pub(super) fn join(section: &str, key: &str) -> String {
    if section.is_empty() { bare(key) } else { format!("{section}.{}", bare(key)) }
}

/// Every option's whole key, in the order of config.toml.
pub(super) fn keys(table: &Table) -> Vec<String> {
    let mut found = Vec::new();
    collect(table, "", &mut found);
    found
}

fn collect(table: &Table, section: &str, found: &mut Vec<String>) {
    for (key, value) in table {
        let key = join(section, key);
        match value {
            Value::Table(inner) => collect(inner, &key, found),
            _ => found.push(key),
        }
    }
}

/// What may have been meant by `wrong`, as the end of the sentence; `show` writes a key as it is written there.
pub(super) fn hint(defaults: &Table, wrong: &str, show: impl Fn(&str) -> String) -> String {
    let (section, name) = wrong.rsplit_once('.').unwrap_or(("", wrong));
    let siblings: Vec<String> = match if section.is_empty() { None } else { find(defaults, section) } {
        Some(Value::Table(table)) => table.keys().cloned().collect(),
        Some(_) => Vec::new(),
        None if section.is_empty() => defaults.keys().cloned().chain(["connection".to_owned()]).collect(),
        None => Vec::new(),
    };
    let meant = closest(name, siblings.iter().map(String::as_str)).map(|near| join(section, near));
    let elsewhere = || keys(defaults).into_iter().find(|key| key.rsplit('.').next() == Some(name));
    match meant.or_else(elsewhere) {
        Some(key) => format!("did you mean `{}`?", show(&key)),
        None if siblings.is_empty() => "see config.toml for every key there is".to_owned(),
        None if section.is_empty() => format!("there are {}", siblings.join(", ")),
        None => format!("[{section}] has {}", siblings.join(", ")),
    }
}

/// The candidate that differs from `name` by a slip of the finger or two.
pub(super) fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).max(1);
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
