//! One request over the wire, and what came of it. The only place that knows
//! the HTTP library.

use std::error::Error as _;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::Url;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_DISPOSITION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue,
    LOCATION, RETRY_AFTER,
};

use super::address::{BaseUrl, host_of};
use super::answer::{Answer, Cut};
use super::disposition::file_name;
use super::errors::CrmError;
use super::file::{FileSink, MOST_FILE, MOST_LOOKED_AT};
use super::token::Token;
use super::upload::Form;
use crate::model::shown;

/// Most bytes of an answer, after decompression.
pub(super) const MOST_BODY: usize = 16 * 1024 * 1024;

/// Longest time for name resolution, connecting and the secure connection.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a connection may lie idle before it is closed: shorter than the
/// keep-alive of common servers (5 s and up), as a request on a connection
/// that the server has just closed fails in doubt.
const IDLE: Duration = Duration::from_secs(4);

/// What is done to the CRM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Patch,
    Delete,
}

/// One request, complete but for the address and the token.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub method: Method,
    /// Path and query, percent-encoded, beginning with a slash.
    pub path: String,
    /// JSON text.
    pub body: Option<String>,
    /// Where a good answer's body goes, if it is a file; only its beginning is in the answer.
    pub into: Option<Arc<dyn FileSink>>,
    /// A form in place of the JSON text.
    pub form: Option<Arc<Form>>,
}

/// What [`Transport::send`] gives: a future that can be boxed.
pub(super) type Sending<'a> = Pin<Box<dyn Future<Output = Result<Answer, CrmError>> + Send + 'a>>;

/// The seam between the rules of sending and the network: tests put a script
/// behind it and let time stand still.
pub(super) trait Transport: fmt::Debug + Send + Sync {
    /// Sends once. An error is one of the kinds without a status:
    /// unreachable, unsendable, timed out, connection lost.
    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a>;
}

/// HTTP/1.1 over TCP, with TLS unless the address is this machine's.
pub(super) struct Http {
    client: reqwest::Client,
    base: BaseUrl,
    timeout: Duration,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("base", &self.base.to_string()).finish_non_exhaustive()
    }
}

