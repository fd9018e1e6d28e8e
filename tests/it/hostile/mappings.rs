//! 35 to 41: mapping files, and the CRM's address.

use std::time::Instant;

use serde_json::json;

use super::measured;
use crate::support::{Crm, Desk, Done};
use crate::trial::{refusal, trial};

const ROWS: &str = "Firm,Note\nA,aaaa\nB,b\n";

/// `check` by a mapping of these bytes; it may take little time and memory.
fn mapped(mapping: impl AsRef<[u8]>) -> Done {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", ROWS));
    desk.write("m.yaml", mapping);
    let begun = Instant::now();
    let (done, peak) = measured(crm.carafe(&desk, ["check", "a.csv", "-m", "m.yaml"]));
    assert!(peak < 192 && begun.elapsed().as_secs() < 20, "{peak} MiB, {:?}", begun.elapsed());
    done
}

#[track_caller]
fn refused(mapping: impl AsRef<[u8]>, words: &str) {
    let done = mapped(mapping);
    done.is(2);
    assert!(done.stderr.starts_with("error: ") && done.stderr.contains(words), "{words}: {}", done.stderr);
}

#[test]
fn h35_bombs_of_aliases_brackets_and_length_are_refused_at_once() {
    let mut aliases = "a: &a [x, x]\n".to_owned();
    ('b'..='z').zip('a'..='y').for_each(|(to, from)| aliases += &format!("{to}: &{to} [*{from}, *{from}]\n"));
    refused(aliases, "anchors (&), aliases (*) and merge keys (<<) are not used in mapping files");
    refused(format!("version: 1\nfields: {}", "[".repeat(1_000_000)), "it is nested too deep");
    refused(format!("version: 1\nfields: {}", "{a: ".repeat(200_000)), "nested deeper than 32 levels");
    refused("x".repeat((1 << 20) + 1), "it is larger than 1 MiB, and no mapping is");
    // A mapping with a list of a mebibyte is slow to nobody.
    refused(format!("version: 1\nobject: accounts\nignore: [{}]\n", "a, ".repeat(300_000)), "\"fields\"");
}

#[test]
fn h36_keys_that_stand_twice_or_are_unknown_are_told_and_words_stay_words() {
    refused(
        "version: 1\nobject: accounts\nfields:\n  name: Firm\n  name: Note\n",
        "\"name\" stands twice; the first is in line 4\n  --> m.yaml:5:3",
    );
    refused("version: 1\nobjct: accounts\n", "unknown key \"objct\"\n  --> m.yaml:2:1");
    refused("version: 1\n\tobject: accounts\n", "a tab is used to indent; use blanks\n  --> m.yaml:2:1");
    refused(
        "version: 1\nobject: accounts\nfields:\n  <<: { name: Firm }\n",
        "merge keys (<<) are not used in mapping files",
    );
    // The words that YAML once took for yes, no and numbers are the texts they are.
    let words = "fields:\n  name: Firm\n  phone: { const: 0755 }\n  ticker: { const: no }\n  notes: { const: 1e3 }\n  addresscity: { const: on }\n  summary: { const: 1.10 }\n";
    let trial = trial("a.csv", ROWS, words).is(0, json!({ "read": 2, "created": 2 }));
    let fields = ["phone", "ticker", "notes", "addresscity", "summary"].map(|field| trial.field("A", field));
    assert_eq!(fields, ["0755", "no", "1e3", "on", "1.10"]);
}

#[test]
fn h37_nothing_in_a_mapping_runs_includes_or_looks_around() {
    refused("version: 1\nobject: !!python/object/apply:os.system ['true']\n", "tags (!)");
    refused("version: 1\nobject: accounts\nfields: !include /etc/passwd\n", "tags (!)");
    let env = "fields:\n  name: Firm\n  notes: { const: '${HOME} $(id) {{ 7 * 7 }}' }\n";
    let trial = trial("a.csv", ROWS, env).is(0, json!({ "read": 2, "created": 2 }));
    assert_eq!(trial.field("A", "notes"), "${HOME} $(id) {{ 7 * 7 }}");
}

#[test]
fn h38_an_expression_without_a_result_rejects_its_row_and_the_run_goes_on() {
    let note = "x".repeat(40_000);
    let rows = format!("Firm,Note\nA,{note}\nB,7\n");
    let expr = |expr: &str| format!("fields:\n  name: Firm\n  notes: {{ expr: '{expr}' }}\n");
    for (text, reason) in [
        ("(Note | upper) * 40", "its result is longer than 64 KiB"),
        ("Note | replace(\"x\", Note)", "it takes too long"),
        ("(Note | list) | join(Note)", "it takes too long"),
        ("Note ~ Note", "its result is longer than 64 KiB"),
        ("Note | int // 1", "is not a whole number"),
        ("Note if (7 // (Note | length - 40000)) else Note", "unable to calculate 7 // 0"),
    ] {
        let trial =
            trial("a.csv", &rows, &expr(text)).is(4, json!({ "read": 2, "created": 1, "rejected": 1 }));
        let problem = &trial.problems()[0];
        assert!(
            problem.contains("expr expr in line 6 of the mapping has no result: ")
                && problem.contains(reason),
            "{text}: {problem}"
        );
    }
    for (text, words) in [
        ("Note | open", "there is no filter \"open\"\n  --> m.yaml:6:26"),
        ("range(9)", "the file has no column \"range\""),
        ("Note.__class__()", "there are no functions"),
    ] {
        let told = refusal("a.csv", &rows, &expr(text));
        assert!(told.contains(words), "{text}: {told}");
    }
    let deep = format!("{}Note{}", "(".repeat(500), ")".repeat(500));
    assert!(
        refusal("a.csv", &rows, &expr(&deep)).contains("the expression does not read"),
        "64 levels at most"
    );
    assert!(
        refusal("a.csv", &rows, &expr(&"Note ~ ".repeat(1_000)))
            .contains("an expression has at most 4,096 characters")
    );
}

