//! What holds for any row, any mapping and any text.

use std::collections::HashMap;

use proptest::prelude::*;

use super::convert::text::{is_email, is_url};
use super::draft::{Wish, draft};
use super::duplicates::SeenKeys;
use super::language::parse_filter;
use super::mapping::Mapping;
use super::names::folded;
use super::planning::{Found, Step, plan};
use super::program::{Glance, Program};
use super::testing::{dictionary, program, record, row, row_of};
use crate::model::{Cell, CellFault, FieldKind, Number, PlainCells, Record, Row, Value};

/// Columns A to Q feed a field of each kind.
const FIELDS: &str = "name: A\n text: B\n area: C\n memo: D\n check: E\n date: { from: F, date: '%d/%m/%Y' }\n \
    datetime: G\n email: H\n number: { from: I, decimal: ',' }\n money: { from: J, decimal: '.' }\n percent: K\n \
    url: L\n other: M\n ownerid: N\n type: O\n tags: P\n level: { from: Q, blank: clear }";
const COLUMNS: [&str; 17] =
    ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P", "Q"];

/// The fields of which a glance can tell.
fn glanced_at() -> String {
    FIELDS.split(" tags:").next().unwrap().to_owned()
}

fn everything(top: &str) -> Program {
    program(top, FIELDS, &COLUMNS)
}

/// Texts of the kinds that cells hold, and any other.
fn cell_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[ -~]{0,12}",
        2 => any::<String>(),
        3 => "[-+(£]?[0-9]{0,4}[.,' ]?[0-9]{0,4}[.,]?[0-9]{0,3}[)%E+]{0,2}[0-9]{0,2}",
        3 => "[0-3]?[0-9][/.-][01]?[0-9][/.-][0-9]{2,4}( [0-9:]{1,8})?",
        2 => "[12][0-9]{3}-[01][0-9]-[0-3][0-9][T ]?[0-2]?[0-9]?:?[0-9]{0,2}",
        2 => "[a-zé.]{0,5}@[a-z.é-]{0,8}",
        2 => prop::sample::select(vec!["Customer", " uk", "red;BLUE", ";", "yes", "0", "3", "http://a.b/c", "\u{200B}"]).prop_map(str::to_owned),
        1 => ("[a-zé\\r\\n]", 90..120_usize).prop_map(|(text, times)| text.repeat(times)),
    ]
}

/// A row of any cells; faults and a workbook's own kinds among them.
fn any_row() -> impl Strategy<Value = Row> {
    let cell = (cell_text(), 0..24_u8, any::<(bool, i16, i8)>());
    prop::collection::vec(cell, 0..20).prop_map(|cells| {
        let cells: Vec<Cell<'_>> = cells
            .iter()
            .map(|(text, kind, (flag, year, day))| match kind {
                0 => Cell::Fault(CellFault::Error(text)),
                1 => Cell::Fault(CellFault::NoStoredValue),
                2 => Cell::Fault(CellFault::PrecisionLost(text)),
                3 => Cell::Bool(*flag),
                4 => jiff::civil::DateTime::new(*year, 1, *day, 9, 30, 0, 0)
                    .map_or(Cell::Blank, Cell::DateTime),
                5 => Cell::Time(jiff::civil::time(9, 30, 0, 0)),
                6 => Cell::Number(text),
                7 => Cell::Fault(CellFault::TooLong),
                8 => Cell::Blank,
                9 => Cell::Percent(text),
                _ => Cell::Text(text),
            })
            .collect();
        row_of(&cells)
    })
}

/// Whether a value is one that the field takes, judged by nothing but the dictionary.
fn fits(kind: &FieldKind, size: Option<u32>, value: &Value) -> bool {
    let text = value.to_text();
    let short = size.is_none_or(|size| text.chars().count() <= size as usize);
    let digits = |range: std::ops::Range<usize>| {
        text.get(range).is_some_and(|part| part.bytes().all(|b| b.is_ascii_digit()))
    };
    let date = digits(0..4) && digits(5..7) && digits(8..10);
    match (kind, value) {
        (FieldKind::Number | FieldKind::Currency | FieldKind::Percent, Value::Number(number)) => {
            Number::parse(number.as_str()).is_some_and(|again| again == *number)
        }
        (FieldKind::Checkbox, Value::Number(number)) => matches!(number.as_str(), "0" | "1"),
        (FieldKind::Date, Value::Text(_)) => text.len() == 10 && date,
        (FieldKind::DateTime, Value::Text(_)) => text.len() == 19 && date && digits(11..13),
        (FieldKind::Email, Value::Text(_)) => short && text.contains('@'),
        (FieldKind::MultiSelect, Value::Text(_)) => {
            text.split(';').all(|part| ["Red", "Green", "Blue"].contains(&part))
        }
        (_, Value::Text(_)) => {
            short && !text.is_empty() && !text.contains(|c: char| c.is_control() && c != '\n' && c != '\t')
        }
        _ => false,
    }
}

