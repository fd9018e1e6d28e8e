//! Looks through a workbook's package before any reader of workbooks sees
//! it: every part is inflated once through a counter.
//!
//! The sizes in the directory are not believed. What is refused here would
//! otherwise fill the memory or end the process: a few hundred bytes can
//! declare billions of shared strings.

use std::fs::File;
use std::io::{BufReader, Read};

use memchr::memmem;
use zip::ZipArchive;
use zip::result::ZipError;

use super::biff::locked;
use super::error::InputProblem;
use super::options::Format;

/// Most parts.
pub(super) const MAX_PARTS: usize = 2000;
/// The room that inflated parts have.
const ROOM: Room = Room { all: 1024 * 1024 * 1024, one: 512 * 1024 * 1024 };
/// A part may inflate beyond this only by [`MAX_RATIO`].
const FREE_BYTES: u64 = 10 * 1024 * 1024;
/// Most inflated bytes for each packed one.
const MAX_RATIO: u64 = 200;
/// Most tags of the styles part. Excel keeps at most 65,490 cell styles.
const MAX_STYLE_TAGS: u64 = 1_000_000;
/// Bytes kept from one chunk to the next, so that no word is cut apart.
const OVERLAP: usize = 64;

/// Most inflated bytes of all parts together, and of one.
#[derive(Clone, Copy)]
struct Room {
    all: u64,
    one: u64,
}

/// What the inspection saw on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Clues {
    /// A sheet's part holds something that is told beside its values.
    pub(super) worth_a_look: bool,
    /// There is a format that may show another number than a cell holds.
    pub(super) odd_formats: bool,
    /// There are macros.
    pub(super) macros: bool,
}

/// Checks all parts and says what kind of workbook the package is.
pub(super) fn inspect(file: &mut File) -> Result<(Format, Clues), InputProblem> {
    inspect_within(file, ROOM)
}

fn inspect_within(file: &mut File, room: Room) -> Result<(Format, Clues), InputProblem> {
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    let kind = kind(&archive)?;
    if archive.len() > MAX_PARTS {
        return refuse(&format!("it has {} parts, more than any workbook has", archive.len()));
    }
    if archive.has_duplicate_names() {
        return refuse("two of its parts have the same name");
    }
    if archive.has_overlapping_entries().map_err(damaged)? {
        return refuse("its parts overlap");
    }
    let (mut total, mut clues) = (0, Clues::default());
    for at in 0..archive.len() {
        let mut part = archive.by_index(at).map_err(damaged)?;
        let name = part.name().map_err(damaged)?.to_ascii_lowercase();
        let packed = part.compressed_size();
        let mut watch = Watch::over(&name);
        total += check_part(&mut part, &mut watch, packed, room.one.min(room.all - total))?;
        clues.worth_a_look |= watch.seen;
        clues.odd_formats |= watch.odd_formats;
        clues.macros |= name.ends_with("vbaproject.bin");
    }
    Ok((kind, clues))
}

fn kind<R: Read + std::io::Seek>(archive: &ZipArchive<R>) -> Result<Format, InputProblem> {
    let has =
        |wanted: &str| archive.file_names_raw().any(|name| name.eq_ignore_ascii_case(wanted.as_bytes()));
    let holds =
        |ending: &[u8]| archive.file_names_raw().any(|name| name.to_ascii_lowercase().ends_with(ending));
    if has("[Content_Types].xml") && holds(b"workbook.xml") {
        Ok(Format::Xlsx)
    } else if has("[Content_Types].xml") && holds(b"workbook.bin") {
        Ok(Format::Xlsb)
    } else if has("content.xml") && has("mimetype") {
        Ok(Format::Ods)
    } else if has("encrypted-package") || has("encryptedpackage") {
        Err(locked())
    } else if has("[Content_Types].xml") {
        let told = "this is an Office document, but not a workbook; name a CSV or XLSX file";
        Err(InputProblem::WrongContent(told.to_owned()))
    } else {
        let told = "this is a ZIP archive, not a workbook; unpack it and name the file inside";
        Err(InputProblem::WrongContent(told.to_owned()))
    }
}

