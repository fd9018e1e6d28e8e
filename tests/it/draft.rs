//! `draft`: a first mapping for a file, tried from the outside.

use std::collections::BTreeMap;
use std::path::Path;

use carafe::rules::mapping::Mapping;
use serde_json::{Value as Json, json};

use crate::support::{Crm, Desk, Done, project};

fn read_mapping(path: &Path) -> Mapping {
    let text = std::fs::read_to_string(path).unwrap();
    Mapping::parse(&path.display().to_string(), &text).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The columns of each field, as the mapping names them, in small letters.
fn columns(mapping: &Mapping) -> BTreeMap<String, Vec<String>> {
    let names = |from: &[carafe::rules::problem::Located<String>]| {
        from.iter().map(|column| column.value.trim().to_lowercase()).collect()
    };
    let fields = mapping.fields.iter().filter(|(_, rule)| !rule.from.is_empty());
    fields.map(|(name, rule)| (name.value.clone(), names(&rule.from))).collect()
}

/// A sample, what `check` says of it with the mapping as it was drafted, and
/// where the draft differs from the mapping that is written by hand.
struct Sample {
    file: &'static str,
    more: &'static [&'static str],
    rejected: u64,
    differs: &'static [&'static str],
}

const fn sample(file: &'static str, rejected: u64, differs: &'static [&'static str]) -> Sample {
    Sample { file, more: &[], rejected, differs }
}

/// Every sample. More rows are rejected than with the mappings written by hand
/// where a dropdown's values are the file's own words: what they become is
/// proposed in a ready line, and is for a person to say.
const SAMPLES: &[Sample] = &[
    // Written by hand, the mapping wants a filled name: 1 more.
    sample("accounts-corrections.csv", 0, &[]),
    // 15, and all that say Kunde, Interessent, Industrie, Messe Köln.
    // By hand, Bemerkung goes to the summary, to leave room for a constant.
    sample("accounts-german.csv", 44, &["summary"]),
    // 18, and all that say Client or Lead.
    sample("accounts.csv", 272, &[]),
    // Phone, Visit, Mail, Fax; and nobody can know that Done is a status.
    sample("activities.csv", 4, &["status"]),
    sample("campaigndetails.csv", 0, &[]),
    // Mailing.
    sample("campaigns.csv", 2, &[]),
    sample("campaignstages.csv", 0, &[]),
    // Bug, Wish, Ask.
    sample("cases.csv", 4, &[]),
    Sample {
        file: "contacts-event.xlsx",
        more: &["--sheet", "attendees"],
        // 10, and all that say Mme, Herr or Sir.
        rejected: 24,
        differs: &[],
    },
    sample("contacts-leavers.csv", 0, &[]),
    // 1, a word for yes that is none, and topics that the mapping by hand adds to the list.
    sample("contacts-old-system.csv", 4, &[]),
    sample("contacts.csv", 0, &[]),
    sample("documents.csv", 0, &[]),
    sample("opportunities.csv", 0, &[]),
    sample("opportunity_lines.csv", 0, &[]),
    sample("opportunityhistories.csv", 0, &[]),
    sample("policies.csv", 0, &[]),
    // 39 years of foundation such as "2013 (1888)", which are text by hand; and
    // the date of listing and the place, whose headers say neither.
    sample("sp500-constituents.csv", 39, &["addressline", "inceptiondate", "summary"]),
    sample("users.csv", 0, &[]),
];

/// Drafts a mapping for a sample and checks the sample with it, untouched.
fn draft_and_check(desk: &Desk, sample: &Sample, object: &str) -> (Mapping, Done) {
    let file = project().join("samples").join(sample.file).display().to_string();
    let draft = ["draft", &file, "--object", object, "-o", "m.yaml", "--sandbox"];
    desk.carafe(draft.into_iter().chain(sample.more.iter().copied())).ends_with(0);
    let checked = desk.carafe(["check", &file, "-m", "m.yaml", "--sandbox", "--json"]).run();
    (read_mapping(&desk.path("m.yaml")), checked)
}

#[test]
fn every_sample_is_drafted_to_the_right_fields_and_checked_with_the_draft_untouched() {
    let (mut same, mut all) = (0, 0);
    for sample in SAMPLES {
        let stem = sample.file.split('.').next().unwrap();
        let by_hand = read_mapping(&project().join("mappings").join(format!("{stem}.yaml")));
        let desk = Desk::new();
        let (drafted, checked) = draft_and_check(&desk, sample, &by_hand.object.value);
        assert!(matches!(checked.code, Some(0 | 4)), "{}: {checked:?}", sample.file);
        assert_eq!(checked.json()["rows"]["rejected"], sample.rejected, "{}: {checked:?}", sample.file);

        let (wanted, found) = (columns(&by_hand), columns(&drafted));
        let differs: Vec<&str> = wanted
            .iter()
            .filter(|(field, columns)| found.get(*field) != Some(columns))
            .map(|(field, _)| field.as_str())
            .collect();
        assert_eq!(differs, sample.differs, "{}: {found:?}", sample.file);
        all += wanted.len();
        same += wanted.len() - differs.len();
    }
    assert!(same * 100 >= all * 95, "{same} of {all} fields are as by hand");
}

#[test]
fn no_sample_is_without_a_draft() {
    let entries = std::fs::read_dir(project().join("samples")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.ends_with(".py") && name != "README.md").collect();
    names.sort();
    let drafted: Vec<&str> = SAMPLES.iter().map(|sample| sample.file).collect();
    assert_eq!(names, drafted);
}

#[test]
fn formats_that_a_sample_proves_are_written_and_slips_are_named() {
    let desk = Desk::new();
    draft_and_check(&desk, &sample("accounts-german.csv", 0, &[]), "accounts");
    let text = desk.text("m.yaml");
    for line in [
        "source: { delimiter: \";\", encoding: windows-1252 }",
        "  addressline: { from: [Straße, Haus-Nr.], join: \" \" }",
        "  inceptiondate: { from: Kunde seit, date: \"%d.%m.%Y\" }",
        "  # ? 1 cell is written otherwise, the first in row 25, \"2019-05-01\"",
        "  annualvalue: { from: Umsatz (€), decimal: \",\" }",
        "  employees: { from: Mitarbeiter, decimal: \",\" }",
        "  vip: { from: Schlüsselkunde, true: [oui, ja], false: [nein, non] }",
        "  # ? 1 cell is no word for yes or no, the first in row 28, \"vielleicht\"",
        "  #   the longest text has 58 characters (row 19), the field takes 50",
    ] {
        assert!(text.lines().any(|found| found.starts_with(line)), "{line}\n{text}");
    }
}

/// Read line by line when it was taken; a change is worth another reading.
#[test]
fn the_draft_of_a_workbook_reads_as_shown() {
    let desk = Desk::new();
    std::fs::copy(project().join("samples/contacts-event.xlsx"), desk.path("event.xlsx")).unwrap();
    let draft = ["draft", "event.xlsx", "--object", "contacts", "-o", "m.yaml", "--sandbox", "--sheet", "2"];
    let done = desk.carafe(draft).ends_with(0);
    insta::assert_snapshot!("draft-contacts-event", format!("{}\n{}", desk.text("m.yaml"), done.stdout));
}

const PEOPLE: &str = "Firma,Nachname,E-Mail,Geboren\nAcme,Ortiz,dana@acme.example,13.02.1970\n";

fn draft(desk: &Desk, more: &[&'static str]) -> Done {
    let arguments = ["draft", "a.csv", "--object", "contacts", "--sandbox"];
    desk.carafe(arguments.into_iter().chain(more.iter().copied())).run()
}

#[test]
fn a_mapping_that_is_there_is_kept_unless_force_is_given() {
    let desk = Desk::with("a.csv", PEOPLE);
    desk.write("m.yaml", "mine");
    let done = draft(&desk, &["-o", "m.yaml"]);
    done.fails(2, "error: m.yaml: this file is there already; take another name, or replace it with --force");
    assert_eq!(desk.text("m.yaml"), "mine");
    draft(&desk, &["-o", "m.yaml", "--force"]).is(0);
    assert!(desk.text("m.yaml").contains("last: Nachname"), "{}", desk.text("m.yaml"));
}

#[test]
fn a_draft_goes_to_standard_output_and_the_closing_words_beside_it() {
    let desk = Desk::with("a.csv", PEOPLE);
    let done = draft(&desk, &["-o", "-"]);
    done.is(0);
    assert!(done.stdout.starts_with("# A first mapping for a.csv"), "{}", done.stdout);
    let mapping = Mapping::parse("-", &done.stdout).unwrap();
    assert_eq!(columns(&mapping)["birthday"], ["geboren"]);
    assert!(done.stderr.contains("Mapping drafted: 4 of 4 columns mapped"), "{}", done.stderr);
    assert!(done.stderr.contains("carafe check a.csv -m MAPPING --sandbox"), "{}", done.stderr);
    let from_stdin = ["draft", "-", "--object", "contacts", "--sandbox", "-o", "-", "--quiet"];
    let done = desk.carafe(from_stdin).stdin(PEOPLE).ends_with(0);
    assert!(done.stdout.contains("date: \"%d.%m.%Y\""), "{}", done.stdout);
    assert_eq!(done.stderr, "");
}

#[test]
fn the_closing_words_name_what_is_in_question_and_the_next_command() {
    let desk = Desk::with("a.csv", "Firma,Tel,Kundennr.\nAcme,0123456,K-7\nBeta,0123457,K-8\n");
    let done = draft(&desk, &["-o", "my m.yaml"]);
    let wanted = "Draft written to my m.yaml: 2 of 3 columns mapped

  file     a.csv · 2 rows, header in row 1
  into     contacts: create; no column identifies a record

          2   mapped, nothing to ask
          1   not mapped, under ignore

  ? Kundennr.  no field is like it

  missing  last: the CRM requires it for new records, and no column fills it
  next     look through the lines with a ?, then:
           carafe check a.csv -m 'my m.yaml' --sandbox
";
    assert_eq!(done.stdout, wanted);
    assert_eq!(done.stderr, "");
}

#[test]
fn one_document_tells_columns_confidence_and_reasons() {
    let desk = Desk::with(
        "a.csv",
        "Firma,Nachname,E-Mail,Geboren,Fax,createddate\nA,O,d@a.example,13.02.1970,1,2024-01-01\n",
    );
    let document = draft(&desk, &["-o", "m.yaml", "--json"]).json();
    let facts = |keys: &[&str]| keys.iter().map(|key| document[*key].clone()).collect::<Vec<Json>>();
    assert_eq!(
        facts(&["command", "object", "file", "mapping", "rows", "header_row", "mode", "match", "missing"]),
        [
            json!("draft"),
            json!("contacts"),
            json!("a.csv"),
            json!("m.yaml"),
            json!(1),
            json!(1),
            json!("upsert"),
            json!(["email"]),
            json!([])
        ]
    );
    let columns = document["columns"].as_array().unwrap();
    let born = columns.iter().find(|column| column["field"] == "birthday").unwrap();
    assert_eq!(
        (&born["column"], &born["number"], &born["confidence"]),
        (&json!("Geboren"), &json!(4), &json!(95))
    );
    assert_eq!(born["reason"], "a usual header for it; the form by row 2, \"13.02.1970\"");
    assert_eq!(
        document["ignored"],
        json!([
            { "column": "Fax", "number": 5, "reason": "no field is like it", "nearest": [], "question": true },
            { "column": "createddate", "number": 6, "reason": "the CRM fills createddate itself", "nearest": [],
              "question": false },
        ])
    );
    assert_eq!(document["next"], "carafe check a.csv -m m.yaml --sandbox");
    let printed = draft(&desk, &["-o", "-", "--json"]).json();
    assert!(printed["mapping"].is_null());
    assert!(Mapping::parse("-", printed["text"].as_str().unwrap()).is_ok());
}

#[test]
fn a_dictionary_from_a_file_needs_no_network_and_no_token() {
    let desk = Desk::with("a.csv", PEOPLE);
    desk.carafe(["describe", "--save", "d.json", "--sandbox"]).ends_with(0);
    let draft = ["draft", "a.csv", "--object", "contacts", "-o", "m.yaml", "--dictionary", "d.json"];
    let done = desk.carafe(draft).ends_with(0);
    assert!(done.stdout.contains("carafe check a.csv -m m.yaml --dictionary d.json"), "{}", done.stdout);
    desk.carafe(["check", "a.csv", "-m", "m.yaml", "--dictionary", "d.json", "--offline"]).ends_with(0);
    // An object that the dictionary lacks cannot be looked up.
    let fields = json!({ "fields": [
        { "name": "last", "type": "text", "required": true }, { "name": "accountid", "type": "number" },
    ] });
    desk.write("small.json", json!({ "version": 1, "objects": { "contacts": fields } }).to_string());
    let draft = ["draft", "a.csv", "--object", "contacts", "-o", "s.yaml", "--dictionary", "small.json"];
    desk.carafe(draft).ends_with(0);
    let mapping = read_mapping(&desk.path("s.yaml"));
    assert_eq!(columns(&mapping).into_keys().collect::<Vec<_>>(), ["last"]);
    let unknown = ["draft", "a.csv", "--object", "acounts", "-o", "x.yaml", "--dictionary", "d.json"];
    let done = desk.carafe(unknown).ends_with(2);
    assert!(done.stderr.contains("does not have the object \"acounts\""), "{}", done.stderr);
    assert!(!desk.path("x.yaml").exists());
}

#[test]
fn of_several_sheets_one_must_be_named() {
    let desk = Desk::new();
    std::fs::copy(project().join("samples/contacts-event.xlsx"), desk.path("b.xlsx")).unwrap();
    let draft = |more: &[&'static str]| {
        let arguments = ["draft", "b.xlsx", "--object", "contacts", "-o", "m.yaml", "--sandbox"];
        desk.carafe(arguments.into_iter().chain(more.iter().copied())).run()
    };
    draft(&[]).fails(
        2,
        "error: b.xlsx: several sheets hold data: \"Read me\", \"Attendees\", \"Codes\"\n  name one with --sheet, for \
         example: carafe draft b.xlsx --object contacts -o m.yaml --sheet 'Read me' --sandbox",
    );
    let done = draft(&["--sheet", "People"]);
    assert!(done.stderr.contains("there is no sheet \"People\""), "{}", done.stderr);
    draft(&["--sheet", "attendees"]).is(0);
    assert!(
        desk.text("m.yaml").contains("source: { sheet: Attendees, header_row: 3 }"),
        "{}",
        desk.text("m.yaml")
    );
    desk.write("a.csv", PEOPLE);
    let csv = ["draft", "a.csv", "--object", "contacts", "-o", "n.yaml", "--sandbox", "--sheet", "1"];
    desk.carafe(csv).run().fails(2, "error: a sheet is named, and a.csv is no workbook\n  leave --sheet out");
}

#[test]
fn a_header_below_titles_is_found_with_its_delimiter() {
    for (titles, delimiter, row) in [
        ("Customers of 2026; all of them\n\n", ";", 3),
        ("Customers, by name\nas of today\n", "\t", 3),
        ("Export\n", ",", 2),
    ] {
        let rows = "Company,Town,E-Mail,Phone\nAcme,Leeds,a@b.co,0123456\nBeta,Hull,c@d.org,0123457\n";
        let desk = Desk::with("a.csv", format!("{titles}{}", rows.replace(',', delimiter)));
        let draft = ["draft", "a.csv", "--object", "accounts", "-o", "m.yaml", "--sandbox", "--json"];
        let document = desk.carafe(draft).ends_with(0).json();
        assert_eq!((&document["header_row"], &document["rows"]), (&json!(row), &json!(2)), "{titles}");
        assert!(desk.text("m.yaml").contains(&format!("header_row: {row}")), "{}", desk.text("m.yaml"));
        let checked = desk.carafe(["check", "a.csv", "-m", "m.yaml", "--sandbox", "--json"]).ends_with(0);
        assert_eq!(checked.json()["rows"]["valid"], 2, "{titles}");
    }
}

#[test]
fn a_file_without_rows_is_drafted_and_one_without_columns_is_refused() {
    let desk = Desk::with("a.csv", "Firma,Nachname,E-Mail\n");
    draft(&desk, &["-o", "m.yaml"]).is(0);
    desk.carafe(["check", "a.csv", "-m", "m.yaml", "--sandbox"]).ends_with(0);
    desk.write("a.csv", "");
    draft(&desk, &["-o", "n.yaml"]).fails(
        2,
        "error: a.csv has no filled row, so there is nothing to draft a mapping from\n  name a file that has at least \
         its column names",
    );
    assert!(!desk.path("n.yaml").exists());
    let missing = ["draft", "b.csv", "--object", "contacts", "-o", "n.yaml"];
    desk.carafe(missing).run().fails(2, "error: b.csv: there is no such file; check its name and its folder");
}

#[test]
fn a_first_row_of_data_is_noticed() {
    let desk = Desk::with("a.csv", "Acme,a@b.co,0123456\nBeta,c@d.org,0123457\n");
    let done = draft(&desk, &["-o", "m.yaml"]);
    done.is(0);
    assert_eq!(
        done.stderr,
        "notice: the header holds \"a@b.co\" and looks like a row of data, not of column names; put a row of names above it\n"
    );
}

#[test]
fn hostile_headers_are_written_so_that_they_are_found_again() {
    let names = [
        "Tel",
        "no",
        "~",
        "a: b #c",
        "say \"\"hi\"\"",
        "two\nlines",
        "",
        "tel ",
        "{x}",
        "\u{1b}[31m",
        "Firma",
    ];
    let header: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let cells = ["0123456"; 10].join(",");
    let desk = Desk::with("a.csv", format!("{}\n{cells},Acme\n", header.join(",")));
    let draft = ["draft", "a.csv", "--object", "accounts", "-o", "m.yaml", "--sandbox"];
    let done = desk.carafe(draft).ends_with(0);
    assert!(!done.stdout.contains('\u{1b}') && !desk.text("m.yaml").contains('\u{1b}'), "{}", done.stdout);
    let mapping = read_mapping(&desk.path("m.yaml"));
    assert_eq!(columns(&mapping)["phone"], ["tel#1"]);
    let ignored: Vec<&str> = mapping.ignore.iter().map(|name| name.value.as_str()).collect();
    let wanted = ["no", "~", "a: b #c", "say \"hi\"", "two lines", "#7", "tel#2", "{x}", "\u{1b}[31m"];
    assert_eq!(ignored, wanted);
    // Nothing is left to be told: every column is mapped or ignored.
    let checked = desk.carafe(["check", "a.csv", "-m", "m.yaml", "--sandbox"]).ends_with(0);
    assert!(!checked.stderr.contains("not mapped"), "{}", checked.stderr);
}

#[test]
fn two_thousand_columns_are_drafted_and_the_mapping_can_be_read() {
    let names: Vec<String> =
        (0..2_000).map(|at| format!("Ünbekannt {at} {}", "ö".repeat(at % 300))).collect();
    let cells = vec!["x"; 2_000].join(";");
    let desk = Desk::with("a.csv", format!("{}\n{cells}\n", names.join(";")));
    let draft = ["draft", "a.csv", "--object", "activities", "-o", "m.yaml", "--sandbox"];
    let done = desk.carafe(draft).ends_with(0);
    assert!(done.stdout.contains("0 of 2,000 columns mapped"), "{}", done.stdout);
    assert!(done.stdout.contains("more, each marked with a ? in the mapping"), "{}", done.stdout);
    let text = desk.text("m.yaml");
    assert!(text.len() < 1 << 20, "{}", text.len());
    assert_eq!(Mapping::parse("m.yaml", &text).unwrap().ignore.len(), 2_000);
}

#[test]
fn json_lines_are_drafted_by_their_keys() {
    let lines =
        "{\"Company\":\"Acme\",\"Town\":\"Leeds\",\"Founded\":1902}\n{\"Company\":\"Beta\",\"vip\":true}\n";
    let desk = Desk::with("a.jsonl", lines);
    let draft = ["draft", "a.jsonl", "--object", "accounts", "-o", "m.yaml", "--sandbox", "--json"];
    let document = desk.carafe(draft).ends_with(0).json();
    assert_eq!((&document["header_row"], &document["match"]), (&json!(0), &json!(["name"])));
    desk.carafe(["check", "a.jsonl", "-m", "m.yaml", "--sandbox"]).ends_with(0);
}

#[test]
fn a_draft_asks_the_crm_for_nothing_but_its_dictionary_and_lists() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", PEOPLE));
    let before = crm.records("contacts", "{}").len();
    let arguments = ["draft", "a.csv", "--object", "contacts", "-o", "m.yaml"];
    crm.carafe(&desk, arguments).ends_with(0);
    assert_eq!(crm.records("contacts", "{}").len(), before);
    assert!(!desk.path(".carafe").exists(), "nothing is kept beside the mapping");
}
