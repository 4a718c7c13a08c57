//! Instances: brokers and controllers as replaceable machines. Volume and interface stay when one is terminated.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::prelude::*;
use crate::cloud_init::{Phase, UserData};
use crate::engines::ec2::ROOT_GIB;
use crate::stack::Stack;
use crate::trust::Trust;
use jiff::Timestamp;
use serde_json::Value;

/// What is said of the certificate that a host runs with while more than a third of its life is left.
pub const VALID: &str = "valid";

/// What is said before the day on which the certificate that a host runs with has ended.
pub const ENDED: &str = "ended";

spec! {
    pub struct Instance {
        pub instance_type: String => Rule::roll(),
        pub image: String => Rule::roll(),
        /// The interface's own; named here for the route table that goes with it.
        pub subnet: Ref => Rule::roll(),
        pub interface: Ref => Rule::roll(),
        /// Empty while it is not attached.
        pub data_volume: Ref => Rule::by(attach),
        /// Further ones, in the order of their devices, without those that are not attached.
        #[serde(default)]
        pub more_volumes: Vec<Ref> => Rule::by(attach_more).hidden(),
        /// The stack's own, or by its name that of others.
        pub profile: Ref => Rule::in_place(),
        #[serde(skip_serializing_if = "Option::is_none")]
        pub placement_group: Option<Ref> => Rule::roll(),
        #[serde(skip_serializing_if = "Option::is_none")]
        pub partition: Option<u32> => Rule::roll(),
        /// `required`: IMDSv2 only.
        pub http_tokens: String => Rule::in_place().hidden(),
        pub state: String => Rule::in_place().hidden(),
        /// EC2's termination protection, as kstack set it last, known by a tag: DescribeInstances does not show it.
        #[serde(default)]
        pub termination_protection: bool => Rule::in_place().hidden(),
        // What the host runs is known by tags: user data can't be listed.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub os: Option<String> => Rule::roll().hidden(),
        #[serde(skip_serializing_if = "Option::is_none")]
        pub kafka: Option<String> => Rule::roll(),
        /// How many volumes it has been made for, where there are several.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub volumes: Option<u32> => Rule::roll().hidden(),
        /// `on` where it has exporters for Prometheus.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub monitoring: Option<String> => Rule::roll().hidden(),
        /// Where its data is, where that is on disks of its own: it is lost with it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub storage: Option<String> => Rule::roll().hidden(),
        /// How far it is on its way from plaintext to TLS: a [`Phase`]'s word; absent for plaintext.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub listeners: Option<String> => Rule::by(go_on).hidden(),
        /// With which certificate it runs, where it speaks TLS: [`VALID`], or when that ends, or [`ENDED`] and when.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub certificate: Option<String> => Rule::by(renew).hidden(),
        /// When that ends, to the second.
        #[serde(skip)]
        pub certificate_ends: Option<Timestamp> => Rule::creation_only(),
        /// When it started, by EC2.
        #[serde(skip)]
        pub launched: Option<Timestamp> => Rule::creation_only(),
        /// The authorities that it runs with, where it speaks TLS: a [`Trust`], or something else where nothing is known.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub trust: Option<String> => Rule::roll().hidden(),
        /// Which controllers it asks, where these are others than the quorum's first: an [`Asked`].
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub controllers: Option<String> => Rule::by(ask).hidden().saying("controllers: it asks fewer than there are to be"),
        /// Fingerprint of the host's configuration.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub config: Option<String> => Rule::roll().hidden().saying("config: the host's settings differ"),
        // What its own file has of the settings that all brokers change while they run: see `cluster_settings`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub retention: Option<String> => Rule::until_roll().hidden(),
        #[serde(skip_serializing_if = "Option::is_none")]
        pub min_insync_replicas: Option<String> => Rule::until_roll().hidden(),
        /// A fingerprint of the others; none of a host from before there was one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        pub settings: Option<String> => Rule::until_roll().hidden(),
        /// For creation only; its fingerprint is `config`.
        #[serde(skip)]
        pub user_data: UserData => Rule::creation_only(),
        /// The interfaces of the quorum's voters, in subnets that others use too: their addresses are in the user data, and are sure only
        /// once they are taken.
        #[serde(skip)]
        pub voters: Vec<Ref> => Rule::creation_only(),
        /// What a broker starts with of the settings that all brokers change while they run.
        #[serde(skip)]
        pub running: BTreeMap<String, String> => Rule::creation_only(),
    }
}

