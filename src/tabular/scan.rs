//! One pass over a file's bytes on opening: what they tell about the encoding
//! of a text. The parts of a large file are looked at in `segments`.
//!
//! The findings depend on the bytes alone, never on locale or machine.

use std::io::{self, Read};

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::Encoding;

use super::charset::{Charset, Decoder};
use crate::model::{Notice, count, shown};

/// Bytes handed to the guesser at most; more do not make it better.
const GUESS_BYTES: usize = 1024 * 1024;

/// Fewer foreign bytes than this are no evidence against windows-1252.
const GUESS_EVIDENCE: u64 = 16;

const CHUNK: usize = 256 * 1024;

/// First bytes of the file that are kept.
pub(super) const HEAD: usize = 4096;

/// What the pass found.
pub(super) struct Scan {
    pub(super) bytes: u64,
    /// The first bytes of the file, up to 4 KiB.
    pub(super) head: Vec<u8>,
    /// Well-formed UTF-8 characters beyond ASCII.
    well_formed: u64,
    /// The text around the first of them.
    letters: Vec<u8>,
    /// Places that are not UTF-8.
    ill_formed: u64,
    /// The text around the first of them.
    sample: Vec<u8>,
    /// A text that was decoded wrongly before it was written.
    mojibake: Option<Vec<u8>>,
    guess: Option<&'static Encoding>,
}

impl Scan {
    /// Of a file that is well-formed UTF-8.
    pub(super) fn of_utf8(
        bytes: u64,
        head: Vec<u8>,
        well_formed: u64,
        letters: Vec<u8>,
        mojibake: Option<Vec<u8>>,
    ) -> Self {
        Self { bytes, head, well_formed, letters, ill_formed: 0, sample: Vec::new(), mojibake, guess: None }
    }
}

/// Reads everything once.
pub(super) fn scan(mut input: impl Read) -> io::Result<Scan> {
    let mut scanner = Scanner::default();
    let mut buffer = vec![0_u8; CHUNK];
    let mut carried = 0;
    loop {
        let read = fill(&mut input, buffer.get_mut(carried..).unwrap_or_default())?;
        let filled = carried + read;
        let fresh = buffer.get(carried..filled).unwrap_or_default();
        scanner.bytes += fresh.len() as u64;
        let done = scanner.look(buffer.get(..filled).unwrap_or_default(), carried, read == 0);
        if read == 0 {
            return Ok(scanner.end());
        }
        carried = filled - done;
        buffer.copy_within(done..filled, 0);
    }
}

/// Reads until the buffer is full or the input ends, so that chunks fall
/// the same way however the machine hands the bytes out.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[derive(Default)]
struct Scanner {
    bytes: u64,
    head: Vec<u8>,
    well_formed: u64,
    letters: Vec<u8>,
    ill_formed: u64,
    sample: Vec<u8>,
    mojibake: Option<Vec<u8>>,
    detector: Option<EncodingDetector>,
    fed: usize,
    foreign: u64,
}

impl Scanner {
    /// Looks at a chunk whose first `carried` bytes were begun before, and
    /// returns how many bytes are done with.
    fn look(&mut self, chunk: &[u8], carried: usize, last: bool) -> usize {
        if self.head.is_empty() {
            self.head = chunk.get(..HEAD).unwrap_or(chunk).to_vec();
        }
        if chunk.is_ascii() {
            self.feed(chunk, carried);
            return chunk.len();
        }
        if self.mojibake.is_none() {
            self.mojibake = find_mojibake(chunk).map(|at| around(chunk, at));
        }
        let mut done = 0;
        while let Some(rest) = chunk.get(done..).filter(|rest| !rest.is_empty()) {
            let error = match std::str::from_utf8(rest) {
                Ok(_) => {
                    self.count(rest);
                    done = chunk.len();
                    break;
                }
                Err(error) => error,
            };
            self.count(rest.get(..error.valid_up_to()).unwrap_or_default());
            done += error.valid_up_to();
            match error.error_len() {
                None if !last => break,
                wrong => {
                    if self.ill_formed == 0 {
                        self.sample = around(chunk, done);
                        self.detector = Some(EncodingDetector::new(Iso2022JpDetection::Deny));
                    }
                    self.ill_formed += 1;
                    done += wrong.unwrap_or(rest.len() - error.valid_up_to());
                }
            }
        }
        self.feed(chunk, carried);
        done
    }

