//! F24: files that cannot be written whole. No full disk can be had without
//! rights that a test does not have, so no file may grow beyond a size that is
//! raised step by step until all goes well (`ulimit -f`): the system then
//! refuses writes in the middle of a file, as a full disk does.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use crate::support::{Call, Desk, Done};
use crate::tiny::{Tiny, accounts};

/// Steps of 16 KiB, in the shell's blocks of 512 bytes.
const STEP: u64 = 32;

/// Runs the program with no file beyond so many blocks.
fn limited(call: Call, blocks: u64) -> Done {
    let from = &call.command;
    let mut command = std::process::Command::new("sh");
    // The signal that goes with the refusal is ignored, as it is for programs that handle the refusal.
    command.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")]);
    command.arg(from.get_program()).args(from.get_args()).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs(from.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(from.get_current_dir().unwrap());
    Done::of(command.output().unwrap())
}

/// The files of a folder, but for the run's own store.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let named = entries
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()));
    named.filter(|(name, _)| !name.starts_with("run.")).collect()
}

/// Raises the limit until the command goes well. Whenever it does not, it ends
/// with 1 and a sentence, and no file is half. The answer is how often.
#[track_caller]
fn until_it_fits(call: impl Fn() -> Call, mut check: impl FnMut(&Done, u64)) -> u64 {
    for step in 0..200 {
        let done = limited(call(), step * STEP);
        if done.code != Some(1) {
            assert_ne!(done.code, None, "{done:?}");
            return step;
        }
        assert!(done.stderr.starts_with("error: ") || done.stderr.contains("\nerror: "), "{done:?}");
        check(&done, step);
    }
    panic!("it never fits");
}

fn known() -> Tiny {
    let known: Vec<_> = (1..=300)
        .map(|id| json!({ "id": id, "name": format!("Row {id}"), "notes": format!("{id}").repeat(300) }))
        .collect();
    Tiny::serve(accounts(&known))
}

#[test]
fn f24_an_export_that_does_not_fit_leaves_no_file_and_none_half_written() {
    let crm = known();
    for form in ["csv", "jsonl", "xlsx"] {
        let name = format!("out.{form}");
        let desk = Desk::new();
        let call = || desk.carafe(["export", "accounts", "-o", &name]).at(&crm.address());
        let failed = until_it_fits(call, |done, _| {
            assert!(files(&desk.path("")).is_empty(), "{name}: {:?}", files(&desk.path("")).keys());
            assert!(done.stderr.contains(&name), "{}", done.stderr);
        });
        assert!(failed >= 2 || form == "xlsx" && failed >= 1, "{name}: {failed}");
        assert_eq!(files(&desk.path("")).len(), 2, "the file and its manifest");
    }
}

#[test]
fn f24_an_export_that_does_not_fit_keeps_the_file_that_it_was_to_replace() {
    let (crm, desk) = (known(), Desk::with("out.csv", "precious"));
    let call = || desk.carafe(["export", "accounts", "-o", "out.csv", "--force"]).at(&crm.address());
    until_it_fits(call, |_, _| assert_eq!(desk.text("out.csv"), "precious"));
    assert_eq!(files(&desk.path("")).len(), 2, "the file and its manifest");
    assert_eq!(desk.text("out.csv").lines().count(), 301);
}

/// A run with rejects of every kind, large ones.
fn rejected_run(form: &str) -> (Tiny, Desk, String) {
    let (desk, name) = (Desk::new(), format!("a.{form}"));
    let long = "long ".repeat(300);
    let text: String = match form {
        "jsonl" => (0..300).map(|n| format!("{{\"name\":\"{n} {long}\",\"notes\":\"{long}\"}}\n")).collect(),
        _ => (0..300).map(|n| format!("{n} {long},{long}\n")).collect(),
    };
    desk.write(&name, if form == "jsonl" { text } else { format!("name,notes\n{text}Good,x\n") });
    let crm = Tiny::serve(accounts(&[]));
    desk.carafe(["import", &name, "--object", "accounts"]).at(&crm.address()).ends_with(4);
    (crm, desk, name)
}

#[test]
fn f24_a_runs_files_that_do_not_fit_are_never_half_and_are_made_again() {
    for form in ["csv", "jsonl"] {
        let (crm, desk, _) = rejected_run(form);
        let run = desk.run();
        let whole = files(&run);
        let names = ["errors.jsonl", &format!("rejects.{form}"), "results.csv", "summary.json"];
        assert_eq!(whole.keys().map(String::as_str).collect::<Vec<_>>(), names);
        let is_whole = |name: &String, bytes: &Vec<u8>| match name.as_str() {
            // Another time, another number of seconds.
            "summary.json" => serde_json::from_slice::<serde_json::Value>(bytes).is_ok(),
            _ => bytes == &whole[name],
        };
        let clear = || names.iter().for_each(|name| drop(std::fs::remove_file(run.join(name))));
        clear();
        let mut told = 0;
        let call = || desk.carafe(["resume", "last"]).at(&crm.address());
        let failed = until_it_fits(call, |done, step| {
            let found = files(&run);
            assert!(found.iter().all(|(name, bytes)| is_whole(name, bytes)), "{form}, step {step}");
            told += usize::from(done.stderr.contains("its files are written again by: carafe resume"));
            clear();
        });
        assert!(failed >= 10 && told >= 5, "{form}: {failed} {told}");
        assert!(files(&run).iter().all(|(name, bytes)| is_whole(name, bytes)));
        assert_eq!(files(&run).len(), 4);
        assert_eq!(crm.writes(), if form == "csv" { 1 } else { 0 });
    }
}

#[test]
fn f24_rejects_and_results_beside_the_run_are_never_half() {
    let (crm, desk, name) = rejected_run("csv");
    let whole = desk.run_text("rejects.csv");
    let arguments = ["resume", "last", "--rejects", "mine.csv", "--results", "done.csv"];
    let failed = until_it_fits(
        || desk.carafe(arguments).at(&crm.address()),
        |_, step| {
            let found = files(&desk.path(""));
            assert_eq!(found.keys().collect::<Vec<_>>(), [&name], "step {step}");
        },
    );
    assert!(failed >= 10, "{failed}");
    assert_eq!(desk.text("mine.csv"), whole);
    assert_eq!(desk.text("done.csv"), desk.run_text("results.csv"));
    // Where only they cannot be written, the run's own are named.
    let long = format!("{}.csv", "x".repeat(300));
    let done = desk.carafe(["resume", "last", "--rejects", &long]).at(&crm.address()).ends_with(1);
    assert!(done.stderr.contains("the same file stands in"), "{}", done.stderr);
    assert!(done.stderr.contains("its files are written again by: carafe resume"), "{}", done.stderr);
}

#[test]
fn f24_small_files_that_cannot_be_written_at_all_are_told() {
    let crm = known();
    let desk = Desk::with("a.csv", "name,notes\nA,x\n");
    desk.carafe(["import", "a.csv", "--object", "accounts"]).at(&crm.address()).ends_with(0);
    for (arguments, name) in [
        (&["draft", "a.csv", "--object", "accounts", "-o", "out.yaml"][..], "out.yaml"),
        (&["describe", "--save", "out.json"], "out.json"),
        (&["export", "accounts", "-o", "out.csv"], "out.csv"),
    ] {
        let done = limited(desk.carafe(arguments.iter().copied()).at(&crm.address()), 0);
        done.is(1);
        assert!(done.stderr.contains(name), "{}", done.stderr);
        assert_eq!(files(&desk.path("")).len(), 1, "{name}");
    }
}
