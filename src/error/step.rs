//! Why a step of a plan, or a wait, did not succeed, whatever system it depended on.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::{Class, CloudError};

/// Why a step, or a wait, did not succeed.
#[derive(Debug)]
pub enum StepError {
    /// An AWS call failed.
    Cloud(CloudError),
    /// Kafka could not be queried, started, or is not healthy enough.
    Kafka {
        /// What that means for the step: "broker-1 was not stopped".
        what: String,
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// It took too long.
    Timeout {
        /// What was waited for: "the creation of the NAT gateway nat-1".
        what: String,
        limit: Duration,
        /// What was still missing at the end; may be empty.
        missing: String,
    },
    /// A resource ended in a state that it does not leave by waiting.
    Ended {
        /// What ended and how: "the cluster failed".
        what: String,
        /// Why, in the words of the system that reported it; may be empty.
        why: String,
        remedy: Option<&'static str>,
    },
    /// AWS refused a call by a limit that ends at a known time.
    Later {
        error: Box<CloudError>,
        /// When it may be asked again at the latest, as far as is known.
        at: Timestamp,
        /// The limit, that time, and what to do then.
        remedy: String,
    },
    /// Steps that can't run, each with what it waits for, though nothing failed and no signal came.
    Stuck(Vec<(String, String)>),
    /// kstack's own fault, or an answer that makes no sense.
    Internal(String),
}

/// What to do about an MSK cluster whose creation failed: MSK neither repairs nor updates it.
pub const DELETE_FAILED_CLUSTER: &str =
    "a failed cluster can't be repaired: delete it with `kstack destroy`, correct the cause, and apply again";

impl StepError {
    /// A resource that ended: `what` names it and its end, `why` has the reported reason.
    pub fn ended(what: impl Into<String>, why: impl Into<String>) -> StepError {
        StepError::Ended { what: what.into(), why: why.into(), remedy: None }
    }

    /// What the error means for what to do next; only AWS's answers mean more than a failure.
    pub fn class(&self) -> Class {
        match self {
            StepError::Cloud(error) => error.class,
            StepError::Later { error, .. } => error.class,
            _ => Class::Other,
        }
    }

    /// The same error with another class: where the code alone does not tell what it means here.
    pub fn classed(self, class: Class) -> StepError {
        match self {
            StepError::Cloud(error) => StepError::Cloud(CloudError { class, ..error }),
            other => other,
        }
    }

    /// AWS's error code.
    pub fn code(&self) -> Option<&str> {
        match self {
            StepError::Cloud(error) => error.code.as_deref(),
            StepError::Later { error, .. } => error.code.as_deref(),
            _ => None,
        }
    }

    /// When a limit that AWS refused a call by ends.
    pub fn later(&self) -> Option<Timestamp> {
        match self {
            StepError::Later { at, .. } => Some(*at),
            _ => None,
        }
    }

    /// Whether AWS may have done what was asked although there was no answer.
    pub fn maybe_applied(&self) -> bool {
        self.class() == Class::Unknown
    }

    /// What to do about it, where that is known.
    pub fn remedy(&self) -> Option<&str> {
        match self {
            StepError::Cloud(error) => error.remedy(),
            StepError::Later { remedy, .. } => Some(remedy),
            StepError::Ended { remedy, .. } => *remedy,
            StepError::Timeout { .. } => Some("run the command again: it continues where it stopped"),
            StepError::Kafka { .. } => {
                Some("see what is wrong with `kstack status`, and run the command again: it continues where it stopped")
            }
            StepError::Stuck(_) | StepError::Internal(_) => {
                Some("this is a defect of kstack: please report it with the output of `kstack plan --json`")
            }
        }
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = |out: &mut fmt::Formatter<'_>, more: &str| match more {
            "" => Ok(()),
            more => write!(out, ": {more}"),
        };
        match self {
            StepError::Cloud(error) => error.fmt(out),
            StepError::Later { error, .. } => write!(out, "{error}"),
            StepError::Kafka { what, .. } => write!(out, "{what}"),
            StepError::Timeout { what, limit, missing } => {
                write!(out, "{what} took longer than {} s", limit.as_secs())?;
                with(out, missing)
            }
            StepError::Ended { what, why, .. } => {
                write!(out, "{what}")?;
                with(out, why)
            }
            StepError::Stuck(steps) => {
                let steps: Vec<String> =
                    steps.iter().map(|(step, other)| format!("{step} waits for {other}")).collect();
                write!(out, "the plan can't continue: {}", steps.join(", "))
            }
            StepError::Internal(what) => write!(out, "{what}"),
        }
    }
}

impl Error for StepError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            StepError::Kafka { source: Some(source), .. } => Some(&**source),
            _ => None,
        }
    }
}

impl From<CloudError> for StepError {
    fn from(error: CloudError) -> Self {
        StepError::Cloud(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_sentences_and_say_what_to_do() {
        let timeout = StepError::Timeout {
            what: "EC2's checks of i-1".to_owned(),
            limit: Duration::from_secs(900),
            missing: "i-1 is still checked".to_owned(),
        };
        assert_eq!(timeout.to_string(), "EC2's checks of i-1 took longer than 900 s: i-1 is still checked");
        let failed = StepError::Ended {
            what: "the cluster failed".to_owned(),
            why: "no capacity".to_owned(),
            remedy: Some(DELETE_FAILED_CLUSTER),
        };
        assert_eq!(failed.to_string(), "the cluster failed: no capacity");
        assert!(failed.remedy().is_some_and(|remedy| remedy.contains("kstack destroy")), "{failed:?}");
        let stuck = [("a/1", "b/1"), ("b/1", "a/1")].map(|(one, other)| (one.to_owned(), other.to_owned()));
        let stuck = StepError::Stuck(stuck.to_vec()).to_string();
        assert_eq!(stuck, "the plan can't continue: a/1 waits for b/1, b/1 waits for a/1");
        let kafka =
            StepError::Kafka { what: "broker-1 was not stopped".to_owned(), source: Some("it is fenced".into()) };
        assert_eq!(kafka.source().map(ToString::to_string), Some("it is fenced".to_owned()));
    }
}
