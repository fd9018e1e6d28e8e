//! The file of a document, as a field that no dictionary has: `file: Path` in
//! a mapping, or a column `file` where headers are field names. It goes with
//! a new document and is no value of its record.

use super::draft::{Draft, Wish};
use super::program::Program;
use crate::model::{Dictionary, Field, FieldKind};

/// The object whose records have files.
const DOCUMENTS: &str = "documents";

/// What the field is called.
pub const FILE: &str = "file";

/// The field that is called like the file where nothing else fills it.
pub const NAME: &str = "name";

/// The dictionary with the field, where its records have files.
pub fn with_file(dictionary: &Dictionary) -> Dictionary {
    let mut fields = dictionary.fields().to_vec();
    if dictionary.object == DOCUMENTS && dictionary.get(FILE).is_none() {
        fields.push(Field::new(FILE, FieldKind::Other(FILE.to_owned())));
    }
    Dictionary::new(dictionary.object.clone(), fields)
}

/// Whether a field is the file and no field of the CRM.
pub fn is_file(field: &Field) -> bool {
    field.name == FILE && field.kind == FieldKind::Other(FILE.to_owned())
}

/// Where the field stands among the program's.
pub fn place_of_file(program: &Program) -> Option<usize> {
    program.fields.iter().position(|field| is_file(&field.field))
}

/// The path that a row gives for its document's file.
pub fn path_of<'d>(program: &Program, draft: &'d Draft<'_>) -> Option<&'d str> {
    match draft.wishes.get(place_of_file(program)?)? {
        Wish::Text(path) => Some(path),
        Wish::Leave | Wish::Clear | Wish::Number(_) | Wish::Reference(_) | Wish::Faulty => None,
    }
}

/// The last part of a path, which is what the document is called.
pub fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
