//! Files that a user names: how much of them is read, and what a saved plan is.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Source;

/// A plan that `plan --out` wrote and `apply` runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedPlan {
    /// The version of this format.
    pub kstack_plan: u32,
    pub source: Source,
    pub allow_data_loss: bool,
    pub account: String,
    pub steps: Vec<Value>,
    /// When it was planned: a stack's time to live counts from then.
    pub planned_at: Timestamp,
}

/// The format that this kstack reads and writes.
pub const SAVED_PLAN: u32 = 2;

impl SavedPlan {
    /// The plan that `bytes` have; `None` when they are something else, such as a stack file.
    ///
    /// # Errors
    /// Why it can't be used, as what follows the file's name in a sentence.
    pub fn read(bytes: &[u8]) -> Result<Option<SavedPlan>, String> {
        // A saved plan is a JSON object; a stack file is YAML, and no stack file has this key.
        let json = serde_json::from_slice::<Value>(bytes).ok().filter(|value| value.get("kstack_plan").is_some());
        let Some(json) = json else { return Ok(None) };
        if json["kstack_plan"] != SAVED_PLAN {
            return Err("was saved by another version of kstack".to_owned());
        }
        serde_json::from_value(json).map(Some).map_err(|error| {
            // What is quoted from the file may be long.
            let error: String = error.to_string().chars().take(200).collect();
            format!("is not a saved plan: {error}")
        })
    }
}

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
