//! 1 to 23: delimited texts and what is no text.

use serde_json::{Value as Json, json};

use super::{check, is_refused, measured};
use crate::support::{Crm, Desk};
use crate::tiny::{Tiny, accounts};
use crate::trial::{plain, refusal, trial};
use crate::workbook::{Sheet, book, text, texts};

const FIRM: &str = "fields:\n  name: Firm\n";

#[test]
fn h1_a_file_without_data_rows_is_done_and_sends_nothing() {
    let header = book(&[Sheet::new("S").row(texts(["name", "phone"]))]);
    for (name, content) in [
        ("a.csv", Vec::new()),
        ("b.csv", "\u{FEFF}".into()),
        ("c.csv", "\u{FEFF}name,phone\r\n".into()),
        ("d.jsonl", "\n\n".into()),
        ("e.xlsx", header),
        ("f.xlsx", book(&[Sheet::new("S")])),
    ] {
        let (crm, desk) = (Tiny::serve(accounts(&[])), Desk::with(name, content));
        let done = desk.carafe(["import", name, "--object", "accounts"]).at(&crm.address()).ends_with(0);
        assert_eq!(done.stderr, format!("notice: {name} has no data rows; there is nothing to do\n"));
        assert_eq!(
            (crm.writes(), done.stdout.lines().next().unwrap().contains("the file has no data rows")),
            (0, true)
        );
    }
}

#[test]
fn h2_a_byte_order_mark_is_no_part_of_the_first_name() {
    for content in ["\u{FEFF}Firm,x\nA,1\n", "\u{FEFF}\"Firm\",x\nA,1\n"] {
        trial("a.csv", content, FIRM).is(0, json!({ "read": 1, "created": 1 }));
    }
}

#[test]
fn h3_utf16_is_read_with_and_without_a_mark_and_utf32_is_refused() {
    // There is no flag for the encoding: it is found, told, and set in the mapping.
    let text = "Firm;x\r\nŁódź;1\r\n";
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bytes in [little.clone(), [&[0xFF, 0xFE], little.as_slice()].concat()] {
        let trial = trial("a.csv", bytes, FIRM).is(0, json!({ "read": 1, "created": 1 }));
        trial.told("encoding utf-16le found");
        trial.crm.account("Łódź");
    }
    let wide = [0xFF, 0xFE, 0, 0, b'n', 0, 0, 0];
    is_refused("a.csv", wide, 64, "files in UTF-32 are not read; save the file as UTF-8");
}

#[test]
fn h4_an_undecodable_byte_rejects_its_row_at_its_place_in_the_file() {
    let mut mixed = "Firm,x\nZoë,1\nÅse,2\n".as_bytes().to_vec();
    mixed.extend(b"\xFCber,3\n");
    let trial = trial("a.csv", mixed, FIRM).is(4, json!({ "read": 3, "created": 2, "rejected": 1 }));
    trial.told("the file is UTF-8 but for 1 place,");
    assert!(
        trial.problems()[0]
            .starts_with("A4 encoding byte 0xFC at offset 21 of the file is not in its encoding")
    );
    // Between 0x80 and 0x9F windows-1252 has gaps.
    let gap = crate::trial::trial("a.csv", b"Firm,x\nM\xFCller,1\nK\x81ln,2\nK\xF6ln,3\n", FIRM);
    let gap = gap.is(4, json!({ "read": 3, "created": 2, "rejected": 1 }));
    assert!(gap.problems()[0].starts_with("A3 encoding byte 0x81 at offset 17"), "{:?}", gap.problems());
}

