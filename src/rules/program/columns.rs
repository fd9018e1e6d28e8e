//! Finding the columns that a mapping names in a file's header.

use std::borrow::Cow;

use super::Program;
use crate::model::{Header, is_reserved, shown};
use crate::rules::names::folded;
use crate::rules::nearest::nearest;
use crate::rules::problem::{Located, Problem};

/// The 0-based place of the column that a name in a condition or an expression
/// means: a header, `Name#2` or `#3`.
///
/// # Errors
/// What is wrong with the name, and what would be right.
pub fn place_of(name: &str, header: &Header) -> Result<usize, (String, Option<String>)> {
    let wanted = folded(name);
    let alike = alike(&wanted, header);
    let shown_name = shown(name);
    match alike.as_slice() {
        [one] => Ok(*one),
        [] => numbered(&wanted, header).ok_or_else(|| {
            let near = nearest(name, header.columns.iter().map(|column| column.name.as_str()));
            let hint = near.map(|near| format!("nearest: {}", shown(near)));
            (format!("the file has no column \"{shown_name}\""), hint)
        }),
        [..] => {
            let message = stands_often(name, &alike, header);
            Err((message, Some(format!("say which: `{shown_name}#1`, `{shown_name}#2`"))))
        }
    }
}

/// That a name stands several times, and where.
fn stands_often(name: &str, alike: &[usize], header: &Header) -> String {
    let letters = alike.iter().take(2).map(|at| crate::model::column_letters(header.columns[*at].place));
    let letters: Vec<String> = letters.collect();
    let (name, times) = (shown(name), alike.len());
    format!("column \"{name}\" stands {times} times in the header (columns {})", letters.join(" and "))
}

/// The 0-based places of the named columns; `None` if one is not there, which
/// is then among the problems.
pub fn resolve(
    names: &[Located<String>],
    header: &Header,
    problems: &mut Vec<Problem>,
) -> Option<Vec<usize>> {
    let found: Vec<Option<usize>> = names.iter().map(|name| find(name, header, problems)).collect();
    found.into_iter().collect()
}

fn find(name: &Located<String>, header: &Header, problems: &mut Vec<Problem>) -> Option<usize> {
    let wanted = folded(&name.value);
    let alike: Vec<usize> = alike(&wanted, header);
    let problem = match alike.as_slice() {
        [one] => return Some(*one),
        [] => match numbered(&wanted, header) {
            Some(place) => return Some(place),
            None => no_such_column(name, header),
        },
        [..] => {
            let message = stands_often(&name.value, &alike, header);
            let hint = if name.place.line == 0 {
                "rename one of them".to_owned()
            } else {
                format!("say which: \"{}#1\", \"{0}#2\"", shown(&name.value))
            };
            Problem::at(name.place, message).hint(hint)
        }
    };
    problems.push(told_once(problem, problems));
    None
}

/// The problem without a list of columns that an earlier one has.
fn told_once(mut problem: Problem, earlier: &[Problem]) -> Problem {
    let is_list = |hint: &String| hint.starts_with(LIST);
    if problem.hint.as_ref().is_some_and(is_list) && earlier.iter().any(|other| other.hint == problem.hint) {
        problem.hint = None;
    }
    problem
}

/// Begins a hint that lists the columns of a file.
const LIST: &str = "the file has: ";

fn alike(wanted: &str, header: &Header) -> Vec<usize> {
    let names = header.columns.iter().enumerate();
    names
        .filter(|(_, column)| !wanted.is_empty() && folded(&column.name) == wanted)
        .map(|(at, _)| at)
        .collect()
}

/// `Name#2` is the second column of that name, `#3` the third column.
fn numbered(wanted: &str, header: &Header) -> Option<usize> {
    let (name, number) = wanted.rsplit_once('#')?;
    let number: usize = number.parse().ok()?;
    let index = number.checked_sub(1)?;
    if name.is_empty() {
        return (index < header.columns.len()).then_some(index);
    }
    alike(&folded(name), header).get(index).copied()
}

fn no_such_column(name: &Located<String>, header: &Header) -> Problem {
    let message = format!("the file has no column \"{}\"", shown(&name.value));
    let problem = Problem::at(name.place, message);
    let columns: Vec<&str> =
        header.columns.iter().map(|c| c.name.as_str()).filter(|n| !n.is_empty()).collect();
    match nearest(&name.value, columns.iter().copied()) {
        Some(near) => problem.hint(format!("nearest: \"{}\"", shown(near))),
        None => {
            let all: Vec<Cow<'_, str>> =
                columns.iter().take(20).map(|n| shown(n).cut(40).to_string().into()).collect();
            let more = if columns.len() > 20 { ", …" } else { "" };
            problem.hint(format!("{LIST}{}{more}", all.join(", ")))
        }
    }
}

/// The named columns that nothing reads and nobody ignores.
pub fn unmapped<'h>(program: &Program, header: &'h Header, ignore: &[Located<String>]) -> Vec<&'h str> {
    let mut used: Vec<usize> = program.fields.iter().flat_map(|f| f.columns().iter().copied()).collect();
    used.extend(program.when.iter().flat_map(|when| when.columns()));
    let ignored: Vec<Cow<'_, str>> = ignore.iter().map(|name| folded(&name.value)).collect();
    // Of columns that are called alike, `Name#2` names one here as it does under `fields`.
    let by_number: Vec<usize> = ignored.iter().filter_map(|name| numbered(name, header)).collect();
    let columns = header.columns.iter().enumerate();
    columns
        .filter(|(at, column)| {
            let name = folded(&column.name);
            let is_ignored = ignored.contains(&name) || by_number.contains(at);
            !name.is_empty() && !used.contains(at) && !is_ignored && !is_reserved(&column.name)
        })
        .map(|(_, column)| column.name.as_str())
        .collect()
}
