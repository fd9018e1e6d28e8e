//! A look over the records of a sheet in a binary workbook. Its reader
//! passes over formulas whose result is an error, and hidden rows.

use std::collections::HashSet;
use std::io::{BufReader, Read};
use std::path::Path;

use calamine::CellErrorType;

use super::area::MAX_ROWS;
use super::cfb::{damaged, u16_at, u32_at};
use super::error::InputProblem;
use super::percents::is_percent;
use super::survey::{Facts, Merged};
use super::xlsx_survey::relations;
use super::xml::{Parts, part, parts};

/// Bytes of a record that are looked at.
const HEAD: usize = 1024;
/// Most errors that are remembered.
const MAX_ERRORS: usize = 1_000_000;
/// Most cell styles that are looked at; Excel keeps at most 65,490.
const MAX_STYLES: u32 = 70_000;

/// Looks through one sheet; nothing where its part cannot be found.
pub(super) fn survey(path: &Path, sheet: &str) -> Result<Option<Facts>, InputProblem> {
    let mut parts = parts(path)?;
    let Some(name) = sheet_part(&mut parts, sheet)? else { return Ok(None) };
    let percents = percent_styles(&mut parts)?;
    let Some(input) = part(&mut parts, &name)? else { return Ok(None) };
    let mut look = Look { percents, ..Look::default() };
    each_record(input, |kind, data, length| {
        whole(kind, data, length)?;
        look.record(kind, data)
    })?;
    look.facts.settle();
    Ok(Some(look.facts))
}

fn sheet_part(parts: &mut Parts, sheet: &str) -> Result<Option<String>, InputProblem> {
    let mut id = None;
    let Some(input) = part(parts, "xl/workbook.bin")? else { return Ok(None) };
    each_record(input, |kind, data, _| {
        if kind == 0x009C {
            let (relation, behind) = text(data.get(8..).unwrap_or_default());
            let (name, _) = text(data.get(8 + behind..).unwrap_or_default());
            if name == sheet {
                id = Some(relation);
            }
        }
        Ok(id.is_none())
    })?;
    let relations = relations(parts, "xl/_rels/workbook.bin.rels", "xl")?;
    Ok(relations
        .into_iter()
        .find(|relation| Some(&relation.id) == id.as_ref())
        .map(|relation| relation.target))
}

/// The styles of cells whose numbers are shown in percent.
fn percent_styles(parts: &mut Parts) -> Result<HashSet<u32>, InputProblem> {
    let (mut formats, mut styles) = (HashSet::from([9, 10]), HashSet::new());
    let (mut in_cells, mut style) = (false, 0);
    let Some(input) = part(parts, "xl/styles.bin")? else { return Ok(styles) };
    each_record(input, |kind, data, _| {
        match kind {
            0x002C => {
                let id = u16_at(data, 0).ok_or_else(damaged)?;
                match is_percent(&text(data.get(2..).unwrap_or_default()).0) {
                    true => drop(formats.insert(id)),
                    false => drop(formats.remove(&id)),
                }
            }
            0x0269 => in_cells = true,
            0x002F if in_cells => {
                if u16_at(data, 2).is_some_and(|format| formats.contains(&format)) {
                    styles.insert(style);
                }
                style += 1;
            }
            _ => {}
        }
        Ok(kind != 0x026A && style < MAX_STYLES)
    })?;
    Ok(styles)
}

/// A text with its length before it, and the bytes of both.
fn text(data: &[u8]) -> (String, usize) {
    let length = u32_at(data, 0).filter(|&length| length != u32::MAX).unwrap_or(0) as usize;
    let end = length.saturating_mul(2).saturating_add(4);
    let units = data.get(4..end).unwrap_or_default().as_chunks::<2>().0;
    let units = units.iter().map(|unit| u16::from_le_bytes(*unit));
    (char::decode_utf16(units).map(|c| c.unwrap_or('\u{FFFD}')).collect(), end)
}

/// Goes over the records of a part, the first bytes and the length of each; the visit says false to stop.
fn each_record(
    input: impl Read,
    mut visit: impl FnMut(u16, &[u8], u64) -> Result<bool, InputProblem>,
) -> Result<(), InputProblem> {
    let mut input = BufReader::with_capacity(64 * 1024, input);
    let mut head = Vec::with_capacity(HEAD);
    while let Some(kind) = short(&mut input, 2)? {
        let length = u64::from(short(&mut input, 4)?.ok_or_else(damaged)?);
        head.clear();
        let kept = length.min(HEAD as u64);
        let read = input.by_ref().take(kept).read_to_end(&mut head)? as u64;
        let passed = std::io::copy(&mut input.by_ref().take(length - kept), &mut std::io::sink())?;
        if read + passed < length {
            return Err(damaged());
        }
        if !visit(u16::try_from(kind).map_err(|_| damaged())?, &head, length)? {
            break;
        }
    }
    Ok(())
}

