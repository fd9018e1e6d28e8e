//! The one place that makes foreign text fit to be shown.
//!
//! Cells, server messages and file names may hold terminal escapes, line
//! breaks or marks that turn the writing direction. Whatever a person reads
//! goes through [`shown`].

use std::fmt;
use std::path::Path;

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

/// A path fit to be shown, whole.
pub fn shown_path(path: &Path) -> String {
    shown(&path.display().to_string()).cut(usize::MAX).to_string()
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
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{61C}')
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn escapes_what_acts_on_a_terminal_and_keeps_the_rest() {
        assert_eq!(shown("Ünïcode 漢字").to_string(), "Ünïcode 漢字");
        assert_eq!(shown("a\u{1b}[31mb\u{7}").to_string(), "a\\u{1B}[31mb\\u{7}");
        assert_eq!(shown("x\u{202E}y\u{200B}z\n").to_string(), "x\\u{202E}y\\u{200B}z\\n");
        assert_eq!(shown("abcdef").cut(3).to_string(), "abc…");
    }
}