#[test]
fn h5_zero_bytes_and_control_characters_reject_their_row_and_never_reach_a_terminal() {
    // A mapping can take them out: replace: { "[\\x00-\\x08]": "" }.
    let rows = "Firm,x\nA\0B,1\n\u{1B}[2JC,2\nD\u{7}\u{85},3\nE\tF,4\n";
    let trial = trial("a.csv", rows, FIRM).is(4, json!({ "read": 4, "created": 1, "rejected": 3 }));
    assert_eq!(
        trial.problems(),
        [
            "A2 control_char holds the control character U+0000",
            "A3 control_char holds the control character U+001B",
            "A4 control_char holds the control character U+0007",
        ]
    );
    let shown = trial.crm.carafe(&trial.desk, ["check", "a.csv", "-m", "m.yaml"]).ends_with(4);
    assert!(
        !shown.stdout.contains(['\0', '\u{1B}', '\u{7}', '\u{85}']) && shown.stdout.contains("\\u{1B}[2JC")
    );
    let cleaned = "fields:\n  name: { from: Firm, replace: { '[\\x00-\\x08\\x1B\\x85]': '' } }\n";
    crate::trial::trial("a.csv", rows, cleaned).is(0, json!({ "read": 4, "created": 4 }));
}

#[test]
fn h6_a_quote_that_swallows_the_file_is_told_with_its_line_and_little_memory() {
    let mut rows = "name,phone\nA,x\nB,\"never closed\n".to_owned();
    rows += &"C,y\n".repeat(3_000_000);
    is_refused(
        "a.csv",
        rows,
        64,
        "line 3: a quote opens here and is not closed within 1 MiB; close it, or double it where it belongs to the text",
    );
}

#[test]
fn h7_rows_with_too_few_or_too_many_cells_are_rejected_with_all_of_them() {
    let trial = trial("a.csv", "Firm,x\nA\nB,1,2,3\n", FIRM).is(4, json!({ "read": 2, "rejected": 2 }));
    let rejects = trial.desk.run_text("rejects.csv");
    assert!(
        rejects.lines().next().unwrap().ends_with("_errors,_extra") && rejects.contains(",\"2,3\""),
        "{rejects}"
    );
}

#[test]
fn h8_columns_without_a_name_are_called_by_their_number() {
    // Blank names at the very end are none: a spreadsheet leaves delimiters there.
    let mapping = "fields:\n  name: '#1'\n  phone: '#3'\n";
    let rows = " ,x,\u{A0},y,,\nA,1,2,3,,\n";
    let trial1 = trial("a.csv", rows, mapping).is(0, json!({ "read": 1, "created": 1 }));
    assert_eq!(trial1.field("A", "phone"), "2");
    let beyond = refusal("a.csv", "Firm,x\nA,1\n", "fields:\n  name: Firm\n  phone: '#3'\n");
    assert!(beyond.contains("the file has no column \"#3\""), "{beyond}");
}

#[test]
fn h9_a_header_is_matched_without_case_and_unseen_blanks_and_these_are_shown() {
    let rows = "\u{200B}F\u{AD}IRM\u{A0},Cafe\u{301}\nA,1\n";
    let trial = trial("a.csv", rows, "fields:\n  name: firm\n  phone: CAFÉ\n")
        .is(0, json!({ "read": 1, "created": 1 }));
    assert_eq!(trial.field("A", "phone"), "1");
    // Letters with and without an accent are different names, as the contract has it.
    let told = refusal("a.csv", "Firm,Caf\u{200B}é\nA,1\n", "fields:\n  name: Firm\n  phone: Cafe\n");
    assert!(told.contains("the file has: Firm, Caf\\u{200B}é"), "{told}");
}

#[test]
fn h10_line_ends_of_any_kind_are_read_and_those_in_quotes_stay() {
    for end in ["\r", "\n", "\r\n"] {
        let rows = ["Firm;Note", "A;\"x\r\ny\"", "B;z", ""].join(end);
        let trial = trial("a.csv", rows, "fields:\n  name: Firm\n  notes: Note\n")
            .is(0, json!({ "read": 2, "created": 2 }));
        assert_eq!(trial.field("A", "notes"), "x\ny", "{end:?}");
        trial.told("delimiter \";\" found");
    }
}

