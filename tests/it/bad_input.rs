//! What cannot be worked with: each a sentence that names the place and the
//! way out, the right exit code, and nothing sent.

use std::net::TcpListener;

use serde_json::json;

use crate::support::{BY_NAME, Crm, Desk, Done};
use crate::tiny::{Reply, Tiny, accounts};

/// Imports a file without a mapping, and asserts that nothing was sent and no run was left.
fn import(desk: &Desk, file: &str) -> Done {
    let crm = Tiny::serve(accounts(&[]));
    let done = desk.carafe(["import", file, "--object", "accounts"]).at(&crm.address()).run();
    assert_eq!(crm.writes(), 0);
    assert!(desk.runs().is_empty());
    done
}

#[test]
fn a_missing_file() {
    import(&Desk::new(), "none.csv")
        .fails(2, "error: none.csv: there is no such file; check its name and its folder");
}

#[test]
fn a_folder_in_place_of_a_file() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("folder.csv")).unwrap();
    import(&desk, "folder.csv").fails(
        2,
        "error: folder.csv: this is a folder, not a file; save the data as a CSV or XLSX file and name that",
    );
}

#[test]
fn a_file_without_rows_is_done_with_a_notice() {
    for (name, content) in
        [("empty.csv", ""), ("header.csv", "name,phone\n"), ("blank.csv", "name,phone\n,\n\n,\n")]
    {
        let (crm, desk) = (Tiny::serve(accounts(&[])), Desk::with(name, content));
        let done =
            desk.carafe(["import", name, "--object", "accounts", "--json"]).at(&crm.address()).ends_with(0);
        assert_eq!(done.stderr, format!("notice: {name} has no data rows; there is nothing to do\n"));
        assert_eq!(done.rows(), json!({}), "{name}");
        assert_eq!(crm.writes(), 0);
    }
}

#[test]
fn an_unreadable_encoding() {
    let desk = Desk::with("a.csv", b"Company,Tel,Notes\nM\xfcller,1,\n");
    let crm = Tiny::serve(accounts(&[]));
    let mapping = |encoding: &str| {
        format!(
            "version: 1\nobject: accounts\nmode: create\nsource: {{ encoding: {encoding} }}\nfields:\n  name: Company\nignore: [Tel, Notes]\n"
        )
    };
    desk.write("m.yaml", mapping("klingon"));
    desk.carafe(["import", "a.csv", "-m", "m.yaml"]).at(&crm.address()).run().fails(2, "error: a.csv: there is no encoding \"klingon\"; use for example utf-8, utf-16le, windows-1252 or iso-8859-2\n  --> m.yaml:4:21\n4 | source: { encoding: klingon }\n  |                     ^^^^^^^");

    // Told to be UTF-8, the byte that is not is its row's fault.
    desk.write("m.yaml", mapping("utf-8"));
    let done = desk.carafe(["import", "a.csv", "-m", "m.yaml", "--json"]).at(&crm.address()).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 1, "rejected": 1 }));
    assert_eq!(
        desk.errors()[0]["message"],
        "byte 0xFC at offset 19 of the file is not in its encoding; mend the text, or set source: { encoding: … } in the mapping"
    );
}

