//! Records packed into bytes and back, so that an export can keep what it has read.
//!
//! All numbers are little-endian. First the names of the fields, once for all records that have
//! the same ones: how many such lists, then for each how many names, and each name as a text.
//! Then how many records, and for each its id (64 bits), the number of its list and its values:
//! a byte that says what it is, and a text where it has one. A text is its length in bytes and
//! itself. Every count is 32 bits.

use super::records::{Cell, Kind, Place, Records};
use crate::model::RecordId;

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
            for at in 0..self.names(*place).len() {
                self.pack_cell(place.first as usize + at, bytes);
            }
        }
    }

    fn pack_cell(&self, at: usize, bytes: &mut Vec<u8>) {
        let kind = self.cells.get(at).map_or(Kind::Null, |cell| cell.kind);
        bytes.push(byte_of(kind));
        if has_text(kind) {
            text(bytes, self.cell(at).to_text());
        }
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
        for _ in 0..rest.count()? {
            let id = RecordId::new(u64::from_le_bytes(rest.take()?))?;
            let shape = rest.count()?;
            let first = u32::try_from(records.cells.len()).ok()?;
            for _ in 0..records.shapes.get(shape as usize)?.len() {
                let [kind] = rest.take()?;
                let kind = kind_of(kind)?;
                if has_text(kind) {
                    records.text.push_str(rest.text()?);
                }
                records.cells.push(Cell { kind, end: u32::try_from(records.text.len()).ok()? });
            }
            records.places.push(Place { id, shape, first });
        }
        rest.0.is_empty().then_some(records)
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

fn has_text(kind: Kind) -> bool {
    matches!(kind, Kind::Number | Kind::Text | Kind::Json)
}

const KINDS: [Kind; 6] = [Kind::Null, Kind::False, Kind::True, Kind::Number, Kind::Text, Kind::Json];

fn byte_of(kind: Kind) -> u8 {
    KINDS.iter().zip(0..).find(|(known, _)| **known == kind).map_or(0, |(_, byte)| byte)
}

fn kind_of(byte: u8) -> Option<Kind> {
    KINDS.get(usize::from(byte)).copied()
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
