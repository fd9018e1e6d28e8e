use super::*;
use crate::model::{Cell, Lookup};
use crate::rules::testing::header;

fn listed(name: &str, kind: FieldKind, values: &[&str]) -> Field {
    let values = Some(values.iter().map(|&v| v.to_owned()).collect());
    Field { lookup: Some(Lookup { list: None, values }), ..Field::new(name, kind) }
}

fn contacts() -> Dictionary {
    let text = |name: &str, label: &str| Field {
        label: Some(label.to_owned()),
        ..Field::new(name, FieldKind::Text)
    };
    let fields = vec![
        Field { read_only: true, ..Field::new("id", FieldKind::Number) },
        Field { required: true, ..Field::new("accountid", FieldKind::Number) },
        listed("salutation", FieldKind::Text, &["Mr", "Mrs", "Dr"]),
        text("first", "First Name"),
        Field { required: true, ..text("last", "Last Name") },
        text("jobtitle", "Job Title"),
        Field::new("email", FieldKind::Email),
        Field::new("phone", FieldKind::Text),
        Field::new("birthday", FieldKind::Date),
        Field { read_only: true, ..Field::new("createddate", FieldKind::DateTime) },
    ];
    Dictionary::new("contacts", fields)
}

fn others() -> Dictionaries {
    let accounts = Dictionary::new("accounts", vec![Field::new("name", FieldKind::Text)]);
    Dictionaries::from([("accounts".to_owned(), accounts)])
}

/// Columns with their cells, and what became of each: the field and its score.
fn fates(columns: &[(&str, &[&str])]) -> Vec<String> {
    let (dictionary, others) = (contacts(), others());
    let matcher = Matcher::new(&dictionary, &others);
    let mut profiles = Profile::for_columns(columns.len());
    for (profile, (_, cells)) in profiles.iter_mut().zip(columns) {
        cells.iter().zip(2..).for_each(|(text, row)| profile.add(row, Cell::Text(text)));
    }
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let name = |at: usize| matcher.field(at).name.clone();
    let fates = matcher.fates(&header(&names), &profiles);
    let word = |fate: &Fate| match fate {
        Fate::Mapped(found) => format!("{} {}", name(found.field), found.score),
        Fate::ReadOnly(found) => format!("({})", name(found.field)),
        Fate::Torn(fields) => fields.iter().map(|at| name(*at)).collect::<Vec<_>>().join(" or "),
        Fate::Unknown(near) => near.as_ref().map_or("-".to_owned(), |near| format!("? {}", name(near.field))),
        Fate::Cut => "cut".to_owned(),
        Fate::Reserved => "reserved".to_owned(),
    };
    fates.iter().map(word).collect()
}

#[test]
fn headers_in_german_find_their_fields() {
    let columns: [(&str, &[&str]); 6] = [
        ("Firma", &["Acme", "Beta"]),
        ("Anrede", &["Herr", "Mr"]),
        ("Vorname", &["Ann", "Bob"]),
        ("Nachname", &["Null", "No"]),
        ("E-Mail-Adresse", &["a@b.co"]),
        ("Geburtsdatum", &["13.02.1970"]),
    ];
    assert_eq!(
        fates(&columns),
        ["accountid 95", "salutation 94", "first 92", "last 92", "email 95", "birthday 95"]
    );
}

#[test]
fn the_cells_decide_between_two_fields_of_one_header() {
    assert_eq!(fates(&[("Title", &["Mr", "Mrs", "Dr"])]), ["salutation 82"]);
    assert_eq!(fates(&[("Title", &["Buyer", "Clerk", "Chef"])]), ["jobtitle 76"]);
}

#[test]
fn cells_of_another_kind_speak_against_a_header() {
    assert_eq!(fates(&[("Born", &["yes", "no"])]), ["? birthday"]);
    assert_eq!(fates(&[("birthday", &["yes", "no"])]), ["? birthday"]);
    // Where some cells fit, the field's own name stands, and is in question.
    assert_eq!(fates(&[("birthday", &["1970-02-13", "unknown", "?"])]), ["birthday 75"]);
}

#[test]
fn cells_alone_are_enough_where_only_one_field_takes_them() {
    assert_eq!(fates(&[("Who left", &["a@b.co", "c@d.org"])]), ["email 72"]);
    assert_eq!(fates(&[("X", &["Mr", "Mrs", "Dr", "Dr"])]), ["salutation 68"]);
    assert_eq!(fates(&[("X", &["red", "blue"])]), ["-"]);
}

#[test]
fn a_column_that_could_be_two_fields_is_asked_about() {
    assert_eq!(fates(&[("Name", &["Dana Ortiz"])]), ["last or first"]);
}

#[test]
fn a_field_takes_one_column_and_the_best_one() {
    let columns: [(&str, &[&str]); 3] =
        [("Telefon", &["+44 20 7946"]), ("phone", &["+44 20 7946"]), ("_row", &["2"])];
    assert_eq!(fates(&columns), ["? phone", "phone 100", "reserved"]);
}

#[test]
fn what_the_crm_fills_is_known_and_an_id_must_be_one() {
    assert_eq!(fates(&[("createddate", &["2024-01-01"])]), ["(createddate)"]);
    assert_eq!(fates(&[("Created on", &["2024-01-01"])]), ["(createddate)"]);
    assert_eq!(fates(&[("CRM id", &["95920983"])]), ["id 95"]);
    assert_eq!(fates(&[("id", &["K-0001"])]), ["-"]);
    assert_eq!(fates(&[("Contact id", &["7"])]), ["-"]);
}

#[test]
fn a_row_of_data_looks_less_like_a_header_than_the_header() {
    let (dictionary, others) = (contacts(), others());
    let matcher = Matcher::new(&dictionary, &others);
    assert_eq!(matcher.likeness(["Company", "First name", "Surname", "Mail"]), 4);
    assert_eq!(matcher.likeness(["Customer day 2025: who came"]), 0);
    assert_eq!(matcher.likeness(["Acme", "Ann", "Archer", "a@b.co"]), 0);
}
