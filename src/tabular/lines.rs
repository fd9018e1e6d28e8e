//! The lines of opportunities as records of their own. The CRM sends them
//! within their opportunity; a table has its place for them beside.

use super::error::OutputError;
use super::json_line::members;
use super::typed::{REST, Rest, rest_field};
use super::write::{LinesWritten, RecordWriter};
use crate::model::{Dictionary, Field, FieldKind, Notice, Value, ValueRef};

/// The field of an opportunity that holds them.
const LINES: &str = "lines";
/// The field of a line that says where it belongs.
const PARENT: &str = "opportunityid";

/// The columns of lines: the opportunity's id, what the dictionary of lines
/// has, and one for what it does not know.
pub fn line_fields(dictionary: &Dictionary) -> Vec<Field> {
    let parent = dictionary.get(PARENT).cloned().unwrap_or_else(|| Field::new(PARENT, FieldKind::Number));
    let mut fields = vec![parent];
    fields.extend(dictionary.fields().iter().filter(|field| field.name != PARENT).cloned());
    fields.push(rest_field());
    fields
}

/// The columns of opportunities whose lines stand elsewhere.
pub fn without_lines(fields: &[Field]) -> Vec<Field> {
    fields.iter().filter(|field| field.name != LINES).cloned().collect()
}

/// Writes opportunities by one writer, made for [`without_lines`], and their
/// lines by another, made for [`line_fields`].
pub fn with_lines<'w>(
    records: Box<dyn RecordWriter + 'w>,
    lines: Box<dyn RecordWriter + 'w>,
    fields: &[Field],
    line_fields: &[Field],
) -> Box<dyn RecordWriter + 'w> {
    let splitter = Splitter::new(fields, line_fields);
    Box::new(WithLines { records, lines, splitter, before: None })
}

/// What is done before the lines of an opportunity are written, given its id.
pub(super) type Before<'w> = Box<dyn FnMut(ValueRef<'_>) -> Result<(), OutputError> + 'w>;

pub(super) struct WithLines<'w> {
    pub records: Box<dyn RecordWriter + 'w>,
    pub lines: Box<dyn RecordWriter + 'w>,
    pub splitter: Splitter,
    pub before: Option<Before<'w>>,
}

impl RecordWriter for WithLines<'_> {
    fn write_refs(&mut self, values: &[ValueRef<'_>]) -> Result<(), OutputError> {
        let Self { records, lines, splitter, before } = self;
        records.write_refs(&splitter.record(values))?;
        if let Some(before) = before {
            before(splitter.parent(values))?;
        }
        splitter.lines(values, |line| lines.write_refs(line))
    }

    fn guarded(&self) -> Vec<(String, u64)> {
        self.records.guarded()
    }

    fn lines(&self) -> LinesWritten {
        LinesWritten { records: self.splitter.written, guarded: self.lines.guarded() }
    }

    fn finish(self: Box<Self>) -> Result<Vec<Notice>, OutputError> {
        let mut notices = self.lines.finish()?;
        notices.extend(self.records.finish()?);
        Ok(notices)
    }
}

/// Takes records apart.
pub(super) struct Splitter {
    id: Option<usize>,
    lines: Option<usize>,
    members: Vec<String>,
    rest: Rest,
    written: u64,
}

impl Splitter {
    /// For records of `fields` with lines among them.
    pub fn new(fields: &[Field], line_fields: &[Field]) -> Self {
        let place = |name: &str| fields.iter().position(|field| field.name == name);
        let members = line_fields.iter().map(|field| field.name.clone()).collect();
        Self { id: place("id"), lines: place(LINES), members, rest: Rest::default(), written: 0 }
    }