#[test]
fn a_file_that_is_something_else() {
    let desk = Desk::new();
    desk.write("page.csv", "<!DOCTYPE html><html><body>Log in</body></html>");
    import(&desk, "page.csv").fails(2, "error: page.csv: this is a web page or XML, not a table; open it in Excel and save it as CSV or XLSX");
    desk.write("doc.csv", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n");
    import(&desk, "doc.csv").fails(2, "error: doc.csv: this is a PDF, not a table; export the data as CSV or XLSX from the program that made it");
    desk.write("broken.xlsx", b"PK\x03\x04 and then nothing");
    import(&desk, "broken.xlsx").fails(2, "error: broken.xlsx: the workbook is damaged or was not copied whole; get it again, or open it in Excel and save it again");
    desk.write("open.csv", "name,phone\n\"never closed,1\nX,2\n");
    import(&desk, "open.csv").fails(2, "error: open.csv: line 2: a quote opens here and is not closed before the end of the file; close it, or double it where it belongs to the text");
}

#[test]
fn an_unknown_sheet() {
    let (crm, desk) = (Crm::start(), Desk::new());
    crm.carafe(&desk, ["export", "campaigns", "users", "-o", "b.xlsx"]).ends_with(0);
    let mapping = |source: &str| {
        format!("version: 1\nobject: accounts\nmode: create\nsource: {source}\nfields:\n  name: name\n")
    };
    desk.write("m.yaml", mapping("{ sheet: Campains }"));
    crm.carafe(&desk, ["import", "b.xlsx", "-m", "m.yaml"])
        .run()
        .fails(2, "error: b.xlsx: there is no sheet \"Campains\"; the workbook has \"campaigns\", \"users\"\n  --> m.yaml:4:18\n4 | source: { sheet: Campains }\n  |                  ^^^^^^^^");
    desk.write("m.yaml", mapping("{ sheet: 3 }"));
    crm.carafe(&desk, ["import", "b.xlsx", "-m", "m.yaml"])
        .run()
        .fails(2, "error: b.xlsx: there is no sheet 3; the workbook has 2 (\"campaigns\", \"users\")\n  --> m.yaml:4:18\n4 | source: { sheet: 3 }\n  |                  ^");
    // Which of two sheets is meant is not guessed.
    crm.carafe(&desk, ["import", "b.xlsx", "--object", "campaigns"]).run().fails(2, "error: b.xlsx: several sheets hold data: \"campaigns\", \"users\"; name one with source: { sheet: … } in the mapping");
}

#[test]
fn no_header_that_is_a_field() {
    import(&Desk::with("a.csv", "Company,Tel\nX,1\n"), "a.csv").fails(
        2,
        "error: no header of a.csv is the name of a field of accounts
  see: carafe describe accounts; or map the columns with -m MAPPING",
    );
}

#[test]
fn a_required_field_that_no_column_fills() {
    import(&Desk::with("a.csv", "phone\n1\n"), "a.csv").fails(
        2,
        "error: accounts requires name, and nothing fills it
  --> a.csv
   = add a column name, or say --mode update if every row has its record
   = see: carafe describe accounts",
    );
    let (crm, desk) = (Tiny::serve(accounts(&[])), Desk::with("a.csv", "Tel\n1\n"));
    desk.write("m.yaml", "version: 1\nobject: accounts\nmode: create\nfields:\n  phone: Tel\n");
    desk.carafe(["import", "a.csv", "-m", "m.yaml"]).at(&crm.address()).run().fails(
        2,
        "error: accounts requires name, and nothing fills it
  --> m.yaml
   = add under fields: name: COLUMN
   = see: carafe describe accounts",
    );
}

#[test]
fn a_blank_required_cell_and_a_wrong_type_reject_their_row() {
    let (crm, desk) = (Tiny::serve(accounts(&[])), Desk::with("a.csv", "name,leadscore\n,1\nX,many\n"));
    let done =
        desk.carafe(["import", "a.csv", "--object", "accounts", "--json"]).at(&crm.address()).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 2, "rejected": 2 }));
    let told: Vec<_> = desk
        .errors()
        .iter()
        .map(|e| format!("{} {}: {}", e["cell"], e["field"], e["message"]).replace('"', ""))
        .collect();
    assert_eq!(told, ["A2 name: blank, and the CRM requires it", "B3 leadscore: not a number"]);
    assert_eq!(crm.writes(), 0);
}

#[test]
fn all_faults_of_a_mapping_at_once_with_line_and_nearest_name() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "Company,Kind,Tel\nX,Customer,1\n"));
    desk.write(
        "m.yaml",
        "version: 1\nobject: accounts\nmode: upsert\nmatch: [nam]\nfields:\n  name: Compny\n  adresscity: Kind\n  createddate: Tel\n",
    );
    crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml"]).run().fails(
        2,
        "error: \"match\" names nam, which no line under \"fields\" fills
  --> m.yaml:4:9
4 | match: [nam]
  |         ^^^ nearest: name
error: the file has no column \"Compny\"
  --> m.yaml:6:9
6 |   name: Compny
  |         ^^^^^^ nearest: \"Company\"
error: accounts has no field \"adresscity\"
  --> m.yaml:7:3
7 |   adresscity: Kind
  |   ^^^^^^^^^^ nearest: addresscity
  = see: carafe describe accounts
error: createddate is filled by the CRM and cannot be written
  --> m.yaml:8:3
8 |   createddate: Tel
  |   ^^^^^^^^^^^ read-only
  = see: take the line out, or put its column under ignore",
    );
    desk.write("m.yaml", "version: 1\nobject: accounts\nmode: upsrt\nfields:\n  name: { form: Company }\n  type: { from: Kind, valeus: {} }\nignroe: [Tel]\n");
    crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml"]).run().fails(
        2,
        "error: \"upsrt\" is not one of: create, update, upsert, delete
  --> m.yaml:3:7
