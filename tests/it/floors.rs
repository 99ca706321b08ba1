//! The floors of ARCHITECTURE.md, held true by reading the source.
//!
//! A file imports from its own folder and from lower floors; neighbours on a floor do not see each other, but for the
//! entrance, which composes everything. Beside that a few crates and calls have one home each.

mod graph;
mod source;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use graph::Graph;
use source::{Found, paths};

/// The folders (and files at the top) on their floors, from the ground up.
const FLOORS: [&[&str]; 7] = [
    &["clock", "telemetry", "task_pool"],
    &["model"],
    &["origin", "directory", "store", "render", "http"],
    &["provider", "webhook"],
    &["avatar"],
    &["routes"],
    &["main", "cli", "config", "app"],
];

/// Its files compose, so they may see each other.
const ENTRANCE: usize = 6;

/// The floors inside folders, from the ground up: a file imports from no higher row of its folder, and from no neighbour in
/// its own row. What no row names (a handle that composes the rest) is free, as far as it makes no circle.
const INNER_FLOORS: [(&str, &[&[&str]]); 3] = [
    (
        "avatar",
        &[
            &["config", "snapshot"],
            &["tiers"],
            &["purge"],
            &["refresh"],
            &["jobs"],
            &["inspect", "reply"],
            &["service"],
        ],
    ),
    ("store", &[&["disk", "redis"]]),
    ("store/redis", &[&["connect"], &["data"], &["pubsub"], &["purge"]]),
];

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
    (&["tokio", "spawn"], &[], "spawn on TaskPool, which a stop waits for"),
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

/// Where an import leads up or sideways inside a folder.
fn inner_violations(graph: &Graph) -> Vec<String> {
    let mut wrong = Vec::new();
    for (folder, rows) in INNER_FLOORS {
        for (file, imports) in &graph.imports {
            let Some((own_row, own)) = row_of(folder, rows, file) else { continue };
            for import in imports {
                let Some((row, room)) = row_of(folder, rows, import) else { continue };
                if row > own_row {
                    wrong.push(format!(
                        "src/{file} imports src/{import}: in {folder}/, {own} is below {room}"
                    ));
                } else if row == own_row && room != own {
                    wrong.push(format!(
                        "src/{file} imports src/{import}: {own} and {room} do not see each other"
                    ));
                }
            }
        }
    }
    wrong
}

