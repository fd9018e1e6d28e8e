//! One value: from what a request says to what is stored, or the rules it breaks.

use jiff::civil;
use rusqlite::types::Value as Sql;

use super::answer::Rule;
use super::json::Json;
use super::schema::{Field, Preset, Storage};
use crate::model::{FieldKind, Number};

/// The stored form of a value for that field, or every rule it breaks.
///
/// Lists of allowed values, references and `Required` are not looked at here.
pub(super) fn normalise(field: &Field, json: &Json) -> Result<Sql, Vec<Rule>> {
    match field.storage() {
        Storage::Text if field.kind.is_temporal() => temporal(field, json),
        Storage::Text => text(field, json),
        Storage::Flag => flag(json),
        Storage::Whole | Storage::Decimal => number(field, json),
    }
}

/// What a new record holds in that field where nothing is said.
pub(super) fn preset(field: &Field) -> Sql {
    match field.preset {
        Preset::Null => Sql::Null,
        Preset::Text(text) => Sql::Text(text.to_owned()),
        Preset::Whole(number) => Sql::Integer(number),
    }
}

/// Null, or text of nothing but blank space.
pub(super) fn is_blank(json: &Json) -> bool {
    match json {
        Json::Null => true,
        Json::Text(text) => text.trim().is_empty(),
        Json::Bool(_) | Json::Number(_) | Json::List(_) | Json::Object(_) => false,
    }
}

fn text(field: &Field, json: &Json) -> Result<Sql, Vec<Rule>> {
    let text = match json {
        Json::Null => return Ok(Sql::Null),
        Json::Text(text) => text.clone(),
        Json::Number(number) => number.to_string(),
        Json::List(items) if field.kind == FieldKind::MultiSelect => joined(items)?,
        Json::Bool(_) | Json::List(_) | Json::Object(_) => return Err(vec![Rule::plain("String")]),
    };
    let mut broken = Vec::new();
    if !text.trim().is_empty() {
        if field.kind == FieldKind::Email && !is_email(&text) {
            broken.push(Rule::plain("Email"));
        }
        if field.kind == FieldKind::Url && !is_url(&text) {
            broken.push(Rule::plain("Url"));
        }
    }
    if let Some(size) = field.size
        && text.chars().count() > usize::try_from(size).unwrap_or(usize::MAX)
    {
        broken.push(Rule::with("Max", size));
    }
    if broken.is_empty() { Ok(Sql::Text(text)) } else { Err(broken) }
}

/// A multi-select sent as a list of texts is stored joined by `;`.
fn joined(items: &[Json]) -> Result<String, Vec<Rule>> {
    let texts: Option<Vec<&str>> = items
        .iter()
        .map(|item| match item {
            Json::Text(text) => Some(text.as_str()),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::List(_) | Json::Object(_) => None,
        })
        .collect();
    texts.map(|texts| texts.join(";")).ok_or_else(|| vec![Rule::plain("String")])
}

fn flag(json: &Json) -> Result<Sql, Vec<Rule>> {
    match json {
        json if is_blank(json) => Ok(Sql::Null),
        Json::Bool(flag) => Ok(Sql::Integer(i64::from(*flag))),
        Json::Number(number) if matches!(number.as_str(), "0" | "1") => {
            Ok(Sql::Integer(i64::from(number.as_str() == "1")))
        }
        Json::Text(text) if matches!(text.as_str(), "0" | "1") => Ok(Sql::Integer(i64::from(text == "1"))),
        _ => Err(vec![Rule::plain("Boolean")]),
    }
}

fn number(field: &Field, json: &Json) -> Result<Sql, Vec<Rule>> {
    if is_blank(json) {
        return Ok(if field.zero_is_none() { Sql::Integer(0) } else { Sql::Null });
    }
    let number = numeric(field, json).ok_or_else(|| vec![Rule::plain("Numeric")])?;
    if let Some(most) = field.decimals
        && number.decimals() > usize::try_from(most).unwrap_or(usize::MAX)
    {
        return Err(vec![Rule::with("Decimals", most)]);
    }
    if field.storage() == Storage::Decimal {
        return Ok(Sql::Text(number.as_str().to_owned()));
    }
    number.as_i64().map(Sql::Integer).ok_or_else(|| vec![Rule::with("Max", i64::MAX)])
}

/// A number, or a text that is one; a percentage may end in `%`.
pub(super) fn numeric(field: &Field, json: &Json) -> Option<Number> {
    match json {
        Json::Number(number) => Some(number.clone()),
        Json::Text(text) => {
            let text = text.trim();
            let bare = if field.kind == FieldKind::Percent {
                text.strip_suffix('%').map_or(text, str::trim_end)
            } else {
                text
            };
            Number::parse(bare)
        }
        Json::Null | Json::Bool(_) | Json::List(_) | Json::Object(_) => None,
    }
}

