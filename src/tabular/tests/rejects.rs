use proptest::prelude::*;

use super::super::{BadCell, Form, Mark, RejectWriter, SheetChoice, SheetLook};
use super::book::{Book, row, text};
use super::*;
use crate::model::{Field, FieldKind, Lookup, is_reserved};

const MARK: Mark<'_> =
    Mark { row: 7, run: "run-1", status: "rejected", code: "lookup", errors: "a \"b\", c; 漢" };

/// Writes all rows of a source as rejects and gives the file's path.
fn reject(source: &Source, folder: &Folder, extra: bool) -> PathBuf {
    let mut rejects = RejectWriter::create(folder.0.path(), "rejects", source.dialect(), extra).unwrap();
    for row in read(source).unwrap() {
        rejects.write(&row.kept, &Mark { row: row.number, ..MARK }).unwrap();
    }
    rejects.finish().unwrap()
}

fn rejected(content: impl AsRef<[u8]>, extra: bool) -> Vec<u8> {
    let folder = Folder::new();
    let source = open(&folder.file("a.csv", content)).unwrap();
    std::fs::read(reject(&source, &folder, extra)).unwrap()
}

const TAIL: &str = "run-1,rejected,lookup,\"a \"\"b\"\", c; 漢\"";

#[test]
fn rows_stand_as_they_were_with_the_marks_behind() {
    let written = rejected("name,city\n\"Zoë\" ,'x\n1 , \"2\"\n", false);
    let want =
        format!("name,city,_row,_run,_status,_code,_errors\n\"Zoë\" ,'x,2,{TAIL}\n1 , \"2\",3,{TAIL}\n");
    assert_eq!(String::from_utf8(written).unwrap(), want);
}

#[test]
fn short_rows_are_padded_and_long_ones_cut_into_extra() {
    let written = rejected("a,b,c\n1\n1,2,3,4,\"5,5\"\n1,2,3\n1,2,3,,\n", true);
    let written = String::from_utf8(written).unwrap();
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines[0], "a,b,c,_row,_run,_status,_code,_errors,_extra");
    assert_eq!(lines[1], format!("1,,,2,{TAIL},"));
    assert_eq!(lines[2], format!("1,2,3,3,{TAIL},\"4,\"\"5,5\"\"\""));
    assert_eq!(lines[3], format!("1,2,3,4,{TAIL},"));
    assert_eq!(lines[4], format!("1,2,3,5,{TAIL},"));
}

#[test]
fn what_stands_above_the_header_and_the_line_ends_are_copied() {
    let written = rejected("\u{FEFF}sep=;\r\nname;city\r\nA;B\r\n", false);
    let written = String::from_utf8(written).unwrap();
    assert!(written.starts_with("\u{FEFF}sep=;\r\nname;city;_row;_run"), "{written}");
    assert!(written.ends_with("A;B;2;run-1;rejected;lookup;\"a \"\"b\"\", c; 漢\"\r\n"), "{written}");
    let folder = Folder::new();
    let path = folder.file("t.csv", "Title\r\rname,city\rA,B\r");
    let source = Source::open(&path, &ReadOptions { header_row: 3, ..ReadOptions::default() }).unwrap();
    let written = std::fs::read(reject(&source, &folder, false)).unwrap();
    assert!(written.starts_with(b"Title\r\rname,city,_row,") && written.ends_with(b"\r"));
}

#[test]
fn the_encoding_is_that_of_the_source() {
    let written = rejected(b"name,city\nZo\xEB,K\xF6ln\n", false);
    assert!(written.windows(11).any(|part| part == b"\nZo\xEB,K\xF6ln,2"), "{written:?}");
    assert!(written.ends_with(b"c; ?\"\n"), "a mark that the encoding lacks becomes a question mark");
    for big_endian in [false, true] {
        let bytes = |text: &str| -> Vec<u8> {
            text.encode_utf16()
                .flat_map(|u| if big_endian { u.to_be_bytes() } else { u.to_le_bytes() })
                .collect()
        };
        let written = rejected(bytes("\u{FEFF}name\tcity\r\nZoë 😀\tB\r\n"), false);
        let want = "\u{FEFF}name\tcity\t_row\t_run\t_status\t_code\t_errors\r\n\
                    Zoë 😀\tB\t2\trun-1\trejected\tlookup\t\"a \"\"b\"\", c; 漢\"\r\n";
        assert_eq!(written, bytes(want));
    }
}

