//! The records of a page as they came: their values one behind the other in one text, and the
//! names of their fields once for all that have the same ones.
//!
//! A page read into [`Record`]s is some thirty texts a record; this is two or three for the page.

use crate::model::{Record, RecordId, ValueRef};

/// Several records of one object. Each keeps the order of its fields.
#[derive(Clone, Debug, Default)]
pub struct Records {
    pub(super) text: String,
    pub(super) cells: Vec<Cell>,
    pub(super) shapes: Vec<Vec<Box<str>>>,
    pub(super) places: Vec<Place>,
}

/// A value: what it is, and where its text ends. It begins where the one before ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub kind: Kind,
    pub end: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    False,
    True,
    Number,
    Text,
    Json,
}

/// A record: its fields' names and its first value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub id: RecordId,
    pub shape: u32,
    pub first: u32,
}

/// One of the records.
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'a> {
    of: &'a Records,
    place: Place,
}

impl Records {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = RecordRef<'_>> + ExactSizeIterator {
        self.places.iter().map(|place| RecordRef { of: self, place: *place })
    }

    /// The same with texts of their own.
    pub fn to_records(&self) -> Vec<Record> {
        self.iter().map(RecordRef::to_record).collect()
    }

    /// Their ids, in their order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = u64> + ExactSizeIterator {
        self.places.iter().map(|place| place.id.get())
    }

    /// Keeps those of which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(RecordRef<'_>) -> bool) {
        let mut places = std::mem::take(&mut self.places);
        places.retain(|place| keep(RecordRef { of: self, place: *place }));
        self.places = places;
    }

    /// Keeps the first so many.
    pub(super) fn truncate(&mut self, most: usize) {
        self.places.truncate(most);
    }

    pub(super) fn cell(&self, at: usize) -> ValueRef<'_> {
        let Some(Cell { kind, end }) = self.cells.get(at).copied() else { return ValueRef::Null };
        let begin = at.checked_sub(1).and_then(|before| self.cells.get(before)).map_or(0, |cell| cell.end);
        let text = self.text.get(begin as usize..end as usize).unwrap_or_default();
        match kind {
            Kind::Null => ValueRef::Null,
            Kind::False => ValueRef::Bool(false),
            Kind::True => ValueRef::Bool(true),
            Kind::Number => ValueRef::Number(text),
            Kind::Text => ValueRef::Text(text),
            Kind::Json => ValueRef::Json(text),
        }
    }

    pub(super) fn names(&self, place: Place) -> &[Box<str>] {
        self.shapes.get(place.shape as usize).map(Vec::as_slice).unwrap_or_default()
    }
}

impl<'a> RecordRef<'a> {
    /// The record's id, which is also among the fields.
    pub fn id(self) -> RecordId {
        self.place.id
    }

    /// The value of a field; `None` where the answer lacks it.
    pub fn get(self, field: &str) -> Option<ValueRef<'a>> {
        let at = self.of.names(self.place).iter().position(|name| **name == *field)?;
        Some(self.value(at))
    }

    /// The value of the field at that place among [`Self::names`].
    pub fn value(self, at: usize) -> ValueRef<'a> {
        self.of.cell(self.place.first as usize + at)
    }

    /// The names of its fields, in the answer's order.
    pub fn names(self) -> &'a [Box<str>] {
        self.of.names(self.place)
    }

    /// Records of the same page with the same number here have the same names.
    pub fn shape(self) -> usize {
        self.place.shape as usize
    }

    /// The same with texts of its own.
    pub fn to_record(self) -> Record {
        let fields = self.names().iter().enumerate();
        let fields = fields.map(|(at, name)| (name.as_ref().to_owned(), self.value(at).to_value())).collect();
        Record { id: self.place.id, fields }
    }
}

/// Records in the making.
#[derive(Debug, Default)]
pub(super) struct Builder {
    records: Records,
    /// The names of the record that is being read.
    names: Vec<Box<str>>,
    /// So many of its names are those of the shape below, which are not in `names` yet.
    alike: usize,
    shape: usize,
    first: usize,
}

impl Builder {
    pub(super) fn with_room(bytes: usize) -> Self {
        let records = Records { text: String::with_capacity(bytes), ..Records::default() };
        Self { records, ..Self::default() }
    }

    /// Begins a record that probably has the same fields as the one before.
    pub(super) fn begin(&mut self) {
        self.names.clear();
        self.alike = 0;
        self.first = self.records.cells.len();
    }

    /// The next field of the record.
    pub(super) fn name(&mut self, name: &str) {
        let known = self.records.shapes.get(self.shape).map(Vec::as_slice).unwrap_or_default();
        if self.names.is_empty() && known.get(self.alike).is_some_and(|known| **known == *name) {
            self.alike += 1;
            return;
        }
        if self.names.is_empty() {
            self.names.extend(known.iter().take(self.alike).cloned());
        }
        self.names.push(name.into());
    }

    /// The value of the field that was named last.
    pub(super) fn value(&mut self, value: ValueRef<'_>) -> Option<()> {
        let kind = match value {
            ValueRef::Null => Kind::Null,
            ValueRef::Bool(false) => Kind::False,
            ValueRef::Bool(true) => Kind::True,
            ValueRef::Number(_) => Kind::Number,
            ValueRef::Text(_) => Kind::Text,
            ValueRef::Json(_) => Kind::Json,
        };
        if !matches!(value, ValueRef::Null | ValueRef::Bool(_)) {
            self.records.text.push_str(value.to_text());
        }
        let end = u32::try_from(self.records.text.len()).ok()?;
        self.records.cells.push(Cell { kind, end });
        Some(())
    }

    /// Completes a record; `None` where a name stands twice or there is more than fits.
    pub(super) fn end(&mut self, id: RecordId) -> Option<()> {
        let known = self.records.shapes.get(self.shape).map(Vec::len);
        if self.names.is_empty() && known != Some(self.alike) {
            let known = self.records.shapes.get(self.shape).map(Vec::as_slice).unwrap_or_default();
            self.names.extend(known.iter().take(self.alike).cloned());
            self.add_shape()?;
        } else if !self.names.is_empty() {
            self.add_shape()?;
        }
        let (shape, first) = (u32::try_from(self.shape).ok()?, u32::try_from(self.first).ok()?);
        self.records.places.push(Place { id, shape, first });
        Some(())
    }

    fn add_shape(&mut self) -> Option<()> {
        let names = std::mem::take(&mut self.names);
        if let Some(known) = self.records.shapes.iter().position(|known| *known == names) {
            self.shape = known;
            return Some(());
        }
        let mut sorted: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        sorted.sort_unstable();
        if sorted.windows(2).any(|two| two[0] == two[1]) {
            return None;
        }
        self.shape = self.records.shapes.len();
        self.records.shapes.push(names);
        Some(())
    }

    pub(super) fn done(self) -> Records {
        let Self { mut records, .. } = self;
        // Held in numbers, while those below them are still to come.
        records.text.shrink_to_fit();
        records.cells.shrink_to_fit();
        records
    }

    /// Takes over a record that was read in another way.
    pub(super) fn add(&mut self, record: &Record) -> Option<()> {
        self.begin();
        for (name, value) in &record.fields {
            self.name(name);
            self.value(value.into())?;
        }
        self.end(record.id)
    }
}
