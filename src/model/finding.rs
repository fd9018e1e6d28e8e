//! What is wrong with a row, as data: a bad row never stops a run.

use std::fmt;

/// One problem of one row, with its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The row, as Excel shows it.
    pub row: u64,
    /// The cell, `Contacts!F17`; none where no single cell is at fault.
    pub cell: Option<String>,
    /// The column's header.
    pub column: Option<String>,
    /// The field it was meant for.
    pub field: Option<String>,
    /// Which rule was broken.
    pub code: Code,
    /// One sentence on this very cell.
    pub message: String,
    /// The sentence that all rows with this cause share, where `message` names more.
    pub cause: Option<String>,
    /// The value at fault.
    pub value: Option<String>,
    /// Which step found it.
    pub stage: Stage,
}

impl Finding {
    /// On a row as a whole: no cell, field or value is at fault.
    pub fn of_row(row: u64, code: Code, stage: Stage, message: String) -> Self {
        Self { row, cell: None, column: None, field: None, code, message, cause: None, value: None, stage }
    }
}

/// The rule that a row broke. Scripts rely on these words.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// More or fewer cells than the header has.
    ColumnCount,
    /// Text behind the closing quote of a cell.
    StrayQuote,
    /// A byte that the encoding does not have.
    Encoding,
    /// A control character in a text.
    ControlChar,
    /// An error value such as `#N/A` in a workbook's cell.
    ErrorCell,
    /// A formula without a stored value.
    NoStoredValue,
    /// Digits were lost before the file was written (`1.23E+11`, beyond 15 digits).
    PrecisionLost,
    /// A line that is not a JSON object.
    NotJson,
    /// A required field is blank.
    Required,
    /// A blank cell where the mapping says `blank: error`.
    Blank,
    /// More characters than the field takes.
    TooLong,
    /// Not a number.
    NotANumber,
    /// More digits behind the point than the field takes.
    TooManyDecimals,
    /// Not a date in the column's format, or one that never was.
    NotADate,
    /// Not a word for yes or no.
    NotACheckbox,
    /// Not an e-mail address.
    NotAnEmail,
    /// Not a web address.
    NotAUrl,
    /// Not in the dropdown's list.
    Lookup,
    /// Not among the mapping's `values`.
    Values,
    /// The mapping's expression has no result for the row.
    Expr,
    /// A cell that `when` compares is not what it is compared with.
    When,
    /// No record that the cell refers to.
    NoReference,
    /// Several records that the cell could refer to.
    AmbiguousReference,
    /// A blank cell in a field of `match`.
    BlankKey,
    /// Not a record id.
    NotAnId,
    /// An earlier row of the file has the same key or record.
    DuplicateInFile,
    /// `create`: the record exists already.
    Exists,
    /// `update` or `delete`: there is no such record.
    NoMatch,
    /// Two or more records match.
    AmbiguousMatch,
    /// The record changed or went since it was read for the plan.
    Conflict,
    /// Of a retry: the row corrects no row that the first run rejected, or one that is fixed.
    NotRejected,
    /// The run deleted the record, and no undo brings it back.
    Irreversible,
    /// The CRM refused the field by a rule of its own; the rule's name in lower case.
    Crm(String),
    /// The CRM refused the record without naming a field.
    Refused,
    /// The file that goes with a document is not there, is not to be taken, or is another than planned.
    File,
    /// Sent, no answer, not settled: whether the CRM has it is not known.
    NoAnswer,
}

impl Code {
    /// The word in `errors.jsonl`, `summary.json` and the reject file.
    pub fn word(&self) -> &str {
        match self {
            Self::ColumnCount => "column_count",
            Self::StrayQuote => "stray_quote",
            Self::File => "file",
            Self::Encoding => "encoding",
            Self::ControlChar => "control_char",
            Self::ErrorCell => "error_cell",
            Self::NoStoredValue => "no_stored_value",
            Self::PrecisionLost => "precision_lost",
            Self::NotJson => "not_json",
            Self::Required => "required",
            Self::Blank => "blank",
            Self::TooLong => "too_long",
            Self::NotANumber => "number",
            Self::TooManyDecimals => "decimals",
            Self::NotADate => "date",
            Self::NotACheckbox => "checkbox",
            Self::NotAnEmail => "email",
            Self::NotAUrl => "url",
            Self::Lookup => "lookup",
            Self::Values => "values",
            Self::Expr => "expr",
            Self::When => "when",
            Self::NoReference => "no_reference",
            Self::AmbiguousReference => "ambiguous_reference",
            Self::BlankKey => "blank_key",
            Self::NotAnId => "id",
            Self::DuplicateInFile => "duplicate",
            Self::Exists => "exists",
            Self::NoMatch => "no_match",
            Self::AmbiguousMatch => "ambiguous_match",
            Self::Conflict => "conflict",
            Self::NotRejected => "not_rejected",
            Self::Irreversible => "irreversible",
            Self::Crm(rule) => rule,
            Self::Refused => "refused",
            Self::NoAnswer => "no_answer",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The step of the pipeline that found a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Reading the file.
    Read,
    /// Turning cells into values.
    Convert,
    /// Holding values against the dictionary.
    Validate,
    /// Finding the record that a row means.
    Match,
    /// The CRM's own answer.
    Send,
}

impl Stage {
    /// The word in `errors.jsonl`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Convert => "convert",
            Self::Validate => "validate",
            Self::Match => "match",
            Self::Send => "send",
        }
    }
}

/// Something worth knowing that stops nothing: an encoding found, columns left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice(pub String);

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
