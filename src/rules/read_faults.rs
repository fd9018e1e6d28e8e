//! What a reader found wrong with a row or a cell, in words.

use crate::model::{CellFault, Code, Finding, Row, RowFault, Stage, count, shown};
use crate::rules::draft::finding;
use crate::rules::program::{Fault, Program};

const MEND_ENCODING: &str = "; mend the text, or set source: { encoding: … } in the mapping";

/// The finding on a row that cannot be used as a whole.
pub fn row_finding(program: &Program, row: &Row, fault: &RowFault) -> Finding {
    let (code, message, cause) = match fault {
        RowFault::StrayQuote { cell, line, line_ends } => {
            return stray_quote(program, row, *cell, *line, *line_ends);
        }
        RowFault::TooFewCells { found, wanted } => (
            Code::ColumnCount,
            format!(
                "{}, the header has {wanted}; look for a line break or a missing delimiter",
                cells(*found)
            ),
            "fewer cells than the header has",
        ),
        RowFault::TooManyCells { found, wanted } => (
            Code::ColumnCount,
            format!(
                "{}, the header has {wanted}; look for a delimiter inside a text that is not in quotes",
                cells(*found)
            ),
            "more cells than the header has",
        ),
        RowFault::AsRefused { found, wanted } => (
            Code::ColumnCount,
            format!(
                "as it was refused, with {} where the header has {wanted}; correct a cell, or empty _code to take it as it stands",
                cells(*found)
            ),
            "as it was refused, with too few or too many cells; correct it, or empty its _code",
        ),
        RowFault::NotJson(reason) => {
            (Code::NotJson, format!("not a JSON object: {}", shown(reason)), "not a JSON object")
        }
    };
    Finding { cause: Some(cause.to_owned()), ..Finding::of_row(row.number, code, Stage::Read, message) }
}

fn cells(number: usize) -> String {
    count(number as u64, "cell", "cells")
}

/// Text behind a closing quote, at its cell; where the cell holds line ends it
/// may have swallowed rows, and its lines are told.
fn stray_quote(program: &Program, row: &Row, cell: usize, line: u64, line_ends: u64) -> Finding {
    let (message, cause) = match line_ends {
        0 => (
            "text stands behind its closing quote; double the quotes that belong to the text".to_owned(),
            None,
        ),
        _ => (
            format!(
                "the cell runs from line {line} to line {} with text behind its closing quote: a quote is missing or \
                 not doubled, and rows may stand inside the cell",
                line + line_ends
            ),
            Some("a quote is missing or not doubled; the cell runs over lines, and rows may stand inside it"),
        ),
    };
    let column = (cell < program.header.columns.len()).then_some(cell);
    let fault =
        Fault { cause: cause.map(str::to_owned), ..Fault::new(Code::StrayQuote, Stage::Read, message) };
    finding(program, row.number, column, None, fault, Some(row.cell(cell).to_string()))
}

/// Why a cell cannot be used.
pub fn cell_fault(fault: &CellFault<'_>) -> Fault {
    let (code, message) = match fault {
        CellFault::Error(text) => (Code::ErrorCell, format!("the cell holds the error {}", shown(text))),
        CellFault::NoStoredValue => (
            Code::NoStoredValue,
            "the formula has no stored result; open the workbook in Excel and save it again".to_owned(),
        ),
        CellFault::PrecisionLost(_) => (
            Code::PrecisionLost,
            "a number of more than 15 digits, whose last digits the workbook has lost; store the column as text".to_owned(),
        ),
        CellFault::NoSuchDate(_) => (Code::NotADate, "there is no such day".to_owned()),
        CellFault::Undecodable { offset, byte } => (
            Code::Encoding,
            format!("byte 0x{byte:02X} at offset {offset} of the file is not in its encoding{MEND_ENCODING}"),
        ),
        CellFault::TooLong => (Code::TooLong, "longer than a cell may be".to_owned()),
    };
    let cause = (code == Code::Encoding)
        .then(|| format!("bytes that the file's encoding does not have{MEND_ENCODING}"));
    Fault { code, stage: Stage::Read, message, cause }
}
