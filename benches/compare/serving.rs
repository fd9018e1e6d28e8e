//! The server's own side: HTTP over a connection, the wait, the answer.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::Read;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::pages::Records;
use crate::server::{Manner, Seen};
use crate::shapes;

/// Listens, prints where, and serves until its standard input ends.
pub fn serve(manner: Manner) {
    std::thread::spawn(|| {
        // Nobody writes: it ends when the one who started this process does.
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let shared = Arc::new(Shared::new(manner));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        println!("http://{}", listener.local_addr().expect("an address"));
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, Arc::clone(&shared)));
        }
    });
}

struct Shared {
    manner: Manner,
    records: Records,
    dictionary: String,
    clock: mpsc::Sender<Waiting>,
    state: Mutex<State>,
}

struct State {
    next_id: u64,
    in_flight: u64,
    first: Option<Instant>,
    seen: Seen,
    /// The second that is counted for the limit, and the requests in it.
    window: (Option<Instant>, u64),
}

struct Request {
    head: String,
    body: Vec<u8>,
}

/// What to do with a request as it comes in.
enum Admission {
    After(Duration),
    /// How long until the next second begins.
    TooMany(Duration),
}

async fn connection(mut stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::with_capacity(4096);
    while let Some(request) = read_request(&mut stream, &mut buffer).await {
        let is_question = request.head.starts_with("GET /bench/seen");
        let answer = if is_question { shared.tell() } else { shared.answer(&request).await };
        if stream.write_all(&answer).await.is_err() || is_question {
            return;
        }
    }
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            let total = end + 4 + length.unwrap_or(0);
            while buffer.len() < total {
                if stream.read_buf(buffer).await.ok()? == 0 {
                    return None;
                }
            }
            let body = buffer[end + 4..total].to_vec();
            buffer.drain(..total);
            return Some(Request { head, body });
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

impl Shared {
    fn new(manner: Manner) -> Self {
        let records = Records::new(manner.records, manner.shift);
        let state = State {
            next_id: records.next_id(),
            in_flight: 0,
            first: None,
            seen: Seen::default(),
            window: (None, 0),
        };
        Self { manner, records, dictionary: shapes::dictionary(), clock: clock(), state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits and answers. What is read is made ready before, so that it takes the latency and no longer.
    async fn answer(&self, request: &Request) -> Vec<u8> {
        let begun = Instant::now();
        let is_write = !request.head.starts_with("GET ");
        let is_dictionary = request.head.starts_with("GET /datadictionary/");
        let admission =
            if is_dictionary { Admission::After(self.manner.latency) } else { self.admit(begun, is_write) };
        let latency = match admission {
            Admission::After(latency) => latency,
            Admission::TooMany(wait) => return self.too_many(wait),
        };
        let ready = match is_write {
            false if is_dictionary => Some(response("200 OK", "", &self.dictionary)),
            false => Some(self.respond(request)),
            true => None,
        };
        if !latency.is_zero() {
            let (wake, woken) = oneshot::channel();
            let _ = self.clock.send(Waiting { until: begun + latency, wake });
            let _ = woken.await;
        }
        if !is_dictionary {
            self.leave(Instant::now(), is_write);
        }
        ready.unwrap_or_else(|| self.respond(request))
    }

    fn admit(&self, now: Instant, is_write: bool) -> Admission {
        let Manner { latency, most, strained_above, .. } = self.manner;
        let mut state = self.lock();
        if is_write {
            state.first.get_or_insert(now);
        }
        let begun = state.window.0.filter(|begun| now - *begun < Duration::from_secs(1));
        if begun.is_none() {
            state.window = (Some(now), 0);
        }
        state.window.1 += 1;
        if most > 0 && state.window.1 > most {
            if is_write {
                state.count(now, false);
            }
            return Admission::TooMany(begun.map_or(Duration::ZERO, |b| b + Duration::from_secs(1) - now));
        }
        state.in_flight += 1;
        state.seen.most = state.seen.most.max(state.in_flight);
        let doublings = (state.in_flight - 1).checked_div(strained_above).unwrap_or(0);
        Admission::After(latency * 2_u32.pow(doublings.min(10) as u32))
    }

    fn leave(&self, now: Instant, is_write: bool) {
        let mut state = self.lock();
        state.in_flight -= 1;
        if is_write {
            state.count(now, true);
        }
    }

    fn too_many(&self, wait: Duration) -> Vec<u8> {
        let header = if self.manner.says_when {
            format!("retry-after: {}\r\n", wait.as_secs_f64().ceil().max(1.0))
        } else {
            String::new()
        };
        response(
            "429 Too Many Requests",
            &header,
            "{\"type\":\"Rate limit\",\"code\":429,\"message\":\"Slow down\"}",
        )
    }

    fn respond(&self, request: &Request) -> Vec<u8> {
        let target = request.head.split(' ').nth(1).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let listed = if request.head.starts_with("POST /accounts ") {
            return response("201 Created", "", &self.created(&request.body));
        } else if request.head.starts_with("GET ") && path == "/accounts" {
            self.records.list(query)
        } else {
            Err("the request".to_owned())
        };
        match listed {
            Ok(page) => response("200 OK", "", &page),
            Err(why) => {
                eprintln!("the bench's server does not know {why}: {}", request.head);
                response(
                    "400 Bad Request",
                    "",
                    "{\"type\":\"Bad request error\",\"code\":400,\"message\":\"x\"}",
                )
            }
        }
    }

    /// The created record: what was sent, with an id and the CRM's own fields.
    fn created(&self, body: &[u8]) -> String {
        let id = {
            let mut state = self.lock();
            state.next_id += 1;
            state.next_id
        };
        let fields = String::from_utf8_lossy(body);
        let fields = fields.trim().trim_start_matches('{').trim_end_matches('}');
        format!(
            "{{\"metadata\":{{\"url\":\"/accounts/{id}\",\"list_url\":\"/accounts\",\"parent\":null,\
             \"object_type\":\"record\",\"record_type\":\"account\"}},\"record\":{{\"id\":{id},{fields},\
             \"createddate\":\"2026-11-25 01:32:12\",\"modifieddate\":\"2026-11-25 01:32:12\"}}}}"
        )
    }

    /// What was seen; it begins anew.
    fn tell(&self) -> Vec<u8> {
        let mut state = self.lock();
        state.first = None;
        let seen = std::mem::take(&mut state.seen);
        response("200 OK", "", &serde_json::to_string(&seen).expect("numbers are JSON"))
    }
}

impl State {
    fn count(&mut self, now: Instant, answered: bool) {
        let since = now - self.first.unwrap_or(now);
        let second = usize::try_from(since.as_secs()).unwrap_or(usize::MAX);
        if self.seen.by_second.len() <= second {
            self.seen.by_second.resize(second + 1, (0, 0));
        }
        let (good, bad) = &mut self.seen.by_second[second];
        if answered {
            *good += 1;
            self.seen.answered += 1;
            self.seen.seconds = since.as_secs_f64();
        } else {
            *bad += 1;
            self.seen.refused += 1;
        }
    }
}

fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let mut out = Vec::with_capacity(length + 200);
    out.extend_from_slice(
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n"
        )
        .as_bytes(),
    );
    out.extend_from_slice(body.as_bytes());
    out
}

/// Somebody who wants to be woken.
struct Waiting {
    until: Instant,
    wake: oneshot::Sender<()>,
}

/// A thread that wakes those who wait, to a tenth of a millisecond: the runtime's own clock ticks
/// in whole ones, which at 5 ms would be a fifth too much.
fn clock() -> mpsc::Sender<Waiting> {
    let (sender, waiting) = mpsc::channel::<Waiting>();
    std::thread::spawn(move || {
        let mut order: BinaryHeap<Reverse<(Instant, u64)>> = BinaryHeap::new();
        let mut wakers = std::collections::HashMap::new();
        let mut number = 0;
        loop {
            let next =
                order.peek().map(|Reverse((until, _))| until.saturating_duration_since(Instant::now()));
            let came = match next {
                None => waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => waiting.recv_timeout(wait),
            };
            match came {
                Ok(Waiting { until, wake }) => {
                    number += 1;
                    order.push(Reverse((until, number)));
                    wakers.insert(number, wake);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while let Some(Reverse((until, number))) = order.peek().copied()
                && until <= Instant::now()
            {
                order.pop();
                let _ = wakers.remove(&number).map(|wake| wake.send(()));
            }
        }
    });
    sender
}
