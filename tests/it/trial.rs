//! One file, one import into a fresh CRM, and what came of it.

use serde_json::Value as Json;

use crate::support::{Crm, Desk, Done};

/// A file imported into a CRM, by a mapping of accounts.
pub struct Trial {
    pub crm: Crm,
    pub desk: Desk,
    pub done: Done,
}

pub const CREATE: &str = "version: 1\nobject: accounts\nmode: create\n";

/// Imports a file into a fresh CRM; `mapping` is what stands below the mode.
pub fn trial(name: &str, content: impl AsRef<[u8]>, mapping: &str) -> Trial {
    let (crm, desk) = (Crm::start(), Desk::with(name, content));
    desk.write("m.yaml", format!("{CREATE}{mapping}"));
    let done = crm.carafe(&desk, ["import", name, "-m", "m.yaml", "--json"]).run();
    Trial { crm, desk, done }
}

impl Trial {
    /// A field of the account of that name, as text.
    #[track_caller]
    pub fn field(&self, account: &str, field: &str) -> String {
        plain(&self.crm.account(account)[field])
    }

    #[track_caller]
    pub fn is(self, code: i32, rows: Json) -> Self {
        self.done.is(code);
        assert_eq!(self.done.rows(), rows, "{:?}", self.done);
        self
    }

    /// Cell, code and message of each problem.
    pub fn problems(&self) -> Vec<String> {
        let line = |e: &Json| format!("{} {} {}", plain(&e["cell"]), plain(&e["code"]), plain(&e["message"]));
        self.desk.errors().iter().map(line).collect()
    }

    #[track_caller]
    pub fn told(&self, words: &str) {
        assert!(self.done.stderr.contains(words), "{words}\n{}", self.done.stderr);
    }
}

pub fn plain(json: &Json) -> String {
    match json {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The sentence with which `import` refuses a file as a whole.
pub fn refusal(name: &str, content: impl AsRef<[u8]>, mapping: &str) -> String {
    let (crm, desk) = (Crm::start(), Desk::with(name, content));
    desk.write("m.yaml", format!("{CREATE}{mapping}"));
    let done = crm.carafe(&desk, ["import", name, "-m", "m.yaml"]).ends_with(2);
    assert!(desk.runs().is_empty() && done.stdout.is_empty(), "nothing was begun");
    done.stderr
}
