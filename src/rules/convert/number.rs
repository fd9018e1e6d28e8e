//! Numbers, amounts and percentages as people write them.

use std::borrow::Cow;

use crate::rules::mapping::DecimalMark;

/// Why a text is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberFault {
    /// It is not a number in the column's notation.
    Form,
    /// It has separators that could mean two things; the mapping must say which.
    Ambiguous,
    /// `1.23E+11`: digits were lost before the file was written.
    PrecisionLost,
}

/// What a text may carry beside the digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notation {
    /// The decimal mark; without one, separators are not guessed at.
    pub decimal: Option<DecimalMark>,
    /// A currency sign before or after.
    pub currency: bool,
    /// A `%` after.
    pub percent: bool,
    /// The number is an id: no exponent, no fraction.
    pub id: bool,
}

/// Excel's way to write a long number it has shortened: `1.23E+11`.
pub fn looks_shortened_by_excel(text: &str) -> bool {
    // It begins with a sign or a digit, and few texts do.
    let bytes = text.as_bytes();
    if !bytes.first().is_some_and(|first| (b'+'..=b'9').contains(first)) {
        return false;
    }
    let bare = text.strip_prefix(['-', '+']).unwrap_or(text);
    // One digit, and behind it a mark or the exponent.
    if !matches!(bare.as_bytes(), [b'0'..=b'9', b'.' | b',' | b'E' | b'e', ..]) {
        return false;
    }
    let Some((mantissa, exponent)) = bare.split_once(['E', 'e']) else { return false };
    let Some(exponent) = exponent.strip_prefix('+') else { return false };
    let (whole, fraction) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    whole.len() == 1 && digits(whole) && digits(fraction) && digits(exponent)
}

/// Reads a number; the answer is canonical JSON notation.
pub fn read(text: &str, notation: Notation) -> Result<Cow<'_, str>, NumberFault> {
    if is_plain(text) && notation.decimal != Some(DecimalMark::Comma) {
        return Ok(Cow::Borrowed(text));
    }
    if notation.decimal != Some(DecimalMark::Comma)
        && !notation.id
        && let Some(number) = plain_decimal(text)
    {
        return Ok(Cow::Borrowed(number));
    }
    // An id in the form 1e3 may have lost digits before it came here.
    if notation.id && text.contains(['e', 'E']) && !looks_shortened_by_excel(text) {
        return Err(NumberFault::Form);
    }
    if looks_shortened_by_excel(text) && notation.id {
        return Err(NumberFault::PrecisionLost);
    }
    let (negative, bare) = strip_dressing(text, notation).ok_or(NumberFault::Form)?;
    let plain = plain_digits(bare, notation.decimal)?;
    let number = crate::model::Number::parse(&plain).ok_or(NumberFault::Form)?;
    if notation.id && number.decimals() > 0 {
        return Err(NumberFault::Form);
    }
    let text = number.as_str();
    Ok(Cow::Owned(if negative && text != "0" { format!("-{text}") } else { text.to_owned() }))
}

/// Already as the CRM wants it: digits without a leading zero, perhaps a sign.
fn is_plain(text: &str) -> bool {
    let bare = text.strip_prefix('-').unwrap_or(text);
    let first = bare.as_bytes().first();
    bare.len() <= 30
        && bare.bytes().all(|b| b.is_ascii_digit())
        && first.is_some_and(|&b| b != b'0' || text == "0")
}

/// The canonical form of digits with a decimal point, where it is a part of
/// the text: `31.10` is `31.1`. Neither signs nor zeros ahead.
fn plain_decimal(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let whole = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let fraction = bytes.get(whole + 1..)?;
    let no_zeros_ahead = whole == 1 || (whole > 1 && bytes[0] != b'0');
    if text.len() > 30
        || !no_zeros_ahead
        || bytes[whole] != b'.'
        || fraction.is_empty()
        || !fraction.iter().all(u8::is_ascii_digit)
    {
        return None;
    }
    Some(text.trim_end_matches('0').trim_end_matches('.'))
}

