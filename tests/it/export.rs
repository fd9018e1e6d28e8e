//! `export`: records into files, and back.

use serde_json::{Value as Json, json};

use crate::support::{Crm, Desk};
use crate::tiny::{Reply, Tiny, accounts};

#[test]
fn csv_with_fields_filter_order_and_limit() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let arguments = [
        "export",
        "accounts",
        "-o",
        "a.csv",
        "--fields",
        "name,addresscounty/state,type",
        "--where",
        "name startswith \"A\" and not type = 'Supplier'",
        "--order",
        "-name",
        "--limit",
        "2",
        "--json",
    ];
    let done = crm.carafe(&desk, arguments).ends_with(0);
    assert_eq!(
        done.document(),
        json!({
            "objects": [{ "object": "accounts", "records": 2, "file": "a.csv" }],
            "calls": { "total": 2, "get": 2, "post": 0, "patch": 0, "delete": 0, "retries": 0 },
            "elapsed_s": 0, "state": "finished",
        })
    );
    assert_eq!(
        desk.text("a.csv"),
        "id,name,addresscounty/state,type\n95920981,Apple Inc.,,Prospect\n95920980,Adobe Inc.,,Customer\n"
    );
    assert_eq!(done.stderr, "");
}

#[test]
fn all_fields_by_default_with_id_first() {
    let (crm, desk) = (Crm::start(), Desk::new());
    crm.carafe(&desk, ["export", "campaigns", "-o", "c.csv"]).ends_with(0);
    let text = desk.text("c.csv");
    let mut lines = text.lines();
    assert_eq!(
        lines.next().unwrap(),
        "id,name,type,status,active,dripfeed,budget,members,opportunities,sales,ownerid"
    );
    assert_eq!(lines.next().unwrap(), "3301,Spring Newsletter 2025,E-mail,Finished,0,0,1500,0,0,0,90505");
    assert_eq!(lines.count(), 2);
}

#[test]
fn the_apis_own_filter_is_passed_on_as_it_is() {
    let crm = Tiny::serve(accounts(&[json!({ "id": 7, "name": "A" }), json!({ "id": 8, "name": "B" })]));
    let desk = Desk::new();
    let arguments =
        ["export", "accounts", "-o", "-", "--fields", "name", "--q", r#"{"name": {"$in": ["B"]}}"#];
    assert_eq!(desk.carafe(arguments).at(&crm.address()).ends_with(0).stdout, "id,name\n8,B\n");
    let q = crm.asked().iter().find_map(|request| request.query("q").map(str::to_owned)).unwrap();
    assert_eq!(q, r#"{"name": {"$in": ["B"]}}"#);

    desk.carafe(["export", "accounts", "-o", "x.csv", "--q", "name=B"]).at(&crm.address()).run().fails(
        2,
        "error: --q is not a JSON object: expected ident at line 1 column 2\n  for example: --q '{\"type\": \"Customer\"}'",
    );
}

#[test]
fn json_lines_keep_numbers_texts_and_nulls_apart() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let arguments = [
        "export",
        "accounts",
        "-o",
        "-",
        "--format",
        "jsonl",
        "--fields",
        "id,name,phone,founded,annualvalue",
        "--limit",
        "2",
    ];
    assert_eq!(
        crm.carafe(&desk, arguments).ends_with(0).stdout,
        "{\"id\":95920978,\"name\":\"3M\",\"phone\":\"+1 651 733 1110\",\"founded\":1902,\"annualvalue\":125000.5}\n\
         {\"id\":95920979,\"name\":\"Abbott Laboratories\",\"phone\":\"+1 224 667 6100\",\"founded\":1888,\"annualvalue\":null}\n"
    );
}

#[test]
fn several_objects_are_sheets_of_a_workbook_or_files_of_a_folder() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let done = crm.carafe(&desk, ["export", "users", "campaigns", "-o", "both.xlsx", "--json"]).ends_with(0);
    assert_eq!(
        done.json()["objects"],
        json!([{ "object": "users", "records": 8, "file": "both.xlsx" }, { "object": "campaigns", "records": 3, "file": "both.xlsx" }])
    );
    // Each sheet is named like its object, and reads back.
    desk.write("m.yaml", "version: 1\nobject: campaigns\nmode: update\nmatch: [id]\nsource: { sheet: campaigns }\nfields:\n  id: id\n  name: name\n  budget: budget\nignore: [type, status, active, dripfeed, members, opportunities, sales, ownerid]\n");
    let back = crm.carafe(&desk, ["import", "both.xlsx", "-m", "m.yaml", "--json"]).ends_with(0);
    assert_eq!(back.rows(), json!({ "read": 3, "unchanged": 3 }));

    let done =
        crm.carafe(&desk, ["export", "users", "campaigns", "-o", "folder", "--format", "jsonl", "--json"]);
    assert_eq!(done.ends_with(0).json()["objects"][1]["file"], "folder/campaigns.jsonl");
    assert_eq!(desk.text("folder/users.jsonl").lines().count(), 8);
    assert_eq!(desk.text("folder/campaigns.jsonl").lines().count(), 3);

    crm.carafe(&desk, ["export", "users", "campaigns", "-o", "both.csv"]).run().fails(
        2,
        "error: several objects cannot share the file both.csv\n  give a folder: -o DIR --format csv, or a workbook",
    );
}

