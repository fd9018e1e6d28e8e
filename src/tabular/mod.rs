//! Files of rows: finding out what a file is, reading CSV, JSON Lines and
//! workbooks, writing CSV, XLSX, JSON Lines, Parquet and SQLite, the template and the reject file.
//!
//! Reading, from the outside in: [`Source::open`] looks at the content
//! (`detect`), finds encoding (`scan`, `charset`) and delimiter
//! (`delimiter`), or checks the package (`package`, `inspection`, `watch`,
//! `gate`; `cfb` and `biff` for XLS) and finds the sheet (`workbook`) in the `book`. What a sheet tells
//! beside its values is looked up in its own part (`survey`, `xlsx_survey`,
//! `xlsb_survey`, `ods`). [`Source::rows`] then starts a pass, as often as
//! needed; `csv_rows`, `json_rows` and `sheet_rows` fill one
//! [`crate::model::Row`] again and again. Several threads share a pass in
//! batches (`batch`): a delimited text is cut into records by one of them
//! (`cutting`) and split into cells by any (`splitting`), as a large file's
//! encoding is looked at in parts (`segments`). What stood in the file beside its rows is kept in a [`Dialect`],
//! from which [`RejectWriter`] writes the same form again. [`write_template`] writes a workbook to fill
//! in, whose sheets beside the rows' own carry a mark (`aside`).
//!
//! Records are written by a [`RecordWriter`] of their form; `typed` says what the
//! columns of Parquet and SQLite hold, and keeps what does not fit them.
//!
//! Input is foreign and may be hostile: every size is capped, nothing is
//! ever replaced silently, and a bad row is data, not an error.

mod area;
mod aside;
mod batch;
mod biff;
mod book;
mod cells;
mod cfb;
mod charset;
mod csv_rows;
mod csv_source;
mod cutting;
mod delimiter;
mod detect;
mod dialect;
mod encoding;
mod error;
mod fingerprint;
mod gate;
mod gathering;
mod inspection;
mod json_line;
mod json_rows;
mod json_source;
mod kept;
mod lines;
mod list_sheet;
mod ods;
mod options;
mod output;
mod package;
mod percents;
mod quotes;
mod records;
mod reject;
mod reject_csv;
mod reject_json;
mod reject_look;
mod reject_xlsx;
mod scan;
mod segments;
mod sheet_head;
mod sheet_look;
mod sheet_rows;
mod source;
mod splitting;
mod sqlite_table;
mod survey;
mod template;
mod template_text;
mod typed;
mod utf16;
mod watch;
mod workbook;
mod write;
mod write_parquet;
mod write_sqlite;
mod write_xlsx;
mod xls;
mod xlsb_survey;
mod xlsx_survey;
mod xml;

pub use batch::{Batch, BatchReader, Looker};
pub use dialect::{Dialect, DialectColumn, Form, JsonForm, LineEnd, SheetForm, TextForm, TitleRow};
pub use error::{InputError, InputProblem, OutputError, OutputProblem, holding};
pub use fingerprint::{Fingerprint, fingerprint_of};
pub use kept::{is_same_object, keep, kept_cells};
pub use lines::{line_fields, with_lines, without_lines};
pub use options::{Format, Hidden, ReadOptions, SheetChoice};
pub use output::Output;
pub use reject::{BadCell, Mark, RejectWriter};
pub use sheet_look::SheetLook;
pub use source::{Rows, Source};
pub use template::{Guide, write_template};
pub use write::{
    CsvLook, CsvOptions, LinesWritten, RecordWriter, TextTarget, csv_writer, csv_writer_like, jsonl_writer,
};
pub use write_parquet::parquet_writer;
pub use write_sqlite::{SqliteFile, sqlite_columns, sqlite_mark};
pub use write_xlsx::{SheetPlace, XlsxBook, xlsx_writer};

#[cfg(test)]
mod tests;
