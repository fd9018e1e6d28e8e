//! The pass over a large file's bytes on opening, shared by all cores.
//!
//! Nearly every file is well-formed UTF-8, and that any core can see of any
//! part. Where a part is not, the file is scanned from its beginning by one
//! core, which gathers what the encoding is guessed from.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Builder};

use super::scan::{Scan, around, find_mojibake, first_letter, letters_in, scan};

/// Bytes of one part. They are the same on every machine, and so is what a
/// notice shows of a cell.
const SEGMENT: u64 = 1024 * 1024;

/// Smaller files are scanned before a thread has begun.
const SMALL: u64 = 4 * SEGMENT;

const MOST_THREADS: usize = 8;

/// What one part shows.
struct Part {
    number: u64,
    bytes: u64,
    well_formed: u64,
    letters: Vec<u8>,
    mojibake: Option<Vec<u8>>,
}

/// Reads everything once; a file that is not UTF-8 twice.
pub(super) fn scan_file(path: &Path, file: &File, bytes: u64) -> io::Result<Scan> {
    if bytes < SMALL {
        return scan(file);
    }
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let (next, is_odd) = (AtomicU64::new(0), AtomicBool::new(false));
    let work = || look_at_parts(path, bytes.div_ceil(SEGMENT), &next, &is_odd);
    let mut parts = thread::scope(|scope| -> io::Result<Vec<Part>> {
        // Where there are none to be had, this thread does it all.
        let help = |_| Builder::new().spawn_scoped(scope, work).ok();
        let others: Vec<_> = (1..threads).filter_map(help).collect();
        let mut parts = work()?;
        for other in others {
            let theirs = other.join().map_err(|_| io::Error::other("a thread of the program ended early"))?;
            parts.extend(theirs?);
        }
        Ok(parts)
    })?;
    if is_odd.into_inner() {
        return scan(file);
    }
    parts.sort_by_key(|part| part.number);
    let mut head = Vec::new();
    File::open(path)?.take(super::scan::HEAD as u64).read_to_end(&mut head)?;
    Ok(Scan::of_utf8(
        parts.iter().map(|part| part.bytes).sum(),
        head,
        parts.iter().map(|part| part.well_formed).sum(),
        parts.iter().find(|part| part.well_formed > 0).map(|part| part.letters.clone()).unwrap_or_default(),
        parts.into_iter().find_map(|part| part.mojibake),
    ))
}

/// Looks at one part after the other, until all are taken or one is odd.
fn look_at_parts(path: &Path, count: u64, next: &AtomicU64, is_odd: &AtomicBool) -> io::Result<Vec<Part>> {
    let (mut file, mut parts, mut buffer) = (File::open(path)?, Vec::new(), Vec::new());
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count || is_odd.load(Ordering::Relaxed) {
            return Ok(parts);
        }
        file.seek(SeekFrom::Start(number * SEGMENT))?;
        buffer.clear();
        // A character over the border belongs to the part in which it begins.
        (&mut file).take(SEGMENT + 3).read_to_end(&mut buffer)?;
        let bytes = (buffer.len() as u64).min(SEGMENT);
        match look(&buffer, number) {
            Some((well_formed, letters, mojibake)) => {
                parts.push(Part { number, bytes, well_formed, letters, mojibake });
            }
            None => is_odd.store(true, Ordering::Relaxed),
        }
    }
}

/// The characters beyond ASCII of a part, the text around the first of them,
/// and a text that was decoded wrongly before. None where it is no UTF-8.
fn look(buffer: &[u8], number: u64) -> Option<(u64, Vec<u8>, Option<Vec<u8>>)> {
    let continued = |bytes: &[u8]| bytes.iter().take(3).take_while(|&&byte| byte & 0xC0 == 0x80).count();
    let start = if number == 0 { 0 } else { continued(buffer) };
    let border = (SEGMENT as usize).min(buffer.len());
    let end = border + continued(buffer.get(border..).unwrap_or_default());
    let own = buffer.get(start..end).unwrap_or_default();
    if own.is_ascii() {
        return Some((0, Vec::new(), None));
    }
    simdutf8::basic::from_utf8(own).ok()?;
    let well_formed = letters_in(own);
    // It may lie across the border.
    let all = buffer.get(start..).unwrap_or_default();
    Some((well_formed, first_letter(own), find_mojibake(all).map(|at| around(all, at))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tabular::scan::decide;

    fn found(bytes: &[u8]) -> (u64, String, Vec<String>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let scan = scan_file(file.path(), &File::open(file.path()).unwrap(), bytes.len() as u64).unwrap();
        let found = decide(&scan, None).unwrap();
        (scan.bytes, found.charset.name(), found.notices.into_iter().map(|notice| notice.0).collect())
    }

    /// A text of several parts; the first border falls into the middle of a character.
    fn large() -> Vec<u8> {
        let line = "Zoë,漢字\n";
        let mut text = line.repeat(SMALL as usize / line.len() + 1).into_bytes();
        let at = (1..line.len()).find(|at| (SEGMENT as usize - at) % line.len() == 3).unwrap();
        text.splice(..0, vec![b'a'; at]);
        text
    }

    #[test]
    fn a_character_on_a_border_is_whole() {
        let text = large();
        assert!(std::str::from_utf8(&text[..SEGMENT as usize]).is_err(), "it lies on the border");
        assert_eq!(found(&text), (text.len() as u64, "utf-8".into(), Vec::new()));
    }

    #[test]
    fn what_is_odd_in_one_part_is_told_as_of_a_small_file() {
        let mut text = large();
        text[3 * SEGMENT as usize - 9] = 0xFF;
        let (_, name, notices) = found(&text);
        assert_eq!(name, "utf-8");
        assert!(notices[0].contains("UTF-8 but for"), "{notices:?}");
        let latin: Vec<u8> = b"Zo\xEB,K\xF6ln,Caf\xE9 \xFCber\n".repeat(300_000);
        assert_eq!(found(&latin).1, "windows-1252");
        let mut spoilt = large();
        spoilt.extend("JosÃ© GarcÃ\u{AD}a\n".as_bytes());
        assert!(found(&spoilt).2[0].contains("JosÃ©"));
    }
}
