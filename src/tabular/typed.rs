//! What a column of a typed file (Parquet, SQLite) holds, and which values fit it.
//!
//! The type comes from the dictionary, before the first record is seen, so
//! that a file has the same columns every night. A value that does not fit is
//! never changed and never dropped: its column is null there, and the value
//! stands as JSON in the text column [`REST`] of the same record.

use jiff::civil::{Date, DateTime, Time, date};

use crate::model::{Field, FieldKind, Notice, Value, ValueRef, count};

/// The column for what has no place among the others: a JSON object, null in most records.
pub(super) const REST: &str = "_rest";

/// Digits that a decimal column holds, before and behind the point.
pub(super) const DECIMAL_DIGITS: usize = 38;
/// Digits behind the point where the dictionary does not say.
const USUAL_SCALE: usize = 10;
/// Most digits behind the point: as many are left before it.
const MOST_SCALE: usize = 19;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnType {
    /// Whole numbers: ids, and numbers without decimals.
    Whole,
    /// Decimals, with so many digits behind the point.
    Decimal(usize),
    /// Yes or no.
    Flag,
    /// Days.
    Date,
    /// Days and times of day, without a zone.
    DateTime,
    /// Everything else, as its text.
    Text,
}

impl ColumnType {
    /// As the dictionary has it.
    pub fn of(field: &Field) -> Self {
        let whole = field.name == "id" || field.decimals == Some(0);
        match field.kind {
            FieldKind::Number | FieldKind::Currency | FieldKind::Percent if whole => Self::Whole,
            FieldKind::Number if field.decimals.is_none() && is_reference(field) => Self::Whole,
            FieldKind::Number | FieldKind::Currency | FieldKind::Percent => {
                let told = field.decimals.and_then(|decimals| usize::try_from(decimals).ok());
                Self::Decimal(told.unwrap_or(USUAL_SCALE).min(MOST_SCALE))
            }
            FieldKind::Checkbox => Self::Flag,
            FieldKind::Date => Self::Date,
            FieldKind::DateTime => Self::DateTime,
            FieldKind::Text
            | FieldKind::TextArea
            | FieldKind::Memo
            | FieldKind::MultiSelect
            | FieldKind::Email
            | FieldKind::Url
            | FieldKind::Other(_) => Self::Text,
        }
    }
}

/// Whether a field holds another record's id: `accountid`, `ownerid`.
pub(super) fn is_reference(field: &Field) -> bool {
    field.kind == FieldKind::Number && field.name != "id" && field.name.to_ascii_lowercase().ends_with("id")
}

/// The columns of a typed file: the fields, and [`REST`] behind them.
pub(super) fn with_rest(fields: &[Field]) -> Vec<Field> {
    let mut all = fields.to_vec();
    if !all.iter().any(|field| field.name == REST) {
        all.push(rest_field());
    }
    all
}

/// The field of [`REST`].
pub(super) fn rest_field() -> Field {
    Field::new(REST, FieldKind::Other("json".to_owned()))
}

/// Whether nothing is to be written: null, and the empty text where a column is not of texts.
pub(super) fn is_empty(value: ValueRef<'_>, kind: ColumnType) -> bool {
    match value {
        ValueRef::Null => true,
        ValueRef::Text(text) => text.is_empty() && kind != ColumnType::Text,
        ValueRef::Bool(_) | ValueRef::Number(_) | ValueRef::Json(_) => false,
    }
}

/// The value as a whole number, where it is one that fits.
pub(super) fn whole(value: ValueRef<'_>) -> Option<i64> {
    let (negative, whole, fraction) = parts(value)?;
    if !fraction.is_empty() {
        return None;
    }
    let sign = if negative { "-" } else { "" };
    format!("{sign}{whole}").parse().ok()
}

/// The value times 10 to the power of `scale`, where that is a whole number of
/// at most [`DECIMAL_DIGITS`] digits.
pub(super) fn decimal(value: ValueRef<'_>, scale: usize) -> Option<i128> {
    let (negative, whole, fraction) = parts(value)?;
    let whole = if whole == "0" { "" } else { whole };
    if fraction.len() > scale || whole.len() + scale > DECIMAL_DIGITS {
        return None;
    }
    let digits = format!("{whole}{fraction:0<scale$}");
    // At scale 0 nothing is left of a zero.
    let size: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    Some(if negative { -size } else { size })
}

