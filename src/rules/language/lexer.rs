//! Words, texts and signs of a condition, with their places.

use super::{LanguageError, complain as error};

/// One piece of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A bare word: a name, a number, a date or a word of the language.
    Word(String),
    /// A name in backticks.
    Name(String),
    /// A text in quotes.
    Text(String),
    /// An operator, a parenthesis or a comma.
    Sign(&'static str),
    /// The end of the condition.
    End,
}

/// A token and the characters it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The token.
    pub token: Token,
    /// The 0-based first character.
    pub at: usize,
    /// How many characters.
    pub length: usize,
}

const SIGNS: [&str; 10] = ["!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ","];

/// Cuts a condition into tokens; the last one is the end.
pub fn tokens(text: &str) -> Result<Vec<Placed>, LanguageError> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if chars[at].is_whitespace() {
            at += 1;
            continue;
        }
        let (token, length) = match chars[at] {
            quote @ ('"' | '\'' | '`') => quoted(text, &chars, at, quote)?,
            c if is_word(c) => {
                let length = chars[at..].iter().take_while(|&&c| is_word(c)).count();
                (Token::Word(chars[at..at + length].iter().collect()), length)
            }
            c => match SIGNS.iter().find(|sign| starts_with(&chars[at..], sign)) {
                Some(sign) => (Token::Sign(sign), sign.len()),
                None => {
                    return Err(error(
                        text,
                        at,
                        1,
                        format!("\"{}\" has no meaning here", crate::model::shown(&c.to_string())),
                    ));
                }
            },
        };
        tokens.push(Placed { token, at, length });
        at += length;
    }
    tokens.push(Placed { token: Token::End, at: chars.len(), length: 1 });
    Ok(tokens)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '.' | ':' | '$' | '#')
}

fn starts_with(chars: &[char], sign: &str) -> bool {
    sign.chars().enumerate().all(|(at, c)| chars.get(at) == Some(&c))
}

/// A text up to its closing quote; `\"` and a doubled quote are the quote itself.
fn quoted(text: &str, chars: &[char], start: usize, quote: char) -> Result<(Token, usize), LanguageError> {
    let mut content = String::new();
    let mut at = start + 1;
    loop {
        match (chars.get(at), chars.get(at + 1)) {
            (None, _) => return Err(error(text, start, 1, "this quote is never closed".to_owned())),
            (Some('\\'), Some(&next)) if quote != '`' && (next == quote || next == '\\') => {
                content.push(next);
                at += 2;
            }
            (Some(&c), Some(&next)) if c == quote && next == quote => {
                content.push(quote);
                at += 2;
            }
            (Some(&c), _) if c == quote => break,
            (Some(&c), _) => {
                content.push(c);
                at += 1;
            }
        }
    }
    let token = if quote == '`' { Token::Name(content) } else { Token::Text(content) };
    Ok((token, at + 1 - start))
}
