//! Reading by ranges is held against reading with one request after the other.

use std::cell::RefCell;
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::crm::records::Builder;
use crate::model::{Record, RecordId};

fn records(ids: impl IntoIterator<Item = u64>) -> Records {
    let mut all = Builder::default();
    for id in ids {
        all.add(&Record { id: RecordId::new(id).unwrap(), fields: Vec::new() }).unwrap();
    }
    all.done()
}

/// Ids as tenants have them: runs that lie close, with gaps small and huge between.
fn ids() -> impl Strategy<Value = BTreeSet<u64>> {
    let run = (1..60_000_u64, 1..400_u64, 1..9_u64, any::<u64>());
    prop::collection::vec(run, 1..12).prop_map(|runs| {
        let mut ids = BTreeSet::new();
        let mut at = 0;
        for (gap, length, step, seed) in runs {
            at += gap;
            for n in 0..length {
                at += 1 + (seed.rotate_left((n % 64) as u32) ^ n) % step;
                ids.insert(at);
            }
        }
        ids
    })
}

/// What happens next, drawn from a list that begins anew when it is used up.
struct Course {
    draws: Vec<u8>,
    at: usize,
}

impl Course {
    fn draw(&mut self, below: usize) -> usize {
        self.at += 1;
        usize::from(self.draws[self.at % self.draws.len()]) % below.max(1)
    }
}

struct Outcome {
    handed_out: Vec<u64>,
    calls: usize,
    most_held: usize,
}

/// Reads everything above 0. Answers come in any order; some fail; now and then others change
/// the records. None where answers contradict each other.
fn walk(
    mut ids: BTreeSet<u64>,
    known: Known,
    mut course: Course,
    change: impl Fn(&mut BTreeSet<u64>, usize),
) -> Option<Outcome> {
    let page = known.page as usize;
    let mut ranges = Ranges::new(known);
    let mut asked: Vec<u64> = Vec::new();
    let mut out = Outcome { handed_out: Vec::new(), calls: 0, most_held: 0 };
    loop {
        while let Some(records) = ranges.hand_out() {
            assert!(!records.is_empty());
            out.handed_out.extend(records.ids());
        }
        if ranges.is_done() {
            return Some(out);
        }
        while let Some(from) = ranges.begin() {
            asked.push(from);
            assert!(asked.len() <= known.concurrency + 1, "more on their way than may be");
        }
        assert!(!asked.is_empty(), "nothing is on its way and the end is not reached");
        assert!(out.calls <= 10 * ids.len() + 1_000, "the end is not reached");
        out.most_held = out.most_held.max(ranges.held.len());
        let from = asked.swap_remove(course.draw(asked.len()));
        out.calls += 1;
        if out.calls.is_multiple_of(5) && course.draw(3) == 0 {
            ranges.failed(from);
            continue;
        }
        let above: Vec<u64> = ids.range(from + 1..).copied().take(page + 1).collect();
        let more = above.len() > page;
        let records = records(above.into_iter().take(page));
        let answer = Came { records, ended: !more, more_promised: more };
        if !ranges.is_believable(from, &answer) {
            return None;
        }
        asked.extend(ranges.take(from, answer));
        change(&mut ids, out.calls);
    }
}

fn known(ids: &BTreeSet<u64>, page: u64, concurrency: usize, tells_total: bool) -> Known {
    let expected = tells_total.then_some(ids.len() as u64);
    let first = records(ids.iter().copied().take(page as usize));
    let gaps = Gaps::of(&first).unwrap_or(Gaps { mean: 3.0, variance: 2.0 });
    Known { frontier: 0, page, expected, concurrency, gaps }
}

proptest! {
    #[test]
    fn all_come_once_and_in_order_whatever_the_gaps(
        ids in ids(), page in 1..40_u64, concurrency in 1..20_usize, tells_total: bool,
        draws in prop::collection::vec(any::<u8>(), 1..200),
    ) {
        let known = known(&ids, page, concurrency, tells_total);
        let read = walk(ids.clone(), known, Course { draws, at: 0 }, |_, _| ()).unwrap();
        prop_assert_eq!(read.handed_out, ids.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn what_others_insert_and_delete_shifts_nothing(
        ids in ids(), page in 1..40_u64, concurrency in 1..20_usize,
        draws in prop::collection::vec(any::<u8>(), 1..200), seed: u64,
    ) {
        let known = known(&ids, page, concurrency, true);
        let top = *ids.last().unwrap();
        let steady = RefCell::new(ids.clone());
        let read = walk(ids, known, Course { draws, at: 0 }, |ids, call| {
            let at = seed.rotate_left((call % 64) as u32) % (top + 50);
            let next = ids.range(at..).next().copied();
            if let Some(gone) = next.filter(|_| call % 2 == 0) {
                ids.remove(&gone);
                steady.borrow_mut().remove(&gone);
            }
            if call % 3 == 0 {
                ids.insert(at + 1);
            }
        });
        // A page of one record that was added behind the end contradicts it; then all is read by page.
        let Some(read) = read else { return Ok(()) };
        prop_assert!(read.handed_out.is_sorted());
        let out: BTreeSet<u64> = read.handed_out.iter().copied().collect();
        prop_assert_eq!(out.len(), read.handed_out.len(), "none comes twice");
        prop_assert!(steady.borrow().is_subset(&out), "what was there throughout has come");
    }

    #[test]
    fn guesses_cost_little_and_little_is_held(
        ids in ids(), page in 5..40_u64, concurrency in 1..20_usize, tells_total: bool,
        draws in prop::collection::vec(any::<u8>(), 1..200),
    ) {
        let known = known(&ids, page, concurrency, tells_total);
        let read = walk(ids.clone(), known, Course { draws, at: 0 }, |_, _| ()).unwrap();
        let pages = ids.len().div_ceil(page as usize);
        // At most one call in five fails and is made again.
        let calls = read.calls * 4 / 5;
        prop_assert!(calls <= pages * 5 / 4 + 4 * concurrency + 4, "{calls} calls for {pages} pages");
        prop_assert!(read.most_held <= 3 * 16 * concurrency + 1, "{} pages held", read.most_held);
    }
}
