//! What people are told about the pace: pauses, and how fast requests go where none holds them.

use std::time::Duration;

use tokio::time::Instant;

/// A pause that holds all requests back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// When requests go on.
    pub until: Instant,
    /// Who asked for it.
    pub reason: PauseReason,
}

impl Pause {
    /// How long it still lasts.
    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// Why all requests pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseReason {
    /// The CRM named the time (`Retry-After`).
    RetryAfter,
    /// It answered 429 without a time.
    TooManyRequests,
}

impl PauseReason {
    /// For the screen.
    pub fn word(self) -> &'static str {
        match self {
            Self::RetryAfter => "Retry-After",
            Self::TooManyRequests => "too many requests",
        }
    }
}

/// All pauses so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pauses {
    /// How many there were.
    pub count: u64,
    /// How long they were in all; overlapping ones count once.
    pub total: Duration,
}

/// The pace at which requests go, where nothing pauses them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Most requests in flight that bring more answers.
    pub in_flight: usize,
    /// Most that may be (`--concurrency`).
    pub most: usize,
    /// Requests a second that the CRM takes, where it refused more.
    pub rate: Option<f64>,
}