/// Takes off sign, parentheses, currency and percent signs.
fn strip_dressing(text: &str, notation: Notation) -> Option<(bool, &str)> {
    let mut rest = text.trim();
    let mut negative = false;
    if let Some(inner) = rest.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
        (negative, rest) = (true, inner.trim());
    }
    if notation.percent {
        rest = rest.strip_suffix('%').unwrap_or(rest).trim_end();
    }
    // The sign may stand before or behind the currency: -£5, £-5, 5-.
    for _ in 0..2 {
        if notation.currency {
            rest = rest.trim_start_matches(is_currency_sign).trim_end_matches(is_currency_sign).trim();
        }
        rest = without_dashes_for_cents(rest);
        let signed = rest.strip_prefix(['-', '\u{2212}']).or_else(|| rest.strip_suffix('-'));
        if let Some(unsigned) = signed {
            if negative {
                return None;
            }
            (negative, rest) = (true, unsigned.trim());
        }
    }
    rest = if negative { rest } else { rest.strip_prefix('+').unwrap_or(rest) };
    let begins_well = rest.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == ',');
    begins_well.then_some((negative, rest))
}

/// `1.250,-` and `5.–` have no cents: the dash behind the decimal mark is no minus.
fn without_dashes_for_cents(text: &str) -> &str {
    let bare = text.trim_end_matches(['-', '\u{2013}', '\u{2014}', '\u{2212}']);
    if bare.ends_with(['.', ',']) { bare } else { text }
}

fn is_currency_sign(c: char) -> bool {
    matches!(c, '$' | '£' | '€' | '¥' | '₹' | '¢' | '₩' | '₽' | '₺' | '₪' | '₴')
}

/// Takes out group separators and turns the decimal mark into a point.
fn plain_digits(text: &str, decimal: Option<DecimalMark>) -> Result<String, NumberFault> {
    let (mark, other) = match decimal {
        Some(DecimalMark::Comma) => (',', '.'),
        Some(DecimalMark::Point) => ('.', ','),
        None if text.contains(',') => {
            let marks = [DecimalMark::Point, DecimalMark::Comma];
            return Err(match marks.iter().any(|mark| reads_by(text, *mark)) {
                true => NumberFault::Ambiguous,
                false => NumberFault::Form,
            });
        }
        None => ('.', ','),
    };
    let (whole, fraction) = match text.split_once(mark) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let is_blank = |c: char| matches!(c, ' ' | '\u{A0}' | '\u{202F}' | '\u{2009}' | '\'' | '\u{2019}');
    let separator = whole.chars().find(|&c| c == other || is_blank(c));
    let whole = match separator {
        Some(separator) => ungrouped(whole, separator).ok_or(NumberFault::Form)?,
        None => whole.to_owned(),
    };
    Ok(match fraction {
        Some(fraction) => format!("{whole}.{fraction}"),
        None => whole,
    })
}

fn reads_by(text: &str, mark: DecimalMark) -> bool {
    plain_digits(text, Some(mark)).is_ok_and(|plain| crate::model::Number::parse(&plain).is_some())
}

