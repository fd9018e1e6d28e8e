//! Mappings held against dictionary and header.

use super::*;
use crate::rules::testing::*;

#[test]
fn the_names_of_a_mapping_are_held_against_the_dictionary() {
    let refused = refusals(
        "mode: upsert\nmatch: [nam]",
        "name: N\n nmber: A\n modifieddate: A\n date: { from: A, decimal: \",\" }\n number: { from: A, date: \"%d/%m/%Y\" }",
        &["N", "A"],
    );
    assert_eq!(
        refused,
        [
            "4: \"match\" names nam, which no line under \"fields\" fills",
            "7: things has no field \"nmber\"",
            "8: modifieddate is filled by the CRM and cannot be written",
            "9: \"decimal\" does not go with date, which is of type date",
            "10: \"date\" does not go with number, which is of type number",
        ]
    );
}

#[test]
fn id_may_identify_a_record_though_it_is_read_only_and_only_alone() {
    assert!(program("match: [id]", "id: Id\n name: N", &["Id", "N"]).matches_by_id());
    assert_eq!(
        refusals("", "id: Id\n name: N", &["Id", "N"]),
        ["5: id is filled by the CRM and cannot be written"]
    );
    let two = refusals("match: [id, name]", "id: Id\n name: N", &["Id", "N"]);
    assert_eq!(two, ["3: id identifies a record alone"]);
}

#[test]
fn required_fields_that_nothing_fills_are_an_error_unless_no_row_is_new() {
    assert_eq!(refusals("", "text: A", &["A"]), ["0: things requires name, and nothing fills it"]);
    assert!(compile("mode: update\nmatch: [text]", "text: A", &["A"]).is_ok());
    assert!(compile("mode: delete\nmatch: [text]", "text: A", &["A"]).is_ok());
}

#[test]
fn every_mode_but_create_needs_a_key() {
    for mode in ["update", "upsert", "delete"] {
        let refused = refusals(&format!("mode: {mode}"), "name: A", &["A"]);
        assert_eq!(refused, [format!("3: mode {mode} needs \"match\": the fields that identify a record")]);
    }
}

#[test]
fn columns_are_found_however_they_are_dressed_and_doubtful_ones_are_refused() {
    let found = program("", "name: ' E-MAIL\u{A0}address '", &["x", "e-Mail\u{200B} Address"]);
    assert_eq!(found.fields[0].columns(), [1]);
    let columns = ["Tel", "N", "tel "];
    assert_eq!(program("", "name: N\n text: 'Tel#2'", &columns).fields[1].columns(), [2]);
    assert_eq!(program("", "name: N\n text: '#1'", &columns).fields[1].columns(), [0]);
    for (from, complaint) in [
        ("Tel", "6: column \"Tel\" stands 2 times in the header (columns A and C)"),
        ("Tel#3", "6: the file has no column \"Tel#3\""),
        ("'#0'", "6: the file has no column \"#0\""),
        ("'#99999999999999999999'", "6: the file has no column \"#99999999999999999999\""),
        ("''", "6: the file has no column \"\""),
    ] {
        assert_eq!(refusals("", &format!("name: N\n text: {from}"), &columns), [complaint], "{from}");
    }
    assert_eq!(refusals("ignore: [n]", "name: N", &columns), ["3: column \"n\" is both mapped and ignored"]);
}

#[test]
fn columns_that_are_not_there_are_told_each_and_those_that_are_once() {
    let found = compile("", "name: Firm\n text: Town\n type: Kind", &["X", "Y"]).unwrap_err().to_string();
    assert_eq!(found.matches("the file has: X, Y").count(), 1, "{found}");
    assert_eq!(found.matches("the file has no column").count(), 3, "{found}");
}

#[test]
fn values_that_stand_in_the_mapping_must_fit_the_field() {
    for (line, complaint) in [
        ("text: { const: ' ' }", "text: the value is empty; to leave the field alone, take the line out"),
        ("type: { const: Custmer }", "type: \"Custmer\" is not in the list; nearest \"Customer \""),
        ("tags: { const: 'Red;Pink' }", "tags: \"Pink\" is not in the list"),
        (
            "check: { const: maybe }",
            "check: not a word for yes or no (1 true yes y on, 0 false no n off); the mapping can name others: true, false",
        ),
        ("number: { from: A, default: x }", "number: not a number"),
        ("money: { from: A, default: 1.234 }", "money: 3 digits behind the decimal point, the field takes 2"),
        (
            "date: { const: 13/02/2024 }",
            "date: not a date in the form YYYY-MM-DD; say the column's form in the mapping, date: \"%d/%m/%Y\"",
        ),
        ("email: { from: A, values: { x: y } }", "email: not an address"),
        ("email: { from: A, values: { x: a@b.co }, otherwise: { use: y } }", "email: not an address"),
        (
            "ownerid: { from: A, ref: { object: users, by: last }, default: me }",
            "ownerid: not an id: a whole number is needed",
        ),
        (
            "number: { from: A, decimal: ',', default: '1.234' }",
            "number: it can be read in two ways, plainly and in the column's notation; write it plainly: 2024-02-13, 1234.5",
        ),
        (
            "text: { from: A, values: { a: x, 'A ': y } }",
            "\"A \" stands twice among values: case and blanks do not count",
        ),
        ("text: { from: A, values: { ' ': x } }", "a blank cell is never looked for among values"),
    ] {
        let refused = refusals("", &format!("name: N\n {line}"), &["N", "A"]);
        assert_eq!(refused, [format!("6: {complaint}")], "{line}");
    }
}

