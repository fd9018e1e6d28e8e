//! Which form the dates of a column have, with the row that shows it.
//!
//! The order of day, month and year is decided by `proof`; here it becomes a
//! format that can be written: separators, digits of the year, time of day.

use super::profile::example;
use crate::rules::convert::date::{DateFault, DateFormat, iso};
use crate::rules::convert::order::{DateOrder, fits};
use crate::rules::convert::pattern::pattern;
use crate::rules::proof::{DateEvidence, Proof, Witness};

/// The part of the dates that must agree before the rest counts as slips.
const MOST: f64 = 0.8;

/// Most formats that are remembered of a column.
const MOST_FORMS: usize = 12;

/// The longest text that can be a date, in bytes.
const LONGEST: usize = 40;

const ORDERS: [DateOrder; 5] = DateOrder::ALL;

/// The forms of a column's dates, heard cell by cell.
#[derive(Clone, Debug, Default)]
pub struct DateForms {
    evidence: DateEvidence,
    forms: Vec<Form>,
    /// Texts that are dates in some order.
    dated: u64,
    /// Of these, texts that the CRM's own notation reads.
    iso: u64,
    /// Texts that fit each order, and the first that fits no other.
    orders: [(u64, Option<Witness>); ORDERS.len()],
    /// Whether any of the dates holds a time of day.
    timed: bool,
    /// `20240213`, and the first of them.
    compact: (u64, Option<Witness>),
    /// Excel's numbers for days, and the first of them.
    serials: (u64, Option<Witness>),
}

#[derive(Clone, Debug)]
struct Form {
    order: DateOrder,
    format: DateFormat,
    cells: u64,
    first: Witness,
}

/// What is to be written about a column's dates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DateVerdict {
    /// They need no format: ISO dates, date cells of a workbook, or none at all.
    Plain,
    /// This format.
    Form {
        /// `%d/%m/%Y`
        format: String,
        /// A cell that proves it.
        witness: Witness,
        /// Dates in another form, and the first of them.
        others: Option<(u64, Witness)>,
    },
    /// The order is known, the forms are several.
    Forms(DateOrder, Vec<String>),
    /// The cells fit several formats; a cell that means another day in each.
    Open(Vec<String>, Witness),
    /// Two cells that no one format reads, and the formats of some.
    Torn(Witness, Witness, Vec<String>),
    /// Excel's numbers for days.
    Serials(Witness),
}

impl DateForms {
    /// Hears a date cell of a workbook.
    pub fn add_cell(&mut self, has_time: bool) {
        self.timed |= has_time;
    }

    /// Hears a text; true where it is a date in some form.
    pub fn add(&mut self, row: u64, text: &str) -> bool {
        if text.len() > LONGEST || !text.bytes().any(|byte| byte.is_ascii_digit()) {
            return false;
        }
        let fitting: Vec<usize> = (0..ORDERS.len()).filter(|&at| fits(text, ORDERS[at])).collect();
        if fitting.is_empty() {
            return self.add_digits(row, text);
        }
        self.dated += 1;
        self.iso += u64::from(!matches!(iso(text), Err(DateFault::Form | DateFault::Zone)));
        self.timed |= text.contains(':');
        self.evidence.add(row, text);
        for &at in &fitting {
            self.orders[at].0 += 1;
            if fitting.len() == 1 {
                self.orders[at].1.get_or_insert_with(|| example(row, text));
            }
            self.add_form(row, text, ORDERS[at]);
        }
        true
    }

    fn add_form(&mut self, row: u64, text: &str, order: DateOrder) {
        let mut known = false;
        for form in self.forms.iter_mut().filter(|form| form.order == order && form.reads(text)) {
            form.cells += 1;
            known = true;
        }
        if known || self.forms.len() >= MOST_FORMS {
            return;
        }
        if let Some(format) = pattern(text, order).and_then(|pattern| DateFormat::new(&pattern).ok()) {
            let mut form = Form { order, format, cells: 1, first: example(row, text) };
            if form.reads(text) {
                // A form without a time of day reads those that have one as well.
                let read = self.forms.iter().filter(|before| before.order == order);
                let read = read.filter(|before| form.reads(&before.first.text));
                form.cells += read.map(|before| before.cells).sum::<u64>();
                self.forms.push(form);
            }
        }
    }

    /// Dates without anything between their parts are known only by their column.
    fn add_digits(&mut self, row: u64, text: &str) -> bool {
        let Ok(number) = text.parse::<u32>() else { return false };
        let is_compact = text.len() == 8
            && (1900..2100).contains(&(number / 10_000))
            && (1..=12).contains(&(number / 100 % 100))
            && (1..=31).contains(&(number % 100));
        let (count, first) = match number {
            _ if is_compact => &mut self.compact,
            // The days from 1954 to 2119.
            20_000..80_000 => &mut self.serials,
            _ => return false,
        };
        *count += 1;
        first.get_or_insert_with(|| example(row, text));
        false
    }