references!(UserData);

/// Which controllers a host asks, by their node ids, and with which the quorum started. A host that tells of none asks those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub of: BTreeSet<u32>,
    pub first: BTreeSet<u32>,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = |ids: &BTreeSet<u32>| ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
        write!(f, "{}, first {}", ids(&self.of), ids(&self.first))
    }
}

impl Asked {
    pub fn parse(text: &str) -> Option<Asked> {
        let ids = |text: &str| text.split(' ').map(|id| id.parse().ok()).collect::<Option<BTreeSet<u32>>>();
        let (of, first) = text.split_once(", first ")?;
        Some(Asked { of: ids(of)?, first: ids(first)? })
    }
}

impl Instance {
    /// Which controllers the host asks, of a quorum that started with `first`. One with a mark that kstack does not set asks nobody.
    pub fn asks(&self, first: &BTreeSet<u32>) -> BTreeSet<u32> {
        match &self.controllers {
            None => first.clone(),
            Some(mark) => Asked::parse(mark).map(|asked| asked.of).unwrap_or_default(),
        }
    }

    /// How far it is on its way from plaintext to TLS; `None` for a mark that kstack does not set.
    pub fn phase(&self) -> Option<Phase> {
        Phase::of_mark(self.listeners.as_deref())
    }

    /// Whether its own file has other settings than `stack` wants of all brokers while they run. `as_configured` says of a host that does
    /// not tell whether all that it was configured with is as it is to be.
    pub fn is_behind(&self, stack: &Stack, as_configured: bool) -> bool {
        let settings = stack.common().settings;
        let other = |own: &Option<String>, wanted: String| own.as_ref().is_some_and(|own| *own != wanted);
        other(&self.retention, settings.retention.to_string())
            || other(&self.min_insync_replicas, settings.min_insync.to_string())
            || other(&self.settings, stack.settings_mark())
            || self.settings.is_none() && !as_configured && !stack.running_config().is_empty()
    }

    /// Whether it has listeners with TLS, and a certificate.
    pub fn speaks_tls(&self) -> bool {
        self.phase().is_some_and(Phase::tls)
    }
}

