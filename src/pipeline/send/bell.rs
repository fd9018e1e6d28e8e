//! Wakes the coordinator once for many answers: waking it for each one costs
//! more than the answer, and a commit of its own costs more still.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

/// Counts the tasks that are done, and rings when they are enough.
#[derive(Debug, Default)]
pub(super) struct Bell {
    done: AtomicU64,
    /// It rings from so many on.
    enough: AtomicU64,
    /// One of them is not to be kept waiting.
    urgent: AtomicBool,
    ring: Notify,
}

impl Bell {
    /// Waits until so many tasks are done, since the first one ever, or one
    /// that is urgent.
    pub(super) async fn rung(&self, enough: u64) {
        self.enough.store(enough, Ordering::SeqCst);
        while self.done.load(Ordering::SeqCst) < enough && !self.urgent.swap(false, Ordering::SeqCst) {
            self.ring.notified().await;
        }
    }

    /// Counts a task once the answer of this is dropped, however that comes.
    pub(super) fn task(self: Arc<Self>) -> Task {
        Task { bell: self, is_urgent: true }
    }
}

/// A task that is not done yet.
#[derive(Debug)]
pub(super) struct Task {
    bell: Arc<Bell>,
    is_urgent: bool,
}

impl Task {
    /// It went as expected, so it can wait for others.
    pub(super) fn can_wait(mut self) {
        self.is_urgent = false;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let Bell { done, enough, urgent, ring } = &*self.bell;
        if self.is_urgent {
            urgent.store(true, Ordering::SeqCst);
        }
        let done = done.fetch_add(1, Ordering::SeqCst) + 1;
        if self.is_urgent || done >= enough.load(Ordering::SeqCst) {
            ring.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context, Waker};

    use super::*;

    /// Whether it rings by now.
    fn rings(bell: &Bell, enough: u64) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        std::pin::pin!(bell.rung(enough)).as_mut().poll(&mut context).is_ready()
    }

    #[test]
    fn it_rings_when_enough_are_done_and_at_once_for_one_that_is_urgent() {
        let bell = Arc::new(Bell::default());
        let task = || Arc::clone(&bell).task();
        task().can_wait();
        assert!(!rings(&bell, 2));
        task().can_wait();
        assert!(rings(&bell, 2));
        assert!(!rings(&bell, 4));
        // As if it had panicked.
        drop(task());
        assert!(rings(&bell, 4), "it was in the middle of something");
        assert!(!rings(&bell, 4), "which is told once");
    }
}
