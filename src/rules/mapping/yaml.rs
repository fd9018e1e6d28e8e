//! YAML as a tree that knows where each part stands.
//!
//! A mapping file is data, so what can run, repeat or reach out is refused:
//! tags, anchors, aliases and merge keys, nesting deeper than 32, files over
//! 1 MiB. Scalars stay text (`no` and `0755` too); their reader decides.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use crate::model::shown;
use crate::rules::problem::{Place, Problem};

/// The largest mapping file, in bytes.
pub const MAX_BYTES: u64 = 1 << 20;
const MAX_DEPTH: usize = 32;

/// One part of a YAML document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub kind: Kind,
}

/// What a part of a document is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: `key:` or `~` or `null`.
    Null,
    /// A text, quoted or not.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and values, in the file's order; no key stands twice.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// What it is, for "found …".
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Null => "nothing".to_owned(),
            Kind::Scalar(text) => format!("\"{}\"", shown(text).cut(60)),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "keys and values".to_owned(),
        }
    }
}

/// Reads a text that holds one YAML document.
pub fn parse(text: &str) -> Result<Node, Problem> {
    let mut reader = Reader { text, parser: Parser::new_from_str(text) };
    let mut root = None;
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            Event::StreamEnd => break,
            _ if root.is_some() => {
                return Err(Problem::at(
                    place(&span),
                    "a mapping file holds one document, and here begins a second",
                ));
            }
            event => root = Some(reader.node(event, &span, 0)?),
        }
    }
    root.ok_or_else(|| Problem::whole("the mapping file is empty"))
}

struct Reader<'a> {
    text: &'a str,
    parser: Parser<'a, StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Problem> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let mark = error.marker();
                let mut place = Place { line: mark.line().max(1), column: mark.col() + 1, length: 1 };
                // The parser stands at the end of the line before the tab.
                let next = self.text.lines().nth(place.line).unwrap_or_default();
                if is_about_tabs(error.info()) && next.trim_start_matches(' ').starts_with('\t') {
                    place = Place { line: place.line + 1, column: 1, length: 1 };
                }
                Err(Problem::at(place, format!("this is not YAML: {}", plain_words(error.info()))))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Node, Problem> {
        let place = place(span);
        if depth > MAX_DEPTH {
            return Err(Problem::at(place, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let kind = match event {
            Event::Scalar(_, _, anchor, tag) if anchor != 0 || tag.is_some() => return Err(no_magic(place)),
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag)
                if anchor != 0 || tag.is_some() =>
            {
                return Err(no_magic(place));
            }
            Event::Alias(_) => return Err(no_magic(place)),
            Event::Scalar(text, ScalarStyle::Plain, ..) if matches!(&*text, "" | "~" | "null") => Kind::Null,
            Event::Scalar(text, ..) => Kind::Scalar(text.into_owned()),
            Event::SequenceStart(..) => self.list(depth)?,
            Event::MappingStart(..) => self.map(depth)?,
            _ => return Err(Problem::at(place, "this is not YAML that a mapping can hold")),
        };
        Ok(Node { place, kind })
    }

    fn list(&mut self, depth: usize) -> Result<Kind, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Kind::List(items)),
                (event, span) => items.push(self.node(event, &span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Kind, Problem> {
        let mut entries: Vec<(Node, Node)> = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, _) => return Ok(Kind::Map(entries)),
                (event, span) => self.node(event, &span, depth + 1)?,
            };
            let (event, span) = self.next()?;
            let value = self.node(event, &span, depth + 1)?;
            let Kind::Scalar(name) = &key.kind else {
                let message = format!("a key is a text, and this is {}", key.describe());
                return Err(Problem::at(key.place, message).hint("put it in quotes"));
            };
            if name == "<<" {
                return Err(no_magic(key.place));
            }
            if let Some(line) = lines.insert(name.clone(), key.place.line) {
                let message = format!("{} stands twice; the first is in line {line}", key.describe());
                return Err(Problem::at(key.place, message));
            }
            entries.push((key, value));
        }
    }
}

