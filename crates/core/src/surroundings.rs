//! What else is in a stack's VPC, whoever made it, and what of it stands in the way of the stack's deletion. Pure.
//!
//! AWS deletes no VPC that still holds anything but its own defaults (API reference, DeleteVpc), no subnet with an interface and no
//! group that is used. kstack learns of that before the first volume is deleted, and not from the last call.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::kinds::{ClientInstance, Instance, Kind as _, Resource, Vpc};
use crate::model::{Address, tag};
use crate::observed::{Found, Live, Observed};
use crate::refusal::Refusal;

/// The tag on what GuardDuty's Runtime Monitoring puts into a VPC: the service's role may create and delete only what has it
/// (AWS managed policy AmazonGuardDutyServiceRolePolicy).
pub const GUARD_DUTY: &str = "GuardDutyManaged";
/// The end of the name of the endpoint service by which GuardDuty's agents report.
const GUARD_DUTY_SERVICE: &str = ".guardduty-data";
/// Why what GuardDuty made is deleted with the stack. GuardDuty keeps it for as long as Runtime Monitoring is on, also when nothing is
/// left to watch, and makes it again where something is (GuardDuty user guide, "Using infrastructure as code with GuardDuty
/// automated security agents"): so nothing is lost.
pub const GUARD_DUTY_REASON: &str =
    "GuardDuty put it into the stack's VPC by itself; it watches only what the stack has, and goes with it";

/// Something in a VPC that no kind of kstack's stands for, or that another owner has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neighbour {
    /// What it is, in AWS's words: `network interface`.
    pub what: String,
    pub id: String,
    /// The account, or the service, that made it; may be empty.
    #[serde(default)]
    pub owner: String,
    /// Its name and description; may be empty.
    #[serde(default)]
    pub description: String,
    /// Ids of the subnets, groups and the VPC that can't be deleted while it is there.
    #[serde(default)]
    pub uses: BTreeSet<String>,
}

/// What AWS shows in the VPCs of a stack, and of its instances.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Everything that is there, the stack's own and what belongs to that among it.
    pub neighbours: Vec<Neighbour>,
    /// The endpoints and groups among them, as resources.
    pub found: Vec<Found<Resource>>,
    /// Ids of the stack's instances that EC2 does not terminate, because of their attribute `disableApiTermination`.
    pub locked: BTreeSet<String>,
    /// Calls that the credentials do not allow: what they would show is not known.
    pub denied: BTreeSet<String>,
}

/// The ids of a stack's own resources, those on their way out among them, and its VPCs.
#[derive(Debug, Clone, Default)]
pub struct Own {
    ids: BTreeSet<String>,
    pub vpcs: Vec<String>,
    pub instances: Vec<String>,
}

impl Own {
    /// Those of `observed`.
    pub fn of(observed: &Observed) -> Own {
        let live = |kind: &str| -> Vec<String> {
            let of_kind = observed.live.iter().filter(|(address, _)| address.kind == kind);
            of_kind.map(|(_, live)| live.id.clone()).collect()
        };
        let ids = observed.live.values().map(|live| live.id.clone());
        // The client host's interface is EC2's, and goes with it.
        let of_client = observed.of::<ClientInstance>().into_values().filter_map(|(_, one)| one.interface.clone());
        let ids = ids.chain(observed.terminated.values().flatten().cloned()).chain(of_client).collect();
        let instances = [live(Instance::NAME), live(ClientInstance::NAME)].concat();
        Own { ids, vpcs: live(Vpc::NAME), instances }
    }

    /// Adds what was made since.
    pub fn add(&mut self, ids: impl IntoIterator<Item = String>) {
        self.ids.extend(ids);
    }

    /// Whether `neighbour` is the stack's, or belongs to what is. AWS says of an interface only in its description whose it is:
    /// `Interface for NAT Gateway nat-1`, `VPC Endpoint Interface vpce-1`, or `DO NOT DELETE - Amazon MSK network interface for
    /// cluster ARN`. Those of gateways and endpoints go with them, so that they are never named beside them.
    fn has(&self, neighbour: &Neighbour) -> bool {
        let words = || neighbour.description.split([' ', '.']);
        let goes_along = |word: &str| word.starts_with("nat-") || word.starts_with("vpce-");
        self.ids.contains(&neighbour.id)
            || self.ids.iter().any(|id| id.starts_with("arn:") && neighbour.description.contains(id.as_str()))
            || (neighbour.what == "network interface" && words().any(goes_along))
    }
}

impl Neighbour {
    /// What it is, whose, and what it says of itself.
    pub fn text(&self) -> String {
        let owner = if self.owner.is_empty() { String::new() } else { format!(", owner {}", self.owner) };
        let description =
            if self.description.is_empty() { String::new() } else { format!(", \"{}\"", self.description) };
        format!("the {} {}{owner}{description}", self.what, self.id)
    }
}

impl Surroundings {
    /// What is not the stack's, and not GuardDuty's.
    fn others<'a>(&'a self, own: &'a Own) -> impl Iterator<Item = &'a Neighbour> {
        let managed = |id: &str| self.found.iter().any(|found| found.id == id && is_guard_duty(found));
        self.neighbours.iter().filter(move |one| !own.has(one) && !managed(&one.id))
    }

