//! Writing records into a Parquet file, a bounded group of them at a time.
//!
//! The low-level writer of the `parquet` crate is enough for flat records; it
//! comes without Arrow. Whole numbers are INT64, decimals DECIMAL(38, s) from
//! their digits, dates DATE, datetimes TIMESTAMP without a zone, yes and no
//! BOOLEAN, all else UTF-8. What does not fit stands in the column `_rest`.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int32Type,
    Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;

use super::error::{OutputError, OutputProblem};
use super::output::Output;
use super::typed::{
    ColumnType, DECIMAL_DIGITS, REST, Rest, days, decimal, flag, is_empty, microseconds, whole, with_rest,
};
use super::write::{RecordWriter, fits};
use crate::model::{Field, Notice, ValueRef, shown};

/// Records that go into one row group.
const RECORDS_A_GROUP: usize = 20_000;
/// Bytes of values after which a row group ends early.
const BYTES_A_GROUP: usize = 12 << 20;
/// Most bytes of a column's distinct values that are written once each.
const DICTIONARY: usize = 256 << 10;
/// Bytes of a decimal of 38 digits.
const DECIMAL_BYTES: usize = 16;

/// Writes the records of one object into a Parquet file.
pub fn parquet_writer(
    output: Output,
    object: &str,
    fields: &[Field],
) -> Result<Box<dyn RecordWriter>, OutputError> {
    let target = output.target().to_owned();
    let all = with_rest(fields);
    let begin = || -> Result<_, ParquetError> {
        let columns = all.iter().map(|field| column_type(&field.name, ColumnType::of(field)).map(Arc::new));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        // What DuckDB and Spark show of the schema as a whole.
        let schema = Type::group_type_builder("schema").with_fields(columns).build()?;
        SerializedFileWriter::new(output, Arc::new(schema), Arc::new(properties()))
    };
    let file = begin().map_err(|error| told(error).of(&target))?;
    let columns: Vec<Column> = all.iter().map(Column::new).collect();
    let rest_at = all.iter().position(|field| field.name == REST).unwrap_or(fields.len());
    Ok(Box::new(ParquetRecords {
        file,
        target,
        object: object.to_owned(),
        columns,
        given: fields.len(),
        rest_at,
        rest: Rest::default(),
        records: 0,
        bytes: 0,
    }))
}

fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_dictionary_page_size_limit(DICTIONARY)
        // A group is hardly more than a page, so those of pages would say nothing more.
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by(concat!("carafe version ", env!("CARGO_PKG_VERSION")).to_owned())
        .build()
}

fn column_type(name: &str, kind: ColumnType) -> Result<Type, ParquetError> {
    let (physical, logical) = match kind {
        ColumnType::Whole => (Physical::INT64, None),
        ColumnType::Flag => (Physical::BOOLEAN, None),
        ColumnType::Date => (Physical::INT32, Some(LogicalType::Date)),
        ColumnType::DateTime => (Physical::INT64, Some(LogicalType::timestamp(false, TimeUnit::MICROS))),
        ColumnType::Decimal(scale) => {
            let (precision, scale) = (digits(DECIMAL_DIGITS), digits(scale));
            let builder = Type::primitive_type_builder(name, Physical::FIXED_LEN_BYTE_ARRAY)
                .with_length(digits(DECIMAL_BYTES))
                .with_precision(precision)
                .with_scale(scale)
                .with_logical_type(Some(LogicalType::decimal(scale, precision)));
            return builder.with_repetition(Repetition::OPTIONAL).build();
        }
        ColumnType::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    };
    Type::primitive_type_builder(name, physical)
        .with_logical_type(logical)
        .with_repetition(Repetition::OPTIONAL)
        .build()
}

