//! Data volumes: a broker's or controller's identity. They outlive instances, only grow, and are never deleted unasked.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::Resource;
use super::prelude::*;
use crate::design::host_of_volume;
use crate::engines::ec2::ebs;

spec! {
    pub struct Volume {
        pub zone: String => Rule::fixed("a volume's zone", "keep the zones as they are: the data is in the volume's zone"),
        pub kind: String => Rule::in_place(),
        pub size_gib: u64 => Rule::by(resize),
        /// Provisioned; absent where the type has none to set. So is the throughput.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub iops: Option<u32> => Rule::in_place(),
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub throughput_mibs: Option<u32> => Rule::in_place(),
        pub encrypted: bool => Rule::fixed("a volume's encryption", NEW_STACK).hidden(),
        /// The KMS key as the file names it, known by a tag since AWS answers with an ARN; absent for the account's default.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub kms_key: Option<String> => Rule::by(keep_key),
        /// Node ids of the quorum's first controllers, known by a tag, on the volumes of all who vote in it.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub voters: Option<String> => Rule::fixed(
            "the controllers' quorum",
            "keep `combined`, and the first three brokers, as they are: with `combined: true` the quorum stays as it was made",
        ).hidden(),
        /// Of a controller that joined the quorum later, known by a tag: the directory that it replaces, or [`NEW`].
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub joins: Option<String> => Rule::in_place().hidden(),
        /// Of a live one: the id of the instance that has it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub attached_to: Option<String> => Rule::in_place().hidden(),
        /// Kafka's cluster id, for the volume's tag: the choice of it is found there again.
        #[serde(skip)]
        pub cluster_id: String => Rule::creation_only(),
    }
}

/// What [`Volume::joins`] says where no other directory is replaced.
pub const NEW: &str = "new";

impl Volume {
    /// The node ids of the quorum's first voters, where it is a voter's.
    pub fn first_voters(&self) -> Option<BTreeSet<u32>> {
        Some(self.voters.as_ref()?.split(' ').filter_map(|id| id.parse().ok()).collect())
    }
}

impl Kind for Volume {
    const NAME: &'static str = "volume";
    const ENGINE: Option<Engine> = Some(Engine::Ec2);
    /// A deleted volume leaves no trace of its own; the instance that had it does.
    const GENERATION_BY: &'static [&'static str] = &[super::Instance::NAME];

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let kms_key = design.stack.cluster.ec2.as_ref().and_then(|ec2| ec2.kms_key.clone());
        let volume = |host: &HostDesign, number: usize| Volume {
            zone: design.zones[host.zone].name.clone(),
            kind: host.volume.kind.word().to_owned(),
            size_gib: host.volume.size_gib,
            iops: host.volume.set_iops(),
            throughput_mibs: host.volume.set_throughput_mibs(),
            encrypted: true,
            kms_key: kms_key.clone(),
            // The quorum's log is on the first one.
            voters: (host.votes() && number == 0).then(|| voters(host)),
            joins: host.joins.clone().filter(|_| number == 0),
            attached_to: None,
            cluster_id: design.cluster_id.clone(),
        };
        let all = |host: &HostDesign| {
            let named = host.volumes().into_iter().enumerate();
            named.map(|(number, name)| (name, volume(host, number))).collect::<Vec<_>>()
        };
        design.hosts.iter().flat_map(all).collect()
    }

    fn tags(&self) -> Tags {
        let key = self.kms_key.iter().map(|key| (tag::KMS_KEY.to_owned(), key.clone()));
        let voters = self.voters.iter().map(|voters| (tag::VOTERS.to_owned(), voters.clone()));
        let joins = self.joins.iter().map(|joins| (tag::JOINS.to_owned(), joins.clone()));
        key.chain(voters).chain(joins).chain([(tag::CLUSTER_ID.to_owned(), self.cluster_id.clone())]).collect()
    }

    fn owner(name: &str) -> &str {
        host_of_volume(name).0
    }

    fn deletion(&self) -> Deletion {
        Deletion::Data(format!("{} GiB of data in {}", self.size_gib, self.zone))
    }

    /// An interface is made after its host's first volume, so one without the other had its volume taken away. An instance tells how many
    /// volumes it has been made for.
    fn missing(name: &str, siblings: &Siblings<'_>) -> Missing {
        let had = |number: u32| match (siblings.spec)(super::Instance::NAME) {
            Some(Resource::Instance(instance)) => instance.volumes.is_some_and(|volumes| number <= volumes),
            _ => false,
        };
        // One on its own disks never had a volume.
        let own_disks = match (siblings.spec)(super::Instance::NAME) {
            Some(Resource::Instance(instance)) => instance.storage.is_some(),
            _ => false,
        };
        let was = match host_of_volume(name) {
            (_, 1) if own_disks => false,
            (_, 1) => (siblings.is_live)(super::NetworkInterface::NAME) || (siblings.is_live)(super::Instance::NAME),
            (_, number) => had(number),
        };
        if !was {
            return Missing::New;
        }
        Missing::Lost {
            reason: format!("the data of {name} is lost: its volume is gone, and an empty one is created"),
            refusal: format!("the data of {name} is lost: its volume is gone, although the host is there"),
            remedy: "restore the volume from a snapshot and tag it as before; or run again with --allow-data-loss: an empty volume is created, and Kafka copies the replicas to it",
        }
    }

    fn holders(&self) -> Vec<&str> {
        self.attached_to.as_deref().into_iter().collect()
    }

    fn price(&self, costs: &mut Costs<'_>) {
        for charge in ebs::charges(
            &self.kind,
            self.size_gib,
            self.iops.unwrap_or_default(),
            self.throughput_mibs.unwrap_or_default(),
        ) {
            costs.charge(charge.item, charge.quantity);
        }
    }
}

