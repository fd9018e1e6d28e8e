//! What the documents show is true: their commands run, their mappings fit.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::project;

fn read(name: &str) -> String {
    std::fs::read_to_string(project().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The blocks of a document that begin with this fence.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

/// A folder with the project's samples and mappings in it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["samples", "mappings"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        for entry in std::fs::read_dir(project().join(name)).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            std::fs::copy(&path, folder.path().join(name).join(path.file_name().unwrap())).unwrap();
        }
    }
    folder
}

/// Runs a line such as `carafe check … # exit 4` in the folder.
fn run(line: &str, folder: &Path) {
    let (command, note) = line.split_once("# exit ").unwrap_or((line, "0"));
    let program = env!("CARGO_BIN_EXE_carafe");
    let script = command.replacen("carafe", &format!("'{program}'"), 1);
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .unwrap();
    let code = output.status.code().unwrap_or(-1).to_string();
    assert_eq!(
        code,
        note.trim(),
        "{line}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[cfg(unix)]
#[test]
fn every_command_of_the_reference_runs_as_shown() {
    let folder = folder();
    let mut count = 0;
    for block in blocks(&read("docs/reference.md"), "console") {
        for line in block.lines().filter_map(|line| line.strip_prefix("$ ")) {
            run(line, folder.path());
            count += 1;
        }
    }
    assert!(count >= 10, "the reference shows {count} commands");
}

#[cfg(unix)]
#[test]
fn the_nightly_script_goes_on_until_the_export_is_whole() {
    let crm = crate::support::Crm::start();
    let folder = tempfile::tempdir().unwrap();
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_carafe"), bin.join("carafe")).unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "sandbox").unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let night = |calls: &str, tries: &str| {
        let output = Command::new("sh")
            .arg(project().join("docs/unattended/nightly.sh"))
            .current_dir(folder.path())
            .env_clear()
            .envs([("PATH", path.as_str()), ("PAUSE", "0"), ("TRIES", tries), ("CARAFE_MAX_CALLS", calls)])
            .env("CARAFE_BASE_URL", crm.address())
            .env("CARAFE_TOKEN_FILE", &token)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    // Each try has calls for the fields and for one object more.
    let (code, said) = night("6", "0");
    assert_eq!(code, Some(6), "{said}");
    assert!(!folder.path().join("crm.sqlite").exists());
    let (code, said) = night("6", "5");
    assert_eq!(code, Some(0), "{said}");
    assert!(folder.path().join("crm.sqlite").exists());
    let (code, said) = night("100", "0");
    assert_eq!(code, Some(0), "{said}");
}

#[cfg(unix)]
#[test]
fn the_nightly_script_passes_a_signal_on() {
    use crate::tiny::{Gate, Tiny, accounts};
    let gate = Gate::default();
    let held = gate.clone();
    let crm = Tiny::scripted(accounts(&[]), move |_, _| {
        held.wait();
        None
    });
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_carafe"), folder.path().join("carafe")).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let mut script = Command::new("sh")
        .arg(project().join("docs/unattended/nightly.sh"))
        .current_dir(folder.path())
        .env_clear()
        .envs([("PATH", path.as_str()), ("CARAFE_TOKEN", "sandbox")])
        .env("CARAFE_BASE_URL", crm.address())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    crm.wait_for("GET", 1);
    assert!(Command::new("kill").args(["-TERM", &script.id().to_string()]).status().unwrap().success());
    assert_eq!(script.wait().unwrap().code(), Some(5));
    gate.open();
}

#[test]
fn the_document_on_unattended_exports_shows_the_script() {
    let script = read("docs/unattended/nightly.sh");
    let (_, body) = script.split_once("set -u\n").unwrap();
    assert_eq!(blocks(&read("docs/unattended.md"), "sh")[0], body.trim());
}

#[test]
fn every_mapping_in_the_documents_fits_the_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    for document in ["README.md", "docs/reference.md"] {
        for (at, mapping) in blocks(&read(document), "yaml").into_iter().enumerate() {
            let file = folder.path().join(format!("{at}.yaml"));
            std::fs::write(&file, mapping).unwrap();
            // A file without any row checks the mapping alone.
            std::fs::write(folder.path().join("empty.csv"), "").unwrap();
            let output = Command::new(env!("CARGO_BIN_EXE_carafe"))
                .args(["check", "empty.csv", "--sandbox", "-m"])
                .arg(&file)
                .current_dir(folder.path())
                .env_clear()
                .output()
                .unwrap();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{document}:\n{mapping}\n{errors}");
        }
    }
}

#[test]
fn the_reference_shows_what_draft_writes() {
    let reference = read("docs/reference.md");
    let (_, section) = reference.split_once("## Drafting a mapping").unwrap();
    let arguments = ["draft", "samples/campaigns.csv", "--object", "campaigns", "-o", "-", "--sandbox", "-q"];
    let output = Command::new(env!("CARGO_BIN_EXE_carafe"))
        .args(arguments)
        .current_dir(folder().path())
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), blocks(section, "yaml")[0]);
}

