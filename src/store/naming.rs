//! Names of files that are made from what a CRM says.

use unicode_normalization::UnicodeNormalization;

use crate::model::acts;

/// Most bytes of a name, but for the number in front of it: file systems take 255, and a name may
/// be kept beside itself with more at its end.
const MOST: usize = 150;

/// Most bytes that are taken for an ending.
const MOST_ENDING: usize = 16;

/// The one name under which a document's file is kept: its id, which no other one has, and as much
/// of its name as every system takes.
///
/// A path is no part of it, nor is anything that acts on a terminal or turns the writing direction;
/// what a system gives a meaning to becomes `_`. With the id in front no name is reserved, and no
/// two differ by case alone.
pub fn document_file_name(id: u64, name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.nfc().filter(|c| !acts(*c) || c.is_whitespace()).map(plain).collect();
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let name = cut(plain.trim_matches(['.', ' ']));
    if name.is_empty() { id.to_string() } else { format!("{id} {name}") }
}

/// Whether a name may be one of those.
pub fn is_document_file_name(id: u64, name: &str) -> bool {
    let rest = name.strip_prefix(&id.to_string());
    rest.is_some_and(|rest| document_file_name(id, rest) == name)
}

fn plain(c: char) -> char {
    match c {
        '<' | '>' | ':' | '"' | '|' | '?' | '*' | '\u{fffd}' => '_',
        c => c,
    }
}

/// Cuts what is too long before its ending.
fn cut(name: &str) -> String {
    if name.len() <= MOST {
        return name.to_owned();
    }
    let ending = name.rfind('.').and_then(|at| name.get(at..)).filter(|ending| ending.len() <= MOST_ENDING);
    let ending = ending.unwrap_or_default();
    let most = MOST - ending.len();
    let end = (0..=most).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    format!("{}{ending}", name.get(..end).unwrap_or_default().trim_end_matches(['.', ' ']))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_stay_as_people_wrote_them_where_every_system_takes_them() {
        for (name, made) in [
            ("Offer 2026.pdf", "7 Offer 2026.pdf"),
            ("Grüße & 漢字.docx", "7 Grüße & 漢字.docx"),
            ("../../etc/passwd", "7 passwd"),
            ("C:\\Users\\x\\a.txt", "7 a.txt"),
            ("a:b?*.txt", "7 a_b__.txt"),
            ("CON", "7 CON"),
            ("..", "7"),
            ("", "7"),
            (" .hidden. ", "7 hidden"),
            ("a\u{202E}fdp.exe\u{0}\u{7}", "7 afdp.exe"),
            ("a\r\n\tb.txt", "7 a b.txt"),
            ("offer/", "7"),
        ] {
            assert_eq!(document_file_name(7, name), made, "{name:?}");
        }
        let long = document_file_name(7, &format!("{}.pdf", "ä".repeat(300)));
        assert!(long.len() <= MOST + 2 && long.ends_with("ä.pdf"), "{long}");
    }

    #[test]
    fn a_name_from_elsewhere_is_held_against_the_rules() {
        assert!(is_document_file_name(7, "7 Offer.pdf") && is_document_file_name(7, "7"));
        for name in ["8 Offer.pdf", "7 ../x", "7/x", "../7 x", "77 x", "7  x", "", "7x"] {
            assert!(!is_document_file_name(7, name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_name_is_one_part_of_a_path_and_names_itself(id: u64, name in ".{0,300}") {
            let made = document_file_name(id, &name);
            prop_assert!(made.len() <= MOST + 21);
            prop_assert!(!made.chars().any(|c| c.is_control() || "/\\:<>\"|?*".contains(c)));
            prop_assert!(!made.ends_with(['.', ' ']));
            prop_assert!(is_document_file_name(id, &made));
        }
    }
}