#[test]
fn what_is_there_is_replaced_only_with_force() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "precious"));
    crm.carafe(&desk, ["export", "users", "-o", "a.csv"])
        .run()
        .fails(2, "error: a.csv: this file is there already; take another name, or replace it with --force");
    assert_eq!(desk.text("a.csv"), "precious");
    std::fs::create_dir(desk.path("folder")).unwrap();
    desk.write("folder/users.csv", "precious");
    crm.carafe(&desk, ["export", "users", "-o", "folder", "--format", "csv"]).ends_with(2);
    assert_eq!(desk.text("folder/users.csv"), "precious");

    crm.carafe(&desk, ["export", "users", "-o", "a.csv", "--force"]).ends_with(0);
    assert!(desk.text("a.csv").starts_with("id,first,last,email,live\n90505,Ann,Archer,"));
}

#[test]
fn an_export_that_fails_leaves_what_was_there_and_no_half_file() {
    let known: Vec<_> = (0..250).map(|n| json!({ "id": n + 1, "name": "X" })).collect();
    let crm = Tiny::scripted(accounts(&known), |request, before| {
        (request.path == "/accounts" && before >= 2).then(|| Reply::error(403, "Unauthenticated"))
    });
    let desk = Desk::with("a.csv", "precious");
    for (out, force) in [("a.csv", true), ("new.csv", false), ("new.xlsx", false), ("new.jsonl", false)] {
        let arguments = ["export", "accounts", "-o", out].into_iter().chain(force.then_some("--force"));
        desk.carafe(arguments).at(&crm.address()).ends_with(3);
    }
    assert_eq!(desk.text("a.csv"), "precious");
    let mut left: Vec<_> =
        std::fs::read_dir(desk.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, [".carafe", "a.csv"]);
}

#[test]
fn where_to_write_must_be_clear_before_anything_is_asked() {
    let (crm, desk) = (Tiny::serve(accounts(&[])), Desk::new());
    for (arguments, words) in [
        (
            &["-o", "out"][..],
            "error: the ending of out does not say which form to write\n  end it in .csv, .xlsx, .jsonl, .parquet or .sqlite, or give --format",
        ),
        (
            &["-o", "out.pdf"],
            "error: the ending of out.pdf does not say which form to write\n  end it in .csv, .xlsx, .jsonl, .parquet or .sqlite, or give --format",
        ),
        (
            &["-o", "a.csv", "--format", "pdf"],
            "error: \"pdf\" is not a form that export writes\n  one of: csv, xlsx, jsonl, parquet or sqlite",
        ),
        (
            &["-o", "-", "--format", "xlsx"],
            "error: a workbook cannot go to standard output\n  give a file: -o FILE.xlsx",
        ),
    ] {
        let call = desk.carafe(["export", "accounts"].into_iter().chain(arguments.iter().copied()));
        call.at(&crm.address()).run().fails(2, words);
    }
    let both = desk.carafe(["export", "accounts", "-o", "-", "--json"]).at(&crm.address()).ends_with(2);
    assert_eq!(both.json()["error"]["message"], "--json and `-o -` both want standard output");
    assert_eq!(crm.asked().len(), 0);
    desk.carafe(["export", "accounts", "-o", "none/a.csv"])
        .at(&crm.address())
        .run()
        .fails(2, "error: none/a.csv: its folder does not exist; create it first");
}

