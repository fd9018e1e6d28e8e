//! The sheets of a workbook that hold no rows, by a mark in the workbook.
//!
//! A template (`template`) has a sheet of instructions and one of lists beside
//! the one that is filled in. The workbook has a name of its own for each of
//! the two, of the kind that formulas use: it goes along when the sheet is
//! renamed, moved or copied, and programs that save the workbook keep it. A
//! sheet that happens to be called "Instructions" is read like any other.

/// The name that refers to the sheet of instructions.
pub(super) const INSTRUCTIONS: &str = "carafe_instructions";
/// The name that refers to the sheet of lists.
pub(super) const LISTS: &str = "carafe_lists";

/// The sheets to which these names of a workbook refer as such, each name with its reference.
pub(super) fn asides(names: &[(String, String)]) -> Vec<String> {
    let marks = names
        .iter()
        .filter(|(name, _)| [INSTRUCTIONS, LISTS].iter().any(|mark| name.eq_ignore_ascii_case(mark)));
    marks.filter_map(|(_, reference)| sheet_of(reference)).collect()
}

/// The reference to a sheet's first cell.
pub(super) fn reference(sheet: &str) -> String {
    format!("={}!$A$1", quoted(sheet))
}

/// A sheet's name as formulas have it.
pub(super) fn quoted(sheet: &str) -> String {
    format!("'{}'", sheet.replace('\'', "''"))
}

/// The sheet of `Sheet1!$A$1` or `'My sheet'!$A$1`.
fn sheet_of(reference: &str) -> Option<String> {
    let (sheet, _) = reference.trim_start_matches('=').rsplit_once('!')?;
    let quoted = sheet.strip_prefix('\'').and_then(|sheet| sheet.strip_suffix('\''));
    Some(quoted.map_or_else(|| sheet.to_owned(), |name| name.replace("''", "'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_names_its_sheet_however_it_is_called() {
        let names = |names: &[(&str, &str)]| {
            asides(&names.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect::<Vec<_>>())
        };
        for sheet in ["Instructions", "How to", "it's!", "Lists (2)"] {
            assert_eq!(names(&[(INSTRUCTIONS, &reference(sheet))]), [sheet]);
        }
        let found = names(&[("Carafe_Lists", "Lists!$A$1"), ("other", "Data!$A$1"), (INSTRUCTIONS, "0.96")]);
        assert_eq!(found, ["Lists"]);
    }
}
