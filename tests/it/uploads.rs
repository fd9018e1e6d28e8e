//! `import` of documents with their files.

use serde_json::{Value as Json, json};

use crate::documents::{content, upload};
use crate::support::{Crm, Desk, Served};

/// Documents are found by their names.
const BY_NAME: &str = "version: 1
object: documents
mode: upsert
match: [name]
fields:
  name: Title
  description: About
  parentid: Parent
  parentobject: { const: Account }
  file: Path
";

/// A desk with that mapping, a table, and a folder of files that say who they are.
fn desk(rows: &[(&str, &str)]) -> Desk {
    let desk = Desk::with("m.yaml", BY_NAME);
    std::fs::create_dir(desk.path("files")).unwrap();
    let mut table = "Title,About,Parent,Path\n".to_owned();
    for (title, path) in rows {
        table += &format!("{title},about {title},95920978,{path}\n");
    }
    desk.write("in.csv", table);
    desk
}

/// `code` of each finding of the only run, with its cell.
fn codes(desk: &Desk) -> Vec<(String, String)> {
    let text = |error: &Json, key: &str| error[key].as_str().unwrap().to_owned();
    desk.errors().iter().map(|error| (text(error, "cell"), text(error, "code"))).collect()
}

#[test]
fn what_was_exported_with_its_files_is_imported_again_byte_by_byte() {
    let (from, to, desk) = (Crm::start(), Crm::start(), Desk::new());
    let bytes: Vec<u8> = (0..900_000_u32).map(|n| (n % 251) as u8).collect();
    upload(&from, "Grüße 2026.bin", &bytes);
    upload(&from, "empty.txt", b"");
    upload(&from, "lines.txt", b"--x\r\n\r\n--x--\r\n");
    from.carafe(&desk, ["export", "documents", "-o", "d/d.csv", "--content", "d"]).ends_with(0);
    let arguments = ["import", "d/d.csv", "--object", "documents", "--mode", "create", "--json"];
    let done = to.carafe(&desk, arguments).ends_with(0);
    // Two of the embedded CRM's documents have no file, and go without one.
    assert_eq!(done.rows(), json!({ "read": 5, "created": 5 }));
    for (name, bytes) in
        [("Grüße 2026.bin", bytes.as_slice()), ("empty.txt", b""), ("lines.txt", b"--x\r\n\r\n--x--\r\n")]
    {
        let found = to.records("documents", &json!({ "name": name }).to_string());
        assert_eq!((found.len(), &found[0]["size"]), (1, &json!(bytes.len())), "{name}");
        assert_eq!((&found[0]["parentid"], &found[0]["description"]), (&json!(95_920_978), &json!("d")));
        assert!(content(&to.address(), &found[0]["id"]).unwrap() == bytes, "{name}");
    }
    let old = to.records("documents", &json!({ "name": "Price list.xlsx" }).to_string());
    assert_eq!(old.len(), 2);
}

#[test]
fn a_document_without_a_name_of_its_own_is_called_like_its_file() {
    let (crm, desk) = (Crm::start(), Desk::new());
    std::fs::create_dir(desk.path("files")).unwrap();
    desk.write("files/Offer \"7\".pdf", "seven");
    desk.write(
        "m.yaml",
        "version: 1\nobject: documents\nmode: create\nfields:\n  file: Path\n  parentid: P\n",
    );
    desk.write("in.csv", "Path,P\n\"files/Offer \"\"7\"\".pdf\",95920978\n./files/Offer \"7\".pdf,\n");
    crm.carafe(&desk, ["import", "in.csv", "-m", "m.yaml"]).ends_with(0);
    let made = crm.records("documents", &json!({ "size": 5 }).to_string());
    assert_eq!(made.len(), 2);
    for record in made {
        assert_eq!(content(&crm.address(), &record["id"]).unwrap(), b"seven");
        // Quotes go as browsers send them, and the embedded CRM keeps what it gets.
        assert!(record["name"].as_str().unwrap().starts_with("Offer "), "{record}");
    }
}

