//! The floors of ARCHITECTURE.md, held true by reading the source.
//!
//! A file imports from its own folder and from lower floors; neighbours on a floor do not see each other, but for the
//! entrance, which composes everything. Beside that a few crates and calls have one home each.

mod source;

use std::path::{Path, PathBuf};

use source::{Found, paths};

/// The folders (and files at the top) on their floors, from the ground up.
const FLOORS: [&[&str]; 7] = [
    &["clock", "telemetry", "background"],
    &["model"],
    &["origin", "directory", "store", "render", "http"],
    &["provider", "event"],
    &["avatar"],
    &["routes"],
    &["main", "cli", "config", "app"],
];

/// Its files compose, so they may see each other.
const ENTRANCE: usize = 6;

/// What has one home: a path, in whole segments; where it may be written; why.
const HOMES: [(&[&str], &[&str], &str); 8] = [
    (&["sqlx"], &["directory/", "store/disk/"], "SQL is spoken in directory/ and store/disk/ alone"),
    // To store/mod.rs the same name is the folder.
    (&["redis"], &["store/redis/", "store/mod.rs"], "Redis is spoken in store/redis/ alone"),
    (&["reqwest"], &["origin/"], "origin/ is the only door to the outside"),
    (&["hyper", "server"], &["http/"], "http/ is the only server"),
    (&["hyper_util", "server"], &["http/"], "http/ is the only server"),
    (&["SystemTime", "now"], &["clock.rs"], "clock.rs alone reads the clock"),
    (&["Instant", "now"], &["clock.rs"], "clock.rs alone reads the clock"),
    (&["tokio", "spawn"], &[], "spawn on Background, which a stop waits for"),
];

/// What is wrong in one file, by its path below `src/`; each line begins with the place.
fn violations(file: &str, text: &str) -> Vec<String> {
    let Some(module) = module_path(file) else { return Vec::new() };
    let Some(floor) = floor_of(&module[0]) else {
        return vec![format!("src/{file}: `{}` is on no floor; add it to tests/it/floors.rs", module[0])];
    };
    let judge = |found: &Found| {
        let said = found.path.join("::");
        let wrong = out_of_bounds(&module, floor, found).or_else(|| away_from_home(file, &found.path))?;
        Some(format!("src/{file}:{}: `{said}`: {wrong}", found.line))
    };
    paths(text).iter().filter_map(judge).collect()
}

/// `["store", "disk"]` for `store/disk.rs`; `None` for `lib.rs`, which only lists the folders.
fn module_path(file: &str) -> Option<Vec<String>> {
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    (stem != "lib").then(|| stem.split('/').map(str::to_owned).collect())
}

fn floor_of(folder: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&folder))
}

fn out_of_bounds(module: &[String], floor: usize, found: &Found) -> Option<String> {
    let supers = found.path.iter().take_while(|segment| *segment == "super").count();
    if supers > 0 && supers >= module.len() + found.inside {
        return Some("climbs out of its folder; write `crate::`, so that the floor can be read".to_owned());
    }
    if !matches!(found.path[0].as_str(), "crate" | "avatar_proxy") {
        return None;
    }
    let Some(folder) = found.path.get(1) else { return Some("takes the whole crate".to_owned()) };
    let own = &module[0];
    match floor_of(folder) {
        None => Some(format!("`{folder}` is on no floor")),
        Some(_) if folder == own => None,
        Some(other) if other > floor => {
            Some(format!("{own} is on floor {floor}, {folder} above it on {other}"))
        }
        Some(other) if other == floor && floor != ENTRANCE => {
            Some(format!("{own} and {folder} are neighbours on floor {floor} and do not see each other"))
        }
        Some(_) => None,
    }
}

fn away_from_home(file: &str, path: &[String]) -> Option<String> {
    let is_said = |what: &[&str]| {
        path.windows(what.len()).position(|part| part == what).is_some_and(|at| is_start(what, at))
    };
    // A crate is named at the path's beginning; a type may come anywhere in it.
    fn is_start(what: &[&str], at: usize) -> bool {
        at == 0 || what[0].starts_with(char::is_uppercase)
    }
    HOMES
        .iter()
        .find(|(what, homes, _)| is_said(what) && !homes.iter().any(|home| file.starts_with(home)))
        .map(|(_, _, why)| (*why).to_owned())
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => rust_files(&path, found),
            false if path.extension().is_some_and(|extension| extension == "rs") => found.push(path),
            false => {}
        }
    }
}

