//! Reading all records of an object, completely and without repeats.
//!
//! The main way is by id: sorted by id, each request asks for the records
//! above the last one, so that nothing that others insert or delete meanwhile
//! shifts anything. Once the server has shown that it takes part, as many
//! requests as may be in flight each walk a range of the ids ([`abreast`]).
//! Neither the order nor the filter on ids is proven on the real server, so
//! every answer is held against what was asked; a server that refuses or
//! ignores either is read page by page, where repeats are dropped by id and the
//! number of the first page does not matter: the request without a number is
//! the first page, whatever `page=1` then turns out to be. Pages may lose what
//! slides to an earlier one; where the counts say so, they are read once more
//! ([`totals`]).

mod abreast;
mod totals;

use abreast::Abreast;

use super::client::Client;
use super::errors::CrmError;
use super::filter::translate;
use super::keyset::{Seen, checked_raw, is_ascending, q_above};
use super::matching::matches;
use super::query::{ListQuery, PAGE_LIMIT};
use super::records::Records;
use super::wire::ReadPage;
use crate::model::{Direction, Filter, Notice, Order, Record};

/// Pages without a new record after which reading stops: the server repeats itself.
const STUCK: u32 = 3;

/// Which records to read, and in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadQuery {
    /// Only these.
    pub filter: Option<Filter>,
    /// The API's own filter as JSON text, passed through; together with `filter` both hold.
    pub raw_filter: Option<String>,
    /// By id if empty.
    pub order: Order,
    /// Opportunity lines along with their opportunities.
    pub lines: bool,
    /// Only so many.
    pub limit: Option<u64>,
    /// Only those with a larger id: all others have been read before, by id, the one with this id
    /// last. 0 for all.
    pub above: u64,
}

/// How the records were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadMode {
    /// All came at once, or nothing was asked.
    OnePage,
    /// Each request asked for the ids above the last.
    ById,
    /// Page by page.
    ByPage,
}

/// What reading came to; final once [`Reader::next`] has given `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadSummary {
    /// How they were read.
    pub mode: ReadMode,
    /// Different records that the CRM gave.
    pub read: u64,
    /// Those handed out: less what the caller's part of the filter and the limit took away.
    pub handed_out: u64,
    /// Of those handed out, how many do not pass the filter as this program understands it. Few
    /// mean that the CRM compares otherwise (accents, blanks at the end), most that it ignores the filter.
    pub unfit: u64,
    /// Records that came again and were dropped.
    pub repeats: u64,
    /// How many the CRM says there are, at the beginning.
    pub total: Option<u64>,
    /// How many it says there are and did not give. Always 0 where a limit ended the reading.
    pub missing: u64,
    /// What people should know.
    pub notices: Vec<Notice>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Above(u64),
    Abreast,
    Paged { next: Option<u64>, stuck: u32 },
    Finish,
    Done,
}

/// The order that is sent along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Id,
    Asked,
    Nothing,
}

/// Pulls the records of one object, batch by batch.
#[derive(Debug)]
pub struct Reader {
    client: Client,
    object: String,
    q: Option<String>,
    /// `q` is the user's own and must not be taken apart.
    raw: bool,
    filter: Option<Filter>,
    residual: Option<Filter>,
    order: Order,
    lines: bool,
    size: u32,
    left: Option<u64>,
    above: u64,
    sort: Sort,
    state: State,
    seen: Seen,
    /// Those seen by page: after a change of the way to read, the first pages hold nothing new.
    paged: Seen,
    /// Records that had come before a second look at all pages; none without one.
    before_second: Option<u64>,
    /// Two pages told different totals: something was added or deleted in between.
    moved: bool,
    /// The last page said that more follows.
    more_promised: bool,
    /// Reading by several requests at once.
    abreast: Option<Abreast>,
    summary: ReadSummary,
}