#[test]
fn a_reject_file_fed_back_has_its_marks_replaced() {
    let first = rejected("name,city\nA,B\n", true);
    let second = rejected(&first, true);
    assert_eq!(String::from_utf8(second).unwrap(), String::from_utf8(first).unwrap());
    let moved = rejected("_row,name,_errors,city\n9,A,old,B\n", false);
    let want = format!("name,city,_row,_run,_status,_code,_errors\nA,B,2,{TAIL}\n");
    assert_eq!(String::from_utf8(moved).unwrap(), want);
}

#[test]
fn cells_of_rejects_are_never_guarded() {
    let written = rejected("name,city\n=1+1,@x\n", false);
    assert!(String::from_utf8(written).unwrap().contains("\n=1+1,@x,2,"));
}

#[test]
fn a_header_without_line_end_is_still_one() {
    assert_eq!(rejected("name", false), b"name,_row,_run,_status,_code,_errors\n");
}

#[test]
fn a_dialect_is_all_that_a_reject_file_needs() {
    let folder = Folder::new();
    let source = open(&folder.file("a.csv", b"name;city\r\nZo\xEB;x\r\n")).unwrap();
    let stored = serde_json::to_string(source.dialect()).unwrap();
    let dialect = serde_json::from_str(&stored).unwrap();
    let path = folder.path("other.csv");
    let mut rejects = RejectWriter::create_at(&path, &dialect, false, false).unwrap();
    rejects.write(b"Zo\xEB;x", &MARK).unwrap();
    rejects.finish().unwrap();
    assert!(std::fs::read(&path).unwrap().starts_with(b"name;city;_row;"));
    assert!(RejectWriter::create_at(&path, &dialect, false, false).is_err(), "nothing is replaced unasked");
}

/// A workbook with every kind of cell, made by the reject writer's own library.
fn workbook(folder: &Folder) -> PathBuf {
    use rust_xlsxwriter::{Format, Formula, Workbook};
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let date = Format::new().set_num_format("dd/mm/yyyy");
    let time = Format::new().set_num_format("hh:mm");
    sheet.set_name("My Sheet").unwrap();
    sheet.write_string(0, 1, "Report").unwrap().write_number(0, 2, 2024).unwrap();
    for (column, name) in (2..).zip(["text", "number", "date", "time", "flag", "error", "odd", "big"]) {
        sheet.write_string(2, column, name).unwrap();
    }
    sheet.write_string(4, 2, "=0044").unwrap().write_number(4, 3, 0.1 + 0.2).unwrap();
    sheet.write_number_with_format(4, 4, 45123.5, &date).unwrap();
    sheet.write_number_with_format(4, 5, 0.25, &time).unwrap();
    sheet.write_boolean(4, 6, true).unwrap();
    sheet.write_formula(4, 7, Formula::new("=1/0").set_result("#DIV/0!")).unwrap();
    sheet.write_number_with_format(4, 8, 60, &date).unwrap();
    sheet.write_number(4, 9, 1.234_567_890_123_456_7e17).unwrap();
    sheet.write_string(5, 2, "x").unwrap().write_string(5, 11, "beyond, it").unwrap();
    let path = folder.path("a.xlsx");
    book.save(&path).unwrap();
    path
}

