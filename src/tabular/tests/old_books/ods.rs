//! Workbooks of LibreOffice.

use super::*;

fn book(tables: &str) -> Vec<u8> {
    let manifest = b"<manifest:manifest><manifest:file-entry/></manifest:manifest>";
    book_with(tables, manifest)
}

fn book_with(tables: &str, manifest: &[u8]) -> Vec<u8> {
    let styles =
        "<style:style style:name=\"ta2\"><style:table-properties table:display=\"false\"/></style:style>";
    let content = format!(
        "<?xml version=\"1.0\"?><office:document-content><office:automatic-styles>{styles}</office:automatic-styles>\
         <office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>"
    );
    zipped(&[
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
        ("META-INF/manifest.xml", manifest),
        ("content.xml", content.as_bytes()),
    ])
}

fn table(name: &str, style: &str, rows: &str) -> String {
    format!("<table:table table:name=\"{name}\" table:style-name=\"{style}\">{rows}</table:table>")
}

fn row(cells: &[&str]) -> String {
    format!("<table:table-row>{}</table:table-row>", cells.concat())
}

fn text(text: &str) -> String {
    format!("<table:table-cell office:value-type=\"string\"><text:p>{text}</text:p></table:table-cell>")
}

fn cell(attributes: &str) -> String {
    format!("<table:table-cell {attributes}><text:p>shown</text:p></table:table-cell>")
}

fn one(cell: &str) -> Vec<Vec<String>> {
    let rows = row(&[&text("h")]) + &row(&[cell]);
    let (_folder, source) = opened("a.ods", &book(&table("S", "ta1", &rows)));
    super::super::cells(&source.unwrap())
}

#[test]
fn cells_of_libreoffice_keep_their_types() {
    let kind = |kind: &str, rest: &str| cell(&format!("office:value-type=\"{kind}\" {rest}"));
    for (cell, want) in [
        (text("Zo&#xEB; &amp; 漢字"), "Zoë & 漢字"),
        (text("a<text:s text:c=\"3\"/>b<text:tab/>c</text:p><text:p><text:span>d</text:span>"), "a   b\tc\nd"),
        (kind("float", "office:value=\"7\""), "#7"),
        (kind("float", "office:value=\"0.30000000000000004\""), "#0.3"),
        (kind("float", "office:value=\"12345678901234567\""), "!PrecisionLost(\"1.23456789012346E+16\")"),
        (kind("percentage", "office:value=\"0.5\""), "#50%"),
        (kind("currency", "office:value=\"-12.5\" office:currency=\"GBP\""), "#-12.5"),
        (kind("boolean", "office:boolean-value=\"true\""), "?true"),
        (kind("date", "office:date-value=\"2024-02-29\""), "@2024-02-29T00:00:00"),
        (kind("date", "office:date-value=\"2024-02-29T10:30:00\""), "@2024-02-29T10:30:00"),
        (kind("date", "office:date-value=\"2023-02-29\""), "!NoSuchDate(\"2023-02-29\")"),
        (kind("time", "office:time-value=\"PT09H30M00S\""), "@09:30:00"),
        (kind("time", "office:time-value=\"PT36H00M00S\""), "36:00:00"),
        (kind("float", "table:formula=\"of:=1+1\" office:value=\"2\""), "#2"),
        (
            "<table:table-cell table:formula=\"of:=1/0\" office:value-type=\"string\" office:string-value=\"\" \
             calcext:value-type=\"error\"><text:p>#DIV/0!</text:p></table:table-cell>"
                .to_owned(),
            "!Error(\"#DIV/0!\")",
        ),
        ("<table:table-cell table:formula=\"of:=1+1\"/>".to_owned(), "!NoStoredValue"),
        (
            "<table:table-cell office:value-type=\"string\"><office:annotation><text:p>note</text:p>\
             </office:annotation><text:p>value</text:p></table:table-cell>"
                .to_owned(),
            "value",
        ),
    ] {
        assert_eq!(one(&cell), [[want]], "{cell}");
    }
}

#[test]
fn rows_and_columns_keep_their_places_whatever_is_repeated() {
    let blank = "<table:table-cell table:number-columns-repeated=\"2\"/>";
    let gap = "<table:table-row table:number-rows-repeated=\"3\"><table:table-cell \
               table:number-columns-repeated=\"16384\"/></table:table-row>";
    let twice = "<table:table-row table:number-rows-repeated=\"2\"><table:table-cell office:value-type=\"float\" \
                 office:value=\"1\" table:number-columns-repeated=\"3\"/></table:table-row>";
    let tail =
        "<table:table-row table:number-rows-repeated=\"1048570\"><table:table-cell/></table:table-row>";
    let rows = row(&[
        &text("a"),
        &text("b"),
        &text("c"),
        "<table:table-cell table:number-columns-repeated=\"16381\"/>",
    ]) + gap
        + &row(&[blank, &text("x")])
        + twice
        + tail;
    let (folder, source) = opened("a.ods", &book(&table("S", "ta1", &rows)));
    let source = source.unwrap();
    let rows = read(&source).unwrap();
    let seen: Vec<(u64, String)> = rows.iter().map(|row| (row.number, row.cells.join("|"))).collect();
    assert_eq!(seen, [(5, "||x".to_owned()), (6, "#1|#1|#1".into()), (7, "#1|#1|#1".into())]);
    assert_eq!(source.header().address(2, 5), "S!C5");
    assert_eq!(rejected(&source, &folder).dialect().format, Format::Xlsx);
}

