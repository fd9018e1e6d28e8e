//! Complaints about a mapping file: where, what, and the nearest right name.

use std::fmt;

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
    /// A problem at a place.
    pub fn at(place: Place, message: impl Into<String>) -> Self {
        Self { place: Some(place), message: message.into(), hint: None, advice: None }
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
        problems.sort();
        problems.dedup();
        Self { file: file.to_owned(), text: text.to_owned(), problems }
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
            write!(f, "\n  --> {}", shown(&self.file))?;
            if let Some(hint) = &problem.hint {
                write!(f, "\n   = {hint}")?;
            }
            return problem.advice.iter().try_for_each(|advice| write!(f, "\n   = see: {advice}"));
        };
        write!(f, "\n  --> {}:{}:{}", shown(&self.file), place.line, place.column)?;
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        let line = self.text.lines().nth(place.line.saturating_sub(1)).unwrap_or("");
        // A tab would shift the marker, so it is shown as one blank.
        let plain = line.replace('\t', " ");
        let blanks = " ".repeat(place.column.saturating_sub(1));
        let room = plain.chars().count().saturating_sub(place.column - 1).max(1);
        let marker = "^".repeat(place.length.clamp(1, room));
        write!(f, "\n{number} | {}", shown(&plain).cut(160))?;
        write!(f, "\n{margin} | {blanks}{marker}")?;
        if let Some(hint) = &problem.hint {
            write!(f, " {hint}")?;
        }
        problem.advice.iter().try_for_each(|advice| write!(f, "\n{margin} = see: {advice}"))
    }
}