#[test]
fn workbook_rejects_keep_types_titles_and_places() {
    let folder = Folder::new();
    let options = ReadOptions { header_row: 3, ..ReadOptions::default() };
    let source = Source::open(&workbook(&folder), &options).unwrap();
    let before = read(&source).unwrap();
    assert_eq!(before[0].number, 5);
    let path = reject(&source, &folder, true);
    let back = Source::open(&path, &options).unwrap();
    assert_eq!(back.header().sheet.as_deref(), Some("My Sheet"));
    assert_eq!(names(&back)[..8], names(&source)[..]);
    assert_eq!(names(&back)[8..], ["_row", "_run", "_status", "_code", "_errors", "_extra"]);
    assert_eq!(back.header().columns[0].place, 2);
    let after = cells(&back);
    // A number that lost digits as well: as a text, a number's field would take it.
    assert_eq!(before[0].cells[7], "!PrecisionLost(\"1.23456789012346E+17\")");
    assert_eq!(after[0][..8], before[0].cells);
    assert_eq!(after[0][8..13], ["#5", "run-1", "rejected", "lookup", MARK.errors]);
    assert_eq!(after[1][13], ",\"beyond, it\"");
    let again = Folder::new();
    let twice = Source::open(&reject(&back, &again, true), &options).unwrap();
    assert_eq!(names(&twice), names(&back));
    let Form::Sheet(form) = &twice.dialect().form else { panic!("a workbook") };
    assert_eq!((form.titles[0].row, form.titles[0].cells.as_str()), (1, "[null,\"Report\",2024]"));
}

#[test]
fn a_sheet_asked_for_by_its_number_has_it_in_the_reject_file_too() {
    let folder = Folder::new();
    let mut book = rust_xlsxwriter::Workbook::new();
    for name in ["First", "1", "2"] {
        book.add_worksheet().set_name(name).unwrap().write_column(0, 0, ["name", name]).unwrap();
    }
    let path = folder.path("three.xlsx");
    book.save(&path).unwrap();
    for (number, name) in [(2, "1"), (3, "2")] {
        let asked = ReadOptions { sheet: Some(SheetChoice::Number(number)), ..ReadOptions::default() };
        let source = Source::open(&path, &asked).unwrap();
        let rejects = reject(&source, &folder, false);
        for options in [asked, ReadOptions::default()] {
            let back = Source::open(&rejects, &options).unwrap();
            assert_eq!(back.header().sheet.as_deref(), Some(name));
            assert_eq!(cells(&back)[0][0], name);
        }
    }
}

#[test]
fn a_sheet_that_is_asked_for_by_number_is_found_in_its_rejects() {
    use rust_xlsxwriter::Workbook;
    let folder = Folder::new();
    let mut book = Workbook::new();
    for (name, text) in [("First", "no"), ("(1)", "name"), ("Last", "no")] {
        book.add_worksheet().set_name(name).unwrap().write_string(0, 0, text).unwrap();
        book.worksheet_from_name(name).unwrap().write_string(1, 0, "x").unwrap();
    }
    book.save(folder.path("b.xlsx")).unwrap();
    let options = ReadOptions { sheet: Some(SheetChoice::Number(2)), ..ReadOptions::default() };
    let source = Source::open(&folder.path("b.xlsx"), &options).unwrap();
    let path = reject(&source, &folder, false);
    let back = Source::open(&path, &options).unwrap();
    assert_eq!((back.header().sheet.as_deref(), names(&back)[0]), (Some("(1)"), "name"));
    assert_eq!(cells(&back)[0][0], "x");
    // Without a mapping that asks for one, the filled sheet is read.
    assert_eq!(open(&path).unwrap().header().sheet.as_deref(), Some("(1)"));
    let stored = r#"{"sheet":{"name":"S","titles":[]}}"#;
    assert!(serde_json::from_str::<Form>(stored).is_ok(), "runs of before are still read");
}

#[test]
fn cells_without_a_value_stay_refused() {
    let folder = Folder::new();
    let source =
        Source::open(&workbook(&folder), &ReadOptions { header_row: 3, ..ReadOptions::default() }).unwrap();
    let path = folder.path("b.xlsx");
    let mut rejects = RejectWriter::create_at(&path, source.dialect(), false, false).unwrap();
    rejects.write(b"[{\"m\":\"\"},1,{\"s\":\"60\"},{\"s\":\"202\"}]", &MARK).unwrap();
    rejects.finish().unwrap();
    let back = Source::open(&path, &ReadOptions { header_row: 3, ..ReadOptions::default() }).unwrap();
    // 202 was no date in its workbook, and would be one here.
    assert_eq!(cells(&back)[0][..4], ["!Error(\"#N/A\")", "#1", "!NoSuchDate(\"60\")", "202"]);
}

