//! What a file's content is known by again.

use std::fs::File;
use std::io::{self, Read};

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::{OutputError, OutputProblem};

const CHUNK: usize = 256 * 1024;

/// What a file's content is known by again: `sha256sum` gives the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// SHA-256 of the file as it is on disk, in lower-case hexadecimal digits.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

impl Fingerprint {
    /// Reads all of a file.
    pub(super) fn of(mut file: File) -> io::Result<Self> {
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        let mut buffer = vec![0_u8; CHUNK];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    hash.update(buffer.get(..read).unwrap_or_default());
                    bytes += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { sha256, bytes })
    }
}

/// Reads all of a file that was written.
///
/// # Errors
/// It cannot be read.
pub fn fingerprint_of(path: &Path) -> Result<Fingerprint, OutputError> {
    let read = || Fingerprint::of(File::open(path)?);
    read().map_err(|error| OutputProblem::from(error).of(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_that_of_the_bytes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"abc").unwrap();
        let fingerprint = Fingerprint::of(File::open(file.path()).unwrap()).unwrap();
        assert_eq!(fingerprint.bytes, 3);
        assert_eq!(fingerprint.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
