//! `expr:`: one expression over the columns of a row, the way out where the
//! named steps do not suffice.
//!
//! ```text
//! Owner | upper
//! `First name` ~ " " ~ (Last | title)
//! "Customer" if Turnover | int > 1000 else "Prospect"
//! ```
//!
//! The language is minijinja's, cut down: cells are texts, names with blanks
//! stand in backticks as in `when`, there are no functions and only the filters
//! of [`FILTERS`]. Nothing here may go through a float, so neither such numbers
//! nor `/` nor `**` are taken. Each evaluation has fuel, so no row can make it
//! run for long or fill the memory.

mod operands;
mod variables;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value, filters};

use self::variables::variables;
use super::language::{LanguageError, complain};
use super::nearest::nearest;
use super::program::place_of;
use crate::model::{Header, shown};

/// What one evaluation may cost (source: faults, input 38).
const FUEL: u64 = 50_000;

/// The longest result, in bytes.
const LONGEST: usize = 64 << 10;

/// The longest expression, in bytes.
const LONGEST_TEXT: usize = 4 << 10;

/// The filters there are.
pub const FILTERS: [&str; 15] = [
    "capitalize",
    "default",
    "first",
    "int",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "replace",
    "reverse",
    "split",
    "title",
    "trim",
    "upper",
];

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::empty();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    env.add_filter("capitalize", filters::capitalize);
    env.add_filter("default", filters::default);
    env.add_filter("first", filters::first);
    env.add_filter("int", int);
    env.add_filter("join", filters::join);
    env.add_filter("last", filters::last);
    env.add_filter("length", filters::length);
    env.add_filter("list", filters::list);
    env.add_filter("lower", filters::lower);
    env.add_filter("replace", filters::replace);
    env.add_filter("reverse", filters::reverse);
    env.add_filter("split", filters::split);
    env.add_filter("title", filters::title);
    env.add_filter("trim", filters::trim);
    env.add_filter("upper", filters::upper);
    env
});

/// A whole number from a text that is nothing else: `12abc` and `1.5` are none.
fn int(text: &Value) -> Result<i64, Error> {
    let wrong = || {
        let message = format!("\"{}\" is not a whole number", shown(&text.to_string()).cut(40));
        Error::new(ErrorKind::InvalidOperation, message)
    };
    match text.as_str() {
        Some(text) => text.trim().parse().map_err(|_| wrong()),
        None => i64::try_from(text.clone()).map_err(|_| wrong()),
    }
}

/// An expression, ready for rows.
#[derive(Clone, Debug)]
pub struct Expression {
    compiled: Arc<minijinja::Expression<'static, 'static>>,
    /// The names in the compiled text, each with its column.
    names: Vec<(String, usize)>,
    columns: Vec<usize>,
    /// The line of the mapping file in which it stands; 0 where it stands in none.
    pub line: usize,
}

impl Expression {
    /// Reads an expression; names are headers of the file.
    ///
    /// # Errors
    /// The first place that does not read, an unknown name, filter or function.
    pub fn compile(text: &str, header: &Header) -> Result<Self, LanguageError> {
        if text.len() > LONGEST_TEXT {
            return Err(complain(text, 0, 1, "an expression has at most 4,096 characters".to_owned()));
        }
        if let Some((name, at, length)) = operands::text_beside_number(text) {
            let message = format!("cells are texts, and {} stands beside a number", shown(&name));
            let mut error = complain(text, at, length, message);
            error.hint = Some(format!("write: {} | int", shown(&name)));
            return Err(error);
        }
        // Names in backticks get one that nothing in the text has.
        let stem = std::iter::successors(Some("column_".to_owned()), |stem| Some(format!("{stem}_")))
            .find(|stem| !text.contains(stem.as_str()))
            .unwrap_or_default();
        let mut names = Vec::new();
        let plain = Reader { text }.plain(&mut |name| {
            let column = find(text, name, header)?;
            names.push((format!("{stem}{column}"), column));
            Ok(format!("{stem}{column}"))
        })?;
        names.dedup();
        let whole = |error: &Error| {
            let message = format!("the expression does not read: {}", reason(error));
            complain(text, 0, text.chars().count(), message)
        };
        let compiled = ENVIRONMENT.compile_expression_owned(plain).map_err(|error| whole(&error))?;
        for name in variables(text) {
            names.push((name.clone(), find(text, &name, header)?));
        }
        names.sort();
        let mut columns: Vec<usize> = names.iter().map(|(_, column)| *column).collect();
        columns.sort_unstable();
        columns.dedup();
        let expression = Self { compiled: Arc::new(compiled), names, columns, line: 0 };
        // What is unknown to the language shows on a row of blanks.
        match expression.evaluate(|_| Value::from("")) {
            Err(error) if is_unknown(&error) => Err(whole(&error)),
            Ok(_) | Err(_) => Ok(expression),
        }
    }

