//! What a template says about its columns, in plain language.

use crate::model::{Field, FieldKind, thousands};

/// Values of a list that a note names.
const FEW: usize = 12;

/// What goes into a column, one line each: for its note.
pub(super) fn note(field: &Field, has_dropdown: bool) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(field.label.clone().filter(|label| !label.trim().is_empty() && *label != field.name));
    let needed = if field.name == "id" { "Required" } else { "Required for new records" };
    lines.extend(field.required.then(|| needed.to_owned()));
    lines.extend(takes(field));
    lines.extend(list(field, has_dropdown));
    lines
}

/// Type and size in words.
pub(super) fn takes(field: &Field) -> Vec<String> {
    let sized = |what: &str| match field.size {
        Some(size) => format!("{what}, {} characters at most", thousands(u64::from(size))),
        None => what.to_owned(),
    };
    if field.name == "id" {
        let blank = (!field.required).then(|| "Blank: the row becomes a new record".to_owned());
        return std::iter::once("Id of the record to change".to_owned()).chain(blank).collect();
    }
    match &field.kind {
        FieldKind::Text => vec![sized("Text, one line")],
        FieldKind::TextArea | FieldKind::Memo => vec![sized("Text, also of several lines")],
        FieldKind::MultiSelect => {
            vec![sized("One or several values of a list"), "Several: joined by ;".to_owned()]
        }
        FieldKind::Checkbox => vec!["Yes or no: 1 or 0".to_owned()],
        FieldKind::Date => vec!["Date: 2026-12-31".to_owned()],
        FieldKind::DateTime => vec!["Date and time: 2026-12-31 14:30:00".to_owned()],
        FieldKind::Email => vec![sized("E-mail address")],
        FieldKind::Url => vec![sized("Web address")],
        FieldKind::Number => vec![number("Number", field.decimals)],
        FieldKind::Currency => vec![number("Amount of money", field.decimals)],
        FieldKind::Percent => vec![number("Percentage, 12.5% or 12.5", field.decimals)],
        FieldKind::Other(word) => vec![sized(&format!("Of the CRM's type \"{word}\", as text"))],
    }
}

fn number(what: &str, decimals: Option<u32>) -> String {
    match decimals {
        Some(0) => format!("{what}, whole"),
        Some(1) => format!("{what}, 1 decimal at most"),
        Some(most) => format!("{what}, {most} decimals at most"),
        None => what.to_owned(),
    }
}

pub(super) fn list(field: &Field, has_dropdown: bool) -> Vec<String> {
    let Some(lookup) = &field.lookup else { return Vec::new() };
    let name = lookup.list.as_ref().map(|list| format!(" \"{list}\"")).unwrap_or_default();
    match lookup.values.as_deref() {
        None => vec![format!("Takes only values of the list{name}, which the dictionary does not tell")],
        Some([]) => vec![format!("Takes only values of the list{name}, which is empty")],
        Some(values) if has_dropdown => {
            let few: Vec<&str> = values.iter().take(FEW).map(String::as_str).collect();
            let more = values.len().saturating_sub(FEW);
            let more =
                if more > 0 { format!(", and {} more", thousands(more as u64)) } else { String::new() };
            vec![format!("Choose from the list{name}: {}{more}", few.join(", "))]
        }
        Some(values) => vec![format!(
            "Takes only the {} values of the list{name}: too many for a dropdown",
            thousands(values.len() as u64)
        )],
    }
}

/// A line of the instructions.
pub(super) enum Line {
    /// A heading.
    Head(String),
    /// A sentence or two.
    Plain(String),
}

/// What the instructions say above the list of columns.
pub(super) struct About<'a> {
    pub(super) object: &'a str,
    /// The names of the sheets: rows, instructions, lists.
    pub(super) sheets: [&'a str; 3],
    /// The last row whose cells are checked in the workbook.
    pub(super) last_row: u32,
    /// The field of ids, where rows can change records.
    pub(super) id: Option<&'a Field>,
    /// The commands that check and import the workbook.
    pub(super) check: &'a str,
    pub(super) import: &'a str,
}

