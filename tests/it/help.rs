//! Help, version and completions: only what works is in them.

use std::collections::BTreeSet;

use crate::support::Desk;

/// The commands that `--help` lists.
fn commands() -> BTreeSet<String> {
    let help = Desk::new().carafe(["--help"]).ends_with(0).stdout;
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let lines = list.lines().take_while(|line| !line.is_empty());
    lines.filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next().map(str::to_owned)).collect()
}

#[test]
fn the_commands_are_those_of_this_version() {
    let known = [
        "apply",
        "check",
        "completions",
        "describe",
        "draft",
        "export",
        "import",
        "lookup",
        "resume",
        "retry",
        "runs",
        "sandbox",
        "settle",
        "template",
        "undo",
        "verify",
    ];
    assert_eq!(commands(), known.map(str::to_owned).into());
}

#[test]
fn every_command_has_help_that_names_no_command_that_is_not_there() {
    let commands = commands();
    for command in &commands {
        for flag in ["--help", "-h"] {
            let done = Desk::new().carafe([command.as_str(), flag]).ends_with(0);
            assert!(done.stdout.contains(&format!("Usage: carafe {command}")), "{}", done.stdout);
            assert_eq!(done.stderr, "");
            let words: Vec<&str> = done.stdout.split_whitespace().collect();
            for pair in words.windows(2).filter(|pair| pair[0].trim_start_matches('`') == "carafe") {
                let named = pair[1].trim_end_matches(|c: char| !c.is_alphanumeric());
                assert!(commands.contains(named), "carafe {command} {flag} names {named}");
            }
            // Commands and options of later versions, in whatever words.
            for later in ["migrate", "login", "doctor", "--profile", "man page"] {
                assert!(!done.stdout.contains(later), "carafe {command} {flag} mentions {later}");
            }
        }
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    for arguments in [&["--version"][..], &["-V"], &["import", "--version"]] {
        let done = Desk::new().carafe(arguments.iter().copied()).ends_with(0);
        assert!(done.stdout.trim_end().ends_with(env!("CARGO_PKG_VERSION")), "{}", done.stdout);
    }
}

#[test]
fn completions_name_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let done = Desk::new().carafe(["completions", shell]).ends_with(0);
        for command in commands() {
            assert!(done.stdout.contains(&command), "{shell}: {command}");
        }
        assert_eq!(done.stderr, "");
    }
    Desk::new().carafe(["completions", "nushell"]).ends_with(2);
}

#[test]
fn what_cannot_be_understood_is_usage_and_exits_2() {
    for arguments in [
        &[][..],
        &["imprt"],
        &["import"],
        &["import", "a.csv", "--mode", "upsrt"],
        &["import", "a.csv", "--stop-after", "0"],
        &["check", "a.csv", "--concurrency", "0"],
        &["check", "a.csv", "--timeout", "soon"],
    ] {
        let done = Desk::new().carafe(arguments.iter().copied()).ends_with(2);
        assert_eq!(done.stdout, "");
        assert!(done.stderr.contains("Usage: carafe") || done.stderr.contains("--help"), "{}", done.stderr);
    }
}

#[test]
fn a_flag_wins_over_the_environment_where_sandbox_and_address_meet() {
    let desk = Desk::new();
    let nowhere = "http://127.0.0.1:9";
    desk.carafe(["describe", "users", "--sandbox"]).env("CARAFE_BASE_URL", nowhere).ends_with(0);
    let done = desk
        .carafe(["describe", "users", "--retries", "0", "--base-url", nowhere])
        .env("CARAFE_SANDBOX", "1")
        .env("CARAFE_TOKEN", "x")
        .ends_with(3);
    assert!(done.stderr.contains("cannot reach the CRM at 127.0.0.1:9"), "{}", done.stderr);
    desk.carafe(["describe", "--sandbox", "--base-url", nowhere]).ends_with(2);
    let off = desk.carafe(["describe"]).env("CARAFE_SANDBOX", "0").ends_with(2);
    assert!(off.stderr.contains("no access token"), "{}", off.stderr);
}
