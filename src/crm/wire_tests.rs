//! The transport against a server on loopback that answers bytes as they stand
//! in the test: what the HTTP library really does with them.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::scripted::{CANARY, account};
use super::{BaseUrl, Client, ClientOptions, CrmError, ListQuery, NextStep, Token};
use crate::model::RecordId;

/// What the server does with one request.
#[derive(Clone, Debug)]
enum Reply {
    /// These bytes, then the connection is closed.
    Raw(Vec<u8>),
    /// These bytes, and the connection stays open for the next request.
    Keep(Vec<u8>),
    /// These bytes, then silence until the client gives up.
    Hang(Vec<u8>),
    /// One byte after the other, with a pause between.
    Drip(Vec<u8>, Duration),
    /// A reset where the request has a body; else the connection is closed.
    Reset,
}

/// A server of scripted replies; the last one repeats.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (seen, stop) = (Arc::clone(&seen), Arc::clone(&stop));
            move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let (seen, stop, replies) = (Arc::clone(&seen), Arc::clone(&stop), replies.clone());
                    // Ends with its connection, which the client closes when it is dropped.
                    std::thread::spawn(move || serve(stream.unwrap(), &replies, &seen, &stop));
                }
            }
        });
        Self { address, seen, stop, thread: Some(thread) }
    }

    fn client(&self, change: impl FnOnce(&mut ClientOptions)) -> Client {
        client_to(&self.address.to_string(), change)
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn client_to(address: &str, change: impl FnOnce(&mut ClientOptions)) -> Client {
    let base = BaseUrl::parse(&format!("http://{address}")).unwrap();
    let mut options = ClientOptions::new(base, Token::new(CANARY).unwrap());
    options.retries = 0;
    options.timeout = Duration::from_secs(5);
    change(&mut options);
    Client::new(options).unwrap()
}

fn serve(mut stream: TcpStream, replies: &[Reply], seen: &Mutex<Vec<String>>, stop: &AtomicBool) {
    while let Some((head, length)) = read_head(&mut stream) {
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(head);
            seen.len()
        };
        let reply = replies[number.min(replies.len()) - 1].clone();
        // Closing with an unread byte in the buffer makes a reset of it.
        let unread = usize::from(matches!(reply, Reply::Reset)).min(length);
        let mut body = vec![0_u8; length - unread];
        if stream.read_exact(&mut body).is_err() {
            return;
        }
        seen.lock().unwrap()[number - 1].push_str(&String::from_utf8(body).unwrap());
        match reply {
            Reply::Raw(bytes) => {
                let _ = stream.write_all(&bytes);
                let _ = stream.shutdown(Shutdown::Write);
                let _ = stream.read_to_end(&mut Vec::new());
                return;
            }
            Reply::Keep(bytes) => stream.write_all(&bytes).unwrap(),
            Reply::Hang(bytes) => {
                let _ = stream.write_all(&bytes);
                let _ = stream.read_to_end(&mut Vec::new());
                return;
            }
            Reply::Drip(bytes, pause) => {
                for byte in bytes {
                    if stop.load(Ordering::SeqCst) || stream.write_all(&[byte]).is_err() {
                        return;
                    }
                    std::thread::sleep(pause);
                }
                return;
            }
            Reply::Reset => {
                // The unread byte has to be here before the connection is closed.
                if unread > 0 {
                    let _ = stream.peek(&mut [0]);
                }
                return;
            }
        }
    }
}

/// The head of one request and the length of its body; `None` when the client has gone.
fn read_head(stream: &mut TcpStream) -> Option<(String, usize)> {
    let mut bytes = Vec::new();
    let mut one = [0_u8; 1];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut one).ok()? == 0 {
            return None;
        }
        bytes.push(one[0]);
    }
    let head = String::from_utf8(bytes).unwrap();
    let length = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length:").map(|n| n.trim().parse().unwrap())
        })
        .unwrap_or(0);
    Some((head, length))
}

