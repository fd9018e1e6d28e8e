//! The client: one method for each thing the API can do, and the loop that
//! every request goes through.

use std::collections::HashMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::address::BaseUrl;
use super::answer::{Answer, excerpt, judge, unexpected};
use super::dictionary::read_dictionary;
use super::errors::{CrmError, LONGEST_PAUSE, NextStep};
use super::gate::{Gate, Heard, Limits};
use super::json::{Fields, checked};
use super::lookup::{append_body, read_lookup};
use super::pause::{Pace, Pause, Pauses};
use super::query::{ListQuery, list_path, path, record_path};
use super::retry::{Jitter, Twice, may_repeat, wait_asked};
use super::token::Token;
use super::transport::{Http, Method, Request, Transport, proxy_for};
use super::wire::{self, Odd, Page, ReadPage};
use crate::model::{Calls, Dictionary, Notice, Record, RecordId};

/// How to reach the CRM, and how hard to try.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Where it is.
    pub base_url: BaseUrl,
    /// The access token.
    pub token: Token,
    /// Most requests in flight.
    pub concurrency: NonZeroUsize,
    /// Most requests a second, evenly spaced; no limit if none.
    pub rate: Option<NonZeroU32>,
    /// One request, from sending to the last byte of the answer.
    pub timeout: Duration,
    /// Tries after the first, where a repeat is safe.
    pub retries: u32,
    /// Most requests in all; no limit if none.
    pub max_calls: Option<u64>,
}

impl ClientOptions {
    /// The defaults: 8 in flight, any pace, 30 s, 5 retries, no budget.
    pub fn new(base_url: BaseUrl, token: Token) -> Self {
        Self {
            base_url,
            token,
            concurrency: const { NonZeroUsize::new(8).unwrap() },
            rate: None,
            timeout: Duration::from_secs(30),
            retries: 5,
            max_calls: None,
        }
    }
}

/// How a delete ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The CRM confirmed it.
    Done,
    /// There was no such record: it went before, perhaps by an earlier try
    /// of this very request whose answer was lost.
    AlreadyGone,
}

/// The CRM, as far as this program talks to it. Clones share the gate and the counts.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    transport: Arc<dyn Transport>,
    gate: Gate,
    concurrency: NonZeroUsize,
    jitter: Jitter,
    token: Token,
    retries: u32,
    notices: Vec<Notice>,
    habits: Mutex<HashMap<String, Habits>>,
}

/// What the server turned out not to do with an object, so that it is asked only once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Habits {
    /// It refuses to sort by id.
    pub no_order: bool,
    /// It cannot be read by id: it ignores the order or the filter, or refuses the filter.
    pub no_keyset: bool,
    /// It has been read by id.
    pub keyset: bool,
}

impl Client {
    /// A client; nothing is sent yet.
    pub fn new(options: ClientOptions) -> Result<Self, CrmError> {
        let timeout = options.timeout.max(Duration::from_millis(1));
        let transport = Http::new(options.base_url.clone(), &options.token, timeout)?;
        Ok(Self::over(transport, options))
    }

    /// A client over any transport.
    pub(super) fn over(transport: Arc<dyn Transport>, options: ClientOptions) -> Self {
        Self::seeded(transport, options, Jitter::new())
    }

