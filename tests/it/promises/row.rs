//! [`Row`]: one row of README's table, and the tests that prove it.

/// What a viewer is promised in one situation.
#[derive(Clone)]
pub(super) struct Row {
    situation: String,
    shown: String,
    asked: String,
    /// Tests of this binary, by themselves so that none can go while its row stays.
    pub(super) proofs: &'static [fn()],
}

impl Row {
    pub(super) fn new(
        situation: impl Into<String>,
        shown: impl Into<String>,
        asked: impl Into<String>,
        proofs: &'static [fn()],
    ) -> Self {
        Self { situation: situation.into(), shown: shown.into(), asked: asked.into(), proofs }
    }

    /// As Markdown.
    pub(super) fn line(&self) -> String {
        let Self { situation, shown, asked, .. } = self;
        format!("| {situation} | {shown} | {asked} |\n")
    }
}
