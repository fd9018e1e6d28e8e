//! Decimal numbers as people write them, in every notation.
#![no_main]

use std::cmp::Ordering;

use carafe_fuzz::model::{Number, Value};
use carafe_fuzz::rules::convert::number::{Notation, read};
use carafe_fuzz::rules::mapping::DecimalMark;

libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (one, other) = text.split_once('\n').unwrap_or((text, "0"));
    for text in [one, other] {
        is_canonical(text);
        for id in [false, true] {
            for dressed in [false, true] {
                reads_in_every_notation(
                    text,
                    Notation { decimal: None, currency: dressed, percent: dressed, id },
                );
            }
        }
    }
    if let (Some(one), Some(other)) = (Number::parse(one), Number::parse(other)) {
        are_in_order(&one, &other);
    }
}

/// What is read has one text only, and that is JSON.
fn is_canonical(text: &str) {
    let Some(number) = Number::parse(text) else { return };
    let canonical = number.as_str();
    assert_eq!(Number::parse(canonical).as_ref(), Some(&number), "{text}");
    let (whole, fraction) = canonical.split_once('.').unwrap_or((canonical, "1"));
    let whole = whole.strip_prefix('-').unwrap_or(whole);
    assert!(whole == "0" || !whole.starts_with('0'), "{canonical}");
    assert!(!fraction.ends_with('0') && canonical != "-0", "{canonical}");
    assert!(canonical.bytes().all(|byte| byte.is_ascii_digit() || b"-.".contains(&byte)), "{canonical}");
    assert_eq!(
        Value::from_json(canonical).ok(),
        Some(Value::Number(number.clone())),
        "{canonical} is no JSON"
    );
    assert_eq!(number.decimals(), canonical.split_once('.').map_or(0, |(_, fraction)| fraction.len()));
    if let Some(whole) = number.as_i64() {
        assert_eq!(Number::from(whole), number);
    }
    keeps_its_digits(text, canonical);
    // A float is near enough to tell a wrong size.
    let (exact, float) = (canonical.parse::<f64>(), text.parse::<f64>());
    assert_eq!(exact.ok(), float.ok(), "{text} became {canonical}");
}

/// No digit is lost or made up, but for zeros at the ends.
fn keeps_its_digits(text: &str, read: &str) {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    let (before, after) = (digits(mantissa), digits(read));
    assert_eq!(before.trim_matches('0'), after.trim_matches('0'), "{text:?} became {read}");
}

fn reads_in_every_notation(text: &str, notation: Notation) {
    let with = |decimal| read(text, Notation { decimal, ..notation });
    let (plain, point, comma) = (with(None), with(Some(DecimalMark::Point)), with(Some(DecimalMark::Comma)));
    for (answer, mark) in [(&plain, '.'), (&point, '.'), (&comma, ',')] {
        let Ok(number) = answer else { continue };
        assert_eq!(Number::parse(number).as_ref().map(Number::as_str), Some(number.as_ref()), "{text:?}");
        keeps_its_digits(text, number);
        assert!(!notation.id || !number.contains('.'), "{text:?} is no id");
        // Written again with this mark it is the same.
        let again = number.replace('.', &mark.to_string());
        let decimal = Some(if mark == '.' { DecimalMark::Point } else { DecimalMark::Comma });
        assert_eq!(
            read(&again, Notation { decimal, ..notation }).as_deref(),
            Ok(number.as_ref()),
            "{text:?}"
        );
        is_fraction_where_the_mark_says_so(text, number, mark);
        is_as_large(text, number, mark);
    }
    if let (Ok(plain), Ok(point)) = (&plain, &point) {
        assert_eq!(plain, point, "{text:?} means something else where the mark is said");
    }
    assert!(plain.is_err() || !text.contains(','), "a comma is guessed at in {text:?}");
}

/// A float is near enough to tell a wrong size.
fn is_as_large(text: &str, number: &str, mark: char) {
    let other = if mark == '.' { ',' } else { '.' };
    let plain = |c: char| c.is_ascii_digit() || ".eE".contains(c);
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let mantissa: String =
        mantissa.replace(other, "").replace(mark, ".").chars().filter(|&c| plain(c)).collect();
    let exponent = exponent.trim_end_matches(|c: char| !c.is_ascii_digit());
    if let (Ok(dressed), Ok(read)) = (format!("{mantissa}e{exponent}").parse::<f64>(), number.parse::<f64>())
    {
        assert_eq!(dressed, read.abs(), "{text:?} became {number}");
    }
}

/// The digits behind the mark are those behind the point.
fn is_fraction_where_the_mark_says_so(text: &str, number: &str, mark: char) {
    if text.contains(['e', 'E']) {
        return;
    }
    let behind = text.split_once(mark).map_or("", |(_, behind)| behind);
    let digits: String = behind.chars().filter(char::is_ascii_digit).collect();
    let fraction = number.split_once('.').map_or("", |(_, fraction)| fraction);
    assert_eq!(digits.trim_end_matches('0'), fraction, "{text:?} became {number}");
}

fn are_in_order(one: &Number, other: &Number) {
    let order = one.compare(other);
    assert_eq!(order, other.compare(one).reverse());
    assert_eq!(order == Ordering::Equal, one == other);
    let floats = (one.as_str().parse::<f64>(), other.as_str().parse::<f64>());
    if let (Ok(a), Ok(b)) = floats
        && a != b
    {
        assert_eq!(Some(order), a.partial_cmp(&b), "{} and {}", one.as_str(), other.as_str());
    }
}