#[test]
fn hidden_rows_and_columns_merged_cells_and_hidden_sheets_are_seen() {
    let columns = "<table:table-column/><table:table-column table:visibility=\"collapse\"/>";
    let rows = row(&[
        "<table:table-cell office:value-type=\"string\" table:number-columns-spanned=\"2\"><text:p>a</text:p>\
         </table:table-cell>",
        "<table:covered-table-cell/>",
        &text("c"),
    ]) + &row(&[&text("1"), &text("2"), &text("3")])
        .replace("<table:table-row>", "<table:table-row table:visibility=\"filter\">")
        + &row(&[&text("4"), &text("5"), &text("6")]);
    let data = table("Data", "ta1", &(columns.to_owned() + &rows));
    let bytes = book(&(table("Old", "ta2", &rows) + &data));
    let (_folder, source) = opened("a.ods", &bytes);
    let source = source.unwrap();
    assert_eq!(source.header().sheet.as_deref(), Some("Data"));
    let told = told(&source);
    assert!(told.contains("1 hidden row is read"), "{told}");
    assert!(told.contains("1 hidden column (B) is read"), "{told}");
    assert!(told.contains("merged cells (A1:B1)"), "{told}");
    assert_eq!(super::super::cells(&source), [["1", "2", "3"], ["4", "5", "6"]]);
    let (_folder, source) = skipping("a.ods", &bytes);
    assert_eq!(
        (names(&source), super::super::cells(&source)),
        (vec!["a", "c"], vec![vec!["4".into(), "6".into()]])
    );
    let folder = Folder::new();
    let options = ReadOptions { sheet: Some(SheetChoice::Name("old".into())), ..ReadOptions::default() };
    let named = Source::open(&folder.file("b.ods", &bytes), &options).unwrap();
    assert_eq!(named.header().sheet.as_deref(), Some("Old"));
}

#[test]
fn a_sheet_with_a_name_that_excel_refuses_has_rejects_and_is_found_among_them() {
    let long = "Adressen der Vertretungen 2019/2026";
    for (name, there) in [(long, "Adressen der Vertretungen 2019_"), ("", "sheet"), ("O'Neill", "O'Neill")] {
        let rows = row(&[&text("name")]) + &row(&[&text("Zoë")]);
        let (folder, source) = opened("a.ods", &book(&table(name, "ta1", &rows)));
        let back = rejected(&source.unwrap(), &folder);
        assert_eq!(back.header().sheet.as_deref(), Some(there));
        let asked = ReadOptions { sheet: Some(SheetChoice::Name(name.into())), ..ReadOptions::default() };
        let back = Source::open(&folder.path("rejects.xlsx"), &asked).unwrap();
        assert_eq!(super::super::cells(&back)[0][0], "Zoë");
    }
}

#[test]
fn repetition_is_no_bomb() {
    let bomb = "<table:table-row table:number-rows-repeated=\"1000000\"><table:table-cell office:value-type=\"float\" \
                office:value=\"1\" table:number-columns-repeated=\"16384\"/></table:table-row>";
    let told = told_off("a.ods", &book(&table("S", "ta1", &(row(&[&text("h")]) + bomb))));
    assert!(told.contains("five million"), "{told}");
    let far = "<table:table-row><table:table-cell office:value-type=\"float\" office:value=\"1\" \
               table:number-columns-repeated=\"4000000000\"/></table:table-row>";
    assert!(told_off("a.ods", &book(&table("S", "ta1", far))).contains("out of range"));
    let blank =
        "<table:table-row table:number-rows-repeated=\"4000000000\"><table:table-cell/></table:table-row>";
    let (_folder, source) = opened("a.ods", &book(&table("S", "ta1", &blank.repeat(3))));
    assert_eq!(super::super::cells(&source.unwrap()).len(), 0);
}

#[test]
fn passwords_and_entities_are_refused() {
    let manifest = b"<manifest:manifest><manifest:file-entry><manifest:encryption-data/></manifest:file-entry></manifest:manifest>";
    assert!(told_off("a.ods", &book_with("", manifest)).contains("protected by a password"));
    let newer = zipped(&[("mimetype", b"x"), ("encrypted-package", b"x")]);
    assert!(told_off("a.ods", &newer).contains("protected by a password"));
    let entity =
        zipped(&[("mimetype", b"x"), ("content.xml", b"<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>")]);
    assert!(told_off("a.ods", &entity).contains("document type"));
    let cut =
        zipped(&[("mimetype", b"x"), ("content.xml", b"<a><table:table table:name=\"S\"><table:table-row>")]);
    assert!(told_off("a.ods", &cut).contains("damaged"));
}