impl Http {
    /// A transport to that address; nothing is sent yet.
    pub(super) fn new(base: BaseUrl, token: &Token, timeout: Duration) -> Result<Arc<Self>, CrmError> {
        // An error only says that a provider is in place already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .map_err(|_| unsendable("the access token does not fit into a request"))?;
        bearer.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, bearer),
            (ACCEPT, HeaderValue::from_static("application/json")),
        ]);
        let mut builder = reqwest::Client::builder()
            .default_headers(headers)
            .user_agent(concat!("carafe/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .http1_only()
            .connect_timeout(connect_limit(timeout))
            .pool_idle_timeout(IDLE);
        if base.is_loopback() {
            // Neither a proxy nor the machine's certificates have a part in talking to oneself.
            builder = builder.no_proxy();
            if base.to_string().starts_with("http:") {
                builder = builder.tls_certs_only([]);
            }
        }
        let client = builder.build().map_err(|error| {
            unsendable(&format!(
                "secure connections are not possible on this machine ({})",
                innermost(&error)
            ))
        })?;
        Ok(Arc::new(Self { client, base, timeout }))
    }

    async fn exchange(&self, request: &Request) -> Result<Answer, CrmError> {
        let url = self.base.join(&request.path).ok_or_else(|| unsendable("the address cannot be formed"))?;
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Patch => reqwest::Method::PATCH,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut builder = self.client.request(method, url);
        if let Some(body) = &request.body {
            builder = builder.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        if request.into.is_some() {
            // The file as it is: what was packed before it was stored is not to be unpacked.
            builder = builder.header(ACCEPT, "*/*").header(ACCEPT_ENCODING, "identity");
        }
        let mut timeout = self.timeout;
        if let Some(form) = &request.form {
            builder = builder.header(CONTENT_TYPE, form.kind()).body(reqwest::Body::wrap(form.body()?));
            timeout += form.more_time();
        }
        let deadline = tokio::time::Instant::now() + timeout;
        let late = |_| CrmError::TimedOut { after: timeout };
        let mut response = tokio::time::timeout_at(deadline, builder.send())
            .await
            .map_err(late)?
            .map_err(|error| self.explain(&error))?;
        let mut answer = head_of(&response);
        if let Some(sink) = request.into.as_deref().filter(|_| answer.status == 200) {
            self.file(response, &mut answer, sink).await?;
            return Ok(answer);
        }
        loop {
            match tokio::time::timeout_at(deadline, response.chunk()).await {
                Err(_) => answer.cut = Some(Cut::Late(timeout)),
                Ok(Err(_)) => answer.cut = Some(Cut::Lost),
                Ok(Ok(None)) => {}
                Ok(Ok(Some(chunk))) if answer.body.len() + chunk.len() > MOST_BODY => {
                    answer.cut = Some(Cut::TooLarge(MOST_BODY as u64));
                }
                Ok(Ok(Some(chunk))) => {
                    answer.body.extend_from_slice(&chunk);
                    continue;
                }
            }
            return Ok(answer);
        }
    }

    /// Writes an answer's body into a file as it comes. A large one takes its time: the deadline
    /// begins anew with each part.
    async fn file(
        &self,
        mut response: reqwest::Response,
        answer: &mut Answer,
        sink: &dyn FileSink,
    ) -> Result<(), CrmError> {
        let unwritten = |error: std::io::Error| CrmError::Unwritten { why: error.to_string() };
        sink.begin().map_err(unwritten)?;
        let mut length = 0;
        loop {
            match tokio::time::timeout(self.timeout, response.chunk()).await {
                Err(_) => answer.cut = Some(Cut::Late(self.timeout)),
                // Large files meet this more often than pages do: tried as often as anything else.
                Ok(Err(_)) => {
                    let why = "it broke off in the middle of a file".to_owned();
                    return Err(CrmError::ConnectionLost { why });
                }
                Ok(Ok(None)) => {}
                Ok(Ok(Some(chunk))) if length + chunk.len() as u64 > MOST_FILE => {
                    answer.cut = Some(Cut::TooLarge(MOST_FILE));
                }
                Ok(Ok(Some(chunk))) => {
                    length += chunk.len() as u64;
                    sink.write(&chunk).map_err(unwritten)?;
                    let room = MOST_LOOKED_AT.saturating_sub(answer.body.len()).min(chunk.len());
                    answer.body.extend_from_slice(&chunk[..room]);
                    continue;
                }
            }
            return Ok(());
        }
    }

    /// Tells "nothing was sent" from "nobody knows".
    fn explain(&self, error: &reqwest::Error) -> CrmError {
        if error.is_builder() {
            return unsendable("the request is not well formed");
        }
        if error.is_connect() {
            let why = why_not_connected(error, connect_limit(self.timeout));
            return CrmError::Unreachable { host: self.base.host().to_owned(), why };
        }
        if error.is_timeout() {
            return CrmError::TimedOut { after: self.timeout };
        }
        CrmError::ConnectionLost { why: why_lost(error) }
    }
}

impl Transport for Http {
    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a> {
        Box::pin(self.exchange(request))
    }
}

/// Somewhat below a short deadline, so that a connection that never came about
/// is known as such and not taken for a request in doubt.
fn connect_limit(timeout: Duration) -> Duration {
    if timeout > CONNECT { CONNECT } else { timeout.mul_f64(0.9) }
}

fn head_of(response: &reqwest::Response) -> Answer {
    let headers = response.headers();
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let now = text(DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    Answer {
        status: response.status().as_u16(),
        body: Vec::new(),
        cut: None,
        retry_after: text(RETRY_AFTER).and_then(|wait| wait_of(wait, now.unwrap_or_else(SystemTime::now))),
        location: text(LOCATION).and_then(|target| {
            let url = response.url().join(target).ok()?;
            (!host_of(&url).is_empty()).then(|| format!("{}://{}", url.scheme(), host_of(&url)))
        }),
        kind: text(CONTENT_TYPE).map(str::to_owned),
        file_name: headers.get(CONTENT_DISPOSITION).and_then(|value| file_name(value.as_bytes())),
    }
}

/// `Retry-After` as seconds or as an HTTP date; `None` for anything else.
///
/// A date is held against the server's own clock where the answer tells it.
fn wait_of(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are still a wait beyond all patience.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::from(u32::MAX))));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

