//! A server that answers every request after a fixed time and does next to no
//! work of its own: what is measured is the client. It runs as a process of
//! its own, so that its processor time and memory are nobody else's.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::measure;
use crate::references::child;

/// How the server behaves.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// How long each answer waits.
    pub latency: Duration,
    /// How many records there are.
    pub records: u64,
    /// The row whose values the first record has.
    pub shift: u64,
    /// 429 beyond so many requests in one second; no limit if 0.
    pub most: u64,
    /// Whether a 429 says when to come back.
    pub says_when: bool,
    /// The latency doubles above so many requests in flight, and again above each further so
    /// many; it stays the same if 0.
    pub strained_above: u64,
}

impl Manner {
    /// Answers after a fixed time, without any record.
    pub fn after(latency: Duration) -> Self {
        Self { latency, records: 0, shift: 0, most: 0, says_when: false, strained_above: 0 }
    }

    /// The same with records.
    pub fn with_records(self, records: u64) -> Self {
        Self { records, ..self }
    }

    fn to_args(self) -> [String; 6] {
        let latency = u64::try_from(self.latency.as_micros()).unwrap_or(u64::MAX);
        [latency, self.records, self.shift, self.most, u64::from(self.says_when), self.strained_above]
            .map(|number| number.to_string())
    }

    /// From the arguments that the server's process gets.
    pub fn from_args(args: &[String]) -> Self {
        let number = |at: usize| args.get(at).and_then(|arg| arg.parse::<u64>().ok()).unwrap_or(0);
        Self {
            latency: Duration::from_micros(number(0)),
            records: number(1),
            shift: number(2),
            most: number(3),
            says_when: number(4) == 1,
            strained_above: number(5),
        }
    }
}

/// A running server; it ends with this, and with the process that started it.
pub struct Server {
    child: Child,
    url: String,
}

/// What a server has seen since it was asked last.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Seen {
    /// From the first write to the last answer to one.
    pub seconds: f64,
    /// Writes that were answered.
    pub answered: u64,
    /// Writes that were told to slow down.
    pub refused: u64,
    /// Most requests in flight at once.
    pub most: u64,
    /// Answered and refused in each second since the first write.
    pub by_second: Vec<(u64, u64)>,
}

impl Server {
    /// Starts one; returns once it listens.
    pub fn start(manner: Manner) -> Self {
        let mut child = child("server")
            .args(manner.to_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut url = String::new();
        let out = child.stdout.take().expect("it was piped");
        BufReader::new(out).read_line(&mut url).expect("the server's address");
        Self { child, url: url.trim().to_owned() }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it has seen since the last such question.
    pub fn seen(&self) -> Seen {
        let mut stream = TcpStream::connect(self.url.trim_start_matches("http://")).expect("it listens");
        stream.write_all(b"GET /bench/seen HTTP/1.1\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers and closes");
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).expect("its own form")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        measure::end(&mut self.child);
    }
}
