//! Complaints about a mapping file: where, what, and the nearest right name.

use std::fmt;

use super::language::LanguageError;
use crate::model::shown;

/// A place in a text file; lines and columns count from 1, in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The first character.
    pub column: usize,
    /// How many characters to underline, at least 1.
    pub length: usize,
}

impl Place {
    /// Moves a place beyond the text's end (a bracket that is never closed) to
    /// the end of its last line, and one beyond its line's end to that.
    fn clamp_to(&mut self, text: &str) {
        let lines = text.lines().count().max(1);
        let line = self.line.min(lines);
        let length = text.lines().nth(line.saturating_sub(1)).unwrap_or("").chars().count();
        if self.line > lines || self.column > length {
            *self = Self { line, column: length + 1, length: 1 };
        } else {
            self.length = self.length.min(length + 1 - self.column);
        }
    }
}

/// A value and the place where it stands in the mapping file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Located<T> {
    /// Where it stands.
    pub place: Place,
    /// What stands there.
    pub value: T,
}

impl<T> Located<T> {
    /// Puts a value at a place.
    pub fn new(place: Place, value: T) -> Self {
        Self { place, value }
    }
}

/// One thing wrong with a mapping.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where, if it has a place in the file.
    pub place: Option<Place>,
    /// What is wrong, without a line break.
    pub message: String,
    /// What stands under the marker: the nearest name, what is expected.
    pub hint: Option<String>,
    /// A command or act that helps.
    pub advice: Option<String>,
}

impl Problem {
    /// A problem at a place. What no text was read for (a mapping made of a
    /// header) has the place 0, which is none.
    pub fn at(place: Place, message: impl Into<String>) -> Self {
        let place = (place.line > 0).then_some(place);
        Self { place, message: message.into(), hint: None, advice: None }
    }

    /// A problem inside a condition or an expression that stands at a place of
    /// the file. Where its text goes over several lines, the whole is marked.
    pub fn inside(whole: &Located<String>, error: LanguageError) -> Self {
        let place = whole.place;
        // A text in quotes begins behind its quote.
        let quoted = usize::from(place.length > whole.value.chars().count());
        let one_line = !whole.value.contains('\n') && place.length >= whole.value.chars().count();
        let place = match one_line && place.line > 0 {
            true => Place { column: place.column + quoted + error.at, length: error.length.max(1), ..place },
            false => place,
        };
        let problem = Self::at(place, error.message);
        match error.hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }

    /// A problem of the mapping as a whole.
    pub fn whole(message: impl Into<String>) -> Self {
        Self { place: None, message: message.into(), hint: None, advice: None }
    }

    /// Adds the words under the marker.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the nearest name, if there is one.
    #[must_use]
    pub fn nearest(self, name: Option<&str>) -> Self {
        match name {
            Some(name) => self.hint(format!("nearest: {}", shown(name))),
            None => self,
        }
    }

    /// Adds a command or act that helps.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// All that is wrong with one mapping, with its text to show the lines.
#[derive(Clone, Debug)]
pub struct Problems {
    /// The file's name as the user gave it.
    pub file: String,
    /// The file's text.
    pub text: String,
    /// At least one.
    pub problems: Vec<Problem>,
}

impl Problems {
    /// Problems of a file, in the order of their places and without repeats.
    pub fn new(file: &str, text: &str, mut problems: Vec<Problem>) -> Self {
        problems
            .iter_mut()
            .filter_map(|problem| problem.place.as_mut())
            .for_each(|place| place.clamp_to(text));
        problems.sort();
        problems.dedup();
        Self { file: file.to_owned(), text: text.to_owned(), problems }
    }

    /// The same problems and further ones.
    #[must_use]
    pub fn and(mut self, more: Vec<Problem>) -> Self {
        self.problems.extend(more);
        Self::new(&self.file, &self.text, self.problems)
    }

    /// The first place, as `line:column`.
    pub fn first_place(&self) -> Option<String> {
        let place = self.problems.iter().find_map(|p| p.place)?;
        Some(format!("{}:{}:{}", self.file, place.line, place.column))
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
                write!(f, "error: ")?;
            }
            self.show(problem, f)?;
        }
        Ok(())
    }
}