/// A number of up to `most` bytes of seven bits each; nothing at the end.
fn short(input: &mut impl Read, most: u32) -> Result<Option<u32>, InputProblem> {
    let mut number = 0;
    for at in 0..most {
        let mut byte = [0];
        match input.read(&mut byte)? {
            0 if at == 0 => return Ok(None),
            0 => return Err(damaged()),
            _ => number |= u32::from(byte[0] & 0x7F) << (7 * at),
        }
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    Ok(Some(number))
}

/// The reader would fill up a record that is too short with what the one
/// before it held.
fn whole(kind: u16, data: &[u8], length: u64) -> Result<(), InputProblem> {
    let wanted = match kind {
        0x0000 | 0x0002 | 0x0007 => 12,
        0x0003 | 0x0004 | 0x000A | 0x000B => 9,
        0x0005 | 0x0009 => 16,
        0x0006 | 0x0008 => 12 + u64::from(u32_at(data, 8).ok_or_else(damaged)?) * 2,
        _ => 0,
    };
    if length < wanted { Err(damaged()) } else { Ok(()) }
}

/// Where the look has got to.
#[derive(Default)]
struct Look {
    facts: Facts,
    percents: HashSet<u32>,
    row: u32,
    hidden: bool,
    filled: bool,
}

impl Look {
    fn record(&mut self, kind: u16, data: &[u8]) -> Result<bool, InputProblem> {
        if matches!(kind, 0x0002 | 0x0005 | 0x0009) {
            self.number(data)?;
        }
        match kind {
            0x0000 => {
                self.end_row();
                self.row = u32_at(data, 0).filter(|&row| row < MAX_ROWS).ok_or_else(damaged)?;
                self.hidden = data.get(11).is_some_and(|flags| flags & 0x10 != 0);
            }
            0x0002..=0x0007 => self.filled = true,
            0x0008..=0x000A => self.formula(),
            0x000B => {
                self.formula();
                let (column, code) = (u32_at(data, 0), data.get(8).copied());
                let (Some(column), Some(code)) = (column, code) else { return Err(damaged()) };
                if self.facts.errors.len() >= MAX_ERRORS {
                    return Err(damaged());
                }
                self.facts.errors.push((self.row, column, error(code)));
            }
            0x0092 => self.end_row(),
            0x003C => {
                let (first, last, flags) = (u32_at(data, 0), u32_at(data, 4), u16_at(data, 16));
                if let (Some(first), Some(last), Some(flags)) = (first, last, flags)
                    && flags & 1 != 0
                {
                    self.facts.hidden_columns.push(first, last);
                }
            }
            0x00B0 => {
                let number = |at| u32_at(data, at).unwrap_or(0);
                let rows = (number(0).saturating_add(1), number(4).saturating_add(1));
                self.facts.merge_at(Merged { rows, columns: (number(8), number(12)) });
            }
            _ => {}
        }
        Ok(true)
    }

    fn number(&mut self, data: &[u8]) -> Result<(), InputProblem> {
        let (Some(column), Some(style)) = (u32_at(data, 0), u32_at(data, 4)) else { return Err(damaged()) };
        // The style has three bytes.
        let is_percent = self.percents.contains(&(style & 0x00FF_FFFF));
        self.facts.percents.note(self.row + 1, column, is_percent)
    }

    fn formula(&mut self) {
        self.filled = true;
        self.facts.formulas += 1;
    }

    fn end_row(&mut self) {
        if self.hidden && self.filled {
            self.facts.hidden_rows.push(self.row + 1, self.row + 1);
        }
        (self.hidden, self.filled) = (false, false);
    }
}

fn error(code: u8) -> CellErrorType {
    match code {
        0x00 => CellErrorType::Null,
        0x07 => CellErrorType::Div0,
        0x17 => CellErrorType::Ref,
        0x1D => CellErrorType::Name,
        0x24 => CellErrorType::Num,
        0x2A => CellErrorType::NA,
        0x2B => CellErrorType::GettingData,
        _ => CellErrorType::Value,
    }
}
