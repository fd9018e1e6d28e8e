//! Dictionaries in a file: written by `describe --save`, read by `--dictionary`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::dictionary::from_node;
use super::json::{Node, checked};
use crate::model::{Dictionary, Field, shown};

/// The version of the file's form. 1: the first.
const VERSION: u32 = 1;

/// The dictionaries of all objects, lookup values included.
///
/// ```json
/// {"version": 1, "source": "https://…", "objects": {"accounts": {"fields": [{"name": "name", "type": "text"}]}}}
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The address of the CRM that it was taken from, where known.
    pub source: Option<String>,
    /// Dictionaries by object name.
    pub objects: BTreeMap<String, Dictionary>,
}

/// Why a file is not a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotFault {
    /// Not JSON, or not an object.
    #[error("it is not a snapshot of the CRM's dictionaries: {0}")]
    Form(String),
    /// Written by a later version of this program.
    #[error(
        "it has version {0} of the snapshot's form, and this carafe knows version {VERSION}; take the snapshot again or use a newer carafe"
    )]
    Newer(String),
    /// One object in it cannot be read.
    #[error("the fields of {object} in it cannot be read: {why}")]
    Object {
        /// The object's name, fit to be shown.
        object: String,
        /// In plain words.
        why: String,
    },
}

impl Snapshot {
    /// Reads a saved snapshot, or one written by hand: each object in any form
    /// that the API's own answer may have, with or without the frame around them.
    pub fn parse(json: &str) -> Result<Self, SnapshotFault> {
        let text = checked(json.as_bytes()).map_err(SnapshotFault::Form)?;
        let node = Node::parse(text).map_err(SnapshotFault::Form)?;
        let Node::Object(entries) = &node else {
            return Err(SnapshotFault::Form(
                "it should be an object with the objects' names as keys".to_owned(),
            ));
        };
        // A frame's version is a number or a text; an object called `version` has fields.
        if let Some(version) = node.get("version").and_then(Node::as_word)
            && version != VERSION.to_string()
        {
            return Err(SnapshotFault::Newer(shown(version).cut(20).to_string()));
        }
        let (objects, framed) = match node.get("objects") {
            Some(Node::Object(objects)) => (objects, true),
            _ => (entries, false),
        };
        let mut out = Self {
            source: node.get("source").and_then(Node::as_word).filter(|_| framed).map(str::to_owned),
            objects: BTreeMap::new(),
        };
        for (object, described) in objects {
            if !framed && described.as_word().is_some() {
                continue;
            }
            let dictionary = from_node(object, described)
                .map_err(|why| SnapshotFault::Object { object: shown(object).cut(80).to_string(), why })?;
            out.objects.insert(object.clone(), dictionary);
        }
        if out.objects.is_empty() && !framed {
            return Err(SnapshotFault::Form("it names no objects".to_owned()));
        }
        Ok(out)
    }

    /// The file's text, one field a line, so that a version control shows what changed.
    pub fn to_json(&self) -> String {
        let mut out = String::from("{\n");
        out.push_str(&format!("  \"version\": {VERSION},\n"));
        if let Some(source) = &self.source {
            out.push_str(&format!("  \"source\": {},\n", json(source)));
        }
        out.push_str("  \"objects\": {");
        let mut between = "";
        for (name, dictionary) in &self.objects {
            let lines: Vec<String> = dictionary
                .fields()
                .iter()
                .map(|field| format!("      {}", json(&Saved::of(field))))
                .collect();
            out.push_str(&format!(
                "{between}\n    {}: {{\"fields\": [\n{}\n    ]}}",
                json(name),
                lines.join(",\n")
            ));
            between = ",";
        }
        out.push_str("\n  }\n}\n");
        out
    }
}

/// Texts, numbers, flags and lists of them can always be written.
fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A field as the file has it. What is missing has the value that reading fills in.
#[derive(Serialize)]
struct Saved<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    required: bool,
    readonly: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decimals: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lookup: Option<SavedLookup<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum SavedLookup<'a> {
    Tied(bool),
    Known {
        #[serde(skip_serializing_if = "Option::is_none")]
        list: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        values: Option<&'a [String]>,
    },
}

