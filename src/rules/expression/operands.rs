//! Texts and numbers that an expression would put side by side.
//!
//! Cells are texts. The language compares a text with a number without a word
//! (the text is always the greater one), and repeats a text that is multiplied.
//! Where a name stands beside an operator and a number, `int` was forgotten.

/// A piece of an expression: a name, a number, a text in quotes, a sign.
struct Token<'t> {
    text: &'t str,
    /// Its 0-based place, in characters.
    at: usize,
}

impl Token<'_> {
    fn first(&self) -> char {
        self.text.chars().next().unwrap_or(' ')
    }

    /// A name of a column, with backticks or without.
    fn is_name(&self) -> bool {
        let c = self.first();
        c == '`' || ((c.is_alphabetic() || c == '_') && !super::variables::WORDS.contains(&self.text))
    }

    fn is_number(&self) -> bool {
        self.first().is_ascii_digit()
    }
}

const OPERATORS: [&str; 11] = ["==", "!=", "<=", ">=", "//", "<", ">", "+", "-", "*", "%"];

/// The first name that stands beside an operator and a number: the name, its
/// place and its length in characters.
pub fn text_beside_number(text: &str) -> Option<(String, usize, usize)> {
    let tokens = tokens(text);
    let is =
        |at: Option<usize>, wanted: &str| at.and_then(|at| tokens.get(at)).is_some_and(|t| t.text == wanted);
    for (at, _) in tokens.iter().enumerate().filter(|(_, t)| OPERATORS.contains(&t.text)) {
        let (Some(left), Some(right)) = (at.checked_sub(1), tokens.get(at + 1)) else { continue };
        let (left_at, left) = (left, &tokens[left]);
        // A filter or an attribute is no name, and a name with a filter is no text.
        let left_is_name =
            left.is_name() && !is(left_at.checked_sub(1), "|") && !is(left_at.checked_sub(1), ".");
        let right_is_name = right.is_name() && !is(Some(at + 2), "|") && !is(Some(at + 2), "(");
        let name = match (left_is_name && right.is_number(), left.is_number() && right_is_name) {
            (true, _) => left,
            (_, true) => right,
            _ => continue,
        };
        return Some((name.text.to_owned(), name.at, name.text.chars().count()));
    }
    None
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut tokens, mut rest, mut at) = (Vec::new(), text, 0);
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '`' | '"' | '\'' => super::variables::quoted(rest, c),
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            c => {
                OPERATORS.iter().find(|sign| rest.starts_with(**sign)).map_or(c.len_utf8(), |sign| sign.len())
            }
        };
        let (token, behind) = rest.split_at(length);
        if !c.is_whitespace() {
            tokens.push(Token { text: token, at });
        }
        at += token.chars().count();
        rest = behind;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_beside_a_number_is_found_and_one_with_a_filter_is_not() {
        for (text, name) in [
            ("'big' if Staff > 10 else none", "Staff"),
            ("10 <= Staff", "Staff"),
            ("`Last visit` == 7", "`Last visit`"),
            ("Staff * 2", "Staff"),
            ("1 if x | int > 5 and Turnover<3 else 0", "Turnover"),
        ] {
            assert_eq!(text_beside_number(text).map(|found| found.0).as_deref(), Some(name), "{text}");
        }
        for text in [
            "Staff | int > 10",
            "(Staff | int) > 10",
            "10 < Staff | int",
            "Staff > '10'",
            "Staff[0] ~ 5",
            "Staff | replace('a', 5)",
            "Staff | length >= 3",
            "none == 1",
            "'Staff > 10'",
            "A == B",
        ] {
            assert_eq!(text_beside_number(text), None, "{text}");
        }
    }
}
