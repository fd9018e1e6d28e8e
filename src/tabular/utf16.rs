//! UTF-16 as a stream of UTF-8 bytes and back, without losing a unit.
//!
//! An unpaired surrogate becomes the three bytes that UTF-8 would have for
//! it: strict UTF-8 refuses them, so the cell shows as undecodable, yet
//! writing them back gives the very unit that stood in the file. An odd byte
//! at the very end, which is half a unit, shows as undecodable too.

use std::io::{self, Read};

/// Begins what an odd byte at the very end turns into: the three bytes of the
/// surrogate U+D800 to U+D8FF, but for this first one, which is never in UTF-8.
const ODD: u8 = 0xFF;

/// Reads UTF-16 and hands out UTF-8.
pub(super) struct Utf16Reader<R> {
    input: R,
    big_endian: bool,
    chunk: Vec<u8>,
    odd: Option<u8>,
    high: Option<u16>,
    out: Vec<u8>,
    given: usize,
    done: bool,
}

impl<R: Read> Utf16Reader<R> {
    pub(super) fn new(input: R, big_endian: bool) -> Self {
        let chunk = vec![0; 32 * 1024];
        Self { input, big_endian, chunk, odd: None, high: None, out: Vec::new(), given: 0, done: false }
    }

    fn refill(&mut self) -> io::Result<()> {
        self.out.clear();
        self.given = 0;
        while self.out.is_empty() && !self.done {
            let read = self.input.read(&mut self.chunk)?;
            if read == 0 {
                self.finish();
                break;
            }
            let chunk = std::mem::take(&mut self.chunk);
            for &byte in chunk.iter().take(read) {
                match self.odd.take() {
                    None => self.odd = Some(byte),
                    Some(first) if self.big_endian => self.unit(u16::from_be_bytes([first, byte])),
                    Some(first) => self.unit(u16::from_le_bytes([first, byte])),
                }
            }
            self.chunk = chunk;
        }
        Ok(())
    }

    fn finish(&mut self) {
        self.done = true;
        if let Some(high) = self.high.take() {
            push_code(u32::from(high), &mut self.out);
        }
        if let Some(byte) = self.odd.take() {
            self.out.extend([ODD, 0xA0 | (byte >> 6), 0x80 | (byte & 0x3F)]);
        }
    }

    fn unit(&mut self, unit: u16) {
        match (self.high.take(), unit) {
            (Some(high), 0xDC00..=0xDFFF) => {
                let code = 0x1_0000 + ((u32::from(high) - 0xD800) << 10) + (u32::from(unit) - 0xDC00);
                push_code(code, &mut self.out);
            }
            (before, unit) => {
                if let Some(high) = before {
                    push_code(u32::from(high), &mut self.out);
                }
                match unit {
                    0xD800..=0xDBFF => self.high = Some(unit),
                    unit => push_code(u32::from(unit), &mut self.out),
                }
            }
        }
    }
}

impl<R: Read> Read for Utf16Reader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.given == self.out.len() {
            self.refill()?;
        }
        let rest = self.out.get(self.given..).unwrap_or_default();
        let taken = rest.len().min(buf.len());
        for (to, from) in buf.iter_mut().zip(rest) {
            *to = *from;
        }
        self.given += taken;
        Ok(taken)
    }
}

/// Appends the UTF-8 form of a code, surrogates included.
fn push_code(code: u32, out: &mut Vec<u8>) {
    // Each shift and mask leaves at most eight bits.
    let tail = |shift: u32| 0x80 | ((code >> shift) & 0x3F) as u8;
    match code {
        0..0x80 => out.push(code as u8),
        0x80..0x800 => out.extend([0xC0 | (code >> 6) as u8, tail(0)]),
        0x800..0x1_0000 => out.extend([0xE0 | (code >> 12) as u8, tail(6), tail(0)]),
        _ => out.extend([0xF0 | (code >> 18) as u8, tail(12), tail(6), tail(0)]),
    }
}

