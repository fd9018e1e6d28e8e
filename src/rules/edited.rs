//! Whether a record was modified after a run had ended, by the CRM's own clock.

use jiff::civil::DateTime;
use jiff::{Timestamp, tz};

use crate::model::Record;
use crate::rules::compare::plain_date;

/// The fields that say when a record was modified (source: field notes, "Filters").
const MODIFIED: [&str; 2] = ["modifieddate", "modified"];

/// Time zones lie a multiple of this apart, in seconds.
const STEP: i64 = 15 * 60;

/// The first and the last time zone, in seconds from UTC.
const ZONES: std::ops::RangeInclusive<i64> = -12 * 3600..=14 * 3600;

/// When a run sent its records, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending {
    first: DateTime,
    last: DateTime,
    /// How far the CRM's clock is ahead, in seconds.
    ahead: i64,
}

impl Sending {
    /// From the run's first attempt to its last.
    pub fn between(first: &str, last: &str) -> Option<Self> {
        let read = |text: &str| text.parse::<Timestamp>().ok().map(|at| tz::Offset::UTC.to_datetime(at));
        Some(Self { first: read(first)?, last: read(last)?, ahead: 0 })
    }

    /// Learns the CRM's time zone, which nothing else tells, from the records
    /// that the run wrote first: the earliest was modified when it was written.
    /// Where others edited all of them since, less is called edited than was.
    pub fn learn_zone<'r>(&mut self, records: impl Iterator<Item = &'r Record>) {
        let first = self.first;
        let ahead = records.filter_map(modified).map(|at| seconds(first, at));
        let steps = ahead.map(|ahead| (ahead + STEP / 2).div_euclid(STEP) * STEP);
        self.ahead = steps.filter(|ahead| ZONES.contains(ahead)).min().unwrap_or(0);
    }

    /// Whether the record was modified after the last attempt.
    pub fn edited_since(&self, record: &Record) -> bool {
        modified(record).is_some_and(|at| seconds(self.last, at) > self.ahead)
    }
}

fn modified(record: &Record) -> Option<DateTime> {
    let value = MODIFIED.iter().find_map(|name| record.get(name).filter(|value| !value.is_blank()))?;
    plain_date(&value.to_text(), 19).parse().ok()
}

fn seconds(from: DateTime, to: DateTime) -> i64 {
    to.duration_since(from).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RecordId, Value};

    fn record(modified: &str) -> Record {
        let fields = vec![("modifieddate".to_owned(), Value::from(modified))];
        Record { id: RecordId::new(1).unwrap(), fields }
    }

    fn sending() -> Sending {
        Sending::between("2026-11-24T10:00:00.5Z", "2026-11-24T10:20:00.25Z").unwrap()
    }

    #[test]
    fn what_was_modified_after_the_last_attempt_was_edited() {
        let mut sending = sending();
        sending.learn_zone([record("2026-11-24 10:00:01"), record("2026-11-24 12:00:00")].iter());
        for (modified, edited) in [
            ("2026-11-24 10:00:01", false),
            ("2026-11-24 10:20:00", false),
            ("2026-11-24 10:20:02", true),
            ("2026-11-25T09:00:00.000", true),
            ("2019-01-01 00:00:00", false),
            ("", false),
            ("yesterday", false),
        ] {
            assert_eq!(sending.edited_since(&record(modified)), edited, "{modified}");
        }
    }

    #[test]
    fn a_clock_in_another_time_zone_makes_no_edit() {
        for (first, other, edited) in [
            ("2026-11-24 11:00:00", "2026-11-24 11:19:59", false),
            ("2026-11-24 11:00:00", "2026-11-24 11:21:00", true),
            ("2026-11-24 05:00:00", "2026-11-24 05:21:00", true),
            ("2026-11-24 15:45:00", "2026-11-24 16:01:00", false),
        ] {
            let mut sending = sending();
            sending.learn_zone([record(other), record(first), record("2019-01-01 00:00:00")].iter());
            assert_eq!(sending.edited_since(&record(other)), edited, "{first} {other}");
        }
    }
}
