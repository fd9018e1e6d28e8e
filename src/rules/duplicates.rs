//! Rows of one file that mean the same record.

use std::hash::{BuildHasher, RandomState};

use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Bits of an entry that hold the row; the others hold the key's hash.
const ROW_BITS: u32 = 40;
const ROW_MASK: u128 = (1 << ROW_BITS) - 1;

/// Keys are shared out by the first bits of their hashes. A table that grows
/// is copied; of so many small ones only one does at a time.
const SHARD_BITS: u32 = 8;

/// A table is full at seven eighths of its places, and then grows by a quarter:
/// an entry of 16 bytes takes 18 to 23.
const FULL: (usize, usize) = (7, 8);
const GROWTH: (usize, usize) = (5, 4);

/// Room behind the last place for what is pushed beyond it.
const TAIL: usize = 16;

/// What a key is known by: 88 bits of its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash(u128);

/// Hashes keys for one [`SeenKeys`], on any thread.
#[derive(Clone, Copy, Debug)]
pub struct KeyHasher {
    seed: u64,
}

impl KeyHasher {
    /// The hash of a key.
    pub fn hash(self, key: &str) -> KeyHash {
        KeyHash(xxh3_128_with_seed(key.as_bytes(), self.seed) & !ROW_MASK)
    }
}

/// The keys seen so far, each with the first row that had it.
///
/// Keeps 88 bits of each key's hash, so memory does not grow with the keys'
/// length, and at most 24 bytes a row; two of ten million keys collide with a
/// chance of one in 10^12.
#[derive(Clone, Debug)]
pub struct SeenKeys {
    hasher: KeyHasher,
    shards: Vec<Shard>,
}

impl Default for SeenKeys {
    fn default() -> Self {
        // Nobody can write a file whose keys all fall on one place.
        let seed = RandomState::new().hash_one("keys");
        Self { hasher: KeyHasher { seed }, shards: vec![Shard::default(); 1 << SHARD_BITS] }
    }
}

impl SeenKeys {
    /// What hashes the keys.
    pub fn hasher(&self) -> KeyHasher {
        self.hasher
    }

    /// Notes a key; the answer is the earlier row that has it, if any.
    pub fn add(&mut self, key: &str, row: u64) -> Option<u64> {
        self.note(self.hasher.hash(key), row)
    }

    /// Looks at the places where keys are about to be noted: the memory is then
    /// at hand, and the waits for it are one.
    pub fn fetch(&self, keys: impl Iterator<Item = KeyHash>) {
        let first = |KeyHash(hash): KeyHash| {
            let shard = self.shards.get((hash >> (u128::BITS - SHARD_BITS)) as usize)?;
            shard.slots.get(Shard::home(shard.homes, hash)).copied()
        };
        // Nothing but the loading is wanted of them.
        std::hint::black_box(keys.filter_map(first).fold(0, |all, slot| all ^ slot));
    }

    /// Notes a key by its hash; the answer is the earlier row that has it, if any.
    pub fn note(&mut self, KeyHash(hash): KeyHash, row: u64) -> Option<u64> {
        // A file of more rows than fit would be larger than any disk.
        let entry = hash | u128::from(row).min(ROW_MASK);
        let shard = self.shards.get_mut((hash >> (u128::BITS - SHARD_BITS)) as usize)?;
        shard.add(entry)
    }
}

/// A table that is sorted by the hash: each entry stands at the place that its
/// hash gives it, or behind those before it. 0 is no entry: rows begin at 1.
#[derive(Clone, Debug, Default)]
struct Shard {
    slots: Vec<u128>,
    /// Places that hashes give; some more follow for what is pushed beyond.
    homes: usize,
    used: usize,
}

impl Shard {
    fn home(homes: usize, entry: u128) -> usize {
        // The bits behind those of the shard, as a fraction of all places.
        let fraction = (entry << SHARD_BITS) >> u64::BITS;
        ((fraction * homes as u128) >> u64::BITS) as usize
    }

    fn add(&mut self, entry: u128) -> Option<u64> {
        if self.used * FULL.1 >= self.homes * FULL.0 {
            self.grow();
        }
        let hash = entry >> ROW_BITS;
        let mut at = Self::home(self.homes, entry);
        loop {
            match self.slots.get(at) {
                Some(&found) if found != 0 && found >> ROW_BITS < hash => at += 1,
                Some(&found) if found >> ROW_BITS == hash && found != 0 => {
                    return Some((found & ROW_MASK) as u64);
                }
                _ => break,
            }
        }
        match self.slots.get(at..).and_then(|behind| behind.iter().position(|&slot| slot == 0)) {
            Some(free) => self.slots.copy_within(at..at + free, at + 1),
            None => self.slots.insert(at, entry),
        }
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = entry;
        }
        self.used += 1;
        None
    }

    fn grow(&mut self) {
        let homes = self.homes * GROWTH.0 / GROWTH.1 + TAIL;
        let mut slots = Vec::new();
        slots.reserve_exact(homes + TAIL);
        for &entry in self.slots.iter().filter(|&&entry| entry != 0) {
            slots.resize(slots.len().max(Self::home(homes, entry)), 0);
            slots.push(entry);
        }
        slots.resize(slots.len().max(homes + TAIL), 0);
        (self.slots, self.homes) = (slots, homes);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_row_of_a_key_is_remembered() {
        let mut seen = SeenKeys::default();
        assert_eq!(seen.add("acme", 2), None);
        assert_eq!(seen.add("beta", 3), None);
        assert_eq!(seen.add("acme", 9), Some(2));
        assert_eq!(seen.add("acme", 12), Some(2));
    }

    #[test]
    fn a_row_takes_at_most_24_bytes() {
        let mut seen = SeenKeys::default();
        for row in 1..=200_000_u64 {
            assert_eq!(seen.add(&row.to_string(), row), None);
            if row > 50_000 && row.is_multiple_of(1_000) {
                let bytes: usize = seen.shards.iter().map(|shard| shard.slots.capacity() * 16).sum();
                assert!(bytes as u64 <= row * 24, "{bytes} bytes for {row} rows");
            }
        }
        for row in 1..=200_000_u64 {
            assert_eq!(seen.add(&row.to_string(), 200_000 + row), Some(row));
        }
    }

    proptest! {
        /// Hashes that lie close together, or at the end of the table, push
        /// each other along.
        #[test]
        fn a_crowded_table_forgets_and_invents_nothing(
            hashes in prop::collection::vec((prop::sample::select(vec![0_u128, 1 << 119, (1 << 120) - (1 << 50)]), 0_u128..40), 1..300)
        ) {
            let (mut shard, mut known) = (Shard::default(), HashMap::new());
            for (row, (base, near)) in (1_u64..).zip(hashes) {
                let hash = base + (near << ROW_BITS);
                let first = *known.entry(hash).or_insert(row);
                prop_assert_eq!(shard.add(hash | u128::from(row)), (first != row).then_some(first));
            }
            prop_assert!(shard.slots.iter().filter(|&&slot| slot != 0).is_sorted());
        }
    }
}
