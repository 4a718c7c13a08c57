//! What of a workload does not fit a cluster.

use std::fmt;

use serde::{Serialize, Serializer};

/// Whether a cluster can run with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It can, with less room, or for less, than the file asks for: a warning.
    Tight,
    /// It can't, as no volume of the type holds or carries that much: refused.
    Impossible,
}

/// What of the file a misfit is about: where it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// What has to be kept.
    Data,
    /// A size of volumes that the file gives.
    GivenSize,
    /// The most that the file lets volumes grow to.
    GivenMost,
    /// A throughput of volumes that the file gives.
    GivenThroughput,
    /// IOPS of volumes that the file gives.
    GivenIops,
    /// What producers send.
    Rate,
    /// How many partitions there are.
    Partitions,
    /// What the instance type has.
    InstanceType,
    /// What producers send, while a part of the cluster is gone.
    Outage,
    /// How many copies there are, and in how many zones.
    Copies,
}

impl Subject {
    /// Whether it is about a cluster of which a part is gone: without an outage, it fits.
    pub fn is_of_outage(self) -> bool {
        matches!(self, Subject::Outage | Subject::Copies)
    }
}

/// What does not fit, with the number and the limit, and the ways out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    pub subject: Subject,
    pub fit: Fit,
    /// A sentence without its full stop.
    pub what: String,
    /// The ways out, as a clause.
    pub remedy: String,
}

impl Misfit {
    /// A warning.
    pub fn tight(subject: Subject, what: String, remedy: String) -> Misfit {
        Misfit { subject, fit: Fit::Tight, what, remedy }
    }

    /// A refusal.
    pub fn impossible(subject: Subject, what: String, remedy: String) -> Misfit {
        Misfit { subject, fit: Fit::Impossible, what, remedy }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}; {}.", self.what, self.remedy)
    }
}

/// As it is shown.
#[cfg(test)]
impl PartialEq<&str> for Misfit {
    fn eq(&self, text: &&str) -> bool {
        self.to_string() == **text
    }
}

impl Serialize for Misfit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
