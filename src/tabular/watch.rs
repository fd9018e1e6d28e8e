//! What is looked for in a part of a workbook's package while it is unpacked:
//! what it must not declare, and what it tells beside its values.

use memchr::{memchr_iter, memmem};

use super::error::InputProblem;
use super::package::{OVERLAP, ROOM, refuse};

/// Most tags of the styles part. Excel keeps at most 65,490 cell styles.
const MAX_STYLE_TAGS: u64 = 1_000_000;

/// What a part must not declare.
pub(super) struct Watch {
    xml: bool,
    /// A picture may hold anything.
    media: bool,
    strings: bool,
    styles: bool,
    sheet: bool,
    begun: bool,
    tags: u64,
    /// Something worth a look was seen.
    pub(super) seen: bool,
    pub(super) odd_formats: bool,
    pub(super) more_than_values: bool,
}

impl Watch {
    pub(super) fn over(name: &str) -> Self {
        Self {
            xml: [".xml", ".rels", ".vml"].iter().any(|ending| name.ends_with(ending)),
            media: name.contains("media/"),
            strings: name.ends_with("sharedstrings.xml"),
            styles: name.ends_with("styles.xml"),
            sheet: name.contains("worksheets/"),
            begun: false,
            tags: 0,
            seen: false,
            odd_formats: false,
            more_than_values: false,
        }
    }

    /// Looks at a chunk whose first `old` bytes were looked at before.
    pub(super) fn look(&mut self, chunk: &[u8], old: usize, last: bool) -> Result<(), InputProblem> {
        let begins = !std::mem::replace(&mut self.begun, true);
        // A sheet may have any name: the package's relationships say where it lies.
        self.sheet = self.sheet || memmem::find(chunk, b"sheetData").is_some();
        self.xml = self.xml || self.sheet || begins && !self.media && begins_like_xml(chunk);
        if !self.xml {
            return Ok(());
        }
        if begins && matches!(chunk, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] | [0, ..] | [_, 0, ..]) {
            return refuse("one of its parts is not in UTF-8");
        }
        for place in memchr_iter(b'!', chunk) {
            let from = place.saturating_sub(1);
            if chunk
                .get(from..)
                .is_some_and(|rest| rest.starts_with(b"<!DOCTYPE") || rest.starts_with(b"<!ENTITY"))
            {
                return refuse("one of its parts has a document type definition, which no workbook has");
            }
        }
        if self.sheet {
            let formulas = formulas(chunk);
            self.seen = self.seen || formulas == Formulas::Plain || tells_more(chunk);
            self.more_than_values =
                self.more_than_values || formulas != Formulas::None || memmem::find(chunk, b"<is").is_some();
        }
        self.odd_formats |= self.styles && (pads(chunk, last) || shows_percent(chunk));
        if self.strings {
            check_string_count(chunk, last)?;
        }
        if self.styles {
            self.tags += memchr_iter(b'<', chunk.get(old..).unwrap_or_default()).count() as u64;
            if self.tags > MAX_STYLE_TAGS {
                return refuse("it declares more styles than a workbook can have");
            }
        }
        Ok(())
    }
}

fn begins_like_xml(chunk: &[u8]) -> bool {
    chunk.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(chunk).trim_ascii_start().starts_with(b"<")
}

/// The reader makes room for as many strings as are declared, so the number
/// must be one that a part of the allowed size can hold.
fn check_string_count(chunk: &[u8], last: bool) -> Result<(), InputProblem> {
    const WORD: &[u8] = b"uniqueCount";
    // Each string takes at least `<si/>`.
    const MOST: u64 = ROOM.one / 5;
    for place in memchr_iter(b'q', chunk) {
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

/// Formulas in a sheet's XML.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Formulas {
    None,
    /// In a form that Excel does not write, with a prefix or without content.
    Odd,
    Plain,
}

fn formulas(chunk: &[u8]) -> Formulas {
    let mut found = Formulas::None;
    for at in memmem::find_iter(chunk, b"<f") {
        match chunk.get(at + 2) {
            Some(b'>' | b' ') => return Formulas::Plain,
            Some(b'/' | b'\t' | b'\r' | b'\n') => found = Formulas::Odd,
            // What is cut off here begins the next chunk.
            _ => {}
        }
    }
    let ends = |at: usize| matches!(chunk.get(at + 2), Some(b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n'));
    if memmem::find_iter(chunk, b":f").any(ends) { Formulas::Odd } else { found }
}

/// True where a sheet's XML has hidden rows or columns or merged cells. Names
/// with a prefix are not looked for by name.
fn tells_more(chunk: &[u8]) -> bool {
    let hidden = |at: usize| matches!(chunk.get(at + 7..), Some([b'"' | b'\'', b'1' | b't', ..]));
    memmem::find_iter(chunk, b"hidden=").any(hidden)
        || memmem::find(chunk, b"<mergeCell").is_some()
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
