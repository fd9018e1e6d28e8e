//! How many requests are in flight at once: the number that brings the most
//! answers a second, and of those that bring as many the smallest.
//!
//! Latency alone does not tell. A CRM that works on twelve requests at once and
//! lets the others wait answers 64 no faster than 12, only later; one whose
//! answers take twice as long from the thirteenth on brings more with 64 than
//! with 12 all the same, but less with 16. So the number is tried, not
//! calculated: another one is set for a moment, what it brings is measured
//! ([`Tally`]), and it stays only if it brings more, or as much with fewer in
//! flight. Only requests that leave when all places are taken are measured: a
//! run that has less to send learns nothing and changes nothing.
//!
//! It starts at the cap, as the user knows best. Half of it is tried when
//! answers take much longer than before, or than those to requests that left
//! while few were in flight; when many answers are lost (timeouts, broken
//! connections, 5xx); and now and then in any case, as a CRM may get slower
//! without a sign. Where half brings less, it is back after two round trips.
//! Otherwise half of that is tried, and so on, then three quarters, then an
//! eighth more and an eighth less by turns. After losses it climbs back by doubling, unless that
//! brings less; a few lost answers, such as every network has, change nothing.
//!
//! A trial ends as soon as the difference is more than chance (two standard
//! errors): with steady latencies after one round trip, with uneven ones later,
//! and what stays undecided changes nothing. That keeps the number still.
//! Answers within 20 ms burden nobody: there it goes down only for a clear gain.

use std::time::Duration;

use tokio::time::Instant;

use super::tally::{FEW_LOST, Measure, Tally};

/// Answers faster than this, in seconds, show no crowd.
const QUICK: f64 = 0.02;

/// Answers later than before by this factor are worth a look.
const MUCH_LATER: f64 = 1.5;

/// Who waits for the pace for no longer, in seconds, is not held back by it.
const SPACED: f64 = 0.005;

/// Of the best that was measured, so much must be left with fewer in flight.
const MOST_OF_IT: f64 = 0.95;

/// How many standard errors are no chance.
const SURE: f64 = 2.0;

/// How many are none even for one measure among very many.
const VERY_SURE: f64 = 4.0;

/// Nothing is kept that was not tried for so long.
const SHORTEST_TRIAL: Duration = Duration::from_millis(50);

/// A request as it left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    /// When.
    pub since: Instant,
    /// How many were in flight then, itself included.
    pub among: usize,
    /// Whether it writes: reads and writes take their own time.
    pub writes: bool,
    /// The batch that it is measured with, if it is.
    pub batch: Option<u64>,
}

/// The number of requests in flight.
#[derive(Debug)]
pub(super) struct Flight {
    /// The cap.
    most: usize,
    /// The most in flight now, a trial's included.
    limit: usize,
    tally: Tally,
    /// What the limit brings that stays until something better is found.
    rest: Option<Measure>,
    /// The most that was measured since the last trial that did not follow another.
    best: f64,
    trial: Option<Trial>,
    /// What is tried next, and when.
    next: Try,
    due: Option<Instant>,
    waits: Waits,
    /// When half was last tried on suspicion.
    suspected: Option<Instant>,
    /// Whether the last measure was much later than before.
    was_later: bool,
    /// How many more are tried next.
    step: usize,
    /// The last of half and three quarters that stays, and the limit before it.
    came_down: (Try, usize),
    /// The limit before answers were lost: it climbs back there.
    before_losses: Option<usize>,
    /// Reads and writes that left while no more than half of the places were taken.
    light: [Light; 2],
}

/// Answers while few were in flight.
#[derive(Clone, Copy, Debug, Default)]
struct Light {
    answers: usize,
    /// The fastest, in seconds: the first ones on new connections are slow.
    fastest: f64,
}

impl Light {
    fn add(&mut self, latency: f64) {
        self.fastest = if self.answers == 0 { latency } else { self.fastest.min(latency) };
        self.answers += 1;
    }
}

/// Another number in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Try {
    Half,
    ThreeQuarters,
    /// What was before half or three quarters, which may have been lucky.
    Back,
    EighthLess,
    /// An eighth more; twice as many more after each one that stays.
    More,
}

