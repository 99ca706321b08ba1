//! Every key has its proof: the name of the test that sets it.

use std::collections::BTreeSet;

use avatar_proxy::config::{Config, Environment};

/// The tests of this folder.
const SOURCES: [&str; 11] = [
    include_str!("server.rs"),
    include_str!("avatar.rs"),
    include_str!("headers.rs"),
    include_str!("stores.rs"),
    include_str!("directory.rs"),
    include_str!("rows.rs"),
    include_str!("providers.rs"),
    include_str!("json.rs"),
    include_str!("origin.rs"),
    include_str!("redis.rs"),
    include_str!("events.rs"),
];
const LOG: &str = include_str!("log.rs");

/// The keys of config.toml, and the fields of its three kinds of blocks, which the code itself lists.
fn keys() -> BTreeSet<String> {
    fn collect(table: &toml::Table, section: &str, keys: &mut BTreeSet<String>) {
        for (key, value) in table {
            match value {
                toml::Value::Table(inner) => collect(inner, &format!("{section}{key}."), keys),
                _ => _ = keys.insert(format!("{section}{key}")),
            }
        }
    }
    let mut keys = BTreeSet::new();
    collect(&include_str!("../../../config.toml").parse().unwrap(), "", &mut keys);
    for block in ["directory.table", "connection", "providers.json"] {
        keys.extend(fields(block).into_iter().map(|field| format!("{block}.{field}")));
    }
    keys
}

/// The fields of a block, out of the complaint about one that does not exist.
fn fields(block: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, format!("[[{block}]]\nzzzzzzzzzz = 1\n")).unwrap();
    let complaint = Config::load(Some(&file), &Environment::new([]).unwrap()).err().unwrap().to_string();
    let (_, fields) = complaint.split_once("; there are ").expect("a list of the fields");
    fields.split(", ").map(str::to_owned).collect()
}

/// The functions of a file that are tests.
fn tests(source: &str) -> impl Iterator<Item = &str> {
    let marked = source.split("\n#[tokio::test]\n").skip(1).chain(source.split("\n#[test]\n").skip(1));
    marked.map(|text| text.split_once("\n}\n").map_or(text, |(test, _)| test))
}

#[test]
fn every_key_is_set_by_a_test_here() {
    let all = || SOURCES.into_iter().chain([LOG]).flat_map(tests);
    assert!(all().count() > 40, "the tests were not found");
    let keys = keys();
    let without: Vec<&String> =
        keys.iter().filter(|key| !all().any(|test| test.contains(&format!("\"{key}\"")))).collect();
    assert_eq!(without, Vec::<&String>::new(), "keys of config.toml that no test proves");
}

#[test]
fn no_test_here_proves_a_key_that_does_not_exist() {
    let keys = keys();
    for source in SOURCES.into_iter().chain([LOG]) {
        for text in source.split('"').skip(1).step_by(2) {
            let (section, _) = text.split_once('.').unwrap_or((text, ""));
            let named =
                text.contains('.') && text.bytes().all(|b| b.is_ascii_lowercase() || b"._".contains(&b));
            let ours = keys.iter().any(|key| key.split('.').next() == Some(section));
            assert!(!(named && ours) || keys.contains(text), "{text} is no key of config.toml");
        }
    }
}
