//! The keys of a mapping file and the words that they take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{schema, shapes};
use crate::rules::problem::Located;

/// What an import does with each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Every row becomes a new record.
    Create,
    /// Every row changes a record that exists.
    Update,
    /// Rows with a record change it, the others become new ones.
    Upsert,
    /// Every row's record is deleted.
    Delete,
}

impl Mode {
    /// The word in mapping files and summaries.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Upsert => "upsert",
            Self::Delete => "delete",
        }
    }

    /// Whether a row may become a new record.
    pub fn creates(self) -> bool {
        matches!(self, Self::Create | Self::Upsert)
    }

    /// Reads the word again.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Create, Self::Update, Self::Upsert, Self::Delete].into_iter().find(|m| m.word() == word)
    }
}

/// What a blank cell does on update. On create it is never sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Blank {
    /// Leaves the field alone.
    #[default]
    Keep,
    /// Empties the field.
    Clear,
    /// Rejects the row.
    Error,
}

impl Blank {
    /// Reads the word of `--on-blank`.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "keep" => Some(Self::Keep),
            "clear" => Some(Self::Clear),
            "error" => Some(Self::Error),
            _ => None,
        }
    }
}

/// Whether an unknown dropdown value rejects the row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LookupRule {
    /// It does.
    #[default]
    Strict,
    /// The value is added to the list before the first row is sent.
    Append,
    /// The value is sent as it is.
    Off,
}

/// Capital and small letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// `ACME LTD`
    Upper,
    /// `acme ltd`
    Lower,
    /// `Acme Ltd`
    Title,
}

/// Which parts of a text that is cut into pieces are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of them, as values of a multi-select.
    All,
    /// One, counted from 1.
    One(usize),
    /// One, counted from the end.
    Last(usize),
    /// This one, counted from 1, and all behind it as they stand.
    From(usize),
}

/// Where a text is cut, and what is taken of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// What stands between two parts; blanks stand for any run of blanks.
    pub by: String,
    /// What is taken.
    pub part: Part,
}

/// What becomes of a cell that is not among `values`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Otherwise {
    /// The row is rejected.
    Reject,
    /// The cell's own text is used.
    #[default]
    Keep,
    /// The cell counts as blank.
    Blank,
    /// This value is used.
    Use(String),
}

/// The sign between whole digits and decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum DecimalMark {
    /// `1,234.56`
    #[serde(rename = ".")]
    Point,
    /// `1.234,56`
    #[serde(rename = ",")]
    Comma,
}

impl DecimalMark {
    /// How people say it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Point => "with a decimal point",
            Self::Comma => "with a decimal comma",
        }
    }
}

/// Whether a reference without a record rejects the row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// It does.
    #[default]
    Reject,
    /// The cell counts as blank.
    Blank,
}

/// Whether the `'` that an export put before `=`, `+`, `-`, `@` is taken off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Guard {
    /// Taken off, and counted in a notice.
    #[default]
    Strip,
    /// Left as it stands.
    Keep,
}

/// Whether a sheet's hidden rows and columns are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HiddenRows {
    /// They are, and counted in a notice.
    #[default]
    Include,
    /// They are left out, and counted in a notice.
    Skip,
}

/// A sheet by its name or 1-based number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SheetName {
    /// Its name, compared without case.
    Name(String),
    /// Its place among the sheets, from 1.
    Number(usize),
}

/// How to read the file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct SourceKeys {
    /// `csv`, `tsv`, `xlsx`, …
    pub format: Option<Located<String>>,
    /// A label such as `windows-1252`.
    pub encoding: Option<Located<String>>,
    /// One character, or `tab`.
    pub delimiter: Option<Located<String>>,
    /// Name or 1-based number.
    pub sheet: Option<Located<SheetName>>,
    /// 1-based.
    pub header_row: Option<Located<u32>>,
    /// Only these cells of a sheet, `B3:F200`.
    pub range: Option<Located<String>>,
    /// What becomes of a sheet's hidden rows and columns.
    pub hidden: HiddenRows,
    /// What happens to an export's formula guard.
    pub guard: Guard,
}

/// What holds for every field that does not say otherwise.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Defaults {
    /// What a blank cell does on update.
    pub blank: Blank,
    /// Whether blanks at the ends of a cell are taken off.
    pub trim: bool,
    /// The cell text that empties a field.
    pub clear_token: Option<Located<String>>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { blank: Blank::Keep, trim: true, clear_token: None }
    }
}

/// A record of another object that a cell names.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RefRule {
    /// The other object.
    pub object: Located<String>,
    /// The fields that the cell's text is compared with; several are joined by a blank.
    #[serde(deserialize_with = "shapes::one_or_more")]
    #[schemars(with = "schema::OneOrMore")]
    pub by: Vec<Located<String>>,
    /// What happens where there is none.
    #[serde(default)]
    pub missing: Missing,
}

/// How one field is filled.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct FieldRule {
    /// The column, or several to be joined.
    #[serde(deserialize_with = "shapes::one_or_more")]
    #[schemars(with = "schema::OneOrMore")]
    pub from: Vec<Located<String>>,
    /// What stands between joined columns; default a blank.
    pub join: Option<Located<String>>,
    /// The same value for every row.
    #[serde(rename = "const")]
    pub constant: Option<Located<String>>,
    /// An expression over columns, where the named steps do not suffice.
    pub expr: Option<Located<String>>,
    /// Patterns and what stands in their place, in order.
    #[serde(deserialize_with = "shapes::pairs")]
    #[schemars(with = "schema::Pairs")]
    pub replace: Vec<(Located<String>, Located<String>)>,
    /// Where the text is cut, and what is taken of it.
    pub split: Option<Located<Split>>,
    /// Capital or small letters.
    pub case: Option<Located<Case>>,
    /// Cell texts and what they become; of a multi-select, each of its values.
    #[serde(deserialize_with = "shapes::pairs")]
    #[schemars(with = "schema::Pairs")]
    pub values: Vec<(Located<String>, Located<String>)>,
    /// What becomes of a text that is not among `values`; default `keep`.
    pub otherwise: Option<Located<Otherwise>>,
    /// Whether an unknown dropdown value rejects the row.
    pub lookup: Option<Located<LookupRule>>,
    /// The date format, `%d/%m/%Y`; `excel` for its day numbers.
    pub date: Option<Located<String>>,
    /// The decimal mark.
    pub decimal: Option<Located<DecimalMark>>,
    /// Further words for yes in a checkbox.
    #[serde(rename = "true", deserialize_with = "shapes::one_or_more")]
    #[schemars(with = "schema::OneOrMore")]
    pub yes: Vec<Located<String>>,
    /// Further words for no in a checkbox.
    #[serde(rename = "false", deserialize_with = "shapes::one_or_more")]
    #[schemars(with = "schema::OneOrMore")]
    pub no: Vec<Located<String>>,
    /// Digits to fill up to with zeros in front.
    pub pad: Option<Located<u32>>,
    /// What a blank cell does on update.
    pub blank: Option<Blank>,
    /// The cell text that empties the field.
    pub clear_token: Option<Located<String>>,
    /// The value of a blank cell.
    pub default: Option<Located<String>>,
    /// The record of another object that the cell names.
    #[serde(rename = "ref")]
    pub reference: Option<RefRule>,
    /// Whether blanks at the ends are taken off.
    pub trim: Option<bool>,
}
