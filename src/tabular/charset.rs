//! Encodings by name, and strict decoding of one cell at a time.
//!
//! Nothing is ever replaced: a byte that the encoding does not have is
//! reported with its place.

use encoding_rs::{CoderResult, DecoderResult, EncoderResult, Encoding};

use super::utf16::{odd_byte, push_utf16};

/// The encoding of a text file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    /// UTF-8.
    Utf8,
    /// UTF-16, little endian.
    Utf16Le,
    /// UTF-16, big endian.
    Utf16Be,
    /// Any other whose first 128 characters are those of ASCII.
    Legacy(&'static Encoding),
}

impl Charset {
    /// Finds an encoding by any of its names; the error is a sentence.
    pub(super) fn from_label(label: &str) -> Result<Self, String> {
        // On the web ASCII is windows-1252; here a byte that it lacks is to be told.
        if ["ascii", "us-ascii"].contains(&label.trim().to_ascii_lowercase().as_str()) {
            return Ok(Self::Utf8);
        }
        let encoding = Encoding::for_label_no_replacement(label.trim().as_bytes()).ok_or_else(|| {
            format!(
                "there is no encoding \"{}\"; use for example utf-8, utf-16le, windows-1252 or iso-8859-2",
                crate::model::shown(label)
            )
        })?;
        if encoding == encoding_rs::UTF_8 {
            Ok(Self::Utf8)
        } else if encoding == encoding_rs::UTF_16LE {
            Ok(Self::Utf16Le)
        } else if encoding == encoding_rs::UTF_16BE {
            Ok(Self::Utf16Be)
        } else if encoding.is_ascii_compatible() {
            Ok(Self::Legacy(encoding))
        } else {
            Err(format!("files in {} are not read; save the file as UTF-8", encoding.name().to_lowercase()))
        }
    }

    /// The name that `source: { encoding: … }` takes.
    pub(super) fn name(self) -> String {
        match self {
            Self::Utf8 => "utf-8".to_owned(),
            Self::Utf16Le => "utf-16le".to_owned(),
            Self::Utf16Be => "utf-16be".to_owned(),
            Self::Legacy(encoding) => encoding.name().to_lowercase(),
        }
    }

    /// The byte-order mark, where the encoding has one.
    pub(super) fn mark(self) -> &'static [u8] {
        match self {
            Self::Utf8 => b"\xEF\xBB\xBF",
            Self::Utf16Le => b"\xFF\xFE",
            Self::Utf16Be => b"\xFE\xFF",
            Self::Legacy(_) => b"",
        }
    }

    /// UTF-16 in either order.
    pub(super) fn is_utf16(self) -> bool {
        matches!(self, Self::Utf16Le | Self::Utf16Be)
    }

    /// True where a byte below 128 is always that character and never the
    /// second half of another.
    pub(super) fn splits_at(self, delimiter: u8) -> bool {
        match self {
            Self::Legacy(encoding) => encoding.is_single_byte() || !(0x30..0x7F).contains(&delimiter),
            Self::Utf8 | Self::Utf16Le | Self::Utf16Be => true,
        }
    }

    /// Appends bytes of the inner text form (the file's own, or UTF-8 for
    /// UTF-16) as the file has them.
    pub(super) fn push_raw(self, raw: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Utf16Le => push_utf16(raw, false, out),
            Self::Utf16Be => push_utf16(raw, true, out),
            Self::Utf8 | Self::Legacy(_) => out.extend_from_slice(raw),
        }
    }

    /// The first byte, as the file has it, of bytes of the inner text form.
    pub(super) fn first_byte(self, raw: &[u8]) -> u8 {
        let odd = odd_byte(raw).filter(|_| self.is_utf16());
        let mut in_file = Vec::new();
        self.push_raw(raw.get(..3).unwrap_or(raw), &mut in_file);
        odd.or_else(|| in_file.first().copied()).unwrap_or_default()
    }

    /// The first character of a text that the encoding does not have.
    pub(super) fn lacks(self, text: &str) -> Option<char> {
        let Self::Legacy(encoding) = self else { return None };
        if text.is_ascii() {
            return None;
        }
        let mut encoder = encoding.new_encoder();
        let mut rest = text;
        let mut buffer = [0_u8; 256];
        while !rest.is_empty() {
            let (result, read, _) = encoder.encode_from_utf8_without_replacement(rest, &mut buffer, true);
            if let EncoderResult::Unmappable(missing) = result {
                return Some(missing);
            }
            rest = rest.get(read..).unwrap_or_default();
        }
        None
    }

    /// Appends a text in the inner text form; characters that the encoding
    /// lacks become `?`.
    pub(super) fn push_text(self, text: &str, out: &mut Vec<u8>) {
        let Self::Legacy(encoding) = self else {
            out.extend_from_slice(text.as_bytes());
            return;
        };
        let mut encoder = encoding.new_encoder();
        let mut rest = text;
        let mut buffer = [0_u8; 256];
        while !rest.is_empty() {
            let (result, read, written) =
                encoder.encode_from_utf8_without_replacement(rest, &mut buffer, true);
            out.extend_from_slice(buffer.get(..written).unwrap_or_default());
            rest = rest.get(read..).unwrap_or_default();
            if matches!(result, EncoderResult::Unmappable(_)) {
                out.push(b'?');
            }
        }
    }
}

