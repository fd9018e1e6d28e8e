//! Keeps texts in an exported CSV from acting as formulas in a spreadsheet,
//! and takes the guard off again on import.

use std::borrow::Cow;

/// Signs with which a spreadsheet may take a text for a formula: the four,
/// their full-width forms, and the blanks that some programs skip first.
const TRIGGERS: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// The text as it goes into a CSV: with a `'` before it where a spreadsheet
/// could take it for a formula. Numbers and phone numbers go as they are.
///
/// A text that already has `'` before such a sign gets one more, so that
/// [`unguard`] always gives back what was.
pub fn guard(text: &str) -> Cow<'_, str> {
    // Few texts begin with a sign or with a letter from where the full-width forms are.
    if !text.starts_with(|first: char| first == '\'' || TRIGGERS.contains(&first)) {
        return Cow::Borrowed(text);
    }
    let bare = text.trim_start_matches('\'');
    let acts = bare.starts_with(TRIGGERS);
    let plain = bare.len() == text.len() && is_number_or_phone(text);
    if acts && !plain { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// The text without the guard; `None` where it has none.
pub fn unguard(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('\'')?;
    rest.trim_start_matches('\'').starts_with(TRIGGERS).then_some(rest)
}

/// `-1.5`, `+44 (0)20 7946-0000`, `-3e5`, `+5 %`: a sign, then digits and
/// what stands between digits, nothing that names a cell or a function.
fn is_number_or_phone(text: &str) -> bool {
    let rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    let body = rest.strip_suffix('%').unwrap_or(rest);
    let (mantissa, exponent) = body.split_once(['e', 'E']).unwrap_or((body, "0"));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let phone = |c: char| c.is_ascii_digit() || " ()./,-".contains(c);
    mantissa.contains(|c: char| c.is_ascii_digit())
        && mantissa.chars().all(phone)
        && !exponent.is_empty()
        && exponent.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_act_gets_a_quote_before_it() {
        for text in [
            "=1+1",
            "=HYPERLINK(\"http://x\")",
            "+A1",
            "-cmd|' /C calc'!A0",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "＝1+1",
            "＋1",
            "－A",
            "＠x",
            "-",
            "+",
            "=",
            "-1+A2",
            "+44e",
            "-2e5e5",
        ] {
            assert_eq!(guard(text), format!("'{text}"), "{text}");
        }
    }

    #[test]
    fn numbers_phones_and_plain_texts_go_as_they_are() {
        for text in
            ["-1", "+1.5", "-1,234.50", "+44 (0)20 7946-0000", "-3e5", "-5%", "", "Zoë", "a=b", "'tis", "1-2"]
        {
            assert_eq!(guard(text), text);
            assert_eq!(unguard(&guard(text)), None);
        }
    }

    #[test]
    fn the_guard_comes_off_as_it_went_on() {
        for text in ["=1", "'=1", "''=1", "'+44", "@", "\tx", "'", "''", "O'Neill", "-7", "'-7"] {
            let guarded = guard(text);
            assert_eq!(unguard(&guarded).unwrap_or(&guarded), text);
        }
    }
}
