//! Whole drafts: the text that is written, and what holds for any header.

use proptest::prelude::*;

use super::*;
use crate::model::{Cell, Dictionary, Field, FieldKind, Header, Lookup, Row};
use crate::rules::mapping::Mapping;
use crate::rules::program::{Dictionaries, Overrides, Program, resolve};
use crate::rules::testing::header;

fn labelled(name: &str, label: &str, kind: FieldKind) -> Field {
    Field { label: Some(label.to_owned()), ..Field::new(name, kind) }
}

/// Contacts with a field of each kind.
fn contacts() -> Dictionary {
    let listed = |name: &str, kind, values: &[&str]| {
        let values = Some(values.iter().map(|&value| value.to_owned()).collect());
        Field { lookup: Some(Lookup { list: None, values }), ..Field::new(name, kind) }
    };
    let fields = vec![
        Field { read_only: true, ..Field::new("id", FieldKind::Number) },
        Field { required: true, ..labelled("accountid", "Account", FieldKind::Number) },
        labelled("first", "First Name", FieldKind::Text),
        Field { required: true, ..labelled("last", "Last Name", FieldKind::Text) },
        labelled("email", "E-mail", FieldKind::Email),
        labelled("phone", "Phone", FieldKind::Text),
        labelled("addressline", "Address", FieldKind::TextArea),
        Field::new("addresscounty/state", FieldKind::Text),
        labelled("birthday", "Birthday", FieldKind::Date),
        labelled("seen", "Last Seen", FieldKind::DateTime),
        Field { decimals: Some(2), ..labelled("annualvalue", "Annual Value", FieldKind::Currency) },
        labelled("2yearpolicy", "2-Year Policy", FieldKind::Checkbox),
        listed("type", FieldKind::Text, &["Customer", "Prospect"]),
        listed("tags", FieldKind::MultiSelect, &["Red", "Green"]),
        Field { read_only: true, ..Field::new("createddate", FieldKind::DateTime) },
    ];
    Dictionary::new("contacts", fields)
}

fn others() -> Dictionaries {
    let accounts = Dictionary::new("accounts", vec![Field::new("name", FieldKind::Text)]);
    Dictionaries::from([("accounts".to_owned(), accounts)])
}

struct Draft {
    proposal: Proposal,
    header: Header,
    text: String,
}

fn drafted(names: &[&str], rows: &[Vec<&str>]) -> Draft {
    let (dictionary, others) = (contacts(), others());
    let matcher = Matcher::new(&dictionary, &others);
    let header = header(names);
    let rows: Vec<Row> = rows
        .iter()
        .zip(2..)
        .map(|(cells, number)| {
            let mut row = Row::default();
            row.reset(number, number);
            cells.iter().for_each(|text| row.push(Cell::Text(text)));
            row
        })
        .collect();
    let mut profiles = Profile::for_columns(names.len());
    rows.iter().for_each(|row| Profile::add_row(&mut profiles, row, true));
    let mut proposal = Proposal::new(&matcher, &others, &header, &profiles, rows.len() as u64);
    let mut keys = proposal.keys_to_try();
    for row in &rows {
        keys.iter_mut().for_each(|key| {
            key.add(row, true);
        });
    }
    proposal.settle(&keys);
    let text = written(&proposal, &SourceFacts::default(), &header, &addresses(&header), "people.csv");
    Draft { proposal, header, text }
}

/// Cells one behind the other, as many a row as there are names.
fn drafted_of(names: &[String], cells: &[String]) -> Draft {
    fn texts(texts: &[String]) -> Vec<&str> {
        texts.iter().map(String::as_str).collect()
    }
    let rows: Vec<Vec<&str>> = cells.chunks_exact(names.len()).map(texts).collect();
    drafted(&texts(names), &rows)
}

/// The lines that are no comments, without the comments behind them.
fn plain_lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split("  # ").next().unwrap_or_default().trim_end().to_owned());
    lines.filter(|line| !line.trim_start().starts_with('#') && !line.is_empty()).collect()
}