/// A sheet with columns of their own width, dates of every form and a column of texts.
fn dressed(folder: &Folder) -> PathBuf {
    use rust_xlsxwriter::{Format, Workbook};
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.set_name("Lists").unwrap();
    let dates =
        ["dd.mm.yyyy", "[$-407]d\\. mmmm yyyy;@", "[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy", "d-mmm-yy hh:mm"];
    for (column, form) in (0..).zip(dates) {
        sheet.set_column_width(column, 7.5 + f64::from(column)).unwrap();
        sheet.write_string(0, column, form).unwrap();
        let form = Format::new().set_num_format(form);
        sheet.write_number_with_format(1, column, 45_123, &form).unwrap();
        sheet.write_number_with_format(2, column, 45_123.75, &form).unwrap();
    }
    sheet.write_string(0, 4, "own").unwrap().write_string(0, 5, "text").unwrap();
    for (row, serial) in [(1, 45_123.0), (2, 45_123.75)] {
        sheet.write_number_with_format(row, 4, serial, &Format::new().set_num_format_index(14)).unwrap();
        sheet.write_string_with_format(row, 5, "0012", &Format::new().set_num_format("@")).unwrap();
    }
    let path = folder.path("dressed.xlsx");
    book.save(&path).unwrap();
    path
}

fn look(source: &Source) -> &SheetLook {
    let Form::Sheet(form) = &source.dialect().form else { panic!("a workbook") };
    &form.look
}

/// A part of a workbook.
fn part(path: &Path, name: &str) -> String {
    let mut book = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    std::io::read_to_string(book.by_name(name).unwrap()).unwrap()
}

#[test]
fn rejects_look_like_their_sheet_time_after_time() {
    let folder = Folder::new();
    let source = open(&dressed(&folder)).unwrap();
    assert_eq!(look(&source).dates.len(), 5, "{:?}", look(&source));
    assert_eq!(look(&source).dates[&4], "14");
    assert_eq!(look(&source).texts, [5].into());
    let first = reject(&source, &folder, false);
    let (again, mut source) = (Folder::new(), source);
    let mut file = first;
    for _ in 0..2 {
        let back = open(&file).unwrap();
        let own = |of: &SheetLook| of.widths.range(..4).map(|(at, width)| (*at, *width)).collect::<Vec<_>>();
        assert_eq!(own(look(&back)), own(look(&source)));
        assert_eq!(look(&back).dates, look(&source).dates);
        assert_eq!(look(&back).texts, look(&source).texts);
        assert_eq!(cells_of(&back, 6), cells_of(&source, 6));
        file = reject(&back, &again, false);
        source = back;
    }
}

#[test]
fn a_cell_at_fault_is_coloured_says_why_and_offers_its_list() {
    let folder = Folder::new();
    let source = open(&dressed(&folder)).unwrap();
    let path = folder.path("r.xlsx");
    let field = |name: &str, values: &[&str]| {
        let values = Some(values.iter().map(|value| (*value).to_owned()).collect());
        let lookup = Some(Lookup { list: None, values });
        Field { lookup, ..Field::new(name, FieldKind::Text) }
    };
    let (kind, empty) = (field("kind", &["Customer", "=1+1"]), field("empty", &[]));
    let cell = |address, of_list| BadCell { address, message: "not <in> the \u{FFFF}\u{1}list", of_list };
    let bad = [
        cell("Lists!F2", Some(&kind)),
        cell("F2", Some(&kind)),
        cell("it's! odd!B2", Some(&empty)),
        cell("H2", None),
        cell("nonsense", None),
    ];
    let mut rejects = RejectWriter::create_at(&path, source.dialect(), false, false).unwrap();
    for row in read(&source).unwrap() {
        rejects.write_with(&row.kept, &Mark { row: row.number, ..MARK }, &bad).unwrap();
    }
    // A row that ends before the cell which it lacks.
    rejects.write_with(b"[1]", &MARK, &[cell("F9", None)]).unwrap();
    rejects.finish().unwrap();

    let notes = part(&path, "xl/comments1.xml");
    let at: Vec<&str> =
        notes.split("<comment ref=\"").skip(1).filter_map(|note| note.split('"').next()).collect();
    assert_eq!(at, ["B2", "F2", "B3", "F3", "F4"]);
    assert!(notes.contains("not &lt;in&gt; the") && !notes.contains('\u{1}'), "{notes}");
    let sheet = part(&path, "xl/worksheets/sheet1.xml");
    assert_eq!(sheet.matches("<dataValidation ").count(), 1);
    assert!(sheet.contains("sqref=\"F2:F4\"><formula1>'Lists (2)'!$A$2:$A$3</formula1>"), "{sheet}");
    assert!(sheet.contains("<pane ySplit=\"1\"") && !sheet.contains("<f>"), "{sheet}");
    let book = part(&path, "xl/workbook.xml");
    assert!(book.contains("name=\"Lists (2)\" sheetId=\"2\" state=\"hidden\""), "{book}");

    let back = open(&path).unwrap();
    assert_eq!(back.header().sheet.as_deref(), Some("Lists"), "the sheet of lists holds no rows");
    assert_eq!(cells_of(&back, 6)[..2], cells_of(&source, 6));
    assert_eq!(look(&back).dates, look(&source).dates);
}

