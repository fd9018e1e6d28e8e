//! The pace that 429s teach: how many requests a second the CRM takes.
//!
//! A 429 says "too fast" or "no more", and seldom which. Both are tried, the
//! cheaper first. Where the CRM took requests since the last 429 it was the
//! speed: a second's rest lets pass whatever window it counts in, and sending
//! goes on at the speed that it took. Where it took none, the rest becomes the
//! long pause (30 s, doubling) that a ban or a used-up quota needs. A wrong guess
//! costs a second and a few requests that are not done.
//!
//! **How the speed is found.** The first pace is what was taken in the second
//! before the 429. That may be far too low (a CRM that allows no bursts took
//! only the first few), so the pace doubles every two seconds until it is
//! refused. From then on it is bracketed. What was taken in the last second is
//! never too low, but too high where the CRM saves up what is not used (a token
//! bucket) or counts by the second of its clock. What was taken on average since
//! the 429 before, rests included, is never too high and exact for a bucket, but
//! too low for windows that a rest let pass. So the pace begins between that
//! average and what passed a second ago, and rises within seconds to just below
//! what did not pass; if it is refused on the way, the bracket is narrower. At
//! the top it stays, the longer the better the last refusals agree (where they
//! name a pause, sixty times as long as that is); then it rises again, slowly
//! and ever faster, as the CRM may take more by now. Measured on paused time
//! (`pace_tests.rs`): above 95 % of what the CRM takes, with fewer than one 429
//! in a hundred requests.
//!
//! **When it is not the speed.** A CRM that answers 429 now and then, whatever one
//! does, must not be asked ever more slowly. A single 429 is answered by its
//! rest alone; only a burst, or three singles within seconds, teach a pace. And a
//! pace that had to go down to less than two fifths of the highest that was refused is
//! dropped: no limit is overrated by so much. It is minutes until singles teach
//! one again.

use std::time::Duration;

use tokio::time::Instant;

use super::errors::LONGEST_PAUSE;

/// The rest after a 429 that names no time.
const REST: Duration = Duration::from_secs(1);

/// The rest where the speed is known and was just being tried.
const SHORT_REST: Duration = Duration::from_millis(100);

/// 429s are single events, not a sequence, if so much time lies between them.
const APART: Duration = Duration::from_secs(5);

/// As many requests must have been taken since the last 429 for it to be about speed.
const ENOUGH: u64 = 8;

/// The first long pause after a 429 that names no time; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(30);

/// Just below the speed that was too high.
const BELOW: f64 = 0.97;

/// How long the pace rises from what surely passes to just below what did not.
const RISE: Duration = Duration::from_secs(5);

/// The longest that it then stays, but for what pauses cost.
const LONGEST_CALM: Duration = Duration::from_secs(20);

/// How far requests may be behind their evenly spaced slots and still make up for it: timers
/// are late by a millisecond or two.
const LATE: Duration = Duration::from_millis(20);

/// So many 429s, one soon after the other, are about the speed though none came in a burst.
const SINGLES: u32 = 3;

/// In this time the first pace doubles, after it was kept for as long.
const SEEK: Duration = Duration::from_secs(2);

/// What is taken in a burst can be twice what is taken for long. A pace that has to go down to less
/// than this share of the highest that was refused is refused whatever it is.
const WAY_DOWN: f64 = 0.4;

/// Requests a second: a pace that is slower is a pause.
const SLOWEST: f64 = 0.1;

const SECOND: Duration = Duration::from_secs(1);

/// What a request that wants to leave has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Leave.
    Go,
    /// Stand in line first: there is a pace, and requests leave one by one.
    Queue,
    /// Ask again at that time.
    Wait(Instant),
    /// Pause everyone: a long pause begins, counted from the first time to the second.
    Pause(Instant, Instant),
}

/// Requests a second: as the user says, and as the CRM teaches.
#[derive(Debug)]
pub(super) struct Throttle {
    /// Most a second, as the user says.
    most: Option<f64>,
    learned: Option<Learned>,
    /// When the next request may leave.
    next_slot: Option<Instant>,
    /// When a request last had to wait for its slot.
    bound: Option<Instant>,
    left: Departures,
    /// How many requests were taken in all.
    taken: u64,
    /// A 429 that is not dealt with yet: everyone waits.
    open: Option<Refusal>,
    /// The last one that is.
    last: Option<Refusal>,
    /// Requests taken since, and since when.
    since: Since,
    /// The end of the last rest that was a pause.
    paused: Option<Instant>,
    /// Long pauses, one after the other.
    strikes: u32,
    doubts: Doubts,
}