3 | mode: upsrt
  |       ^^^^^ nearest: upsert
error: nothing fills this field
  --> m.yaml:5:9
5 |   name: { form: Company }
  |         ^^ give a column (from), a value (const) or an expression (expr)
error: unknown key \"form\"
  --> m.yaml:5:11
5 |   name: { form: Company }
  |           ^^^^ nearest: from
error: unknown key \"valeus\"
  --> m.yaml:6:23
6 |   type: { from: Kind, valeus: {} }
  |                       ^^^^^^ nearest: values
error: unknown key \"ignroe\"
  --> m.yaml:7:1
7 | ignroe: [Tel]
  | ^^^^^^ nearest: ignore",
    );
    assert!(desk.runs().is_empty());
}

#[test]
fn what_does_not_read_and_what_does_not_fit_are_told_together() {
    let desk = Desk::with("a.csv", "Company,Tel\nX,1\n");
    desk.write(
        "m.yaml",
        "version: 1\nobject: accounts\nwhen: Tl = 1\nfields:\n  name: { form: Company }\n  phon: Tel\n  notes: Tell\nignroe: [x]\n",
    );
    let crm = Crm::start();
    let done = crm.carafe(&desk, ["check", "a.csv", "-m", "m.yaml"]).ends_with(2);
    let told: Vec<&str> = done.stderr.lines().filter(|line| line.starts_with("error")).collect();
    assert_eq!(
        told,
        [
            "error: the file has no column \"Tl\"",
            "error: nothing fills this field",
            "error: unknown key \"form\"",
            "error: accounts has no field \"phon\"",
            "error: the file has no column \"Tell\"",
            "error: unknown key \"ignroe\"",
        ]
    );
}

#[test]
fn a_mapping_that_is_no_yaml_or_no_mapping() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "Company\nX\n"));
    for (text, words) in [
        (
            "version: 1\n\tobject: accounts\n",
            "error: this is not YAML: a tab is used to indent; use blanks\n  --> m.yaml:2:1\n2 |  object: accounts\n  | ^",
        ),
        (
            "version: 1\nobject: accounts\nobject: contacts\n",
            "error: \"object\" stands twice; the first is in line 2\n  --> m.yaml:3:1\n3 | object: contacts\n  | ^^^^^^",
        ),
        (
            "[1, 2]\n",
            "error: a mapping file has keys, and this is a list\n  --> m.yaml:1:1\n1 | [1, 2]\n  | ^",
        ),
        ("", "error: the mapping file is empty\n  --> m.yaml"),
        (
            "version: 2\nobject: accounts\nfields:\n  name: Company\n",
            "error: this program reads version 1, not \"2\"\n  --> m.yaml:1:10\n1 | version: 2\n  |          ^",
        ),
    ] {
        desk.write("m.yaml", text);
        crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml"]).run().fails(2, words);
    }
}

#[test]
fn a_missing_mapping_and_none_at_all() {
    let desk = Desk::with("a.csv", "Company\nX\n");
    let crm = Crm::start();
    crm.carafe(&desk, ["import", "a.csv", "-m", "none.yaml"]).run().fails(
        2,
        "error: cannot read the mapping none.yaml: there is no such file
  name a mapping file with -m FILE",
    );
    crm.carafe(&desk, ["import", "a.csv"]).run().fails(
        2,
        "error: neither a mapping nor an object is given
  give -m MAPPING, or --object NAME where the headers are field names",
    );
    desk.write("m.yaml", BY_NAME);
    crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml", "--object", "contacts"]).run().fails(
        2,
        "error: --object says contacts and the mapping says accounts
  give only one of them",
    );
}

