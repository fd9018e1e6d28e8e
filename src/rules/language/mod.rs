//! The small language of `--where`: conditions over named fields.
//!
//! ```text
//! type = "Customer" and modifieddate >= 2026-01-01 and not name startswith "Test"
//! ```
//!
//! `=  !=  <  <=  >  >=`, `in (…)`, `between … and …`, `contains`,
//! `startswith`, `endswith`, `and`, `or`, `not`, parentheses. Texts stand in
//! single or double quotes, names with blanks or slashes in backticks.

mod lexer;
mod parser;

use std::fmt;

use crate::model::{Dictionary, FieldKind, Filter, Header, shown};
use crate::rules::nearest::nearest;
use crate::rules::problem::marked_line;
use crate::rules::program::place_of;

/// Why a condition does not read, with the place in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanguageError {
    /// The condition.
    pub text: String,
    /// The 0-based first character at fault.
    pub at: usize,
    /// How many characters are at fault.
    pub length: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
}

impl std::error::Error for LanguageError {}

impl fmt::Display for LanguageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, marker) = marked_line(&self.text, self.at, self.length);
        write!(f, "{}\n  | {line}\n  | {marker}", self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, " {hint}"))
    }
}

/// An error at a place of a text, counted in characters.
pub fn complain(text: &str, at: usize, length: usize, message: String) -> LanguageError {
    LanguageError { text: text.to_owned(), at, length, message, hint: None }
}

/// Why a name stands for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// What is wrong with it.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
}

/// What a name in a condition stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// Compared as a number.
    Number,
    /// Compared as a text.
    Text,
    /// A date, which compares as a text in the CRM's own form.
    Date,
    /// A cell: a number without quotes is meant as one.
    Cell,
}

/// Reads a condition over an object's fields.
///
/// # Errors
/// The first place that does not read, or a name that the object does not have.
pub fn parse_filter(text: &str, dictionary: &Dictionary) -> Result<Filter, LanguageError> {
    let resolve = |name: &str| -> Result<(String, NameKind), Unresolved> {
        let field = dictionary
            .get(name)
            .or_else(|| dictionary.fields().iter().find(|field| field.name.eq_ignore_ascii_case(name)));
        match field {
            Some(field) => {
                let kind = match &field.kind {
                    FieldKind::Checkbox => NameKind::Number,
                    kind if kind.is_numeric() => NameKind::Number,
                    kind if kind.is_temporal() => NameKind::Date,
                    _ => NameKind::Text,
                };
                Ok((field.name.clone(), kind))
            }
            None => {
                let names = dictionary.fields().iter().map(|f| f.name.as_str());
                let hint = nearest(name, names).map(|near| format!("nearest: {}", shown(near)));
                let object = &dictionary.object;
                Err(Unresolved { message: format!("{object} has no field \"{}\"", shown(name)), hint })
            }
        }
    };
    parser::parse(text, &resolve)
}

/// Reads a condition over a file's columns. The names in the filter are the
/// 0-based places of the columns in the header.
///
/// # Errors
/// The first place that does not read, or a header that the file does not have.
pub fn parse_over_columns(text: &str, header: &Header) -> Result<Filter, LanguageError> {
    let resolve = |name: &str| -> Result<(String, NameKind), Unresolved> {
        match place_of(name, header) {
            Ok(place) => Ok((place.to_string(), NameKind::Cell)),
            Err((message, hint)) => Err(Unresolved { message, hint }),
        }
    };
    parser::parse(text, &resolve)
}