    /// Dates that are written with digits alone.
    pub fn digits(&self) -> u64 {
        self.compact.0 + self.serials.0
    }

    /// Whether any of the dates has a time of day.
    pub fn has_times(&self) -> bool {
        self.timed
    }

    /// What the column shows.
    pub fn conclude(&self) -> DateVerdict {
        if self.dated == 0 {
            return match (&self.compact, &self.serials) {
                ((count, Some(witness)), (serials, _)) if count >= serials => {
                    DateVerdict::Form { format: "%Y%m%d".to_owned(), witness: witness.clone(), others: None }
                }
                (_, (_, Some(witness))) => DateVerdict::Serials(witness.clone()),
                _ => DateVerdict::Plain,
            };
        }
        if self.iso == self.dated {
            return DateVerdict::Plain;
        }
        match self.evidence.conclude() {
            Proof::Proven { reading, witness, .. } => self.in_order(reading, witness),
            // As a format it reads these cells, and says what later ones are.
            Proof::Indifferent(reading) => match self.forms.iter().find(|form| form.order == reading) {
                Some(form) => self.in_order(reading, form.first.clone()),
                None => DateVerdict::Plain,
            },
            Proof::Ambiguous { readings, witness } => {
                let formats = readings.iter().filter_map(|order| self.commonest(*order)).collect();
                DateVerdict::Open(formats, witness)
            }
            Proof::Contradiction { one, other } => match self.majority().map(|(o, w)| self.in_order(o, w)) {
                // Without a format an import asks about the contradiction.
                Some(DateVerdict::Forms(..)) | None => {
                    let orders = one.1.iter().chain(&other.1);
                    let formats = orders.filter_map(|order| self.commonest(*order)).collect();
                    DateVerdict::Torn(one.0, other.0, formats)
                }
                Some(verdict) => verdict,
            },
            Proof::NotNeeded => DateVerdict::Plain,
        }
    }

    /// The order that nearly all dates have, where some can have no other.
    fn majority(&self) -> Option<(DateOrder, Witness)> {
        let mut counts: Vec<(u64, usize)> = (0..ORDERS.len()).map(|at| (self.orders[at].0, at)).collect();
        counts.sort_by(|a, b| b.cmp(a));
        let [(most, at), (next, _), ..] = counts.as_slice() else { return None };
        let witness = self.orders[*at].1.clone()?;
        let clear = *most as f64 >= MOST * self.dated as f64 && (*next as f64) < 0.9 * *most as f64;
        clear.then_some((ORDERS[*at], witness))
    }

    fn in_order(&self, order: DateOrder, witness: Witness) -> DateVerdict {
        let mut forms: Vec<&Form> = self.forms.iter().filter(|form| form.order == order).collect();
        forms.sort_by_key(|form| std::cmp::Reverse(form.cells));
        let Some(top) = forms.first() else { return DateVerdict::Plain };
        if (top.cells as f64) < MOST * self.dated as f64 {
            return DateVerdict::Forms(order, forms.iter().map(|form| form.format.to_string()).collect());
        }
        let first = self.forms.iter().map(|form| &form.first).filter(|first| !top.reads(&first.text));
        let others = first.min_by_key(|first| first.row).cloned();
        // A cell that proves the order is the better example, where the format reads it.
        let witness = if top.reads(&witness.text) { witness } else { top.first.clone() };
        DateVerdict::Form {
            format: top.format.to_string(),
            witness,
            others: others.map(|first| (self.dated.saturating_sub(top.cells).max(1), first)),
        }
    }

    fn commonest(&self, order: DateOrder) -> Option<String> {
        let forms = self.forms.iter().filter(|form| form.order == order);
        // Of equals the first.
        forms.rev().max_by_key(|form| form.cells).map(|form| form.format.to_string())
    }

    /// The order that this column proves for itself, as a hint for others.
    pub fn proves(&self) -> Option<DateOrder> {
        match self.evidence.conclude() {
            Proof::Proven {
                reading: reading @ (DateOrder::DayMonthYear | DateOrder::MonthDayYear), ..
            } => Some(reading),
            _ => None,
        }
    }
}

impl Form {
    /// A day that does not exist (31 February) still has the form.
    fn reads(&self, text: &str) -> bool {
        let read = self.format.read(text);
        matches!(read, Ok(_) | Err(DateFault::NoSuchDay)) && fits(text, self.order)
    }
}

