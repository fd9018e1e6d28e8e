//! Where the values came from that the CRM complains about.

use crate::model::{Header, column_letters};
use crate::rules::program::Program;

/// Leads an answer's field back to the cell that the value came from.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Origins {
    sheet: Option<String>,
    /// The file is no grid: its values have no cells.
    #[serde(default)]
    without_grid: bool,
    /// Field, header, 0-based place of the column.
    fields: Vec<(String, String, usize)>,
}

impl Origins {
    /// The first column of each field.
    pub fn of(program: &Program) -> Self {
        let origin = |header: &Header, column: usize, field: &str| {
            let found = header.columns.get(column)?;
            Some((field.to_owned(), found.name.clone(), found.place))
        };
        let fields = program
            .fields
            .iter()
            .filter_map(|field| origin(&program.header, *field.columns().first()?, &field.field.name));
        Self {
            sheet: program.header.sheet.clone(),
            without_grid: !program.has_grid,
            fields: fields.collect(),
        }
    }

    /// The cell of a field's first column in a row, and the column's header.
    pub fn cell(&self, field: &str, row: u64) -> (Option<String>, Option<String>) {
        let Some((_, name, place)) = self.fields.iter().find(|(known, ..)| known == field) else {
            return (None, None);
        };
        let letters = column_letters(*place);
        let cell = match &self.sheet {
            Some(sheet) => format!("{sheet}!{letters}{row}"),
            None => format!("{letters}{row}"),
        };
        (Some(cell).filter(|_| !self.without_grid), Some(name.clone()))
    }
}