/// Inflates one part, looking at what it declares. Returns its size.
fn check_part(part: &mut impl Read, watch: &mut Watch, packed: u64, room: u64) -> Result<u64, InputProblem> {
    let mut buffer = vec![0_u8; 64 * 1024];
    let mut kept = 0;
    let mut size = 0;
    loop {
        let read = part.read(buffer.get_mut(kept..).unwrap_or_default()).map_err(|error| {
            InputProblem::Workbook(format!(
                "the workbook is damaged ({error}); open it in Excel and save it again"
            ))
        })?;
        size += read as u64;
        if size > room {
            return refuse("it unpacks to more than 1 GiB, or one of its parts to more than 512 MiB");
        }
        if size > FREE_BYTES && size / MAX_RATIO > packed {
            return refuse("one of its parts unpacks to more than 200 times its size");
        }
        let filled = kept + read;
        let last = read == 0;
        watch.look(buffer.get(..filled).unwrap_or_default(), kept, last)?;
        if last {
            return Ok(size);
        }
        kept = filled.min(OVERLAP);
        buffer.copy_within(filled - kept..filled, 0);
    }
}

/// What a part must not declare.
struct Watch {
    xml: bool,
    strings: bool,
    styles: bool,
    sheet: bool,
    begun: bool,
    tags: u64,
    /// Something worth a look was seen.
    seen: bool,
    odd_formats: bool,
}

impl Watch {
    fn over(name: &str) -> Self {
        Self {
            xml: [".xml", ".rels", ".vml"].iter().any(|ending| name.ends_with(ending)),
            strings: name.ends_with("sharedstrings.xml"),
            styles: name.ends_with("styles.xml"),
            sheet: name.contains("worksheets/"),
            begun: false,
            tags: 0,
            seen: false,
            odd_formats: false,
        }
    }

    /// Looks at a chunk whose first `old` bytes were looked at before.
    fn look(&mut self, chunk: &[u8], old: usize, last: bool) -> Result<(), InputProblem> {
        if !self.xml {
            return Ok(());
        }
        if !std::mem::replace(&mut self.begun, true)
            && matches!(chunk, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [0, ..] | [_, 0, ..])
        {
            return refuse("one of its parts is not in UTF-8");
        }
        for place in places(chunk, b'!') {
            let from = place.saturating_sub(1);
            if chunk
                .get(from..)
                .is_some_and(|rest| rest.starts_with(b"<!DOCTYPE") || rest.starts_with(b"<!ENTITY"))
            {
                return refuse("one of its parts has a document type definition, which no workbook has");
            }
        }
        self.seen |= self.sheet && tells_more(chunk);
        self.odd_formats |= self.styles && (pads(chunk, last) || shows_percent(chunk));
        if self.strings {
            check_string_count(chunk, last)?;
        }
        if self.styles {
            self.tags += places(chunk.get(old..).unwrap_or_default(), b'<').count() as u64;
            if self.tags > MAX_STYLE_TAGS {
                return refuse("it declares more styles than a workbook can have");
            }
        }
        Ok(())
    }
}

/// The reader makes room for as many strings as are declared, so the number
/// must be one that a part of the allowed size can hold.
fn check_string_count(chunk: &[u8], last: bool) -> Result<(), InputProblem> {
    const WORD: &[u8] = b"uniqueCount";
    // Each string takes at least `<si/>`.
    const MOST: u64 = ROOM.one / 5;
    for place in places(chunk, b'q') {
        let begins = place.saturating_sub(3);
        let Some(rest) = chunk.get(begins..).and_then(|rest| rest.strip_prefix(WORD)) else { continue };
        let digits =
            rest.iter().skip_while(|byte| !byte.is_ascii_digit()).take_while(|byte| byte.is_ascii_digit());
        let digits: Vec<u8> = digits.copied().collect();
        let begins = rest.iter().position(u8::is_ascii_digit).unwrap_or(rest.len());
        if begins + digits.len() == rest.len() && rest.len() < OVERLAP - WORD.len() && !last {
            // Cut off by the chunk's end: the next chunk begins with the word.
            continue;
        }
        let whole = begins + digits.len() < rest.len();
        let count = std::str::from_utf8(&digits).ok().and_then(|digits| digits.parse::<u64>().ok());
        if !whole || count.is_none_or(|count| count > MOST) {
            return refuse("it declares more texts than it can hold");
        }
    }
    Ok(())
}

/// True where a sheet's XML has hidden rows or columns, merged cells or
/// formulas. Names with a prefix are not looked for by name.
fn tells_more(chunk: &[u8]) -> bool {
    let hidden = |at: usize| matches!(chunk.get(at + 7..), Some([b'"' | b'\'', b'1' | b't', ..]));
    memmem::find_iter(chunk, b"hidden=").any(hidden)
        || memmem::find(chunk, b"<mergeCell").is_some()
        || memmem::find(chunk, b"<f>").is_some()
        || memmem::find(chunk, b"<f ").is_some()
        || memmem::find(chunk, b":sheetData").is_some()
}

