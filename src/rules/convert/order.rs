//! Dates whose parts stand in some order, whatever stands between them: what
//! a column's cells may be read as where the mapping gives no format.

use jiff::civil;

use super::date::{DateFault, Found, month_name};
use super::time::{names_zone, read_time};

/// The order of a date's parts, whatever stands between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DateOrder {
    /// `2024-02-13`, `2024/2/13`
    YearMonthDay,
    /// `13/02/2024`, `13.2.24`
    DayMonthYear,
    /// `02/13/2024`
    MonthDayYear,
    /// `13 Feb 2024`, `13-February-24`
    DayNameYear,
    /// `Feb 13, 2024`
    NameDayYear,
}

impl DateOrder {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::YearMonthDay, Self::DayMonthYear, Self::MonthDayYear, Self::DayNameYear, Self::NameDayYear];

    /// How people write it.
    pub fn words(self) -> &'static str {
        match self {
            Self::YearMonthDay => "year-month-day",
            Self::DayMonthYear => "day-month-year",
            Self::MonthDayYear => "month-day-year",
            Self::DayNameYear => "day, month's name, year",
            Self::NameDayYear => "month's name, day, year",
        }
    }

    /// A format of this order, for people to begin with.
    pub fn format(self) -> &'static str {
        match self {
            Self::YearMonthDay => "%Y-%m-%d",
            Self::DayMonthYear => "%d/%m/%Y",
            Self::MonthDayYear => "%m/%d/%Y",
            Self::DayNameYear => "%d %b %Y",
            Self::NameDayYear => "%b %d, %Y",
        }
    }
}

/// Three parts of a date and the time behind them.
struct Parts<'t> {
    parts: [&'t str; 3],
    time: &'t str,
}

/// Cuts a text into three parts with one kind of separator, and a time.
fn parts(text: &str) -> Option<Parts<'_>> {
    let is_part = |c: char| c.is_ascii_alphanumeric();
    let first = text.find(|c| !is_part(c))?;
    let separator = text[first..].chars().next()?;
    if !matches!(separator, '/' | '.' | '-' | ' ') {
        return None;
    }
    let rest = text[first..].trim_start_matches(separator);
    let second = rest.find(|c| !is_part(c))?;
    // `Feb 13, 2024` has a comma, `Feb. 3 2024` a point.
    let tail = rest[second..].trim_start_matches([',', separator, ' ']);
    if tail.len() == rest[second..].len() {
        return None;
    }
    let third = tail.find(|c| !is_part(c)).unwrap_or(tail.len());
    // An ISO date has its time behind a T.
    let third = match tail[..third].find('T') {
        Some(at) if at > 0 && tail.as_bytes()[at - 1].is_ascii_digit() => at,
        _ => third,
    };
    let time = tail[third..].trim_start_matches(['T', ' ', ',']);
    Some(Parts { parts: [&text[..first], &rest[..second], &tail[..third]], time })
}

