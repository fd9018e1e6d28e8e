//! Looks through a workbook's package before any reader of workbooks sees
//! it: every part is inflated once through a counter.
//!
//! The sizes in the directory are not believed. What is refused here would
//! otherwise fill the memory or end the process: a few hundred bytes can
//! declare billions of shared strings.

use std::fs::File;
use std::io::{BufReader, Read};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use zip::ZipArchive;
use zip::result::ZipError;

use super::biff::locked;
use super::error::InputProblem;
use super::gate::SharedFile;
use super::inspection::inspect_parts;
use super::options::Format;
use super::watch::Watch;

/// Most parts.
pub(super) const MAX_PARTS: usize = 2000;
/// The room that inflated parts have.
pub(super) const ROOM: Room = Room { all: 1024 * 1024 * 1024, one: 512 * 1024 * 1024 };
/// A part may inflate beyond this only by [`MAX_RATIO`].
const FREE_BYTES: u64 = 10 * 1024 * 1024;
/// Most inflated bytes for each packed one.
const MAX_RATIO: u64 = 200;
/// Bytes kept from one chunk to the next, so that no word is cut apart.
pub(super) const OVERLAP: usize = 64;

/// Most inflated bytes of all parts together, and of one.
#[derive(Clone, Copy)]
pub(super) struct Room {
    pub(super) all: u64,
    pub(super) one: u64,
}

/// What the inspection saw on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Clues {
    /// A sheet's part holds something that is told beside its values.
    pub(super) worth_a_look: bool,
    /// There is a format that may show another number than a cell holds.
    pub(super) odd_formats: bool,
    /// Cells of a sheet may hold formulas, or texts that are not shared.
    pub(super) more_than_values: bool,
    /// There are macros.
    pub(super) macros: bool,
}

impl Clues {
    pub(super) fn add(&mut self, other: Self) {
        self.worth_a_look |= other.worth_a_look;
        self.odd_formats |= other.odd_formats;
        self.more_than_values |= other.more_than_values;
        self.macros |= other.macros;
    }
}

/// A package whose list of parts is in order. What is in them is not known yet.
pub(super) struct Package {
    pub(super) file: SharedFile,
    pub(super) format: Format,
    pub(super) parts: Vec<PackedPart>,
    /// The file's size.
    pub(super) bytes: u64,
}

/// A part as the list has it.
pub(super) struct PackedPart {
    /// In lower case.
    pub(super) name: String,
    /// Where it lies in the file.
    pub(super) place: Range<u64>,
}

impl Package {
    /// Reads the list of parts and says what kind of workbook it is.
    pub(super) fn of(file: &File) -> Result<Self, InputProblem> {
        let bytes = file.metadata()?.len();
        let file = SharedFile::new(file.try_clone()?);
        let mut archive = opened(&file)?;
        let format = kind(&archive)?;
        if archive.len() > MAX_PARTS {
            return refuse(&format!("it has {} parts, more than any workbook has", archive.len()));
        }
        if archive.has_duplicate_names() {
            return refuse("two of its parts have the same name");
        }
        if archive.has_overlapping_entries().map_err(damaged)? {
            return refuse("its parts overlap");
        }
        let parts = (0..archive.len()).map(|at| packed_part(&mut archive, at)).collect::<Result<_, _>>()?;
        Ok(Self { file, format, parts, bytes })
    }

    /// Checks all parts, a large package on several threads, and hands the
    /// file meanwhile to `work`: what it wants to read of a part it gets once
    /// that part has passed. What `work` returns counts only if all have.
    pub(super) fn inspect_beside<T>(
        &self,
        work: impl FnOnce(SharedFile) -> T,
    ) -> Result<(Clues, T), InputProblem> {
        inspect_parts(self, ROOM, None, work)
    }
}

/// The package, for one more reader of it.
pub(super) fn opened(file: &SharedFile) -> Result<ZipArchive<BufReader<SharedFile>>, InputProblem> {
    ZipArchive::new(BufReader::with_capacity(64 * 1024, file.clone())).map_err(damaged)
}

