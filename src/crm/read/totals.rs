//! What was read, held against what the CRM says there is.

use super::{ReadMode, Reader, Seen, State};
use crate::crm::query::ListQuery;
use crate::model::shown;

impl Reader {
    /// Holds what was read against what the CRM says there is. Where the two differ, it is
    /// asked once more: others may have added or deleted records meanwhile.
    pub(super) async fn compare_with_total(&mut self) {
        self.state = State::Done;
        let Some(first) = self.summary.total else { return };
        let read = self.summary.read;
        if read == first && self.before_second.is_none() && !self.moved {
            return;
        }
        let query = ListQuery { q: self.q.clone(), limit: 1, ..ListQuery::default() };
        let now =
            self.client.list(&self.object, &query).await.ok().and_then(|page| page.total).unwrap_or(first);
        self.summary.missing = first.min(now).saturating_sub(read);
        if self.takes_second_look() {
            self.before_second = Some(read);
            self.paged = Seen::default();
            self.turn_to_pages(None);
            return;
        }
        self.tell_of_difference(first, now);
    }

    /// Pages lose what slides to an earlier one while they are read; reading them again finds it.
    fn takes_second_look(&self) -> bool {
        let is_stuck = !self.summary.notices.is_empty();
        self.summary.mode == ReadMode::ByPage
            && (self.summary.missing > 0 || self.moved)
            && self.before_second.is_none()
            && self.above == 0
            && !is_stuck
    }

    fn tell_of_difference(&mut self, first: u64, now: u64) {
        let (read, object) = (self.summary.read, shown(&self.object).to_string());
        let counted = format!("the CRM counted {first} records before and {now} after, and gave {read}");
        let second = self.before_second.map_or(String::new(), |before| {
            format!("; {} of them were found by a second look", read - before)
        });
        match self.summary.missing {
            0 if read == now && second.is_empty() => {}
            0 => self.tell(format!("{object} changed while it was read: {counted}{second}")),
            // By id nothing that was there all along is passed over, but what is added below where
            // reading stands is; and the CRM may be wrong.
            _ if self.summary.mode == ReadMode::ById => self.tell(format!(
                "{object} changed while it was read, or the CRM left some out: {counted}; another export will tell"
            )),
            missing => self.tell(format!(
                "the CRM says it has {} records of {object}, and gave {read}: {missing} are missing{second}",
                first.min(now)
            )),
        }
    }
}
