//! What a client sees of each fault, and what was stored all the same.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value as Json, json};

use super::{Options, Sandbox};

const TOKEN: &str = "authorization: Bearer sandbox\r\n";

/// A sandbox that makes faults, and the file that it writes.
struct Faulty {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
}

/// What came back over the line.
#[derive(Debug)]
struct Seen {
    head: String,
    body: String,
}

impl Seen {
    fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

impl Faulty {
    fn new(spec: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Some(folder.path().join("sandbox.db"));
        let options = Options { database, faults: spec.parse().unwrap(), ..Options::default() };
        Self { sandbox: Sandbox::start(options).unwrap(), folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("sandbox.db")
    }

    /// Sends a request on a connection of its own; nobody has read the answer yet.
    fn begin(&self, method: &str, path: &str, body: &str, token: &str) -> std::io::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.sandbox.address())?;
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{token}content-length: {length}\r\n");
        stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes())?;
        Ok(stream)
    }

    fn try_call(&self, method: &str, path: &str, body: &str) -> std::io::Result<Seen> {
        let mut text = String::new();
        self.begin(method, path, body, TOKEN)?.read_to_string(&mut text)?;
        let (head, body) = text.split_once("\r\n\r\n").ok_or(ErrorKind::UnexpectedEof)?;
        Ok(Seen { head: head.to_owned(), body: body.to_owned() })
    }

    fn post(&self, name: &str) -> std::io::Result<Seen> {
        self.try_call("POST", "/accounts", &json!({ "name": name }).to_string())
    }

    fn get(&self, path: &str) -> Seen {
        self.try_call("GET", path, "").unwrap()
    }

    /// The ledger as another process reads it.
    fn ledger(&self) -> Vec<(String, String, String)> {
        let file = Connection::open(self.file()).unwrap();
        let mut lines =
            file.prepare("SELECT method, object, CAST(record AS TEXT) FROM ledger ORDER BY id").unwrap();
        let lines = lines.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        lines.map(Result::unwrap).collect()
    }

    /// How many accounts of that name are stored, and how many the ledger knows of.
    fn stored(&self, name: &str) -> (u64, u64) {
        let file = Connection::open(self.file()).unwrap();
        let count = |sql: &str| file.query_row(sql, [name], |row| row.get(0)).unwrap();
        (
            count("SELECT count(*) FROM accounts WHERE name = ?1"),
            count("SELECT count(*) FROM ledger WHERE body ->> 'name' = ?1"),
        )
    }
}

#[test]
fn a_reset_comes_before_or_after_the_record_is_stored() {
    for (spec, stored) in [("reset-before=100%", 0), ("reset-after=100%", 1)] {
        let crm = Faulty::new(spec);
        assert_eq!(crm.post("A").unwrap_err().kind(), ErrorKind::ConnectionReset, "{spec}");
        assert_eq!(crm.stored("A"), (stored, stored), "{spec}");
        assert_eq!(crm.get("/accounts").status(), 200, "reads are left alone");
    }
}