#[cfg(unix)]
#[test]
fn files_that_are_not_there_or_not_to_be_taken_reject_their_rows_and_check_tells_them() {
    let crm = Crm::start();
    let rows = [
        ("good", "files/good.txt"),
        ("gone", "files/gone.txt"),
        ("up", "files/../../up.txt"),
        ("root", "/etc/passwd"),
        ("folder", "files"),
        ("large", "files/large.bin"),
        ("link", "files/link.txt"),
        ("none", ""),
    ];
    let desk = desk(&rows);
    desk.write("files/good.txt", "good");
    let large = std::fs::File::create(desk.path("files/large.bin")).unwrap();
    large.set_len(50 * 1024 * 1024 + 1).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", desk.path("files/link.txt")).unwrap();
    let rows = json!({ "read": 8, "valid": 2, "skipped": 0, "rejected": 6 });
    let check = crm.carafe(&desk, ["check", "in.csv", "-m", "m.yaml", "--json"]).ends_with(4);
    assert_eq!(check.json()["rows"], rows);
    let done = crm.carafe(&desk, ["import", "in.csv", "-m", "m.yaml", "--json"]).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 8, "created": 2, "rejected": 6 }));
    let cells = ["D3", "D4", "D5", "D6", "D7", "D8"];
    assert_eq!(codes(&desk), cells.map(|cell| (cell.to_owned(), "file".to_owned())));
    let words: Vec<String> =
        desk.errors().iter().map(|error| error["message"].as_str().unwrap().to_owned()).collect();
    assert!(words[0].contains("there is no such file"), "{words:?}");
    assert!(words[1].contains("leads out of its folder") && words[1].contains("--files DIR"), "{words:?}");
    assert!(words[4].contains("the CRM takes 50 MiB"), "{words:?}");
    assert!(words[5].contains("it is a link to /etc/passwd"), "{words:?}");
    assert_eq!(crm.records("documents", "{}").len(), 4);
    // The file is put there, and the reject file is imported again from its own folder.
    desk.write("files/gone.txt", "here");
    let done = crm.carafe(&desk, ["retry", "last", "--json"]).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 6, "created": 1, "rejected": 5 }));
    let found = crm.records("documents", &json!({ "name": "gone" }).to_string());
    assert_eq!(content(&crm.address(), &found[0]["id"]).unwrap(), b"here");
}

#[test]
fn another_folder_of_files_is_named() {
    let (crm, desk) = (Crm::start(), desk(&[("a", "a.txt")]));
    desk.write("files/a.txt", "a");
    crm.carafe(&desk, ["import", "in.csv", "-m", "m.yaml"]).ends_with(4);
    crm.carafe(&desk, ["import", "in.csv", "-m", "m.yaml", "--files", "files"]).ends_with(0);
    let made = crm.records("documents", &json!({ "name": "a" }).to_string());
    assert_eq!(content(&crm.address(), &made[0]["id"]).unwrap(), b"a");
}

#[test]
fn a_file_that_changed_since_the_plan_is_not_sent() {
    let (crm, desk) =
        (Crm::start(), desk(&[("a", "files/a.txt"), ("b", "files/b.txt"), ("c", "files/c.txt")]));
    for name in ["a", "b", "c"] {
        desk.write(&format!("files/{name}.txt"), name);
    }
    let done = crm.carafe(&desk, ["import", "in.csv", "-m", "m.yaml", "--dry-run", "--json"]).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 3 }));
    desk.write("files/a.txt", "another one");
    std::fs::remove_file(desk.path("files/b.txt")).unwrap();
    let done = crm.carafe(&desk, ["apply", "last", "--json"]).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 1, "rejected": 2 }));
    let told: Vec<_> = desk.errors().iter().map(|error| error["code"].clone()).collect();
    assert_eq!(told, ["file", "file"]);
    assert!(desk.run_text("errors.jsonl").contains("it changed since the plan was made"));
    let done = crm.carafe(&desk, ["retry", "last", "--json"]).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 2, "created": 1, "rejected": 1 }));
}

#[test]
fn a_document_that_is_there_keeps_its_file_and_that_is_told() {
    let (crm, desk) = (Crm::start(), desk(&[("a", "files/a.txt")]));
    let made = upload(&crm, "a", b"old");
    desk.write("files/a.txt", "new");
    let done = crm.carafe(&desk, ["import", "in.csv", "-m", "m.yaml", "--json"]).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 1, "updated": 1 }));
    assert!(done.stderr.contains("1 row has its document in the CRM already"), "{done:?}");
    assert_eq!(content(&crm.address(), &made["id"]).unwrap(), b"old");
    let now = crm.records("documents", &json!({ "name": "a" }).to_string());
    assert_eq!(now[0]["description"], "about a");
    // By id no file is even looked for.
    desk.write("ids.csv", format!("id,description,file\n{},x,nowhere.txt\n", made["id"]));
    crm.carafe(&desk, ["import", "ids.csv", "--object", "documents"]).ends_with(0);
}

