//! Texts written so that YAML gives back the same text, whatever they hold.

use std::fmt::Write;

use crate::rules::names::is_invisible;

/// Words that other readers of YAML take for something else than a text.
const WORDS: [&str; 11] = ["yes", "no", "on", "off", "true", "false", "null", "y", "n", "nil", "none"];

/// A text as one value of a YAML document, in quotes where it needs them.
pub fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// Several texts as `[a, b]`.
pub fn list<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let texts: Vec<String> = texts.into_iter().map(scalar).collect();
    format!("[{}]", texts.join(", "))
}

/// Whether a text can stand as it is, inside brackets too.
fn is_plain(text: &str) -> bool {
    let letter = |c: char| c.is_alphanumeric() && !is_special(c);
    let inside = |c: char| letter(c) || " _-./()&+€$£".contains(c);
    text.len() <= 200
        && text.starts_with(letter)
        && !text.ends_with(' ')
        && text.chars().all(inside)
        && text.chars().any(char::is_alphabetic)
        && !WORDS.contains(&text.to_lowercase().as_str())
        && text.parse::<f64>().is_err()
        && !text.starts_with("0x")
        && !text.starts_with("0o")
}

/// A text in double quotes.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        // Writing into a text cannot fail.
        let _ = match (c, u32::from(c)) {
            ('"' | '\\', _) => write!(out, "\\{c}"),
            ('\n', _) => write!(out, "\\n"),
            ('\t', _) => write!(out, "\\t"),
            (_, code @ 0..=0xFF) if is_special(c) => write!(out, "\\x{code:02X}"),
            (_, code @ 0..=0xFFFF) if is_special(c) => write!(out, "\\u{code:04X}"),
            (_, code) if is_special(c) => write!(out, "\\U{code:08X}"),
            _ => write!(out, "{c}"),
        };
    }
    out.push('"');
    out
}

/// Characters that cannot be seen, or that YAML does not take.
fn is_special(c: char) -> bool {
    let blank = c.is_whitespace() && c != ' ';
    let direction = matches!(c, '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{61C}');
    let unassigned =
        matches!(c, '\u{E000}'..='\u{F8FF}' | '\u{FFF0}'..='\u{FFFF}') || u32::from(c) >= 0xE_0000;
    let no_character = u32::from(c) & 0xFFFE == 0xFFFE;
    c.is_control() || blank || direction || unassigned || no_character || is_invisible(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_texts_stay_plain_and_all_others_are_quoted() {
        for plain in
            ["Company", "E-Mail", "Straße", "Umsatz (€)", "addresscounty/state", "2yearpolicy", "St. No 7"]
        {
            assert_eq!(scalar(plain), plain);
        }
        for (text, wanted) in [
            ("", r#""""#),
            ("~", r#""~""#),
            ("No", r#""No""#),
            ("0755", r#""0755""#),
            ("2024-01-01", r#""2024-01-01""#),
            ("1e5", r#""1e5""#),
            ("Interne Nr.: 5", r#""Interne Nr.: 5""#),
            ("a #b", r#""a #b""#),
            ("say \"hi\"\\", r#""say \"hi\"\\""#),
            (" lead", r#"" lead""#),
            ("a\nb\u{7}\u{200B}", r#""a\nb\x07\u200B""#),
            ("Name#2", r#""Name#2""#),
            ("- x", r#""- x""#),
            ("😀", r#""😀""#),
        ] {
            assert_eq!(scalar(text), wanted);
        }
        assert_eq!(list(["first", "no"]), r#"[first, "no"]"#);
    }
}
