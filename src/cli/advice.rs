//! Commands that the program advises: fit to be typed as they stand, into the
//! same CRM and with the same runs as the command that advises them.

use std::path::Path;

use clap::ValueEnum;

use super::args::{CommonArgs, DraftArgs, InputArgs, RUNS_DIR, SANDBOX_FILE};
use crate::model::shown;

/// What the next command must repeat.
#[derive(Clone, Debug)]
pub struct Again {
    mapping: String,
    options: String,
}

impl Again {
    /// After a command that read a file.
    pub fn of(common: &CommonArgs, input: &InputArgs) -> Self {
        let mut mapping = match (&input.mapping, &input.object) {
            (Some(mapping), _) => format!("-m {}", path(mapping)),
            (None, Some(object)) => format!("--object {}", word(object)),
            (None, None) => "-m MAPPING".to_owned(),
        };
        for (name, value) in [("mode", of_enum(input.mode)), ("on-blank", of_enum(input.on_blank))] {
            if let Some(value) = value {
                mapping.push_str(&format!(" --{name} {value}"));
            }
        }
        Self { mapping, options: options(common) }
    }

    /// After a command that read a plan.
    pub fn of_plan(common: &CommonArgs, mapping: Option<String>) -> Self {
        Self { mapping: mapping.unwrap_or_else(|| "-m MAPPING".to_owned()), options: options(common) }
    }

    /// How the file is mapped, to be kept with a plan.
    pub fn mapping(&self) -> &str {
        &self.mapping
    }

    /// Imports this file in the same way.
    pub fn import(&self, file: &str) -> String {
        format!("carafe import {} {}{}", word(file), self.mapping, self.options)
    }

    /// Checks a file with the mapping that was drafted for it.
    pub fn check_drafted(common: &CommonArgs, file: &str, mapping: &Path) -> String {
        format!("carafe check {} -m {}{}", word(file), path(mapping), with_dictionary(common))
    }

    /// Drafts a mapping for one of a workbook's sheets.
    pub fn draft_of_sheet(common: &CommonArgs, args: &DraftArgs, sheet: &str) -> String {
        let (file, output) = (path(&args.file), path(&args.output));
        let (object, sheet, options) = (word(&args.object), word(sheet), with_dictionary(common));
        format!("carafe draft {file} --object {object} -o {output} --sheet {sheet}{options}")
    }

    /// Goes on with a run.
    pub fn resume(&self, run: &str) -> String {
        format!("carafe resume {}{}", word(run), self.options)
    }

    /// Imports a run's rejected rows again.
    pub fn retry(&self, run: &str) -> String {
        format!("carafe retry {}{}", word(run), self.options)
    }

    /// Imports a run's rejected rows again from this file.
    pub fn retry_file(&self, run: &str, file: &str, yes: bool) -> String {
        let yes = if yes { " --yes" } else { "" };
        format!("carafe retry {} {}{yes}{}", word(run), word(file), self.options)
    }

    /// Looks rows up whose outcome is unknown, and decides.
    pub fn settle(&self, run: &str, decision: &str) -> String {
        format!("carafe settle {}{decision}{}", word(run), self.options)
    }

    /// Takes back what a run did.
    pub fn undo(&self, run: &str, yes: bool) -> String {
        let yes = if yes { " --yes" } else { "" };
        format!("carafe undo {}{yes}{}", word(run), self.options)
    }

    /// Sends a plan.
    pub fn apply(&self, run: &str, yes: bool) -> String {
        let yes = if yes { " --yes" } else { "" };
        format!("carafe apply {}{yes}{}", word(run), self.options)
    }
}

/// Shows an object's fields.
pub fn describe(common: &CommonArgs, object: &str) -> String {
    format!("carafe describe {}{}", word(object), options(common))
}

/// Imports a template that has been filled in, with this further option.
pub fn import_of_template(common: &CommonArgs, file: &Path, object: &str, option: &str) -> String {
    format!("carafe import {} --object {}{option}{}", path(file), word(object), with_dictionary(common))
}

/// Commands that go on with a run and reach the CRM for it.
const OF_RUNS: [&str; 6] = ["apply", "resume", "settle", "retry", "undo", "verify"];