    /// The columns that it reads, in the file's order.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Evaluates it over a row's texts, given by column.
    ///
    /// # Errors
    /// Why this row has no result, as the end of a sentence.
    pub fn result<T: AsRef<str>>(&self, cell: impl Fn(usize) -> T) -> Result<String, String> {
        let value = self.evaluate(|column| Value::from(cell(column).as_ref())).map_err(|e| reason(&e))?;
        let text = match &value {
            value if value.is_undefined() || value.is_none() => String::new(),
            value if value.as_str().is_some() || value.is_integer() => value.to_string(),
            value if value.kind() == ValueKind::Bool => value.is_true().to_string(),
            value => return Err(format!("its result is a {}, not a text or a whole number", value.kind())),
        };
        if text.len() > LONGEST {
            return Err("its result is longer than 64 KiB".to_owned());
        }
        Ok(text)
    }

    fn evaluate(&self, cell: impl Fn(usize) -> Value) -> Result<Value, Error> {
        let row: BTreeMap<&str, Value> =
            self.names.iter().map(|(name, column)| (name.as_str(), cell(*column))).collect();
        self.compiled.eval(Value::from(row))
    }
}

/// The names in an expression, as they stand; none where it does not read.
pub fn column_names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let plain = Reader { text }.plain(&mut |name| {
        names.push(name.to_owned());
        Ok("none".to_owned())
    });
    if plain.is_ok_and(|plain| ENVIRONMENT.compile_expression_owned(plain).is_ok()) {
        names.extend(variables(text));
    }
    names
}

fn is_unknown(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnknownFilter
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownMethod
            | ErrorKind::MissingArgument
            | ErrorKind::TooManyArguments
    )
}

/// The language's complaint in plain words.
fn reason(error: &Error) -> String {
    let detail = error.detail().map(|detail| shown(detail).cut(160).to_string());
    match (error.kind(), detail) {
        (ErrorKind::OutOfFuel, _) => "it takes too long".to_owned(),
        (ErrorKind::UnknownFunction | ErrorKind::UnknownMethod, _) => "there are no functions".to_owned(),
        (_, Some(detail)) => detail,
        (kind, None) => kind.to_string(),
    }
}

/// The column of a name, which stands somewhere in the text.
fn find(text: &str, name: &str, header: &Header) -> Result<usize, LanguageError> {
    place_of(name, header).map_err(|(message, hint)| {
        let mut error = complain(text, word_at(text, name), name.chars().count(), message);
        error.hint = hint;
        error
    })
}

/// Where a name stands as a word of its own, counted in characters.
fn word_at(text: &str, name: &str) -> usize {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let place = text
        .match_indices(name)
        .find(|(at, _)| !text[..*at].ends_with(is_word) && !text[at + name.len()..].starts_with(is_word));
    place.map_or(0, |(at, _)| text[..at].chars().count())
}

/// Goes through an expression before it is compiled.
struct Reader<'a> {
    text: &'a str,
}

/// Gives the plain name that stands for one in backticks.
type Named<'a> = dyn FnMut(&str) -> Result<String, LanguageError> + 'a;

