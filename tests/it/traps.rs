//! The traps of conversion, one test a line of the list: a file with the trap
//! in it goes into the embedded CRM, and what arrives, what is rejected at
//! which cell, and what is told must be as the list says.

mod answers;
mod files;
mod values;
