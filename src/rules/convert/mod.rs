//! From a cell's text to a value of the field's type, exactly or not at all.
//!
//! Each file here reads one family of types. None of them guesses: what a
//! text could mean beyond one reading is a fault with a reason.

pub mod checkbox;
pub mod date;
pub mod number;
pub mod order;
pub mod pattern;
pub mod reading;
pub mod serial;
pub mod text;
mod time;