#[test]
fn a_draft_says_what_goes_where_and_what_to_ask() {
    let rows = vec![
        vec![
            "Acme",
            "Dana Ortiz",
            "dana@acme.example",
            "Weg",
            "7",
            "03/04/1970",
            "1.200,50",
            "ja",
            "Client",
            "x",
        ],
        vec![
            "Beta",
            "Tim Null",
            "tim@beta.example",
            "Hof",
            "9 a",
            "05/06/1981",
            "7",
            "nein",
            "Prospect",
            "y",
        ],
    ];
    let names = [
        "Firma",
        "Name",
        "E-Mail",
        "Straße",
        "Haus-Nr.",
        "Geboren",
        "Umsatz (€)",
        "Two years",
        "Kind",
        "Fax: no",
    ];
    let draft = drafted(&names, &rows);
    let lines = plain_lines(&draft.text);
    assert_eq!(
        lines,
        [
            "version: 1",
            "object: contacts",
            "mode: upsert",
            "match: [email]",
            "fields:",
            "  accountid: { from: Firma, ref: { object: accounts, by: name } }",
            "  last: { from: Name, split: { by: \" \", part: 2- } }",
            "  first: { from: Name, split: { by: \" \", part: 1 } }",
            "  email: E-Mail",
            "  addressline: { from: [Straße, Haus-Nr.], join: \" \" }",
            "  birthday: Geboren",
            "  annualvalue: { from: Umsatz (€), decimal: \",\" }",
            "  2yearpolicy: { from: Two years, true: ja, false: nein }",
            "  type: Kind",
            "ignore:",
            "  - \"Fax: no\"",
        ]
    );
    for ready in [
        "  # ? which form? every date can be read in several, row 2, \"03/04/1970\"",
        "  # birthday: { from: Geboren, date: \"%d/%m/%Y\" }",
        "  # birthday: { from: Geboren, date: \"%m/%d/%Y\" }",
        "  # ? 1 value is not in the list (once); its row would be rejected:",
        "  #     \"Client\": once, first row 2, nearest \"Customer\"",
        "  # type: { from: Kind, values: { Client: Customer } }",
        "  # type: { from: Kind, lookup: append }",
    ] {
        assert!(draft.text.lines().any(|line| line == ready), "{ready}\n{}", draft.text);
    }
}

#[test]
fn thousands_that_only_the_field_speaks_for_are_taken_and_asked_about() {
    let draft = drafted(&["Name", "Annual Value"], &[vec!["Ortiz", "548"], vec!["Null", "6.576"]]);
    let lines = plain_lines(&draft.text);
    assert!(
        lines.iter().any(|line| line == "  annualvalue: { from: Annual Value, decimal: \",\" }"),
        "{lines:?}"
    );
    let question = "  # ? row 3, \"6.576\": taken for thousands, as the field takes fewer decimals; true?";
    assert!(draft.text.lines().any(|line| line == question), "{}", draft.text);
}

#[test]
fn postcode_and_town_in_one_column_are_cut() {
    let dictionary = Dictionary::new(
        "accounts",
        vec![
            Field { required: true, ..Field::new("name", FieldKind::Text) },
            Field::new("addresscity", FieldKind::Text),
            Field::new("addresspostcode/zip", FieldKind::Text),
        ],
    );
    let others = Dictionaries::default();
    let matcher = Matcher::new(&dictionary, &others);
    let header = header(&["Firma", "PLZ/Ort"]);
    let text = |cells: &[&str]| {
        let mut profiles = Profile::for_columns(2);
        cells.iter().zip(2..).for_each(|(cell, row)| profiles[1].add(row, Cell::Text(cell)));
        let proposal = Proposal::new(&matcher, &others, &header, &profiles, 2);
        plain_lines(&written(&proposal, &SourceFacts::default(), &header, &addresses(&header), "a.csv"))
    };
    let cut = text(&["10115 Berlin", "D-80331 München"]);
    assert!(
        cut.contains(&"  addresspostcode/zip: { from: PLZ/Ort, split: { by: \" \", part: 1 } }".to_owned()),
        "{cut:?}"
    );
    assert!(
        cut.contains(&"  addresscity: { from: PLZ/Ort, split: { by: \" \", part: 2- } }".to_owned()),
        "{cut:?}"
    );
    assert!(!text(&["Berlin", "München"]).iter().any(|line| line.contains("split")));
}

#[test]
fn required_fields_without_a_column_are_lines_to_be_completed_and_no_record_is_created() {
    let draft = drafted(&["Mail", "Phone"], &[vec!["a@b.co", "0123456"], vec!["c@d.org", "0123457"]]);
    assert_eq!(draft.proposal.missing, ["accountid", "last"]);
    assert_eq!(plain_lines(&draft.text)[2..4], ["mode: update", "match: [email]"]);
    assert!(draft.text.contains("\n  # accountid: COLUMN  "), "{}", draft.text);
    // Nothing identifies a record either: what is lacking is said all the same.
    let neither = drafted(&["Phone"], &[vec!["0123456"], vec!["0123457"]]);
    let mode = neither.text.lines().find(|line| line.starts_with("mode: create ")).unwrap_or_default();
    let wanted = "# new records need accountid, last, which no column fills; fill that in below";
    assert!(mode.ends_with(wanted), "{}", neither.text);
}

