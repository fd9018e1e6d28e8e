//! The name that an answer gives a file: `Content-Disposition` (RFC 6266).

use percent_encoding::percent_decode_str;

/// The file's name, as far as the header tells one; nothing about it is safe.
///
/// `filename*` wins over `filename`. Bytes that are not ASCII are read as UTF-8.
pub(super) fn file_name(header: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(header);
    let (mut plain, mut extended) = (None, None);
    for (name, value) in parameters(&text) {
        match name.to_ascii_lowercase().as_str() {
            "filename" if plain.is_none() => plain = Some(value),
            "filename*" if extended.is_none() => extended = decoded(&value),
            _ => {}
        }
    }
    extended.or(plain).filter(|name| !name.trim().is_empty())
}

/// `UTF-8''%e2%82%ac.pdf`
fn decoded(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_language, text) = rest.split_once('\'')?;
    charset.eq_ignore_ascii_case("utf-8").then(|| percent_decode_str(text).decode_utf8_lossy().into_owned())
}

/// `name=value` and `name="a quoted \"value\""` behind semicolons.
fn parameters(text: &str) -> Vec<(String, String)> {
    let (mut found, mut part, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = text.chars();
    let mut value_of = |part: &mut String| {
        if let Some((name, value)) = part.split_once('=') {
            found.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        part.clear();
    };
    while let Some(c) = chars.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' if quoted => part.extend(chars.next()),
            ';' if !quoted => value_of(&mut part),
            c => part.push(c),
        }
    }
    value_of(&mut part);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_in_each_form() {
        let read = |header: &str| file_name(header.as_bytes());
        for (header, name) in [
            ("attachment; filename=offer.pdf", Some("offer.pdf")),
            ("attachment; filename=\"an offer; 2.pdf\"", Some("an offer; 2.pdf")),
            ("attachment; FileName=\"a \\\"b\\\".pdf\"", Some("a \"b\".pdf")),
            ("attachment; filename=\"_.pdf\"; filename*=UTF-8''%e2%82%ac.pdf", Some("\u{20ac}.pdf")),
            ("attachment; filename*=latin1''x; filename=y", Some("y")),
            ("inline; filename=\"\u{e4}.pdf\"", Some("\u{e4}.pdf")),
            ("attachment; filename=\"\"", None),
            ("attachment", None),
            ("", None),
            ("attachment; filename=\"unended", Some("unended")),
            ("attachment; filename=\"..\\\\..\\\\x\"", Some("..\\..\\x")),
        ] {
            assert_eq!(read(header).as_deref(), name, "{header}");
        }
        assert_eq!(file_name(b"x; filename=\xff").as_deref(), Some("\u{fffd}"));
    }
}
