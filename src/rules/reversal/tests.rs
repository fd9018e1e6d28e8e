//! A value goes into a cell and comes out of it again, whatever the kind and
//! the keys; what cannot is counted and never another value silently.

use proptest::prelude::*;

use super::*;
use crate::model::Notice;
use crate::rules::program::Overrides;
use crate::rules::testing::{dictionary, header, mapping, others, row};

const TEXTS: Room = Room { digits: 0, columns_alike: true };

fn reversal_in(room: Room, top: &str, fields: &str, columns: &[&str]) -> Reversal {
    let mapping = mapping(top, fields);
    let overrides = Overrides::default();
    let compiled = Program::compile(&mapping, &dictionary(), &others(), &header(columns), overrides);
    Reversal::new(&mapping, compiled.unwrap_or_else(|problems| panic!("{problems}")).0, room)
}

fn reversal(fields: &str, columns: &[&str]) -> Reversal {
    reversal_in(TEXTS, "mode: update\nmatch: [name]", fields, columns)
}

/// The cells of a record and what is told, for fields behind `name`.
fn cells(lines: &str, columns: &[&str], values: &[&str]) -> (Vec<String>, Vec<String>) {
    let columns: Vec<&str> = ["N"].iter().chain(columns).copied().collect();
    let mut reversal = reversal(&format!("name: N\n{lines}"), &columns);
    let kinds: Vec<FieldKind> = reversal.program.fields.iter().map(|f| f.field.kind.clone()).collect();
    let given: Vec<ValueRef<'_>> =
        ["x"].iter().chain(values).zip(&kinds).map(|(v, kind)| value(v, kind)).collect();
    let names: Vec<Option<&str>> = given
        .iter()
        .zip(&reversal.program.fields)
        .map(|(value, field)| (field.reference.is_some() && value.to_text() == "7").then_some("Ada King"))
        .collect();
    let cells =
        reversal.record(&given, &names).iter().skip(1).map(|cell| cell.to_text().to_owned()).collect();
    (cells, reversal.notices().into_iter().map(|Notice(text)| text).collect())
}

fn value<'v>(text: &'v str, kind: &FieldKind) -> ValueRef<'v> {
    match text {
        "" => ValueRef::Null,
        number if kind.is_numeric() || *kind == FieldKind::Checkbox => ValueRef::Number(number),
        text => ValueRef::Text(text),
    }
}

#[test]
fn values_stand_in_the_words_and_forms_of_the_mapping() {
    for (line, value, wanted) in [
        ("type: { from: A, values: { Client: Prospect, Lead: Prospect } }", "Prospect", "Client"),
        ("type: { from: A, values: { Client: Prospect } }", "Customer ", "Customer "),
        ("tags: { from: A, values: { Rot: Red, Bunt: Red;Blue } }", "Red;Green", "Rot;Green"),
        ("tags: { from: A, values: { Rot: Red, Bunt: Red;Blue } }", "Red;Blue", "Bunt"),
        ("tags: { from: A, split: '/', values: { Rot: Red } }", "Red;Green", "Rot/Green"),
        ("date: { from: A, date: '%d.%m.%Y' }", "2024-03-04", "04.03.2024"),
        ("date: { from: A, date: '%d %b %y' }", "1988-03-04", "04 Mar 88"),
        ("date: { from: A, date: excel }", "2024-03-04", "45355"),
        ("date: { from: A, date: excel }", "1900-02-28", "59"),
        ("date: { from: A, date: excel-1904 }", "1904-01-01", "0"),
        ("datetime: { from: A, date: excel }", "2024-03-04 12:00:01", "45355.5000115741"),
        (
            "datetime: { from: A, date: '%d/%m/%Y %I:%M:%S %p' }",
            "2024-03-04 00:05:09",
            "04/03/2024 12:05:09 AM",
        ),
        ("datetime: { from: A, date: '%d/%m/%Y' }", "2024-03-04 12:05:09", "04/03/2024 12:05:09"),
        ("datetime: { from: A, date: '%d/%m/%Y' }", "2024-03-04 00:00:00", "04/03/2024"),
        ("date: A", "2024-03-04", "2024-03-04"),
        ("money: { from: A, decimal: ',' }", "-1234.5", "-1234,5"),
        ("number: { from: A, decimal: ',' }", "123456789012345678.25", "123456789012345678,25"),
        ("money: { from: A, decimal: '.' }", "1234.5", "1234.5"),
        ("check: { from: A, true: [Ja, X], false: Nein }", "1", "Ja"),
        ("check: { from: A, true: [Ja, X], false: Nein }", "0", "Nein"),
        ("check: { from: A, values: { oui: 1, non: 0 } }", "0", "non"),
        ("check: A", "1", "1"),
        ("ownerid: { from: A, ref: { object: users, by: [first, last] } }", "7", "Ada King"),
        (
            "ownerid: { from: A, ref: { object: users, by: [first, last] }, values: { AK: ada king } }",
            "7",
            "AK",
        ),
        ("ownerid: { from: A, ref: { object: users, by: email }, default: 9 }", "7", "Ada King"),
        ("ownerid: A", "0", ""),
        ("text: { from: A, default: none, clear_token: '-' }", "", "-"),
        ("text: { from: A, case: upper, replace: { '^0': '+44' } }", "+44 20", "+44 20"),
        ("text: { from: A, pad: 6 }", "000012", "000012"),
        ("memo: A", "one\ntwo", "one\ntwo"),
        ("text: { from: A, blank: clear }", "", ""),
    ] {
        assert_eq!(cells(line, &["A"], &[value]), (vec![wanted.to_owned()], vec![]), "{line} {value}");
    }
}