/// The record after a body was written to it.
fn written(before: &Record, body: &str) -> Record {
    let body: HashMap<String, Box<serde_json::value::RawValue>> = serde_json::from_str(body).unwrap();
    let mut after = before.clone();
    for (name, raw) in body {
        let value = Value::from_json(raw.get()).unwrap();
        after.fields.retain(|(known, _)| *known != name);
        after.fields.push((name, value));
    }
    after
}

/// The row without the cells that do not fit, so that it can be planned.
fn mended(program: &Program, row: &Row) -> Row {
    let draft = draft(program, row);
    let cells = program.fields.iter().enumerate().map(|(at, field)| match draft.wishes[at] {
        Wish::Faulty if field.is_key => Cell::Text("key"),
        Wish::Faulty => Cell::Blank,
        Wish::Leave if field.is_key => Cell::Text("key"),
        _ => row.cell(at),
    });
    row_of(&cells.collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A token that no cell holds sends every cell the long way.
    #[test]
    fn a_plain_cell_is_read_the_short_way_as_the_long_one(row in any_row()) {
        let (short, long) = (everything(""), everything("defaults: { clear_token: NEVER-IN-A-CELL }"));
        prop_assert!(short.fields.iter().any(|field| field.plain_column().is_some()));
        prop_assert!(long.fields.iter().all(|field| field.plain_column().is_none()));
        let (short, long) = (draft(&short, &row), draft(&long, &row));
        prop_assert_eq!(short.wishes, long.wishes);
        prop_assert_eq!(short.findings, long.findings);
        prop_assert_eq!((short.missing, short.emptied), (long.missing, long.emptied));
    }

    /// Rows of cells that are mostly right, and of any.
    #[test]
    fn whatever_a_glance_passes_a_draft_finds_no_fault_with(
        row in any_row(),
        right in prop::collection::vec((0..12_u8, 0..6_usize), COLUMNS.len() - 1),
    ) {
        const RIGHT: [[&str; 6]; 16] = [
            ["Acme", " Zoë & Co ", "", "=1", "'=1", "A\u{A0}"], ["x", "£5", "", "1.2E+5", "#N/A", "a\tb"],
            ["a\r\nb", "", "c", "\u{1}", "d", "e"], ["m", "", "1.2E+5", "x", "\u{85}", "y"], ["yes", "0", "", "maybe", "Off", "1"],
            ["13/02/2024", "1/2/2024", "", "31/02/2024", "2024-02-13", "x"], ["2024-02-13", "", "2024-02-13 09:30", "x", "0001-01-01", "y"],
            ["a@b.co", "", "a@b", "é@b.co", "a b@c.co", "x"], ["1,5", "", "7", "1.234,5", "x", "-2"],
            ["1.50", "", "0.00", "1.234", "$5", "12"], ["15%", "", "7", "0.5", "x", "1e3"], ["a.b", "", "http://a.b/c", "ftp://a.b", "a.b:80", "x y"],
            ["o", "", "\u{7F}", "p", "q", "r"], ["7", "", "0", "-1", "1e3", "90505"], ["UK", "", "uk", "Customer", "Custmer", "Customer "],
            ["1", "", " 2", "4", "3", "3.0"],
        ];
        let fields = glanced_at();
        for top in ["mode: create", "mode: upsert\nmatch: [name, ownerid]"] {
            let program = program(top, &fields, &COLUMNS);
            let glance = Glance::of(&program).unwrap();
            let texts: Vec<&str> = right.iter().zip(RIGHT).map(|((which, at), texts)| texts[if *which == 0 { *at } else { 0 }]).collect();
            let texts = [&texts[..15], &["no field"], &texts[15..]].concat();
            for row in [&row, &super::testing::row(&texts)] {
                let (mut text, mut ends) = (String::new(), Vec::new());
                for at in 0..COLUMNS.len() {
                    if let Cell::Text(cell) = row.cell(at) {
                        text.push_str(cell);
                    } else if row.cell(at) != Cell::Blank {
                        return Ok(());
                    }
                    ends.push(text.len());
                }
                let mut key = String::new();
                if glance.passes(&PlainCells::new(&text, &ends, 0), &mut key) {
                    let draft = draft(&program, row);
                    prop_assert_eq!(&draft.findings, &[], "{}", text);
                    prop_assert!(draft.missing.is_empty() && draft.unguarded == 0);
                    prop_assert_eq!(draft.key(&program).unwrap_or_default(), key);
                }
            }
        }
    }

    #[test]
    fn addresses_are_judged_byte_by_byte_as_sign_by_sign(
        text in prop_oneof![
            "[a-z.éß\u{A0}@ ,-]{0,6}@[a-z0-9.é-]{0,8}(\\.[a-z0-9é]{0,3})?",
            "(https?|HTTP|ftp)?(://|:)?[a-z0-9.é_@: <-]{0,12}(:[0-9]{0,3})?([/?#].{0,6})?",
            any::<String>(),
        ],
    ) {
        prop_assert_eq!(is_email(&text), sign_by_sign::is_email(&text), "{}", text);
        prop_assert_eq!(is_url(&text), sign_by_sign::is_url(&text), "{}", text);
    }

    #[test]
    fn any_row_becomes_a_draft_whose_values_fit_their_fields(row in any_row()) {
        for top in ["", "mode: upsert\nmatch: [name, number]", "mode: delete\nmatch: [email]"] {
            let program = everything(top);
            let draft = draft(&program, &row);
            prop_assert_eq!(draft.wishes.len(), program.fields.len());
            let faulty = draft.wishes.iter().filter(|wish| matches!(wish, Wish::Faulty)).count();
            prop_assert!(draft.findings.len() >= faulty);
            prop_assert_eq!(draft.findings.is_empty(), faulty == 0);
            for (field, wish) in program.fields.iter().zip(&draft.wishes) {
                if let (Wish::Text(_) | Wish::Number(_), Some(value)) = (wish, wish.value()) {
                    prop_assert!(fits(&field.field.kind, field.field.size, &value), "{}: {value:?}", field.field.name);
                }
            }
        }
    }

    #[test]
    fn a_record_that_took_the_update_is_unchanged_the_next_time(
        row in any_row(),
        kept in prop::collection::vec(cell_text(), COLUMNS.len()),
    ) {
        let program = everything("mode: update\nmatch: [name]\ndefaults: { blank: clear }");
        let row = mended(&program, &row);
        let draft = draft(&program, &row);
        prop_assert!(draft.findings.is_empty(), "{:?}", draft.findings);
        let fields: Vec<(&str, Value)> = program.fields.iter().zip(&kept)
            .map(|(field, text)| (field.field.name.as_str(), Value::from(text.as_str()))).collect();
        let before = record(7, &fields);
        let after = match plan(&program, &draft, &Found::One(&before)) {
            Step::Update { body, .. } => written(&before, &body),
            Step::Unchanged { .. } => before,
            other => return Err(TestCaseError::fail(format!("{other:?}"))),
        };
        let again = plan(&program, &draft, &Found::One(&after));
        prop_assert!(matches!(again, Step::Unchanged { .. }), "{again:?} on {after:?}");
    }

    #[test]
    fn a_record_as_it_was_created_is_unchanged_the_next_time(row in any_row()) {
        let program = everything("mode: upsert\nmatch: [name]");
        let row = mended(&program, &row);
        let draft = draft(&program, &row);
        prop_assert!(draft.findings.is_empty(), "{:?}", draft.findings);
        if let Step::Create { body } = plan(&program, &draft, &Found::None) {
            let after = written(&record(7, &[]), &body);
            let again = plan(&program, &draft, &Found::One(&after));
            prop_assert!(matches!(again, Step::Unchanged { .. }), "{again:?} after {body}");
        }
    }

    #[test]
    fn seen_keys_agree_with_a_plain_table(keys in prop::collection::vec("[ab]{0,3}", 0..200)) {
        let (mut seen, mut plain) = (SeenKeys::default(), HashMap::new());
        for (row, key) in (2_u64..).zip(&keys) {
            let first = *plain.entry(key.clone()).or_insert(row);
            prop_assert_eq!(seen.add(key, row), (first != row).then_some(first));
        }
    }

    #[test]
    fn folding_twice_changes_nothing_more(text in any::<String>()) {
        let once = folded(&text).into_owned();
        prop_assert_eq!(folded(&once).into_owned(), once.clone());
        prop_assert_eq!(folded(&format!(" {text}\u{A0}")).into_owned(), once);
    }

    #[test]
    fn any_text_as_a_mapping_is_read_or_refused_with_places_inside_it(
        text in prop_oneof![any::<String>(), mapping_text()],
    ) {
        if let Err(problems) = Mapping::parse("m.yaml", &text) {
            prop_assert!(!problems.problems.is_empty());
            prop_assert!(!problems.to_string().is_empty());
            let lines: Vec<&str> = problems.text.split('\n').collect();
            for place in problems.problems.iter().filter_map(|problem| problem.place) {
                prop_assert!((1..=lines.len().max(1)).contains(&place.line), "{place:?} in {text:?}");
                let length = lines.get(place.line - 1).map_or(0, |line| line.chars().count());
                prop_assert!((1..=length + 1).contains(&place.column), "{place:?} in {text:?}");
            }
        }
    }

    #[test]
    fn any_condition_is_read_or_refused_at_a_place_inside_it(
        text in prop_oneof![any::<String>(), condition_text()],
    ) {
        if let Err(error) = parse_filter(&text, &dictionary()) {
            prop_assert!(error.at <= text.chars().count(), "{error:?}");
            prop_assert!(!error.to_string().is_empty());
        }
    }
}

/// Lines that nearly are a mapping.
fn mapping_text() -> impl Strategy<Value = String> {
    let words = vec![
        "version: 1\n",
        "object: things\n",
        "mode: upsert\n",
        "match: [name]\n",
        "match:\n",
        "source: { sheet: 2 }\n",
        "source:\n  guard: keep\n",
        "defaults: [x]\n",
        "fields:\n",
        "  name: N\n",
        "  text: { from: [A, B], join: x }\n",
        "  text: { from: A, values: { x: y }, otherwise: { use: z } }\n",
        "  ownerid: { from: A, ref: { object: users, by: [] } }\n",
        "  date: { from: A, date: '%d' }\n",
        "ignore: [a, b]\n",
        "\t",
        "- ",
        "? ",
        ": ",
        "&a ",
        "*a ",
        "<<: x\n",
        "!!x ",
        "\"",
        "'",
        "{",
        "}",
        "[",
        "]",
        "é\u{200B}",
        "|\n",
        ">\n",
        "# c\n",
        "---\n",
        "\r\n",
        "\u{FEFF}",
    ];
    prop::collection::vec(prop::sample::select(words), 0..14).prop_map(|parts| parts.concat())
}

/// Words that nearly are a condition.
fn condition_text() -> impl Strategy<Value = String> {
    let words = vec![
        "name",
        "number",
        "`text`",
        "=",
        "!=",
        "<",
        ">=",
        "in",
        "(",
        ")",
        ",",
        "between",
        "and",
        "or",
        "not",
        "contains",
        "'x'",
        "\"y\"",
        "'",
        "\\",
        "5",
        "-5",
        "1e999",
        "2024-01-01",
        "null",
        "é",
        "\u{200B}",
        "~",
        "yes",
    ];
    prop::collection::vec(prop::sample::select(words), 0..12).prop_map(|parts| parts.join(" "))
}

#[test]
fn a_blank_row_is_no_fault_of_the_program() {
    let program = everything("");
    let row = row(&[]);
    assert_eq!(draft(&program, &row).missing, [0]);
}

#[test]
fn a_glance_passes_a_row_that_is_right() {
    let program = program("mode: upsert\nmatch: [name]", &glanced_at(), &COLUMNS);
    let texts = [
        "Acme ",
        "£5",
        "a\r\nb",
        "",
        "yes",
        "13/02/2024",
        "2024-02-13",
        "a@b.co",
        "1,5",
        "1.50",
        "15%",
        "http://a.b",
        "o",
        "7",
        "UK",
        "",
        "m",
    ];
    let mut ends = Vec::new();
    texts.iter().fold(0, |from, text| {
        ends.push(from + text.len());
        from + text.len()
    });
    let mut key = String::new();
    let glance = Glance::of(&program).unwrap();
    assert!(glance.passes(&PlainCells::new(&texts.concat(), &ends, 0), &mut key));
    assert_eq!(key, "acme");
}

/// What an address is, said as plainly as can be.
mod sign_by_sign {
    pub fn is_email(text: &str) -> bool {
        let Some((local, domain)) = text.split_once('@') else { return false };
        let clean = |c: char| !c.is_whitespace() && !c.is_control() && !"@,;<>()\"\\".contains(c);
        let local_ok = !local.is_empty()
            && local.chars().all(clean)
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..");
        let label_ok = |label: &&str| {
            let fits = |c: char| c.is_alphanumeric() || c == '-' || (!c.is_ascii() && clean(c));
            !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.chars().all(fits)
        };
        let labels: Vec<&str> = domain.split('.').collect();
        let last = labels.last().copied().unwrap_or_default();
        let last_ok = last.chars().count() >= 2 && !last.bytes().all(|b| b.is_ascii_digit());
        local_ok && labels.len() >= 2 && last_ok && labels.iter().all(label_ok)
    }

    pub fn is_url(text: &str) -> bool {
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if ["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) => rest,
            Some(_) => return false,
            None => text,
        };
        if text.chars().any(|c| c.is_whitespace() || c.is_control() || "<>\"".contains(c)) {
            return false;
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (name, port) = host.split_once(':').unwrap_or((host, "80"));
        let fits = |c: char| c.is_alphanumeric() || c == '-' || c == '_' || !c.is_ascii();
        let label_ok = |label: &str| !label.is_empty() && label.chars().all(fits);
        !port.is_empty()
            && port.bytes().all(|b| b.is_ascii_digit())
            && name.contains('.')
            && name.trim_end_matches('.').split('.').all(label_ok)
    }
}
