//! Dates and times: civil, never through a time zone.

use std::fmt;

use jiff::civil;

use super::time::read_behind_date;
use crate::model::shown;

/// The years taken as meant: `0026` and `24` are slips of a format, not years.
pub const YEARS: std::ops::RangeInclusive<i16> = 1000..=9999;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Why a text is no date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateFault {
    /// It does not have the form.
    Form,
    /// It has the form, and there is no such day or time (31 February).
    NoSuchDay,
    /// The year has lost its century or is not between 1000 and 9999.
    Year,
    /// It names a time zone, and the CRM keeps none.
    Zone,
}

/// A date format in the style of `strptime`: `%d/%m/%Y`.
///
/// Knows `%Y %y %m %d %b %B %H %I %M %S %p %F %T %%`. A blank stands for one
/// or more blanks; days, months and hours may have one digit or two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateFormat {
    pattern: String,
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Year,
    ShortYear,
    Month,
    MonthName,
    Day,
    Hour,
    Hour12,
    Minute,
    Second,
    AmPm,
    Blank,
    Literal(char),
}

impl fmt::Display for DateFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown(&self.pattern).fmt(f)
    }
}

impl DateFormat {
    /// Reads a format; the error says what is wrong with it.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            match c {
                '%' => Self::directive(chars.next(), &mut parts)?,
                c if c.is_whitespace() && parts.last() == Some(&Part::Blank) => {}
                c if c.is_whitespace() => parts.push(Part::Blank),
                c => parts.push(Part::Literal(c)),
            }
        }
        let has = |wanted: &[Part]| parts.iter().filter(|part| wanted.contains(part)).count();
        for (name, wanted) in [
            ("a year (%Y or %y)", &[Part::Year, Part::ShortYear][..]),
            ("a month (%m or %b)", &[Part::Month, Part::MonthName]),
            ("a day (%d)", &[Part::Day]),
        ] {
            if has(wanted) != 1 {
                return Err(format!("a date format names {name} once, for example %d/%m/%Y"));
            }
        }
        for (name, wanted) in [
            ("hour (%H or %I)", &[Part::Hour, Part::Hour12][..]),
            ("minute (%M)", &[Part::Minute]),
            ("second (%S)", &[Part::Second]),
        ] {
            if has(wanted) > 1 {
                return Err(format!("a date format names the {name} once at most; %m is the month"));
            }
        }
        if has(&[Part::Hour12]) != has(&[Part::AmPm]) {
            return Err("%I (hour of twelve) and %p (AM or PM) go together".to_owned());
        }
        Ok(Self { pattern: pattern.to_owned(), parts })
    }

    fn directive(letter: Option<char>, parts: &mut Vec<Part>) -> Result<(), String> {
        parts.push(match letter {
            Some('Y') => Part::Year,
            Some('y') => Part::ShortYear,
            Some('m') => Part::Month,
            Some('b' | 'B') => Part::MonthName,
            Some('d' | 'e') => Part::Day,
            Some('H') => Part::Hour,
            Some('I') => Part::Hour12,
            Some('M') => Part::Minute,
            Some('S') => Part::Second,
            Some('p' | 'P') => Part::AmPm,
            Some('%') => Part::Literal('%'),
            Some('F') => {
                let dash = Part::Literal('-');
                parts.extend([Part::Year, dash, Part::Month, dash, Part::Day]);
                return Ok(());
            }
            Some('T') => {
                let colon = Part::Literal(':');
                parts.extend([Part::Hour, colon, Part::Minute, colon, Part::Second]);
                return Ok(());
            }
            Some(other) => {
                let other = other.to_string();
                return Err(format!("%{} is not known; use %Y %y %m %d %b %H %I %M %S %p", shown(&other)));
            }
            None => return Err("a % at the end names nothing".to_owned()),
        });
        Ok(())
    }

    /// Whether the format reads a time of day.
    pub fn has_time(&self) -> bool {
        let is_time = |part: &Part| {
            matches!(part, Part::Hour | Part::Hour12 | Part::Minute | Part::Second | Part::AmPm)
        };
        self.parts.iter().any(is_time)
    }

    /// Reads a text that has this form. Where the format names no time of day,
    /// one may stand behind the date, as exports add `00:00:00` to all of them.
    pub fn read(&self, text: &str) -> Result<civil::DateTime, DateFault> {
        let mut rest = text;
        let mut found = Found::default();
        for part in &self.parts {
            rest = found.take(*part, rest).ok_or(DateFault::Form)?;
        }
        if !rest.is_empty() {
            if self.has_time() {
                return Err(DateFault::Form);
            }
            (found.hour, found.minute, found.second) = read_behind_date(rest)?;
        }
        found.datetime()
    }

    /// Writes a date in this form, days, months and times with two digits. What the form has no
    /// place for is left out.
    pub fn write(&self, at: civil::DateTime) -> String {
        let mut out = String::new();
        for part in &self.parts {
            part.write(at, &mut out);
        }
        out
    }
}