/// The pace that was learned.
#[derive(Clone, Copy, Debug)]
struct Learned {
    /// Where the pace begins, requests a second.
    low: f64,
    /// Where it stays.
    top: f64,
    /// The speed that was too high.
    too_fast: f64,
    /// When it began.
    at: Instant,
    calm: Duration,
    /// Whether no pace was refused yet: it doubles until one is.
    seeks: bool,
    /// The highest speed that was too high, since there is a pace.
    highest: f64,
}

/// A 429, and those that belong to it.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    /// When the request left that was answered so.
    sent: Instant,
    told: Instant,
    /// Everyone rests until then.
    until: Instant,
    /// Whether the CRM named a time.
    named: bool,
    /// Whether it became a long pause.
    struck: bool,
    /// Whether it came right after a rest that was too short to tell.
    spared: bool,
    /// Requests that left after it (itself included) and were refused, and that were taken.
    refused: u32,
    taken: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Since {
    good: u64,
    at: Option<Instant>,
}

/// Whether it is about speed at all.
#[derive(Clone, Copy, Debug, Default)]
struct Doubts {
    /// Single 429s, one soon after the other, and the most taken in a second before one of them.
    singles: u32,
    most: f64,
    /// Until then single ones teach nothing.
    deaf_until: Option<Instant>,
    /// How often a pace was dropped as it did not help.
    dropped: u32,
}

impl Learned {
    /// Requests a second at a time.
    fn rate(&self, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.at);
        if self.seeks {
            return self.top * (age.as_secs_f64() / SEEK.as_secs_f64() - 1.0).max(0.0).exp2();
        }
        if age < RISE {
            return self.low + (self.top - self.low) * age.as_secs_f64() / RISE.as_secs_f64();
        }
        // In tens of seconds: 3 % more after the first, 27 % after the third, then twice as much
        // after each.
        let beyond = age.saturating_sub(RISE + self.calm).as_secs_f64() / 10.0;
        let slow = beyond.min(3.0);
        self.top * (1.0 + 0.03 * slow * slow) * (beyond - slow).exp2()
    }
}

impl Refusal {
    /// Whether most of what left after it was refused too: nothing but a limit does that.
    fn is_burst(&self) -> bool {
        self.refused >= 3 && self.refused >= self.taken
    }
}

impl Throttle {
    pub(super) fn new(most: Option<f64>) -> Self {
        Self {
            most,
            learned: None,
            next_slot: None,
            bound: None,
            left: Departures::new(),
            taken: 0,
            open: None,
            last: None,
            since: Since::default(),
            paused: None,
            strikes: 0,
            doubts: Doubts::default(),
        }
    }

    /// The requests a second that the CRM takes, once two refusals agree. Where they cost pauses, it
    /// counts in longer spans, and takes fewer on average.
    pub(super) fn learned(&self, now: Instant) -> Option<f64> {
        let pauses = self.paused.is_some_and(|end| now.saturating_duration_since(end) < LONGEST_CALM);
        self.learned.filter(|learned| learned.calm > RISE && !pauses).map(|learned| learned.too_fast)
    }

    /// Whether everyone rests because of a 429.
    pub(super) fn rests(&self, now: Instant) -> bool {
        self.open.is_some_and(|open| open.until > now)
    }

    /// How many requests were taken in all.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Notes an answer that was no 429 to a request that left at `sent`.
    pub(super) fn took(&mut self, sent: Instant) {
        self.taken += 1;
        self.since.good += 1;
        if let Some(open) = self.open.as_mut().filter(|open| sent > open.sent) {
            open.taken += 1;
        }
    }

    /// The next long pause begins small again.
    pub(super) fn well(&mut self) {
        self.strikes = 0;
    }