    fn count(&mut self, valid: &[u8]) {
        if self.well_formed == 0 {
            self.letters = first_letter(valid);
        }
        self.well_formed += letters_in(valid);
    }

    fn feed(&mut self, chunk: &[u8], carried: usize) {
        if let Some(detector) = &mut self.detector {
            // What was carried over was fed with the chunk before, unless the
            // detector began with this one; a few bytes more or less are no matter.
            let fresh = chunk.get(carried..).unwrap_or_default();
            let room = GUESS_BYTES.saturating_sub(self.fed);
            let fresh = fresh.get(..room).unwrap_or(fresh);
            self.fed += fresh.len();
            self.foreign += fresh.iter().filter(|byte| !byte.is_ascii()).count() as u64;
            detector.feed(fresh, false);
        }
    }

    fn end(mut self) -> Scan {
        let guess = self.detector.take().map(|mut detector| {
            detector.feed(b"", true);
            let guess = detector.guess(None, Utf8Detection::Deny);
            if self.foreign >= GUESS_EVIDENCE && is_sensible(guess) {
                guess
            } else {
                encoding_rs::WINDOWS_1252
            }
        });
        Scan {
            bytes: self.bytes,
            head: self.head,
            well_formed: self.well_formed,
            letters: self.letters,
            ill_formed: self.ill_formed,
            sample: self.sample,
            mojibake: self.mojibake,
            guess,
        }
    }
}

/// Encodings in which spreadsheets are really saved.
fn is_sensible(encoding: &'static Encoding) -> bool {
    use encoding_rs as e;
    [
        e::WINDOWS_1250,
        e::WINDOWS_1251,
        e::WINDOWS_1253,
        e::WINDOWS_1254,
        e::WINDOWS_1255,
        e::WINDOWS_1256,
        e::WINDOWS_1257,
        e::WINDOWS_874,
        e::ISO_8859_2,
        e::ISO_8859_5,
        e::ISO_8859_7,
        e::KOI8_U,
        e::SHIFT_JIS,
        e::EUC_JP,
        e::EUC_KR,
        e::GBK,
        e::BIG5,
    ]
    .contains(&encoding)
}

/// The place of a character sequence that comes of reading UTF-8 as
/// windows-1252: `Ã©`, `Â£`, `â€™`.
pub(super) fn find_mojibake(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(0xC3, bytes).find(|&at| match bytes.get(at..).unwrap_or_default() {
        // `Â` and `Ã` are letters; only before a sign from the upper half of
        // Latin-1 do they give the mistake away.
        [_, 0x82 | 0x83, 0xC2, 0xA0..=0xBF, ..] => true,
        rest => rest.starts_with("â€".as_bytes()),
    })
}

/// How many characters beyond ASCII a text has. Counted in bytes as far as they
/// go, which a processor does for many at once.
pub(super) fn letters_in(valid: &[u8]) -> u64 {
    let some = |chunk: &[u8]| chunk.iter().map(|&byte| u8::from(byte >= 0xC0)).sum::<u8>();
    valid.chunks(usize::from(u8::MAX)).map(|chunk| u64::from(some(chunk))).sum()
}

/// The cell around the first character beyond ASCII.
pub(super) fn first_letter(valid: &[u8]) -> Vec<u8> {
    let first = valid.iter().position(|&byte| byte >= 0xC0);
    first.map(|at| around(valid, at)).unwrap_or_default()
}

