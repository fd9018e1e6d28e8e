//! The names in an expression that stand for columns.

/// Words of the language that are no names.
pub(super) const WORDS: [&str; 13] =
    ["and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None"];

/// The plain names in an expression that stand for columns, each once. The
/// language's own list of them lacks those of which a part is cut (`Owner[1:]`).
pub(super) fn variables(text: &str) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut names: Vec<String> = Vec::new();
    let (mut rest, mut before, mut last_word) = (text, ' ', "");
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '`' | '"' | '\'' => quoted(rest, c),
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (token, behind) = rest.split_at(length);
        rest = behind;
        if is_word(c) {
            let behind = behind.trim_start();
            // A filter, an attribute, a test, the name of an argument.
            let is_other = matches!(before, '|' | '.')
                || last_word == "is"
                || (behind.starts_with('=') && !behind.starts_with("=="));
            let is_name = !c.is_ascii_digit() && !WORDS.contains(&token) && !is_other;
            if is_name && !names.iter().any(|known| known == token) {
                names.push(token.to_owned());
            }
            // `is not defined` names a test as `is defined` does.
            last_word = if last_word == "is" && token == "not" { "is" } else { token };
        } else if !c.is_whitespace() {
            last_word = "";
        }
        if !c.is_whitespace() {
            before = c;
        }
    }
    names
}

/// The length of a text in quotes, these with it; to the end where it is not closed.
pub(super) fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::variables;

    #[test]
    fn names_are_told_from_filters_tests_words_and_texts() {
        for (text, wanted) in [
            ("Owner[1:] ~ (`First name` ~ Tel)[:2]", &["Owner", "Tel"][..]),
            ("Owner | replace('Fax', Ext) | split(maxsplit=Most)", &["Owner", "Ext", "Most"]),
            ("1 if A is not defined and not B else c.d", &["A", "B", "c"]),
            ("'it\\'s A' ~ \"B\" ~ C == D", &["C", "D"]),
            ("A ~ 'open", &["A"]),
            ("straße2 ~ 2x", &["straße2"]),
            ("", &[]),
        ] {
            assert_eq!(variables(text), wanted, "{text}");
        }
    }
}