impl Part {
    fn write(self, at: civil::DateTime, out: &mut String) {
        let number = match self {
            Self::Year => return out.push_str(&format!("{:04}", at.year())),
            Self::ShortYear => i8::try_from(at.year().rem_euclid(100)).unwrap_or_default(),
            Self::Month => at.month(),
            Self::Day => at.day(),
            Self::Hour => at.hour(),
            Self::Hour12 => (at.hour() + 11) % 12 + 1,
            Self::Minute => at.minute(),
            Self::Second => at.second(),
            Self::MonthName => {
                let name = usize::try_from(at.month() - 1).ok().and_then(|month| MONTHS.get(month));
                let mut letters = name.into_iter().flat_map(|name| name.chars()).take(3);
                out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
                return out.extend(letters);
            }
            Self::AmPm => return out.push_str(if at.hour() < 12 { "AM" } else { "PM" }),
            Self::Blank => return out.push(' '),
            Self::Literal(c) => return out.push(c),
        };
        out.push_str(&format!("{number:02}"));
    }
}

/// The parts of a date as far as they have been read.
#[derive(Default)]
pub(super) struct Found {
    pub(super) year: i16,
    pub(super) month: i8,
    pub(super) day: i8,
    pub(super) hour: i8,
    pub(super) minute: i8,
    pub(super) second: i8,
    pub(super) afternoon: Option<bool>,
}

impl Found {
    /// Reads one part; gives back the rest of the text.
    fn take<'t>(&mut self, part: Part, text: &'t str) -> Option<&'t str> {
        let small = |text: &'t str, least: usize| {
            digits(text, least, 2).and_then(|(number, rest)| Some((i8::try_from(number).ok()?, rest)))
        };
        let rest;
        match part {
            Part::Year => {
                let (number, after) = digits(text, 1, 4)?;
                (self.year, rest) = (i16::try_from(number).ok()?, after);
            }
            Part::ShortYear => {
                let (number, after) = digits(text, 2, 2)?;
                let century = if number >= 69 { 1900 } else { 2000 };
                (self.year, rest) = (i16::try_from(number + century).ok()?, after);
            }
            Part::Month => (self.month, rest) = small(text, 1)?,
            Part::Day => (self.day, rest) = small(text, 1)?,
            Part::Hour | Part::Hour12 => (self.hour, rest) = small(text, 1)?,
            Part::Minute => (self.minute, rest) = small(text, 2)?,
            Part::Second => (self.second, rest) = small(text, 2)?,
            Part::MonthName => (self.month, rest) = month_name(text)?,
            Part::AmPm => {
                let word = text.get(..2)?;
                self.afternoon = Some(match word.to_ascii_lowercase().as_str() {
                    "am" => false,
                    "pm" => true,
                    _ => return None,
                });
                rest = &text[2..];
            }
            Part::Blank => {
                rest = text.trim_start();
                return (rest.len() < text.len()).then_some(rest);
            }
            Part::Literal(c) => rest = text.strip_prefix(c)?,
        }
        Some(rest)
    }

    pub(super) fn datetime(mut self) -> Result<civil::DateTime, DateFault> {
        if !YEARS.contains(&self.year) {
            return Err(DateFault::Year);
        }
        if let Some(afternoon) = self.afternoon {
            if !(1..=12).contains(&self.hour) {
                return Err(DateFault::NoSuchDay);
            }
            self.hour = self.hour % 12 + if afternoon { 12 } else { 0 };
        }
        civil::DateTime::new(self.year, self.month, self.day, self.hour, self.minute, self.second, 0)
            .map_err(|_| DateFault::NoSuchDay)
    }
}

/// Reads between `least` and `most` digits, four at most.
fn digits(text: &str, least: usize, most: usize) -> Option<(u32, &str)> {
    let (mut count, mut number) = (0, 0);
    for byte in text.bytes().take(most).take_while(u8::is_ascii_digit) {
        number = number * 10 + u32::from(byte - b'0');
        count += 1;
    }
    (count >= least).then(|| (number, &text[count..]))
}