#[test]
fn h11_endless_lines_and_columns_are_refused_in_little_memory() {
    is_refused(
        "a.csv",
        "x".repeat(64 << 20),
        64,
        "line 1: this line is longer than 4 MiB; the file does not look like a table, or its lines end otherwise than in CR, LF or both",
    );
    is_refused(
        "a.csv",
        "x,".repeat(100_000),
        64,
        "line 1: this line has more than 16384 cells; the delimiter is probably another one",
    );
    let header: Vec<String> = (0..2001).map(|at| format!("c{at}")).collect();
    is_refused("a.csv", header.join(","), 64, "the header has 2001 columns; at most 2000 can be read");
}

#[test]
fn h12_memory_does_not_grow_with_the_rows() {
    // 20 MB are enough to see it, and the bench measures an import of the whole.
    let filler = "x".repeat(180);
    let rows: String = (0..100_000).map(|at| format!("Firm {at},{filler}\n")).collect();
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", format!("name,notes\n{rows}")));
    let (done, peak) = measured(crm.carafe(&desk, ["check", "a.csv", "--object", "accounts", "--json"]));
    assert_eq!(done.json()["rows"]["valid"], 100_000);
    assert!(peak < 64, "{peak} MiB");
}

#[test]
fn h13_texts_of_digits_stay_texts_and_numbers_keep_all_their_digits() {
    let line = "0044207946,1E5,9007199254740993,00123";
    let mapping = "fields:\n  name: Firm\n  phone: a\n  ticker: b\n  notes: c\n  addresspostcode/zip: d\n  employees: c\n";
    let trial1 = trial("a.csv", format!("Firm,a,b,c,d\nA,{line}\n"), mapping)
        .is(0, json!({ "read": 1, "created": 1 }));
    let fields = ["phone", "ticker", "notes", "addresspostcode/zip"].map(|field| trial1.field("A", field));
    assert_eq!(fields.join(","), line);
    // A float would make it 9007199254740992.
    assert_eq!(trial1.field("A", "employees"), "9007199254740993");
    let beyond =
        trial("a.csv", "Firm,n\nA,1e999\nB,1e999999999999\n", "fields:\n  name: Firm\n  employees: n\n");
    assert_eq!(
        beyond.is(4, json!({ "read": 2, "rejected": 2 })).problems(),
        ["B2 number not a number", "B3 number not a number"]
    );
}

#[test]
fn h14_amounts_are_read_by_the_columns_mark_and_never_by_a_guess() {
    let mapping = "fields:\n  name: Firm\n  annualvalue: n\n";
    let open = refusal("a.csv", "Firm;n\nA;1,234\n", mapping);
    assert!(
        open.contains(
            "(with a decimal point, or with a decimal comma), and no row shows which: row 2 has \"1,234\""
        ),
        "{open}"
    );
    let read = trial("a.csv", "Firm;n\nA;1,234\nB;£1 000\nC;(5.00)\nD;1,234.5\n", mapping);
    let read = read.is(0, json!({ "read": 4, "created": 4 }));
    assert_eq!(
        ["A", "B", "C", "D"].map(|name| read.field(name, "annualvalue")),
        ["1234", "1000", "-5", "1234.5"]
    );
}

#[test]
fn h15_days_that_never_were_are_rejected_and_never_rolled_over() {
    let rows = "Firm,d\nA,31/02/2026\nB,13/01/2026\nC,01/13/0026\nD,29/02/2023\nE,29/02/2024\nF,30/02/0026\n";
    let mapping = "fields:\n  name: Firm\n  inceptiondate: { from: d, date: '%d/%m/%Y' }\n";
    let trial1 = trial("a.csv", rows, mapping).is(4, json!({ "read": 6, "created": 2, "rejected": 4 }));
    assert_eq!(["B", "E"].map(|name| trial1.field(name, "inceptiondate")), ["2026-01-13", "2024-02-29"]);
    let iso = trial(
        "a.csv",
        "Firm,d\nA,2026-13-01\nB,0026-01-01\nC,2026-03-29 02:30\n",
        "fields:\n  name: Firm\n  renewal: d\n",
    );
    // An hour that a clock left out is a time: the CRM keeps no zone.
    assert_eq!(
        iso.is(4, json!({ "read": 3, "created": 1, "rejected": 2 })).field("C", "renewal"),
        "2026-03-29 02:30:00"
    );
}

