//! A second CRM, small and written by hand from the API's document and the
//! field notes alone: a client and an embedded CRM by the same people could
//! share a misunderstanding, and would then pass every test together.
//!
//! It serves tables from memory; a script may answer in its place, hold an
//! answer back, or cut the connection. Every request is kept and can be asserted.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Map, Value as Json, json};

pub use crate::tables::{Habit, Tables, accounts};

/// No test waits longer than this for something that must happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Without the query, decoded.
    pub path: String,
    /// Decoded.
    pub query: Vec<(String, String)>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Answers with a status, more headers, and a body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Has read all of it, and cuts the connection.
    Reset,
    /// Does what is asked, and cuts the connection instead of saying so.
    StoreAndReset,
}

impl Reply {
    pub fn json(status: u16, body: &Json) -> Self {
        Self::Answer(status, vec![("content-type", "application/json".into())], body.to_string())
    }

    /// An error in the document's form.
    pub fn error(status: u16, message: &str) -> Self {
        Self::json(status, &json!({ "type": "Error", "code": status, "message": message }))
    }

    /// A web page, as a proxy or a login form sends it.
    pub fn html(status: u16, text: &str) -> Self {
        let page = format!("<!DOCTYPE html><html><body>{text}</body></html>");
        Self::Answer(status, vec![("content-type", "text/html".into())], page)
    }

    pub fn header(self, name: &'static str, value: &str) -> Self {
        match self {
            Self::Answer(status, mut headers, body) => {
                headers.push((name, value.to_owned()));
                Self::Answer(status, headers, body)
            }
            Self::Reset | Self::StoreAndReset => self,
        }
    }
}

/// Holds answers back until it is opened.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub fn wait(&self) {
        let open = self.0.0.lock().unwrap();
        drop(self.0.1.wait_timeout_while(open, PATIENCE, |open| !*open).unwrap());
    }
}

type Alter = dyn Fn(&mut Map<String, Json>) + Send + Sync;
type Script = dyn Fn(&Request, usize) -> Option<Reply> + Send + Sync;

struct Shared {
    tables: Mutex<Tables>,
    script: Box<Script>,
    /// What the server makes of a record that it has just stored.
    alter: Box<Alter>,
    asked: Mutex<Vec<Request>>,
    arrived: Condvar,
    /// Once it is well, the script is not asked any more.
    is_well: Mutex<bool>,
    /// Connections under way; none once the server stops.
    open: Mutex<Option<Vec<Weak<TcpStream>>>>,
}

/// The running server; it stops when this goes.
pub struct Tiny {
    host: String,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

impl Tiny {
    /// Serves tables and nothing else.
    pub fn serve(tables: Tables) -> Self {
        Self::scripted(tables, |_, _| None)
    }

    /// The script sees each request first, and how many of its method came before it.
    pub fn scripted(
        tables: Tables,
        script: impl Fn(&Request, usize) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        Self::start(tables, Box::new(script), Box::new(|_| {}))
    }

    /// Makes something of its own of each record that is written.
    pub fn altered(tables: Tables, alter: impl Fn(&mut Map<String, Json>) + Send + Sync + 'static) -> Self {
        Self::start(tables, Box::new(|_, _| None), Box::new(alter))
    }

    /// Both at once.
    pub fn scripted_and_altered(
        tables: Tables,
        script: impl Fn(&Request, usize) -> Option<Reply> + Send + Sync + 'static,
        alter: impl Fn(&mut Map<String, Json>) + Send + Sync + 'static,
    ) -> Self {
        Self::start(tables, Box::new(script), Box::new(alter))
    }

