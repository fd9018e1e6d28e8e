//! The container of old Office files: a file system in a file, of which one
//! stream is the workbook.
//!
//! The reader of workbooks follows its chains of sectors as far as they go,
//! and a chain may go round in a circle. So all chains are followed here
//! before, with their steps counted.

use super::error::InputProblem;

/// Sector numbers from here on stand for something else than a sector.
const SPECIAL: u32 = 0xFFFF_FFFA;
const END_OF_CHAIN: u32 = 0xFFFF_FFFE;
/// Streams below this size lie in small sectors.
const SMALL_STREAM: usize = 4096;
const SMALL_SECTOR: usize = 64;

/// The streams of an OLE container.
pub(super) struct Container<'a> {
    bytes: &'a [u8],
    sector: usize,
    fat: Vec<u32>,
    small_fat: Vec<u32>,
    small_sectors: Vec<u8>,
    streams: Vec<Stream>,
}

struct Stream {
    name: String,
    start: u32,
    length: usize,
}

impl<'a> Container<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, InputProblem> {
        let sector = match u16_at(bytes, 30) {
            Some(9) => 512,
            Some(12) => 4096,
            _ => return Err(damaged()),
        };
        let mut container = Self {
            bytes,
            sector,
            fat: Vec::new(),
            small_fat: Vec::new(),
            small_sectors: Vec::new(),
            streams: Vec::new(),
        };
        container.read_fat()?;
        let folder = container.chain(header(bytes, 48)?, None)?;
        container.streams = folder.chunks_exact(128).filter_map(|entry| Stream::of(entry, sector)).collect();
        container.read_small()?;
        Ok(container)
    }

    /// True where the container has a stream or folder of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The bytes of a stream; nothing where there is none of that name.
    pub(super) fn stream(&self, name: &str) -> Result<Option<Vec<u8>>, InputProblem> {
        let Some(stream) = self.find(name) else { return Ok(None) };
        if stream.length >= SMALL_STREAM {
            return self.chain(stream.start, Some(stream.length)).map(Some);
        }
        let sector = |id: usize| {
            let from = id.checked_mul(SMALL_SECTOR)?;
            self.small_sectors.get(from..from + SMALL_SECTOR)
        };
        follow(stream.start, &self.small_fat, Some(stream.length), self.bytes.len() / SMALL_SECTOR, sector)
            .map(Some)
    }

    fn find(&self, name: &str) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.name.eq_ignore_ascii_case(name))
    }

    /// Sectors that the file can have.
    fn most(&self) -> usize {
        self.bytes.len() / self.sector + 1
    }

    fn sector(&self, id: usize) -> Option<&'a [u8]> {
        let from = id.checked_add(1)?.checked_mul(self.sector)?;
        let to = (from + self.sector).min(self.bytes.len());
        // The last sector may be cut short.
        self.bytes.get(from..to).filter(|sector| !sector.is_empty())
    }

    fn chain(&self, start: u32, length: Option<usize>) -> Result<Vec<u8>, InputProblem> {
        follow(start, &self.fat, length, self.most(), |id| self.sector(id))
    }

    /// Reads the table of all chains, whose own sectors are listed in the
    /// header and in further sectors.
    fn read_fat(&mut self) -> Result<(), InputProblem> {
        let mut lists: Vec<u32> = numbers(self.bytes.get(76..512).ok_or_else(damaged)?);
        let mut next = header(self.bytes, 68)?;
        let mut steps = 0;
        while next < SPECIAL {
            let sector = self.sector(next as usize).ok_or_else(damaged)?;
            lists.extend(numbers(sector));
            next = lists.pop().ok_or_else(damaged)?;
            steps += 1;
            if steps > self.most() {
                return Err(damaged());
            }
        }
        lists.retain(|&id| id < SPECIAL);
        if lists.len() > self.most() {
            return Err(damaged());
        }
        for id in lists {
            self.fat.extend(numbers(self.sector(id as usize).ok_or_else(damaged)?));
        }
        Ok(())
    }

    fn read_small(&mut self) -> Result<(), InputProblem> {
        let sectors = header(self.bytes, 64)? as usize;
        if sectors == 0 {
            return Ok(());
        }
        let root = self.streams.first().ok_or_else(damaged)?;
        self.small_sectors = self.chain(root.start, Some(root.length))?;
        let length = sectors.checked_mul(self.sector).ok_or_else(damaged)?;
        self.small_fat = numbers(&self.chain(header(self.bytes, 60)?, Some(length))?);
        Ok(())
    }
}

impl Stream {
    fn of(entry: &[u8], sector: usize) -> Option<Self> {
        let units = entry.get(..64)?.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit));
        let name = char::decode_utf16(units.take_while(|&unit| unit != 0)).map(|c| c.unwrap_or('\u{FFFD}'));
        // Small sectors stand for version 3, whose lengths have 32 bits.
        let length = match sector {
            512 => u64::from(u32_at(entry, 120)?),
            _ => u64::from(u32_at(entry, 120)?) | u64::from(u32_at(entry, 124)?) << 32,
        };
        Some(Self {
            name: name.collect(),
            start: u32_at(entry, 116)?,
            length: usize::try_from(length).unwrap_or(usize::MAX),
        })
    }
}

/// Follows a chain to its end or to `length`, in at most `most` steps.
fn follow<'a>(
    start: u32,
    table: &[u32],
    length: Option<usize>,
    most: usize,
    sector: impl Fn(usize) -> Option<&'a [u8]>,
) -> Result<Vec<u8>, InputProblem> {
    let length = length.unwrap_or(usize::MAX);
    let (mut out, mut id, mut steps) = (Vec::new(), start, 0);
    while id != END_OF_CHAIN && out.len() < length {
        let bytes = sector(id as usize).ok_or_else(damaged)?;
        out.extend_from_slice(bytes.get(..length - out.len()).unwrap_or(bytes));
        steps += 1;
        if steps > most {
            return Err(damaged());
        }
        if out.len() < length {
            id = table.get(id as usize).copied().ok_or_else(damaged)?;
        }
    }
    Ok(out)
}

fn numbers(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks::<4>().0.iter().map(|number| u32::from_le_bytes(*number)).collect()
}

fn header(bytes: &[u8], at: usize) -> Result<u32, InputProblem> {
    u32_at(bytes, at).ok_or_else(damaged)
}

/// A little-endian number of 16 bits at a place.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk::<2>().map(|number| u16::from_le_bytes(*number))
}

/// A little-endian number of 32 bits at a place.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|number| u32::from_le_bytes(*number))
}

/// The sentence for a container or workbook that cannot be followed.
pub(super) fn damaged() -> InputProblem {
    InputProblem::Workbook(
        "the workbook is damaged or was not copied whole; get it again, or open it in Excel and save it as XLSX"
            .to_owned(),
    )
}