/// How a trial ended.
#[derive(Clone, Copy, Debug)]
struct Ended {
    what: Try,
    stays: bool,
    beyond_doubt: bool,
    /// Whether lost answers were the cause of it.
    losses: bool,
}

#[derive(Clone, Copy, Debug)]
struct Trial {
    what: Try,
    /// What the limit before it brings.
    from: Measure,
    begun: Instant,
}

/// How long it is until the next trial.
#[derive(Debug)]
struct Waits {
    /// Of half, at the cap.
    half: Wait,
    /// Of an eighth, below it.
    eighth: Wait,
    /// Of half, on suspicion.
    suspicion: Wait,
}

/// A wait that gets longer each time that it was for nothing. Seconds.
#[derive(Debug)]
struct Wait {
    next: u64,
    first: u64,
    most: u64,
    times: u64,
}

impl Wait {
    const fn new(first: u64, most: u64, times: u64) -> Self {
        Self { next: first, first, most, times }
    }

    fn now(&self) -> Duration {
        Duration::from_secs(self.next)
    }

    fn take(&mut self) -> Duration {
        let wait = self.now();
        self.next = (self.next * self.times).min(self.most);
        wait
    }

    fn reset(&mut self) {
        self.next = self.first;
    }
}

impl Flight {
    pub(super) fn new(most: usize) -> Self {
        let waits = Waits {
            half: Wait::new(15, 240, 4),
            eighth: Wait::new(2, 10, 2),
            suspicion: Wait::new(1, 30, 2),
        };
        Self {
            most,
            limit: most,
            tally: Tally::new(most, most, None),
            rest: None,
            best: 0.0,
            trial: None,
            next: Try::Half,
            due: None,
            waits,
            suspected: None,
            was_later: false,
            step: 1,
            came_down: (Try::Half, most),
            before_losses: None,
            light: [Light::default(); 2],
        }
    }

    /// Most requests that may be in flight now.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// The same without what is only tried.
    pub(super) fn settled(&self) -> usize {
        self.trial.map_or(self.limit, |trial| trial.from.limit)
    }

    /// Everyone waits, for a reason of its own: what was measured is of no use. Of a trial the
    /// higher number stays: requests that come too fast are held back by the pace.
    pub(super) fn interrupted(&mut self) {
        if let Some(trial) = self.trial.take() {
            self.limit = self.limit.max(trial.from.limit);
        }
        self.measure_anew(self.limit);
    }

    /// Notes that a request leaves as one of `among` in flight. `waited` says that all places
    /// were taken before, and how long it then waited for the pace. Gives the batch that it is
    /// measured with, if it is.
    pub(super) fn leaves(&mut self, among: usize, waited: Option<Duration>, now: Instant) -> Option<u64> {
        // Where it is the pace that holds requests back, their number says nothing.
        let latency = self.rest.map_or(0.0, |rest| rest.latency);
        let is_free = |spaced: Duration| spaced.as_secs_f64() <= (0.1 * latency).max(SPACED);
        // More than the limit: it had its place before there were fewer.
        let is_one_of_all = among <= self.limit && (waited.is_some_and(is_free) || among == self.limit);
        if is_one_of_all { self.tally.leave(now) } else { None }
    }

    /// Notes an answer, or that it was `lost`; the limit may be another one then.
    pub(super) fn answered(&mut self, left: Left, lost: bool, now: Instant) {
        self.due.get_or_insert_with(|| now + self.waits.half.take());
        let latency = now.saturating_duration_since(left.since).as_secs_f64();
        if left.among <= self.limit / 2 && !lost {
            self.light[usize::from(left.writes)].add(latency);
        }
        let batch = left.batch.and_then(|batch| self.tally.answer(batch, left.writes, latency, lost));
        match (batch, self.trial) {
            (Some(measure), Some(trial)) => self.judge(&trial, measure, now),
            (Some(measure), None) => self.watch(measure, now),
            (None, _) => {}
        }
    }

    fn measure_anew(&mut self, skip: usize) {
        self.tally = Tally::new(self.limit, skip, Some(&self.tally));
    }

