//! The references: plain loops around the same libraries, each run as a
//! process of its own (this program again, with a hidden argument).

use std::path::Path;
use std::process::Command;

use calamine::{Reader, Xlsx};

use crate::data::{self, record};
use crate::server::Manner;
use crate::{csv_pages, http, serving};

/// The hidden argument.
pub const CHILD: &str = "--child";

/// This program again, in the role of a reference or of the server.
pub fn child(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.args([CHILD, role]);
    command
}

/// What the hidden argument starts.
pub fn play(role: &str, args: &[String]) {
    let path = |at: usize| Path::new(args[at].as_str());
    let number = |at: usize| args[at].parse().expect("a number");
    match role {
        "csv" => println!("{}", csv_records(path(0))),
        "xlsx" => println!("{}", xlsx_cells(path(0))),
        "post" => println!("{}", http::post(&args[0], number(1), number(2))),
        "pages" => println!("{}", csv_pages::write(&args[0], number(1), number(2), path(3))),
        "sheet" => write_sheet(path(0), number(1) as u64),
        "server" => serving::serve(Manner::from_args(args)),
        other => panic!("no such role: {other}"),
    }
}

/// Every record of a CSV file as bytes, in one thread; the sum of their lengths, so that nothing is
/// optimised away.
fn csv_records(path: &Path) -> usize {
    let mut reader = csv::Reader::from_path(path).expect("the file");
    let mut record = csv::ByteRecord::new();
    let mut bytes = 0;
    while reader.read_byte_record(&mut record).expect("a record") {
        bytes += record.as_slice().len();
    }
    bytes
}

/// Every cell of the first sheet, by calamine's reader of cells; how many there are.
fn xlsx_cells(path: &Path) -> usize {
    let mut book: Xlsx<_> = calamine::open_workbook(path).expect("the workbook");
    let sheet = book.sheet_names().first().cloned().expect("a sheet");
    let mut cells = book.worksheet_cells_reader(&sheet).expect("its cells");
    let mut count = 0;
    while cells.next_cell().expect("a cell").is_some() {
        count += 1;
    }
    count
}

/// A sheet of so many rows, each written at once and forgotten; the values are known beforehand.
fn write_sheet(path: &Path, rows: u64) {
    let known: Vec<_> = (0..1_000).map(record).collect();
    data::write_constant(path, rows, |at| known[at as usize % known.len()].clone()).expect("the workbook");
}
