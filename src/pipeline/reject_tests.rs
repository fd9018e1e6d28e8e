//! A reject file that is imported as it is gives the same rows again, and they
//! are rejected for the same reasons.
//!
//! By the contract a row with too few cells is padded and one with too many is
//! cut, so of those the cells alone are compared.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use super::messy::*;
use super::testing::*;
use super::*;
use crate::crm::Snapshot;
use crate::model::{Cell, CellFault, Finding, Row, RowFault, is_reserved};
use crate::tabular::{BadCell, Mark, RejectWriter, keep};

/// The fields of accounts; no CRM is asked.
fn catalog() -> Catalog {
    let mut dictionary = crate::sandbox::dictionary("accounts").unwrap();
    let list = dictionary.get_mut("type").unwrap().lookup.as_mut().unwrap();
    list.values = Some(vec!["Customer".to_owned(), "Prospect".to_owned()]);
    Catalog::Snapshot(Snapshot { source: None, objects: [("accounts".to_owned(), dictionary)].into() })
}

/// A row of a file: its own cells, and why it is rejected.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    number: u64,
    cells: Vec<String>,
    reasons: Vec<String>,
    is_ragged: bool,
    kept: Vec<u8>,
    /// Addresses of the cells that are at fault.
    bad: Vec<String>,
}

fn word(cell: Cell<'_>) -> String {
    match cell {
        Cell::Text(text) => format!("{text:?}"),
        // Where the byte stands in the file is another matter.
        Cell::Fault(CellFault::Undecodable { byte, .. }) => format!("byte {byte:02X}"),
        other => format!("{other:?}"),
    }
}

/// What is said of a finding whatever row it stands in.
fn reason(finding: &Finding) -> String {
    let Finding { code, field, column, message, cause, value, .. } = finding;
    format!("{code:?} {field:?} {column:?} {:?} {value:?}", cause.as_ref().unwrap_or(message))
}

/// Every row of a file, with what the rules say of it.
fn look(file: &Path, mapping: &Path) -> Result<(Job, Vec<Seen>), PipelineError> {
    let settings = JobSettings {
        input: file.to_owned(),
        input_name: None,
        mapping: Some(mapping.to_owned()),
        object: None,
        mode: None,
        on_blank: None,
        files: None,
        earlier: None,
    };
    let mut job = run(Job::prepare(&settings, &catalog(), &Silent))?;
    let stop = CancellationToken::new();
    prove(&mut job, Path::new("runs"), &Silent, &stop)?;
    let mut reasons: HashMap<u64, Vec<String>> = HashMap::new();
    let mut bad: HashMap<u64, Vec<String>> = HashMap::new();
    let note = |finding: &Finding| {
        reasons.entry(finding.row).or_default().push(reason(finding));
        bad.entry(finding.row).or_default().extend(finding.cell.clone());
    };
    check(&job, CheckOptions::default(), &Silent, &stop, note)?;
    let columns = &job.source.header().columns;
    let mut own: Vec<usize> = (0..columns.len()).filter(|&at| !is_reserved(&columns[at].name)).collect();
    // Keys of JSON Lines stand in the order in which they are first seen.
    own.sort_by_key(|&at| &columns[at].name);
    let (mut rows, mut row, mut seen) = (job.source.rows()?, Row::default(), Vec::new());
    while rows.read(&mut row)? {
        let fault = row.fault.as_ref();
        seen.push(Seen {
            number: row.number,
            cells: own.iter().map(|&at| word(row.cell(at))).collect(),
            reasons: reasons.remove(&row.number).unwrap_or_default(),
            is_ragged: fault.is_some_and(|fault| !matches!(fault, RowFault::NotJson(_))),
            kept: keep(&row),
            bad: bad.remove(&row.number).unwrap_or_default(),
        });
    }
    Ok((job, seen))
}

