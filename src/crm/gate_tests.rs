//! The gate by itself, on paused time.

use std::sync::Arc;

use super::*;

impl Gate {
    fn well(&self) {
        self.lock().throttle.well();
    }
}

fn gate(concurrency: usize, rate: Option<u32>, max_calls: Option<u64>) -> Arc<Gate> {
    Arc::new(Gate::new(Limits {
        concurrency: NonZeroUsize::new(concurrency).unwrap(),
        rate: rate.map(|rate| NonZeroU32::new(rate).unwrap()),
        max_calls,
    }))
}

async fn seconds_to_enter(gate: &Gate) -> u64 {
    let before = Instant::now();
    gate.enter(Method::Get, false).await.unwrap();
    before.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn requests_are_paced_evenly_without_a_burst() {
    let gate = gate(8, Some(4), None);
    let before = Instant::now();
    let mut left = Vec::new();
    for _ in 0..5 {
        gate.enter(Method::Get, false).await.unwrap();
        left.push(before.elapsed().as_millis());
    }
    assert_eq!(left, [0, 250, 500, 750, 1000]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let before = Instant::now();
    for _ in 0..3 {
        gate.enter(Method::Get, false).await.unwrap();
    }
    assert_eq!(before.elapsed().as_millis(), 500, "an idle minute must not be made up for");
}

#[tokio::test(start_paused = true)]
async fn no_more_than_the_given_number_are_inside() {
    let gate = gate(2, None, None);
    let first = gate.enter(Method::Get, false).await.unwrap();
    let _second = gate.enter(Method::Get, false).await.unwrap();
    let third = tokio::time::timeout(Duration::from_secs(5), gate.enter(Method::Get, false)).await;
    assert!(third.is_err());
    drop(first);
    gate.enter(Method::Get, false).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_everyone_and_is_counted_once() {
    let gate = gate(8, None, None);
    let sent = Instant::now();
    gate.slow_down(sent, Some(Duration::from_secs(42)));
    gate.slow_down(sent, Some(Duration::from_secs(10)));
    assert_eq!(gate.pause().unwrap().left().as_secs(), 42);
    assert_eq!(gate.pause().unwrap().reason.word(), "Retry-After");
    assert_eq!(seconds_to_enter(&gate).await, 42);
    assert_eq!(gate.pause(), None);
    assert_eq!(gate.pauses(), Pauses { count: 1, total: Duration::from_secs(42) });
}

#[tokio::test(start_paused = true)]
async fn pauses_without_a_time_double_until_it_goes_well_again() {
    let gate = gate(8, None, None);
    for seconds in [30, 60, 120, 240, 480, 900, 900] {
        let sent = Instant::now();
        for _ in 0..8 {
            gate.slow_down(sent, None);
        }
        assert_eq!(seconds_to_enter(&gate).await, seconds);
    }
    gate.well();
    gate.slow_down(Instant::now(), None);
    assert_eq!(seconds_to_enter(&gate).await, 30);
    assert_eq!(gate.pauses().count, 8);
}

#[tokio::test(start_paused = true)]
async fn the_budget_ends_after_as_many_calls_and_counts_by_method() {
    let gate = gate(8, None, Some(3));
    gate.enter(Method::Get, false).await.unwrap();
    gate.enter(Method::Post, false).await.unwrap();
    gate.uncount(Method::Post, false);
    gate.enter(Method::Patch, true).await.unwrap();
    gate.enter(Method::Delete, false).await.unwrap();
    let fourth = gate.enter(Method::Get, false).await.unwrap_err();
    assert_eq!(fourth, CrmError::BudgetSpent { limit: 3 });
    let calls = Calls { total: 3, get: 1, post: 0, patch: 1, delete: 1, retries: 1 };
    assert_eq!(gate.calls(), calls);
}

#[tokio::test(start_paused = true)]
async fn stopping_ends_every_wait_at_once() {
    let gate = gate(1, None, None);
    gate.slow_down(Instant::now(), Some(Duration::from_secs(600)));
    let waiting = tokio::spawn({
        let gate = Arc::clone(&gate);
        async move { gate.enter(Method::Post, false).await.map(|_| ()) }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    gate.stop();
    assert_eq!(waiting.await.unwrap(), Err(CrmError::Cancelled));
    assert!(!gate.back_off(Duration::from_secs(60)).await);
    assert_eq!(gate.calls(), Calls::default());
}