#[test]
fn a_day_and_its_time_make_a_mapping_that_reads_whatever_the_days_are() {
    let (dictionary, others) = (contacts(), others());
    let matcher = Matcher::new(&dictionary, &others);
    let header = header(&["Surname", "Last Seen", "Time"]);
    let day = jiff::civil::date(2024, 2, 13).at(0, 0, 0, 0);
    let text = |days: &[Cell<'_>]| {
        let mut profiles = Profile::for_columns(3);
        for (cell, row) in days.iter().zip(2..) {
            profiles[0].add(row, Cell::Text("Ortiz"));
            profiles[1].add(row, *cell);
            profiles[2].add(row, Cell::Text("9:30"));
        }
        let proposal = Proposal::new(&matcher, &others, &header, &profiles, days.len() as u64);
        let text = written(&proposal, &SourceFacts::default(), &header, &addresses(&header), "a.xlsx");
        Mapping::parse("m.yaml", &text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        plain_lines(&text).into_iter().find(|line| line.starts_with("  seen: ")).unwrap_or_default()
    };
    let written = text(&[Cell::Text("13.02.2024"); 5]);
    assert_eq!(written, "  seen: { from: [Last Seen, Time], date: \"%d.%m.%Y %H:%M\" }");
    // Dates of a workbook, and a day's number that lost its format.
    let mut days = vec![Cell::DateTime(day); 9];
    days.push(Cell::Text("45123"));
    assert_eq!(text(&days), "  seen: { from: [Last Seen, Time] }");
}

#[test]
fn ids_identify_records_and_are_asked_about_among_foreign_headers() {
    let rows = vec![vec!["7", "Acme", "Ortiz"], vec!["8", "Beta", "Null"]];
    let own = drafted(&["id", "accountid", "last"], &rows);
    assert_eq!(plain_lines(&own.text)[2..4], ["mode: update", "match: [id]"]);
    assert!(!own.text.contains("ids of this CRM?"), "{}", own.text);
    let foreign = drafted(&["ID", "Company", "Surname"], &rows);
    assert!(foreign.text.contains("# ? ids of this CRM?"), "{}", foreign.text);
    let some = drafted(&["id", "accountid", "last"], &[vec!["7", "Acme", "Ortiz"], vec!["", "Beta", "Null"]]);
    assert_eq!(plain_lines(&some.text)[2], "mode: upsert");
}

#[test]
fn a_key_that_repeats_or_is_mostly_blank_identifies_nothing() {
    let rows = vec![vec!["Acme", "A", "Ortiz", "a@b.co"], vec!["Acme", "B", "Ortiz", ""]];
    let draft = drafted(&["Company", "First name", "Surname", "Mail"], &rows);
    assert_eq!(plain_lines(&draft.text)[2..4], ["mode: upsert", "match: [accountid, first, last]"]);
    let draft =
        drafted(&["Company", "Surname", "Mail"], &[vec!["Acme", "Ortiz", ""], vec!["Acme", "Null", ""]]);
    assert_eq!(plain_lines(&draft.text)[2], "mode: create");
    assert!(draft.text.contains("email does not identify records: 2 of 2 rows have none (first row 2)"));
}

#[test]
fn a_file_without_rows_is_drafted_by_its_headers() {
    let draft = drafted(&["Company", "Surname", "Mail", "Geburtstag"], &[]);
    assert_eq!(plain_lines(&draft.text)[2..4], ["mode: upsert", "match: [email]"]);
    assert!(draft.text.contains("no row shows whether it is unique"));
    assert!(Mapping::parse("m.yaml", &draft.text).is_ok());
}

#[test]
fn a_draft_without_any_field_is_a_mapping_all_the_same() {
    let draft = drafted(&["Xyz", "", "Xyz"], &[vec!["1", "2", "3"]]);
    assert!(draft.proposal.entries.is_empty());
    let mapping = Mapping::parse("m.yaml", &draft.text).unwrap();
    let ignored: Vec<&str> = mapping.ignore.iter().map(|name| name.value.as_str()).collect();
    assert_eq!(ignored, ["Xyz#1", "#2", "Xyz#2"]);
}

#[test]
fn names_of_fields_and_of_the_file_cannot_break_the_text() {
    let odd = "key\n# object: users";
    let fields = vec![
        Field { required: true, ..labelled(odd, "Odd\n\u{1b}label", FieldKind::Text) },
        Field { required: true, ..Field::new("missing: \"one\"", FieldKind::Text) },
    ];
    let (dictionary, others) = (Dictionary::new("no", fields), Dictionaries::default());
    let matcher = Matcher::new(&dictionary, &others);
    let header = header(&["odd label"]);
    let mut proposal = Proposal::new(&matcher, &others, &header, &Profile::for_columns(1), 0);
    let keys = proposal.keys_to_try();
    proposal.settle(&keys);
    let facts = SourceFacts {
        sheet: Some("a: b".to_owned()),
        delimiter: Some('\t'),
        header_row: Some(3),
        encoding: Some("UTF-16LE".to_owned()),
    };
    let text = written(&proposal, &facts, &header, &addresses(&header), "a\nb\u{1b}.csv");
    let mapping = Mapping::parse("m.yaml", &text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    assert_eq!((mapping.object.value.as_str(), mapping.fields[0].0.value.as_str()), ("no", odd));
    assert_eq!(mapping.match_on[0].value, odd);
    assert_eq!(mapping.source.header_row.map(|row| row.value), Some(3));
    assert!(!text.contains('\u{1b}'), "{text}");
}

fn header_name() -> impl Strategy<Value = String> {
    let known = [
        "Company",
        "Surname",
        "last",
        "E-mail",
        "email ",
        "Tel",
        "Straße",
        "Haus-Nr.",
        "Zip",
        "Geburtsdatum",
        "Umsatz (€)",
        "Name",
        "id",
        "Typ",
        "Tags",
        "Last seen",
        "Time",
        "createddate",
        "_row",
        "#1",
        "no",
        "~",
        "2 years",
        "State",
    ];
    prop_oneof![
        6 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        3 => any::<String>(),
        2 => "[ -~]{0,20}",
        1 => "[\"'#:{}\\[\\],&*!|>%@`\\n\\t\u{200B}\u{A0}\u{202E}-]{0,8}",
        1 => "x{200,400}",
    ]
}

fn cell_text() -> impl Strategy<Value = String> {
    let known = [
        "",
        "Acme",
        "ja",
        "X",
        "yes",
        "a@b.co",
        "https://a.b/c",
        "Customer",
        "Client: new",
        "Red, Green",
        "Red;Blue",
        "13/02/2024",
        "03/04/2024",
        "2024-02-13",
        "9:30",
        "45123",
        "20240213",
        "3 Mar 24",
        "1.234",
        "1,234.5",
        "£7",
        "7 %",
        "95920983",
        "Dana Ortiz",
        "Ortiz, Dana",
        "'=1",
        "\u{1b}[31m",
        "line\nbreak",
    ];
    prop_oneof![
        6 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_headers_and_cells_the_draft_is_a_mapping_that_reads_its_columns(
        names in prop::collection::vec(header_name(), 1..10),
        cells in prop::collection::vec(cell_text(), 0..40),
    ) {
        let draft = drafted_of(&names, &cells);
        let mapping = Mapping::parse("m.yaml", &draft.text)
            .map_err(|problems| TestCaseError::fail(format!("{problems}\n{}", draft.text)))?;
        // Each field stands there, and reads the column that it was drafted for.
        prop_assert_eq!(mapping.fields.len(), draft.proposal.entries.len());
        for ((name, rule), entry) in mapping.fields.iter().zip(&draft.proposal.entries) {
            prop_assert_eq!(&name.value, &entry.field.name);
            let mut problems = Vec::new();
            let columns = resolve(&rule.from, &draft.header, &mut problems);
            prop_assert_eq!(columns.as_ref(), Some(&entry.columns), "{}", draft.text);
        }
        // And it fits the dictionary, but for what no column fills.
        let compiled = Program::compile(&mapping, &contacts(), &others(), &draft.header, Overrides::default());
        match compiled {
            Ok((_, notices)) => {
                let unaddressed = addresses(&draft.header).contains(&None);
                prop_assert!(notices.is_empty() || unaddressed, "{notices:?}\n{}", draft.text);
            }
            Err(problems) => {
                let creates = mapping.mode().creates() && !draft.proposal.missing.is_empty();
                prop_assert!(creates, "{problems}\n{}", draft.text);
                prop_assert_eq!(problems.problems.len(), draft.proposal.missing.len(), "{}", problems);
            }
        }
    }

    #[test]
    fn every_ready_line_is_a_mapping_too(
        names in prop::collection::vec(header_name(), 1..6),
        cells in prop::collection::vec(cell_text(), 0..40),
    ) {
        let draft = drafted_of(&names, &cells);
        for (at, line) in draft.text.lines().enumerate() {
            let Some(ready) = line.strip_prefix("  # ").filter(|rest| rest.contains("{ from: ")) else { continue };
            let text = format!("version: 1\nobject: contacts\nfields:\n  {ready}\n");
            let parsed = Mapping::parse("m.yaml", &text);
            prop_assert!(parsed.is_ok(), "line {at}: {}\n{}", parsed.unwrap_err(), draft.text);
        }
    }
}
