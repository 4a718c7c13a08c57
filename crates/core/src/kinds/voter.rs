//! Voters of the controllers' quorum, as Kafka knows them. The first ones are formatted as such; later ones start as observers, and join
//! once they have caught up. Kafka tells one making of a controller's log from the next by the id of its directory.

use super::prelude::*;
use crate::design::{CONTROLLER_IDS, node_id, volume_name};
use crate::stack::Stack;

/// The most controllers that a stack file can have.
pub const MOST: u32 = 5;

spec! {
    pub struct Voter {
        /// Its node id.
        pub id: u32 => Rule::creation_only(),
        /// Kafka's id of the directory of its log.
        pub directory: String => Rule::in_place().hidden(),
        /// The private address of its host.
        #[serde(skip)]
        pub address: String => Rule::creation_only(),
    }
}

/// The name of the voter with this node id: that of its host.
pub fn name_of(id: u32) -> String {
    match id.checked_sub(CONTROLLER_IDS).filter(|number| *number > 0) {
        Some(number) => format!("controller-{number}"),
        None => format!("broker-{id}"),
    }
}

/// Whether `host` is a controller that `stack` no longer has. Where brokers are the controllers none leaves: the quorum stays as it was made.
pub fn leaves(stack: &Stack, host: &str) -> bool {
    let number = node_id(host).filter(|_| host.starts_with("controller-")).map(|id| id - CONTROLLER_IDS);
    let count =
        stack.cluster.ec2.as_ref().and_then(|ec2| ec2.controllers.as_ref()).map(|controllers| controllers.count);
    number.zip(count).is_some_and(|(number, count)| number > count && number <= MOST)
}

impl Kind for Voter {
    const NAME: &'static str = "voter";
    const TAGGED: bool = false;
    const ENGINE: Option<Engine> = Some(Engine::Ec2);

    /// None: the plan compares who votes with who is to.
    fn desired(_: &Design) -> Vec<(String, Self)> {
        Vec::new()
    }

    /// What the controller is on goes after it.
    fn after(&self, name: &str) -> Vec<Address> {
        let host = [super::Instance::NAME, super::NetworkInterface::NAME].map(|kind| Address::new(kind, name));
        host.into_iter().chain([Address::new(super::Volume::NAME, &volume_name(name, 1))]).collect()
    }

    fn price(&self, _: &mut Costs<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voter_has_the_name_of_its_host() {
        for (id, name) in [(1, "broker-1"), (1000, "broker-1000"), (1001, "controller-1"), (1005, "controller-5")] {
            assert_eq!(name_of(id), name);
            assert_eq!(node_id(name), Some(id));
        }
    }
}