fn http(status: u16, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}

fn id(number: u64) -> RecordId {
    RecordId::new(number).unwrap()
}

#[tokio::test]
async fn a_request_carries_what_it_must_and_nothing_else() {
    let server = Server::start(vec![Reply::Keep(http(201, "Set-Cookie: a=b\r\n", &account(7)))]);
    let client = server.client(|_| ());
    client.create("accounts", r#"{"name":"ü"}"#).await.unwrap();
    client.create("accounts", r#"{"name":"ü"}"#).await.unwrap();
    for request in server.seen() {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let lower = head.to_lowercase();
        assert!(head.starts_with("POST /accounts HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("Bearer {CANARY}")));
        assert!(lower.contains("accept: application/json"), "{head}");
        assert!(lower.contains("content-type: application/json"), "{head}");
        assert!(lower.contains(&format!("user-agent: carafe/{}", env!("CARGO_PKG_VERSION"))), "{head}");
        assert!(lower.contains("accept-encoding: gzip"), "{head}");
        assert!(!lower.contains("cookie") && !lower.contains("referer"), "{head}");
        assert_eq!(body, r#"{"name":"ü"}"#);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_its_target_gets_no_token() {
    let elsewhere = Server::start(vec![Reply::Keep(http(200, "", &account(7)))]);
    for status in [301, 302, 303, 307, 308] {
        let location = format!("Location: http://{}/login?session=1\r\n", elsewhere.address);
        let server = Server::start(vec![Reply::Keep(http(status, &location, ""))]);
        let error = server.client(|_| ()).create("accounts", "{}").await.unwrap_err();
        assert_eq!(error.next_step(), NextStep::StopRun);
        let text = error.to_string();
        assert!(text.contains(&elsewhere.address.to_string()) && !text.contains("session"), "{text}");
        assert_eq!(server.seen().len(), 1);
    }
    assert_eq!(elsewhere.seen().len(), 0);
}

#[tokio::test]
async fn a_connection_that_is_refused_means_nothing_was_sent() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = client_to(&free.to_string(), |_| ());
    let error = client.create("accounts", "{}").await.unwrap_err();
    assert_eq!((error.code(), error.next_step()), ("unreachable", NextStep::RetryAsIs));
    assert!(error.to_string().contains("the connection was refused"), "{error}");
    assert_eq!(client.calls().total, 0);
}

#[tokio::test]
async fn a_secure_connection_that_does_not_come_about_means_nothing_was_sent() {
    for greeting in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"\x15\x03\x01\x00\x02\x02\x28", b""] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(greeting).unwrap();
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let mut options = ClientOptions::new(
            BaseUrl::parse(&format!("https://{address}")).unwrap(),
            Token::new(CANARY).unwrap(),
        );
        options.retries = 0;
        // Where a machine has no certificates at all, there is no client and nothing to test.
        let Ok(client) = Client::new(options) else { return };
        let error = client.create("accounts", "{}").await.unwrap_err();
        assert_eq!((error.code(), error.next_step()), ("unreachable", NextStep::RetryAsIs), "{error}");
        assert!(
            error.to_string().ends_with("no secure connection came about") || greeting.is_empty(),
            "{error}"
        );
        assert!(!error.to_string().contains("TLS"), "{error}");
        drop(client);
        server.join().unwrap();
    }
}

#[tokio::test]
async fn a_connection_that_ends_before_the_answer_leaves_doubt() {
    for reply in [
        Reply::Reset,
        Reply::Raw(Vec::new()),
        Reply::Raw(b"HTTP/1.1 201 Crea".to_vec()),
        Reply::Raw(b"not http at all\r\n\r\n".to_vec()),
        Reply::Raw(b"HTTP/1.1 201 X\r\nContent-Length: 100\r\n\r\n{\"metadata\"".to_vec()),
        Reply::Raw(b"HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"met\r\n".to_vec()),
        Reply::Raw(b"HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec()),
        Reply::Raw(b"HTTP/1.1 201 X\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd".to_vec()),
        Reply::Raw(b"HTTP/1.0 200 OK\r\n\r\n{\"metadata\":{},".to_vec()),
    ] {
        let server = Server::start(vec![reply.clone()]);
        let client = server.client(|options| options.retries = 3);
        let error = client.create("accounts", r#"{"name":"x"}"#).await.unwrap_err();
        assert_eq!(error.next_step(), NextStep::LookUpFirst, "{reply:?} {error}");
        assert_eq!((server.seen().len(), client.calls().post), (1, 1), "{reply:?}");
    }
}

#[tokio::test]
async fn a_reset_on_a_reused_connection_is_in_doubt_too() {
    let server = Server::start(vec![Reply::Keep(http(201, "", &account(7))), Reply::Reset]);
    let client = server.client(|_| ());
    client.create("accounts", "{}").await.unwrap();
    let error = client.create("accounts", "{}").await.unwrap_err();
    assert_eq!((error.next_step(), server.seen().len()), (NextStep::LookUpFirst, 2));
    assert!(error.to_string().contains("it was reset"), "{error}");
}

#[tokio::test]
async fn a_read_is_tried_again_after_a_lost_connection() {
    let server = Server::start(vec![Reply::Reset, Reply::Keep(http(200, "", &account(7)))]);
    let client = server.client(|options| options.retries = 1);
    assert_eq!(client.get("accounts", id(7), false).await.unwrap().unwrap().id, id(7));
    assert_eq!((client.calls().get, client.calls().retries), (2, 1));
}

#[tokio::test]
async fn the_deadline_holds_from_sending_to_the_last_byte() {
    let whole = http(201, "", &account(7));
    for reply in [
        Reply::Hang(Vec::new()),
        Reply::Hang(b"HTTP/1.1 201 X\r\n".to_vec()),
        Reply::Hang(b"HTTP/1.1 201 X\r\nContent-Length: 100\r\n\r\n{".to_vec()),
        Reply::Drip(whole, Duration::from_millis(20)),
    ] {
        let server = Server::start(vec![reply.clone()]);
        let begun = Instant::now();
        let client = server.client(|options| options.timeout = Duration::from_millis(250));
        let error = client.create("accounts", "{}").await.unwrap_err();
        assert_eq!((error.code(), error.next_step()), ("timeout", NextStep::LookUpFirst), "{reply:?}");
        assert!(begun.elapsed() < Duration::from_secs(3), "{reply:?}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off_also_when_it_was_compressed() {
    let big = format!("{{\"x\":\"{}\"}}", "a".repeat(17 * 1024 * 1024));
    let chunked = |body: &[u8], encoding: &str| {
        let mut out =
            format!("HTTP/1.1 200 X\r\n{encoding}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len())
                .into_bytes();
        out.extend_from_slice(body);
        out.extend_from_slice(b"\r\n0\r\n\r\n");
        out
    };
    let bomb = gzip_of_zeros();
    assert!(bomb.len() < 300_000);
    for bytes in [chunked(big.as_bytes(), ""), chunked(&bomb, "Content-Encoding: gzip\r\n")] {
        let server = Server::start(vec![Reply::Raw(bytes)]);
        let error = server.client(|_| ()).list("accounts", &ListQuery::default()).await.unwrap_err();
        assert_eq!(error, CrmError::TooLarge { limit: 16 * 1024 * 1024 });
        assert_eq!(error.to_string(), "the CRM's answer is larger than 16 MiB");
    }
}

/// A gzip file of some 33 MB of zeros in 512 deflate blocks, written by hand: the
/// project has no compressor among its own libraries.
fn gzip_of_zeros() -> Vec<u8> {
    // Header; then per block: fixed codes, one literal 0, and runs of 258 zeros at distance 1.
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let (mut buffer, mut filled) = (0_u64, 0_u32);
    let mut put = |value: u64, bits: u32, out: &mut Vec<u8>| {
        buffer |= value << filled;
        filled += bits;
        while filled >= 8 {
            out.push(u8::try_from(buffer & 0xff).unwrap());
            buffer >>= 8;
            filled -= 8;
        }
    };
    // Not the last block, fixed codes; the literal 0 has the code 00110000, most significant bit first.
    put(0b010, 3, &mut out);
    put(0b0000_1100, 8, &mut out);
    for _ in 0..33_000_000 / 258 {
        // Length 258 is symbol 285, code 11000101 (most significant bit first); distance 1 is code 00000.
        put(0b1010_0011, 8, &mut out);
        put(0, 5, &mut out);
    }
    out
}

#[tokio::test]
async fn waits_are_read_from_the_header_in_both_forms() {
    let wait = async |header: &str| {
        let server = Server::start(vec![Reply::Keep(http(429, header, ""))]);
        match server.client(|_| ()).create("accounts", "{}").await.unwrap_err() {
            CrmError::RateLimited { wait, .. } => wait.map(|wait| wait.as_secs()),
            other => panic!("{other:?}"),
        }
    };
    let date = "Date: Wed, 21 Oct 2026 07:28:00 GMT\r\nRetry-After: Wed, 21 Oct 2026 07:29:40 GMT\r\n";
    assert_eq!(wait(date).await, Some(100));
    assert_eq!(wait("Retry-After: 42\r\n").await, Some(42));
    assert_eq!(wait("Retry-After: tomorrow\r\n").await, None);
    assert_eq!(wait("Retry-After: -1\r\n").await, None);
    assert_eq!(wait("").await, None);
}

#[tokio::test]
async fn odd_but_valid_answers_are_understood() {
    let body = account(7);
    let chunked = format!(
        "HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let old = format!("HTTP/1.0 201 Created\r\n\r\n{body}");
    let early = format!(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 201 X\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for bytes in [chunked, old, early] {
        let server = Server::start(vec![Reply::Raw(bytes.clone().into_bytes())]);
        let record = server.client(|_| ()).create("accounts", "{}").await;
        assert_eq!(record.map(|record| record.id), Ok(id(7)), "{bytes}");
    }
}

#[tokio::test]
async fn no_error_of_the_transport_holds_the_query_or_the_token() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let reset = Server::start(vec![Reply::Reset]);
    let hanging = Server::start(vec![Reply::Hang(Vec::new())]);
    let query = ListQuery { q: Some(r#"{"name":"personal-data"}"#.into()), ..ListQuery::default() };
    for address in [free, reset.address.to_string(), hanging.address.to_string()] {
        let client = client_to(&address, |options| options.timeout = Duration::from_millis(200));
        let error = client.list("accounts", &query).await.unwrap_err();
        let text = format!("{error} {error:?} {client:?} {client:#?}");
        assert!(!text.contains("personal") && !text.contains(CANARY) && !text.contains("%22"), "{text}");
    }
}

#[tokio::test]
async fn an_address_with_a_path_keeps_it() {
    let server = Server::start(vec![Reply::Keep(http(200, "", r#"{"metadata":{},"list":[]}"#))]);
    let client = client_to(&format!("{}/api/v4/", server.address), |_| ());
    client.list("accounts", &ListQuery { page: Some(0), ..ListQuery::default() }).await.unwrap();
    assert!(
        server.seen()[0].starts_with("GET /api/v4/accounts?limit=100&page=0 HTTP/1.1"),
        "{:?}",
        server.seen()
    );
}

#[test]
fn a_client_for_the_vendor_can_be_made() {
    let client =
        Client::new(ClientOptions::new(BaseUrl::default(), Token::new("Bearer x").unwrap())).unwrap();
    assert!(client.notices()[0].0.contains("Bearer"));
}
