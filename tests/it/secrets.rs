//! The token is in nothing that is written or shown, and what is written is
//! open to its user alone.

use std::io::{Cursor, Read};
use std::path::Path;

use serde_json::json;

use crate::support::{Desk, Done, Running, percent};
use crate::tiny::{Gate, Reply, Request, Tiny, accounts};

const CANARY: &str = "canary-T0KEN-7f3a9c";

/// A token that looks different wherever it is written by other rules.
const ODD_CANARY: &str = "c4n\"ry\\T0K/EN+7f%3A=9c&<x>.eyJ";

/// A token in every spelling that a server, a page or a file may have it in.
fn spellings(token: &str) -> Vec<String> {
    let in_json = json!(token).to_string();
    let in_json = in_json.trim_matches('"').to_owned();
    let in_html =
        token.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let spellings = [
        token.to_owned(),
        percent(token),
        percent(token).to_lowercase(),
        in_json.replace('/', "\\/"),
        in_json,
        in_html.replace("&quot;", "\""),
        in_html,
    ];
    spellings.into()
}

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

/// What is packed in a workbook.
fn unpacked(bytes: Vec<u8>) -> Vec<Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let number = archive.len();
    let unpack = |at: usize| {
        let mut content = Vec::new();
        archive.by_index(at).unwrap().read_to_end(&mut content).unwrap();
        content
    };
    (0..number).map(unpack).collect()
}

/// The token is in no stream and in no file, in no spelling.
#[track_caller]
fn no_token(token: &str, desk: &Desk, done: &Done) {
    let mut all = vec![
        ("stdout".to_owned(), done.stdout.clone().into_bytes()),
        ("stderr".to_owned(), done.stderr.clone().into_bytes()),
    ];
    bytes_below(&desk.path("."), &mut all);
    for (name, bytes) in all {
        // A CSV doubles its quotes.
        let in_csv = token.replace('"', "\"\"");
        let parts = if name.ends_with(".xlsx") { unpacked(bytes) } else { vec![bytes] };
        for bytes in parts {
            for spelled in spellings(token).iter().chain([&in_csv]) {
                let found =
                    bytes.windows(spelled.len()).any(|part| part.eq_ignore_ascii_case(spelled.as_bytes()));
                assert!(!found, "{spelled} is in {name}: {}", String::from_utf8_lossy(&bytes));
            }
        }
    }
}

