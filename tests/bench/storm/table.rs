//! [`Table`]: what was measured, beside its bound.

use std::fmt;

/// The rows in the order in which they were put in.
pub(crate) struct Table {
    title: String,
    rows: Vec<Row>,
}

struct Row {
    what: String,
    measured: String,
    bound: String,
    is_kept: Option<bool>,
}

impl Table {
    pub(crate) fn new(title: String) -> Self {
        Self { title, rows: Vec::new() }
    }

    /// A figure without a bound.
    pub(crate) fn note(&mut self, what: &str, measured: impl fmt::Display) {
        let row = Row {
            what: what.to_owned(),
            measured: measured.to_string(),
            bound: String::new(),
            is_kept: None,
        };
        self.rows.push(row);
    }

    /// A figure that must keep its bound.
    pub(crate) fn hold(
        &mut self,
        what: &str,
        measured: impl fmt::Display,
        bound: impl fmt::Display,
        is_kept: bool,
    ) {
        let (what, measured, bound) = (what.to_owned(), measured.to_string(), bound.to_string());
        self.rows.push(Row { what, measured, bound, is_kept: Some(is_kept) });
    }

    /// A number with an upper bound.
    pub(crate) fn at_most<N: PartialOrd + fmt::Display>(&mut self, what: &str, measured: N, bound: N) {
        let is_kept = measured <= bound;
        self.hold(what, measured, format!("at most {bound}"), is_kept);
    }

    /// Whether every bound was kept.
    pub(crate) fn is_kept(&self) -> bool {
        self.rows.iter().all(|row| row.is_kept != Some(false))
    }
}

/// As Markdown, for docs/benchmarks.md.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}\n\n| | measured | bound | |\n|---|---|---|---|", self.title)?;
        for Row { what, measured, bound, is_kept } in &self.rows {
            let verdict = match is_kept {
                None => "",
                Some(true) => "kept",
                Some(false) => "BROKEN",
            };
            writeln!(f, "| {what} | {measured} | {bound} | {verdict} |")?;
        }
        Ok(())
    }
}