/// Sign, digits before and digits behind the point of a plainly written
/// number; zeros at the end, which say nothing, are left out.
fn parts(value: ValueRef<'_>) -> Option<(bool, &str, &str)> {
    let text = match value {
        ValueRef::Number(text) | ValueRef::Text(text) => text,
        ValueRef::Null | ValueRef::Bool(_) | ValueRef::Json(_) => return None,
    };
    let (negative, bare) = text.strip_prefix('-').map_or((false, text), |bare| (true, bare));
    let (whole, fraction) = match bare.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (bare, ""),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let led_by_zero = whole.len() > 1 && whole.starts_with('0');
    if whole.is_empty() || led_by_zero || !digits(whole) || !digits(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    // Nothing would be left of the sign of a zero.
    let lost_sign = negative && whole == "0" && fraction.is_empty();
    (!lost_sign).then_some((negative, whole, fraction))
}

/// The value as yes or no.
pub(super) fn flag(value: ValueRef<'_>) -> Option<bool> {
    match value {
        ValueRef::Bool(flag) => Some(flag),
        ValueRef::Number("1") | ValueRef::Text("1") => Some(true),
        ValueRef::Number("0") | ValueRef::Text("0") => Some(false),
        ValueRef::Null | ValueRef::Number(_) | ValueRef::Text(_) | ValueRef::Json(_) => None,
    }
}

/// Days since 1970, of `YYYY-MM-DD`; with a time of day only at midnight.
pub(super) fn days(value: ValueRef<'_>) -> Option<i32> {
    let at = moment(value)?;
    if at.time() != Time::midnight() {
        return None;
    }
    Some(date(1970, 1, 1).until(at.date()).ok()?.get_days())
}

/// Microseconds since 1970, of `YYYY-MM-DD HH:MM:SS`; without a time of day it is midnight.
pub(super) fn microseconds(value: ValueRef<'_>) -> Option<i64> {
    let at = moment(value)?;
    let days = date(1970, 1, 1).until(at.date()).ok()?.get_days();
    let time = at.time();
    let seconds = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    Some((i64::from(days) * 86_400 + seconds) * 1_000_000)
}

fn moment(value: ValueRef<'_>) -> Option<DateTime> {
    let ValueRef::Text(text) = value else { return None };
    strict_moment(text).map(|(at, _)| at).filter(|at| at.year() >= 1)
}

/// Reads `YYYY-MM-DD` or `YYYY-MM-DD HH:MM:SS`, exactly so; true with a time.
pub(super) fn strict_moment(text: &str) -> Option<(DateTime, bool)> {
    let strict = |shape: &str| {
        text.len() == shape.len()
            && text.bytes().zip(shape.bytes()).all(|(byte, want)| match want {
                b'0' => byte.is_ascii_digit(),
                want => byte == want,
            })
    };
    if strict("0000-00-00") {
        Some((text.parse::<Date>().ok()?.to_datetime(Time::midnight()), false))
    } else if strict("0000-00-00 00:00:00") {
        // Second 60 would be taken for 59.
        let leap = text.ends_with(":60");
        Some((text.parse::<DateTime>().ok().filter(|_| !leap)?, true))
    } else {
        None
    }
}

/// Gathers what does not fit: for each record its JSON, for all of them the notice.
#[derive(Debug, Default)]
pub(super) struct Rest {
    json: String,
    values: u64,
    fields: Vec<String>,
}

impl Rest {
    /// Begins a record with the members that it has already, as a JSON object.
    pub fn begin(&mut self, members: ValueRef<'_>) {
        self.json.clear();
        if let ValueRef::Json(object) | ValueRef::Text(object) = members {
            self.json.push_str(object.strip_suffix('}').unwrap_or_default());
        }
    }

    /// Takes a field's value that does not fit.
    pub fn add(&mut self, field: &str, value: ValueRef<'_>) {
        self.json.push(if self.json.is_empty() { '{' } else { ',' });
        Value::from(field).write_json(&mut self.json);
        self.json.push(':');
        value.write_json(&mut self.json);
        self.values += 1;
        if !self.fields.iter().any(|known| known == field) {
            self.fields.push(field.to_owned());
        }
    }

    /// The record's JSON object; none where everything fitted.
    pub fn end(&mut self) -> Option<&str> {
        if self.json.is_empty() {
            return None;
        }
        self.json.push('}');
        Some(&self.json)
    }

    /// What is worth knowing about all of them.
    pub fn notice(&self, object: &str) -> Option<Notice> {
        if self.values == 0 {
            return None;
        }
        let values = count(self.values, "value does", "values do");
        let fields = self.fields.join(", ");
        Some(Notice(format!(
            "{object}: {values} not fit the type of the field, which is empty there; \
             the column {REST} has them as JSON ({fields})"
        )))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn typed(name: &str, kind: FieldKind, decimals: Option<u32>) -> ColumnType {
        ColumnType::of(&Field { decimals, ..Field::new(name, kind) })
    }

    #[test]
    fn the_dictionary_gives_the_types() {
        use ColumnType::{Date, DateTime, Decimal, Flag, Text, Whole};
        assert_eq!(typed("id", FieldKind::Number, None), Whole);
        assert_eq!(typed("ownerid", FieldKind::Number, None), Whole);
        assert_eq!(typed("employees", FieldKind::Number, Some(0)), Whole);
        assert_eq!(typed("employees", FieldKind::Number, None), Decimal(10));
        assert_eq!(typed("rating", FieldKind::Number, Some(1)), Decimal(1));
        assert_eq!(typed("paid", FieldKind::Currency, None), Decimal(10));
        assert_eq!(typed("discount", FieldKind::Percent, Some(99)), Decimal(19));
        assert_eq!(typed("vip", FieldKind::Checkbox, None), Flag);
        assert_eq!(typed("since", FieldKind::Date, None), Date);
        assert_eq!(typed("createddate", FieldKind::DateTime, None), DateTime);
        assert_eq!(typed("phone", FieldKind::Text, None), Text);
        assert_eq!(typed("x", FieldKind::Other("what".to_owned()), None), Text);
    }

    #[test]
    fn numbers_fit_only_where_nothing_of_them_changes() {
        for (text, number) in [("0", 0), ("-7", -7), ("5.00", 5), ("9223372036854775807", i64::MAX)] {
            assert_eq!(whole(ValueRef::Text(text)), Some(number), "{text}");
        }
        for text in ["", "-", "-0", "007", "+44", "1.5", "1e3", "9223372036854775808", " 1", "5.", ".5", "½"]
        {
            assert_eq!(whole(ValueRef::Text(text)), None, "{text}");
        }
        for (text, number) in [("0", 0), ("-0.05", -5), ("1200.5", 120_050), ("1.100", 110)] {
            assert_eq!(decimal(ValueRef::Number(text), 2), Some(number), "{text}");
        }
        assert_eq!(decimal(ValueRef::Number("0.001"), 2), None);
        let (most, more) = ("9".repeat(36), "9".repeat(37));
        assert!(
            decimal(ValueRef::Number(&most), 2).is_some() && decimal(ValueRef::Number(&more), 2).is_none()
        );
        assert_eq!(decimal(ValueRef::Number(&"9".repeat(38)), 0), Some(10_i128.pow(38) - 1));
        assert_eq!(decimal(ValueRef::Number("0"), 0), Some(0));
    }

    #[test]
    fn days_and_times_fit_as_they_stand() {
        let text = ValueRef::Text;
        assert_eq!(days(text("1970-01-02")), Some(1));
        assert_eq!(days(text("0001-01-01")), Some(-719_162));
        assert_eq!(days(text("2026-01-01 00:00:00")), days(text("2026-01-01")));
        assert_eq!(microseconds(text("1970-01-01 00:00:01")), Some(1_000_000));
        assert_eq!(microseconds(text("1969-12-31 23:59:59")), Some(-1_000_000));
        for odd in ["2026-01-01 08:00:00", "0000-00-00", "0000-01-01", "2026-02-30", "2026-1-1", "soon"] {
            assert_eq!(days(text(odd)), None, "{odd}");
        }
        for odd in ["2026-01-01T08:00:00", "2026-01-01 08:00:60", "2026-01-01 24:00:00"] {
            assert_eq!(microseconds(text(odd)), None, "{odd}");
        }
    }

    #[test]
    fn what_does_not_fit_is_kept_as_json_and_told() {
        let mut rest = Rest::default();
        rest.begin(ValueRef::Null);
        assert_eq!(rest.end(), None);
        rest.begin(ValueRef::Json("{\"a\":1}"));
        rest.add("b\"", ValueRef::Text("so \"so\""));
        assert_eq!(rest.end(), Some(r#"{"a":1,"b\"":"so \"so\""}"#));
        rest.begin(ValueRef::Null);
        rest.add("n", ValueRef::Number("1.005"));
        rest.add("m", ValueRef::Bool(true));
        assert_eq!(rest.end(), Some(r#"{"n":1.005,"m":true}"#));
        assert!(rest.notice("accounts").unwrap().0.starts_with("accounts: 3 values do not fit"));
    }

    proptest! {
        #[test]
        fn a_decimal_comes_back_digit_by_digit(number in any::<i64>(), scale in 0_usize..12) {
            let size = format!("{:0>width$}", number.unsigned_abs(), width = scale + 1);
            let (whole, fraction) = size.split_at(size.len() - scale);
            let sign = if number < 0 { "-" } else { "" };
            let text = if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") };
            prop_assert_eq!(decimal(ValueRef::Text(&text), scale), Some(i128::from(number)));
        }
    }
}
