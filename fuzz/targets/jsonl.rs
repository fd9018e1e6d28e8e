//! JSON Lines: what a line holds, where it stands, and the way back.
#![no_main]

use carafe_fuzz::model::{Cell, Row, RowFault};
use carafe_fuzz::tabular::{Form, Format, Source};
use carafe_fuzz::{File, come_back, options_and_content, read_twice};
use serde_json::{Map, Value};

libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

fn check(input: &[u8]) {
    let (mut options, content) = options_and_content(input);
    // Whatever the first line is like.
    options.format = Some(Format::Jsonl);
    let file = File::new("in.jsonl", content);
    let Some((source, seen)) = read_twice(file.path(), content, &options) else { return };
    let Form::Json(form) = &source.dialect().form else { return };
    for row in &seen.rows {
        assert_eq!(row.number, row.line, "a line is a row");
        holds_what_the_line_says(&source, row);
    }
    if form.encoding == "utf-8" {
        stands_on_its_line(&content[if form.byte_order_mark { 3 } else { 0 }..], &seen.rows);
    }
    come_back(&source, &seen, &options);
}

/// serde_json, which knows nothing of columns, reads the same.
fn holds_what_the_line_says(source: &Source, row: &Row) {
    let Ok(object) = serde_json::from_slice::<Map<String, Value>>(&row.raw) else { return };
    if matches!(row.fault, Some(RowFault::NotJson(_))) {
        return;
    }
    for (at, column) in source.header().columns.iter().enumerate() {
        match (object.get(&column.name), row.cell(at)) {
            (None | Some(Value::Null), cell) => assert_eq!(cell, Cell::Blank),
            (Some(Value::String(text)), cell) => assert_eq!(cell.to_string(), *text),
            (Some(Value::Bool(flag)), cell) => assert_eq!(cell, Cell::Bool(*flag)),
            (Some(Value::Number(_)), cell) => assert!(matches!(cell, Cell::Number(_) | Cell::Text(_))),
            (Some(value @ (Value::Array(_) | Value::Object(_))), cell) => {
                let text = cell.to_string();
                assert_eq!(serde_json::from_str::<Value>(&text).ok().as_ref(), Some(value));
            }
        }
    }
    let known = |name: &String| source.header().columns.iter().any(|column| column.name == *name);
    assert!(object.keys().all(known), "every key has a column");
}

/// The rows are the file's filled lines, in their order.
fn stands_on_its_line(content: &[u8], rows: &[Row]) {
    let mut lines = Vec::new();
    let (mut begins, mut at) = (0, 0);
    while at < content.len() {
        let end = match &content[at..] {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            _ => 0,
        };
        if end > 0 {
            lines.push(&content[begins..at]);
            begins = at + end;
        }
        at += end.max(1);
    }
    lines.push(&content[begins..]);
    let mut rows = rows.iter().peekable();
    for (line, number) in lines.iter().zip(1..) {
        if let Some(row) = rows.next_if(|row| row.number == number) {
            assert_eq!(row.raw, *line);
        } else {
            let text = String::from_utf8_lossy(line);
            let object = serde_json::from_slice::<Map<String, Value>>(line);
            let blank =
                |value: &Value| value.is_null() || value.as_str().is_some_and(|t| t.trim().is_empty());
            let blank = text.trim().is_empty() || object.is_ok_and(|object| object.values().all(blank));
            assert!(blank, "line {number} is in no row: {text}");
        }
    }
    assert!(rows.next().is_none());
}
