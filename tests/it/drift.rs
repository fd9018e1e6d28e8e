//! What the CRM has changed about a mapping's fields since its last run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value as Json, json};

use crate::support::{BY_NAME, Crm, Desk};
use crate::tiny::{Reply, Tiny, accounts};

const ROWS: &str = "Company,Tel,Kind,Notes\nA,1,Customer,\n";

/// A desk with a file, a mapping of it, and the CRM's dictionary in `d.json`.
fn desk(crm: &Crm) -> Desk {
    let desk = Desk::with("m.yaml", BY_NAME);
    desk.write("a.csv", ROWS);
    crm.carafe(&desk, ["describe", "--save", "d.json"]).ends_with(0);
    desk
}

/// Writes `new.json`: the dictionary with the fields of accounts changed.
fn change(desk: &Desk, act: impl FnOnce(&mut Vec<Json>)) {
    let mut dictionary = desk.json("d.json");
    act(dictionary["objects"]["accounts"]["fields"].as_array_mut().unwrap());
    desk.write("new.json", dictionary.to_string());
}

fn field<'a>(fields: &'a mut [Json], name: &str) -> &'a mut Json {
    fields.iter_mut().find(|field| field["name"] == name).unwrap()
}

/// The id of the newest run.
fn last(desk: &Desk) -> String {
    let runs = desk.carafe(["runs", "--json"]).ends_with(0).json();
    runs["runs"].as_array().unwrap().last().unwrap()["run"].as_str().unwrap().to_owned()
}

const IMPORT: [&str; 4] = ["import", "a.csv", "-m", "m.yaml"];
const CHECK: [&str; 7] = ["check", "a.csv", "-m", "m.yaml", "--offline", "--dictionary", "new.json"];

#[test]
fn a_renamed_field_is_named_before_the_mapping_error_ends_the_command() {
    let crm = Crm::start();
    let desk = desk(&crm);
    crm.carafe(&desk, IMPORT).ends_with(0);
    change(&desk, |fields| field(fields, "phone")["name"] = "telephone".into());
    let run = last(&desk);
    let error = "error: accounts has no field \"phone\"
  --> m.yaml:7:3
7 |   phone: Tel
  |   ^^^^^
  = see: carafe describe accounts";
    let notice = format!(
        "notice: since run {run}: accounts no longer has the field phone; perhaps it was renamed to telephone (Phone)"
    );
    desk.carafe(CHECK).run().fails(2, &format!("{notice}\n{error}"));
    let import = crm.carafe(&desk, IMPORT.into_iter().chain(["--dictionary", "new.json"])).run();
    import.fails(2, &format!("{notice}\n{error}"));
    assert_eq!(last(&desk), run, "a command that ends so is no run");
}

#[test]
fn what_was_tightened_is_told_and_stands_in_the_document_until_the_next_run() {
    let crm = Crm::start();
    let desk = desk(&crm);
    crm.carafe(&desk, IMPORT.into_iter().chain(["--dry-run"])).ends_with(0);
    change(&desk, |fields| {
        field(fields, "phone")["size"] = 10.into();
        field(fields, "notes")["type"] = "number".into();
        field(fields, "type")["lookup"]["values"] = json!(["Customer"]);
        field(fields, "website")["size"] = 5.into();
    });
    let run = last(&desk);
    let done = desk.carafe(CHECK.into_iter().chain(["--json"])).ends_with(0);
    let list = desk.json("d.json")["objects"]["accounts"]["fields"].clone();
    let list = field(list.clone().as_array_mut().unwrap(), "type")["lookup"]["values"].clone();
    let gone: Vec<String> = list.as_array().unwrap().iter().skip(1).map(Json::to_string).collect();
    let messages = [
        (
            "phone",
            "shortened",
            "phone took 30 characters and now takes 10: longer ones are rejected".to_owned(),
        ),
        ("type", "values_gone", format!("gone from the list of type: {}", gone.join(", "))),
        ("notes", "retyped", "notes was of type memo and is now of type number".to_owned()),
    ];
    let told: Vec<Json> = messages
        .iter()
        .map(|(field, change, message)| {
            json!({ "field": field, "change": change, "message": message, "since": run })
        })
        .collect();
    assert_eq!(done.json()["drift"], json!(told));
    let notices: String =
        messages.iter().map(|(.., message)| format!("notice: since run {run}: {message}\n")).collect();
    assert_eq!(done.stderr, notices);
    assert_eq!(desk.carafe(CHECK.into_iter().chain(["-q"])).ends_with(0).stderr, "");

    // An import tells it once more; from then on that is how the fields are.
    let import =
        crm.carafe(&desk, IMPORT.into_iter().chain(["--dictionary", "new.json", "--json"])).ends_with(0);
    assert_eq!(import.stderr, notices);
    assert!(import.json().get("drift").is_none());
    let after = desk.carafe(CHECK.into_iter().chain(["--json"])).ends_with(0);
    assert_eq!((after.stderr.as_str(), after.json().get("drift")), ("", None));
}