    /// At rest: sees whether something is to be tried.
    fn watch(&mut self, measure: Measure, now: Instant) {
        let may_suspect = self.limit > 1
            && self
                .suspected
                .is_none_or(|then| now.saturating_duration_since(then) >= self.waits.suspicion.now());
        if measure.loses_many && may_suspect {
            self.before_losses.get_or_insert(self.limit);
            self.suspect(measure, now);
            return;
        }
        if !measure.keeps_up {
            self.measure_anew(0);
            return;
        }
        let much_later = measure.answers >= 32 && self.is_later(&measure, VERY_SURE);
        if measure.answers < 32.max(2 * self.tally.batch_size()) && !much_later {
            return;
        }
        self.measure_anew(0);
        if self.limit > 1 && self.is_later(&measure, SURE) {
            // Were once enough, the latest of many measures would be taken for a change.
            let again = std::mem::replace(&mut self.was_later, true);
            if (again || much_later) && may_suspect {
                self.suspect(measure, now);
            }
            return;
        }
        self.was_later = false;
        let was_losing = self.rest.is_some_and(|rest| rest.loses_many);
        let losses_are_over = was_losing && measure.lost <= FEW_LOST;
        // In between both it says nothing that another number could be compared with.
        self.rest = Some(Measure { loses_many: was_losing && !losses_are_over, ..measure });
        if losses_are_over && self.limit < self.most {
            self.begin(Try::More, measure, now);
        } else if self.due.is_some_and(|due| now >= due) {
            self.best = measure.rate;
            self.begin(self.next, measure, now);
        }
    }

    /// Whether answers take much longer than before, or than those that came when few were in
    /// flight, by so many standard errors.
    fn is_later(&self, measure: &Measure, errors: f64) -> bool {
        let before = self.rest.filter(|rest| rest.writes == measure.writes).map(|rest| rest.latency);
        let light = &self.light[usize::from(measure.writes)];
        let light = (light.answers >= (self.limit / 2).clamp(1, 8)).then_some(light.fastest);
        let certain = measure.latency * (1.0 - errors * measure.error);
        [before, light].into_iter().flatten().any(|known| certain > MUCH_LATER * known)
    }

    fn suspect(&mut self, measure: Measure, now: Instant) {
        self.suspected = Some(now);
        self.waits.suspicion.take();
        self.was_later = false;
        self.light = Default::default();
        self.best = measure.rate;
        self.begin(Try::Half, measure, now);
    }

    fn begin(&mut self, what: Try, from: Measure, now: Instant) {
        let limit = match what {
            Try::Half => from.limit / 2,
            Try::ThreeQuarters => from.limit * 3 / 4,
            Try::Back => self.came_down.1,
            Try::EighthLess => from.limit - (from.limit / 8).max(1),
            Try::More => (from.limit + self.step).min(self.most),
        };
        self.rest = Some(from);
        self.best = self.best.max(from.rate);
        if limit == from.limit || limit == 0 {
            self.after(Ended { what, stays: false, beyond_doubt: true, losses: false }, now);
            return;
        }
        self.limit = limit;
        self.trial = Some(Trial { what, from, begun: now });
        self.measure_anew(limit.saturating_sub(from.limit));
    }

    /// Ends a trial once it is clear what it brings.
    fn judge(&mut self, trial: &Trial, measure: Measure, now: Instant) {
        let age = now.saturating_duration_since(trial.begun);
        let patience = 4.0 * trial.from.latency.clamp(0.75, 10.0);
        let over = age.as_secs_f64() >= patience || measure.answers >= 1000.max(16 * self.tally.batch_size());
        // Few answers can be alike by chance.
        let is_enough = age >= SHORTEST_TRIAL && measure.answers >= 16;
        let is_far = matches!(trial.what, Try::Half | Try::ThreeQuarters | Try::Back);
        let comparable = measure.keeps_up || measure.loses_many || trial.from.loses_many;
        let gain = measure.gain_over(&trial.from);
        let error = SURE * measure.error.hypot(trial.from.error);
        let needed = self.needed(trial);
        let stays = match () {
            // Reads and writes cannot be compared.
            () if measure.writes != trial.from.writes || !comparable => over.then_some(false),
            () if gain * (1.0 - error) >= needed && is_enough => Some(true),
            () if gain * (1.0 + error) < needed => Some(false),
            // A large difference is known by now; a CRM in trouble is spared in any case.
            () => over.then_some(gain >= needed && (trial.from.loses_many || is_far && error < 0.15)),
        };
        if let Some(stays) = stays {
            // Nobody needs to go back to see that; in case of losses nobody wants to.
            let beyond_doubt =
                gain * (1.0 - error) >= 1.5 || gain * (1.0 + error) < 0.7 || trial.from.loses_many;
            let ended = Ended { what: trial.what, stays, beyond_doubt, losses: trial.from.loses_many };
            self.end(trial, measure, ended, now);
        }
    }

