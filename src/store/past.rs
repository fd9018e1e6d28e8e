//! Earlier runs of an object, to learn from: nothing in them is changed.

use std::path::Path;

use super::{Store, folder, list_runs};

/// The stores of an object's newest runs, the newest first, by run id. Exports are not among them.
///
/// A run that does not open is passed over, and so is a folder that cannot be
/// read: what earlier runs know is a help, and none is needed.
pub fn newest_runs(runs: &Path, object: &str, most: usize) -> impl Iterator<Item = (String, Store)> {
    let middle = folder::slug(object);
    let all = list_runs(runs).unwrap_or_default();
    let of_object = all
        .into_iter()
        .rev()
        .filter(move |run| object_slug(run) == Some(middle.as_str()) && !folder::is_export(runs, run));
    of_object.take(most).filter_map(move |run| {
        let store = Store::peek(&runs.join(&run).join("run.db")).ok()?;
        Some((run, store))
    })
}

/// The part of a run's id that names the object: two objects may share it.
fn object_slug(run: &str) -> Option<&str> {
    let (_, rest) = run.split_at_checked("YYYYMMDD-HHMMSS-".len())?;
    rest.rsplit_once('-').map(|(slug, _)| slug)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::RunFolder;

    #[test]
    fn the_newest_runs_of_an_object_come_first_and_what_does_not_open_is_passed_over() {
        let runs = tempfile::tempdir().unwrap();
        for (day, object) in
            [(1, "accounts"), (2, "my-accounts"), (3, "accounts"), (4, "Ärger"), (5, "accounts")]
        {
            let folder =
                RunFolder::create(runs.path(), object, jiff::civil::date(2026, 11, day).at(9, 0, 0, 0))
                    .unwrap();
            Store::create(&folder.store_file()).unwrap().set("day", &day).unwrap();
        }
        let days = |object: &str, most| -> Vec<u64> {
            newest_runs(runs.path(), object, most).map(|(_, store)| store.fact("day").unwrap()).collect()
        };
        assert_eq!(days("accounts", 10), [5, 3, 1]);
        assert_eq!(days("accounts", 2), [5, 3]);
        assert_eq!(
            (days("my-accounts", 10), days("Ärger", 10), days("contacts", 10)),
            (vec![2], vec![4], vec![])
        );
        let damaged = runs.path().join("20261106-090000-accounts-aaaa");
        std::fs::create_dir(&damaged).unwrap();
        std::fs::write(damaged.join("run.db"), "no database").unwrap();
        assert_eq!(days("accounts", 3), [5, 3], "three are looked at");
    }

    #[test]
    fn no_folder_of_runs_is_no_fault_and_none_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("none");
        assert_eq!(newest_runs(&runs, "accounts", 9).count(), 0);
        assert!(!runs.exists());
        std::fs::write(&runs, "").unwrap();
        assert_eq!(newest_runs(&runs, "accounts", 9).count(), 0, "a file is no folder");
    }
}
