//! Documents and their files: `export --content`.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value as Json, json};

use crate::support::{Call, Crm, Desk};
use crate::tables::{Table, Tables, accounts};
use crate::tiny::{Gate, Reply, Request, Tiny};

/// One document with its file, put there without the program.
pub fn upload(crm: &Crm, name: &str, bytes: &[u8]) -> Json {
    upload_at(&crm.address(), name, bytes)
}

fn upload_at(address: &str, name: &str, bytes: &[u8]) -> Json {
    let host = address.strip_prefix("http://").unwrap();
    let mut body = Vec::new();
    for (part, value) in [("ParentId", "95920978"), ("ParentObject", "Account"), ("description", "d")] {
        write!(body, "--b\r\nContent-Disposition: form-data; name=\"{part}\"\r\n\r\n{value}\r\n").unwrap();
    }
    write!(body, "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n")
        .unwrap();
    body.extend_from_slice(bytes);
    body.extend_from_slice(b"\r\n--b--\r\n");
    let mut stream = TcpStream::connect(host).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST /documents HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer sandbox\r\ncontent-length: {length}\r\n\
         content-type: multipart/form-data; boundary=b\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    stream.write_all(&body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 201"), "{answer}");
    serde_json::from_str::<Json>(body).unwrap()["record"].clone()
}

/// A document's file as the CRM has it; none where there is none.
pub fn content(address: &str, id: &Json) -> Option<Vec<u8>> {
    let host = address.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let head = format!("GET /documents/{id}/content HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    write!(stream, "{head}authorization: Bearer sandbox\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    answer.starts_with(b"HTTP/1.1 200").then(|| answer[at + 4..].to_vec())
}

/// Documents `1..=number` of a tiny CRM, called `Document N.txt`.
fn documents(number: u64) -> Tables {
    let fields = vec![
        ("id", "Number", false, 0),
        ("name", "Text", true, 255),
        ("description", "Text", false, 255),
        ("size", "Number", false, 0),
        ("parentid", "Number", false, 0),
        ("parentobject", "Text", false, 50),
        ("modified", "DateTime", false, 0),
    ];
    let record = |n: u64| {
        let record = json!({ "id": n, "name": format!("Document {n}.txt"), "size": 9, "modified": "2026-01-01 00:00:00" });
        record.as_object().unwrap().clone()
    };
    let records = (1..=number).map(record).collect();
    let table = Table { name: "documents", singular: "document", fields, records };
    Tables { tables: vec![table], ..accounts(&[]) }
}

/// The id of the document whose content is asked for.
fn content_of(request: &Request) -> Option<u64> {
    request.path.strip_prefix("/documents/")?.strip_suffix("/content")?.parse().ok()
}

fn file(text: &str) -> Reply {
    Reply::Answer(200, vec![("content-type", "application/octet-stream".into())], text.to_owned())
}

/// A tiny CRM whose documents' files say which they are.
fn with_files(number: u64) -> Tiny {
    Tiny::scripted(documents(number), |request, _| {
        content_of(request).map(|id| file(&format!("content {id}")))
    })
}

fn at<'a>(desk: &Desk, crm: &Tiny, arguments: impl IntoIterator<Item = &'a str>) -> Call {
    desk.carafe(arguments).at(&crm.address()).env("CARAFE_RETRIES", "1")
}

/// Requests for contents so far.
fn loads(crm: &Tiny) -> usize {
    crm.asked().iter().filter(|request| content_of(request).is_some()).count()
}

/// `id` and `file` of each row.
fn files(desk: &Desk, out: &str) -> BTreeMap<u64, String> {
    let mut reader = csv::Reader::from_path(desk.path(out)).unwrap();
    let at = reader.headers().unwrap().iter().position(|name| name == "file").unwrap();
    reader
        .into_records()
        .map(|row| row.unwrap())
        .map(|row| (row[0].parse().unwrap(), row[at].to_owned()))
        .collect()
}

/// The names in a folder, without what is hidden.
fn names(desk: &Desk, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(desk.path(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

const EXPORT: [&str; 6] = ["export", "documents", "-o", "docs/documents.csv", "--content", "docs"];

fn export<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&EXPORT[..], more].concat()
}

#[test]
fn the_files_come_byte_by_byte_and_the_rows_say_where_they_are() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let bytes: Vec<u8> = (0..700_000_u32).map(|n| (n % 253) as u8).collect();
    let mut ids = Vec::new();
    for name in ["Offer \u{e4}.pdf", "b.bin", "c.bin", "d.bin", "e.bin"] {
        ids.push((upload(&crm, name, &bytes)["id"].as_u64().unwrap(), name));
    }
    std::fs::create_dir(desk.path("docs")).unwrap();
    let done = crm.carafe(&desk, EXPORT).ends_with(0);
    let files = files(&desk, "docs/documents.csv");
    for (id, name) in ids {
        // One in four answers tells no name; the record has it.
        assert_eq!(files[&id], format!("{id} {name}"));
        assert!(std::fs::read(desk.path(format!("docs/{id} {name}"))).unwrap() == bytes);
    }
    // The embedded CRM's first documents have no files.
    assert_eq!((files[&7701].as_str(), files[&7702].as_str()), ("", ""));
    for id in [7701, 7702] {
        assert!(done.stderr.contains(&format!("document {id} has no file")), "{done:?}");
    }
    assert!(done.stderr.contains("5 files (3500000 bytes) loaded into"), "{done:?}");
}

#[test]
fn names_from_elsewhere_never_leave_the_folder() {
    let named = [
        "../../escape.txt",
        "/etc/passwd",
        "C:\\\\Windows\\\\x.txt",
        "CON",
        "a\\\"b.txt",
        "..",
        "x\u{202e}fdp.exe",
        ".carafe-documents.jsonl",
    ];
    let crm = Tiny::scripted(documents(named.len() as u64), move |request, _| {
        let id = content_of(request)?;
        let header = format!("attachment; filename=\"{}\"", named[id as usize - 1]);
        Some(file("x").header("content-disposition", &header))
    });
    let desk = Desk::new();
    at(&desk, &crm, ["export", "documents", "-o", "out.csv", "--content", "docs"]).ends_with(0);
    let made = [
        "1 escape.txt",
        "2 passwd",
        "3 x.txt",
        "4 CON",
        "5 a_b.txt",
        "6",
        "7 xfdp.exe",
        "8 carafe-documents.jsonl",
    ];
    assert_eq!(names(&desk, "docs"), made);
    assert_eq!(names(&desk, ""), ["docs", "out.csv", "out.csv.manifest.json"]);
    let files: Vec<String> = files(&desk, "out.csv").into_values().collect();
    assert_eq!(files, made.map(|name| format!("docs/{name}")));
}

#[test]
fn what_is_there_and_complete_is_not_loaded_again() {
    let (crm, desk) = (with_files(120), Desk::new());
    let arguments = export(&["--force"]);
    at(&desk, &crm, arguments.clone()).ends_with(0);
    assert_eq!(loads(&crm), 120);
    // Shortened, gone, changed in the CRM.
    desk.write("docs/1 Document 1.txt", "con");
    std::fs::remove_file(desk.path("docs/2 Document 2.txt")).unwrap();
    crm.change("documents", 3, "modified", json!("2026-02-02 00:00:00"));
    let done = at(&desk, &crm, arguments).ends_with(0);
    assert_eq!(loads(&crm), 123);
    assert!(
        done.stderr.contains("3 files (27 bytes) loaded into")
            && done.stderr.contains("117 were there already")
    );
    assert_eq!(desk.text("docs/1 Document 1.txt"), "content 1");
    assert_eq!(files(&desk, "docs/documents.csv").len(), 120);
}

#[test]
fn an_interrupted_export_goes_on_and_loads_no_file_twice() {
    let (crm, desk) = (with_files(250), Desk::new());
    at(&desk, &crm, export(&["--max-calls", "80", "--concurrency", "4"])).ends_with(6);
    assert!(!desk.path("docs/documents.csv").exists());
    let before = loads(&crm);
    assert!(before > 50 && names(&desk, "docs").iter().all(|name| name.ends_with(".txt")), "{before}");
    at(&desk, &crm, ["resume", "last"]).ends_with(0);
    assert_eq!(loads(&crm), 250);
    let files = files(&desk, "docs/documents.csv");
    assert_eq!(files.len(), 250);
    for (id, name) in files {
        assert_eq!(desk.text(format!("docs/{name}")), format!("content {id}"));
    }
    // No part is left, and the index alone is hidden.
    assert_eq!(std::fs::read_dir(desk.path("docs")).unwrap().count(), 250 + 3);
}

#[test]
fn a_cancelled_export_leaves_no_half_file() {
    let gate = Gate::default();
    let held = gate.clone();
    let crm = Tiny::scripted(documents(30), move |request, before| {
        let id = content_of(request)?;
        if before >= 12 {
            held.wait();
        }
        Some(file(&format!("content {id}")))
    });
    let desk = Desk::new();
    let running = at(&desk, &crm, export(&["--concurrency", "2"])).start();
    crm.wait_for("GET", 13);
    running.signal("INT");
    let done = running.end();
    gate.open();
    assert_eq!(done.code, Some(5), "{done:?}");
    assert!(done.stderr.contains("carafe resume"), "{done:?}");
    for name in names(&desk, "docs") {
        assert!(desk.text(format!("docs/{name}")).starts_with("content "), "{name}");
    }
    at(&desk, &crm, ["resume", "last"]).ends_with(0);
    assert_eq!(files(&desk, "docs/documents.csv").len(), 30);
}

#[test]
fn a_file_that_breaks_off_or_meets_an_error_is_loaded_again_from_its_beginning() {
    let desk = Desk::new();
    let crm = crate::support::Served::start(&desk, "truncated-reads=30%,seed=3");
    let bytes = b"0123456789".repeat(20_000);
    let address = crm.address().to_owned();
    let ids: Vec<u64> =
        (0..9).map(|n| upload_at(&address, &format!("{n}.bin"), &bytes)["id"].as_u64().unwrap()).collect();
    desk.carafe(EXPORT).at(&address).env("CARAFE_RETRIES", "40").ends_with(0);
    let files = files(&desk, "docs/documents.csv");
    for id in ids {
        assert!(std::fs::read(desk.path(format!("docs/{}", files[&id]))).unwrap() == bytes, "{id}");
    }
}

#[test]
fn documents_without_a_file_are_told_and_a_bad_token_is_not_taken_for_one() {
    let answer = |id: u64| match id {
        1 => Reply::error(404, "Record or page not found"),
        2 => Reply::error(403, "This action is unauthorized."),
        3 => Reply::error(400, "Bad request"),
        id => file(&format!("content {id}")),
    };
    let crm = Tiny::scripted(documents(5), move |request, _| content_of(request).map(answer));
    let desk = Desk::new();
    let done = at(&desk, &crm, EXPORT).ends_with(0);
    let files = files(&desk, "docs/documents.csv");
    assert_eq!(files.values().filter(|name| name.is_empty()).count(), 3);
    for id in 1..=3 {
        assert!(done.stderr.contains(&format!("document {id} has no file: ")), "{done:?}");
    }
    for reply in [
        Reply::error(403, "Unauthenticated"),
        Reply::error(402, "Please check your access token"),
        Reply::json(302, &json!({})).header("location", "https://elsewhere.invalid/x"),
        Reply::html(200, "Please sign in"),
        Reply::json(200, &json!({ "message": "API call limit exceeded for your account" })),
    ] {
        let code =
            if matches!(&reply, Reply::Answer(200, _, body) if body.contains("limit")) { 6 } else { 3 };
        let crm = Tiny::scripted(documents(5), move |request, _| content_of(request).map(|_| reply.clone()));
        let desk = Desk::new();
        at(&desk, &crm, EXPORT).ends_with(code);
        assert!(!desk.path("docs/documents.csv").exists() && names(&desk, "docs").is_empty());
    }
}

#[test]
fn somebody_elses_file_is_not_replaced_and_a_folder_is_of_one_crm() {
    let (crm, desk) = (with_files(3), Desk::new());
    std::fs::create_dir(desk.path("docs")).unwrap();
    desk.write("docs/2 Document 2.txt", "mine");
    let done = at(&desk, &crm, EXPORT).ends_with(2);
    assert!(done.stderr.contains("there already") && done.stderr.contains("2 Document 2.txt"), "{done:?}");
    assert_eq!(desk.text("docs/2 Document 2.txt"), "mine");
    at(&desk, &crm, export(&["--force"])).ends_with(0);
    assert_eq!(desk.text("docs/2 Document 2.txt"), "content 2");
    let other = with_files(3);
    let done = at(&desk, &other, export(&["--force"])).ends_with(2);
    assert!(
        done.stderr.contains("has the files of") && done.stderr.contains("a folder of its own"),
        "{done:?}"
    );
}

#[test]
fn only_documents_have_files() {
    let (crm, desk) = (Crm::start(), Desk::new());
    for objects in [&["accounts"][..], &["documents", "accounts"]] {
        let rest = ["-o", "out.xlsx", "--content", "docs"];
        let done = crm.carafe(&desk, [&["export"], objects, &rest[..]].concat()).ends_with(2);
        assert!(
            done.stderr.contains("--content loads the files of documents, and accounts has none"),
            "{done:?}"
        );
    }
    assert!(!desk.path("docs").exists() && !desk.path("out.xlsx").exists());
}

#[test]
fn with_incremental_only_what_is_new_is_loaded_into_every_form() {
    for out in ["docs/a.jsonl", "docs/a.sqlite", "docs/a.xlsx", "docs/a.parquet"] {
        let (crm, desk) = (with_files(20), Desk::new());
        let arguments = [
            "export",
            "documents",
            "-o",
            out,
            "--content",
            "docs",
            "--incremental",
            "--force",
            "--fields",
            "id,name",
        ];
        at(&desk, &crm, arguments).ends_with(0);
        assert_eq!(loads(&crm), 20);
        crm.change("documents", 7, "modified", json!("2099-01-01 00:00:00"));
        let done = at(&desk, &crm, arguments).ends_with(0);
        assert_eq!(loads(&crm), 21, "{out}");
        assert!(done.stderr.contains("1 file (9 bytes) loaded"), "{done:?}");
        if out.ends_with("jsonl") {
            let row: Json = serde_json::from_str(&desk.text(out)).unwrap();
            assert_eq!(row, json!({ "id": 7, "name": "Document 7.txt", "file": "7 Document 7.txt" }));
        }
    }
}

#[test]
fn names_within_a_folder_elsewhere_are_told_as_such() {
    let (crm, desk) = (with_files(2), Desk::new());
    std::fs::create_dir(desk.path("out")).unwrap();
    let done = at(&desk, &crm, ["export", "documents", "-o", "out/a.csv", "--content", "docs"]).ends_with(0);
    assert_eq!(files(&desk, "out/a.csv")[&1], "1 Document 1.txt");
    assert!(done.stderr.contains("which is not in the folder of the output"), "{done:?}");
}
