//! Quotes that stand where none can: text behind a closing one.

/// The first cell of a record behind whose closing quote text stands, and
/// where the cell stands. Blanks there are read away like those at any end.
pub(super) fn stray_quote(raw: &[u8], delimiter: u8) -> Option<(usize, std::ops::Range<usize>)> {
    // Most records have no quote at all.
    memchr::memchr(b'"', raw)?;
    let mut start = 0;
    for cell in 0.. {
        let rest = raw.get(start..)?;
        let end = match rest.strip_prefix(b"\"") {
            None => memchr::memchr(delimiter, rest),
            Some(quoted) => {
                let (text, behind) = quoted.split_at_checked(closing_quote(quoted)? + 1)?;
                let blanks = behind.iter().take_while(|&&byte| b" \t".contains(&byte) && byte != delimiter);
                let blanks = blanks.count();
                match behind.get(blanks) {
                    None => return None,
                    Some(&byte) if byte == delimiter => Some(1 + text.len() + blanks),
                    Some(_) => {
                        let end = memchr::memchr(delimiter, behind)
                            .map_or(raw.len(), |at| start + 1 + text.len() + at);
                        return Some((cell, start..end));
                    }
                }
            }
        };
        start += end? + 1;
    }
    None
}

/// Where the text behind an opening quote is closed: a quote that is not doubled.
fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr(b'"', text.get(from..)?)?;
        if text.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        from = at + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::stray_quote;

    #[test]
    fn text_behind_a_closing_quote_is_found_with_its_cell() {
        for (raw, found) in [
            ("a,\"b\"c,d", Some((1, "\"b\"c"))),
            ("\"5\" disk\",x", Some((0, "\"5\" disk\""))),
            ("\"a\nb\nc,\"x\"", Some((0, "\"a\nb\nc,\"x\""))),
            ("\"a\"\"b\"c", Some((0, "\"a\"\"b\"c"))),
            ("\"a\",\"\"b,c", Some((1, "\"\"b"))),
            ("\"a\" \t,\"b\" ", None),
            ("\"a,\"\"b\"\"\",5\" disk, \"c\"d", None),
            ("\"\",\"\"\"\",", None),
            ("a\"b\"c", None),
            ("", None),
        ] {
            let stray = stray_quote(raw.as_bytes(), b',');
            assert_eq!(stray.map(|(cell, span)| (cell, &raw[span])), found, "{raw}");
        }
        assert_eq!(stray_quote(b"\"a\"\t\"b\"", b'\t'), None);
    }
}
