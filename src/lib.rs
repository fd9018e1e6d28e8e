//! Carafe pours spreadsheets into the CRM and back.
pub mod cli;
pub mod crm;
pub mod model;
pub mod pipeline;
pub mod rules;
pub mod sandbox;
pub mod store;
pub mod tabular;
