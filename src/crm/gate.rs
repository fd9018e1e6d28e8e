//! The one gate that every request goes through: how many at once, how many a
//! second, pauses that hold everyone, and the budget of calls.
//!
//! `--concurrency` and `--rate` are the most that there is. Below them the pace
//! is found, by two controls that know nothing of each other: [`Throttle`]
//! learns from 429s how many requests a second the CRM takes, [`Flight`] finds
//! how many in flight bring the most answers. Each measures only where it is
//! the one that holds requests back. The gate asks both whether a request may
//! leave, and tells both what came of it.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::errors::{CrmError, LONGEST_PAUSE};
use super::flight::{Flight, Left};
use super::pause::{Pace, Pause, PauseReason, Pauses};
use super::throttle::{Throttle, Turn};
use super::transport::Method;
use crate::model::Calls;

/// What the gate is set to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub concurrency: NonZeroUsize,
    pub rate: Option<NonZeroU32>,
    pub max_calls: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Gate {
    places: Semaphore,
    /// With a pace, and after a pause, requests leave one by one: whoever holds this is next.
    line: tokio::sync::Mutex<()>,
    max_calls: Option<u64>,
    state: Mutex<State>,
    pause: watch::Sender<Option<Pause>>,
    pace: watch::Sender<Pace>,
    stop: CancellationToken,
}

#[derive(Debug)]
struct State {
    throttle: Throttle,
    flight: Flight,
    /// Requests on their way.
    in_flight: usize,
    /// Places that there are, given out or free.
    places: usize,
    /// More that are given out, and go when they come free: requests in flight are never cut off.
    surplus: usize,
    pace: Pace,
    pauses: Pauses,
    calls: Calls,
}

/// A request's leave to be on its way.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    // Dropped in this order.
    _inside: Inside<'a>,
    place: Place<'a>,
    left: Left,
}

/// One of the places at the gate.
#[derive(Debug)]
pub(super) struct Place<'a> {
    gate: &'a Gate,
    permit: Option<SemaphorePermit<'a>>,
}

/// Counts as in flight while it lives.
#[derive(Debug)]
struct Inside<'a>(&'a Gate);

/// Whether a request leaves.
enum Leaving {
    Now(Left),
    InLine,
    Not(Instant),
}

/// What came of a request, as far as the pace is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It never left.
    Nothing,
    /// An answer.
    Well,
    /// No answer, or that the CRM is not well; perhaps with a time to wait.
    Lost(Option<Duration>),
    /// 429, perhaps with a time to wait.
    Refused(Option<Duration>),
}

impl Gate {
    pub(super) fn new(limits: Limits) -> Self {
        let most = limits.concurrency.get().min(Semaphore::MAX_PERMITS);
        let pace = Pace { in_flight: most, most, rate: None };
        let state = State {
            throttle: Throttle::new(limits.rate.map(|rate| f64::from(rate.get()))),
            flight: Flight::new(most),
            in_flight: 0,
            places: most,
            surplus: 0,
            pace,
            pauses: Pauses::default(),
            calls: Calls::default(),
        };
        Self {
            places: Semaphore::new(most),
            line: tokio::sync::Mutex::default(),
            max_calls: limits.max_calls,
            state: Mutex::new(state),
            pause: watch::Sender::new(None),
            pace: watch::Sender::new(pace),
            stop: CancellationToken::new(),
        }
    }

