//! `--keep N`: the outputs of earlier exports, under the time at which they
//! were whole: `accounts.csv` becomes `accounts.20261125-020003.csv`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use super::manifest::{DELETED, MANIFEST, finished_of, is_told_of, path_beside};
use crate::pipeline::PipelineError;
use crate::tabular::{OutputProblem, fingerprint_of};

/// What stands beside an output.
const BESIDE: [&str; 2] = [MANIFEST, DELETED];

/// The digits of a time in a name.
const STAMP: &str = "00000000-000000";

/// An output that is there, kept under a second name until the new one has taken its place.
#[derive(Debug)]
pub(super) struct Kept {
    out: PathBuf,
    /// How many are kept.
    most: usize,
    /// The second name.
    older: PathBuf,
}

impl Kept {
    /// Gives the output that is there, and its manifest, a second name; none where there is none.
    pub fn set_aside(out: &Path, most: Option<usize>) -> Result<Option<Self>, PipelineError> {
        let Some(most) = most.filter(|most| *most > 0) else { return Ok(None) };
        let is_file = fs::symlink_metadata(out).is_ok_and(|there| there.is_file());
        if !is_file {
            return Ok(None);
        }
        // A manifest of another file tells nothing of this one: its export was killed in between.
        let is_told = is_told_of(out);
        let whole = is_told.then(|| finished_of(out)).flatten();
        let whole = whole.or_else(|| changed(out)).unwrap_or(Timestamp::UNIX_EPOCH);
        let older = free_name(out, whole);
        let link = || -> io::Result<()> {
            second_name(out, &older)?;
            if !is_told {
                return Ok(());
            }
            for beside in BESIDE {
                match second_name(&path_beside(out, beside), &path_beside(&older, beside)) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    linked => linked?,
                }
            }
            Ok(())
        };
        link().map_err(|error| {
            let is_there = error.kind() == io::ErrorKind::AlreadyExists;
            let problem = if is_there { OutputProblem::Exists } else { error.into() };
            problem.of(&older)
        })?;
        Ok(Some(Self { out: out.to_owned(), most, older }))
    }

    /// The new output is there: of the older ones the oldest go, beyond those that are kept.
    pub fn finish(self) -> Result<(), PipelineError> {
        let mut all = older_ones(&self.out).map_err(|error| OutputProblem::from(error).of(&self.out))?;
        all.sort();
        let surplus = all.len().saturating_sub(self.most);
        for old in all.into_iter().take(surplus).filter(|old| *old != self.older) {
            let beside = BESIDE.map(|beside| path_beside(&old, beside));
            for path in beside.into_iter().chain([old]) {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(OutputProblem::from(error).of(&path).into());
                    }
                    Ok(()) | Err(_) => {}
                }
            }
        }
        Ok(())
    }
}

/// A second name for a file, or a copy where a file cannot have two. What has the name may be the
/// same, from an export that failed afterwards; anything else is not replaced.
fn second_name(file: &Path, name: &Path) -> io::Result<()> {
    match fs::hard_link(file, name) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let same = fingerprint_of(file).ok().zip(fingerprint_of(name).ok());
            if same.is_some_and(|(one, other)| one == other) { Ok(()) } else { Err(error) }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
        Err(_) => fs::copy(file, name).map(drop),
    }
}

/// The first name from that second on that is free, or that has the same in it.
fn free_name(out: &Path, time: Timestamp) -> PathBuf {
    let is_free = |name: &PathBuf| {
        let same = || fingerprint_of(out).ok().zip(fingerprint_of(name).ok());
        !name.exists() || same().is_some_and(|(one, other)| one == other)
    };
    let seconds = (0..100).map(|second| named(out, time + SignedDuration::from_secs(second)));
    seconds.into_iter().find(is_free).unwrap_or_else(|| named(out, time))
}

fn changed(file: &Path) -> Option<Timestamp> {
    Timestamp::try_from(fs::metadata(file).ok()?.modified().ok()?).ok()
}

/// `FOLDER/STEM.STAMP.ENDING`
fn named(out: &Path, time: Timestamp) -> PathBuf {
    let stamp = Offset::UTC.to_datetime(time).strftime("%Y%m%d-%H%M%S").to_string();
    let mut name = out.file_stem().unwrap_or_default().to_owned();
    name.push(".");
    name.push(stamp);
    if let Some(ending) = out.extension() {
        name.push(".");
        name.push(ending);
    }
    out.with_file_name(name)
}

/// The older outputs that stand beside one: those that have a manifest, as a name alone could be
/// anyone's.
fn older_ones(out: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let stem = format!("{}.", out.file_stem().unwrap_or_default().to_string_lossy());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = out.with_file_name(entry?.file_name());
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let is_stamp = |text: &str| {
            text.len() == STAMP.len()
                && text.bytes().zip(STAMP.bytes()).all(|(byte, shape)| match shape {
                    b'0' => byte.is_ascii_digit(),
                    shape => byte == shape,
                })
        };
        let is_older = path.extension() == out.extension() && name.strip_prefix(&stem).is_some_and(is_stamp);
        if is_older && finished_of(&path).is_some() {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_output_is_named_after_the_time_at_which_it_was_whole() {
        let time: Timestamp = "2026-11-25T02:00:03Z".parse().unwrap();
        let name = |out: &str| named(Path::new(out), time).display().to_string();
        assert_eq!(name("out/accounts.csv"), "out/accounts.20261125-020003.csv");
        assert_eq!(name("accounts"), "accounts.20261125-020003");
    }
}