impl<'a> Saved<'a> {
    fn of(field: &'a Field) -> Self {
        Self {
            name: &field.name,
            label: field.label.as_deref(),
            kind: field.kind.word(),
            required: field.required,
            readonly: field.read_only,
            // 0 says "no limit" where the kind would have one.
            size: field.size.or_else(|| field.kind.default_size().map(|_| 0)),
            decimals: field.decimals,
            lookup: field.lookup.as_ref().map(|lookup| match (&lookup.list, &lookup.values) {
                (None, None) => SavedLookup::Tied(true),
                (list, values) => SavedLookup::Known { list: list.as_deref(), values: values.as_deref() },
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FieldKind, Lookup};
    use proptest::prelude::*;

    fn kinds() -> impl Strategy<Value = FieldKind> {
        use FieldKind as K;
        proptest::sample::select(vec![
            K::Text,
            K::TextArea,
            K::Memo,
            K::MultiSelect,
            K::Checkbox,
            K::Date,
            K::DateTime,
            K::Email,
            K::Number,
            K::Currency,
            K::Percent,
            K::Url,
            K::Other("Rainbow \"7\"".into()),
        ])
    }

    fn lookups() -> impl Strategy<Value = Option<Lookup>> {
        let value = "[A-Za-zé\"/ ]{0,5}[a-z]";
        let values =
            proptest::collection::btree_set(value, 0..4).prop_map(|all| all.into_iter().collect::<Vec<_>>());
        proptest::option::of(
            (proptest::option::of("[A-Za-z0-9 ]{1,8}"), proptest::option::of(values))
                .prop_map(|(list, values)| Lookup { list, values }),
        )
    }

    fn fields() -> impl Strategy<Value = Field> {
        let sizes = proptest::option::of(1_u32..20_000);
        let label = proptest::option::of("[A-Za-zé]{1,8}");
        let name = "[a-z0-9/_.é\"]{1,12}";
        (name, label, kinds(), any::<(bool, bool)>(), sizes, proptest::option::of(0_u32..9), lookups())
            .prop_map(|(name, label, kind, (required, read_only), size, decimals, lookup)| Field {
                read_only: read_only || name == "id",
                name,
                label,
                kind,
                required,
                size,
                decimals,
                lookup,
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn a_snapshot_that_is_saved_and_read_is_the_same(
            all in proptest::collection::btree_map("[a-z_.]{1,8}", proptest::collection::vec(fields(), 1..6), 0..4),
            source in proptest::option::of("https://[a-z]{1,8}"),
        ) {
            let objects = all.into_iter().map(|(name, mut fields)| {
                let mut seen = std::collections::HashSet::new();
                fields.retain(|field| seen.insert(field.name.clone()));
                (name.clone(), Dictionary::new(name, fields))
            }).collect();
            let snapshot = Snapshot { source, objects };
            prop_assert_eq!(Snapshot::parse(&snapshot.to_json()), Ok(snapshot));
        }
    }

    #[test]
    fn a_saved_snapshot_reads_well() {
        let mut field = Field::new("type", FieldKind::Text);
        field.lookup = Some(Lookup { list: None, values: Some(vec!["Customer".into()]) });
        let dictionary = Dictionary::new("accounts", vec![Field::new("name", FieldKind::Text), field]);
        let snapshot = Snapshot {
            source: Some("https://crm.example".into()),
            objects: BTreeMap::from([("accounts".to_owned(), dictionary)]),
        };
        assert_eq!(
            snapshot.to_json(),
            r#"{
  "version": 1,
  "source": "https://crm.example",
  "objects": {
    "accounts": {"fields": [
      {"name":"name","type":"text","readonly":false,"size":100},
      {"name":"type","type":"text","readonly":false,"size":100,"lookup":{"values":["Customer"]}}
    ]}
  }
}
"#
        );
    }

    #[test]
    fn hand_written_files_need_no_frame() {
        for json in [
            r#"{"accounts":{"fields":[{"name":"name","type":"text"}]}}"#,
            r#"{"accounts":[{"name":"name","type":"text"}]}"#,
            r#"{"accounts":{"name":{"type":"text"}}}"#,
            r#"{"accounts":{"name":"text"}}"#,
            r#"{"accounts":{"list":[{"metadata":{},"record":{"fieldname":"name","type":"text"}}]}}"#,
            r#"{"version":1,"objects":{"accounts":["name"]}}"#,
            r#"{"version":"1","accounts":["name"]}"#,
        ] {
            let snapshot = Snapshot::parse(json).unwrap();
            assert!(snapshot.objects["accounts"].get("name").is_some(), "{json}");
        }
    }

    #[test]
    fn what_is_no_snapshot_is_said_so() {
        for json in ["", "[]", "{}", "7", "<html>", r#"{"accounts":7}"#] {
            assert!(matches!(Snapshot::parse(json), Err(SnapshotFault::Form(_))), "{json}");
        }
        let newer = Snapshot::parse(r#"{"version":2,"objects":{}}"#).unwrap_err();
        assert!(newer.to_string().contains("version 2"), "{newer}");
        let broken = Snapshot::parse(r#"{"objects":{"accounts":[{}]}}"#).unwrap_err();
        assert!(broken.to_string().contains("accounts"), "{broken}");
    }
}
