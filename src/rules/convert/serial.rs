//! Excel's day numbers, where a CSV holds them in the place of dates.

use jiff::civil;

use super::date::DateFault;

/// The day that Excel counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epoch {
    /// 1 is 1 January 1900, and 60 a day that never was.
    Windows,
    /// 0 is 1 January 1904.
    Mac,
}

/// Numbers that are likely to be days: 1954 to 2119.
const LIKELY: std::ops::Range<u32> = 20_000..80_000;

/// The last day of the year 9999.
const LAST: u32 = 2_958_465;

/// The day that a bare number probably means, for a hint.
pub fn likely_day(text: &str) -> Option<civil::Date> {
    let days = text.split('.').next().and_then(|days| days.parse::<u32>().ok());
    days.filter(|days| LIKELY.contains(days))?;
    read(text, Epoch::Windows).ok().map(civil::DateTime::date)
}

/// Reads `45123`, or `45123.75` with its time of day.
pub fn read(text: &str, epoch: Epoch) -> Result<civil::DateTime, DateFault> {
    let (days, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if days.is_empty() || days.len() > 7 || !digits(days) || !digits(fraction) {
        return Err(DateFault::Form);
    }
    let days: u32 = days.parse().map_err(|_| DateFault::Form)?;
    let (first, days) = match epoch {
        Epoch::Windows if days == 0 || days == 60 => return Err(DateFault::NoSuchDay),
        // Behind the day that never was, every number is one too large.
        Epoch::Windows => (civil::date(1899, 12, 31), if days > 60 { days - 1 } else { days }),
        Epoch::Mac => (civil::date(1904, 1, 1), days),
    };
    if days > LAST {
        return Err(DateFault::NoSuchDay);
    }
    let seconds = seconds_of(fraction);
    let span = jiff::Span::new().days(i64::from(days)).seconds(seconds);
    first.at(0, 0, 0, 0).checked_add(span).map_err(|_| DateFault::NoSuchDay)
}

/// Writes the number that [`read`] reads; none for a day before the first.
pub fn write(at: civil::DateTime, epoch: Epoch) -> Option<String> {
    let first = match epoch {
        Epoch::Windows => civil::date(1899, 12, 31),
        Epoch::Mac => civil::date(1904, 1, 1),
    };
    let days = (at.date() - first).get_days();
    let days = if epoch == Epoch::Windows && days >= 60 { days + 1 } else { days };
    let days = u32::try_from(days).ok()?;
    let time = at.time();
    let seconds = [time.hour(), time.minute(), time.second()]
        .into_iter()
        .fold(0, |sum, part| sum * 60 + u64::from(part.unsigned_abs()));
    // Ten digits are less than a hundred-thousandth of a second.
    let fraction = (seconds * 10_000_000_000 + 43_200) / 86_400;
    let text = format!("{days}.{fraction:010}");
    Some(text.trim_end_matches('0').trim_end_matches('.').to_owned())
}

/// The seconds of a part of a day, given by the digits behind the point,
/// rounded; by whole numbers alone.
fn seconds_of(fraction: &str) -> i64 {
    // Twelve digits are a tenth of a microsecond.
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(12).collect();
    let part: i128 = digits.parse().unwrap_or(0);
    let scale = 10_i128.pow(12);
    i64::try_from((part * 86_400 + scale / 2) / scale).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::convert::date::datetime_text;

    #[test]
    fn numbers_are_the_days_that_excel_shows() {
        for (text, epoch, wanted) in [
            ("45123", Epoch::Windows, Ok("2023-07-16 00:00:00")),
            ("45123.75", Epoch::Windows, Ok("2023-07-16 18:00:00")),
            ("45123.9999999", Epoch::Windows, Ok("2023-07-17 00:00:00")),
            ("1", Epoch::Windows, Ok("1900-01-01 00:00:00")),
            ("59", Epoch::Windows, Ok("1900-02-28 00:00:00")),
            ("60", Epoch::Windows, Err(DateFault::NoSuchDay)),
            ("61", Epoch::Windows, Ok("1900-03-01 00:00:00")),
            ("0", Epoch::Windows, Err(DateFault::NoSuchDay)),
            ("0", Epoch::Mac, Ok("1904-01-01 00:00:00")),
            ("43661", Epoch::Mac, Ok("2023-07-16 00:00:00")),
            ("2958465", Epoch::Windows, Ok("9999-12-31 00:00:00")),
            ("2958466", Epoch::Windows, Err(DateFault::NoSuchDay)),
            ("9999999", Epoch::Windows, Err(DateFault::NoSuchDay)),
            ("12345678", Epoch::Windows, Err(DateFault::Form)),
            ("-5", Epoch::Windows, Err(DateFault::Form)),
            ("13/02/2024", Epoch::Windows, Err(DateFault::Form)),
            ("", Epoch::Windows, Err(DateFault::Form)),
        ] {
            assert_eq!(read(text, epoch).map(datetime_text), wanted.map(str::to_owned), "{text} {epoch:?}");
        }
    }

    #[test]
    fn a_bare_number_that_may_be_a_day_is_known() {
        assert_eq!(likely_day("45123"), Some(civil::date(2023, 7, 16)));
        assert_eq!(likely_day("45123.5"), Some(civil::date(2023, 7, 16)));
        for text in ["7", "2024", "20240213", "12/3", "x"] {
            assert_eq!(likely_day(text), None, "{text}");
        }
    }
}
