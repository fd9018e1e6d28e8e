//! The time of day behind a date, whatever form the date has.

use super::date::DateFault;

/// Hour, minute and second.
pub(super) type Clock = (i8, i8, i8);

/// Reads what stands behind a date: a blank, a comma or a `T`, and a time of day.
pub(super) fn read_behind_date(text: &str) -> Result<Clock, DateFault> {
    let time = text.trim_start_matches(['T', ' ', ',']);
    match read_time(time) {
        Some(clock) if time.len() < text.len() => Ok(clock),
        Some(_) => Err(DateFault::Form),
        None => Err(if names_zone(time) { DateFault::Zone } else { DateFault::Form }),
    }
}

/// Whether a text that is no time of day would be one without its zone.
pub(super) fn names_zone(time: &str) -> bool {
    let is_zoned = time.ends_with('Z') || time.rfind(['+', '-']).is_some_and(|at| at > 3);
    is_zoned && time.contains(':') && time.starts_with(|c: char| c.is_ascii_digit())
}

/// `9:30`, `09:30:15`, `9:30:15.250`, `9:30 PM`.
pub(super) fn read_time(text: &str) -> Option<Clock> {
    let lower = text.to_ascii_lowercase();
    let (clock, half) =
        match lower.strip_suffix("am").map(|t| (t, 0)).or(lower.strip_suffix("pm").map(|t| (t, 12))) {
            Some((clock, half)) => (clock.trim_end(), Some(half)),
            None => (lower.as_str(), None),
        };
    let mut parts = clock.split(':');
    let (hour, minute) = (parts.next()?, parts.next()?);
    let second = parts.next().unwrap_or("00");
    let (second, fraction) = second.split_once('.').unwrap_or((second, "0"));
    let is_two = |part: &str| part.len() == 2 && is_number(part, 2);
    let well_formed = is_number(hour, 2) && is_two(minute) && is_two(second) && is_number(fraction, 9);
    if parts.next().is_some() || !well_formed {
        return None;
    }
    let (mut hour, minute, second) = (hour.parse().ok()?, minute.parse().ok()?, second.parse().ok()?);
    if let Some(half) = half {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + half;
    }
    (hour < 24 && minute < 60 && second < 60).then_some((hour, minute, second))
}

fn is_number(part: &str, most: usize) -> bool {
    (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_stands_apart_from_its_date() {
        for (text, wanted) in [
            (" 9:30", Ok((9, 30, 0))),
            ("T09:30:15.250", Ok((9, 30, 15))),
            (", 9:30 PM", Ok((21, 30, 0))),
            ("9:30", Err(DateFault::Form)),
            (" 24:00", Err(DateFault::Form)),
            (" 9:30Z", Err(DateFault::Zone)),
            (" 9:30+01", Err(DateFault::Zone)),
            (" maybe-later", Err(DateFault::Form)),
            ("", Err(DateFault::Form)),
        ] {
            assert_eq!(read_behind_date(text), wanted, "{text}");
        }
    }
}
