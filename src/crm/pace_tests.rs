//! The pace, held against CRMs that refuse what is too fast, get slower the
//! more is in flight, or lose answers. Rates are requests a second.

use std::num::{NonZeroU32, NonZeroUsize};

use super::limited::{Delay, Flood, Limit, LimitedCrm, Met, dice, uneven};

/// The ways in which a limit of so many a second is counted.
fn limits(rate: usize) -> [Limit; 5] {
    let exact = rate as f64;
    [
        Limit::bucket(exact, exact),
        Limit::bucket(exact, 5.0),
        Limit::clock(rate, 1.0, 0.3),
        Limit::clock(rate, 1.0, 0.97),
        Limit::sliding(rate),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_limit_a_second_is_found_within_half_a_minute_however_it_is_counted() {
    for (concurrency, latency) in [(64, 0.005), (8, 0.05)] {
        for names in [None, Some(1)] {
            for limit in limits(100) {
                let what = format!("{limit:?}, {concurrency} in flight, {latency} s, names {names:?}");
                let crm = LimitedCrm::new(limit, Delay::about(latency)).naming(names);
                let flood = crm.flood(concurrency, 120.0).await;
                assert!(flood.rate(30.0, 120.0) >= 95.0, "{what}: {}", flood.rate(30.0, 120.0));
                assert!(flood.refused_share() < 0.01, "{what}: {}", flood.refused_share());
                assert_eq!(flood.failed, 0, "{what}");
                assert!(flood.pauses.total.as_secs() < 16, "{what}: {:?}", flood.pauses);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn any_limit_is_held_at_any_latency_and_concurrency() {
    let mut seed = 1;
    for _ in 0..24 {
        let mut between = |from: f64, to: f64| from * (to / from).powf(dice(&mut seed));
        let (rate, concurrency) = (between(2.0, 300.0) as usize, between(1.0, 65.0) as usize);
        let latency = (concurrency as f64 / between(1.3, 20.0) / rate as f64).clamp(0.002, 0.5);
        let limit = limits(rate)[between(1.0, 6.0) as usize - 1].clone();
        let names = (between(1.0, 4.0) < 2.0).then_some(1);
        let what = format!("{limit:?}, {concurrency} in flight, {latency} s, names {names:?}");
        let crm = LimitedCrm::new(limit, Delay::about(latency)).naming(names);
        let flood = crm.flood(concurrency, 120.0).await;
        // A millisecond is what the timers take; half a request a second is what a single
        // pause costs where there are few.
        let best = (concurrency as f64 / (latency + 0.001)).min(rate as f64);
        let held = flood.rate(60.0, 120.0);
        assert!(held >= 0.95 * best - 0.5, "{what}: {held} of {best}");
        assert!(flood.refused.len() < 70 + flood.taken.len() / 50, "{what}: {}", flood.refused.len());
        assert_eq!(flood.failed, 0, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_changes_is_found_again() {
    for (before, after) in [(50.0, 200.0), (200.0, 50.0)] {
        let crm = LimitedCrm::new(Limit::bucket(before, before), Delay::about(0.02));
        let flood = crm.changing(60.0, Limit::bucket(after, after)).flood(64, 180.0).await;
        assert!(flood.rate(30.0, 60.0) >= 0.95 * before, "{before}: {}", flood.rate(30.0, 60.0));
        assert!(flood.rate(140.0, 180.0) >= 0.95 * after, "{after}: {}", flood.rate(140.0, 180.0));
    }
}

#[tokio::test(start_paused = true)]
async fn the_users_own_rate_is_never_exceeded() {
    let crm = LimitedCrm::new(Limit::clock(100, 1.0, 0.0), Delay::about(0.02));
    let flood = crm
        .flood_from(64, 60.0, |options| {
            options.concurrency = NonZeroUsize::new(32).unwrap();
            options.rate = NonZeroU32::new(80);
        })
        .await;
    assert_eq!((flood.refused.len(), flood.rate(1.0, 60.0).round()), (0, 80.0));
}

#[tokio::test(start_paused = true)]
async fn a_used_up_quota_is_no_speed_and_its_pauses_double() {
    let flood = LimitedCrm::new(Limit::Quota { left: 500 }, Delay::about(0.05)).flood(8, 200.0).await;
    assert_eq!(flood.taken.len(), 500);
    let mut times = flood.refused.clone();
    times.dedup_by(|later, earlier| *later - *earlier < 0.5);
    let waits: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]).round()).collect();
    assert_eq!(waits, [1.0, 30.0, 60.0], "a second's rest, then the long pauses");
    assert_eq!(flood.pauses.count, 3, "{:?}", flood.pauses);
}

#[tokio::test(start_paused = true)]
async fn a_minutes_quota_is_used_up_and_waited_for() {
    let flood = LimitedCrm::new(Limit::clock(600, 60.0, 10.0), Delay::about(0.05)).flood(8, 600.0).await;
    assert!(flood.rate(0.0, 600.0) >= 8.0, "{}", flood.rate(0.0, 600.0));
    assert!(flood.refused_share() < 0.03, "{}", flood.refused_share());
}

#[tokio::test(start_paused = true)]
async fn now_and_then_refused_whatever_the_pace_it_is_not_asked_ever_more_slowly() {
    for (names, seconds, best) in [(Some(1), 300.0, 20.0), (Some(0), 60.0, 780.0), (None, 300.0, 20.0)] {
        let crm = LimitedCrm::new(Limit::None, Delay::about(0.02));
        let flood =
            crm.failing(move |met| (met.dice < 0.05).then_some((429, names))).flood(16, seconds).await;
        assert!(flood.rate(0.0, seconds) >= 0.65 * best, "{names:?}: {}", flood.rate(0.0, seconds));
    }
}

#[tokio::test(start_paused = true)]
async fn rows_do_not_fail_because_a_pace_is_being_learned() {
    let crm = LimitedCrm::new(Limit::bucket(20.0, 3.0), Delay::about(0.01));
    let flood = crm
        .flood_from(128, 120.0, |options| {
            options.concurrency = NonZeroUsize::new(64).unwrap();
            options.retries = 1;
        })
        .await;
    assert!(flood.refused.len() > 60, "{}", flood.refused.len());
    assert_eq!(flood.failed, 0);
}

/// The best that so many in flight bring, of up to `most`.
fn best(most: usize, latency: impl Fn(f64) -> f64) -> f64 {
    (1..=most).map(|n| n as f64 / latency(n as f64)).fold(0.0, f64::max)
}

fn assert_found(what: &str, flood: &Flood, best: f64, seconds: f64) {
    let rate = flood.rate(seconds / 2.0, seconds);
    assert!(rate >= 0.9 * best, "{what}: {rate} of {best}");
    let (fewest, most) = flood.in_flight(seconds / 2.0, seconds);
    assert!(most - fewest <= 6, "{what}: {fewest} to {most} in flight");
}

/// Twice as late above twelve in flight.
fn step(n: f64) -> f64 {
    0.2 * if n > 12.0 { 2.0 } else { 1.0 }
}

/// Twice as late with each twelve more.
fn doubling(n: f64) -> f64 {
    0.2 * ((n - 12.0) / 12.0).max(0.0).exp2()
}

/// Twelve at once, the others wait.
fn queue(n: f64) -> f64 {
    0.2 * (n / 12.0).max(1.0)
}

#[tokio::test(start_paused = true)]
async fn the_number_in_flight_that_brings_most_is_found() {
    for most in [64, 32, 24, 20, 16, 13, 8, 1] {
        // Readers are as many as may be in flight, rows to send are more.
        for tasks in [most, 2 * most] {
            for (name, latency) in [("step", step as fn(f64) -> f64), ("doubling", doubling)] {
                let crm = LimitedCrm::new(
                    Limit::None,
                    Delay::of(move |met| latency(met.inside as f64) * uneven(met)),
                );
                let flood = crm.flood_from(tasks, 60.0, |options| set(options, most)).await;
                assert_found(&format!("{name}, {most}"), &flood, best(most, latency), 60.0);
            }
            let crm = LimitedCrm::new(Limit::None, Delay::queue(|_| 12, 0.2));
            let flood = crm.flood_from(tasks, 60.0, |options| set(options, most)).await;
            assert_found(&format!("queue, {most}"), &flood, best(most, queue), 60.0);
            if most >= 24 {
                let in_flight = flood.in_flight(30.0, 60.0);
                assert!(in_flight.1 <= 20, "more than it works on help nobody: {in_flight:?} of {most}");
            }
        }
    }
}

fn set(options: &mut super::ClientOptions, most: usize) {
    options.concurrency = NonZeroUsize::new(most).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_crm_that_is_as_fast_whatever_is_in_flight_gets_all_that_is_allowed() {
    for most in [32, 8] {
        for seconds in [0.001, 0.01, 0.05, 0.3] {
            let even = LimitedCrm::new(Limit::None, Delay::about(seconds));
            let wild = LimitedCrm::new(
                Limit::None,
                Delay::of(move |met| seconds * -(1.0 - met.dice).max(1e-6).ln()),
            );
            let lossy = LimitedCrm::new(Limit::None, Delay::about(seconds));
            let lossy = lossy.failing(|met| (met.dice < 0.05).then_some((503, None)));
            for (name, crm) in [("even", even), ("wild", wild), ("lossy", lossy)] {
                let flood = crm.flood(most, if seconds < 0.05 { 2.0 } else { 20.0 }).await;
                let mean = mean_in_flight(&flood);
                assert!(mean >= 0.9 * most as f64, "{name}, {seconds} s: {mean} of {most} in flight");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_crm_that_stumbles_whatever_is_in_flight_keeps_nearly_all_that_is_allowed() {
    let stumbles = |at: f64| {
        let mut state = (at / 0.7) as u64 * 7_919;
        dice(&mut state);
        dice(&mut state) < 0.4
    };
    let latency = move |met: Met| 0.05 * uneven(met) * if stumbles(met.at) { 3.0 } else { 1.0 };
    let flood = LimitedCrm::new(Limit::None, Delay::of(latency)).flood(16, 60.0).await;
    let mean = mean_in_flight(&flood);
    assert!(mean >= 0.85 * 16.0, "{mean} in flight on average");
}

fn mean_in_flight(flood: &Flood) -> f64 {
    let sum: usize = flood.paces.iter().map(|(_, pace)| pace.in_flight).sum();
    sum as f64 / flood.paces.len() as f64
}

fn at_noon(at: f64) -> bool {
    (30.0..90.0).contains(&at)
}

#[tokio::test(start_paused = true)]
async fn a_crm_that_is_slow_for_a_minute_is_spared_and_used_again() {
    let at_once = |at| if at_noon(at) { 3 } else { 12 };
    let flood = LimitedCrm::new(Limit::None, Delay::queue(at_once, 0.1)).flood(64, 150.0).await;
    assert!(flood.rate(50.0, 90.0) >= 0.9 * 30.0, "{}", flood.rate(50.0, 90.0));
    assert!(flood.in_flight(60.0, 90.0).1 <= 6, "{:?}", flood.in_flight(60.0, 90.0));
    assert!(flood.rate(105.0, 150.0) >= 0.9 * 120.0, "{}", flood.rate(105.0, 150.0));
}

#[tokio::test(start_paused = true)]
async fn lost_answers_bring_it_down_to_one_and_it_climbs_back_within_seconds() {
    let lost = |share: f64| {
        move |met: super::limited::Met| (at_noon(met.at) && met.dice < share).then_some((503, None))
    };
    for share in [0.6, 1.0] {
        let crm = LimitedCrm::new(Limit::None, Delay::about(0.05)).failing(lost(share));
        let flood = crm.flood(64, 110.0).await;
        assert_eq!(flood.in_flight(60.0, 90.0), (1, 1), "{share}");
        assert_eq!(flood.in_flight(95.0, 110.0), (64, 64), "{share}");
    }
    // They have another cause than the number in flight.
    for share in [0.15, 0.3] {
        let crm = LimitedCrm::new(Limit::None, Delay::about(0.05)).failing(lost(share));
        assert!(mean_in_flight(&crm.flood(64, 45.0).await) > 0.85 * 64.0, "{share}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_crm_that_fails_above_twelve_in_flight_gets_no_more() {
    let crm = LimitedCrm::new(Limit::None, Delay::about(0.05));
    let flood = crm.failing(|met| (met.inside > 12).then_some((503, None))).flood(64, 40.0).await;
    assert_found("503 above 12", &flood, 240.0, 40.0);
    let (fewest, most) = flood.in_flight(20.0, 40.0);
    assert!(fewest >= 11 && most <= 12, "{fewest} to {most}");
}

#[tokio::test(start_paused = true)]
async fn a_crm_that_hangs_for_a_minute_is_used_again_at_once() {
    let crm = LimitedCrm::new(Limit::None, Delay::of(|met| if at_noon(met.at) { 30.0 } else { 0.05 }));
    let flood = crm.failing(|met| at_noon(met.at).then_some((503, None))).flood(64, 110.0).await;
    assert!(flood.rate(100.0, 110.0) >= 0.95 * 64.0 / 0.051, "{}", flood.rate(100.0, 110.0));
}

#[tokio::test(start_paused = true)]
async fn the_pace_and_the_number_in_flight_do_not_hold_each_other_down() {
    // Slow for a minute, or lost: then there is a limit.
    let slow = |at| if at < 60.0 { 2 } else { 1_000 };
    let flood = LimitedCrm::new(Limit::bucket(30.0, 2.0), Delay::queue(slow, 0.2)).flood(8, 420.0).await;
    assert!(flood.rate(300.0, 420.0) >= 0.95 * 30.0, "{}", flood.rate(300.0, 420.0));
    for burst in [3.0, 30.0] {
        let crm = LimitedCrm::new(Limit::None, Delay::about(0.5));
        let crm = crm.failing(|met| at_noon(met.at).then_some((503, None)));
        let flood = crm.changing(90.0, Limit::bucket(100.0, burst)).flood(64, 300.0).await;
        assert!(flood.rate(200.0, 300.0) >= 95.0, "{burst}: {}", flood.rate(200.0, 300.0));
    }
    // The other way round: a limit, and then it is slow.
    let latency = |met: Met| {
        let crowd = (met.inside as f64 / 12.0).max(1.0);
        uneven(met) * if met.at < 60.0 { 0.05 } else { 0.1 * crowd * crowd }
    };
    let flood = LimitedCrm::new(Limit::bucket(300.0, 30.0), Delay::of(latency)).flood(64, 150.0).await;
    assert!(flood.rate(30.0, 60.0) >= 0.95 * 300.0, "{}", flood.rate(30.0, 60.0));
    assert!(flood.rate(100.0, 150.0) >= 0.9 * 120.0, "{}", flood.rate(100.0, 150.0));
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_is_never_reached_changes_nothing() {
    let flood = LimitedCrm::new(Limit::None, Delay::queue(|_| 12, 0.2))
        .flood_from(128, 60.0, |options| {
            set(options, 64);
            options.rate = NonZeroU32::new(5_000);
        })
        .await;
    assert_found("queue of 12 with a rate of 5,000", &flood, 60.0, 60.0);
    assert!(flood.in_flight(30.0, 60.0).1 <= 20, "{:?}", flood.in_flight(30.0, 60.0));
}

#[tokio::test(start_paused = true)]
async fn a_pace_that_no_longer_holds_anyone_back_is_forgotten() {
    let slow = |met: Met| if met.at < 60.0 { 0.05 } else { 5.0 } * (0.5 + met.dice);
    let crm = LimitedCrm::new(Limit::bucket(100.0, 20.0), Delay::of(slow));
    let flood = crm.changing(60.0, Limit::None).flood(64, 300.0).await;
    let rate = |from: f64| flood.paces.iter().find(|(at, _)| *at > from).unwrap().1.rate.is_some();
    assert!(rate(50.0) && !rate(299.0));
}

#[tokio::test(start_paused = true)]
async fn limits_of_a_minute_cost_no_row_and_are_not_told_as_a_speed() {
    for (rate, concurrency) in [(60, 64), (60, 8), (10, 64), (3, 8)] {
        for names in [None, Some(5)] {
            let what = format!("{rate} a minute, {concurrency} in flight, names {names:?}");
            let crm = LimitedCrm::new(Limit::clock(rate, 60.0, 20.0), Delay::about(0.05));
            let flood = crm.naming(names).flood(concurrency, 3_600.0).await;
            assert_eq!(flood.failed, 0, "{what}");
            assert!(flood.taken.len() >= 59 * rate, "{what}: {}", flood.taken.len());
            let told = flood.paces.iter().filter(|(at, pace)| *at > 600.0 && pace.rate.is_some()).count();
            assert!(told < flood.paces.len() / 20, "{what}: told {told} times of {}", flood.paces.len());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_single_429_costs_a_second() {
    for concurrency in [1, 2, 8] {
        let crm = LimitedCrm::new(Limit::None, Delay::about(0.15));
        let crm = crm.failing(|met| (0.5..0.7).contains(&met.at).then_some((429, None)));
        let flood = crm.flood(concurrency, 10.0).await;
        let longest = flood.taken.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
        assert!(longest < 1.5 && flood.pauses.count == 0, "{concurrency}: {longest}");
    }
}