#[test]
fn h16_words_for_nothing_are_texts_unless_the_mapping_says_otherwise() {
    // There is no key `null:`; `clear_token`, `values` and `replace` are the ways to say it.
    let rows = "Firm,Note,Staff\nA,NULL,1\nB,-,2\nC,N/A,N/A\nD,#REF!,4\nE,,\n";
    let mapping = |more: &str| {
        format!(
            "fields:\n  name: Firm\n  notes: {{ from: Note{more} }}\n  employees: {{ from: Staff{more} }}\n"
        )
    };
    let plainly = trial("a.csv", rows, &mapping("")).is(4, json!({ "read": 5, "created": 3, "rejected": 2 }));
    assert_eq!(["A", "B", "E"].map(|name| plainly.field(name, "notes")), ["NULL", "-", ""]);
    assert_eq!(
        plainly.problems(),
        ["C4 number not a number", "B5 error_cell the cell holds the error #REF!"]
    );
    let said = mapping(", replace: { '^(NULL|-|N/A|#REF!)$': '' }");
    let said = trial("a.csv", rows, &said).is(0, json!({ "read": 5, "created": 5 }));
    assert_eq!(["A", "C", "D"].map(|name| said.field(name, "notes")), ["", "", ""]);
}

#[test]
fn h17_a_value_longer_than_its_field_is_rejected_with_both_lengths() {
    let (fits, long) = ("😀".repeat(50), "😀".repeat(51));
    let trial1 =
        trial("a.csv", format!("Firm,t\nA,{fits}\nB,{long}\n"), "fields:\n  name: Firm\n  addresscity: t\n");
    let trial1 = trial1.is(4, json!({ "read": 2, "created": 1, "rejected": 1 }));
    assert_eq!(trial1.problems(), ["B3 too_long 51 characters, the field takes 50"]);
    // Cutting is a step that the mapping names.
    let cut = trial(
        "a.csv",
        format!("Firm,t\nB,{long}\n"),
        "fields:\n  name: Firm\n  addresscity: { expr: 't[:50]' }\n",
    );
    assert_eq!(cut.is(0, json!({ "read": 1, "created": 1 })).field("B", "addresscity"), fits);
}

#[test]
fn h18_signs_that_mislead_the_eye_are_stored_as_they_are_and_shown_escaped() {
    // They are not rejected: a mark of direction belongs to Arabic and Hebrew names.
    let name = "evil\u{202E}txt.exe 😀";
    let trial = trial(
        "a.csv",
        format!("Firm,Kind\n{name},Nо\nB,\u{202E}x\n"),
        "fields:\n  name: Firm\n  type: { from: Kind, lookup: off }\n",
    );
    let trial = trial.is(0, json!({ "read": 2, "created": 2 }));
    assert_eq!(trial.field(name, "type"), "Nо");
    trial.desk.write("m.yaml", "version: 1\nobject: accounts\nfields:\n  name: Firm\n  type: Kind\n");
    let shown = trial.crm.carafe(&trial.desk, ["check", "a.csv", "-m", "m.yaml"]).ends_with(4);
    assert!(shown.stdout.contains("\"\\u{202E}x\" is not in the list") && !shown.stdout.contains('\u{202E}'));
}

#[test]
fn h19_addresses_that_are_none_are_rejected_and_phones_are_texts() {
    let rows = "Firm,Mail,Web,Tel\nA,a@b,javascript:alert(1),call me\nB,a b@c.de,ftp://x.de,\nC,zoë@exämple.de,example.com/a?b,ext. 5\n";
    let mapping = "fields:\n  name: Firm\n  email: Mail\n  website: Web\n  phone: Tel\n";
    let trial = trial("a.csv", rows, mapping).is(4, json!({ "read": 3, "created": 1, "rejected": 2 }));
    let (mail, web) = ("email not an address", "url not a web address");
    assert_eq!(
        trial.problems(),
        [format!("B2 {mail}"), format!("C2 {web}"), format!("B3 {mail}"), format!("C3 {web}")]
    );
}

