//! From tokens to a filter, by recursive descent.

use super::lexer::{Placed, Token, tokens};
use super::{LanguageError, NameKind, Unresolved, complain as error};
use crate::model::{Filter, Number, Test, Value, shown};
use crate::rules::convert::checkbox;
use crate::rules::convert::date::iso;

const MAX_DEPTH: usize = 64;

/// Finds what a name stands for.
pub type Resolve<'a> = dyn Fn(&str) -> Result<(String, NameKind), Unresolved> + 'a;

/// Reads a whole condition.
pub fn parse(text: &str, resolve: &Resolve<'_>) -> Result<Filter, LanguageError> {
    let mut parser = Parser { text, resolve, tokens: tokens(text)?, next: 0, depth: 0 };
    let filter = parser.any()?;
    match parser.peek().token {
        Token::End => Ok(filter),
        _ => Err(parser.wrong("expected \"and\", \"or\" or the end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    resolve: &'a Resolve<'a>,
    tokens: Vec<Placed>,
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Placed {
        // The last token is the end, and it is never passed.
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Placed {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn wrong(&self, message: &str) -> LanguageError {
        let found = self.peek();
        error(self.text, found.at, found.length, message.to_owned())
    }

    fn word(&mut self, wanted: &str) -> bool {
        let found = matches!(&self.peek().token, Token::Word(word) if word.eq_ignore_ascii_case(wanted));
        if found {
            self.next += 1;
        }
        found
    }

    fn sign(&mut self, wanted: &str) -> bool {
        let found = matches!(&self.peek().token, Token::Sign(sign) if *sign == wanted);
        if found {
            self.next += 1;
        }
        found
    }

    fn any(&mut self) -> Result<Filter, LanguageError> {
        let mut parts = vec![self.all()?];
        while self.word("or") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Filter::Any(parts) })
    }

    fn all(&mut self) -> Result<Filter, LanguageError> {
        let mut parts = vec![self.one()?];
        while self.word("and") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Filter::All(parts) })
    }

    fn one(&mut self) -> Result<Filter, LanguageError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.wrong("nested deeper than 64 levels"));
        }
        let filter = if self.word("not") {
            Filter::Not(Box::new(self.one()?))
        } else if self.sign("(") {
            let inner = self.any()?;
            if !self.sign(")") {
                return Err(self.wrong("expected \")\""));
            }
            inner
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(filter)
    }

    fn test(&mut self) -> Result<Filter, LanguageError> {
        let (name, kind) = self.name()?;
        let test = if self.word("not") {
            if !self.word("in") {
                return Err(self.wrong("expected \"in\" after \"not\""));
            }
            Test::NotIn(self.list(kind)?)
        } else if self.word("in") {
            Test::In(self.list(kind)?)
        } else if self.word("between") {
            let low = self.value(kind)?;
            if !self.word("and") {
                return Err(self.wrong("expected \"and\" and the upper end"));
            }
            Test::Between(low, self.value(kind)?)
        } else if self.word("contains") {
            Test::Contains(self.part()?)
        } else if self.word("startswith") {
            Test::StartsWith(self.part()?)
        } else if self.word("endswith") {
            Test::EndsWith(self.part()?)
        } else {
            self.comparison(kind)?
        };
        Ok(Filter::Field(name, test))
    }

    fn comparison(&mut self, kind: NameKind) -> Result<Test, LanguageError> {
        let Token::Sign(sign) = self.peek().token else { return Err(self.expected_operator()) };
        let make: fn(Value) -> Test = match sign {
            "=" => Test::Is,
            "!=" | "<>" => Test::IsNot,
            "<" => Test::Below,
            "<=" => Test::AtMost,
            ">" => Test::Above,
            ">=" => Test::AtLeast,
            _ => return Err(self.expected_operator()),
        };
        self.next += 1;
        Ok(make(self.value(kind)?))
    }

    fn expected_operator(&self) -> LanguageError {
        self.wrong("expected an operator: = != < <= > >= in between contains startswith endswith")
    }

    fn name(&mut self) -> Result<(String, NameKind), LanguageError> {
        let name = match &self.peek().token {
            Token::Word(name) | Token::Name(name) => name.clone(),
            Token::Text(_) => {
                let mut wrong = self.wrong("expected a name, and this is a text");
                wrong.hint = Some("names with blanks or slashes stand in backticks".to_owned());
                return Err(wrong);
            }
            Token::Sign(_) | Token::End => return Err(self.wrong("expected a name")),
        };
        match (self.resolve)(&name) {
            Ok(found) => {
                self.next += 1;
                Ok(found)
            }
            Err(Unresolved { message, hint }) => {
                let mut wrong = self.wrong(&message);
                wrong.hint = hint;
                Err(wrong)
            }
        }
    }

    fn list(&mut self, kind: NameKind) -> Result<Vec<Value>, LanguageError> {
        if !self.sign("(") {
            return Err(self.wrong("expected a list in parentheses"));
        }
        let mut values = vec![self.value(kind)?];
        while self.sign(",") {
            values.push(self.value(kind)?);
        }
        if !self.sign(")") {
            return Err(self.wrong("expected \",\" or \")\""));
        }
        Ok(values)
    }

    /// The text of `contains` and its like.
    fn part(&mut self) -> Result<String, LanguageError> {
        match self.value(NameKind::Text)? {
            Value::Text(text) if !text.is_empty() => Ok(text),
            _ => {
                self.next -= 1;
                Err(self.wrong("expected a text that is not empty"))
            }
        }
    }

    fn value(&mut self, kind: NameKind) -> Result<Value, LanguageError> {
        let value = match (&self.peek().token, kind) {
            (Token::Word(word), _) if word.eq_ignore_ascii_case("null") => Some(Value::Null),
            (Token::Text(text), NameKind::Text | NameKind::Cell) => Some(Value::Text(text.clone())),
            (Token::Text(text) | Token::Word(text), NameKind::Date) => {
                (text.is_empty() || iso(text).is_ok()).then(|| Value::Text(text.replace('T', " ")))
            }
            (Token::Word(word), NameKind::Cell) if is_plain_number(word) => {
                Number::parse(word).map(Value::Number)
            }
            (Token::Text(text), NameKind::Number) if text.is_empty() => Some(Value::Text(String::new())),
            (Token::Text(text) | Token::Word(text), NameKind::Number) => match Number::parse(text) {
                Some(number) => Some(Value::Number(number)),
                None => checkbox::read(text).map(|flag| Value::from(i64::from(flag))),
            },
            (Token::Word(word), NameKind::Text | NameKind::Cell)
                if word.starts_with(|c: char| c.is_ascii_digit() || c == '-') =>
            {
                Some(Value::Text(word.clone()))
            }
            (Token::Word(_) | Token::Name(_) | Token::Sign(_) | Token::End, _) => None,
        };
        match value {
            Some(value) => {
                self.take();
                Ok(value)
            }
            None => Err(self.not_a_value(kind)),
        }
    }

    fn not_a_value(&self, kind: NameKind) -> LanguageError {
        match (&self.peek().token, kind) {
            (Token::Word(word), NameKind::Text | NameKind::Cell) => {
                let mut wrong = self.wrong("a text stands in quotes");
                wrong.hint = Some(format!("write: \"{}\"", shown(word)));
                wrong
            }
            (Token::Word(_) | Token::Text(_), NameKind::Number) => self.wrong("expected a number"),
            (Token::Word(_) | Token::Text(_), NameKind::Date) => {
                let mut wrong = self.wrong("expected a date");
                wrong.hint = Some("write: 2026-01-31, or \"2026-01-31 14:30:00\"".to_owned());
                wrong
            }
            _ => self.wrong("expected a value"),
        }
    }
}

/// A number without zeros in front: `00123` is a text of digits.
fn is_plain_number(word: &str) -> bool {
    let digits = word.strip_prefix('-').unwrap_or(word);
    let padded = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    !padded && Number::parse(word).is_some()
}
