//! The references: plain loops around the same libraries, each run as a
//! process of its own (this program again, with a hidden argument).

use std::path::Path;
use std::process::Command;

use calamine::{Reader, Xlsx};

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
    match role {
        "csv" => println!("{}", csv_records(path(0))),
        "xlsx" => println!("{}", xlsx_cells(path(0))),
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
