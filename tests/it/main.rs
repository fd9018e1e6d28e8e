//! The compiled program, tried from the outside.

mod docs;
mod samples;
