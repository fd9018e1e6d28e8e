//! A workbook's cells as cells of a row: numbers as plain decimal text,
//! serial numbers as civil dates.
//!
//! Whole days are counted in integers and the time of day is rounded to the
//! second, so that no float decides on a date.

use std::fmt::Write;

use calamine::DataRef;
use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time, date};

use super::book::SheetCell;
use crate::model::{Cell, CellFault, Number, Row};

/// Most characters of a cell's text, Excel's own limit.
pub(super) const MAX_TEXT: usize = 32_767;

const SECONDS_A_DAY: f64 = 86_400.0;
/// 31 December 9999 in the 1900 system, the last day that Excel knows.
const LAST_DAY: i64 = 2_958_465;
/// "29 February 1900", which Excel inherited and which never was.
const NO_DAY: i64 = 60;

/// Appends a workbook's cell to a row.
pub(super) fn push(row: &mut Row, cell: &SheetCell<'_>, is_1904: bool, scratch: &mut String) {
    scratch.clear();
    match &cell.value {
        DataRef::Empty if cell.formula => row.push(Cell::Fault(CellFault::NoStoredValue)),
        DataRef::Empty => row.push(Cell::Blank),
        DataRef::String(text) => push_text(row, text),
        DataRef::SharedString(text) => push_text(row, text),
        DataRef::Bool(flag) => row.push(Cell::Bool(*flag)),
        DataRef::Error(error) => {
            let _ = write!(scratch, "{error}");
            row.push(Cell::Fault(CellFault::Error(scratch)));
        }
        DataRef::Int(number) => {
            let _ = write!(scratch, "{number}");
            let lost = number.unsigned_abs() >= 1_000_000_000_000_000;
            match lost {
                true => row.push(Cell::Fault(CellFault::PrecisionLost(scratch))),
                false => push_plain(row, scratch, cell.percent),
            }
        }
        DataRef::Float(number) => push_number(row, *number, cell.percent, scratch),
        DataRef::DateTime(at) if at.is_duration() => push_duration(row, at.as_f64(), scratch),
        DataRef::DateTime(at) => push_serial(row, at.as_f64(), is_1904, scratch),
        DataRef::DateTimeIso(text) => push_iso(row, text),
        DataRef::DurationIso(text) => push_text(row, text),
    }
}

fn push_text(row: &mut Row, text: &str) {
    // No character takes more than four bytes, so most long texts need no counting.
    let too_long =
        text.len() > MAX_TEXT && (text.len() > 4 * MAX_TEXT || text.chars().nth(MAX_TEXT).is_some());
    if too_long {
        row.push(Cell::Fault(CellFault::TooLong));
    } else {
        row.push(Cell::Text(text));
    }
}

fn push_number(row: &mut Row, number: f64, percent: bool, scratch: &mut String) {
    if !number.is_finite() {
        row.push(Cell::Fault(CellFault::Error("#NUM!")));
    } else if number.fract() == 0.0 && number.abs() >= 1e15 {
        shown_large(number, scratch);
        row.push(Cell::Fault(CellFault::PrecisionLost(scratch)));
    } else {
        plain(number, scratch);
        push_plain(row, scratch, percent);
    }
}

/// A number in plain notation, or what a sheet shows of it in percent.
fn push_plain(row: &mut Row, number: &str, percent: bool) {
    let shown = percent.then(|| Number::parse(number)?.in_percent()).flatten();
    row.push(shown.as_deref().map_or(Cell::Number(number), Cell::Percent));
}