impl Kind for Instance {
    const NAME: &'static str = "instance";
    const ENGINE: Option<Engine> = Some(Engine::Ec2);

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let voters: Vec<Ref> = design
            .hosts
            .iter()
            .filter(|host| host.votes() && design.existing.is_some())
            .map(|host| Ref::to(super::NetworkInterface::NAME, &host.name))
            .collect();
        let profile = super::instance_profile::profile_of(design);
        let instance = |host: &HostDesign| Instance {
            instance_type: host.instance_type.clone(),
            image: host.image.clone(),
            subnet: host.subnet.clone(),
            interface: Ref::to(super::NetworkInterface::NAME, &host.name),
            data_volume: host.volumes().first().map_or(Ref::None, |name| Ref::to(super::Volume::NAME, name)),
            more_volumes: host.volumes().iter().skip(1).map(|name| Ref::to(super::Volume::NAME, name)).collect(),
            profile: profile.clone(),
            placement_group: host.placement.as_ref().map(|seat| Ref::to(super::PlacementGroup::NAME, &seat.group)),
            partition: host.placement.as_ref().and_then(|seat| seat.partition),
            http_tokens: "required".to_owned(),
            state: "running".to_owned(),
            termination_protection: design.stack.protected,
            os: Some(host.cloud.os.word().to_owned()),
            kafka: Some(host.cloud.kafka_version.clone()),
            volumes: Some(host.volumes().len() as u32).filter(|count| *count > 1),
            monitoring: host.cloud.monitoring.as_ref().map(|_| "on".to_owned()),
            storage: host.cloud.own_disks.map(|_| host.volume.kind.word().to_owned()),
            listeners: mark(design, host.cloud.phase()),
            certificate: host.cloud.security.as_ref().map(|_| VALID.to_owned()),
            certificate_ends: None,
            launched: None,
            trust: host
                .cloud
                .security
                .as_ref()
                .map(|_| design.authorities.trust.clone().of_host(&host.name).to_string()),
            controllers: host.asks.clone(),
            config: Some(host.config.clone()),
            retention: host.broker().then(|| design.stack.common().settings.retention.to_string()),
            min_insync_replicas: Some(design.stack.common().settings.min_insync.to_string()),
            settings: Some(design.stack.settings_mark()),
            user_data: host.user_data.clone(),
            voters: voters.clone(),
            running: if host.broker() { design.stack.running() } else { BTreeMap::new() },
        };
        design.hosts.iter().map(|host| (host.name.clone(), instance(host))).collect()
    }

    /// A host fetches packages and Kafka when it starts, so its outbound internet access comes first. So do the rules of its group, and
    /// the names that it may be told by.
    fn after(&self, name: &str) -> Vec<Address> {
        let group = if name.starts_with("broker") { "brokers" } else { "controllers" };
        let table = self.subnet.address().map(|subnet| Address::new(super::RouteTable::NAME, &subnet.name));
        // A name that is asked for before it is there is not asked for again for minutes.
        let before = [
            Address::new(super::SecurityGroupRules::NAME, group),
            Address::new(super::Role::NAME, "hosts"),
            Address::new(super::HostCertificate::NAME, name),
            Address::new(super::DnsRecords::NAME, super::dns_records::MAIN),
        ];
        // An authority that it trusts goes only after it has let go of it.
        let trust = self.trust.as_deref().and_then(Trust::parse);
        let trusted = trust.iter().flat_map(super::certificate_authority::all_of);
        let trusted = trusted.map(|(of, number)| Address::new(super::CertificateAuthority::NAME, &of.name(number)));
        before.into_iter().chain(table).chain(trusted).collect()
    }

    fn tags(&self) -> Tags {
        let pairs = [
            (tag::OS, &self.os),
            (tag::KAFKA, &self.kafka),
            (tag::MONITORING, &self.monitoring),
            (tag::STORAGE, &self.storage),
            (tag::LISTENERS, &self.listeners),
            (tag::CONTROLLERS, &self.controllers),
            (tag::CONFIG, &self.config),
            (tag::RETENTION, &self.retention),
            (tag::MIN_INSYNC, &self.min_insync_replicas),
            (tag::SETTINGS, &self.settings),
        ];
        let volumes = self.volumes.map(|count| (tag::VOLUMES.to_owned(), count.to_string()));
        let on = self.termination_protection.then(|| (tag::TERMINATION_PROTECTION.to_owned(), "on".to_owned()));
        pairs
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value.clone()?)))
            .chain(volumes)
            .chain(on)
            .collect()
    }

    fn missing(_: &str, siblings: &Siblings<'_>) -> Missing {
        if (siblings.is_live)(super::Volume::NAME) {
            Missing::Gone("its instance is gone: a new one starts on the same volume and interface")
        } else if (siblings.is_live)(super::NetworkInterface::NAME) {
            Missing::Gone(
                "its instance is gone, and its data with it: a new one starts on the same interface, and Kafka copies its replicas to it",
            )
        } else {
            Missing::New
        }
    }

    fn roll_reason(&self, changes: &[FieldChange]) -> &'static str {
        let alone = changes.iter().all(|change| ["certificate", "trust"].contains(&change.field.as_str()));
        if let Some(reason) = changes.iter().find(|change| change.field == "listeners").and_then(phase_reason) {
            return reason;
        }
        let changes = |field: &str| changes.iter().any(|change| change.field == field);
        if alone && self.storage.is_none() {
            "the host is replaced while the others run, and starts with a new certificate; its volume and address are kept"
        } else if changes("controllers") {
            "the host is told of all controllers before one joins or leaves the quorum; it is replaced while the others run, its volume and address are kept"
        } else if self.storage.is_some() {
            "the host is replaced while the others run: it loses its replicas, and fetches them again from the others; its address is kept"
        } else if changes("data_volume") {
            "the host is replaced on another volume while the others run; its address is kept"
        } else if changes("more_volumes") {
            "the host is replaced with other volumes beside its first while the others run; its first volume and its address are kept"
        } else {
            "the host is replaced while the others run; its volume and address are kept"
        }
    }

    /// A roll loses the same and is not asked: the others have what the host has, and it fetches that again.
    fn deletion(&self) -> Deletion {
        match self.storage {
            Some(_) => Deletion::Data("all its data, on disks of its own".to_owned()),
            None => Deletion::Free,
        }
    }

    fn home(&self) -> Vec<&str> {
        self.subnet.id().into_iter().collect()
    }

    fn is_down(&self) -> bool {
        self.state.starts_with("stop")
    }

    fn price(&self, costs: &mut Costs<'_>) {
        costs.charge(&format!("ec2 {}", self.instance_type), HOURS_PER_MONTH);
        costs.charge("gp3 size", ROOT_GIB);
    }
}

