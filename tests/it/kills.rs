//! The program is killed (SIGKILL) at random moments, over and over, and taken
//! up again until it ends. The CRM is another process with a ledger of its own.
//!
//! `KILLS` says how many rounds, `KILLS_SEED` the first one's seed.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value as Json, json};

use crate::support::{Call, Desk, Done, Served};

const MAPPING: &str = "version: 1\nobject: accounts\nmode: upsert\nmatch: [name]\n\
    fields:\n  name: Name\n  phone: Phone\n  type: Kind\n";

/// Rows of each kind; 120 of each and a few more.
const EACH: u64 = 120;

/// One round: a desk, a CRM, and dice.
struct Round {
    seed: u64,
    dice: u64,
    desk: Desk,
    crm: Served,
    log: Vec<String>,
}

impl Round {
    fn new(seed: u64) -> Self {
        let desk = Desk::with("m.yaml", MAPPING);
        let crm = Served::with(&desk, &["--latency", "10"]);
        let mut round = Self { seed, dice: seed, desk, crm, log: Vec::new() };
        round.seed_records();
        round
    }

    /// Accounts that are there before: some will be changed, some are as they should be.
    fn seed_records(&mut self) {
        let line = |n: u64| format!("Changed {n},old,\nSame {n},same {n},\n");
        let rows: String = (0..EACH).map(line).collect();
        self.desk.write("before.csv", format!("Name,Phone,Kind\n{rows}"));
        self.carafe(&["import", "before.csv", "-m", "m.yaml", "-q"]).ends_with(0);
        // Only what comes now counts.
        std::fs::remove_dir_all(self.desk.path(".carafe")).unwrap();
        let line = |n: u64| {
            format!("New {n},new {n},\nChanged {n},new {n},\nSame {n},same {n},\nBad {n},,Custmer\n")
        };
        let rows: String = (0..EACH).map(line).collect();
        self.desk.write("a.csv", format!("Name,Phone,Kind\n{rows}"));
    }

    fn carafe(&self, arguments: &[&str]) -> Call {
        self.desk.carafe(arguments.iter().copied()).env("CARAFE_SETTLE", "0.5").at(self.crm.address())
    }

    /// The next number below `most` (SplitMix64).
    fn draw(&mut self, most: u64) -> u64 {
        self.dice = self.dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % most
    }