/// A large number as Excel shows it, `1.23456789012346E+17`.
fn shown_large(number: f64, out: &mut String) {
    let text = format!("{number:.14e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
    let _ = write!(out, "{mantissa}E+{exponent}");
}

/// Appends a number in plain decimal notation with at most 15 significant
/// digits, as Excel shows it: `0.1 + 0.2` is `0.3`, and `7.0` is `7`.
pub(super) fn plain(number: f64, out: &mut String) {
    if number < 0.0 {
        out.push('-');
    }
    if number.fract() == 0.0 && number.abs() < 1e15 {
        // Whole numbers of up to 15 digits are exact in both forms.
        return push_digits(number.abs() as u64, 1, out);
    }
    match short(number.abs()) {
        Some((digits, places, unit)) => {
            push_digits(digits / unit, 1, out);
            out.push('.');
            push_digits(digits % unit, places, out);
        }
        None => push_rounded(number, out),
    }
}

/// A positive number of few decimals as its digits, how many of them are
/// decimals, and ten to the power of that: 12.5 is 125, 1 and 10.
///
/// Digits and power of ten are exact, so that their quotient is the double
/// nearest to that decimal. If it is the number, the decimal is what the
/// number rounds to at 15 digits: no two such decimals have the same double.
fn short(number: f64) -> Option<(u64, usize, u64)> {
    const UNITS: [u32; 6] = [10, 100, 1_000, 10_000, 100_000, 1_000_000];
    (1..).zip(UNITS).find_map(|(places, unit)| {
        let digits = (number * f64::from(unit)).round();
        (digits < 1e15 && digits / f64::from(unit) == number).then_some((digits as u64, places, unit.into()))
    })
}

/// Appends a whole number, filled up with zeros.
fn push_digits(mut number: u64, at_least: usize, out: &mut String) {
    let mut digits = [0_u8; 20];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        if number == 0 && used >= at_least {
            break;
        }
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        used += 1;
    }
    let digits = digits.get(digits.len() - used..).unwrap_or_default();
    out.push_str(std::str::from_utf8(digits).unwrap_or_default());
}

/// The same as [`plain`] for any number that is not whole, without its sign.
fn push_rounded(number: f64, out: &mut String) {
    let text = format!("{:.14e}", number.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0');
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', (-exponent - 1).unsigned_abs() as usize));
        out.push_str(digits);
        return;
    }
    let whole = exponent.unsigned_abs() as usize + 1;
    match digits.split_at_checked(whole) {
        Some((all, "")) => out.push_str(all),
        Some((before, behind)) => {
            let _ = write!(out, "{before}.{behind}");
        }
        None => {
            out.push_str(digits);
            out.extend(std::iter::repeat_n('0', whole - digits.len()));
        }
    }
}

/// Days and seconds of a serial number, rounded to the second.
fn parts(serial: f64) -> (i64, i64) {
    let days = serial.floor();
    let seconds = ((serial - days) * SECONDS_A_DAY).round() as i64;
    let days = days as i64;
    if seconds >= 86_400 { (days + 1, 0) } else { (days, seconds) }
}

fn push_serial(row: &mut Row, serial: f64, is_1904: bool, scratch: &mut String) {
    if serial.is_finite() && (0.0..1.0).contains(&serial) {
        // A time just before midnight stays on this side of it.
        let seconds = ((serial * SECONDS_A_DAY).round() as i64).min(86_399);
        if let Some(time) = time_of(seconds) {
            return row.push(Cell::Time(time));
        }
    }
    match civil(serial, is_1904) {
        Some(at) => row.push(Cell::DateTime(at)),
        None => {
            if serial.is_finite() {
                plain(serial, scratch)
            } else {
                scratch.push_str("#NUM!")
            };
            row.push(Cell::Fault(CellFault::NoSuchDate(scratch)));
        }
    }
}

/// The civil date and time of a serial number.
fn civil(serial: f64, is_1904: bool) -> Option<DateTime> {
    if !(0.0..=3_000_000.0).contains(&serial) {
        return None;
    }
    let (days, seconds) = parts(serial);
    let day = if is_1904 {
        date(1904, 1, 1).checked_add(days.days()).ok()?
    } else {
        match days {
            NO_DAY => return None,
            ..NO_DAY => date(1899, 12, 31).checked_add(days.days()).ok()?,
            _ => date(1899, 12, 30).checked_add(days.days()).ok()?,
        }
    };
    let last = if is_1904 { LAST_DAY - 1462 } else { LAST_DAY };
    (days <= last).then_some(day.to_datetime(time_of(seconds)?))
}

/// True for a serial number that is neither a date nor a time of day in the
/// 1900 system.
pub(super) fn is_no_date(serial: f64) -> bool {
    !(0.0..1.0).contains(&serial) && civil(serial, false).is_none()
}

/// The serial number of a date and time in the 1900 system; `None` before 1900.
pub(super) fn serial(at: DateTime) -> Option<f64> {
    let day = at.date();
    let from = if day < date(1900, 3, 1) { date(1899, 12, 31) } else { date(1899, 12, 30) };
    let days = from.until(day).ok()?.get_days();
    (days >= 1).then(|| f64::from(days) + day_fraction(at.time()))
}

/// A time of day as a fraction of the day.
pub(super) fn day_fraction(time: Time) -> f64 {
    let seconds = i32::from(time.hour()) * 3600 + i32::from(time.minute()) * 60 + i32::from(time.second());
    f64::from(seconds) / SECONDS_A_DAY
}

