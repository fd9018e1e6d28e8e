//! Workbooks of Excel 97 to 2003.

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
fn numbers_shown_in_percent_in_an_old_workbook_are_what_it_shows() {
    let style = |format: u8| record(0x00E0, &[&[0, 0, format][..], &[0; 17]].concat());
    let format = |id: u8, code: &str| {
        let length = u8::try_from(code.len()).unwrap();
        record(0x041E, &[&[id, 0, length, 0, 0][..], code.as_bytes()].concat())
    };
    let formats = [format(164, "0.0%"), format(165, "0\"%\"")].concat();
    let styles = [style(0), style(14), style(9), style(164), style(165)].concat();
    let globals = [formats, styles, strings(&["h"])];
    // The whole number 7, as it stands among several side by side.
    let seven = (7_u32 << 2 | 2).to_le_bytes();
    let many = [&[6, 0, 0, 0][..], &[2, 0], &seven, &[0, 0], &seven, &[1, 0]].concat();
    let cells = [
        shared(0, 0, 0),
        shared(0, 1, 0),
        number(1, 0, 2, 0.15),
        number(2, 0, 3, -0.075),
        number(3, 0, 0, 0.15),
        number(4, 0, 4, 0.15),
        formula(5, 0, 2, 0.5_f64.to_le_bytes()),
        record(0x00BD, &many),
    ]
    .concat();
    let (folder, source) = opened("a.xls", &book(&globals, &[("S", 0, cells)]));
    let source = source.unwrap();
    let want =
        vec![vec!["#15%"], vec!["#-7.5%"], vec!["#0.15"], vec!["#0.15"], vec!["#50%"], vec!["#700%", "#7"]];
    assert_eq!(super::super::cells(&source), want);
    let back: Vec<String> =
        super::super::cells(&rejected(&source, &folder)).into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(back, ["#15%", "#-7.5%", "#0.15", "#0.15", "#50%", "#700%"]);
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