#[test]
fn h39_a_mapping_names_no_other_file() {
    // A decision: no key reads a file (lists come from the CRM), so there is no path that could
    // climb out of the mapping's folder. What looks like one is an unknown key, or a text.
    refused(
        "version: 1\nobject: accounts\nfields:\n  type: { from: Note, lookup_file: ../../../etc/shadow }\n",
        "unknown key \"lookup_file\"",
    );
    refused(
        "version: 1\nobject: accounts\nfields:\n  type: { from: Note, values: ../../../etc/shadow }\n",
        "m.yaml:4:31",
    );
    // A mapping itself may be a link: the one who types its name chose it.
    #[cfg(unix)]
    {
        let (crm, desk) = (Crm::start(), Desk::with("a.csv", ROWS));
        desk.write("real.yaml", "version: 1\nobject: accounts\nfields: { name: Firm }\nignore: [Note]\n");
        std::os::unix::fs::symlink(desk.path("real.yaml"), desk.path("m.yaml")).unwrap();
        crm.carafe(&desk, ["check", "a.csv", "-m", "m.yaml"]).ends_with(0);
        crm.carafe(&desk, ["check", "a.csv", "-m", "/dev/zero"]).run().fails(
            2,
            "error: cannot read the mapping /dev/zero: it is not a file\n  name a mapping file with -m FILE",
        );
    }
}

#[test]
fn h40_no_pattern_takes_long_and_those_that_would_be_large_are_refused() {
    let replace = |pattern: &str| {
        format!(
            "version: 1\nobject: accounts\nfields:\n  name: {{ from: Firm, replace: {{ '{pattern}': '' }} }}\nignore: [Note]\n"
        )
    };
    let rows = format!("Firm,Note\n{}!,x\n", "a".repeat(100_000));
    for pattern in ["(a+)+$", "(a|aa)+$", "(.*a){20}$", "^(([a-z])+.)+[A-Z]([a-z])+$"] {
        let (crm, desk) = (Crm::start(), Desk::with("a.csv", &rows));
        desk.write("m.yaml", replace(pattern));
        let begun = Instant::now();
        crm.carafe(&desk, ["check", "a.csv", "-m", "m.yaml"]).ends_with(4);
        assert!(begun.elapsed().as_secs() < 10, "{pattern}: {:?}", begun.elapsed());
    }
    refused(replace("(a{1000}){1000}"), "the pattern is too large\n  --> m.yaml:4:");
    refused(replace(&"a".repeat(1_025)), "a pattern has between 1 and 1,024 characters");
    refused(replace("(a"), "the pattern does not read: unclosed group");
}

#[test]
fn h41_an_address_is_https_without_secrets_and_shown_as_it_is_dialled() {
    // Asking once whether another host than the vendor's is meant waits for profiles; until then
    // the host stands in every question before writing, and in the last lines of a run.
    let desk = Desk::with("a.csv", "name\nA\n");
    let call = |address: &str| {
        let arguments = ["check", "a.csv", "--object", "accounts", "--retries", "0", "--timeout", "1"];
        // What would go out ends at a proxy on this machine, where nobody listens.
        desk.carafe(arguments).at(address).env("HTTPS_PROXY", "http://127.0.0.1:1").run()
    };
    for (address, words) in [
        ("http://crm.example.com", "must begin with https://"),
        ("http://127.0.0.1.evil.example", "must begin with https://"),
        ("https://me:s3cret@crm.example.com", "must not hold a user name or a password"),
        ("https://crm.example.com/v4/..", "must not hold `.` or `..`"),
        ("https://crm.example.com?token=s3cret", "must end before any ? or #"),
        ("crm.example.com", "is not a web address"),
    ] {
        let done = call(address);
        done.is(2);
        let advised = done.stderr.contains("for example: --base-url https://");
        assert!(done.stderr.contains(words) && advised && !done.stderr.contains("s3cret"), "{}", done.stderr);
    }
    // A look-alike of "crm" with a Cyrillic letter is told as it is dialled.
    let done = call("https://сrm.invalid");
    done.is(3);
    assert!(done.stderr.contains("xn--rm-nmc.invalid") && !done.stderr.contains("сrm"), "{}", done.stderr);
}
