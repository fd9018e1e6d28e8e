//! Uploads: a document with its file, sent as a form (source: field notes,
//! "Beyond the document").

use axum::extract::{FromRequest, Multipart, Request as Arriving};
use axum::http::{HeaderMap, Method, header};

use super::api::{Request, Upload};
use super::envelope::Answer;

/// The largest form taken: a file of 50 MB, which is what the real server takes, and the other parts.
pub const MAX_FORM: usize = 51 << 20;

/// Whether a request brings a file.
pub fn is_upload(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_form = kind.trim_start().to_ascii_lowercase().starts_with("multipart/form-data");
    method == Method::POST && path.trim_matches('/') == "documents" && is_form
}

/// Reads the form into a request whose body is an object of the other parts, as
/// if they had been sent as JSON.
///
/// # Errors
/// It is not well formed, or too large: the answer says so.
pub async fn read(mut request: Request, arriving: Arriving) -> Result<Request, Answer> {
    let refuse = |status: u16, why: String| match status {
        413 => Answer::error(413, "Payload too large error", "The file is too large"),
        _ => Answer::bad_request(&format!("The form cannot be read: {why}")),
    };
    let form = Multipart::from_request(arriving, &()).await;
    let mut form = form.map_err(|error| refuse(error.status().as_u16(), error.body_text()))?;
    let mut fields = serde_json::Map::new();
    loop {
        let part = form.next_field().await.map_err(|e| refuse(e.status().as_u16(), e.body_text()))?;
        let Some(part) = part else { break };
        let (key, name) = (part.name().unwrap_or_default().to_owned(), part.file_name().map(str::to_owned));
        let bytes = part.bytes().await.map_err(|e| refuse(e.status().as_u16(), e.body_text()))?;
        match name {
            Some(name) if key == "file" => {
                request.upload = Some(Upload { name, bytes: bytes.to_vec() });
            }
            _ => {
                fields.insert(key, String::from_utf8_lossy(&bytes).into_owned().into());
            }
        }
    }
    request.body = serde_json::Value::Object(fields).to_string().into_bytes();
    request.is_form = true;
    Ok(request)
}
