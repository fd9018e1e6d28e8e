//! Running a command and measuring it from the outside: program and reference
//! alike are processes of their own, so time, processor and memory compare.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What one run took.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Seconds from start to exit.
    pub wall: f64,
    /// Seconds of processor, user and system.
    pub cpu: f64,
    /// Most resident memory in MiB, as often as one can look (every 5 ms).
    pub peak: f64,
    /// What it printed.
    pub out: String,
}

impl Run {
    /// A number in the JSON that it printed, by path.
    pub fn number(&self, path: &str) -> f64 {
        let json: serde_json::Value = serde_json::from_str(&self.out).unwrap_or_default();
        json.pointer(path).and_then(serde_json::Value::as_f64).unwrap_or(f64::NAN)
    }
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Run {
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the command starts");
    let process = child.id();
    let watcher = std::thread::spawn(move || watch_memory(process));
    let mut out = String::new();
    // The pipe ends with the process: a finer clock than asking now and then.
    child.stdout.take().expect("it was piped").read_to_string(&mut out).expect("what it prints is text");
    let wall = begun.elapsed().as_secs_f64();
    let cpu = cpu_when_over(process);
    let peak = watcher.join().expect("watching cannot fail");
    child.wait().expect("it is ours to wait for");
    Run { wall, cpu, peak, out }
}

/// Ends a child that is not waited for.
pub fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// The peak of resident memory until the process is over.
fn watch_memory(process: u32) -> f64 {
    let mut peak = 0.0_f64;
    // What has exited has no memory any more, though it can still be looked at.
    while let Some(now) = peak_memory(process) {
        peak = peak.max(now);
        std::thread::sleep(Duration::from_millis(5));
    }
    peak
}

/// `VmHWM` in MiB.
fn peak_memory(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

/// The processor time of a process that has exited and was not yet waited for: before that it
/// is not whole, after that it is gone.
fn cpu_when_over(process: u32) -> f64 {
    loop {
        let Some((state, cpu)) = cpu_time(&process.to_string()) else { return 0.0 };
        if state == 'Z' {
            return cpu;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// State and seconds of processor so far; `self` is this process.
pub fn cpu_time(process: &str) -> Option<(char, f64)> {
    /// Ticks a second in `/proc`, the same on every Linux of today.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name may hold blanks and brackets; behind its last bracket all is regular.
    let rest: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| rest.get(at)?.parse::<f64>().ok();
    Some((rest.first()?.chars().next()?, (ticks(11)? + ticks(12)?) / TICKS))
}

/// Runs of two or more commands, one after the other, round by round: what slows the machine for a
/// while slows all of them.
pub fn interleaved<const N: usize>(
    rounds: usize,
    mut commands: [&mut dyn FnMut() -> Run; N],
) -> [Vec<Run>; N] {
    let mut runs: [Vec<Run>; N] = std::array::from_fn(|_| Vec::new());
    for _ in 0..rounds {
        for (runs, command) in runs.iter_mut().zip(&mut commands) {
            runs.push(command());
        }
    }
    runs
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// One figure of several runs.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// The middle one.
    pub median: f64,
    /// The smallest.
    pub best: f64,
}

/// Median and best of what `of` gives for each run.
pub fn figure(runs: &[Run], of: impl Fn(&Run) -> f64) -> Figure {
    let values: Vec<f64> = runs.iter().map(of).collect();
    let best = values.iter().copied().fold(f64::INFINITY, f64::min);
    Figure { median: median(values), best }
}

/// `0.42 s, 0.80 s CPU, 12 MiB`, by the medians.
pub fn shown(runs: &[Run]) -> String {
    let [wall, cpu, peak] =
        [|r: &Run| r.wall, |r: &Run| r.cpu, |r: &Run| r.peak].map(|of| figure(runs, of).median);
    format!("{wall:.2} s, {cpu:.2} s CPU, {peak:.0} MiB")
}
