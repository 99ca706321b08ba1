//! The manual: its links lead somewhere, and the sections that comments cite exist.

use std::path::{Path, PathBuf};

/// A page of Markdown.
struct Page {
    path: PathBuf,
    text: String,
}

impl Page {
    fn read(path: PathBuf) -> Self {
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path, text }
    }

    fn headings(&self) -> impl Iterator<Item = &str> {
        let marked = outside_of_code(&self.text).filter(|line| line.starts_with('#'));
        marked.map(|line| line.trim_start_matches('#').trim())
    }

    /// The targets of its links that lead to files of this repository.
    fn links(&self) -> impl Iterator<Item = &str> {
        let links = outside_of_code(&self.text).flat_map(|line| line.split("](").skip(1));
        links.filter_map(|rest| rest.split(')').next()).filter(|target| !target.contains("://"))
    }

    /// What is wrong with a link, if anything is.
    fn complaint(&self, link: &str) -> Option<String> {
        let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
        let path = if file.is_empty() { self.path.clone() } else { self.path.parent()?.join(file) };
        if !path.is_file() {
            return Some(format!("{}: {link}: there is no such file", self.path.display()));
        }
        let anchor = anchor?;
        let leads = Self::read(path).headings().any(|heading| slug(heading) == anchor);
        (!leads).then(|| format!("{}: {link}: there is no such heading", self.path.display()))
    }
}

/// The lines outside of ``` fences.
fn outside_of_code(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// GitHub's anchor of a heading: lower case, hyphens for spaces, no other punctuation.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// The files in a folder, those of its folders included.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<Page> {
    let at_the_top = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(|name| root().join(name));
    let below = ["docs", "providers"].map(|folder| files(&root().join(folder))).concat();
    let all = at_the_top.into_iter().chain(below);
    all.filter(|path| path.extension().is_some_and(|it| it == "md")).map(Page::read).collect()
}

/// The files with comments that may cite a page.
fn sources() -> Vec<PathBuf> {
    let at_the_top = ["config.toml", "compose.yaml", "Dockerfile"].map(|name| root().join(name));
    let below = ["src", "tests", "providers"].map(|folder| files(&root().join(folder))).concat();
    let mut all = [at_the_top.to_vec(), below].concat();
    all.retain(|path| !path.ends_with(file!()));
    all
}

/// `(page, section)` of each `docs/page.md, "Section"` and of each `ARCHITECTURE.md, "Section"`; the section may be missing.
fn citations(text: &str) -> Vec<(String, Option<String>)> {
    let words = text.split_whitespace().filter(|word| !matches!(*word, "//" | "///" | "//!" | "#"));
    let text = words.collect::<Vec<_>>().join(" ");
    let section =
        |rest: &str| rest.strip_prefix(", \"").and_then(|rest| rest.split('"').next()).map(str::to_owned);
    let manual = text.split("docs/").skip(1).filter_map(|rest| rest.split_once(".md"));
    let manual =
        manual.filter(|(page, _)| page.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
    let manual = manual.map(|(page, rest)| (format!("docs/{page}.md"), section(rest)));
    let architecture = text.split("ARCHITECTURE.md").skip(1);
    manual.chain(architecture.map(|rest| ("ARCHITECTURE.md".to_owned(), section(rest)))).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let pages = pages();
    assert!(pages.iter().flat_map(Page::links).count() > 50, "the links were not found");
    let complaints: Vec<String> =
        pages.iter().flat_map(|page| page.links().filter_map(|link| page.complaint(link))).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_section_that_a_comment_cites_is_in_the_manual() {
    let mut complaints = Vec::new();
    let mut cited = 0;
    for source in sources() {
        let Ok(text) = std::fs::read_to_string(&source) else { continue };
        for (page, section) in citations(&text) {
            cited += 1;
            let path = root().join(&page);
            let stands = path.is_file()
                && section
                    .as_deref()
                    .is_none_or(|section| Page::read(path).headings().any(|heading| heading == section));
            if !stands {
                complaints.push(format!("{}: {page}, {section:?}", source.display()));
            }
        }
    }
    assert!(cited > 1, "the citations were not found");
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn a_citation_is_found_over_a_line_end_too() {
    let text = "/// A signature covers every byte (docs/providers.md,\n    /// \"Byte for\n//! byte\"), see docs/redis.md and\n\
                // ARCHITECTURE.md, \"Words\".";
    let expected = [
        ("docs/providers.md", Some("Byte for byte")),
        ("docs/redis.md", None),
        ("ARCHITECTURE.md", Some("Words")),
    ];
    assert_eq!(
        citations(text),
        expected.map(|(page, section)| (page.to_owned(), section.map(str::to_owned)))
    );
}
