//! `export --mapping`: the file is one that the mapping's `source` reads, in
//! whatever form, and what stands against that is told before anything is read.

use serde_json::json;

use crate::support::{Crm, Desk, Done};
use crate::tiny::{Tiny, accounts};

const FIELDS: &str = "fields:\n  name: Company\n  phone: Tel\n  type: { from: Kind, values: { Kunde: Customer } }\n  \
    annualvalue: { from: Value, decimal: \",\" }\n  inceptiondate: { from: Since, date: \"%d.%m.%Y\" }\n";

fn mapping(top: &str) -> String {
    format!("version: 1\nobject: accounts\nmode: upsert\nmatch: [name]\n{top}\n{FIELDS}")
}

/// A sandbox with one account more, whose values a mapping writes in its own words.
fn crm_and_desk() -> (Crm, Desk) {
    let (crm, desk) = (Crm::start(), Desk::new());
    let file = "name,phone,type,annualvalue,inceptiondate\n=Zoë,0123,Customer,1234.5,2024-03-04\n";
    desk.write("in.csv", file);
    crm.carafe(&desk, ["import", "in.csv", "--object", "accounts"]).ends_with(0);
    (crm, desk)
}

fn export(crm: &Crm, desk: &Desk, out: &str, more: &[&str]) -> Done {
    let arguments = ["export", "accounts", "-o", out, "-m", "m.yaml", "--where", "phone = '0123'"];
    crm.carafe(desk, arguments.iter().chain(more).copied()).run()
}

#[track_caller]
fn comes_in_again(crm: &Crm, desk: &Desk, file: &str) {
    let again = crm.carafe(desk, ["import", file, "-m", "m.yaml", "--json"]).ends_with(0);
    assert_eq!(again.rows(), json!({ "read": 1, "unchanged": 1 }));
}

