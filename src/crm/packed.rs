//! Records packed into bytes and back, so that an export can keep what it has read.
//!
//! All numbers are little-endian and have 32 bits but for the ids, which have 64. First the names
//! of the fields, once for all records that have the same ones: how many such lists, then for
//! each how many names, and each name with its length in front. Then how many records, and for
//! each its id and the number of its list. Then a byte for each value: its kind in the upper
//! three bits, below them how long its text is; 31 says that the length follows. Then all texts,
//! one behind the other, with their length in front.

use super::records::{Cell, Kind, Place, Records};
use crate::model::RecordId;

/// From this length on it does not fit into the value's byte.
const LONG: u8 = 31;

const KINDS: [Kind; 6] = [Kind::Null, Kind::False, Kind::True, Kind::Number, Kind::Text, Kind::Json];

impl Records {
    /// Appends the records to `bytes`.
    pub fn pack(&self, bytes: &mut Vec<u8>) {
        count(bytes, self.shapes.len());
        for names in &self.shapes {
            count(bytes, names.len());
            names.iter().for_each(|name| text(bytes, name));
        }
        count(bytes, self.places.len());
        for place in &self.places {
            bytes.extend(place.id.get().to_le_bytes());
            bytes.extend(place.shape.to_le_bytes());
        }
        let mut all = 0;
        for place in &self.places {
            all += self.pack_cells(*place, bytes);
        }
        count(bytes, all);
        for place in &self.places {
            let (first, last) = self.ends(*place);
            bytes.extend(self.text.get(first..last).unwrap_or_default().as_bytes());
        }
    }

    /// Appends the kinds and lengths of a record's values; how long they are together.
    fn pack_cells(&self, place: Place, bytes: &mut Vec<u8>) -> usize {
        let (begin, last) = self.ends(place);
        let mut from = begin;
        let first = place.first as usize;
        for cell in self.cells.get(first..first + self.names(place).len()).unwrap_or_default() {
            let (length, kind) = (cell.end as usize - from, byte_of(cell.kind) << 5);
            match u8::try_from(length) {
                Ok(short) if short < LONG => bytes.push(kind | short),
                _ => {
                    bytes.push(kind | LONG);
                    count(bytes, length);
                }
            }
            from = cell.end as usize;
        }
        last - begin
    }

    /// Where the texts of a record's values begin and end.
    fn ends(&self, place: Place) -> (usize, usize) {
        let end_of = |cells: usize| {
            cells.checked_sub(1).and_then(|last| self.cells.get(last)).map_or(0, |cell| cell.end as usize)
        };
        let first = place.first as usize;
        (end_of(first), end_of(first + self.names(place).len()))
    }

    /// The records that were packed; `None` where the bytes are something else.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        let mut records = Self::default();
        for _ in 0..rest.count()? {
            let names: Option<Vec<Box<str>>> =
                (0..rest.count()?).map(|_| Some(rest.text()?.into())).collect();
            records.shapes.push(names?);
        }
        let mut cells = 0_u32;
        for _ in 0..rest.count()? {
            let id = RecordId::new(u64::from_le_bytes(rest.take()?))?;
            let shape = rest.count()?;
            records.places.push(Place { id, shape, first: cells });
            let fields = records.shapes.get(shape as usize)?.len();
            cells = cells.checked_add(u32::try_from(fields).ok()?)?;
        }
        let mut end = 0_u32;
        for _ in 0..cells {
            let [byte] = rest.take()?;
            let length = if byte % 32 == LONG { rest.count()? } else { u32::from(byte % 32) };
            end = end.checked_add(length)?;
            records.cells.push(Cell { kind: *KINDS.get(usize::from(byte >> 5))?, end });
        }
        let text = rest.text().filter(|text| text.len() == end as usize)?;
        // No value begins or ends within a letter.
        let is_cut = records.cells.iter().any(|cell| !text.is_char_boundary(cell.end as usize));
        records.text.push_str(text);
        (rest.0.is_empty() && !is_cut).then_some(records)
    }
}

fn count(bytes: &mut Vec<u8>, count: usize) {
    // A page has at most as much as fits into 32 bits: its cells are counted so.
    bytes.extend(u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    count(bytes, text.len());
    bytes.extend(text.as_bytes());
}

fn byte_of(kind: Kind) -> u8 {
    match kind {
        Kind::Null => 0,
        Kind::False => 1,
        Kind::True => 2,
        Kind::Number => 3,
        Kind::Text => 4,
        Kind::Json => 5,
    }
}

/// What is still to be read.
struct Rest<'b>(&'b [u8]);

impl<'b> Rest<'b> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn count(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'b str> {
        let length = self.count()? as usize;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crm::records::Builder;
    use crate::model::{Number, Record, Value};

    fn values() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(|number| Value::Number(Number::from(number))),
            ".*".prop_map(Value::Text),
            Just(Value::Json(r#"[{"id":1,"price":1.50}]"#.to_owned())),
        ]
    }

    fn records() -> impl Strategy<Value = Vec<Record>> {
        let fields = prop::collection::btree_map("[a-d/é]{1,3}", values(), 0..5);
        let record = (1..=RecordId::MAX, fields).prop_map(|(id, fields)| Record {
            id: RecordId::new(id).unwrap(),
            fields: fields.into_iter().collect(),
        });
        prop::collection::vec(record, 0..8)
    }

    fn held(records: &[Record]) -> Records {
        let mut builder = Builder::default();
        records.iter().for_each(|record| builder.add(record).unwrap());
        builder.done()
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_out_as_it_was(records in records(), dropped in 0_u64..3) {
            let mut held = held(&records);
            // A page that lost some of its records has gaps between them.
            held.retain(|record| record.id().get() % 3 != dropped);
            let mut bytes = Vec::new();
            held.pack(&mut bytes);
            let back = Records::unpack(&bytes).unwrap();
            prop_assert_eq!(back.to_records(), held.to_records());
        }

        #[test]
        fn other_bytes_are_refused_and_no_panic(records in records(), cut in any::<prop::sample::Index>(), flip in any::<u8>()) {
            let mut bytes = Vec::new();
            held(&records).pack(&mut bytes);
            let at = cut.index(bytes.len());
            prop_assert!(Records::unpack(&bytes[..at]).is_none());
            bytes[at] ^= flip;
            let _ = Records::unpack(&bytes);
        }
    }
}