    /// Notes a 429 to a request that left at `sent`. Eight requests in flight that are all
    /// refused are one refusal, not eight.
    pub(super) fn refused(&mut self, sent: Instant, wait: Option<Duration>, now: Instant) {
        self.left.take_back(sent);
        let known = self.open.as_mut().or(self.last.as_mut());
        if let Some(known) = known.filter(|known| sent < known.until || sent <= known.told) {
            known.refused += u32::from(sent >= known.sent);
            return;
        }
        // Nobody left since the one before was over.
        self.conclude(now);
        let apart = self.last.is_none_or(|last| now.saturating_duration_since(last.until) >= APART);
        let known_speed = self.learned.is_some() && self.since.good >= ENOUGH;
        let rest = match wait {
            Some(wait) => wait,
            None if known_speed && apart => SHORT_REST,
            None => REST,
        };
        let spared = self.last.is_some_and(|last| !last.named && last.until - last.told < REST);
        self.open = Some(Refusal {
            sent,
            told: now,
            until: now + rest,
            named: wait.is_some(),
            struck: false,
            spared,
            refused: 1,
            taken: 0,
        });
    }

    /// What a request has to do that wants to leave. `arrived` is since when it could;
    /// `first` says that it stands in front of the line, `in_flight` how many are on their way.
    pub(super) fn turn(&mut self, arrived: Instant, first: bool, in_flight: usize, now: Instant) -> Turn {
        if let Some(open) = self.open {
            if open.until > now {
                return Turn::Wait(open.until);
            }
            if let Some(turn) = self.strike(in_flight, now) {
                return turn;
            }
            self.conclude(now);
        }
        let Some(rate) = self.rate(now) else {
            self.left.add(now);
            return Turn::Go;
        };
        if !first {
            return Turn::Queue;
        }
        let from = arrived.max(now.checked_sub(LATE).unwrap_or(arrived));
        let slot = self.next_slot.map_or(from, |next| next.max(from));
        if slot > now {
            self.bind(now);
            return Turn::Wait(slot);
        }
        self.next_slot = Some(slot + Duration::try_from_secs_f64(1.0 / rate).unwrap_or(SECOND));
        self.left.add(now);
        Turn::Go
    }

    /// The pace at a time, requests a second.
    fn rate(&mut self, now: Instant) -> Option<f64> {
        // Long past anything that was ever refused.
        self.learned = self.learned.filter(|learned| learned.rate(now) < 1000.0 * learned.top);
        let learned = self.learned.map(|learned| learned.rate(now));
        learned.map_or(self.most, |learned| Some(self.most.map_or(learned, |most| learned.min(most))))
    }

    /// A pace that nobody needs proves nothing, so it rises only half as fast meanwhile: it must
    /// not stay for ever either.
    fn bind(&mut self, now: Instant) {
        let idle = self.bound.map_or(Duration::ZERO, |bound| now.saturating_duration_since(bound));
        if let Some(learned) = self.learned.as_mut().filter(|_| idle > 2 * SECOND) {
            learned.at += idle / 2;
        }
        self.bound = Some(now);
    }

    /// Where nothing speaks for the speed, the rest becomes a long pause.
    fn strike(&mut self, in_flight: usize, now: Instant) -> Option<Turn> {
        let open = self.open.as_mut()?;
        // Some passed since the last one: it is no ban, or that shows after a second's rest.
        let is_speed = self.since.good > 0;
        if open.struck || open.spared || is_speed {
            return None;
        }
        let pause = match self.last {
            // A time that the CRM named, and then took nothing, was too short.
            Some(last) if open.named => 2 * (last.until - last.told),
            None if open.named => return None,
            Some(_) | None => FIRST_PAUSE.saturating_mul(1 << self.strikes.min(10)),
        };
        // Those on their way may be taken, and say more.
        if in_flight > 0 && now.saturating_duration_since(open.told) < APART {
            open.until = now + REST;
            return Some(Turn::Wait(open.until));
        }
        self.strikes += u32::from(!open.named);
        open.struck = true;
        open.until = open.until.max(open.told + pause.min(LONGEST_PAUSE));
        (open.until > now).then_some(Turn::Pause(open.told, open.until))
    }

    /// Deals with the open refusal once everyone has rested.
    fn conclude(&mut self, now: Instant) {
        let Some(open) = self.open.take() else { return };
        if self.since.good > 0 {
            self.learn(&open, now);
        }
        if open.until - open.told >= APART {
            self.paused = Some(open.until);
        }
        self.last = Some(open);
        self.since = Since { good: 0, at: Some(open.sent) };
        self.bound = Some(now);
    }

