//! Hostile inputs 42 to 50: answers that no CRM should give.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Call, Desk, Done};
use crate::tiny::{Reply, Tiny, accounts};

fn import(desk: &Desk, address: &str) -> Call {
    let arguments = ["import", "a.csv", "--object", "accounts", "--json", "--retries", "0"];
    desk.carafe(arguments).at(address)
}

/// Imports one row whose POST is answered like this.
fn answered(status: u16, body: &str) -> (Tiny, Desk, Done) {
    let reply = Reply::Answer(status, vec![("content-type", "application/json".into())], body.to_owned());
    let crm =
        Tiny::scripted(accounts(&[]), move |request, _| (request.method == "POST").then(|| reply.clone()));
    let desk = Desk::with("a.csv", "name\nX\n");
    let done = import(&desk, &crm.address()).run();
    (crm, desk, done)
}

/// A record of accounts, written by hand so that it may be wrong.
fn record(fields: &str) -> String {
    format!(
        "{{\"metadata\":{{\"object_type\":\"record\",\"record_type\":\"account\"}},\"record\":{{{fields}}}}}"
    )
}

/// A server that begins an answer and goes on for ever, or until nobody listens.
fn endless(begin: &'static [u8], more: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(begin);
                let piece = more.repeat(8_192 / more.len());
                while stream.write_all(&piece).is_ok() {}
            });
        }
    });
    format!("http://{address}")
}