#[test]
fn a_field_that_is_now_required_is_told_where_the_mapping_creates() {
    let crm = Crm::start();
    let desk = desk(&crm);
    crm.carafe(&desk, IMPORT).ends_with(0);
    change(&desk, |fields| field(fields, "sector")["required"] = true.into());
    let notice = format!("notice: since run {}: sector is now required, and nothing fills it\n", last(&desk));
    let done = desk.carafe(CHECK).ends_with(2);
    assert!(done.stderr.starts_with(&format!("{notice}error: accounts requires sector")), "{}", done.stderr);
    let update = desk.carafe(CHECK.into_iter().chain(["--mode", "update"])).ends_with(0);
    assert_eq!(update.stderr, "");
}

#[test]
fn online_the_dictionary_is_the_crms_own() {
    let narrowed = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&narrowed);
    let crm = Tiny::scripted(accounts(&[]), move |request, _| {
        let is_dictionary = request.path == "/datadictionary/accounts" && asked.load(Ordering::SeqCst);
        let fields = json!([
            { "fieldname": "id", "fieldtype": "Number", "editable": 0 },
            { "fieldname": "name", "fieldtype": "Text", "mandatory": "Yes", "length": "40" },
            { "fieldname": "phone", "fieldtype": "Text", "editable": 0 },
        ]);
        is_dictionary.then(|| Reply::json(200, &fields))
    });
    let desk = Desk::with("a.csv", "name,phone,notes\nA,1,x\n");
    let carafe = |command| desk.carafe([command, "a.csv", "--object", "accounts"]).at(&crm.address());
    assert_eq!(carafe("check").ends_with(0).stderr, "");
    carafe("import").ends_with(0);
    assert_eq!(carafe("check").ends_with(0).stderr, "");
    narrowed.store(true, Ordering::SeqCst);
    let run = last(&desk);
    assert_eq!(
        carafe("check").ends_with(0).stderr,
        format!(
            "notice: since run {run}: name took 100 characters and now takes 40: longer ones are rejected
notice: since run {run}: phone is now filled by the CRM and can no longer be written
notice: since run {run}: accounts no longer has the field notes
notice: 1 column is no field of accounts and left out: \"notes\"
"
        )
    );
}

#[test]
fn a_run_into_another_crm_is_no_witness_but_where_no_crm_is_known() {
    let (crm, other) = (Crm::start(), Crm::start());
    let desk = desk(&crm);
    other.carafe(&desk, IMPORT).ends_with(0);
    change(&desk, |fields| field(fields, "phone")["size"] = 10.into());
    let with_file = || IMPORT.into_iter().chain(["--dictionary", "new.json", "--dry-run"]);
    assert_eq!(crm.carafe(&desk, with_file()).ends_with(0).stderr, "");
    let first = last(&desk);
    // The file was taken from the first CRM, whose run knows no change.
    assert_eq!(desk.carafe(CHECK).ends_with(0).stderr, "");
    std::fs::remove_dir_all(desk.path(".carafe/runs").join(first)).unwrap();
    let told = desk.carafe(CHECK).ends_with(0).stderr;
    let start = format!("notice: since run {}, which went into {}: phone took", last(&desk), other.address());
    assert!(told.starts_with(&start), "{told}");
    assert!(other.carafe(&desk, with_file()).ends_with(0).stderr.contains("phone took 30 characters"));
}

