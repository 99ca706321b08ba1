//! The paths that a Rust source names: in `use` items, grouped or not, and in bodies; not in comments or texts.

use std::collections::BTreeSet;

/// A path that a file names.
#[derive(Debug)]
pub(super) struct Found {
    /// Its segments, a leading `self` aside; a glob is a segment `*`.
    pub(super) path: Vec<String>,
    /// The line it begins on, from 1.
    pub(super) line: usize,
    /// How many inline modules (`mod tests { ... }`) it stands in.
    pub(super) inside: usize,
    /// Of a `use` item: the name that it binds in this file.
    pub(super) binds: Option<String>,
    pub(super) place: Place,
}

/// Where a path stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Place {
    Use,
    /// A `use` item whose names other files can import from here (`pub use`, `pub(super) use`).
    Reexport,
    /// `pub(in path)`.
    Visibility,
    Body,
}

#[derive(Debug, Clone, PartialEq)]
struct Token {
    text: String,
    line: usize,
}

/// Every path, in the order of the text. A `use` item's group is written out.
pub(super) fn paths(text: &str) -> Vec<Found> {
    read(text).0
}

/// Every path, and every name that stands outside `use` items.
pub(super) fn read(text: &str) -> (Vec<Found>, BTreeSet<String>) {
    let tokens = tokens(text);
    let mut reader =
        Reader { tokens: &tokens, at: 0, open: Vec::new(), found: Vec::new(), names: BTreeSet::new() };
    while reader.at < tokens.len() {
        reader.step();
    }
    (reader.found, reader.names)
}

struct Reader<'t> {
    tokens: &'t [Token],
    at: usize,
    /// For each open brace whether it is an inline module's.
    open: Vec<bool>,
    found: Vec<Found>,
    names: BTreeSet<String>,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", |token| token.text.as_str())
    }

    fn step(&mut self) {
        match (self.peek(0), self.peek(1), self.peek(2)) {
            ("mod", name, "{") if is_name(name) => {
                self.open.push(true);
                self.at += 3;
            }
            ("{", ..) => {
                self.open.push(false);
                self.at += 1;
            }
            ("}", ..) => {
                self.open.pop();
                self.at += 1;
            }
            // Visibility is no import: `pub(crate)`, `pub(super)`. `pub(in path)` names a path and is read as one.
            ("(", "crate" | "super" | "self", ")") => self.at += 3,
            ("use", next, _) if next != "<" => {
                let place = if self.is_public() { Place::Reexport } else { Place::Use };
                self.at += 1;
                self.tree(&[], place);
            }
            (name, ..) if is_name(name) => self.body_path(),
            _ => self.at += 1,
        }
    }

    /// Whether the item that begins here has a visibility: `pub` or `pub(...)`.
    fn is_public(&self) -> bool {
        let before = |back: usize| self.at.checked_sub(back).map_or("", |at| self.tokens[at].text.as_str());
        before(1) == "pub"
            || before(1) == ")"
                && (2..)
                    .map(before)
                    .take_while(|text| !matches!(*text, "" | ";" | "}"))
                    .any(|text| text == "pub")
    }

    /// `a::b::c` outside a `use`.
    fn body_path(&mut self) {
        let first = self.at;
        let mut path = vec![self.peek(0).to_owned()];
        self.names.insert(path[0].clone());
        self.at += 1;
        while self.peek(0) == "::" && is_name(self.peek(1)) {
            path.push(self.peek(1).to_owned());
            self.at += 2;
        }
        let is_method = first > 0 && matches!(self.tokens[first - 1].text.as_str(), ".");
        if path.len() > 1 && !is_method {
            let before = |back: usize| first.checked_sub(back).map_or("", |at| self.tokens[at].text.as_str());
            let is_visibility = (before(3), before(2), before(1)) == ("pub", "(", "in");
            let place = if is_visibility { Place::Visibility } else { Place::Body };
            self.keep(path, first, None, place);
        }
    }

    /// One tree of a `use` item, up to the `,`, `}` or `;` behind it.
    fn tree(&mut self, prefix: &[String], place: Place) {
        let first = self.at;
        let (mut path, mut renamed) = (prefix.to_vec(), None);
        loop {
            match self.peek(0) {
                "::" => self.at += 1,
                "{" => return self.group(&path, place),
                "as" => {
                    renamed = Some(self.peek(1).to_owned());
                    self.at += 2;
                }
                "self" if !path.is_empty() => self.at += 1,
                name if is_name(name) || name == "*" => {
                    path.push(name.to_owned());
                    self.at += 1;
                }
                _ => break,
            }
        }
        let binds = renamed.or_else(|| path.last().cloned());
        self.keep(path, first, binds, place);
    }

    fn group(&mut self, prefix: &[String], place: Place) {
        self.at += 1;
        while !matches!(self.peek(0), "}" | "") {
            match self.peek(0) {
                "," => self.at += 1,
                _ => {
                    let before = self.at;
                    self.tree(prefix, place);
                    // Whatever is no tree is stepped over, so that a macro's `use $x;` ends too.
                    self.at = self.at.max(before + 1);
                }
            }
        }
        self.at += 1;
    }

    fn keep(&mut self, mut path: Vec<String>, first: usize, binds: Option<String>, place: Place) {
        while path.first().is_some_and(|segment| segment == "self") {
            path.remove(0);
        }
        if !path.is_empty() {
            let inside = self.open.iter().filter(|is_module| **is_module).count();
            self.found.push(Found { path, line: self.tokens[first].line, inside, binds, place });
        }
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Names, `::` and single characters. Comments, texts, characters and lifetimes are left out.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut out: Vec<Token> = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let end = skip(&chars, at);
        if end > at {
            line += chars[at..end].iter().filter(|c| **c == '\n').count();
            at = end;
            continue;
        }
        let length = match chars[at] {
            c if c.is_alphanumeric() || c == '_' => {
                chars[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count()
            }
            ':' if chars.get(at + 1) == Some(&':') => 2,
            _ => 1,
        };
        out.push(Token { text: chars[at..at + length].iter().collect(), line });
        at += length;
    }
    out
}

