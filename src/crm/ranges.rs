//! Which ids to ask for next when an object is read by id with several requests at once.
//!
//! The ids above the frontier are cut into ranges. Each is walked in full pages, every request
//! asking for the ids above the last one, so that nothing that others insert or delete shifts
//! anything. Where the next range begins is a guess from how close the ids lie; a wrong guess
//! costs a call, never a record: a page stands for all ids from the one it was asked by to its
//! last one, and what is handed out joins up without a gap.
//!
//! Ranges are short and begin as low as possible: what came is held until all below it has come,
//! and only so much may be held. One that holds more than was thought is given back and cut again.
//! Ids that cannot be guessed cost at most a tenth more calls; beyond that reading goes on with
//! one request at a time.
//!
//! Only bookkeeping is here: no request, no clock.

use std::collections::BTreeMap;

use super::records::Records;

/// Most pages of one range. More save calls where two ranges meet and hold more memory.
const LONGEST_WALK: u64 = 16;

/// Pages that the ranges on their way hold together; walks are shorter where there are many.
const UNDER_WAY: u64 = 128;

/// How many standard deviations a range stays below full pages: one record too many is a call more.
const CAUTION: f64 = 1.5;

/// Above every id.
const END: u64 = u64::MAX;

/// How far the ids of a page lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Gaps {
    mean: f64,
    variance: f64,
}

impl Gaps {
    /// Measures records in ascending order; none where there are fewer than three.
    pub(super) fn of(records: &Records) -> Option<Self> {
        let gaps =
            || records.ids().zip(records.ids().skip(1)).map(|(one, next)| next.saturating_sub(one) as f64);
        let count = gaps().count() as f64;
        let mean = gaps().sum::<f64>() / count;
        let variance = gaps().map(|gap| (gap - mean).powi(2)).sum::<f64>() / count;
        (records.len() > 2 && mean >= 1.0).then_some(Self { mean, variance })
    }

    /// Ids among which that many records probably are, or a few less.
    fn width(self, records: u64) -> u64 {
        let records = records as f64;
        let spread = (records * self.variance).sqrt() / self.mean;
        let careful = (records - CAUTION * spread).max(records / 2.0);
        // A float beyond all ids becomes the largest number.
        (careful * self.mean).round() as u64
    }
}

/// What is known beforehand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// All up to this id have been handed out.
    pub frontier: u64,
    /// Records of a full page.
    pub page: u64,
    /// Records that are still to come, where the CRM says how many there are.
    pub expected: Option<u64>,
    /// Most requests at once.
    pub concurrency: usize,
    /// How close the ids of the last page lie.
    pub gaps: Gaps,
}

/// A range that is being walked; it begins at the id that the request on its way asks by.
#[derive(Clone, Copy, Debug)]
struct Walk {
    to: u64,
    /// Pages that it may still ask for, the one on its way included.
    pages: u64,
    /// There is a record above its beginning: the CRM said so, or it has been seen.
    promised: bool,
}

/// Records that came before those below them.
#[derive(Debug)]
struct Held {
    to: u64,
    records: Records,
}

/// An answer to a request.
#[derive(Debug)]
pub(super) struct Came {
    /// The records, in ascending order, all above the id asked by.
    pub records: Records,
    /// Nothing follows, says the answer.
    pub ended: bool,
    /// More follows, says the answer.
    pub more_promised: bool,
}

impl Came {
    fn last(&self, from: u64) -> u64 {
        self.records.ids().next_back().unwrap_or(from)
    }

    /// Above which id nothing follows, as far as this answer says.
    fn end(&self, from: u64) -> u64 {
        if self.ended { self.last(from) } else { END }
    }
}

/// The ranges of one reading. Each is known by the id above which it begins; together with what
/// is held they cover all ids above the frontier.
#[derive(Debug)]
pub(super) struct Ranges {
    known: Known,
    frontier: u64,
    /// Nobody walks these yet: from, to.
    open: BTreeMap<u64, u64>,
    walks: BTreeMap<u64, Walk>,
    held: BTreeMap<u64, Held>,
    /// Of the pages that came lately, by the id they were asked by.
    gaps: BTreeMap<u64, Gaps>,
    /// Records that came.
    came: u64,
    /// Records that came twice because two ranges met.
    twice: u64,
    /// Where the highest full page begins.
    highest: u64,
    /// Above it there is nothing, an answer said.
    end: u64,
}

impl Ranges {
    pub(super) fn new(known: Known) -> Self {
        let frontier = known.frontier;
        Self {
            known: Known { page: known.page.max(1), concurrency: known.concurrency.max(1), ..known },
            frontier,
            open: BTreeMap::from([(frontier, END)]),
            walks: BTreeMap::new(),
            held: BTreeMap::new(),
            gaps: BTreeMap::from([(frontier, known.gaps)]),
            came: 0,
            twice: 0,
            highest: frontier,
            end: END,
        }
    }

    /// The id above which to ask next; none where enough is on its way.
    pub(super) fn begin(&mut self) -> Option<u64> {
        let (&from, &to) = self.open.first_key_value()?;
        if !self.may_begin(from, to) {
            return None;
        }
        let pages = self.pages_of_walk();
        let cut = self.cut(from, pages).min(to);
        self.open.remove(&from);
        if cut < to {
            self.open.insert(cut, to);
        }
        self.walks.insert(from, Walk { to: cut, pages, promised: from < self.highest });
        Some(from)
    }