/// Decodes cells of one encoding, using its buffer again.
#[derive(Clone)]
pub(super) struct Decoder {
    kind: Kind,
    text: String,
}

#[derive(Clone)]
enum Kind {
    Utf8,
    /// The characters of the bytes 128 to 255.
    Table(Box<[Option<char>; 128]>),
    Multi(&'static Encoding),
}

impl Decoder {
    pub(super) fn new(charset: Charset) -> Self {
        let kind = match charset {
            Charset::Utf8 | Charset::Utf16Le | Charset::Utf16Be => Kind::Utf8,
            Charset::Legacy(encoding) if encoding.is_single_byte() => Kind::Table(table(encoding)),
            Charset::Legacy(encoding) => Kind::Multi(encoding),
        };
        Self { kind, text: String::new() }
    }

    /// The whole record as text at once, where its cells then lie at the
    /// same places; `None` means: cell by cell.
    pub(super) fn whole<'a>(&self, bytes: &'a [u8]) -> Option<&'a str> {
        match self.kind {
            Kind::Utf8 => simdutf8::basic::from_utf8(bytes).ok(),
            Kind::Table(_) | Kind::Multi(_) if bytes.is_ascii() => std::str::from_utf8(bytes).ok(),
            Kind::Table(_) | Kind::Multi(_) => None,
        }
    }

    /// One cell's text, or the place of the first byte that the encoding does not have.
    pub(super) fn cell<'a>(&'a mut self, bytes: &'a [u8]) -> Result<&'a str, usize> {
        match &self.kind {
            Kind::Utf8 => std::str::from_utf8(bytes).map_err(|error| error.valid_up_to()),
            Kind::Table(table) => {
                self.text.clear();
                for (at, &byte) in bytes.iter().enumerate() {
                    let high = usize::from(byte).checked_sub(128);
                    let c = match high {
                        None => Some(char::from(byte)),
                        Some(high) => table.get(high).copied().flatten(),
                    };
                    self.text.push(c.ok_or(at)?);
                }
                Ok(&self.text)
            }
            Kind::Multi(encoding) => {
                self.text.clear();
                let mut decoder = encoding.new_decoder_without_bom_handling();
                let most = decoder.max_utf8_buffer_length_without_replacement(bytes.len());
                self.text.reserve(most.unwrap_or(bytes.len() * 3));
                let (result, read) =
                    decoder.decode_to_string_without_replacement(bytes, &mut self.text, true);
                match result {
                    DecoderResult::InputEmpty => Ok(&self.text),
                    DecoderResult::OutputFull => Err(read),
                    DecoderResult::Malformed(bad, after) => {
                        Err(read.saturating_sub(usize::from(bad) + usize::from(after)))
                    }
                }
            }
        }
    }

    /// The text for a notice: what cannot be decoded shows as U+FFFD there, and only there.
    pub(super) fn lossy(charset: Charset, bytes: &[u8]) -> String {
        match charset {
            Charset::Legacy(encoding) => {
                let mut decoder = encoding.new_decoder_without_bom_handling();
                let mut text = String::with_capacity(bytes.len() * 3 + 16);
                let (result, _, _) = decoder.decode_to_string(bytes, &mut text, true);
                debug_assert!(matches!(result, CoderResult::InputEmpty));
                text
            }
            Charset::Utf8 | Charset::Utf16Le | Charset::Utf16Be => {
                String::from_utf8_lossy(bytes).into_owned()
            }
        }
    }
}

