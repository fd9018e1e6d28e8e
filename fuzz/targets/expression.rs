//! `expr`: what reads can be run over any row, and ends.
#![no_main]

use std::sync::LazyLock;

use carafe_fuzz::model::Header;
use carafe_fuzz::rules::expression::{Expression, column_names};
use carafe_fuzz::rules::names::folded;
use carafe_fuzz::{header, is_fit_to_be_shown, points_into};

libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let expression = match Expression::compile(text, &HEADER) {
        Ok(expression) => expression,
        Err(error) => return points_into(&error, text),
    };
    let named = column_names(text);
    for &column in expression.columns() {
        let name = folded(&HEADER.columns[column].name).into_owned();
        // `#2` is the second column, `Name#2` the second of that name.
        let is_it = |named: &String| folded(named) == name || named.contains('#');
        assert!(named.iter().any(is_it), "{name} is not among {named:?}");
    }
    for row in ROWS {
        let result = expression.result(|column| row[column]);
        match &result {
            Ok(text) => assert!(text.len() <= 64 << 10),
            Err(reason) => is_fit_to_be_shown(reason),
        }
        assert_eq!(expression.result(|column| row[column]), result, "it depends on more than the row");
    }
}

const NAMES: [&str; 5] = ["Owner", "First name", "Turnover", "Straße 2", "a`b"];

const ROWS: [[&str; 5]; 3] = [
    ["ada lovelace", "Ada", "1200", "Hof 3", "x"],
    ["", "", "", "", ""],
    ["\u{1b}[31m\u{202E}", "İ\u{301}ß", "-9223372036854775808", "a;b;c", "{{ x }}"],
];

static HEADER: LazyLock<Header> = LazyLock::new(|| header(NAMES));