    fn may_begin(&self, from: u64, to: u64) -> bool {
        if from == self.frontier || self.walks.is_empty() {
            return true;
        }
        let walks = self.walks.len();
        // Without a total nobody knows where the records end: fewer look beyond.
        let most = match self.known.expected {
            Some(_) => self.known.concurrency,
            None => self.known.concurrency.min(count_of(self.came / self.known.page / 4)),
        };
        let window = self.longest() * self.known.concurrency as u64;
        let ahead = self.held.len() as u64 + self.walks.values().map(|walk| walk.pages).sum::<u64>();
        let wasteful = self.twice > self.came / 10 + 2 * self.known.page * self.known.concurrency as u64;
        // What nobody expects to hold a record waits: those on their way will say whether it does.
        let worthwhile = to < END || self.unassigned().is_none_or(|records| records > 0);
        walks < most && ahead < window && !wasteful && worthwhile
    }

    fn longest(&self) -> u64 {
        (UNDER_WAY / self.known.concurrency as u64).clamp(4, LONGEST_WALK)
    }

    /// Records that are expected where nobody walks yet.
    fn unassigned(&self) -> Option<u64> {
        let walked: u64 = self.walks.values().map(|walk| walk.pages * self.known.page).sum();
        self.known.expected.map(|expected| expected.saturating_sub(self.came + walked))
    }

    /// Shorter towards the end, so that all end together.
    fn pages_of_walk(&self) -> u64 {
        let Some(records) = self.unassigned() else { return self.longest() };
        let share = 2 * self.known.concurrency as u64 * self.known.page;
        records.div_ceil(share).clamp(1, self.longest())
    }

    /// Where a range of so many pages ends.
    fn cut(&self, from: u64, pages: u64) -> u64 {
        let records = pages * self.known.page;
        if self.unassigned().is_some_and(|left| left <= records) {
            return END;
        }
        let gaps = self.gaps.range(..=from).next_back().map_or(self.known.gaps, |(_, gaps)| *gaps);
        from.saturating_add(gaps.width(records).max(1))
    }

    /// Whether an answer goes together with the others. One that ends where a whole page of records
    /// was seen does not: then the server answers another question than the one asked.
    pub(super) fn is_believable(&self, from: u64, answer: &Came) -> bool {
        let promised = self.walks.get(&from).is_some_and(|walk| walk.promised);
        if promised && answer.records.is_empty() {
            return false;
        }
        self.end.min(answer.end(from)) >= self.highest.max(self.first_of_full(answer))
    }

    /// Where a full page begins. A few records may be deleted or added meanwhile, hardly a page.
    fn first_of_full(&self, answer: &Came) -> u64 {
        let is_full = answer.records.len() as u64 >= self.known.page;
        answer.records.ids().next().filter(|_| is_full).unwrap_or(0)
    }

    /// Takes an answer; gives the id by which its range is walked on, if it is not yet done.
    pub(super) fn take(&mut self, from: u64, answer: Came) -> Option<u64> {
        let walk = self.walks.remove(&from)?;
        self.highest = self.highest.max(self.first_of_full(&answer));
        self.end = self.end.min(answer.end(from));
        let last = answer.last(from);
        let Came { mut records, ended, more_promised } = answer;
        if let Some(gaps) = Gaps::of(&records) {
            self.gaps.insert(from, gaps);
        }
        // Beyond its own range a page goes as far as nobody else has begun.
        let begun = [
            self.walks.range(from..).next().map(|(at, _)| *at),
            self.held.range(from..).next().map(|(at, _)| *at),
        ];
        let others = begun.into_iter().flatten().min().unwrap_or(END);
        let to = if ended { others } else { last.min(others) };
        let all = records.len();
        records.truncate(records.ids().take_while(|id| *id <= to).count());
        self.came += records.len() as u64;
        self.twice += (all - records.len()) as u64;
        self.held.insert(from, Held { to, records });
        self.close(from, to);
        if ended {
            self.close_all_above(last);
        }
        if to >= walk.to {
            return None;
        }
        if walk.pages > 1 {
            let walk = Walk { to: walk.to, pages: walk.pages - 1, promised: more_promised };
            self.walks.insert(to, walk);
            return Some(to);
        }
        self.give_back(to, walk.to);
        None
    }

    /// Takes what has come out of the open ranges.
    fn close(&mut self, from: u64, to: u64) {
        while let Some((at, end)) = self.open.range(from..to).next().map(|(at, end)| (*at, *end)) {
            self.open.remove(&at);
            if to < end {
                self.open.insert(to, end);
            }
        }
    }

    /// Nothing is there: ranges that nobody walks yet hold nothing, and nobody looks for the end any more.
    fn close_all_above(&mut self, last: u64) {
        for (from, to) in self.open.split_off(&last) {
            self.held.insert(from, Held { to, records: Records::default() });
        }
    }

    /// A request failed: its range is open again.
    pub(super) fn failed(&mut self, from: u64) {
        if let Some(walk) = self.walks.remove(&from) {
            self.give_back(from, walk.to);
        }
    }

    /// All requests failed.
    pub(super) fn all_failed(&mut self) {
        while let Some((&from, _)) = self.walks.last_key_value() {
            self.failed(from);
        }
    }

    fn give_back(&mut self, from: u64, to: u64) {
        let to = self.open.remove(&to).unwrap_or(to);
        self.open.insert(from, to);
    }

    /// The next records in order, if they have come; never an empty batch.
    pub(super) fn hand_out(&mut self) -> Option<Records> {
        while let Some(Held { to, records }) = self.held.remove(&self.frontier) {
            self.frontier = to;
            // One measure below the frontier is enough.
            if let Some((&below, _)) = self.gaps.range(..=to).next_back() {
                self.gaps = self.gaps.split_off(&below);
            }
            if !records.is_empty() {
                return Some(records);
            }
        }
        None
    }

    /// Whether all has been handed out.
    pub(super) fn is_done(&self) -> bool {
        self.frontier == END
    }
}

fn count_of(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[path = "ranges_tests.rs"]
mod tests;