/// In which row a file of `folder` stands, and in which room.
fn row_of(folder: &str, rows: &[&[&'static str]], file: &str) -> Option<(usize, &'static str)> {
    let rest = file.strip_prefix(folder)?.strip_prefix('/')?;
    let room = rest.split(['/', '.']).next()?;
    let rooms = rows.iter().enumerate().flat_map(|(row, rooms)| rooms.iter().map(move |name| (row, *name)));
    rooms.into_iter().find(|(_, name)| *name == room)
}

/// All of `src/`: paths below it, and texts.
fn sources() -> Vec<(String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    files.sort();
    let named = files.iter().map(|file| {
        let name = file.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(file).unwrap())
    });
    named.collect()
}

fn graph_of(files: &[(String, String)]) -> Graph {
    Graph::of(files.iter().map(|(file, text)| (file.as_str(), text.as_str())))
}

/// All Rust files below a folder.
pub(crate) fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
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
    let files = sources();
    assert!(files.iter().any(|(file, _)| file == "model/mod.rs"), "the source is not where it was");
    let wrong: Vec<String> = files.iter().flat_map(|(file, text)| violations(file, text)).collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    let wrong = inner_violations(&graph_of(&files));
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn no_files_import_from_each_other_in_a_circle() {
    let circles = graph_of(&sources()).circles();
    let named: Vec<String> =
        circles.iter().map(|circle| circle.iter().cloned().collect::<Vec<_>>().join(", ")).collect();
    assert!(named.is_empty(), "these import from each other:\n{}\n", named.join("\n"));
}

#[test]
fn a_planted_circle_is_found_through_reexports_and_bodies() {
    for (what, planted) in [
        ("two files", vec![("a/b.rs", "use super::c::C;"), ("a/c.rs", "fn f() { super::b::go() }")]),
        (
            "three",
            vec![
                ("a/b.rs", "use super::c::C;"),
                ("a/c.rs", "use crate::a::d::D;"),
                ("a/d.rs", "use super::b::B;"),
            ],
        ),
        ("a folder and its file", vec![("a/mod.rs", "mod b; use b::B;"), ("a/b.rs", "use super::{Handle};")]),
        (
            "a child that is named in a body",
            vec![("a/mod.rs", "mod b; fn f() { b::go() }"), ("a/b.rs", "use super::Handle;")],
        ),
        (
            "a re-export in between",
            vec![
                ("a/mod.rs", "mod b; mod c; pub use c::C;"),
                ("a/b.rs", "use super::C;"),
                ("a/c.rs", "use super::b::B;"),
            ],
        ),
        (
            "a re-export under another name, of a folder's",
            vec![
                ("a/mod.rs", "mod d; mod c; pub(super) use d::D as E;"),
                ("a/d/mod.rs", "mod b; pub use b::D;"),
                ("a/d/b.rs", "use super::super::c::C;"),
                ("a/c.rs", "use super::E;"),
            ],
        ),
        (
            "what is re-exported and used",
            vec![("a/mod.rs", "mod b; pub use b::B; fn f(b: B) {}"), ("a/b.rs", "use super::Handle;")],
        ),
        (
            "a test's import of its file's user",
            vec![("a/b.rs", "mod tests { use super::super::c::C; }"), ("a/c.rs", "use super::b::B;")],
        ),
    ] {
        assert_eq!(Graph::of(planted.clone()).circles().len(), 1, "{what}: {:?}", Graph::of(planted));
    }
}

#[test]
fn what_a_folder_lists_is_no_circle() {
    let free = [
        ("a/mod.rs", "mod b; mod c; pub use b::B; pub(crate) use c::{C, D}; struct Handle;"),
        ("a/b.rs", "use super::{C, Handle}; mod tests { use super::*; }"),
        ("a/c.rs", "pub(in crate::a) fn g() {} use std::fmt; use other::b::B; impl C { fn b() {} }"),
    ];
    assert_eq!(Graph::of(free).circles(), Vec::<BTreeSet<String>>::new());
}

#[test]
fn every_inner_floor_finds_a_planted_violation() {
    for (file, planted, said) in [
        ("avatar/tiers/peek.rs", "use crate::avatar::purge::Purger;", "tiers is below purge"),
        ("avatar/tiers/scan.rs", "fn f() { crate::avatar::refresh::go() }", "tiers is below refresh"),
        ("avatar/purge/mod.rs", "use super::refresh::flight::Flight;", "purge is below refresh"),
        ("avatar/refresh/flight.rs", "use super::super::Jobs;", "refresh is below jobs"),
        ("avatar/jobs/mod.rs", "use super::service::Service;", "jobs is below service"),
        ("avatar/jobs/hooks.rs", "use crate::avatar::inspect::Inspection;", "jobs is below inspect"),
        ("avatar/snapshot.rs", "use super::tiers::peek::Peek;", "snapshot is below tiers"),
        ("avatar/config.rs", "use super::snapshot::Snapshot;", "config and snapshot do not see each other"),
        ("store/disk/row.rs", "use crate::store::redis::Redis;", "disk and redis do not see each other"),
        (
            "store/redis/lease.rs",
            "fn f() { crate::store::disk::open() }",
            "redis and disk do not see each other",
        ),
        ("store/redis/connect/dial.rs", "use super::super::data::keys::Keys;", "connect is below data"),
        ("store/redis/data/keys.rs", "use crate::store::redis::pubsub::Bus;", "data is below pubsub"),
        ("store/redis/pubsub/message.rs", "use crate::store::redis::purge::repair;", "pubsub is below purge"),
        ("store/redis/data/keys.rs", "use crate::store::redis::Listed;", "data is below purge"),
    ] {
        let graph = Graph::of([
            ("avatar/mod.rs", "mod jobs; pub use jobs::Jobs;"),
            ("avatar/service.rs", "use super::jobs::hooks; use super::config::AvatarConfig;"),
            ("avatar/inspect.rs", "use super::tiers::peek::Peek;"),
            ("avatar/config.rs", ""),
            ("avatar/snapshot.rs", ""),
            ("avatar/jobs/mod.rs", "mod hooks; use super::refresh::flight::Flight;"),
            ("avatar/jobs/hooks.rs", ""),
            ("avatar/refresh/mod.rs", "mod flight; use super::purge::Purger;"),
            ("avatar/refresh/flight.rs", ""),
            ("avatar/purge/mod.rs", "use super::tiers::Tiers;"),
            ("avatar/tiers/mod.rs", "mod peek; use super::snapshot::Snapshot;"),
            ("avatar/tiers/peek.rs", ""),
            (file, planted),
            ("store/disk/mod.rs", "mod row;"),
            ("store/redis/mod.rs", "mod purge; pub use purge::Listed;"),
            ("store/redis/data/seal.rs", "use super::super::connect::url::Place;"),
            ("store/redis/connect/url.rs", ""),
            ("store/redis/pubsub/mod.rs", "use crate::store::redis::data::seal::Sealer;"),
            ("store/redis/purge/mod.rs", "mod repair; use crate::store::redis::pubsub::Bus;"),
            ("store/redis/data/mod.rs", "use crate::store::redis::Handle;"),
        ]);
        let found = inner_violations(&graph);
        assert!(
            matches!(&found[..], [line] if line.contains(said)),
            "{planted}\n  found {found:?}\n  expected {said}"
        );
    }
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
        (
            "store/disk/mod.rs",
            "use crate::{model::Link, clock::Clock, routes::{a, b}};",
            "`crate::routes::a`",
        ),
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
        (
            "provider/telegram/mod.rs",
            "let c: ::reqwest::Client;",
            "`reqwest::Client`: origin/ is the only door",
        ),
        ("routes/mod.rs", "use hyper::{body::Body, server::conn::http1};", "http/ is the only server"),
        ("app.rs", "use hyper_util::server::graceful::GracefulShutdown;", "http/ is the only server"),
        ("avatar/mod.rs", "let now = std::time::SystemTime::now();", "clock.rs alone"),
        ("avatar/mod.rs", "let now = tokio::time::Instant::now();", "clock.rs alone"),
        ("avatar/mod.rs", "tokio::spawn(async {});", "spawn on TaskPool"),
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
