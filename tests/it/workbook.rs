//! XLSX workbooks made by hand, so that a cell can hold what no library writes:
//! errors, formulas without a result, rows that are hidden.

use std::io::{Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// One cell, wherever it will stand.
#[derive(Clone)]
pub struct Cell {
    attributes: String,
    inside: String,
}

fn cell(attributes: &str, inside: String) -> Cell {
    Cell { attributes: attributes.to_owned(), inside }
}

pub fn blank() -> Cell {
    cell("", String::new())
}

pub fn text(text: &str) -> Cell {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    cell(r#" t="inlineStr""#, format!(r#"<is><t xml:space="preserve">{escaped}</t></is>"#))
}

pub fn number(number: &str) -> Cell {
    cell("", format!("<v>{number}</v>"))
}

/// A serial number that is shown as a date.
pub fn day(serial: &str) -> Cell {
    cell(r#" s="1""#, format!("<v>{serial}</v>"))
}

/// A number that is shown with five digits, `00123`.
pub fn padded(number: &str) -> Cell {
    cell(r#" s="2""#, format!("<v>{number}</v>"))
}

/// A number that is shown in percent, `25%` for 0.25.
pub fn percent(number: &str) -> Cell {
    cell(r#" s="3""#, format!("<v>{number}</v>"))
}

pub fn yes() -> Cell {
    cell(r#" t="b""#, "<v>1</v>".to_owned())
}

pub fn error(error: &str) -> Cell {
    cell(r#" t="e""#, format!("<v>{error}</v>"))
}

/// A formula with the result that the workbook keeps, if it keeps one.
pub fn formula(formula: &str, result: Option<&str>) -> Cell {
    let stored = result.map(|result| format!("<v>{result}</v>")).unwrap_or_default();
    cell("", format!("<f>{formula}</f>{stored}"))
}

/// A row of texts.
pub fn texts<const N: usize>(row: [&str; N]) -> Vec<Cell> {
    row.iter().map(|word| if word.is_empty() { blank() } else { text(word) }).collect()
}

/// A sheet in the making, row under row.
#[derive(Default)]
pub struct Sheet {
    name: String,
    rows: String,
    next: u32,
    merged: Vec<&'static str>,
    hidden_columns: Vec<u32>,
}

impl Sheet {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), next: 1, ..Self::default() }
    }

    pub fn row(self, cells: impl AsRef<[Cell]>) -> Self {
        self.push(cells.as_ref(), "")
    }

    pub fn hidden_row(self, cells: impl AsRef<[Cell]>) -> Self {
        self.push(cells.as_ref(), r#" hidden="1""#)
    }

    pub fn blank_row(mut self) -> Self {
        self.next += 1;
        self
    }

    pub fn merge(mut self, cells: &'static str) -> Self {
        self.merged.push(cells);
        self
    }

    /// `column` counts from 1.
    pub fn hide_column(mut self, column: u32) -> Self {
        self.hidden_columns.push(column);
        self
    }

    fn push(mut self, cells: &[Cell], attributes: &str) -> Self {
        let number = self.next;
        self.rows += &format!(r#"<row r="{number}"{attributes}>"#);
        for (letter, Cell { attributes, inside }) in ('A'..='Z').zip(cells) {
            if !inside.is_empty() {
                self.rows += &format!(r#"<c r="{letter}{number}"{attributes}>{inside}</c>"#);
            }
        }
        self.rows += "</row>";
        self.next += 1;
        self
    }

    fn xml(&self) -> String {
        let hide = |column: &u32| format!(r#"<col min="{column}" max="{column}" hidden="1"/>"#);
        let hidden: String = self.hidden_columns.iter().map(hide).collect();
        let columns = if hidden.is_empty() { hidden } else { format!("<cols>{hidden}</cols>") };
        let merged: String =
            self.merged.iter().map(|cells| format!(r#"<mergeCell ref="{cells}"/>"#)).collect();
        let merged = if merged.is_empty() { merged } else { format!("<mergeCells>{merged}</mergeCells>") };
        format!("<worksheet>{columns}<sheetData>{}</sheetData>{merged}</worksheet>", self.rows)
    }
}

/// The bytes of a workbook.
pub fn book(sheets: &[Sheet]) -> Vec<u8> {
    packed(sheets, "", &[])
}

/// The bytes of a workbook with further parts, or others in the place of its own.
pub fn book_with(sheets: &[Sheet], parts: &[(&str, &[u8])]) -> Vec<u8> {
    packed(sheets, "", parts)
}

/// The bytes of a workbook of an old Mac, whose days count from 1904.
pub fn book_of_1904(sheets: &[Sheet]) -> Vec<u8> {
    packed(sheets, r#"<workbookPr date1904="1"/>"#, &[])
}

fn packed(sheets: &[Sheet], properties: &str, more: &[(&str, &[u8])]) -> Vec<u8> {
    const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let (mut list, mut relations, mut parts) = (String::new(), String::new(), Vec::new());
    for (sheet, id) in sheets.iter().zip(1..) {
        list += &format!(r#"<sheet name="{}" sheetId="{id}" r:id="s{id}"/>"#, sheet.name);
        relations += &format!(
            r#"<Relationship Id="s{id}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{id}.xml"/>"#
        );
        parts.push((format!("xl/worksheets/sheet{id}.xml"), sheet.xml()));
    }
    let main = format!(r#"<Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/>"#);
    let styles = r#"<styleSheet><numFmts><numFmt numFmtId="164" formatCode="00000"/></numFmts>
        <cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="9"/></cellXfs></styleSheet>"#;
    parts.extend([
        ("[Content_Types].xml".to_owned(), "<Types/>".to_owned()),
        ("_rels/.rels".to_owned(), format!("<Relationships>{main}</Relationships>")),
        ("xl/workbook.xml".to_owned(), format!("<workbook>{properties}<sheets>{list}</sheets></workbook>")),
        ("xl/_rels/workbook.xml.rels".to_owned(), format!("<Relationships>{relations}</Relationships>")),
        ("xl/styles.xml".to_owned(), styles.to_owned()),
    ]);
    parts.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    let own = parts.iter().map(|(name, xml)| (name.as_str(), xml.as_bytes()));
    archive(&own.chain(more.iter().copied()).collect::<Vec<_>>())
}

/// The bytes of a zip with these parts.
pub fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}