fn no_magic(place: Place) -> Problem {
    Problem::at(place, "tags (!), anchors (&), aliases (*) and merge keys (<<) are not used in mapping files")
        .hint("write the value out, or put it in quotes")
}

fn place(span: &Span) -> Place {
    let one_line = span.start.line() == span.end.line();
    let length = if one_line { span.end.col().saturating_sub(span.start.col()) } else { 1 };
    Place { line: span.start.line().max(1), column: span.start.col() + 1, length: length.max(1) }
}

/// "Unprintable" has the three letters too.
fn is_about_tabs(info: &str) -> bool {
    info.split(|c: char| !c.is_alphabetic()).any(|word| word == "tab" || word == "tabs")
}

/// The parser's complaint, with the commonest reasons in words of our own.
fn plain_words(info: &str) -> String {
    if is_about_tabs(info) {
        return "a tab is used to indent; use blanks".to_owned();
    }
    if info.contains("recursion limit") {
        return "it is nested too deep".to_owned();
    }
    if info.contains("unprintable") {
        return "a control character stands here, which no text editor shows; take it out".to_owned();
    }
    if info.contains("did not find expected key") || info.contains("mapping values are not allowed") {
        return "the line does not fit the ones before it; check the indentation, and put values with \": \" in quotes"
            .to_owned();
    }
    shown(info).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(text: &str) -> (usize, String) {
        let problem = parse(text).unwrap_err();
        (problem.place.map_or(0, |p| p.line), problem.message)
    }

    #[test]
    fn knows_where_each_part_stands() {
        let Kind::Map(entries) = parse("a: 1\nbb:\n  - x\n  - 'y z'\n").unwrap().kind else { panic!() };
        assert_eq!(entries[0].0.place, Place { line: 1, column: 1, length: 1 });
        assert_eq!(entries[0].1.place, Place { line: 1, column: 4, length: 1 });
        let Kind::List(items) = &entries[1].1.kind else { panic!() };
        assert_eq!(
            items[1],
            Node { place: Place { line: 4, column: 5, length: 5 }, kind: Kind::Scalar("y z".into()) }
        );
    }

    #[test]
    fn scalars_stay_text() {
        let Kind::List(items) = parse("[no, 0755, 1.0, '', ~, ]").unwrap().kind else { panic!() };
        let kinds: Vec<_> = items.into_iter().map(|i| i.kind).collect();
        let text = |t: &str| Kind::Scalar(t.to_owned());
        assert_eq!(kinds, [text("no"), text("0755"), text("1.0"), text(""), Kind::Null]);
    }

    #[test]
    fn what_is_not_plain_data_is_refused_with_its_line() {
        assert_eq!(complaint("a: 1\na: 2\n"), (2, "\"a\" stands twice; the first is in line 1".into()));
        for text in ["a: &x 1\n", "a: !!python/object x\n", "a: !include /etc/passwd\n", "x: 1\n<<: y\n"] {
            assert!(complaint(text).1.contains("not used in mapping files"), "{text}");
        }
        let (_, deep) = complaint(&"[".repeat(100_000));
        assert!(deep.contains("nested deeper") || deep.contains("nested too deep"), "{deep}");
        assert!(complaint("a: 1\n\tb: 2\n").1.contains("tab"), "{:?}", complaint("a: 1\n\tb: 2\n"));
        assert!(complaint("? [a, b]\n: 1\n").1.contains("a key is a text, and this is a list"));
        assert!(complaint("~: 1\n").1.contains("a key is a text, and this is nothing"));
        assert!(complaint("a: 1\nb: \0x\n").1.contains("a control character stands here"));
        assert_eq!(complaint("").1, "the mapping file is empty");
        assert_eq!(complaint("a: 1\n---\nb: 2\n").0, 3);
    }
}
