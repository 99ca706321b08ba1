//! The keys that exist, as config.toml lists them, and the few facts about them that TOML cannot express.

use toml::{Table, Value};

use super::text::bare;

/// Lists of blocks (`[[connection]]`). They have no default, so config.toml shows them only in comments.
pub(super) const BLOCKS: [&str; 3] = ["directory.table", "connection", "providers.json"];

/// Sections inside another section that belong to other code.
pub(super) const ENCLAVES: [&str; 2] = ["avatar.headers", "providers.json"];

/// Keys and sections whose features are not built yet.
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

/// Keys whose values are never shown, without the numbers of blocks.
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

/// The kind of a key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind<'a> {
    /// An option, with its default, which has the option's type.
    Key(&'a Value),
    /// A section with keys of its own.
    Section,
    /// A list of blocks.
    Blocks,
    /// A key whose feature is not built yet.
    NotYet,
    /// A key that does not exist.
    Unknown,
}

/// The kind of `key`, by the defaults.
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

/// Whether `key` is `section` or a key in it.
pub(super) fn is_within(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether the value of `key` must not be shown. That includes every key below a secret one.
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

/// A key that may have been meant by `wrong`, as the end of a sentence. `show` writes a key in the form of its source.
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

/// The candidate that differs from `name` by a typing error or two.
pub(super) fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).max(1);
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
