//! The text by which a person asks for faults: `reset-after=5%,slow=2%:3s,seed=7`.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::str::FromStr;
use std::time::Duration;

use super::faults::{Faults, Kind, SLOW, Share, WHOLE};

/// How alike a name must be to be suggested.
const ALIKE: f64 = 0.7;

/// The longest time that can be asked for.
const LONGEST: Duration = Duration::from_secs(86_400);

/// Why a text asks for no faults.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FaultsError(String);

/// The names that take a share of the requests, and what they mean.
const SHARES: [(&str, Kind, &str); 12] = [
    ("refuse", Kind::Refuse, "connection reset as soon as it is made, reads too"),
    ("reset-before", Kind::ResetBefore, "not stored; connection reset"),
    ("reset-after", Kind::ResetAfter, "stored; connection reset"),
    ("slow", Kind::Slow, "stored after TIME, though the client be gone; 40s"),
    ("500-before", Kind::ErrorBefore, "not stored; 500"),
    ("500-after", Kind::ErrorAfter, "stored; 500"),
    ("503", Kind::Unavailable, "not stored; 503, Retry-After if TIME is given"),
    ("429", Kind::TooMany, "not stored; 429, Retry-After if TIME is given"),
    ("truncated", Kind::Truncated, "stored; the answer breaks off"),
    ("wrong", Kind::Wrong, "stored; HTML, no id, or another record type"),
    ("echo", Kind::Echo, "stored; the answer shows another value"),
    ("redirect", Kind::Redirect, "not stored; 302 to another host's sign-in page"),
];

/// Whether a time may stand behind the share.
fn is_timed(kind: Kind) -> bool {
    matches!(kind, Kind::Slow | Kind::Unavailable | Kind::TooMany)
}

/// Whether there is a `NAME-reads`: not for what a read cannot meet, nor for
/// what it meets anyway.
fn can_meet_reads(kind: Kind) -> bool {
    !matches!(kind, Kind::Refuse | Kind::ResetAfter | Kind::ErrorAfter | Kind::Echo)
}

/// The kind that a name asks for, and whether for reads.
fn named(name: &str) -> Option<(Kind, bool)> {
    let kind = |name| SHARES.iter().find(|(known, ..)| *known == name).map(|(_, kind, _)| *kind);
    match name.strip_suffix(READS) {
        Some(short) => kind(short).filter(|kind| can_meet_reads(*kind)).map(|kind| (kind, true)),
        None => kind(name).map(|kind| (kind, false)),
    }
}

/// What makes a name for reads of a name for writes.
const READS: &str = "-reads";

/// The names that take a number or a time, each with its value and its meaning.
const OTHERS: [(&str, &str, &str); 5] = [
    ("redirect", "N", "that, to the Nth request and all later ones"),
    ("token", "N", "403 to the Nth request and all later ones"),
    ("quota", "N", "N requests are served, then the quota is used up"),
    ("lag", "TIME", "new records are not read before they are TIME old"),
    ("seed", "N", "makes the same faults again; random if not given"),
];

/// Every name that can stand before a `=`.
fn names() -> Vec<String> {
    let of_reads = SHARES.iter().filter(|(_, kind, _)| can_meet_reads(*kind));
    let of_reads = of_reads.map(|(name, ..)| format!("{name}{READS}"));
    let others = OTHERS.iter().map(|(name, ..)| *name).filter(|name| *name != "redirect");
    SHARES.iter().map(|(name, ..)| *name).chain(others).map(str::to_owned).chain(of_reads).collect()
}

impl FromStr for Faults {
    type Err = FaultsError;

    fn from_str(spec: &str) -> Result<Self, FaultsError> {
        let (mut faults, mut seen) = (Self { seed: random(), ..Self::default() }, Vec::new());
        for part in spec.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            if faults.read(&name, value)? {
                continue;
            }
            if seen.contains(&name) {
                return Err(FaultsError(format!("{name} is given twice")));
            }
            seen.push(name);
        }
        // The draw of a connection is made before that of its request.
        faults.shares.sort_by_key(|share| share.kind != Kind::Refuse);
        for (is_read, of) in [(false, "writes"), (true, "reads")] {
            let met = faults.shares.iter().filter(|share| share.meets(is_read));
            let sum: u64 = met.map(|share| u64::from(share.millionths)).sum();
            if sum > u64::from(WHOLE) {
                let percent = percent(sum);
                return Err(FaultsError(format!("the shares of {of} add up to {percent}, more than 100%")));
            }
        }
        Ok(faults)
    }
}