/// A month's name at the beginning of a text, and the text behind it.
pub(super) fn month_name(text: &str) -> Option<(i8, &str)> {
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let word = text[..letters].to_ascii_lowercase();
    let month = MONTHS.iter().position(|name| {
        *name == word
            || (word.len() == 3 && name.starts_with(&word))
            || (word == "sept" && *name == "september")
    })?;
    Some((i8::try_from(month + 1).ok()?, &text[letters..]))
}

/// Reads `YYYY-MM-DD`, and `YYYY-MM-DD HH:MM[:SS[.fraction]]` with a blank or a `T`.
pub fn iso(text: &str) -> Result<civil::DateTime, DateFault> {
    let mut found = Found::default();
    let take = |found: &mut Found, parts: &[Part], mut rest| {
        for part in parts {
            rest = found.take(*part, rest)?;
        }
        Some(rest)
    };
    let two = |text: &str| text.bytes().take(2).filter(u8::is_ascii_digit).count() == 2;
    let full_year = text.bytes().take_while(u8::is_ascii_digit).count() == 4;
    let well_formed = full_year && text.get(5..).is_some_and(two) && text.get(8..).is_some_and(two);
    if !well_formed {
        return Err(DateFault::Form);
    }
    let dash = Part::Literal('-');
    let rest =
        take(&mut found, &[Part::Year, dash, Part::Month, dash, Part::Day], text).ok_or(DateFault::Form)?;
    let Some(time) = rest.strip_prefix(['T', ' ']) else {
        return if rest.is_empty() { found.datetime() } else { Err(DateFault::Form) };
    };
    let colon = Part::Literal(':');
    let mut rest = take(&mut found, &[Part::Hour, colon, Part::Minute], time).ok_or(DateFault::Form)?;
    if rest.starts_with(':') {
        rest = take(&mut found, &[colon, Part::Second], rest).ok_or(DateFault::Form)?;
        if let Some(fraction) = rest.strip_prefix('.') {
            let (_, after) = digits(fraction, 1, 9).ok_or(DateFault::Form)?;
            rest = after;
        }
    }
    match rest.bytes().next() {
        None => found.datetime(),
        Some(b'Z' | b'+' | b'-' | b'z') => Err(DateFault::Zone),
        Some(_) => Err(DateFault::Form),
    }
}

/// `YYYY-MM-DD`.
pub fn date_text(at: civil::DateTime) -> String {
    DateText::default().date(at).to_owned()
}

/// `YYYY-MM-DD HH:MM:SS`.
pub fn datetime_text(at: civil::DateTime) -> String {
    DateText::default().datetime(at).to_owned()
}

/// Room for a date as the CRM writes it. Years have four digits: [`YEARS`].
#[derive(Default)]
pub struct DateText {
    signs: [u8; 19],
}

impl DateText {
    /// `YYYY-MM-DD`.
    pub fn date(&mut self, at: civil::DateTime) -> &str {
        self.write(at);
        self.first(10)
    }

    /// `YYYY-MM-DD HH:MM:SS`.
    pub fn datetime(&mut self, at: civil::DateTime) -> &str {
        self.write(at);
        self.first(19)
    }

    fn write(&mut self, at: civil::DateTime) {
        let year = at.year().unsigned_abs();
        let small = |part: i8| u16::from(part.unsigned_abs());
        let parts = [year / 100, year % 100, small(at.month()), small(at.day())];
        let time = [small(at.hour()), small(at.minute()), small(at.second())];
        self.signs = *b"0000-00-00 00:00:00";
        for (place, part) in [0, 2, 5, 8, 11, 14, 17].into_iter().zip(parts.into_iter().chain(time)) {
            self.signs[place] += (part / 10 % 10) as u8;
            self.signs[place + 1] += (part % 10) as u8;
        }
    }

