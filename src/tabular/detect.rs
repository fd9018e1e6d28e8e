//! What a file really is, by its content: the ending is only a hint.

use super::error::InputProblem;
use super::json_line::{beside_held, members};

/// What the first bytes and, for packages, the parts say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing that says otherwise.
    Text,
    /// A ZIP archive: a workbook or something else.
    Package,
    /// A container of old Office files.
    Container,
}

/// Looks at the first bytes; what is no table is refused with a sentence.
pub(super) fn content(head: &[u8]) -> Result<Content, InputProblem> {
    let refuse = |what: &str| Err(InputProblem::WrongContent(what.to_owned()));
    match head {
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Ok(Content::Package),
        [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1, ..] => Ok(Content::Container),
        [b'%', b'P', b'D', b'F', ..] => {
            refuse("this is a PDF, not a table; export the data as CSV or XLSX from the program that made it")
        }
        [0x1F, 0x8B, ..] => refuse("this is a gzip archive; unpack it and name the file inside"),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => {
            refuse("this is a bzip2 archive; unpack it and name the file inside")
        }
        [b'7', b'z', 0xBC, 0xAF, ..] => refuse("this is a 7-Zip archive; unpack it and name the file inside"),
        [b'R', b'a', b'r', b'!', ..] => refuse("this is a RAR archive; unpack it and name the file inside"),
        [0x89, b'P', b'N', b'G', ..] | [0xFF, 0xD8, 0xFF, ..] | [b'G', b'I', b'F', b'8', ..] => {
            refuse("this is an image, not a table")
        }
        [b'P', b'A', b'R', b'1', ..] => refuse("this is a Parquet file; save the data as CSV or XLSX"),
        _ if head.starts_with(b"SQLite format 3\0") => {
            refuse("this is an SQLite database; export the table as CSV")
        }
        _ if is_markup(head) => {
            refuse("this is a web page or XML, not a table; open it in Excel and save it as CSV or XLSX")
        }
        _ if is_binary(head) => refuse("this does not look like text; save the data as a CSV or XLSX file"),
        _ => Ok(Content::Text),
    }
}

/// True where a text begins like HTML or XML.
fn is_markup(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    let begins = |word: &[u8]| head.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    [&b"<!doctype"[..], b"<html", b"<head", b"<table", b"<?xml", b"<body", b"<!--"].into_iter().any(begins)
}

/// Control characters that no table holds in number. UTF-16 has as many zero
/// bytes as characters, so zeros beside other bytes are left to it.
fn is_binary(head: &[u8]) -> bool {
    let controls =
        head.iter().filter(|&&b| (b < 0x20 && !b"\t\n\r\0\x0B\x0C".contains(&b)) || b == 0x7F).count();
    let zeros = head.iter().filter(|&&byte| byte == 0).count();
    controls * 10 > head.len() * 3 || zeros * 10 > head.len() * 7
}

/// Whether a text is JSON Lines: its first line is an object, whole as far as
/// it is seen. No header of a CSV looks like that.
pub(super) fn is_jsonl(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    let end = head.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    let line = head.get(..end.unwrap_or(head.len())).unwrap_or_default();
    match end {
        _ if !line.starts_with(b"{") => false,
        // One object alone, or the beginning of a long one.
        None => {
            members(line).is_ok()
                || line.get(1..).is_some_and(|rest| rest.trim_ascii_start().starts_with(b"\""))
        }
        Some(_) => members(line).is_ok() || !beside_held(line).is_empty(),
    }
}

/// Whether a text is one JSON document over many lines.
pub(super) fn is_json_document(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    let mut rest = head.iter().skip(1).filter(|byte| !byte.is_ascii_whitespace());
    match head.first() {
        Some(b'[') => matches!(rest.next(), Some(b'{' | b'[')),
        Some(b'{') => matches!(rest.next(), Some(b'"')),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(head: &[u8]) -> Result<Content, String> {
        content(head).map_err(|problem| problem.to_string())
    }

    #[test]
    fn text_is_text() {
        for head in [&b""[..], b"a,b\n1,2\n", b"<a,b\n", "Zoë\n".as_bytes(), b"a\0,\0b\0\n\0", b"a\nx\x01\n"]
        {
            assert_eq!(of(head), Ok(Content::Text), "{head:?}");
        }
    }

    #[test]
    fn json_is_told_from_a_table_and_lines_from_a_document() {
        for (head, lines, document) in [
            ("{\"a\":1}\n{\"a\":2}\n", true, true),
            (" {\"a\":1}", true, true),
            ("{\"a\":\"cut off at four ki", true, true),
            ("{\n \"a\": 1\n}", false, true),
            ("[\n {\"a\": 1}]", false, true),
            ("[x],y\n", false, false),
            ("{name},city\n", false, false),
            ("a,{\"b\":1}\n", false, false),
            ("", false, false),
        ] {
            let seen = (is_jsonl(head.as_bytes()), is_json_document(head.as_bytes()));
            assert_eq!(seen, (lines, document), "{head}");
        }
    }

    #[test]
    fn what_is_no_table_is_called_by_its_name() {
        for (head, word) in [
            (&b"%PDF-1.7"[..], "PDF"),
            (b"\x1F\x8B\x08", "gzip"),
            (b"\x89PNG\r\n", "image"),
            (b" \n<!DOCTYPE html>", "web page"),
            (b"\xEF\xBB\xBF<HTML>", "web page"),
            (b"<?xml version='1.0'?>", "XML"),
            (b"\0\0\0\0\0\0\0\0", "does not look like text"),
            (b"\x01\x02\x03\x04abc", "does not look like text"),
        ] {
            let told = of(head).unwrap_err();
            assert!(told.contains(word), "{told}");
        }
    }
}
