//! Saved plans: what `plan --out` writes and `apply` runs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::check::{self, Parsed, Report};
use crate::cloud_init::Overrides;

/// A stack file's text and the templates that it names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The file's name as the user gave it.
    pub file: String,
    pub text: String,
    /// The user's own cloud-init templates, by file name.
    pub overrides: Overrides,
    /// What is in the file of the user's own CAs of clients: certificates, in PEM.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub clients_ca: Option<String>,
}

impl Source {
    /// Checks the text again, as of a saved plan.
    ///
    /// # Errors
    /// Every problem of the stack file.
    pub fn parsed(&self) -> Result<Parsed, Report> {
        let mut parsed = check::parse(&self.file, &self.text)?;
        self.clients_ca.iter().for_each(|pem| parsed.stack.trust(pem));
        Ok(parsed)
    }
}

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
pub const SAVED_PLAN: u32 = 3;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_of_another_version_is_refused_and_a_stack_file_is_none() {
        let old = br#"{"kstack_plan": 2, "source": {}, "steps": []}"#;
        assert_eq!(SavedPlan::read(old), Err("was saved by another version of kstack".to_owned()));
        assert_eq!(SavedPlan::read(b"apiVersion: kstack/v1\n"), Ok(None));
        let broken = format!("{{\"kstack_plan\": {SAVED_PLAN}}}");
        assert!(SavedPlan::read(broken.as_bytes()).is_err_and(|error| error.starts_with("is not a saved plan: ")));
    }
}
