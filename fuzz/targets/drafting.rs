//! Drafts of mappings: whatever the headers and cells, what is written is a
//! mapping that fits. An input is a CSV.
#![no_main]

use std::sync::LazyLock;

use carafe_fuzz::model::{Cell, Dictionary, Field, FieldKind, Header, Row};
use carafe_fuzz::rules::drafting::{Matcher, Profile, Proposal, SourceFacts, addresses, written};
use carafe_fuzz::rules::mapping::Mapping;
use carafe_fuzz::rules::program::{Dictionaries, Overrides, Program, resolve};
use carafe_fuzz::{header, is_fit_to_be_shown, listed};

libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

fn check(input: &[u8]) {
    let Some((header, rows)) = table(input) else { return };
    let (text, proposal) = draft(&header, &rows);
    is_fit_to_be_shown(&text);
    let mapping = Mapping::parse("m.yaml", &text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    assert_eq!(mapping.fields.len(), proposal.entries.len(), "{text}");
    for ((name, rule), entry) in mapping.fields.iter().zip(&proposal.entries) {
        assert_eq!(name.value, entry.field.name);
        let columns = resolve(&rule.from, &header, &mut Vec::new());
        assert_eq!(columns.as_ref(), Some(&entry.columns), "{text}");
    }
    match Program::compile(&mapping, &CONTACTS, &OTHERS, &header, Overrides::default()) {
        Ok((_, notices)) => {
            let unaddressed = addresses(&header).contains(&None);
            assert!(notices.is_empty() || unaddressed, "{notices:?}\n{text}");
        }
        // All that may be wrong is what no column fills.
        Err(problems) => {
            assert!(mapping.mode().creates(), "{problems}\n{text}");
            assert_eq!(problems.problems.len(), proposal.missing.len(), "{problems}\n{text}");
        }
    }
}

/// The first line's names and the other lines' cells.
fn table(input: &[u8]) -> Option<(Header, Vec<Row>)> {
    let mut records = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(input);
    let mut records = records.records().map_while(Result::ok);
    let names = records.next()?;
    let header = header(&names);
    let row = |(record, number): (csv::StringRecord, u64)| {
        let mut row = Row::default();
        row.reset(number, number);
        (0..names.len()).for_each(|at| row.push(Cell::Text(record.get(at).unwrap_or_default())));
        row
    };
    Some((header, records.zip(2..).map(row).collect()))
}

fn draft(header: &Header, rows: &[Row]) -> (String, Proposal) {
    let matcher = Matcher::new(&CONTACTS, &OTHERS);
    let mut profiles = Profile::for_columns(header.columns.len());
    rows.iter().for_each(|row| Profile::add_row(&mut profiles, row, true));
    let mut proposal = Proposal::new(&matcher, &OTHERS, header, &profiles, rows.len() as u64);
    let mut keys = proposal.keys_to_try();
    for row in rows {
        keys.iter_mut().for_each(|key| {
            key.add(row, true);
        });
    }
    proposal.settle(&keys);
    let text = written(&proposal, &SourceFacts::default(), header, &addresses(header), "people.csv");
    (text, proposal)
}

/// Contacts with a field of each kind.
static CONTACTS: LazyLock<Dictionary> = LazyLock::new(|| {
    let fields = vec![
        Field { read_only: true, ..Field::new("id", FieldKind::Number) },
        Field { required: true, ..Field::new("accountid", FieldKind::Number) },
        Field::new("first", FieldKind::Text),
        Field { required: true, ..Field::new("last", FieldKind::Text) },
        Field::new("email", FieldKind::Email),
        Field::new("phone", FieldKind::Text),
        Field::new("addressline", FieldKind::TextArea),
        Field::new("addresscounty/state", FieldKind::Text),
        Field::new("birthday", FieldKind::Date),
        Field::new("seen", FieldKind::DateTime),
        Field { decimals: Some(2), ..Field::new("annualvalue", FieldKind::Currency) },
        Field::new("vip", FieldKind::Checkbox),
        listed("type", FieldKind::Text, &["Customer", "Prospect"]),
        listed("tags", FieldKind::MultiSelect, &["Red", "Green"]),
    ];
    Dictionary::new("contacts", fields)
});

static OTHERS: LazyLock<Dictionaries> = LazyLock::new(|| {
    let accounts = Dictionary::new("accounts", vec![Field::new("name", FieldKind::Text)]);
    Dictionaries::from([("accounts".to_owned(), accounts)])
});