#[test]
fn no_file_imports_upwards_or_sideways() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    assert!(
        files.iter().any(|file| file.ends_with("model/mod.rs")),
        "the source is not where it was: {src:?}"
    );
    files.sort();
    let wrong: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let name = file.strip_prefix(&src).unwrap().to_str().unwrap();
            violations(name, &std::fs::read_to_string(file).unwrap())
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_rule_finds_a_planted_violation() {
    for (file, planted, said) in [
        (
            "model/link.rs",
            "use crate::origin::Fetch;",
            "1: `crate::origin::Fetch`: model is on floor 1, origin above",
        ),
        ("model/link.rs", "\nfn f() { crate::avatar::go(); }", "2: `crate::avatar::go`: model is on floor 1"),
        ("store/disk/mod.rs", "use crate::http::Server;", "store and http are neighbours on floor 2"),
        ("clock.rs", "use crate::telemetry;", "clock and telemetry are neighbours on floor 0"),
        ("store/disk/mod.rs", "use crate::{model::Link, clock::Clock, routes::{a, b}};", "`crate::routes::a`"),
        ("store/disk/mod.rs", "use crate :: /* no */ http :: X;", "`crate::http::X`"),
        ("store/disk/mod.rs", "macro_rules! m { () => { $crate::http::X } }", "`crate::http::X`"),
        ("store/disk/mod.rs", "pub(in crate::routes) fn f() {}", "`crate::routes`: store is on floor 2"),
        ("store/disk/mod.rs", "use crate::*;", "`crate::*`: `*` is on no floor"),
        ("store/disk/mod.rs", "use crate as all;", "`crate`: takes the whole crate"),
        ("store/disk/mod.rs", "use crate::{self, model};", "`crate`: takes the whole crate"),
        ("store/disk/mod.rs", "use crate::Helper;", "`Helper` is on no floor"),
        ("store/disk/mod.rs", "use super::super::http::X;", "climbs out"),
        ("store/disk/mod.rs", "use self::super::super::http::X;", "climbs out"),
        ("store/mod.rs", "use super::http::X;", "climbs out"),
        ("store/mod.rs", "use {super::http::X, std::fmt};", "climbs out"),
        ("store/mod.rs", "mod tests { use super::super::http::X; }", "climbs out"),
        ("store/mod.rs", "mod tests { mod more { } fn f() { super::super::http::x() } }", "climbs out"),
        ("clock.rs", "fn f() { super::model::x() }", "climbs out"),
        ("render/mod.rs", "use sqlx::Row;", "SQL is spoken"),
        ("store/memory.rs", "#[derive(sqlx::FromRow)] struct R;", "SQL is spoken"),
        ("store/disk/mod.rs", "use redis::Client;", "Redis is spoken"),
        ("provider/telegram.rs", "let c: ::reqwest::Client;", "`reqwest::Client`: origin/ is the only door"),
        ("routes/mod.rs", "use hyper::{body::Body, server::conn::http1};", "http/ is the only server"),
        ("app.rs", "use hyper_util::server::graceful::GracefulShutdown;", "http/ is the only server"),
        ("avatar/mod.rs", "let now = std::time::SystemTime::now();", "clock.rs alone"),
        ("avatar/mod.rs", "let now = tokio::time::Instant::now();", "clock.rs alone"),
        ("avatar/mod.rs", "tokio::spawn(async {});", "spawn on Background"),
        ("helper/mod.rs", "", "src/helper/mod.rs: `helper` is on no floor"),
    ] {
        let found = violations(file, planted);
        assert!(
            found.iter().any(|line| line.contains(said)),
            "{planted}\n  found {found:?}\n  expected {said}"
        );
    }
}

#[test]
fn what_is_allowed_is_left_alone() {
    for (file, text) in [
        (
            "store/disk/mod.rs",
            "use crate::{clock::Clock, model::{self, Link}}; use super::memory::X; use sqlx::Row;",
        ),
        (
            "store/mod.rs",
            "mod tests { use super::*; mod deep { use super::super::Store; } } use self::disk::Disk;",
        ),
        ("store/mod.rs", "mod tests { } fn f() { self::disk::open() }"),
        ("store/disk/row.rs", "use super::super::memory::X; use sqlx::Row;"),
        (
            "store/disk/mod.rs",
            "// use crate::http::X;\n/* crate::routes /* nested */ crate::avatar */ /// crate::app",
        ),
        (
            "store/disk/mod.rs",
            "let s = \"use crate::http; \\\" crate::routes\"; let r = r#\"crate::\"app\"#; let b = b\"sqlx\";",
        ),
        (
            "store/memory.rs",
            "let c = '\"'; fn f<'a>(x: &'a str) -> impl Sized + use<'a> { sqlx_like::x() } let d = '\\'';",
        ),
        ("store/disk/mod.rs", "pub(crate) fn f() {} pub(super) fn g() {} pub(in crate::store) fn h() {}"),
        ("model/mod.rs", "pub(super) fn f() {}"),
        (
            "origin/fetch.rs",
            "use reqwest::Client; use hyper::body::Bytes; use hyper_util::rt::TokioExecutor;",
        ),
        ("http/serve.rs", "use hyper_util::{rt::TokioIo, server::conn::auto};"),
        ("clock.rs", "fn now() { SystemTime::now(); std::time::Instant::now(); }"),
        ("cli/mod.rs", "use crate::{app, config, routes, model}; use redis_like::X;"),
        ("main.rs", "fn main() { avatar_proxy::cli::main() }"),
        ("lib.rs", "pub mod clock;"),
    ] {
        assert_eq!(violations(file, text), Vec::<String>::new(), "{file}: {text}");
    }
}
