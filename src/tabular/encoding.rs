//! Text on its way into a file of another encoding.

use std::io::{self, Write};

use super::charset::Charset;

/// Takes UTF-8, cut wherever it may be, and passes it on in an encoding.
pub(super) struct Encoding<W> {
    inner: W,
    charset: Charset,
    /// The beginning of a character whose end is still to come.
    begun: Vec<u8>,
    encoded: Vec<u8>,
}

impl<W: Write> Encoding<W> {
    pub fn new(inner: W, charset: Charset) -> Self {
        Self { inner, charset, begun: Vec::new(), encoded: Vec::new() }
    }

    /// What the text went into.
    ///
    /// # Errors
    /// The text ended within a character.
    pub fn into_inner(self) -> io::Result<W> {
        if self.begun.is_empty() { Ok(self.inner) } else { Err(no_text()) }
    }

    fn pass(&mut self, text: &str) -> io::Result<()> {
        if let Some(missing) = self.charset.lacks(text) {
            let told = format!("{} does not have the character \"{missing}\"", self.charset.name());
            return Err(io::Error::new(io::ErrorKind::InvalidData, told));
        }
        self.encoded.clear();
        if self.charset.is_utf16() {
            self.charset.push_raw(text.as_bytes(), &mut self.encoded);
        } else {
            self.charset.push_text(text, &mut self.encoded);
        }
        self.inner.write_all(&self.encoded)
    }
}

fn no_text() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a text is cut within a character")
}

impl<W: Write> Write for Encoding<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.charset == Charset::Utf8 {
            return self.inner.write(bytes);
        }
        let mut all = std::mem::take(&mut self.begun);
        all.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&all) {
            Ok(text) => text,
            Err(error) if error.error_len().is_some() => return Err(no_text()),
            Err(error) => {
                let (whole, begun) = all.split_at(error.valid_up_to());
                self.begun.extend_from_slice(begun);
                std::str::from_utf8(whole).map_err(|_| no_text())?
            }
        };
        self.pass(whole)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(label: &str, text: &str, at_once: usize) -> io::Result<Vec<u8>> {
        let mut encoding = Encoding::new(Vec::new(), Charset::from_label(label).unwrap());
        text.as_bytes().chunks(at_once).try_for_each(|bytes| encoding.write_all(bytes))?;
        encoding.into_inner()
    }

    #[test]
    fn text_arrives_in_the_encoding_however_it_is_cut() {
        for at_once in 1..6 {
            assert_eq!(written("windows-1252", "Zo\u{eb} 5 \u{20ac}", at_once).unwrap(), b"Zo\xEB 5 \x80");
            assert_eq!(written("utf-16le", "\u{eb}\u{1F600}", at_once).unwrap(), b"\xEB\0\x3D\xD8\0\xDE");
            assert_eq!(written("utf-8", "Zo\u{eb}", at_once).unwrap(), "Zo\u{eb}".as_bytes());
            assert_eq!(written("shift_jis", "\u{8868}|", at_once).unwrap(), b"\x95\x5C|");
        }
    }

    #[test]
    fn what_the_encoding_does_not_have_is_an_error() {
        let told = written("windows-1252", "a \u{2192} b", 2).unwrap_err().to_string();
        assert_eq!(told, "windows-1252 does not have the character \"\u{2192}\"");
    }
}