#[test]
fn options_that_change_nothing_are_told() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let done = crm
        .carafe(&desk, ["export", "accounts", "-o", "a.jsonl", "--lines", "--excel", "--raw"])
        .ends_with(0);
    assert_eq!(
        done.stderr,
        "notice: --lines is about opportunities, and none are exported: it changes nothing here\n\
         notice: --excel is about CSV: it changes nothing here\n\
         notice: --raw is about CSV; no other form has a formula guard: it changes nothing here\n"
    );
}

#[test]
fn unknown_names_are_told_with_the_nearest() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let words = "error: accounts has no field \"nam\"; nearest: name\n  see: carafe describe accounts";
    crm.carafe(&desk, ["export", "accounts", "-o", "a.csv", "--fields", "id,nam"]).run().fails(2, words);
    crm.carafe(&desk, ["export", "accounts", "-o", "a.csv", "--order", "-nam"]).run().fails(2, words);
}

/// Texts that a spreadsheet would run, and those that only look so.
const AWKWARD: [&str; 12] = [
    "=1+1",
    "+SUM(A1)",
    "-x",
    "@me",
    "'quoted",
    "'=kept",
    "-12.50",
    "+44 20 7946 0000",
    "a\"b",
    "two\nlines",
    "semi;colon, comma",
    "\u{1F600} \u{202e}x",
];

#[test]
fn texts_that_could_act_as_formulas_are_guarded_in_csv_and_import_takes_it_off() {
    let records: Vec<_> = AWKWARD
        .iter()
        .zip(1..)
        .map(|(text, id)| json!({ "id": id, "name": format!("N{id}"), "notes": text }))
        .collect();
    let (crm, desk) = (Tiny::serve(accounts(&records)), Desk::new());
    desk.carafe(["export", "accounts", "-o", "a.csv", "--fields", "notes"]).at(&crm.address()).ends_with(0);
    let text = desk.text("a.csv");
    for guarded in ["1,'=1+1\n", "2,'+SUM(A1)\n", "3,'-x\n", "4,'@me\n"] {
        assert!(text.contains(guarded), "{guarded:?} in {text:?}");
    }
    for plain in ["7,-12.50\n", "8,+44 20 7946 0000\n", "5,'quoted\n"] {
        assert!(text.contains(plain), "{plain:?} in {text:?}");
    }
    desk.carafe(["export", "accounts", "-o", "raw.csv", "--fields", "notes", "--raw"])
        .at(&crm.address())
        .ends_with(0);
    assert!(desk.text("raw.csv").contains("1,=1+1\n"));

    let arguments = ["import", "a.csv", "--object", "accounts", "--mode", "update", "--json"];
    let done = desk.carafe(arguments).at(&crm.address()).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 12, "unchanged": 12 }));
    assert!(
        done.stderr.contains("cells began with the ' that an export puts before = + - @"),
        "{}",
        done.stderr
    );
    assert_eq!(crm.writes(), 0);
}

#[test]
fn an_export_imported_again_plans_nothing_in_any_form() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let notes: String = AWKWARD
        .iter()
        .enumerate()
        .map(|(n, text)| {
            format!("Awkward {n},\"{}\",007,Newsletter;Reference,yes,0.10\n", text.replace('"', "\"\""))
        })
        .collect();
    desk.write("new.csv", format!("name,notes,phone,tags,vip,discount\n{notes}"));
    let first = crm
        .carafe(&desk, ["import", "new.csv", "--object", "accounts", "--mode", "create", "--json"])
        .ends_with(0);
    assert_eq!(first.rows(), json!({ "read": 12, "created": 12 }));
    for file in ["a.csv", "a.xlsx", "excel.csv", "raw.csv"] {
        let more: &[&str] = match file {
            "excel.csv" => &["--excel"],
            "raw.csv" => &["--raw"],
            _ => &[],
        };
        crm.carafe(&desk, ["export", "accounts", "-o", file].into_iter().chain(more.iter().copied()))
            .ends_with(0);
        let done = crm.carafe(&desk, ["import", file, "--object", "accounts", "--json"]).ends_with(0);
        assert_eq!(done.rows(), json!({ "read": 24, "unchanged": 24 }), "{file}");
    }
    assert!(std::fs::read(desk.path("excel.csv")).unwrap().starts_with("\u{feff}".as_bytes()));
    for object in ["contacts", "opportunities", "cases", "activities", "campaigns", "policies"] {
        let file = format!("{object}.csv");
        crm.carafe(&desk, ["export", object, "-o", &file]).ends_with(0);
        let done = crm.carafe(&desk, ["import", &file, "--object", object, "--json"]).ends_with(0);
        let read = &done.json()["rows"]["read"];
        assert_eq!(done.rows(), json!({ "read": read, "unchanged": read }), "{object}");
    }
}

