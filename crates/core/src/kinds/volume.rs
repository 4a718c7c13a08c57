//! Data volumes: a broker's or controller's identity. They outlive instances, only grow, and are never deleted unasked.

use super::prelude::*;
use crate::engines::ec2::gp3;

spec! {
    pub struct Volume {
        pub zone: String => Rule::fixed("a volume's zone", "keep the zones as they are: the data is in the volume's zone"),
        pub kind: String => Rule::in_place(),
        pub size_gib: u64 => Rule::by(resize),
        pub iops: u32 => Rule::in_place(),
        pub throughput_mibs: u32 => Rule::in_place(),
        pub encrypted: bool => Rule::fixed("a volume's encryption", NEW_STACK).hidden(),
        /// The KMS key as the file names it, known by a tag since AWS answers with an ARN; absent for the account's default.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub kms_key: Option<String> => Rule::by(keep_key),
        /// Node ids of the controllers' quorum, known by a tag, on the volumes of those who vote in it.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub voters: Option<String> => Rule::fixed(
            "the controllers' quorum",
            "keep the number of controllers, and `combined`, as they are; change the quorum itself with kafka-metadata-quorum.sh",
        ).hidden(),
        /// Kafka's cluster id, for the volume's tag: the choice of it is found there again.
        #[serde(skip)]
        pub cluster_id: String => Rule::creation_only(),
    }
}

impl Kind for Volume {
    const NAME: &'static str = "volume";
    const ENGINE: Option<Engine> = Some(Engine::Ec2);
    /// A deleted volume leaves no trace of its own; the instance that had it does.
    const GENERATION_BY: &'static [&'static str] = &[super::Instance::NAME];

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let kms_key = design.stack.cluster.ec2.as_ref().and_then(|ec2| ec2.kms_key.clone());
        let volume = |host: &HostDesign| Volume {
            zone: design.zones[host.zone].name.clone(),
            kind: "gp3".to_owned(),
            size_gib: host.volume.size_gib,
            iops: host.volume.iops,
            throughput_mibs: host.volume.throughput_mibs,
            encrypted: true,
            kms_key: kms_key.clone(),
            voters: host.votes().then(|| voters(host)),
            cluster_id: design.cluster_id.clone(),
        };
        design.hosts.iter().map(|host| (host.name.clone(), volume(host))).collect()
    }

    fn tags(&self) -> Tags {
        let key = self.kms_key.iter().map(|key| (tag::KMS_KEY.to_owned(), key.clone()));
        let voters = self.voters.iter().map(|voters| (tag::VOTERS.to_owned(), voters.clone()));
        key.chain(voters).chain([(tag::CLUSTER_ID.to_owned(), self.cluster_id.clone())]).collect()
    }

    fn deletion(&self) -> Deletion {
        Deletion::Data(format!("{} GiB of data in {}", self.size_gib, self.zone))
    }

    /// An interface is made after its volume, so one without the other had its volume taken away.
    fn missing(name: &str, is_live: &dyn Fn(&str) -> bool) -> Missing {
        if !is_live(super::NetworkInterface::NAME) && !is_live(super::Instance::NAME) {
            return Missing::New;
        }
        Missing::Lost {
            reason: format!("the data of {name} is lost: its volume is gone, and an empty one is created"),
            refusal: format!("the data of {name} is lost: its volume is gone, although the host is there"),
            remedy: "restore the volume from a snapshot and tag it as before; or run again with --allow-data-loss: an empty volume is created, and Kafka copies the replicas to it",
        }
    }

    fn price(&self, costs: &mut Costs<'_>) {
        costs.charge("gp3 size", self.size_gib as f64);
        costs.charge("gp3 iops", f64::from(self.iops) - f64::from(gp3::IOPS.least));
        costs.charge("gp3 throughput", f64::from(self.throughput_mibs) - gp3::THROUGHPUT_MIBS.least);
    }
}

/// The node ids of the quorum that `host` votes in.
fn voters(host: &HostDesign) -> String {
    host.cloud.controllers.iter().map(|voter| voter.node_id.to_string()).collect::<Vec<_>>().join(" ")
}

fn resize(change: &FieldChange, _: bool) -> Effect {
    if change.after.as_u64() >= change.before.as_u64() {
        return Effect::InPlace;
    }
    Effect::Keep(format!(
        "a volume never shrinks: it keeps {} GiB, and the file asks for {} GiB",
        change.before, change.after
    ))
}

fn keep_key(_: &FieldChange, _: bool) -> Effect {
    Effect::Keep("an existing volume keeps the key that it was created with".to_owned())
}
