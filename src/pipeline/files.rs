//! Files that go with new documents: whether they are there and may be sent.
//!
//! A path is one within a folder, that of the input file unless `--files` says
//! another: a table from elsewhere must not be able to send what else is on
//! this machine. Links that lead out of the folder count as what they lead to.

use std::fs::File;
use std::path::{Component, Path, PathBuf};

use super::prepare::io_words;
use crate::crm::{MOST_UPLOAD, Upload};
use crate::model::{Code, Stage, shown, shown_path};
use crate::rules::draft::{Draft, refuse};
use crate::rules::files::{path_of, place_of_file};
use crate::rules::program::{Fault, Program};
use crate::store::PlannedFile;

/// Where the paths of a file's rows lead from.
#[derive(Clone, Debug)]
pub struct Files {
    folder: PathBuf,
    /// The field's place in the program.
    at: usize,
}

impl Files {
    /// None for a program that sends no files.
    pub(super) fn of(program: &Program, folder: &Path) -> Option<Self> {
        let at = place_of_file(program)?;
        // Where it cannot be found no file is found in it.
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        Some(Self { folder, at })
    }

    /// Looks at the file of a row that may become a document; what is wrong is a finding.
    pub(super) fn check(&self, program: &Program, draft: &mut Draft<'_>) {
        if draft.skipped || !draft.may_create(program) {
            return;
        }
        let Some(path) = path_of(program, draft).map(str::to_owned) else { return };
        if let Err((cause, message)) = self.find(&path) {
            let fault =
                Fault { cause: Some(cause.to_owned()), ..Fault::new(Code::File, Stage::Validate, message) };
            let wish = refuse(program, draft, self.at, fault, Some(&path));
            draft.wishes[self.at] = wish;
        }
    }

    /// The file of a row that becomes a document, as it is now.
    pub(super) fn planned(&self, program: &Program, draft: &Draft<'_>) -> Option<PlannedFile> {
        let path = path_of(program, draft)?;
        // It may have gone a moment ago: whoever sends it finds that out.
        let upload = self.find(path).unwrap_or_else(|_| Upload::gone(self.folder.join(path)));
        let Upload { path, size, modified } = upload;
        Some(PlannedFile { path: path.display().to_string(), size, modified })
    }

    /// The file that a path leads to; what is wrong with it, shared by such rows and of this one.
    fn find(&self, path: &str) -> Result<Upload, (&'static str, String)> {
        let outside = "the file is not in the folder that files are taken from";
        let folder = shown_path(&self.folder);
        let way_out = format!("give a path within {folder}, or name another folder with --files DIR");
        let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if !Path::new(path).components().all(inside) {
            return Err((outside, format!("\"{}\" leads out of its folder; {way_out}", shown(path))));
        }
        let missing = "the file cannot be read";
        let cannot = |error: std::io::Error| (missing, format!("{} in {folder}", io_words(&error)));
        let found = self.folder.join(path).canonicalize().map_err(cannot)?;
        if !found.starts_with(&self.folder) {
            return Err((outside, format!("it is a link to {}; {way_out}", shown_path(&found))));
        }
        if found.to_str().is_none() {
            return Err((missing, format!("the name of {folder} is not UTF-8; {way_out}")));
        }
        let metadata = std::fs::metadata(&found).map_err(cannot)?;
        if !metadata.is_file() {
            return Err((missing, "it is not a file".to_owned()));
        }
        if metadata.len() > MOST_UPLOAD {
            let (size, most) = (metadata.len(), MOST_UPLOAD / 1_048_576);
            return Err((
                "the file is larger than the CRM takes",
                format!("it has {size} bytes, and the CRM takes {most} MiB"),
            ));
        }
        File::open(&found).map_err(cannot)?;
        Ok(Upload::of(found, &metadata))
    }
}
