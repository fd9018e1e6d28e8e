//! What a row in doubt has come to, given what the CRM holds now.
//!
//! Pure: the records that may be the row's come in, the verdict goes out. No
//! verdict ever makes a second record of one that may be there.

use serde_json::value::RawValue;

use crate::model::{Action, Dictionary, Field, FieldKind, Record, RecordId, Value};
use crate::rules::compare::same;
use crate::rules::image::{changed, has_other};

/// Fields and values, as they were sent or as they were before.
pub type Values = Vec<(String, Value)>;

/// What the CRM was asked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By what no other row and no older record has: nothing found means that
    /// nothing was stored.
    Strong,
    /// By the values that were sent, among records newer than the run: nothing
    /// found may mean that the CRM changed a value as it stored it.
    Weak,
}

/// What a row in doubt has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is this record.
    Adopt(RecordId),
    /// It was certainly not done: it may be sent again.
    Absent,
    /// It cannot be done any more: the record went or is another than planned.
    Overtaken(&'static str),
    /// It cannot be told; why, and the records that it may be.
    Hold(Held, Vec<RecordId>),
}

/// Why a doubt cannot be settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// No record fits, and that proves nothing.
    NothingFound,
    /// One has the row's key, and other values than were sent.
    OtherValues,
    /// One has the row's key and belongs to another row.
    Claimed,
    /// Several fit.
    Several,
    /// The record has neither the values that were sent nor those from before.
    Neither,
}

impl Held {
    /// The sentence that rows held for this reason share.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NothingFound => {
                "sent, and the answer was lost; no record with these values was found, and without a key that proves nothing"
            }
            Self::OtherValues => {
                "sent, and the answer was lost; the CRM has a record with this key and other values than were sent"
            }
            Self::Claimed => {
                "sent, and the answer was lost; the CRM has a record with this key that belongs to another row"
            }
            Self::Several => "sent, and the answer was lost; several records could be the row's",
            Self::Neither => {
                "sent, and the answer was lost; the record has neither the values that were sent nor those from before"
            }
        }
    }
}

/// Judges a create. `candidates` are what the CRM gave for the row; `claimed`
/// says whether another row has a record; `twins` is how many rows in doubt
/// sent the very same values, this one among them: which of them a record
/// belongs to makes no difference.
pub fn judge_create(
    dictionary: &Dictionary,
    sent: &Values,
    candidates: &[Record],
    proof: Proof,
    twins: usize,
    claimed: impl Fn(RecordId) -> bool,
) -> Verdict {
    if sent.is_empty() {
        return Verdict::Hold(Held::NothingFound, Vec::new());
    }
    let ids = |records: &[&Record]| records.iter().map(|record| record.id).collect::<Vec<_>>();
    let all: Vec<&Record> = candidates.iter().collect();
    let free: Vec<&Record> = candidates.iter().filter(|record| !claimed(record.id)).collect();
    let fitting: Vec<&Record> =
        free.iter().copied().filter(|record| holds(dictionary, sent, record)).collect();
    match (proof, all.as_slice(), fitting.as_slice()) {
        (Proof::Strong, [], _) => Verdict::Absent,
        (Proof::Strong, [_], [one]) => Verdict::Adopt(one.id),
        (Proof::Strong, [_], []) if free.is_empty() => Verdict::Hold(Held::Claimed, ids(&all)),
        (Proof::Strong, [_], []) => Verdict::Hold(Held::OtherValues, ids(&all)),
        (Proof::Strong, several, _) => Verdict::Hold(Held::Several, ids(several)),
        (Proof::Weak, _, []) => Verdict::Hold(Held::NothingFound, Vec::new()),
        (Proof::Weak, _, [first, ..]) if fitting.len() <= twins => Verdict::Adopt(first.id),
        (Proof::Weak, _, several) => Verdict::Hold(Held::Several, ids(several)),
    }
}

/// Judges a change of a record that was there: its values tell, and by its
/// image whether anybody else changed it.
pub fn judge_change(
    dictionary: &Dictionary,
    action: Action,
    record: Option<&Record>,
    sent: &Values,
    before: &Values,
    image: Option<&[u8]>,
) -> Verdict {
    let Some(record) = record else {
        return match action {
            // A list that lacks it is no proof; the CRM's answer to a deletion more is.
            Action::Delete => Verdict::Absent,
            Action::Create | Action::Update => {
                Verdict::Overtaken("the record went since it was read for the plan")
            }
        };
    };
    let is_as_before = holds(dictionary, before, record);
    let is_untouched = image.map_or(is_as_before, |image| !changed(image, record));
    let overtaken = Verdict::Overtaken("the record changed since it was read for the plan");
    match action {
        // It would be gone, had the CRM done it. What others changed since is theirs.
        Action::Delete if is_untouched => Verdict::Absent,
        Action::Delete => overtaken,
        Action::Create | Action::Update if holds(dictionary, sent, record) => Verdict::Adopt(record.id),
        Action::Create | Action::Update if is_untouched => Verdict::Absent,
        Action::Create | Action::Update if is_as_before => overtaken,
        Action::Create | Action::Update => Verdict::Hold(Held::Neither, vec![record.id]),
    }
}

/// What a look at the CRM shortly before a change is sent comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// The record is as it was: the change may be sent.
    Same,
    /// It has the wanted values already, whoever wrote them.
    Wanted,
    /// It is gone.
    Gone,
    /// Somebody changed it; the fields that the change would write over, with
    /// their values before and now.
    Changed(Vec<(String, Value, Value)>),
}

/// Compares a record with what it was when it was last looked at: by its
/// image, and for what the image does not know by the values that the change
/// writes over. The image goes first because the CRM may have made something
/// else of a value than was sent.
pub fn look(
    dictionary: &Dictionary,
    action: Action,
    record: Option<&Record>,
    sent: &Values,
    before: &Values,
    image: Option<&[u8]>,
) -> Look {
    let Some(record) = record else { return Look::Gone };
    if action == Action::Update && holds(dictionary, sent, record) {
        return Look::Wanted;
    }
    let now = |name: &str| record.get(name).cloned().unwrap_or(Value::Null);
    let is_other = |(name, value): &&(String, Value)| {
        image
            .and_then(|image| has_other(image, name, &now(name)))
            .unwrap_or_else(|| !holds(dictionary, &vec![((*name).clone(), (*value).clone())], record))
    };
    let others: Vec<_> = before
        .iter()
        .filter(is_other)
        .map(|(name, value)| (name.clone(), value.clone(), now(name)))
        .collect();
    if others.is_empty() && !image.is_some_and(|image| changed(image, record)) {
        return Look::Same;
    }
    Look::Changed(others)
}

/// Whether a record has all of these values, each in whatever dress.
pub fn holds(dictionary: &Dictionary, values: &Values, record: &Record) -> bool {
    values.iter().all(|(name, value)| {
        let unknown;
        let field = match dictionary.get(name) {
            Some(field) => field,
            None => {
                unknown = Field::new(name.clone(), FieldKind::Memo);
                &unknown
            }
        };
        same(field, record.get(name), value)
    })
}

/// Reads the JSON object of a plan's row; what is none has no values.
pub fn values_of(json: &str) -> Values {
    let fields: std::collections::BTreeMap<String, &RawValue> =
        serde_json::from_str(json).unwrap_or_default();
    let value = |(name, raw): (String, &RawValue)| Some((name, Value::from_json(raw.get()).ok()?));
    fields.into_iter().filter_map(value).collect()
}

#[cfg(test)]
#[path = "settling_tests.rs"]
mod tests;