/// The names in a condition over columns, as they stand; none where it does not read.
pub fn column_names(text: &str) -> Vec<String> {
    let names = std::cell::RefCell::new(Vec::new());
    let resolve = |name: &str| -> Result<(String, NameKind), Unresolved> {
        names.borrow_mut().push(name.to_owned());
        Ok((name.to_owned(), NameKind::Cell))
    };
    match parser::parse(text, &resolve) {
        Ok(_) => names.into_inner(),
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Field, Test, Value};

    fn accounts() -> Dictionary {
        let field = Field::new;
        Dictionary::new(
            "accounts",
            vec![
                field("id", FieldKind::Number),
                field("name", FieldKind::Text),
                field("type", FieldKind::Text),
                field("addresscounty/state", FieldKind::Text),
                field("2yearpolicy", FieldKind::Checkbox),
                field("annualvalue", FieldKind::Currency),
                field("modifieddate", FieldKind::DateTime),
            ],
        )
    }

    fn read(text: &str) -> Filter {
        parse_filter(text, &accounts()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn complaint(text: &str) -> String {
        parse_filter(text, &accounts()).unwrap_err().to_string()
    }

    fn test(name: &str, test: Test) -> Filter {
        Filter::Field(name.to_owned(), test)
    }

    #[test]
    fn reads_every_operator() {
        let text = |t: &str| Value::from(t);
        let number = |n: i64| Value::from(n);
        for (condition, wanted) in [
            ("type = 'Customer'", test("type", Test::Is(text("Customer")))),
            ("type != \"a \\\"b\\\"\"", test("type", Test::IsNot(text("a \"b\"")))),
            ("annualvalue > 10", test("annualvalue", Test::Above(number(10)))),
            ("annualvalue >= -5", test("annualvalue", Test::AtLeast(number(-5)))),
            ("annualvalue < '7'", test("annualvalue", Test::Below(number(7)))),
            ("id <= 5", test("id", Test::AtMost(number(5)))),
            ("modifieddate >= 2026-01-01", test("modifieddate", Test::AtLeast(text("2026-01-01")))),
            ("modifieddate = ''", test("modifieddate", Test::Is(text("")))),
            (
                "modifieddate < '2026-01-01T10:30'",
                test("modifieddate", Test::Below(text("2026-01-01 10:30"))),
            ),
            ("modifieddate startswith '2026'", test("modifieddate", Test::StartsWith("2026".into()))),
            ("type in ('a', \"b\")", test("type", Test::In(vec![text("a"), text("b")]))),
            ("id not in (1,2)", test("id", Test::NotIn(vec![number(1), number(2)]))),
            ("id between 1 and 5", test("id", Test::Between(number(1), number(5)))),
            ("name contains 'x'", test("name", Test::Contains("x".into()))),
            ("NAME StartsWith 'x'", test("name", Test::StartsWith("x".into()))),
            ("name endswith 'x'", test("name", Test::EndsWith("x".into()))),
            ("`addresscounty/state` = ''", test("addresscounty/state", Test::Is(text("")))),
            ("2yearpolicy = 1", test("2yearpolicy", Test::Is(number(1)))),
            ("2yearpolicy = yes", test("2yearpolicy", Test::Is(number(1)))),
            ("type = null", test("type", Test::Is(Value::Null))),
        ] {
            assert_eq!(read(condition), wanted, "{condition}");
        }
    }

    #[test]
    fn and_binds_closer_than_or_and_not_closest() {
        let a = test("id", Test::Is(Value::from(1)));
        let b = test("id", Test::Is(Value::from(2)));
        let c = test("id", Test::Is(Value::from(3)));
        assert_eq!(
            read("id=1 or id=2 and not id=3"),
            Filter::Any(vec![a.clone(), Filter::All(vec![b.clone(), Filter::Not(Box::new(c.clone()))])])
        );
        assert_eq!(read("(id=1 or id=2) and id=3"), Filter::All(vec![Filter::Any(vec![a, b]), c]));
    }

    #[test]
    fn a_complaint_points_at_the_place() {
        assert_eq!(
            complaint("typ = 'a'"),
            "accounts has no field \"typ\"\n  | typ = 'a'\n  | ^^^ nearest: type"
        );
        assert_eq!(
            complaint("type = Customer"),
            "a text stands in quotes\n  | type = Customer\n  |        ^^^^^^^^ write: \"Customer\""
        );
        assert_eq!(
            complaint("modifieddate > 'gestern'"),
            "expected a date\n  | modifieddate > 'gestern'\n  |                ^^^^^^^^^ write: 2026-01-31, or \"2026-01-31 14:30:00\""
        );
        for (condition, at) in [
            ("modifieddate in (2026-01-31, 31.01.2026)", 29),
            ("modifieddate >= 2026-02-30", 16),
            ("type =", 6),
            ("type 'a'", 5),
            ("(id = 1", 7),
            ("id = 1 id = 2", 7),
            ("id = 'x'", 5),
            ("id in 1", 6),
            ("name = 'open", 7),
            ("", 0),
            ("id between 1", 12),
            ("not", 3),
            ("id = 1 and", 10),
            ("type ~ 'a'", 5),
        ] {
            let error = parse_filter(condition, &accounts()).unwrap_err();
            assert_eq!(error.at, at, "{condition}: {error}");
        }
    }

    #[test]
    fn deep_nesting_is_a_sentence_and_not_an_abort() {
        assert!(complaint(&"(".repeat(100_000)).contains("nested deeper"));
        assert!(complaint(&"not ".repeat(100_000)).contains("nested deeper"));
    }
}
