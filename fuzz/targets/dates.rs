//! Dates: formats, the CRM's own form, and the orders that a column can have.
//! The first line of an input is a format, the others are texts.
#![no_main]

use carafe_fuzz::is_fit_to_be_shown;
use carafe_fuzz::rules::convert::date::{DateFault, DateFormat, YEARS, date_text, datetime_text, iso};
use carafe_fuzz::rules::convert::order::{DateOrder, fits, read_in_order};
use jiff::civil::DateTime;

libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (pattern, texts) = text.split_once('\n').unwrap_or(("%d/%m/%Y", text));
    let format = DateFormat::new(pattern);
    if let Err(error) = &format {
        is_fit_to_be_shown(error);
    }
    for text in texts.split('\n') {
        if let Ok(format) = &format {
            reads_what_it_would_write(pattern, format, text);
        }
        reads_the_crms_own_form(text);
        for order in ORDERS {
            reads_in_order(text, order);
        }
    }
}

const ORDERS: [DateOrder; 5] = DateOrder::ALL;

/// Whatever was read, the CRM's form of it reads as the same.
fn goes_through_the_crm(at: DateTime) {
    assert!(YEARS.contains(&at.year()));
    assert_eq!(iso(&datetime_text(at)), Ok(at));
    assert_eq!(iso(&date_text(at)), Ok(at.date().at(0, 0, 0, 0)));
}

fn reads_what_it_would_write(pattern: &str, format: &DateFormat, text: &str) {
    is_fit_to_be_shown(&format.to_string());
    let sample = match format.read(text) {
        Ok(at) => {
            goes_through_the_crm(at);
            at
        }
        Err(_) => jiff::civil::date(2024, 2, 29).at(13, 45, 59, 0),
    };
    let Some(written) = written(pattern, sample) else { return };
    let read = format.read(&written);
    assert_eq!(read.map(|at| at.date()), Ok(sample.date()), "{pattern:?} does not read {written:?}");
    assert_eq!(read.is_ok_and(|at| at.time() == sample.time()), has_all_of(pattern, sample), "{written:?}");
}

/// A date as the pattern writes it; `None` where months' names run into letters.
fn written(pattern: &str, at: DateTime) -> Option<String> {
    const NAMES: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let name = NAMES[usize::from(at.month().unsigned_abs()) - 1];
    let half = if at.hour() < 12 { "AM" } else { "pm" };
    let mut out = String::new();
    let mut chars = pattern.chars().peekable();
    let mut after_name = false;
    while let Some(c) = chars.next() {
        let before = out.len();
        let letter = if c == '%' { chars.next()? } else { ' ' };
        match (c, letter) {
            ('%', 'Y') => out += &format!("{:04}", at.year()),
            ('%', 'y') => out += &format!("{:02}", at.year() % 100),
            ('%', 'm') => out += &format!("{:02}", at.month()),
            ('%', 'd' | 'e') => out += &format!("{:02}", at.day()),
            ('%', 'b') => out += &name[..3],
            ('%', 'B') => out += name,
            ('%', 'H') => out += &format!("{:02}", at.hour()),
            ('%', 'I') => out += &format!("{:02}", (at.hour() + 11) % 12 + 1),
            ('%', 'M') => out += &format!("{:02}", at.minute()),
            ('%', 'S') => out += &format!("{:02}", at.second()),
            ('%', 'p' | 'P') => out += half,
            ('%', 'F') => out += &date_text(at),
            ('%', 'T') => out += &datetime_text(at)[11..],
            ('%', '%') => out.push('%'),
            (c, _) if c.is_whitespace() => out += if out.ends_with(' ') { "" } else { " " },
            (c, _) => out.push(c),
        }
        if after_name && out[before..].starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        after_name = c == '%' && matches!(letter, 'b' | 'B');
    }
    // A century that two digits do not stand for.
    let short = pattern.replace("%%", "").contains("%y") && !(1969..=2068).contains(&at.year());
    (!short).then_some(out)
}

/// Whether the pattern writes all that the time has.
fn has_all_of(pattern: &str, at: DateTime) -> bool {
    let pattern = pattern.replace("%%", "");
    let has = |letters: &[&str]| letters.iter().any(|letter| pattern.contains(letter));
    (at.hour() == 0 || has(&["%H", "%I", "%T"]))
        && (at.minute() == 0 || has(&["%M", "%T"]))
        && (at.second() == 0 || has(&["%S", "%T"]))
}

/// jiff's own reader agrees, but for the zone and the fraction.
fn reads_the_crms_own_form(text: &str) {
    match iso(text) {
        Ok(at) => {
            goes_through_the_crm(at);
            // It wants two digits for the hour.
            if let Ok(theirs) = text.parse::<DateTime>() {
                assert_eq!(theirs.with().subsec_nanosecond(0).build().ok(), Some(at), "{text:?}");
            }
            assert_eq!(read_in_order(text, DateOrder::YearMonthDay), Ok(at), "{text:?}");
        }
        Err(DateFault::Zone) => assert!(text.len() > "2024-02-13T9:30".len(), "{text:?}"),
        Err(DateFault::Form | DateFault::NoSuchDay | DateFault::Year) => {}
    }
}

fn reads_in_order(text: &str, order: DateOrder) {
    let at = match (fits(text, order), read_in_order(text, order)) {
        (true, Ok(at)) => at,
        (true, Err(fault)) => {
            return assert!(matches!(fault, DateFault::NoSuchDay | DateFault::Year), "{text:?} {fault:?}");
        }
        (false, read) => {
            return assert!(
                matches!(read, Err(DateFault::Form | DateFault::Zone)),
                "{text:?} {order:?} {read:?}"
            );
        }
    };
    goes_through_the_crm(at);
    let plain = |c: char| c.is_ascii_alphanumeric() || c.is_whitespace() || "/.-:,".contains(c);
    assert!(text.chars().all(plain), "{text:?} was read as {at}");
    let (year, month, day) = (at.year(), at.month(), at.day());
    let name = at.strftime("%b").to_string();
    let written = match order {
        DateOrder::YearMonthDay => format!("{year}/{month}/{day}"),
        DateOrder::DayMonthYear => format!("{day}.{month}.{year}"),
        DateOrder::MonthDayYear => format!("{month}-{day}-{year}"),
        DateOrder::DayNameYear => format!("{day} {name} {year}"),
        DateOrder::NameDayYear => format!("{name} {day}, {year}"),
    };
    for (time, wanted) in [
        (String::new(), at.date().at(0, 0, 0, 0)),
        (format!(" {}:{:02}:{:02}", at.hour(), at.minute(), at.second()), at),
        (at.strftime(" %I:%M:%S %p").to_string(), at),
    ] {
        let written = format!("{written}{time}");
        assert_eq!(read_in_order(&written, order), Ok(wanted), "{written:?} from {text:?}");
    }
}
