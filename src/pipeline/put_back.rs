//! Records that undos of later runs have put back: the last to write them was
//! this program, and not somebody else.
//!
//! Two imports that went over the same records are undone one after the other,
//! the later one first. Its undo leaves each record as the earlier import did,
//! but with another date of change, by which all of them would look edited.

use std::collections::HashMap;
use std::path::Path;

use super::PipelineError;
use super::linked::later_runs;
use crate::model::RecordId;
use crate::rules::image::same_but_stamps;
use crate::store::{Store, StoreError};

/// What undos of later runs have put back, by record.
pub(super) struct PutBack {
    undos: Vec<Store>,
    /// The last undo that wrote the record, and its row there.
    rows: HashMap<RecordId, (usize, u64)>,
}

impl PutBack {
    /// What was put back since a run.
    pub(super) fn since(runs: &Path, object: &str, run: &str) -> Result<Self, PipelineError> {
        let (mut undos, mut rows) = (Vec::new(), HashMap::new());
        // The newest come first: what they put back is how the records are.
        for (_, store) in later_runs(runs, object, run) {
            if store.get::<String>("undo_of")?.is_none_or(|of| of == run) {
                continue;
            }
            for (record, row) in store.put_back()? {
                rows.entry(record).or_insert((undos.len(), row));
            }
            undos.push(store);
        }
        Ok(Self { undos, rows })
    }

    /// How a record looked when it was last written by this program, given how
    /// the run left it: the run's own image, or that of an undo which put back
    /// just that.
    pub(super) fn image(&self, record: RecordId, image: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let Some((undo, row)) = self.rows.get(&record) else { return Ok(image) };
        let later = self.undos.get(*undo).map(|store| store.image_of(*row)).transpose()?.flatten();
        Ok(later.filter(|later| same_but_stamps(&image, later)).unwrap_or(image))
    }
}
