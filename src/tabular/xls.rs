//! Workbooks of Excel 97 to 2003, read whole: these files are small, and
//! their reader knows no other way.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use calamine::{Data, Range, Reader, SheetType, SheetVisible, Xls, XlsError};

use super::biff::{self, locked};
use super::cfb::{Container, damaged};
use super::error::InputProblem;
use super::survey::Facts;

/// Most bytes of a file; Excel writes none as large.
const MAX_FILE: u64 = 128 * 1024 * 1024;

/// A workbook of Excel 97 to 2003.
pub(super) struct OldBook {
    pub(super) sheets: Vec<OldSheet>,
    pub(super) is_1904: bool,
    /// Its own names for cells, each with what it refers to.
    pub(super) names: Vec<(String, String)>,
}

/// One of its sheets, with all its cells.
pub(super) struct OldSheet {
    pub(super) name: String,
    pub(super) visible: bool,
    pub(super) is_table: bool,
    pub(super) cells: Range<Data>,
    pub(super) facts: Facts,
}

/// Reads a workbook, once it is sure that it can be held.
pub(super) fn read(path: &Path) -> Result<OldBook, InputProblem> {
    let facts = inspect(File::open(path)?)?;
    let mut book = Xls::new(BufReader::new(File::open(path)?)).map_err(|error| match error {
        XlsError::Password => locked(),
        XlsError::Io(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => error.into(),
        _ => damaged(),
    })?;
    let is_1904 = book.has_1904_epoch();
    let names = book.defined_names().to_vec();
    let known: Vec<_> = book.sheets_metadata().to_vec();
    let sheets = known.into_iter().zip(facts).map(|(sheet, facts)| {
        let cells = book.worksheet_range(&sheet.name).map_err(|_| damaged())?;
        Ok(OldSheet {
            visible: sheet.visible == SheetVisible::Visible,
            is_table: sheet.typ == SheetType::WorkSheet,
            name: sheet.name,
            cells,
            facts,
        })
    });
    Ok(OldBook { sheets: sheets.collect::<Result<_, InputProblem>>()?, is_1904, names })
}

fn inspect(mut file: File) -> Result<Vec<Facts>, InputProblem> {
    if file.metadata()?.len() > MAX_FILE {
        let told = "the workbook is larger than 128 MiB; open it in Excel and save it as XLSX";
        return Err(InputProblem::Workbook(told.to_owned()));
    }
    let mut bytes = Vec::new();
    file.by_ref().take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    let container = Container::open(&bytes)?;
    if container.has("EncryptedPackage") {
        return Err(locked());
    }
    let stream = match container.stream("Workbook")? {
        Some(stream) => stream,
        None => container.stream("Book")?.ok_or_else(|| {
            let told = "this is an older Office document, but not a workbook; name a CSV or XLSX file";
            InputProblem::WrongContent(told.to_owned())
        })?,
    };
    biff::survey(&stream)
}
