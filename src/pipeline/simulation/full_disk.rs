//! The same world on a disk that is full: each write of the sender in turn is
//! refused, once or from then on, and the run is taken up again.

use super::*;
use crate::pipeline::Silent;
use crate::store::full;

/// Seeds that are played for each write.
const WORLDS: u64 = 12;

impl World {
    /// One process, by itself, that may find the disk full.
    async fn try_process(&mut self, number: u64) -> Result<Ended, PipelineError> {
        let clock = SimulatedClock(self.begun, 0);
        let finding = |row| doubt_finding(row, "the disk was full".to_owned());
        self.store.doubt_open_attempts(&clock.now().to_string(), finding)?;
        let client = self.crm.client(self.seed ^ (number << 32), |_| {});
        if needs_high_water(&self.settings.key, self.settings.reference.as_deref())
            && self.store.get::<u64>("high_water")?.is_none()
        {
            self.store.set("high_water", &high_water(&client, &self.settings.dictionary).await?)?;
        }
        let (stop, origins) = (CancellationToken::new(), Origins::default());
        let tools =
            SendTools { client: &client, origins: &origins, reporter: &Silent, stop: &stop, clock: &clock };
        send(&mut self.store, &self.settings, tools).await
    }

    /// Runs with a disk that takes `room` writes, then with one that takes all;
    /// the answer is whether a write was refused.
    async fn run_into_a_full_disk(&mut self, room: u64, refuses: u64) -> bool {
        full::fill_after(room, refuses);
        let first = self.try_process(0).await;
        let refused = full::make_room() > 0;
        match &first {
            Err(PipelineError::Store(_)) => assert!(refused),
            Err(PipelineError::Crm(_)) | Ok(_) => assert!(!refused, "write {room} was refused: {first:?}"),
            Err(error) => panic!("{error}"),
        }
        for number in 1..200 {
            let ended = self.try_process(number).await;
            if matches!(ended, Ok(Ended::Complete)) && !self.store.has_open_rows().unwrap() {
                return refused;
            }
        }
        panic!("it does not come to an end");
    }
}

fn play_on_a_full_disk(seed: u64, room: u64, refuses: u64) -> bool {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(seed, None);
        let refused = world.run_into_a_full_disk(room, refuses).await;
        world.check().await;
        refused
    })
}

#[test]
fn f23_whichever_write_of_the_sender_fails_no_record_is_doubled_and_none_is_lost() {
    for seed in 0..WORLDS {
        for refuses in [1, u64::MAX] {
            let writes = (0..).take_while(|&room| play_on_a_full_disk(seed, room, refuses)).count();
            assert!(writes >= 3, "seed {seed}: {writes} writes");
        }
    }
}
