//! Writing a template: an empty workbook that says of each column what it
//! takes, and checks it while it is filled in.

use std::collections::HashSet;
use std::path::PathBuf;

use rust_xlsxwriter::{
    Color, ConditionalFormatFormula, DataValidation, DataValidationErrorStyle, DataValidationRule,
    ExcelDateTime, Format, FormatAlign, FormatBorder, Formula, IgnoreError, Note, Workbook, Worksheet,
    XlsxError,
};

use super::aside::{INSTRUCTIONS, reference};
use super::error::{OutputError, OutputProblem};
use super::list_sheet::ListSheet;
use super::output::Output;
use super::template_text::{About, Line, list, note, takes};
use super::write_xlsx::{contained, cut, new_book, save, sheet_name};
use crate::model::{Field, FieldKind, column_letters};

/// Rows under the header whose cells are checked.
const CHECKED_ROWS: u32 = 10_000;
/// Columns that a sheet has.
const MOST_COLUMNS: usize = 16_384;
/// The largest whole number that a cell keeps to the last digit.
const LARGEST: &str = "999999999999999";

/// The commands that a template's instructions name.
pub struct Guide {
    /// Checks the workbook.
    pub check: String,
    /// Imports it.
    pub import: String,
}

/// Writes an empty workbook for these fields, a column each, and gives it its
/// name. Lists are offered as far as the fields have their values.
///
/// # Errors
/// More fields than a sheet has columns, or the file cannot be written.
pub fn write_template(
    mut output: Output,
    object: &str,
    fields: &[Field],
    guide: &Guide,
) -> Result<PathBuf, OutputError> {
    let target = output.target().to_owned();
    if fields.len() > MOST_COLUMNS {
        let told = format!("a workbook's sheet takes {MOST_COLUMNS} columns, not {}", fields.len());
        return Err(OutputProblem::Content(told).of(&target));
    }
    let mut book = new_book(&target)?;
    contained(&target, || Template::new(object, fields).write(&mut book, guide))?;
    save(book, &mut output)?;
    output.commit()
}

struct Template<'a> {
    object: &'a str,
    fields: &'a [Field],
    /// The names of the sheets of rows and of instructions.
    sheets: [String; 2],
    lists: ListSheet,
    /// The list of each field that has one to offer.
    list_of: Vec<Option<usize>>,
}

impl<'a> Template<'a> {
    fn new(object: &'a str, fields: &'a [Field]) -> Self {
        let mut taken = HashSet::new();
        // The object's own sheet chooses first: an object may be called "lists".
        let [rows, instructions, lists] =
            [object, "Instructions", "Lists"].map(|name| sheet_name(name, 1, &mut taken));
        let mut lists = ListSheet::new(lists);
        let list_of = fields.iter().map(|field| lists.add(field)).collect();
        Self { object, fields, sheets: [rows, instructions], lists, list_of }
    }

    fn write(&self, book: &mut Workbook, guide: &Guide) -> Result<(), XlsxError> {
        self.write_rows(book.add_worksheet())?;
        self.write_instructions(book.add_worksheet(), guide)?;
        book.define_name(INSTRUCTIONS, &reference(&self.sheets[1]))?;
        self.lists.write(book, &header(false))
    }

    /// The sheet that is filled in.
    fn write_rows(&self, sheet: &mut Worksheet) -> Result<(), XlsxError> {
        sheet.set_name(&self.sheets[0])?.set_freeze_panes(1, 0)?.set_active(true);
        for ((column, field), list) in (0_u16..).zip(self.fields).zip(&self.list_of) {
            sheet.set_column_width(column, self.width(field, *list))?;
            if let Some(format) = shown_as(&field.kind) {
                sheet.set_column_format(column, &format)?;
                // Digits in a column of texts are meant to be there.
                sheet.ignore_error_range(1, column, CHECKED_ROWS, column, IgnoreError::NumberStoredAsText)?;
            }
            sheet.write_string_with_format(0, column, cut(&field.name), &header(field.required))?;
            sheet.insert_note(0, column, &note_of(&note(field, list.is_some())))?;
            if let Some(check) = self.check(field, *list)? {
                sheet.add_data_validation(1, column, CHECKED_ROWS, column, &check)?;
            }
            if field.required {
                let rule = ConditionalFormatFormula::new()
                    .set_rule(self.lacks(column).as_str())
                    .set_format(Format::new().set_background_color(Color::RGB(0x00F8_CBAD)));
                sheet.add_conditional_format(1, column, CHECKED_ROWS, column, &rule)?;
            }
        }
        Ok(())
    }