#[test]
fn h42_answers_without_an_end_are_cut_off() {
    for (begin, more) in [
        (&b"HTTP/1.1 200 OK\r\n"[..], &b"x-more: 0123456789\r\n"[..]),
        (b"HTTP/1.1 200 OK\r\nx-long: ", b"0123456789abcdef"),
        (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[", b"{\"name\":\"x\"},  "),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"10\r\n0123456789abcdef\r\n"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;", b"0123456789abcdef"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"0123456789abcdef"),
    ] {
        let (address, begun) = (endless(begin, more), Instant::now());
        let desk = Desk::with("a.csv", "name\nX\n");
        let done = import(&desk, &address).env("CARAFE_TIMEOUT", "2").run();
        let told = format!("{} {done:?}", String::from_utf8_lossy(begin));
        done.is(3);
        assert!(begun.elapsed() < Duration::from_secs(40), "{told}");
        assert!(done.stderr.len() < 2_000, "{told}");
    }
}

#[test]
fn h43_h44_a_record_that_is_not_exactly_ours_is_never_taken_for_stored() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in [
        &record(&format!("\"id\":7,\"name\":{deep}")),
        &deep,
        &record("\"id\":7,\"id\":8,\"name\":\"X\""),
        &record("\"id\":7,\"\\u0069d\":8,\"name\":\"X\""),
        &record("\"id\":NaN,\"name\":\"X\""),
        &record("\"id\":1e999,\"name\":\"X\""),
        &record("\"id\":99999999999999999999999,\"name\":\"X\""),
        &record("\"id\":7.5,\"name\":\"X\""),
        &record("\"id\":0,\"name\":\"X\""),
        &record("\"id\":-7,\"name\":\"X\""),
        &record("\"id\":\"seven\",\"name\":\"X\""),
        &record("\"id\":null,\"name\":\"X\""),
        &record("\"id\":[7],\"name\":\"X\""),
        &record("\"name\":\"X\""),
        &record("\"id\":7,\"name\":\"\\ud800\""),
        &record("\"id\":7,\"name\":\"X\"").replace("account", "campaign"),
        &record("\"id\":7,\"name\":\"X\"").replace("record\",\"", "list\",\""),
        &format!("{}x", record("\"id\":7,\"name\":\"X\"")),
        &"null".to_owned(),
        &String::new(),
    ] {
        let (crm, _, done) = answered(201, body);
        let told = body.chars().take(120).collect::<String>();
        assert_eq!(done.code, Some(7), "{told} {done:?}");
        assert_eq!(done.rows(), json!({ "read": 1, "unknown": 1 }), "{told}");
        assert_eq!(crm.asked_by("POST").len(), 1, "{told}");
    }
}

#[test]
fn h45_a_message_without_measure_is_cut_wherever_it_is_written() {
    let long = format!("<b>No</b>\n\u{1b}[2J{}", "x".repeat(1 << 20));
    for body in [
        json!({ "message": long }),
        json!({ "message": "No.", "validation": { "name": [long.clone()] } }),
        json!({ "message": "No.", "validation": { (long.clone()): ["Required"] } }),
        json!({ "error": { "message": long } }),
    ] {
        for status in [400, 422] {
            let (_crm, desk, done) = answered(status, &body.to_string());
            done.is(4);
            assert!(done.stdout.len() + done.stderr.len() < 20_000, "{status}");
            for file in ["rejects.csv", "errors.jsonl", "summary.json"] {
                assert!(desk.run_text(file).len() < 20_000, "{status}: {file}");
            }
            assert!(!done.stderr.contains('\u{1b}'), "{}", done.stderr);
        }
    }
}

#[test]
fn h46_names_of_fields_are_no_paths_and_do_nothing_to_a_terminal() {
    let odd = ["__proto__", "a/b", "../../x", "con", "=cmd|' /C calc'!A0", "\u{1b}[2J\u{202e}", "{{7*7}}"];
    let many = (0..1_900).map(|n| format!("field{n}"));
    let names: Vec<String> = odd.iter().map(|&name| name.to_owned()).chain(many).collect();
    let fields: serde_json::Value = ["id", "name"]
        .into_iter()
        .chain(names.iter().map(String::as_str))
        .map(|name| json!({ "fieldname": name, "fieldtype": "Text", "mandatory": "No" }))
        .collect();
    let crm = Tiny::scripted(
        accounts(&[json!({ "id": 7, "name": "A", "a/b": "x", "../../x": "y" })]),
        move |request, _| request.path.starts_with("/datadictionary/").then(|| Reply::json(200, &fields)),
    );
    let desk = Desk::with("a.csv", "name,a/b,../../x\nB,1,2\n");
    for arguments in [
        &["describe", "accounts"][..],
        &["check", "a.csv", "--object", "accounts"],
        &["import", "a.csv", "--object", "accounts"],
        &["draft", "a.csv", "--object", "accounts", "-o", "m.yaml"],
        &["export", "accounts", "-o", "out.csv"],
        &["export", "accounts", "-o", "out.xlsx"],
        &["export", "accounts", "-o", "out", "--format", "jsonl"],
    ] {
        let done = desk.carafe(arguments.iter().copied()).at(&crm.address()).run();
        done.is(0);
        let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!done.stdout.contains(acts) && !done.stderr.contains(acts), "{arguments:?}");
    }
    let mut found: Vec<_> =
        std::fs::read_dir(desk.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    found.sort();
    assert_eq!(
        found,
        [
            ".carafe",
            "a.csv",
            "m.yaml",
            "out",
            "out.csv",
            "out.csv.manifest.json",
            "out.xlsx",
            "out.xlsx.manifest.json"
        ]
    );
    assert_eq!(std::fs::read_dir(desk.path("out")).unwrap().count(), 2, "the file and its manifest");
    let created = crm.records("accounts").into_iter().find(|record| record["name"] == "B").unwrap();
    assert_eq!((&created["a/b"], &created["../../x"]), (&json!("1"), &json!("2")));
}

#[test]
fn h46_more_fields_than_any_object_has_are_refused() {
    let fields: serde_json::Value =
        (0..10_000).map(|n| json!({ "fieldname": format!("field{n}"), "fieldtype": "Text" })).collect();
    let crm = Tiny::scripted(accounts(&[]), move |_, _| Some(Reply::json(200, &fields)));
    let done = Desk::new().carafe(["describe", "accounts"]).at(&crm.address()).ends_with(2);
    assert!(done.stderr.contains("it names 10000 fields, more than 2000"), "{}", done.stderr);
}

#[test]
fn h46_names_of_objects_are_no_paths() {
    let crm = Tiny::serve(accounts(&[]));
    for object in ["../../etc", "accounts/7", "accounts?limit=1", "a%2fb", "..", "accounts#x", "\u{1b}[2J"] {
        let desk = Desk::with("a.csv", "name\nX\n");
        let done = desk.carafe(["import", "a.csv", "--object", object]).at(&crm.address()).run();
        assert!(matches!(done.code, Some(2 | 3)), "{object}: {done:?}");
        let exported = ["export", object, "-o", "out", "--format", "csv"];
        assert_ne!(desk.carafe(exported).at(&crm.address()).run().code, Some(0), "{object}");
        let paths = crm.asked().iter().map(|request| request.path.clone()).collect::<Vec<_>>();
        assert!(paths.iter().all(|path| path.starts_with("/datadictionary")), "{object}: {paths:?}");
        assert_eq!(crm.writes(), 0);
    }
}

#[test]
fn h47_a_redirect_to_any_scheme_is_refused_and_gets_no_token() {
    for target in
        ["http://127.0.0.1:1/x", "file:///etc/passwd", "//elsewhere.invalid/", "/login", "ftp://x/", ""]
    {
        let crm = Tiny::scripted(accounts(&[]), move |request, _| {
            (request.method == "POST").then(|| Reply::html(302, "").header("location", target))
        });
        let desk = Desk::with("a.csv", "name\nX\n");
        let done = import(&desk, &crm.address()).ends_with(3);
        assert_eq!(done.rows(), json!({ "read": 1, "unprocessed": 1 }), "{target}");
        assert!(!done.stderr.contains("passwd"), "{}", done.stderr);
        assert_eq!(crm.asked_by("POST").len(), 1, "{target}");
    }
}

#[test]
fn h49_cookies_are_not_kept_and_statuses_that_nobody_knows_are_no_success() {
    let crm = Tiny::scripted(accounts(&[]), |request, before| {
        (request.method == "GET" && before < 1)
            .then(|| Reply::error(503, "Busy").header("set-cookie", "session=1; Path=/"))
    });
    let desk = Desk::with("a.csv", "name\nA\nB\n");
    desk.carafe(["import", "a.csv", "--object", "accounts"]).at(&crm.address()).ends_with(0);
    assert!(crm.asked().len() >= 4 && crm.asked().iter().all(|request| request.header("cookie").is_none()));
    for status in [202, 206, 226, 299, 600, 999] {
        let (crm, _, done) = answered(status, &record("\"id\":7,\"name\":\"X\""));
        assert_eq!(done.code, Some(7), "{status}: {done:?}");
        assert_eq!(done.rows(), json!({ "read": 1, "unknown": 1 }), "{status}");
        assert_eq!(crm.asked_by("POST").len(), 1, "{status}");
    }
}

#[test]
fn h50_a_list_with_records_of_another_kind_is_no_list() {
    let foreign = json!({ "metadata": { "object_type": "list", "total_count": 1, "has_more": false },
        "list": [{ "metadata": { "object_type": "record", "record_type": "campaign" }, "record": { "id": 7, "name": "A" } }] });
    let crm = Tiny::scripted(accounts(&[]), move |request, _| {
        (request.path == "/accounts").then(|| Reply::json(200, &foreign))
    });
    let desk = Desk::new();
    let done = desk
        .carafe(["export", "accounts", "-o", "out.csv", "--retries", "0"])
        .at(&crm.address())
        .ends_with(3);
    assert!(done.stderr.contains("cannot be understood"), "{}", done.stderr);
    assert!(!desk.path("out.csv").exists());
}
