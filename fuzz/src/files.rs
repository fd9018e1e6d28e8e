//! Bytes as a file, which is what a `Source` opens.

use std::path::{Path, PathBuf};

use crate::tabular::{Format, Hidden, ReadOptions, SheetChoice};

/// A file that is gone when it is dropped.
pub struct File(PathBuf);

impl File {
    /// Writes the bytes into the machine's folder for such files; `fuzz/run`
    /// says that this is one in memory.
    pub fn new(name: &str, content: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("carafe-fuzz-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Parts an input into how it is to be read and the file itself.
///
/// A first line such as `#! encoding=shift_jis delimiter=; header_row=3` is
/// taken off; without one the input is the file, to be read as it is found.
pub fn options_and_content(input: &[u8]) -> (ReadOptions, &[u8]) {
    let mut options = ReadOptions::default();
    let Some(rest) = input.strip_prefix(b"#!") else { return (options, input) };
    let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    let (line, content) = (String::from_utf8_lossy(&rest[..end]), rest.get(end + 1..).unwrap_or_default());
    for word in line.split_whitespace() {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "format" => options.format = Format::from_word(value),
            "encoding" => options.encoding = Some(value.to_owned()),
            "delimiter" if value == "tab" => options.delimiter = Some('\t'),
            "delimiter" => options.delimiter = value.chars().next(),
            "sheet" => {
                options.sheet = Some(
                    value.parse().map_or_else(|_| SheetChoice::Name(value.to_owned()), SheetChoice::Number),
                );
            }
            "header_row" => options.header_row = value.parse().unwrap_or(1),
            "range" => options.range = Some(value.to_owned()),
            "hidden" => options.hidden = Hidden::Skip,
            _ => {}
        }
    }
    (options, content)
}
