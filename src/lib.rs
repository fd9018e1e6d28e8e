//! Carafe pours spreadsheets into the CRM and back.
pub mod model;
pub mod tabular;