    fn first(&self, count: usize) -> &str {
        // Digits and signs of ASCII alone.
        std::str::from_utf8(&self.signs[..count]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pattern: &str, text: &str) -> Result<String, DateFault> {
        DateFormat::new(pattern).unwrap().read(text).map(datetime_text)
    }

    #[test]
    fn a_format_reads_its_form_and_no_other() {
        for (pattern, text, wanted) in [
            ("%d/%m/%Y", "13/02/2024", "2024-02-13 00:00:00"),
            ("%d/%m/%Y", "1/2/2024", "2024-02-01 00:00:00"),
            ("%m/%d/%Y", "1/2/2024", "2024-01-02 00:00:00"),
            ("%d.%m.%y", "01.02.68", "2068-02-01 00:00:00"),
            ("%d.%m.%y", "01.02.69", "1969-02-01 00:00:00"),
            ("%d %b %Y", "3 Mar  2021", "2021-03-03 00:00:00"),
            ("%d %b %Y", "3 Sept 2021", "2021-09-03 00:00:00"),
            ("%d-%B-%Y", "3-september-2021", "2021-09-03 00:00:00"),
            ("%d/%m/%Y %H:%M", "01/02/2024 9:30", "2024-02-01 09:30:00"),
            ("%m/%d/%Y %I:%M %p", "1/2/2024 12:05 am", "2024-01-02 00:05:00"),
            ("%m/%d/%Y %I:%M %p", "1/2/2024 12:05 PM", "2024-01-02 12:05:00"),
            ("%F %T", "2024-02-29 23:59:59", "2024-02-29 23:59:59"),
            ("%Y%m%d", "20240213", "2024-02-13 00:00:00"),
            ("%d/%m/%Y", "1/2/2024 10:00", "2024-02-01 10:00:00"),
            ("%Y%m%d", "20240213T09:30:15", "2024-02-13 09:30:15"),
            ("%d  %B\t %Y", "3 March   2021", "2021-03-03 00:00:00"),
        ] {
            assert_eq!(read(pattern, text).as_deref(), Ok(wanted), "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_no_date_is_a_fault_and_never_rolls_over() {
        for (pattern, text, fault) in [
            ("%d/%m/%Y", "31/02/2026", DateFault::NoSuchDay),
            ("%d/%m/%Y", "13/13/2026", DateFault::NoSuchDay),
            ("%d/%m/%Y", "01/02/24", DateFault::Year),
            ("%d/%m/%Y", "01/02/0026", DateFault::Year),
            ("%d/%m/%Y", "2026-02-01", DateFault::Form),
            ("%d/%m/%Y", "01/02/2026 25:00", DateFault::Form),
            ("%d/%m/%Y", "01/02/2026 10:00Z", DateFault::Zone),
            ("%d/%m/%Y %H:%M", "01/02/2026 10:00 10:00", DateFault::Form),
            ("%d/%m/%Y", "45123", DateFault::Form),
            ("%d/%m/%Y %I:%M %p", "01/02/2024 13:00 pm", DateFault::NoSuchDay),
            ("%d %b %Y", "3 Mär 2021", DateFault::Form),
            ("%d/%m/%Y", "", DateFault::Form),
        ] {
            assert_eq!(read(pattern, text), Err(fault), "{pattern} {text}");
        }
    }

    #[test]
    fn iso_dates_need_no_format() {
        for (text, wanted) in [
            ("2024-02-13", Ok("2024-02-13 00:00:00")),
            ("2024-02-13 09:30", Ok("2024-02-13 09:30:00")),
            ("2024-02-13T09:30:15.250", Ok("2024-02-13 09:30:15")),
            ("2024-02-13T09:30:15Z", Err(DateFault::Zone)),
            ("2024-02-13T09:30:15+01:00", Err(DateFault::Zone)),
            ("2026-13-01", Err(DateFault::NoSuchDay)),
            ("0026-01-01", Err(DateFault::Year)),
            ("2024-2-13", Err(DateFault::Form)),
            ("20240213", Err(DateFault::Form)),
            ("2024-02-13x", Err(DateFault::Form)),
            ("13/02/2024", Err(DateFault::Form)),
            ("2024-é2-13", Err(DateFault::Form)),
        ] {
            assert_eq!(iso(text).map(datetime_text), wanted.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn a_format_that_cannot_be_meant_is_refused() {
        for pattern in
            ["%d/%m", "%q", "%d/%m/%Y %I:%M", "%", "%d/%d/%Y", "", "%F %M:%M", "%F %H %I %p", "%F %T:%S"]
        {
            assert!(DateFormat::new(pattern).is_err(), "{pattern}");
        }
        assert!(DateFormat::new("%\u{1b}").unwrap_err().contains("%\\u{1B} is not known"));
        assert_eq!(DateFormat::new("\u{1b}%F").unwrap().to_string(), "\\u{1B}%F");
    }
}
