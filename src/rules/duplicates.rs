//! Rows of one file that mean the same record.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_128;

/// The keys seen so far, each with the first row that had it.
///
/// Keeps a 128-bit hash of each key, so memory does not grow with their length;
/// two of a billion keys collide with a chance of one in 10^20.
#[derive(Clone, Debug, Default)]
pub struct SeenKeys {
    rows: HashMap<[u64; 2], u64>,
}

impl SeenKeys {
    /// Notes a key; the answer is the earlier row that has it, if any.
    pub fn add(&mut self, key: &str, row: u64) -> Option<u64> {
        let hash = xxh3_128(key.as_bytes());
        // Halves, so that an entry needs no alignment to 16 bytes.
        let halves = [(hash >> 64) as u64, hash as u64];
        match self.rows.entry(halves) {
            std::collections::hash_map::Entry::Occupied(first) => Some(*first.get()),
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(row);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SeenKeys;

    #[test]
    fn the_first_row_of_a_key_is_remembered() {
        let mut seen = SeenKeys::default();
        assert_eq!(seen.add("acme", 2), None);
        assert_eq!(seen.add("beta", 3), None);
        assert_eq!(seen.add("acme", 9), Some(2));
        assert_eq!(seen.add("acme", 12), Some(2));
    }
}