/// What a host is marked with. Plaintext has no mark; but while hosts go there it is said, since what is absent is no difference.
fn mark(design: &Design, phase: Phase) -> Option<String> {
    phase.mark().or_else(|| (!design.course.rests()).then(|| phase.word().to_owned()))
}

/// The phases that a change of `listeners` is from and to.
fn phases(change: &FieldChange) -> Option<(Phase, Phase)> {
    Some((Phase::of_mark(change.before.as_str())?, Phase::of_mark(change.after.as_str())?))
}

/// Hosts of phases that are not beside each other don't reach each other.
fn go_on(change: &FieldChange, _: bool) -> Effect {
    match phases(change) {
        Some((before, after)) if before.is_beside(after) => Effect::Roll,
        _ => Effect::Refuse {
            reason: "hosts that speak plaintext and hosts that speak TLS don't reach each other".to_owned(),
            remedy: "this is a defect of kstack: please report it with this message".to_owned(),
        },
    }
}

/// What a roll into the next phase does.
fn phase_reason(change: &FieldChange) -> Option<&'static str> {
    Some(match phases(change)? {
        (Phase::Plaintext, Phase::Open) => {
            "open: the host gets listeners with TLS beside those in plaintext; it is replaced while the others run, its volume and address are kept"
        }
        (Phase::Open, Phase::Switched) => {
            "switch: the host reaches the others by TLS from now on; it is replaced while the others run, its volume and address are kept"
        }
        (Phase::Switched, Phase::Closed) => {
            "close: the host's listeners in plaintext go, and ACLs count; it is replaced while the others run, its volume and address are kept"
        }
        (Phase::Closed, Phase::Switched) => {
            "open again: the host gets listeners in plaintext beside those with TLS, and ACLs count no more; it is replaced while the others run, its volume and address are kept"
        }
        (Phase::Switched, Phase::Open) => {
            "switch back: the host reaches the others in plaintext from now on; it is replaced while the others run, its volume and address are kept"
        }
        (Phase::Open, Phase::Plaintext) => {
            "close TLS: the host's listeners with TLS go; it is replaced while the others run, its volume and address are kept"
        }
        _ => return None,
    })
}

/// A roll brings a host a new certificate; where it has ended, brokers and controllers don't know each other any more, and a roll of one
/// after another would never see a healthy cluster.
fn renew(change: &FieldChange, _: bool) -> Effect {
    match change.before.as_str() {
        Some(before) if before.starts_with(ENDED) => Effect::Refuse {
            reason: format!("the certificate that the host runs with {before}, so it can't be rolled while the others run"),
            remedy: "run `kstack recover` with the file: it starts all hosts again at once whose certificates have ended, with new ones".to_owned(),
        },
        _ => Effect::Roll,
    }
}

/// A host that asks fewer controllers than there are to be is told of the others; one that asks more than these goes on until its roll.
fn ask(change: &FieldChange, _: bool) -> Effect {
    let after = change.after.as_str().and_then(Asked::parse);
    let before = match &change.before {
        Value::Null => after.as_ref().map(|asked| asked.first.clone()),
        before => before.as_str().and_then(Asked::parse).map(|asked| asked.of),
    };
    match (before, after) {
        (Some(before), Some(after)) if before.is_superset(&after.of) => Effect::UntilRoll,
        _ => Effect::Roll,
    }
}

/// A host that lost its volume has nothing to go on with; one that never got it can still get it.
fn attach(change: &FieldChange, target_is_new: bool) -> Effect {
    let empty = change.before.as_str().is_none_or(str::is_empty);
    if empty && !target_is_new { Effect::InPlace } else { Effect::Roll }
}

/// As [`attach`]: one that is made anew needs a host that is made anew, and what is only not attached yet can be.
fn attach_more(_: &FieldChange, target_is_new: bool) -> Effect {
    if target_is_new { Effect::Roll } else { Effect::InPlace }
}