impl Reader<'_> {
    /// The text with a plain name in the place of each name in backticks; what
    /// could make a float is refused.
    fn plain(&self, named: &mut Named<'_>) -> Result<String, LanguageError> {
        let chars: Vec<char> = self.text.chars().collect();
        let mut plain = String::with_capacity(self.text.len());
        let mut at = 0;
        while at < chars.len() {
            match chars[at] {
                '`' => {
                    let end = self.end_of(&chars, at)?;
                    let name: String = chars[at + 1..end].iter().collect();
                    // It is a word of its own, whatever it touches.
                    plain.push_str(&format!(" {} ", named(&name)?));
                    at = end + 1;
                }
                '"' | '\'' => {
                    let end = self.end_of(&chars, at)?;
                    plain.extend(&chars[at..=end]);
                    at = end + 1;
                }
                c => {
                    self.check_sign(&chars, at)?;
                    plain.push(c);
                    at += 1;
                }
            }
        }
        Ok(plain)
    }

    /// The place of the quote that closes the one at `start`.
    fn end_of(&self, chars: &[char], start: usize) -> Result<usize, LanguageError> {
        let mut at = start + 1;
        while at < chars.len() {
            match chars[at] {
                '\\' if chars[start] != '`' => at += 2,
                c if c == chars[start] => return Ok(at),
                _ => at += 1,
            }
        }
        Err(complain(self.text, start, 1, "this quote is never closed".to_owned()))
    }

    /// Refuses what makes a float, and filters that there are not.
    fn check_sign(&self, chars: &[char], at: usize) -> Result<(), LanguageError> {
        let next = chars.get(at + 1).copied().unwrap_or(' ');
        let before = at.checked_sub(1).map_or(' ', |at| chars[at]);
        let digit = |c: char| c.is_ascii_digit();
        let in_number = digit(before) && self.begins_with_digit(chars, at - 1);
        let float = match chars[at] {
            '.' => in_number,
            'e' | 'E' => in_number && (digit(next) || matches!(next, '+' | '-')),
            '/' => next != '/' && before != '/',
            '*' => next == '*',
            _ => false,
        };
        if float {
            let message = "numbers with decimals, / and ** are not exact and not taken".to_owned();
            let mut error = complain(self.text, at, 1, message);
            error.hint = Some("map the column with decimal, or divide whole numbers with //".to_owned());
            return Err(error);
        }
        if chars[at] != '|' {
            return Ok(());
        }
        let blanks = chars[at + 1..].iter().take_while(|c| c.is_whitespace()).count();
        let start = at + 1 + blanks;
        let name: String = chars[start..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
        if name.is_empty() || FILTERS.contains(&name.as_str()) {
            return Ok(());
        }
        let message = format!("there is no filter \"{}\"", shown(&name));
        let mut error = complain(self.text, start, name.chars().count(), message);
        error.hint = Some(match nearest(&name, FILTERS) {
            Some(near) => format!("nearest: {near}"),
            None => format!("there are: {}", FILTERS.join(", ")),
        });
        Err(error)
    }

    /// Whether the word that ends at `at` is a number and no name such as `street2`.
    fn begins_with_digit(&self, chars: &[char], at: usize) -> bool {
        let is_word = |c: &&char| c.is_alphanumeric() || **c == '_';
        let length = chars[..=at].iter().rev().take_while(is_word).count();
        chars[at + 1 - length].is_ascii_digit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Column;

    const COLUMNS: [&str; 4] = ["Owner", "First name", "Turnover", "Straße 2"];

    fn compile(text: &str) -> Result<Expression, LanguageError> {
        let column = |(place, name): (usize, &&str)| Column { name: (*name).to_owned(), place };
        let header = Header { sheet: None, columns: COLUMNS.iter().enumerate().map(column).collect() };
        Expression::compile(text, &header)
    }

    fn result(text: &str, cells: [&str; 4]) -> Result<String, String> {
        compile(text).unwrap_or_else(|error| panic!("{error}")).result(|column| cells[column])
    }

    #[test]
    fn cells_are_texts_and_names_are_headers() {
        let cells = ["ada lovelace", "Ada", "1200", "Hof 3"];
        for (text, wanted) in [
            ("Owner | upper", "ADA LOVELACE"),
            ("owner|title", "Ada Lovelace"),
            ("`First name` ~ ' ' ~ (Owner | split(' ') | last)", "Ada lovelace"),
            ("'Customer' if Turnover | int > 1000 else 'Prospect'", "Customer"),
            ("(Turnover | int) // 7 + 1", "172"),
            ("`straße 2` | replace('Hof', 'Court')", "Court 3"),
            ("Owner | length", "12"),
            ("Owner[0] ~ `First name`[-1:]", "aa"),
            ("Owner[4:8] ~ (`First name` ~ Owner)[:2]", "loveAd"),
            ("(Owner | upper)[::2]", "AALVLC"),
            ("none", ""),
            ("Owner == 'x'", "false"),
            ("'a.b/c ** 1.5'", "a.b/c ** 1.5"),
            ("Turnover", "1200"),
        ] {
            assert_eq!(result(text, cells).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn a_header_is_found_whatever_it_is_called_and_several_alike_are_asked_about() {
        let columns = ["column_1", "N", "Tel", "tel "];
        let column = |(place, name): (usize, &&str)| Column { name: (*name).to_owned(), place };
        let header = Header { sheet: None, columns: columns.iter().enumerate().map(column).collect() };
        let result = |text: &str| {
            let expression = Expression::compile(text, &header).unwrap_or_else(|error| panic!("{error}"));
            expression.result(|at| ["a", "b", "c", "d"][at])
        };
        assert_eq!(result("`N` ~ column_1 ~ `column_1`").as_deref(), Ok("baa"));
        assert_eq!(result("`Tel#2` ~ `tel#1` ~ `#2`").as_deref(), Ok("dcb"));
        let told = Expression::compile("N ~ Tel", &header).unwrap_err().to_string();
        let wanted = "column \"Tel\" stands 2 times in the header (columns C and D)\n  | N ~ Tel\n  |     ^^^ say which: `Tel#1`, `Tel#2`";
        assert_eq!(told, wanted);
    }

    #[test]
    fn names_are_found_without_a_file() {
        let mut names = column_names("`First name` ~ Owner | upper if `A b` else 'x'");
        names.sort();
        assert_eq!(names, ["A b", "First name", "Owner"]);
        assert_eq!(column_names("(Tel ~ 'Mail')[1:] | replace('Fax', Ext)"), ["Tel", "Ext"]);
        assert_eq!(column_names("'it`s' ~ Owner"), ["Owner"]);
        assert_eq!(column_names("'open ~ Owner"), Vec::<String>::new());
    }

    #[test]
    fn the_columns_that_it_reads_are_known() {
        let expression = compile("`Straße 2` ~ Owner ~ owner ~ `owner`").unwrap();
        assert_eq!(expression.columns(), [0, 3]);
    }

    #[test]
    fn what_is_unknown_is_told_before_any_row_with_its_place() {
        for (text, wanted) in [
            ("Ownr | upper", "the file has no column \"Ownr\"\n  | Ownr | upper\n  | ^^^^ nearest: Owner"),
            (
                "Own`Owner`",
                "the expression does not read: unexpected input after expression\n  | Own`Owner`\n  | ^^^^^^^^^^",
            ),
            (
                "`First nam`",
                "the file has no column \"First nam\"\n  | `First nam`\n  |  ^^^^^^^^^ nearest: First name",
            ),
            (
                "(Ownr ~ '')[1:]",
                "the file has no column \"Ownr\"\n  | (Ownr ~ '')[1:]\n  |  ^^^^ nearest: Owner",
            ),
            (
                "Owner | uper",
                "there is no filter \"uper\"\n  | Owner | uper\n  |         ^^^^ nearest: upper",
            ),
            (
                "Owner | float",
                "there is no filter \"float\"\n  | Owner | float\n  |         ^^^^^ there are: capitalize, default",
            ),
            ("Owner ~ 'x", "this quote is never closed\n  | Owner ~ 'x\n  |         ^"),
            ("1.5", "numbers with decimals, / and ** are not exact and not taken\n  | 1.5\n  |  ^"),
            ("1e3", "numbers with decimals, / and ** are not exact"),
            ("2 / 3", "numbers with decimals, / and ** are not exact"),
            ("2 ** 3", "numbers with decimals, / and ** are not exact"),
            ("Owner |", "the expression does not read:"),
            ("Owner is not empty", "the expression does not read: test empty is unknown"),
            ("range(9)", "the file has no column \"range\""),
            ("Owner.foo()", "the expression does not read: there are no functions"),
            ("", "the expression does not read:"),
        ] {
            let error = compile(text).unwrap_err().to_string();
            assert!(error.starts_with(wanted), "{text}: {error}");
        }
    }

    #[test]
    fn a_row_without_a_result_has_a_reason() {
        for (text, wanted) in [
            ("Turnover | int", "\"12abc\" is not a whole number"),
            ("Owner | split(' ')", "its result is a sequence, not a text or a whole number"),
            ("(Owner ~ Owner) * 9999999", "it takes too long"),
            ("1 // 0", "unable to calculate 1 // 0"),
        ] {
            let reason = result(text, ["a b", "", "12abc", ""]).unwrap_err();
            assert!(reason.starts_with(wanted), "{text}: {reason}");
        }
    }

    #[test]
    fn nothing_runs_for_ever_or_fills_the_memory() {
        let long = "x".repeat(40_000);
        assert!(result("Owner ~ Owner", [&long, "", "", ""]).unwrap_err().contains("64 KiB"));
        let deep = format!("{}Owner{}", "(".repeat(500), ")".repeat(500));
        assert!(compile(&deep).is_err());
        assert!(compile(&"Owner ~ ".repeat(2_000)).is_err());
    }
}
