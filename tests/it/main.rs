//! The compiled program, tried from the outside.

mod samples;