impl Reader {
    /// A reader; nothing is asked yet. Fails where `raw_filter` is not a JSON object.
    pub fn new(client: &Client, object: &str, query: ReadQuery) -> Result<Self, CrmError> {
        let ReadQuery { filter, raw_filter, order, lines, limit, above } = query;
        let translated = filter.as_ref().map(translate).unwrap_or_default();
        let raw = raw_filter.is_some();
        let (q, residual) = match raw_filter {
            // Two filters in one object could clash in a key: the second one is tested here.
            Some(raw) => (Some(checked_raw(raw)?), filter.clone()),
            None => (translated.query, translated.residual),
        };
        let small = limit.filter(|_| residual.is_none()).and_then(|limit| u32::try_from(limit).ok());
        let by_id = order.is_empty() || order.as_slice() == [("id".to_owned(), Direction::Ascending)];
        let nothing = translated.never || limit == Some(0);
        Ok(Self {
            client: client.clone(),
            object: object.to_owned(),
            q,
            raw,
            filter,
            residual,
            order,
            lines,
            size: small.map_or(PAGE_LIMIT, |limit| limit.clamp(1, PAGE_LIMIT)),
            left: limit,
            above,
            sort: if by_id { Sort::Id } else { Sort::Asked },
            state: if nothing { State::Done } else { State::Start },
            seen: Seen::default(),
            paged: Seen::default(),
            before_second: None,
            moved: false,
            more_promised: above > 0,
            abreast: None,
            summary: ReadSummary {
                mode: ReadMode::OnePage,
                read: 0,
                handed_out: 0,
                unfit: 0,
                repeats: 0,
                total: None,
                missing: 0,
                notices: Vec::new(),
            },
        })
    }

    /// The next records, never an empty batch; `None` at the end.
    ///
    /// After an error the reader may be asked again: it goes on where it stood.
    pub async fn next(&mut self) -> Result<Option<Vec<Record>>, CrmError> {
        Ok(self.next_page().await?.map(|page| page.to_records()))
    }

    /// The same in one piece, which takes less time and memory.
    pub async fn next_page(&mut self) -> Result<Option<Records>, CrmError> {
        loop {
            let batch = match self.state {
                State::Start => self.start().await?,
                State::Above(last) => self.above(last).await?,
                State::Abreast => self.abreast().await?,
                State::Paged { next, stuck } => self.page(next, stuck).await?,
                State::Finish => {
                    self.compare_with_total().await;
                    Records::default()
                }
                State::Done => {
                    self.abreast = None;
                    return Ok(None);
                }
            };
            let batch = self.passed(batch);
            if !batch.is_empty() {
                return Ok(Some(batch));
            }
        }
    }

    /// All that is left, in one list: for what is known to be small.
    pub async fn all(mut self) -> Result<(Vec<Record>, ReadSummary), CrmError> {
        let mut out = Vec::new();
        while let Some(batch) = self.next().await? {
            out.extend(batch);
        }
        Ok((out, self.summary))
    }

    /// Whether the next page comes by one request alone, with none on its way before.
    pub fn asks_one_by_one(&self) -> bool {
        matches!(self.state, State::Above(_) | State::Paged { .. })
    }

    /// What it came to so far.
    pub fn summary(&self) -> &ReadSummary {
        &self.summary
    }

    /// Finds the way to read: by id, if the server takes part.
    async fn start(&mut self) -> Result<Records, CrmError> {
        let habits = self.client.habits(&self.object);
        if self.sort == Sort::Id && habits.no_order {
            self.sort = Sort::Nothing;
        }
        if self.sort != Sort::Id || habits.no_keyset {
            self.turn_to_pages(None);
            return Ok(Records::default());
        }
        let Some(question) = self.first_question() else {
            self.turn_to_pages(None);
            return Ok(Records::default());
        };
        let mut page = match self.fetch(question, None).await {
            Err(error) if is_refusal(&error) => {
                // Whether it is the order or the filter that the server refuses shows next.
                self.sort = Sort::Nothing;
                self.turn_to_pages(None);
                return Ok(Records::default());
            }
            other => other?,
        };
        if self.above > 0 && page.records.ids().next() == Some(self.above) {
            self.more_promised = false;
            page.total = page.total.map(|total| total.saturating_sub(1));
        }
        let ascending = is_ascending(page.records.ids(), self.above.saturating_sub(1))
            && !(page.records.is_empty() && self.more_promised);
        if !ascending && self.above > 0 {
            // An answer to another question than for those above.
            self.client.learn(&self.object, |habits| habits.no_keyset = true);
            self.turn_to_pages(None);
            return Ok(Records::default());
        }
        self.summary.total = page.total;
        let last = page.records.ids().next_back().unwrap_or(0);
        let (more, records) = (page.marks(), page.records);
        let batch = self.take(records);
        self.more_promised = more.promises_more(self.seen.len());
        if has_ended(more, self.seen.len(), self.size) {
            self.state = State::Finish;
        } else if ascending && self.q_above(last).is_some() {
            self.summary.mode = ReadMode::ById;
            self.state = State::Above(last);
            if habits.keyset {
                self.cut_into_ranges(last, &batch);
            }
        } else {
            if !ascending {
                self.client.learn(&self.object, |habits| habits.no_keyset = true);
            }
            self.turn_to_pages(Some(1));
        }
        Ok(batch)
    }