#[test]
fn lines_come_with_their_opportunities() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let arguments = [
        "export",
        "opportunities",
        "-o",
        "-",
        "--format",
        "jsonl",
        "--fields",
        "name",
        "--lines",
        "--limit",
        "1",
    ];
    let record: serde_json::Value =
        serde_json::from_str(&crm.carafe(&desk, arguments).ends_with(0).stdout).unwrap();
    assert_eq!(record["lines"].as_array().unwrap().len(), 2);
    assert_eq!(record["lines"][0]["product"], "User Subscription");
}

#[test]
fn a_server_that_answers_ids_above_with_nothing_is_read_page_by_page() {
    let records: Vec<serde_json::Value> =
        (1..=250).map(|id| json!({ "id": id, "name": format!("Firm {id}") })).collect();
    let crm = Tiny::scripted(accounts(&records), |request, _| {
        let above = request.query("q").is_some_and(|q| q.contains("$gt"));
        above.then(|| {
            Reply::json(
                200,
                &json!({ "metadata": { "url": "/account", "object_type": "list", "total_count": 0, "has_more": false },
                         "list": [] }),
            )
        })
    });
    let desk = Desk::new();
    desk.carafe(["export", "accounts", "-o", "a.csv"]).at(&crm.address()).ends_with(0);
    assert_eq!(desk.text("a.csv").lines().count(), 251);
}

#[test]
fn a_manifest_beside_each_file_tells_what_is_in_it() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let condition = "type = 'Customer'";
    crm.carafe(&desk, ["export", "accounts", "-o", "a.csv", "--fields", "name,notes", "--where", condition])
        .ends_with(0);
    let manifest: serde_json::Value = serde_json::from_str(&desk.text("a.csv.manifest.json")).unwrap();
    let part = &manifest["objects"][0];
    // One of them has notes of two lines.
    let records = csv::Reader::from_path(desk.path("a.csv")).unwrap().records().count();
    assert!(records > 0);
    assert_eq!(
        (&part["object"], &part["records"], &part["where"], &part["fields"]),
        (&json!("accounts"), &json!(records), &json!(condition), &json!(["id", "name", "notes"]))
    );
    let ids: Vec<u64> =
        desk.text("a.csv").lines().skip(1).filter_map(|line| line.split(',').next()?.parse().ok()).collect();
    assert_eq!(part["ids"], json!([ids.iter().min(), ids.iter().max()]));
    assert_eq!(manifest["file"], "a.csv");
    assert_eq!(manifest["bytes"], desk.text("a.csv").len());
    assert_eq!(manifest["sha256"].as_str().unwrap().len(), 64);
    assert!(manifest["started"].as_str() <= manifest["finished"].as_str());
    // An earlier export's is replaced, someone else's file is not.
    std::fs::remove_file(desk.path("a.csv")).unwrap();
    crm.carafe(&desk, ["export", "contacts", "-o", "a.csv"]).ends_with(0);
    assert!(desk.text("a.csv.manifest.json").contains("\"contacts\""));
    desk.write("b.csv.manifest.json", "mine");
    crm.carafe(&desk, ["export", "contacts", "-o", "b.csv"])
        .run()
        .fails(2, "error: b.csv.manifest.json: this file is there already; take another name, or replace it with --force");
    assert_eq!(desk.text("b.csv.manifest.json"), "mine");
}

#[test]
fn a_guarded_text_is_in_the_manifest() {
    let (crm, desk) = (Crm::start(), Desk::new());
    desk.write("new.csv", "name,notes\nGuarded,=1+1\nPlain,-5\n");
    crm.carafe(&desk, ["import", "new.csv", "--object", "accounts"]).ends_with(0);
    let export = ["export", "accounts", "-o", "a.csv", "--where", "name in ('Guarded', 'Plain')"];
    crm.carafe(&desk, export).ends_with(0);
    let manifest: serde_json::Value = serde_json::from_str(&desk.text("a.csv.manifest.json")).unwrap();
    assert_eq!(manifest["objects"][0]["guarded"], json!({ "notes": 1 }));
}

