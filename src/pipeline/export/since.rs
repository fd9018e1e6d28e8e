//! What was created or changed since a time, by the dates that the CRM keeps.

use jiff::civil::{Date, DateTime};

use crate::model::{Dictionary, Filter, Test, Value, shown};
use crate::pipeline::PipelineError;
use crate::rules::exported::date_of_change;

/// When it was created. Whether a new record has a date of its last change, nobody has written down.
const CREATED: &str = "createddate";

/// The records that were created or changed at a time or later.
///
/// # Errors
/// The object's records have no such date.
pub fn changed_since(dictionary: &Dictionary, since: DateTime) -> Result<Filter, PipelineError> {
    let dates = dates_of(dictionary);
    if dates.is_empty() {
        let object = shown(&dictionary.object);
        return Err(PipelineError::usage(
            format!("{object} has no date of the last change, so --since cannot tell what is new"),
            format!("export {object} without --since"),
        ));
    }
    let at_least =
        |field: &str| Filter::Field(field.to_owned(), Test::AtLeast(Value::from(written(since).as_str())));
    Ok(match dates.as_slice() {
        [one] => at_least(one),
        several => Filter::Any(several.iter().map(|field| at_least(field)).collect()),
    })
}

/// The fields that tell when a record was created or last changed; none where nothing tells the latter.
pub fn dates_of(dictionary: &Dictionary) -> Vec<&'static str> {
    let has = |name: &&str| dictionary.get(name).is_some();
    date_of_change(dictionary)
        .into_iter()
        .flat_map(|changed| [Some(changed), Some(CREATED).filter(has)])
        .flatten()
        .collect()
}

/// As the CRM writes times.
pub fn written(time: DateTime) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Reads what is typed behind `--since`: a day, or a day and a time.
///
/// # Errors
/// It is none.
pub fn parse_since(text: &str) -> Result<DateTime, PipelineError> {
    let plain = text.trim();
    let is_day = plain.len() == "0000-00-00".len();
    let day = || plain.parse::<Date>().ok().map(|day| day.at(0, 0, 0, 0));
    let time = || {
        // Not what has a zone: the CRM's times have none.
        let has_zone =
            plain.ends_with(['Z', 'z']) || plain.contains(['+', '[']) || plain.matches('-').count() > 2;
        let short = format!("{plain}:00");
        let text = if plain.len() == "0000-00-00 00:00".len() { short.as_str() } else { plain };
        (!has_zone && text.len() == "0000-00-00 00:00:00".len())
            .then(|| text.parse::<DateTime>().ok())
            .flatten()
    };
    if is_day { day() } else { time() }.ok_or_else(|| {
        PipelineError::usage(
            format!("--since \"{}\" is no day and no time", shown(text)),
            "for example: --since 2026-11-25, or --since '2026-11-25 14:30:00', in the CRM's own time",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Field, FieldKind};

    #[test]
    fn a_day_or_a_time_is_read_and_nothing_with_a_zone() {
        let read = |text| parse_since(text).ok().map(written);
        assert_eq!(read("2026-11-25").unwrap(), "2026-11-25 00:00:00");
        for text in ["2026-11-25 14:30", "2026-11-25T14:30:00", " 2026-11-25 14:30:00 "] {
            assert_eq!(read(text).unwrap(), "2026-11-25 14:30:00", "{text}");
        }
        for text in
            ["", "25.11.2026", "2026-11-25T14:30:00Z", "2026-11-25 14:30:00+01:00", "2026-02-30", "7d"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn the_date_that_tells_is_the_objects_own() {
        let of = |fields: &[&str]| {
            let fields = fields.iter().map(|name| Field::new(*name, FieldKind::DateTime)).collect();
            changed_since(&Dictionary::new("things", fields), jiff::civil::date(2026, 11, 25).at(0, 0, 0, 0))
        };
        let test =
            |field: &str| Filter::Field(field.to_owned(), Test::AtLeast(Value::from("2026-11-25 00:00:00")));
        assert_eq!(of(&["modified"]).unwrap(), test("modified"));
        let both = Filter::Any(vec![test("modifieddate"), test("createddate")]);
        assert_eq!(of(&["createddate", "modifieddate"]).unwrap(), both);
        assert!(of(&["createddate"]).unwrap_err().to_string().contains("no date of the last change"));
    }
}
