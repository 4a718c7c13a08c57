//! Healing: what is wrong with the hosts of a live stack, and the one thing that is done about it next. Pure.
//!
//! What is wrong is EC2's word and the controllers'. Nothing is done that they have not confirmed, and never for two hosts at once: a
//! host that is down comes back on its volumes; one whose volumes are lost gets empty ones, where every partition of it is in sync elsewhere.
//! What is out in one zone counts as one loss: its hosts come back one after another all the same.

mod decide;
mod disks;
mod hosts;
mod zone;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::moves::View;

pub use decide::decide;
pub use disks::{Kept, full};
pub use hosts::{hosts, leaving, part, pending};

/// What EC2 says of the instance of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Machine {
    Runs,
    /// It runs soon, or it stops or ends: EC2 is at it.
    Changes,
    /// It runs, and fails EC2's checks, as the clause says.
    Impaired(String),
    Stopped,
    /// There is none.
    Gone,
}

/// A host as EC2 has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Kafka's node id.
    pub node: u32,
    /// The zone that it is in.
    pub zone: String,
    /// Whether clients' data is on it.
    pub broker: bool,
    /// Whether it votes in the controllers' quorum.
    pub votes: bool,
    pub machine: Machine,
    /// Its volumes that are gone, by name.
    pub lost: Vec<String>,
    /// Its volumes that EC2 can't read any more, by id.
    pub failed: Vec<String>,
    /// Whether its data is on disks of the instance, so that it goes with that.
    pub own_disks: bool,
    /// Whether its network interface, and so its address, is there.
    pub addressed: bool,
    /// What all its volumes hold together, in bytes.
    pub volume_bytes: u64,
    /// When an earlier run first saw that its data is lost.
    pub lost_since: Option<Timestamp>,
}

/// What is seen of a stack.
#[derive(Debug, Clone)]
pub struct Seen {
    pub hosts: BTreeMap<String, Host>,
    /// Hosts that the file has no more, and that are stopped.
    pub leaving: Vec<String>,
    /// What the brokers tell, with the controllers' word on it; or why they can't be asked.
    pub view: Result<View, String>,
    /// What of the stack file is not applied yet, as a clause.
    pub pending: Option<String>,
    /// Whether the last apply did not come to its end.
    pub interrupted: bool,
}

/// What is asked of a run.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    pub now: Timestamp,
    /// For how long data must be lost before its host gets empty volumes; never, where it is absent.
    pub replace_after: Option<SignedDuration>,
}

/// Something that is wrong, and what becomes of it, as a sentence each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    pub what: String,
    pub then: String,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// The stopped instance of the host is started.
    Start(String),
    /// The impaired instance of the host is stopped and started, which brings it onto other hardware.
    Restart(String),
    /// The host gets a new instance on its volumes and its address.
    Anew(String),
    /// The host gets empty volumes, and a new instance where it needs one; its broker fetches everything anew.
    Replace(String),
    /// What an earlier run began: the broker of the host has to come in sync, and its throttle to be lifted.
    Fetch(String),
}

impl Remedy {
    /// The host.
    pub fn host(&self) -> &str {
        let (Remedy::Start(host)
        | Remedy::Restart(host)
        | Remedy::Anew(host)
        | Remedy::Replace(host)
        | Remedy::Fetch(host)) = self;
        host
    }

    /// What is done, as a sentence.
    pub fn text(&self) -> String {
        match self {
            Remedy::Start(host) => format!("The instance of {host} is started."),
            Remedy::Restart(host) => {
                format!(
                    "The instance of {host} is stopped and started, which brings it onto other hardware; its volumes and address stay."
                )
            }
            Remedy::Anew(host) => format!("A new instance of {host} starts on the same volumes and address."),
            Remedy::Replace(host) => {
                format!(
                    "{host} gets an empty disk under the same id and address, and fetches its replicas from the other brokers, throttled."
                )
            }
            Remedy::Fetch(host) => {
                format!(
                    "An earlier run brought {host} back: its replicas come in sync, and the throttle of that is lifted."
                )
            }
        }
    }
}

/// What is to be said and done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    pub wrong: Vec<Wrong>,
    pub remedy: Option<Remedy>,
    /// Hosts whose loss is first seen now: when that was is to be kept.
    pub mark: Vec<String>,
    /// Hosts whose data is not lost any more: what was kept of it goes.
    pub unmark: Vec<String>,
}

impl Verdict {
    /// Whether all is well.
    pub fn is_well(&self) -> bool {
        self.wrong.is_empty() && self.remedy.is_none()
    }
}

#[cfg(test)]
mod tests;
