//! Mapping files: every complaint has its place, and what is read can be run.
#![no_main]

use std::collections::HashMap;
use std::sync::LazyLock;

use carafe_fuzz::model::{Cell, Dictionary, Field, FieldKind, Header, Number, Row};
use carafe_fuzz::rules::convert::date::iso;
use carafe_fuzz::rules::draft::{Wish, draft};
use carafe_fuzz::rules::mapping::Mapping;
use carafe_fuzz::rules::problem::{Place, Problems};
use carafe_fuzz::rules::program::{Dictionaries, Overrides, Program};
use carafe_fuzz::rules::proving::{Prover, notice};
use carafe_fuzz::{header, is_fit_to_be_shown, listed};

libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mapping = match Mapping::parse("m.yaml", text) {
        Ok(mapping) => mapping,
        Err(problems) => return point_into_the_text(&problems, text),
    };
    let again = Mapping::parse("m.yaml", &mapping.text).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(format!("{again:?}"), format!("{mapping:?}"), "its own text reads as the same");
    for (name, rule) in &mapping.fields {
        is_inside(name.place, &mapping.text);
        rule.from.iter().for_each(|column| is_inside(column.place, &mapping.text));
    }
    for guarded_source in [false, true] {
        let overrides = Overrides { guarded_source, ..Overrides::default() };
        match Program::compile(&mapping, &THINGS, &OTHERS, &HEADER, overrides) {
            Ok((mut program, notices)) => {
                notices.iter().for_each(|notice| is_fit_to_be_shown(&notice.0));
                let mut prover = Prover::new(&mut program, &[]);
                ROWS.iter().for_each(|row| prover.hear(&program, row));
                match prover.conclude(&mut program, &mapping) {
                    Ok(proofs) => proofs.iter().filter_map(notice).for_each(|n| is_fit_to_be_shown(&n.0)),
                    Err(problems) => point_into_the_text(&problems, text),
                }
                run(&program);
            }
            Err(problems) => point_into_the_text(&problems, text),
        }
    }
}

/// A complaint names a line that is there and marks characters on it.
fn point_into_the_text(problems: &Problems, given: &str) {
    assert!(!problems.problems.is_empty());
    let plain = given.strip_prefix('\u{FEFF}').unwrap_or(given).replace("\r\n", "\n").replace('\r', "\n");
    assert_eq!(problems.text, plain);
    for problem in &problems.problems {
        is_fit_to_be_shown(&problem.message);
        assert!(!problem.message.contains('\n'), "{:?}", problem.message);
        problem.hint.iter().chain(&problem.advice).for_each(|text| is_fit_to_be_shown(text));
        problem.place.iter().for_each(|&place| is_inside(place, &problems.text));
    }
    is_fit_to_be_shown(&problems.to_string());
}

fn is_inside(place: Place, text: &str) {
    let lines: Vec<&str> = text.split('\n').collect();
    let line = place.line.checked_sub(1).and_then(|at| lines.get(at));
    let Some(line) = line else { panic!("{place:?} is in none of {} lines", lines.len()) };
    let length = line.chars().count();
    assert!(place.column >= 1 && place.length >= 1, "{place:?}");
    // The place behind the last character is that of something missing.
    assert!(place.column + place.length <= length + 2, "{place:?} is outside {line:?}");
}

/// Whatever a mapping makes of a row can be sent, or is told.
fn run(program: &Program) {
    for row in ROWS.iter() {
        let draft = draft(program, row);
        assert!(draft.skipped || draft.wishes.len() == program.fields.len());
        for (wish, field) in draft.wishes.iter().zip(&program.fields) {
            match wish {
                Wish::Number(number) => {
                    assert_eq!(Number::parse(number).as_ref().map(Number::as_str), Some(number.as_ref()));
                }
                Wish::Text(text) if field.field.kind.is_temporal() => assert!(iso(text).is_ok(), "{text}"),
                Wish::Text(text) => {
                    let most = field.field.size.map_or(usize::MAX, |size| size as usize);
                    assert!(text.chars().count() <= most, "{text:?} is longer than {most}");
                }
                Wish::Faulty => assert!(!draft.findings.is_empty()),
                Wish::Leave | Wish::Clear | Wish::Reference(_) => {}
            }
        }
        for finding in &draft.findings {
            is_fit_to_be_shown(&finding.message);
            finding.cause.iter().for_each(|cause| is_fit_to_be_shown(cause));
        }
    }
}

/// An object with a field of each kind, named after it.
static THINGS: LazyLock<Dictionary> = LazyLock::new(|| {
    Dictionary::new(
        "things",
        vec![
            Field { read_only: true, ..Field::new("id", FieldKind::Number) },
            Field { required: true, ..Field::new("name", FieldKind::Text) },
            Field::new("area", FieldKind::TextArea),
            Field::new("memo", FieldKind::Memo),
            Field::new("check", FieldKind::Checkbox),
            Field::new("date", FieldKind::Date),
            Field::new("time", FieldKind::DateTime),
            Field::new("email", FieldKind::Email),
            Field::new("number", FieldKind::Number),
            Field { decimals: Some(2), ..Field::new("money", FieldKind::Currency) },
            Field::new("percent", FieldKind::Percent),
            Field::new("url", FieldKind::Url),
            Field::new("ownerid", FieldKind::Number),
            listed("type", FieldKind::Text, &["Customer", "Prospect"]),
            listed("tags", FieldKind::MultiSelect, &["Red", "Green"]),
        ],
    )
});

static OTHERS: LazyLock<Dictionaries> = LazyLock::new(|| {
    let fields = ["id", "first", "last"].map(|name| Field::new(name, FieldKind::Text));
    HashMap::from([("users".to_owned(), Dictionary::new("users", fields.to_vec()))])
});

static HEADER: LazyLock<Header> = LazyLock::new(|| {
    let names = ["Name", "Note", "Yes", "Date", "Value", "Mail", "Kind", "Name ", "", "\u{1b}x"];
    header(names)
});

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let texts = [
        ["Acme", "'=1\r\n+2", "yes", "13/02/2024", "1.234,56", "a@b.co", "Prospct"],
        [" Zoë\u{A0}", "\u{7}bell", "0", "2024-02-13", "£1,234.5", "Red; green", "Customer"],
        ["", "  ", "Ja", "45123", "1.23E+11", "www.example.com", "90505"],
    ];
    let mut rows: Vec<Row> = texts.iter().map(|cells| row(&cells.map(Cell::Text))).collect();
    let day = jiff::civil::date(2024, 2, 29).at(9, 30, 0, 0);
    let mixed =
        [Cell::Number("7"), Cell::Bool(true), Cell::Time(day.time()), Cell::DateTime(day), Cell::Blank];
    rows.push(row(&mixed));
    rows
});

fn row(cells: &[Cell<'_>]) -> Row {
    let mut row = Row::default();
    row.reset(2, 2);
    cells.iter().for_each(|cell| row.push(*cell));
    row
}