    /// What is not the stack's and keeps the resource `id` at `address` from being deleted.
    pub fn in_the_way_of<'a>(&'a self, address: &Address, id: &'a str, own: &'a Own) -> Vec<&'a Neighbour> {
        // A VPC waits for everything, and its gateway for whatever has a public address.
        let all = ["vpc", "internet_gateway"].contains(&address.kind.as_str());
        self.others(own).filter(|one| all || one.uses.contains(id)).collect()
    }

    /// Adds to `observed` what AWS's own services put into the stack's VPC, and what may go with it.
    pub fn adopt_into(&self, observed: &mut Observed) {
        let live: BTreeSet<&str> = observed.live.values().map(|live| live.id.as_str()).collect();
        let managed = |found: &&Found<Resource>| !live.contains(found.id.as_str()) && is_guard_duty(found);
        let managed: Vec<Found<Resource>> = self.found.iter().filter(managed).cloned().collect();
        observed.adopt(managed);
    }

    /// Why the stack of `observed` can't be deleted, each with a remedy.
    pub fn refusals(&self, observed: &Observed) -> Vec<Refusal> {
        let own = Own::of(observed);
        let home = observed.live.keys().find(|address| address.kind == Vpc::NAME);
        let mut refusals: Vec<Refusal> = self
            .others(&own)
            .map(|one| Refusal {
                address: home.cloned(),
                ..Refusal::general(
                    format!("{} is in the VPC of the stack, and is not the stack's", one.text()),
                    "delete it, or what it belongs to, or ask its owner to; then run the command again",
                )
            })
            .collect();
        let instances = observed
            .live
            .iter()
            .filter(|(address, _)| [Instance::NAME, ClientInstance::NAME].contains(&address.kind.as_str()));
        let locked = instances.filter(|(_, live)| self.locked.contains(&live.id));
        refusals.extend(locked.map(|(address, live)| {
            Refusal::at(
                address,
                format!("the instance {} is protected against termination (disableApiTermination)", live.id),
                format!(
                    "if it may go: aws ec2 modify-instance-attribute --instance-id {} --no-disable-api-termination; then run the command again",
                    live.id
                ),
            )
        }));
        refusals
    }
}

/// Whether GuardDuty put it there: the mark alone may be copied, so that the service's own name counts too.
fn is_guard_duty(found: &Found<Resource>) -> bool {
    let named = match &found.spec {
        Resource::VpcEndpoint(endpoint) => endpoint.service.ends_with(GUARD_DUTY_SERVICE),
        Resource::SecurityGroup(group) => group.group_name.starts_with("GuardDutyManagedSecurityGroup-"),
        _ => false,
    };
    named && found.tags.contains_key(GUARD_DUTY) && !found.terminated
}

/// Whether kstack did not make it, and deletes it with the stack.
pub fn is_adopted(live: &Live) -> bool {
    live.tags.contains_key(GUARD_DUTY) && !live.tags.contains_key(tag::STACK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn interface(id: &str, description: &str) -> Neighbour {
        Neighbour {
            what: "network interface".to_owned(),
            id: id.to_owned(),
            owner: "1".to_owned(),
            description: description.to_owned(),
            uses: ["vpc-1", "subnet-1"].map(str::to_owned).into(),
        }
    }

    #[test]
    fn interfaces_of_what_the_stack_has_are_the_stacks_and_others_are_not() {
        let arn = "arn:aws:kafka:eu-west-1:1:cluster/orders/6c0e";
        let mut own = Own::default();
        own.add(["eni-own", arn].map(str::to_owned));
        for (id, description, is) in [
            ("eni-own", "", true),
            ("eni-2", "Interface for NAT Gateway nat-0a1b", true),
            ("eni-3", "VPC Endpoint Interface vpce-0a1b", true),
            ("eni-4", &format!("DO NOT DELETE - Amazon MSK network interface for cluster {arn}."), true),
            (
                "eni-5",
                "DO NOT DELETE - Amazon MSK network interface for cluster arn:aws:kafka:eu-west-1:1:cluster/x/1.",
                false,
            ),
            ("eni-6", "AWS Lambda VPC ENI-orders", false),
            ("eni-7", "ELB app/orders/50dc", false),
            ("eni-8", "", false),
        ] {
            assert_eq!(own.has(&interface(id, description)), is, "{id} {description}");
        }
    }

    #[test]
    fn only_what_uses_a_subnet_is_in_its_way_and_everything_in_that_of_the_vpc() {
        let found = |id: &str, uses: &[&str]| Neighbour {
            uses: uses.iter().map(|one| (*one).to_owned()).collect(),
            ..interface(id, "")
        };
        let neighbours = vec![found("eni-1", &["vpc-1", "subnet-1"]), found("eni-2", &["vpc-1", "subnet-2"])];
        let all = Surroundings { neighbours, ..Surroundings::default() };
        let own = Own::default();
        let names = |kind: &str, id: &str| {
            let found = all.in_the_way_of(&Address::new(kind, "main"), id, &own);
            found.into_iter().map(|one| one.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names("subnet", "subnet-1"), ["eni-1"]);
        assert_eq!(names("vpc", "vpc-1"), ["eni-1", "eni-2"]);
        assert_eq!(names("security_group", "sg-1"), [""; 0]);
    }

    proptest! {
        /// Whatever is there and not the stack's is refused by its id, owner and description, each once.
        #[test]
        fn each_neighbour_is_named(ids in prop::collection::btree_set("[a-z]{3}-[0-9a-f]{8}", 0..20), owner in "[0-9]{12}") {
            let neighbours: Vec<Neighbour> =
                ids.iter().map(|id| Neighbour { owner: owner.clone(), ..interface(id, "somebody's") }).collect();
            let refusals = Surroundings { neighbours, ..Surroundings::default() }.refusals(&Observed::default());
            prop_assert_eq!(refusals.len(), ids.len());
            for (refusal, id) in refusals.iter().zip(&ids) {
                prop_assert!(refusal.reason.contains(id.as_str()) && refusal.reason.contains(&owner));
                prop_assert!(refusal.reason.contains("somebody's"));
            }
        }
    }
}