    /// Waits until a request may leave, and counts it. `repeat` says that an
    /// earlier try of the same request was counted.
    ///
    /// An error means that the request was not sent.
    pub(super) async fn enter(&self, method: Method, repeat: bool) -> Result<Pass<'_>, CrmError> {
        self.unless_stopped(self.wait_and_count(method, repeat, None)).await
    }

    /// The same for a request that has kept its place.
    pub(super) async fn enter_again<'a>(
        &'a self,
        method: Method,
        repeat: bool,
        kept: Place<'a>,
    ) -> Result<Pass<'a>, CrmError> {
        self.unless_stopped(self.wait_and_count(method, repeat, Some(kept))).await
    }

    async fn unless_stopped<T>(
        &self,
        waiting: impl Future<Output = Result<T, CrmError>>,
    ) -> Result<T, CrmError> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(CrmError::Cancelled),
            done = waiting => done,
        }
    }

    async fn wait_and_count<'a>(
        &'a self,
        method: Method,
        repeat: bool,
        kept: Option<Place<'a>>,
    ) -> Result<Pass<'a>, CrmError> {
        // Asked first, so that nobody waits out a pause only to hear that the budget is spent.
        self.budget_left()?;
        let (place, waited) = self.place(kept).await?;
        let arrived = Instant::now();
        let mut line = None;
        loop {
            let turn = self.turn(method, repeat, arrived, waited, line.is_some())?;
            match turn {
                Leaving::Now(left) => return Ok(Pass { _inside: Inside(self), place, left }),
                Leaving::InLine => line = Some(self.line.lock().await),
                // Who comes first goes first afterwards, or the same ones would be refused again and again.
                Leaving::Not(_) if line.is_none() => line = Some(self.line.lock().await),
                Leaving::Not(until) => tokio::time::sleep_until(until).await,
            }
        }
    }

    /// A place, and whether all were taken before.
    async fn place<'a>(&'a self, kept: Option<Place<'a>>) -> Result<(Place<'a>, bool), CrmError> {
        // One too many goes at once.
        if let Some(kept) = kept.filter(|_| self.lock().surplus == 0) {
            return Ok((kept, false));
        }
        let (permit, waited) = match self.places.try_acquire() {
            Ok(permit) => (permit, false),
            // The semaphore is never closed; were it, nothing could be sent.
            Err(_) => (self.places.acquire().await.map_err(|_| CrmError::Cancelled)?, true),
        };
        Ok((Place { gate: self, permit: Some(permit) }, waited))
    }

    /// Whether a request may leave now; if so, it is counted.
    fn turn(
        &self,
        method: Method,
        repeat: bool,
        arrived: Instant,
        waited: bool,
        first: bool,
    ) -> Result<Leaving, CrmError> {
        let mut state = self.lock();
        let now = Instant::now();
        if let Some(until) = self.pause_end(now) {
            return Ok(Leaving::Not(until));
        }
        let in_flight = state.in_flight;
        match state.throttle.turn(arrived, first, in_flight, now) {
            Turn::Go => {}
            Turn::Queue => return Ok(Leaving::InLine),
            Turn::Wait(until) => return Ok(Leaving::Not(until)),
            Turn::Pause(begun, until) => {
                self.hold(&mut state, begun, until, PauseReason::TooManyRequests);
                return Ok(Leaving::Not(until));
            }
        }
        self.count(&mut state, method, repeat)?;
        state.in_flight += 1;
        let among = state.in_flight;
        let waited = waited.then(|| now.saturating_duration_since(arrived));
        let batch = state.flight.leaves(among, waited, now);
        let left = Left { since: now, among, writes: method != Method::Get, batch };
        Ok(Leaving::Now(left))
    }

    fn budget_left(&self) -> Result<(), CrmError> {
        match self.max_calls {
            Some(limit) if self.lock().calls.total >= limit => Err(CrmError::BudgetSpent { limit }),
            _ => Ok(()),
        }
    }

    fn count(&self, state: &mut State, method: Method, repeat: bool) -> Result<(), CrmError> {
        if let Some(limit) = self.max_calls
            && state.calls.total >= limit
        {
            return Err(CrmError::BudgetSpent { limit });
        }
        state.calls.total += 1;
        *place_of(&mut state.calls, method) += 1;
        state.calls.retries += u64::from(repeat);
        Ok(())
    }

    /// Takes a request out of the count again: it provably never left.
    pub(super) fn uncount(&self, method: Method, repeat: bool) {
        let mut state = self.lock();
        state.calls.total = state.calls.total.saturating_sub(1);
        let place = place_of(&mut state.calls, method);
        *place = place.saturating_sub(1);
        state.calls.retries = state.calls.retries.saturating_sub(u64::from(repeat));
    }

    /// Takes what came of a request for what it says about the pace. Only then may its place be
    /// given back, or another request could slip out before a pause.
    pub(super) fn heard(&self, pass: &Pass<'_>, heard: Heard) {
        match heard {
            Heard::Nothing => {}
            Heard::Refused(wait) => self.slow_down(pass.left.since, wait),
            Heard::Lost(wait) => {
                let mut state = self.lock();
                state.flight.answered(pass.left, true, Instant::now());
                self.fit(&mut state);
                drop(state);
                wait.into_iter().for_each(|wait| self.hold_all(wait));
            }
            Heard::Well => {
                let mut state = self.lock();
                state.throttle.well();
                state.throttle.took(pass.left.since);
                state.flight.answered(pass.left, false, Instant::now());
                self.fit(&mut state);
            }
        }
    }

    /// Makes as many places as may be in flight, and tells of the pace where it changed.
    fn fit(&self, state: &mut State) {
        let (wanted, there) = (state.flight.limit(), state.places);
        if wanted > there {
            let back = (wanted - there).min(state.surplus);
            state.surplus -= back;
            self.places.add_permits(wanted - there - back);
        } else if wanted < there {
            state.surplus += there - wanted - self.places.forget_permits(there - wanted);
        }
        state.places = wanted;
        let pace = Pace {
            in_flight: state.flight.settled(),
            rate: state.throttle.learned(Instant::now()),
            ..state.pace
        };
        if pace != state.pace {
            state.pace = pace;
            self.pace.send_replace(pace);
        }
    }

    /// Holds everyone back as a 429 asks. `sent` is when the request left that was answered so:
    /// eight requests in flight that are all told to slow down are one refusal, not eight.
    pub(super) fn slow_down(&self, sent: Instant, wait: Option<Duration>) {
        let mut state = self.lock();
        let now = Instant::now();
        state.throttle.refused(sent, wait.map(|wait| wait.min(LONGEST_PAUSE)), now);
        self.interrupt(&mut state, wait, now);
    }

    /// Holds everyone back for a `Retry-After` that came with a 503.
    pub(super) fn hold_all(&self, wait: Duration) {
        self.interrupt(&mut self.lock(), Some(wait), Instant::now());
    }

    fn interrupt(&self, state: &mut State, wait: Option<Duration>, now: Instant) {
        state.flight.interrupted();
        self.fit(state);
        if let Some(wait) = wait {
            self.hold(state, now, now + wait.min(LONGEST_PAUSE), PauseReason::RetryAfter);
        }
    }

    fn hold(&self, state: &mut State, begun: Instant, until: Instant, reason: PauseReason) {
        let now = Instant::now();
        let running = self.pause_end(now);
        if running.is_some_and(|end| end >= until) || until <= now {
            return;
        }
        state.pauses.count += u64::from(running.is_none());
        state.pauses.total += until - running.unwrap_or(begun);
        self.pause.send_replace(Some(Pause { until, reason }));
    }

    fn pause_end(&self, now: Instant) -> Option<Instant> {
        self.pause.borrow().map(|pause| pause.until).filter(|until| *until > now)
    }

    /// Whether everyone waits, for a pause or a rest after a 429.
    pub(super) fn waits(&self) -> bool {
        let now = Instant::now();
        self.pause_end(now).is_some() || self.lock().throttle.rests(now)
    }

    /// How many requests the CRM took so far: all that it answered but for 429s.
    pub(super) fn taken(&self) -> u64 {
        self.lock().throttle.taken()
    }

    /// Sleeps for a backoff; `false` if the client was told to stop meanwhile.
    pub(super) async fn back_off(&self, wait: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(wait) => true,
        }
    }

    /// Lets nothing through from now on; what is on its way goes on.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    pub(super) fn calls(&self) -> Calls {
        self.lock().calls
    }

    /// The pauses so far; of one that holds now what is over of it.
    pub(super) fn pauses(&self) -> Pauses {
        let mut pauses = self.lock().pauses;
        let left = self.pause().map_or(Duration::ZERO, |pause| pause.left());
        pauses.total = pauses.total.saturating_sub(left);
        pauses
    }

    /// The pause that holds now, if any.
    pub(super) fn pause(&self) -> Option<Pause> {
        self.pause.borrow().filter(|pause| pause.until > Instant::now())
    }

    pub(super) fn watch(&self) -> watch::Receiver<Option<Pause>> {
        self.pause.subscribe()
    }

    pub(super) fn watch_pace(&self) -> watch::Receiver<Pace> {
        self.pace.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Counters stay usable whatever happened to the one who held the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Pass<'a> {
    /// The request is over, and its place kept for its next try.
    pub(super) fn into_place(self) -> Place<'a> {
        self.place
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.in_flight = state.in_flight.saturating_sub(1);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        if state.surplus > 0
            && let Some(permit) = self.permit.take()
        {
            state.surplus -= 1;
            permit.forget();
        }
    }
}

fn place_of(calls: &mut Calls, method: Method) -> &mut u64 {
    match method {
        Method::Get => &mut calls.get,
        Method::Post => &mut calls.post,
        Method::Patch => &mut calls.patch,
        Method::Delete => &mut calls.delete,
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