    /// How many times of what the limit before brought the one that is tried must bring to stay.
    fn needed(&self, trial: &Trial) -> f64 {
        let ratio = self.limit as f64 / trial.from.limit as f64;
        match trial.what {
            Try::More if self.before_losses.is_some_and(|before| self.limit <= before) => MOST_OF_IT,
            // A fifth of what it would be if the CRM had room for all.
            Try::More | Try::Back => ratio.powf(0.2),
            _ if trial.from.loses_many => MOST_OF_IT,
            _ if trial.from.latency < QUICK => 1.1,
            _ => ratio.powf(0.1).max(MOST_OF_IT * self.best / trial.from.rate.max(1e-9)),
        }
    }

    fn end(&mut self, trial: &Trial, measure: Measure, ended: Ended, now: Instant) {
        self.trial = None;
        let tried = self.limit;
        if !ended.stays {
            self.limit = trial.from.limit;
        } else {
            self.rest = Some(measure);
            if matches!(trial.what, Try::Half | Try::ThreeQuarters) {
                self.came_down = (trial.what, trial.from.limit);
            }
        }
        self.measure_anew(self.limit.saturating_sub(tried));
        self.after(ended, now);
    }

    /// Goes on after a trial: with another one at once, or after a while.
    fn after(&mut self, ended: Ended, now: Instant) {
        let Ended { what, stays, beyond_doubt, losses } = ended;
        let is_back = self.before_losses.is_some_and(|before| self.limit >= before);
        if is_back || !stays && (losses || what == Try::More) {
            self.before_losses = None;
        }
        let is_down = stays && matches!(what, Try::Half | Try::ThreeQuarters);
        if is_down && beyond_doubt || what == Try::Back && !stays {
            // It was right to look, and there may be more.
            self.waits.suspicion.reset();
            self.waits.eighth.reset();
        }
        let eighth = (self.limit / 8).max(1);
        self.step = match what {
            Try::More if stays => 2 * self.step,
            _ => eighth,
        };
        let (next, wait) = self.next_after(ended);
        self.next = next;
        self.due = Some(now + wait);
        if wait.is_zero()
            && let Some(rest) = self.rest
        {
            self.begin(next, rest, now);
        }
    }

    /// What is tried next, and how long after.
    fn next_after(&mut self, ended: Ended) -> (Try, Duration) {
        let Ended { what, stays, beyond_doubt, losses } = ended;
        let is_at_most = self.limit >= self.most;
        match what {
            Try::Half | Try::ThreeQuarters if stays && !beyond_doubt => (Try::Back, Duration::ZERO),
            Try::Half | Try::ThreeQuarters | Try::EighthLess if stays => (what, Duration::ZERO),
            // With a good half of it gone there is none in between that brings as much.
            Try::Half if !losses && !beyond_doubt && self.before_losses.is_none() => {
                (Try::ThreeQuarters, Duration::ZERO)
            }
            Try::Back if !stays => (self.came_down.0, Duration::ZERO),
            _ if is_at_most => (Try::Half, self.waits.half.take()),
            Try::More if stays => (Try::More, Duration::ZERO),
            Try::Half | Try::ThreeQuarters => (Try::More, Duration::ZERO),
            Try::More | Try::Back if self.limit > 1 => (Try::EighthLess, self.waits.eighth.take()),
            Try::More | Try::Back | Try::EighthLess => (Try::More, self.waits.eighth.take()),
        }
    }
}