fn temporal(field: &Field, json: &Json) -> Result<Sql, Vec<Rule>> {
    if is_blank(json) {
        return Ok(Sql::Null);
    }
    let Json::Text(text) = json else { return Err(vec![Rule::plain("Date")]) };
    let moment = Moment::parse(text.trim()).ok_or_else(|| vec![Rule::plain("Date")])?;
    Ok(Sql::Text(if field.kind == FieldKind::Date { moment.date() } else { moment.second() }))
}

/// A date with or without a time of day, as requests and filters write it:
/// `2024-02-13`, `2024-02-13 14:15`, `2024-02-13T14:15:16.25Z`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Moment {
    date: civil::Date,
    /// `HH:MM:SS`.
    time: String,
    /// Digits of the fraction without zeros at its end.
    fraction: String,
}

impl Moment {
    /// Reads one; `None` for anything else, a day that never was among it.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = match text.split_once([' ', 'T']) {
            Some((date, time)) => (date, time.strip_suffix('Z').unwrap_or(time)),
            None => (text, "00:00:00"),
        };
        let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
        if !fraction.bytes().all(|b| b.is_ascii_digit()) || text.ends_with('.') {
            return None;
        }
        let (hour, rest) = time.split_once(':')?;
        let (minute, second) = rest.split_once(':').unwrap_or((rest, "00"));
        let (hour, minute, second) = (digits(hour, 2)?, digits(minute, 2)?, digits(second, 2)?);
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        Some(Self {
            date: day(date)?,
            time: format!("{hour:02}:{minute:02}:{second:02}"),
            fraction: fraction.trim_end_matches('0').to_owned(),
        })
    }

    /// `YYYY-MM-DD`.
    pub fn date(&self) -> String {
        self.date.to_string()
    }

    /// `YYYY-MM-DD HH:MM:SS`; a fraction is dropped, as the real server drops it.
    pub fn second(&self) -> String {
        format!("{} {}", self.date, self.time)
    }

    /// The text that stands in the right place among stored values of a date
    /// (`whole_days`) or a datetime field when both are compared as text.
    pub fn comparable(&self, whole_days: bool) -> String {
        match (self.fraction.as_str(), self.time.as_str()) {
            ("", "00:00:00") if whole_days => self.date(),
            ("", _) => self.second(),
            (fraction, _) => format!("{}.{fraction}", self.second()),
        }
    }
}

fn day(text: &str) -> Option<civil::Date> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let small = |text: &str| i8::try_from(digits(text, 2)?).ok();
    let year = i16::try_from(digits(year, 4)?).ok().filter(|year| *year > 0)?;
    civil::Date::new(year, small(month)?, small(day)?).ok()
}

fn digits(text: &str, count: usize) -> Option<u16> {
    if text.len() == count && text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// One `@`, something before it, a host name with a dot behind it, no blank space.
fn is_email(text: &str) -> bool {
    let Some((local, host)) = text.split_once('@') else { return false };
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '@' | ',' | ';' | '<' | '>');
    !local.is_empty()
        && local.chars().all(plain)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && is_host(host)
}