impl Problems {
    fn show(&self, problem: &Problem, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", problem.message)?;
        let Some(place) = problem.place else {
            if !self.file.is_empty() {
                write!(f, "\n  --> {}", shown(&self.file))?;
            }
            if let Some(hint) = &problem.hint {
                write!(f, "\n   = {hint}")?;
            }
            return problem.advice.iter().try_for_each(|advice| write!(f, "\n   = see: {advice}"));
        };
        write!(f, "\n  --> {}:{}:{}", shown(&self.file), place.line, place.column)?;
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        let line = self.text.lines().nth(place.line.saturating_sub(1)).unwrap_or("");
        let (line, marker) = marked_line(line, place.column.saturating_sub(1), place.length);
        write!(f, "\n{number} | {line}\n{margin} | {marker}")?;
        if let Some(hint) = &problem.hint {
            write!(f, " {hint}")?;
        }
        problem.advice.iter().try_for_each(|advice| write!(f, "\n{margin} = see: {advice}"))
    }
}

/// Most characters of a line that are shown, and of those before the marked place.
const MOST_SHOWN: usize = 160;
const MOST_BEFORE: usize = 60;

/// A line fit to be shown, and the marker that stands under its characters
/// from the 0-based `at`. Of a long line, the part around the place.
pub fn marked_line(line: &str, at: usize, length: usize) -> (String, String) {
    // A tab would shift the marker, so it is shown as one blank.
    let plain = |c: char| if matches!(c, '\t' | '\n' | '\r') { ' ' } else { c };
    let chars: Vec<char> = line.chars().map(plain).collect();
    let at = at.min(chars.len());
    let is_far = chars.len() > MOST_SHOWN && at > MOST_SHOWN - MOST_BEFORE;
    let start = if is_far { at - MOST_BEFORE } else { 0 };
    let end = chars.len().min(start + MOST_SHOWN);
    let shown_part = |from: usize, to: usize| {
        shown(&chars[from..to].iter().collect::<String>()).cut(MOST_SHOWN).to_string()
    };
    let before = format!("{}{}", if is_far { "…" } else { "" }, shown_part(start, at));
    let behind = if end < chars.len() { "…" } else { "" };
    let marked = shown_part(at, at.saturating_add(length).clamp(at, end)).chars().count().max(1);
    let marker = format!("{}{}", " ".repeat(before.chars().count()), "^".repeat(marked));
    (format!("{before}{}{behind}", shown_part(at, end)), marker)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(line: &str, at: usize, length: usize) -> String {
        let (line, marker) = marked_line(line, at, length);
        format!("{line}\n{marker}")
    }

    #[test]
    fn the_marker_stands_under_its_place_whatever_is_before_it() {
        assert_eq!(marked("a: bc", 3, 2), "a: bc\n   ^^");
        assert_eq!(marked("\ta: bc", 4, 2), " a: bc\n    ^^");
        assert_eq!(marked("\u{200B}x", 1, 1), "\\u{200B}x\n        ^");
        assert_eq!(marked("short", 99, 7), "short\n     ^");
        assert_eq!(marked("", 0, 0), "\n^");
    }

    #[test]
    fn of_a_long_line_the_part_around_the_place_is_shown() {
        let line = format!("{}HERE{}", "x".repeat(5_000), "y".repeat(5_000));
        let (shown, marker) = marked_line(&line, 5_000, 4);
        assert_eq!(shown.chars().nth(marker.find('^').unwrap()), Some('H'));
        assert!(shown.starts_with('…') && shown.ends_with('…') && shown.chars().count() < 200, "{shown}");
    }

    #[test]
    fn a_place_beyond_its_line_is_told_as_the_end_of_it() {
        let at = |line, column, length| Problem::at(Place { line, column, length }, "x");
        let places = |problem| Problems::new("", "abc\n\nde", vec![problem]).problems[0].place.unwrap();
        assert_eq!(places(at(1, 9, 2)), Place { line: 1, column: 4, length: 1 });
        assert_eq!(places(at(1, 2, 9)), Place { line: 1, column: 2, length: 2 });
        assert_eq!(places(at(2, 1, 1)), Place { line: 2, column: 1, length: 1 });
        assert_eq!(places(at(7, 1, 1)), Place { line: 3, column: 3, length: 1 });
    }

    #[test]
    fn a_problem_without_a_place_in_a_file_does_not_panic() {
        let nowhere = Problem::at(Place::default(), "a column stands twice").hint("rename one");
        let far = Problem::at(Place { line: 9, column: 4, length: 9 }, "beyond the end");
        let text = Problems::new("", "", vec![nowhere, far]).to_string();
        assert!(text.starts_with("a column stands twice\n   = rename one"), "{text}");
    }
}