/// True where a number format may fill up with zeros.
fn pads(chunk: &[u8], last: bool) -> bool {
    const WORD: &[u8] = b"formatCode=";
    memmem::find_iter(chunk, WORD).any(|at| {
        let code = chunk.get(at + WORD.len() + 1..).unwrap_or_default();
        // What is cut off here, or begins oddly, is looked at later.
        matches!(code, [b'0', b'0', ..] | [b'[', ..]) || (code.len() < 2 && !last)
    })
}

/// True where a number format may show percent: by a code of its own, or by
/// one of the two that need none.
fn shows_percent(chunk: &[u8]) -> bool {
    const WORD: &[u8] = b"numFmtId=";
    // The next chunk begins with what is cut off here.
    let is_built_in = |at: usize| {
        let id = chunk.get(at + WORD.len() + 1..).unwrap_or_default();
        matches!(id, [b'9', b'"' | b'\'', ..] | [b'1', b'0', b'"' | b'\'', ..])
    };
    chunk.contains(&b'%') || memmem::find_iter(chunk, WORD).any(is_built_in)
}

fn places(bytes: &[u8], wanted: u8) -> impl Iterator<Item = usize> {
    bytes.iter().enumerate().filter(move |&(_, &byte)| byte == wanted).map(|(place, _)| place)
}

fn refuse<T>(why: &str) -> Result<T, InputProblem> {
    Err(InputProblem::Workbook(format!(
        "the workbook is not read: {why}; open it in Excel, copy the data into a new workbook and save that"
    )))
}