    fn learn(&mut self, open: &Refusal, now: Instant) {
        let lately = self.left.in_the_second_before(open.sent);
        let begun = self.since.at.or(self.left.first).unwrap_or(open.sent);
        let span = open.sent.saturating_duration_since(begun);
        let Some(learned) = self.learned else { return self.learn_first(open, lately, now) };
        let average = self.since.good as f64 / span.as_secs_f64().max(0.001);
        let too_fast = learned.rate(open.sent).min(lately + 1.0);
        let before = learned.rate(open.sent.checked_sub(SECOND).unwrap_or(open.sent));
        // As far down as from a burst to an even pace, and no further.
        let highest = learned.highest.max(too_fast);
        if too_fast < WAY_DOWN * highest {
            self.drop_it(now);
            return;
        }
        let low = if span < 2 * APART { average.midpoint(before).min(before) } else { before };
        let agrees = (too_fast / learned.too_fast - 1.0).abs() < 0.1;
        let cost = if open.named { 60 * (open.until - open.told) } else { Duration::ZERO };
        let calm = if agrees { (2 * learned.calm).min(LONGEST_CALM).max(cost) } else { RISE };
        self.pace(Learned { low, too_fast, highest, at: now, calm, seeks: false, ..learned });
    }

    /// The first pace, where a burst or a few singles speak for one.
    fn learn_first(&mut self, open: &Refusal, lately: f64, now: Instant) {
        let doubts = &mut self.doubts;
        if open.is_burst() {
            doubts.most = lately;
        } else {
            // What costs no wait needs no pace.
            if open.until == open.told {
                return;
            }
            let since = |last: Refusal| open.sent.saturating_duration_since(last.until);
            if self.last.is_none_or(|last| since(last) >= 3 * APART) {
                (doubts.singles, doubts.most) = (0, 0.0);
            }
            (doubts.singles, doubts.most) = (doubts.singles + 1, doubts.most.max(lately));
            if doubts.singles < SINGLES || doubts.deaf_until.is_some_and(|until| until > now) {
                return;
            }
        }
        doubts.singles = 0;
        let too_fast = doubts.most.max(1.0);
        let new = Learned {
            low: too_fast,
            top: too_fast,
            too_fast,
            highest: too_fast,
            at: now,
            calm: RISE,
            seeks: true,
        };
        self.pace(new);
    }

    /// Goes on at a pace: a little below what it is made of.
    fn pace(&mut self, learned: Learned) {
        let top = BELOW * learned.too_fast;
        let low = (BELOW * learned.low).min(top).max(SLOWEST.min(top));
        self.learned = Some(Learned { low, top, ..learned });
    }

    /// The pace did not help.
    fn drop_it(&mut self, now: Instant) {
        self.learned = None;
        self.doubts.deaf_until = Some(now + Duration::from_secs(60) * (1 << self.doubts.dropped.min(6)));
        self.doubts.dropped += 1;
    }
}

/// Requests by when they left, but for those that were refused. Those on their way count: what
/// is refused mostly comes sooner than what is done.
#[derive(Debug)]
struct Departures {
    /// The counts of one slice of time each; the slice's number says whose it is.
    slices: [(u64, u32); Departures::SLICES],
    first: Option<Instant>,
}

impl Departures {
    const SLICES: usize = 128;
    const SLICE: Duration = Duration::from_millis(25);

    fn new() -> Self {
        Self { slices: [(u64::MAX, 0); Self::SLICES], first: None }
    }

    fn number(&self, at: Instant) -> u64 {
        let since = self.first.map_or(Duration::ZERO, |first| at.saturating_duration_since(first));
        u64::try_from(since.as_nanos() / Self::SLICE.as_nanos()).unwrap_or(u64::MAX)
    }

    fn add(&mut self, at: Instant) {
        self.first.get_or_insert(at);
        let number = self.number(at);
        let slice = &mut self.slices[(number % Self::SLICES as u64) as usize];
        // It may be another time's, from seconds ago.
        *slice = (number, if slice.0 == number { slice.1 + 1 } else { 1 });
    }

    fn take_back(&mut self, at: Instant) {
        let number = self.number(at);
        if let Some((_, count)) = self.slices.iter_mut().find(|slice| slice.0 == number) {
            *count = count.saturating_sub(1);
        }
    }

    fn in_the_second_before(&self, at: Instant) -> f64 {
        let last = self.number(at);
        let first = last.saturating_sub((SECOND.as_nanos() / Self::SLICE.as_nanos()) as u64);
        let within = self.slices.iter().filter(|(number, _)| (first..=last).contains(number));
        within.map(|(_, count)| f64::from(*count)).sum()
    }
}
