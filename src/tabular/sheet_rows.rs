//! A pass over the data rows of a workbook's sheet.
//!
//! The workbook library's reader borrows from the open workbook, so both
//! live on a thread of their own, which does nothing but read. A second one
//! makes rows of the cells. They hand over batches whose memory goes to and
//! fro: nothing is allocated a row, and unpacking runs beside what is done
//! with the rows.

use std::mem;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use calamine::DataRef;

use super::book::SheetCell;
use super::cells;
use super::error::InputProblem;
use super::sheet_head::{filled, push_from};
use super::workbook::{SheetSource, contained, unreadable};
use crate::model::{Cell, Row, RowFault};

/// Rows, cells and bytes of texts of their own that a batch takes at most.
const MOST_ROWS: usize = 128;
const MOST_CELLS: usize = 8192;
const MOST_BYTES: usize = 256 * 1024;

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
        let rows = Making { source: source.clone(), to_us, from_us, scratch: String::new() };
        let pass = Pass { path: path.to_owned(), position: Arc::clone(&position), size };
        let thread = thread::Builder::new().name("sheet".to_owned()).spawn(move || pass.run(rows))?;
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

/// The side of the thread that reads.
struct Pass {
    path: PathBuf,
    position: Arc<AtomicU64>,
    size: u64,
}

/// Cells that are to become rows.
#[derive(Default)]
struct Cells<'a> {
    cells: Vec<SheetCell<'a>>,
    /// A row's number, and where its cells end.
    rows: Vec<(u32, usize)>,
    /// What its texts take that are not shared.
    bytes: usize,
}

impl<'a> Cells<'a> {
    fn add(&mut self, number: u32, cells: &mut Vec<SheetCell<'a>>) {
        let own = cells.iter().map(|cell| match &cell.value {
            DataRef::String(text) => text.len(),
            _ => 0,
        });
        self.bytes += own.sum::<usize>();
        self.cells.append(cells);
        self.rows.push((number, self.cells.len()));
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= MOST_ROWS || self.cells.len() >= MOST_CELLS || self.bytes >= MOST_BYTES
    }

    fn clear(&mut self) {
        self.cells.clear();
        self.rows.clear();
        self.bytes = 0;
    }
}

impl Pass {
    fn run(self, rows: Making) {
        let to_us = rows.to_us.clone();
        let result = contained(|| self.read_all(rows));
        let _ = to_us.send(Message::End(result));
    }

    fn read_all(&self, rows: Making) -> Result<(), InputProblem> {
        let source = rows.source.clone();
        let Some(header_row) = source.header_row else { return Ok(()) };
        let mut book = source.take_book(&self.path)?;
        let lent = &mut book;
        thread::scope(|scope| {
            let (to_maker, full) = sync_channel(2);
            let (spent, from_maker) = channel();
            thread::Builder::new()
                .name("rows".to_owned())
                .spawn_scoped(scope, move || rows.make_all(&full, &spent))?;
            let mut batch = Cells::default();
            let walked = lent.walk(&source.sheet, &source.view, &source.facts, |number, last, cells| {
                if number <= header_row {
                    return Ok(ControlFlow::Continue(()));
                }
                batch.add(number, cells);
                if !batch.is_full() {
                    return Ok(ControlFlow::Continue(()));
                }
                self.reached(number, last);
                let full = mem::replace(&mut batch, from_maker.try_recv().unwrap_or_default());
                // Without a receiver nobody wants the rest.
                Ok(to_maker.send(full).map_or(ControlFlow::Break(()), ControlFlow::Continue))
            });
            // What stands before a fault is given out as well.
            let _ = to_maker.send(batch);
            walked
        })?;
        source.give_back(book);
        Ok(())
    }

    fn reached(&self, number: u32, last: u32) {
        let done = u128::from(self.size) * u128::from(number) / u128::from(last.max(number));
        self.position.store(u64::try_from(done).unwrap_or(self.size), Ordering::Relaxed);
    }
}

/// The side of the thread that makes rows.
struct Making {
    source: SheetSource,
    to_us: SyncSender<Message>,
    from_us: Receiver<Batch>,
    scratch: String,
}

impl Making {
    fn make_all<'a>(mut self, full: &Receiver<Cells<'a>>, spent: &Sender<Cells<'a>>) {
        while let Ok(mut cells) = full.recv() {
            let mut batch = self.from_us.try_recv().unwrap_or_default();
            batch.used = 0;
            self.make(&cells, &mut batch);
            cells.clear();
            // After the last row the other side no longer wants it.
            let _ = spent.send(cells);
            if batch.used > 0 && self.to_us.send(Message::Rows(batch)).is_err() {
                return;
            }
        }
    }

    fn make(&mut self, cells: &Cells<'_>, batch: &mut Batch) {
        let mut start = 0;
        for &(number, end) in &cells.rows {
            let of_row = cells.cells.get(start..end).unwrap_or_default();
            start = end;
            let (left, right) = filled(of_row, self.source.first);
            if left.is_empty() && right.is_empty() {
                continue;
            }
            if batch.used == batch.rows.len() {
                batch.rows.push(Row::default());
            }
            let Some(row) = batch.rows.get_mut(batch.used) else { return };
            row.reset(u64::from(number), u64::from(number));
            fill(row, left, right, &self.source, &mut self.scratch);
            batch.used += 1;
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
