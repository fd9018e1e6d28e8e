//! Progress and notices on standard error: bars on a terminal, plain lines
//! elsewhere, nothing with `--quiet`.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::advice::with_options;
use super::args::CommonArgs;
use super::out::{self, Colors, NOTICE, styled};
use crate::model::shown;
use crate::pipeline::{Event, Phase, Reporter};

/// Without a terminal, a line at least this often.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Draws what the pipeline tells.
#[derive(Clone, Debug)]
pub struct Screen {
    form: Form,
    colors: Colors,
    phases: Arc<Mutex<HashMap<Phase, State>>>,
    at_stake: Arc<AtomicU64>,
    common: Arc<CommonArgs>,
}

#[derive(Clone, Debug)]
enum Form {
    Bars(MultiProgress),
    Lines,
    Quiet,
}

#[derive(Debug)]
struct State {
    what: String,
    total: Option<u64>,
    bar: Option<ProgressBar>,
    begun: Instant,
    last_line: Instant,
    next_share: u64,
    done: u64,
}

impl Screen {
    /// As the options and the terminal allow.
    pub fn new(common: &CommonArgs) -> Self {
        let form = if common.quiet {
            Form::Quiet
        } else if common.no_progress || !std::io::stderr().is_terminal() {
            Form::Lines
        } else {
            Form::Bars(MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(8)))
        };
        Self {
            form,
            colors: Colors::new(common.color),
            phases: Arc::default(),
            at_stake: Arc::default(),
            common: Arc::new(common.clone()),
        }
    }

    /// A line that does not disturb the bars.
    fn line(&self, line: &str) {
        match &self.form {
            Form::Bars(bars) => bars.suspend(|| out::aside(line)),
            Form::Lines => out::aside(line),
            Form::Quiet => {}
        }
    }

    /// Says a sentence, unless quiet.
    pub fn say(&self, line: &str) {
        self.line(line);
    }

    /// How many rows would be in doubt, should the program end at once.
    pub fn at_stake(&self) -> u64 {
        self.at_stake.load(Ordering::Relaxed)
    }

    /// Shows that all requests wait, and why; nothing where they go on.
    pub fn paused(&self, why: Option<&str>) {
        match (&self.form, why) {
            (Form::Bars(_), why) => {
                for state in self.phases.lock().unwrap_or_else(PoisonError::into_inner).values() {
                    if let Some(bar) = &state.bar {
                        bar.set_message(why.map_or_else(|| state.what.clone(), str::to_owned));
                    }
                }
            }
            (Form::Lines, Some(why)) => out::aside(why),
            (Form::Lines, None) | (Form::Quiet, _) => {}
        }
    }

    fn begin(&self, phase: Phase, what: &str, total: Option<u64>) {
        let bar = match &self.form {
            Form::Bars(bars) => Some(bars.add(new_bar(phase, what, total))),
            Form::Lines | Form::Quiet => None,
        };
        let now = Instant::now();
        let what = shown(what).cut(60).to_string();
        let state = State { what, total, bar, begun: now, last_line: now, next_share: 10, done: 0 };
        self.phases.lock().unwrap_or_else(PoisonError::into_inner).insert(phase, state);
    }

    fn progress(&self, phase: Phase, done: u64) {
        let mut phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(state) = phases.get_mut(&phase) else { return };
        state.done = done;
        match (&state.bar, &self.form) {
            (Some(bar), _) => bar.set_position(done),
            (None, Form::Lines) => {
                if let Some(line) = state.line_due(phase) {
                    out::aside(line);
                }
            }
            (None, Form::Bars(_) | Form::Quiet) => {}
        }
    }

    fn end(&self, phase: Phase) {
        let mut phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = phases.remove(&phase)
            && let Some(bar) = state.bar
        {
            bar.finish_and_clear();
        }
    }
}

impl State {
    /// The line for a run without a terminal, at each tenth or every 30 seconds.
    fn line_due(&mut self, phase: Phase) -> Option<String> {
        let share = self.total.filter(|&total| total > 0).map(|total| self.done.saturating_mul(100) / total);
        let long_ago = self.last_line.elapsed() >= LINE_EVERY;
        // Short work needs no lines at all.
        let share_due = share.is_some_and(|share| share >= self.next_share)
            && self.begun.elapsed() > Duration::from_secs(3);
        if !long_ago && !share_due {
            return None;
        }
        self.last_line = Instant::now();
        self.next_share = share.map_or(u64::MAX, |share| share / 10 * 10 + 10);
        let (word, what) = (phase.word(), &self.what);
        let unit = if matches!(phase, Phase::Read | Phase::Verify) { "records" } else { "rows" };
        Some(match (phase, self.total, share) {
            (Phase::Check | Phase::Prove | Phase::Draft, _, Some(share)) => {
                format!("{word} {what}: {share} %")
            }
            (_, Some(total), Some(share)) => {
                format!(
                    "{word} {what}: {} of {} {unit} ({share} %)",
                    out::thousands(self.done),
                    out::thousands(total)
                )
            }
            _ => format!("{word} {what}: {} {unit}", out::thousands(self.done)),
        })
    }
}

fn new_bar(phase: Phase, what: &str, total: Option<u64>) -> ProgressBar {
    let bar = match total {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::no_length(),
    };
    let template = match (phase, total) {
        (Phase::Check | Phase::Prove | Phase::Draft, _) => {
            "{prefix:>6} {bar:30} {percent:>3} %  {binary_bytes_per_sec}  {eta} left  {msg}"
        }
        (_, Some(_)) => "{prefix:>6} {bar:30} {human_pos}/{human_len}  {rate}  {eta} left  {msg}",
        (_, None) => "{prefix:>6} {spinner} {human_pos}  {rate}  {msg}",
    };
    let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        // A bar that cannot be written is not drawn; that is no fault.
        let _ = write!(out, "{:.0}/s", state.per_sec());
    };
    // The templates are constants; if one were wrong the default bar would do.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let style = style.progress_chars("=> ").with_key("rate", rate);
    bar.with_style(style).with_prefix(phase.word()).with_message(shown(what).cut(40).to_string())
}

impl Reporter for Screen {
    fn event(&self, event: Event) {
        match event {
            Event::Begin { phase, what, total } => self.begin(phase, &what, total),
            Event::Progress { phase, done } => self.progress(phase, done),
            Event::Rows(counts) => {
                let phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(bar) = phases.get(&Phase::Send).and_then(|state| state.bar.as_ref())
                    && counts.rejected + counts.unknown > 0
                {
                    let unknown = if counts.unknown > 0 {
                        format!(", {} unknown", out::thousands(counts.unknown))
                    } else {
                        String::new()
                    };
                    bar.set_message(format!("{} rejected{unknown}", out::thousands(counts.rejected)));
                }
            }
            Event::Unstored(line) => out::aside(format!("could not be stored: {line}")),
            Event::AtStake(rows) => self.at_stake.store(rows, Ordering::Relaxed),
            Event::End(phase) => self.end(phase),
            Event::Notice(notice) => {
                let notice = with_options(&notice.to_string(), &self.common);
                self.line(&format!("{} {notice}", styled(self.colors.err, NOTICE, "notice:")))
            }
        }
    }
}
