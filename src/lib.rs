//! Carafe pours spreadsheets into the CRM and back.
pub mod crm;
pub mod model;
pub mod rules;
pub mod store;