#[test]
fn an_upload_whose_answer_is_lost_is_looked_up_and_never_blindly_sent_again() {
    let names: Vec<String> = (0..40).map(|n| format!("d{n}")).collect();
    let paths: Vec<String> = names.iter().map(|name| format!("files/{name}.bin")).collect();
    let rows: Vec<(&str, &str)> =
        names.iter().zip(&paths).map(|(name, path)| (name.as_str(), path.as_str())).collect();
    let desk = desk(&rows);
    for (name, path) in &rows {
        desk.write(path, name.repeat(30_000));
    }
    let faults = "reset-after=15%,reset-before=10%,500-after=10%,500-before=5%,truncated=5%,wrong=5%,seed=11";
    let crm = Served::start(&desk, faults);
    let done = desk
        .carafe(["import", "in.csv", "-m", "m.yaml", "--json"])
        .at(crm.address())
        .env("CARAFE_SETTLE", "1")
        .ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 40, "created": 40 }));
    assert!(done.json()["calls"]["post"].as_u64().unwrap() >= 40);
    drop(crm);
    let crm = Crm::of_file(&desk.path("crm.db"), carafe::sandbox::PageBase::One);
    for name in &names {
        let found = crm.records("documents", &json!({ "name": name }).to_string());
        assert_eq!(found.len(), 1, "{name}");
        let bytes = content(&crm.address(), &found[0]["id"]).unwrap();
        assert!(bytes == name.repeat(30_000).as_bytes(), "{name}");
    }
}

#[test]
fn of_two_documents_alike_but_for_their_files_none_is_taken_for_the_other() {
    for (paths, code, rows) in [
        (["files/a.txt", "files/b.txt"], 7, json!({ "read": 2, "unknown": 2 })),
        (["files/a.txt", "files/a.txt"], 0, json!({ "read": 2, "created": 2 })),
    ] {
        let desk = desk(&[("same", paths[0]), ("same", paths[1])]);
        desk.write("m.yaml", BY_NAME.replace("mode: upsert\nmatch: [name]", "mode: create"));
        desk.write("files/a.txt", "a");
        desk.write("files/b.txt", "b");
        let crm = Served::start(&desk, "reset-after=100%,seed=1");
        let call = desk.carafe(["import", "in.csv", "-m", "m.yaml", "--json"]).at(crm.address());
        assert_eq!(call.ends_with(code).rows(), rows, "{paths:?}");
        drop(crm);
        let crm = Crm::of_file(&desk.path("crm.db"), carafe::sandbox::PageBase::One);
        assert_eq!(crm.records("documents", r#"{"name": "same"}"#).len(), 2);
    }
}

#[test]
fn a_stopped_import_goes_on_with_its_files() {
    let (crm, desk) =
        (Crm::start(), desk(&[("a", "files/a.txt"), ("b", "files/b.txt"), ("c", "files/c.txt")]));
    for name in ["a", "b", "c"] {
        desk.write(&format!("files/{name}.txt"), name);
    }
    let plan = crm.carafe(&desk, ["import", "in.csv", "-m", "m.yaml", "--dry-run", "--json"]).ends_with(0);
    assert_eq!(plan.rows(), json!({ "read": 3, "created": 3 }));
    let most = ["apply", "last", "--max-calls", "2", "--concurrency", "1", "--json"];
    let done = crm.carafe(&desk, most).run();
    assert_eq!(done.code, Some(6), "{done:?}");
    let done = crm.carafe(&desk, ["resume", "last", "--json"]).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 3 }));
    for name in ["a", "b", "c"] {
        let found = crm.records("documents", &json!({ "name": name }).to_string());
        assert_eq!(content(&crm.address(), &found[0]["id"]).unwrap(), name.as_bytes());
    }
    crm.carafe(&desk, ["verify", "last"]).ends_with(0);
    crm.carafe(&desk, ["undo", "last", "--yes"]).ends_with(0);
    assert_eq!(crm.records("documents", "{}").len(), 2);
}

#[test]
fn a_file_identifies_no_record_and_other_objects_have_none() {
    let (crm, desk) = (Crm::start(), desk(&[("a", "")]));
    desk.write("m.yaml", BY_NAME.replace("match: [name]", "match: [file]"));
    let done = crm.carafe(&desk, ["check", "in.csv", "-m", "m.yaml"]).ends_with(2);
    assert!(done.stderr.contains("a file identifies no record"), "{done:?}");
    desk.write(
        "m.yaml",
        "version: 1\nobject: accounts\nmode: create\nfields:\n  name: Title\n  file: Path\n",
    );
    let done = crm.carafe(&desk, ["check", "in.csv", "-m", "m.yaml"]).ends_with(2);
    assert!(done.stderr.contains("accounts has no field \"file\""), "{done:?}");
}