fn is_number(part: &str, most: usize) -> bool {
    (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
}

fn at_most(part: &str, most: u32) -> bool {
    is_number(part, 2) && part.parse::<u32>().is_ok_and(|number| (1..=most).contains(&number))
}

fn is_year(part: &str) -> bool {
    is_number(part, 4) && (part.len() == 4 || part.len() == 2)
}

/// Whether a text has this order's form. `31/02/2024` has the form of a
/// day-first date, though there is no such day.
pub fn fits(text: &str, order: DateOrder) -> bool {
    let Some(Parts { parts: [a, b, c], time }) = parts(text) else { return false };
    let dated = match order {
        DateOrder::YearMonthDay => is_year(a) && at_most(b, 12) && at_most(c, 31),
        DateOrder::DayMonthYear => at_most(a, 31) && at_most(b, 12) && is_year(c),
        DateOrder::MonthDayYear => at_most(a, 12) && at_most(b, 31) && is_year(c),
        DateOrder::DayNameYear => at_most(a, 31) && is_month_name(b) && is_year(c),
        DateOrder::NameDayYear => is_month_name(a) && at_most(b, 31) && is_year(c),
    };
    dated && (time.is_empty() || read_time(time).is_some())
}

/// Whether a text that has this order's form gives its year by two digits.
pub fn has_short_year(text: &str, order: DateOrder) -> bool {
    let Some(Parts { parts: [first, _, last], .. }) = parts(text) else { return false };
    let year = if order == DateOrder::YearMonthDay { first } else { last };
    year.len() == 2
}

fn is_month_name(part: &str) -> bool {
    month_name(part).is_some_and(|(_, rest)| rest.is_empty())
}

/// Reads a text whose parts stand in this order.
pub fn read_in_order(text: &str, order: DateOrder) -> Result<civil::DateTime, DateFault> {
    let Parts { parts: [a, b, c], time } = parts(text).ok_or(DateFault::Form)?;
    if !fits(text, order) {
        return Err(if names_zone(time) { DateFault::Zone } else { DateFault::Form });
    }
    let (year, month, day) = match order {
        DateOrder::YearMonthDay => (a, b, c),
        DateOrder::DayMonthYear | DateOrder::DayNameYear => (c, b, a),
        DateOrder::MonthDayYear | DateOrder::NameDayYear => (c, a, b),
    };
    let number = |part: &str| part.parse::<i16>().map_err(|_| DateFault::Form);
    let mut found = Found { year: number(year)?, ..Found::default() };
    if year.len() == 2 {
        found.year += if found.year >= 69 { 1900 } else { 2000 };
    }
    found.day = i8::try_from(number(day)?).map_err(|_| DateFault::NoSuchDay)?;
    found.month = match month_name(month) {
        Some((month, _)) => month,
        None => i8::try_from(number(month)?).map_err(|_| DateFault::NoSuchDay)?,
    };
    if !time.is_empty() {
        (found.hour, found.minute, found.second) = read_time(time).ok_or(DateFault::Form)?;
    }
    found.datetime()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::convert::date::datetime_text;

    #[test]
    fn dates_are_read_in_their_order_with_any_sign_between() {
        use DateOrder::{DayMonthYear, DayNameYear, MonthDayYear, NameDayYear, YearMonthDay};
        for (text, order, wanted) in [
            ("13/02/2024", DayMonthYear, Ok("2024-02-13 00:00:00")),
            ("13.2.24", DayMonthYear, Ok("2024-02-13 00:00:00")),
            ("1/2/2024 9:30", DayMonthYear, Ok("2024-02-01 09:30:00")),
            ("1/2/2024 9:30 pm", MonthDayYear, Ok("2024-01-02 21:30:00")),
            ("2024/2/13", YearMonthDay, Ok("2024-02-13 00:00:00")),
            ("2024-02-13T09:30:15.250", YearMonthDay, Ok("2024-02-13 09:30:15")),
            ("13-February-24", DayNameYear, Ok("2024-02-13 00:00:00")),
            ("Feb 13, 2024", NameDayYear, Ok("2024-02-13 00:00:00")),
            ("31/02/2024", DayMonthYear, Err(DateFault::NoSuchDay)),
            ("13/02/2024", MonthDayYear, Err(DateFault::Form)),
            ("13/02/0026", DayMonthYear, Err(DateFault::Year)),
            ("2024-02-13T09:30:15Z", YearMonthDay, Err(DateFault::Zone)),
            ("45123", DayMonthYear, Err(DateFault::Form)),
            ("2024-02-13 9:+5", YearMonthDay, Err(DateFault::Form)),
            ("13/02/2024 9:30:+5", DayMonthYear, Err(DateFault::Zone)),
        ] {
            assert_eq!(
                read_in_order(text, order).map(datetime_text),
                wanted.map(str::to_owned),
                "{text} {order:?}"
            );
        }
    }
}
