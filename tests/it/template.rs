//! `template`: an empty workbook, what is in it, and what becomes of it filled in.

use std::io::{Read, Write};
use std::path::Path;

use calamine::{Data, Reader, SheetVisible, Xlsx, open_workbook};
use serde_json::json;

use crate::support::{Crm, Desk, openpyxl};
use crate::workbook::{Sheet, archive, book, texts};

type Parts = Vec<(String, Vec<u8>)>;

fn parts(file: &Path) -> Parts {
    let mut zip = zip::ZipArchive::new(std::fs::File::open(file).unwrap()).unwrap();
    let count = zip.len();
    let part = |at| {
        let mut part = zip.by_index(at).unwrap();
        let mut bytes = Vec::new();
        part.read_to_end(&mut bytes).unwrap();
        (part.name().unwrap().into_owned(), bytes)
    };
    (0..count).map(part).collect()
}

/// A part of a workbook as text.
fn part(file: &Path, name: &str) -> String {
    let (_, bytes) = parts(file).into_iter().find(|(part, _)| part == name).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Puts other text into parts of a workbook, as a person's program does who edits it.
fn edit(file: &Path, edits: &[(&str, &str, &str)]) {
    let mut parts = parts(file);
    for (name, from, to) in edits {
        let (_, bytes) = parts.iter_mut().find(|(part, _)| part == name).unwrap();
        let text = String::from_utf8(std::mem::take(bytes)).unwrap();
        assert!(text.contains(from), "{name} has no {from}: {text}");
        *bytes = text.replace(from, to).into_bytes();
    }
    let parts: Vec<(&str, &[u8])> =
        parts.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    std::fs::File::create(file).unwrap().write_all(&archive(&parts)).unwrap();
}

const SHEET: &str = "xl/worksheets/sheet1.xml";

/// Types texts into the cells of row 2.
fn fill(file: &Path, cells: &[(&str, &str)]) {
    let cells: String = cells
        .iter()
        .map(|(column, text)| format!(r#"<c r="{column}2" t="inlineStr"><is><t>{text}</t></is></c>"#))
        .collect();
    edit(file, &[(SHEET, "</sheetData>", &format!(r#"<row r="2">{cells}</row></sheetData>"#))]);
}

fn sheet(file: &Path, name: &str) -> Vec<Vec<String>> {
    let mut book: Xlsx<_> = open_workbook(file).unwrap();
    let range = book.worksheet_range(name).unwrap();
    range.rows().map(|row| row.iter().map(Data::to_string).collect()).collect()
}

/// A header as a map from its names to their columns' letters.
fn letter(file: &Path, object: &str, field: &str) -> String {
    let header = &sheet(file, object)[0];
    let place = header.iter().position(|name| name == field).unwrap_or_else(|| panic!("{field}"));
    carafe::model::column_letters(place)
}

#[test]
fn a_template_has_a_column_for_every_field_that_can_be_written() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let done = crm.carafe(&desk, ["template", "campaigns", "-o", "c.xlsx", "--json"]).ends_with(0);
    let described = crm.carafe(&desk, ["describe", "campaigns", "--json"]).ends_with(0).json();
    let writable = described["fields"].as_array().unwrap().iter().filter(|field| field["readonly"] == false);
    let names: Vec<String> = writable.map(|field| field["name"].as_str().unwrap().to_owned()).collect();
    let file = desk.path("c.xlsx");
    assert_eq!(sheet(&file, "campaigns"), std::slice::from_ref(&names));
    assert!(!names.contains(&"id".to_owned()));
    let document = done.json();
    assert_eq!((&document["fields"], &document["required"]), (&json!(names), &json!(["name"])));
    let book: Xlsx<_> = open_workbook(&file).unwrap();
    let sheets: Vec<_> = book.sheets_metadata().iter().map(|s| (s.name.as_str(), s.visible)).collect();
    let (open, hidden) = (SheetVisible::Visible, SheetVisible::Hidden);
    assert_eq!(sheets, [("campaigns", open), ("Instructions", open), ("Lists", hidden)]);
    assert!(part(&file, SHEET).contains(r#"<pane ySplit="1" topLeftCell="A2""#));
}

#[test]
fn notes_and_instructions_say_what_a_column_takes() {
    let desk = Desk::new();
    desk.carafe(["template", "accounts", "-o", "a.xlsx", "--sandbox"]).ends_with(0);
    let file = desk.path("a.xlsx");
    let notes = part(&file, "xl/comments1.xml");
    for note in [
        "Account Name\nRequired for new records\nText, one line, 100 characters at most",
        "Annual Value\nAmount of money, 2 decimals at most",
        "Choose from the list \"accounttypes\": Customer, Prospect,",
        "2-Year Policy\nYes or no: 1 or 0",
        "Tags\nOne or several values of a list, 100 characters at most\nSeveral: joined by ;",
    ] {
        assert!(notes.contains(&note.replace('"', "&quot;")) || notes.contains(note), "{note}: {notes}");
    }
    let told: Vec<String> = sheet(&file, "Instructions").concat();
    for line in [
        "How to fill in accounts",
        "Import:  carafe import a.xlsx --object accounts",
        "addresscounty/state",
        "Account Name",
        "required",
    ] {
        assert!(told.iter().any(|cell| cell == line), "{line}: {told:?}");
    }
}

#[test]
fn cells_are_checked_by_type_size_and_list() {
    let desk = Desk::new();
    desk.carafe(["template", "accounts", "-o", "a.xlsx", "--sandbox"]).ends_with(0);
    let file = desk.path("a.xlsx");
    let xml = part(&file, SHEET);
    let check = |field: &str| {
        let letter = letter(&file, "accounts", field);
        let mark = format!("sqref=\"{letter}2:{letter}10001\"");
        let mut rules = xml.split("<dataValidation ").skip(1);
        let rule = rules.find(|rule| rule.contains(&mark)).unwrap_or_default();
        rule.split("</dataValidation>").next().unwrap_or_default().to_owned()
    };
    for (field, rule) in [
        ("name", "<formula1>100</formula1>"),
        ("phone", "type=\"textLength\""),
        ("employees", "type=\"whole\""),
        ("annualvalue", "type=\"decimal\""),
        ("inceptiondate", "type=\"date\""),
        ("renewal", "type=\"date\""),
        ("2yearpolicy", "<formula1>\"1,0\"</formula1>"),
    ] {
        assert!(check(field).contains(rule), "{field}: {}", check(field));
    }
    // A memo has no limit.
    assert_eq!(check("notes"), "");
    let offered = |field: &str| {
        let rule = check(field);
        let (_, range) = rule.split_once("<formula1>'Lists'!$").unwrap();
        let column = usize::from(range.as_bytes()[0] - b'A');
        sheet(&file, "Lists")
            .into_iter()
            .skip(1)
            .map(|row| row[column].clone())
            .filter(|value| !value.is_empty())
            .collect::<Vec<_>>()
    };
    let types = ["Customer", "Prospect", "Supplier", "Partner", "Competitor", "Former Customer", "Other"];
    assert_eq!(offered("type"), types);
    assert!(check("type").contains("showErrorMessage=\"1\""), "{}", check("type"));
    // Several values joined are none of the list's: the dropdown offers, and refuses nothing.
    assert_eq!(offered("tags")[0], "Newsletter");
    assert!(!check("tags").contains("showErrorMessage"), "{}", check("tags"));
}

#[test]
fn a_template_that_was_filled_in_is_imported_without_a_mapping() {
    let (crm, desk) = (Crm::start(), Desk::new());
    crm.carafe(&desk, ["template", "accounts", "-o", "a.xlsx"]).ends_with(0);
    let file = desk.path("a.xlsx");
    let at = |field: &str| letter(&file, "accounts", field);
    let cells = [
        (at("name"), "Acme Ltd"),
        (at("addresscounty/state"), "Kent"),
        (at("type"), "Customer"),
        (at("phone"), "0012345"),
        (at("renewal"), "2026-12-31 14:30:00"),
        (at("tags"), "Newsletter;Reference"),
        (at("2yearpolicy"), "1"),
    ];
    fill(&file, &cells.each_ref().map(|(column, text)| (column.as_str(), *text)));
    // Sheets are renamed; the marks go with them.
    edit(
        &file,
        &[
            ("xl/workbook.xml", "name=\"Instructions\"", "name=\"So geht's\""),
            ("xl/workbook.xml", ">'Instructions'!", ">'So geht''s'!"),
            ("xl/workbook.xml", "state=\"hidden\"", ""),
        ],
    );
    let done = crm.carafe(&desk, ["import", "a.xlsx", "--object", "accounts", "--json"]).ends_with(0);
    assert_eq!(done.json()["rows"]["created"], 1);
    assert!(!done.stderr.contains("notice"), "{}", done.stderr);
    let record = crm.account("Acme Ltd");
    let fields = ["addresscounty/state", "type", "phone", "renewal", "tags", "2yearpolicy"];
    let values = fields.map(|field| record[field].as_str().unwrap_or_default().to_owned());
    assert_eq!(values, ["Kent", "Customer", "0012345", "2026-12-31 14:30:00", "Newsletter;Reference", "1"]);
    // A draft finds the same sheet.
    crm.carafe(&desk, ["draft", "a.xlsx", "--object", "accounts", "-o", "m.yaml"]).ends_with(0);
}

#[test]
fn with_an_id_a_template_changes_records() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "name,phone\nAcme,1\n"));
    crm.carafe(&desk, ["import", "a.csv", "--object", "accounts"]).ends_with(0);
    let id = crm.account("Acme")["id"].to_string();
    // Whoever has all that a new record needs may also leave the id blank.
    let template = ["template", "accounts", "--json", "-o"];
    for (file, fields, mode, cells, counts) in [
        ("both.xlsx", "id, phone,name,phone", "upsert", [("B", "0077"), ("C", "New")], (1, 0)),
        ("both.xlsx", "id,phone,name", "upsert", [("A", id.as_str()), ("B", "0077")], (0, 1)),
        ("change.xlsx", "phone,id", "update", [("B", id.as_str()), ("A", "0088")], (0, 1)),
    ] {
        let arguments = template.iter().copied().chain([file, "--force", "--fields", fields]);
        let document = crm.carafe(&desk, arguments).ends_with(0).json();
        assert_eq!(document["mode"], mode);
        let required = if mode == "update" { "id" } else { "name" };
        assert_eq!(document["required"], json!([required]));
        fill(&desk.path(file), &cells);
        let next: Vec<&str> =
            document["next"].as_str().unwrap().split(' ').skip(1).chain(["--json"]).collect();
        let rows = crm.carafe(&desk, next).ends_with(0).json()["rows"].clone();
        assert_eq!((&rows["created"], &rows["updated"]), (&json!(counts.0), &json!(counts.1)), "{file}");
    }
    assert_eq!(crm.account("Acme")["phone"], "0088");
    let told: String = sheet(&desk.path("change.xlsx"), "Instructions").concat().concat();
    assert!(told.contains("Every row changes the record that its id names."), "{told}");
    assert!(told.contains("carafe import change.xlsx --object accounts --mode update"), "{told}");
}

#[test]
fn an_empty_template_imports_nothing() {
    let (crm, desk) = (Crm::start(), Desk::new());
    crm.carafe(&desk, ["template", "contacts", "-o", "c.xlsx"]).ends_with(0);
    let done = crm.carafe(&desk, ["import", "c.xlsx", "--object", "contacts", "--json"]).ends_with(0);
    assert_eq!(done.json()["rows"]["read"], 0);
}

#[test]
fn odd_names_and_lists_of_every_size_make_a_template() {
    let values = |count: usize| (0..count).map(|n| format!("=v{n}")).collect::<Vec<_>>();
    let fields = json!([
        { "name": "=1+1", "label": "+cmd|' /C calc'!A0", "type": "text", "required": true, "size": 20 },
        { "name": "2yearpolicy", "type": "checkbox" },
        { "name": "addresscounty/state", "type": "text", "lookup": { "list": "counties", "values": values(300) } },
        { "name": "other", "type": "text", "lookup": { "list": "counties", "values": values(300) } },
        { "name": "none", "type": "text", "lookup": { "list": "none", "values": [] } },
        { "name": "untold", "type": "text", "lookup": { "list": "untold" } },
        { "name": "huge", "type": "multi-select", "lookup": { "list": "huge", "values": values(40_000) } },
        { "name": "odd", "type": "colour" },
        { "name": "made", "type": "datetime", "readonly": true },
    ]);
    let objects = ["Lists", "O'Brien [x]/y: a name longer than a sheet's may be", "-o"];
    let described: serde_json::Map<_, _> =
        objects.iter().map(|name| ((*name).to_owned(), json!({ "fields": fields }))).collect();
    let desk = Desk::with("d.json", json!({ "version": 1, "objects": described }).to_string());
    for (object, name) in objects.iter().zip(["Lists", "O_Brien _x__y_ a name longer th", "-o"]) {
        let arguments = ["template", "--dictionary", "d.json", "-o", "t.xlsx", "--force", "--", object];
        let done = desk.carafe(arguments).ends_with(0);
        assert!(done.stdout.contains("8 columns"), "{}", done.stdout);
        let file = desk.path("t.xlsx");
        assert_eq!(sheet(&file, name)[0][..3], ["=1+1", "2yearpolicy", "addresscounty/state"]);
        let lists = if *object == "Lists" { "Lists (2)" } else { "Lists" };
        // One list that two fields share; the others are empty, untold or too long.
        let listed = sheet(&file, lists);
        assert_eq!((listed.len(), listed[0].len(), listed[1][0].as_str()), (301, 1, "=v0"));
        assert_eq!(part(&file, SHEET).matches("$A$2:$A$301").count(), 2);
        // What the CRM says is text, never a formula.
        for (part, bytes) in parts(&file) {
            assert!(!String::from_utf8(bytes).unwrap().contains("<f>"), "{part}");
        }
        fill(&file, &[("A", "x"), ("C", "=v7")]);
        let dictionary = ["check", "t.xlsx", "--offline", "--dictionary", "d.json", "--json", "--object"];
        let object = format!("--object={object}");
        let arguments = dictionary[..6].iter().copied().chain([object.as_str()]);
        let done = desk.carafe(arguments).ends_with(0);
        assert_eq!(done.json()["rows"]["valid"], 1);
    }
}

#[test]
fn what_a_template_cannot_be_is_refused_in_a_sentence() {
    let desk = Desk::with("a.xlsx", "mine");
    let refused = |arguments: &[&str], told: &str| {
        let all = ["template", "accounts", "--sandbox"].iter().chain(arguments).copied();
        desk.carafe(all).run().fails(2, told);
    };
    refused(
        &["-o", "a.xlsx"],
        "error: a.xlsx: this file is there already; take another name, or replace it with --force",
    );
    assert_eq!(desk.text("a.xlsx"), "mine");
    refused(
        &["-o", "a.csv"],
        "error: a template is an XLSX workbook, and a.csv does not end in .xlsx\n  give a file: -o FILE.xlsx",
    );
    refused(&["-o", "-"], "error: a workbook cannot go to standard output\n  give a file: -o FILE.xlsx");
    refused(
        &["-o", "b.xlsx", "--fields", "id,nam"],
        "error: accounts has no field \"nam\"; nearest: name\n  see: carafe describe accounts",
    );
    refused(
        &["-o", "b.xlsx", "--fields", "createdby"],
        "error: accounts.createdby is read-only: the CRM fills it\n  leave it out of --fields",
    );
    refused(
        &["-o", "b.xlsx", "--fields", "phone"],
        "error: a new record of accounts needs name\n  add that to --fields, or id for a template that changes records",
    );
    assert!(!desk.path("b.xlsx").exists());
    desk.carafe(["template", "accounts", "-o", "a.xlsx", "--sandbox", "--force"]).ends_with(0);
    assert_eq!(sheet(&desk.path("a.xlsx"), "accounts").len(), 1);
}

#[test]
fn what_is_printed_names_what_is_required_and_what_comes_next() {
    let desk = Desk::new();
    let done =
        desk.carafe(["template", "contacts", "-o", "c.xlsx", "--sandbox", "--fields", "id,first,email"]);
    insta::assert_snapshot!(done.ends_with(0).stdout, @r"
    Template written to c.xlsx: 3 columns
      into     contacts: every row changes the record that its id names; a new record needs more fields
      required id
      next     fill it in, then:
               carafe import c.xlsx --object contacts --mode update --sandbox
    ");
    let done = desk.carafe(["template", "contacts", "-o", "contacts.XLSX", "--sandbox"]);
    insta::assert_snapshot!(done.ends_with(0).stdout, @r"
    Template written to contacts.XLSX: 22 columns
      into     contacts: every row becomes a new record
      required accountid, last
      next     fill it in, then:
               carafe import contacts.XLSX --object contacts --sandbox
    ");
}

#[test]
fn two_templates_of_the_same_fields_are_the_same_to_the_byte() {
    let desk = Desk::new();
    for file in ["1/a.xlsx", "2/a.xlsx"] {
        std::fs::create_dir(desk.path(file).parent().unwrap()).unwrap();
        desk.carafe(["template", "accounts", "-o", file, "--sandbox"]).ends_with(0);
    }
    let bytes = |file: &str| std::fs::read(desk.path(file)).unwrap();
    assert!(bytes("1/a.xlsx") == bytes("2/a.xlsx"));
}

#[test]
fn instructions_without_the_mark_are_a_sheet_like_any_other() {
    let sheets = ["accounts", "Instructions"].map(|name| Sheet::new(name).row(texts(["name"])));
    let desk = Desk::with("a.xlsx", book(&sheets));
    desk.carafe(["check", "a.xlsx", "--object", "accounts", "--sandbox"]).run().fails(
        2,
        "error: a.xlsx: several sheets hold data: \"accounts\", \"Instructions\"; name one with source: { sheet: … } in \
         the mapping",
    );
}

#[test]
fn a_template_filled_in_by_openpyxl_is_imported() {
    let (crm, desk) = (Crm::start(), Desk::new());
    crm.carafe(&desk, ["template", "accounts", "-o", "a.xlsx"]).ends_with(0);
    if !openpyxl(&desk, "fill_template.py", &["a.xlsx", "filled.xlsx"]) {
        return;
    }
    let done = crm.carafe(&desk, ["import", "filled.xlsx", "--object", "accounts", "--json"]).ends_with(0);
    assert_eq!(done.json()["rows"]["created"], 2);
    let record = crm.account("Acme Ltd");
    let fields = ["phone", "inceptiondate", "renewal", "annualvalue", "tags"];
    let values = fields.map(|field| record[field].to_string().trim_matches('"').to_owned());
    assert_eq!(values, ["0012345", "2024-02-29", "2026-01-02 03:04:05", "12.5", "Newsletter;Reference"]);
}
