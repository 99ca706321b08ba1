//! [`State`]: how far a walk is, in a small file, so that another command goes on from there.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::directory::Place;

/// The form of the file.
const VERSION: u32 = 1;

/// How far a walk is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    version: u32,
    /// All before it is done; `None` = nothing is.
    pub(super) place: Option<Place>,
    /// How many that is.
    pub(super) done: u64,
    /// How many of them brought no current picture.
    pub(super) failed: u64,
}

impl State {
    /// Before the first.
    pub(super) fn beginning() -> Self {
        Self { version: VERSION, place: None, done: 0, failed: 0 }
    }

    /// What was saved; `None` without a file.
    pub(super) fn load(file: &Path) -> anyhow::Result<Option<Self>> {
        let text = match fs::read_to_string(file) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| format!("cannot read {}", file.display()))?,
        };
        let wrong =
            || format!("{} is no state of `warm`: remove it, or begin without --resume", file.display());
        let state: Self = serde_json::from_str(&text).with_context(wrong)?;
        ensure!(state.version == VERSION, wrong());
        Ok(Some(state))
    }

    /// Saves it as a whole: whoever is killed meanwhile leaves the one before.
    pub(super) fn save(&self, file: &Path) -> anyhow::Result<()> {
        let new = PathBuf::from(format!("{}.new", file.display()));
        let text = serde_json::to_string(self).context("no JSON")?;
        let saved = fs::write(&new, text).and_then(|()| fs::rename(&new, file));
        saved.with_context(|| format!("cannot write {}: name another file by --state", file.display()))
    }

    /// Removes the file: there is nothing to go on with.
    pub(super) fn remove(file: &Path) -> anyhow::Result<()> {
        fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_read_and_nothing_else_is_taken_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("warm.json");
        assert_eq!(State::load(&file).unwrap(), None);
        let state = State { done: 7, failed: 1, ..State::beginning() };
        state.save(&file).unwrap();
        assert_eq!(State::load(&file).unwrap(), Some(state));
        for text in ["", "{}", r#"{"version":2,"place":null,"done":0,"failed":0}"#] {
            fs::write(&file, text).unwrap();
            assert!(State::load(&file).is_err(), "{text}");
        }
        State::remove(&file).unwrap();
        assert_eq!(State::load(&file).unwrap(), None);
        assert!(State::beginning().save(&folder.path().join("no/folder")).is_err());
    }
}