#[test]
fn no_token() {
    let desk = Desk::with("a.csv", "name\nX\n");
    let call =
        || desk.carafe(["import", "a.csv", "--object", "accounts", "--base-url", "http://127.0.0.1:1"]);
    call().run().fails(2, "error: no access token is given
  create one in the CRM under Settings / Integrations / API V4, put it in a file and give --token-file FILE (or set CARAFE_TOKEN); to try without a CRM, add --sandbox");
    call().env("CARAFE_TOKEN", "  ").run().fails(2, "error: no access token is given
  create one in the CRM under Settings / Integrations / API V4, put it in a file and give --token-file FILE (or set CARAFE_TOKEN); to try without a CRM, add --sandbox");
    call().env("CARAFE_TOKEN_FILE", "none").run().fails(
        2,
        "error: cannot read the token file none: there is no such file
  give a file that holds nothing but the token",
    );
    desk.write("token", "\n");
    let mut empty = call();
    empty.command.args(["--token-file", "token"]);
    assert!(empty.ends_with(2).stderr.contains("cannot read the token file token: it is empty"));
}

#[test]
fn a_token_with_a_line_break_in_it() {
    let desk = Desk::with("a.csv", "name\nX\n");
    let call = desk.carafe(["import", "a.csv", "--object", "accounts", "--base-url", "http://127.0.0.1:1"]);
    call.env("CARAFE_TOKEN", "first-half\r\nsecond-half").run().fails(
        2,
        "error: the access token has a line break inside; paste it again as one line
  copy the token again, in one line, from Settings / Integrations / API V4",
    );
    // At its end, as every editor leaves one, it is no fault.
    let (crm, desk) = (Crm::start(), Desk::with("token", "sandbox\n"));
    desk.carafe(["describe", "--token-file", "token", "--base-url", &crm.address()]).ends_with(0);
}

#[test]
fn a_wrong_token() {
    for status in [401, 402, 403] {
        let crm = Tiny::scripted(accounts(&[]), move |_, _| Some(Reply::error(status, "Unauthenticated")));
        let desk = Desk::with("a.csv", "name\nX\n");
        desk.carafe(["import", "a.csv", "--object", "accounts"]).at(&crm.address()).run().fails(
            3,
            &format!(
                "error: the CRM refuses the access token, or this part of the CRM is not in your plan ({status}): Unauthenticated
  create a new access token in the CRM under Settings / Integrations / API V4 and check that its user may use the API"
            ),
        );
        assert_eq!(crm.asked().len(), 1, "asking again would not help");
    }
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "name\nX\n"));
    let call = desk.carafe(["import", "a.csv", "--object", "accounts", "--base-url", &crm.address()]);
    call.env("CARAFE_TOKEN", "wrong").ends_with(3);
}

#[test]
fn no_server() {
    // A port that was free a moment ago and that nobody listens on.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let desk = Desk::with("a.csv", "name\nX\n");
    let call = desk.carafe(["import", "a.csv", "--object", "accounts", "--retries", "0"]);
    call.at(&format!("http://{port}")).run().fails(
        3,
        &format!(
            "error: cannot reach the CRM at {port}: the connection was refused; nothing listens there
  check the address, the network and any proxy"
        ),
    );
}

