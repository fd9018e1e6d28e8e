//! What a number of requests in flight brings: answers a second.
//!
//! With n requests in flight all the time it is n ÷ mean latency, which a few
//! answers tell as well as counting many would. The first answers are the fast
//! ones, so they count in whole batches of requests that left one after the other.

use std::collections::VecDeque;

use tokio::time::Instant;

/// This share of lost answers may have other causes than the number in flight.
pub(super) const FEW_LOST: f64 = 0.1;

/// Requests that left, as a share of those for which answers made room.
const KEPT_UP: f64 = 0.8;

/// Batches that are waited for at the same time.
const MOST_BATCHES: usize = 8;

/// What a limit brings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measure {
    /// The most in flight.
    pub limit: usize,
    /// Whether writes were measured, or reads.
    pub writes: bool,
    pub answers: u32,
    /// Good answers a second; one that is lost takes away one that is good, as looking it up costs.
    pub rate: f64,
    /// The standard error of the rate, as a share of it.
    pub error: f64,
    /// Seconds, on average.
    pub latency: f64,
    /// The share of answers that were lost.
    pub lost: f64,
    /// Whether so many answers were lost that it is no chance.
    pub loses_many: bool,
    /// Whether requests left as fast as answers made room for them. Otherwise it is this machine
    /// that is slow, or there was nothing to send, and the limit brings less than the rate says.
    pub keeps_up: bool,
}

impl Measure {
    fn of(stat: &Stat, limit: usize, writes: bool, departures: &Departures) -> Self {
        let (n, lost) = (f64::from(stat.answers.max(1)), f64::from(stat.lost));
        let few = FEW_LOST * n;
        let loses_many = lost > few + 3.0 * few.sqrt() + 1.0;
        let share = if loses_many { lost / n } else { 0.0 };
        let good = (1.0 - 2.0 * share).max(0.0);
        let room = limit as f64 / stat.mean().max(1e-9);
        let chance = 2.0 * (share * (1.0 - share) / n).sqrt() / good.max(0.1);
        Self {
            limit,
            writes,
            answers: stat.answers,
            rate: room * good,
            error: stat.error().hypot(chance),
            latency: stat.mean(),
            lost: lost / n,
            loses_many,
            keeps_up: departures.count() >= KEPT_UP * room * departures.seconds(),
        }
    }

    /// How many times what another one brought. Of two that bring nothing the smaller is better.
    pub(super) fn gain_over(&self, other: &Self) -> f64 {
        if other.rate > 0.0 {
            return self.rate / other.rate;
        }
        match (self.rate > 0.0, self.limit < other.limit) {
            (true, _) => f64::INFINITY,
            (false, true) => 1.0,
            (false, false) => 0.0,
        }
    }
}

/// Latencies, in seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Stat {
    answers: u32,
    lost: u32,
    sum: f64,
    /// The sum of their squares.
    squares: f64,
}

impl Stat {
    fn add(&mut self, latency: f64, lost: bool) {
        self.join(&Self { answers: 1, lost: u32::from(lost), sum: latency, squares: latency * latency });
    }

    fn join(&mut self, other: &Self) {
        self.answers = self.answers.saturating_add(other.answers);
        self.lost = self.lost.saturating_add(other.lost);
        self.sum += other.sum;
        self.squares += other.squares;
    }

    fn mean(&self) -> f64 {
        self.sum / f64::from(self.answers.max(1))
    }

    /// The standard error of the mean, as a share of it.
    fn error(&self) -> f64 {
        let (n, mean) = (f64::from(self.answers.max(1)), self.mean().max(1e-9));
        (self.squares / n - mean * mean).max(0.0).sqrt() / mean / n.sqrt()
    }
}

/// Requests that left since a limit was set.
#[derive(Debug)]
pub(super) struct Tally {
    limit: usize,
    /// So many are not measured yet: they leave while the number in flight still grows.
    skip: usize,
    /// The number of the next batch: no two tallies have the same.
    next: u64,
    open: VecDeque<Batch>,
    /// Whole batches, reads and writes.
    whole: [Stat; 2],
    departures: Departures,
}

/// When requests left.
#[derive(Debug, Default)]
struct Departures {
    count: u32,
    first_and_last: Option<(Instant, Instant)>,
}

impl Departures {
    fn add(&mut self, at: Instant) {
        self.count = self.count.saturating_add(1);
        let first = self.first_and_last.map_or(at, |(first, _)| first);
        self.first_and_last = Some((first, at));
    }

    fn count(&self) -> f64 {
        f64::from(self.count)
    }

    fn seconds(&self) -> f64 {
        self.first_and_last.map_or(0.0, |(first, last)| last.saturating_duration_since(first).as_secs_f64())
    }
}

#[derive(Debug)]
struct Batch {
    number: u64,
    left: u32,
    stats: [Stat; 2],
}

impl Tally {
    /// Nothing yet, for a limit; `before` is the tally before it. The first `skip` are not measured.
    pub(super) fn new(limit: usize, skip: usize, before: Option<&Self>) -> Self {
        let next = before.map_or(0, |before| before.next);
        let (open, departures) = (VecDeque::new(), Departures::default());
        Self { limit, skip, next, open, whole: [Stat::default(); 2], departures }
    }

