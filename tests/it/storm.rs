//! Many rows through a CRM that does everything wrong at once.
//!
//! `STORM` says how many rows.

use std::collections::BTreeSet;

use rusqlite::Connection;
use serde_json::Value as Json;

use crate::support::{Desk, Done, Served};

/// A share of each fault; what comes late comes within the settle time.
const FAULTS: &str = "refuse=5%,reset-before=5%,reset-after=5%,slow=5%:1500ms,500-before=5%,500-after=5%,\
    503=5%,429=5%:1s,truncated=5%,wrong=5%,500-before-reads=5%,503-reads=5%,lag=500ms,seed=11";

fn number_of_rows() -> u64 {
    std::env::var("STORM").ok().map_or(120, |text| text.parse().expect("a number"))
}

struct Storm {
    desk: Desk,
    crm: Served,
    rows: u64,
}

impl Storm {
    fn new() -> Self {
        let rows = number_of_rows();
        let lines: String = (0..rows).map(|n| format!("Row {n},{n}\n")).collect();
        let desk = Desk::with("a.csv", format!("name,phone\n{lines}"));
        desk.write(
            "m.yaml",
            "version: 1\nobject: accounts\nmatch: [name]\nfields: { name: name, phone: phone }\n",
        );
        let crm = Served::with(&desk, &["--faults", FAULTS]);
        Self { desk, crm, rows }
    }

    /// Imports, and goes on as long as there is something to go on with.
    fn play(&self, mapped: &[&str]) -> Done {
        let import = ["import", "a.csv"].into_iter().chain(mapped.iter().copied());
        let mut done = self.carafe(import);
        for _ in 0..40 {
            // Equal answers in a row may have stopped it, with rows unknown.
            if done.json()["state"] == "finished" {
                return done;
            }
            let again = if self.desk.runs().is_empty() {
                vec!["import", "a.csv", mapped[0], mapped[1]]
            } else {
                vec!["resume", "last"]
            };
            done = self.carafe(again);
        }
        panic!("it does not come to an end: {done:?}");
    }

    fn carafe<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Done {
        let more = ["--json", "--timeout", "1", "--settle", "3", "--concurrency", "16"];
        self.desk.carafe(arguments.into_iter().chain(more)).at(self.crm.address()).run()
    }

    /// The names that the CRM has, each as often as it has it.
    fn names(&self) -> Vec<String> {
        let db = Connection::open(self.desk.path("crm.db")).unwrap();
        let mut statement = db.prepare("SELECT name FROM accounts WHERE name LIKE 'Row %'").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }
}

fn of(rows: &Json, outcome: &str) -> u64 {
    rows[outcome].as_u64().unwrap_or(0)
}

#[test]
fn with_a_key_a_storm_doubles_nothing_and_loses_nothing() {
    let storm = Storm::new();
    let done = storm.play(&["-m", "m.yaml"]);
    let rows = done.rows();
    assert_eq!(of(&rows, "unknown") + of(&rows, "unprocessed"), 0, "{done:?}");
    assert_eq!(of(&rows, "created") + of(&rows, "rejected"), storm.rows, "{done:?}");
    let names = storm.names();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "something is there twice");
    assert_eq!(names.len() as u64, of(&rows, "created"));
    assert_eq!(
        of(&rows, "rejected"),
        0,
        "a row whose answer is lost six times is one in a million: {done:?}"
    );
}

#[test]
fn without_a_key_a_storm_doubles_nothing_and_lists_what_may_be_missing() {
    let storm = Storm::new();
    let done = storm.play(&["--object", "accounts"]);
    let rows = done.rows();
    assert_eq!(of(&rows, "created") + of(&rows, "unknown"), storm.rows, "{done:?}");
    let names = storm.names();
    let there: BTreeSet<&String> = names.iter().collect();
    assert_eq!(there.len(), names.len(), "something is there twice");
    let listed = storm.desk.run_text("unknown.csv");
    for n in 0..storm.rows {
        let name = format!("Row {n}");
        assert!(
            there.contains(&name) || listed.contains(&format!("{name},{n},")),
            "{name} is missing and not listed"
        );
    }
}
