//! 24 to 34: workbooks that are broken or made to do harm.

use serde_json::json;

use super::{check, is_refused, measured};
use crate::support::{Crm, Desk};
use crate::trial::{refusal, trial};
use crate::workbook::{
    Sheet, archive, blank, book, book_of_1904, book_with, day, error, formula, number, text, texts,
};

const FIRM: &str = "fields:\n  name: Firm\n";

/// A sheet with one row that reads well.
fn plain() -> Sheet {
    Sheet::new("S").row([text("name")]).row([text("A")])
}

/// Letters in an order that does not pack away.
fn letters(length: u32) -> String {
    let mut state = 7_u32;
    let letter = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + (state >> 24) as u8 % 26)
    };
    (0..length).map(letter).collect()
}

fn find(bytes: &[u8], wanted: &[u8], from: usize) -> usize {
    bytes[from..].windows(wanted.len()).position(|window| window == wanted).unwrap() + from
}

#[test]
fn h24_a_bomb_is_refused_by_what_it_unpacks_to_in_little_memory() {
    let blanks = " ".repeat(48 << 20);
    for (part, content) in [
        ("xl/sharedStrings.xml", format!("<sst>{blanks}</sst>")),
        ("xl/worksheets/sheet1.xml", format!("<worksheet>{blanks}</worksheet>")),
    ] {
        let bomb = book_with(&[plain()], &[(part, content.as_bytes())]);
        assert!(bomb.len() < 200_000);
        let (done, peak) = check("a.xlsx", bomb);
        done.is(2);
        assert!(done.stderr.contains("200 times its size"), "{}", done.stderr);
        assert!(peak < 64, "{peak} MiB");
    }
}