#[test]
fn what_the_mapping_would_read_otherwise_stands_as_it_is_and_is_told() {
    let words = |what: &str| {
        format!("{what} of the CRM cannot be written in the mapping's words and stands as it is")
    };
    for (line, value, told) in [
        (
            "type: { from: A, values: { Customer: Prospect }, otherwise: reject }",
            "UK",
            words("type: 1 value"),
        ),
        ("type: { from: A, values: { UK: Prospect } }", "UK", words("type: 1 value")),
        ("date: { from: A, date: '%d.%m.%y' }", "1901-03-04", words("date: 1 value")),
        ("date: { from: A, date: '%d.%m.%Y' }", "n/a", words("date: 1 value")),
        ("text: { from: A, case: upper }", "Abc", words("text: 1 value")),
        ("ownerid: { from: A, ref: { object: users, by: email } }", "8", words("ownerid: 1 value")),
        (
            "text: { from: A, default: none }",
            "",
            "text: 1 record has no value, and the mapping does not take a blank cell for that".into(),
        ),
        (
            "text: { from: A, blank: error }",
            "",
            "text: 1 record has no value, and the mapping does not take a blank cell for that".into(),
        ),
    ] {
        assert_eq!(cells(line, &["A"], &[value]), (vec![value.to_owned()], vec![told]), "{line} {value}");
    }
}

#[test]
fn texts_are_cut_into_the_columns_that_they_were_joined_from() {
    let address = "text: { from: [A, B], join: ' ' }";
    for (value, wanted) in [
        ("Weg 4", ["Weg", "4"]),
        ("Hohe Allee 48", ["Hohe Allee", "48"]),
        ("Weg", ["Weg", ""]),
        ("", ["", ""]),
    ] {
        assert_eq!(
            cells(address, &["A", "B"], &[value]),
            (wanted.map(str::to_owned).to_vec(), vec![]),
            "{value}"
        );
    }
    let day = "datetime: { from: [A, B], date: '%d/%m/%Y %H:%M' }";
    assert_eq!(cells(day, &["A", "B"], &["2024-03-04 14:05:00"]).0, ["04/03/2024", "14:05"]);
    // A second that the format has no place for.
    let (odd, told) = cells(day, &["A", "B"], &["2024-03-04 14:05:06"]);
    assert_eq!(
        (odd.as_slice(), told.len()),
        (["2024-03-04 14:05:06".to_owned(), String::new()].as_slice(), 1)
    );
}