    /// The command that goes on: `import` as long as there is no run to resume.
    fn next_command(&self) -> Vec<&'static str> {
        let has_run = self.desk.runs().iter().any(|run| run.join("run.db").is_file());
        if has_run {
            vec!["resume", "last", "--json"]
        } else {
            vec!["import", "a.csv", "-m", "m.yaml", "--json"]
        }
    }

    /// Kills it a few times, then lets it end.
    fn play(&mut self) -> Done {
        for _ in 0..1 + self.draw(4) {
            let command = self.next_command();
            let after = Duration::from_millis(self.draw(700));
            self.log.push(format!("{} killed after {after:?}", command[0]));
            let running = self.carafe(&command).start();
            std::thread::sleep(after);
            running.signal("KILL");
            running.end();
        }
        for _ in 0..3 {
            let done = self.carafe(&self.next_command()).run();
            if done.code != Some(2) {
                return done;
            }
            // A run that was killed before it began is imported anew.
            assert!(done.stderr.contains("import the file again"), "{}{:#?}", done.stderr, self.log);
            std::fs::remove_dir_all(self.desk.path(".carafe/runs")).unwrap();
        }
        panic!("it does not come to an end: {:#?}", self.log);
    }

    /// Nothing doubled, nothing lost, and all counts the same.
    fn check(&self, done: &Done) {
        let told = format!("seed {}: {:#?}\n{}", self.seed, self.log, done.stderr);
        assert_eq!(done.code, Some(4), "{told}");
        let rows = done.rows();
        let counts = json!({ "read": 4 * EACH, "created": EACH, "updated": EACH, "unchanged": EACH, "rejected": EACH });
        assert_eq!(rows, counts, "{told}");
        let db = Connection::open(self.desk.path("crm.db")).unwrap();
        let count = |sql: &str| -> u64 { db.query_row(sql, [], |row| row.get(0)).unwrap() };
        let named = |part: &str| count(&format!("SELECT count(*) FROM accounts WHERE name LIKE '{part}%'"));
        assert_eq!(
            (named("New "), named("Changed "), named("Same "), named("Bad ")),
            (EACH, EACH, EACH, 0),
            "{told}"
        );
        assert_eq!(
            count(
                "SELECT count(*) FROM accounts WHERE name LIKE 'Changed %' AND phone = replace(name, 'Changed', 'new')"
            ),
            EACH,
            "{told}"
        );
        self.check_ledger(&db, &told);
        self.check_files(&rows, &told);
    }

    fn check_ledger(&self, db: &Connection, told: &str) {
        let mut statement = db
            .prepare("SELECT json_extract(body, '$.name'), count(*) FROM ledger WHERE method = 'POST' AND body LIKE '%New %' GROUP BY 1")
            .unwrap();
        let posts: BTreeMap<String, u64> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(posts.len() as u64, EACH, "{told}");
        let twice: Vec<_> = posts.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "stored twice: {twice:?} {told}");
    }

    fn check_files(&self, rows: &Json, told: &str) {
        let run = self.desk.runs().pop().unwrap();
        assert_eq!(self.desk.json(run.join("summary.json"))["rows"]["created"], rows["created"], "{told}");
        let lines = |name: &str| self.desk.text(run.join(name)).lines().count() as u64 - 1;
        assert_eq!((lines("results.csv"), lines("rejects.csv")), (3 * EACH, EACH), "{told}");
        let store = Connection::open(run.join("run.db")).unwrap();
        let count = |sql: &str| -> u64 { store.query_row(sql, [], |row| row.get(0)).unwrap() };
        assert_eq!(count("SELECT count(*) FROM rows WHERE outcome = 'created'"), EACH, "{told}");
        assert_eq!(
            count("SELECT count(DISTINCT record_id) FROM rows WHERE outcome = 'created'"),
            EACH,
            "{told}"
        );
        assert_eq!(count("SELECT count(*) FROM attempts WHERE ended IS NULL"), 0, "{told}");
        let left: Vec<_> = std::fs::read_dir(&run)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".tmp"))
            .collect();
        assert!(left.is_empty(), "left behind: {left:?} {told}");
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "whoever lets it run for hours wants to see it go on")]
fn kills_at_any_moment_double_nothing_and_lose_nothing() {
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
    };
    let (rounds, first) = (number("KILLS", 3), number("KILLS_SEED", 1));
    for seed in first..first + rounds {
        let mut round = Round::new(seed);
        let done = round.play();
        round.check(&done);
        println!("{seed}: {:?}, settled {}", round.log, done.json()["settled"]);
    }
}

#[test]
fn an_export_that_is_killed_at_any_moment_leaves_the_old_file_or_the_new_one() {
    let mut round = Round::new(7);
    let export = |out: &str| ["export", "accounts", "-o", out, "--force", "-q"].map(str::to_owned);
    let call = |round: &Round, out: &str| {
        let arguments = export(out);
        round.carafe(&arguments.each_ref().map(String::as_str))
    };
    for form in ["csv", "jsonl", "xlsx", "parquet", "sqlite"] {
        let (whole, out) = (format!("whole.{form}"), format!("out.{form}"));
        call(&round, &whole).ends_with(0);
        let whole = std::fs::read(round.desk.path(whole)).unwrap();
        let mut finished = 0;
        for _ in 0..20 {
            round.desk.write(&out, "precious");
            let running = call(&round, &out).start();
            std::thread::sleep(Duration::from_millis(round.draw(120)));
            running.signal("KILL");
            running.end();
            let found = std::fs::read(round.desk.path(&out)).unwrap();
            assert!(found == b"precious" || found == whole, "{form}: {} bytes", found.len());
            finished += u32::from(found == whole);
        }
        assert!(finished < 20, "{form}: none was killed before its end");
        call(&round, &out).ends_with(0);
        assert_eq!(std::fs::read(round.desk.path(&out)).unwrap(), whole);
    }
    let names = std::fs::read_dir(round.desk.path("")).unwrap();
    let left = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.ends_with(".part")).count(), 0, "what was begun is taken away");
}

