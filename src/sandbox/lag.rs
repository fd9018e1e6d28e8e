//! Records that are too new to be read, as where reads are answered by a copy
//! of the database that is behind.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Which records are new.
#[derive(Debug)]
pub struct Lag {
    lag: Duration,
    /// Each object's newest records, in the order in which they were made.
    made: HashMap<String, VecDeque<(Instant, i64)>>,
}

impl Lag {
    /// Records are not read before they are this old.
    pub fn new(lag: Duration) -> Self {
        Self { lag, made: HashMap::new() }
    }

    /// A record has been made.
    pub fn note(&mut self, object: &str, id: i64) {
        if self.lag.is_zero() {
            return;
        }
        let made = self.made.entry(object.to_owned()).or_default();
        while made.front().is_some_and(|(at, _)| at.elapsed() >= self.lag) {
            made.pop_front();
        }
        made.push_back((Instant::now(), id));
    }

    /// The first record that cannot be read yet; nor can those behind it, as
    /// ids grow.
    pub fn first_hidden(&self, object: &str) -> Option<i64> {
        let made = self.made.get(object)?;
        let old = made.partition_point(|(at, _)| at.elapsed() >= self.lag);
        made.get(old).map(|(_, id)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_hidden_while_they_are_new() {
        let mut lag = Lag::new(Duration::from_millis(500));
        lag.note("accounts", 7);
        lag.note("accounts", 8);
        assert_eq!((lag.first_hidden("accounts"), lag.first_hidden("contacts")), (Some(7), None));
        std::thread::sleep(Duration::from_millis(510));
        assert_eq!(lag.first_hidden("accounts"), None);
        lag.note("accounts", 9);
        assert_eq!(lag.first_hidden("accounts"), Some(9));
        assert_eq!(lag.made["accounts"].len(), 1);
    }

    #[test]
    fn without_a_lag_nothing_is_kept() {
        let mut lag = Lag::new(Duration::ZERO);
        lag.note("accounts", 7);
        assert!(lag.made.is_empty() && lag.first_hidden("accounts").is_none());
    }
}