/// The cell around a place, as far as a few signs show it.
pub(super) fn around(chunk: &[u8], at: usize) -> Vec<u8> {
    let ends = |byte: &u8| b",;|\t\"\r\n".contains(byte);
    let before = chunk.get(at.saturating_sub(40)..at).unwrap_or_default();
    let after = chunk.get(at..(at + 40).min(chunk.len())).unwrap_or_default();
    let start = before.iter().rposition(ends).map_or(0, |place| place + 1);
    let end = after.iter().position(ends).unwrap_or(after.len());
    let mut cell = before.get(start..).unwrap_or_default().to_vec();
    cell.extend_from_slice(after.get(..end).unwrap_or_default());
    cell
}

/// The encoding of a text and the length of its byte-order mark.
pub(super) struct Found {
    pub(super) charset: Charset,
    pub(super) mark: usize,
    pub(super) notices: Vec<Notice>,
}

/// Decides on the encoding: byte-order mark, what was asked for, the NUL
/// pattern of UTF-16, strict UTF-8, a guess. The error is a sentence.
pub(super) fn decide(scan: &Scan, asked: Option<&str>) -> Result<Found, String> {
    let asked = asked.map(Charset::from_label).transpose()?;
    if scan.head.starts_with(b"\xFF\xFE\0\0") || scan.head.starts_with(b"\0\0\xFE\xFF") {
        return Err("files in UTF-32 are not read; save the file as UTF-8".to_owned());
    }
    let mut notices = Vec::new();
    let marked = [Charset::Utf8, Charset::Utf16Le, Charset::Utf16Be]
        .into_iter()
        .find(|c| scan.head.starts_with(c.mark()));
    let charset = match (marked, asked) {
        (Some(marked), Some(asked)) if asked != marked => {
            notices.push(Notice(format!(
                "the file's first bytes say {}, so it is read as that and not as {}",
                marked.name(),
                asked.name()
            )));
            marked
        }
        (Some(_), Some(asked)) => asked,
        (None, Some(asked)) => {
            notices.extend(contradicted(scan, asked)?);
            asked
        }
        (Some(marked), None) => {
            if marked != Charset::Utf8 {
                notices.push(said(marked, ""));
            }
            marked
        }
        (None, None) => guessed(scan, &mut notices),
    };
    if charset == Charset::Utf8 {
        notices.extend(doubtful(scan));
    }
    Ok(Found { charset, mark: marked.map_or(0, |charset| charset.mark().len()), notices })
}

/// What the bytes say against an encoding that was asked for: as UTF-16 they
/// cannot be read at all, and UTF-8 is no accident.
fn contradicted(scan: &Scan, asked: Charset) -> Result<Option<Notice>, String> {
    let name = asked.name();
    if asked.is_utf16() {
        return match utf16_by_pattern(&scan.head) {
            Some(found) if found != asked => {
                Err(format!("the file is in {}, not in {name}, by the pattern of its bytes", found.name()))
            }
            None if scan.head.len() > 1 && !scan.head.contains(&0) => Err(format!(
                "the file is not in {name}, where each comma and each line end has a byte 0; leave encoding out to have it found"
            )),
            _ => Ok(None),
        };
    }
    let is_utf8 = asked != Charset::Utf8 && scan.well_formed > 0 && scan.ill_formed == 0;
    Ok(is_utf8.then(|| {
        let (read, meant) = (Decoder::lossy(asked, &scan.letters), String::from_utf8_lossy(&scan.letters));
        // A long cell may be cut within a letter.
        let meant = meant.trim_matches('\u{FFFD}');
        Notice(format!(
            "the file is UTF-8, but it is read in {name}, as the mapping says: \"{}\" is read as \"{}\"; if that is wrong, leave encoding out",
            shown(meant).cut(60),
            shown(&read).cut(60)
        ))
    }))
}

