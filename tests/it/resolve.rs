//! `export --resolve`: names beside ids.

use serde_json::{Value as Json, json};

use crate::support::{Crm, Desk};
use crate::tables::{Habit, Tables, accounts};
use crate::tiny::Tiny;

/// 250 accounts, and 2,000 contacts of them; the last one's account is gone.
fn tables() -> Tables {
    let account = |n: u64| json!({ "id": n, "name": format!("Account {n}") });
    let mut tables = accounts(&(1..=250).map(account).collect::<Vec<_>>()).and_contacts();
    let contact = |n: u64| {
        let account = if n == 2_000 { 9_999 } else { n * 7 % 250 + 1 };
        json!({ "id": 10_000 + n, "accountid": account, "last": format!("Contact {n}") })
    };
    let contacts: Vec<Json> = (1..=2_000).map(contact).collect();
    let table = tables.table("contacts").unwrap();
    table.records = contacts.iter().map(|record| record.as_object().unwrap().clone()).collect();
    tables
}

const ARGUMENTS: [&str; 6] = ["export", "contacts", "-o", "a.csv", "--resolve", "accountid=accounts.name"];

#[test]
fn names_stand_behind_their_ids_and_are_looked_up_together() {
    for id_filter in [Habit::Honours, Habit::Refuses, Habit::Ignores] {
        let crm = Tiny::serve(Tables { id_filter, ..tables() });
        let desk = Desk::new();
        desk.carafe(ARGUMENTS).at(&crm.address()).ends_with(0);
        let mut reader = csv::Reader::from_path(desk.path("a.csv")).unwrap();
        assert_eq!(
            reader.headers().unwrap(),
            ["id", "accountid", "accountid.name", "last", "email"].as_slice()
        );
        let mut records = 0;
        for record in reader.into_records() {
            let record = record.unwrap();
            let wanted = if &record[1] == "9999" { String::new() } else { format!("Account {}", &record[1]) };
            assert_eq!(&record[2], wanted, "{id_filter:?}");
            records += 1;
        }
        assert_eq!(records, 2_000);
        // Each account once, a hundred together.
        let asked = crm.asked().iter().filter(|request| request.path == "/accounts").count();
        assert!(asked <= 8, "{id_filter:?}: {asked} requests");
    }
}

#[test]
fn a_name_of_several_fields_has_blanks_between_in_every_form() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "name,ownerid\nNew,90505\n"));
    let users = crm.records("users", "{}");
    let (id, first, last) = (&users[0]["id"], &users[0]["first"], &users[0]["last"]);
    desk.write("a.csv", format!("name,ownerid\nNew,{id}\n"));
    crm.carafe(&desk, ["import", "a.csv", "--object", "accounts"]).ends_with(0);
    let name = format!("{} {}", first.as_str().unwrap(), last.as_str().unwrap());
    let arguments =
        ["--fields", "name,ownerid", "--where", "name = 'New'", "--resolve", "ownerid=users.first+last"];
    for out in ["b.jsonl", "b.csv"] {
        crm.carafe(&desk, ["export", "accounts", "-o", out].into_iter().chain(arguments)).ends_with(0);
        assert!(desk.text(out).contains(&name), "{}", desk.text(out));
    }
    assert!(desk.text("b.jsonl").contains(&format!(r#""ownerid.first+last":"{name}""#)));
    // The column is passed over where the file comes back.
    let done = crm.carafe(&desk, ["import", "b.csv", "--object", "accounts", "--json"]).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 1, "unchanged": 1 }));
}

#[test]
fn what_names_nothing_is_told_with_the_nearest() {
    let (crm, desk) = (Tiny::serve(tables()), Desk::new());
    for (resolve, told) in [
        ("accountd=accounts.name", "error: contacts has no field \"accountd\"; nearest: accountid"),
        ("accountid=accounts.nam", "error: accounts has no field \"nam\"; nearest: name"),
        ("accountid=account.name", "nearest: accounts"),
        (
            "accountid",
            "error: --resolve \"accountid\" does not say which field names which record\n  for example: --resolve accountid=accounts.name,ownerid=users.first+last",
        ),
    ] {
        let done = desk
            .carafe(["export", "contacts", "-o", "a.csv", "--resolve", resolve])
            .at(&crm.address())
            .ends_with(2);
        assert!(done.stderr.contains(told), "{done:?}");
    }
    let done = desk
        .carafe([
            "export",
            "contacts",
            "-o",
            "a.csv",
            "--fields",
            "last",
            "--resolve",
            "accountid=accounts.name",
        ])
        .at(&crm.address())
        .ends_with(2);
    assert!(done.stderr.contains("which --fields leaves out\n  add accountid to --fields"), "{done:?}");
    assert!(!desk.path("a.csv").exists());
}
