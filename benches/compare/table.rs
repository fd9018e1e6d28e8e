//! The table: a line as soon as it is known, in Markdown.

use crate::measure::Figure;

/// One line.
pub struct Line<'a> {
    /// The row of the goals' table, with a letter where it has several lines.
    pub row: &'a str,
    /// What is measured.
    pub what: &'a str,
    /// What the reference came to.
    pub reference: String,
    /// What the program came to.
    pub program: String,
    /// The figure that is held against the goal, by the medians.
    pub ratio: String,
    /// The same by the best runs, where it differs.
    pub best: String,
    /// The goal in words.
    pub goal: &'a str,
    /// Whether it is reached; none where there is none.
    pub reached: Option<bool>,
}

/// Prints what the columns are.
pub fn head() {
    println!("| # | what | reference | carafe | ratio | of the best | goal | reached |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
}

impl Line<'_> {
    /// Prints it.
    pub fn print(&self) {
        let Self { row, what, reference, program, ratio, best, goal, reached } = self;
        let reached = match reached {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        };
        println!("| {row} | {what} | {reference} | {program} | {ratio} | {best} | {goal} | {reached} |");
    }
}

/// How much longer the program took than the reference.
pub fn times(program: Figure, reference: Figure) -> (f64, String, String) {
    let ratio = program.median / reference.median;
    (ratio, format!("{ratio:.2} ×"), format!("{:.2} ×", program.best / reference.best))
}

/// How much of the reference's throughput the program reached, by the seconds of both.
pub fn share(program: Figure, reference: Figure) -> (f64, String, String) {
    let share = reference.median / program.median * 100.0;
    (share, format!("{share:.1} %"), format!("{:.1} %", reference.best / program.best * 100.0))
}

/// What the machine is, for the head of a table.
pub fn machine() -> String {
    let line_of = |file: &str, key: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
        line.split_once(':').map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kib: f64 =
        line_of("/proc/meminfo", "MemTotal").split(' ').next().unwrap_or("0").parse().unwrap_or(0.0);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    format!(
        "{cores} cores ({}), {:.0} GiB, {} {}, load {load} before the first row",
        line_of("/proc/cpuinfo", "model name"),
        kib / 1024.0 / 1024.0,
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}
