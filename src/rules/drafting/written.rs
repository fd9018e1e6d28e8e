//! The draft as the text of a mapping file.

use super::entry::{Entry, Key};
use super::matching::SURE;
use super::proposal::Proposal;
use super::yaml::{list, quoted, scalar};
use crate::model::{Header, count, shown};

/// What had to be found out to read the file and differs from the default.
#[derive(Clone, Debug, Default)]
pub struct SourceFacts {
    /// The sheet, where it was named.
    pub sheet: Option<String>,
    /// The header's row, where it is not the first.
    pub header_row: Option<u32>,
    /// The delimiter, where it is not a comma.
    pub delimiter: Option<char>,
    /// The encoding, where it is not UTF-8.
    pub encoding: Option<String>,
}

/// Comments stand behind what they explain, in one column as far as possible.
const COMMENTS_AT: usize = 58;

/// A longer line with `values` is written over several.
const LONGEST_LINE: usize = 110;

/// The text of the mapping file.
pub fn written(
    proposal: &Proposal,
    facts: &SourceFacts,
    header: &Header,
    names: &[Option<String>],
    file: &str,
) -> String {
    let mut writer = Writer { out: String::new(), names };
    writer.head(proposal, facts, file);
    writer.out.push_str("\nfields:");
    if proposal.entries.is_empty() {
        // Nothing but comments would be no fields at all.
        writer.out.push_str(" {}   # take the {} out once a line below is filled in");
    }
    writer.out.push('\n');
    for field in &proposal.missing {
        writer.line(&format!("  # {}: COLUMN", scalar(field)), "? required, and no column fills it");
    }
    for entry in &proposal.entries {
        writer.entry(entry);
    }
    writer.left_out(proposal, header);
    writer.out
}

struct Writer<'a> {
    out: String,
    names: &'a [Option<String>],
}

