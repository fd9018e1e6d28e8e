//! Inspects the parts of a package, those of a large one on several threads,
//! while the workbook is opened behind the gate.
//!
//! What is found does not depend on which thread was quicker: the fault of the
//! part that stands first in the package is the one that is told.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder};

use super::error::InputProblem;
use super::gate::{Gate, SharedFile};
use super::package::{Clues, Package, PackedPart, Room, check_part, opened};
use super::workbook::contained;

/// A sheet's part that takes more packed bytes can wait for a thread; others
/// are unpacked before one has begun.
const LARGE: u64 = 256 * 1024;

/// Few workbooks have more large sheets.
const MOST_THREADS: usize = 4;

/// Checks all parts within the room they have and runs `work` on the file
/// behind the gate; see [`Package::inspect_beside`]. `threads` beside this one
/// are as many as cores are free, if not said.
pub(super) fn inspect_parts<T>(
    package: &Package,
    room: Room,
    threads: Option<usize>,
    work: impl FnOnce(SharedFile) -> T,
) -> Result<(Clues, T), InputProblem> {
    let inspection = Inspection::of(package, room);
    let threads = threads.unwrap_or_else(|| inspection.useful_threads());
    let guarded = package.file.behind(Arc::clone(&inspection.gate));
    let made = thread::scope(|scope| {
        let help = || Builder::new().spawn_scoped(scope, || inspection.run(Queue::late_first));
        let is_helped = (0..threads).filter_map(|_| help().ok()).count() > 0;
        inspection.run(if is_helped { Queue::not_late } else { Queue::any });
        let made = work(guarded);
        inspection.run(Queue::any);
        made
    });
    inspection.end().map(|clues| (clues, made))
}

/// The parts that are still to be inspected, by number.
struct Queue {
    early: VecDeque<usize>,
    /// Large sheets, which are wanted last.
    late: VecDeque<usize>,
}

impl Queue {
    fn not_late(&mut self) -> Option<usize> {
        self.early.pop_front()
    }

    fn any(&mut self) -> Option<usize> {
        self.early.pop_front().or_else(|| self.late.pop_front())
    }

    fn late_first(&mut self) -> Option<usize> {
        self.late.pop_front().or_else(|| self.early.pop_back())
    }
}

/// An inspection under way.
struct Inspection<'p> {
    package: &'p Package,
    room: Room,
    gate: Arc<Gate>,
    queue: Mutex<Queue>,
    /// Bytes that all parts unpack to.
    total: AtomicU64,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    clues: Clues,
    /// The first part that was refused, and why.
    refused: Option<(usize, InputProblem)>,
}

impl<'p> Inspection<'p> {
    fn of(package: &'p Package, room: Room) -> Self {
        let is_late =
            |part: &PackedPart| part.name.contains("worksheets") && part.place.end - part.place.start > LARGE;
        let (late, early) =
            (0..package.parts.len()).partition(|&at| package.parts.get(at).is_some_and(is_late));
        let places = package.parts.iter().map(|part| part.place.clone());
        Self {
            package,
            room,
            gate: Arc::new(Gate::closed(places, package.bytes)),
            queue: Mutex::new(Queue { early, late }),
            total: AtomicU64::new(0),
            found: Mutex::new(Found::default()),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One for each large sheet, as far as there are cores.
    fn useful_threads(&self) -> usize {
        match self.queue().late.len() {
            0 => 0,
            late => late.min(thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS) - 1),
        }
    }

    /// Inspects parts until there is none left of those that `next` takes.
    fn run(&self, next: impl Fn(&mut Queue) -> Option<usize>) {
        let mut archive = None;
        loop {
            let Some(at) = next(&mut self.queue()) else { return };
            // Only what stands before the first fault can still matter.
            if self.found().refused.as_ref().is_some_and(|&(first, _)| first < at) {
                continue;
            }
            let seen = contained(|| {
                let archive = match &mut archive {
                    Some(archive) => archive,
                    none => none.insert(opened(&self.package.file)?),
                };
                check_part(archive, at, self.room, &self.total)
            });
            match seen {
                Ok(clues) => {
                    self.found().clues.add(clues);
                    self.gate.open(at);
                }
                Err(problem) => {
                    self.gate.shut();
                    self.refuse(at, problem);
                }
            }
        }
    }

    fn refuse(&self, at: usize, problem: InputProblem) {
        let mut found = self.found();
        if found.refused.as_ref().is_none_or(|&(first, _)| at < first) {
            found.refused = Some((at, problem));
        }
    }

    fn end(self) -> Result<Clues, InputProblem> {
        let found = self.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        match found.refused {
            Some((_, problem)) => Err(problem),
            None => Ok(found.clues),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::super::package::ROOM;
    use super::*;

    const SHEET: &str = "xl/worksheets/sheet1.xml";

    /// A package with a sheet of random digits, which hardly get smaller.
    fn package(last: &str) -> Package {
        let mut zip = ZipWriter::new(tempfile::tempfile().unwrap());
        let mut state = 1_u64;
        let mut digit = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'0' + (state >> 60) as u8)
        };
        let digits: String = (0..1_000_000).map(|_| digit()).collect();
        for (name, content) in [
            (SHEET, format!("<worksheet>{digits}{last}")),
            ("[Content_Types].xml", String::new()),
            ("xl/workbook.xml", "<workbook/>".to_owned()),
        ] {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(content.as_bytes()).unwrap();
        }
        Package::of(&zip.finish().unwrap()).unwrap()
    }

    fn sheet(file: &SharedFile) -> Result<String, String> {
        let mut package = opened(file).map_err(|problem| problem.to_string())?;
        let mut content = String::new();
        let mut part = package.by_name(SHEET).map_err(|error| error.to_string())?;
        part.read_to_string(&mut content).map_err(|error| error.to_string())?;
        Ok(content)
    }

    #[test]
    fn a_part_is_read_beside_the_inspection_once_it_has_passed() {
        let package = package("<mergeCell ref=\"A1:B1\"/></worksheet>");
        assert!(package.parts[0].place.end > LARGE);
        for threads in [0, 1, 3] {
            let (clues, content) = inspect_parts(&package, ROOM, Some(threads), |file| sheet(&file)).unwrap();
            assert!(clues.worth_a_look);
            assert!(content.unwrap().ends_with("</worksheet>"));
        }
    }

    #[test]
    fn a_part_that_is_refused_is_never_read() {
        let package = package("<!DOCTYPE a>");
        for threads in [0, 1, 3] {
            let mut read = Ok(String::new());
            let told = inspect_parts(&package, ROOM, Some(threads), |file| read = sheet(&file)).unwrap_err();
            assert!(told.to_string().contains("document type"), "{told}");
            assert!(read.unwrap_err().contains("a part of the package was refused"));
        }
    }
}