#[test]
fn values_of_the_mapping_may_be_plain_or_in_the_columns_notation() {
    for (line, wanted) in [
        ("date: { from: A, date: '%d/%m/%Y', default: 2024-02-01 }", "2024-02-01"),
        ("date: { from: A, date: '%d/%m/%Y', default: 01/02/2024 }", "2024-02-01"),
        ("number: { from: A, decimal: ',', default: 1234.5 }", "1234.5"),
        ("number: { from: A, decimal: ',', default: '1.234,5' }", "1234.5"),
        ("check: { from: A, default: yes }", "1"),
        ("tags: { from: A, default: 'blue; RED' }", "Blue;Red"),
        ("percent: { from: A, default: 5% }", "5"),
        ("ownerid: { from: A, ref: { object: users, by: last }, default: 90505.0 }", "90505"),
    ] {
        let program = program("", &format!("name: N\n {line}"), &["N", "A"]);
        let value = match program.fields[1].default_value().unwrap().unwrap() {
            Converted::Text(text) | Converted::Number(text) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(value, wanted, "{line}");
    }
}

#[test]
fn a_reference_is_held_against_the_object_it_names() {
    for (rule, complaint) in [
        ("{ object: user, by: last }", "6: there is no object \"user\""),
        ("{ object: users, by: [first, lst] }", "6: users has no field \"lst\""),
    ] {
        let fields = format!("name: N\n ownerid: {{ from: A, ref: {rule} }}");
        assert_eq!(refusals("", &fields, &["N", "A"]), [complaint]);
    }
    let date = refusals("", "name: N\n date: { from: A, ref: { object: users, by: last } }", &["N", "A"]);
    assert_eq!(date, ["6: \"ref\" does not go with date, which is of type date"]);
}

#[test]
fn columns_that_nothing_reads_are_told_once_and_those_of_a_reject_file_never() {
    let header = header(&["N", "A", "B", "_row", "_Errors ", ""]);
    let overrides = Overrides::default();
    let told = |mapping: &Mapping| {
        Program::compile(mapping, &dictionary(), &others(), &header, overrides).unwrap().1
    };
    let notices = told(&mapping("ignore: [a]", "name: N"));
    assert_eq!(notices.len(), 1);
    assert!(notices[0].0.starts_with("1 column is not mapped and left out: \"B\""), "{}", notices[0]);
    assert!(told(&mapping("ignore: [a, b]", "name: N")).is_empty());
}

#[test]
fn of_columns_that_are_called_alike_one_is_ignored_by_its_number() {
    let told = |ignore: &str| {
        let mapping = mapping(ignore, "name: 'Tel#1'");
        let header = header(&["Tel", "tel "]);
        let compiled = Program::compile(&mapping, &dictionary(), &others(), &header, Overrides::default());
        compiled.unwrap().1.len()
    };
    assert_eq!(
        [told(""), told("ignore: ['Tel#2']"), told("ignore: ['#2']"), told("ignore: [tel]")],
        [1, 0, 0, 0]
    );
}

#[test]
fn without_a_mapping_headers_are_field_names() {
    let made = |columns: &[&str], mode| {
        let mapping = mapping_of_header("things", &header(columns), &dictionary(), mode);
        let fields: Vec<String> = mapping.fields.iter().map(|(name, _)| name.value.clone()).collect();
        (mapping.mode(), mapping.match_on.len(), fields.join(" "))
    };
    assert_eq!(made(&["Name ", "x", "TEXT"], None), (Mode::Create, 0, "name text".to_owned()));
    assert_eq!(made(&["ID", "name", "modifieddate"], None), (Mode::Upsert, 1, "id name".to_owned()));
    assert_eq!(made(&["id", "name"], Some(Mode::Create)), (Mode::Create, 0, "name".to_owned()));
    assert_eq!(made(&["id", "text"], Some(Mode::Update)), (Mode::Update, 1, "id text".to_owned()));
}

#[test]
fn without_a_mapping_a_column_that_stands_twice_is_a_sentence() {
    let header = header(&["name", "Name "]);
    let mapping = mapping_of_header("things", &header, &dictionary(), None);
    let problems =
        Program::compile(&mapping, &dictionary(), &others(), &header, Overrides::default()).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "column \"name\" stands 2 times in the header (columns A and B)\n   = rename one of them"
    );
}
