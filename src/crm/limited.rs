//! CRMs that do not take everything at once, on paused time: they refuse what
//! is too fast, answer later the more is in flight, or lose answers.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::answer::Answer;
use super::scripted::account;
use super::transport::{Request, Sending, Transport};
use super::{BaseUrl, Client, ClientOptions, Pace, Pauses, Token};

/// How a CRM counts what is too fast. Times are seconds.
#[derive(Clone, Debug)]
pub enum Limit {
    /// It takes everything.
    None,
    /// So many a second, saved up to at most so many.
    Bucket { rate: f64, most: f64, saved: f64, at: f64 },
    /// So many in each span of its clock.
    Clock { most: usize, span: f64, phase: f64, now: i64, used: usize },
    /// So many in the last second.
    Sliding { most: usize, times: VecDeque<f64> },
    /// So many, and then never again.
    Quota { left: usize },
}

impl Limit {
    pub fn bucket(rate: f64, most: f64) -> Self {
        Self::Bucket { rate, most, saved: most, at: 0.0 }
    }

    pub fn clock(most: usize, span: f64, phase: f64) -> Self {
        Self::Clock { most, span, phase, now: -1, used: 0 }
    }

    pub fn sliding(most: usize) -> Self {
        Self::Sliding { most, times: VecDeque::new() }
    }

    fn takes(&mut self, at: f64) -> bool {
        match self {
            Self::None => true,
            Self::Bucket { rate, most, saved, at: before } => {
                *saved = (*saved + (at - *before) * *rate).min(*most);
                *before = at;
                let takes = *saved >= 1.0;
                *saved -= f64::from(u8::from(takes));
                takes
            }
            Self::Clock { most, span, phase, now, used } => {
                let span = ((at + *phase) / *span).floor() as i64;
                if *now != span {
                    (*now, *used) = (span, 0);
                }
                *used += 1;
                *used <= *most
            }
            Self::Sliding { most, times } => {
                while times.front().is_some_and(|first| *first <= at - 1.0) {
                    times.pop_front();
                }
                let takes = times.len() < *most;
                if takes {
                    times.push_back(at);
                }
                takes
            }
            Self::Quota { left } => {
                let takes = *left > 0;
                *left = left.saturating_sub(1);
                takes
            }
        }
    }
}

/// What a request meets: it is the nth in flight, at a time in seconds, with a random number
/// from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub struct Met {
    pub inside: usize,
    pub at: f64,
    pub dice: f64,
}

/// How long it takes to answer, in seconds.
pub enum Delay {
    Of(Box<dyn Fn(Met) -> f64 + Send + Sync>),
    /// It works on so many at once, each so long; the others wait.
    Queue {
        at_once: Box<dyn Fn(f64) -> usize + Send + Sync>,
        each: f64,
        busy: BinaryHeap<Reverse<u64>>,
    },
}

impl Delay {
    pub fn of(delay: impl Fn(Met) -> f64 + Send + Sync + 'static) -> Self {
        Self::Of(Box::new(delay))
    }

    /// A tenth more or less than so long.
    pub fn about(seconds: f64) -> Self {
        Self::of(move |met| seconds * uneven(met))
    }

    pub fn queue(at_once: impl Fn(f64) -> usize + Send + Sync + 'static, each: f64) -> Self {
        Self::Queue { at_once: Box::new(at_once), each, busy: BinaryHeap::new() }
    }

    fn seconds(&mut self, met: Met) -> f64 {
        match self {
            Self::Of(delay) => delay(met),
            Self::Queue { at_once, each, busy } => {
                let nanos = |seconds: f64| (seconds * 1e9) as u64;
                let mut start = nanos(met.at);
                while busy.len() >= at_once(met.at) {
                    start = start.max(busy.pop().unwrap().0);
                }
                let done = start + nanos(*each);
                busy.push(Reverse(done));
                done as f64 / 1e9 - met.at
            }
        }
    }
}

/// From 0.9 to 1.1.
pub fn uneven(met: Met) -> f64 {
    0.9 + 0.2 * met.dice
}

type Fails = dyn Fn(Met) -> Option<(u16, Option<u64>)> + Send + Sync;

/// The CRM.
pub struct LimitedCrm {
    begun: Instant,
    state: Mutex<State>,
    names: Option<u64>,
    fails: Box<Fails>,
}

struct State {
    limit: Limit,
    /// From a time on it is another one.
    later: Option<(f64, Limit)>,
    delay: Delay,
    dice: u64,
    inside: usize,
    taken: Vec<f64>,
    refused: Vec<f64>,
}

impl std::fmt::Debug for LimitedCrm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LimitedCrm")
    }
}

impl LimitedCrm {
    pub fn new(limit: Limit, delay: Delay) -> Self {
        let (taken, refused) = (Vec::new(), Vec::new());
        let state = State { limit, later: None, delay, dice: 7, inside: 0, taken, refused };
        Self { begun: Instant::now(), state: Mutex::new(state), names: None, fails: Box::new(|_| None) }
    }

    /// Its refusals name so many seconds.
    pub fn naming(mut self, names: Option<u64>) -> Self {
        self.names = names;
        self
    }

