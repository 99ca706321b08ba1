//! Values with a head in clear, for the scripts, which can open no seal. Instances trust the sealed part alone.

use crate::model::Generation;
use crate::store::redis::Open;

/// No tombstone is longer, in bytes.
pub(crate) const MAX_TOMBSTONE: u64 = 256;

impl Open {
    /// A tombstone for `key`. `None`: the system gave no random bytes.
    pub(crate) fn tombstone(&self, key: &str, generation: Generation) -> Option<Vec<u8>> {
        let text = generation.0.to_string();
        let sealed = self.sealer.seal(key, text.as_bytes())?;
        Some([format!("{text}:").as_bytes(), &sealed].concat())
    }

    /// The generation of a tombstone; 0 where there is none, and where it is not sealed by an instance of ours.
    pub(crate) fn read_tombstone(&self, key: &str, tombstone: Vec<u8>) -> Generation {
        if tombstone.is_empty() {
            return Generation::default();
        }
        let generation = behind_head(tombstone, 1).and_then(|sealed| {
            let plain = self.opened(key, sealed)?;
            Generation::parse(std::str::from_utf8(&plain).ok()?)
        });
        generation.unwrap_or_default()
    }
}

/// The part behind so many colons.
pub(crate) fn behind_head(mut value: Vec<u8>, colons: usize) -> Option<Vec<u8>> {
    let mut ends = value.iter().enumerate().filter(|(_, byte)| **byte == b':').map(|(at, _)| at);
    let end = ends.nth(colons - 1)?;
    value.drain(..=end);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sealed_part_may_contain_colons_and_a_value_without_a_head_is_none() {
        assert_eq!(behind_head(b"7:a:b".to_vec(), 1), Some(b"a:b".to_vec()));
        assert_eq!(behind_head(b"7:8:ff:a:b".to_vec(), 3), Some(b"a:b".to_vec()));
        assert_eq!(behind_head(b"7:8".to_vec(), 3), None);
    }
}