    /// The filter of the first request; none where the user's own takes no test of the id.
    ///
    /// Where one was read last, it is asked for once more: that it comes shows that the answer is
    /// one to this question, also where nothing follows.
    fn first_question(&self) -> Option<Option<String>> {
        match self.above.checked_sub(1) {
            None => Some(self.q.clone()),
            Some(before) => self.q_above(before).map(Some),
        }
    }

    /// The records above an id.
    async fn above(&mut self, last: u64) -> Result<Records, CrmError> {
        let page = match self.fetch(self.q_above(last), None).await {
            Err(error) if is_refusal(&error) => None,
            other => Some(other?),
        };
        // Nothing, where the page before said that more follows, is an answer to another question.
        let is_answer = |page: &ReadPage| {
            is_ascending(page.records.ids(), last) && !(page.records.is_empty() && self.more_promised)
        };
        let Some(page) = page.filter(is_answer) else {
            // Refused, or the order or the filter ignored or not understood.
            self.client.learn(&self.object, |habits| habits.no_keyset = true);
            self.turn_to_pages(Some(1));
            return Ok(Records::default());
        };
        let ended = has_ended(page.marks(), count(&page.records), self.size);
        self.more_promised = page.marks().promises_more(count(&page.records));
        let last = page.records.ids().next_back().unwrap_or(last);
        self.state = if ended { State::Finish } else { State::Above(last) };
        self.client.learn(&self.object, |habits| habits.keyset = true);
        let batch = self.take(page.records);
        if !ended {
            self.cut_into_ranges(last, &batch);
        }
        Ok(batch)
    }

    /// The page of that number; without one it is the first.
    async fn page(&mut self, number: Option<u64>, stuck: u32) -> Result<Records, CrmError> {
        let page = match self.fetch(self.q.clone(), number).await {
            Err(error) if number.is_none() && self.sort == Sort::Id && is_refusal(&error) => {
                self.sort = Sort::Nothing;
                return Ok(Records::default());
            }
            other => other?,
        };
        if number.is_none() {
            self.summary.total = page.total.filter(|_| self.above == 0);
            // The same question without the order was answered.
            if self.sort == Sort::Nothing {
                self.client.learn(&self.object, |habits| habits.no_order = true);
            }
        }
        let told = page.total.filter(|_| self.above == 0);
        self.moved |= self.summary.total.zip(told).is_some_and(|(first, now)| first != now);
        let mut news = 0;
        for id in page.records.ids() {
            if self.paged.insert(id) {
                news += 1;
            } else if number.is_some_and(|number| number > 1) {
                // `page=1` repeats the first page wherever counting begins at 1.
                self.summary.repeats += 1;
            }
        }
        let stuck = if news == 0 { stuck + 1 } else { 0 };
        let ended = has_ended(page.marks(), self.paged.len(), self.size);
        self.state = if ended || stuck == STUCK {
            State::Finish
        } else {
            State::Paged { next: Some(number.map_or(1, |number| number + 1)), stuck }
        };
        if stuck == STUCK && !ended {
            self.tell("the CRM gives the same page again and again; reading stopped there".to_owned());
        }
        Ok(self.take(page.records))
    }