#[test]
fn the_last_run_of_a_mapping_is_known_by_its_place_or_by_its_text() {
    let crm = Crm::start();
    let desk = desk(&crm);
    crm.carafe(&desk, IMPORT).ends_with(0);
    change(&desk, |fields| field(fields, "phone")["size"] = 10.into());
    let told = |mapping: &str| {
        let done = desk.carafe(CHECK.map(|word| if word == "m.yaml" { mapping } else { word })).ends_with(0);
        done.stderr.matches("notice: since run").count()
    };
    desk.write("copy.yaml", BY_NAME);
    desk.write("other.yaml", format!("{BY_NAME}# another\n"));
    std::fs::create_dir(desk.path("folder")).unwrap();
    assert_eq!(["m.yaml", "folder/../m.yaml", "copy.yaml", "other.yaml"].map(told), [1, 1, 1, 0]);
    desk.write("m.yaml", format!("{BY_NAME}# edited since\n"));
    assert_eq!(["m.yaml", "folder/../m.yaml", "copy.yaml"].map(told), [1, 1, 1]);
    // A file without a mapping has nothing to do with it.
    desk.write("b.csv", "name,phone\nB,1\n");
    let done =
        desk.carafe(["check", "b.csv", "--object", "accounts", "--offline", "--dictionary", "new.json"]);
    assert_eq!(done.ends_with(0).stderr, "");
}

#[test]
fn runs_that_do_not_open_are_passed_over_and_no_folder_is_made() {
    let crm = Crm::start();
    let desk = desk(&crm);
    change(&desk, |fields| field(fields, "phone")["size"] = 10.into());
    assert_eq!(desk.carafe(CHECK).ends_with(0).stderr, "");
    assert!(!desk.path(".carafe").exists(), "a check is no run");
    desk.write("file", "");
    assert_eq!(desk.carafe(CHECK.into_iter().chain(["--runs-dir", "file"])).ends_with(0).stderr, "");
    crm.carafe(&desk, IMPORT).ends_with(0);
    let run = last(&desk);
    for (name, content) in
        [("99990101-000000-accounts-aaaa", "no database"), ("99990102-000000-accounts-aaaa", "")]
    {
        std::fs::create_dir(desk.path(".carafe/runs").join(name)).unwrap();
        desk.write(&format!(".carafe/runs/{name}/run.db"), content);
    }
    let told = desk.carafe(CHECK).ends_with(0).stderr;
    assert!(told.starts_with(&format!("notice: since run {run}: phone took 30")), "{told}");
}

#[test]
fn a_plan_is_not_sent_where_new_records_would_lack_what_the_crm_requires_by_now() {
    let is_new = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_new);
    let crm = Tiny::scripted(accounts(&[]), move |request, _| {
        let described = request.path == "/datadictionary/accounts" && seen.load(Ordering::SeqCst);
        let field = |name: &str, required: bool| json!({ "record": { "name": name, "type": "text", "required": required } });
        described.then(|| {
            let fields = [field("name", true), field("phone", false), field("website", true)];
            Reply::json(200, &json!({ "metadata": { "object_type": "list" }, "list": fields }))
        })
    });
    let desk = Desk::with("a.csv", "name,phone\nAcme,1\n");
    let dry = ["import", "a.csv", "--object", "accounts", "--dry-run"];
    desk.carafe(dry).at(&crm.address()).ends_with(0);
    is_new.store(true, Ordering::SeqCst);
    let refused = desk.carafe(["apply", "last"]).at(&crm.address()).ends_with(2);
    assert!(refused.stderr.contains("website"), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("the plan does not fill it, so no further row is sent"),
        "{}",
        refused.stderr
    );
    assert_eq!(crm.writes(), 0);
    is_new.store(false, Ordering::SeqCst);
    desk.carafe(["apply", "last"]).at(&crm.address()).ends_with(0);
}