/// Writes what is rejected, as a run does.
fn reject(job: &Job, rows: &[Seen], folder: &Path) -> PathBuf {
    let extra = rows.iter().any(|row| row.is_ragged);
    let mut rejects = RejectWriter::create(folder, "rejects", job.source.dialect(), extra).unwrap();
    for row in rows {
        let errors = row.reasons.join("; ");
        let mark = Mark {
            row: row.number,
            run: "20261124-090000-accounts-aaaa",
            status: "",
            code: "x",
            errors: &errors,
        };
        let of_list = job.dictionary.get("type");
        let bad: Vec<BadCell<'_>> =
            row.bad.iter().map(|address| BadCell { address, message: &errors, of_list }).collect();
        rejects.write_with(&row.kept, &mark, &bad).unwrap();
    }
    rejects.finish().unwrap()
}

/// The file's rejects, and the rejects' own rejects, against the rows they were.
fn complaint(folder: &Path, file: &Path, mapping: &str) -> Result<(), TestCaseError> {
    let mapping_file = folder.join("m.yaml");
    std::fs::write(&mapping_file, mapping).unwrap();
    // A quote that is never closed is a fault of the file, not of a row.
    let Ok((job, rows)) = look(file, &mapping_file) else { return Ok(()) };
    let rejected: Vec<Seen> = rows.into_iter().filter(|row| !row.reasons.is_empty()).collect();
    if rejected.is_empty() {
        return Ok(());
    }
    let first = reject(&job, &rejected, folder);
    let (job, back) = look(&first, &mapping_file).map_err(|error| TestCaseError::fail(error.to_string()))?;
    compare(&rejected, &back)?;
    let again = tempfile::tempdir().unwrap();
    let second = reject(&job, &back, again.path());
    let (_, back) = look(&second, &mapping_file).map_err(|error| TestCaseError::fail(error.to_string()))?;
    compare(&rejected, &back)
}

fn compare(before: &[Seen], after: &[Seen]) -> Result<(), TestCaseError> {
    for (before, after) in before.iter().zip(after) {
        prop_assert_eq!(&before.cells, &after.cells);
        if !before.is_ragged {
            prop_assert_eq!(&before.reasons, &after.reasons);
        }
    }
    prop_assert_eq!(before.len(), after.len());
    Ok(())
}

proptest! {
    #![proptest_config(fixed(120))]

    #[test]
    fn rejects_of_a_text_are_the_rows_they_were(shape in shapes(), rows in prop::collection::vec(row(), 1..12)) {
        let folder = tempfile::tempdir().unwrap();
        let (bytes, mapping) = shape.write(&rows);
        let file = folder.path().join("a.csv");
        std::fs::write(&file, bytes).unwrap();
        complaint(folder.path(), &file, &mapping)?;
    }
}

proptest! {
    #![proptest_config(fixed(120))]

    #[test]
    fn rejects_of_json_lines_are_the_rows_they_were(
        coding in prop::sample::select(vec![Coding::Utf8, Coding::Utf8Marked, Coding::Utf16Le, Coding::Utf16Be]),
        end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
        lines in prop::collection::vec(line(), 1..12),
    ) {
        let folder = tempfile::tempdir().unwrap();
        // A line that is accepted has every column, and perhaps it alone.
        let fine = "{\"Name\":\"A\",\"Tel\":1,\"Kind\":null,\"Mail\":null,\"Since\":null,\"Value\":1,\"Key\":true,\"Straße\":\"\",\"Other\":[]}";
        let text: String = [fine].into_iter().chain(lines.iter().map(String::as_str)).map(|line| format!("{line}{end}")).collect();
        let file = folder.path().join("a.jsonl");
        std::fs::write(&file, coding.bytes(&text)).unwrap();
        complaint(folder.path(), &file, &mapping("format: jsonl"))?;
    }
}

proptest! {
    #![proptest_config(fixed(40))]

    #[test]
    fn rejects_of_a_workbook_are_the_rows_they_were(
        (before, titles, offset, by_number) in (0..3_usize, 0..3_u32, 0..3_u16, any::<bool>()),
        rows in prop::collection::vec(prop::collection::vec(sheet_cell(), 1..COLUMNS.len() + 3), 1..12),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.xlsx");
        workbook(&file, before, titles, offset, &rows);
        let sheet = if by_number { (before + 1).to_string() } else { "größe & co".to_owned() };
        complaint(folder.path(), &file, &mapping(&format!("sheet: {sheet}, header_row: {}", titles + 1)))?;
    }
}
