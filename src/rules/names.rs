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
    let mut after_blank = false;
    for c in text.chars().filter(|&c| !is_invisible(c)) {
        if c.is_whitespace() {
            if !after_blank {
                out.push(' ');
            }
            after_blank = true;
        } else {
            out.extend(c.to_lowercase());
            after_blank = false;
        }
    }
    // Composed last: a letter and its accent may have stood apart by what was taken out.
    match is_nfc_quick(out.chars()) {
        IsNormalized::Yes => Cow::Owned(out),
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(out.nfc().collect()),
    }
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