/// Where the comment, text, character, lifetime or white space that begins here ends; `at` itself if none does.
fn skip(chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    let is_inside_a_name = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    let length = match rest {
        [c, ..] if c.is_whitespace() => 1,
        ['/', '/', ..] => rest.iter().take_while(|c| **c != '\n').count(),
        ['/', '*', ..] => block_comment(rest),
        ['"', ..] => quoted(rest, 1, '"'),
        ['b' | 'c', '"', ..] if !is_inside_a_name => quoted(rest, 2, '"'),
        ['r', '"' | '#', ..] if !is_inside_a_name => raw(rest, 1),
        ['b' | 'c', 'r', '"' | '#', ..] if !is_inside_a_name => raw(rest, 2),
        ['\'', '\\', ..] => quoted(rest, 1, '\''),
        ['\'', _, '\'', ..] => 3,
        ['\'', ..] => 1 + rest[1..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count(),
        _ => 0,
    };
    at + length
}

fn block_comment(rest: &[char]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while at < rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => (at, depth) = (at + 2, depth + 1),
            ['*', '/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(rest: &[char], opening: usize, end: char) -> usize {
    let mut at = opening;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            c if c == end => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `r"..."`, `r#"..."#`; 0 for a raw name (`r#type`), which is no text.
fn raw(rest: &[char], opening: usize) -> usize {
    let hashes = rest[opening..].iter().take_while(|c| **c == '#').count();
    if rest.get(opening + hashes) != Some(&'"') {
        return 0;
    }
    let is_end = |at: usize| {
        rest[at] == '"' && rest[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
    };
    (opening + hashes + 1..rest.len()).find(|at| is_end(*at)).map_or(rest.len(), |at| at + 1 + hashes)
}
