//! Decimal numbers as exact text: no float between a cell and the wire.

use std::borrow::Cow;
use std::fmt;

/// A number in canonical JSON notation: no exponent, no leading `+` or zeros,
/// no trailing zeros behind the point, never `-0`.
///
/// Two numbers are equal exactly when their texts are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Number(Box<str>);

/// Digits that a number may have when its exponent is written out. Far more
/// than any CRM column holds; it keeps `1e999999999` from filling the memory.
const MAX_DIGITS: usize = 60;

impl Number {
    /// Reads `[+-]digits[.digits][e[+-]digits]`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        if is_canonical(text) {
            return Some(Self(text.into()));
        }
        let (negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match rest.find(['e', 'E']) {
            Some(at) => (&rest[..at], rest[at + 1..].parse::<i32>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let digits = format!("{whole}{fraction}");
        let point = i64::try_from(whole.len()).ok()? + i64::from(exponent);
        place_point(negative, &digits, point).map(|text| Self(text.into()))
    }

    /// The canonical text of a number, which most texts are already; `None` for what is none.
    pub fn canonical(text: &str) -> Option<Cow<'_, str>> {
        if is_canonical(text) {
            return Some(text.into());
        }
        Self::parse(text).map(|number| String::from(number.0).into())
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number as it is shown in percent, `15%` for 0.15; none where that is
    /// longer than a number may be.
    pub fn in_percent(&self) -> Option<String> {
        Self::parse(&format!("{self}e2")).map(|shown| format!("{shown}%"))
    }

    /// The number that a percentage stands for, 0.15 for `15%`.
    pub fn of_percent(shown: &str) -> Option<Self> {
        Self::parse(&format!("{}e-2", shown.strip_suffix('%')?))
    }

    /// The value as a whole number, if it is one that fits.
    pub fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// Digits behind the decimal point.
    pub fn decimals(&self) -> usize {
        self.0.split_once('.').map_or(0, |(_, fraction)| fraction.len())
    }

    /// Orders two numbers by value.
    pub fn compare(&self, other: &Self) -> std::cmp::Ordering {
        use std::cmp::Ordering;
        let split = |n: &Self| -> (bool, String, String) {
            let text = n.as_str();
            let bare = text.strip_prefix('-').unwrap_or(text);
            let (whole, fraction) = bare.split_once('.').unwrap_or((bare, ""));
            (text.starts_with('-'), whole.to_owned(), fraction.to_owned())
        };
        let (a, b) = (split(self), split(other));
        let size = a.1.len().cmp(&b.1.len()).then_with(|| a.1.cmp(&b.1)).then_with(|| a.2.cmp(&b.2));
        match (a.0, b.0) {
            (false, false) => size,
            (true, true) => size.reverse(),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

/// Writes `digits` with the decimal point after `point` of them.
fn place_point(negative: bool, digits: &str, point: i64) -> Option<String> {
    let leading = digits.len() - digits.trim_start_matches('0').len();
    let significant = digits[leading..].trim_end_matches('0');
    if significant.is_empty() {
        return Some("0".to_owned());
    }
    let point = point - i64::try_from(leading).ok()?;
    let length = i64::try_from(significant.len()).ok()?;
    if point.max(length) - point.min(0) > i64::try_from(MAX_DIGITS).ok()? {
        return None;
    }
    let mut out = String::from(if negative { "-" } else { "" });
    if point <= 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', usize::try_from(-point).ok()?));
        out.push_str(significant);
    } else {
        let point = usize::try_from(point).ok()?;
        if significant.len() <= point {
            out.push_str(significant);
            out.extend(std::iter::repeat_n('0', point - significant.len()));
        } else {
            out.push_str(&significant[..point]);
            out.push('.');
            out.push_str(&significant[point..]);
        }
    }
    Some(out)
}

fn is_canonical(text: &str) -> bool {
    let bare = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match bare.split_once('.') {
        Some((whole, fraction)) if fraction.is_empty() || fraction.ends_with('0') || whole.is_empty() => {
            return false;
        }
        Some(parts) => parts,
        None => (bare, ""),
    };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let no_zeros_ahead = whole == "0" || (!whole.is_empty() && !whole.starts_with('0'));
    no_zeros_ahead && digits(whole) && digits(fraction) && bare.len() <= MAX_DIGITS && text != "-0"
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(value.to_string().into())
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self(value.to_string().into())
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Number;
    use std::cmp::Ordering;

    #[test]
    fn numbers_have_one_canonical_text() {
        for (given, canonical) in [
            ("0", "0"),
            ("-0", "0"),
            ("0.0", "0"),
            ("007", "7"),
            ("+5", "5"),
            ("1200.50", "1200.5"),
            (".5", "0.5"),
            ("5.", "5"),
            ("-0.50", "-0.5"),
            ("1e3", "1000"),
            ("1.23E+2", "123"),
            ("12e-3", "0.012"),
            ("0.1", "0.1"),
            ("12345678901234567890", "12345678901234567890"),
        ] {
            assert_eq!(Number::parse(given).map(|n| n.to_string()).as_deref(), Some(canonical), "{given}");
        }
    }

    #[test]
    fn what_is_not_a_number_is_none() {
        for given in [
            "",
            "-",
            ".",
            "1,5",
            "12abc",
            "1e",
            "1e99999999999",
            "1e400",
            "NaN",
            "0x10",
            "1 000",
            "--1",
            "1.2.3",
        ] {
            assert_eq!(Number::parse(given), None, "{given}");
        }
    }

    #[test]
    fn numbers_compare_by_value() {
        let n = |t: &str| Number::parse(t).unwrap();
        for (small, large) in
            [("-2", "-1"), ("-1", "0.5"), ("9", "10"), ("1.05", "1.5"), ("0.5", "1"), ("-1.5", "-1.05")]
        {
            assert_eq!(n(small).compare(&n(large)), Ordering::Less, "{small} {large}");
            assert_eq!(n(large).compare(&n(small)), Ordering::Greater, "{small} {large}");
        }
    }
}
