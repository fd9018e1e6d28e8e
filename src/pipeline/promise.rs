//! What a run can promise about records that are doubled or missing, and what
//! became of rows whose answer was lost.

use serde::Serialize;

use super::PipelineError;
use super::send::OnUnknown;
use crate::model::Action;
use crate::store::Store;

/// What held for the records that a run created.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Promise {
    /// Which promise.
    pub kind: PromiseKind,
    /// The fields that tell one new record from another.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
    /// How long, in seconds, the CRM is taken to need at most for a request
    /// whose answer was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settle_s: Option<f64>,
}

/// The kinds of promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PromiseKind {
    /// No duplicates and no losses, by a reference of each row's own.
    Reference,
    /// No duplicates and no losses, by the key.
    Key,
    /// No duplicates; what may be missing is listed.
    AtMostOnce,
    /// No losses; what may be doubled was sent again as the user asked.
    AtLeastOnce,
}

impl Promise {
    /// What the run that a store holds can promise; none where it creates nothing.
    pub(super) fn of(store: &Store) -> Result<Option<Self>, PipelineError> {
        if !store.has_action(Action::Create)? {
            return Ok(None);
        }
        let reference: Option<String> = store.get("ref_field")?.flatten();
        let key: Vec<String> = store.fact("match")?;
        let on_unknown = store.get::<OnUnknown>("on_unknown")?.unwrap_or_default();
        let is_keyed = !key.is_empty() && key.iter().all(|name| name != "id");
        let (kind, by) = match (reference, is_keyed, on_unknown) {
            (Some(reference), ..) => (PromiseKind::Reference, vec![reference]),
            (None, true, _) => (PromiseKind::Key, key),
            (None, false, OnUnknown::Hold) => (PromiseKind::AtMostOnce, Vec::new()),
            (None, false, OnUnknown::Resend) => (PromiseKind::AtLeastOnce, Vec::new()),
        };
        let settle_s = store.get("settle_s")?;
        Ok(Some(Self { kind, by, settle_s }))
    }

    /// The promise and what it assumes, in one sentence.
    pub fn sentence(&self) -> String {
        let Self { kind, by, settle_s } = self;
        let within = settle_s.map_or_else(|| "in time".to_owned(), |seconds| format!("within {seconds} s"));
        let assumed = format!("the CRM finishes or drops a request, and shows what it stored, {within}");
        let by = crate::model::shown(&by.join(" + ")).to_string();
        match kind {
            PromiseKind::Reference => {
                format!("no duplicates and no losses, by the reference in {by}; assumes that {assumed}")
            }
            PromiseKind::Key => format!(
                "no duplicates and no losses, by {by}; assumes that {assumed} and that nobody else writes the same {by} meanwhile"
            ),
            PromiseKind::AtMostOnce => format!(
                "at most once: no row becomes two records, and one that may be missing is listed as unknown; assumes that {assumed}"
            ),
            PromiseKind::AtLeastOnce => format!(
                "at least once: no row is missing, and one whose answer was lost may be there twice; assumes that {assumed}"
            ),
        }
    }
}

/// What became of rows whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Settling {
    /// Found in the CRM.
    pub adopted: u64,
    /// Certainly not stored, and sent again or found to be impossible by now.
    pub absent: u64,
    /// Looked up, and it could not be told.
    pub held: u64,
}

impl Settling {
    /// None where no answer was lost.
    pub(super) fn of(store: &Store) -> Result<Option<Self>, PipelineError> {
        let (adopted, absent, held) = store.settled_counts()?;
        Ok((adopted + absent + held > 0).then_some(Self { adopted, absent, held }))
    }
}
