//! A mebibyte that is there to be thrown away: when the disk is full, what the
//! CRM has answered must still find room.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::folder;

/// Bytes of it.
const SIZE: usize = 1 << 20;

/// Bytes that are written at a time.
const BLOCK: u32 = 1 << 16;

/// The file; it goes when this does.
#[derive(Debug)]
pub struct Ballast(PathBuf);

impl Ballast {
    /// Takes it on board. Without room for it there is none: the run may go
    /// well all the same.
    pub fn load(folder: &Path) -> Option<Self> {
        let path = folder.join("ballast.tmp");
        // One that a killed process left behind serves as well.
        let _ = std::fs::remove_file(&path);
        let mut file = folder::create_private_file(&path).ok()?;
        // Not zeros, which some file systems would not store.
        let block: Vec<u8> = (0..BLOCK).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let ballast = Self(path);
        for _ in 0..SIZE / block.len() {
            file.write_all(&block).ok()?;
        }
        Some(ballast)
    }

    /// Throws it away.
    pub fn release(self) {}

    /// Throws away what a killed process left behind.
    pub fn clear(folder: &Path) {
        drop(Self(folder.join("ballast.tmp")));
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        // If it cannot be removed it only takes up room.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_up_room_until_it_is_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ballast.tmp");
        let ballast = Ballast::load(folder.path()).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().len(), SIZE as u64);
        ballast.release();
        assert!(!file.exists());
        assert!(Ballast::load(&folder.path().join("none")).is_none(), "no room, no ballast");
    }
}
