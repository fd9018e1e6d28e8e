//! The one gate that every request goes through: how many at once, how many a
//! second, pauses that hold everyone, and the budget of calls.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::errors::{CrmError, LONGEST_PAUSE};
use super::transport::Method;
use crate::model::Calls;

/// The first pause after a 429 that names no time; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(30);

/// A pause that holds all requests back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// When requests go on.
    pub until: Instant,
    /// Who asked for it.
    pub reason: PauseReason,
}

impl Pause {
    /// How long it still lasts.
    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// Why all requests pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseReason {
    /// The CRM named the time (`Retry-After`).
    RetryAfter,
    /// It answered 429 without a time.
    TooManyRequests,
}

impl PauseReason {
    /// For the screen.
    pub fn word(self) -> &'static str {
        match self {
            Self::RetryAfter => "Retry-After",
            Self::TooManyRequests => "too many requests",
        }
    }
}

/// All pauses so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pauses {
    /// How many there were.
    pub count: u64,
    /// How long they were in all; overlapping ones count once.
    pub total: Duration,
}

/// What the gate is set to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub concurrency: NonZeroUsize,
    pub rate: Option<NonZeroU32>,
    pub max_calls: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Gate {
    // A semaphore, so that a later issue can add and take away places while requests run.
    places: Arc<Semaphore>,
    interval: Option<Duration>,
    max_calls: Option<u64>,
    state: Mutex<State>,
    pause: watch::Sender<Option<Pause>>,
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    /// When the pace lets the next request go.
    next_slot: Option<Instant>,
    /// 429s without a time, one after the other.
    strikes: u32,
    pauses: Pauses,
    calls: Calls,
}

/// A place at the gate: held while a request is on its way.
#[derive(Debug)]
pub(super) struct Pass {
    _place: OwnedSemaphorePermit,
    /// When the request left.
    pub since: Instant,
}

impl Gate {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            places: Arc::new(Semaphore::new(limits.concurrency.get().min(Semaphore::MAX_PERMITS))),
            interval: limits.rate.map(|rate| Duration::from_secs(1) / rate.get()),
            max_calls: limits.max_calls,
            state: Mutex::default(),
            pause: watch::Sender::new(None),
            stop: CancellationToken::new(),
        }
    }

    /// Waits until a request may leave, and counts it. `repeat` says that an
    /// earlier try of the same request was counted.
    ///
    /// An error means that the request was not sent.
    pub(super) async fn enter(&self, method: Method, repeat: bool) -> Result<Pass, CrmError> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(CrmError::Cancelled),
            pass = self.wait_and_count(method, repeat) => pass,
        }
    }

    async fn wait_and_count(&self, method: Method, repeat: bool) -> Result<Pass, CrmError> {
        // Asked first, so that nobody waits out a pause only to hear that the budget is spent.
        self.budget_left()?;
        // The semaphore is never closed; were it, nothing could be sent.
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| CrmError::Cancelled)?;
        loop {
            if let Some(until) = self.pause_end() {
                tokio::time::sleep_until(until).await;
                continue;
            }
            match self.take_slot() {
                Some(slot) if slot > Instant::now() => tokio::time::sleep_until(slot).await,
                _ => {}
            }
            // A pause may have begun while this request waited for its slot.
            if self.pause_end().is_none() {
                break;
            }
        }
        self.count(method, repeat)?;
        Ok(Pass { _place: place, since: Instant::now() })
    }

    /// The next evenly spaced slot; none without a pace.
    fn take_slot(&self) -> Option<Instant> {
        let interval = self.interval?;
        let mut state = self.lock();
        let slot = state.next_slot.map_or_else(Instant::now, |next| next.max(Instant::now()));
        state.next_slot = Some(slot + interval);
        Some(slot)
    }

    fn budget_left(&self) -> Result<(), CrmError> {
        match self.max_calls {
            Some(limit) if self.lock().calls.total >= limit => Err(CrmError::BudgetSpent { limit }),
            _ => Ok(()),
        }
    }

    fn count(&self, method: Method, repeat: bool) -> Result<(), CrmError> {
        let mut state = self.lock();
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

    /// Holds everyone back as a 429 asks. `sent` is when the request left that was answered so:
    /// eight requests in flight that are all told to slow down are one strike, not eight.
    pub(super) fn slow_down(&self, sent: Instant, wait: Option<Duration>) {
        let mut state = self.lock();
        if let Some(wait) = wait {
            self.hold(&mut state, wait, PauseReason::RetryAfter);
            return;
        }
        let told_already = self.pause.borrow().is_some_and(|pause| pause.until > sent);
        if !told_already {
            let wait = FIRST_PAUSE.saturating_mul(1 << state.strikes.min(10)).min(LONGEST_PAUSE);
            state.strikes += 1;
            self.hold(&mut state, wait, PauseReason::TooManyRequests);
        }
    }

    /// Holds everyone back for a `Retry-After` that came with a 503.
    pub(super) fn hold_all(&self, wait: Duration) {
        self.hold(&mut self.lock(), wait, PauseReason::RetryAfter);
    }

    /// Notes an answer that was no 429: the next pause begins small again.
    pub(super) fn well(&self) {
        self.lock().strikes = 0;
    }

    fn hold(&self, state: &mut State, wait: Duration, reason: PauseReason) {
        let now = Instant::now();
        let until = now + wait.min(LONGEST_PAUSE);
        let running = self.pause.borrow().map(|pause| pause.until).filter(|end| *end > now);
        if running.is_some_and(|end| end >= until) || until == now {
            return;
        }
        state.pauses.count += u64::from(running.is_none());
        state.pauses.total += until - running.unwrap_or(now);
        self.pause.send_replace(Some(Pause { until, reason }));
    }

    fn pause_end(&self) -> Option<Instant> {
        self.pause.borrow().map(|pause| pause.until).filter(|until| *until > Instant::now())
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

    fn lock(&self) -> MutexGuard<'_, State> {
        // Counters stay usable whatever happened to the one who held the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
    use super::*;

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
