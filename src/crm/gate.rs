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
    /// With a pace, requests leave one by one: whoever holds this is next.
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

/// A place at the gate: held while a request is on its way.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    gate: &'a Gate,
    place: Option<SemaphorePermit<'a>>,
    left: Left,
}

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
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(CrmError::Cancelled),
            pass = self.wait_and_count(method, repeat) => pass,
        }
    }

    async fn wait_and_count(&self, method: Method, repeat: bool) -> Result<Pass<'_>, CrmError> {
        // Asked first, so that nobody waits out a pause only to hear that the budget is spent.
        self.budget_left()?;
        let (place, waited) = match self.places.try_acquire() {
            Ok(place) => (place, false),
            // The semaphore is never closed; were it, nothing could be sent.
            Err(_) => (self.places.acquire().await.map_err(|_| CrmError::Cancelled)?, true),
        };
        let arrived = Instant::now();
        let mut line = None;
        loop {
            let turn = self.turn(method, repeat, arrived, waited, line.is_some())?;
            match turn {
                Leaving::Now(left) => return Ok(Pass { gate: self, place: Some(place), left }),
                Leaving::InLine => line = Some(self.line.lock().await),
                Leaving::Not(until) => tokio::time::sleep_until(until).await,
            }
        }
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
        // Where it is the pace that holds requests back, their number says nothing.
        let batch = if first { None } else { state.flight.leaves(among, waited, now) };
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
        let pace = Pace { in_flight: state.flight.settled(), rate: state.throttle.learned(), ..state.pace };
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

    pub(super) fn pauses(&self) -> Pauses {
        self.lock().pauses
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

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.in_flight = state.in_flight.saturating_sub(1);
        if state.surplus > 0
            && let Some(place) = self.place.take()
        {
            state.surplus -= 1;
            place.forget();
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
mod tests {
    use std::sync::Arc;

    use super::*;

    impl Gate {
        fn well(&self) {
            self.lock().throttle.well();
        }
    }

    fn gate(concurrency: usize, rate: Option<u32>, max_calls: Option<u64>) -> Arc<Gate> {
        Arc::new(Gate::new(Limits {
            concurrency: NonZeroUsize::new(concurrency).unwrap(),
            rate: rate.map(|rate| NonZeroU32::new(rate).unwrap()),
            max_calls,
        }))
    }

    async fn seconds_to_enter(gate: &Gate) -> u64 {
        let before = Instant::now();
        gate.enter(Method::Get, false).await.unwrap();
        before.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_paced_evenly_without_a_burst() {
        let gate = gate(8, Some(4), None);
        let before = Instant::now();
        let mut left = Vec::new();
        for _ in 0..5 {
            gate.enter(Method::Get, false).await.unwrap();
            left.push(before.elapsed().as_millis());
        }
        assert_eq!(left, [0, 250, 500, 750, 1000]);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let before = Instant::now();
        for _ in 0..3 {
            gate.enter(Method::Get, false).await.unwrap();
        }
        assert_eq!(before.elapsed().as_millis(), 500, "an idle minute must not be made up for");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_given_number_are_inside() {
        let gate = gate(2, None, None);
        let first = gate.enter(Method::Get, false).await.unwrap();
        let _second = gate.enter(Method::Get, false).await.unwrap();
        let third = tokio::time::timeout(Duration::from_secs(5), gate.enter(Method::Get, false)).await;
        assert!(third.is_err());
        drop(first);
        gate.enter(Method::Get, false).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_everyone_and_is_counted_once() {
        let gate = gate(8, None, None);
        let sent = Instant::now();
        gate.slow_down(sent, Some(Duration::from_secs(42)));
        gate.slow_down(sent, Some(Duration::from_secs(10)));
        assert_eq!(gate.pause().unwrap().left().as_secs(), 42);
        assert_eq!(gate.pause().unwrap().reason.word(), "Retry-After");
        assert_eq!(seconds_to_enter(&gate).await, 42);
        assert_eq!(gate.pause(), None);
        assert_eq!(gate.pauses(), Pauses { count: 1, total: Duration::from_secs(42) });
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_without_a_time_double_until_it_goes_well_again() {
        let gate = gate(8, None, None);
        for seconds in [30, 60, 120, 240, 480, 900, 900] {
            let sent = Instant::now();
            for _ in 0..8 {
                gate.slow_down(sent, None);
            }
            assert_eq!(seconds_to_enter(&gate).await, seconds);
        }
        gate.well();
        gate.slow_down(Instant::now(), None);
        assert_eq!(seconds_to_enter(&gate).await, 30);
        assert_eq!(gate.pauses().count, 8);
    }

    #[tokio::test(start_paused = true)]
    async fn the_budget_ends_after_as_many_calls_and_counts_by_method() {
        let gate = gate(8, None, Some(3));
        gate.enter(Method::Get, false).await.unwrap();
        gate.enter(Method::Post, false).await.unwrap();
        gate.uncount(Method::Post, false);
        gate.enter(Method::Patch, true).await.unwrap();
        gate.enter(Method::Delete, false).await.unwrap();
        let fourth = gate.enter(Method::Get, false).await.unwrap_err();
        assert_eq!(fourth, CrmError::BudgetSpent { limit: 3 });
        let calls = Calls { total: 3, get: 1, post: 0, patch: 1, delete: 1, retries: 1 };
        assert_eq!(gate.calls(), calls);
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_ends_every_wait_at_once() {
        let gate = gate(1, None, None);
        gate.slow_down(Instant::now(), Some(Duration::from_secs(600)));
        let waiting = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.enter(Method::Post, false).await.map(|_| ()) }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        gate.stop();
        assert_eq!(waiting.await.unwrap(), Err(CrmError::Cancelled));
        assert!(!gate.back_off(Duration::from_secs(60)).await);
        assert_eq!(gate.calls(), Calls::default());
    }
}
