//! What people see of the pace: pauses while they last, and once each why it
//! is slower than they allow.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::out::{count, thousands};
use super::screen::Screen;
use crate::crm::{Client, Pace, Pause};
use crate::model::Notice;
use crate::pipeline::{Event, Reporter};

/// A pace that holds for so long is worth a word.
const FOR_LONG: Duration = Duration::from_secs(10);

/// A pause that gets longer by less is no news.
const SHORT: Duration = Duration::from_secs(1);

/// Shows both as long as there is a client.
pub fn show(client: &Client, screen: &Screen) {
    tokio::spawn(show_pauses(client.watch_pauses(), screen.clone()));
    tokio::spawn(tell_pace(client.watch_pace(), screen.clone()));
}

/// Tells the screen when all requests wait because the CRM asked for it.
async fn show_pauses(mut pauses: watch::Receiver<Option<Pause>>, screen: Screen) {
    let mut ends: Option<Instant> = None;
    loop {
        let over = tokio::time::sleep_until(ends.unwrap_or_else(Instant::now));
        tokio::select! {
            changed = pauses.changed() => match changed {
                Ok(()) => {
                    let pause = *pauses.borrow_and_update();
                    let until = pause.map(|pause| Instant::now() + pause.left());
                    // Each of the requests in flight may be told to wait as long, a moment later.
                    let is_told = ends.zip(until).is_some_and(|(ends, until)| until < ends + SHORT);
                    ends = until;
                    if !is_told {
                        screen.paused(pause.as_ref().map(words).as_deref());
                    }
                }
                Err(_) => return,
            },
            () = over, if ends.is_some() => {
                ends = None;
                screen.paused(None);
            }
        }
    }
}

fn words(pause: &Pause) -> String {
    format!("paused {:.0} s: {}", pause.left().as_secs_f64().ceil(), pause.reason.word())
}

/// Says once each why requests go slower than the user allows, and when they do no more.
async fn tell_pace(mut paces: watch::Receiver<Pace>, reporter: impl Reporter) {
    let mut told = *paces.borrow_and_update();
    let (mut now, mut since) = (told, Instant::now());
    loop {
        tokio::select! {
            changed = paces.changed() => if changed.is_err() { return },
            () = tokio::time::sleep_until(since + FOR_LONG), if now != told => {
                for sentence in sentences(&told, &now) {
                    reporter.event(Event::Notice(Notice(sentence)));
                }
                told = now;
            }
        }
        let pace = *paces.borrow_and_update();
        // What changes by little holds all the same.
        if !sentences(&now, &pace).is_empty() || !sentences(&told, &pace).is_empty() && now == told {
            (now, since) = (pace, Instant::now());
        }
    }
}

/// What is to be said of a pace after what was said of another.
fn sentences(told: &Pace, pace: &Pace) -> Vec<String> {
    let now = count(pace.in_flight as u64, "request", "requests");
    let in_flight = differs(told.in_flight as f64, pace.in_flight as f64).then(|| {
        if pace.in_flight < pace.most {
            format!(
                "more than {now} in flight bring no more answers from the CRM; going on with {} of {}",
                pace.in_flight, pace.most
            )
        } else {
            format!("{now} are in flight again")
        }
    });
    let rate = match (told.rate, pace.rate) {
        (Some(told), Some(now)) if !differs(told, now) => None,
        (_, Some(now)) => Some(format!(
            "the CRM takes about {} {} a second; going on at that pace",
            about(now),
            if now.round() <= 1.0 { "request" } else { "requests" }
        )),
        (Some(_), None) => Some("no pace holds requests back any more".to_owned()),
        (None, None) => None,
    };
    in_flight.into_iter().chain(rate).collect()
}

/// By a quarter or more; less is adjusting.
fn differs(told: f64, now: f64) -> bool {
    (now / told).ln().abs() > 1.25_f64.ln()
}

/// A number with the two digits that are certain.
pub fn about(number: f64) -> String {
    let digit = 10_f64.powf((number.max(1.0).log10().floor() - 1.0).max(0.0));
    thousands(((number / digit).round() * digit).max(1.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: Pace = Pace { in_flight: 64, most: 64, rate: None };

    #[test]
    fn a_slower_pace_is_said_once_and_so_is_that_it_is_over() {
        let fewer = Pace { in_flight: 12, ..FREE };
        let said =
            "more than 12 requests in flight bring no more answers from the CRM; going on with 12 of 64";
        assert_eq!(sentences(&FREE, &fewer), [said]);
        assert!(sentences(&fewer, &Pace { in_flight: 14, ..FREE }).is_empty());
        assert_eq!(sentences(&fewer, &FREE), ["64 requests are in flight again"]);
        let slower = Pace { rate: Some(97.6), ..FREE };
        let said = "the CRM takes about 98 requests a second; going on at that pace";
        assert_eq!(sentences(&FREE, &slower), [said]);
        assert!(sentences(&slower, &Pace { rate: Some(104.0), ..FREE }).is_empty());
        assert_eq!(sentences(&slower, &FREE), ["no pace holds requests back any more"]);
        let said = "the CRM takes about 1 request a second; going on at that pace";
        assert_eq!(sentences(&FREE, &Pace { rate: Some(1.2), ..FREE }), [said]);
    }

    #[test]
    fn two_digits_of_a_pace_are_certain() {
        let said = [0.2, 1.2, 9.7, 97.4, 104.0, 996.0, 1_234.0].map(about);
        assert_eq!(said, ["1", "1", "10", "97", "100", "1,000", "1,200"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_for_moments_is_not_said() {
        #[derive(Clone, Default)]
        struct Heard(std::sync::Arc<std::sync::Mutex<Vec<String>>>);
        impl Reporter for Heard {
            fn event(&self, event: Event) {
                if let Event::Notice(notice) = event {
                    self.0.lock().unwrap().push(notice.to_string());
                }
            }
        }
        let (pace, heard) = (watch::Sender::new(FREE), Heard::default());
        let telling = tokio::spawn(tell_pace(pace.subscribe(), heard.clone()));
        for in_flight in [32, 16, 64, 32, 64, 32, 64] {
            tokio::time::sleep(Duration::from_secs(3)).await;
            pace.send_replace(Pace { in_flight, ..FREE });
        }
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert!(heard.0.lock().unwrap().is_empty());
        for rate in [50.0, 51.0, 50.5, 50.0, 51.0, 50.0] {
            pace.send_replace(Pace { in_flight: 12, rate: Some(rate), most: 64 });
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
        assert_eq!(heard.0.lock().unwrap().len(), 2);
        drop(pace);
        telling.await.unwrap();
    }
}
