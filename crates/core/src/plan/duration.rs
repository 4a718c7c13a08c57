//! How long a plan takes, roughly: to be held against what ends before, such as the caller's credentials. Pure.

use super::{Action, Plan, Step};

/// What is no operation of MSK's and no roll: all of it comes up at once, and a NAT gateway or an instance takes a few minutes.
const MINUTES: u64 = 5;
/// A host of a roll: its end, its start, and EC2's status checks, which pass after some minutes.
const ROLL_MINUTES: u64 = 5;

impl Plan {
    /// How many minutes it takes, roughly; none without steps. MSK's operations come one after another, and so do rolls.
    pub fn minutes(&self) -> u64 {
        let long = |step: &Step| {
            let spec = step.wanted().or(step.live().map(|live| &live.spec));
            let own = spec.map_or(0, |spec| spec.minutes(step.operation));
            own + if step.action() == Action::Roll { ROLL_MINUTES } else { 0 }
        };
        let of =
            |stage: &Plan| if stage.steps.is_empty() { 0 } else { MINUTES + stage.steps.iter().map(long).sum::<u64>() };
        self.stages().map(of).sum()
    }
}
