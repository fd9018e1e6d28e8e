//! What goes wrong on demand, how often, and which request it meets.
//!
//! Whether a request is met depends on the seed and on the request's number
//! alone, so that a rehearsal can be repeated.

use std::time::Duration;

/// A whole, in the unit that shares are counted in.
pub(super) const WHOLE: u32 = 1_000_000;

/// How long a slow commit takes, unless told: longer than Carafe's `--timeout`
/// and shorter than its time to settle.
pub(super) const SLOW: Duration = Duration::from_secs(40);

/// What goes wrong on demand; nothing by default. Read from a text such as
/// `reset-after=5%,slow=2%:3s,seed=7`, and written as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// In the order in which they are held against a draw; refusals come first.
    pub(super) shares: Vec<Share>,
    /// So many requests are answered, then the quota is used up.
    pub(super) quota: Option<u64>,
    /// From this request on, the token is refused.
    pub(super) token: Option<u64>,
    /// From this request on, everything leads to a login page.
    pub(super) redirect: Option<u64>,
    /// Records are not read before they are this old.
    pub(super) lag: Duration,
    /// What the draws begin with.
    pub(super) seed: u64,
}

/// How often a fault meets requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub kind: Kind,
    /// It meets reads in place of writes.
    pub reads: bool,
    pub millionths: u32,
    pub time: Option<Duration>,
}

/// What can meet a single request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The connection is reset as soon as it is made.
    Refuse,
    /// Nothing is stored, and the connection is reset.
    ResetBefore,
    /// Stored, and the connection is reset.
    ResetAfter,
    /// Stored after a while, whether or not the client still waits.
    Slow,
    /// Nothing is stored; 500.
    ErrorBefore,
    /// Stored; 500 all the same.
    ErrorAfter,
    /// Nothing is stored; 503.
    Unavailable,
    /// Nothing is stored; 429.
    TooMany,
    /// Stored; the answer's body ends in its middle.
    Truncated,
    /// Stored; the answer has a good status and is not the API's.
    Wrong,
    /// Stored; the answer's record has another value than was sent.
    Echo,
    /// Nothing is stored; 302 to a login page.
    Redirect,
}

impl Kind {
    /// Whether what was asked for is done all the same.
    pub fn commits(self) -> bool {
        match self {
            Self::ResetAfter | Self::Slow | Self::ErrorAfter | Self::Truncated | Self::Wrong | Self::Echo => {
                true
            }
            Self::Refuse
            | Self::ResetBefore
            | Self::ErrorBefore
            | Self::Unavailable
            | Self::TooMany
            | Self::Redirect => false,
        }
    }
}

/// The fault that meets a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What happens.
    pub kind: Kind,
    /// The time given with it.
    pub time: Option<Duration>,
    /// Chooses among the forms that the fault can take.
    pub variant: u64,
}

/// What every request meets from some number on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The token has expired.
    TokenExpired,
    /// Everything leads to a login page.
    Redirected,
    /// The quota is used up.
    QuotaSpent,
}

impl Faults {
    /// Whether nothing ever goes wrong.
    pub fn is_empty(&self) -> bool {
        Self { seed: 0, ..self.clone() } == Self::default()
    }

    /// Whether connections are refused: the fault of a request is then drawn
    /// before there is one, so each connection carries only one.
    pub fn refuse(&self) -> bool {
        self.shares.first().is_some_and(|share| share.kind == Kind::Refuse)
    }

    /// Whether this connection is refused; connections count from 1.
    pub fn refuses(&self, connection: u64) -> bool {
        self.refuse() && self.draw(connection, false).is_some_and(|fault| fault.kind == Kind::Refuse)
    }

