//! What the CRM made of the values that it was sent: which of them it holds
//! otherwise, and in which way.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Field, FieldKind, Number, Value};
use crate::rules::compare::same;
use crate::rules::convert::date::iso;
use crate::rules::convert::order::{DateOrder, read_in_order};
use crate::rules::convert::text::with_plain_line_breaks;
use crate::rules::names::{folded, trim};

/// In which way a record is not as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The CRM holds the beginning of what was sent.
    Truncated,
    /// The same number but for decimals, or for digits beyond the fifteenth.
    Rounded,
    /// The same letters and digits with other signs, blanks or case; the same day or number in
    /// another form.
    Reformatted,
    /// The field is as it was before: blank in a new record.
    Ignored,
    /// The field was sent blank, and the CRM put something else there.
    Defaulted,
    /// Another value.
    Changed,
    /// The record is not there.
    Missing,
    /// The record was deleted, and is there.
    StillThere,
}

impl Kind {
    /// The word in files and tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Rounded => "rounded",
            Self::Reformatted => "reformatted",
            Self::Ignored => "ignored",
            Self::Defaulted => "defaulted",
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::StillThere => "still_there",
        }
    }
}

/// How the CRM's value differs from the one that was sent; none where it is
/// the same, perhaps in another dress. `before` is the value that an update
/// found, and none in a new record.
///
/// What a value shows of itself goes before what the field held: where an
/// import is repeated each month, a text that is cut each month is as it was
/// before, and cut all the same.
pub fn difference(
    field: &Field,
    sent: &Value,
    before: Option<&Value>,
    stored: Option<&Value>,
) -> Option<Kind> {
    let stored = stored.unwrap_or(&Value::Null);
    if same(field, Some(stored), sent) {
        return None;
    }
    let is_as_before = same(field, Some(stored), before.unwrap_or(&Value::Null));
    if same(field, Some(sent), &Value::Null) {
        return Some(if before.is_some() && is_as_before { Kind::Ignored } else { Kind::Defaulted });
    }
    let by_form = if stored.is_blank() { None } else { form(field, sent, stored) };
    Some(by_form.unwrap_or(if is_as_before { Kind::Ignored } else { Kind::Changed }))
}

/// What the two values show of what was done to the first.
fn form(field: &Field, sent: &Value, stored: &Value) -> Option<Kind> {
    let (sent, stored) = (sent.to_text(), stored.to_text());
    let (sent, stored) = (trim(&sent), trim(&stored));
    let numbers = Number::parse(sent).zip(Number::parse(stored));
    match &field.kind {
        FieldKind::Number | FieldKind::Currency | FieldKind::Percent => match numbers {
            Some((sent, stored)) => is_rounded(&sent, &stored).then_some(Kind::Rounded),
            None => has_same_letters(sent, stored).then_some(Kind::Reformatted),
        },
        FieldKind::Date | FieldKind::DateTime => form_of_date(&field.kind, sent, stored)
            .or_else(|| has_same_letters(sent, stored).then_some(Kind::Reformatted)),
        FieldKind::Checkbox => None,
        FieldKind::Text
        | FieldKind::TextArea
        | FieldKind::Memo
        | FieldKind::MultiSelect
        | FieldKind::Email
        | FieldKind::Url
        | FieldKind::Other(_) => form_of_text(sent, stored, numbers),
    }
}

fn form_of_text(sent: &str, stored: &str, numbers: Option<(Number, Number)>) -> Option<Kind> {
    if is_beginning(sent, stored) {
        return Some(Kind::Truncated);
    }
    let is_same_number = numbers.as_ref().is_some_and(|(sent, stored)| sent == stored);
    if is_same_number || has_same_letters(sent, stored) {
        return Some(Kind::Reformatted);
    }
    numbers.is_some_and(|(sent, stored)| is_rounded(&sent, &stored)).then_some(Kind::Rounded)
}