fn time_of(seconds: i64) -> Option<Time> {
    let part = |value: i64| i8::try_from(value).ok();
    Time::new(part(seconds / 3600)?, part(seconds / 60 % 60)?, part(seconds % 60)?, 0).ok()
}

/// Hours beyond a day are no time of day and no date: their text, as Excel shows it.
fn push_duration(row: &mut Row, serial: f64, scratch: &mut String) {
    if !serial.is_finite() || !(1.0..1e9).contains(&serial) {
        return push_serial(row, serial, false, scratch);
    }
    let (days, seconds) = parts(serial);
    let _ = write!(
        scratch,
        "{}:{:02}:{:02}",
        days.saturating_mul(24) + seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    row.push(Cell::Text(scratch));
}

/// A date that the workbook holds as ISO 8601 text.
fn push_iso(row: &mut Row, text: &str) {
    let bare = text.strip_suffix('Z').unwrap_or(text);
    if let Ok(at) = bare.parse::<DateTime>() {
        row.push(Cell::DateTime(at));
    } else if let Ok(day) = bare.parse::<Date>() {
        row.push(Cell::DateTime(day.to_datetime(Time::midnight())));
    } else if let Ok(time) = bare.parse::<Time>() {
        row.push(Cell::Time(time));
    } else {
        row.push(Cell::Fault(CellFault::NoSuchDate(text)));
    }
}

#[cfg(test)]
mod tests {
    use calamine::{ExcelDateTime, ExcelDateTimeType};
    use proptest::prelude::*;

    use super::*;

    fn of(value: DataRef<'_>, is_1904: bool) -> String {
        let mut row = Row::default();
        push(
            &mut row,
            &SheetCell { place: 0, value, formula: false, percent: false },
            is_1904,
            &mut String::new(),
        );
        match row.cell(0) {
            Cell::Fault(CellFault::Error(text)) => format!("error {text}"),
            Cell::Fault(CellFault::PrecisionLost(text)) => format!("lost {text}"),
            Cell::Fault(CellFault::NoSuchDate(text)) => format!("no date {text}"),
            Cell::Time(time) => format!("time {time}"),
            Cell::DateTime(at) => at.to_string(),
            other => other.to_string(),
        }
    }

    fn dated(serial: f64, is_1904: bool) -> String {
        of(DataRef::DateTime(ExcelDateTime::new(serial, ExcelDateTimeType::DateTime, is_1904)), is_1904)
    }

    #[test]
    fn numbers_are_plain_text_with_15_digits_at_most() {
        for (number, text) in [
            (7.0, "7"),
            (-0.0, "0"),
            (0.1 + 0.2, "0.3"),
            (1.005, "1.005"),
            (-12.50, "-12.5"),
            (1e-7, "0.0000001"),
            (1.5e-7, "0.00000015"),
            (447_912_345_678.0, "447912345678"),
            (999_999_999_999_999.0, "999999999999999"),
            (123_456_789_012_345.6, "123456789012346"),
            (2.999_999_999_999_999_6, "3"),
            (99.999_999_999_999_99, "100"),
            (1e15, "lost 1E+15"),
            (-1.234_567_890_123_456_7e17, "lost -1.23456789012346E+17"),
            (f64::INFINITY, "error #NUM!"),
            (f64::NAN, "error #NUM!"),
        ] {
            assert_eq!(of(DataRef::Float(number), false), text);
        }
        assert!(!of(DataRef::Float(5e-324), false).contains('e'));
    }

    proptest! {
        #[test]
        fn a_number_of_few_decimals_is_what_its_rounding_gives(
            digits in 1_u64..1_000_000_000_000_000, places in 1_i32..9, cut in 1_u64..1_000_000_000_000, near in -2_i64..3,
        ) {
            for digits in [digits, digits % cut] {
                let number = digits as f64 / 10_f64.powi(places);
                let number = f64::from_bits(number.to_bits().saturating_add_signed(near));
                if number.fract() != 0.0 && number.is_finite() {
                    let (mut quick, mut thorough) = (String::new(), String::new());
                    plain(number, &mut quick);
                    push_rounded(number, &mut thorough);
                    prop_assert_eq!(quick, thorough);
                }
            }
        }

        #[test]
        fn any_number_is_what_its_rounding_gives(number in any::<f64>(), small in -1e6_f64..1e6) {
            for number in [number, small, (small * 64.0).round() / 64.0] {
                if number.fract() != 0.0 && number.is_finite() {
                    let (mut quick, mut thorough) = (String::new(), if number < 0.0 { "-" } else { "" }.to_owned());
                    plain(number, &mut quick);
                    push_rounded(number, &mut thorough);
                    prop_assert_eq!(quick, thorough);
                }
            }
        }

        #[test]
        fn a_whole_number_is_all_its_digits(number in -999_999_999_999_999_i64..1_000_000_000_000_000) {
            let mut text = String::new();
            plain(number as f64, &mut text);
            prop_assert_eq!(text, number.to_string());
        }
    }

    #[test]
    fn a_percentage_is_what_the_sheet_shows_to_the_last_digit() {
        let shown = |number: f64| {
            let mut row = Row::default();
            let cell = SheetCell { place: 0, value: DataRef::Float(number), formula: false, percent: true };
            push(&mut row, &cell, false, &mut String::new());
            match row.cell(0) {
                Cell::Percent(text) => text.to_owned(),
                other => format!("{other:?}"),
            }
        };
        for (number, text) in [
            (0.15, "15%"),
            (0.07, "7%"),
            (0.1 + 0.2, "30%"),
            (-0.125, "-12.5%"),
            (12.0, "1200%"),
            (0.0, "0%"),
            (1e-7, "0.00001%"),
            (123_456.789, "12345678.9%"),
        ] {
            assert_eq!(shown(number), text, "{number}");
        }
        // Too long for a number of the CRM, it is what the cell holds.
        assert!(shown(1e-100).starts_with("Number("), "{}", shown(1e-100));
        assert!(shown(1e15).contains("PrecisionLost"));
    }

    #[test]
    fn serials_are_the_dates_that_excel_shows() {
        for (serial, text) in [
            (1.0, "1900-01-01T00:00:00"),
            (59.0, "1900-02-28T00:00:00"),
            (60.0, "no date 60"),
            (60.5, "no date 60.5"),
            (61.0, "1900-03-01T00:00:00"),
            (45123.0, "2023-07-16T00:00:00"),
            (45943.541, "2025-10-13T12:59:02"),
            (45_123.999_999_9, "2023-07-17T00:00:00"),
            (2_958_465.0, "9999-12-31T00:00:00"),
            (2_958_466.0, "no date 2958466"),
            (-1.0, "no date -1"),
            (1e300, "no date 1"),
            (0.0, "time 00:00:00"),
            (0.395_833_333_333_333_3, "time 09:30:00"),
            (0.999_999_999, "time 23:59:59"),
        ] {
            assert!(dated(serial, false).starts_with(text), "{serial}: {}", dated(serial, false));
        }
        assert_eq!(dated(43661.0, true), "2023-07-16T00:00:00");
        assert_eq!(dated(1.25, true), "1904-01-02T06:00:00");
    }

    #[test]
    fn every_day_goes_into_a_serial_and_back() {
        let mut days: Vec<i32> = (1..=100).chain((100..2_958_465).step_by(997)).collect();
        days.retain(|&day| day != 60);
        for day in days {
            let at = civil(f64::from(day) + 0.5, false).unwrap();
            assert_eq!(serial(at), Some(f64::from(day) + 0.5), "{at}");
        }
        assert_eq!(serial(date(1899, 12, 31).at(0, 0, 0, 0)), None);
    }

    #[test]
    fn durations_and_iso_dates_are_read() {
        let long = ExcelDateTime::new(26.5 / 24.0, ExcelDateTimeType::TimeDelta, false);
        assert_eq!(of(DataRef::DateTime(long), false), "26:30:00");
        assert_eq!(of(DataRef::DateTimeIso("2024-02-29T10:00:00Z".into()), false), "2024-02-29T10:00:00");
        assert_eq!(of(DataRef::DateTimeIso("2024-02-29".into()), false), "2024-02-29T00:00:00");
        assert_eq!(of(DataRef::DateTimeIso("2023-02-29".into()), false), "no date 2023-02-29");
    }

    #[test]
    fn long_texts_and_formulas_without_value_are_faults() {
        let mut row = Row::default();
        for (value, formula) in [
            (DataRef::String("é".repeat(MAX_TEXT)), false),
            (DataRef::String("é".repeat(MAX_TEXT + 1)), false),
            (DataRef::Empty, true),
        ] {
            let cell = SheetCell { place: 0, value, formula, percent: false };
            push(&mut row, &cell, false, &mut String::new());
        }
        assert!(matches!(row.cell(0), Cell::Text(_)));
        assert_eq!(row.cell(1), Cell::Fault(CellFault::TooLong));
        assert_eq!(row.cell(2), Cell::Fault(CellFault::NoStoredValue));
    }
}
