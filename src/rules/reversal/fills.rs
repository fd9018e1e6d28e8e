//! Which fields fill which columns, and how texts are cut into several columns
//! or put together from several fields.

use std::collections::HashSet;

use crate::rules::mapping::{FieldRule, Part};
use crate::rules::program::{Origin, Program};

/// How one column, or several that belong together, are filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    /// A field fills a column.
    One { field: usize, column: usize },
    /// A field fills several columns, which an import joins.
    Cut { field: usize, columns: Vec<usize>, between: String },
    /// Several fields fill a column, which an import cuts.
    Parts { column: usize, by: String, fields: Vec<(usize, Part)> },
}

impl Fill {
    /// The fields that it writes.
    pub fn fields(&self) -> Vec<usize> {
        match self {
            Self::One { field, .. } | Self::Cut { field, .. } => vec![*field],
            Self::Parts { fields, .. } => fields.iter().map(|(field, _)| *field).collect(),
        }
    }

    /// The columns that it fills.
    pub fn columns(&self) -> &[usize] {
        match self {
            Self::One { column, .. } | Self::Parts { column, .. } => std::slice::from_ref(column),
            Self::Cut { columns, .. } => columns,
        }
    }
}

/// The fills of a mapping. Of several fields that read one column, those that cut it alike fill it
/// together; else the first one does that takes it whole.
pub(super) fn fills(program: &Program, rules: &[&FieldRule]) -> Vec<Fill> {
    let mut fills = Vec::new();
    let mut taken: HashSet<usize> = HashSet::new();
    for (at, field) in program.fields.iter().enumerate() {
        let fill = match &field.origin {
            Origin::Column(column) => whole_or_parts(program, rules, at, *column),
            Origin::Joined(columns, between) => {
                Fill::Cut { field: at, columns: columns.clone(), between: between.clone() }
            }
            Origin::Constant(_) | Origin::Expression(_) => continue,
        };
        let columns: HashSet<usize> = fill.columns().iter().copied().collect();
        if columns.len() == fill.columns().len() && taken.is_disjoint(&columns) {
            taken.extend(columns);
            fills.push(fill);
        }
    }
    fills
}

fn whole_or_parts(program: &Program, rules: &[&FieldRule], at: usize, column: usize) -> Fill {
    let of_column = program
        .fields
        .iter()
        .enumerate()
        .filter(|(_, field)| matches!(field.origin, Origin::Column(other) if other == column));
    let of_column: Vec<(usize, Option<(&str, Part)>)> =
        of_column.map(|(other, _)| (other, part(rules.get(other).copied()))).collect();
    let whole = of_column.iter().find(|(_, part)| part.is_none());
    match (whole, part(rules.get(at).copied())) {
        (Some((field, _)), _) => Fill::One { field: *field, column },
        (None, None) => Fill::One { field: at, column },
        (None, Some((by, _))) => {
            let alike = of_column.iter().filter_map(|(field, part)| Some((*field, (*part)?)));
            let fields = alike.filter(|(_, (other, _))| *other == by).map(|(field, (_, part))| (field, part));
            Fill::Parts { column, by: by.to_owned(), fields: fields.collect() }
        }
    }
}

/// Where a rule cuts its column, and which part of it it takes.
fn part(rule: Option<&FieldRule>) -> Option<(&str, Part)> {
    let split = &rule?.split.as_ref()?.value;
    (split.part != Part::All).then_some((split.by.as_str(), split.part))
}

/// A text in so many pieces as there are columns. What there are more of them stays in the first
/// column, so that the last one has what stands last: a house number, a surname, a time.
pub(super) fn cut(text: &str, between: &str, columns: usize) -> Vec<String> {
    let mut pieces: Vec<&str> = match between {
        "" => vec![text],
        between => text.split(between).collect(),
    };
    let more = pieces.len().saturating_sub(columns);
    let mut out = vec![pieces.drain(..=more).collect::<Vec<_>>().join(between)];
    out.extend(pieces.into_iter().map(str::to_owned));
    out.resize(columns.max(1), String::new());
    out
}

/// A text of which these are the parts, as far as there is one.
pub(super) fn put_together(parts: &[(Part, String)], between: &str) -> String {
    let (mut head, mut tail): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for (part, text) in parts {
        match part {
            Part::One(number) | Part::From(number) => place(&mut head, *number, text.as_str()),
            Part::Last(number) => place(&mut tail, *number, text.as_str()),
            Part::All => {}
        }
    }
    let all: Vec<&str> = head.into_iter().chain(tail.into_iter().rev()).collect();
    // Parts that are missing at the end need no separator.
    let end = all.iter().rposition(|part| !part.is_empty()).map_or(0, |last| last + 1);
    let parts = all.get(..end).unwrap_or_default();
    // Blanks stand for any run of blanks, so that none can stand for a missing part.
    if between.chars().all(|c| c == ' ') {
        return parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(between);
    }
    parts.join(between)
}

/// Puts a text at its place, counted from 1.
fn place<'t>(slots: &mut Vec<&'t str>, number: usize, text: &'t str) {
    if (1..=MOST_PARTS).contains(&number) {
        slots.resize(slots.len().max(number), "");
        slots[number - 1] = text;
    }
}

/// No cell has as many parts; the number is the user's.
const MOST_PARTS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_into_its_columns_and_what_is_too_much_stays_in_the_first() {
        for (text, between, columns, wanted) in [
            ("Weg 4", " ", 2, &["Weg", "4"][..]),
            ("Hohe Straße 48", " ", 2, &["Hohe Straße", "48"]),
            ("Weg", " ", 2, &["Weg", ""]),
            ("a, b", ", ", 3, &["a", "b", ""]),
            ("a, b, c, d", ", ", 3, &["a, b", "c", "d"]),
            ("", ", ", 2, &["", ""]),
            ("ab", "", 2, &["ab", ""]),
        ] {
            assert_eq!(cut(text, between, columns), wanted, "{text}");
        }
    }

    #[test]
    fn parts_are_put_where_an_import_finds_them() {
        let together = |parts: &[(Part, &str)], between| {
            let parts: Vec<_> = parts.iter().map(|(part, text)| (*part, (*text).to_owned())).collect();
            put_together(&parts, between)
        };
        assert_eq!(together(&[(Part::Last(1), "King"), (Part::One(1), "Ada")], " "), "Ada King");
        assert_eq!(together(&[(Part::One(1), "Ada"), (Part::From(2), "Lady King")], " "), "Ada Lady King");
        assert_eq!(together(&[(Part::One(1), "King"), (Part::One(2), "Ada")], ", "), "King, Ada");
        assert_eq!(together(&[(Part::One(1), ""), (Part::One(2), "Ada")], ","), ",Ada");
        assert_eq!(together(&[(Part::One(1), "King"), (Part::One(2), "")], ","), "King");
        assert_eq!(together(&[(Part::One(3), "c")], "/"), "//c");
        assert_eq!(together(&[(Part::One(usize::MAX), "c")], "/"), "");
    }
}