/// The odd byte with which a text begins.
pub(super) fn odd_byte(text: &[u8]) -> Option<u8> {
    match text {
        [ODD, high, low, ..] => Some((high << 6) | (low & 0x3F)),
        _ => None,
    }
}

/// Appends as UTF-16 what [`Utf16Reader`] made of it. An odd byte, behind
/// which all that follows would be shifted, becomes a unit that is no
/// character either, and that makes none with what stands before it.
pub(super) fn push_utf16(text: &[u8], big_endian: bool, out: &mut Vec<u8>) {
    let mut push = |unit: u16| {
        out.extend(if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() });
    };
    let mut bytes = text.iter().copied().peekable();
    while let Some(lead) = bytes.next() {
        let (tails, bits) = match lead {
            0..0x80 => (0, u32::from(lead)),
            0xC0..0xE0 => (1, u32::from(lead & 0x1F)),
            0xE0..0xF0 => (2, u32::from(lead & 0x0F)),
            0xF0..0xF8 => (3, u32::from(lead & 0x07)),
            ODD => (2, 0x0D),
            _ => (0, 0xFFFD),
        };
        let mut code = bits;
        for _ in 0..tails {
            if let Some(tail) = bytes.next_if(|byte| byte & 0xC0 == 0x80) {
                code = (code << 6) | u32::from(tail & 0x3F);
            }
        }
        match code {
            0..0x1_0000 => push(code as u16),
            _ => {
                let rest = code.saturating_sub(0x1_0000);
                push(0xD800 | ((rest >> 10) & 0x3FF) as u16);
                push(0xDC00 | (rest & 0x3FF) as u16);
            }
        }
    }
}

/// How many bytes of UTF-16 a text came from.
pub(super) fn source_bytes(text: &[u8]) -> u64 {
    let bytes = |byte: u8| match byte {
        ODD => 1,
        0xF0.. => 4,
        0x80..0xC0 => 0,
        _ => 2,
    };
    text.iter().map(|&byte| bytes(byte)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(units: &[u16], big_endian: bool) -> Vec<u8> {
        let bytes: Vec<u8> =
            units.iter().flat_map(|u| if big_endian { u.to_be_bytes() } else { u.to_le_bytes() }).collect();
        let mut text = Vec::new();
        Utf16Reader::new(&bytes[..], big_endian).read_to_end(&mut text).unwrap();
        let mut back = Vec::new();
        push_utf16(&text, big_endian, &mut back);
        assert_eq!(back, bytes, "every unit comes back");
        assert_eq!(source_bytes(&text), bytes.len() as u64);
        text
    }

    #[test]
    fn text_comes_through_both_ways() {
        let units: Vec<u16> = "Zoë, 漢字 😀\r\n".encode_utf16().collect();
        for big_endian in [false, true] {
            assert_eq!(through(&units, big_endian), "Zoë, 漢字 😀\r\n".as_bytes());
        }
    }

    #[test]
    fn lone_surrogates_are_kept_and_are_no_utf8() {
        for units in [&[0xD800u16][..], &[0xDC00, 0x41], &[0xD83D, 0xD83D, 0xDE00], &[0x41, 0xDBFF, 0x42]] {
            assert!(std::str::from_utf8(&through(units, false)).is_err());
        }
    }

    #[test]
    fn an_odd_byte_at_the_end_is_no_utf8() {
        for (big_endian, unit) in [(false, [0xFE, 0xD8]), (true, [0xD8, 0xFE])] {
            let mut text = Vec::new();
            Utf16Reader::new(&[b'a', 0, 0xFE][..], big_endian).read_to_end(&mut text).unwrap();
            assert_eq!(source_bytes(&text), 3);
            let odd = text.split_off(text.len() - 3);
            assert!(std::str::from_utf8(&odd).is_err());
            assert_eq!(odd_byte(&odd), Some(0xFE));
            let mut back = Vec::new();
            push_utf16(&odd, big_endian, &mut back);
            assert_eq!(back, unit, "written back it is no character either");
        }
    }
}