fn guessed(scan: &Scan, notices: &mut Vec<Notice>) -> Charset {
    if let Some(charset) = utf16_by_pattern(&scan.head) {
        notices.push(said(charset, ", by the pattern of its bytes"));
        return charset;
    }
    match scan.guess {
        // A file that is UTF-8 but for a few places is a damaged UTF-8 file:
        // reading all of it in another encoding would spoil the rest.
        Some(guess) if scan.ill_formed > scan.well_formed => {
            let from_a_mac = ends_lines_by_cr(&scan.head) && is_latin(guess);
            let charset = Charset::Legacy(if from_a_mac { encoding_rs::MACINTOSH } else { guess });
            let sample = Decoder::lossy(charset, &scan.sample);
            let why = if from_a_mac { ", and its lines end as on old Macs" } else { "" };
            notices.push(said(
                charset,
                &format!(" (it is not UTF-8{why}); a cell then reads \"{}\"", shown(&sample).cut(60)),
            ));
            charset
        }
        _ => Charset::Utf8,
    }
}

/// Excel's "CSV (Macintosh)" ends lines so, and writes in the encoding of old Macs.
fn ends_lines_by_cr(head: &[u8]) -> bool {
    // A line break inside a cell is a lone LF there.
    let followed = head.iter().zip(head.iter().skip(1).chain(Some(&0)));
    let alone = followed.filter(|&(&byte, &next)| byte == b'\r' && next != b'\n').count();
    alone > head.iter().filter(|&&byte| byte == b'\n').count()
}

/// Encodings of the Latin script, which the guesser takes that of old Macs for.
fn is_latin(encoding: &'static Encoding) -> bool {
    use encoding_rs as e;
    [e::WINDOWS_1252, e::WINDOWS_1250, e::WINDOWS_1254, e::WINDOWS_1257, e::ISO_8859_2].contains(&encoding)
}

fn said(charset: Charset, how: &str) -> Notice {
    let name = charset.name();
    Notice(format!(
        "encoding {name} found{how}; if that is wrong, set source: {{ encoding: … }} in the mapping"
    ))
}

fn doubtful(scan: &Scan) -> Vec<Notice> {
    let mut notices = Vec::new();
    if scan.ill_formed > 0 {
        notices.push(Notice(format!(
            "the file is UTF-8 but for {}, the first near \"{}\"; rows with such a cell are rejected. Set \
             source: {{ encoding: … }} if the file has another encoding",
            count(scan.ill_formed, "place", "places"),
            shown(&String::from_utf8_lossy(&scan.sample)).cut(60)
        )));
    }
    if let Some(sample) = &scan.mojibake {
        notices.push(Notice(format!(
            "a cell reads \"{}\": it looks as if the text was saved in a wrong encoding before; check the file that it \
             came from",
            shown(&String::from_utf8_lossy(sample)).cut(60)
        )));
    }
    notices
}