/// Modifications of a volume that EBS takes within [`MODIFICATION_WINDOW`]. Source: Amazon EBS User Guide, "Requirements for Amazon
/// EBS volume modifications", 2026.
pub const MODIFICATIONS: usize = 4;
/// The time in which they count. Source: the same.
pub const MODIFICATION_WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// When EBS takes another modification of a volume after it refused one because there were too many: a clause, with the time
/// and what to do then. `begun` are the modifications that are known, by their starts, of which EC2 tells the last alone
/// (DescribeVolumesModifications), so the time may be the latest that it can be. `None` where none is known.
pub fn modifiable_again(begun: &[Timestamp]) -> Option<(Timestamp, String)> {
    let mut begun = begun.to_vec();
    begun.sort_unstable_by(|left, right| right.cmp(left));
    let last = *begun.first()?;
    // The fourth from the last leaves the window first: then there is room.
    let (at, bound) = match begun.get(MODIFICATIONS - 1) {
        Some(fourth) => (*fourth + MODIFICATION_WINDOW, ""),
        None => (last + MODIFICATION_WINDOW, " at the latest"),
    };
    let hours = MODIFICATION_WINDOW.as_hours();
    let text = format!(
        "EBS takes {MODIFICATIONS} modifications of a volume within {hours} hours, and the last one began at {}: the next is possible at \
         {}{bound}; run the command again then, and it continues where it stopped",
        last.strftime(TIME),
        at.strftime(TIME)
    );
    Some((at, text))
}

/// A time for people.
const TIME: &str = "%F %H:%M UTC";

/// The node ids of the quorum that `host` votes in.
fn voters(host: &HostDesign) -> String {
    host.cloud.controllers.iter().map(|voter| voter.node_id.to_string()).collect::<Vec<_>>().join(" ")
}

fn resize(change: &FieldChange, _: bool) -> Effect {
    if change.after.as_u64() >= change.before.as_u64() {
        return Effect::InPlace;
    }
    Effect::Keep(format!(
        "a volume never shrinks: it keeps {} GiB, and the file asks for {} GiB; brokers with smaller ones are another set, by \
         `brokers.generation`",
        change.before, change.after
    ))
}

fn keep_key(_: &FieldChange, _: bool) -> Effect {
    Effect::Keep("an existing volume keeps the key that it was created with; brokers with another key are another set, by `brokers.generation`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(begun: &[&str]) -> Option<(Timestamp, String)> {
        let begun: Vec<Timestamp> = begun.iter().map(|text| text.parse().expect("a time")).collect();
        modifiable_again(&begun)
    }

    #[test]
    fn the_next_modification_is_possible_a_day_after_the_last_at_the_latest() {
        let (at, text) = again(&["2026-01-31T12:34:56Z"]).expect("a time");
        assert_eq!(at.to_string(), "2026-02-01T12:34:56Z");
        assert_eq!(
            text,
            "EBS takes 4 modifications of a volume within 24 hours, and the last one began at 2026-01-31 12:34 UTC: the next is \
             possible at 2026-02-01 12:34 UTC at the latest; run the command again then, and it continues where it stopped"
        );
        assert_eq!(again(&[]), None);
    }

    #[test]
    fn where_all_four_are_known_the_first_of_them_tells() {
        // In any order; the one of the day before does not count.
        let begun = ["2026-01-31T10:00:00Z", "2026-01-31T04:00:00Z", "2026-01-31T08:00:00Z", "2026-01-31T06:00:00Z"];
        let (at, text) = again(&[&begun[..], &["2026-01-30T01:00:00Z"]].concat()).expect("a time");
        assert_eq!(at.to_string(), "2026-02-01T04:00:00Z");
        assert!(
            text.contains("began at 2026-01-31 10:00 UTC: the next is possible at 2026-02-01 04:00 UTC; run"),
            "{text}"
        );
    }
}
