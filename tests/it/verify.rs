//! `verify`: what was written is read back, and what the CRM made of it told.

use serde_json::{Value as Json, json};

use crate::support::{Crm, Desk, Done};
use crate::tiny::{Gate, Habit, Reply, Tables, Tiny, accounts};

/// Imports `a.csv` into accounts.
fn import(desk: &Desk, address: &str, more: &[&'static str]) -> Done {
    let arguments = ["import", "a.csv", "--object", "accounts", "--json"];
    desk.carafe(arguments.into_iter().chain(more.iter().copied())).at(address).run()
}

fn verify(desk: &Desk, address: &str) -> Done {
    desk.carafe(["verify", "last", "--json"]).at(address).run()
}

/// Fields and kinds with their rows, as the document has them.
fn kinds(done: &Done) -> Vec<String> {
    let text = |json: &Json| json.as_str().unwrap_or("-").to_owned();
    let line = |one: &Json| format!("{} {} {}", text(&one["field"]), text(&one["kind"]), one["rows"]);
    done.json()["differences"].as_array().unwrap().iter().map(line).collect()
}

/// So many rows, each with a name and a phone.
fn rows(number: usize) -> Desk {
    let rows: String = (0..number).map(|n| format!("Row {n},{n}\n")).collect();
    Desk::with("a.csv", format!("name,phone\n{rows}"))
}

/// A CRM that makes of each value of a record what it likes.
fn changing(tables: Tables, change: impl Fn(&str, &Json) -> Option<Json> + Send + Sync + 'static) -> Tiny {
    Tiny::altered(tables, move |record| {
        for (name, value) in record.iter_mut() {
            if let Some(other) = change(name, value) {
                *value = other;
            }
        }
    })
}

#[test]
fn records_that_are_as_they_were_sent_are_read_a_hundred_at_a_time() {
    let crm = Tiny::serve(accounts(&[]));
    let desk = rows(250);
    import(&desk, &crm.address(), &[]).is(0);
    let before = crm.asked().len();
    let done = verify(&desk, &crm.address());
    done.is(0);
    let run = desk.run().file_name().unwrap().to_str().unwrap().to_owned();
    let mut document = done.document();
    document["calls"] = document["calls"]["total"].take();
    assert_eq!(
        document,
        json!({
            "run": "RUN", "object": "accounts", "records": 250, "missing": 0, "differing": 0, "differences": [],
            "not_verified": { "unknown": 0, "unprocessed": 0 }, "calls": 3, "elapsed_s": 0,
            "files": { "verify": ".carafe/runs/RUN/verify.csv" },
        })
    );
    let asked = crm.asked().split_off(before);
    assert!(asked.iter().all(|request| request.method == "GET" && request.path == "/accounts"), "{asked:?}");
    assert_eq!(asked.len(), 3);
    assert_eq!(desk.run_text("verify.csv"), "_row,id,field,kind,sent,stored\n");

    // By its id, and by a beginning of it.
    for name in [run.as_str(), &run[..12]] {
        let done = desk.carafe(["verify", name]).at(&crm.address()).ends_with(0);
        assert!(
            done.stdout.starts_with(&format!("Verified: 250 records are as sent   {run}\n")),
            "{}",
            done.stdout
        );
    }
}

#[test]
fn an_edited_and_a_deleted_record_are_found_in_the_embedded_crm() {
    let (crm, desk) = (Crm::start(), rows(3));
    import(&desk, &crm.address(), &[]).is(0);
    verify(&desk, &crm.address()).is(0);
    let (edited, deleted) = (crm.account("Row 1")["id"].clone(), crm.account("Row 2")["id"].clone());
    crm.act("PATCH", "accounts", &edited, r#"{"phone":"+44 20"}"#);
    crm.act("DELETE", "accounts", &deleted, "");
    let done = verify(&desk, &crm.address());
    done.is(4);
    let document = done.json();
    assert_eq!(
        (&document["records"], &document["missing"], &document["differing"]),
        (&json!(3), &json!(1), &json!(2))
    );
    assert_eq!(
        document["differences"],
        json!([
            { "field": null, "kind": "missing", "rows": 1, "edited_since": 0,
              "example": { "row": 4, "id": deleted, "sent": null, "stored": null } },
            { "field": "phone", "kind": "changed", "rows": 1,
              "edited_since": document["differences"][1]["edited_since"],
              "example": { "row": 3, "id": edited, "sent": "1", "stored": "+44 20" } },
        ])
    );
    assert_eq!(
        desk.run_text("verify.csv"),
        format!(
            "_row,id,field,kind,sent,stored\n3,{edited},phone,changed,1,+44 20\n4,{deleted},,missing,,\n"
        )
    );
}

#[test]
fn updates_are_verified_field_by_field_and_deletes_by_their_absence() {
    let known = [
        json!({ "id": 7, "name": "A", "phone": "1", "notes": "old", "leadscore": 3 }),
        json!({ "id": 8, "name": "B", "phone": "2", "notes": "old", "leadscore": 4 }),
    ];
    // PATCH passes over notes, and puts 0 where the score is cleared.
    let crm = changing(accounts(&known), |name, value| match name {
        "notes" => Some(json!("old")),
        "leadscore" if value.is_null() => Some(json!(0)),
        _ => None,
    });
    let desk = Desk::with("a.csv", "id,phone,notes,leadscore\n7,5,new,\n8,2,old,4\n");
    import(&desk, &crm.address(), &["--mode", "update", "--on-blank", "clear", "--yes"]).is(0);
    let done = verify(&desk, &crm.address());
    done.is(4);
    assert_eq!(done.json()["records"], 1, "the other one was unchanged");
    assert_eq!(kinds(&done), ["leadscore defaulted 1", "notes ignored 1"]);
    assert_eq!(
        desk.run_text("verify.csv"),
        "_row,id,field,kind,sent,stored\n2,7,leadscore,defaulted,,0\n2,7,notes,ignored,new,old\n"
    );

    let desk = Desk::with("a.csv", "id\n7\n8\n");
    import(&desk, &crm.address(), &["--mode", "delete", "--yes"]).is(0);
    let done = verify(&desk, &crm.address());
    done.is(0);
    assert_eq!(done.json()["records"], 2);
    crm.restore("accounts", json!({ "id": 8, "name": "B" }));
    let done = verify(&desk, &crm.address());
    done.is(4);
    assert_eq!(kinds(&done), ["- still_there 1"]);
    assert_eq!(done.json()["missing"], 0);
}

/// A run into a CRM that does everything to values that a CRM may do.
fn odd_run() -> (Tiny, Desk) {
    let crm = changing(accounts(&[]), |name, value| match (name, value) {
        ("notes", Json::String(text)) => Some(Json::String(text.chars().take(50).collect())),
        ("leadscore", Json::Number(number)) if number.is_f64() => Some(json!(12.35)),
        ("phone", Json::String(text)) if text.starts_with('+') => Some(text.replace([' ', '+'], "").into()),
        ("addresscounty/state", _) => Some(Json::Null),
        ("name", Json::String(text)) if text == "Gone" => Some(json!("Renamed")),
        _ => None,
    });
    let long = "The quick brown fox jumps over the lazy dog again and again";
    let desk = Desk::with(
        "a.csv",
        format!(
            "name,phone,notes,leadscore,addresscounty/state\n\
             A,+44 20 7946 0000,{long},12.3456,Kent\n\
             B,1,{long} and again,7,Essex\n\
             Gone,2,short,8,\n\
             D,3,,9,\n"
        ),
    );
    import(&desk, &crm.address(), &[]).is(0);
    (crm, desk)
}

fn id_of(crm: &Tiny, name: &str) -> Json {
    crm.records("accounts").into_iter().find(|record| record["name"] == name).unwrap()["id"].clone()
}

#[test]
fn what_the_crm_made_of_values_is_told_by_field_and_kind() {
    let (crm, desk) = odd_run();
    let done = verify(&desk, &crm.address());
    done.is(4);
    assert_eq!(
        kinds(&done),
        [
            "addresscounty/state ignored 2",
            "notes truncated 2",
            "leadscore rounded 1",
            "name changed 1",
            "phone reformatted 1"
        ]
    );
    let document = done.json();
    let id = id_of(&crm, "A");
    assert_eq!(
        document["differences"][2]["example"],
        json!({ "row": 2, "id": id, "sent": "12.3456", "stored": "12.35" })
    );
    assert_eq!(document["differing"], 3);
    let lines = desk.run_text("verify.csv");
    assert_eq!(lines.lines().count(), 8, "{lines}");
    assert!(lines.contains(&format!("\n2,{id},leadscore,rounded,12.3456,12.35\n")), "{lines}");
}

#[test]
fn the_words_of_verify() {
    let (crm, desk) = odd_run();
    let done = desk.carafe(["verify", "last"]).at(&crm.address()).ends_with(4);
    assert_eq!(done.stderr, "");
    let run = desk.run().file_name().unwrap().to_str().unwrap().to_owned();
    let seconds = done.stdout.lines().find(|line| line.contains(" call")).unwrap().to_owned();
    let host = crm.address().replace("http://", "");
    let text = done.stdout.replace(&run, "RUN").replace(&seconds, "  0.1 s · 1 call").replace(&host, "HOST");
    // Which of the rows sent at once is stored first is not told.
    let text = ["A", "Renamed"]
        .iter()
        .fold(text, |text, name| text.replace(&id_of(&crm, name).to_string(), &format!("ID OF {name}")));
    insta::assert_snapshot!("verify-odd", text);
}

#[test]
fn a_text_of_the_crm_cannot_act_on_the_terminal_or_in_a_spreadsheet() {
    let crm = changing(accounts(&[]), |name, _| (name == "phone").then(|| json!("=1+1\u{1b}[31m\n")));
    let desk = rows(1);
    import(&desk, &crm.address(), &[]).is(0);
    let done = desk.carafe(["verify", "last"]).at(&crm.address()).ends_with(4);
    assert!(done.stdout.contains("\"0\" → \"=1+1\\u{1B}[31m\\n\""), "{}", done.stdout);
    assert!(desk.run_text("verify.csv").contains("\"'=1+1\u{1b}[31m\n\""));
}

#[test]
fn numbers_keep_every_digit() {
    let crm = Tiny::serve(accounts(&[]));
    let desk = Desk::with("a.csv", "name,leadscore\nA,1234567890123456789012\nB,0.1\n");
    import(&desk, &crm.address(), &[]).is(0);
    let done = verify(&desk, &crm.address());
    // The tiny CRM keeps numbers of that size as floats, as some servers do.
    let held = crm.records("accounts").into_iter().find(|record| record["name"] == "A").unwrap();
    assert_eq!(held["leadscore"].as_f64(), Some(1_234_567_890_123_456_800_000.0));
    done.is(4);
    assert_eq!(kinds(&done), ["leadscore rounded 1"]);
    assert!(desk.run_text("verify.csv").contains("rounded,1234567890123456789012,"));
}

#[test]
fn without_the_filter_records_are_read_one_by_one() {
    let refusing = Tables { id_filter: Habit::Refuses, ..accounts(&[]) };
    let ignoring = Tables { ignores_filters: true, ..accounts(&[json!({ "id": 1, "name": "Other" })]) };
    let others_first =
        Tables { id_filter: Habit::Ignores, ..accounts(&[json!({ "id": 1, "name": "Other" })]) };
    for tables in [refusing, ignoring, others_first] {
        let crm = Tiny::serve(tables);
        let desk = rows(120);
        import(&desk, &crm.address(), &[]).is(0);
        let done = verify(&desk, &crm.address());
        done.is(0);
        assert_eq!(done.json()["records"], 120);
        assert!(done.stderr.contains("does not take a filter on the ids of accounts"), "{}", done.stderr);
        assert!(crm.asked().iter().filter(|request| request.path.starts_with("/accounts/")).count() >= 119);
    }
}

#[test]
fn a_filter_that_finds_nothing_makes_no_record_missing() {
    let crm = Tiny::scripted(accounts(&[]), |request, _| {
        request.query("q").filter(|q| q.contains("$in")).map(|_| {
            Reply::json(200, &json!({ "metadata": { "object_type": "list", "total_count": 0, "has_more": false }, "list": [] }))
        })
    });
    let desk = rows(3);
    import(&desk, &crm.address(), &[]).is(0);
    let done = verify(&desk, &crm.address());
    done.is(0);
    assert_eq!((done.json()["records"].clone(), done.json()["missing"].clone()), (json!(3), json!(0)));
}

#[test]
fn rows_in_doubt_and_rows_that_were_not_sent_are_counted_and_not_verified() {
    let crm = Tiny::scripted(accounts(&[]), |request, before| {
        (request.method == "POST" && before == 1).then_some(Reply::Reset)
    });
    let desk = rows(6);
    import(&desk, &crm.address(), &["--concurrency", "1", "--max-calls", "5"]);
    let counts = desk.json(desk.run().join("summary.json"))["rows"].clone();
    assert!(counts["unknown"] == 1 && counts["unprocessed"].as_u64() > Some(0), "{counts}");
    let done = verify(&desk, &crm.address());
    done.is(0);
    let document = done.json();
    assert_eq!(document["records"], counts["created"]);
    assert_eq!(document["not_verified"], json!({ "unknown": 1, "unprocessed": counts["unprocessed"] }));
    let words = desk.carafe(["verify", "last"]).at(&crm.address()).ends_with(0).stdout;
    assert!(
        words.contains("          1   unknown       not verified: sent, and the answer was lost\n"),
        "{words}"
    );
}

#[test]
fn an_edit_after_the_run_is_told_by_the_crms_clock() {
    let mut tables = accounts(&[]);
    tables.tables[0].fields.push(("modifieddate", "Datetime", false, 0));
    let crm = Tiny::altered(tables, |record| {
        let edited = record["name"] == "Row 1";
        let at = if edited { "2099-01-01 00:00:00" } else { "2001-01-01 00:00:00" };
        record.insert("modifieddate".to_owned(), at.into());
        record.insert("phone".to_owned(), "other".into());
    });
    let desk = rows(2);
    import(&desk, &crm.address(), &[]).is(0);
    let done = verify(&desk, &crm.address());
    done.is(4);
    let difference = done.json()["differences"][0].clone();
    assert_eq!((&difference["rows"], &difference["edited_since"]), (&json!(2), &json!(1)));
    let words = desk.carafe(["verify", "last"]).at(&crm.address()).ends_with(4).stdout;
    assert!(words.contains("(1 edited after the run)"), "{words}");
}

#[test]
fn a_run_that_cannot_be_verified_is_refused_with_the_way_out() {
    let (crm, desk) = (Crm::start(), rows(1));
    desk.carafe(["verify", "last"])
        .at(&crm.address())
        .run()
        .fails(2, "error: there are no runs in .carafe/runs");
    import(&desk, &crm.address(), &["--dry-run"]).is(0);
    let run = desk.run().file_name().unwrap().to_str().unwrap().to_owned();
    desk.carafe(["verify", "last"]).at(&crm.address()).run().fails(
        2,
        &format!("error: run {run} is planned; nothing of it was sent that could be verified\n  send it first: carafe apply {run} --base-url {}", crm.address()),
    );
    let other = Crm::start();
    let (here, there) = (crm.address(), other.address());
    desk.carafe(["verify", "last"]).at(&there).run().fails(
        2,
        &format!("error: run {run} was planned for {here}, and this is {there}\n  verify it with the same --base-url or --sandbox"),
    );
}

#[test]
fn a_run_that_wrote_nothing_has_nothing_to_verify() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "name,type\nX,Custmer\n"));
    import(&desk, &crm.address(), &[]).is(4);
    let done = verify(&desk, &crm.address());
    done.is(0);
    assert_eq!((&done.json()["records"], &done.json()["calls"]["total"]), (&json!(0), &json!(0)));
    let words = desk.carafe(["verify", "last"]).at(&crm.address()).ends_with(0).stdout;
    assert!(words.starts_with("Nothing to verify: the run wrote no record   "), "{words}");
}

