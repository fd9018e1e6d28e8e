//! Texts, e-mail and web addresses.

use std::borrow::Cow;

use memchr::{memchr, memmem, memrchr};
use serde_json::Value as Json;

/// What bytes a text has, as far as it matters; one look tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(u8);

/// A byte that is, or may begin, a control character other than tab and line break.
const CONTROL: u8 = 1;
/// A CR.
const RETURN: u8 = 1 << 1;
/// A byte of a character beyond ASCII.
const FOREIGN: u8 = 1 << 2;
/// A blank or control character of ASCII.
const UNSEEN: u8 = 1 << 3;
/// What never stands in a web address.
const NOT_IN_URLS: u8 = 1 << 4;
/// What never stands in an e-mail address, but for the `@` itself.
const NOT_IN_EMAILS: u8 = 1 << 5;
/// Letters, digits and `-`: what the parts of a host's name are made of.
const IN_NAMES: u8 = 1 << 6;

const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let ascii = byte < 0x80;
        let seen = ascii && (byte as u8).is_ascii_graphic();
        kinds[byte] = match byte as u8 {
            b'\t' | b'\n' | b' ' => UNSEEN,
            b'\r' => UNSEEN | RETURN,
            b'"' | b'<' | b'>' => NOT_IN_URLS | NOT_IN_EMAILS,
            b',' | b';' | b'(' | b')' | b'\\' => NOT_IN_EMAILS,
            b'-' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => IN_NAMES,
            _ if seen => 0,
            _ if ascii => UNSEEN | CONTROL,
            // C1 controls are two bytes in UTF-8: C2 80 to C2 9F.
            0xC2 => FOREIGN | CONTROL,
            _ => FOREIGN,
        };
        byte += 1;
    }
    kinds
};

impl Bytes {
    /// Looks at a text.
    pub fn of(text: &str) -> Self {
        Self(text.bytes().fold(0, |seen, byte| seen | KINDS[usize::from(byte)]))
    }

    /// Whether one is a CR.
    pub fn has_return(self) -> bool {
        self.has(RETURN)
    }

    fn has(self, kinds: u8) -> bool {
        self.0 & kinds != 0
    }
}

fn is(byte: u8, kinds: u8) -> bool {
    KINDS[usize::from(byte)] & kinds != 0
}

/// Whether a text has neither control characters and line breaks nor what may
/// begin one in UTF-8. What is not plain may be fine.
pub fn is_plain(text: &str) -> bool {
    /// Bytes that a processor looks at together, whichever it is.
    const LANES: usize = 32;
    let odd = |byte: u8| u8::from(byte < 0x20) | u8::from(byte == 0x7F) | u8::from(byte == 0xC2);
    let bytes = text.as_bytes();
    let Some(last) = bytes.last_chunk::<LANES>() else { return is_short_plain(bytes) };
    let mut seen = [0; LANES];
    for lanes in bytes.as_chunks::<LANES>().0.iter().chain([last]) {
        for (seen, &byte) in seen.iter_mut().zip(lanes) {
            *seen |= odd(byte);
        }
    }
    seen == [0; LANES]
}

/// The same, eight bytes at a time.
fn is_short_plain(bytes: &[u8]) -> bool {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = EACH << 7;
    let odd = |eight: &[u8; 8]| {
        let eight = u64::from_le_bytes(*eight);
        // The high bit of a byte that is below another, and of one that is 0 (Bit Twiddling Hacks).
        let below = |other: u64| eight.wrapping_sub(EACH * other) & !eight & HIGH;
        let is = |other: u64| {
            let differs = eight ^ (EACH * other);
            differs.wrapping_sub(EACH) & !differs & HIGH
        };
        below(0x20) | is(0x7F) | is(0xC2)
    };
    let (eights, rest) = bytes.as_chunks::<8>();
    let rest_is_odd = match bytes.last_chunk::<8>() {
        Some(last) => odd(last) != 0,
        None => rest.iter().any(|&byte| byte < 0x20 || byte == 0x7F || byte == 0xC2),
    };
    !rest_is_odd && eights.iter().fold(0, |seen, eight| seen | odd(eight)) == 0
}

/// The first control character that has no place in a text, if any.
/// Tabs and line breaks have.
pub fn control_character(text: &str) -> Option<char> {
    control_among(text, Bytes::of(text))
}