/// Takes out the separators of groups of three; `None` where groups are not three.
fn ungrouped(whole: &str, separator: char) -> Option<String> {
    let mut groups = whole.split(separator);
    let first = groups.next()?;
    let all_digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    // 0.123 with a decimal comma is no thousand, and 1.5e3 no group of three.
    if !(1..=3).contains(&first.len()) || !all_digits(first) || first.starts_with('0') {
        return None;
    }
    let mut digits = first.to_owned();
    for group in groups {
        if group.len() != 3 || !all_digits(group) {
            return None;
        }
        digits.push_str(group);
    }
    Some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(decimal: Option<DecimalMark>, text: &str) -> Result<String, NumberFault> {
        read(text, Notation { decimal, currency: true, percent: true, id: false }).map(Cow::into_owned)
    }

    #[test]
    fn reads_the_notation_that_the_mapping_names() {
        let (point, comma) = (Some(DecimalMark::Point), Some(DecimalMark::Comma));
        for (mark, text, wanted) in [
            (None, "1200", "1200"),
            (None, "0012.50", "12.5"),
            (None, "-3.0", "-3"),
            (None, "1e5", "100000"),
            (None, "0", "0"),
            (None, "-0", "0"),
            (None, "+7", "7"),
            (None, "£1200.5", "1200.5"),
            (point, "1,234.56", "1234.56"),
            (point, "1,234", "1234"),
            (point, "$1,234,567", "1234567"),
            (comma, "1.234,56", "1234.56"),
            (comma, "1.234", "1234"),
            (comma, "1,9", "1.9"),
            (comma, "7", "7"),
            (comma, "1 234,5", "1234.5"),
            (comma, "1\u{A0}234,5 €", "1234.5"),
            (point, "(5.00)", "-5"),
            (point, "-£5", "-5"),
            (point, "£-5", "-5"),
            (point, "5-", "-5"),
            (comma, "1.250,-", "1250"),
            (comma, "-5,\u{2013} €", "-5"),
            (comma, "1.250,00-", "-1250"),
            (point, "1,250.--", "1250"),
            (None, "5.-", "5"),
            (None, "12.5%", "12.5"),
            (point, "1'234.5", "1234.5"),
            (None, "0.1", "0.1"),
            (None, "12345678901234567890.12", "12345678901234567890.12"),
        ] {
            assert_eq!(with(mark, text).as_deref(), Ok(wanted), "{mark:?} {text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused_with_the_reason() {
        let (point, comma) = (Some(DecimalMark::Point), Some(DecimalMark::Comma));
        for (mark, text, fault) in [
            (None, "12abc", NumberFault::Form),
            (None, "", NumberFault::Form),
            (None, "-", NumberFault::Form),
            (None, "1,234", NumberFault::Ambiguous),
            (None, "1,5", NumberFault::Ambiguous),
            (point, "1,23", NumberFault::Form),
            (point, "1.234,56", NumberFault::Form),
            (comma, "1,234.56", NumberFault::Form),
            (comma, "1.23.456", NumberFault::Form),
            (comma, "1.5e3", NumberFault::Form),
            (point, "1,5e3", NumberFault::Form),
            (comma, "1 .51", NumberFault::Form),
            (comma, "0.123", NumberFault::Form),
            (point, "0,123.5", NumberFault::Form),
            (point, "(-5)", NumberFault::Form),
            (point, "1.250,-", NumberFault::Form),
            (None, "1.250,-", NumberFault::Ambiguous),
            (None, "-.-", NumberFault::Form),
            (None, "NaN", NumberFault::Form),
            (None, "1.2.3", NumberFault::Form),
            (None, "--5", NumberFault::Form),
            (None, "１２", NumberFault::Form),
            (None, "1 2", NumberFault::Form),
        ] {
            assert_eq!(with(mark, text), Err(fault), "{mark:?} {text}");
        }
    }

    #[test]
    fn currency_and_percent_signs_only_where_the_type_has_them() {
        for text in ["£5", "5%"] {
            assert_eq!(read(text, Notation::default()), Err(NumberFault::Form), "{text}");
        }
    }

    #[test]
    fn an_id_that_excel_shortened_is_refused() {
        let id = Notation { id: true, ..Notation::default() };
        assert_eq!(read("1.23E+11", id), Err(NumberFault::PrecisionLost));
        assert_eq!(read("1.5", id), Err(NumberFault::Form));
        assert_eq!(read("90505", id).as_deref(), Ok("90505"));
        assert_eq!(read("90505.0", id).as_deref(), Ok("90505"));
        assert!(looks_shortened_by_excel("4,47912E+11"));
        for text in ["1E5", "E+5", "12.3E+4", "1.2E+", "MODEL E+5", "1.2E-5"] {
            assert!(!looks_shortened_by_excel(text), "{text}");
        }
    }
}
