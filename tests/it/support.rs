//! A folder of its own for each test, the compiled program run in it with an
//! empty environment, and a CRM for it to talk to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use carafe::sandbox::{Options, PageBase, Sandbox};
use serde_json::Value as Json;

/// The project's folder.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The compiled program; another build of it where `CARAFE_TEST_PROGRAM` says so.
pub fn program() -> PathBuf {
    let named = std::env::var_os("CARAFE_TEST_PROGRAM").map(|path| project().join(path));
    named.unwrap_or_else(|| env!("CARGO_BIN_EXE_carafe").into())
}

/// A folder that goes when the test ends; the program runs in it.
pub struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A desk with one file on it.
    pub fn with(name: &str, content: impl AsRef<[u8]>) -> Self {
        let desk = Self::new();
        desk.write(name, content);
        desk
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub fn text(&self, name: impl AsRef<Path>) -> String {
        let path = self.path(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub fn json(&self, name: impl AsRef<Path>) -> Json {
        serde_json::from_str(&self.text(name)).unwrap()
    }

    /// The program with these arguments, against no CRM in particular. The
    /// CRMs of these tests store what they store at once: nothing comes late.
    pub fn carafe<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Call {
        let mut command = Command::new(program());
        command.current_dir(self.folder.path()).env_clear().env("CARAFE_SETTLE", "0").args(arguments);
        Call { command, stdin: Vec::new() }
    }

    /// The folders of all runs that have rows, the oldest first.
    pub fn runs(&self) -> Vec<PathBuf> {
        self.run_folders().into_iter().filter(|run| !run.join("export.json").is_file()).collect()
    }

    /// The folders of all exports, the oldest first.
    pub fn exports(&self) -> Vec<PathBuf> {
        self.run_folders().into_iter().filter(|run| run.join("export.json").is_file()).collect()
    }

    fn run_folders(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.path(".carafe/runs")) else { return Vec::new() };
        let mut runs: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        runs.sort();
        runs
    }

    /// The folder of the only run.
    pub fn run(&self) -> PathBuf {
        match self.runs().as_slice() {
            [one] => one.clone(),
            several => panic!("{} runs", several.len()),
        }
    }

    /// A file of the only run.
    pub fn run_text(&self, name: &str) -> String {
        self.text(self.run().join(name))
    }

    /// The lines of `errors.jsonl` of the only run.
    pub fn errors(&self) -> Vec<Json> {
        self.run_text("errors.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The program, about to be run.
pub struct Call {
    pub command: Command,
    stdin: Vec<u8>,
}

impl Call {
    /// Against this address, with the sandbox's token.
    pub fn at(self, address: &str) -> Self {
        self.env("CARAFE_BASE_URL", address).env("CARAFE_TOKEN", "sandbox")
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn stdin(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.stdin = text.into();
        self
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Done {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let text = std::mem::take(&mut self.stdin);
        // A program that does not read its input closes the pipe; that is its right.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&text)));
        let done = Done::of(child.wait_with_output().unwrap());
        writer.join().unwrap();
        done
    }

    /// Starts it, to be looked at while it works.
    pub fn start(mut self) -> Running {
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Running { child, stderr, said: String::new() }
    }

    /// Runs it and asserts its exit code.
    #[track_caller]
    pub fn ends_with(self, code: i32) -> Done {
        let done = self.run();
        done.is(code);
        done
    }
}

/// The program while it runs.
pub struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
}

impl Running {
    /// Reads what it says until a line contains this.
    pub fn until_it_says(&mut self, words: &str) {
        loop {
            let mut line = String::new();
            let read = self.stderr.read_line(&mut line).unwrap();
            assert!(read > 0, "it ended without saying {words:?}: {}", self.said);
            self.said.push_str(&line);
            if line.contains(words) {
                return;
            }
        }
    }

    /// Sends it a signal by name: `INT`, `TERM`.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits for its end.
    pub fn end(mut self) -> Done {
        self.stderr.read_to_string(&mut self.said).unwrap();
        let mut output = self.child.wait_with_output().unwrap();
        output.stderr = self.said.into_bytes();
        Done::of(output)
    }
}

/// How the program ended, and what it said.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Done {
    pub fn of(output: Output) -> Self {
        let done = Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        // Whatever happens, nobody is shown the inside of the program.
        for word in
            ["fault of carafe", "panicked", "RUST_BACKTRACE", "unwrap()", ".rs:", "Os {", "reqwest", "hyper"]
        {
            assert!(!done.stderr.contains(word) && !done.stdout.contains(word), "{word}: {done:?}");
        }
        done
    }

    #[track_caller]
    pub fn is(&self, code: i32) {
        assert_eq!(self.code, Some(code), "exit code\n{}\n{}", self.stdout, self.stderr);
    }

    /// The one JSON document on standard output.
    #[track_caller]
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The document with what differs from run to run taken out: the run's id
    /// (also in paths) and the seconds.
    #[track_caller]
    pub fn document(&self) -> Json {
        let mut document = self.json();
        let seconds = document["elapsed_s"].as_f64().unwrap();
        assert!((0.0..3600.0).contains(&seconds));
        document["elapsed_s"] = 0.into();
        if let Some(run) = document["run"].as_str().map(str::to_owned) {
            let text = document.to_string().replace(&run, "RUN");
            document = serde_json::from_str(&text).unwrap();
        }
        document
    }

    /// `rows` of the document, with those that are 0 left out.
    #[track_caller]
    pub fn rows(&self) -> Json {
        let mut rows = self.json()["rows"].as_object().unwrap().clone();
        let read = rows["read"].as_u64().unwrap();
        let rest: u64 = rows.iter().filter(|(k, _)| *k != "read").map(|(_, n)| n.as_u64().unwrap()).sum();
        assert_eq!(read, rest, "the rows do not add up: {rows:?}");
        rows.retain(|_, number| number.as_u64() != Some(0));
        Json::Object(rows)
    }

    /// Asserts the exit code, that standard output is empty, and all of standard error.
    #[track_caller]
    pub fn fails(&self, code: i32, stderr: &str) {
        assert_eq!(self.stderr.trim_end(), stderr.trim_end(), "stderr");
        self.is(code);
        assert_eq!(self.stdout, "", "stdout");
    }
}

/// The embedded CRM, in this process, with its records in memory.
pub struct Crm {
    sandbox: Sandbox,
}

impl Crm {
    pub fn start() -> Self {
        Self { sandbox: Sandbox::start(Options::default()).unwrap() }
    }

    /// With the records of a file, and with this number for the first page.
    pub fn of_file(file: &Path, page_base: PageBase) -> Self {
        let options = Options { database: Some(file.to_owned()), page_base, ..Options::default() };
        Self { sandbox: Sandbox::start(options).unwrap() }
    }

    pub fn address(&self) -> String {
        self.sandbox.base_url()
    }

    /// The program with these arguments, against this CRM.
    pub fn carafe<'a>(&self, desk: &Desk, arguments: impl IntoIterator<Item = &'a str>) -> Call {
        desk.carafe(arguments).at(&self.address())
    }

    /// The records that pass a filter of the API, asked without the program.
    pub fn records(&self, object: &str, q: &str) -> Vec<Json> {
        let answer = get(&self.address(), &format!("/{object}?limit=100&q={}", percent(q)));
        answer["list"].as_array().unwrap().iter().map(|item| item["record"].clone()).collect()
    }

    /// Does something to a record without the program.
    #[track_caller]
    pub fn act(&self, method: &str, object: &str, id: &Json, body: &str) {
        let address = self.address();
        let host = address.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        let head = format!(
            "{method} /{object}/{id} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer sandbox\r\ncontent-type: application/json\r\n"
        );
        let length = body.len();
        write!(stream, "{head}content-length: {length}\r\nconnection: close\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// The only account of that name.
    #[track_caller]
    pub fn account(&self, name: &str) -> Json {
        let found = self.records("accounts", &serde_json::json!({ "name": name }).to_string());
        assert_eq!(found.len(), 1, "accounts named {name}");
        found[0].clone()
    }
}

/// A GET request with the sandbox's token, by hand.
pub fn get(address: &str, path: &str) -> Json {
    let host = address.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer sandbox\r\n");
    stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// Every byte but letters and digits as `%XX`.
pub fn percent(text: &str) -> String {
    let code = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(code).collect()
}

/// A mapping of accounts that matches by name.
pub const BY_NAME: &str = "version: 1
object: accounts
mode: upsert
match: [name]
fields:
  name: Company
  phone: Tel
  type: Kind
  notes: Notes
";

/// `carafe sandbox`, until this goes.
pub struct Served {
    child: Child,
    pub said: Json,
}

impl Served {
    /// In `crm.db` on the desk, with faults.
    pub fn start(desk: &Desk, faults: &str) -> Self {
        Self::with(desk, &["--faults", faults])
    }

    /// In `crm.db` on the desk, with these options.
    pub fn with(desk: &Desk, more: &[&str]) -> Self {
        let arguments = ["sandbox", "--port", "0", "--db", "crm.db", "--json"];
        let mut child = Command::new(program())
            .current_dir(desk.path(""))
            .env_clear()
            .args(arguments)
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // The document ends long before the program does.
        let (mut stdout, mut text) = (child.stdout.take().unwrap(), Vec::new());
        let said = loop {
            let mut byte = [0];
            stdout.read_exact(&mut byte).unwrap();
            text.push(byte[0]);
            if let Ok(said) = serde_json::from_slice(&text) {
                break said;
            }
        };
        Self { child, said }
    }

    pub fn address(&self) -> &str {
        self.said["address"].as_str().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Runs a script of `tests/readers`, where Python has openpyxl; false where it has not.
pub fn openpyxl(desk: &Desk, script: &str, arguments: &[&str]) -> bool {
    let python =
        |arguments: &[&str]| Command::new("python3").args(arguments).current_dir(desk.path("")).output();
    if !python(&["-c", "import openpyxl"]).is_ok_and(|done| done.status.success()) {
        return false;
    }
    let script = project().join("tests/readers").join(script).display().to_string();
    let done = python(&[&[script.as_str()], arguments].concat()).unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    true
}
