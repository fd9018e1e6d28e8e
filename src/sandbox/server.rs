//! The API over HTTP/1.1.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request as Arriving, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::api::{Api, Request};
use super::envelope::{Answer, Content};
use super::faults::{Fault, Faults, Kind, Standing};
use super::wire::Line;
use super::{form, spoil};

/// The largest body taken, but for files.
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
    /// What goes wrong on demand.
    pub faults: Faults,
    /// How many requests had the right token.
    pub asked: AtomicU64,
}

impl Shared {
    /// Does what a request asks for. Whoever waits must not hold this up.
    fn answer(&self, request: &Request) -> Answer {
        // A handler that panicked has left the database as its transaction did.
        self.api.lock().unwrap_or_else(PoisonError::into_inner).answer(request)
    }
}

/// All addresses lead to one handler, which reads the path by itself: any
/// object name is an address of the API.
pub fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(handle).layer(DefaultBodyLimit::max(form::MAX_FORM)).with_state(shared)
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(line): ConnectInfo<Line>,
    arriving: Arriving,
) -> Response<Body> {
    if !shared.latency.is_zero() {
        tokio::time::sleep(shared.latency).await;
    }
    let authorised = authorise(arriving.headers(), &shared.token);
    let mut response = match (read(arriving, authorised.is_ok()).await, authorised) {
        (Err(refusal), _) | (Ok(_), Err(refusal)) => respond(refusal),
        (Ok(request), Ok(())) => answer(&shared, &line, request).await,
    };
    if shared.faults.refuse() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Reads a request to its end; a file only from those who have the token.
async fn read(arriving: Arriving, authorised: bool) -> Result<Request, Answer> {
    let (method, uri) = (arriving.method(), arriving.uri());
    let path = uri.path().split('/').filter(|segment| !segment.is_empty()).map(decoded).collect();
    let query = read_query(uri.query().unwrap_or_default());
    let request = Request { method: method.to_string(), path, query, ..Request::default() };
    if authorised && form::is_upload(method, uri.path(), arriving.headers()) {
        return form::read(request, arriving).await;
    }
    let body = to_bytes(arriving.into_body(), MAX_BODY).await;
    let body = body.map_err(|_| Answer::error(413, "Payload too large error", "The body is too large"))?;
    Ok(Request { body: body.to_vec(), ..request })
}

/// Answers a request whose token is right, unless a fault meets it.
async fn answer(shared: &Arc<Shared>, line: &Line, request: Request) -> Response<Body> {
    let asked = shared.asked.fetch_add(1, Ordering::Relaxed) + 1;
    match shared.faults.standing(asked) {
        Some(Standing::TokenExpired) => return respond(unauthenticated()),
        Some(Standing::Redirected) => return elsewhere(),
        Some(Standing::QuotaSpent) => return respond(spoil::quota_spent()),
        None => {}
    }
    // Where connections are refused, this one's number was drawn by already.
    let number = if shared.faults.refuse() { line.number } else { asked };
    match shared.faults.draw(number, request.method == "GET") {
        None => respond(shared.answer(&request)),
        Some(fault) if fault.kind.commits() => commit(shared, line, request, fault).await,
        Some(fault) => leave(line, fault),
    }
}

/// Does nothing of what was asked for.
fn leave(line: &Line, fault: Fault) -> Response<Body> {
    let refusal = match fault.kind {
        Kind::Redirect => return elsewhere(),
        Kind::Unavailable => Answer::error(503, "Service unavailable", "Service Unavailable"),
        Kind::TooMany => Answer::error(429, "Too many requests error", "Too Many Attempts."),
        Kind::ErrorBefore => server_error(),
        _ => {
            line.reset();
            return Response::default();
        }
    };
    let mut response = respond(refusal);
    if let Some(time) = fault.time {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(time.as_secs()));
    }
    response
}

/// Does what was asked for, and answers badly.
async fn commit(shared: &Arc<Shared>, line: &Line, request: Request, fault: Fault) -> Response<Body> {
    if fault.kind == Kind::Slow {
        return respond(late(shared, request, fault.time.unwrap_or_default()).await);
    }
    let answer = shared.answer(&request);
    let is_good = answer.status < 300;
    match fault.kind {
        Kind::ErrorAfter => respond(server_error()),
        Kind::Truncated => {
            let reason = status(&answer).canonical_reason().unwrap_or_default();
            line.cut(spoil::truncated(&answer, reason, fault.variant));
            Response::default()
        }
        Kind::Wrong if is_good => match spoil::wrong(&answer.body, fault.variant) {
            Some(body) => respond(Answer { body, ..answer }),
            None => page(status(&answer)),
        },
        Kind::Echo if is_good => {
            let body = spoil::echo(&answer.body, &request.body, fault.variant);
            respond(Answer { body: body.unwrap_or(answer.body), ..answer })
        }
        // A refusal is as bad an answer as any.
        Kind::Wrong | Kind::Echo => respond(answer),
        _ => {
            line.reset();
            Response::default()
        }
    }
}

/// Does what was asked for after a while, in a task of its own: a client that
/// hangs up drops this answer, not the commit.
async fn late(shared: &Arc<Shared>, request: Request, wait: Duration) -> Answer {
    let shared = Arc::clone(shared);
    let commit = tokio::spawn(async move {
        tokio::time::sleep(wait).await;
        shared.answer(&request)
    });
    commit.await.unwrap_or_else(|_| server_error())
}

/// Without a token 402, as the document has it; with a wrong one 403, as the
/// real server was seen to answer (source: field notes, "Errors and limits").
fn authorise(headers: &HeaderMap, token: &str) -> Result<(), Answer> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match given.and_then(|value| value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("bearer "))) {
        None => Err(Answer::error(402, "Forbidden error", "Please check your access token")),
        Some(given) if given.trim() == token => Ok(()),
        Some(_) => Err(unauthenticated()),
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

fn unauthenticated() -> Answer {
    Answer::error(403, "Authentication error", "Unauthenticated")
}

fn server_error() -> Answer {
    Answer::error(500, "Server error", "Server Error")
}

fn status(answer: &Answer) -> StatusCode {
    StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn respond(answer: Answer) -> Response<Body> {
    let status = status(&answer);
    match answer.content {
        None => typed(status, "application/json", answer.body),
        Some(content) => file(status, content),
    }
}

fn file(status: StatusCode, content: Content) -> Response<Body> {
    let mut response = typed(status, "application/octet-stream", content.bytes);
    if let Some(disposition) = content.name.as_deref().and_then(disposition) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

/// A file's name in both forms: for clients that know only ASCII, and whole.
fn disposition(name: &str) -> Option<HeaderValue> {
    let plain = |c: char| if c.is_ascii_graphic() && !"\"\\%".contains(c) || c == ' ' { c } else { '_' };
    let (ascii, whole) =
        (name.chars().map(plain).collect::<String>(), utf8_percent_encode(name, NON_ALPHANUMERIC));
    HeaderValue::try_from(format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{whole}")).ok()
}

/// A web page in place of an answer.
fn page(status: StatusCode) -> Response<Body> {
    typed(status, "text/html; charset=UTF-8", spoil::PAGE)
}

fn elsewhere() -> Response<Body> {
    let mut response = page(StatusCode::FOUND);
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(spoil::ELSEWHERE));
    response
}

fn typed(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