/// Whether the CRM holds the beginning of a text. One that counts bytes may
/// have cut a letter in two, which comes back as U+FFFD.
fn is_beginning(sent: &str, stored: &str) -> bool {
    let (sent, stored) = (with_plain_line_breaks(sent), with_plain_line_breaks(stored));
    let stored = trim(stored.trim_end_matches('\u{FFFD}'));
    !stored.is_empty() && stored.len() < sent.len() && sent.starts_with(stored)
}

/// Whether two texts differ in nothing but case, blanks and signs; in whether
/// signs are written as in HTML, and whether a web address names its protocol.
fn has_same_letters(sent: &str, stored: &str) -> bool {
    let letters = |text: &str| -> String {
        let folded = folded(text);
        let bare = folded.strip_prefix("https://").or(folded.strip_prefix("http://")).unwrap_or(&folded);
        bare.chars().filter(|c| c.is_alphanumeric()).collect()
    };
    let sent = letters(sent);
    !sent.is_empty() && (sent == letters(stored) || sent == letters(&without_entities(stored)))
}

fn without_entities(text: &str) -> String {
    let signs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#039;", "'")];
    let plain = signs.iter().fold(text.to_owned(), |text, (entity, sign)| text.replace(entity, sign));
    plain.replace("&amp;", "&")
}

/// A day or time in another form, or without what stood behind the day, the
/// hour or the minute.
fn form_of_date(kind: &FieldKind, sent: &str, stored: &str) -> Option<Kind> {
    let sent = iso(sent).ok()?;
    let read: Vec<_> =
        DateOrder::ALL.into_iter().filter_map(|order| read_in_order(stored, order).ok()).collect();
    let is_of_day = *kind == FieldKind::Date;
    if read.iter().any(|at| *at == sent || (is_of_day && at.date() == sent.date())) {
        return Some(Kind::Reformatted);
    }
    let minute = jiff::civil::time(sent.hour(), sent.minute(), 0, 0);
    let cut = [jiff::civil::Time::midnight(), jiff::civil::time(sent.hour(), 0, 0, 0), minute];
    read.iter().any(|at| at.date() == sent.date() && cut.contains(&at.time())).then_some(Kind::Truncated)
}

/// Digits that every program keeps of a number (an IEEE double has no more).
const KEPT_DIGITS: usize = 15;

/// Whether the CRM holds a number with fewer decimals, cut or rounded; or the
/// same one after it went through a float.
fn is_rounded(sent: &Number, stored: &Number) -> bool {
    let digits = Digits::of(sent);
    let cuts = digits.whole..digits.text.len();
    let fewer =
        |at: usize| digits.cut(at).as_ref() == Some(stored) || digits.round(at).as_ref() == Some(stored);
    cuts.into_iter().any(fewer) || digits.significant() == Digits::of(stored).significant()
}

/// A number's digits, and how many stand before the decimal point.
struct Digits {
    sign: &'static str,
    text: String,
    whole: usize,
}

impl Digits {
    fn of(number: &Number) -> Self {
        let text = number.as_str();
        let (sign, bare) = text.strip_prefix('-').map_or(("", text), |bare| ("-", bare));
        let (whole, fraction) = bare.split_once('.').unwrap_or((bare, ""));
        Self { sign, text: format!("{whole}{fraction}"), whole: whole.len() }
    }

    /// The number without its digits from there on.
    fn cut(&self, at: usize) -> Option<Number> {
        let (kept, zeros) = (&self.text[..at], self.whole.saturating_sub(at));
        let (whole, fraction) = kept.split_at(self.whole.min(at));
        Number::parse(&format!("{}{whole}{}.{fraction}", self.sign, "0".repeat(zeros)))
    }