#[test]
fn since_asks_for_what_was_created_or_changed_at_that_time_or_later() {
    let (crm, desk) = (Crm::start(), Desk::new());
    crm.carafe(&desk, ["export", "accounts", "-o", "all.csv", "--fields", "modifieddate,createddate"])
        .ends_with(0);
    let all = desk.text("all.csv");
    let dates = |line: &str| line.split_once(',').unwrap().1.to_owned();
    let mut changed: Vec<String> =
        all.lines().skip(1).map(|line| dates(line).split(',').next().unwrap().to_owned()).collect();
    changed.sort();
    let since = changed[changed.len() / 2].clone();
    let arguments =
        ["export", "accounts", "-o", "new.csv", "--fields", "modifieddate,createddate", "--since", &since];
    crm.carafe(&desk, arguments).ends_with(0);
    let expected: Vec<&str> = all
        .lines()
        .filter(|line| line.starts_with("id") || dates(line).split(',').any(|date| date >= since.as_str()))
        .collect();
    assert!(expected.len() > 1 && expected.len() < all.lines().count(), "{since}: {expected:?}");
    assert_eq!(desk.text("new.csv").lines().collect::<Vec<_>>(), expected);
    crm.carafe(&desk, ["export", "campaigns", "-o", "c.csv", "--since", "2026-01-01"])
        .run()
        .fails(2, "error: campaigns has no date of the last change, so --since cannot tell what is new\n  export campaigns without --since");
    crm.carafe(&desk, ["export", "accounts", "-o", "c.csv", "--since", "yesterday"])
        .run()
        .fails(2, "error: --since \"yesterday\" is no day and no time\n  for example: --since 2026-11-25, or --since '2026-11-25 14:30:00', in the CRM's own time");
}

/// Exports incrementally; the ids that came.
fn news(crm: &Crm, desk: &Desk, object: &str) -> Vec<String> {
    let out = format!("{object}.csv");
    crm.carafe(desk, ["export", object, "-o", &out, "--incremental", "--force"]).ends_with(0);
    let records = csv::Reader::from_path(desk.path(out)).unwrap().into_records();
    records.map(|record| record.unwrap()[0].to_owned()).collect()
}

