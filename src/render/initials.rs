//! The placeholder with the account's initials, and the silhouette where no name is known.

use std::fmt::Write;

use bytes::Bytes;

use super::{colour, name};

/// The system's fonts: none has to be loaded, and they cover the most scripts.
const FONTS: &str = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue','Noto Sans',Arial,sans-serif";
/// Also a size, since an `<img>` without one, and `naturalWidth`, should be that of a picture.
const OPEN: &str =
    r#"<svg xmlns="http://www.w3.org/2000/svg" width="256" height="256" viewBox="0 0 100 100" role="img">"#;
const SILHOUETTE: &str = concat!(
    r##"<rect width="100" height="100" fill="#697586"/>"##,
    r##"<g fill="#e3e8ef"><circle cx="50" cy="39" r="17"/><path d="M16 100a34 34 0 0 1 68 0z"/></g></svg>"##
);

/// One or two initials of `name` in white on the colour of `id`, as [`super::SVG`]; [`neutral`] where there are none.
pub fn initials(id: &str, name: Option<&str>) -> Bytes {
    let Some(initials) = name.and_then(name::initials_of) else { return neutral() };
    // Two wide capitals must stay clear of the edge where a page crops the picture to a circle.
    let size = if initials.chars().any(|c| c == '\u{200c}') { 36 } else { 46 };
    let mut svg = String::with_capacity(512);
    svg.push_str(OPEN);
    let fill = colour::of(id);
    // SECURITY: only the text comes from outside, and it is escaped; the colour is one of a fixed palette.
    let _ = write!(
        svg,
        r##"<rect width="100" height="100" fill="{fill}"/><text x="50" y="50" fill="#fff" font-family="{FONTS}" font-size="{size}" font-weight="600" text-anchor="middle" dominant-baseline="central">"##,
    );
    escape_into(&mut svg, &initials);
    svg.push_str("</text></svg>");
    svg.into()
}

/// A silhouette, as [`super::SVG`], where no name is known.
pub fn neutral() -> Bytes {
    [OPEN, SILHOUETTE].concat().into()
}

fn escape_into(svg: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => svg.push_str("&amp;"),
            '<' => svg.push_str("&lt;"),
            '>' => svg.push_str("&gt;"),
            '"' => svg.push_str("&quot;"),
            '\'' => svg.push_str("&#39;"),
            c => svg.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_xml::events::Event;

    use super::*;

    /// The text of a document that must be well-formed, with `svg`, `rect`, `text`, `g`, `circle`, `path` and no other.
    fn text_of(svg: &[u8]) -> String {
        let mut reader = quick_xml::Reader::from_reader(svg);
        reader.config_mut().check_end_names = true;
        let mut text = String::new();
        let mut open = 0;
        loop {
            match reader.read_event().unwrap() {
                Event::Start(tag) => {
                    assert!(
                        ["svg", "text", "g"].contains(&std::str::from_utf8(tag.name().as_ref()).unwrap())
                    );
                    assert!(tag.attributes().all(|attribute| attribute.is_ok()));
                    open += 1;
                }
                Event::Empty(tag) => {
                    assert!(
                        ["rect", "circle", "path"]
                            .contains(&std::str::from_utf8(tag.name().as_ref()).unwrap())
                    );
                }
                Event::End(_) => open -= 1,
                Event::Text(part) => text.push_str(std::str::from_utf8(&part).unwrap()),
                // An escaped character is an event of its own.
                Event::GeneralRef(name) => text.push(match std::str::from_utf8(&name).unwrap() {
                    "amp" => '&',
                    "lt" => '<',
                    "gt" => '>',
                    "quot" => '"',
                    "#39" => '\'',
                    other => panic!("&{other};"),
                }),
                Event::Eof => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(open, 0, "an element is left open");
        text
    }

    #[test]
    fn the_text_is_the_initials() {
        assert_eq!(text_of(&initials("acme", Some("Acme Coffee"))), "A\u{200c}C");
        assert_eq!(initials("acme", Some("Acme")), initials("acme", Some("Acme")));
    }

    #[test]
    fn a_reserved_character_within_an_initial_is_escaped() {
        // U+0D4E joins what follows it, a quotation mark too, to one cluster.
        assert_eq!(text_of(&initials("acme", Some("\u{d4e}\""))), "\u{d4e}\"");
    }

    #[test]
    fn without_a_name_it_is_the_silhouette() {
        for name in [None, Some(""), Some("<script>").map(|_| "<>")] {
            assert_eq!(initials("acme", name), neutral());
        }
        assert_eq!(text_of(&neutral()), "");
    }

    #[test]
    fn the_picture_has_no_style_no_script_and_no_address() {
        let svg =
            String::from_utf8(initials("a", Some("<script>alert(1)</script> \" onload=x")).to_vec()).unwrap();
        for word in ["<style", "style=", "script", "href", "onload", "url("] {
            assert!(!svg.contains(word), "{word}: {svg}");
        }
    }

    #[test]
    fn characters_that_xml_reserves_are_escaped() {
        let mut escaped = String::new();
        escape_into(&mut escaped, "<&>\"'");
        assert_eq!(escaped, "&lt;&amp;&gt;&quot;&#39;");
    }

    proptest! {
        #[test]
        fn any_name_makes_a_small_well_formed_picture(id in ".{0,64}", name in any::<String>()) {
            let svg = initials(&id, Some(&name));
            prop_assert!(svg.len() < 1024);
            let text = text_of(&svg);
            prop_assert!(text.chars().all(|c| !c.is_control()));
        }
    }
}