#[test]
fn h20_of_keys_that_differ_in_case_and_blanks_the_first_wins_and_the_rest_are_told() {
    let (crm, desk) =
        (Crm::start(), Desk::with("a.csv", "Firm,Tel\nAcme  Ltd,1\n\u{A0}ACME ltd ,2\nacme ltd,3\n"));
    desk.write(
        "m.yaml",
        "version: 1\nobject: accounts\nmode: upsert\nmatch: [name]\nfields:\n  name: Firm\n  phone: Tel\n",
    );
    let done = crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml", "--json"]).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 1, "rejected": 2 }));
    assert!(desk.errors().iter().all(|error| error["message"] == "row 2 has the same name"));
}

#[test]
fn h21_what_is_no_id_never_reaches_the_crm_and_create_passes_ids_over() {
    let wrong = ["-5", "0", "1.5", "9007199254740993", "1e3", "x", "99999999999999999999"];
    let rows: String = wrong.iter().map(|id| format!("{id},A{id},1\n")).collect();
    let (crm, desk) = (Tiny::serve(accounts(&[])), Desk::with("a.csv", format!("id,name,phone\n{rows}")));
    let done =
        desk.carafe(["import", "a.csv", "--object", "accounts", "--json"]).at(&crm.address()).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 7, "rejected": 7 }));
    let codes: Vec<Json> = desk.errors().iter().map(|error| error["code"].clone()).collect();
    assert_eq!((codes, crm.writes()), (vec![json!("id"); 7], 0));
    let arguments = ["import", "a.csv", "--object", "accounts", "--mode", "create", "--json"];
    let done = desk.carafe(arguments).at(&crm.address()).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 7, "created": 7 }));
    assert!(crm.asked_by("POST").iter().all(|request| request.json().get("id").is_none()));
}

#[test]
fn h22_a_file_that_is_something_else_is_called_by_its_name() {
    let workbook = book(&[Sheet::new("S").row([text("name")]).row([text("A")])]);
    let (done, _) = check("a.csv", workbook);
    done.is(0);
    assert!(done.stderr.contains("the content is an XLSX workbook; it is read as one"), "{}", done.stderr);
    for (content, sentence) in [
        (
            &b"%PDF-1.7\n%\xE2\xE3"[..],
            "this is a PDF, not a table; export the data as CSV or XLSX from the program that made it",
        ),
        (
            b"<html><table><tr><td>a",
            "this is a web page or XML, not a table; open it in Excel and save it as CSV or XLSX",
        ),
        (b"\x1F\x8B\x08\0\0", "this is a gzip archive; unpack it and name the file inside"),
        (b"\x89PNG\r\n\x1A\n", "this is an image, not a table"),
        (
            b"[{\"name\":\"A\"}]",
            "this is one JSON document, not JSON Lines; write each of its objects on a line of its own (jq -c '.[]' does that), or save the data as CSV or XLSX",
        ),
    ] {
        is_refused("a.csv", content, 64, sentence);
    }
}

#[cfg(unix)]
#[test]
fn h23_what_is_no_file_is_refused_and_not_waited_for() {
    // That a file grows while it is read is tried beside the reader, which stops: "the file changed while it was read".
    let (crm, desk) = (Crm::start(), Desk::new());
    assert!(std::process::Command::new("mkfifo").arg(desk.path("pipe")).status().unwrap().success());
    let check = |file: &str| crm.carafe(&desk, ["check", file, "--object", "accounts"]).run();
    let device = "this is a pipe or device, not a file; save the data as a CSV or XLSX file and name that";
    check("pipe").fails(2, &format!("error: pipe: {device}"));
    check("/dev/zero").fails(2, &format!("error: /dev/zero: {device}"));
    check(".").is(2);
    let piped =
        crm.carafe(&desk, ["check", "-", "--object", "accounts", "--json"]).stdin("name\nA\n").ends_with(0);
    assert_eq!(plain(&piped.json()["rows"]["valid"]), "1");
}
