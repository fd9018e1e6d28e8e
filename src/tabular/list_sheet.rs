//! A hidden sheet that holds the values of dropdowns: written out in the
//! dropdown itself they would have to fit into 255 characters.

use std::collections::HashMap;

use rust_xlsxwriter::{DataValidation, Format, Formula, Workbook, XlsxError};

use super::aside::{LISTS, quoted, reference};
use super::write_xlsx::cut;
use crate::model::{Field, column_letters};

/// Excel's dropdowns show no more values.
const MOST_VALUES: usize = 32_767;

/// The lists of a workbook, each once.
pub(super) struct ListSheet {
    /// The sheet's name.
    pub(super) name: String,
    /// With the name of the first field that is tied to it.
    lists: Vec<(String, Vec<String>)>,
    by_values: HashMap<Vec<String>, usize>,
    /// Fields that were asked for: lists may be long, and rows many.
    by_field: HashMap<String, Option<usize>>,
}

impl ListSheet {
    pub(super) fn new(name: String) -> Self {
        Self { name, lists: Vec::new(), by_values: HashMap::new(), by_field: HashMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// Adds the list of a field and gives its number; none where it is not
    /// known, empty or too long.
    pub(super) fn add(&mut self, field: &Field) -> Option<usize> {
        if let Some(&known) = self.by_field.get(&field.name) {
            return known;
        }
        let list = self.number_of(field);
        self.by_field.insert(field.name.clone(), list);
        list
    }

    fn number_of(&mut self, field: &Field) -> Option<usize> {
        let values = field.lookup.as_ref()?.values.as_ref()?;
        // A value that no cell holds whole would come back as another.
        let fits = |value: &&String| !value.trim().is_empty() && cut(value).len() == value.len();
        let values: Vec<String> = values.iter().filter(fits).cloned().collect();
        if !(1..=MOST_VALUES).contains(&values.len()) {
            return None;
        }
        Some(*self.by_values.entry(values).or_insert_with_key(|values| {
            self.lists.push((field.name.clone(), values.clone()));
            self.lists.len() - 1
        }))
    }

    /// The values of a list.
    pub(super) fn values(&self, list: usize) -> &[String] {
        self.lists.get(list).map(|(_, values)| values.as_slice()).unwrap_or_default()
    }

    /// A dropdown of a list.
    pub(super) fn dropdown(&self, list: usize) -> DataValidation {
        let (column, last) = (column_letters(list), self.values(list).len() + 1);
        let range = format!("={}!${column}$2:${column}${last}", quoted(&self.name));
        DataValidation::new().allow_list_formula(Formula::new(range))
    }

    /// Writes the sheet, where there are lists, as the next of the workbook.
    pub(super) fn write(&self, book: &mut Workbook, header: &Format) -> Result<(), XlsxError> {
        if self.is_empty() {
            return Ok(());
        }
        let sheet = book.add_worksheet();
        sheet.set_name(&self.name)?.set_hidden(true);
        for (column, (field, values)) in (0_u16..).zip(&self.lists) {
            sheet.write_string_with_format(0, column, cut(field), header)?;
            for (row, value) in (1_u32..).zip(values) {
                sheet.write_string(row, column, value)?;
            }
        }
        book.define_name(LISTS, &reference(&self.name))?;
        Ok(())
    }
}