    /// From a time on it has another limit.
    pub fn changing(self, at: f64, limit: Limit) -> Self {
        self.state.lock().unwrap().later = Some((at, limit));
        self
    }

    /// It answers some with a status and perhaps a time to wait, whatever the pace. What is lost
    /// so comes within 2 ms, but for what takes longer than a second anyway.
    pub fn failing(
        mut self,
        fails: impl Fn(Met) -> Option<(u16, Option<u64>)> + Send + Sync + 'static,
    ) -> Self {
        self.fails = Box::new(fails);
        self
    }

    fn now(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// Sends from twice as many tasks as may be in flight, for so many seconds.
    pub async fn flood(self, concurrency: usize, seconds: f64) -> Flood {
        self.flood_from(2 * concurrency, seconds, |options| {
            options.concurrency = NonZeroUsize::new(concurrency).unwrap();
        })
        .await
    }

    /// Sends from so many tasks without a break, for so many seconds.
    pub async fn flood_from(
        mut self,
        tasks: usize,
        seconds: f64,
        change: impl FnOnce(&mut ClientOptions),
    ) -> Flood {
        self.begun = Instant::now();
        let crm = Arc::new(self);
        let url = BaseUrl::parse("http://127.0.0.1:1").unwrap();
        let mut options = ClientOptions::new(url, Token::new("token").unwrap());
        change(&mut options);
        let client = Client::over(Arc::clone(&crm) as Arc<dyn Transport>, options);
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        let failed = Arc::new(AtomicU64::new(0));
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..tasks {
            let (client, failed) = (client.clone(), Arc::clone(&failed));
            running.spawn(async move {
                while Instant::now() < end {
                    let lost = client.create("accounts", "{}").await.is_err();
                    failed.fetch_add(u64::from(lost), Ordering::Relaxed);
                }
            });
        }
        let mut paces = Vec::new();
        let pace = client.watch_pace();
        while Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(500)).await;
            paces.push((crm.now(), *pace.borrow()));
        }
        let pauses = client.pauses();
        drop(running);
        let mut state = crm.state.lock().unwrap();
        let (taken, refused) = (std::mem::take(&mut state.taken), std::mem::take(&mut state.refused));
        Flood { taken, refused, failed: failed.load(Ordering::Relaxed), paces, pauses }
    }
}

/// What came of sending without a break; times are seconds.
#[derive(Debug)]
pub struct Flood {
    pub taken: Vec<f64>,
    pub refused: Vec<f64>,
    pub failed: u64,
    pub paces: Vec<(f64, Pace)>,
    pub pauses: Pauses,
}

impl Flood {
    /// Requests taken a second, from one time to another.
    pub fn rate(&self, from: f64, to: f64) -> f64 {
        self.taken.iter().filter(|at| (from..to).contains(*at)).count() as f64 / (to - from)
    }

    /// The share of requests that were refused.
    pub fn refused_share(&self) -> f64 {
        self.refused.len() as f64 / (self.refused.len() + self.taken.len()) as f64
    }

    /// The fewest and the most that were allowed in flight.
    pub fn in_flight(&self, from: f64, to: f64) -> (usize, usize) {
        let within = self.paces.iter().filter(|(at, _)| (from..to).contains(at));
        let within: Vec<usize> = within.map(|(_, pace)| pace.in_flight).collect();
        (*within.iter().min().unwrap(), *within.iter().max().unwrap())
    }
}

impl Transport for LimitedCrm {
    fn send<'a>(&'a self, _request: &'a Request) -> Sending<'a> {
        Box::pin(async move {
            let (delay, answer) = self.depart();
            tokio::time::sleep(Duration::from_secs_f64(delay)).await;
            self.state.lock().unwrap().inside -= 1;
            Ok(answer)
        })
    }
}

impl LimitedCrm {
    fn depart(&self) -> (f64, Answer) {
        let mut state = self.state.lock().unwrap();
        let state = &mut *state;
        state.inside += 1;
        let mut met = Met { inside: state.inside, at: self.now(), dice: dice(&mut state.dice) };
        if let Some((_, limit)) = state.later.take_if(|(from, _)| met.at >= *from) {
            state.limit = limit;
        }
        let refusal = (!state.limit.takes(met.at)).then_some((429, self.names));
        let delay = state.delay.seconds(met);
        met.dice = dice(&mut state.dice);
        match refusal.or_else(|| (self.fails)(met)) {
            Some((status, wait)) => {
                if status == 429 {
                    state.refused.push(met.at);
                }
                let retry_after = wait.map(Duration::from_secs);
                let delay = if delay < 1.0 { 0.002 } else { delay };
                (delay, Answer { status, retry_after, ..Answer::default() })
            }
            None => {
                state.taken.push(met.at);
                (delay, Answer { status: 201, body: account(7).into_bytes(), ..Answer::default() })
            }
        }
    }
}

/// A number from 0 to 1; a linear congruential generator with Knuth's numbers.
pub fn dice(state: &mut u64) -> f64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 11) as f64 / (1_u64 << 53) as f64
}