#[test]
fn an_export_that_is_killed_over_and_over_goes_on_to_the_same_bytes() {
    let mut round = Round::new(19);
    let export = |out: &'static str| ["export", "accounts", "-o", out, "-q", "--concurrency", "2"];
    let mut resumed = 0;
    for (whole, out) in [("whole.csv", "out.csv"), ("whole.parquet", "out.parquet")] {
        round.carafe(&export(whole)).ends_with(0);
        let whole = std::fs::read(round.desk.path(whole)).unwrap();
        for _ in 0..10 {
            let mut log = Vec::new();
            let mut begun = round.desk.exports().len();
            while !round.desk.path(out).exists() {
                let goes_on = round.desk.exports().len() > begun;
                let after = Duration::from_millis(round.draw(90));
                log.push(format!("{goes_on} {after:?}"));
                let running = match goes_on {
                    true => round.carafe(&["resume", "last", "-q"]).start(),
                    false => round.carafe(&export(out)).start(),
                };
                std::thread::sleep(after);
                running.signal("KILL");
                let done = running.end();
                assert!(done.code.is_none_or(|code| code == 0), "{done:?} {log:?}");
                resumed += u32::from(goes_on);
                // A folder that was made and nothing written into it is no run yet.
                begun = begun.min(round.desk.exports().len());
            }
            let found = std::fs::read(round.desk.path(out)).unwrap();
            assert!(found == whole, "{} of {} bytes, {log:?}", found.len(), whole.len());
            // Whether it was killed before it could say so or not: going on does no harm.
            let done = round.carafe(&["resume", "last", "-q"]).run();
            assert!(matches!(done.code, Some(0 | 2)), "{done:?} {log:?}");
            assert!(std::fs::read(round.desk.path(out)).unwrap() == whole, "{log:?}");
            std::fs::remove_file(round.desk.path(out)).unwrap();
            std::fs::remove_file(round.desk.path(format!("{out}.manifest.json"))).unwrap();
        }
    }
    assert!(resumed > 5, "{resumed} times it went on");
}

#[test]
fn an_update_that_is_killed_at_any_moment_leaves_the_old_database_or_the_new_one() {
    let mut round = Round::new(11);
    let update = ["export", "accounts", "-o", "crm.sqlite", "--incremental", "-q"];
    round.carafe(&update).ends_with(0);
    let counts = |round: &Round| {
        let db = Connection::open(round.desk.path("crm.sqlite")).unwrap();
        let sound: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        let changed = "SELECT count(*), count(*) FILTER (WHERE phone = '0') FROM accounts";
        let counts: (u64, u64) = db.query_row(changed, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        (sound, counts.0, counts.1)
    };
    let (_, all, _) = counts(&round);
    let rows: String = (0..EACH).map(|n| format!("Changed {n},0,\n")).collect();
    round.desk.write("change.csv", format!("Name,Phone,Kind\n{rows}"));
    round.carafe(&["import", "change.csv", "-m", "m.yaml", "-q"]).ends_with(0);
    for _ in 0..20 {
        let running = round.carafe(&update).start();
        std::thread::sleep(Duration::from_millis(round.draw(120)));
        running.signal("KILL");
        running.end();
        let found = counts(&round);
        assert_eq!((found.0.as_str(), found.1), ("ok", all));
        assert!(found.2 == 0 || found.2 == EACH, "{} of {EACH} are changed", found.2);
    }
    round.carafe(&update).ends_with(0);
    assert_eq!(counts(&round), ("ok".to_owned(), all, EACH));
}