impl Writer<'_> {
    fn head(&mut self, proposal: &Proposal, facts: &SourceFacts, file: &str) {
        let rows = count(proposal.rows, "row", "rows");
        let (file, object) = (shown(file), shown(&proposal.object));
        self.out.push_str(&format!(
            "# A first mapping for {file}, drafted from its headers, its {rows} and the fields of {object}.\n\
             # Each line says how sure it is. Look through those with a ? before you import.\n\
             version: 1\n"
        ));
        self.out.push_str(&format!("object: {}\n", scalar(&proposal.object)));
        self.line(&format!("mode: {}", proposal.mode.word()), &proposal.mode_why);
        match proposal.match_on.as_slice() {
            [] => self.line("# match: [FIELD]", &proposal.match_why),
            fields => {
                self.line(&format!("match: {}", list(fields.iter().map(String::as_str))), &proposal.match_why)
            }
        }
        self.source(facts);
    }

    fn source(&mut self, facts: &SourceFacts) {
        let sheet = facts.sheet.as_deref().map(|sheet| match sheet.parse::<u32>() {
            Ok(number) => ("sheet", number.to_string()),
            Err(_) => ("sheet", scalar(sheet)),
        });
        let row = facts.header_row.map(|row| ("header_row", row.to_string()));
        let delimiter = facts.delimiter.map(|delimiter| match delimiter {
            '\t' => ("delimiter", "tab".to_owned()),
            other => ("delimiter", quoted(&other.to_string())),
        });
        let encoding = facts.encoding.as_deref().map(|encoding| ("encoding", scalar(encoding)));
        let keys = [sheet, row, delimiter, encoding].into_iter().flatten();
        let keys: Vec<String> = keys.map(|(key, value)| format!("{key}: {value}")).collect();
        if !keys.is_empty() {
            self.line(&format!("source: {{ {} }}", keys.join(", ")), "how the file was read");
        }
    }

    fn entry(&mut self, entry: &Entry) {
        let mark = if entry.asks() { " ?" } else { "" };
        let sure = if entry.score < SURE { ", not sure" } else { "" };
        let why = match entry.columns.is_empty() {
            true => entry.why.clone(),
            false => format!("{} %{mark}: {}{sure}", entry.score, entry.why),
        };
        let (one, block) = self.rule(entry, &entry.keys);
        if one.len() <= LONGEST_LINE {
            self.line(&format!("  {one}"), &why);
        } else {
            self.line(&format!("  {}", block[0]), &why);
            block[1..].iter().for_each(|line| self.out.push_str(&format!("  {line}\n")));
        }
        for note in &entry.notes {
            let mark = if note.asks { "? " } else { "  " };
            self.out.push_str(&format!("  # {mark}{}\n", note.text));
        }
        for keys in &entry.instead {
            let keys: Vec<Key> = entry.keys.iter().chain(keys).cloned().collect();
            let (one, block) = self.rule(entry, &keys);
            let lines = if one.len() <= LONGEST_LINE { vec![one] } else { block };
            lines.iter().for_each(|line| self.out.push_str(&format!("  # {line}\n")));
        }
    }

    /// A field's rule on one line, and over several.
    fn rule(&self, entry: &Entry, keys: &[Key]) -> (String, Vec<String>) {
        let field = scalar(&entry.field.name);
        let columns: Vec<&str> =
            entry.columns.iter().filter_map(|&column| self.names.get(column)?.as_deref()).collect();
        let from = match columns.as_slice() {
            [one] => scalar(one),
            several => list(several.iter().copied()),
        };
        if keys.is_empty() && columns.len() < 2 {
            return (format!("{field}: {from}"), vec![format!("{field}: {from}")]);
        }
        let (mut inside, mut block) = (Vec::new(), vec![format!("{field}:")]);
        if !columns.is_empty() {
            inside.push(format!("from: {from}"));
            block.push(format!("  from: {from}"));
        }
        for key in keys {
            match key {
                Key::Plain(name, value) => {
                    inside.push(format!("{name}: {value}"));
                    block.push(format!("  {name}: {value}"));
                }
                Key::Date(format) => {
                    inside.push(format!("date: {}", quoted(format)));
                    block.push(format!("  date: {}", quoted(format)));
                }
                Key::Values(pairs) => {
                    let pairs: Vec<String> = pairs
                        .iter()
                        .map(|(from, to)| format!("{}: {}", scalar(from), digits_or_scalar(to)))
                        .collect();
                    inside.push(format!("values: {{ {} }}", pairs.join(", ")));
                    block.push("  values:".to_owned());
                    block.extend(pairs.iter().map(|pair| format!("    {pair}")));
                }
            }
        }
        (format!("{field}: {{ {} }}", inside.join(", ")), block)
    }

    fn left_out(&mut self, proposal: &Proposal, header: &Header) {
        if proposal.left_out.is_empty() {
            return;
        }
        let names = self.names;
        let named = |column: usize| names.get(column).and_then(Option::as_deref);
        let any = proposal.left_out.iter().any(|left| named(left.column).is_some());
        self.out.push_str(if any { "\nignore:\n" } else { "\n" });
        for left in &proposal.left_out {
            let mark = if left.asks { "? " } else { "" };
            match named(left.column) {
                Some(name) => {
                    // A column that is called by its number is shown by its header too.
                    let called = header.columns.get(left.column).map_or("", |column| column.name.as_str());
                    let header = match name.strip_prefix('#') {
                        Some(_) if !called.trim().is_empty() && !called.starts_with('#') => {
                            format!("\"{}\"; ", shown(called).cut(40))
                        }
                        _ => String::new(),
                    };
                    self.line(&format!("  - {}", scalar(name)), &format!("{mark}{header}{}", left.why));
                }
                None => {
                    self.out.push_str(&format!("# column {} cannot be called by any name\n", left.column + 1))
                }
            }
        }
    }

    /// A line with its comment.
    fn line(&mut self, line: &str, comment: &str) {
        self.out.push_str(line);
        if !comment.is_empty() {
            let blanks = COMMENTS_AT.saturating_sub(line.chars().count()).max(2);
            self.out.push_str(&format!("{}# {comment}", " ".repeat(blanks)));
        }
        self.out.push('\n');
    }
}

/// The 0 and 1 of a checkbox need no quotes here.
fn digits_or_scalar(text: &str) -> String {
    if matches!(text, "0" | "1") { text.to_owned() } else { scalar(text) }
}
