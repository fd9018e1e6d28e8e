//! A light look through a sheet's own XML in an XLSX package, for what the
//! reader of workbooks does not show.

use std::collections::HashMap;
use std::path::Path;

use quick_xml::events::{BytesStart, Event};

use super::area::corner;
use super::error::InputProblem;
use super::percents::is_percent;
use super::survey::{Facts, leading_zeros};
use super::xml::{Parts, attribute, each_event, is_set, part, parts};

/// Most cell styles that are looked at; Excel keeps at most 65,490.
const MAX_STYLES: usize = 70_000;

/// A number format that shows another number than the cell holds.
#[derive(Clone, Copy, Debug)]
enum Format {
    /// It fills up with zeros; see [`leading_zeros`].
    Zeros(Option<usize>),
    /// It shows a hundred times as much.
    Percent,
}

impl Format {
    fn of(code: &str) -> Option<Self> {
        if is_percent(code) { Some(Self::Percent) } else { leading_zeros(code).map(Self::Zeros) }
    }
}

/// Such formats by style.
type Styles = HashMap<usize, Format>;

/// Looks through one sheet; nothing where its part cannot be found. Without
/// `worth` it is only looked at where cells have a format that shows another
/// number than they hold: many programs write such formats and use none.
pub(super) fn survey(path: &Path, sheet: &str, worth: bool) -> Result<Option<Facts>, InputProblem> {
    let mut parts = parts(path)?;
    let Some(name) = sheet_part(&mut parts, sheet)? else { return Ok(None) };
    let styles = styles(&mut parts)?;
    if !worth && styles.is_empty() {
        return Ok(Some(Facts::default()));
    }
    let Some(input) = part(&mut parts, &name)? else { return Ok(None) };
    let mut look = Look::new(styles);
    let mut trouble = Ok(());
    each_event(input, |event| {
        match event {
            Event::Start(element) => trouble = look.start(element),
            Event::End(element) => look.end(element.local_name().into_inner()),
            Event::Text(text) if look.wanted.is_some() => look.value(text.xml10_content().trim()),
            _ => {}
        }
        trouble.is_ok()
    })?;
    trouble?;
    look.facts.settle();
    Ok(Some(look.facts))
}

/// The part of a sheet: the workbook names a relation, that names the part.
pub(super) fn sheet_part(parts: &mut Parts, sheet: &str) -> Result<Option<String>, InputProblem> {
    let office = relations(parts, "_rels/.rels", "")?;
    let book = office.iter().find(|relation| relation.kind.ends_with("/officeDocument"));
    let book = book.map_or("xl/workbook.xml", |relation| relation.target.as_str()).to_owned();
    let mut id = None;
    let Some(input) = part(parts, &book)? else { return Ok(None) };
    each_event(input, |event| {
        if let Event::Start(element) = event
            && element.local_name().into_inner() == "sheet"
            && attribute(element, "name").as_deref() == Some(sheet)
        {
            id = attribute(element, "id");
        }
        id.is_none()
    })?;
    let (folder, file) = book.rsplit_once('/').unwrap_or(("", &book));
    let relations = relations(parts, &format!("{folder}/_rels/{file}.rels"), folder)?;
    Ok(relations
        .into_iter()
        .find(|relation| Some(&relation.id) == id.as_ref())
        .map(|relation| relation.target))
}

/// One line of a part's list of related parts.
pub(super) struct Relation {
    pub(super) id: String,
    kind: String,
    /// The part's name in the package.
    pub(super) target: String,
}

/// Reads such a list; targets are relative to `folder`.
pub(super) fn relations(parts: &mut Parts, list: &str, folder: &str) -> Result<Vec<Relation>, InputProblem> {
    let mut found = Vec::new();
    let Some(input) = part(parts, list.trim_start_matches('/'))? else { return Ok(found) };
    each_event(input, |event| {
        if let Event::Start(element) = event
            && element.local_name().into_inner() == "Relationship"
        {
            let of = |name| attribute(element, name).unwrap_or_default();
            found.push(Relation { id: of("Id"), kind: of("Type"), target: joined(folder, &of("Target")) });
        }
        found.len() < 10_000
    })?;
    Ok(found)
}

/// A target as the name of a part: absolute, or relative to a folder.
fn joined(folder: &str, target: &str) -> String {
    let folder = if target.starts_with('/') { "" } else { folder };
    let mut steps: Vec<&str> = Vec::new();
    for step in folder.split('/').chain(target.split('/')) {
        match step {
            "" | "." => {}
            ".." => drop(steps.pop()),
            step => steps.push(step),
        }
    }
    steps.join("/")
}