    /// The same with waits that are known beforehand.
    pub(super) fn seeded(transport: Arc<dyn Transport>, options: ClientOptions, jitter: Jitter) -> Self {
        let ClientOptions { base_url, token, concurrency, rate, retries, max_calls, timeout: _ } = options;
        let proxy = proxy_for(&base_url).map(|host| {
            Notice(format!("requests go through the proxy {host}, unless NO_PROXY names the CRM"))
        });
        let notices = token.notice().into_iter().chain(proxy).collect();
        let inner = Inner {
            transport,
            gate: Gate::new(Limits { concurrency, rate, max_calls }),
            concurrency,
            jitter,
            token,
            retries,
            notices,
            habits: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// What is worth knowing about the connection before anything is sent.
    pub fn notices(&self) -> &[Notice] {
        &self.inner.notices
    }

    /// The fields of an object; lookup values are in it only where the CRM puts them there.
    pub async fn dictionary(&self, object: &str) -> Result<Dictionary, CrmError> {
        let text = self.description(path(&["datadictionary", object])?).await?;
        read_dictionary(object, &text).map_err(|fault| self.undescribed(object, &fault.why, &text))
    }

    /// The values of a dropdown.
    pub async fn lookup(&self, object: &str, field: &str) -> Result<Vec<String>, CrmError> {
        let text = self.description(path(&["lookup", object, field])?).await?;
        read_lookup(&text).map_err(|why| self.undescribed(&format!("{object}.{field}"), &why, &text))
    }

    /// Appends values to a dropdown's list, by the list's own name; gives the values
    /// that the CRM says it added.
    ///
    /// In doubt it is not sent again: the values could then stand twice.
    pub async fn append_lookup(&self, list: &str, values: &[String]) -> Result<Vec<String>, CrmError> {
        let request = Request {
            method: Method::Patch,
            path: path(&["lookup", list])?,
            body: Some(append_body(values)),
            into: None,
            form: None,
        };
        self.ask(&request, Twice::Harmful, |answer| read_lookup(checked(&answer.body)?).map_err(Odd::Form))
            .await
    }

    /// One page of a list.
    pub async fn list(&self, object: &str, query: &ListQuery) -> Result<Page, CrmError> {
        let request = get(list_path(object, query)?);
        self.ask(&request, Twice::Harmless, |answer| wire::page(object, &answer.body)).await
    }

    /// The same with the records in one piece, read in less time.
    pub(super) async fn read_page(&self, object: &str, query: &ListQuery) -> Result<ReadPage, CrmError> {
        let request = get(list_path(object, query)?);
        self.ask(&request, Twice::Harmless, |answer| wire::read_page(object, &answer.body)).await
    }

    /// One record; `None` where there is none. `lines` asks for opportunity lines along with it.
    pub async fn get(&self, object: &str, id: RecordId, lines: bool) -> Result<Option<Record>, CrmError> {
        let query = if lines { "?lines=true" } else { "" };
        let request = get(format!("{}{query}", record_path(object, id)?));
        let read = |answer: &Answer| wire::one_or_none(object, id, &answer.body);
        match self.ask(&request, Twice::Harmless, read).await {
            Err(CrmError::NotFound { by_api: true, .. }) => Ok(None),
            other => other,
        }
    }

    /// Creates a record from its JSON text; gives the record as the CRM stored it.
    ///
    /// Sent once, and again only when it certainly did nothing.
    pub async fn create(&self, object: &str, body: &str) -> Result<Record, CrmError> {
        let request = Request {
            method: Method::Post,
            path: path(&[object])?,
            body: Some(body.to_owned()),
            into: None,
            form: None,
        };
        self.ask(&request, Twice::Harmful, |answer| wire::written(object, None, answer.status, &answer.body))
            .await
    }

    /// Changes the fields in the JSON text; gives the record as it is now.
    ///
    /// What has to wait for its turn beyond `until` is not sent ([`CrmError::Waited`]).
    pub async fn update(
        &self,
        object: &str,
        id: RecordId,
        body: &str,
        until: Option<Instant>,
    ) -> Result<Record, CrmError> {
        let request = Request {
            method: Method::Patch,
            path: record_path(object, id)?,
            body: Some(body.to_owned()),
            into: None,
            form: None,
        };
        let read = |answer: &Answer| wire::written(object, Some(id), answer.status, &answer.body);
        self.ask_until(&request, Twice::Harmless, until, read).await
    }

    /// Deletes a record; `until` as in [`Self::update`].
    pub async fn delete(
        &self,
        object: &str,
        id: RecordId,
        until: Option<Instant>,
    ) -> Result<Deleted, CrmError> {
        let request = Request {
            method: Method::Delete,
            path: record_path(object, id)?,
            body: None,
            into: None,
            form: None,
        };
        match self.ask_until(&request, Twice::Harmless, until, deleted).await {
            Err(CrmError::NotFound { by_api: true, .. }) => Ok(Deleted::AlreadyGone),
            other => other,
        }
    }

    /// Lets no further request out: those that wait fail with [`CrmError::Cancelled`] at once,
    /// those on their way are finished, none is repeated.
    pub fn stop(&self) {
        self.inner.gate.stop();
    }

    /// The requests sent so far. One that provably never left is not among them.
    pub fn calls(&self) -> Calls {
        self.inner.gate.calls()
    }

    /// The pauses so far, the present one included.
    pub fn pauses(&self) -> Pauses {
        self.inner.gate.pauses()
    }

    /// The pause that holds all requests back right now.
    pub fn pause(&self) -> Option<Pause> {
        self.inner.gate.pause()
    }

    /// Tells of each pause as it begins or grows; a pause ends by itself when its time comes.
    pub fn watch_pauses(&self) -> watch::Receiver<Option<Pause>> {
        self.inner.gate.watch()
    }

    /// Most requests in flight.
    pub fn concurrency(&self) -> usize {
        self.inner.concurrency.get()
    }

    /// The pace as it is, and each time that it changes for longer than a trial.
    pub fn watch_pace(&self) -> watch::Receiver<Pace> {
        self.inner.gate.watch_pace()
    }

    /// What has been found out about an object.
    pub(super) fn habits(&self, object: &str) -> Habits {
        self.lock_habits().get(object).copied().unwrap_or_default()
    }

    /// Notes what has been found out.
    pub(super) fn learn(&self, object: &str, change: impl FnOnce(&mut Habits)) {
        change(self.lock_habits().entry(object.to_owned()).or_default());
    }

    fn lock_habits(&self) -> MutexGuard<'_, HashMap<String, Habits>> {
        self.inner.habits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text of a dictionary or a lookup list, whose form is told later.
    async fn description(&self, path: String) -> Result<String, CrmError> {
        let read = |answer: &Answer| {
            let text = checked(&answer.body)?;
            // A web page is no description in an odd form: something else answers here.
            if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
                return Err(Odd::Form("it is not JSON".to_owned()));
            }
            match Fields::parse(text) {
                Ok(fields) if wire::is_quota(&fields) => Err(Odd::Quota(fields.text("message"))),
                _ => Ok(text.to_owned()),
            }
        };
        self.ask(&get(path), Twice::Harmless, read).await
    }

    fn undescribed(&self, what: &str, why: &str, text: &str) -> CrmError {
        let excerpt = excerpt(text.as_bytes(), &self.inner.token);
        CrmError::Undescribed { what: what.to_owned(), why: why.to_owned(), excerpt }
    }

    /// Sends a request, and again where that is safe, until it is answered or given up.
    pub(super) async fn ask<T>(
        &self,
        request: &Request,
        twice: Twice,
        read: impl Fn(&Answer) -> Result<T, Odd>,
    ) -> Result<T, CrmError> {
        self.ask_until(request, twice, None, read).await
    }

    /// The same, but for what has to wait beyond a moment before it is sent at all.
    async fn ask_until<T>(
        &self,
        request: &Request,
        twice: Twice,
        until: Option<Instant>,
        read: impl Fn(&Answer) -> Result<T, Odd>,
    ) -> Result<T, CrmError> {
        let inner = &*self.inner;
        let mut tries = Tries::default();
        let mut kept = None;
        loop {
            let entered = match kept.take() {
                None => inner.gate.enter(request.method, tries.counted).await,
                Some(place) => inner.gate.enter_again(request.method, tries.counted, place).await,
            };
            let pass = match entered {
                Ok(pass) => pass,
                Err(error) => return Err(tries.last_word(request.method, error)),
            };
            if tries.doubt.is_none() && until.is_some_and(|until| Instant::now() > until) {
                inner.gate.uncount(request.method, tries.counted);
                return Err(CrmError::Waited);
            }
            let result = inner.transport.send(request).await;
            let result = result.and_then(|answer| self.understand(&answer, &read));
            inner.gate.heard(&pass, heard(&result));
            let error = match result {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if left_here(&error) {
                tries.counted = true;
            } else {
                inner.gate.uncount(request.method, tries.counted);
            }
            // What holds everyone is waited out at the gate, together with everyone else.
            let refused = matches!(error, CrmError::RateLimited { .. });
            let everyone_waits = refused && inner.gate.waits();
            // Only now, or another request could slip out before a pause; and before the backoff,
            // so that who waits for it alone holds no place. Who was refused goes first afterwards,
            // or others would be taken instead of it again and again.
            let place = pass.into_place();
            kept = everyone_waits.then_some(place);
            tries.made += 1;
            if refused {
                tries.refused(inner.gate.taken());
            }
            if !may_repeat(&error, twice, tries.made, inner.retries) {
                return Err(tries.last_word(request.method, error));
            }
            let wait = if everyone_waits { Duration::ZERO } else { inner.jitter.backoff(tries.made) };
            tries.remember(error);
            if !inner.gate.back_off(wait).await {
                return Err(tries.last_word(request.method, CrmError::Cancelled));
            }
        }
    }

    fn understand<T>(
        &self,
        answer: &Answer,
        read: &impl Fn(&Answer) -> Result<T, Odd>,
    ) -> Result<T, CrmError> {
        let token = &self.inner.token;
        judge(answer, token)?;
        read(answer).map_err(|odd| match odd {
            Odd::Quota(message) => CrmError::QuotaSpent { message: message.map(|text| token.redact(&text)) },
            Odd::Form(why) => unexpected(answer, &why, token),
        })
    }
}

/// What came of a request, for the gate.
fn heard<T>(result: &Result<T, CrmError>) -> Heard {
    let Err(error) = result else { return Heard::Well };
    match (error, wait_asked(error)) {
        // A wait beyond all patience ends the run instead of holding it.
        (_, Some(wait)) if wait > LONGEST_PAUSE => Heard::Nothing,
        (CrmError::RateLimited { .. }, wait) => Heard::Refused(wait),
        (
            CrmError::Unreachable { .. }
            | CrmError::TimedOut { .. }
            | CrmError::ConnectionLost { .. }
            | CrmError::ServerError { .. }
            | CrmError::Unavailable { .. },
            wait,
        ) => Heard::Lost(wait),
        _ if left_here(error) => Heard::Well,
        _ => Heard::Nothing,
    }
}

/// More 429s than this are no matter of learning a pace.
const MOST_OF_THE_PACE: u32 = 50;

/// How the tries of one request went.
#[derive(Debug, Default)]
struct Tries {
    made: u32,
    /// Whether one of them was counted.
    counted: bool,
    /// The last error that left the outcome open.
    doubt: Option<CrmError>,
    /// How many requests the CRM had taken at the last 429, of all.
    taken: u64,
    /// Of those made, 429s since the CRM last took others.
    refused: u32,
    /// 429s that are no tries.
    of_the_pace: u32,
}

impl Tries {
    /// Notes that the last one met a 429. It says nothing about this request, only about the pace
    /// that is being learned, where the CRM took others since the last one to it, or before the
    /// first. Such are no tries, or rows would fail for the speed at which the others go. `taken`
    /// is how many it took so far.
    fn refused(&mut self, taken: u64) {
        let before = std::mem::replace(&mut self.taken, taken);
        self.refused += 1;
        if taken > before && self.of_the_pace < MOST_OF_THE_PACE {
            self.of_the_pace += 1;
            self.made -= std::mem::take(&mut self.refused);
        }
    }

    fn remember(&mut self, error: CrmError) {
        if error.next_step() == NextStep::LookUpFirst {
            self.doubt = Some(error);
        }
    }

    /// The error to give back. A try in doubt is not forgotten because a later one
    /// certainly did nothing.
    fn last_word(self, method: Method, error: CrmError) -> CrmError {
        match error.next_step() {
            NextStep::LookUpFirst | NextStep::RejectRow => error,
            NextStep::RetryAsIs | NextStep::StopRun | NextStep::StopBudget | NextStep::LeaveUnprocessed => {
                match (method, self.doubt) {
                    (Method::Post | Method::Patch | Method::Delete, Some(doubt)) => doubt,
                    (Method::Get, _) | (_, None) => error,
                }
            }
        }
    }
}

/// Whether a request may have left this machine.
fn left_here(error: &CrmError) -> bool {
    use CrmError::{Unreachable, Unreadable, Unsendable};
    !matches!(error, Unreachable { .. } | Unsendable { .. } | Unreadable { .. })
}

pub(super) fn get(path: String) -> Request {
    Request { method: Method::Get, path, body: None, into: None, form: None }
}

/// A delete's answer has no content worth reading; a web page is not one.
fn deleted(answer: &Answer) -> Result<Deleted, Odd> {
    let text = checked(&answer.body)?;
    match Fields::parse(text) {
        Ok(fields) if answer.status == 200 && wire::is_quota(&fields) => {
            Err(Odd::Quota(fields.text("message")))
        }
        _ if text.starts_with('<') => Err("it is a web page".into()),
        _ => Ok(Deleted::Done),
    }
}