#[test]
fn a_csv_has_the_encoding_the_delimiter_and_the_header_row_of_the_mapping() {
    let (crm, desk) = crm_and_desk();
    let header = "Company;Tel;Kind;Value;Since";
    let row = "'=Zoë;0123;Kunde;1234,5;04.03.2024\n";
    for (source, above, encoding) in [
        ("{ delimiter: ';' }", "", "utf-8"),
        ("{ delimiter: ';', header_row: 3, encoding: windows-1252 }", "\n\n", "windows-1252"),
        ("{ delimiter: ';', encoding: utf-16le, header_row: 2 }", "\n", "utf-16"),
    ] {
        desk.write("m.yaml", mapping(&format!("source: {source}")));
        export(&crm, &desk, "out.csv", &["--force"]).is(0);
        let text = format!("{above}{header}\n{row}");
        let wanted = match encoding {
            "utf-8" => text.into_bytes(),
            "utf-16" => format!("\u{FEFF}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect(),
            _ => text.chars().map(|c| u8::try_from(c).unwrap()).collect(),
        };
        assert_eq!(std::fs::read(desk.path("out.csv")).unwrap(), wanted, "{source}");
        comes_in_again(&crm, &desk, "out.csv");
    }
}

#[test]
fn a_mapping_that_leaves_the_formula_guard_gets_none() {
    let (crm, desk) = crm_and_desk();
    desk.write("m.yaml", mapping("source: { guard: keep, format: tsv }"));
    let done = export(&crm, &desk, "-", &[]);
    done.is(0);
    assert_eq!(done.stdout, "Company\tTel\tKind\tValue\tSince\n=Zoë\t0123\tKunde\t1234,5\t04.03.2024\n");
}

#[test]
fn a_workbook_has_the_sheet_and_the_header_row_of_the_mapping() {
    let (crm, desk) = crm_and_desk();
    for source in ["{ format: xlsx, sheet: Kunden, header_row: 3 }", "{ sheet: 3 }"] {
        desk.write("m.yaml", mapping(&format!("source: {source}")));
        export(&crm, &desk, "out.xlsx", &["--force"]).is(0);
        comes_in_again(&crm, &desk, "out.xlsx");
    }
}

#[test]
fn json_lines_a_table_and_parquet_have_the_mappings_columns() {
    let (crm, desk) = crm_and_desk();
    desk.write("m.yaml", mapping(""));
    export(&crm, &desk, "out.jsonl", &[]).is(0);
    let line = r#"{"Company":"=Zoë","Tel":"0123","Kind":"Kunde","Value":1234.5,"Since":"04.03.2024"}"#;
    assert_eq!(desk.text("out.jsonl").trim_end(), line);
    comes_in_again(&crm, &desk, "out.jsonl");
    export(&crm, &desk, "out.parquet", &[]).is(0);
    export(&crm, &desk, "out.sqlite", &[]).is(0);
    let fields = |file: &str| desk.json(format!("{file}.manifest.json"))["objects"][0]["fields"].clone();
    assert_eq!(fields("out.parquet"), json!(["Company", "Tel", "Kind", "Value", "Since"]));
    // A database has its key.
    assert_eq!(fields("out.sqlite"), json!(["id", "Company", "Tel", "Kind", "Value", "Since"]));
}

#[test]
fn a_character_that_the_encoding_lacks_stops_the_export_with_a_way_out() {
    let (crm, desk) = (Crm::start(), Desk::with("in.csv", "name,phone\nArrow → Co,0123\n"));
    crm.carafe(&desk, ["import", "in.csv", "--object", "accounts"]).ends_with(0);
    desk.write("m.yaml", mapping("source: { encoding: windows-1252 }"));
    let done = export(&crm, &desk, "out.csv", &[]);
    done.is(1);
    let id = crm.account("Arrow → Co")["id"].to_string();
    let what = format!(
        "error: out.csv: record {id}: \"Company\" has the character \"→\", which windows-1252 does not have"
    );
    let way_out = "; say encoding: utf-8 under source in m.yaml, or correct the record and export again\n";
    assert!(done.stderr.ends_with(&(what + way_out)), "{}", done.stderr);
    assert!(!desk.path("out.csv").exists());
    // The mapping is read anew.
    desk.write("m.yaml", mapping("source: { encoding: utf-8 }"));
    crm.carafe(&desk, ["resume", "last"]).ends_with(0);
    assert!(desk.text("out.csv").contains("Arrow → Co"));
}

#[test]
fn what_a_mapping_cannot_say_of_the_records_is_told_once_a_field() {
    let records = [
        json!({ "id": 1, "name": "A", "addresscounty/state": "Kent", "phone": "1" }),
        json!({ "id": 2, "name": "B", "addresscounty/state": "Yorkshire", "phone": null }),
        json!({ "id": 3, "name": "C", "addresscounty/state": "Wales", "phone": "" }),
    ];
    let (crm, desk) = (Tiny::serve(accounts(&records)), Desk::new());
    desk.write(
        "m.yaml",
        "version: 1\nobject: accounts\nmode: upsert\nmatch: [name]\nfields:\n  name: Company\n  \
         addresscounty/state: { from: County, values: { Yorks: Yorkshire }, otherwise: reject }\n  phone: { from: Tel, default: none }\n  \
         notes: { const: Migration }\n",
    );
    let done = desk.carafe(["export", "accounts", "-o", "-", "-m", "m.yaml"]).at(&crm.address()).ends_with(0);
    assert_eq!(done.stdout, "Company,County,Tel\nA,Kent,1\nB,Yorks,\nC,Wales,\n");
    insta::assert_snapshot!(done.stderr, @r"
    notice: accounts: addresscounty/state: 2 values of the CRM cannot be written in the mapping's words and stand as they are
    notice: accounts: phone: 2 records have no value, and the mapping does not take a blank cell for that
    notice: accounts: notes: 3 records have another value than the mapping gives to every row, which an import would write
    ");
}

#[test]
fn what_stands_against_it_is_told_before_anything_is_read_at_its_place_in_the_mapping() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let told = |top: &str, arguments: &[&str]| {
        desk.write("m.yaml", mapping(top));
        let done =
            crm.carafe(&desk, ["export"].iter().chain(arguments).copied().chain(["-m", "m.yaml"])).run();
        done.is(2);
        done.stderr.lines().next().unwrap_or_default().to_owned()
    };
    for (top, arguments, wanted) in [
        (
            "source: { format: csv }",
            &["accounts", "-o", "a.xlsx"][..],
            "error: the mapping reads csv, and a.xlsx is to be xlsx",
        ),
        (
            "source: { range: B2:C3 }",
            &["accounts", "-o", "a.xlsx"],
            "error: an export fills a whole sheet, and the mapping reads a range of one",
        ),
        (
            "source: { encoding: wtf }",
            &["accounts", "-o", "a.csv"],
            "error: there is no encoding \"wtf\"; use for example utf-8, utf-16le, windows-1252 or iso-8859-2",
        ),
        (
            "source: { encoding: windows-1252 }",
            &["accounts", "-o", "a.csv", "--excel"],
            "error: --excel marks UTF-8, and the mapping's encoding is windows-1252",
        ),
        (
            "source: { delimiter: '→' }",
            &["accounts", "-o", "a.csv"],
            "error: a delimiter is an ASCII character, and neither a quote nor a line break",
        ),
        (
            "source: { header_row: 5000 }",
            &["accounts", "-o", "a.csv"],
            "error: an export leaves at most 1000 rows above its header",
        ),
        ("", &["contacts", "-o", "a.csv"], "error: the mapping is for accounts, and contacts is exported"),
        (
            "",
            &["accounts", "contacts", "-o", "a.xlsx"],
            "error: a mapping is for one object, accounts, and 2 are exported",
        ),
        (
            "",
            &["accounts", "-o", "a.csv", "--fields", "name"],
            "error: the argument '--fields <a,b>' cannot be used with '--mapping <FILE>'",
        ),
        (
            "",
            &["accounts", "-o", "a.csv", "--resolve", "ownerid=users.first"],
            "error: the argument '--resolve <a=b.c>' cannot be used with '--mapping <FILE>'",
        ),
        (
            "",
            &["opportunities", "-o", "a.csv", "--lines"],
            "error: the argument '--lines' cannot be used with '--mapping <FILE>'",
        ),
    ] {
        assert_eq!(told(top, arguments), wanted, "{top}");
    }
    desk.write("m.yaml", mapping("").replace("annualvalue", "annualvalu"));
    let done = crm.carafe(&desk, ["export", "accounts", "-o", "a.csv", "-m", "m.yaml"]).ends_with(2);
    insta::assert_snapshot!(done.stderr);
    assert!(!desk.path("a.csv").exists());
}