    /// What meets this request; requests count from 1.
    pub fn draw(&self, number: u64, is_read: bool) -> Option<Fault> {
        if self.shares.is_empty() {
            return None;
        }
        let drawn = mixed(self.seed, number);
        let (variant, mut point) = (drawn / u64::from(WHOLE), drawn % u64::from(WHOLE));
        for share in self.shares.iter().filter(|share| share.meets(is_read)) {
            let width = u64::from(share.millionths);
            if point < width {
                return Some(Fault { kind: share.kind, time: share.time, variant });
            }
            point -= width;
        }
        None
    }

    /// What meets this request and all that follow it; only requests with a
    /// valid token count, from 1.
    pub fn standing(&self, number: u64) -> Option<Standing> {
        let begun = |from: Option<u64>| from.is_some_and(|from| number >= from);
        if begun(self.token) {
            Some(Standing::TokenExpired)
        } else if begun(self.redirect) {
            Some(Standing::Redirected)
        } else if self.quota.is_some_and(|quota| number > quota) {
            Some(Standing::QuotaSpent)
        } else {
            None
        }
    }
}

impl Share {
    /// A connection is refused before it is known what it was made for.
    pub fn meets(&self, is_read: bool) -> bool {
        self.kind == Kind::Refuse || self.reads == is_read
    }
}

/// The numbers' bits, thoroughly mixed: one step of `SplitMix64` by G. Steele
/// and others, at any place of its sequence.
fn mixed(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(spec: &str) -> Faults {
        spec.parse().unwrap()
    }

    fn draws(spec: &str, is_read: bool) -> Vec<Option<Kind>> {
        let faults = faults(spec);
        (1..=20_000).map(|number| faults.draw(number, is_read).map(|fault| fault.kind)).collect()
    }

    #[test]
    fn the_same_seed_draws_the_same_and_another_does_not() {
        let spec = "reset-after=5%,500-before=5%,slow=2%:3s,429=1%:2s";
        assert_eq!(draws(&format!("{spec},seed=7"), false), draws(&format!("{spec},seed=7"), false));
        assert_ne!(draws(&format!("{spec},seed=7"), false), draws(&format!("{spec},seed=8"), false));
    }

    #[test]
    fn shares_are_kept_and_reads_have_their_own() {
        let spec = "reset-after=5%,429=0.5%,503-reads=20%,seed=7";
        let count = |is_read, kind| draws(spec, is_read).into_iter().filter(|k| *k == Some(kind)).count();
        assert!((900..1_100).contains(&count(false, Kind::ResetAfter)));
        assert!((70..130).contains(&count(false, Kind::TooMany)));
        assert!((3_800..4_200).contains(&count(true, Kind::Unavailable)));
        assert_eq!(count(true, Kind::ResetAfter) + count(false, Kind::Unavailable), 0);
        assert!(draws("echo=100%", false).into_iter().all(|kind| kind == Some(Kind::Echo)));
        assert!(draws("echo=0%", false).into_iter().all(|kind| kind.is_none()));
    }

    #[test]
    fn a_connection_is_refused_whatever_it_was_made_for() {
        let faults = faults("wrong=50%,refuse=25%,seed=7");
        let refused = (1..=1_000).filter(|&n| faults.refuses(n)).count();
        assert!((200..300).contains(&refused), "{refused}");
        for number in 1..=1_000 {
            for is_read in [true, false] {
                let drawn = faults.draw(number, is_read).map(|fault| fault.kind);
                assert_eq!(drawn == Some(Kind::Refuse), faults.refuses(number));
            }
        }
    }

    #[test]
    fn what_stands_begins_with_its_request() {
        let standing = |spec: &str, number| faults(spec).standing(number);
        assert_eq!(standing("quota=2", 2), None);
        assert_eq!(standing("quota=2", 3), Some(Standing::QuotaSpent));
        assert_eq!(standing("token=3", 2), None);
        assert_eq!(standing("token=3,quota=1", 3), Some(Standing::TokenExpired));
        assert_eq!(standing("redirect=3,quota=1", 4), Some(Standing::Redirected));
    }
}