#[test]
fn an_incremental_export_writes_each_change_once() {
    let (crm, desk) = (Crm::start(), Desk::new());
    for object in ["accounts", "campaigns"] {
        let all = news(&crm, &desk, object);
        assert!(all.len() >= 2, "{object}: the first one writes all");
        assert!(news(&crm, &desk, object).is_empty(), "{object}: nothing has changed");
        let second: u64 = all[1].parse().unwrap();
        crm.act("PATCH", object, &json!(second), r#"{"name": "Changed"}"#);
        desk.write("new.csv", "name\nNew\n");
        crm.carafe(&desk, ["import", "new.csv", "--object", object]).ends_with(0);
        let new = crm.records(object, r#"{"name": "New"}"#)[0]["id"].to_string();
        assert_eq!(news(&crm, &desk, object), [all[1].clone(), new], "{object}");
        assert!(news(&crm, &desk, object).is_empty(), "{object}: told once");
        // Two changes within one second are two.
        crm.act("PATCH", object, &json!(second), r#"{"name": "Changed again"}"#);
        assert_eq!(news(&crm, &desk, object), [all[1].clone()], "{object}");
    }
    let told = crm.carafe(&desk, ["export", "accounts", "-o", "accounts.csv", "--incremental", "--force"]);
    let told = told.ends_with(0).stderr;
    assert!(told.starts_with("notice: accounts: 0 new or changed, of 2 that the CRM dates 20"), "{told}");
}

#[test]
fn a_change_in_columns_that_were_left_out_once_is_told_when_they_are_back() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let incremental = ["export", "accounts", "-o", "a.sqlite", "--incremental"];
    crm.carafe(&desk, incremental).ends_with(0);
    let id = crm.records("accounts", "{}")[0]["id"].clone();
    crm.act("PATCH", "accounts", &id, r#"{"name": "Changed"}"#);
    crm.carafe(&desk, incremental.into_iter().chain(["--fields", "id,phone"])).ends_with(0);
    crm.carafe(&desk, incremental).ends_with(0);
    let db = rusqlite::Connection::open(desk.path("a.sqlite")).unwrap();
    let name: String = db
        .query_row("SELECT name FROM accounts WHERE id = ?1", [id.as_u64().unwrap()], |row| row.get(0))
        .unwrap();
    assert_eq!(name, "Changed");
}

#[test]
fn a_line_that_changes_is_told_though_its_opportunity_keeps_its_date() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let incremental = ["export", "opportunities", "-o", "a.sqlite", "--lines", "--incremental"];
    crm.carafe(&desk, incremental).ends_with(0);
    let line = crm.records("opportunity_lines", "{}")[0].clone();
    desk.write("b.csv", format!("id,quantity\n{},4711\n", line["id"]));
    crm.carafe(&desk, ["import", "b.csv", "--object", "opportunity_lines", "--mode", "update"]).ends_with(0);
    crm.carafe(&desk, incremental).ends_with(0);
    let db = rusqlite::Connection::open(desk.path("a.sqlite")).unwrap();
    let sql = "SELECT count(*) FROM opportunity_lines WHERE id = ?1 AND CAST(quantity AS INTEGER) = 4711";
    let changed: u64 = db.query_row(sql, [line["id"].as_u64().unwrap()], |row| row.get(0)).unwrap();
    assert_eq!(changed, 1);
}

#[test]
fn an_incremental_export_that_fails_is_made_up_for_by_the_next() {
    let known = [json!({ "id": 7, "name": "A" }), json!({ "id": 8, "name": "B" })];
    let crm = Tiny::scripted(accounts(&known), |request, before| {
        (request.path == "/accounts" && before == 1).then(|| Reply::error(403, "Unauthenticated"))
    });
    let desk = Desk::new();
    let arguments = ["export", "accounts", "-o", "a.csv", "--incremental", "--state", "state.json"];
    desk.carafe(arguments).at(&crm.address()).ends_with(3);
    assert!(!desk.path("state.json").exists());
    desk.carafe(arguments).at(&crm.address()).ends_with(0);
    assert_eq!(desk.text("a.csv").lines().count(), 3);
    // What is known is of one kind of export alone.
    let other = arguments.map(|word| if word == "a.csv" { "b.csv" } else { word });
    desk.carafe(other).at(&crm.address()).run().fails(
        2,
        "error: cannot use the state state.json: it is of an export of another CRM, other objects, another filter or \
         another file\n  name another file with --state, or delete it to export everything once more",
    );
    desk.write("state.json", "{");
    desk.carafe(arguments).at(&crm.address()).run().fails(
        2,
        "error: cannot use the state state.json: it is no state of an export\n  name another file with --state, or \
         delete it to export everything once more",
    );
}

#[test]
fn an_incremental_export_tells_what_was_deleted_where_that_is_asked_for() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let arguments = ["export", "accounts", "-o", "a.csv", "--incremental", "--deleted", "--force"];
    crm.carafe(&desk, arguments).ends_with(0);
    assert_eq!(desk.text("a.csv.deleted.csv"), "object,id\n");
    let all = csv::Reader::from_path(desk.path("a.csv")).unwrap().into_records();
    let first: u64 = all.map(|record| record.unwrap()[0].parse().unwrap()).next().unwrap();
    crm.act("DELETE", "accounts", &json!(first), "");
    let told = crm.carafe(&desk, arguments).ends_with(0).stderr;
    assert!(told.contains("accounts: 1 deleted since the last export; see a.csv.deleted.csv"), "{told}");
    assert_eq!(desk.text("a.csv.deleted.csv"), format!("object,id\naccounts,{first}\n"));
    assert_eq!(desk.text("a.csv").lines().count(), 1, "nothing else has changed");
    crm.carafe(&desk, arguments).ends_with(0);
    assert_eq!(desk.text("a.csv.deleted.csv"), "object,id\n", "told once");
}

#[test]
fn so_many_older_outputs_are_kept() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let names = || {
        let entries = std::fs::read_dir(desk.path("")).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    // Older ones, as an export leaves them; and one that is nobody's.
    crm.carafe(&desk, ["export", "accounts", "-o", "a.csv"]).ends_with(0);
    for day in [1, 2, 3] {
        let name = format!("a.2026010{day}-020000.csv");
        std::fs::copy(desk.path("a.csv"), desk.path(&name)).unwrap();
        std::fs::copy(desk.path("a.csv.manifest.json"), desk.path(format!("{name}.manifest.json"))).unwrap();
    }
    desk.write("a.20250101-020000.csv", "mine");
    let before = desk.text("a.csv");
    crm.carafe(&desk, ["export", "contacts", "-o", "a.csv", "--keep", "2"]).ends_with(0);
    let kept = names();
    let newest = kept.iter().find(|name| name.starts_with("a.2") && desk.text(name) == before).unwrap();
    assert!(kept.contains(&"a.csv".to_owned()) && desk.text("a.csv") != before);
    let older: Vec<&String> =
        kept.iter().filter(|name| name.starts_with("a.2") && name.ends_with(".csv")).collect();
    assert_eq!(older.len(), 3, "two that are kept and the one that is nobody's: {kept:?}");
    assert!(
        older.contains(&&"a.20250101-020000.csv".to_owned()) && newest.len() == "a.20260101-020000.csv".len()
    );
    assert!(older.contains(&&"a.20260103-020000.csv".to_owned()), "{kept:?}");
}

/// The contents of all outputs called `a.….csv`, and of `a.csv`.
fn all_outputs(desk: &Desk) -> Vec<String> {
    let entries = std::fs::read_dir(desk.path("")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let outputs = names
        .filter(|name| name.starts_with("a.") && name.ends_with(".csv") && !name.ends_with(".deleted.csv"));
    let mut contents: Vec<String> = outputs.map(|name| desk.text(name)).collect();
    contents.sort_by_key(String::len);
    contents
}

#[test]
fn outputs_of_one_second_are_all_kept_and_so_is_one_whose_manifest_is_anothers() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let export = |limit: &str| {
        let arguments = ["export", "accounts", "-o", "a.csv", "--keep", "9", "--limit", limit];
        crm.carafe(&desk, arguments).ends_with(0);
        desk.text("a.csv")
    };
    let mut contents = vec![export("1")];
    // Killed between the file and its manifest, an export leaves that of the file before.
    let manifest = desk.text("a.csv.manifest.json");
    contents.push(export("2"));
    desk.write("a.csv.manifest.json", manifest);
    contents.extend(["3", "4", "5"].map(export));
    assert_eq!(all_outputs(&desk), contents);
    // No manifest stands beside a file that it is not about.
    let entries = std::fs::read_dir(desk.path("")).unwrap();
    for name in entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
        if let Some(file) = name.strip_suffix(".manifest.json") {
            assert_eq!(desk.json(&name)["bytes"], desk.text(file).len(), "{name}");
        }
    }
}

