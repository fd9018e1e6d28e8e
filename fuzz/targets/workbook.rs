//! Workbooks: whole packages, and parts that are packed here.
//!
//! An input that begins like a package or a container is the file. Any other
//! holds the parts one behind the other, each after a line `--- NAME`, so
//! that a mutation changes XML and not compressed bytes; what a workbook
//! needs beside them is added.
#![no_main]

use std::io::{Cursor, Write};
use std::sync::Once;

use carafe_fuzz::tabular::Form;
use carafe_fuzz::{File, come_back, options_and_content, read_twice};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

fn check(input: &[u8]) {
    static HOOK: Once = Once::new();
    HOOK.call_once(let_the_library_give_up);
    let (options, content) = options_and_content(input);
    let is_whole = content.starts_with(b"PK") || content.starts_with(b"\xD0\xCF\x11\xE0");
    let packed = if is_whole { Some(content.to_vec()) } else { packed(content) };
    let Some(content) = packed else { return };
    let file = File::new("in.xlsx", &content);
    let Some((source, seen)) = read_twice(file.path(), &content, &options) else { return };
    // What only begins like a container is read as text, and is no matter here.
    if matches!(source.dialect().form, Form::Sheet(_)) {
        come_back(&source, &seen, &options);
    }
}

/// The reader contains what the library of workbooks panics at, and says that
/// the workbook is damaged. libFuzzer's hook would end the process first.
fn let_the_library_give_up() {
    let abort = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let is_the_library = panic.location().is_some_and(|place| place.file().contains("calamine-"));
        if !is_the_library {
            abort(panic);
        }
    }));
}

const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

/// The parts of an input as a package; `None` where two have the same name.
fn packed(input: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<(String, &[u8])> = Vec::new();
    let mut rest = input;
    while let Some(named) = rest.strip_prefix(b"--- ") {
        let end = named.iter().position(|&byte| byte == b'\n')?;
        let name = String::from_utf8_lossy(&named[..end]).into_owned();
        let body = &named[end + 1..];
        let length = body.windows(5).position(|five| five == b"\n--- ").map_or(body.len(), |at| at + 1);
        parts.push((name, &body[..length]));
        rest = &body[length..];
    }
    let relations = format!(
        "<Relationships><Relationship Id=\"s1\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/sheet1.xml\"/>\
         <Relationship Id=\"s2\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/sheet2.xml\"/></Relationships>"
    );
    let root = format!(
        "<Relationships><Relationship Id=\"r1\" Type=\"{OFFICE}/officeDocument\" Target=\"xl/workbook.xml\"/>\
         </Relationships>"
    );
    let added: [(&str, &str); 4] = [
        ("[Content_Types].xml", "<Types/>"),
        ("_rels/.rels", &root),
        ("xl/_rels/workbook.xml.rels", &relations),
        (
            "xl/workbook.xml",
            "<workbook><sheets><sheet name=\"S\" sheetId=\"1\" r:id=\"s1\"/></sheets></workbook>",
        ),
    ];
    let is_xlsx = parts.iter().all(|(name, _)| name != "content.xml" && name != "xl/workbook.bin");
    for (name, content) in added {
        if is_xlsx && parts.iter().all(|(there, _)| there != name) {
            parts.push((name.to_owned(), content.as_bytes()));
        }
    }
    let mut package = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in parts {
        package.start_file(name, stored).ok()?;
        package.write_all(content).ok()?;
    }
    package.finish().ok().map(Cursor::into_inner)
}