#[test]
fn a_sheet_that_ends_where_sheets_end_has_rejects_with_the_marks_that_fit() {
    let folder = Folder::new();
    for (free, marks) in [(0, 0), (3, 3), (6, 6)] {
        let mut book = rust_xlsxwriter::Workbook::new();
        let sheet = book.add_worksheet();
        let columns = 16_380 - free..16_384 - free;
        for (name, column) in ["a", "b", "c", "d"].into_iter().zip(columns.clone()) {
            sheet.write_string(0, column, name).unwrap().write_number(1, column, column).unwrap();
        }
        book.save(folder.path("wide.xlsx")).unwrap();
        let source = open(&folder.path("wide.xlsx")).unwrap();
        let address = format!("{}2", crate::model::column_letters(usize::from(columns.end) - 1));
        let bad = BadCell { address: &address, message: "no", of_list: None };
        let path = folder.path("r.xlsx");
        let mut rejects = RejectWriter::create_at(&path, source.dialect(), true, true).unwrap();
        rejects.write_with(&read(&source).unwrap()[0].kept, &MARK, &[bad]).unwrap();
        rejects.finish().unwrap();
        let back = open(&path).unwrap();
        assert_eq!(names(&back)[..4], names(&source)[..]);
        assert_eq!(cells(&back)[0][..4], cells(&source)[0][..]);
        assert_eq!(names(&back).len() - 4, marks);
    }
}

#[test]
fn notes_come_to_an_end_and_colours_do_not() {
    let folder = Folder::new();
    let source = open(&dressed(&folder)).unwrap();
    let path = folder.path("r.xlsx");
    let bad = ["A2", "B2", "F2"].map(|address| BadCell { address, message: "no", of_list: None });
    let mut rejects = RejectWriter::create_at(&path, source.dialect(), false, false).unwrap();
    for _ in 0..2_000 {
        rejects.write_with(b"[\"x\"]", &MARK, &bad).unwrap();
    }
    rejects.finish().unwrap();
    assert_eq!(part(&path, "xl/comments1.xml").matches("<comment ref").count(), 5_000);
    let sheet = part(&path, "xl/worksheets/sheet1.xml");
    let last = sheet.split("<row ").last().unwrap();
    assert_eq!(last.split("</row>").next().unwrap().matches(" s=\"").count(), 3, "{last}");
}

