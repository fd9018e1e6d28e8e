//! Foreign text does nothing to a terminal: in cells, headers and names, in
//! records and lists, and in whatever the CRM says.

use serde_json::{Map, Value as Json, json};

use crate::support::{Crm, Desk, Done};
use crate::tiny::{Reply, Tiny, accounts};

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
    let crm = Crm::start();
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

/// A record with hostile values, beside one to be found by its key.
fn hostile_records() -> [Json; 2] {
    [json!({ "id": 7, "name": "A", "phone": HOSTILE }), json!({ "id": 8, "name": HOSTILE, "phone": HOSTILE })]
}

const KEYED: &str = "version: 1\nobject: accounts\nmatch: [name]\nfields:\n  name: name\n  phone: phone\n";

#[test]
fn escapes_in_records_and_lists_come_out_escaped() {
    let list = json!({ "metadata": {}, "items": [HOSTILE] });
    let crm = Tiny::scripted(accounts(&hostile_records()), move |request, _| {
        request.path.starts_with("/lookup/").then(|| Reply::json(200, &list))
    });
    let fields = json!({ "objects": { "accounts": { "fields": [
        { "name": "name", "type": "text" }, { "name": "phone", "type": "text", "values": [HOSTILE], "label": HOSTILE } ] } } });
    let desk = Desk::with("a.csv", "name,phone\nA,2\n");
    desk.write("m.yaml", KEYED);
    desk.write("fields.json", fields.to_string());
    let run = |line: &str| {
        let done = desk.carafe(line.split(' ')).at(&crm.address()).run();
        harmless(&done);
        done
    };
    // The plan shows values before and after.
    let planned = run("import a.csv -m m.yaml --dry-run");
    planned.is(0);
    // Somebody changes the record meanwhile, to something as bad: a conflict that shows both.
    crm.restore("accounts", json!({ "id": 7, "name": "A", "phone": format!("{HOSTILE}2") }));
    let applied = run("apply last");
    applied.is(4);
    assert!(applied.stdout.contains("\\u{1B}"), "{}", applied.stdout);
    for line in [
        "export accounts -o out.csv",
        "lookup accounts.phone --dictionary fields.json",
        "describe accounts --dictionary fields.json",
        "check a.csv -m m.yaml --dictionary fields.json",
        "draft a.csv --object accounts -o m2.yaml --dictionary fields.json",
        "runs",
        "runs last",
    ] {
        run(line);
    }
}

#[test]
fn escapes_in_what_settle_and_verify_show_come_out_escaped() {
    let alter = |record: &mut Map<String, Json>| {
        if record["name"].as_str().is_some_and(|name| name.starts_with("Lost") || name.starts_with("Kept")) {
            record.insert("phone".to_owned(), json!(HOSTILE));
        }
    };
    let loses = |request: &crate::tiny::Request, _| {
        let is_lost =
            request.method == "POST" && request.json()["name"].as_str().unwrap().starts_with("Lost");
        is_lost.then_some(Reply::StoreAndReset)
    };
    let crm = Tiny::scripted_and_altered(accounts(&[]), loses, alter);
    let desk = Desk::with("a.csv", "name,phone\nLost,1\nKept,2\n");
    desk.write("m.yaml", KEYED);
    let run = |line: &str, code: i32| {
        let done = desk.carafe(line.split(' ')).at(&crm.address()).run();
        done.is(code);
        harmless(&done);
        assert!(done.stdout.contains("\\u{1B}") || code == 7, "{line}: {}", done.stdout);
        done
    };
    run("import a.csv -m m.yaml", 7);
    let settled = run("settle last", 7);
    assert!(settled.stdout.contains("\\u{1B}"), "{}", settled.stdout);
    run("verify last", 4);
}

#[test]
fn escapes_in_a_file_that_changed_and_in_addresses_come_out_escaped() {
    let crm = Tiny::scripted(accounts(&[]), |request, before| {
        (request.method == "POST" && before >= 1)
            .then(|| Reply::html(302, HOSTILE).header("location", "https://x\u{202e}y.example/"))
    });
    let desk = Desk::with("a.csv", "name,phone\nA,1\nB,2\n");
    desk.write("m.yaml", KEYED);
    let import = desk.carafe(["import", "a.csv", "-m", "m.yaml", "--concurrency", "1"]);
    harmless(&import.at(&crm.address()).ends_with(3));
    desk.write("m.yaml", KEYED.replace("phone: phone", &format!("phone: \"{HOSTILE}\"")));
    harmless(&desk.carafe(["resume", "last"]).at(&crm.address()).ends_with(2));
    desk.write("m.yaml", KEYED);
    desk.write("a.csv", format!("name,phone\n{HOSTILE},1\n"));
    harmless(&desk.carafe(["resume", "last"]).at(&crm.address()).ends_with(2));
    for address in ["http://x\u{1b}[2J/", "https://\u{202e}example.com", "nonsense\u{7}"] {
        harmless(&desk.carafe(["describe", "--retries", "0"]).at(address).env("CARAFE_TIMEOUT", "1").run());
    }
    let folder = format!("runs\u{1b}[2J{}", "x");
    harmless(&desk.carafe(["runs", "--runs-dir", &folder]).run());
    harmless(&desk.carafe(["runs", "last", "--runs-dir", &folder]).run());
    let imported = desk.carafe(["import", "a.csv", "-m", "m.yaml", "-v", "--runs-dir", &folder, "--sandbox"]);
    harmless(&imported.run());
    harmless(&desk.carafe(["runs", "last", "--runs-dir", &folder]).run());
}

#[test]
fn escapes_in_names_of_files_and_in_what_was_typed_come_out_escaped() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let name = "no\u{1b}[2J\u{202e}rows.csv";
    desk.write(name, "name\n");
    for arguments in [
        &["import", name, "--object", "accounts"][..],
        &["check", name, "--object", "accounts"],
        &["draft", name, "--object", "accounts", "-o", "-"],
        &["export", "accounts", "-o", "x.csv", "--q", HOSTILE],
        &["export", "accounts", "-o", "x.csv", "--q", "\"\\u001b[2J\\u202e\""],
        &["export", "accounts", "-o", "x\u{1b}[2J\u{202e}.csv"],
        &["export", "accounts", "-o", "no\u{1b}[2J/x.csv"],
        &["describe", "--save", "x\u{1b}[2J\u{202e}.json"],
        &["import", name, "--object", "accounts", "--rejects", "no\u{202e}/x.csv"],
        &["import", name, "--object", "accounts", "--ref-field", HOSTILE],
        &["import", name, "--object", "accounts", "--token-file", "no\u{1b}[2J"],
        &["import", name, "--object", "accounts", "--dictionary", "no\u{1b}[2J"],
        &["import", name, "-m", "no\u{1b}[2J"],
        &["import", name, "--object", "accounts", "--sandbox=no\u{1b}[2J/x"],
    ] {
        harmless(&crm.carafe(&desk, arguments.iter().copied()).run());
    }
}
