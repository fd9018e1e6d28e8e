//! Texts, e-mail and web addresses.

use std::borrow::Cow;

use serde_json::Value as Json;

/// The first control character that has no place in a text, if any.
/// Tabs and line breaks have.
pub fn control_character(text: &str) -> Option<char> {
    let bad = |b: u8| (b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')) || b == 0x7F;
    // C1 controls are two bytes in UTF-8: C2 80 to C2 9F.
    let may_have_c1 = text.as_bytes().contains(&0xC2);
    if !text.bytes().any(bad) && !may_have_c1 {
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
    let Some((local, domain)) = text.split_once('@') else { return false };
    let clean = |c: char| {
        !c.is_whitespace()
            && !c.is_control()
            && !matches!(c, '@' | ',' | ';' | '<' | '>' | '(' | ')' | '"' | '\\')
    };
    let local_ok = !local.is_empty()
        && local.chars().all(clean)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..");
    let label_ok = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-' || (!c.is_ascii() && clean(c)))
    };
    let labels: Vec<&str> = domain.split('.').collect();
    let last_ok = labels
        .last()
        .is_some_and(|last| last.chars().count() >= 2 && !last.bytes().all(|b| b.is_ascii_digit()));
    local_ok && labels.len() >= 2 && last_ok && labels.into_iter().all(label_ok)
}

/// Whether a text has the form of a web address: `example.com/path`, with or
/// without `http://` or `https://`. Other schemes (`javascript:`) are refused.
pub fn is_url(text: &str) -> bool {
    let rest = match text.split_once("://") {
        Some((scheme, rest))
            if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") =>
        {
            rest
        }
        Some(_) => return false,
        None => text,
    };
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"')) {
        return false;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (name, port) = host.split_once(':').unwrap_or((host, "80"));
    let label_ok = |label: &str| {
        !label.is_empty()
            && label.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_') || !c.is_ascii())
    };
    !port.is_empty()
        && port.bytes().all(|b| b.is_ascii_digit())
        && name.contains('.')
        && name.trim_end_matches('.').split('.').all(label_ok)
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
    fn web_addresses_by_their_form() {
        for good in [
            "example.com",
            "www.example.com/a?b=c#d",
            "https://example.com:8080",
            "HTTP://EXAMPLE.com",
            "http://müller.de",
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