/// The upper half of a single-byte encoding.
///
/// The web's tables give the five bytes that windows-1252 lacks (and their
/// like in its sisters) as C1 controls. No file means those, so they count
/// as missing in every `windows-` encoding.
fn table(encoding: &'static Encoding) -> Box<[Option<char>; 128]> {
    let mut table = Box::new([None; 128]);
    let fills_gaps = encoding.name().to_ascii_lowercase().starts_with("windows-");
    for (slot, byte) in table.iter_mut().zip(128_u8..=255) {
        let c = encoding
            .decode_without_bom_handling_and_without_replacement(&[byte])
            .and_then(|text| text.chars().next());
        *slot = c.filter(|c| !(fills_gaps && ('\u{80}'..='\u{9F}').contains(c)));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(label: &str, bytes: &[u8]) -> Result<String, usize> {
        Decoder::new(Charset::from_label(label).unwrap()).cell(bytes).map(str::to_owned)
    }

    #[test]
    fn cells_are_decoded_strictly() {
        assert_eq!(decode("windows-1252", b"Zo\xEB \x80").unwrap(), "Zoë €");
        assert_eq!(decode("utf-8", "Zoë".as_bytes()).unwrap(), "Zoë");
        assert_eq!(decode("utf-8", b"Zo\xEB"), Err(2));
        assert_eq!(decode("shift_jis", b"\x93\xFA\x96{").unwrap(), "日本");
        assert_eq!(decode("shift_jis", b"ab\xA0c"), Err(2));
        assert_eq!(decode("iso-8859-2", b"\xA3\xF3d\xBC").unwrap(), "Łódź");
    }

    #[test]
    fn the_five_bytes_that_windows_1252_lacks_are_undecodable() {
        for byte in [0x81, 0x8D, 0x8F, 0x90, 0x9D] {
            assert_eq!(decode("windows-1252", &[b'a', byte]), Err(1), "{byte:X}");
        }
    }

    #[test]
    fn names_are_understood_and_strange_ones_explained() {
        assert_eq!(Charset::from_label("Latin1").unwrap().name(), "windows-1252");
        assert_eq!(Charset::from_label("UTF-16").unwrap(), Charset::Utf16Le);
        assert_eq!(Charset::from_label("US-ASCII").unwrap(), Charset::Utf8);
        assert!(Charset::from_label("klingon").unwrap_err().contains("there is no encoding \"klingon\""));
        assert!(Charset::from_label("iso-2022-jp").unwrap_err().contains("save the file as UTF-8"));
        assert!(Charset::from_label("hz-gb-2312").is_err());
    }

    #[test]
    fn text_is_encoded_with_question_marks_for_what_is_missing() {
        let mut out = Vec::new();
        Charset::from_label("windows-1252").unwrap().push_text("Zoë 漢 €", &mut out);
        assert_eq!(out, b"Zo\xEB ? \x80");
    }

    #[test]
    fn a_byte_is_told_as_the_file_has_it() {
        let windows = Charset::from_label("windows-1252").unwrap();
        assert_eq!((windows.first_byte(b"\x81a"), Charset::Utf8.first_byte(b"\xFF\xA3\x85")), (0x81, 0xFF));
        // An odd byte at the end, 0xC5, and the half of a pair, 0xD83D.
        assert_eq!(Charset::Utf16Le.first_byte(b"\xFF\xA3\x85"), 0xC5);
        assert_eq!(Charset::Utf16Be.first_byte(b"\xED\xA0\xBD"), 0xD8);
    }

    #[test]
    fn a_bar_cannot_split_where_it_may_be_half_a_character() {
        assert!(!Charset::from_label("shift_jis").unwrap().splits_at(b'|'));
        assert!(Charset::from_label("shift_jis").unwrap().splits_at(b'\t'));
        assert!(Charset::from_label("windows-1252").unwrap().splits_at(b'|'));
    }
}