    fn start(tables: Tables, script: Box<Script>, alter: Box<Alter>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            tables: Mutex::new(tables),
            script,
            alter,
            asked: Mutex::default(),
            arrived: Condvar::new(),
            is_well: Mutex::default(),
            open: Mutex::new(Some(Vec::new())),
        });
        let of_listener = Arc::clone(&shared);
        let listening = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = Arc::new(stream.unwrap());
                let Some(open) = &mut *of_listener.open.lock().unwrap() else { return };
                open.push(Arc::downgrade(&stream));
                let shared = Arc::clone(&of_listener);
                std::thread::spawn(move || while serve_one(&stream, &shared).is_some() {});
            }
        });
        Self { host, shared, listening: Some(listening) }
    }

    pub fn address(&self) -> String {
        format!("http://{}", self.host)
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Request> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// All requests of a method so far.
    pub fn asked_by(&self, method: &str) -> Vec<Request> {
        self.asked().into_iter().filter(|request| request.method == method).collect()
    }

    /// Requests that could change a record.
    pub fn writes(&self) -> usize {
        self.asked().iter().filter(|request| request.method != "GET").count()
    }

    /// Waits until that many requests of a method have come.
    pub fn wait_for(&self, method: &str, number: usize) {
        let few = |asked: &mut Vec<Request>| asked.iter().filter(|r| r.method == method).count() < number;
        let asked = self.shared.asked.lock().unwrap();
        let (_asked, waited) = self.shared.arrived.wait_timeout_while(asked, PATIENCE, few).unwrap();
        assert!(!waited.timed_out(), "{number} requests {method} did not come");
    }

    /// Puts a record back, or in the place of the one with its id.
    pub fn restore(&self, table: &str, record: Json) {
        let Json::Object(record) = record else { panic!("no record: {record}") };
        let mut tables = self.shared.tables.lock().unwrap();
        let records = &mut tables.table(table).unwrap().records;
        match records.iter_mut().find(|known| known["id"] == record["id"]) {
            Some(known) => *known = record,
            None => records.push(record),
        }
    }

    /// Takes a record away, as another client does.
    pub fn remove(&self, table: &str, id: u64) {
        let mut tables = self.shared.tables.lock().unwrap();
        tables.table(table).unwrap().records.retain(|record| record["id"].as_u64() != Some(id));
    }

    /// Ends what the script does.
    pub fn heal(&self) {
        *self.shared.is_well.lock().unwrap() = true;
    }

    /// Becomes the CRM of another company.
    pub fn become_another(&self, tables: Tables) {
        *self.shared.tables.lock().unwrap() = tables;
    }

    /// Changes a field of a record, as another client does.
    pub fn change(&self, table: &str, id: u64, field: &str, value: Json) {
        let mut tables = self.shared.tables.lock().unwrap();
        let records = &mut tables.table(table).unwrap().records;
        let record = records.iter_mut().find(|record| record["id"].as_u64() == Some(id)).unwrap();
        record.insert(field.to_owned(), value);
    }

    /// The records of a table now.
    pub fn records(&self, table: &str) -> Vec<Map<String, Json>> {
        self.shared.tables.lock().unwrap().table(table).unwrap().records.clone()
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let open = self.shared.open.lock().unwrap().take();
        for stream in open.into_iter().flatten().filter_map(|stream| stream.upgrade()) {
            // Those that have ended cannot be shut again.
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(TcpStream::connect(&self.host));
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

/// Does what a request asks.
fn act(shared: &Shared, request: &Request) -> Reply {
    let mut tables = shared.tables.lock().unwrap();
    let reply = tables.answer(request);
    if matches!(request.method.as_str(), "POST" | "PATCH") {
        let table = request.path.split('/').nth(1).unwrap();
        tables.table(table).unwrap().records.iter_mut().for_each(&shared.alter);
    }
    reply
}

/// Reads one request and answers it; `None` when the connection is over.
fn serve_one(mut stream: &TcpStream, shared: &Shared) -> Option<()> {
    let (request, last_byte) = read_request(stream)?;
    let before = {
        let mut asked = shared.asked.lock().unwrap();
        let before = asked.iter().filter(|known| known.method == request.method).count();
        asked.push(request.clone());
        shared.arrived.notify_all();
        before
    };
    let is_well = *shared.is_well.lock().unwrap();
    let reply = match (!is_well).then(|| (shared.script)(&request, before)).flatten() {
        Some(Reply::StoreAndReset) => {
            act(shared, &request);
            Reply::Reset
        }
        Some(reply) => reply,
        None => act(shared, &request),
    };
    // A byte that stands unread when the socket goes turns its end into a reset.
    let Reply::Answer(status, headers, body) = reply else { return None };
    if last_byte {
        stream.read_exact(&mut [0]).ok()?;
    }
    let mut head = format!("HTTP/1.1 {status} Some Words\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).ok()
}

/// The request, and whether the last byte of its body stands still unread.
fn read_request(mut stream: &TcpStream) -> Option<(Request, bool)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let length =
        headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, n)| n.parse().unwrap());
    let mut body = vec![0; length];
    if length > 0 {
        stream.read_exact(&mut body[..length - 1]).ok()?;
        stream.peek(&mut body[length - 1..]).ok()?;
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query = query.split('&').filter(|part| !part.is_empty()).map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decoded(name), decoded(value))
    });
    let (path, query) = (decoded(path), query.collect());
    Some((Request { method, path, query, headers, body: String::from_utf8(body).unwrap() }, length > 0))
}

/// Takes `%XX` and `+` back.
fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(out).unwrap()
}
