//! The API over HTTP/1.1.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use percent_encoding::percent_decode_str;

use super::api::{Api, Request};
use super::envelope::Answer;

/// The largest body taken.
const MAX_BODY: usize = 1 << 20;

/// What every request needs.
#[derive(Debug)]
pub struct Shared {
    /// The API; requests take turns.
    pub api: Mutex<Api>,
    /// The token that is right.
    pub token: String,
    /// How long each answer waits.
    pub latency: Duration,
}

/// All addresses lead to one handler, which reads the path by itself: any
/// object name is an address of the API.
pub fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(handle).layer(DefaultBodyLimit::max(MAX_BODY)).with_state(shared)
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    if !shared.latency.is_zero() {
        tokio::time::sleep(shared.latency).await;
    }
    respond(answer(&shared, &method, &uri, &headers, &body))
}

fn answer(shared: &Shared, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Answer {
    if let Err(refusal) = authorise(headers, &shared.token) {
        return refusal;
    }
    let path = uri.path().split('/').filter(|segment| !segment.is_empty()).map(decoded).collect();
    let query = uri.query().unwrap_or_default();
    let request = Request { method: method.to_string(), path, query: read_query(query), body: body.to_vec() };
    // A handler that panicked has left the database as its transaction did.
    shared.api.lock().unwrap_or_else(PoisonError::into_inner).answer(&request)
}

/// Without a token 402, as the document has it; with a wrong one 403, as the
/// real server was seen to answer (source: field notes, "Errors and limits").
fn authorise(headers: &HeaderMap, token: &str) -> Result<(), Answer> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match given.and_then(|value| value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("bearer "))) {
        None => Err(Answer::error(402, "Forbidden error", "Please check your access token")),
        Some(given) if given.trim() == token => Ok(()),
        Some(_) => Err(Answer::error(403, "Authentication error", "Unauthenticated")),
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn read_query(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(&key.replace('+', " ")), decoded(&value.replace('+', " ")))
        })
        .collect()
}

fn respond(answer: Answer) -> Response<Body> {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}