#[track_caller]
fn no_canary(desk: &Desk, done: &Done) {
    no_token(CANARY, desk, done);
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

/// Answers that echo the token in every place that a server has for it.
fn echoes(token: &'static str) -> impl Fn(&Request, usize) -> Option<Reply> + Send + Sync {
    move |request, before| {
        let echo = format!("no. {before}: {} of Bearer {token}", spellings(token).join(" and "));
        let host = format!("https://{}.example/{}", token.to_lowercase(), percent(token));
        let page =
            |status| Reply::html(status, &echo).header("x-token", token).header("www-authenticate", token);
        if request.method == "GET" && request.path == "/accounts" && before % 4 == 3 {
            return Some(if before % 8 == 3 { Reply::error(500, &echo) } else { page(502) });
        }
        if !matches!(request.method.as_str(), "POST" | "PATCH") {
            return None;
        }
        let faults = json!({ "message": echo, "validation": { "phone": [{ token: [echo.clone()] }], token: [echo.clone()] } });
        Some(match before {
            0 => Reply::error(422, &echo),
            1 => Reply::json(422, &faults),
            2 => Reply::error(400, &echo),
            3 => Reply::error(500, &echo),
            4 => page(200),
            5 => page(503).header("retry-after", "0"),
            6 => Reply::json(201, &json!({ "record": { "name": echo }, "metadata": { "url": echo } })),
            7 => Reply::Answer(201, vec![("content-type", token.to_owned())], format!("{{\"{echo}")),
            8 => Reply::json(201, &json!({ "record": { "id": token }, (token): token })),
            9 => Reply::error(429, &echo).header("retry-after", "0"),
            10 => Reply::json(200, &json!({ "message": format!("API limit exceeded: {echo}") })),
            12 => page(302).header("location", &host),
            14 => Reply::error(403, &echo),
            _ => return None,
        })
    }
}

#[test]
fn the_token_is_in_no_byte_that_any_command_writes() {
    for from_file in [false, true] {
        let crm = Tiny::scripted(
            accounts(&[json!({ "id": 7, "name": "Known", "phone": "1", "leadscore": 3 })]),
            echoes(ODD_CANARY),
        );
        let elsewhere = Desk::with("token", ODD_CANARY);
        let desk = Desk::new();
        let rows: String = (0..30).map(|n| format!("Row {n},{n}\n")).collect();
        desk.write("a.csv", format!("name,phone\nKnown,2\n{rows}"));
        desk.write(
            "m.yaml",
            "version: 1\nobject: accounts\nmatch: [name]\nfields:\n  name: name\n  phone: phone\n",
        );
        let run = |line: &str| -> Done {
            let call = desk.carafe(line.split(' ')).env("CARAFE_BASE_URL", &crm.address());
            let call = call.env("CARAFE_CONCURRENCY", "1").env("CARAFE_RETRIES", "3");
            let done = match from_file {
                true => call.env("CARAFE_TOKEN_FILE", elsewhere.path("token").to_str().unwrap()).run(),
                false => call.env("CARAFE_TOKEN", ODD_CANARY).run(),
            };
            assert_ne!(done.code, Some(1), "{line}: {done:?}");
            no_token(ODD_CANARY, &desk, &done);
            done
        };
        run("import a.csv -m m.yaml --verbose");
        let first = format!("resume {}", desk.run().file_name().unwrap().to_str().unwrap());
        for _ in 0..4 {
            run("resume last --verbose");
            run("resume last --json");
            run("settle last --json");
        }
        run("undo last --yes -v");
        crm.heal();
        run("resume last");
        run(&first);
        run(&first.replace("resume", "settle"));
        run(&first.replace("resume", "retry"));
        run("runs -v");
        for line in [
            "verify last -v",
            "verify last --json",
            "runs",
            "runs last --json",
            "describe -v",
            "describe accounts --json",
            "check a.csv -m m.yaml -v",
            "draft a.csv --object accounts -o drafted.yaml",
            "export accounts -o out.csv -v",
            "export accounts -o out.xlsx --json",
            "export accounts -o out.jsonl",
            "import a.csv -m m.yaml --dry-run --json",
            "apply last -v",
        ] {
            run(line);
        }
        assert!(
            desk.path("out.xlsx").exists() && desk.runs().iter().any(|run| run.join("verify.csv").exists())
        );
        let sent = format!("Bearer {ODD_CANARY}");
        assert!(crm.asked().len() > 60);
        assert!(crm.asked().iter().all(|request| request.header("authorization") == Some(&sent)));
        assert!(crm.records("accounts").len() > 15);
    }
}

#[test]
fn a_token_in_the_environment_is_not_in_the_sandboxs_file() {
    let desk = Desk::with("a.csv", "name\nX\n");
    let faults = "500-before=30%,reset-after=30%,wrong=20%,seed=7";
    for _ in 0..3 {
        let call = desk.carafe(["import", "a.csv", "--object", "accounts", "--sandbox=crm.db", "-v"]);
        no_canary(&desk, &call.env("CARAFE_TOKEN", CANARY).env("CARAFE_SANDBOX_FAULTS", faults).run());
    }
    assert!(desk.path("crm.db").exists());
}

#[test]
fn a_run_that_was_killed_leaves_no_token_in_its_files() {
    let (crm, desk, running) = held_run(CANARY);
    running.signal("KILL");
    let done = running.end();
    no_canary(&desk, &done);
    assert!(desk.run().join("run.db-wal").exists());
    drop(crm);
}

/// A run whose first answers are held back for as long as the CRM lives.
fn held_run(token: &str) -> (Tiny, Desk, Running) {
    let gate = Gate::default();
    let crm = Tiny::scripted(accounts(&[]), move |request, _| {
        if request.method == "POST" {
            gate.wait();
        }
        None
    });
    let rows: String = (0..30).map(|n| format!("Row {n},{n}\n")).collect();
    let desk = Desk::with("a.csv", format!("name,phone\n{rows}"));
    let call = desk.carafe(["import", "a.csv", "--object", "accounts", "-v"]);
    let running = call.env("CARAFE_BASE_URL", &crm.address()).env("CARAFE_TOKEN", token).start();
    crm.wait_for("POST", 2);
    (crm, desk, running)
}

/// Everything below a folder that others could read.
#[cfg(unix)]
fn open_to_others(folder: &Path) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        if mode != if path.is_dir() { 0o700 } else { 0o600 } {
            found.push(format!("{mode:o} {}", path.display()));
        }
        if path.is_dir() {
            found.extend(open_to_others(&path));
        }
    }
    found
}

