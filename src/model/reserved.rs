//! The columns that a reject file adds behind the user's own. An import passes
//! them over, but for what they tell of the run that wrote the file.

use super::Header;

/// The row's number in the file that it came from.
pub const ROW_COLUMN: &str = "_row";
/// The run that refused the row.
pub const RUN_COLUMN: &str = "_run";
/// The codes of its findings.
pub const CODE_COLUMN: &str = "_code";
/// What the row had beyond the header's columns.
pub const EXTRA_COLUMN: &str = "_extra";

/// All of them, in their order.
pub const RESERVED_COLUMNS: [&str; 6] =
    [ROW_COLUMN, RUN_COLUMN, "_status", CODE_COLUMN, "_errors", EXTRA_COLUMN];

/// Whether a column is one that a reject file adds.
pub fn is_reserved(column: &str) -> bool {
    RESERVED_COLUMNS.iter().any(|reserved| is_called(column, reserved))
}

/// Whether a column has this name of the six: case and blanks at the ends do
/// not count, as for all columns.
pub fn is_called(column: &str, reserved: &str) -> bool {
    column.trim().eq_ignore_ascii_case(reserved)
}

impl Header {
    /// Where one of the six stands, 0-based; the last one, where the user's own
    /// has the same name.
    pub fn reserved(&self, name: &str) -> Option<usize> {
        self.columns.iter().rposition(|column| is_called(&column.name, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_reject_files_are_reserved() {
        assert!(RESERVED_COLUMNS.iter().all(|name| is_reserved(name)));
        assert!(is_reserved(" _ROW "));
        assert!(!is_reserved("row") && !is_reserved("_rows") && !is_reserved(""));
    }
}
