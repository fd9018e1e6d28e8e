//! The one place that makes foreign text fit to be shown.
//!
//! Cells, server messages and file names may hold terminal escapes, line
//! breaks or marks that turn the writing direction. Whatever a person reads
//! goes through [`shown`].

use std::fmt;

/// Foreign text, displayed with everything that could act on a terminal or
/// mislead the eye written as `\u{..}`.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    text: &'a str,
    limit: usize,
}

/// Text fit to be shown: escaped, and cut after 500 characters.
pub fn shown(text: &str) -> Shown<'_> {
    Shown { text, limit: 500 }
}

impl Shown<'_> {
    /// The same, cut after `limit` characters.
    #[must_use]
    pub fn cut(self, limit: usize) -> Self {
        Self { limit, ..self }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for (at, c) in self.text.chars().enumerate() {
            if at == self.limit {
                return f.write_char('…');
            }
            match c {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if acts(c) => write!(f, "\\u{{{:X}}}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Control characters, marks of writing direction, invisible characters.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{61C}')
}

/// Takes every occurrence of a secret out of a text.
///
/// A server may echo the token in an error message; this is run over all
/// server text before it is kept or shown.
pub fn redact(text: &str, secret: &str) -> String {
    if secret.is_empty() { text.to_owned() } else { text.replace(secret, "<hidden>") }
}

#[cfg(test)]
mod tests {
    use super::{redact, shown};

    #[test]
    fn escapes_what_acts_on_a_terminal_and_keeps_the_rest() {
        assert_eq!(shown("Ünïcode 漢字").to_string(), "Ünïcode 漢字");
        assert_eq!(shown("a\u{1b}[31mb\u{7}").to_string(), "a\\u{1B}[31mb\\u{7}");
        assert_eq!(shown("x\u{202E}y\u{200B}z\n").to_string(), "x\\u{202E}y\\u{200B}z\\n");
        assert_eq!(shown("abcdef").cut(3).to_string(), "abc…");
    }

    #[test]
    fn secrets_are_taken_out() {
        assert_eq!(redact("bad token s3cret!", "s3cret"), "bad token <hidden>!");
        assert_eq!(redact("text", ""), "text");
    }
}