/// A sentence whose commands (`carafe resume RUN`) go to the same CRM and the
/// same runs as the one that is under way.
pub fn with_options(sentence: &str, common: &CommonArgs) -> String {
    let options = options(common);
    if options.is_empty() || !sentence.contains("carafe ") || sentence.contains(&options) {
        return sentence.to_owned();
    }
    let mut out = String::with_capacity(sentence.len() + options.len());
    let mut rest = sentence;
    while let Some(at) = rest.find("carafe ") {
        let (before, found) = rest.split_at(at);
        out.push_str(before);
        let mut words = found.splitn(4, ' ');
        let (carafe, command, run) = (words.next(), words.next(), words.next());
        let run = run.map(|run| run.trim_end_matches(|c: char| !c.is_alphanumeric()));
        let taken = match (carafe, command, run) {
            (Some(carafe), Some(command), Some(run)) if OF_RUNS.contains(&command) && is_run(run) => {
                let length = carafe.len() + command.len() + run.len() + 2;
                out.push_str(found.get(..length).unwrap_or_default());
                out.push_str(&options);
                length
            }
            _ => {
                out.push_str("carafe ");
                "carafe ".len()
            }
        };
        rest = found.get(taken..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// A run's id, or the word for the newest.
fn is_run(word: &str) -> bool {
    word == "last" || word.starts_with(|c: char| c.is_ascii_digit())
}

/// The options without which another CRM would be asked, or other runs be
/// looked at; each with a blank before it.
fn options(common: &CommonArgs) -> String {
    let mut options = String::new();
    match &common.sandbox {
        Some(file) if file == Path::new(SANDBOX_FILE) => options.push_str(" --sandbox"),
        Some(file) => options.push_str(&format!(" --sandbox={}", path(file))),
        None => {}
    }
    if let Some(url) = &common.base_url {
        options.push_str(&format!(" --base-url {}", word(url)));
    }
    if let Some(file) = &common.token_file {
        options.push_str(&format!(" --token-file {}", path(file)));
    }
    if common.runs_dir != Path::new(RUNS_DIR) {
        options.push_str(&format!(" --runs-dir {}", path(&common.runs_dir)));
    }
    options
}

/// The options of a command that needs no more of the CRM than its dictionary.
fn with_dictionary(common: &CommonArgs) -> String {
    let dictionary = common.dictionary.as_deref().map(|file| format!(" --dictionary {}", path(file)));
    format!("{}{}", dictionary.unwrap_or_default(), options(common))
}

/// The word of an option's value.
pub fn of_enum<T: ValueEnum>(value: Option<T>) -> Option<String> {
    Some(value?.to_possible_value()?.get_name().to_owned())
}

fn path(path: &Path) -> String {
    word(&path.display().to_string())
}

/// A text as one word of a command line.
pub fn word(text: &str) -> String {
    let text = shown(text).to_string();
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,+@%\\".contains(c);
    // Only Windows has `\` in names of files, and its shells take double quotes alone.
    let quote = if cfg!(windows) { '"' } else { '\'' };
    if !text.is_empty() && text.chars().all(|c| plain(c) && (cfg!(windows) || c != '\\')) {
        return text;
    }
    let inner = if cfg!(windows) { text } else { text.replace('\'', "'\\''") };
    format!("{quote}{inner}{quote}")
}

#[cfg(all(test, unix))]
mod tests {
    use clap::Parser;

    use super::super::args::{Cli, Command};
    use super::*;

    fn advised(line: &[&str]) -> String {
        let cli = Cli::parse_from(line);
        let Command::Import(import) = &cli.command else { panic!("not an import: {line:?}") };
        Again::of(&cli.common, &import.input).import("my rejects.csv")
    }

    #[test]
    fn the_next_command_goes_to_the_same_crm_with_the_same_rules() {
        let typed = ["carafe", "import", "a.csv", "-m", "it's.yaml", "--sandbox", "--mode", "update"];
        let wanted = r"carafe import 'my rejects.csv' -m 'it'\''s.yaml' --mode update --sandbox";
        assert_eq!(advised(&typed), wanted);
        let typed =
            ["carafe", "import", "a.csv", "--object", "accounts", "--base-url", "http://127.0.0.1:1/"];
        let wanted = "carafe import 'my rejects.csv' --object accounts --base-url http://127.0.0.1:1/";
        assert_eq!(advised(&typed), wanted);
    }

    #[test]
    fn a_sentence_that_advises_a_command_names_the_same_crm() {
        let cli = Cli::parse_from(["carafe", "runs", "--sandbox"]);
        let told = |sentence: &str| with_options(sentence, &cli.common);
        let run = "20261124-101112-accounts-abcd";
        assert_eq!(
            told(&format!("interrupted: carafe resume {run} goes on with it")),
            format!("interrupted: carafe resume {run} --sandbox goes on with it")
        );
        assert_eq!(
            told(&format!("settled (carafe settle {run}), undo it again")),
            format!("settled (carafe settle {run} --sandbox), undo it again")
        );
        assert_eq!(told("carafe runs; carafe describe accounts"), "carafe runs; carafe describe accounts");
        assert_eq!(told("this is a fault of carafe itself"), "this is a fault of carafe itself");
    }

    #[test]
    fn other_runs_and_another_sandbox_are_named() {
        let typed = ["carafe", "import", "a.csv", "-m", "m", "--sandbox=s b.db", "--runs-dir", "r"];
        let wanted = "carafe import 'my rejects.csv' -m m --sandbox='s b.db' --runs-dir r";
        assert_eq!(advised(&typed), wanted);
    }
}