    /// True in a row that is begun and lacks this column; one with an id
    /// changes a record, which needs nothing else.
    fn lacks(&self, column: u16) -> String {
        let letters = |place: usize| column_letters(place);
        let own = letters(usize::from(column));
        let last = letters(self.fields.len().saturating_sub(1));
        let id = self.fields.iter().position(|field| field.name == "id").map(letters);
        let no_id = id.filter(|id| *id != own).map(|id| format!(",LEN(${id}2)=0")).unwrap_or_default();
        format!("=AND(LEN(TRIM(${own}2))=0,COUNTA($A2:${last}2)>0{no_id})")
    }

    /// Wide enough for the name, and for the longest value of a list as far as that goes.
    fn width(&self, field: &Field, list: Option<usize>) -> f64 {
        let letters = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        let values = list
            .map(|list| self.lists.values(list))
            .unwrap_or_default()
            .iter()
            .map(|value| letters(value))
            .max()
            .unwrap_or(0);
        let kind = match field.kind {
            FieldKind::DateTime => 19,
            FieldKind::TextArea | FieldKind::Memo => 40,
            FieldKind::Text | FieldKind::Email | FieldKind::Url
                if field.size.is_none_or(|size| size > 40) =>
            {
                24
            }
            FieldKind::Checkbox => 8,
            _ => 14,
        };
        // The bold name, and the triangle of its note.
        let name = letters(&field.name).saturating_add(3);
        f64::from(name.max(values.saturating_add(3)).max(kind).min(48))
    }

    /// What Excel refuses in a column.
    fn check(&self, field: &Field, list: Option<usize>) -> Result<Option<DataValidation>, XlsxError> {
        let whole = |text: &str| Formula::new(format!("={text}"));
        let new = DataValidation::new;
        let (check, told) = match (&field.kind, list) {
            (kind, Some(list)) => {
                let check = self.lists.dropdown(list);
                let told = "Choose a value of the list.";
                // A cell with several values is none of the list, and a number is not its text.
                let is_strict = shown_as(kind).is_some() && *kind != FieldKind::MultiSelect;
                (check.show_error_message(is_strict), told.to_owned())
            }
            (FieldKind::Date | FieldKind::DateTime, None) => {
                // Before March 1900 Excel's calendar is wrong.
                let (first, last) =
                    (ExcelDateTime::from_ymd(1900, 3, 1)?, ExcelDateTime::from_ymd(9999, 12, 31)?);
                let told = "Enter a date, such as 2026-12-31.";
                (new().allow_date(DataValidationRule::Between(first, last)), told.to_owned())
            }
            // A percentage may be typed as 15%, which its cell holds as 0.15.
            (FieldKind::Number | FieldKind::Currency, None)
                if field.decimals == Some(0) || field.name == "id" =>
            {
                let most = DataValidationRule::Between(whole(&format!("-{LARGEST}")), whole(LARGEST));
                (new().allow_whole_number_formula(most), "Enter a whole number.".to_owned())
            }
            (FieldKind::Number | FieldKind::Currency | FieldKind::Percent, None) => {
                let most = DataValidationRule::Between(-1e15, 1e15);
                (new().allow_decimal_number(most), "Enter a number.".to_owned())
            }
            (FieldKind::Checkbox, None) => {
                (new().allow_list_strings(&["1", "0"])?, "Enter 1 for yes or 0 for no.".to_owned())
            }
            (
                FieldKind::Text
                | FieldKind::TextArea
                | FieldKind::Memo
                | FieldKind::MultiSelect
                | FieldKind::Email
                | FieldKind::Url
                | FieldKind::Other(_),
                None,
            ) => {
                let Some(size) = field.size else { return Ok(None) };
                let told = format!("Enter {size} characters at most.");
                (new().allow_text_length(DataValidationRule::LessThanOrEqualTo(size)), told)
            }
        };
        let check = check.set_error_style(DataValidationErrorStyle::Stop);
        check.set_error_title("The CRM would refuse this")?.set_error_message(told).map(Some)
    }