#[test]
fn h25_lying_sizes_shared_bytes_and_archives_within_do_no_harm() {
    let good = book(&[plain()]);
    // Every entry of the directory says that it holds ten bytes.
    let mut lying = good.clone();
    let mut from = 0;
    while let Some(at) = lying[from..].windows(4).position(|bytes| bytes == b"PK\x01\x02") {
        lying[from + at + 24..from + at + 28].copy_from_slice(&10_u32.to_le_bytes());
        from += at + 4;
    }
    let (done, _) = check("a.xlsx", lying);
    done.is(2);
    assert!(done.stderr.contains("the workbook is damaged"), "{}", done.stderr);
    // The first entry is listed twice, so that its bytes count twice.
    let first = find(&good, b"PK\x01\x02", 0);
    let second = find(&good, b"PK\x01\x02", first + 4);
    let end = find(&good, b"PK\x05\x06", second);
    let mut twin = good[first..second].to_vec();
    twin[46] = b'y';
    let mut shared = [&good[..end], &twin[..], &good[end..]].concat();
    let end = end + twin.len();
    let count = u16::from_le_bytes([shared[end + 8], shared[end + 9]]) + 1;
    let size = u32::from_le_bytes(shared[end + 12..end + 16].try_into().unwrap()) + twin.len() as u32;
    shared[end + 8..end + 10].copy_from_slice(&count.to_le_bytes());
    shared[end + 10..end + 12].copy_from_slice(&count.to_le_bytes());
    shared[end + 12..end + 16].copy_from_slice(&size.to_le_bytes());
    let (done, _) = check("a.xlsx", shared);
    done.is(2);
    assert!(done.stderr.contains("its parts overlap"), "{}", done.stderr);
    // More entries than any workbook has.
    let many: Vec<String> = (0..2_100).map(|at| format!("x/{at}")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let (done, _) = check("a.xlsx", book_with(&[plain()], &many));
    done.is(2);
    assert!(done.stderr.starts_with("error: a.xlsx: ") && done.stderr.contains("parts"), "{}", done.stderr);
    // An archive inside is a part like any other, and nobody opens it.
    let inner = archive(&[("bomb", &vec![b' '; 9 << 20])]);
    let (done, _) = check("a.xlsx", book_with(&[plain()], &[("xl/embeddings/a.zip", &inner)]));
    done.is(0);
}

#[test]
fn h26_entities_are_never_looked_up() {
    let secret = Desk::with("secret", "root:x:0:0");
    let path = secret.path("secret");
    let entity = format!(
        "<!DOCTYPE x [<!ENTITY e SYSTEM \"file://{}\">]><worksheet><sheetData><row r=\"1\"><c r=\"A1\" t=\"inlineStr\">\
         <is><t>&e;</t></is></c></row></sheetData></worksheet>",
        path.display()
    );
    let (done, _) =
        check("a.xlsx", book_with(&[plain()], &[("xl/worksheets/sheet1.xml", entity.as_bytes())]));
    done.is(2);
    assert!(
        done.stderr.contains("document type definition") && !done.stderr.contains("root:x"),
        "{}",
        done.stderr
    );
    let laughs: String =
        (1..10).map(|at| format!("<!ENTITY l{at} \"{}\">", format!("&l{};", at - 1).repeat(10))).collect();
    let laughs = format!("<!DOCTYPE x [<!ENTITY l0 \"ha\">{laughs}]><sst><si><t>&l9;</t></si></sst>");
    let (done, peak) = check("a.xlsx", book_with(&[plain()], &[("xl/sharedStrings.xml", laughs.as_bytes())]));
    done.is(2);
    assert!(peak < 64, "{peak} MiB");
}

#[test]
fn h27_cells_in_the_far_corners_cost_no_memory() {
    let corners = "<worksheet><sheetData><row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>name</t></is></c></row>\
                   <row r=\"1048576\"><c r=\"A1048576\" t=\"inlineStr\"><is><t>A</t></is></c><c r=\"XFD1048576\"><v>1</v></c></row>\
                   </sheetData></worksheet>";
    let (done, peak) =
        check("a.xlsx", book_with(&[plain()], &[("xl/worksheets/sheet1.xml", corners.as_bytes())]));
    done.is(4);
    assert!(done.stdout.contains("row 1048576  16,384 cells, the header has 1"), "{}", done.stdout);
    assert!(peak < 64, "{peak} MiB");
}

#[test]
fn h28_one_long_text_used_often_is_held_once() {
    let strings = format!("<sst><si><t>{}</t></si></sst>", letters(1 << 20));
    let used = |row: u32| {
        format!(
            "<row r=\"{row}\"><c r=\"A{row}\" t=\"inlineStr\"><is><t>F{row}</t></is></c><c r=\"B{row}\" t=\"s\"><v>0</v></c></row>"
        )
    };
    let header = "<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>name</t></is></c><c r=\"B1\" t=\"inlineStr\"><is><t>notes</t></is></c></row>";
    let sheet = format!(
        "<worksheet><sheetData>{header}{}</sheetData></worksheet>",
        (2..=2_001).map(used).collect::<String>()
    );
    let parts =
        [("xl/sharedStrings.xml", strings.as_bytes()), ("xl/worksheets/sheet1.xml", sheet.as_bytes())];
    let (crm, desk) = (Crm::start(), Desk::with("a.xlsx", book_with(&[plain()], &parts)));
    let (done, peak) = measured(crm.carafe(&desk, ["check", "a.xlsx", "--object", "accounts", "--json"]));
    let document = done.json();
    assert_eq!(document["rows"]["rejected"], 2_000);
    assert_eq!(
        (&document["causes"][0]["code"], &document["causes"][0]["rows"]),
        (&json!("too_long"), &json!(2_000))
    );
    assert!(peak < 96, "{peak} MiB");
}

#[test]
fn h29_serials_are_dates_by_their_style_and_their_workbooks_first_day() {
    let sheet = || {
        Sheet::new("S")
            .row(texts(["Firm", "Since"]))
            .row([text("A"), day("45123")])
            .row([text("B"), day("60")])
            .row([text("C"), day("0.5")])
    };
    let mapping = "fields:\n  name: Firm\n  inceptiondate: Since\n";
    let windows =
        trial("a.xlsx", book(&[sheet()]), mapping).is(4, json!({ "read": 3, "created": 1, "rejected": 2 }));
    assert_eq!(windows.field("A", "inceptiondate"), "2023-07-16");
    assert_eq!(windows.problems()[0], "S!B3 date there is no such day");
    assert!(
        windows.problems()[1].starts_with("S!B4 date not a date"),
        "a time alone is none: {:?}",
        windows.problems()
    );
    let mac = trial("a.xlsx", book_of_1904(&[sheet()]), mapping);
    assert_eq!(["A", "B"].map(|name| mac.field(name, "inceptiondate")), ["2027-07-17", "1904-03-01"]);
}

#[test]
fn h30_results_that_are_missing_or_errors_reject_their_row() {
    let sheet = Sheet::new("S")
        .row(texts(["Firm", "Value"]))
        .row([text("A"), formula("1+1", Some("2"))])
        .row([text("B"), formula("1+1", None)])
        .row([text("C"), error("#REF!")]);
    let trial = trial("a.xlsx", book(&[sheet]), "fields:\n  name: Firm\n  annualvalue: Value\n");
    let trial = trial.is(4, json!({ "read": 3, "created": 1, "rejected": 2 }));
    trial.told("2 cells are formulas; their stored results are used");
    let codes: Vec<String> =
        trial.problems().iter().map(|p| p.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(codes, ["S!B3 no_stored_value", "S!B4 error_cell"]);
}

#[test]
fn h31_of_several_filled_sheets_one_must_be_named_and_what_is_hidden_is_counted() {
    let sheets = || {
        let north = Sheet::new("North").row([text("Firm")]).row([text("A")]).hidden_row([text("B")]);
        [Sheet::new("Cover"), north, Sheet::new("South").row([text("Firm")]).row([text("C")])]
    };
    let told = refusal("a.xlsx", book(&sheets()), FIRM);
    assert!(told.starts_with("error: a.xlsx: several sheets hold data: \"North\", \"South\"; name one with source: { sheet: … }"), "{told}");
    let north = trial("a.xlsx", book(&sheets()), &format!("source: {{ sheet: North }}\n{FIRM}"));
    north
        .is(0, json!({ "read": 2, "created": 2 }))
        .told("1 hidden row is read; source: { hidden: skip } leaves it out");
}

#[test]
fn h32_a_locked_workbook_is_told_and_macros_are_never_read() {
    // A password makes the package a container of old Office files. That its sentence names the
    // password is tried beside the reader, where such containers are made; this one is empty.
    let mut locked = vec![0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];
    locked.resize(2048, 0);
    let (done, _) = check("a.xlsx", locked);
    done.is(2);
    assert!(done.stderr.starts_with("error: a.xlsx: "), "{}", done.stderr);
    let macros = book_with(&[plain()], &[("xl/vbaProject.bin", b"Sub AutoOpen()")]);
    let (done, _) = check("a.xlsm", macros);
    done.is(0);
    assert!(
        done.stderr.contains("the workbook holds macros; they are neither read nor run"),
        "{}",
        done.stderr
    );
}

#[test]
fn h33_floats_are_shown_as_a_person_sees_them_or_rejected() {
    let sheet = Sheet::new("S")
        .row(texts(["Firm", "Tel"]))
        .row([text("A"), number("4.47912345678E+11")])
        .row([text("B"), number("0.30000000000000004")])
        .row([text("C"), number("1234567890123456")])
        .row([text("D"), text("4.47912E+11")])
        .row([text("E"), blank()]);
    let trial = trial("a.xlsx", book(&[sheet]), "fields:\n  name: Firm\n  phone: Tel\n");
    let trial = trial.is(4, json!({ "read": 5, "created": 3, "rejected": 2 }));
    assert_eq!(["A", "B"].map(|name| trial.field(name, "phone")), ["447912345678", "0.3"]);
    assert!(
        trial.problems().iter().all(|problem| problem.contains(" precision_lost ")),
        "{:?}",
        trial.problems()
    );
}

#[test]
fn h34_part_names_that_climb_out_write_nothing() {
    let parts: [(&str, &[u8]); 2] = [("../../escaped.txt", b"x"), ("/tmp/carafe-escaped-h34.txt", b"x")];
    let (crm, desk) = (Crm::start(), Desk::with("a.xlsx", book_with(&[plain()], &parts)));
    crm.carafe(&desk, ["check", "a.xlsx", "--object", "accounts"]).ends_with(0);
    assert!(!std::path::Path::new("/tmp/carafe-escaped-h34.txt").exists());
    assert!(!desk.path("../../escaped.txt").exists() && !desk.path("../escaped.txt").exists());
    is_refused(
        "b.xlsx",
        archive(&parts),
        64,
        "this is a ZIP archive, not a workbook; unpack it and name the file inside",
    );
}
