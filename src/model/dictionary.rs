//! The CRM's data dictionary: which fields an object has and what they take.

use std::collections::HashMap;

/// The fields of one object, in the CRM's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dictionary {
    /// The object's API name.
    pub object: String,
    fields: Vec<Field>,
    by_name: HashMap<String, usize>,
}

impl Dictionary {
    /// A dictionary of these fields. A name that stands twice keeps its first place.
    pub fn new(object: impl Into<String>, fields: Vec<Field>) -> Self {
        let mut by_name = HashMap::with_capacity(fields.len());
        for (at, field) in fields.iter().enumerate() {
            by_name.entry(field.name.clone()).or_insert(at);
        }
        Self { object: object.into(), fields, by_name }
    }

    /// All fields, in the CRM's order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// A field by its exact name.
    pub fn get(&self, name: &str) -> Option<&Field> {
        self.by_name.get(name).map(|&at| &self.fields[at])
    }

    /// A field to change, by its exact name (to fill in its lookup values).
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Field> {
        self.by_name.get(name).map(|&at| &mut self.fields[at])
    }
}

/// One field of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The API name, for example `addresscounty/state`.
    pub name: String,
    /// What people call it, where the dictionary says.
    pub label: Option<String>,
    /// Which values it takes.
    pub kind: FieldKind,
    /// The CRM refuses a record without it.
    pub required: bool,
    /// The CRM fills it; it can be read but not written.
    pub read_only: bool,
    /// Most characters, where limited.
    pub size: Option<u32>,
    /// Most digits behind the decimal point, where limited.
    pub decimals: Option<u32>,
    /// The list of values it is tied to, if any.
    pub lookup: Option<Lookup>,
}

impl Field {
    /// A plain optional field of that kind, with the kind's own size.
    pub fn new(name: impl Into<String>, kind: FieldKind) -> Self {
        let size = kind.default_size();
        Self {
            name: name.into(),
            label: None,
            kind,
            required: false,
            read_only: false,
            size,
            decimals: None,
            lookup: None,
        }
    }

    /// Its label, else its name.
    pub fn title(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.name)
    }
}

/// A dropdown's list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lookup {
    /// The list's own name, where the dictionary gives it; it may differ from the field's.
    pub list: Option<String>,
    /// Its values; `None` until they have been read from the CRM.
    pub values: Option<Vec<String>>,
}

/// The field types that the CRM has (source: field notes, "Data dictionary and lookups").
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// One line, 100 characters if the dictionary says nothing else.
    Text,
    /// Several lines, 10,000 characters.
    TextArea,
    /// Several lines without a limit.
    Memo,
    /// Several values of a list, joined by `;`.
    MultiSelect,
    /// 0 or 1; null occurs.
    Checkbox,
    /// `YYYY-MM-DD`.
    Date,
    /// `YYYY-MM-DD HH:MM:SS`, no zone.
    DateTime,
    /// An e-mail address, 50 characters.
    Email,
    /// A number; foreign keys too.
    Number,
    /// An amount of money.
    Currency,
    /// A percentage; an entry may end in `%`.
    Percent,
    /// A web address, 100 characters.
    Url,
    /// A type this program does not know, by its name: handled as text without a limit.
    Other(String),
}

impl FieldKind {
    /// Reads the CRM's word for a type, and the words that others use for it.
    pub fn from_word(word: &str) -> Self {
        let plain: String =
            word.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        match plain.as_str() {
            "text" | "string" | "varchar" | "char" | "lookup" | "dropdown" | "select" | "phone" | "tel" => {
                Self::Text
            }
            "textarea" | "multiline" => Self::TextArea,
            "memo" | "longtext" => Self::Memo,
            "multiselect" | "multipleselect" | "multi" => Self::MultiSelect,
            "checkbox" | "boolean" | "bool" | "flag" | "tinyint" => Self::Checkbox,
            "date" => Self::Date,
            "datetime" | "timestamp" => Self::DateTime,
            "email" | "emailaddress" => Self::Email,
            "number" | "integer" | "int" | "bigint" | "decimal" | "float" | "double" | "numeric" | "id" => {
                Self::Number
            }
            "currency" | "money" => Self::Currency,
            "percent" | "percentage" => Self::Percent,
            "url" | "link" | "website" => Self::Url,
            _ => Self::Other(word.to_owned()),
        }
    }

    /// The word shown to people and written to snapshots.
    pub fn word(&self) -> &str {
        match self {
            Self::Text => "text",
            Self::TextArea => "textarea",
            Self::Memo => "memo",
            Self::MultiSelect => "multi-select",
            Self::Checkbox => "checkbox",
            Self::Date => "date",
            Self::DateTime => "datetime",
            Self::Email => "email",
            Self::Number => "number",
            Self::Currency => "currency",
            Self::Percent => "percent",
            Self::Url => "url",
            Self::Other(word) => word,
        }
    }

    /// Most characters where the dictionary gives no size (source: field notes).
    pub fn default_size(&self) -> Option<u32> {
        match self {
            Self::Text | Self::MultiSelect | Self::Url => Some(100),
            Self::TextArea => Some(10_000),
            Self::Email => Some(50),
            Self::Memo
            | Self::Checkbox
            | Self::Date
            | Self::DateTime
            | Self::Number
            | Self::Currency
            | Self::Percent
            | Self::Other(_) => None,
        }
    }

    /// Number, currency and percent.
    pub fn is_numeric(&self) -> bool {
        matches!(self, Self::Number | Self::Currency | Self::Percent)
    }

    /// Date and datetime.
    pub fn is_temporal(&self) -> bool {
        matches!(self, Self::Date | Self::DateTime)
    }
}
