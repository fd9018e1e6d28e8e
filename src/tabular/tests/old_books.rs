//! Workbooks of Excel 97 to 2003, binary workbooks and those of LibreOffice,
//! made by hand record by record.

use std::io::Write as _;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::super::{Format, Hidden, Mark, RejectWriter, SheetChoice};
use super::*;

fn units(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Opens bytes under a name.
fn opened(name: &str, bytes: &[u8]) -> (Folder, Result<Source, InputError>) {
    let folder = Folder::new();
    let source = open(&folder.file(name, bytes));
    (folder, source)
}

fn skipping(name: &str, bytes: &[u8]) -> (Folder, Source) {
    let folder = Folder::new();
    let options = ReadOptions { hidden: Hidden::Skip, ..ReadOptions::default() };
    let source = Source::open(&folder.file(name, bytes), &options).unwrap();
    (folder, source)
}

fn told_off(name: &str, bytes: &[u8]) -> String {
    let folder = Folder::new();
    refused(&folder.file(name, bytes), &ReadOptions::default())
}

/// Writes the rows as rejects and opens these.
fn rejected(source: &Source, folder: &Folder) -> Source {
    let mark = Mark { row: 2, run: "r", status: "rejected", code: "x", errors: "y" };
    let mut rejects = RejectWriter::create(folder.0.path(), "rejects", source.dialect(), false).unwrap();
    for row in read(source).unwrap() {
        rejects.write(&row.kept, &mark).unwrap();
    }
    let path = rejects.finish().unwrap();
    assert_eq!(path.file_name().unwrap(), "rejects.xlsx");
    open(&path).unwrap()
}

mod xls {
    use super::*;

    pub(super) fn record(kind: u16, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len()).unwrap();
        [&kind.to_le_bytes()[..], &length.to_le_bytes(), data].concat()
    }

    fn at(row: u16, column: u16, style: u16) -> Vec<u8> {
        [row.to_le_bytes(), column.to_le_bytes(), style.to_le_bytes()].concat()
    }

    pub(super) fn number(row: u16, column: u16, style: u16, value: f64) -> Vec<u8> {
        record(0x0203, &[at(row, column, style), value.to_le_bytes().to_vec()].concat())
    }

    pub(super) fn shared(row: u16, column: u16, text: u32) -> Vec<u8> {
        record(0x00FD, &[at(row, column, 0), text.to_le_bytes().to_vec()].concat())
    }

    fn bool_or_error(row: u16, column: u16, value: u8, error: bool) -> Vec<u8> {
        record(0x0205, &[at(row, column, 0), vec![value, u8::from(error)]].concat())
    }

    fn formula(row: u16, column: u16, style: u16, value: [u8; 8]) -> Vec<u8> {
        // The formula itself is the number 1.
        let tail = [&[0; 6][..], &[3, 0, 0x1E, 1, 0]].concat();
        record(0x0006, &[at(row, column, style), value.to_vec(), tail].concat())
    }

    fn hidden_row(row: u16) -> Vec<u8> {
        let flags = [0x20_u8, 0, 0, 0];
        record(0x0208, &[&row.to_le_bytes()[..], &[0, 0, 3, 0, 255, 0, 0, 0, 0, 0], &flags].concat())
    }

    fn strings(texts: &[&str]) -> Vec<u8> {
        let mut data = [(texts.len() as u32).to_le_bytes(), (texts.len() as u32).to_le_bytes()].concat();
        for text in texts {
            let units = units(text);
            data.extend(u16::try_from(units.len() / 2).unwrap().to_le_bytes());
            data.push(1);
            data.extend(units);
        }
        record(0x00FC, &data)
    }

    /// The stream of a workbook; sheets by name, state and records.
    pub(super) fn stream(globals: &[Vec<u8>], sheets: &[(&str, u8, Vec<u8>)]) -> Vec<u8> {
        let begin = |kind: u8| record(0x0809, &[0, 6, kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let mut head = [begin(5), globals.concat()].concat();
        let names: usize = sheets.iter().map(|(name, ..)| 4 + 8 + name.len()).sum();
        let mut place = head.len() + names + 4;
        let mut bodies = Vec::new();
        for (name, state, records) in sheets {
            let mut data = u32::try_from(place).unwrap().to_le_bytes().to_vec();
            data.extend([*state, 0, u8::try_from(name.len()).unwrap(), 0]);
            data.extend(name.bytes());
            head.extend(record(0x0085, &data));
            let body = [begin(0x10), records.clone(), record(0x000A, &[])].concat();
            place += body.len();
            bodies.extend(body);
        }
        [head, record(0x000A, &[]), bodies].concat()
    }

    /// A container with one stream.
    pub(super) fn container(name: &str, stream: &[u8]) -> Vec<u8> {
        let mut stream = stream.to_vec();
        stream.resize(stream.len().max(4096).next_multiple_of(512), 0);
        let sectors = stream.len() / 512;
        let tables = (sectors + 2).div_ceil(127);
        let mut table: Vec<u32> = vec![0xFFFF_FFFD; tables];
        table.push(0xFFFF_FFFE);
        let first = tables as u32 + 1;
        table.extend((first + 1..first + sectors as u32).chain([0xFFFF_FFFE]));
        table.resize(tables * 128, 0xFFFF_FFFF);
        let mut header = vec![0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];
        header.resize(24, 0);
        for half in [0x3E_u16, 3, 0xFFFE, 9, 6, 0, 0, 0] {
            header.extend(half.to_le_bytes());
        }
        for word in [0, tables as u32, tables as u32, 0, 4096, 0xFFFF_FFFE, 0, 0xFFFF_FFFE, 0] {
            header.extend(word.to_le_bytes());
        }
        header.extend((0..109).flat_map(|at| if at < tables { at as u32 } else { u32::MAX }.to_le_bytes()));
        let mut folder = Vec::new();
        for (name, kind, start, length) in
            [("Root Entry", 5, 0xFFFF_FFFE, 0), (name, 2, first, u32::try_from(stream.len()).unwrap())]
        {
            let mut entry = units(name);
            entry.resize(64, 0);
            entry.extend([(name.len() * 2 + 2) as u8, 0, kind, 1]);
            entry.extend([u32::MAX, u32::MAX, u32::MAX].iter().flat_map(|word| word.to_le_bytes()));
            entry.resize(116, 0);
            entry.extend(u32::to_le_bytes(start));
            entry.extend(length.to_le_bytes());
            entry.resize(128, 0);
            folder.extend(entry);
        }
        folder.resize(512, 0);
        let table: Vec<u8> = table.into_iter().flat_map(u32::to_le_bytes).collect();
        [header, table, folder, stream].concat()
    }

    pub(super) fn book(globals: &[Vec<u8>], sheets: &[(&str, u8, Vec<u8>)]) -> Vec<u8> {
        container("Workbook", &stream(globals, sheets))
    }

    /// Style 0 is plain, 1 a date.
    fn styles() -> Vec<u8> {
        let style = |format: u8| record(0x00E0, &[&[0, 0, format][..], &[0; 17]].concat());
        [style(0), style(14)].concat()
    }

    fn sample() -> Vec<u8> {
        let globals = [styles(), strings(&["name", "Zoë 漢字", "since", "x"])];
        let yes = [1, 0, 1, 0, 0, 0, 0xFF, 0xFF];
        let failed = [2, 0, 0x07, 0, 0, 0, 0xFF, 0xFF];
        let cells = [
            record(0x0200, &[0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 4, 0, 0, 0]),
            hidden_row(3),
            [shared(0, 0, 0), shared(0, 1, 2), shared(0, 2, 3), shared(0, 3, 3)].concat(),
            [shared(1, 0, 1), number(1, 1, 1, 45123.0), number(1, 2, 0, 7.0)].concat(),
            [bool_or_error(2, 0, 0x2A, true), formula(2, 1, 1, 45123.5_f64.to_le_bytes())].concat(),
            [bool_or_error(3, 0, 1, false), number(3, 1, 0, 0.1 + 0.2), number(3, 2, 0, 1e17)].concat(),
            [formula(4, 0, 0, yes), formula(4, 1, 0, failed), number(4, 2, 1, 60.0)].concat(),
        ]
        .concat();
        book(&globals, &[("Old", 1, shared(0, 0, 0)), ("Data", 0, cells)])
    }

    #[test]
    fn an_excel_97_workbook_is_read_with_its_types() {
        let (folder, source) = opened("a.xls", &sample());
        let source = source.unwrap();
        assert_eq!(source.header().sheet.as_deref(), Some("Data"), "a hidden sheet is not chosen");
        assert_eq!(names(&source), ["name", "since", "x", "x"]);
        assert_eq!(source.dialect().format, Format::Xls);
        let want = [
            vec!["Zoë 漢字", "@2023-07-16T00:00:00", "#7"],
            vec!["!Error(\"#N/A\")", "@2023-07-16T12:00:00"],
            vec!["?true", "#0.3", "!PrecisionLost(\"1E+17\")"],
            vec!["?true", "!Error(\"#DIV/0!\")", "!NoSuchDate(\"60\")"],
        ];
        assert_eq!(cells(&source), want);
        let told = told(&source);
        assert!(told.contains("1 hidden row is read"), "{told}");
        assert!(told.contains("3 cells are formulas"), "{told}");
        assert_eq!(cells(&rejected(&source, &folder))[0][..3], ["Zoë 漢字", "@2023-07-16T00:00:00", "#7"]);
        let (_folder, source) = skipping("a.xls", &sample());
        assert_eq!(read(&source).unwrap().iter().map(|row| row.number).collect::<Vec<_>>(), [2, 3, 5]);
    }

    #[test]
    fn the_1904_system_of_an_old_workbook_is_honoured() {
        let globals = [styles(), record(0x0022, &[1, 0]), strings(&["h"])];
        let cells = [shared(0, 0, 0), number(1, 0, 1, 43661.0)].concat();
        let (_folder, source) = opened("a.xls", &book(&globals, &[("S", 0, cells)]));
        assert_eq!(cells_of(source), [["@2023-07-16T00:00:00"]]);
    }

    fn cells_of(source: Result<Source, InputError>) -> Vec<Vec<String>> {
        super::super::cells(&source.unwrap())
    }

    #[test]
    fn an_old_workbook_by_another_name_is_still_one() {
        let (_folder, source) = opened("a.csv", &sample());
        let told = told(&source.unwrap());
        assert!(
            told.contains("the content is a workbook of Excel 97 to 2003 (.xls); it is read as one"),
            "{told}"
        );
    }

    #[test]
    fn passwords_and_other_office_files_are_told() {
        let locked = book(&[record(0x002F, &[1, 0, 1, 0, 1, 0])], &[]);
        assert!(told_off("a.xls", &locked).contains("protected by a password"));
        assert!(told_off("a.xlsx", &container("EncryptedPackage", b"x")).contains("protected by a password"));
        let word = told_off("a.doc", &container("WordDocument", b"x"));
        assert!(word.contains("not a workbook"), "{word}");
    }

    #[test]
    fn cells_in_far_corners_of_an_old_workbook_are_refused() {
        let globals = [styles(), strings(&["h"])];
        let cells = [shared(0, 0, 0), number(65_535, 65_535, 0, 1.0)].concat();
        let told = told_off("a.xls", &book(&globals, &[("S", 0, cells)]));
        assert!(told.contains("more than five million places"), "{told}");
        let size = record(0x0200, &[0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1, 0, 0]);
        let told = told_off("a.xls", &book(&globals, &[("S", 0, [size, shared(0, 0, 0)].concat())]));
        assert!(told.contains("damaged"), "{told}");
    }

    #[test]
    fn a_long_text_used_often_in_an_old_workbook_is_refused() {
        let letters = vec![b'x'; 60_000];
        let mut data = [1_u32.to_le_bytes(), 1_u32.to_le_bytes()].concat();
        data.extend(60_000_u16.to_le_bytes());
        data.push(0);
        let mut parts = vec![record(0x00FC, &[&data[..], &letters[..8000]].concat())];
        parts.extend(letters[8000..].chunks(8000).map(|part| record(0x003C, &[&[0][..], part].concat())));
        let used: Vec<u8> = (0..4000).flat_map(|row| shared(row, 0, 0)).collect();
        let told = told_off("a.xls", &book(&[styles(), parts.concat()], &[("S", 0, used)]));
        assert!(told.contains("512 MiB"), "{told}");
        let few: Vec<u8> = (0..3).flat_map(|row| shared(row, 0, 0)).collect();
        let (_folder, source) = opened("a.xls", &book(&[styles(), parts.concat()], &[("S", 0, few)]));
        assert_eq!(cells_of(source), [["!TooLong"], ["!TooLong"]]);
    }

    #[test]
    fn chains_that_go_round_in_a_circle_are_refused() {
        let whole = sample();
        for (place, sector) in [(516, 1_u32), (520, 2), (524, 2)] {
            let mut bytes = whole.clone();
            bytes[place..place + 4].copy_from_slice(&sector.to_le_bytes());
            bytes[1024 + 128 + 120..1024 + 128 + 124].copy_from_slice(&u32::MAX.to_le_bytes());
            assert!(told_off("a.xls", &bytes).contains("damaged"), "{place}");
        }
    }

    #[test]
    fn a_cut_or_changed_old_workbook_never_ends_the_program() {
        let whole = sample();
        let folder = Folder::new();
        for at in (0..whole.len()).step_by(97) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xFF;
            for bytes in [&bytes[..], &whole[..at]] {
                if let Ok(source) = open(&folder.file("a.xls", bytes)) {
                    let _ = read(&source);
                }
            }
        }
    }
}

mod xlsb {
    use super::*;

    fn record(kind: u16, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        if kind < 0x80 {
            out.push(kind as u8);
        } else {
            out.extend([(kind & 0x7F) as u8 | 0x80, (kind >> 7) as u8]);
        }
        let mut length = data.len();
        loop {
            let more = length > 0x7F;
            out.push((length & 0x7F) as u8 | if more { 0x80 } else { 0 });
            length >>= 7;
            if !more {
                break;
            }
        }
        [out, data.to_vec()].concat()
    }

    fn text(text: &str) -> Vec<u8> {
        let units = units(text);
        [((units.len() / 2) as u32).to_le_bytes().to_vec(), units].concat()
    }

    fn cell(kind: u16, column: u32, style: u8, value: &[u8]) -> Vec<u8> {
        record(kind, &[&column.to_le_bytes()[..], &[style, 0, 0, 0], value].concat())
    }

    fn row(number: u32, hidden: bool) -> Vec<u8> {
        let flags = if hidden { 0x10 } else { 0 };
        record(0, &[&number.to_le_bytes()[..], &[0; 7], &[flags, 0, 0, 0, 0, 0]].concat())
    }

    pub(super) fn book(cells: &[u8], extra: &[(&str, &[u8])]) -> Vec<u8> {
        let relation = [text("r1"), text("Data")].concat();
        let workbook = [
            record(0x0099, &[0; 8]),
            record(0x009C, &[&[0, 0, 0, 0, 1, 0, 0, 0][..], &relation].concat()),
            record(0x0090, &[]),
            record(0x009D, &[0; 16]),
        ]
        .concat();
        let strings = [
            record(0x009F, &[2, 0, 0, 0, 2, 0, 0, 0]),
            record(0x0013, &[&[0][..], &text("name")].concat()),
            record(0x0013, &[&[0][..], &text("Zoë")].concat()),
        ]
        .concat();
        let styles =
            [record(0x0269, &[2, 0, 0, 0]), record(0x002F, &[0, 0, 0, 0]), record(0x002F, &[0, 0, 14, 0])]
                .concat();
        let sheet = [
            record(0x0081, &[]),
            record(0x0094, &[0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]),
            record(0x0091, &[]),
            cells.to_vec(),
            record(0x0092, &[]),
            record(0x0082, &[]),
        ]
        .concat();
        let relations = "<Relationships><Relationship Id=\"r1\" Type=\"x/worksheet\" \
                         Target=\"worksheets/sheet1.bin\"/></Relationships>";
        let mut parts: Vec<(&str, &[u8])> = vec![
            ("[Content_Types].xml", b"<Types/>"),
            ("xl/workbook.bin", &workbook),
            ("xl/_rels/workbook.bin.rels", relations.as_bytes()),
            ("xl/sharedStrings.bin", &strings),
            ("xl/styles.bin", &styles),
            ("xl/worksheets/sheet1.bin", &sheet),
        ];
        parts.extend(extra);
        zipped(&parts)
    }

    fn sample() -> Vec<u8> {
        let formula = [0_u8; 10];
        let number = |value: f64| value.to_le_bytes();
        let cells = [
            row(0, false),
            cell(7, 0, 0, &[0, 0, 0, 0]),
            cell(6, 1, 0, &text("since")),
            cell(6, 2, 0, &text("ok")),
            row(1, false),
            cell(7, 0, 0, &[1, 0, 0, 0]),
            cell(5, 1, 1, &number(45123.0)),
            cell(4, 2, 0, &[1]),
            row(2, false),
            cell(3, 0, 0, &[0x2A]),
            cell(11, 1, 0, &[&[0x07][..], &formula].concat()),
            cell(9, 2, 0, &[&number(0.1 + 0.2)[..], &formula].concat()),
            row(3, true),
            cell(2, 0, 0, &(7_i32 << 2 | 2).to_le_bytes()),
            row(4, false),
            cell(11, 2, 0, &[&[0x17][..], &formula].concat()),
        ]
        .concat();
        book(&cells, &[])
    }

    #[test]
    fn a_binary_workbook_is_read_with_its_types() {
        let (folder, source) = opened("a.xlsb", &sample());
        let source = source.unwrap();
        assert_eq!(names(&source), ["name", "since", "ok"]);
        let want = [
            vec!["Zoë", "@2023-07-16T00:00:00", "?true"],
            vec!["!Error(\"#N/A\")", "!Error(\"#DIV/0!\")", "#0.3"],
            vec!["#7"],
            vec!["", "", "!Error(\"#REF!\")"],
        ];
        assert_eq!(cells(&source), want);
        assert_eq!(cells(&source), want, "a second pass reads the same");
        let told = told(&source);
        assert!(told.contains("1 hidden row is read"), "{told}");
        assert!(told.contains("3 cells are formulas"), "{told}");
        assert_eq!(cells(&rejected(&source, &folder))[1][..2], ["!Error(\"#N/A\")", "!Error(\"#DIV/0!\")"]);
        let (_folder, source) = skipping("a.xlsb", &sample());
        assert_eq!(read(&source).unwrap().iter().map(|row| row.number).collect::<Vec<_>>(), [2, 3, 5]);
    }

    #[test]
    fn macros_are_told_and_never_read() {
        let cells = [row(0, false), cell(6, 0, 0, &text("h"))].concat();
        let (_folder, source) = opened("a.xlsb", &book(&cells, &[("xl/vbaProject.bin", b"Sub AutoOpen()")]));
        assert!(told(&source.unwrap()).contains("holds macros; they are neither read nor run"));
    }

    #[test]
    fn rows_out_of_range_are_damage_and_no_early_end() {
        let cells = [row(0, false), cell(6, 0, 0, &text("h")), row(0x0010_0001, false), cell(4, 0, 0, &[1])];
        assert!(told_off("a.xlsb", &book(&cells.concat(), &[])).contains("damaged"));
        let backwards = [row(3, false), cell(6, 0, 0, &text("h")), row(1, false), cell(4, 0, 0, &[1])];
        assert!(told_off("a.xlsb", &book(&backwards.concat(), &[])).contains("out of order"));
    }

    #[test]
    fn broken_records_never_end_the_program() {
        let cut = [row(0, false), cell(7, 0, 0, &[0, 0, 0, 0]), row(1, false), record(5, &[0])].concat();
        assert!(told_off("a.xlsb", &book(&cut, &[])).contains("damaged"));
        let unknown = [row(0, false), cell(7, 0, 0, &[9, 9, 9, 9])].concat();
        assert!(told_off("a.xlsb", &book(&unknown, &[])).contains("damaged"));
    }
}

fn zipped(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in parts {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

mod ods {
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
            (kind("percentage", "office:value=\"0.5\""), "#0.5"),
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
        for (name, there) in
            [(long, "Adressen der Vertretungen 2019_"), ("", "sheet"), ("O'Neill", "O'Neill")]
        {
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
        let blank = "<table:table-row table:number-rows-repeated=\"4000000000\"><table:table-cell/></table:table-row>";
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
        let cut = zipped(&[
            ("mimetype", b"x"),
            ("content.xml", b"<a><table:table table:name=\"S\"><table:table-row>"),
        ]);
        assert!(told_off("a.ods", &cut).contains("damaged"));
    }
}
