//! How the cells of a rejected row are shown: as in the source where that is
//! known, and in another colour where they are at fault.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{DateTime, Time};
use rust_xlsxwriter::{Color, Format};

use super::sheet_look::SheetLook;

/// The colour of cells that are at fault.
const BAD: Color = Color::RGB(0x00FF_C7CE);
/// Pixels that a character takes, and a column beside its characters.
const CHARACTER: u32 = 7;
const PADDING: u32 = 5;
/// Characters that fit at least into a column whose width the source does not
/// say, and at most by reason of its header.
const NARROWEST: u32 = 13;
const WIDEST: u32 = 30;

/// The formats of cells.
pub(super) struct Formats {
    /// Of cells that need none of their own, where they are coloured.
    pub(super) plain: Option<Format>,
    pub(super) date: Format,
    pub(super) datetime: Format,
    pub(super) time: Format,
    /// Of numbers that lost digits: what is typed over them stays a text.
    pub(super) text: Format,
    /// As the source's columns show their dates.
    dates: BTreeMap<u16, Format>,
    /// Columns whose dates are shown with their time.
    with_time: BTreeSet<u16>,
    /// Columns of texts.
    texts: BTreeSet<u16>,
}

impl Formats {
    /// The formats of cells that are as they should be.
    pub(super) fn good(look: &SheetLook) -> Self {
        Self::of(look, Format::new(), None)
    }

    /// The same for cells that are at fault.
    pub(super) fn bad(look: &SheetLook) -> Self {
        let coloured = Format::new().set_background_color(BAD);
        Self::of(look, coloured.clone(), Some(coloured))
    }

    fn of(look: &SheetLook, base: Format, plain: Option<Format>) -> Self {
        let shown = |code: &str| match code.parse() {
            Ok(index) => base.clone().set_num_format_index(index),
            Err(_) => base.clone().set_num_format(code),
        };
        let with_time = look.dates.iter().filter(|(_, code)| shows_time(code)).map(|(column, _)| *column);
        Self {
            date: shown("yyyy-mm-dd"),
            datetime: shown("yyyy-mm-dd hh:mm:ss"),
            time: shown("hh:mm:ss"),
            text: shown("@"),
            dates: look.dates.iter().map(|(column, code)| (*column, shown(code))).collect(),
            with_time: with_time.collect(),
            texts: look.texts.clone(),
            plain,
        }
    }

    /// The format of a date in a column; its time is not hidden.
    pub(super) fn of_date(&self, column: u16, at: DateTime) -> &Format {
        let is_day = at.time() == Time::midnight();
        let own = self.dates.get(&column).filter(|_| is_day || self.with_time.contains(&column));
        own.unwrap_or(if is_day { &self.date } else { &self.datetime })
    }

    /// The format of a text, or of a cell that waits for one: in a column of
    /// texts, zeros at the front of what is typed stay.
    pub(super) fn of_text(&self, column: u16) -> Option<&Format> {
        if self.texts.contains(&column) { Some(&self.text) } else { self.plain.as_ref() }
    }
}

/// Whether a format of dates, or Excel's own of that number, shows their time.
fn shows_time(code: &str) -> bool {
    code == "22" || code.contains(['h', 'H'])
}

/// A column's width in pixels: as in the source, else by its header.
pub(super) fn width(look: &SheetLook, column: u16, header: &str) -> u32 {
    let by_header = || {
        let letters = u32::try_from(header.chars().count()).unwrap_or(u32::MAX);
        letters.saturating_add(2).clamp(NARROWEST, WIDEST) * CHARACTER + PADDING
    };
    let in_source = look.widths.get(&column).map(|hundredths| (hundredths * CHARACTER + 50) / 100);
    in_source.unwrap_or_else(by_header).max(1)
}