#[test]
fn a_run_under_way_is_refused_and_an_interrupt_leaves_no_file() {
    let gate = Gate::default();
    let held = gate.clone();
    let crm = Tiny::scripted(accounts(&[]), move |request, _| {
        if request.query("q").is_some_and(|q| q.contains("$in")) {
            held.wait();
        }
        None
    });
    let desk = rows(2);
    import(&desk, &crm.address(), &[]).is(0);
    let gets = crm.asked_by("GET").len();
    let running = desk.carafe(["verify", "last"]).at(&crm.address()).start();
    crm.wait_for("GET", gets + 1);
    let refused = verify(&desk, &crm.address());
    refused.is(2);
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("is active"), "{}", refused.stdout);
    running.signal("INT");
    let done = running.end();
    gate.open();
    assert_eq!(done.code, Some(5), "{done:?}");
    assert_eq!(done.stdout, "");
    let left: Vec<String> = std::fs::read_dir(desk.run())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(left.iter().all(|name| !name.contains("verify") && !name.ends_with(".part")), "{left:?}");
}

#[test]
fn a_crm_out_of_reach_a_refused_token_and_a_spent_budget_have_their_own_codes() {
    let desk = rows(1);
    let crm = Tiny::scripted(accounts(&[]), |request, _| {
        request.query("q").filter(|q| q.contains("$in")).map(|_| Reply::error(403, "Unauthenticated"))
    });
    import(&desk, &crm.address(), &[]).is(0);
    let done = verify(&desk, &crm.address());
    done.is(3);
    assert_eq!(done.json()["error"]["code"], "token_refused");
    let address = crm.address();
    drop(crm);
    desk.carafe(["verify", "last", "--retries", "0"]).at(&address).ends_with(3);

    let (crm, desk) = (Crm::start(), rows(150));
    import(&desk, &crm.address(), &[]).is(0);
    desk.carafe(["verify", "last", "--max-calls", "1"]).at(&crm.address()).ends_with(6);
    assert!(!desk.run().join("verify.csv").exists());
}
