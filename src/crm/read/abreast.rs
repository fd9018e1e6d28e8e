//! Reading by id with several requests at once: what [`Ranges`] says to ask next is asked, and
//! every answer is held against what was asked, as where one request follows the other.

use tokio::task::{JoinError, JoinSet};

use super::{Reader, State, count, has_ended, is_refusal};
use crate::crm::errors::CrmError;
use crate::crm::keyset::is_ascending;
use crate::crm::ranges::{Came, Gaps, Known, Ranges};
use crate::crm::records::Records;
use crate::crm::wire::ReadPage;

/// Pages still to come from which on several requests at once read faster than one.
const WORTH_CUTTING: u64 = 4;

/// Several requests on their way, each by the id above which it asks.
#[derive(Debug)]
pub(super) struct Abreast {
    ranges: Ranges,
    requests: JoinSet<(u64, Result<ReadPage, CrmError>)>,
}

impl Reader {
    /// Lets several requests read on above `last`, if that is worth it. `batch` is the page that
    /// ends there and has not been handed out.
    pub(super) fn cut_into_ranges(&mut self, last: u64, batch: &Records) {
        let (page, concurrency) = (count(batch), self.client.concurrency());
        let Some(gaps) = Gaps::of(batch) else { return };
        if concurrency < 2 || (self.left.is_some() && self.residual.is_some()) {
            return;
        }
        let there = self.summary.total.map(|total| total.saturating_sub(self.seen.len()));
        let wanted = self.left.map(|left| left.saturating_sub(page));
        let expected = there.into_iter().chain(wanted).min();
        if expected.is_none_or(|records| records >= WORTH_CUTTING * page) {
            let known = Known { frontier: last, page, expected, concurrency, gaps };
            self.abreast = Some(Abreast { ranges: Ranges::new(known), requests: JoinSet::new() });
            self.state = State::Abreast;
        }
    }

    /// The next records of those that several requests read.
    pub(super) async fn abreast(&mut self) -> Result<Records, CrmError> {
        loop {
            while let Some(came) = self.abreast.as_mut().and_then(|all| all.requests.try_join_next()) {
                self.came(came)?;
            }
            self.begin_ranges();
            let Some(all) = &mut self.abreast else { return Ok(Records::default()) };
            if let Some(records) = all.ranges.hand_out() {
                // What is now in front may begin, whatever is held.
                self.begin_ranges();
                return Ok(self.take(records));
            }
            if all.ranges.is_done() {
                self.state = State::Finish;
                return Ok(Records::default());
            }
            if let Some(came) = all.requests.join_next().await {
                self.came(came)?;
            }
        }
    }

    fn begin_ranges(&mut self) {
        while let Some(from) = self.abreast.as_mut().and_then(|all| all.ranges.begin()) {
            self.send_above(from);
        }
    }

    /// Sends a request of a range on its way.
    fn send_above(&mut self, from: u64) {
        let (client, object) = (self.client.clone(), self.object.clone());
        let query = self.question(self.q_above(from), None);
        if let Some(all) = &mut self.abreast {
            all.requests.spawn(async move { (from, client.read_page(&object, &query).await) });
        }
    }

    /// Takes the answer to a request of a range.
    fn came(&mut self, came: Result<(u64, Result<ReadPage, CrmError>), JoinError>) -> Result<(), CrmError> {
        let Some(all) = &mut self.abreast else { return Ok(()) };
        let (from, page) = match came {
            Ok((from, Err(error))) if !is_refusal(&error) => {
                all.ranges.failed(from);
                return Err(error);
            }
            Ok((from, page)) => (from, page.ok()),
            // The runtime ends. Nobody knows which request it was, so all begin anew.
            Err(_) => {
                all.requests.abort_all();
                all.ranges.all_failed();
                return Err(CrmError::Cancelled);
            }
        };
        let answer = page.filter(|page| is_ascending(page.records.ids(), from)).map(|page| {
            let (marks, here) = (page.marks(), count(&page.records));
            let (ended, more_promised) = (has_ended(marks, here, self.size), marks.promises_more(here));
            Came { records: page.records, ended, more_promised }
        });
        let Some(answer) = answer.filter(|answer| all.ranges.is_believable(from, answer)) else {
            // Refused, or the order or the filter ignored or not understood.
            self.client.learn(&self.object, |habits| habits.no_keyset = true);
            self.turn_to_pages(Some(1));
            return Ok(());
        };
        if let Some(next) = all.ranges.take(from, answer) {
            self.send_above(next);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "abreast_tests.rs"]
mod tests;
