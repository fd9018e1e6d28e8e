//! How the dates of one column are read: by the mapping's format, or by what
//! the whole column has proven.

use std::fmt;

use jiff::civil;

use super::date::{DateFault, DateFormat};
use super::order::{DateOrder, read_in_order};
use super::serial::{self, Epoch};

/// One way to read every cell of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DateReading {
    /// The mapping gives a format.
    Format(DateFormat),
    /// Excel's day numbers; the mapping says so.
    Excel(Epoch),
    /// The column has proven the order of the parts.
    Order(DateOrder),
}

impl DateReading {
    /// What the mapping's `date:` says.
    ///
    /// # Errors
    /// What is wrong with the format.
    pub fn of_mapping(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "excel" => Ok(Self::Excel(Epoch::Windows)),
            "excel-1904" => Ok(Self::Excel(Epoch::Mac)),
            _ => DateFormat::new(text).map(Self::Format),
        }
    }

    /// Reads a text that has this form.
    pub fn read(&self, text: &str) -> Result<civil::DateTime, DateFault> {
        match self {
            Self::Format(format) => format.read(text),
            Self::Excel(epoch) => serial::read(text, *epoch),
            Self::Order(order) => read_in_order(text, *order),
        }
    }

    /// Writes a date in this form; none where the form alone is no way to write one.
    pub fn write(&self, at: civil::DateTime) -> Option<String> {
        match self {
            // Behind a format without a time of day, one may stand all the same.
            Self::Format(format) if !format.has_time() && at.time() != civil::Time::midnight() => {
                Some(format!("{} {}", format.write(at), at.time().strftime("%H:%M:%S")))
            }
            Self::Format(format) => Some(format.write(at)),
            Self::Excel(epoch) => serial::write(at, *epoch),
            Self::Order(_) => None,
        }
    }
}

/// The form, as the end of "not a date in the form …".
impl fmt::Display for DateReading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(format) => format.fmt(f),
            Self::Excel(Epoch::Windows) => f.write_str("of Excel's day numbers"),
            Self::Excel(Epoch::Mac) => f.write_str("of Excel's day numbers from 1904"),
            Self::Order(order) => write!(f, "{}, which the column has", order.words()),
        }
    }
}
