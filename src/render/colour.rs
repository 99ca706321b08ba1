//! The background colours of initials.

use sha2::{Digest, Sha256};

/// White text has a contrast of at least 4.5 : 1 on each of them (WCAG 2.2, 1.4.3); a test computes it.
const PALETTE: [&str; 16] = [
    "#b42318", "#b93815", "#9a4a09", "#855c06", "#5f6b0f", "#3f7011", "#15723a", "#0c7358", "#0e7272",
    "#0b6f8f", "#1769b3", "#3257c9", "#5145cd", "#6c3ac4", "#9530a8", "#b3246f",
];

/// The colour of an id; it never changes.
pub(super) fn of(id: &str) -> &'static str {
    let hash = Sha256::digest(id);
    PALETTE[usize::from(hash[0]) % PALETTE.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// WCAG 2.2: relative luminance.
    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    #[test]
    fn white_text_can_be_read_on_every_colour() {
        for colour in PALETTE {
            let contrast = 1.05 / (luminance(colour) + 0.05);
            assert!(contrast >= 4.5, "{colour}: {contrast:.2}");
        }
    }

    #[test]
    fn an_id_keeps_its_colour_and_ids_share_the_palette() {
        assert_eq!(of("acme"), of("acme"));
        let used: HashSet<_> = (0..500).map(|id| of(&id.to_string())).collect();
        assert_eq!(used.len(), PALETTE.len());
    }
}
