//! F45: whoever reads the output has gone, or cannot take it.

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{Call, Desk, Done};
use crate::tiny::{Tiny, accounts};

fn known(number: usize) -> Tiny {
    let known: Vec<_> = (1..=number)
        .map(|id| json!({ "id": id, "name": format!("Row {id}"), "notes": "n".repeat(1_000) }))
        .collect();
    Tiny::serve(accounts(&known))
}

/// The program with nobody at the other end of a stream.
fn unread(mut call: Call, out: bool, err: bool) -> Done {
    let closed = || {
        let mut reader = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
        let pipe = reader.stdin.take().unwrap();
        reader.wait().unwrap();
        Stdio::from(pipe)
    };
    call.command.stdin(Stdio::null());
    call.command.stdout(if out { closed() } else { Stdio::piped() });
    call.command.stderr(if err { closed() } else { Stdio::piped() });
    Done::of(call.command.output().unwrap())
}

#[test]
fn f45_a_run_goes_on_when_nobody_reads_what_it_says() {
    for (out, err) in [(true, false), (false, true), (true, true)] {
        for more in [&[][..], &["--json"], &["-v"]] {
            let (crm, desk) = (Tiny::serve(accounts(&[])), Desk::with("a.csv", "name\nA\nB\n"));
            let arguments = ["import", "a.csv", "--object", "accounts"];
            let call = desk.carafe(arguments.into_iter().chain(more.iter().copied())).at(&crm.address());
            unread(call, out, err).is(0);
            assert_eq!(crm.records("accounts").len(), 2);
            assert_eq!(desk.json(desk.run().join("summary.json"))["state"], "finished");
        }
    }
}

#[test]
fn f45_an_export_stops_when_nobody_reads_it() {
    let (crm, desk) = (known(500), Desk::new());
    let call = desk.carafe(["export", "accounts", "-o", "-"]).at(&crm.address());
    let done = unread(call, true, false);
    done.is(1);
    assert!(done.stderr.contains("whoever read the output has stopped"), "{}", done.stderr);
}

#[test]
fn f45_no_command_is_a_fault_of_carafe_when_nobody_reads_it() {
    let crm = known(3);
    for arguments in [
        &["completions", "bash"][..],
        &["--help"],
        &["--version"],
        &["describe"],
        &["describe", "accounts"],
        &["runs"],
        &["check", "a.csv", "--object", "accounts"],
        &["draft", "a.csv", "--object", "accounts", "-o", "-"],
    ] {
        let desk = Desk::with("a.csv", "name\nA\n");
        let done = unread(desk.carafe(arguments.iter().copied()).at(&crm.address()), true, false);
        assert_ne!(done.code, None, "{arguments:?}");
        assert!(!done.stderr.contains("fault"), "{arguments:?}: {}", done.stderr);
    }
}

/// A device that takes no byte: the disk is full.
#[cfg(target_os = "linux")]
#[test]
fn f24_standard_output_on_a_full_disk_is_told_and_ends_with_1() {
    let crm = known(200);
    for arguments in [
        &["import", "a.csv", "--object", "accounts"][..],
        &["import", "a.csv", "--object", "accounts", "--json"],
        &["export", "accounts", "-o", "-"],
        &["describe", "accounts", "--json"],
        &["completions", "bash"],
        &["draft", "a.csv", "--object", "accounts", "-o", "-"],
    ] {
        let desk = Desk::with("a.csv", "name\nA\n");
        let mut call = desk.carafe(arguments.iter().copied()).at(&crm.address());
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        call.command.stdin(Stdio::null()).stdout(full).stderr(Stdio::piped());
        let done = Done::of(call.command.output().unwrap());
        done.is(1);
        assert!(done.stderr.contains("standard output"), "{arguments:?}: {}", done.stderr);
        assert!(done.stderr.contains("the disk is full"), "{arguments:?}: {}", done.stderr);
    }
}