/// The same for a text that was looked at before.
pub fn control_among(text: &str, bytes: Bytes) -> Option<char> {
    if !bytes.has(CONTROL) {
        return None;
    }
    text.chars().find(|&c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
}

/// What Excel writes into a CSV for a cell that holds an error, in the
/// languages in which its words differ.
const EXCEL_ERRORS: [&str; 23] = [
    "#N/A",
    "#DIV/0!",
    "#NAME?",
    "#NULL!",
    "#NUM!",
    "#REF!",
    "#VALUE!",
    "#SPILL!",
    "#CALC!",
    "#NV",
    "#WERT!",
    "#BEZUG!",
    "#ZAHL!",
    "#VALEUR!",
    "#NOM?",
    "#NOMBRE!",
    "#¡VALOR!",
    "#¿NOMBRE?",
    "#¡REF!",
    "#¡NUM!",
    "#¡DIV/0!",
    "#¡NULO!",
    "#VALORE!",
];

/// Whether a text is nothing but an error value of Excel.
pub fn is_excel_error(text: &str) -> bool {
    text.starts_with('#') && EXCEL_ERRORS.contains(&text)
}

/// The texts, numbers and words of a JSON list, as JSON Lines hold the values of
/// a multi-select; nothing of a list that holds lists or objects, or of any
/// other text.
pub fn json_list(text: &str) -> Option<Vec<String>> {
    if !(text.starts_with('[') && text.ends_with(']')) {
        return None;
    }
    let one = |value: Json| match value {
        Json::String(text) => Some(text),
        Json::Null => Some(String::new()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        Json::Array(_) | Json::Object(_) => None,
    };
    serde_json::from_str::<Vec<Json>>(text).ok()?.into_iter().map(one).collect()
}

/// Line breaks as the CRM keeps them: `\n`.
pub fn with_plain_line_breaks(text: &str) -> Cow<'_, str> {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n").into() } else { text.into() }
}

/// Whether a text has the form of one e-mail address.
///
/// Looks at the form only: something, `@`, and a domain with a point; no
/// blanks, no second `@`. Letters beyond ASCII are taken.
pub fn is_email(text: &str) -> bool {
    is_email_of(text, Bytes::of(text))
}

/// The same for a text that was looked at before.
pub fn is_email_of(text: &str, bytes: Bytes) -> bool {
    if bytes.has(UNSEEN | NOT_IN_EMAILS) {
        return false;
    }
    if bytes.has(FOREIGN) && text.chars().any(is_foreign_blank) {
        return false;
    }
    let Some(at) = memchr(b'@', text.as_bytes()) else { return false };
    let (local, domain) = (&text.as_bytes()[..at], &text.as_bytes()[at + 1..]);
    !local.is_empty()
        && local.first() != Some(&b'.')
        && local.last() != Some(&b'.')
        && !local.windows(2).any(|two| two == b"..")
        && is_domain(domain)
}

/// A blank or control character beyond ASCII.
fn is_foreign_blank(c: char) -> bool {
    !c.is_ascii() && (c.is_whitespace() || c.is_control())
}

/// Labels with points between them: at least two, none empty or with a `-` at
/// an end, the last of two characters or more that are not all digits.
fn is_domain(domain: &[u8]) -> bool {
    // As if a point stood before the first label.
    let mut before = b'.';
    for &byte in domain {
        let fits = match byte {
            b'.' => before != b'.' && before != b'-',
            b'-' => before != b'.',
            byte => is(byte, IN_NAMES | FOREIGN),
        };
        if !fits {
            return false;
        }
        before = byte;
    }
    let Some(point) = memrchr(b'.', domain) else { return false };
    let last = &domain[point + 1..];
    let characters = last.iter().filter(|&&byte| byte & 0xC0 != 0x80).count();
    before != b'-' && characters >= 2 && !last.iter().all(u8::is_ascii_digit)
}

/// Whether a text has the form of a web address: `example.com/path`, with or
/// without `http://` or `https://`. Other schemes (`javascript:`) are refused.
pub fn is_url(text: &str) -> bool {
    is_url_of(text, Bytes::of(text))
}

/// The same for a text that was looked at before.
pub fn is_url_of(text: &str, bytes: Bytes) -> bool {
    if bytes.has(UNSEEN | NOT_IN_URLS) || (bytes.has(FOREIGN) && text.chars().any(is_foreign_blank)) {
        return false;
    }
    let Some(rest) = without_scheme(text.as_bytes()) else { return false };
    let ends_host = |byte: &u8| matches!(byte, b'/' | b'?' | b'#' | b'@' | b':');
    let end = rest.iter().position(ends_host).unwrap_or(rest.len());
    if !matches!(rest.get(end), Some(b'@' | b':')) {
        return is_host(&rest[..end]);
    }
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    is_host_of_user(&rest[..end.unwrap_or(rest.len())])
}

/// `user@host:80`
fn is_host_of_user(authority: &[u8]) -> bool {
    let host = memrchr(b'@', authority).map_or(authority, |at| &authority[at + 1..]);
    match memrchr(b':', host) {
        Some(colon) => {
            let (name, port) = (&host[..colon], &host[colon + 1..]);
            !port.is_empty() && port.iter().all(u8::is_ascii_digit) && is_host(name)
        }
        None => is_host(host),
    }
}

/// Labels with points between them, none empty; points may stand at the end.
fn is_host(name: &[u8]) -> bool {
    let named = name.iter().rposition(|&byte| byte != b'.').map_or(0, |last| last + 1);
    let (mut before, mut points) = (b'.', name.len() - named);
    for &byte in &name[..named] {
        let is_point = byte == b'.';
        if if is_point { before == b'.' } else { byte != b'_' && !is(byte, IN_NAMES | FOREIGN) } {
            return false;
        }
        points += usize::from(is_point);
        before = byte;
    }
    named > 0 && points > 0
}

/// What stands behind `http://` or `https://`; all of a text that names no
/// scheme, nothing of one that names another.
fn without_scheme(text: &[u8]) -> Option<&[u8]> {
    for known in [&b"https://"[..], b"http://"] {
        if text.get(..known.len()).is_some_and(|head| head.eq_ignore_ascii_case(known)) {
            return Some(&text[known.len()..]);
        }
    }
    memmem::find(text, b"://").is_none().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn email_addresses_by_their_form() {
        for good in ["a@b.co", "first.last+tag@mail.example.co.uk", "o'neil@example.com", "zoë@exämple.de"]
        {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "@b.co",
            "a@",
            "a@b",
            "a b@c.co",
            "a@b@c.co",
            "a@b..co",
            "a@.co",
            "a@b.c",
            "a@b.co;c@d.co",
            "<a@b.co>",
            ".a@b.co",
            "a@-b.co",
            "a@1.2.3.4",
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }

    #[test]
    fn plain_texts_of_any_length() {
        for length in 0..80 {
            let text = "a".repeat(length);
            assert!(is_plain(&text), "{length}");
            for at in 0..length {
                for odd in ["\0", "\u{1f}", "\u{7f}", "\u{85}", "\n"] {
                    let mut text = text.clone();
                    text.insert_str(at, odd);
                    assert!(!is_plain(&text), "{text:?}");
                }
            }
            assert!(is_plain(&(text + "é漢")), "{length}");
        }
    }

    #[test]
    fn web_addresses_by_their_form() {
        for good in [
            "example.com",
            "www.example.com/a?b=c#d",
            "https://example.com:8080",
            "HTTP://EXAMPLE.com",
            "http://müller.de",
            "https://me:secret@example.com/a@b:c",
            "example.com:80?a=b",
        ] {
            assert!(is_url(good), "{good}");
        }
        for bad in [
            "",
            "example",
            "javascript:alert(1)",
            "ftp://example.com",
            "http://",
            "exa mple.com",
            "http://a..b",
            "data:text/html,x",
            "https://example.com:x",
            "https://me@",
            "a_b:80",
        ] {
            assert!(!is_url(bad), "{bad}");
        }
    }

    #[test]
    fn control_characters_are_found_and_line_breaks_are_not_among_them() {
        assert_eq!(control_character("a\tb\r\nc é \u{A0}"), None);
        assert_eq!(control_character("a\0b"), Some('\0'));
        assert_eq!(control_character("a\u{85}b"), Some('\u{85}'));
        assert_eq!(control_character("a\u{7F}"), Some('\u{7F}'));
    }

    #[test]
    fn error_values_of_excel_are_known_whole_only() {
        for text in ["#N/A", "#DIV/0!", "#REF!", "#NV", "#WERT!", "#¡VALOR!"] {
            assert!(is_excel_error(text), "{text}");
        }
        for text in ["", "#", "N/A", "#N/A.", "see #REF!", "#WINNING!", "#1"] {
            assert!(!is_excel_error(text), "{text}");
        }
    }

    #[test]
    fn line_breaks_become_plain() {
        assert_eq!(with_plain_line_breaks("a\r\nb\rc\nd"), "a\nb\nc\nd");
        assert!(matches!(with_plain_line_breaks("a\nb"), Cow::Borrowed(_)));
    }
}
