//! The two streams, and how text gets onto them.
//!
//! Data goes to standard output, everything else to standard error. A reader
//! that has gone away (`| head`) is no fault.

use std::fmt;
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;

use super::args::ColorWhen;
pub use crate::model::{count, thousands};

/// Whether colours may be used on standard output and standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Colors {
    /// On standard output.
    pub out: bool,
    /// On standard error.
    pub err: bool,
}

impl Colors {
    /// As asked for; `auto` looks at the terminal and at `NO_COLOR`.
    pub fn new(when: ColorWhen) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        match when {
            ColorWhen::Always => Self { out: true, err: true },
            ColorWhen::Never => Self::default(),
            ColorWhen::Auto if no_color || dumb => Self::default(),
            ColorWhen::Auto => {
                Self { out: std::io::stdout().is_terminal(), err: std::io::stderr().is_terminal() }
            }
        }
    }
}

/// A text in a style, plain where colours are off.
pub fn styled(on: bool, style: &str, text: &str) -> String {
    if on { format!("\u{1b}[{style}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Bold.
pub const BOLD: &str = "1";
/// Bold and red, for `error`.
pub const ERROR: &str = "1;31";
/// Bold and yellow, for `notice`.
pub const NOTICE: &str = "1;33";

/// Why standard output did not take everything, if it did not.
static LOST: OnceLock<String> = OnceLock::new();

/// Writes a line of data to standard output.
pub fn data(line: impl fmt::Display) {
    bytes(format!("{line}\n").as_bytes());
}

/// Writes data to standard output as it is.
pub fn bytes(data: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(data).and_then(|()| stdout.flush()) {
        Ok(()) => {}
        // Nobody wants more.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(error) => {
            LOST.get_or_init(|| crate::pipeline::io_words(&error));
        }
    }
}

/// Why standard output (a full disk, perhaps) did not take everything, if it did not.
pub fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}

/// Writes a line for people to standard error.
pub fn aside(line: impl fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A duration as people say it: `0.4 s`, `38 s`, `5 m 04 s`, `2 h 05 m`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        _ if seconds < 9.95 => format!("{seconds:.1} s"),
        0..60 => format!("{whole} s"),
        60..3_600 => format!("{} m {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} m", whole / 3_600, whole % 3_600 / 60),
    }
}

/// A table with aligned columns, two blanks between them; the last is not padded.
pub fn table(header: &[&str], rows: &[Vec<String>], bold: bool) -> String {
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        cells.chain([header[at].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &[&str]| {
        let mut out = String::new();
        for (at, cell) in cells.iter().enumerate() {
            out.push_str(cell);
            if at + 1 < cells.len() {
                out.push_str(&" ".repeat(widths[at] - cell.chars().count() + 2));
            }
        }
        out.trim_end().to_owned()
    };
    let mut out = styled(bold, BOLD, &line(header));
    for row in rows {
        out.push('\n');
        out.push_str(&line(&row.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_people_read_them() {
        assert_eq!([0.42, 38.0, 304.0, 7_500.0].map(duration), ["0.4 s", "38 s", "5 m 04 s", "2 h 05 m"]);
    }

    #[test]
    fn tables_are_aligned() {
        let rows = [vec!["a".to_owned(), "x".to_owned()], vec!["bbbb".to_owned(), String::new()]];
        assert_eq!(table(&["one", "two"], &rows, false), "one   two\na     x\nbbbb");
    }
}
