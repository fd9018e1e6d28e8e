//! From a date as it is written to the format that reads it: separators,
//! digits of the year, time of day. Which part is the day, the order says.

use super::order::DateOrder;

/// The format of a text whose parts stand in this order, its time of day too.
pub fn pattern(text: &str, order: DateOrder) -> Option<String> {
    let (out, runs) = date_and_rest(text, order)?;
    if runs.rest.is_empty() { Some(out) } else { time_pattern(runs, out) }
}

/// The format of such a text's date alone. It reads other dates of the column
/// too, whether or not a time of day stands behind them.
pub fn date_pattern(text: &str, order: DateOrder) -> Option<String> {
    date_and_rest(text, order).map(|(out, _)| out)
}

fn date_and_rest(text: &str, order: DateOrder) -> Option<(String, Runs<'_>)> {
    let mut runs = Runs { rest: text };
    let mut out = String::new();
    let parts: [&str; 3] = match order {
        DateOrder::YearMonthDay => ["%Y", "%m", "%d"],
        DateOrder::DayMonthYear => ["%d", "%m", "%Y"],
        DateOrder::MonthDayYear => ["%m", "%d", "%Y"],
        DateOrder::DayNameYear => ["%d", "%b", "%Y"],
        DateOrder::NameDayYear => ["%b", "%d", "%Y"],
    };
    for (at, part) in parts.into_iter().enumerate() {
        let run = runs.word()?;
        out.push_str(if part == "%Y" && run.len() == 2 { "%y" } else { part });
        if at < 2 {
            out.push_str(&runs.between());
        }
    }
    Some((out, runs))
}

fn time_pattern(mut runs: Runs<'_>, mut out: String) -> Option<String> {
    let half = runs.rest.to_ascii_lowercase();
    let has_half = half.ends_with("am") || half.ends_with("pm");
    let before = runs.between();
    out.push_str(&before);
    if before.is_empty() {
        out.push_str(&runs.rest.strip_prefix('T').map(|_| runs.take(1))?);
    }
    runs.word()?;
    out.push_str(if has_half { "%I" } else { "%H" });
    for part in ["%M", "%S"] {
        if !runs.rest.starts_with(':') {
            break;
        }
        runs.take(1);
        let digits = runs.rest.bytes().take_while(u8::is_ascii_digit).count();
        runs.take(digits);
        out.push(':');
        out.push_str(part);
    }
    if has_half {
        out.push_str(&runs.between());
        runs.word()?;
        out.push_str("%p");
    }
    runs.rest.is_empty().then_some(out)
}

/// A text cut into digits, letters and what stands between.
struct Runs<'t> {
    rest: &'t str,
}

impl Runs<'_> {
    fn take(&mut self, bytes: usize) -> String {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken.to_owned()
    }

    /// A run of digits, or of letters.
    fn word(&mut self) -> Option<String> {
        let is_digit = self.rest.bytes().next()?.is_ascii_digit();
        let same = |byte: &u8| if is_digit { byte.is_ascii_digit() } else { byte.is_ascii_alphabetic() };
        let length = self.rest.bytes().take_while(same).count();
        (length > 0).then(|| self.take(length))
    }

    /// What stands before the next letter or digit, blanks as one.
    fn between(&mut self) -> String {
        let length = self.rest.find(|c: char| c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let mut out = String::new();
        for c in self.take(length).chars() {
            match c {
                c if !c.is_whitespace() => out.push(c),
                _ if out.ends_with(' ') => {}
                _ => out.push(' '),
            }
        }
        out.replace('%', "%%")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::convert::date::DateFormat;
    use crate::rules::convert::order::read_in_order;

    #[test]
    fn the_format_of_a_date_reads_it_as_its_order_does() {
        use DateOrder::{DayMonthYear, DayNameYear, MonthDayYear, NameDayYear, YearMonthDay};
        for (text, order, wanted) in [
            ("1.2.2024", DayMonthYear, "%d.%m.%Y"),
            ("02.01.2024 10:00", MonthDayYear, "%m.%d.%Y"),
            ("1/2/24, 9:30 pm", DayMonthYear, "%d/%m/%y"),
            ("24-1-2T9:30", YearMonthDay, "%y-%m-%d"),
            ("13-Feb-24", DayNameYear, "%d-%b-%y"),
            ("Feb 3, 2024 9:30", NameDayYear, "%b %d, %Y"),
        ] {
            let found = date_pattern(text, order);
            assert_eq!(found.as_deref(), Some(wanted), "{text}");
            let read = read_in_order(text, order);
            assert!(read.is_ok(), "{text}");
            assert_eq!(DateFormat::new(wanted).unwrap().read(text), read, "{text}");
        }
    }
}
