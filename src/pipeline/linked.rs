//! Runs that go on with what another run did: which there are of one run.

use std::path::Path;

use crate::store::{Store, newest_runs};

/// The runs of an object that began after another run, the newest first.
/// One that does not open is passed over.
pub(super) fn later_runs<'a>(
    runs: &'a Path,
    object: &'a str,
    run: &'a str,
) -> impl Iterator<Item = (String, Store)> + 'a {
    // A run's id begins with its moment. The whole day is looked through: a
    // clock may have been put back a little meanwhile.
    let day = |id: &str| id.get(..8).map(str::to_owned);
    let since = day(run);
    newest_runs(runs, object, usize::MAX)
        .take_while(move |(id, _)| day(id) >= since)
        .filter(move |(id, _)| id != run)
}

/// Whether a fact of the store names this run.
pub(super) fn is_linked(store: &Store, fact: &str, run: &str) -> bool {
    store.get::<String>(fact).ok().flatten().is_some_and(|known| known == run)
}