/// `9:30`, `14:00:05`: a time of day alone.
pub fn is_time(text: &str) -> bool {
    let mut parts = text.split(':');
    let below = |part: Option<&str>, most: u32| {
        part.is_some_and(|p| (1..=2).contains(&p.len()) && p.parse::<u32>().is_ok_and(|n| n < most))
    };
    let begins = below(parts.next(), 24) && below(parts.next(), 60);
    begins && parts.next().is_none_or(|seconds| below(Some(seconds), 60)) && parts.next().is_none()
}

/// The time's part of a format for such a text.
pub fn time_format(text: &str) -> &'static str {
    if text.matches(':').count() > 1 { "%H:%M:%S" } else { "%H:%M" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cells: &[&str]) -> DateVerdict {
        let mut forms = DateForms::default();
        cells.iter().zip(2..).for_each(|(text, row)| {
            forms.add(row, text);
        });
        forms.conclude()
    }

    fn form(format: &str, row: u64, text: &str) -> DateVerdict {
        DateVerdict::Form { format: format.to_owned(), witness: example(row, text), others: None }
    }

    #[test]
    fn a_column_in_one_form_gives_its_format_and_the_row_that_proves_it() {
        for (cells, format, row) in [
            (&["01/02/2024", "13/02/2024"][..], "%d/%m/%Y", 3),
            (&["1/2/2024", "2/13/2024"], "%m/%d/%Y", 3),
            (&["1.2.24", "31.12.99"], "%d.%m.%y", 3),
            (&["3 Mar 2021", "13 April 2021"], "%d %b %Y", 2),
            (&["Mar 3, 2021"], "%b %d, %Y", 2),
            (&["13-Feb-24"], "%d-%b-%y", 2),
            (&["2024/02/13"], "%Y/%m/%d", 2),
            (&["14/03/2025 08:30", "02/04/2025 17:05"], "%d/%m/%Y %H:%M", 2),
            (&["3/14/2025 8:30:15 PM"], "%m/%d/%Y %I:%M:%S %p", 2),
            (&["3/14/2025 8:30pm"], "%m/%d/%Y %I:%M%p", 2),
            (&["31/02/2024", "01/02/2024"], "%d/%m/%Y", 2),
            (&["n/a", "13.02.2024", ""], "%d.%m.%Y", 3),
            (&["13.02.2024 9:30", "14.02.2024", "15.02.2024 9:30:10"], "%d.%m.%Y", 2),
        ] {
            assert_eq!(of(cells), form(format, row, cells[row as usize - 2]), "{cells:?}");
        }
    }

    #[test]
    fn what_needs_no_format_gets_none() {
        assert_eq!(of(&["2024-02-13", "2024-02-13 09:30", "2024-02-30"]), DateVerdict::Plain);
        assert_eq!(of(&["n/a", "tbc"]), DateVerdict::Plain);
    }

    #[test]
    fn what_cannot_be_told_is_asked() {
        let formats = ["%d/%m/%Y", "%m/%d/%Y"].map(str::to_owned).to_vec();
        assert_eq!(of(&["01/01/2024", "03/04/2026"]), DateVerdict::Open(formats, example(3, "03/04/2026")));
        assert!(matches!(of(&["13/02/2024", "2/13/2024"]), DateVerdict::Torn(..)));
        assert!(matches!(of(&["45123", "45200"]), DateVerdict::Serials(_)));
        assert_eq!(of(&["20240213"]), form("%Y%m%d", 2, "20240213"));
    }

    #[test]
    fn a_few_slips_do_not_turn_a_column() {
        let mut cells = vec!["27.08.2008"; 9];
        cells.push("2019-05-01");
        let DateVerdict::Form { format, others, .. } = of(&cells) else { panic!() };
        assert_eq!((format.as_str(), others), ("%d.%m.%Y", Some((1, example(11, "2019-05-01")))));
    }

    #[test]
    fn several_forms_of_one_order_are_named() {
        let DateVerdict::Forms(order, forms) = of(&["13/02/2024", "14.02.2024", "15/02/24"]) else {
            panic!()
        };
        assert_eq!(order, DateOrder::DayMonthYear);
        assert_eq!(forms, ["%d/%m/%Y", "%d.%m.%Y", "%d/%m/%y"]);
    }

    #[test]
    fn times_of_day_are_known() {
        assert!(["9:30", "14:00:05", "0:00"].into_iter().all(is_time));
        assert!(!["24:00", "9:60", "9", "9:30 Uhr", "1:2:3:4", ""].into_iter().any(is_time));
    }
}