#[test]
fn parts_of_one_column_are_put_together_again() {
    let name =
        "text: { from: A, split: { by: ' ', part: 1 } }\narea: { from: A, split: { by: ' ', part: 2- } }";
    assert_eq!(cells(name, &["A"], &["Ada", "Lady King"]), (vec!["Ada Lady King".into()], vec![]));
    let listed =
        "text: { from: A, split: { by: ',', part: 2 } }\narea: { from: A, split: { by: ',', part: 1 } }";
    assert_eq!(cells(listed, &["A"], &["Ada", "King"]), (vec!["King, Ada".into()], vec![]));
    let (odd, told) = cells(name, &["A"], &["Ada Lady", "King"]);
    assert_eq!(odd, ["Ada Lady King"]);
    assert_eq!(
        told,
        [
            "text: of 1 record the mapping reads another value from \"A\", which other fields fill too",
            "area: of 1 record the mapping reads another value from \"A\", which other fields fill too",
        ]
    );
}

#[test]
fn a_column_that_one_field_takes_whole_is_filled_by_it_and_the_others_are_held_against_it() {
    let lines = "text: { from: A, split: { by: ' ', part: 1 } }\narea: A";
    assert_eq!(cells(lines, &["A"], &["Ada", "Ada King"]), (vec!["Ada King".into()], vec![]));
    let told = cells(lines, &["A"], &["Bob", "Ada King"]).1;
    assert_eq!(
        told,
        ["text: of 1 record the mapping reads another value from \"A\", which other fields fill too"]
    );
}

#[test]
fn what_has_no_column_is_told_once() {
    let lines = "text: { const: x }\narea: { expr: 'B | upper' }\nmemo: A";
    let (cells, told) = cells(lines, &["A", "B", "C"], &["y", "", "m"]);
    assert_eq!(cells, ["m"]);
    assert_eq!(
        told,
        [
            "text: 1 record has another value than the mapping gives to every row, which an import would write",
            "area is not written: an expression cannot be turned round",
            "\"B\", \"C\" are not written, as only \"when\" or an expression reads them; an import by this mapping asks for them",
        ]
    );
}

#[test]
fn columns_have_the_type_of_their_field_where_they_hold_no_words() {
    let lines = "name: N\n number: { from: A, decimal: ',' }\n date: B\n datetime: { from: C, date: '%d/%m/%Y' }\n ownerid: D";
    let kinds = |digits| {
        let reversal = reversal_in(
            Room { digits, ..TEXTS },
            "mode: update\nmatch: [name]",
            lines,
            &["N", "A", "B", "C", "D"],
        );
        reversal
            .columns()
            .into_iter()
            .map(|column| (column.name, column.kind, column.decimals))
            .collect::<Vec<_>>()
    };
    let of = |name: &str, kind, decimals| (name.to_owned(), kind, decimals);
    let behind =
        [of("B", FieldKind::Date, None), of("C", FieldKind::Text, None), of("D", FieldKind::Number, Some(0))];
    assert_eq!(
        kinds(0),
        [vec![of("N", FieldKind::Text, None), of("A", FieldKind::Text, None)], behind.to_vec()].concat()
    );
    assert_eq!(
        kinds(15),
        [vec![of("N", FieldKind::Text, None), of("A", FieldKind::Number, None)], behind.to_vec()].concat()
    );
}

/// A field of each kind, with every key that a mapping has.
const FIELDS: &str = "name: A\n area: { from: [B, C], join: ', ', case: upper, replace: { '[.]': '' } }\n url: D\n \
    memo: { from: E, clear_token: '-', default: none }\n check: { from: F, true: [Ja, X], false: Nein }\n \
    date: { from: G, date: '%d/%m/%Y' }\n datetime: { from: [H, I], date: '%d.%m.%Y %H:%M:%S' }\n \
    email: { from: J, case: lower }\n number: { from: K, decimal: ',' }\n money: { from: L, decimal: '.' }\n percent: M\n \
    text: { from: N, split: { by: ' ', part: 1 }, pad: 4 }\n other: { from: N, split: { by: ' ', part: 2- } }\n \
    ownerid: { from: O, ref: { object: users, by: [first, last] } }\n \
    type: { from: P, values: { Cust: 'Customer ', P: Prospect, gone: '' }, otherwise: { use: UK } }\n \
    tags: { from: Q, split: '/', values: { Rot: Red } }\n level: { from: R, blank: clear }";
