//! Conditions: `--where` over fields and `when` over columns.
#![no_main]

use std::sync::LazyLock;

use carafe_fuzz::model::{Cell, CellFault, Dictionary, Field, FieldKind, Filter, Header, Row, Test, Value};
use carafe_fuzz::rules::condition::{AsMapped, Condition, Verdict};
use carafe_fuzz::rules::convert::date::iso;
use carafe_fuzz::rules::language::{parse_filter, parse_over_columns};
use carafe_fuzz::{header, points_into};

libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    compares_dates_by_value(text);
    match parse_filter(text, &FIELDS) {
        Ok(filter) => {
            let written = written(&filter, &|name| name.to_owned());
            assert_eq!(parse_filter(&written, &FIELDS).as_ref(), Ok(&filter), "{written}");
        }
        Err(error) => points_into(&error, text),
    }
    match parse_over_columns(text, &HEADER) {
        Ok(filter) => {
            let name = |place: &str| HEADER.columns[place.parse::<usize>().unwrap_or(99)].name.clone();
            let written = written(&filter, &name);
            assert_eq!(parse_over_columns(&written, &HEADER).as_ref(), Ok(&filter), "{written}");
            chooses_rows(text);
        }
        Err(error) => {
            points_into(&error, text);
            assert_eq!(Condition::parse(text, &HEADER), Err(error));
        }
    }
}

/// A row is meant or not, and the opposite condition says the opposite.
fn chooses_rows(text: &str) {
    let condition = Condition::parse(text, &HEADER).unwrap_or_else(|error| panic!("{error}"));
    assert!(condition.columns().iter().all(|&column| column < HEADER.columns.len()));
    assert!(!condition.columns().is_empty());
    // Two levels more may be too many.
    let opposite = Condition::parse(&format!("not ({text})"), &HEADER).ok();
    for row in ROWS.iter() {
        let verdict = judge(&condition, row);
        let is_opposite = match (verdict, opposite.as_ref().map(|opposite| judge(opposite, row))) {
            (_, None) => true,
            (Verdict::Meant, Some(other)) => other == Verdict::LeftOut,
            (Verdict::LeftOut, Some(other)) => other == Verdict::Meant,
            (unclear, Some(other)) => other == unclear,
        };
        assert!(is_opposite, "{text}");
        if let Verdict::Unclear { column, .. } = verdict {
            assert!(condition.columns().contains(&column));
        }
    }
}

fn judge(condition: &Condition, row: &Row) -> Verdict {
    condition.judge(row, false, &|_, _, _| AsMapped::NotMapped)
}

/// A date is compared by value, however it is written.
fn compares_dates_by_value(text: &str) {
    let Ok(at) = iso(text) else { return };
    let mut row = Row::default();
    [Cell::Blank, Cell::Blank, Cell::DateTime(at)].iter().for_each(|cell| row.push(*cell));
    for (sign, verdict) in [
        ("=", Verdict::Meant),
        ("<=", Verdict::Meant),
        (">=", Verdict::Meant),
        ("<", Verdict::LeftOut),
        (">", Verdict::LeftOut),
        ("!=", Verdict::LeftOut),
    ] {
        let condition = Condition::parse(&format!("modifieddate {sign} '{text}'"), &HEADER);
        let condition = condition.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(judge(&condition, &row), verdict, "{sign} {text:?}");
    }
}

/// The filter as a person would type it.
fn written(filter: &Filter, name: &dyn Fn(&str) -> String) -> String {
    let inner = |part: &Filter| match part {
        Filter::All(_) | Filter::Any(_) => format!("({})", written(part, name)),
        Filter::Not(_) | Filter::Field(..) => written(part, name),
    };
    let joined = |parts: &[Filter], word: &str| parts.iter().map(inner).collect::<Vec<_>>().join(word);
    match filter {
        Filter::All(parts) => joined(parts, " and "),
        // `and` binds closer, so that it needs no parentheses in an `or`.
        Filter::Any(parts) => {
            let part = |part: &Filter| match part {
                Filter::All(_) => written(part, name),
                part => inner(part),
            };
            parts.iter().map(part).collect::<Vec<_>>().join(" or ")
        }
        Filter::Not(part) => format!("not {}", inner(part)),
        Filter::Field(field, test) => format!("`{}` {}", name(field).replace('`', "``"), tested(test)),
    }
}

fn tested(test: &Test) -> String {
    let list = |values: &[Value]| values.iter().map(valued).collect::<Vec<_>>().join(", ");
    match test {
        Test::Is(value) => format!("= {}", valued(value)),
        Test::IsNot(value) => format!("!= {}", valued(value)),
        Test::In(values) => format!("in ({})", list(values)),
        Test::NotIn(values) => format!("not in ({})", list(values)),
        Test::Above(value) => format!("> {}", valued(value)),
        Test::AtLeast(value) => format!(">= {}", valued(value)),
        Test::Below(value) => format!("< {}", valued(value)),
        Test::AtMost(value) => format!("<= {}", valued(value)),
        Test::Between(low, high) => format!("between {} and {}", valued(low), valued(high)),
        Test::StartsWith(part) => format!("startswith {}", quoted(part)),
        Test::EndsWith(part) => format!("endswith {}", quoted(part)),
        Test::Contains(part) => format!("contains {}", quoted(part)),
    }
}

fn valued(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Text(text) => quoted(text),
        Value::Number(number) => number.as_str().to_owned(),
        Value::Bool(_) | Value::Json(_) => panic!("no condition has {value:?}"),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

static FIELDS: LazyLock<Dictionary> = LazyLock::new(|| {
    Dictionary::new(
        "accounts",
        vec![
            Field::new("id", FieldKind::Number),
            Field::new("name", FieldKind::Text),
            Field::new("addresscounty/state", FieldKind::Text),
            Field::new("vip", FieldKind::Checkbox),
            Field::new("annualvalue", FieldKind::Currency),
            Field::new("modifieddate", FieldKind::DateTime),
        ],
    )
});

static HEADER: LazyLock<Header> = LazyLock::new(|| {
    let names = ["name", "Annual Value", "modifieddate", "a`b", "Größe"];
    header(names)
});

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let day = jiff::civil::date(2024, 2, 29).at(9, 30, 0, 0);
    let rows: [&[Cell<'_>]; 4] = [
        &[Cell::Text(" ACME "), Cell::Number("12.5"), Cell::Text("2024-02-29"), Cell::Text("x")],
        &[Cell::Blank, Cell::Text("1200"), Cell::DateTime(day), Cell::Bool(true), Cell::Text("\u{200B}")],
        &[Cell::Text("acme"), Cell::Fault(CellFault::Error("#N/A")), Cell::Time(day.time())],
        &[],
    ];
    let row = |cells: &&[Cell<'_>]| {
        let mut row = Row::default();
        cells.iter().for_each(|cell| row.push(*cell));
        row
    };
    rows.iter().map(row).collect()
});
