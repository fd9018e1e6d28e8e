//! One file for several readers, and a gate that keeps what was not yet
//! inspected of a package from its reader.
//!
//! The inspection of a large package and the opening of its workbook share
//! the cores. What guards the memory still comes first: of a part that is
//! still to be inspected the reader gets no byte, whatever name or relation
//! leads to it. It waits, and it gets nothing once a part was refused.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes at the end of a file that are always given out: the list of parts is
/// looked for there. No part can be unpacked by its end alone.
const TAIL: u64 = 4096;

/// A reader of a file that others read as well, each at a place of its own.
#[derive(Clone)]
pub(super) struct SharedFile {
    file: Arc<Mutex<File>>,
    at: u64,
    gate: Option<Arc<Gate>>,
}

impl SharedFile {
    pub(super) fn new(file: File) -> Self {
        Self { file: Arc::new(Mutex::new(file)), at: 0, gate: None }
    }

    /// A reader of the same file that sees only what the gate lets through.
    pub(super) fn behind(&self, gate: Arc<Gate>) -> Self {
        Self { file: Arc::clone(&self.file), at: 0, gate: Some(gate) }
    }
}

impl Read for SharedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = match &self.gate {
            Some(gate) => gate.let_through(self.at, buffer.len())?,
            None => buffer.len(),
        };
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.at))?;
        let read = file.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.at = self.at.saturating_add(read as u64);
        Ok(read)
    }
}

impl Seek for SharedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => {
                let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::End(0))?.checked_add_signed(by)
            }
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

/// Which parts of a package were inspected.
pub(super) struct Gate {
    is_open: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Where the parts lie that are still to be inspected, in order, by number.
    closed: Vec<(Range<u64>, usize)>,
    /// A part was refused.
    is_shut: bool,
}

impl Gate {
    /// Closed for all parts of a file; `parts` says where each lies.
    pub(super) fn closed(parts: impl Iterator<Item = Range<u64>>, file: u64) -> Self {
        let tail = file.saturating_sub(TAIL);
        let kept = |part: Range<u64>| part.start..part.end.min(tail.max(part.start.saturating_add(1)));
        let mut closed: Vec<_> = parts
            .enumerate()
            .filter(|(_, part)| !part.is_empty())
            .map(|(at, part)| (kept(part), at))
            .collect();
        closed.sort_unstable_by_key(|(part, _)| part.start);
        Self {
            is_open: AtomicBool::new(closed.is_empty()),
            state: Mutex::new(State { closed, is_shut: false }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A part has passed the inspection.
    pub(super) fn open(&self, part: usize) {
        let mut state = self.lock();
        state.closed.retain(|&(_, at)| at != part);
        if state.closed.is_empty() && !state.is_shut {
            self.is_open.store(true, Ordering::Release);
        }
        self.changed.notify_all();
    }

    /// A part has not: from now on nothing is given out.
    pub(super) fn shut(&self) {
        self.lock().is_shut = true;
        self.changed.notify_all();
    }

    /// How many of the `wanted` bytes from `at` on may be read, once any may.
    fn let_through(&self, at: u64, wanted: usize) -> io::Result<usize> {
        if self.is_open.load(Ordering::Acquire) {
            return Ok(wanted);
        }
        let mut state = self.lock();
        loop {
            if state.is_shut {
                return Err(io::Error::other("a part of the package was refused"));
            }
            match state.closed.iter().find(|(part, _)| part.end > at) {
                None => return Ok(wanted),
                Some((part, _)) if part.start > at => {
                    return Ok(usize::try_from(part.start - at).map_or(wanted, |free| free.min(wanted)));
                }
                Some(_) => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn letters() -> SharedFile {
        let mut file = tempfile::tempfile().unwrap();
        for letter in b'a'..=b'j' {
            file.write_all(&[letter; 1000]).unwrap();
        }
        SharedFile::new(file)
    }

    fn at(file: &mut SharedFile, place: u64) -> io::Result<String> {
        let mut buffer = [0; 5000];
        file.seek(SeekFrom::Start(place))?;
        let read = file.read(&mut buffer)?;
        let mut letters = buffer[..read].to_vec();
        letters.dedup();
        Ok(format!("{read}{}", String::from_utf8(letters).unwrap()))
    }

    #[test]
    fn readers_of_one_file_do_not_disturb_each_other() {
        let (mut one, mut other) = (letters(), letters());
        let mut clone = one.clone();
        assert_eq!(at(&mut one, 9000).unwrap(), "1000j");
        assert_eq!(clone.stream_position().unwrap(), 0);
        assert_eq!(at(&mut clone, 500).unwrap(), at(&mut other, 500).unwrap());
        assert_eq!(one.seek(SeekFrom::End(-1)).unwrap(), 9999);
        assert!(one.seek(SeekFrom::Current(-10_000)).is_err());
    }

    #[test]
    fn a_part_is_given_out_once_it_was_inspected() {
        let file = letters();
        let gate = Arc::new(Gate::closed([1000..2000, 4000..4000, 2000..5904].into_iter(), 10_000));
        let mut guarded = file.behind(Arc::clone(&gate));
        assert_eq!(at(&mut guarded, 0).unwrap(), "1000a", "up to the first part");
        // The end is free: the list of parts is there.
        assert_eq!(at(&mut guarded, 5904).unwrap(), "4096fghij");
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| at(&mut file.behind(Arc::clone(&gate)), 1500));
            gate.open(0);
            assert_eq!(waiting.join().unwrap().unwrap(), "500b");
        });
        gate.open(2);
        assert_eq!(at(&mut guarded, 0).unwrap(), "5000abcde");
    }

    #[test]
    fn nothing_is_given_out_once_a_part_was_refused() {
        let file = letters();
        let gate = Arc::new(Gate::closed(std::iter::once(9500..9990), 10_000));
        let mut guarded = file.behind(Arc::clone(&gate));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| at(&mut file.behind(Arc::clone(&gate)), 9500).is_err());
            gate.shut();
            assert!(waiting.join().unwrap());
        });
        gate.open(0);
        assert!(at(&mut guarded, 0).is_err());
    }
}
