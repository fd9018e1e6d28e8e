//! An XLSX workbook made by hand, so that its parts can be anything.

use std::io::Write as _;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

/// A workbook in the making.
#[derive(Default)]
pub(super) struct Book {
    /// Name, state, XML inside `<sheetData>`.
    pub(super) sheets: Vec<(String, &'static str, String)>,
    /// XML of the shared strings part.
    pub(super) strings: Option<String>,
    pub(super) date_1904: bool,
    /// XML before and behind `<sheetData>`.
    pub(super) around: (String, String),
    /// Codes of number formats for the styles from 4 on.
    pub(super) formats: Vec<&'static str>,
    /// Where the sheets lie, if not where Excel puts them: `{}` is their number.
    pub(super) place: Option<&'static str>,
    /// Further parts, by name.
    pub(super) parts: Vec<(String, Vec<u8>)>,
}

impl Book {
    pub(super) fn sheet(mut self, name: &str, data: impl Into<String>) -> Self {
        self.sheets.push((name.to_owned(), "visible", data.into()));
        self
    }

    pub(super) fn hidden(mut self, name: &str, data: &str) -> Self {
        self.sheets.push((name.to_owned(), "hidden", data.to_owned()));
        self
    }

    pub(super) fn save(&self, path: &Path) {
        let mut zip = ZipWriter::new(std::fs::File::create(path).unwrap());
        let mut part = |name: &str, xml: &str| {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(xml.as_bytes()).unwrap();
        };
        const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
        part("[Content_Types].xml", "<Types/>");
        let target =
            format!("<Relationship Id=\"r1\" Type=\"{OFFICE}/officeDocument\" Target=\"xl/workbook.xml\"/>");
        part("_rels/.rels", &format!("<Relationships>{target}</Relationships>"));
        let (mut list, mut relations) = (String::new(), String::new());
        for (at, (name, state, data)) in self.sheets.iter().enumerate() {
            list +=
                &format!("<sheet name=\"{name}\" sheetId=\"{0}\" state=\"{state}\" r:id=\"s{0}\"/>", at + 1);
            let place = self.place.unwrap_or("worksheets/sheet{}.xml").replace("{}", &(at + 1).to_string());
            relations +=
                &format!("<Relationship Id=\"s{}\" Type=\"{OFFICE}/worksheet\" Target=\"{place}\"/>", at + 1);
            let (before, behind) = &self.around;
            let xml = format!("<worksheet>{before}<sheetData>{data}</sheetData>{behind}</worksheet>");
            part(&format!("xl/{place}"), &xml);
        }
        let flag = if self.date_1904 { "<workbookPr date1904=\"1\"/>" } else { "" };
        part("xl/workbook.xml", &format!("<workbook>{flag}<sheets>{list}</sheets></workbook>"));
        part("xl/_rels/workbook.xml.rels", &format!("<Relationships>{relations}</Relationships>"));
        // Style 1 is a date, 2 a time, 3 a duration.
        let (mut formats, mut styles) = (String::new(), String::new());
        for (at, code) in self.formats.iter().enumerate() {
            formats += &format!("<numFmt numFmtId=\"{}\" formatCode=\"{code}\"/>", 164 + at);
            styles += &format!("<xf numFmtId=\"{}\"/>", 164 + at);
        }
        part(
            "xl/styles.xml",
            &format!(
                "<styleSheet><numFmts>{formats}</numFmts><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/>\
                 <xf numFmtId=\"21\"/><xf numFmtId=\"46\"/>{styles}</cellXfs></styleSheet>"
            ),
        );
        if let Some(strings) = &self.strings {
            part("xl/sharedStrings.xml", strings);
        }
        for (name, content) in &self.parts {
            zip.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap();
    }

    pub(super) fn open(&self) -> (Folder, Result<Source, InputError>) {
        self.open_with(&ReadOptions::default())
    }

    pub(super) fn open_with(&self, options: &ReadOptions) -> (Folder, Result<Source, InputError>) {
        let folder = Folder::new();
        let path = folder.path("a.xlsx");
        self.save(&path);
        let source = Source::open(&path, options);
        (folder, source)
    }

    pub(super) fn refused(&self) -> String {
        match self.open().1 {
            Err(error) => error.to_string(),
            Ok(source) => read(&source).expect_err("it is refused").to_string(),
        }
    }
}

pub(super) fn text(place: &str, text: &str) -> String {
    format!("<c r=\"{place}\" t=\"inlineStr\"><is><t xml:space=\"preserve\">{text}</t></is></c>")
}

pub(super) fn number(place: &str, number: &str) -> String {
    format!("<c r=\"{place}\"><v>{number}</v></c>")
}

pub(super) fn row(number: u32, cells: &[String]) -> String {
    format!("<row r=\"{number}\">{}</row>", cells.concat())
}
