//! Waits for several answers at once: what they say is stored in one commit,
//! and whoever waits for the disk is woken once for all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// How many tasks have ended, told by the tasks themselves.
#[derive(Debug, Default)]
pub(super) struct Tally {
    ended: AtomicUsize,
    /// So many are waited for.
    wanted: AtomicUsize,
    /// One of them cannot wait.
    urgent: AtomicBool,
    reached: Notify,
}

impl Tally {
    /// Waits until so many tasks in all have ended, or one that cannot wait.
    pub(super) async fn until(&self, wanted: usize) {
        self.wanted.store(wanted, Ordering::SeqCst);
        while self.ended.load(Ordering::SeqCst) < wanted && !self.urgent.swap(false, Ordering::SeqCst) {
            self.reached.notified().await;
        }
    }
}

/// Counts a task when it goes, however it ends.
#[derive(Debug)]
pub(super) struct Counted {
    tally: Arc<Tally>,
    can_wait: bool,
}

impl Counted {
    pub(super) fn new(tally: &Arc<Tally>) -> Self {
        Self { tally: Arc::clone(tally), can_wait: false }
    }

    /// What it brings can wait for others. A fault cannot.
    pub(super) fn can_wait(&mut self) {
        self.can_wait = true;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let tally = &self.tally;
        if !self.can_wait {
            tally.urgent.store(true, Ordering::SeqCst);
        }
        let ended = tally.ended.fetch_add(1, Ordering::SeqCst) + 1;
        if !self.can_wait || ended >= tally.wanted.load(Ordering::SeqCst) {
            tally.reached.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_good_answers_are_waited_for_and_a_bad_one_at_once() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let tally = Arc::new(Tally::default());
            let mut waiting = Box::pin(tally.until(3));
            let is_over = |over: std::task::Poll<()>| over.is_ready();
            let mut look = async || is_over(futures_poll(&mut waiting).await);
            let good = || Counted { tally: Arc::clone(&tally), can_wait: true };
            assert!(!look().await);
            drop((good(), good()));
            assert!(!look().await, "two of three");
            drop(good());
            assert!(look().await, "three of three");
            let mut waiting = Box::pin(tally.until(9));
            let mut look = async || is_over(futures_poll(&mut waiting).await);
            assert!(!look().await);
            drop(Counted::new(&tally));
            assert!(look().await, "a bad one");
        });
    }

    /// Looks once whether a future is done.
    async fn futures_poll<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
        std::future::poll_fn(|context| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context)))
            .await
    }
}