const COLUMNS: [&str; 18] =
    ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P", "Q", "R"];

fn cell_text() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => "[ -~]{0,12}",
        1 => any::<String>(),
        3 => "-?[0-9]{0,4}[.,]?[0-9]{0,3}",
        3 => "[0-3][0-9][/.][01][0-9][/.][12][0-9]{3}( [01][0-9]:[0-5][0-9]:[0-5][0-9])?",
        1 => "[0-2][0-9]:[0-5][0-9]:[0-5][0-9]",
        1 => "[12][0-9]{3}-[01][0-9]-[0-3][0-9]",
        1 => "[a-z.]{1,5}@[a-z]{1,8}[.]com",
        2 => prop::sample::select(vec!["", "", "Cust", "gone", "p", "UK", "rot/BLUE", "red", "/", "ja", "Nein", "x", "1", "3", "http://a.b/c d e", "\u{200B}", "a\r\nb", "-", "none"]).prop_map(str::to_owned),
    ]
}

proptest! {
    /// Field by field, as most rows of random texts have some fault.
    #[test]
    fn what_an_import_reads_comes_out_so_that_it_reads_the_same(texts in prop::collection::vec(cell_text(), 18)) {
        let reversal = reversal(FIELDS, &COLUMNS);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let read = row(&texts);
        let values: Vec<(Value, Option<String>)> = (0..reversal.program.fields.len())
            .map(|at| match wish(&reversal.program, &read, at) {
                Wish::Reference(text) => (Value::from_json("7").unwrap(), Some(text.into_owned())),
                wish => (wish.value().unwrap_or(Value::Null), None),
            })
            .collect();
        let refused: Vec<String> = (0..values.len())
            .filter(|at| matches!(wish(&reversal.program, &read, *at), Wish::Faulty))
            .map(|at| reversal.program.fields[at].field.name.clone())
            .collect();
        let refused = |name: &str| refused.iter().any(|refused| refused == name);
        let mut reversal = reversal;
        let given: Vec<ValueRef<'_>> = values.iter().map(|(value, _)| value.into()).collect();
        let names: Vec<Option<&str>> = values.iter().map(|(_, name)| name.as_deref()).collect();
        let cells: Vec<String> = reversal.record(&given, &names).iter().map(|cell| cell.to_text().to_owned()).collect();
        for (at, odd) in reversal.odd.iter().enumerate() {
            let name = &reversal.program.fields[at].field.name;
            // What is refused is no value, and a column that several fill needs all of them.
            let is_refused = match name.as_str() {
                "text" | "other" => refused("text") || refused("other"),
                name => refused(name),
            };
            prop_assert!(
                is_refused || odd.values + odd.blanks == 0,
                "{name}: {:?} of {texts:?} gives {cells:?}", values[at]
            );
        }
    }

    #[test]
    fn no_value_becomes_another_one_silently(texts in prop::collection::vec(cell_text(), 17), name in cell_text()) {
        let mut reversal = reversal(FIELDS, &COLUMNS);
        let kinds: Vec<FieldKind> = reversal.program.fields.iter().map(|f| f.field.kind.clone()).collect();
        let given: Vec<ValueRef<'_>> = texts.iter().zip(&kinds).map(|(text, kind)| value(text, kind)).collect();
        let names: Vec<Option<&str>> = reversal.program.fields.iter().map(|f| f.reference.as_ref().map(|_| name.as_str())).collect();
        let cells: Vec<String> = reversal.record(&given, &names).iter().map(|cell| cell.to_text().to_owned()).collect();
        let again = row(&cells.iter().map(String::as_str).collect::<Vec<_>>());
        for (at, field) in reversal.program.fields.iter().enumerate() {
            let wish = wish(&reversal.program, &again, at);
            let is_same = match &wish {
                Wish::Reference(text) => folded(text) == folded(&name),
                Wish::Faulty => false,
                wish => same(&field.field, Some(&given[at].to_value()), &wish.value().unwrap_or(Value::Null)),
            };
            let odd = reversal.odd[at];
            prop_assert_eq!(is_same, odd.values + odd.blanks == 0, "{} {:?}: {:?} of {:?}", field.field.name, given[at], wish, cells);
        }
    }
}
