//! The access token: kept where it cannot be printed.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::model::{Notice, redact};

/// The CRM's access token (a JWT of about 1.1 KB; source: field notes).
///
/// `Debug` and `Display` say `<hidden>`; only this room can see inside, to
/// send it and to take it out of what a server echoes.
#[derive(Clone)]
pub struct Token {
    secret: SecretString,
    tidied: Option<&'static str>,
}

/// Why a text cannot be a token. Never holds any part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// Nothing but blanks, or only the word `Bearer`.
    #[error("the access token is empty; create one in the CRM under Settings / Integrations / API V4")]
    Empty,
    /// More than one line.
    #[error("the access token has a line break inside; paste it again as one line")]
    LineBreak,
    /// A blank between two parts.
    #[error("the access token has a blank inside; paste the token alone, without other words")]
    Blank,
    /// A control character.
    #[error("the access token has an invisible control character inside; paste it again")]
    Control,
    /// A letter or mark that no token has.
    #[error("the access token has a character that tokens do not have; paste it again as plain text")]
    NotAscii,
}

impl Token {
    /// A token from what a person pasted: blanks at the ends and a leading
    /// `Bearer` are taken off, which [`Token::notice`] then tells.
    pub fn new(text: &str) -> Result<Self, TokenFault> {
        let bare = trim(text);
        let (token, prefixed) = match without_bearer(bare) {
            Some(rest) => (trim(rest), true),
            None => (bare, false),
        };
        match token.chars().find_map(fault_of) {
            _ if token.is_empty() => return Err(TokenFault::Empty),
            Some(fault) => return Err(fault),
            None => {}
        }
        let tidied = match (prefixed, bare.len() < text.len()) {
            (true, _) => Some("the word `Bearer` in front of the access token was taken off"),
            // A line end after the token is how every file and every `echo` ends.
            (false, true) if text.trim_end_matches(['\r', '\n']) != bare => {
                Some("blanks around the access token were taken off")
            }
            (false, _) => None,
        };
        Ok(Self { secret: SecretString::from(token), tidied })
    }

    /// What was taken off the pasted text, if it is worth telling.
    pub fn notice(&self) -> Option<Notice> {
        self.tidied.map(|text| Notice(text.to_owned()))
    }

    /// The token itself, for the request header.
    pub(super) fn expose(&self) -> &str {
        self.secret.expose_secret()
    }

    /// A server's text without the token.
    ///
    /// Run this before the text is cut, or half a token could be left standing.
    pub fn redact(&self, text: &str) -> String {
        redact(text, self.expose())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

/// Takes off blanks, and the invisible marks that come along when copying from a web page.
fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{FEFF}' | '\u{200B}'))
}

fn without_bearer(text: &str) -> Option<&str> {
    let (word, rest) = text.split_at_checked(6)?;
    let separate = rest.is_empty() || rest.starts_with(char::is_whitespace);
    (word.eq_ignore_ascii_case("bearer") && separate).then_some(rest)
}

fn fault_of(c: char) -> Option<TokenFault> {
    match c {
        '\r' | '\n' => Some(TokenFault::LineBreak),
        ' ' | '\t' => Some(TokenFault::Blank),
        c if !c.is_ascii() => Some(TokenFault::NotAscii),
        c if c.is_control() => Some(TokenFault::Control),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Token, TokenFault};

    fn exposed(text: &str) -> String {
        Token::new(text).unwrap().expose().to_owned()
    }

    #[test]
    fn blanks_and_the_word_bearer_are_taken_off() {
        for text in [
            "abc.def",
            " abc.def\t",
            "abc.def\r\n",
            "\u{FEFF}abc.def",
            "Bearer abc.def",
            "  bearer   abc.def \n",
            "BEARER\tabc.def",
            "\u{a0}abc.def",
        ] {
            assert_eq!(exposed(text), "abc.def", "{text:?}");
        }
        assert_eq!(exposed("bearerabc"), "bearerabc");
    }

    #[test]
    fn what_was_taken_off_is_told_but_not_for_a_plain_line_end() {
        assert!(Token::new("Bearer abc").unwrap().notice().unwrap().0.contains("Bearer"));
        assert!(Token::new("  abc").unwrap().notice().unwrap().0.contains("blanks"));
        assert_eq!(Token::new("abc\r\n").unwrap().notice(), None);
        assert_eq!(Token::new("abc").unwrap().notice(), None);
    }

    #[test]
    fn what_cannot_be_a_token_is_refused_without_showing_it() {
        for (text, fault) in [
            ("", TokenFault::Empty),
            ("  \n", TokenFault::Empty),
            ("Bearer ", TokenFault::Empty),
            ("Bearer", TokenFault::Empty),
            ("s3cret\ncanary", TokenFault::LineBreak),
            ("s3cret\rcanary", TokenFault::LineBreak),
            ("s3cret canary", TokenFault::Blank),
            ("s3cret\u{0}canary", TokenFault::Control),
            ("s3cret\u{7f}canary", TokenFault::Control),
            ("s3crét", TokenFault::NotAscii),
            ("s3cret\u{200B}canary", TokenFault::NotAscii),
        ] {
            let found = Token::new(text).unwrap_err();
            assert_eq!(found, fault, "{text:?}");
            assert!(!found.to_string().contains("s3cr"), "{found}");
        }
    }

    #[test]
    fn a_token_is_never_printed() {
        let token = Token::new("s3cret-canary").unwrap();
        assert_eq!(format!("{token} {token:?} {token:#?}"), "<hidden> <hidden> <hidden>");
        assert_eq!(token.redact("no s3cret-canary here"), "no <hidden> here");
    }
}
