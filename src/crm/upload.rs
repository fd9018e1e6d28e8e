//! A document that is created together with its file: a form of parts (source:
//! field notes, "Beyond the document"), whose file is read as it is sent.

use std::fs::{File, Metadata};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::errors::CrmError;
use crate::model::{Value, shown_path};

/// Largest file that the CRM takes, in bytes (source: field notes).
pub const MOST_UPLOAD: u64 = 50 * 1024 * 1024;

/// Bytes of a file that are in memory at once.
const CHUNK: usize = 64 * 1024;

/// Bytes a second at which a file is sent at least; one that is slower times out.
const SLOWEST: u64 = 128 * 1024;

/// A file as it was when it was planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// When it was last changed, in nanoseconds since 1970.
    pub modified: i64,
}

impl Upload {
    /// A file as it is now.
    pub fn of(path: PathBuf, metadata: &Metadata) -> Self {
        let since = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let modified = since.and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or_default();
        Self { path, size: metadata.len(), modified }
    }

    /// A file that is not there any more.
    pub fn gone(path: PathBuf) -> Self {
        Self { path, size: 0, modified: -1 }
    }

    /// Opens it, if it is as it was.
    fn open(&self) -> Result<File, CrmError> {
        let refuse = |why: String| CrmError::Unreadable { file: shown_path(&self.path), why };
        let file = File::open(&self.path).map_err(|error| refuse(error.to_string()))?;
        let now = file.metadata().map_err(|error| refuse(error.to_string()))?;
        if !now.is_file() || Self::of(self.path.clone(), &now) != *self {
            return Err(refuse("it changed since the plan was made".to_owned()));
        }
        Ok(file)
    }
}

/// A document's fields and its file, on their way out.
#[derive(Clone, Debug)]
pub(super) struct Form {
    /// What stands before the file.
    head: String,
    boundary: String,
    upload: Upload,
}

impl Form {
    /// Of the fields of a JSON object; the one called `name` names the file.
    pub(super) fn new(fields: &[(String, Value)], upload: &Upload) -> Self {
        let (one, other) = (RandomState::new().hash_one(1), RandomState::new().hash_one(2));
        let boundary = format!("carafe-{one:016x}{other:016x}");
        let last = upload.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let mut name = last.unwrap_or_default();
        let mut head = String::new();
        for (field, value) in fields.iter().filter(|(_, value)| !value.is_blank()) {
            let value = value.to_text();
            if field == "name" {
                name = value.into_owned();
                continue;
            }
            let part = quoted(part_of(field));
            head += &format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{part}\"\r\n\r\n{value}\r\n"
            );
        }
        let name = quoted(&name);
        head += &format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        Self { head, boundary, upload: upload.clone() }
    }

    /// What the request says of its body.
    pub(super) fn kind(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// How much longer than others the request may take.
    pub(super) fn more_time(&self) -> Duration {
        Duration::from_secs(self.upload.size / SLOWEST)
    }

    /// The body, from its beginning.
    pub(super) fn body(&self) -> Result<FormBody, CrmError> {
        let file = self.upload.open()?;
        let tail = format!("\r\n--{}--\r\n", self.boundary);
        let (head, tail) = (Bytes::from(self.head.clone()), Bytes::from(tail));
        Ok(FormBody { head: Some(head), file, left: self.upload.size, tail: Some(tail) })
    }
}

/// What the real server's parts are called, where that is not the field's name.
fn part_of(field: &str) -> &str {
    match field {
        "parentid" => "ParentId",
        "parentobject" => "ParentObject",
        field => field,
    }
}

/// As browsers write names in quotes.
fn quoted(text: &str) -> String {
    text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// The bytes of a form. Of its file no more than one chunk is in memory.
#[derive(Debug)]
pub(super) struct FormBody {
    head: Option<Bytes>,
    file: File,
    left: u64,
    tail: Option<Bytes>,
}

impl FormBody {
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        if let Some(head) = self.head.take() {
            return Ok(Some(head));
        }
        if self.left == 0 {
            return Ok(self.tail.take());
        }
        let most = usize::try_from(self.left).unwrap_or(CHUNK).min(CHUNK);
        let mut chunk = vec![0; most];
        // A file of this machine is read without waiting for anything worth a thread.
        let read = self.file.read(&mut chunk)?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter"));
        }
        chunk.truncate(read);
        self.left -= read as u64;
        Ok(Some(chunk.into()))
    }

    fn length(&self) -> u64 {
        let known = |part: &Option<Bytes>| part.as_ref().map_or(0, |part| part.len() as u64);
        known(&self.head) + self.left + known(&self.tail)
    }
}

impl Body for FormBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(self.get_mut().next().map(|bytes| bytes.map(Frame::data)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.length() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut body: FormBody) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(more) = body.next().unwrap() {
            bytes.extend_from_slice(&more);
        }
        bytes
    }

    #[test]
    fn a_form_has_the_parts_that_the_field_notes_name_and_tells_its_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        let content = b"x\r\n".repeat(50_000);
        std::fs::write(&path, &content).unwrap();
        let upload = Upload::of(path.clone(), &std::fs::metadata(&path).unwrap());
        let fields = [
            ("name", Value::from("an \"offer\".pdf")),
            ("parentid", Value::from(7)),
            ("parentobject", Value::from("Account")),
            ("description", Value::Null),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value));
        let form = Form::new(&fields, &upload);
        let body = form.body().unwrap();
        let length = body.size_hint().exact().unwrap();
        let bytes = all(body);
        assert_eq!(bytes.len() as u64, length);
        let text = String::from_utf8(bytes).unwrap().replace(&form.boundary, "B");
        let (head, rest) = text.split_once("Content-Type: application/octet-stream\r\n\r\n").unwrap();
        assert_eq!(
            head,
            "--B\r\nContent-Disposition: form-data; name=\"ParentId\"\r\n\r\n7\r\n\
             --B\r\nContent-Disposition: form-data; name=\"ParentObject\"\r\n\r\nAccount\r\n\
             --B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"an %22offer%22.pdf\"\r\n"
        );
        assert_eq!(rest.as_bytes(), [content.as_slice(), b"\r\n--B--\r\n"].concat());
        std::fs::write(&path, "changed").unwrap();
        assert!(form.body().unwrap_err().to_string().contains("it changed since the plan was made"));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(form.body().unwrap_err(), CrmError::Unreadable { .. }));
    }
}
