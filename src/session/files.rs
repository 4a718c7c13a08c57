//! Files that a user names: how much of them is read.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The largest file that is read, in bytes: the saved plan of a thousand brokers is much smaller.
const LARGEST_FILE: u64 = 64 * 1024 * 1024;

/// The contents of a file that a user named.
///
/// # Errors
/// That it can't be read, or that it is larger than anything that kstack works with.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(io::Error::other(format!("it has more than {} MiB", LARGEST_FILE / 1024 / 1024)));
    }
    Ok(bytes)
}
