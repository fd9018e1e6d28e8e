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
    if text.is_ascii() && !has_odd_blanks(text) {
        out.push_str(text);
        out[begin..].make_ascii_lowercase();
        return;
    }
    let (mut after_blank, mut may_combine) = (false, false);
    for c in text.chars().filter(|&c| !is_invisible(c)) {
        if c.is_whitespace() {
            if !after_blank {
                out.push(' ');
            }
            after_blank = true;
            continue;
        }
        after_blank = false;
        may_combine |= c >= FIRST_COMBINING;
        if c.is_ascii() {
            out.push(c.to_ascii_lowercase());
        } else {
            out.extend(c.to_lowercase());
        }
    }
    // Composed last: a letter and its accent may have stood apart by what was taken out.
    if may_combine && is_nfc_quick(out[begin..].chars()) != IsNormalized::Yes {
        let composed: String = out[begin..].nfc().collect();
        out.truncate(begin);
        out.push_str(&composed);
    }
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
    use super::{folded, trim};

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
}
