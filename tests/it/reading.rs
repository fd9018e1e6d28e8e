//! 2,345 records out of every kind of CRM: complete, and each of them once.

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex};

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

/// Records at the beginning, and what another client does while they are read.
const THERE: u64 = 5_000;
const EACH: u64 = 500;

/// What another client has done, and what it may do by now.
#[derive(Default)]
struct Other {
    steps: Mutex<(u64, u64)>,
    changed: Condvar,
}

impl Other {
    /// Lets so many steps go before the request that asks is answered.
    fn let_go(&self, steps: u64) {
        let mut state = self.steps.lock().unwrap();
        state.1 = state.1.max(steps.min(EACH));
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |(done, allowed)| done < allowed).unwrap());
    }

    /// Does all steps, each when it may.
    fn act(&self, mut step: impl FnMut(u64)) {
        for number in 0..EACH {
            let state = self.steps.lock().unwrap();
            drop(self.changed.wait_while(state, |(_, allowed)| *allowed <= number).unwrap());
            step(number);
            self.steps.lock().unwrap().0 += 1;
            self.changed.notify_all();
        }
    }
}

/// Exports 5,000 accounts while another client adds 500, deletes 500 and edits 500: what is in the
/// file, what was there all along, and what the program said.
fn read_among_others(
    id_filter: Habit,
    concurrency: &'static str,
) -> (Vec<u64>, BTreeSet<u64>, String, usize) {
    let record = |id: u64| json!({ "id": id, "name": format!("Name {id}"), "phone": "1" });
    let mut tables = accounts(&(1..=THERE).map(|n| record(n * 2)).collect::<Vec<_>>());
    tables.id_filter = id_filter;
    let other = Arc::new(Other::default());
    let of_script = Arc::clone(&other);
    let crm = Tiny::scripted(tables, move |request, before| {
        if request.path == "/accounts" {
            of_script.let_go(before as u64 * EACH / 45);
        }
        None
    });
    let mut stayed: BTreeSet<u64> = (1..=THERE).map(|n| n * 2).collect();
    let desk = Desk::new();
    let (text, said) = std::thread::scope(|scope| {
        scope.spawn(|| {
            other.act(|step| {
                // From below and from above, and all over the ids.
                let gone =
                    [2 * (step + 1), 2 * (THERE - step), 2 * (step * 7 % THERE + 1)][step as usize % 3];
                if stayed.remove(&gone) {
                    crm.remove("accounts", gone);
                }
                crm.restore("accounts", record((step * 19 % THERE) * 2 + 1));
                let edited = stayed.iter().copied().nth((step * 9) as usize).unwrap();
                crm.change("accounts", edited, "phone", json!("2"));
            });
        });
        let done = desk
            .carafe(["export", "accounts", "--fields", "id", "-o", "a.csv", "--concurrency", concurrency])
            .at(&crm.address())
            .ends_with(0);
        // What is left to be done is no longer held against anyone.
        other.let_go(EACH);
        (desk.text("a.csv"), done.stderr)
    });
    let read = text.lines().skip(1).map(|line| line.parse().unwrap()).collect();
    (read, stayed, said, crm.asked().iter().filter(|request| request.path == "/accounts").count())
}

#[test]
fn nothing_is_lost_or_repeated_while_others_add_delete_and_edit() {
    for concurrency in ["1", "8"] {
        let (read, stayed, said, calls) = read_among_others(Habit::Honours, concurrency);
        assert!(read.is_sorted_by(|one, next| one < next), "in order, each once");
        let read: BTreeSet<u64> = read.into_iter().collect();
        let lost: Vec<&u64> = stayed.difference(&read).collect();
        assert!(lost.is_empty(), "{lost:?}");
        assert!(!said.contains("missing"), "{said}");
        let pages = read.len().div_ceil(100);
        assert!(calls <= pages * 11 / 10 + 3 * 8, "{calls} calls for {pages} pages");
    }
}

#[test]
fn where_a_crm_knows_no_filter_on_ids_a_second_look_finds_what_pages_lose() {
    let (read, stayed, said, calls) = read_among_others(Habit::Refuses, "8");
    let once: BTreeSet<u64> = read.iter().copied().collect();
    assert_eq!(once.len(), read.len(), "each once");
    let lost: Vec<&u64> = stayed.difference(&once).collect();
    assert!(lost.is_empty(), "{lost:?}");
    // Plain paging alone does lose some: what slides to an earlier page is not met.
    assert!(calls > 100 && !said.contains(" 0 of them were found"), "{calls} calls; {said}");
    assert!(
        said.contains("accounts changed while it was read") && said.contains("by a second look"),
        "{said}"
    );
}

#[test]
fn a_record_that_slides_while_another_is_added_is_found_by_the_second_look() {
    let record = |id: u64| json!({ "id": id, "name": format!("A{id}") });
    let mut tables = accounts(&(1..=1_000).map(record).collect::<Vec<_>>());
    tables.id_filter = Habit::Refuses;
    let tables = Mutex::new(tables);
    let pages = std::sync::atomic::AtomicUsize::new(0);
    let crm = Tiny::scripted(accounts(&[]), move |request, _| {
        let mut tables = tables.lock().unwrap();
        if request.path == "/accounts" && request.query("q").is_none() {
            // As many in the end as in the beginning.
            let records = &mut tables.tables[0].records;
            match pages.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                3 => drop(records.remove(0)),
                5 => records.push(record(1_001).as_object().unwrap().clone()),
                _ => {}
            }
        }
        Some(tables.answer(request))
    });
    let (stdout, stderr) = export(&crm, &[]);
    assert!(ids(&stdout).is_superset(&(2..=1_000).collect()), "{stderr}");
    assert!(stderr.contains("by a second look"), "{stderr}");
}
