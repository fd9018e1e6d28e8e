//! Files of rows: finding out what a file is, reading CSV and XLSX as a
//! stream, writing CSV, XLSX and JSON Lines, and the reject file.
//!
//! Reading, from the outside in: [`Source::open`] looks at the content
//! (`detect`), finds encoding (`scan`, `charset`) and delimiter
//! (`delimiter`), or checks the package (`package`) and finds the sheet
//! (`workbook`). [`Source::rows`] then starts a pass, as often as needed;
//! `csv_rows` and `sheet_rows` fill one [`crate::model::Row`] again and
//! again. What stood in the file beside its rows is kept in a [`Dialect`],
//! from which [`RejectWriter`] writes the same form again.
//!
//! Input is foreign and may be hostile: every size is capped, nothing is
//! ever replaced silently, and a bad row is data, not an error.

mod cells;
mod charset;
mod csv_rows;
mod csv_source;
mod delimiter;
mod detect;
mod dialect;
mod error;
mod kept;
mod options;
mod output;
mod package;
mod records;
mod reject;
mod reject_csv;
mod reject_xlsx;
mod scan;
mod sheet_rows;
mod source;
mod utf16;
mod workbook;
mod write;
mod write_xlsx;

pub use dialect::{
    Dialect, DialectColumn, Form, LineEnd, RESERVED, SheetForm, TextForm, TitleRow, is_reserved,
};
pub use error::{InputError, InputProblem, OutputError, OutputProblem};
pub use kept::{keep, kept_cells};
pub use options::{Format, ReadOptions, SheetChoice};
pub use output::Output;
pub use reject::{Mark, RejectWriter};
pub use source::{Fingerprint, Rows, Source};
pub use write::{CsvOptions, RecordWriter, TextTarget, csv_writer, jsonl_writer};
pub use write_xlsx::{XlsxBook, xlsx_writer};

#[cfg(test)]
mod tests;
