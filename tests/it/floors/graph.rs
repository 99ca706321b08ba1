//! Which file imports from which: every path is followed to the file that defines what it names, through re-exports.
//!
//! A file's `mod` items and its re-exports alone are no imports: a `mod.rs` may list what its folder offers. What it
//! re-exports and also uses is one. Methods are not seen, since a call names no path.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{self, Found, Place};

/// Re-exports of re-exports that are followed; the source has two in a row.
const HOPS: usize = 8;

/// The files of a crate by their module, and the imports between them.
#[derive(Debug)]
pub(super) struct Graph {
    /// File to the files that it imports from.
    pub(super) imports: BTreeMap<String, BTreeSet<String>>,
}

struct Module {
    file: String,
    found: Vec<Found>,
    names: BTreeSet<String>,
}

type Modules = BTreeMap<Vec<String>, Module>;

impl Graph {
    /// `files` are paths below `src/` with their texts.
    pub(super) fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut modules = Modules::new();
        for (file, text) in files {
            let (found, names) = source::read(text);
            modules.insert(module_of(file), Module { file: file.to_owned(), found, names });
        }
        let imports = modules.iter().map(|(own, module)| {
            let uses = |found: &&Found| match found.place {
                Place::Use | Place::Body => true,
                Place::Reexport => found.binds.as_ref().is_some_and(|name| module.names.contains(name)),
                Place::Visibility => false,
            };
            let targets = module.found.iter().filter(uses).filter_map(|found| {
                let path = absolute(&modules, own, &found.path, found.inside)?;
                target(&modules, path, HOPS)
            });
            (module.file.clone(), targets.filter(|target| *target != module.file).collect())
        });
        Self { imports: imports.collect() }
    }

    /// The circles: sets of files of which each imports, in some steps, from every other one.
    pub(super) fn circles(&self) -> Vec<BTreeSet<String>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            self.imports.keys().map(|file| (file.as_str(), self.reached_from(file))).collect();
        let mut circles = BTreeSet::new();
        for (file, others) in &reached {
            if others.contains(file) {
                let back = others.iter().filter(|other| reached[*other].contains(file));
                circles.insert(back.map(|other| (*other).to_owned()).collect());
            }
        }
        circles.into_iter().collect()
    }

    fn reached_from(&self, file: &str) -> BTreeSet<&str> {
        let (mut reached, mut next) = (BTreeSet::new(), vec![file]);
        while let Some(file) = next.pop() {
            for import in self.imports.get(file).into_iter().flatten() {
                if reached.insert(import.as_str()) {
                    next.push(import);
                }
            }
        }
        reached
    }
}

/// `["store", "disk"]` for `store/disk/mod.rs`, `[]` for `lib.rs`.
fn module_of(file: &str) -> Vec<String> {
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    stem.split('/').filter(|part| *part != "lib").map(str::to_owned).collect()
}

/// A path from the crate's root; `None` for another crate's.
fn absolute(modules: &Modules, own: &[String], path: &[String], inside: usize) -> Option<Vec<String>> {
    let is_child = |name: &String| modules.contains_key(&[own, std::slice::from_ref(name)].concat());
    match path[0].as_str() {
        "crate" | "avatar_proxy" => Some(path[1..].to_vec()),
        "super" => {
            let supers = path.iter().take_while(|segment| *segment == "super").count();
            // An inline module's first `super` is this file.
            let climbs = supers.saturating_sub(inside);
            Some([&own[..own.len().checked_sub(climbs)?], &path[supers..]].concat())
        }
        _ if is_child(&path[0]) => Some([own, path].concat()),
        _ => None,
    }
}

/// The file that defines what `path` names.
fn target(modules: &Modules, path: Vec<String>, hops: usize) -> Option<String> {
    let length = (0..=path.len()).rev().find(|length| modules.contains_key(&path[..*length]))?;
    let (own, rest) = path.split_at(length);
    let module = &modules[own];
    let Some(name) = rest.first().filter(|_| hops > 0) else { return Some(module.file.clone()) };
    let bound = module.found.iter().find(|found| found.inside == 0 && found.binds.as_ref() == Some(name));
    bound
        .and_then(|found| absolute(modules, own, &found.path, 0))
        .and_then(|path| target(modules, path, hops - 1))
        .or_else(|| Some(module.file.clone()))
}