    /// As many as are in flight together, and enough to see how they vary.
    pub(super) fn batch_size(&self) -> u32 {
        u32::try_from(self.limit).unwrap_or(u32::MAX).max(8)
    }

    /// The batch of a request that leaves while as many are in flight as may be.
    pub(super) fn leave(&mut self, now: Instant) -> Option<u64> {
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.departures.add(now);
        let size = self.batch_size();
        match self.open.back_mut() {
            Some(batch) if batch.left < size => {
                batch.left += 1;
                return Some(batch.number);
            }
            Some(_) | None => {}
        }
        let number = self.next;
        self.next += 1;
        self.open.push_back(Batch { number, left: 1, stats: [Stat::default(); 2] });
        // One request that hangs must not keep all that come after it.
        if self.open.len() > MOST_BATCHES {
            self.open.pop_front();
        }
        Some(number)
    }

    /// Notes an answer, after so many seconds. Gives what the limit brings, once a batch is whole.
    pub(super) fn answer(&mut self, number: u64, writes: bool, latency: f64, lost: bool) -> Option<Measure> {
        let size = self.batch_size();
        let at = self.open.iter().position(|batch| batch.number == number)?;
        let batch = self.open.get_mut(at)?;
        batch.stats[usize::from(writes)].add(latency, lost);
        if batch.stats[0].answers + batch.stats[1].answers < size {
            return None;
        }
        let batch = self.open.remove(at)?;
        self.whole[0].join(&batch.stats[0]);
        self.whole[1].join(&batch.stats[1]);
        // By what there is more of: each takes its own time.
        let writes = self.whole[1].answers >= self.whole[0].answers;
        Some(Measure::of(&self.whole[usize::from(writes)], self.limit, writes, &self.departures))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(limit: usize, latencies: &[f64], lost: usize) -> Option<Measure> {
        let mut tally = Tally::new(limit, 0, None);
        let batches: Vec<_> = latencies.iter().map(|_| tally.leave(Instant::now()).unwrap()).collect();
        let all = batches.iter().zip(latencies).enumerate();
        all.filter_map(|(at, (batch, latency))| tally.answer(*batch, true, *latency, at < lost)).last()
    }

    #[test]
    fn what_a_limit_brings_is_told_by_the_mean_latency() {
        let measure = answers(8, &[0.1; 8], 0).unwrap();
        assert_eq!((measure.rate.round(), (100.0 * measure.error).round()), (80.0, 0.0));
        assert!(answers(8, &[0.1; 7], 0).is_none(), "a batch that is not whole has only its fast answers");
        let uneven = answers(8, &[0.05, 0.15, 0.05, 0.15, 0.05, 0.15, 0.05, 0.15], 0).unwrap();
        assert_eq!((uneven.rate.round(), (100.0 * uneven.error).round()), (80.0, 18.0));
    }

    #[test]
    fn a_few_lost_answers_are_chance_and_many_are_not() {
        let measure = |lost| answers(32, &[0.1; 32], lost).unwrap();
        assert!(!measure(9).loses_many && measure(10).loses_many);
        assert_eq!(measure(9).rate, measure(0).rate);
        assert_eq!(measure(10).rate.round(), (measure(0).rate * 12.0 / 32.0).round());
        assert_eq!(measure(32).gain_over(&measure(0)), 0.0);
        assert_eq!(measure(0).gain_over(&measure(32)), f64::INFINITY);
        let fewer = Measure { limit: 16, ..measure(32) };
        assert_eq!((fewer.gain_over(&measure(32)), measure(32).gain_over(&fewer)), (1.0, 0.0));
    }

    #[test]
    fn a_request_that_hangs_keeps_no_batch_but_its_own() {
        let mut tally = Tally::new(8, 2, None);
        let mut leave = || tally.leave(Instant::now());
        assert_eq!((leave(), leave()), (None, None));
        let hangs = leave().unwrap();
        for _ in 0..7 {
            assert_eq!(leave(), Some(hangs));
        }
        let batches: Vec<_> = (0..8).map(|_| leave().unwrap()).collect();
        let measures: Vec<_> = batches.iter().map(|batch| tally.answer(*batch, false, 0.1, false)).collect();
        assert!(measures[7].is_some() && measures[..7].iter().all(Option::is_none));
        let after = Tally::new(8, 0, Some(&tally)).leave(Instant::now()).unwrap();
        assert!(after > batches[7], "an answer from before must not count for the next limit");
    }

    #[test]
    fn what_this_machine_is_too_slow_to_send_is_no_measure() {
        for (seconds, keeps_up) in [(0.0, true), (0.015, true), (0.03, false)] {
            let (mut tally, begun) = (Tally::new(8, 0, None), Instant::now());
            let leaves = |n: u32| begun + std::time::Duration::from_secs_f64(seconds) * n;
            let batches: Vec<_> = (0..8).map(|n| tally.leave(leaves(n)).unwrap()).collect();
            let measure = batches.iter().filter_map(|batch| tally.answer(*batch, true, 0.1, false)).last();
            assert_eq!(measure.unwrap().keeps_up, keeps_up, "eight answers in 0.1 s make room for more");
        }
    }
}