#[cfg(unix)]
#[test]
fn whatever_is_written_is_open_to_its_user_alone() {
    let none: [String; 0] = [];
    // While it works: the log of the store, and the lock.
    let (crm, desk, running) = held_run("sandbox");
    assert_eq!(open_to_others(&desk.path(".carafe")), none);
    assert!(desk.run().join("run.db-wal").exists() && desk.run().join("run.lock").exists());
    running.signal("KILL");
    running.end();
    assert_eq!(open_to_others(&desk.path(".carafe")), none);
    drop(crm);

    // Standard input while the file is planned, with the scratch of an object that is read whole.
    let gate = Gate::default();
    let held = gate.clone();
    let known: Vec<_> = (1..=250).map(|id| json!({ "id": id, "name": format!("Known {id}") })).collect();
    let crm = Tiny::scripted(accounts(&known), move |request, _| {
        if request.query("q").is_some_and(|q| q.contains("$gt")) {
            held.wait();
        }
        request.query("q").is_some_and(|q| q.contains("$in")).then(|| Reply::error(400, "No."))
    });
    let desk = Desk::with("m.yaml", "version: 1\nobject: accounts\nmatch: [name]\nfields:\n  name: name\n");
    let text = format!("name\nKnown 7\nNew\n{}\n", "x".repeat(200));
    std::thread::scope(|scope| {
        let call = desk.carafe(["import", "-", "-m", "m.yaml"]).at(&crm.address()).stdin(text);
        let done = scope.spawn(move || call.run());
        crm.wait_for("GET", 4);
        assert_eq!(open_to_others(&desk.path(".carafe")), none);
        gate.open();
        done.join().unwrap().is(4);
    });
    desk.carafe(["verify", "last"]).at(&crm.address()).ends_with(0);
    assert_eq!(open_to_others(&desk.path(".carafe")), none);
    let run = desk.run();
    for name in ["input.csv", "verify.csv", "rejects.csv", "errors.jsonl", "results.csv", "summary.json"] {
        assert!(run.join(name).is_file(), "{name}");
    }
    // What goes elsewhere.
    for line in [
        "export accounts -o out.csv",
        "export accounts -o out.xlsx",
        "export accounts -o out.jsonl",
        "draft a.csv --object accounts -o drafted.yaml",
        "resume last --rejects mine.csv --results done.csv",
    ] {
        desk.write("a.csv", "name\nX\n");
        desk.carafe(line.split(' ')).at(&crm.address()).run();
    }
    let theirs = |line: &String| !["a.csv", "m.yaml"].iter().any(|own| line.ends_with(own));
    assert_eq!(open_to_others(&desk.path("")).into_iter().filter(theirs).collect::<Vec<_>>(), none);
    assert!(desk.path("mine.csv").exists() && desk.path("drafted.yaml").exists());
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
    for arguments in [
        vec!["describe".to_owned(), "--token".to_owned(), CANARY.to_owned()],
        vec!["describe".to_owned(), format!("--token={CANARY}")],
    ] {
        let desk = Desk::new();
        let done = desk.carafe(arguments.iter().map(String::as_str)).ends_with(2);
        no_canary(&desk, &done);
    }
}

#[test]
fn a_token_in_the_place_of_its_file_is_not_shown() {
    let token = "eyJhbGciOiJIUzI1NiJ9.canary.".to_owned() + &"x9".repeat(600);
    for token in [&token[..], &token[..60]] {
        for json in [&["--json"][..], &[]] {
            let desk = Desk::new();
            let by_flag =
                desk.carafe(["describe", "--token-file", token].into_iter().chain(json.iter().copied()));
            let by_environment = desk.carafe(["describe"].into_iter().chain(json.iter().copied()));
            for call in [by_flag, by_environment.env("CARAFE_TOKEN_FILE", token)] {
                let done = call.ends_with(2);
                assert!(!(done.stdout + &done.stderr).contains("canary"), "{}", done.stderr);
                assert!(done.stderr.contains("is it the token itself?"), "{}", done.stderr);
            }
        }
    }
}
