//! What an export has read of an object, page by page, so that it can go on
//! where it was interrupted.
//!
//! A file of frames, each with its length, a checksum and its bytes; the last
//! one says that nothing follows. Frames are written without waiting for the
//! disk: what a power cut takes is noticed by its checksum and read again.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::StoreError;
use super::folder::private_file_options;

/// A page has a hundred records of at most some megabytes; more is no frame.
const LONGEST: u32 = 1 << 30;

/// The length of a frame's head: the length of its bytes and their checksum.
const HEAD: usize = 12;

/// The file of one object. What is in it must be read before more is appended.
#[derive(Debug)]
pub struct PageLog {
    file: BufReader<File>,
    path: PathBuf,
    /// So far the file is whole.
    whole: u64,
    /// The frame that says that nothing follows has been read.
    complete: bool,
    /// Reading is over.
    at_end: bool,
    frame: Vec<u8>,
}

impl PageLog {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// It cannot be made or read.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let io = |source| StoreError::Io { path: path.to_owned(), source };
        let file = private_file_options().read(true).create(true).truncate(false).open(path).map_err(io)?;
        Ok(Self {
            file: BufReader::with_capacity(1 << 18, file),
            path: path.to_owned(),
            whole: 0,
            complete: false,
            at_end: false,
            frame: Vec::new(),
        })
    }

    /// The next page that is there; `None` behind the last whole one. What follows that is cut off.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn next_page(&mut self) -> Result<Option<&[u8]>, StoreError> {
        if self.at_end {
            return Ok(None);
        }
        let found = self.read_frame().map_err(|source| self.io(source))?;
        match found {
            Some(bytes) => {
                self.whole += (HEAD + bytes) as u64;
                // A page has at least the counts of its records.
                self.complete = bytes == 0;
                self.at_end = self.complete;
            }
            None => self.at_end = true,
        }
        if self.at_end {
            self.cut().map_err(|source| self.io(source))?;
            return Ok(None);
        }
        Ok(Some(&self.frame))
    }

    /// Whether all pages of the object are here; known once all have been read.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Keeps a page.
    ///
    /// # Errors
    /// The disk is full, or the file cannot be written.
    pub fn add(&mut self, page: &[u8]) -> Result<(), StoreError> {
        if page.is_empty() {
            return Ok(());
        }
        self.write_frame(page)
    }

    /// Notes that no page follows.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn complete(&mut self) -> Result<(), StoreError> {
        if self.complete {
            return Ok(());
        }
        self.complete = true;
        self.write_frame(&[])
    }

    /// Forgets all pages: they were not read in an order that can be gone on with.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn clear(&mut self) -> Result<(), StoreError> {
        (self.whole, self.complete, self.at_end) = (0, false, true);
        self.cut().map_err(|source| self.io(source))
    }

    fn write_frame(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        while !self.at_end {
            self.next_page()?;
        }
        let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= LONGEST);
        let Some(length) = length else {
            return Err(
                self.io(io::Error::new(io::ErrorKind::FileTooLarge, "a page of more than a gigabyte"))
            );
        };
        self.frame.clear();
        self.frame.extend(length.to_le_bytes());
        self.frame.extend(xxh3_64(bytes).to_le_bytes());
        self.frame.extend(bytes);
        let written = self.file.get_mut().write_all(&self.frame);
        written.map_err(|source| self.io(source))?;
        self.whole += self.frame.len() as u64;
        Ok(())
    }

    /// Reads a frame; how many bytes, or `None` where none is whole.
    fn read_frame(&mut self) -> io::Result<Option<usize>> {
        let mut head = [0; HEAD];
        if !fill(&mut self.file, &mut head)? {
            return Ok(None);
        }
        let [a, b, c, d, checksum @ ..] = head;
        let length = u32::from_le_bytes([a, b, c, d]);
        if length > LONGEST {
            return Ok(None);
        }
        self.frame.clear();
        let read = (&mut self.file).take(length.into()).read_to_end(&mut self.frame)?;
        let is_whole = read == length as usize && xxh3_64(&self.frame) == u64::from_le_bytes(checksum);
        Ok(is_whole.then_some(read))
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.get_ref().set_len(self.whole)?;
        self.file.seek(SeekFrom::Start(self.whole)).map(drop)
    }

    fn io(&self, source: io::Error) -> StoreError {
        StoreError::Io { path: self.path.clone(), source }
    }
}

/// Fills `bytes`; false where the file ends before.
fn fill(file: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pages(log: &mut PageLog) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        while let Some(page) = log.next_page().unwrap() {
            found.push(page.to_vec());
        }
        found
    }

    proptest! {
        #[test]
        fn whatever_a_power_cut_leaves_the_pages_before_are_whole_and_more_can_be_added(
            kept in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
            ends in any::<bool>(),
            cut in any::<prop::sample::Index>(),
            garbage in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("pages.bin");
            let mut log = PageLog::open(&path).unwrap();
            kept.iter().for_each(|page| log.add(page).unwrap());
            if ends {
                log.complete().unwrap();
            }
            drop(log);
            let mut bytes = std::fs::read(&path).unwrap();
            let whole = bytes.len();
            bytes.truncate(cut.index(whole + 1));
            let is_whole = bytes.len() == whole;
            bytes.extend(&garbage);
            std::fs::write(&path, &bytes).unwrap();

            let mut log = PageLog::open(&path).unwrap();
            let mut found = pages(&mut log);
            prop_assert!(kept.starts_with(&found), "{kept:?} {found:?}");
            prop_assert_eq!(log.is_complete(), ends && is_whole);
            if !log.is_complete() {
                log.add(b"more").unwrap();
                log.complete().unwrap();
                found.push(b"more".to_vec());
            }
            let mut log = PageLog::open(&path).unwrap();
            prop_assert_eq!(pages(&mut log), found);
            prop_assert!(log.is_complete());
        }
    }

    #[test]
    fn what_cannot_be_gone_on_with_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pages.bin");
        let mut log = PageLog::open(&path).unwrap();
        log.add(b"one").unwrap();
        log.clear().unwrap();
        log.add(b"two").unwrap();
        let mut log = PageLog::open(&path).unwrap();
        assert_eq!(pages(&mut log), [b"two".to_vec()]);
    }
}