fn packed_part(
    archive: &mut ZipArchive<BufReader<SharedFile>>,
    at: usize,
) -> Result<PackedPart, InputProblem> {
    let part = archive.by_index_raw(at).map_err(damaged)?;
    let name = part.name().map_err(damaged)?.to_ascii_lowercase();
    let start = part.data_start().unwrap_or_else(|| part.header_start());
    Ok(PackedPart { name, place: start..start.saturating_add(part.compressed_size()) })
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

/// Unpacks one part of a package and says what it shows; `total` counts what
/// all parts unpack to.
pub(super) fn check_part<R: Read + std::io::Seek>(
    archive: &mut ZipArchive<R>,
    at: usize,
    room: Room,
    total: &AtomicU64,
) -> Result<Clues, InputProblem> {
    let mut part = archive.by_index(at).map_err(damaged)?;
    let name = part.name().map_err(damaged)?.to_ascii_lowercase();
    let packed = part.compressed_size();
    let mut watch = Watch::over(&name);
    unpack(&mut part, &mut watch, packed, room, total)?;
    Ok(Clues {
        worth_a_look: watch.seen,
        odd_formats: watch.odd_formats,
        more_than_values: watch.more_than_values,
        macros: name.ends_with("vbaproject.bin"),
    })
}

/// Inflates one part, looking at what it declares.
fn unpack(
    part: &mut impl Read,
    watch: &mut Watch,
    packed: u64,
    room: Room,
    total: &AtomicU64,
) -> Result<(), InputProblem> {
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
        let all = total.fetch_add(read as u64, Ordering::Relaxed) + read as u64;
        if size > room.one || all > room.all {
            return refuse("it unpacks to more than 1 GiB, or one of its parts to more than 512 MiB");
        }
        if size > FREE_BYTES && size / MAX_RATIO > packed {
            return refuse("one of its parts unpacks to more than 200 times its size");
        }
        let filled = kept + read;
        let last = read == 0;
        watch.look(buffer.get(..filled).unwrap_or_default(), kept, last)?;
        if last {
            return Ok(());
        }
        kept = filled.min(OVERLAP);
        buffer.copy_within(filled - kept..filled, 0);
    }
}

pub(super) fn refuse<T>(why: &str) -> Result<T, InputProblem> {
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

    fn inspect(file: &mut File) -> Result<(Format, Clues), InputProblem> {
        inspect_within(file, ROOM)
    }

    /// What is found is the same however many threads look.
    fn inspect_within(file: &mut File, room: Room) -> Result<(Format, Clues), InputProblem> {
        let package = Package::of(file)?;
        let found = |threads| {
            let found = inspect_parts(&package, room, Some(threads), |_| ());
            found.map(|(clues, ())| (package.format, clues)).map_err(|problem| problem.to_string())
        };
        assert_eq!(found(0), found(1));
        assert_eq!(found(0), found(3));
        inspect_parts(&package, room, None, |_| ()).map(|(clues, ())| (package.format, clues))
    }

    fn check_part(
        part: &mut impl Read,
        watch: &mut Watch,
        packed: u64,
        one: u64,
    ) -> Result<(), InputProblem> {
        unpack(part, watch, packed, Room { all: u64::MAX, one }, &AtomicU64::new(0))
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
    fn what_cells_hold_beside_values_is_seen() {
        let seen = |cell: &str| {
            let sheet = format!("{}<c r=\"A1\">{cell}</c>", " ".repeat(65_519));
            let parts: [(&str, &[u8]); 3] = [
                ("[Content_Types].xml", b"<Types/>"),
                ("xl/workbook.xml", b"<workbook/>"),
                ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
            ];
            let clues = inspect(&mut package(&parts)).unwrap().1;
            (clues.more_than_values, clues.worth_a_look)
        };
        for (cell, is_worth_a_look) in [
            ("<f>1</f>", true),
            ("<f t=\"shared\" si=\"0\"/>", true),
            ("<f/>", false),
            ("<f\n/>", false),
            ("<f\t/>", false),
            ("<x:f>1</x:f>", false),
            ("<is><t>a</t></is>", false),
        ] {
            assert_eq!(seen(cell), (true, is_worth_a_look), "{cell}");
        }
        assert_eq!(seen("<v>1</v><font/>"), (false, false));
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