#[test]
fn a_look_that_makes_no_sense_harms_nothing() {
    let folder = Folder::new();
    let styled =
        |place: &str, style: &str, value: &str| format!("<c r=\"{place}\" s=\"{style}\"><v>{value}</v></c>");
    let cells = [
        styled("A2", "99999999999999999999", "1"),
        styled("B2", "-1", "2"),
        styled("C2", "4", "45123"),
        styled("D2", "5", "45123"),
        styled("E2", "1", "45123"),
        styled("XFD2", "1", "45123"),
    ];
    let names = ["A1", "B1", "C1", "D1", "E1"].map(|place| text(place, place));
    let unnumbered = "<row><c><v>1</v></c></row>".repeat(200);
    let long: &'static str = "yyyy-dd-mm-dd-mm-dd-mm-dd-mm-dd-mm-dd-mm-dd-mm-dd-mm-dd-mm-dd-mm-dd-mm-dd-mm-dd-mm-dd-mm-dd-mm-dd-mm-dd";
    let cols = "<cols><col min=\"1\" max=\"4294967295\" width=\"1e300\"/><col min=\"2\" max=\"16384\" width=\"20\"/>\
                <col min=\"x\" max=\"\" width=\"nan\"/><col width=\"9\"/><col/></cols>";
    let mut file = Book::default().sheet("S", format!("{}{}{unnumbered}", row(1, &names), row(2, &cells)));
    file.formats = vec!["[Red]0.00;&quot;y d&quot;@", long];
    file.around.0 = cols.to_owned();
    file.date_1904 = true;
    file.save(&folder.path("odd.xlsx"));
    let source = open(&folder.path("odd.xlsx")).unwrap();
    let wide = (1..5).map(|place| (place, 2_000)).collect();
    let dates = [(4, "14".to_owned())].into();
    assert_eq!(*look(&source), SheetLook { widths: wide, dates, ..SheetLook::default() });
    let back = open(&reject(&source, &folder, true)).unwrap();
    assert_eq!(cells_of(&back, 5), cells_of(&source, 5));
}

/// The first cells of each row, blank or not.
fn cells_of(source: &Source, count: usize) -> Vec<Vec<String>> {
    let mut rows = cells(source);
    rows.iter_mut().for_each(|row| row.resize(count, String::new()));
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_form_a_column_has_its_dates_stay_dates(
        form in r"(\[\$-[0-9A-F]{3}\])?[ymd]{1,4}[ymdhs /.:,\\-]{0,8}[yd](;@)?",
        serials in prop::collection::vec((61_u32..100_000, 0..3_u32), 2..5),
    ) {
        use rust_xlsxwriter::Format;
        let folder = Folder::new();
        let mut book = rust_xlsxwriter::Workbook::new();
        let sheet = book.add_worksheet();
        sheet.write_string(0, 0, "since").unwrap();
        let odd = Format::new().set_num_format(form);
        let plain = Format::new().set_num_format("yyyy-mm-dd hh:mm:ss");
        for (row, (day, part)) in (1..).zip(serials) {
            let format = if row == 1 { &odd } else { &plain };
            let serial = f64::from(day) + f64::from(part) / 4.0;
            sheet.write_number_with_format(row, 0, serial, format).unwrap();
        }
        book.save(folder.path("a.xlsx")).unwrap();
        let source = open(&folder.path("a.xlsx")).unwrap();
        let back = open(&reject(&source, &folder, false)).unwrap();
        prop_assert_eq!(cells_of(&back, 1), cells_of(&source, 1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn rejects_read_back_as_the_rows_they_were(
        rows in prop::collection::vec(prop::collection::vec("[ a-z\"',;=é\r\n-]{0,6}", 1..4), 1..10),
        end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
    ) {
        let quote = |text: &String| format!("\"{}\"", text.replace('"', "\"\""));
        let lines: String =
            rows.iter().map(|row| row.iter().map(quote).collect::<Vec<_>>().join(",") + end).collect();
        let folder = Folder::new();
        let options = ReadOptions { delimiter: Some(','), ..ReadOptions::default() };
        let source = Source::open(&folder.file("a.csv", format!("a,b,c{end}{lines}")), &options).unwrap();
        let back = Source::open(&reject(&source, &folder, true), &options).unwrap();
        let kept: Vec<usize> = (0..names(&back).len()).filter(|&at| !is_reserved(names(&back)[at])).collect();
        let padded = |row: Vec<String>| -> Vec<String> {
            kept.iter().map(|&at| row.get(at).cloned().unwrap_or_default()).collect()
        };
        let after: Vec<Vec<String>> = cells(&back).into_iter().map(padded).collect();
        let before: Vec<Vec<String>> = cells(&source).into_iter().map(padded).collect();
        prop_assert_eq!(after, before);
    }
}