    fn turn_to_pages(&mut self, next: Option<u64>) {
        self.summary.mode = ReadMode::ByPage;
        // Pages count all records, not those above an id.
        self.summary.total = self.summary.total.filter(|_| self.above == 0);
        self.abreast = None;
        // Who began above an id has not read the page without a number.
        self.state = State::Paged { next: next.filter(|_| self.above == 0), stuck: 0 };
    }

    async fn fetch(&self, q: Option<String>, page: Option<u64>) -> Result<ReadPage, CrmError> {
        self.client.read_page(&self.object, &self.question(q, page)).await
    }

    fn question(&self, q: Option<String>, page: Option<u64>) -> ListQuery {
        let by_id = || vec![("id".to_owned(), Direction::Ascending)];
        let order = match self.sort {
            Sort::Id => by_id(),
            Sort::Nothing => Order::new(),
            // Records that are alike in what they are sorted by may change places from one page
            // to the next unless the id decides.
            Sort::Asked if self.order.iter().any(|(field, _)| field == "id") => self.order.clone(),
            Sort::Asked => self.order.iter().cloned().chain(by_id()).collect(),
        };
        ListQuery { q, order, limit: self.size, page, lines: self.lines }
    }

    /// `q` with "id greater than `last`" in it; `None` where that cannot be put in.
    fn q_above(&self, last: u64) -> Option<String> {
        q_above(self.q.as_deref(), self.raw, last)
    }

    fn tell(&mut self, notice: String) {
        self.summary.notices.push(Notice(notice));
    }

    /// Drops what was read before.
    fn take(&mut self, mut records: Records) -> Records {
        let above = self.above;
        records.retain(|record| record.id().get() > above && self.seen.insert(record.id().get()));
        records
    }

    /// What passes the caller's part of the filter and the limit.
    fn passed(&mut self, mut batch: Records) -> Records {
        self.summary.read += count(&batch);
        if let Some(residual) = &self.residual {
            batch.retain(|record| matches(residual, record));
        }
        if let Some(left) = &mut self.left {
            batch.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= u64::try_from(batch.len()).unwrap_or(*left);
            if *left == 0 {
                self.state = State::Done;
            }
        }
        self.summary.handed_out += count(&batch);
        if let Some(filter) = &self.filter {
            let unfit = batch.iter().filter(|record| !matches(filter, *record)).count();
            self.summary.unfit += u64::try_from(unfit).unwrap_or(u64::MAX);
        }
        batch
    }
}

/// What a page says about what follows.
#[derive(Clone, Copy)]
struct Marks {
    records: u64,
    total: Option<u64>,
    has_more: Option<bool>,
}

impl Marks {
    /// Whether more follows, by the page's own words; `counted` of its total are here.
    fn promises_more(self, counted: u64) -> bool {
        self.has_more.unwrap_or(self.total.is_some_and(|total| counted < total))
    }
}

/// Whether nothing follows a page. `counted` is how many of its own `total_count` are here: where
/// the total says that more exist than `has_more` admits, one more request decides. `size` is how
/// many records were asked for.
fn has_ended(page: Marks, counted: u64, size: u32) -> bool {
    match (page.has_more, page.total) {
        _ if page.records == 0 => true,
        (Some(true), _) => false,
        (Some(false), total) => total.is_none_or(|total| counted >= total),
        (None, Some(total)) => counted >= total && page.records < u64::from(size),
        (None, None) => false,
    }
}

impl ReadPage {
    fn marks(&self) -> Marks {
        Marks { records: count(&self.records), total: self.total, has_more: self.has_more }
    }
}

fn count(records: &Records) -> u64 {
    u64::try_from(records.len()).unwrap_or(u64::MAX)
}

/// Answers by which a server may say that it does not know an order or a filter.
fn is_refusal(error: &CrmError) -> bool {
    matches!(
        error,
        CrmError::Refused { .. }
            | CrmError::Invalid { .. }
            | CrmError::InvalidRequest { .. }
            | CrmError::ServerError { status: 500, .. }
    )
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
