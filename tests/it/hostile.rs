//! Hostile input, by the numbers of the list: none crashes, hangs, fills the
//! memory or loses a row without a word; each is read, or refused in a sentence
//! that reaches the one who typed the command.
//!
//! What the readers do with them in detail is tested beside them, in
//! `src/tabular/tests/hostile.rs`; where the list and the contract differ, the
//! contract wins.

mod books;
mod mappings;
mod texts;

use std::process::Stdio;

use crate::support::{Call, Crm, Desk, Done};

/// `check` of a file by its field names, with the most memory held, in MiB: 0
/// where the system does not tell. It is looked at all the time, so a short
/// peak at the very end may be missed, and none is ever made up.
fn check(name: &str, content: impl AsRef<[u8]>) -> (Done, u64) {
    let (crm, desk) = (Crm::start(), Desk::with(name, content));
    measured(crm.carafe(&desk, ["check", name, "--object", "accounts"]))
}

/// Runs a command to its end and watches its memory.
fn measured(mut call: Call) -> (Done, u64) {
    call.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = call.command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let held = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
        peak = held.unwrap_or(peak);
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    (Done::of(child.wait_with_output().unwrap()), peak / 1024)
}

/// Asserts that a file is refused with this sentence, within this memory.
#[track_caller]
fn is_refused(name: &str, content: impl AsRef<[u8]>, most_mib: u64, sentence: &str) {
    let (done, peak) = check(name, content);
    done.fails(2, &format!("error: {name}: {sentence}"));
    assert!(peak < most_mib, "{name} took {peak} MiB");
}
