//! Rows whose outcome is unknown: looked up once more, and where that does not
//! tell, decided by a person who sees what the CRM holds.

use std::collections::HashSet;

use serde::Serialize;

use super::family::GIVEN_UP;
use super::run::{PlannedRun, SendOptions, Tools, send_settings};
use super::send::{Ended, Settler, doubt_finding, ended_by, image_of_adopted};
use super::{Event, FinishedRun, PipelineError, send_plan};
use crate::crm::Client;
use crate::model::{Action, Code, Finding, Notice, Outcome, Record, RecordId, shown};
use crate::rules::settling::values_of;
use crate::store::{Answer, AnswerKind, Store, ToSend};

/// What a person decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decisions {
    /// The row is this record.
    pub adopt: Vec<(u64, RecordId)>,
    /// The CRM does not have the row: it is sent again.
    pub resend: Vec<u64>,
    /// The row is given up.
    pub drop: Vec<u64>,
}

/// A row that stays in doubt, beside the records that it may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenDoubt {
    /// The row.
    pub row: u64,
    /// Why it cannot be told.
    pub message: String,
    /// Fields and values that were sent, as text.
    pub sent: Vec<(String, String)>,
    /// Records that it may be, with the same fields' values.
    pub candidates: Vec<Candidate>,
}

/// A record that a row in doubt may have become.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// Its id.
    pub id: u64,
    /// Its values of the fields that were sent, in their order.
    pub values: Vec<String>,
    /// The row of this run that it belongs to already.
    pub row: Option<u64>,
}

/// Rows that are shown with their candidates.
const MOST_SHOWN: usize = 20;

/// Candidates that are shown of one row.
const MOST_CANDIDATES: usize = 5;

/// Carries out decisions, looks the other rows up, and says what stays open.
pub async fn settle(
    mut planned: PlannedRun,
    decisions: &Decisions,
    options: &SendOptions,
    tools: Tools<'_>,
) -> Result<(FinishedRun, Vec<OpenDoubt>), PipelineError> {
    let options = SendOptions { only: Some(decisions.resend.clone()), ..options.clone() };
    let settings = send_settings(&planned.store, &planned.folder, &options, None, false)?;
    let mut settler = Settler::new(tools.client, &settings, &planned.store)?;
    decide(&mut planned, decisions, &mut settler, tools).await?;
    let folder = planned.folder.store_file();
    let finished = send_plan(planned, &options, tools).await?;
    let is_over = finished.ended != Ended::Complete || finished.summary.rows.unknown == 0;
    let open = match is_over {
        true => Vec::new(),
        false => match open_doubts(&Store::open(&folder)?, settler).await {
            // A CRM that may not be asked any more shows no candidates; how the run stands is told.
            Err(PipelineError::Crm(error)) if ended_by(&error).is_some() => {
                tools.reporter.event(Event::Notice(Notice(format!("candidates cannot be shown: {error}"))));
                Vec::new()
            }
            open => open?,
        },
    };
    Ok((finished, open))
}

async fn decide(
    planned: &mut PlannedRun,
    decisions: &Decisions,
    settler: &mut Settler,
    tools: Tools<'_>,
) -> Result<(), PipelineError> {
    let PlannedRun { store, folder, .. } = planned;
    let object: String = store.fact("object")?;
    refuse_twofold(decisions)?;
    let mut answers = Vec::new();
    for &(row, id) in &decisions.adopt {
        let sent = doubtful(store, &folder.run, row)?;
        let record = adoptable(store, tools.client, &object, &sent, id).await?;
        if !settler.may_be(&sent, &record) {
            return Err(not_the_rows(&sent, &record));
        }
        let image = image_of_adopted(&sent, &record);
        let kind = AnswerKind::Adopted { outcome: sent.action.done(), record: id, image };
        answers.push(Answer::without_status(row, kind));
    }
    let resent: Vec<ToSend> =
        decisions.resend.iter().map(|&row| doubtful(store, &folder.run, row)).collect::<Result<_, _>>()?;
    if let Some((row, ids)) = settler.keys_taken(&resent).await? {
        let message = format!("row {row} is not sent again: the CRM has its key already, in {ids}");
        return Err(PipelineError::usage(
            message,
            format!("see both beside each other: carafe settle {}", folder.run),
        ));
    }
    for row in resent {
        answers.push(Answer::without_status(row.row, AnswerKind::Absent));
    }
    for &row in &decisions.drop {
        doubtful(store, &folder.run, row)?;
        answers.push(Answer::without_status(row, AnswerKind::Dropped(vec![dropped(row)])));
    }
    let now = tools.clock.now().to_string();
    Ok(store.exchange(&answers, &[], &now)?)
}

