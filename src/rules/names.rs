//! How headers, keys and dropdown values are compared.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Characters that no eye sees: zero-width ones and the soft hyphen.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}' | '\u{AD}')
}

/// Takes blanks from both ends: ordinary, non-breaking and zero-width ones.
pub fn trim(text: &str) -> &str {
    // Nearly every cell is ASCII without a blank at its ends.
    let bytes = text.as_bytes();
    if let (Some(first), Some(last)) = (bytes.first(), bytes.last())
        && first.is_ascii_graphic()
        && last.is_ascii_graphic()
    {
        return text;
    }
    text.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

/// The form in which two names are compared: without case, blanks at the
/// ends, and invisible characters; runs of blanks are one blank.
pub fn folded(text: &str) -> Cow<'_, str> {
    let text = trim(text);
    let plain = |b: u8| b.is_ascii_graphic() && !b.is_ascii_uppercase();
    if text.bytes().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    push_folded(text, &mut out);
    Cow::Owned(out)
}

/// Appends the form of [`folded`].
pub fn push_folded(text: &str, out: &mut String) {
    let text = trim(text);
    let begin = out.len();
    if text.is_ascii() {
        push_ascii(text, begin, out);
        return;
    }
    let (mut rest, mut may_combine) = (text, false);
    while !rest.is_empty() {
        let ascii = rest.bytes().position(|byte| !byte.is_ascii()).unwrap_or(rest.len());
        let (seen, behind) = rest.split_at(ascii);
        push_ascii(seen, begin, out);
        let mut foreign = behind.chars();
        if let Some(c) = foreign.next() {
            may_combine |= c >= FIRST_COMBINING;
            push_foreign(c, begin, out);
        }
        rest = foreign.as_str();
    }
    // Composed last: a letter and its accent may have stood apart by what was taken out.
    if may_combine && is_nfc_quick(out[begin..].chars()) != IsNormalized::Yes {
        let composed: String = out[begin..].nfc().collect();
        out.truncate(begin);
        out.push_str(&composed);
    }
}

/// Appends ASCII to the form that begins at `begin`.
fn push_ascii(text: &str, begin: usize, out: &mut String) {
    let from = out.len();
    let one_too_many = text.starts_with(' ') && ends_blank(out, begin);
    if !one_too_many && !has_odd_blanks(text) {
        out.push_str(text);
        out[from..].make_ascii_lowercase();
        return;
    }
    for c in text.chars() {
        if !c.is_whitespace() {
            out.push(c.to_ascii_lowercase());
        } else if !ends_blank(out, begin) {
            out.push(' ');
        }
    }
}

fn push_foreign(c: char, begin: usize, out: &mut String) {
    if c.is_whitespace() {
        if !ends_blank(out, begin) {
            out.push(' ');
        }
    } else if !is_invisible(c) {
        out.extend(c.to_lowercase());
    }
}

/// Whether the form that begins at `begin` ends with a blank.
fn ends_blank(out: &str, begin: usize) -> bool {
    out.len() > begin && out.ends_with(' ')
}

/// No character below it combines with another, and neither does its lower
/// case; that of U+0130 has a dot that stands apart.
const FIRST_COMBINING: char = '\u{130}';

/// Blanks other than single spaces.
fn has_odd_blanks(text: &str) -> bool {
    let mut before = 0;
    for byte in text.bytes() {
        if (b'\t'..=b'\r').contains(&byte) || (byte == b' ' && before == b' ') {
            return true;
        }
        before = byte;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{folded, push_folded, trim};

    #[test]
    fn blanks_that_nobody_sees_do_not_count() {
        assert_eq!(trim("\u{A0} Acme\u{200B} \t"), "Acme");
        assert_eq!(trim("plain"), "plain");
        assert_eq!(trim("  "), "");
    }

    #[test]
    fn names_are_compared_without_case_and_invisible_characters() {
        assert_eq!(folded(" E-Mail\u{A0} Address "), "e-mail address");
        assert_eq!(folded("Na\u{200B}me"), "name");
        assert_eq!(folded("Cafe\u{301}"), folded("CAFÉ"));
        assert_eq!(folded("Cafe\u{200B}\u{301}"), folded("CAFÉ"));
        assert_eq!(folded("already"), "already");
    }

    #[test]
    fn runs_of_blanks_are_one_whatever_stands_beside_them() {
        for odd in ["é \u{200B} é", "é\u{A0} é", "é \u{A0}\u{2009} é", "é\t\u{AD}\n é", "é  é"] {
            assert_eq!(folded(odd), "é é", "{odd:?}");
        }
        let (mut keys, separated) = (String::from("a "), " É b");
        push_folded(separated, &mut keys);
        assert_eq!(keys, "a é b");
    }
}