    fn write_instructions(&self, sheet: &mut Worksheet, guide: &Guide) -> Result<(), XlsxError> {
        let [rows, own] = &self.sheets;
        sheet.set_name(own)?;
        let widths = [30.0, 30.0, 12.0, 70.0];
        for (column, width) in (0_u16..).zip(widths) {
            sheet.set_column_width(column, width)?;
        }
        let about = About {
            object: self.object,
            sheets: [rows, own, &self.lists.name],
            last_row: CHECKED_ROWS + 1,
            id: self.fields.iter().find(|field| field.name == "id"),
            check: &guide.check,
            import: &guide.import,
        };
        let wrapped = Format::new().set_text_wrap().set_align(FormatAlign::Top);
        let mut row = 0;
        for line in about.lines() {
            match line {
                Line::Head(text) => {
                    row += u32::from(row > 0);
                    sheet.write_string_with_format(row, 0, cut(&text), &Format::new().set_bold())?;
                }
                Line::Plain(text) => {
                    sheet.merge_range(row, 0, row, 3, cut(&text), &wrapped)?;
                    sheet.set_row_height(row, 15.0 * lines_of(&text))?;
                }
            }
            row += 1;
        }
        self.write_columns(sheet, row + 1, &wrapped)
    }

    /// The list of all columns.
    fn write_columns(&self, sheet: &mut Worksheet, row: u32, wrapped: &Format) -> Result<(), XlsxError> {
        for (column, text) in (0_u16..).zip(["Column", "Name in the CRM", "Required", "What it takes"]) {
            sheet.write_string_with_format(row, column, text, &header(false))?;
        }
        for ((row, field), has_list) in (row + 1..).zip(self.fields).zip(&self.list_of) {
            let mut told = takes(field);
            told.extend(list(field, has_list.is_some()));
            let label = field.label.as_deref().unwrap_or_default();
            let needed = if field.required { "required" } else { "" };
            let texts = [&field.name, label, needed, &told.join("\n")];
            for (column, text) in (0_u16..).zip(texts) {
                sheet.write_string_with_format(row, column, cut(text), wrapped)?;
            }
        }
        Ok(())
    }
}

/// How a column's cells are shown, where Excel's own way would change them.
fn shown_as(kind: &FieldKind) -> Option<Format> {
    let format = match kind {
        FieldKind::Date => "yyyy-mm-dd",
        FieldKind::DateTime => "yyyy-mm-dd hh:mm:ss",
        FieldKind::Number | FieldKind::Currency | FieldKind::Percent | FieldKind::Checkbox => return None,
        // As text, or zeros at the front go, and what begins with = or - is reckoned.
        FieldKind::Text
        | FieldKind::TextArea
        | FieldKind::Memo
        | FieldKind::MultiSelect
        | FieldKind::Email
        | FieldKind::Url
        | FieldKind::Other(_) => "@",
    };
    Some(Format::new().set_num_format(format))
}

fn header(is_needed: bool) -> Format {
    let format = Format::new().set_bold().set_border_bottom(FormatBorder::Thin);
    match is_needed {
        true => format.set_background_color(Color::RGB(0x001F_4E78)).set_font_color(Color::White),
        false => format.set_background_color(Color::RGB(0x00DD_EBF7)),
    }
}

fn note_of(lines: &[String]) -> Note {
    let text = lines.join("\n");
    // About 45 letters a line of 18 points.
    let height: usize = lines.iter().map(|line| line.chars().count() / 45 + 1).sum();
    let height = u32::try_from(height).unwrap_or(u32::MAX).saturating_mul(18).saturating_add(12).min(400);
    Note::new(cut(&text)).add_author_prefix(false).set_width(300).set_height(height)
}

/// Lines that a sentence takes over the whole width of the instructions.
fn lines_of(text: &str) -> f64 {
    let lines = u32::try_from(text.chars().count() / 130 + 1).unwrap_or(1);
    f64::from(lines.min(20))
}