/// One decision a row, and one row a record.
fn refuse_twofold(decisions: &Decisions) -> Result<(), PipelineError> {
    let Decisions { adopt, resend, drop } = decisions;
    let (mut rows, mut records) = (HashSet::new(), HashSet::new());
    let decided = adopt.iter().map(|(row, _)| row).chain(resend).chain(drop);
    let twice = decided.into_iter().find(|row| !rows.insert(**row)).map(|row| format!("row {row}"));
    let taken = adopt.iter().find(|(_, id)| !records.insert(*id)).map(|(_, id)| format!("record {id}"));
    match twice.or(taken) {
        None => Ok(()),
        Some(what) => Err(PipelineError::usage(
            format!("{what} is decided twice"),
            "give one of --adopt, --resend and --drop for a row, and a record to one row",
        )),
    }
}

fn not_the_rows(row: &ToSend, record: &Record) -> PipelineError {
    let message = format!(
        "row {} cannot be record {}: that one was there before the run, or has another key",
        row.row, record.id
    );
    PipelineError::usage(message, "adopt one of the records that settle shows beside the row")
}

/// The row, if it is in doubt.
fn doubtful(store: &Store, run: &str, row: u64) -> Result<ToSend, PipelineError> {
    let refuse = |why: String| {
        let advice = format!("see which rows are unknown: carafe settle {run}");
        PipelineError::usage(format!("row {row} {why}"), advice)
    };
    match store.outcome_of(row)? {
        None => Err(refuse("is no row of this run".to_owned())),
        Some(Some(Outcome::Unknown)) => {
            let found = store.rows_of(&[row])?.pop();
            found.ok_or_else(|| refuse("has nothing that was sent".to_owned()))
        }
        Some(Some(outcome)) => Err(refuse(format!("is {}, not unknown", outcome.word()))),
        Some(None) => Err(refuse("was not sent yet: carafe resume sends it".to_owned())),
    }
}

/// The record that a row is said to be, if it is there and nobody else's.
async fn adoptable(
    store: &Store,
    client: &Client,
    object: &str,
    row: &ToSend,
    id: RecordId,
) -> Result<Record, PipelineError> {
    let refuse = |why: String| {
        let message = format!("row {} cannot be record {id}: {why}", row.row);
        PipelineError::usage(message, "adopt one of the records that settle shows beside the row")
    };
    if row.action != Action::Create && row.record != Some(id) {
        let planned = row.record.map(|id| id.to_string()).unwrap_or_default();
        return Err(refuse(format!("it was to change record {planned}")));
    }
    if let Some(other) = store.maker_of(id, row.row)? {
        return Err(refuse(format!("row {other} created that record")));
    }
    let record = client.get(object, id, false).await?;
    record.ok_or_else(|| refuse(format!("the CRM has no such record of {}", shown(object))))
}

fn dropped(row: u64) -> Finding {
    let message = GIVEN_UP.to_owned();
    Finding { code: Code::NoAnswer, cause: Some(message.clone()), ..doubt_finding(row, message) }
}

/// The rows that stay unknown, beside the records that they may be.
async fn open_doubts(store: &Store, mut settler: Settler) -> Result<Vec<OpenDoubt>, PipelineError> {
    let rows = store.doubts(|doubt| doubt.row)?;
    let rows = store.rows_of(&rows[..rows.len().min(MOST_SHOWN)])?;
    let mut candidates = settler.candidates(&rows).await?;
    let mut open = Vec::with_capacity(rows.len());
    for row in rows {
        let sent: Vec<(String, String)> = values_of(&row.body)
            .into_iter()
            .map(|(name, value)| (name, value.to_text().into_owned()))
            .collect();
        let records = candidates.remove(&row.row).unwrap_or_default();
        let mut shown_ones = Vec::new();
        for record in records.iter().take(MOST_CANDIDATES) {
            let value = |(name, _): &(String, String)| {
                record.get(name).map(|value| value.to_text().into_owned()).unwrap_or_default()
            };
            let values = sent.iter().map(value).collect();
            let of = store.maker_of(record.id, row.row)?;
            shown_ones.push(Candidate { id: record.id.get(), values, row: of });
        }
        let message = store.reasons_of(row.row)?.pop().unwrap_or_default();
        open.push(OpenDoubt { row: row.row, message, sent, candidates: shown_ones });
    }
    Ok(open)
}