    /// How many lines were written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The record without its lines.
    pub fn record<'v>(&self, values: &[ValueRef<'v>]) -> Vec<ValueRef<'v>> {
        values.iter().enumerate().filter(|(at, _)| Some(*at) != self.lines).map(|(_, value)| *value).collect()
    }

    /// The record's id.
    pub fn parent<'v>(&self, values: &[ValueRef<'v>]) -> ValueRef<'v> {
        self.id.and_then(|id| values.get(id)).copied().unwrap_or(ValueRef::Null)
    }

    /// Gives each line of the record to `put`.
    pub fn lines(
        &mut self,
        values: &[ValueRef<'_>],
        mut put: impl FnMut(&[ValueRef<'_>]) -> Result<(), OutputError>,
    ) -> Result<(), OutputError> {
        let held = self.lines.and_then(|lines| values.get(lines)).copied().unwrap_or(ValueRef::Null);
        let parent = self.parent(values);
        if held.is_blank() {
            return Ok(());
        }
        let list = match held {
            ValueRef::Json(json) => serde_json::from_str::<Vec<&serde_json::value::RawValue>>(json).ok(),
            ValueRef::Null | ValueRef::Bool(_) | ValueRef::Number(_) | ValueRef::Text(_) => None,
        };
        match list {
            Some(list) => {
                for line in list {
                    self.line(parent, line.get(), &mut put)?;
                }
                Ok(())
            }
            // No list: it stands as it is, beside the opportunity's id.
            None => self.odd(parent, held, &mut put),
        }
    }

    fn line(
        &mut self,
        parent: ValueRef<'_>,
        line: &str,
        put: &mut impl FnMut(&[ValueRef<'_>]) -> Result<(), OutputError>,
    ) -> Result<(), OutputError> {
        let Ok(found) = members(line.as_bytes()) else {
            return self.odd(parent, ValueRef::Json(line), put);
        };
        let mut own: Vec<Value> = vec![Value::Null; self.members.len()];
        self.rest.begin(ValueRef::Null);
        for member in found {
            let value =
                Value::from_json(member.value).unwrap_or_else(|_| Value::Json(member.value.to_owned()));
            let place = self.members.iter().position(|name| *name == member.key);
            let is_parent = place == Some(0) && value.to_text() == parent.to_text();
            match place.filter(|place| *place > 0).and_then(|place| own.get_mut(place)) {
                Some(cell) => *cell = value,
                None if is_parent || value == Value::Null => {}
                None => self.rest.add(&member.key, ValueRef::from(&value)),
            }
        }
        self.put(parent, &own, put)
    }

    fn odd(
        &mut self,
        parent: ValueRef<'_>,
        held: ValueRef<'_>,
        put: &mut impl FnMut(&[ValueRef<'_>]) -> Result<(), OutputError>,
    ) -> Result<(), OutputError> {
        self.rest.begin(ValueRef::Null);
        self.rest.add(LINES, held);
        self.put(parent, &[], put)
    }

    fn put(
        &mut self,
        parent: ValueRef<'_>,
        own: &[Value],
        put: &mut impl FnMut(&[ValueRef<'_>]) -> Result<(), OutputError>,
    ) -> Result<(), OutputError> {
        self.written += 1;
        let rest = self.rest.end().map_or(ValueRef::Null, ValueRef::Json);
        let cell = |(at, name): (usize, &String)| match at {
            0 => parent,
            _ if name == REST => rest,
            at => own.get(at).map_or(ValueRef::Null, ValueRef::from),
        };
        let line: Vec<ValueRef<'_>> = self.members.iter().enumerate().map(cell).collect();
        put(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(names: &[&str]) -> Vec<Field> {
        names.iter().map(|name| Field::new(*name, FieldKind::Text)).collect()
    }

    fn split(lines: ValueRef<'_>) -> Vec<String> {
        let dictionary =
            Dictionary::new("opportunity_lines", fields(&["id", "opportunityid", "product", "price"]));
        let columns = line_fields(&dictionary);
        let names: Vec<&str> = columns.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["opportunityid", "id", "product", "price", "_rest"]);
        let mut splitter = Splitter::new(&fields(&["name", "id", "lines"]), &columns);
        let record = [ValueRef::Text("Deal"), ValueRef::Number("7"), lines];
        assert_eq!(splitter.record(&record), record[..2]);
        let mut told = Vec::new();
        let mut put = |line: &[ValueRef<'_>]| {
            told.push(line.iter().map(|value| value.to_value().to_json()).collect::<Vec<_>>().join(" "));
            Ok(())
        };
        splitter.lines(&record, &mut put).unwrap();
        assert_eq!(splitter.written(), told.len() as u64);
        told
    }

    #[test]
    fn each_line_is_a_record_with_its_opportunitys_id() {
        let json =
            r#"[{"id":1,"opportunityid":7,"product":"Licence \"A\"","price":1.50},{"price":null,"id":2}]"#;
        assert_eq!(split(ValueRef::Json(json)), ["7 1 \"Licence \\\"A\\\"\" 1.5 null", "7 2 null null null"]);
        assert!(split(ValueRef::Json("[]")).is_empty() && split(ValueRef::Null).is_empty());
    }

    #[test]
    fn what_the_dictionary_does_not_know_is_kept() {
        let json = r#"[{"id":1,"opportunityid":8,"tax":0.20,"note":null},"no line"]"#;
        assert_eq!(
            split(ValueRef::Json(json)),
            [r#"7 1 null null {"opportunityid":8,"tax":0.2}"#, r#"7 null null null {"lines":"no line"}"#]
        );
        assert_eq!(split(ValueRef::Text("none")), [r#"7 null null null {"lines":"none"}"#]);
    }
}
