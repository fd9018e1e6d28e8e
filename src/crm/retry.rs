//! When a request may be sent once more, and after how long.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::errors::{CrmError, LONGEST_PAUSE, NextStep};

/// The first backoff's upper end.
const FIRST: Duration = Duration::from_millis(500);

/// The upper end that backoffs grow to.
const LONGEST: Duration = Duration::from_secs(30);

/// An answer that is not the API's is asked for no more often than this: a web
/// page in the CRM's place does not go away by asking.
const ODD_ANSWERS: u32 = 2;

/// Whether doing a thing twice is the same as doing it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Twice {
    /// Reading, changing to the same values, deleting.
    Harmless,
    /// Creating; appending to a list.
    Harmful,
}

/// Whether a request may be sent again as it is: the one place that decides it.
/// `tries` is how often it was sent so far.
pub(super) fn may_repeat(error: &CrmError, twice: Twice, tries: u32, retries: u32) -> bool {
    let often = match error {
        CrmError::Unexpected { .. } | CrmError::TooLarge { .. } => retries.min(ODD_ANSWERS),
        _ => retries,
    };
    let waitable = wait_asked(error).is_none_or(|wait| wait <= LONGEST_PAUSE);
    let allowed = match error.next_step() {
        NextStep::RetryAsIs => true,
        NextStep::LookUpFirst => twice == Twice::Harmless,
        NextStep::RejectRow | NextStep::StopRun | NextStep::StopBudget | NextStep::LeaveUnprocessed => false,
    };
    allowed && waitable && tries <= often
}

/// The wait that the CRM itself asks for.
pub(super) fn wait_asked(error: &CrmError) -> Option<Duration> {
    match error {
        CrmError::RateLimited { wait, .. } | CrmError::Unavailable { wait, .. } => *wait,
        _ => None,
    }
}

/// Random waits: small numbers that need not be secret, only different from
/// one process and one worker to the next.
#[derive(Debug)]
pub(super) struct Jitter(AtomicU64);

impl Jitter {
    /// Seeded by the system's randomness.
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(RandomState::new().build_hasher().finish()))
    }

    /// The same waits each time.
    #[cfg(test)]
    pub(super) fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Anything from nothing to the upper end, which doubles with each try ("full jitter").
    pub(super) fn backoff(&self, tries: u32) -> Duration {
        let most = FIRST.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(LONGEST);
        let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.next() % (nanos + 1))
    }

    /// One step of a counter whose bits are thoroughly mixed (SplitMix64 by G. Steele and others).
    fn next(&self) -> u64 {
        let step = 0x9E37_79B9_7F4A_7C15_u64;
        let mut z = self.0.fetch_add(step, Ordering::Relaxed).wrapping_add(step);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_create_is_repeated_only_when_it_was_certainly_not_done() {
        let lost = CrmError::ConnectionLost { why: String::new() };
        let unreachable = CrmError::Unreachable { host: String::new(), why: String::new() };
        let limited = CrmError::RateLimited { wait: None, message: None };
        for (error, create, update) in [
            (&lost, false, true),
            (&CrmError::TimedOut { after: Duration::ZERO }, false, true),
            (&CrmError::ServerError { status: 500, message: None }, false, true),
            (&CrmError::Unavailable { status: 503, wait: None, message: None }, false, true),
            (&unreachable, true, true),
            (&limited, true, true),
            (&CrmError::NotFound { message: None, by_api: true }, false, false),
            (&CrmError::TokenRefused { status: 403, message: None }, false, false),
            (&CrmError::QuotaSpent { message: None }, false, false),
            (&CrmError::Cancelled, false, false),
        ] {
            assert_eq!(may_repeat(error, Twice::Harmful, 1, 5), create, "{error}");
            assert_eq!(may_repeat(error, Twice::Harmless, 1, 5), update, "{error}");
        }
    }

    #[test]
    fn tries_are_limited_and_odd_answers_more_so() {
        let lost = CrmError::ConnectionLost { why: String::new() };
        assert!(may_repeat(&lost, Twice::Harmless, 5, 5));
        assert!(!may_repeat(&lost, Twice::Harmless, 6, 5));
        assert!(!may_repeat(&lost, Twice::Harmless, 1, 0));
        let odd = CrmError::Unexpected { status: 200, why: String::new(), excerpt: String::new() };
        assert!(may_repeat(&odd, Twice::Harmless, 2, 5));
        assert!(!may_repeat(&odd, Twice::Harmless, 3, 5));
    }

    #[test]
    fn a_wait_beyond_patience_is_not_waited_for() {
        let away = |seconds| CrmError::Unavailable {
            status: 503,
            wait: Some(Duration::from_secs(seconds)),
            message: None,
        };
        assert!(may_repeat(&away(900), Twice::Harmless, 1, 5));
        assert!(!may_repeat(&away(901), Twice::Harmless, 1, 5));
    }

    #[test]
    fn backoffs_stay_below_their_upper_end_and_differ() {
        let jitter = Jitter(AtomicU64::new(7));
        for (tries, most) in [(1, 500), (2, 1_000), (4, 4_000), (7, 30_000), (60, 30_000)] {
            let waits: Vec<_> = (0..200).map(|_| jitter.backoff(tries).as_millis()).collect();
            assert!(waits.iter().all(|wait| *wait <= most), "{tries}");
            assert!(waits.iter().any(|wait| *wait > most / 2) && waits.iter().any(|wait| *wait < most / 2));
        }
    }
}
