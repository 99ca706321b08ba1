//! From a name in any script to the one or two characters that stand for it.

use unicode_segmentation::UnicodeSegmentation;

/// How much of a name is read, in characters.
const MAX_NAME: usize = 256;
/// A letter and its combining marks, in characters; more would run out of the picture.
const MAX_LETTER: usize = 4;
/// An emoji and its modifiers, in characters; the longest in use (families, flags of regions) have ten or fewer.
const MAX_EMOJI: usize = 12;
/// Keeps two Arabic letters from joining as if they were one word.
const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';

/// The initials of the first and the last word; only one where a script's characters are wide, or where a name has an emoji
/// and neither letters nor digits. `None` where nothing can be shown.
pub(super) fn initials_of(name: &str) -> Option<String> {
    let name: String = name.chars().take(MAX_NAME).filter_map(shown).collect();
    let mut words = name.split(is_gap).filter_map(first_letter);
    let Some(first) = words.next() else { return first_emoji(&name) };
    let mut initials = upper(first);
    if !is_wide(first)
        && let Some(last) = words.next_back().filter(|last| !is_wide(last))
    {
        initials.push(ZERO_WIDTH_NON_JOINER);
        initials.push_str(&upper(last));
    }
    Some(initials)
}

/// SECURITY: control characters would make the SVG malformed (XML 1.0 2.2), and bidirectional controls could reorder it;
/// invisible and private characters are no initials either.
fn shown(c: char) -> Option<char> {
    match c {
        '\t' | '\n' | '\r' => Some(' '),
        '\u{ad}'
        | '\u{61c}'
        | '\u{200b}'
        | '\u{200c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{202a}'..='\u{202e}' => None,
        '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}' | '\u{fdd0}'..='\u{fdef}' => None,
        '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}' => None,
        c if c.is_control() || u32::from(c) & 0xfffe == 0xfffe => None,
        c => Some(c),
    }
}

/// Separates words in names and in handles such as `jane.doe_x`.
fn is_gap(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '.' | '_' | '-' | ',' | '/' | '|' | '·' | '•' | '・' | '–' | '—' | '&' | '+')
}

fn first_letter(word: &str) -> Option<&str> {
    let cluster = word.graphemes(true).find(|cluster| cluster.starts_with(char::is_alphanumeric))?;
    // A keycap emoji is its digit.
    let letter = cluster.split('\u{fe0f}').next()?;
    Some(cut(letter, MAX_LETTER))
}

fn first_emoji(name: &str) -> Option<String> {
    let cluster = name.graphemes(true).find(|cluster| cluster.starts_with(is_pictorial))?;
    let fits = cluster.chars().count() <= MAX_EMOJI;
    Some(cut(cluster, if fits { MAX_EMOJI } else { 1 }).to_owned())
}

fn cut(cluster: &str, most: usize) -> &str {
    cluster.char_indices().nth(most).map_or(cluster, |(end, _)| &cluster[..end])
}

/// Arrows, symbols, dingbats and emoji; not the punctuation of Chinese and Japanese.
fn is_pictorial(c: char) -> bool {
    matches!(c, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
}

/// Chinese, Japanese and Korean, in all their blocks: one such character fills the picture.
fn is_wide(cluster: &str) -> bool {
    cluster.starts_with(|c| {
        matches!(c, '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7ff}')
            || matches!(c, '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}' | '\u{20000}'..='\u{3ffff}')
    })
}

/// In capitals, unless one letter becomes two, as `ß` would.
fn upper(cluster: &str) -> String {
    let upper = cluster.to_uppercase();
    if upper.chars().count() == cluster.chars().count() { upper } else { cluster.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_many_scripts_have_the_initials_their_readers_expect() {
        for (name, initials) in [
            ("Acme", "A"),
            ("acme coffee roasters", "A|R"),
            ("jane.doe_x", "J|X"),
            ("@handle", "H"),
            ("  \"Quoted\" <Name> ", "Q|N"),
            ("3 Musketeers", "3|M"),
            ("Élodie Ünal", "É|Ü"),
            ("e\u{301}lodie", "E\u{301}"),
            ("ßuper", "ß"),
            ("Жанна Ивановна", "Ж|И"),
            ("Ελένη", "Ε"),
            ("محمد علي", "م|ع"),
            ("שרה כהן", "ש|כ"),
            ("山田 太郎", "山"),
            ("김철수", "김"),
            ("ガスト", "ガ"),
            ("नेहा शर्मा", "ने|श"),
            ("สมชาย", "ส"),
            ("Tom & Jerry", "T|J"),
            ("1\u{fe0f}\u{20e3} First", "1|F"),
            ("🔥 Fire", "F"),
            ("🔥🔥", "🔥"),
            ("👩‍👩‍👧‍👦", "👩‍👩‍👧‍👦"),
            ("🇩🇪", "🇩🇪"),
            ("Acme \u{202e}evil", "A|E"),
            ("\0\u{1}B\u{ffff}ob", "B"),
        ] {
            let expected = initials.replace('|', "\u{200c}");
            assert_eq!(initials_of(name).as_deref(), Some(expected.as_str()), "{name:?}");
        }
    }

    #[test]
    fn a_name_without_anything_to_show_has_none() {
        for name in ["", "   ", "...", "\u{200b}", "<>", "\u{e000}", "\u{301}", "【】", "!?"] {
            assert_eq!(initials_of(name), None, "{name:?}");
        }
    }

    #[test]
    fn decoration_is_bounded() {
        let zalgo = format!("Z{}", "\u{301}".repeat(1000));
        assert_eq!(initials_of(&zalgo).unwrap().chars().count(), MAX_LETTER);
        let endless = "👩\u{200d}".repeat(100);
        assert!(initials_of(&endless).unwrap().chars().count() <= MAX_EMOJI);
        assert_eq!(initials_of(&"long ".repeat(1_000_000)).unwrap().chars().count(), 3);
    }
}