#[test]
fn the_readme_shows_exactly_two_commands_to_begin_with() {
    let readme = read("README.md");
    let cargo: Vec<&str> =
        blocks(&readme, "sh").into_iter().filter(|block| block.starts_with("cargo ")).collect();
    assert_eq!(cargo.len(), 2, "{cargo:?}");
    assert!(cargo[0].starts_with("cargo run --release -- import samples/"));
    assert_eq!(cargo[1], "cargo test");
}

#[test]
fn the_readme_shows_what_its_command_prints() {
    let readme = read("README.md");
    let command = blocks(&readme, "sh")[0].trim_start_matches("cargo run --release -- ");
    let folder = folder();
    let arguments: Vec<&str> = command.split_whitespace().collect();
    let run = |folder: &Path| {
        let output = Command::new(env!("CARGO_BIN_EXE_carafe"))
            .args(&arguments)
            .current_dir(folder)
            .env_clear()
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(4));
        String::from_utf8(output.stdout).unwrap()
    };
    let printed = run(folder.path());
    let shown = blocks(&readme, "text")[0];
    assert_eq!(stable(&printed), stable(shown), "the README shows something else than the command prints");
    let again = run(folder.path());
    assert!(
        again.contains("unchanged") && !again.contains("created") && !again.contains("updated"),
        "{again}"
    );
}

/// The text without what differs from run to run: the run's id, the time taken.
fn stable(text: &str) -> Vec<String> {
    let word = |word: &str| match word {
        id if id.len() > 20 && id.starts_with("20") => "RUN".to_owned(),
        path if path.starts_with(".carafe/runs/") => {
            let parts: Vec<&str> = path.split('/').collect();
            parts.get(3).map_or("FOLDER".to_owned(), |file| format!("FOLDER/{file}"))
        }
        other => other.to_owned(),
    };
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    text.trim().lines().map(line).filter(|line| !line.contains(" calls")).collect()
}

/// All source text of a folder.
fn sources(folder: &Path, out: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            out.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_fault_has_a_test_that_is_there_or_a_decision() {
    let text = read("docs/faults.md");
    let mut code = String::new();
    ["src", "tests"].iter().for_each(|folder| sources(&project().join(folder), &mut code));
    let (tables, decisions) = text.split_once("## Decisions").unwrap();
    let rows: Vec<Vec<&str>> = tables
        .lines()
        .filter(|line| line.starts_with("| F") || line.starts_with("| 4") || line.starts_with("| 5"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let numbers: Vec<&str> = rows.iter().map(|row| row[0].split(' ').next().unwrap()).collect();
    let faults = (1..=45).map(|number| format!("F{number}"));
    let wanted: Vec<String> = faults.chain((42..=50).map(|number| number.to_string())).collect();
    assert_eq!(numbers, wanted);
    for row in rows {
        let [fault, behaviour, held] = row[..] else { panic!("three columns: {row:?}") };
        assert!(!behaviour.is_empty(), "{fault}");
        let tests: Vec<&str> = held.split('`').skip(1).step_by(2).collect();
        let decided = held.split("decision ").nth(1);
        assert!(!tests.is_empty() || decided.is_some(), "{fault} is held by nothing");
        for test in tests {
            assert!(code.contains(&format!("fn {test}(")), "{fault}: there is no test {test}");
        }
        if let Some(number) = decided {
            assert!(decisions.contains(&format!("\n{number}. **")), "{fault}: there is no decision {number}");
        }
    }
}

#[test]
fn every_test_with_a_number_is_in_the_list_of_faults() {
    let text = read("docs/faults.md");
    let mut code = String::new();
    ["src", "tests"].iter().for_each(|folder| sources(&project().join(folder), &mut code));
    let names = code.split("#[test]\n").skip(1).filter_map(|rest| {
        let name = rest.split_once("fn ")?.1.split('(').next()?;
        let number: u32 = name.get(1..3)?.parse().ok()?;
        // Hostile files, up to 41, are an issue of their own.
        let is_listed = name.starts_with('f') || (name.starts_with('h') && (42..=50).contains(&number));
        is_listed.then_some(name)
    });
    let mut count = 0;
    for name in names {
        assert!(text.contains(&format!("`{name}`")), "{name} is not in docs/faults.md");
        count += 1;
    }
    assert!(count >= 30, "{count}");
}