impl About<'_> {
    pub(super) fn lines(&self) -> Vec<Line> {
        let [rows, own, lists] = self.sheets;
        let head = |text: &str| Line::Head(text.to_owned());
        let plain = |text: &str| Line::Plain(text.to_owned());
        let ids = match self.id {
            Some(id) if id.required => "Every row changes the record that its id names.",
            Some(_) => "A row with an id changes that record; a row with a blank id becomes a new record.",
            None => "Every row becomes a new record.",
        };
        vec![
            Line::Head(format!("How to fill in {}", self.object)),
            Line::Plain(format!(
                "Fill in the sheet \"{rows}\": one record a row, from row 2 on. {ids} Keep row 1 as it is: its names \
                 say what goes into each column. Columns may change places, and those that you do not need may stay \
                 blank or be deleted."
            )),
            plain(
                "Point at a name in row 1 to see what its column takes. The same stands below, for all columns.",
            ),
            head("Required"),
            plain(
                "Names on a dark ground are required: rows without them are refused. Where a row has something in it and a \
                 required cell is blank, that cell is coloured.",
            ),
            head("Dropdowns"),
            plain(
                "Where a cell offers a list, choose from it. Where several values are allowed, type them with ; between \
                 them: the arrow gives the first.",
            ),
            head("Dates, numbers, texts"),
            plain(
                "Type dates as you always do: the workbook keeps them as dates and shows them as 2026-12-31. Where one \
                 is kept as text, 2026-12-31 or 2026-12-31 14:30:00 is understood. Times have no zone.",
            ),
            plain("Type numbers without a currency sign. Yes is 1, no is 0."),
            plain(
                "Columns of texts keep what you type, with leading zeros: phone numbers, postcodes, numbers of customers.",
            ),
            head("Checks"),
            Line::Plain(format!(
                "Cells down to row {} refuse what the CRM would refuse. More rows may be filled in. Pasting over \
                 cells takes their checks away; nothing is lost by that: on import every cell is checked again, and \
                 rows that do not pass come back with what is wrong.",
                thousands(u64::from(self.last_row))
            )),
            head("Import"),
            Line::Plain(format!("See what is wrong, without changing anything:  {}", self.check)),
            Line::Plain(format!("Import:  {}", self.import)),
            Line::Plain(format!(
                "This sheet (\"{own}\") and the hidden one (\"{lists}\") are passed over: put no records here."
            )),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Lookup;

    fn told(field: &Field, has_dropdown: bool) -> String {
        note(field, has_dropdown).join(" | ")
    }

    fn listed(values: Option<usize>) -> Field {
        let values = values.map(|count| (1..=count).map(|n| format!("v{n}")).collect());
        let lookup = Some(Lookup { list: Some("kinds".to_owned()), values });
        Field { lookup, ..Field::new("kind", FieldKind::MultiSelect) }
    }

    #[test]
    fn a_note_gives_label_need_type_and_size() {
        let field = Field {
            label: Some("Account Name".to_owned()),
            required: true,
            ..Field::new("name", FieldKind::Text)
        };
        let wanted = "Account Name | Required for new records | Text, one line, 100 characters at most";
        assert_eq!(told(&field, false), wanted);
        let field = Field { decimals: Some(2), ..Field::new("value", FieldKind::Currency) };
        assert_eq!(told(&field, false), "Amount of money, 2 decimals at most");
        let field = Field { decimals: Some(0), ..Field::new("ownerid", FieldKind::Number) };
        assert_eq!(told(&field, false), "Number, whole");
        let odd = Field::new("x", FieldKind::Other("colour".to_owned()));
        assert_eq!(told(&odd, false), "Of the CRM's type \"colour\", as text");
    }

    #[test]
    fn a_list_is_named_whether_it_can_be_offered_or_not() {
        let ends = |count, has_dropdown, end: &str| {
            let told = told(&listed(count), has_dropdown);
            assert!(told.ends_with(end), "{told}");
        };
        ends(Some(2), true, "Choose from the list \"kinds\": v1, v2");
        ends(Some(20), true, "v11, v12, and 8 more");
        ends(Some(0), false, "the list \"kinds\", which is empty");
        ends(None, false, "the list \"kinds\", which the dictionary does not tell");
        ends(Some(40_000), false, "the 40,000 values of the list \"kinds\": too many for a dropdown");
    }
}