/// A host with a dot, with or without `http://` or `https://` before it and a path behind it.
fn is_url(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let rest = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://")).unwrap_or(&lower);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = host.split_once(':').unwrap_or((host, "80"));
    is_host(host) && port.parse::<u16>().is_ok() && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    host.contains('.') && host.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::{Moment, is_email, is_url, normalise};
    use crate::sandbox::answer::Rule;
    use crate::sandbox::json::Json;
    use crate::sandbox::objects;
    use rusqlite::types::Value as Sql;

    fn stored(object: &str, field: &str, json: &str) -> Result<Sql, Vec<Rule>> {
        let field = objects::object(object).and_then(|object| object.field(field)).unwrap();
        normalise(field, &Json::parse(json).unwrap())
    }

    fn text(text: &str) -> Result<Sql, Vec<Rule>> {
        Ok(Sql::Text(text.into()))
    }

    #[test]
    fn text_is_stored_as_it_comes() {
        assert_eq!(stored("accounts", "name", r#"" Acme  ""#), text(" Acme  "));
        assert_eq!(stored("accounts", "name", r#""""#), text(""));
        assert_eq!(stored("accounts", "phone", "1234"), text("1234"));
        assert_eq!(stored("accounts", "tags", r#"["a","b"]"#), text("a;b"));
        assert_eq!(stored("accounts", "name", "true"), Err(vec![Rule::plain("String")]));
        assert_eq!(stored("accounts", "name", "[]"), Err(vec![Rule::plain("String")]));
    }

    #[test]
    fn lengths_count_characters_not_bytes() {
        let name = |length: usize| format!("\"{}\"", "é".repeat(length));
        assert!(stored("accounts", "name", &name(100)).is_ok());
        assert_eq!(stored("accounts", "name", &name(101)), Err(vec![Rule::with("Max", 100)]));
        let long = format!("\"{}\"", "x".repeat(60));
        assert_eq!(
            stored("contacts", "email", &long),
            Err(vec![Rule::plain("Email"), Rule::with("Max", 50)])
        );
    }

    #[test]
    fn numbers_are_exact_and_keep_to_their_decimals() {
        assert_eq!(stored("accounts", "annualvalue", "12345678901.25"), text("12345678901.25"));
        assert_eq!(stored("accounts", "annualvalue", r#"" 0.10 ""#), text("0.1"));
        assert_eq!(stored("accounts", "discount", r#""12.5 %""#), text("12.5"));
        assert_eq!(stored("accounts", "founded", r#""1902""#), Ok(Sql::Integer(1902)));
        assert_eq!(stored("accounts", "founded", "1902.0"), Ok(Sql::Integer(1902)));
        assert_eq!(stored("accounts", "founded", r#""""#), Ok(Sql::Null));
        assert_eq!(stored("accounts", "campaignid", "null"), Ok(Sql::Integer(0)));
        assert_eq!(stored("accounts", "founded", "1902.5"), Err(vec![Rule::with("Decimals", 0)]));
        assert_eq!(stored("accounts", "annualvalue", "1.005"), Err(vec![Rule::with("Decimals", 2)]));
        for wrong in [r#""2013 (1888)""#, r#""£5""#, r#""1,5""#, "true", "[1]"] {
            assert_eq!(stored("accounts", "founded", wrong), Err(vec![Rule::plain("Numeric")]), "{wrong}");
        }
        assert!(stored("accounts", "founded", "99999999999999999999").is_err());
    }

    #[test]
    fn flags_take_zero_and_one_in_three_spellings() {
        for (json, flag) in [("true", 1), ("1", 1), (r#""1""#, 1), ("false", 0), (r#""0""#, 0)] {
            assert_eq!(stored("accounts", "vip", json), Ok(Sql::Integer(flag)), "{json}");
        }
        assert_eq!(stored("accounts", "vip", r#""""#), Ok(Sql::Null));
        for wrong in [r#""yes""#, "2", r#""true""#] {
            assert_eq!(stored("accounts", "vip", wrong), Err(vec![Rule::plain("Boolean")]), "{wrong}");
        }
    }

    #[test]
    fn dates_are_normalised_and_impossible_ones_refused() {
        assert_eq!(stored("accounts", "inceptiondate", r#""2024-02-29""#), text("2024-02-29"));
        assert_eq!(stored("accounts", "inceptiondate", r#""2024-02-29 10:11:12""#), text("2024-02-29"));
        assert_eq!(
            stored("activities", "date", r#""2024-02-29T10:11:12.999Z""#),
            text("2024-02-29 10:11:12")
        );
        assert_eq!(stored("activities", "date", r#""2024-02-29""#), text("2024-02-29 00:00:00"));
        assert_eq!(stored("activities", "date", r#""2024-02-29 09:30""#), text("2024-02-29 09:30:00"));
        for wrong in [
            r#""2023-02-29""#,
            r#""13/02/2024""#,
            r#""2024-2-3""#,
            r#""0000-00-00""#,
            r#""2024-01-01 24:00:00""#,
            r#""2024-01-01 10:00:00.""#,
            "20240101",
        ] {
            assert_eq!(stored("activities", "date", wrong), Err(vec![Rule::plain("Date")]), "{wrong}");
        }
    }

    #[test]
    fn filters_compare_fractions_and_whole_days_in_their_place() {
        let place = |text: &str, days| Moment::parse(text).map(|m| m.comparable(days)).unwrap();
        assert_eq!(place("2024-01-01 10:00:00.000", false), "2024-01-01 10:00:00");
        assert_eq!(place("2024-01-01 10:00:00.250", false), "2024-01-01 10:00:00.25");
        assert_eq!(place("2024-01-01", false), "2024-01-01 00:00:00");
        assert_eq!(place("2024-01-01 00:00:00", true), "2024-01-01");
        assert_eq!(place("2024-01-01 12:00:00", true), "2024-01-01 12:00:00");
    }

    #[test]
    fn addresses_are_held_against_plain_rules() {
        for good in ["a@b.co", "jane.o'neil+crm@mail.example.co.uk", "ü@exämple.de"] {
            assert!(is_email(good), "{good}");
        }
        for bad in ["", "a", "a@", "@b.co", "a@b", "a b@c.de", "a@@b.co", "a@b..co", ".a@b.co", "a@b.co;c@d.eu"]
        {
            assert!(!is_email(bad), "{bad}");
        }
        for good in ["www.example.com", "https://example.com/a?b#c", "HTTP://example.com:8080"] {
            assert!(is_url(good), "{good}");
        }
        for bad in ["example", "javascript:alert(1)", "http://", "http://a b.com", "ftp://example.com", "a.b:x"] {
            assert!(!is_url(bad), "{bad}");
        }
    }
}