fn unsendable(why: &str) -> CrmError {
    CrmError::Unsendable { why: why.to_owned() }
}

/// The errors behind an error, the outermost first.
fn sources(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let mut next = error.source();
    std::iter::from_fn(move || {
        let this = next?;
        next = this.source();
        Some(this)
    })
}

fn innermost(error: &reqwest::Error) -> String {
    sources(error)
        .last()
        .map_or_else(|| "no reason given".to_owned(), |last| shown(&last.to_string()).cut(120).to_string())
}

fn io_kind(error: &reqwest::Error) -> Option<std::io::ErrorKind> {
    sources(error).filter_map(|e| e.downcast_ref::<std::io::Error>()).last().map(std::io::Error::kind)
}

fn why_not_connected(error: &reqwest::Error, limit: Duration) -> String {
    use std::io::ErrorKind;
    if let Some(tls) = tls_fault(error) {
        return tls;
    }
    if error.is_timeout() {
        return format!("no connection within {} s", limit.as_secs_f64());
    }
    if sources(error).any(|e| e.to_string().contains("dns error")) {
        return "its name is not known; check the address and the network".to_owned();
    }
    match io_kind(error) {
        Some(ErrorKind::ConnectionRefused) => "the connection was refused; nothing listens there".to_owned(),
        Some(ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable) => {
            "there is no way through the network".to_owned()
        }
        Some(ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => {
            "the connection was closed before it was ready".to_owned()
        }
        _ => innermost(error),
    }
}

/// Why the secure connection failed, if that is what happened.
fn tls_fault(error: &reqwest::Error) -> Option<String> {
    use rustls::{CertificateError, Error};
    let why = match sources(error).find_map(tls_inside)? {
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired"
        }
        Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "its certificate is not valid yet; check this machine's clock",
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "its certificate is made out for another name",
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its certificate comes from an issuer that this machine does not trust"
        }
        Error::InvalidCertificate(CertificateError::Revoked) => "its certificate was revoked",
        Error::InvalidCertificate(_) => "its certificate is not valid",
        _ => "no secure connection came about",
    };
    Some(why.to_owned())
}

/// An I/O error keeps its cause inside instead of naming it as its source, at times twice over.
fn tls_inside<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    match error.downcast_ref::<std::io::Error>() {
        Some(io) => tls_inside(io.get_ref()? as &'a (dyn std::error::Error + 'static)),
        None => error.downcast_ref(),
    }
}

fn why_lost(error: &reqwest::Error) -> String {
    use std::io::ErrorKind;
    match io_kind(error) {
        Some(ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe) => {
            "it was reset".to_owned()
        }
        _ if sources(error).any(|e| e.to_string().contains("before message completed")) => {
            "it was closed".to_owned()
        }
        // What came back was not HTTP.
        _ => "its answer broke off or was not HTTP".to_owned(),
    }
}

/// Which proxy requests to `base` go through, as the environment says; its
/// host only, since the variable may hold a password.
pub(super) fn proxy_for(base: &BaseUrl) -> Option<String> {
    if base.is_loopback() {
        return None;
    }
    let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let value = names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))?;
    let url = Url::parse(&value).or_else(|_| Url::parse(&format!("http://{value}"))).ok();
    Some(url.map_or_else(|| "an unnamed host".to_owned(), |url| host_of(&url)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_seconds_or_a_date_and_nothing_else() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2026 07:28:00 GMT").unwrap();
        for (text, seconds) in [
            ("0", Some(0)),
            (" 42 ", Some(42)),
            ("99999999", Some(99_999_999)),
            ("99999999999999999999999", Some(u64::from(u32::MAX))),
            ("Wed, 21 Oct 2026 07:28:42 GMT", Some(42)),
            ("Wed, 21 Oct 2026 07:00:00 GMT", Some(0)),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(wait_of(text, now).map(|wait| wait.as_secs()), seconds, "{text}");
        }
    }

    #[test]
    fn connecting_ends_before_the_deadline_does() {
        assert_eq!(connect_limit(Duration::from_secs(30)), Duration::from_secs(10));
        assert_eq!(connect_limit(Duration::from_secs(10)), Duration::from_secs(9));
    }
}
