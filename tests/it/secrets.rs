//! The token is in nothing that is written or shown, and foreign text does
//! nothing to a terminal.

use std::path::Path;

use serde_json::json;

use crate::support::{Desk, Done};
use crate::tiny::{Reply, Tiny, accounts};

const CANARY: &str = "canary-T0KEN-7f3a9c";

/// Every byte of every file below a folder.
fn bytes_below(folder: &Path, out: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bytes_below(&path, out);
        } else {
            out.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

#[track_caller]
fn no_canary(desk: &Desk, done: &Done) {
    let mut all = vec![
        ("stdout".to_owned(), done.stdout.clone().into_bytes()),
        ("stderr".to_owned(), done.stderr.clone().into_bytes()),
    ];
    bytes_below(&desk.path("."), &mut all);
    for (name, bytes) in all {
        let found = bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes());
        assert!(!found, "the token is in {name}: {}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_token_that_the_crm_echoes_is_written_nowhere() {
    let echo = format!("the token Bearer {CANARY} is odd");
    let replies = [
        Reply::error(403, &echo),
        Reply::error(422, &echo),
        Reply::json(
            422,
            &json!({ "message": "No.", "validation": { "name": [echo.clone()], CANARY: ["x"] } }),
        ),
        Reply::error(400, &echo),
        Reply::error(500, &echo),
        Reply::html(200, &echo),
        Reply::html(302, &echo).header("location", &format!("https://{CANARY}.example/{CANARY}")),
        Reply::json(201, &json!({ "record": { "id": 1, "name": echo }, "metadata": {} })),
    ];
    for (at, reply) in replies.into_iter().enumerate() {
        let crm = Tiny::scripted(accounts(&[]), move |request, _| {
            (request.method == "POST").then(|| reply.clone())
        });
        let desk = Desk::with("a.csv", "name\nX\n");
        let call =
            desk.carafe(["import", "a.csv", "--object", "accounts", "-v", "--base-url", &crm.address()]);
        let done = call.env("CARAFE_TOKEN", CANARY).run();
        assert_eq!(
            crm.asked_by("POST")[0].header("authorization"),
            Some(format!("Bearer {CANARY}").as_str())
        );
        assert_ne!(done.code, Some(1), "reply {at}");
        no_canary(&desk, &done);
    }
}

#[test]
fn a_token_echoed_before_the_first_row_is_shown_nowhere() {
    for reply in [
        Reply::error(403, &format!("bad token {CANARY}")),
        Reply::html(200, CANARY),
        Reply::json(200, &json!({ "answer": CANARY })),
        Reply::error(500, CANARY),
    ] {
        let crm = Tiny::scripted(accounts(&[]), move |_, _| Some(reply.clone()));
        for json in [&["--json"][..], &[]] {
            let desk = Desk::with("a.csv", "name\nX\n");
            let arguments = ["import", "a.csv", "--object", "accounts", "--retries", "0"];
            let call = desk.carafe(arguments.into_iter().chain(json.iter().copied()));
            let done = call.env("CARAFE_BASE_URL", &crm.address()).env("CARAFE_TOKEN", CANARY).run();
            no_canary(&desk, &done);
        }
    }
}

#[test]
fn help_does_not_show_what_the_environment_holds() {
    let desk = Desk::new();
    for command in ["import", "export", "describe"] {
        let done = desk
            .carafe([command, "--help"])
            .env("CARAFE_TOKEN", CANARY)
            .env("CARAFE_BASE_URL", "https://u:pw-canary@x")
            .ends_with(0);
        no_canary(&desk, &done);
        assert!(!done.stdout.contains("pw-canary"));
    }
}

#[test]
fn no_option_takes_the_token_itself() {
    let done = Desk::new().carafe(["describe", "--token", CANARY]).ends_with(2);
    assert!(!done.stdout.contains(CANARY));
}

/// Clears the screen, sets the clipboard, rings, turns the writing direction.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]52;c;AAAA\u{7}\u{202e}evil";

#[track_caller]
fn harmless(done: &Done) {
    for (name, text) in [("stdout", &done.stdout), ("stderr", &done.stderr)] {
        let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(acts), "{name}: {text:?}");
    }
}

#[test]
fn escapes_in_cells_headers_and_names_come_out_escaped() {
    let desk = Desk::with("a.csv", format!("name,type,x\u{1b}[2J\u{202e}\n\"{HOSTILE}\",\"{HOSTILE}\",1\n"));
    let crm = crate::support::Crm::start();
    let checked = crm.carafe(&desk, ["check", "a.csv", "--object", "accounts"]).run();
    checked.is(4);
    harmless(&checked);
    assert!(checked.stdout.contains("\\u{1B}[2J"), "{}", checked.stdout);
    harmless(&crm.carafe(&desk, ["import", "a.csv", "--object", "accounts"]).run());
    harmless(&crm.carafe(&desk, ["import", "a.csv", "--object", HOSTILE]).run());
    let name = format!("{}.csv", "no\u{1b}[2Jfile");
    harmless(&crm.carafe(&desk, ["import", &name, "--object", "accounts"]).run());
    harmless(&crm.carafe(&desk, ["lookup", &format!("accounts.{HOSTILE}")]).run());
    harmless(&crm.carafe(&desk, ["runs", HOSTILE]).run());
    harmless(&crm.carafe(&desk, ["export", "accounts", "-o", "x.csv", "--where", HOSTILE]).run());
    desk.write(
        "m.yaml",
        format!(
            "version: 1\nobject: accounts\nfields:\n  name: \"x{}\"\n",
            HOSTILE.replace('\u{1b}', "\\e").replace('\u{7}', "\\a")
        ),
    );
    harmless(&crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml"]).run());
}

#[test]
fn escapes_in_what_the_crm_says_come_out_escaped() {
    for status in [400, 403, 422, 500] {
        let crm = Tiny::scripted(accounts(&[]), move |request, _| {
            (request.method == "POST").then(|| {
                Reply::json(status, &json!({ "message": HOSTILE, "validation": { HOSTILE: [HOSTILE] } }))
            })
        });
        let desk = Desk::with("a.csv", "name\nX\n");
        harmless(&desk.carafe(["import", "a.csv", "--object", "accounts"]).at(&crm.address()).run());
        harmless(&desk.carafe(["runs", "last"]).run());
    }
    let page = Tiny::scripted(accounts(&[]), |_, _| Some(Reply::html(200, HOSTILE)));
    harmless(&Desk::new().carafe(["describe", "accounts", "--retries", "0"]).at(&page.address()).run());
}
