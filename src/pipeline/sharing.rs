//! A pass over a file that all cores share.
//!
//! The calling thread takes batches off the file in order, hands them out and
//! takes what was made of them, in order again; while there is nothing of
//! that to do it works on a batch like the others. So one core alone gets
//! everything done too, and no more than a few batches are ever in memory.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder};

use super::PipelineError;
use super::again::JobRows;
use crate::tabular::{Batch, BatchReader};

/// Batches on their way for each thread.
const AHEAD: usize = 3;

/// More threads would only wait for the one that reads the file.
const MOST_THREADS: usize = 16;

/// Runs `work` on every batch of a pass, on as many threads as there are
/// cores, and hands each batch with what became of it to `take`, in order and
/// on this thread. `take` may end the pass.
///
/// # Errors
/// What makes the rest of the file unreadable, once the rows before it are
/// taken; an error of `take`.
pub(super) fn share<T: Send>(
    rows: &mut JobRows,
    work: impl Fn(&mut BatchReader, &Batch) -> T + Sync,
    mut take: impl FnMut(&Batch, T) -> Result<ControlFlow<()>, PipelineError>,
) -> Result<(), PipelineError> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let desk = Desk::default();
    let mut own = rows.batch_reader();
    thread::scope(|scope| {
        let _closed = Closing(&desk);
        let mut spares: Vec<Batch> = Vec::new();
        let (mut handed, mut taken, mut end) = (0_u64, 0_u64, None);
        loop {
            while let Some((batch, made)) = desk.result(taken) {
                taken += 1;
                if take(&batch, made)?.is_break() {
                    return Ok(());
                }
                spares.push(batch);
            }
            if end.is_none() && (handed - taken) < (threads * AHEAD) as u64 {
                let mut batch = spares.pop().unwrap_or_default();
                match rows.read_batch(&mut batch) {
                    Ok(true) => {
                        // A small file is done before another thread has begun.
                        if (1..threads as u64).contains(&handed) {
                            let (mut reader, desk, work) = (rows.batch_reader(), &desk, &work);
                            // Where there is none to be had, this thread does it all.
                            let _ =
                                Builder::new().spawn_scoped(scope, move || serve(desk, &mut reader, work));
                        }
                        desk.put(handed, batch);
                        handed += 1;
                    }
                    ended => end = Some(ended.map(|_| ())),
                }
                continue;
            }
            match desk.next() {
                Some((number, batch)) => {
                    let made = work(&mut own, &batch);
                    desk.give(number, batch, made);
                }
                None if taken < handed => desk.wait_for(taken)?,
                None => return end.unwrap_or(Ok(())),
            }
        }
    })
}

/// What a thread does until the desk is closed.
fn serve<T>(desk: &Desk<T>, reader: &mut BatchReader, work: &impl Fn(&mut BatchReader, &Batch) -> T) {
    // Were the work to panic, the others must not wait for its result.
    let _closed = ClosingInPanic(desk);
    while let Some((number, batch)) = desk.wait_for_work() {
        let made = work(reader, &batch);
        desk.give(number, batch, made);
    }
}

/// Where batches lie that are to be worked on, and those that are done.
struct Desk<T> {
    state: Mutex<State<T>>,
    work: Condvar,
    results: Condvar,
}

struct State<T> {
    open: VecDeque<(u64, Batch)>,
    done: BTreeMap<u64, (Batch, T)>,
    is_closed: bool,
}

impl<T> Default for Desk<T> {
    fn default() -> Self {
        let state = State { open: VecDeque::new(), done: BTreeMap::new(), is_closed: false };
        Self { state: Mutex::new(state), work: Condvar::new(), results: Condvar::new() }
    }
}

impl<T> Desk<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, number: u64, batch: Batch) {
        self.lock().open.push_back((number, batch));
        self.work.notify_one();
    }

    fn next(&self) -> Option<(u64, Batch)> {
        self.lock().open.pop_front()
    }

    fn wait_for_work(&self) -> Option<(u64, Batch)> {
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(next) = state.open.pop_front() {
                return Some(next);
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give(&self, number: u64, batch: Batch, made: T) {
        self.lock().done.insert(number, (batch, made));
        self.results.notify_one();
    }

    fn result(&self, number: u64) -> Option<(Batch, T)> {
        self.lock().done.remove(&number)
    }

    fn wait_for(&self, number: u64) -> Result<(), PipelineError> {
        let mut state = self.lock();
        while !state.done.contains_key(&number) {
            if state.is_closed {
                return Err(PipelineError::Fault("a thread of the program ended early".to_owned()));
            }
            state = self.results.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    fn close(&self) {
        self.lock().is_closed = true;
        self.work.notify_all();
        self.results.notify_all();
    }
}

/// Sends the threads home, however the pass ends.
struct Closing<'d, T>(&'d Desk<T>);

impl<T> Drop for Closing<'_, T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The same, where a thread ends as it should not.
struct ClosingInPanic<'d, T>(&'d Desk<T>);

impl<T> Drop for ClosingInPanic<'_, T> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.close();
        }
    }
}
