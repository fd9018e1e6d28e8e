//! Workbooks of Excel 97 to 2003, binary workbooks and those of LibreOffice,
//! made by hand record by record.

mod ods;
mod xls;
mod xlsb;

use std::io::Write as _;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::super::{Format, Hidden, Mark, RejectWriter, SheetChoice};
use super::*;

fn units(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Opens bytes under a name.
fn opened(name: &str, bytes: &[u8]) -> (Folder, Result<Source, InputError>) {
    let folder = Folder::new();
    let source = open(&folder.file(name, bytes));
    (folder, source)
}

fn skipping(name: &str, bytes: &[u8]) -> (Folder, Source) {
    let folder = Folder::new();
    let options = ReadOptions { hidden: Hidden::Skip, ..ReadOptions::default() };
    let source = Source::open(&folder.file(name, bytes), &options).unwrap();
    (folder, source)
}

fn told_off(name: &str, bytes: &[u8]) -> String {
    let folder = Folder::new();
    refused(&folder.file(name, bytes), &ReadOptions::default())
}

/// Writes the rows as rejects and opens these.
fn rejected(source: &Source, folder: &Folder) -> Source {
    let mark = Mark { row: 2, run: "r", status: "rejected", code: "x", errors: "y" };
    let mut rejects = RejectWriter::create(folder.0.path(), "rejects", source.dialect(), false).unwrap();
    for row in read(source).unwrap() {
        rejects.write(&row.kept, &mark).unwrap();
    }
    let path = rejects.finish().unwrap();
    assert_eq!(path.file_name().unwrap(), "rejects.xlsx");
    open(&path).unwrap()
}

fn zipped(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in parts {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}
