//! Documents and their files: what the API can do with no other object.

use std::sync::Arc;

use super::client::{Client, get};
use super::errors::CrmError;
use super::file::{self, FileSink};
use super::query::{path, record_path};
use super::retry::Twice;
use super::transport::{Method, Request};
use super::upload::{Form, Upload};
use super::wire;
use crate::model::{Record, RecordId, Value};

impl Client {
    /// The file of a document, whose record calls it `known_as`: it goes into the sink, where a new
    /// try begins it anew. Gives the name that the answer tells; whoever gets `Ok` and was not begun
    /// has met a document without a file.
    ///
    /// # Errors
    /// As all requests, and [`CrmError::Unwritten`], [`CrmError::TooLarge`] beyond [`MOST_FILE`].
    ///
    /// [`MOST_FILE`]: super::MOST_FILE
    pub async fn download(
        &self,
        id: RecordId,
        known_as: &str,
        sink: Arc<dyn FileSink>,
    ) -> Result<Option<String>, CrmError> {
        let path = format!("{}/content", record_path("documents", id)?);
        let request = Request { into: Some(sink), ..get(path) };
        self.ask(&request, Twice::Harmless, |answer| file::name_of(answer, known_as)).await
    }

    /// Creates a document from its fields and its file, in one request.
    ///
    /// Sent as a create is: once, and again only when it certainly did nothing.
    ///
    /// # Errors
    /// As all requests, and [`CrmError::Unreadable`] where the file is not as it was; then nothing was sent.
    pub async fn upload(
        &self,
        object: &str,
        fields: &[(String, Value)],
        file: &Upload,
    ) -> Result<Record, CrmError> {
        let form = Some(Arc::new(Form::new(fields, file)));
        let request = Request { method: Method::Post, path: path(&[object])?, body: None, into: None, form };
        self.ask(&request, Twice::Harmful, |answer| wire::written(object, None, answer.status, &answer.body))
            .await
    }
}
