//! What the data look like to the program: fourteen fields, and the snapshot,
//! the dictionary and the mappings that are made from them.

use std::fmt::Write as _;

/// One field of the object, and the column that fills it.
pub struct Field {
    /// Its API name.
    pub name: &'static str,
    /// The header in the file.
    pub column: &'static str,
    /// Its type's API name.
    pub kind: &'static str,
    /// Most characters, where limited.
    pub size: Option<u32>,
    /// The words of its dropdown; none if empty.
    pub words: &'static [&'static str],
}

const fn field(name: &'static str, column: &'static str, kind: &'static str, size: u32) -> Field {
    let size = if size == 0 { None } else { Some(size) };
    Field { name, column, kind, size, words: &[] }
}

const fn dropdown(name: &'static str, column: &'static str, words: &'static [&'static str]) -> Field {
    Field { name, column, kind: "text", size: Some(100), words }
}

/// What `type` may hold.
pub const TYPES: [&str; 7] =
    ["Customer", "Prospect", "Supplier", "Partner", "Competitor", "Former Customer", "Other"];

/// What `sector` may hold.
pub const SECTORS: [&str; 11] = [
    "Communication Services",
    "Consumer Discretionary",
    "Consumer Staples",
    "Energy",
    "Financials",
    "Health Care",
    "Industrials",
    "Information Technology",
    "Materials",
    "Real Estate",
    "Utilities",
];

/// The fourteen, in the file's order.
pub const FIELDS: [Field; 14] = [
    field("name", "Company", "text", 100),
    field("addressline", "Street", "textarea", 255),
    field("addresscity", "Town", "text", 50),
    field("addresspostcode/zip", "Postcode", "text", 20),
    field("addresscountry", "Country", "text", 50),
    dropdown("type", "Kind", &TYPES),
    dropdown("sector", "Sector", &SECTORS),
    field("phone", "Telephone", "text", 30),
    field("website", "Website", "url", 100),
    field("email", "E-mail", "email", 50),
    field("inceptiondate", "Customer since", "date", 0),
    field("annualvalue", "Annual value", "currency", 0),
    field("employees", "Staff", "number", 0),
    field("notes", "Remarks", "memo", 0),
];

/// How a file writes its dates and decimals, and whether the mapping says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Style {
    /// `2021-12-31` and `1234.50`; the mapping names both formats.
    Stated,
    /// `31/12/2021` and `1,234.50`; the whole column has to prove how it is read.
    Open,
}

/// The mapping of all fourteen columns; `matched` by the unique one.
pub fn mapping(mode: &str, matched: bool, style: Style) -> String {
    let mut text = format!("version: 1\nobject: accounts\nmode: {mode}\n");
    if matched {
        text.push_str("match: [name]\n");
    }
    text.push_str("fields:\n");
    for field in &FIELDS {
        let (name, column) = (field.name, field.column);
        let how = match (field.kind, style) {
            ("date", Style::Stated) => ", date: \"%Y-%m-%d\"",
            ("currency" | "number", Style::Stated) => ", decimal: \".\"",
            _ => "",
        };
        let _ = writeln!(text, "  {name}: {{ from: {column}{how} }}");
    }
    text
}

/// The fields as JSON objects, `id` and the CRM's own dates among them.
fn described() -> Vec<String> {
    let own =
        |name: &str, kind: &str| format!("{{\"name\":\"{name}\",\"type\":\"{kind}\",\"readonly\":true}}");
    let mut all = vec![own("id", "number")];
    all.extend(FIELDS.iter().map(|field| {
        let (name, kind, required) = (field.name, field.kind, field.name == "name");
        let mut text =
            format!("{{\"name\":\"{name}\",\"type\":\"{kind}\",\"required\":{required},\"readonly\":false");
        if let Some(size) = field.size {
            let _ = write!(text, ",\"size\":{size}");
        }
        if kind == "currency" {
            text.push_str(",\"decimals\":2");
        }
        if !field.words.is_empty() {
            let words = serde_json::to_string(field.words).expect("words are JSON");
            let _ = write!(text, ",\"lookup\":{{\"list\":\"{name}s\",\"values\":{words}}}");
        }
        text.push('}');
        text
    }));
    all.push(own("createddate", "datetime"));
    all.push(own("modifieddate", "datetime"));
    all
}

/// The file for `--dictionary`.
pub fn snapshot() -> String {
    format!("{{\"version\":1,\"objects\":{{\"accounts\":{{\"fields\":[{}]}}}}}}\n", described().join(",\n"))
}

/// The CRM's answer to `GET /datadictionary/accounts`.
pub fn dictionary() -> String {
    format!("{{\"fields\":[{}]}}", described().join(","))
}