    /// The number rounded there, half and more away from zero.
    fn round(&self, at: usize) -> Option<Number> {
        if self.text.as_bytes().get(at).is_none_or(|digit| *digit < b'5') {
            return self.cut(at);
        }
        // A digit in front takes what is carried over.
        let mut digits: Vec<u8> = [b"0", &self.text.as_bytes()[..at]].concat();
        for digit in digits.iter_mut().rev() {
            *digit = if *digit == b'9' { b'0' } else { *digit + 1 };
            if *digit != b'0' {
                break;
            }
        }
        let text = String::from_utf8(digits).ok()?;
        Self { sign: self.sign, text, whole: self.whole + 1 }.cut(at + 1)
    }

    /// The number with as many digits as every program keeps.
    fn significant(&self) -> Option<Number> {
        let first = self.text.find(|digit| digit != '0')?;
        self.round((first + KEPT_DIGITS).min(self.text.len()))
    }
}

/// A row whose record shows a difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Its number, as Excel shows it.
    pub row: u64,
    /// The record.
    pub id: u64,
    /// What was sent, of long texts the part that differs.
    pub sent: Option<String>,
    /// What the CRM holds.
    pub stored: Option<String>,
}

/// What the records have in common that differ in one field and in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The field; none where it is the record as a whole.
    pub field: Option<String>,
    /// In which way.
    pub kind: Kind,
    /// How many rows have it.
    pub rows: u64,
    /// In how many of them the record was modified after the run.
    pub edited_since: u64,
    /// The first of them.
    pub example: Example,
}

/// One difference, as it was found.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The row.
    pub row: u64,
    /// The record.
    pub id: u64,
    /// The field; none where it is the record as a whole.
    pub field: Option<&'a str>,
    /// In which way.
    pub kind: Kind,
    /// What was sent.
    pub sent: Option<&'a Value>,
    /// What the CRM holds.
    pub stored: Option<&'a Value>,
    /// The record was modified after the run.
    pub edited: bool,
}

/// The longest value that an example keeps, in characters.
const LONGEST: usize = 200;

/// Counts differences by field and kind.
#[derive(Clone, Debug, Default)]
pub struct Tally(BTreeMap<(Option<String>, Kind), Difference>);

impl Tally {
    /// Counts one. The first of its field and kind is the example.
    pub fn add(&mut self, found: &Found<'_>) {
        let field = found.field.map(str::to_owned);
        let fresh = || {
            let sent = found.sent.map(Value::to_text).unwrap_or_default();
            let stored = found.stored.map(Value::to_text).unwrap_or_default();
            let (sent, stored) = around(&sent, &stored, LONGEST);
            let example = Example {
                row: found.row,
                id: found.id,
                sent: found.sent.map(|_| sent),
                stored: found.sent.map(|_| stored),
            };
            Difference { field: field.clone(), kind: found.kind, rows: 0, edited_since: 0, example }
        };
        let difference = self.0.entry((field.clone(), found.kind)).or_insert_with(fresh);
        difference.rows += 1;
        difference.edited_since += u64::from(found.edited);
    }

    /// All of them, the commonest first.
    pub fn sorted(self) -> Vec<Difference> {
        let mut all: Vec<Difference> = self.0.into_values().collect();
        all.sort_by_key(|difference| std::cmp::Reverse(difference.rows));
        all
    }
}

/// Characters of a common beginning that are kept before a difference.
const LEAD: usize = 10;

/// Two texts cut to so many characters around the place where they part.
pub fn around(sent: &str, stored: &str, most: usize) -> (String, String) {
    let common = sent.chars().zip(stored.chars()).take_while(|(a, b)| a == b).count();
    let skipped = if common > most / 2 { common.saturating_sub(LEAD) } else { 0 };
    let part = |text: &str| {
        let rest: String = text.chars().skip(skipped).take(most).collect();
        let more = if text.chars().nth(skipped + most).is_some() { "…" } else { "" };
        format!("{}{rest}{more}", if skipped > 0 { "…" } else { "" })
    };
    (part(sent), part(stored))
}

#[cfg(test)]
#[path = "verifying_tests.rs"]
mod tests;
