//! Taking a secret out of foreign text, in whatever spelling it stands there.

/// Takes every occurrence of a secret out of a text.
///
/// A server may echo the token in an error message, in a page or in an
/// address; this is run over all server text before it is kept or shown. The
/// secret is ASCII; letters match in either case, as a host's name has them in
/// lower case, and each character also as percent code and as JSON and HTML
/// write it.
pub fn redact(text: &str, secret: &str) -> String {
    let Some(first) = secret.bytes().next() else { return text.to_owned() };
    let may_begin = |byte: u8| byte.eq_ignore_ascii_case(&first) || matches!(byte, b'%' | b'\\' | b'&');
    let (mut out, mut done, mut at) = (String::new(), 0, 0);
    while at < text.len() {
        // All that may begin it is ASCII, so what is cut off are whole characters.
        match may_begin(text.as_bytes()[at]).then(|| length_of(&text[at..], secret)).flatten() {
            Some(length) => {
                out.push_str(&text[done..at]);
                out.push_str("<hidden>");
                at += length;
                done = at;
            }
            None => at += 1,
        }
    }
    out.push_str(&text[done..]);
    out
}

/// How much of the text's beginning is the secret, if it is that.
fn length_of(text: &str, secret: &str) -> Option<usize> {
    // Where one may be after each character: `%25` is a percent sign, or three characters.
    let (mut ends, mut next) = (vec![0], Vec::new());
    for wanted in secret.chars() {
        for end in ends.drain(..) {
            next.extend(spellings(&text[end..], wanted).into_iter().flatten().map(|length| end + length));
        }
        std::mem::swap(&mut ends, &mut next);
        ends.sort_unstable();
        ends.dedup();
        if ends.is_empty() {
            return None;
        }
    }
    ends.pop()
}

/// How long each spelling of a character is with which the text begins.
fn spellings(text: &str, wanted: char) -> [Option<usize>; 5] {
    let is_wanted = |code: u32| char::from_u32(code).is_some_and(|c| c.eq_ignore_ascii_case(&wanted));
    let hex =
        |from: usize, to: usize| u32::from_str_radix(text.get(from..to)?, 16).ok().filter(|&c| is_wanted(c));
    let plain = text.chars().next().filter(|c| c.eq_ignore_ascii_case(&wanted)).map(char::len_utf8);
    let percent = text.starts_with('%').then(|| hex(1, 3)).flatten().map(|_| 3);
    let escaped = (!wanted.is_alphanumeric()
        && text.strip_prefix('\\').is_some_and(|rest| rest.starts_with(wanted)))
    .then(|| 1 + wanted.len_utf8());
    let code = text.starts_with("\\u").then(|| hex(2, 6)).flatten().map(|_| 6);
    [plain, percent, escaped, code, entity(text, is_wanted)]
}

/// The length of an HTML entity of that character.
fn entity(text: &str, is_wanted: impl Fn(u32) -> bool) -> Option<usize> {
    let rest = text.strip_prefix('&')?;
    let end = rest.bytes().take(8).position(|byte| byte == b';')?;
    let name = &rest[..end];
    let code = match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        },
        None => u32::from(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => return None,
        }),
    };
    is_wanted(code).then(|| end + 2)
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn secrets_are_taken_out() {
        assert_eq!(redact("bad token s3cret!", "s3cret"), "bad token <hidden>!");
        assert_eq!(redact("s3crets3cret, s3cre", "s3cret"), "<hidden><hidden>, s3cre");
        assert_eq!(redact("text", ""), "text");
        assert_eq!(redact("Ünï%zz\\&#; 漢字 &amp", "%&"), "Ünï%zz\\&#; 漢字 &amp");
    }

    #[test]
    fn in_every_spelling() {
        let secret = "a\"\\b/c%25&<d'";
        for spelled in [
            secret,
            "A\"\\B/C%25&<D'",
            "a%22%5Cb%2Fc%2525%26%3Cd%27",
            "a%22%5cb%2fc%2525%26%3cd%27",
            "a\\\"\\\\b\\/c%25&<d'",
            "a\\u0022\\u005Cb\\u002Fc%25\\u0026\\u003cd'",
            "\\u0061\\\"\\\\b/c\\u002525&<d'",
            "a&quot;\\b/c%25&amp;&lt;d&#39;",
            "a&#x22;\\b&#47;c%25&amp;&lt;d&apos;",
            "%61%22%5C%62%2F%63%25%32%35%26%3C%64%27",
        ] {
            assert_eq!(redact(&format!("x {spelled}y"), secret), "x <hidden>y", "{spelled}");
        }
    }
}