#[test]
fn a_refusal_is_as_bad_an_answer_as_any_and_is_not_made_worse() {
    for spec in ["wrong=100%", "echo=100%"] {
        let refused = Faulty::new(spec).try_call("POST", "/accounts", r#"{"phone":"1"}"#).unwrap();
        assert_eq!(refused.status(), 422, "{spec}");
        assert!(refused.json()["validation"].is_object(), "{spec}: {refused:?}");
    }
}

#[test]
fn a_refused_connection_ends_before_anything_is_read() {
    let crm = Faulty::new("refuse=100%");
    let refused = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
    assert!(refused.contains(&crm.post("A").unwrap_err().kind()));
    assert!(refused.contains(&crm.try_call("GET", "/accounts", "").unwrap_err().kind()));
    assert_eq!(crm.stored("A"), (0, 0));
}

#[test]
fn where_connections_are_refused_each_carries_one_request() {
    let crm = Faulty::new("refuse=30%,500-before=30%,seed=7");
    let seen: Vec<Option<u16>> =
        (0..200).map(|n| crm.post(&format!("R{n}")).ok().map(|s| s.status())).collect();
    let count = |wanted: Option<u16>| seen.iter().filter(|found| **found == wanted).count();
    assert!((40..80).contains(&count(None)), "{}", count(None));
    assert!((40..80).contains(&count(Some(500))), "{}", count(Some(500)));
    assert_eq!(crm.ledger().len(), count(Some(201)));
    // Without the client asking for it, too.
    let mut open = loop {
        let mut stream = TcpStream::connect(crm.sandbox.address()).unwrap();
        let sent = write!(stream, "GET /users HTTP/1.1\r\nhost: x\r\n{TOKEN}\r\n");
        let mut text = String::new();
        if sent.is_ok() && stream.read_to_string(&mut text).is_ok() {
            break text;
        }
    };
    open.make_ascii_lowercase();
    assert!(open.contains("\r\nconnection: close\r\n"), "{open}");
}

#[test]
fn a_slow_commit_outlives_its_client_and_holds_nobody_up() {
    let crm = Faulty::new("slow=100%:1s");
    drop(crm.begin("POST", "/accounts", "{\"name\":\"A\"}", TOKEN).unwrap());
    let begun = Instant::now();
    assert_eq!(crm.get("/accounts").status(), 200);
    assert!(begun.elapsed() < Duration::from_millis(800), "{:?}", begun.elapsed());
    assert_eq!(crm.stored("A"), (0, 0));
    while crm.stored("A") == (0, 0) {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is never stored");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(crm.stored("A"), (1, 1));
    assert_eq!(crm.post("B").unwrap().status(), 201, "whoever waits is answered");
}

#[test]
fn a_server_error_comes_before_or_after_the_record_is_stored() {
    for (spec, status, wait, stored) in [
        ("500-before=100%", 500, None, 0),
        ("500-after=100%", 500, None, 1),
        ("503=100%", 503, None, 0),
        ("503=100%:7s", 503, Some("7"), 0),
        ("429=100%", 429, None, 0),
        ("429=100%:2s", 429, Some("2"), 0),
    ] {
        let crm = Faulty::new(spec);
        let seen = crm.post("A").unwrap();
        assert_eq!((seen.status(), seen.header("retry-after")), (status, wait), "{spec}");
        assert_eq!(seen.json()["code"], status, "{spec}");
        assert_eq!(crm.stored("A"), (stored, stored), "{spec}");
    }
}

#[test]
fn a_truncated_answer_breaks_off_in_its_body() {
    let crm = Faulty::new("truncated=100%,seed=7");
    let (mut plain, mut chunked) = (0, 0);
    for n in 0..20 {
        let seen = crm.post(&format!("T{n}")).unwrap();
        assert_eq!((seen.status(), crm.stored(&format!("T{n}"))), (201, (1, 1)));
        match seen.header("content-length") {
            Some(length) => {
                plain += 1;
                assert!(seen.body.len() * 2 <= length.parse::<usize>().unwrap() + 1, "{seen:?}");
            }
            None => {
                chunked += 1;
                assert_eq!(seen.header("transfer-encoding"), Some("chunked"));
                assert!(!seen.body.ends_with("0\r\n\r\n"), "{seen:?}");
            }
        }
    }
    assert!(plain > 0 && chunked > 0, "{plain} {chunked}");
}

#[test]
fn a_wrong_answer_has_a_good_status_and_no_record_of_ours() {
    let crm = Faulty::new("wrong=100%,seed=7");
    let mut forms = std::collections::BTreeSet::new();
    for n in 0..20 {
        let seen = crm.post(&format!("W{n}")).unwrap();
        assert_eq!((seen.status(), crm.stored(&format!("W{n}"))), (201, (1, 1)));
        forms.insert(if seen.header("content-type") != Some("application/json") {
            assert!(seen.body.starts_with("<!DOCTYPE html>"));
            "page"
        } else if seen.json()["record"]["id"].is_null() {
            "no id"
        } else {
            assert_eq!(seen.json()["metadata"]["record_type"], "campaign");
            "another type"
        });
    }
    assert_eq!(forms.len(), 3, "{forms:?}");
    // A refusal stays one: nothing was stored.
    assert_eq!(crm.try_call("POST", "/accounts", "{}").unwrap().status(), 422);
}

#[test]
fn an_echo_shows_another_value_than_was_stored() {
    let crm = Faulty::new("echo=100%");
    let seen = crm.post("A").unwrap();
    assert_eq!((seen.status(), &seen.json()["record"]["name"]), (201, &json!("A (changed)")));
    assert_eq!(crm.stored("A"), (1, 1));
    let id = seen.json()["record"]["id"].to_string();
    let deleted = crm.try_call("DELETE", &format!("/accounts/{id}"), "").unwrap();
    assert_eq!((deleted.status(), deleted.body.as_str()), (200, "{}"));
}

#[test]
fn a_redirect_leads_to_another_host() {
    for spec in ["redirect=100%", "redirect=1"] {
        let crm = Faulty::new(spec);
        let seen = crm.post("A").unwrap();
        assert_eq!(seen.status(), 302);
        assert_eq!(seen.header("location"), Some("https://login.sandbox.invalid/login"));
        assert_eq!(crm.stored("A"), (0, 0), "{spec}");
    }
}

#[test]
fn what_stands_from_a_request_on_counts_those_with_a_valid_token() {
    for (spec, status, served) in
        [("token=3", 403, 2), ("redirect=3", 302, 2), ("quota=3", 200, 3), ("quota=0", 200, 0)]
    {
        let crm = Faulty::new(spec);
        for _ in 0..5 {
            let mut text = String::new();
            let mut refused = crm.begin("GET", "/accounts", "", "").unwrap();
            refused.read_to_string(&mut text).unwrap();
            assert!(text.starts_with("HTTP/1.1 402 "), "{text}");
        }
        for _ in 0..served {
            assert_eq!(crm.get("/accounts").json()["metadata"]["total_count"], 12, "{spec}");
        }
        for seen in [crm.get("/accounts"), crm.post("A").unwrap(), crm.get("/accounts")] {
            assert_eq!(seen.status(), status, "{spec}");
            match spec {
                "token=3" => assert_eq!(seen.json()["message"], "Unauthenticated"),
                "redirect=3" => assert!(seen.body.contains("Sign in")),
                _ => {
                    let body = seen.json();
                    assert!(body["message"].as_str().unwrap().contains("limit"), "{body}");
                    assert!(body.get("metadata").is_none() && body.get("list").is_none());
                }
            }
        }
        assert_eq!(crm.stored("A"), (0, 0), "{spec}");
    }
}

#[test]
fn new_records_are_not_read_before_the_lag_is_over() {
    let crm = Faulty::new("lag=1500ms");
    let made = crm.post("New").unwrap();
    assert_eq!(made.status(), 201);
    let id = made.json()["record"]["id"].to_string();
    let total = |path: &str| crm.get(path).json()["metadata"]["total_count"].as_u64().unwrap();
    let search = "/accounts?q=%7B%22name%22%3A%22New%22%7D";
    assert_eq!((total("/accounts"), total(search)), (12, 0));
    assert_eq!(crm.get(&format!("/accounts/{id}")).status(), 404);
    // Writes go where the record is.
    let changed = crm.try_call("PATCH", &format!("/accounts/{id}"), "{\"phone\":\"1\"}").unwrap();
    assert_eq!(changed.status(), 200);
    let begun = Instant::now();
    while total(search) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "it is never read");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(crm.get(&format!("/accounts/{id}")).json()["record"]["phone"], "1");
}

#[test]
fn reads_meet_faults_where_they_are_asked_for() {
    for (spec, status) in [("503-reads=100%", 503), ("429-reads=100%:0s", 429), ("redirect-reads=100%", 302)]
    {
        let crm = Faulty::new(spec);
        assert_eq!(crm.get("/accounts").status(), status, "{spec}");
        assert_eq!(crm.post("A").unwrap().status(), 201, "{spec}");
    }
    let crm = Faulty::new("wrong-reads=100%,seed=7");
    let lists: Vec<Seen> = (0..20).map(|_| crm.get("/accounts")).collect();
    assert!(lists.iter().all(|seen| seen.status() == 200));
    let is_page = |seen: &&Seen| seen.body.starts_with("<!DOCTYPE");
    let pages = lists.iter().filter(is_page).count();
    assert!((1..19).contains(&pages), "{pages}");
    let json = lists.iter().filter(|seen| !is_page(seen)).map(Seen::json);
    assert!(json.into_iter().all(|list| {
        let first = &list["list"][0];
        first["record"]["id"].is_null() || first["metadata"]["record_type"] == "campaign"
    }));
}

#[test]
fn the_same_seed_makes_the_same_rehearsal() {
    let spec = "reset-before=10%,500-after=10%,429=10%,truncated=10%,wrong=10%,echo=10%";
    let rehearse = |seed: u32| -> Vec<String> {
        let crm = Faulty::new(&format!("{spec},seed={seed}"));
        // Without the date, which is no fault's.
        let text =
            |seen: Seen| format!("{} {}", seen.status(), seen.body.split("\"createddate").next().unwrap());
        (0..60).map(|n| crm.post(&format!("N{n}")).map_or_else(|e| e.kind().to_string(), text)).collect()
    };
    let first = rehearse(7);
    assert_eq!(first, rehearse(7));
    assert_ne!(first, rehearse(8));
}

#[test]
fn the_ledger_has_a_line_for_each_committed_write_and_no_other() {
    let crm = Faulty::new("");
    let made = crm.post("A").unwrap().json();
    let id = made["record"]["id"].to_string();
    let path = format!("/accounts/{id}");
    assert_eq!(crm.try_call("PATCH", &path, "{\"phone\": \"1\"}").unwrap().status(), 200);
    assert_eq!(crm.try_call("PATCH", "/lookup/accounttypes", "{\"items\":[\"New\"]}").unwrap().status(), 200);
    // Known already; refused; not there; read.
    assert_eq!(crm.try_call("PATCH", "/lookup/accounttypes", "{\"items\":[\"new\"]}").unwrap().status(), 200);
    assert_eq!(crm.try_call("POST", "/accounts", "{}").unwrap().status(), 422);
    assert_eq!(crm.try_call("DELETE", "/accounts/1", "").unwrap().status(), 404);
    assert_eq!(crm.get("/accounts").status(), 200);
    assert_eq!(crm.try_call("DELETE", &path, "").unwrap().status(), 200);
    let line = |method: &str, object: &str, record: &str| (method.into(), object.into(), record.into());
    assert_eq!(
        crm.ledger(),
        [
            line("POST", "accounts", &id),
            line("PATCH", "accounts", &id),
            line("PATCH", "lookup", "accounttypes"),
            line("DELETE", "accounts", &id)
        ]
    );
    let file = Connection::open(crm.file()).unwrap();
    let text = |sql: &str| file.query_row(sql, [], |row| row.get::<_, Option<String>>(0)).unwrap();
    assert_eq!(text("SELECT body FROM ledger WHERE id = 2").as_deref(), Some("{\"phone\": \"1\"}"));
    assert_eq!(text("SELECT body FROM ledger WHERE id = 4"), None);
    assert_eq!(text("SELECT typeof(record) FROM ledger WHERE id = 1").as_deref(), Some("integer"));
    for sql in ["UPDATE ledger SET body = ''", "DELETE FROM ledger"] {
        assert!(file.execute(sql, []).unwrap_err().to_string().contains("only added to"), "{sql}");
    }
}

#[test]
fn a_file_of_the_first_form_gains_a_ledger_and_keeps_its_records() {
    let crm = Faulty::new("");
    crm.post("Kept").unwrap();
    let Faulty { sandbox, folder } = crm;
    sandbox.stop();
    let database = Some(folder.path().join("sandbox.db"));
    let file = Connection::open(folder.path().join("sandbox.db")).unwrap();
    file.execute_batch("DROP TABLE ledger; PRAGMA user_version = 1;").unwrap();
    drop(file);
    let sandbox = Sandbox::start(Options { database: database.clone(), ..Options::default() }).unwrap();
    let crm = Faulty { sandbox, folder };
    assert_eq!((crm.stored("Kept"), crm.ledger().len()), ((1, 0), 0));
    assert_eq!(crm.get("/accounts").json()["metadata"]["total_count"], 13);
    crm.post("Later").unwrap();
    assert_eq!(crm.stored("Later"), (1, 1));
    let file = Connection::open(crm.file()).unwrap();
    assert_eq!(file.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)), Ok(2));
    file.execute_batch("PRAGMA user_version = 3;").unwrap();
    drop(file);
    let newer = Sandbox::start(Options { database, ..Options::default() }).unwrap_err();
    assert!(newer.to_string().contains("newer carafe"), "{newer}");
}
