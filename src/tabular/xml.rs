//! Small helps for looking through the XML parts of a workbook.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::Path;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesRef, BytesStart, Event};
use zip::ZipArchive;

use super::error::InputProblem;
use super::package::damaged;

/// A package whose parts are read one after the other.
pub(super) type Parts = ZipArchive<BufReader<File>>;

pub(super) fn parts(path: &Path) -> Result<Parts, InputProblem> {
    ZipArchive::new(BufReader::new(File::open(path)?)).map_err(damaged)
}

/// A part by its name, in any case; nothing where there is none.
pub(super) fn part<R: Read + Seek>(
    parts: &mut ZipArchive<R>,
    name: &str,
) -> Result<Option<impl Read>, InputProblem> {
    let wanted = name.as_bytes();
    let found = parts.file_names_raw().position(|name| name.eq_ignore_ascii_case(wanted));
    match found {
        Some(at) => parts.by_index(at).map(Some).map_err(damaged),
        None => Ok(None),
    }
}

/// Reads XML as forgivingly as the reader of workbooks does.
pub(super) fn xml<R: BufRead>(input: R) -> Reader<R> {
    let mut reader = Reader::from_reader(input);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.check_comments = false;
    config.expand_empty_elements = true;
    reader
}

/// An attribute by its name without prefix, entities resolved.
pub(super) fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = element.attributes();
    let found = attributes
        .with_checks(false)
        .filter_map(Result::ok)
        .find(|attribute| attribute.key.local_name().into_inner() == name)?;
    Some(unescape(&found.value).map_or_else(|_| found.value.to_string(), |text| text.into_owned()))
}

/// True for an attribute that says yes.
pub(super) fn is_set(element: &BytesStart<'_>, name: &str) -> bool {
    attribute(element, name).is_some_and(|value| matches!(value.as_str(), "1" | "true"))
}

/// Appends what `&…;` stands for; nothing where it is unknown.
pub(super) fn push_entity(entity: &BytesRef<'_>, out: &mut String) {
    if let Ok(Some(sign)) = entity.resolve_char_ref() {
        out.push(sign);
        return;
    }
    let sign = match entity.xml10_content().as_ref() {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return,
    };
    out.push(sign);
}

/// Goes over the events of a part; the visit says false to stop.
pub(super) fn each_event(
    input: impl Read,
    mut visit: impl FnMut(&Event<'_>) -> bool,
) -> Result<(), InputProblem> {
    let mut reader = xml(BufReader::with_capacity(64 * 1024, input));
    let mut buffer = Vec::new();
    loop {
        let event = reader.read_event_into(&mut buffer).map_err(|_| super::workbook::unreadable())?;
        if matches!(event, Event::Eof) || !visit(&event) {
            return Ok(());
        }
        buffer.clear();
    }
}
