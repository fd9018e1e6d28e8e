//! Being asked to end: the first time no more work is taken and what is in
//! flight is finished, the second time the program leaves at once.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::out;
use super::screen::Screen;
use crate::model::count;

/// How long what is in flight may take after the system asked the program to
/// end: it kills after 30 seconds where it has the last word (Kubernetes).
const GRACE: Duration = Duration::from_secs(20);

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// A person, by Ctrl-C.
    Person,
    /// The system: SIGTERM, or the terminal is gone.
    System,
}

/// Waits for signals for as long as the program runs; `sends` says that rows may be in flight.
pub fn listen(stop: CancellationToken, screen: Screen, sends: bool) {
    // Listened to without a gap: between two listeners a second Ctrl-C would be lost.
    let mut signals = Signals::new();
    tokio::spawn(async move {
        let first = signals.next().await;
        out::aside(match first {
            _ if !sends => "stopping; press again to leave at once".to_owned(),
            Asked::Person => {
                "stopping: no more rows are taken, what is in flight is finished; press again to abandon it"
                    .to_owned()
            }
            Asked::System => format!(
                "stopping: no more rows are taken, what is in flight has {} s to be finished",
                GRACE.as_secs()
            ),
        });
        stop.cancel();
        let grace = tokio::time::sleep(GRACE);
        tokio::select! {
            _ = signals.next() => {}
            () = grace, if first == Asked::System => {}
        }
        abandon(&screen);
    });
}

/// Leaves at once. What is in flight stays in the store as under way.
fn abandon(screen: &Screen) -> ! {
    out::aside(match screen.at_stake() {
        0 => "abandoned: nothing was under way".to_owned(),
        rows => format!(
            "abandoned: {} may have been stored without an answer; carafe resume last asks the CRM about them",
            count(rows, "row", "rows")
        ),
    });
    std::process::exit(5);
}

/// The signals that ask a program to end. Where the system refuses the
/// handlers, its own behaviour is kept: the process ends.
#[cfg(unix)]
struct Signals(Vec<(Asked, tokio::signal::unix::Signal)>);

#[cfg(unix)]
impl Signals {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [
            (Asked::Person, SignalKind::interrupt()),
            (Asked::System, SignalKind::terminate()),
            (Asked::System, SignalKind::hangup()),
        ];
        Self(kinds.into_iter().filter_map(|(who, kind)| Some((who, signal(kind).ok()?))).collect())
    }

    async fn next(&mut self) -> Asked {
        std::future::poll_fn(|context| {
            // A stream of signals never ends.
            match self
                .0
                .iter_mut()
                .find_map(|(who, signal)| signal.poll_recv(context).is_ready().then_some(*who))
            {
                Some(who) => std::task::Poll::Ready(who),
                None => std::task::Poll::Pending,
            }
        })
        .await
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Self {
        Self
    }

    async fn next(&mut self) -> Asked {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Asked::Person
    }
}
