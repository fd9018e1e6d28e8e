//! A pass over the data rows of a workbook's sheet.
//!
//! The workbook library's reader borrows from the open workbook, so both
//! live on a thread of their own. It hands over rows in batches whose memory
//! goes to and fro: nothing is allocated a row, and unpacking runs beside
//! what is done with the rows.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use super::book::SheetCell;
use super::cells;
use super::error::InputProblem;
use super::sheet_head::{filled, push_from};
use super::workbook::{SheetSource, contained, unreadable};
use crate::model::{Cell, Row, RowFault};

const BATCH: usize = 128;

/// Rows on their way; only the first `used` count.
#[derive(Default)]
struct Batch {
    rows: Vec<Row>,
    used: usize,
}

enum Message {
    Rows(Batch),
    End(Result<(), InputProblem>),
}

/// Reads rows of a sheet.
pub(super) struct SheetRows {
    messages: Option<Receiver<Message>>,
    empties: Sender<Batch>,
    current: Batch,
    next: usize,
    position: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl SheetRows {
    pub(super) fn start(path: &Path, source: &SheetSource) -> Result<Self, InputProblem> {
        let (to_us, messages) = sync_channel(2);
        let (empties, from_us) = channel();
        let position = Arc::new(AtomicU64::new(0));
        let size = std::fs::metadata(path)?.len();
        let pass = Pass {
            path: path.to_owned(),
            source: source.clone(),
            to_us,
            from_us,
            position: Arc::clone(&position),
            size,
            batch: Batch::default(),
            scratch: String::new(),
        };
        let thread = std::thread::Builder::new().name("sheet".to_owned()).spawn(move || pass.run())?;
        Ok(Self {
            messages: Some(messages),
            empties,
            current: Batch::default(),
            next: 0,
            position,
            thread: Some(thread),
        })
    }

    /// About how many bytes of the file are done, by the rows done.
    pub(super) fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    /// Fills the next filled row; false at the end.
    pub(super) fn read(&mut self, row: &mut Row) -> Result<bool, InputProblem> {
        loop {
            if self.next < self.current.used
                && let Some(ready) = self.current.rows.get_mut(self.next)
            {
                std::mem::swap(row, ready);
                self.next += 1;
                return Ok(true);
            }
            let Some(messages) = &self.messages else { return Ok(false) };
            match messages.recv() {
                Ok(Message::Rows(batch)) => {
                    let empty = std::mem::replace(&mut self.current, batch);
                    self.next = 0;
                    // After the last row the other side no longer wants it.
                    let _ = self.empties.send(empty);
                }
                Ok(Message::End(result)) => {
                    self.messages = None;
                    return result.map(|()| false);
                }
                Err(_) => {
                    self.messages = None;
                    return Err(unreadable());
                }
            }
        }
    }
}

impl Drop for SheetRows {
    fn drop(&mut self) {
        // Without a receiver the thread stops at its next batch.
        self.messages = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's side.
struct Pass {
    path: PathBuf,
    source: SheetSource,
    to_us: SyncSender<Message>,
    from_us: Receiver<Batch>,
    position: Arc<AtomicU64>,
    size: u64,
    batch: Batch,
    scratch: String,
}

impl Pass {
    fn run(mut self) {
        let result = contained(|| self.read_all());
        let _ = self.to_us.send(Message::End(result));
    }

    fn read_all(&mut self) -> Result<(), InputProblem> {
        let Some(header_row) = self.source.header_row else { return Ok(()) };
        let sheet = self.source.sheet.clone();
        let mut book = self.source.take_book(&self.path)?;
        let (view, facts) = (Arc::clone(&self.source.view), Arc::clone(&self.source.facts));
        book.walk(&sheet, &view, &facts, |number, last, cells| {
            if number <= header_row {
                return Ok(ControlFlow::Continue(()));
            }
            let done = u128::from(self.size) * u128::from(number) / u128::from(last.max(number));
            self.position.store(u64::try_from(done).unwrap_or(self.size), Ordering::Relaxed);
            Ok(self.take(number, cells))
        })?;
        self.source.give_back(book);
        if self.batch.used > 0 {
            let batch = std::mem::take(&mut self.batch);
            let _ = self.to_us.send(Message::Rows(batch));
        }
        Ok(())
    }

    fn take(&mut self, number: u32, cells: &[SheetCell<'_>]) -> ControlFlow<()> {
        let (left, right) = filled(cells, self.source.first);
        if left.is_empty() && right.is_empty() {
            return ControlFlow::Continue(());
        }
        if self.batch.used == self.batch.rows.len() {
            self.batch.rows.push(Row::default());
        }
        let Some(row) = self.batch.rows.get_mut(self.batch.used) else { return ControlFlow::Break(()) };
        row.reset(u64::from(number), u64::from(number));
        fill(row, left, right, &self.source, &mut self.scratch);
        self.batch.used += 1;
        if self.batch.used < BATCH {
            return ControlFlow::Continue(());
        }
        let mut empty = self.from_us.try_recv().unwrap_or_default();
        empty.used = 0;
        let full = std::mem::replace(&mut self.batch, empty);
        match self.to_us.send(Message::Rows(full)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

/// Fills a row. A cell outside the header's columns is never dropped: those
/// to the left follow behind the last one.
fn fill(
    row: &mut Row,
    left: &[SheetCell<'_>],
    right: &[SheetCell<'_>],
    source: &SheetSource,
    scratch: &mut String,
) {
    push_from(row, source.first, right, &source.view.skip_columns, source.is_1904, scratch);
    if !left.is_empty() {
        while row.len() < source.columns {
            row.push(Cell::Blank);
        }
        for cell in left {
            cells::push(row, cell, source.is_1904, scratch);
        }
    }
    if row.len() > source.columns {
        row.fault = Some(RowFault::TooManyCells { found: row.len(), wanted: source.columns });
    }
}