#[test]
fn a_server_that_answers_with_a_web_page() {
    let crm = Tiny::scripted(accounts(&[]), |_, _| Some(Reply::html(200, "Welcome to <b>Router</b>")));
    let desk = Desk::with("a.csv", "name\nX\n");
    let call = desk.carafe(["import", "a.csv", "--object", "accounts", "--retries", "0"]);
    call.at(&crm.address()).run().fails(3, "error: the CRM's answer cannot be understood (200): it is not JSON; it begins: <!DOCTYPE html><html><body>Welcome to <b>Router</b></body></html>
  check that the address is the API's and not a web page's, and that no proxy answers in its place");
}

#[test]
fn a_dictionary_in_no_known_form() {
    let crm = Tiny::scripted(accounts(&[]), |_, _| Some(Reply::json(200, &json!({ "answer": 42 }))));
    let desk = Desk::with("a.csv", "name\nX\n");
    desk.carafe(["import", "a.csv", "--object", "accounts"]).at(&crm.address()).run().fails(2, "error: the CRM's description of accounts cannot be read: it is not a list of fields; it begins: {\"answer\":42}
  write the fields down by hand and pass them with --dictionary FILE, in the form {\"objects\": {\"accounts\": {\"fields\": [{\"name\": \"name\", \"type\": \"text\", \"required\": true}]}}}");
}

#[test]
fn an_address_that_would_show_the_token_to_everyone() {
    let desk = Desk::with("a.csv", "name\nX\n");
    let call = |address: &str| desk.carafe(["check", "a.csv", "--object", "accounts"]).at(address).run();
    call("http://crm.example.com").fails(2, "error: the CRM's address must begin with https://, else everyone on the way could read the access token (http:// is allowed for this machine only)
  for example: --base-url https://apiv4.reallysimplesystems.com");
    call("ftp://crm.example.com").fails(2, "error: the CRM's address must begin with https://, else everyone on the way could read the access token (http:// is allowed for this machine only)
  for example: --base-url https://apiv4.reallysimplesystems.com");
    call("https://me:secret@crm.example.com").fails(2, "error: the CRM's address must not hold a user name or a password; the access token is given separately
  for example: --base-url https://apiv4.reallysimplesystems.com");
    call("crm.example.com").fails(
        2,
        "error: `crm.example.com` is not a web address; it looks like https://apiv4.reallysimplesystems.com
  for example: --base-url https://apiv4.reallysimplesystems.com",
    );
}

#[test]
fn a_redirect_is_not_followed_and_the_token_stays_here() {
    let elsewhere = Tiny::serve(accounts(&[]));
    let target = format!("{}/login?next=secret", elsewhere.address());
    let crm = Tiny::scripted(accounts(&[]), move |_, _| {
        Some(Reply::html(302, "Moved").header("location", &target))
    });
    let desk = Desk::with("a.csv", "name\nX\n");
    let done = desk.carafe(["import", "a.csv", "--object", "accounts"]).at(&crm.address()).run();
    done.fails(
        3,
        &format!(
            "error: the CRM's address sends us elsewhere (302, to {}), as it does when the access token is not valid
  create a new access token in the CRM under Settings / Integrations / API V4 and check that its user may use the API",
            elsewhere.address()
        ),
    );
    assert!(elsewhere.asked().is_empty());
}

#[test]
fn an_unknown_object() {
    let desk = Desk::with("a.csv", "name\nX\n");
    let words =
        "error: the CRM has no object \"acounts\"\n  nearest: accounts; `carafe describe` lists the objects";
    let sandbox = Crm::start();
    sandbox.carafe(&desk, ["import", "a.csv", "--object", "acounts"]).run().fails(2, words);
    let tiny = Tiny::serve(accounts(&[]));
    desk.carafe(["import", "a.csv", "--object", "acounts"]).at(&tiny.address()).run().fails(2, words);
}

#[test]
fn with_json_the_failure_is_a_document_with_code_message_place_and_advice() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "Company\nX\n"));
    let error = |done: &Done| {
        let document = done.json();
        assert_eq!(document.as_object().unwrap().len(), 1);
        document["error"].clone()
    };
    desk.write("m.yaml", "version: 1\nobject: accounts\nmode: create\nfields:\n  name: Compny\n");
    let done = crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml", "--json"]).ends_with(2);
    assert_eq!(
        error(&done),
        json!({ "code": "mapping", "place": "m.yaml:5:9", "advice": null,
                "message": "the file has no column \"Compny\"\n  --> m.yaml:5:9\n5 |   name: Compny\n  |         ^^^^^^ nearest: \"Company\"" })
    );
    let done = crm.carafe(&desk, ["import", "none.csv", "--object", "accounts", "--json"]).ends_with(2);
    assert_eq!(
        error(&done),
        json!({ "code": "input", "place": "none.csv", "advice": null, "message": "none.csv: there is no such file; check its name and its folder" })
    );
    let done = desk.carafe(["import", "a.csv", "--object", "accounts", "--json"]).ends_with(2);
    assert_eq!(
        (&error(&done)["code"], &error(&done)["message"]),
        (&json!("usage"), &json!("no access token is given"))
    );
    assert!(error(&done)["advice"].as_str().unwrap().contains("--token-file FILE"));
    let done = crm.carafe(&desk, ["import", "a.csv", "--object", "acounts", "--json"]).ends_with(2);
    assert_eq!(
        error(&done),
        json!({ "code": "unknown_object", "place": null, "advice": "nearest: accounts; `carafe describe` lists the objects",
                "message": "the CRM has no object \"acounts\"" })
    );
    let done = desk.carafe(["import", "--colour", "--json"]).ends_with(2);
    assert_eq!(error(&done)["code"], "usage");
}

#[test]
fn a_where_that_does_not_read_shows_the_place_and_the_nearest_name() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let call = |words: &'static str| {
        crm.carafe(&desk, ["export", "accounts", "-o", "x.csv", "--where", words]).run()
    };
    call("nam = 'X'").fails(2, "error: accounts has no field \"nam\"\n  | nam = 'X'\n  | ^^^ nearest: name");
    call("name = ").fails(2, "error: expected a value\n  | name = \n  |        ^");
    call("name = 'X' und type = 'Y'").fails(
        2,
        "error: expected \"and\", \"or\" or the end
  | name = 'X' und type = 'Y'
  |            ^^^",
    );
    assert!(!desk.path("x.csv").exists());
}