impl Faults {
    /// The names and what they mean, for `--help`.
    pub fn explained() -> String {
        let shares = SHARES.iter().map(|(name, kind, meaning)| {
            let value = if is_timed(*kind) { "SHARE[:TIME]" } else { "SHARE" };
            (format!("{name}={value}"), *meaning)
        });
        let others = OTHERS.iter().map(|(name, value, meaning)| (format!("{name}={value}"), *meaning));
        let lines = shares.chain(others).map(|(form, meaning)| format!("  {form:<22}{meaning}"));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Takes one `NAME=VALUE`; the answer says whether it is a share, which may
    /// be given several times, with different times.
    fn read(&mut self, name: &str, value: &str) -> Result<bool, FaultsError> {
        match name {
            "redirect" if !value.contains('%') => self.redirect = Some(number(name, value, 1)?),
            "token" => self.token = Some(number(name, value, 1)?),
            "quota" => self.quota = Some(number(name, value, 0)?),
            "seed" => self.seed = number(name, value, 0)?,
            "lag" => self.lag = time(name, value)?,
            _ => {
                self.shares.push(share(name, value)?);
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// `5%`, or `5%:3s` where the name takes a time.
fn share(name: &str, value: &str) -> Result<Share, FaultsError> {
    let (kind, reads) = named(name).ok_or_else(|| unknown(name))?;
    let (part, after) = match value.split_once(':') {
        Some((part, after)) => (part.trim(), Some(after.trim())),
        None => (value, None),
    };
    let millionths = millionths(part).ok_or_else(|| {
        let example = if is_timed(kind) { format!("{name}=5%:3s") } else { format!("{name}=5%") };
        FaultsError(format!("{name}: {part:?} is not a share from 0% to 100%; for example {example}"))
    })?;
    let time = match after {
        None => (kind == Kind::Slow).then_some(SLOW),
        Some(_) if !is_timed(kind) => return Err(FaultsError(format!("{name} takes a share and no time"))),
        Some(after) => Some(time(name, after)?),
    };
    let whole = time.is_none_or(|time| time.subsec_nanos() == 0);
    if !whole && kind != Kind::Slow {
        return Err(FaultsError(format!("{name}: Retry-After counts whole seconds")));
    }
    Ok(Share { kind, reads, millionths, time })
}

fn unknown(name: &str) -> FaultsError {
    let names = names();
    let likeness = |known: &String| {
        let swapped_letters_allowed = strsim::normalized_damerau_levenshtein(name, known);
        swapped_letters_allowed.max(strsim::jaro_winkler(name, known) - 0.1)
    };
    let alike = names.iter().map(|known| (likeness(known), known)).filter(|(score, _)| *score >= ALIKE);
    let nearest = alike.max_by(|a, b| a.0.total_cmp(&b.0));
    let nearest = nearest.map(|(_, known)| format!("; nearest: {known}")).unwrap_or_default();
    FaultsError(format!("no fault is called {name:?}{nearest}; there are {}", names.join(", ")))
}

/// `0.5%` is 5,000 millionths.
fn millionths(text: &str) -> Option<u32> {
    let percent: f64 = plain(text.strip_suffix('%')?.trim_end())?;
    // At most 100 by now, so nothing is lost.
    (percent <= 100.0).then(|| (percent * f64::from(WHOLE) / 100.0).round() as u32)
}

/// `3s`, `500ms`, `2m`, or `3` for seconds.
fn time(name: &str, text: &str) -> Result<Duration, FaultsError> {
    let wrong =
        || FaultsError(format!("{name}: {text:?} is not a time up to a day; for example 3s or 500ms"));
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("", 1.0)];
    let (digits, unit) =
        units.iter().find_map(|(word, unit)| Some((text.strip_suffix(word)?, unit))).ok_or_else(wrong)?;
    let seconds = plain(digits.trim_end()).ok_or_else(wrong)? * unit;
    if seconds > LONGEST.as_secs_f64() {
        return Err(wrong());
    }
    Ok(Duration::from_millis((seconds * 1_000.0).round() as u64))
}

/// Digits, with a decimal point if need be, and nothing else that `f64` would read.
fn plain(text: &str) -> Option<f64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    digits.then(|| text.parse().ok()).flatten()
}

fn number(name: &str, text: &str, least: u64) -> Result<u64, FaultsError> {
    let wrong = || FaultsError(format!("{name}: {text:?} is not a whole number; for example {name}=300"));
    text.parse().ok().filter(|number| *number >= least).ok_or_else(wrong)
}

/// Short enough to be typed again.
fn random() -> u64 {
    RandomState::new().build_hasher().finish() % 1_000_000
}

fn percent(millionths: u64) -> String {
    let (whole, rest) = (millionths / 10_000, millionths % 10_000);
    let text = format!("{whole}.{rest:04}");
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

fn written(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{}s", time.as_secs()),
        _ => format!("{}ms", time.as_millis()),
    }
}

/// The text that asks for the same faults again, its seed included.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for share in &self.shares {
            let name = SHARES.iter().find(|(_, kind, _)| *kind == share.kind).map_or("", |(name, ..)| name);
            let reads = if share.reads { READS } else { "" };
            write!(f, "{name}{reads}={}", percent(share.millionths.into()))?;
            if let Some(time) = share.time {
                write!(f, ":{}", written(time))?;
            }
            f.write_str(",")?;
        }
        let numbers = [("redirect", self.redirect), ("token", self.token), ("quota", self.quota)];
        for (name, number) in numbers {
            if let Some(number) = number {
                write!(f, "{name}={number},")?;
            }
        }
        if !self.lag.is_zero() {
            write!(f, "lag={},", written(self.lag))?;
        }
        write!(f, "seed={}", self.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(spec: &str) -> String {
        spec.parse::<Faults>().unwrap_err().to_string()
    }

    #[test]
    fn every_name_is_read_and_written_again() {
        let spec = "refuse=1%,reset-before=2%,reset-after=2.5%,slow=2%:3s,500-before=5%,500-after=0.0001%,\
                    503=1%:2s,429=1%,429=1%:2s,truncated=3%,wrong=4%,echo=5%,redirect=6%,reset-before-reads=1%,\
                    slow-reads=1%:1500ms,500-before-reads=2%,503-reads=3%,429-reads=4%:0s,truncated-reads=5%,\
                    wrong-reads=6%,redirect-reads=7%,redirect=900,token=300,quota=500,lag=2s,seed=7";
        let faults: Faults = spec.parse().unwrap();
        assert_eq!(faults.to_string(), spec);
        let named = names();
        assert!(named.iter().all(|name| spec.contains(&format!("{name}="))), "{named:?}");
        assert_eq!(faults.to_string().parse::<Faults>().unwrap(), faults);
    }

    #[test]
    fn what_a_person_types_is_taken() {
        let faults: Faults = " Slow = 2.50 % : 3 , lag=2m,seed=1,".parse().unwrap();
        assert_eq!(faults.to_string(), "slow=2.5%:3s,lag=120s,seed=1");
        assert_eq!("slow=1%,seed=1".parse::<Faults>().unwrap().to_string(), "slow=1%:40s,seed=1");
        assert!("".parse::<Faults>().unwrap().is_empty());
        assert!("seed=3".parse::<Faults>().unwrap().is_empty());
        assert!(!"token=3".parse::<Faults>().unwrap().is_empty());
        let seeds = || "echo=1%".parse::<Faults>().unwrap().seed;
        assert!((0..20).any(|_| seeds() != seeds()));
    }

    #[test]
    fn a_name_that_is_not_there_is_told_with_the_nearest_and_all() {
        let words = fault("reset-aftr=5%");
        assert!(
            words.starts_with("no fault is called \"reset-aftr\"; nearest: reset-after; there are refuse, ")
        );
        assert!(names().iter().all(|name| words.contains(name.as_str())), "{words}");
        assert!(fault("504=1%").contains("nearest: 50"));
        assert!(!fault("banana=1%").contains("nearest"));
        // What has no other form for reads.
        assert!(fault("echo-reads=1%").starts_with("no fault is called \"echo-reads\""));
    }

    #[test]
    fn shares_that_make_no_sense_are_refused() {
        for bad in ["5", "", "101%", "-1%", "five%", "1e1%", "NaN%", "%", "1.2.3%"] {
            let words = fault(&format!("echo={bad}"));
            assert!(words.contains("is not a share from 0% to 100%; for example echo=5%"), "{words}");
        }
        assert_eq!(fault("echo=5%:3s"), "echo takes a share and no time");
        assert_eq!(fault("429=5%:0.5s"), "429: Retry-After counts whole seconds");
        for bad in ["slow=5%:soon", "slow=5%:", "slow=5%:2d", "lag=-1s", "lag=25000m", "lag=.s"] {
            assert!(fault(bad).contains("is not a time up to a day"), "{bad}");
        }
        for bad in ["token=0", "token=", "quota=-1", "quota=many", "seed=x", "redirect=0", "redirect"] {
            assert!(fault(bad).contains("is not a whole number"), "{bad}");
        }
        assert_eq!(fault("token=1,token=2"), "token is given twice");
    }

    #[test]
    fn shares_add_up_to_a_hundred_at_most() {
        assert!("echo=50%,wrong=50%,503-reads=100%".parse::<Faults>().is_ok());
        assert_eq!(fault("echo=50%,wrong=50.5%"), "the shares of writes add up to 100.5%, more than 100%");
        assert_eq!(fault("refuse=50%,503-reads=51%"), "the shares of reads add up to 101%, more than 100%");
    }

    #[test]
    fn the_help_and_the_reference_explain_every_name() {
        let reference = include_str!("../../docs/reference.md");
        assert!(names().iter().all(|name| reference.contains(&format!("`{name}`"))));
        let help = Faults::explained();
        let told: Vec<&str> = help.lines().filter_map(|line| line.trim().split('=').next()).collect();
        let of_reads = |name: &String| name.ends_with(READS);
        assert!(names().iter().all(|name| of_reads(name) || told.contains(&name.as_str())), "{told:?}");
        assert!(help.lines().all(|line| line.len() <= 90));
    }
}