fn digits(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// The values of a column in the row group that is being filled.
struct Column {
    name: String,
    kind: ColumnType,
    cells: Cells,
    /// 1 where a record has a value, 0 where it is null.
    levels: Vec<i16>,
}

enum Cells {
    Long(Vec<i64>),
    Int(Vec<i32>),
    Flag(Vec<bool>),
    Decimal(Vec<u8>),
    /// All texts in one, and where each ends.
    Text(Vec<u8>, Vec<usize>),
}

impl Column {
    fn new(field: &Field) -> Self {
        let kind = ColumnType::of(field);
        Self { name: field.name.clone(), kind, cells: Cells::none(kind), levels: Vec::new() }
    }

    /// Takes a record's value; false where it does not fit, and null is taken for it.
    fn take(&mut self, value: ValueRef<'_>) -> bool {
        let empty = is_empty(value, self.kind);
        let taken = !empty && self.cells.take(value, self.kind).is_some();
        self.levels.push(i16::from(taken));
        taken || empty
    }

    /// Writes what was gathered, and begins anew.
    fn write(&mut self, writer: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = std::mem::take(&mut self.levels);
        match std::mem::replace(&mut self.cells, Cells::none(self.kind)) {
            Cells::Long(values) => put::<Int64Type>(writer, &values, &levels),
            Cells::Int(values) => put::<Int32Type>(writer, &values, &levels),
            Cells::Flag(values) => put::<BoolType>(writer, &values, &levels),
            Cells::Decimal(bytes) => {
                let (numbers, _) = bytes.as_chunks::<DECIMAL_BYTES>();
                let number = |bytes: &&[u8; DECIMAL_BYTES]| i128::from_be_bytes(**bytes);
                let copy = |bytes: &[u8; DECIMAL_BYTES]| FixedLenByteArray::from(bytes.to_vec());
                let ends = [numbers.iter().min_by_key(number), numbers.iter().max_by_key(number)];
                let ends = ends.map(|end| end.map(copy));
                let count = numbers.len();
                let all = ByteArray::from(bytes);
                let one = |at| FixedLenByteArray::from(all.slice(at * DECIMAL_BYTES, DECIMAL_BYTES));
                let values: Vec<FixedLenByteArray> = (0..count).map(one).collect();
                put_shared::<FixedLenByteArrayType>(writer, &values, &levels, &ends)
            }
            Cells::Text(bytes, ends) => {
                let all = ByteArray::from(bytes);
                let starts = std::iter::once(0).chain(ends.iter().copied());
                let values: Vec<ByteArray> =
                    starts.zip(&ends).map(|(start, end)| all.slice(start, end - start)).collect();
                let texts = || values.iter().map(ByteArray::data);
                let ends = [texts().min(), texts().max()].map(|end| end.map(|text| text.to_vec().into()));
                put_shared::<ByteArrayType>(writer, &values, &levels, &ends)
            }
        }
    }
}

impl Cells {
    fn none(kind: ColumnType) -> Self {
        match kind {
            ColumnType::Whole | ColumnType::DateTime => Self::Long(Vec::new()),
            ColumnType::Date => Self::Int(Vec::new()),
            ColumnType::Flag => Self::Flag(Vec::new()),
            ColumnType::Decimal(_) => Self::Decimal(Vec::new()),
            ColumnType::Text => Self::Text(Vec::new(), Vec::new()),
        }
    }

    /// Takes a value, where it fits.
    fn take(&mut self, value: ValueRef<'_>, kind: ColumnType) -> Option<()> {
        match (self, kind) {
            (Self::Long(values), ColumnType::DateTime) => values.push(microseconds(value)?),
            (Self::Long(values), _) => values.push(whole(value)?),
            (Self::Int(values), _) => values.push(days(value)?),
            (Self::Flag(values), _) => values.push(flag(value)?),
            (Self::Decimal(bytes), ColumnType::Decimal(scale)) => {
                bytes.extend(decimal(value, scale)?.to_be_bytes());
            }
            (Self::Decimal(_), _) => return None,
            (Self::Text(bytes, ends), _) => {
                bytes.extend(value.to_text().as_bytes());
                ends.push(bytes.len());
            }
        }
        Some(())
    }
}

fn put<T: DataType>(
    writer: &mut SerializedColumnWriter<'_>,
    values: &[T::T],
    levels: &[i16],
) -> Result<(), ParquetError> {
    writer.typed::<T>().write_batch(values, Some(levels), None).map(drop)
}

/// The same for values that are parts of one piece of memory. The library keeps the lowest and the
/// highest of each group until the file is whole, which would keep all of that memory: it gets
/// these as copies of their own.
fn put_shared<T: DataType>(
    writer: &mut SerializedColumnWriter<'_>,
    values: &[T::T],
    levels: &[i16],
    [lowest, highest]: &[Option<T::T>; 2],
) -> Result<(), ParquetError> {
    let (lowest, highest) = (lowest.as_ref(), highest.as_ref());
    let writer = writer.typed::<T>();
    writer.write_batch_with_statistics(values, Some(levels), None, lowest, highest, None).map(drop)
}

struct ParquetRecords {
    file: SerializedFileWriter<Output>,
    target: PathBuf,
    object: String,
    /// The fields, and `_rest` among them or behind.
    columns: Vec<Column>,
    given: usize,
    rest_at: usize,
    rest: Rest,
    /// Records and bytes of the row group that is being filled.
    records: usize,
    bytes: usize,
}

impl ParquetRecords {
    fn take(&mut self, values: &[ValueRef<'_>]) {
        let value = |at: usize| values.get(at).copied().unwrap_or(ValueRef::Null);
        self.rest.begin(value(self.rest_at));
        for (at, column) in self.columns.iter_mut().enumerate().filter(|(at, _)| *at != self.rest_at) {
            let value = value(at);
            if !column.take(value) {
                self.rest.add(&column.name, value);
            }
            self.bytes += DECIMAL_BYTES + value.to_text().len();
        }
        let rest = self.rest.end();
        self.bytes += rest.map_or(0, str::len);
        if let Some(column) = self.columns.get_mut(self.rest_at) {
            column.take(rest.map_or(ValueRef::Null, ValueRef::Text));
        }
        self.records += 1;
    }

    fn end_group(&mut self) -> Result<(), ParquetError> {
        if self.records == 0 {
            return Ok(());
        }
        let mut group = self.file.next_row_group()?;
        for column in &mut self.columns {
            let Some(mut writer) = group.next_column()? else { break };
            column.write(&mut writer)?;
            writer.close()?;
        }
        group.close()?;
        (self.records, self.bytes) = (0, 0);
        Ok(())
    }

    fn complete(mut self) -> Result<Output, ParquetError> {
        self.end_group()?;
        self.file.into_inner()
    }
}

impl RecordWriter for ParquetRecords {
    fn write_refs(&mut self, values: &[ValueRef<'_>]) -> Result<(), OutputError> {
        fits(values.len(), self.given, || self.target.clone())?;
        self.take(values);
        if self.records < RECORDS_A_GROUP && self.bytes < BYTES_A_GROUP {
            return Ok(());
        }
        self.end_group().map_err(|error| told(error).of(&self.target))
    }

    fn finish(self: Box<Self>) -> Result<Vec<Notice>, OutputError> {
        let notices = self.rest.notice(&self.object).into_iter().collect();
        let target = self.target.clone();
        self.complete().map_err(|error| told(error).of(&target))?.commit()?;
        Ok(notices)
    }
}

/// What the library said, and the machine through it.
fn told(error: ParquetError) -> OutputProblem {
    let why = match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => return (*error).into(),
            Err(error) => error.to_string(),
        },
        error => error.to_string(),
    };
    OutputProblem::Form { form: "the Parquet file", why: shown(&why).to_string() }
}