#[test]
fn what_is_no_more_is_kept_with_its_output() {
    let known: Vec<Json> = (1..=3).map(|id| json!({ "id": id, "name": "A" })).collect();
    let crm = Tiny::serve(accounts(&known));
    let desk = Desk::new();
    let arguments = ["export", "accounts", "-o", "a.csv", "--incremental", "--deleted", "--keep", "9"];
    for gone in [None, Some(1), Some(2)] {
        if let Some(id) = gone {
            crm.remove("accounts", id);
        }
        desk.carafe(arguments).at(&crm.address()).ends_with(0);
    }
    let entries = std::fs::read_dir(desk.path("")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut told: Vec<String> =
        names.filter(|name| name.ends_with(".deleted.csv")).map(|name| desk.text(name)).collect();
    told.sort();
    assert_eq!(told, ["object,id\n", "object,id\naccounts,1\n", "object,id\naccounts,2\n"]);
}

#[test]
fn a_state_that_cannot_be_kept_is_told_before_anything_is_read() {
    let crm = Tiny::serve(accounts(&[json!({ "id": 1, "name": "A" })]));
    let desk = Desk::with("file", "");
    let arguments = ["export", "accounts", "-o", "a.csv", "--incremental", "--state", "file/state.json"];
    let done = desk.carafe(arguments).at(&crm.address()).run();
    assert!(matches!(done.code, Some(1 | 2)) && done.stderr.contains("file"), "{done:?}");
    assert!(!desk.path("a.csv").exists());
    assert!(crm.asked().iter().all(|request| request.path != "/accounts"));
}

#[test]
fn the_sandbox_is_the_same_by_whatever_way_it_is_named() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("below")).unwrap();
    let export = |sandbox: &str| {
        let arguments = ["export", "accounts", "-o", "a.csv", "--force", "--incremental", sandbox];
        desk.carafe(arguments).ends_with(0).stderr
    };
    assert!(export("--sandbox=crm.db").contains("no earlier export to build on"));
    assert!(export("--sandbox=below/../crm.db").contains("accounts: 0 new or changed"));
}