/// The sentence for a package that cannot be unpacked.
pub(super) fn damaged(error: ZipError) -> InputProblem {
    match error {
        ZipError::Io(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => error.into(),
        ZipError::UnsupportedArchive(_) => InputProblem::Workbook(
            "the workbook is packed in a way that is not read; open it in Excel and save it again".to_owned(),
        ),
        _ => InputProblem::Workbook(
            "the workbook is damaged or was not copied whole; get it again, or open it in Excel and save it again"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn package(parts: &[(&str, &[u8])]) -> File {
        let mut zip = ZipWriter::new(tempfile::tempfile().unwrap());
        for (name, content) in parts {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(content).unwrap();
        }
        let mut file = zip.finish().unwrap();
        file.rewind().unwrap();
        file
    }

    fn told(extra: &[(&str, &[u8])]) -> String {
        let mut parts: Vec<(&str, &[u8])> =
            vec![("[Content_Types].xml", b"<Types/>"), ("xl/workbook.xml", b"<workbook/>")];
        parts.extend(extra);
        match inspect(&mut package(&parts)) {
            Ok((kind, _)) => format!("{kind:?}"),
            Err(problem) => problem.to_string(),
        }
    }

    #[test]
    fn a_plain_package_is_known_by_its_parts() {
        assert_eq!(told(&[("xl/worksheets/sheet1.xml", b"<worksheet/>"), ("../../x", b"")]), "Xlsx");
        let ods: &[(&str, &[u8])] = &[("mimetype", b"x"), ("content.xml", b"<x/>")];
        assert_eq!(inspect(&mut package(ods)).unwrap().0, Format::Ods);
        let xlsb: &[(&str, &[u8])] = &[("[Content_Types].xml", b""), ("xl/workbook.bin", b"")];
        assert_eq!(inspect(&mut package(xlsb)).unwrap().0, Format::Xlsb);
        let other = inspect(&mut package(&[("a.txt", b"a")])).unwrap_err().to_string();
        assert!(other.contains("ZIP archive"), "{other}");
        let docx =
            inspect(&mut package(&[("[Content_Types].xml", b""), ("word/document.xml", b"")])).unwrap_err();
        assert!(docx.to_string().contains("not a workbook"), "{docx}");
    }

    #[test]
    fn formats_that_show_other_numbers_are_seen() {
        let odd = |styles: &str| {
            let styles = format!("{}{styles}", " ".repeat(65_520));
            let parts: [(&str, &[u8]); 3] = [
                ("[Content_Types].xml", b"<Types/>"),
                ("xl/workbook.xml", b"<workbook/>"),
                ("xl/styles.xml", styles.as_bytes()),
            ];
            inspect(&mut package(&parts)).unwrap().1.odd_formats
        };
        for styles in ["<xf numFmtId=\"9\"/>", "<xf numFmtId='10'/>", "<numFmt formatCode=\"0.0%\"/>"] {
            assert!(odd(styles), "{styles}");
        }
        for styles in ["<xf numFmtId=\"0\"/>", "<xf numFmtId=\"90\"/>", "<xf numFmtId=\"19\"/>"] {
            assert!(!odd(styles), "{styles}");
        }
    }

    #[test]
    fn bombs_are_refused_by_what_they_unpack_to() {
        let zeros = vec![b' '; 12 * 1024 * 1024];
        assert!(told(&[("xl/sharedStrings.xml", &zeros)]).contains("200 times"));
        assert_eq!(told(&[("xl/sharedStrings.xml", &zeros[..9 * 1024 * 1024])]), "Xlsx");
    }

    #[test]
    fn parts_that_take_up_too_much_room_are_refused_however_they_are_packed() {
        let told = |sizes: &[usize], room: Room| {
            let content = vec![b' '; sizes.iter().copied().max().unwrap_or(0)];
            let names: Vec<String> = (0..sizes.len()).map(|at| format!("p{at}")).collect();
            let mut parts: Vec<(&str, &[u8])> = vec![("[Content_Types].xml", b""), ("xl/workbook.xml", b"")];
            parts.extend(names.iter().zip(sizes).map(|(name, &size)| (name.as_str(), &content[..size])));
            match inspect_within(&mut package(&parts), room) {
                Ok((kind, _)) => format!("{kind:?}"),
                Err(problem) => problem.to_string(),
            }
        };
        let refused = "more than 1 GiB, or one of its parts to more than 512 MiB";
        let room = Room { all: 250_000, one: 100_000 };
        assert_eq!(told(&[100_000, 100_000, 50_000], room), "Xlsx");
        assert!(told(&[100_001], room).contains(refused));
        assert!(told(&[100_000, 100_000, 50_001], room).contains(refused));
        // The numbers in the sentence are those that hold.
        assert_eq!((ROOM.all, ROOM.one), (1 << 30, 1 << 29));
        let endless = check_part(&mut std::io::repeat(b' '), &mut Watch::over("p"), u64::MAX, ROOM.one);
        assert!(endless.unwrap_err().to_string().contains(refused));
    }

    #[test]
    fn too_many_parts_are_refused() {
        let names: Vec<String> = (0..2001).map(|at| format!("p{at}")).collect();
        let parts: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
        assert!(told(&parts).contains("more than any workbook has"));
    }

    #[test]
    fn a_document_type_is_refused_wherever_it_stands() {
        for at in [0, 7, 65_530, 65_533, 65_536, 200_000] {
            let mut part = vec![b' '; at];
            part.extend(b"<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>");
            assert!(told(&[("xl/worksheets/sheet1.xml", &part)]).contains("document type"), "{at}");
        }
        assert!(told(&[("xl/theme.xml", b"\xFF\xFE<\0")]).contains("not in UTF-8"));
        assert_eq!(told(&[("xl/media/a.png", b"<!DOCTYPE")]), "Xlsx");
    }

    #[test]
    fn a_count_of_strings_that_cannot_be_is_refused() {
        for count in ["99999999999999999999", "18446744073709551615", "4000000000"] {
            for at in [0, 65_400, 65_450, 65_480, 65_490, 65_500, 65_510, 65_525] {
                let part = format!(
                    "{}<sst uniqueCount{}='{count}'><si/></sst>",
                    " ".repeat(at),
                    " ".repeat(at % 49)
                );
                let told = told(&[("xl/sharedStrings.xml", part.as_bytes())]);
                assert!(told.contains("more texts"), "{count} at {at}: {told}");
            }
        }
        assert_eq!(told(&[("xl/sharedStrings.xml", b"<sst uniqueCount=\"3\"><si/></sst>")]), "Xlsx");
    }

    #[test]
    fn a_flood_of_styles_is_refused() {
        let part = "<xf/>".repeat(1_000_001);
        assert!(told(&[("xl/styles.xml", part.as_bytes())]).contains("more styles"));
    }

    #[test]
    fn a_cut_file_is_damaged() {
        let mut file = package(&[("[Content_Types].xml", b"<Types/>"), ("xl/workbook.xml", b"<workbook/>")]);
        let length = file.seek(std::io::SeekFrom::End(0)).unwrap();
        file.set_len(length - 10).unwrap();
        file.rewind().unwrap();
        assert!(inspect(&mut file).unwrap_err().to_string().contains("damaged"));
    }
}