/// The styles whose number format is such a one.
fn styles(parts: &mut Parts) -> Result<Styles, InputProblem> {
    // 9 and 10 are Excel's own `0%` and `0.00%`, which no workbook spells out.
    let own = ["9", "10"].map(|id| (id.to_owned(), Format::Percent));
    let (mut formats, mut styles, mut in_cells) = (HashMap::from(own), Styles::new(), false);
    let mut style = 0;
    let Some(input) = part(parts, "xl/styles.xml")? else { return Ok(styles) };
    each_event(input, |event| {
        match event {
            Event::Start(element) => match element.local_name().into_inner() {
                "numFmt" => {
                    let format = attribute(element, "formatCode").and_then(|code| Format::of(&code));
                    match (attribute(element, "numFmtId"), format) {
                        (Some(id), Some(format)) => drop(formats.insert(id, format)),
                        (Some(id), None) => drop(formats.remove(&id)),
                        (None, _) => {}
                    }
                }
                "cellXfs" => in_cells = true,
                "xf" if in_cells => {
                    let id = attribute(element, "numFmtId").unwrap_or_default();
                    if let Some(&format) = formats.get(&id) {
                        styles.insert(style, format);
                    }
                    style += 1;
                }
                _ => {}
            },
            Event::End(element) if element.local_name().into_inner() == "cellXfs" => return false,
            _ => {}
        }
        style < MAX_STYLES
    })?;
    Ok(styles)
}

/// Where the look has got to.
struct Look {
    facts: Facts,
    styles: Styles,
    row: u32,
    hidden: bool,
    filled: bool,
    column: u32,
    /// A number shown with zeros: its column, and to how many digits.
    padded: Option<(u32, Option<usize>)>,
    /// The same while inside its value.
    wanted: Option<(u32, Option<usize>)>,
}

impl Look {
    fn new(styles: Styles) -> Self {
        Self {
            facts: Facts::default(),
            styles,
            row: 0,
            hidden: false,
            filled: false,
            column: 0,
            padded: None,
            wanted: None,
        }
    }

    fn start(&mut self, element: &BytesStart<'_>) -> Result<(), InputProblem> {
        match element.local_name().into_inner() {
            "row" => {
                let number = attribute(element, "r").and_then(|number| number.parse().ok());
                self.row = number.unwrap_or(self.row.saturating_add(1));
                self.hidden = is_set(element, "hidden");
                (self.filled, self.column) = (false, 0);
            }
            "c" if !self.styles.is_empty() => self.cell(element)?,
            "v" => {
                self.filled = true;
                self.wanted = self.padded.take();
            }
            "is" => self.filled = true,
            "f" => {
                self.filled = true;
                self.facts.formulas += 1;
            }
            "col" if is_set(element, "hidden") => {
                let number = |name| attribute(element, name).and_then(|number| number.parse::<u32>().ok());
                if let (Some(from @ 1..), Some(to @ 1..)) = (number("min"), number("max")) {
                    self.facts.hidden_columns.push(from - 1, to - 1);
                }
            }
            "mergeCell" => self.facts.merge(&attribute(element, "ref").unwrap_or_default()),
            _ => {}
        }
        Ok(())
    }

    fn cell(&mut self, element: &BytesStart<'_>) -> Result<(), InputProblem> {
        let place = attribute(element, "r").and_then(|place| corner(&place)).and_then(|(column, _)| column);
        self.column = place.map_or(self.column, |place| place) + 1;
        let is_number = attribute(element, "t").is_none_or(|kind| kind == "n");
        let style = attribute(element, "s").and_then(|style| style.parse::<usize>().ok());
        let format = style.and_then(|style| self.styles.get(&style)).copied().filter(|_| is_number);
        let column = self.column - 1;
        self.padded = match format {
            Some(Format::Zeros(digits)) => Some((column, digits)),
            Some(Format::Percent) | None => None,
        };
        if is_number {
            self.facts.percents.note(self.row, column, matches!(format, Some(Format::Percent)))?;
        }
        Ok(())
    }

    fn value(&mut self, text: &str) {
        if let Some((column, digits)) = self.wanted
            && text.len() < digits.unwrap_or(usize::MAX)
        {
            self.facts.padded.entry(column).or_insert(digits);
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "v" => self.wanted = None,
            "c" => self.padded = None,
            "row" if self.hidden && self.filled => self.facts.hidden_rows.push(self.row, self.row),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_parts_of_the_package() {
        for (folder, target, want) in [
            ("xl", "worksheets/sheet1.xml", "xl/worksheets/sheet1.xml"),
            ("xl", "/xl/worksheets/sheet1.xml", "xl/worksheets/sheet1.xml"),
            ("xl", "../x/y.xml", "x/y.xml"),
            ("", "../../x", "x"),
        ] {
            assert_eq!(joined(folder, target), want);
        }
    }
}
