//! 2,345 records out of every kind of CRM: complete, and each of them once.

use std::collections::BTreeSet;

use carafe::sandbox::PageBase;
use serde_json::{Value as Json, json};

use crate::support::{Crm, Desk};
use crate::tiny::{Habit, Tables, Tiny, accounts};

const RECORDS: u64 = 2_345;

/// As many accounts, in no order at all.
fn many() -> Tables {
    let record = |n: u64| {
        let id = n * 1_009 % RECORDS + 1;
        json!({ "id": id, "name": format!("Account {id}"), "phone": "1" })
    };
    accounts(&(0..RECORDS).map(record).collect::<Vec<_>>())
}

/// The ids of an exported CSV, which must all differ.
#[track_caller]
fn ids(text: &str) -> BTreeSet<u64> {
    let ids: Vec<u64> =
        text.lines().skip(1).map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
    let set: BTreeSet<u64> = ids.iter().copied().collect();
    assert_eq!(set.len(), ids.len(), "records came twice");
    set
}

fn export(crm: &Tiny, more: &[&'static str]) -> (String, String) {
    let arguments = ["export", "accounts", "-o", "-", "--fields", "name", "--retries", "0"];
    let done =
        Desk::new().carafe(arguments.into_iter().chain(more.iter().copied())).at(&crm.address()).ends_with(0);
    (done.stdout, done.stderr)
}

#[test]
fn from_any_first_page_with_and_without_order_and_filter() {
    let habits = [Habit::Honours, Habit::Ignores, Habit::Refuses];
    for first_page in [0, 1] {
        for order in habits {
            for id_filter in habits {
                let crm = Tiny::serve(Tables { first_page, order, id_filter, ..many() });
                let (stdout, stderr) = export(&crm, &[]);
                let case = format!("first page {first_page}, order {order:?}, filter on id {id_filter:?}");
                assert_eq!(ids(&stdout), (1..=RECORDS).collect(), "{case}");
                assert_eq!(stderr, "", "{case}");
                // Not many more requests than pages.
                assert!(crm.asked().len() < 40, "{case}: {} requests", crm.asked().len());
            }
        }
    }
}

#[test]
fn in_an_order_of_ones_own_from_either_first_page() {
    for first_page in [0, 1] {
        let crm = Tiny::serve(Tables { first_page, ..many() });
        let (stdout, _) = export(&crm, &["--order", "-name"]);
        assert_eq!(ids(&stdout), (1..=RECORDS).collect());
        let names: Vec<&str> = stdout.lines().skip(1).map(|line| line.split_once(',').unwrap().1).collect();
        assert!(names.is_sorted_by(|a, b| a >= b), "first page {first_page}");
    }
}

#[test]
fn a_page_that_comes_for_ever_ends_the_reading() {
    // Says that there is more, and gives the first page whatever is asked.
    let crm = Tiny::scripted(many(), |request, _| {
        let record = |id: u64| json!({ "metadata": { "url": format!("/accounts/{id}"), "record_type": "account" }, "record": { "id": id, "name": "A" } });
        let list: Vec<Json> = (1..=100).map(record).collect();
        let metadata =
            json!({ "url": "/account", "object_type": "list", "total_count": RECORDS, "has_more": true });
        (request.path == "/accounts")
            .then(|| crate::tiny::Reply::json(200, &json!({ "metadata": metadata, "list": list })))
    });
    let (stdout, stderr) = export(&crm, &[]);
    assert_eq!(ids(&stdout).len(), 100);
    assert!(stderr.contains("2345 records") && stderr.contains("2245 are missing"), "{stderr}");
    assert!(crm.asked().len() < 20);
}

#[test]
fn what_others_delete_meanwhile_costs_no_other_record() {
    // After the third page, the first hundred records go: pages would shift.
    let tables = std::sync::Mutex::new(many());
    let crm = Tiny::scripted(accounts(&[]), move |request, before| {
        let mut tables = tables.lock().unwrap();
        if request.path == "/accounts" && before == 4 {
            tables.tables[0].records.retain(|record| record["id"].as_u64().unwrap() > 100);
        }
        Some(tables.answer(request))
    });
    let (stdout, _) = export(&crm, &[]);
    assert!(ids(&stdout).is_superset(&(101..=RECORDS).collect()));
}

#[test]
fn from_the_embedded_crm_with_first_page_0_and_1() {
    let desk = Desk::new();
    let file = desk.path("crm.db");
    let crm = Crm::of_file(&file, PageBase::One);
    let known = crm.carafe(&desk, ["export", "accounts", "-o", "-", "--fields", "name"]).ends_with(0).stdout;
    let rows: String = (0..RECORDS - ids(&known).len() as u64).map(|n| format!("Imported {n}\n")).collect();
    desk.write("a.csv", format!("name\n{rows}"));
    crm.carafe(&desk, ["import", "a.csv", "--object", "accounts"]).ends_with(0);
    let from_one =
        crm.carafe(&desk, ["export", "accounts", "-o", "-", "--fields", "name"]).ends_with(0).stdout;
    let all = ids(&from_one);
    assert_eq!(all.len() as u64, RECORDS);
    let paged = crm.carafe(&desk, ["export", "accounts", "-o", "-", "--fields", "name", "--order", "-name"]);
    assert_eq!(ids(&paged.ends_with(0).stdout), all);
    drop(crm);

    let crm = Crm::of_file(&file, PageBase::Zero);
    for order in [&["--order", "-name"][..], &["--order", "name,id"], &[]] {
        let arguments = ["export", "accounts", "-o", "-", "--fields", "name"];
        let done = crm.carafe(&desk, arguments.into_iter().chain(order.iter().copied())).ends_with(0);
        assert_eq!(ids(&done.stdout), all, "{order:?}");
    }
}