/// UTF-16 without a mark: every second byte of Latin text is zero.
fn utf16_by_pattern(head: &[u8]) -> Option<Charset> {
    let pairs = head.len() / 2;
    let zeros = |offset: usize| head.iter().skip(offset).step_by(2).filter(|&&byte| byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    if pairs < 2 {
        None
    } else if odd * 10 >= pairs * 4 && even * 10 < pairs {
        Some(Charset::Utf16Le)
    } else if even * 10 >= pairs * 4 && odd * 10 < pairs {
        Some(Charset::Utf16Be)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> (String, usize, String) {
        let found = decide(&scan(bytes).unwrap(), None).unwrap();
        let notices: Vec<String> = found.notices.into_iter().map(|n| n.0).collect();
        (found.charset.name(), found.mark, notices.join("\n"))
    }

    #[test]
    fn utf8_needs_no_word() {
        for text in ["", "a,b\n1,2\n", "Zoë,漢字\n", &format!("{}é", "a".repeat(CHUNK - 1))] {
            assert_eq!(found(text.as_bytes()), ("utf-8".into(), 0, String::new()));
        }
        assert_eq!(found(b"\xEF\xBB\xBFa,b"), ("utf-8".into(), 3, String::new()));
    }

    #[test]
    fn windows_1252_is_found_and_said_with_a_cell() {
        let (name, _, notice) = found(b"name,city\nZo\xEB,K\xF6ln\n");
        assert_eq!(name, "windows-1252");
        assert!(notice.contains("encoding windows-1252 found") && notice.contains("\"Zoë\""), "{notice}");
        assert!(notice.contains("source: { encoding: … }"), "{notice}");
    }

    #[test]
    fn cyrillic_is_found_by_its_letters() {
        let (bytes, _, _) =
            encoding_rs::WINDOWS_1251.encode("имя,город\nИван Петров,Москва\nМария Иванова,Казань\n");
        assert_eq!(found(&bytes).0, "windows-1251");
    }

    #[test]
    fn a_latin_file_with_the_lines_of_an_old_mac_is_in_its_encoding() {
        let (name, _, notice) = found(b"name,city\rRen\x8E,\"K\x9Aln\n1\"\r");
        assert_eq!(name, "macintosh");
        assert!(notice.contains("as on old Macs); a cell then reads \"René\""), "{notice}");
        assert_eq!(found(b"name,city\r\nRen\xE9,K\xF6ln\r\n").0, "windows-1252");
        let (cyrillic, _, _) =
            encoding_rs::WINDOWS_1251.encode("имя,город\rИван Петров,Москва\rМария Иванова,Казань\r");
        assert_eq!(found(&cyrillic).0, "windows-1251");
    }

    #[test]
    fn a_few_bad_places_do_not_spoil_a_utf8_file() {
        let (name, _, notice) = found("Zoë,Köln,Łódź\nJos\u{e9}\n".as_bytes());
        assert_eq!((name.as_str(), notice.as_str()), ("utf-8", ""));
        let mut mixed = "Zoë,Köln,Łódź\n".as_bytes().to_vec();
        mixed.extend(b"Jos\xE9,x\n");
        let (name, _, notice) = found(&mixed);
        assert_eq!(name, "utf-8");
        assert!(notice.contains("but for 1 place,"), "{notice}");
    }

    #[test]
    fn utf16_is_found_by_mark_and_by_pattern() {
        let text: Vec<u16> = "name,city\nZoë,Köln\n".encode_utf16().collect();
        let le: Vec<u8> = text.iter().flat_map(|u| u.to_le_bytes()).collect();
        let be: Vec<u8> = text.iter().flat_map(|u| u.to_be_bytes()).collect();
        assert_eq!(found(&le).0, "utf-16le");
        assert_eq!(found(&be).0, "utf-16be");
        assert_eq!(found(&[&b"\xFF\xFE"[..], &le].concat()).1, 2);
        assert_eq!(found(&[&b"\xFE\xFF"[..], &be].concat()).0, "utf-16be");
    }

    #[test]
    fn text_that_was_spoilt_before_is_told() {
        let (name, _, notice) = found("name\nJosÃ© GarcÃ\u{AD}a\n".as_bytes());
        assert_eq!(name, "utf-8");
        assert!(notice.contains("JosÃ©"), "{notice}");
        assert!(found("it’s,donâ€™t".as_bytes()).2.contains("donâ€™t"));
        assert_eq!(found("São Paulo,ÂNGELA,Ão".as_bytes()).2, "");
    }

    #[test]
    fn what_is_asked_for_wins_but_not_over_the_mark() {
        let of = |bytes: &[u8], asked| decide(&scan(bytes).unwrap(), Some(asked)).map(|f| f.charset.name());
        assert_eq!(of(b"Zo\xEB", "iso-8859-2").unwrap(), "iso-8859-2");
        assert_eq!(of(b"\xEF\xBB\xBFa", "windows-1252").unwrap(), "utf-8");
        assert!(of(b"a", "nonsense").is_err());
        assert!(of("a,b\nc,d\n".as_bytes(), "utf-16").unwrap_err().contains("the file is not in utf-16le"));
        assert!(of(b"\0a\0,\0b\0\n", "utf-16").unwrap_err().contains("the file is in utf-16be"));
        assert_eq!(of(b"a\0,\0b\0\n\0", "utf-16").unwrap(), "utf-16le");
        assert!(of(b"\xFF\xFE\0\0a\0\0\0", "utf-8").unwrap_err().contains("UTF-32"));
    }
}
