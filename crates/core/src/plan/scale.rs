//! More brokers and fewer: which partitions move for it, and what becomes of the hosts of brokers that leave.
//!
//! Where the brokers have told where the partitions are, a broker leaves without loss: its replicas move to the others, and only then does
//! its host go. Where they have not, its volumes and its own disks hold data as before.

use std::collections::{BTreeMap, BTreeSet};

mod msk;

use self::msk::{Brokers, Clusters};
use super::{Action, Moved, Note, Plan, Step, Work};
use crate::design::{Design, HostDesign, node_id};
use crate::engines::ec2::generation;
use crate::engines::moves::rates_of_moves;
use crate::evacuation;
use crate::kinds::broker::leaves;
use crate::kinds::partitions::{MAIN, has as has_broker, ids_text};
use crate::kinds::{
    self, Alarm, Broker, Instance, Kind as _, MskCluster, NetworkInterface, Partitions, Resource, Volume,
};
use crate::model::{Address, FieldChange, StepId};
use crate::moves::{self, Partition, Proposal, View, amount};
use crate::observed::Observed;
use crate::plan::LiveTarget;
use crate::refusal::Refusal;
use crate::stack::Stack;
use crate::text::{first_of, many};

/// Why what a broker was on is deleted: its data is elsewhere by then.
pub(super) const LEFT: &str =
    "it is no longer in the stack file; its broker has left the cluster by then, and its replicas are on the others";
/// What becomes of a broker that leaves.
const LEAVES: &str =
    "it is no longer in the stack file: once nothing is on it, it is stopped, looked at again, and unregistered";
/// What helps where a broker can't be emptied.
const OR_LOSE: &str = "or run again with --allow-data-loss: nothing moves then, and what is on brokers that go is lost";

/// What the volumes of the host have room for, all together.
fn volume_bytes(host: &HostDesign) -> u64 {
    (host.volume.size_gib << 30).saturating_mul(host.volumes().len() as u64)
}

/// What is known of brokers that come and go.
pub(super) struct Scale<'a> {
    stack: &'a Stack,
    live: Option<&'a Partitions>,
    /// What the brokers have told, as it is for the brokers of the file.
    view: Option<View>,
    stay: BTreeSet<u32>,
    lacking: BTreeSet<u32>,
    bands: moves::Bands,
    /// Those that leave and have something of their host still. One that has nothing is left alone: what it had is lost, or was moved.
    hosts: BTreeSet<u32>,
    /// Why it is not known which of MSK's brokers leave.
    unclear: Option<String>,
    /// Brokers that can't be emptied, by host: why.
    stuck: BTreeMap<String, Refusal>,
}

/// A broker as it is to be.
struct Member {
    id: u32,
    /// The zone's id, of one that is not there yet.
    rack: Option<String>,
    /// Bytes of its volumes; absent where it has disks of its own.
    volume: Option<u64>,
    /// Whether the plan makes it serve: one that starts, or that the plan starts, adds or makes anew. The moves wait for it.
    made: bool,
}

impl Member {
    fn on(host: &HostDesign) -> Member {
        let volume = host.cloud.own_disks.is_none().then(|| volume_bytes(host));
        Member { id: host.cloud.node_id, rack: Some(host.cloud.zone_id.clone()), volume, made: true }
    }
}

/// What is seen, as it is for these brokers.
fn expected(view: &View, members: &[Member]) -> View {
    let mut view = view.clone().staying(&members.iter().map(|member| member.id).collect());
    for member in members {
        let used: u64 =
            view.partitions.values().filter(|one| one.replicas.contains(&member.id)).map(Partition::bytes).sum();
        if let Some(broker) = view.brokers.iter_mut().find(|one| one.id == member.id) {
            if member.made {
                (broker.fenced, broker.silent) = (false, false);
            }
            let disk = |total: u64| moves::Disk { total, usable: total.saturating_sub(used) };
            broker.disk = broker.disk.or(member.volume.map(disk));
        }
    }
    // Those that the plan makes are there by then.
    let new: Vec<&Member> = members.iter().filter(|one| one.made && !view.is_registered(one.id)).collect();
    view.brokers.extend(new.into_iter().map(|member| moves::Broker {
        id: member.id,
        rack: member.rack.clone(),
        fenced: false,
        silent: false,
        // That of its volumes; an instance's own disks are known once they are there.
        disk: member.volume.map(|total| moves::Disk { total, usable: total }),
    }));
    // Volumes that the plan makes larger are so before anything moves.
    for member in members {
        let broker = view.brokers.iter_mut().find(|one| one.id == member.id);
        if let (Some(wanted), Some(disk)) = (member.volume, broker.and_then(|broker| broker.disk.as_mut())) {
            let more = wanted.saturating_sub(disk.total);
            *disk = moves::Disk { total: disk.total + more, usable: disk.usable + more };
        }
    }
    view
}

impl<'a> Scale<'a> {
    pub(super) fn of(design: &'a Design, observed: &'a Observed) -> Scale<'a> {
        let live = observed.of::<Partitions>().remove(MAIN).map(|(_, spec)| spec);
        let live = live.filter(|_| observed.unknown_inside().is_none());
        let told = live.and_then(|live| live.view.as_deref());
        let stack = &design.stack;
        let of_msk = Clusters::of(design, observed).filter(|one| one.live.standard().is_some());
        let of_msk = of_msk.map(|clusters| Brokers::of(design, observed, &clusters, told));
        let (members, hosts, unclear) = match of_msk {
            Some(Brokers { members, leaving, unclear }) => (members, leaving, unclear),
            None => {
                let members = design.hosts.iter().filter(|host| host.broker()).map(Member::on).collect();
                let of_host = |address: &&Address| address.kind != Broker::NAME && leaves(stack, kinds::owner(address));
                let hosts = observed.live.keys().filter(of_host);
                (members, hosts.filter_map(|address| node_id(kinds::owner(address))).collect(), None)
            }
        };
        let stay: BTreeSet<u32> = members.iter().map(|member| member.id).collect();
        let view = told.map(|view| expected(view, &members).evacuating(&evacuation::marks(observed)));
        let (lacking, bands) = view.as_ref().map(|view| view.share(&stay, stack.balances())).unwrap_or_default();
        let mut scale = Scale { stack, live, view, stay, lacking, bands, hosts, unclear, stuck: BTreeMap::new() };
        scale.stuck = scale.stuck(observed);
        scale
    }

    /// Whether the host of the resource goes with its broker, which leaves without loss. Where one can't be emptied, and data may be lost, none is.
    pub(super) fn leaves(&self, address: &Address, data_loss_allowed: bool) -> bool {
        let host = kinds::owner(address);
        let of_host = [Broker::NAME, Instance::NAME, NetworkInterface::NAME, Volume::NAME];
        of_host.contains(&address.kind.as_str())
            && (self.of_msk_alone() || leaves(self.stack, host))
            && self.live.is_some()
            && node_id(host).is_some_and(|id| self.hosts.contains(&id))
            && (!data_loss_allowed || self.of_msk_alone() || self.stuck.is_empty())
    }

    /// Whether the brokers are MSK's: they have no hosts, and MSK takes none away that has partitions, whatever may be lost.
    fn of_msk_alone(&self) -> bool {
        self.stack.cluster.msk.is_some()
    }

    /// Why a resource of such a host goes.
    pub(super) fn reason(&self, address: &Address) -> &'static str {
        match address.kind == Broker::NAME {
            true if self.of_msk_alone() => msk::LEAVES,
            true => LEAVES,
            false => LEFT,
        }
    }

    /// The generation of the broker, where it is not that of the file.
    fn generation(&self, id: u32) -> Option<u32> {
        let ec2 = self.stack.cluster.ec2.as_ref()?;
        Some(generation::of_id(id)).filter(|one| *one != ec2.brokers.generation)
    }

    /// Why brokers can't be emptied.
    fn stuck(&self, observed: &Observed) -> BTreeMap<String, Refusal> {
        let Some(view) = &self.view else { return BTreeMap::new() };
        let or_lose = if self.of_msk_alone() { String::new() } else { format!("; {OR_LOSE}") };
        let mut all = BTreeMap::new();
        let mut refuse = |id: u32, reason: String, remedy: String| {
            let name = format!("broker-{id}");
            let address = Address::new(Broker::NAME, &name);
            all.entry(name).or_insert_with(|| Refusal::at(&address, reason, remedy));
        };
        let instances = observed.of::<Instance>();
        let copies = |topic: &str, live: usize| {
            let wanted = self.stack.topics.get(topic).filter(|topic| !topic.absent);
            let wanted = wanted.map(|topic| topic.replication_factor.unwrap_or(self.stack.topic_copies()) as usize);
            wanted.unwrap_or(live)
        };
        let on = |id: u32| view.partitions.iter().filter(move |(_, one)| one.replicas.contains(&id));
        for id in view.leaving.intersection(&self.hosts) {
            let many_copies = on(*id).filter(|(key, one)| copies(&key.0, one.replicas.len()) > self.stay.len());
            let topics: BTreeMap<&String, usize> = many_copies.map(|(key, one)| (&key.0, one.replicas.len())).collect();
            if let Some(most) = topics.values().max() {
                let names: Vec<String> = topics.keys().map(|name| (*name).clone()).collect();
                refuse(
                    *id,
                    format!(
                        "{} would be left, and the topics {} have up to {most} replicas, each of which needs a broker of its own",
                        many(self.stay.len(), "broker"),
                        first_of(&names)
                    ),
                    format!("keep {most} brokers or more; or give the topics a lower `replication_factor`{or_lose}"),
                );
                continue;
            }
            let broker = view.brokers.iter().find(|one| one.id == *id);
            let stopped =
                instances.get(format!("broker-{id}").as_str()).is_some_and(|(_, one)| one.state.starts_with("stop"));
            let count = on(*id).count();
            if count > 0 && !stopped && broker.is_none_or(|broker| !broker.is_fit()) {
                refuse(
                    *id,
                    format!("it does not serve, and has replicas of {}", many(count, "partition")),
                    match self.generation(*id) {
                        Some(old) => {
                            format!("bring it back first: write `generation: {old}` again and apply{or_lose}")
                        }
                        None if self.of_msk_alone() => {
                            "keep it in the stack file until MSK has brought it back; `kstack status` shows it"
                                .to_owned()
                        }
                        None => format!("bring it back first: keep it in the stack file and apply{or_lose}"),
                    },
                );
            }
        }
        let (_, stuck) = view.state(self.bands).moves();
        let state = view.state(self.bands);
        for one in stuck.into_iter().filter(|one| self.hosts.contains(&one.from)) {
            let partition = state.partition(one.partition);
            refuse(
                one.from,
                format!(
                    "no other broker has room for the replica of {}-{} on it, {}",
                    partition.topic,
                    partition.index,
                    amount(partition.bytes)
                ),
                format!("make the volumes of the others larger first, or keep more brokers{or_lose}"),
            );
        }
        all
    }

    /// Adds the step that moves partitions, says what it moves, and lets brokers leave one after another once it is done.
    pub(super) fn plan(&self, design: &Design, observed: &Observed, plan: &mut Plan) {
        self.moved(observed, plan);
        self.of_msk(design, observed, plan);
    }

    fn moved(&self, observed: &Observed, plan: &mut Plan) {
        let Some(live) = self.live else { return };
        if !plan.data_loss_allowed || self.of_msk_alone() {
            plan.refusals.extend(self.stuck.values().cloned());
        }
        plan.refusals.extend(self.unclear.iter().map(|why| {
            let remedy = "plan again once all of them serve; `kstack status` shows them";
            Refusal::at(
                &Address::new(MskCluster::NAME, "main"),
                format!("it can't be said which brokers leave: {why}"),
                remedy,
            )
        }));
        let moves = self.moves(live, observed, plan);
        let mut before: Vec<StepId> = moves.iter().map(Step::id).collect();
        let mut leaving: Vec<&mut Step> =
            plan.steps.iter_mut().filter(|step| step.address.kind == Broker::NAME).collect();
        leaving.sort_by_key(|step| node_id(&step.address.name));
        for step in leaving {
            step.after.append(&mut before);
            before.push(step.id());
        }
        watched_until_it_left(plan, Broker::NAME);
        if let (Some(step), Some(view)) = (&moves, &self.view) {
            let rate = rates_of_moves(&self.stack.cluster, self.stack.common()).0;
            let proposal = Proposal::of(view, self.bands);
            let moved = Moved {
                partitions: proposal.changes.len(),
                bytes: proposal.bytes,
                // MSK charges nothing for what its brokers copy between zones. Source: Amazon MSK pricing, data transfer, 2026.
                between_zones: if self.of_msk_alone() { 0 } else { view.between_racks(&proposal.changes) },
                seconds: seconds(&proposal, rate),
            };
            plan.notes.push(Note::of(&step.address, text(&proposal, moved, rate)));
            plan.moved = (moved.partitions > 0).then_some(moved);
        }
        plan.steps.extend(moves);
        self.say_unfilled(live, plan);
    }

    /// Says which new brokers get nothing but new topics, and why.
    fn say_unfilled(&self, live: &Partitions, plan: &mut Plan) {
        let has = |id: &u32| match &self.view {
            Some(view) => view.names(*id),
            None => live.brokers.is_empty() || has_broker(&live.brokers, *id),
        };
        let empty: BTreeSet<u32> = self.stay.iter().copied().filter(|id| !has(id)).collect();
        let made =
            plan.steps.iter().filter(|step| step.address.kind == Instance::NAME && step.action() == Action::Create);
        let made: BTreeSet<u32> = made.filter_map(|step| node_id(&step.address.name)).collect();
        let new: BTreeSet<u32> = empty.intersection(&made).copied().collect();
        let evacuated = self.view.as_ref().is_some_and(|view| !view.evacuated.is_empty());
        if new.is_empty() || self.stack.balances() && !evacuated {
            return;
        }
        let why = match self.stack.balances() {
            true => "a zone is evacuated",
            false => "`changes.balance` is off",
        };
        let text = format!(
            "{why}: brokers {} get new topics only; `kstack rebalance` moves partitions to them{}",
            ids_text(&new).replace(' ', ", "),
            if evacuated { " once that is undone" } else { "" }
        );
        plan.notes.push(Note::of(&Address::new(Partitions::NAME, MAIN), text));
    }

    /// The step that moves partitions, where some have to move.
    fn moves(&self, live: &Partitions, observed: &Observed, plan: &Plan) -> Option<Step> {
        let address = Address::new(Partitions::NAME, MAIN);
        let goes = |id: &u32| self.leaves(&Address::new(Broker::NAME, &format!("broker-{id}")), plan.data_loss_allowed);
        let (has, leaving): (String, BTreeSet<u32>) = match &self.view {
            Some(view) => {
                let leaving: BTreeSet<u32> =
                    view.leaving.iter().copied().filter(|id| goes(id) && view.names(*id)).collect();
                (ids_text(&self.stay.difference(&self.lacking).chain(&leaving).copied().collect()), leaving)
            }
            None => {
                let registered = observed.of::<Broker>().into_values().map(|(_, broker)| broker.id);
                let leaving: BTreeSet<u32> = registered.filter(goes).collect();
                match self.stack.balances() {
                    true => (live.brokers.clone(), leaving),
                    // New ones get nothing.
                    false => (ids_text(&self.stay.union(&leaving).copied().collect()), leaving),
                }
            }
        };
        let wanted = Partitions { brokers: ids_text(&self.stay), cut_off: false, view: None };
        let cut_off = self.view.as_ref().map_or(live.cut_off, View::is_cut_off);
        let change = |field: &str, before: serde_json::Value, after: serde_json::Value| {
            (before != after).then(|| FieldChange { field: field.to_owned(), before, after })
        };
        let changes: Vec<FieldChange> = [
            change("brokers", has.clone().into(), wanted.brokers.clone().into()),
            change("cut_off", cut_off.into(), false.into()),
        ]
        .into_iter()
        .flatten()
        .collect();
        let listed = |ids: &BTreeSet<u32>| ids_text(ids).replace(' ', ", ");
        let reason = match (leaving.is_empty(), changes.is_empty()) {
            (_, true) => return None,
            (false, _) if leaving.len() == 1 => {
                format!("broker {} leaves: what it has moves to the others", listed(&leaving))
            }
            (false, _) => format!("brokers {} leave: what they have moves to the others", listed(&leaving)),
            (true, _) if has != wanted.brokers && self.lacking.len() == 1 => {
                format!("broker {} gets its share of the partitions", listed(&self.lacking))
            }
            (true, _) if has != wanted.brokers && self.view.is_some() => {
                format!("brokers {} get their share of the partitions", listed(&self.lacking))
            }
            (true, _) if has != wanted.brokers => "new brokers get their share of the partitions".to_owned(),
            (true, _) => "they move until each broker has its share".to_owned(),
        };
        let target = &observed.live[&address];
        let spec = Partitions { brokers: has, cut_off, view: None };
        let live = LiveTarget { id: target.id.clone(), spec: spec.into(), tags: target.tags.clone() };
        let work = Work::Update { live, wanted: wanted.into(), tags: crate::model::Tags::new(), changes };
        // Topics that get fewer copies have them before: others may have no room for as many.
        let copies = plan.steps.iter().filter(|step| {
            matches!(step.wanted(), Some(Resource::Topic(_)))
                && step.changes().iter().any(|change| change.field == "replication_factor")
        });
        Some(Step { after: copies.map(Step::id).collect(), ..Step::new(&address, reason, work) })
    }
}

/// Lets the alarms of each host whose broker or voter, as `kind` says, leaves go only after that: until then it is watched.
pub(super) fn watched_until_it_left(plan: &mut Plan, kind: &str) {
    let leaves = |step: &&Step| step.address.kind == kind && step.wanted().is_none();
    let leaving: BTreeMap<String, StepId> =
        plan.steps.iter().filter(leaves).map(|step| (step.address.name.clone(), step.id())).collect();
    for step in plan.steps.iter_mut().filter(|step| step.address.kind == Alarm::NAME && step.wanted().is_none()) {
        step.after.extend(leaving.get(kinds::owner(&step.address)).cloned());
    }
}

/// About how long it takes, at this rate for each broker that gets something.
fn seconds(proposal: &Proposal, rate: u64) -> u64 {
    let targets = proposal.brokers.iter().filter(|one| one.after.replicas > one.before.replicas).count() as u64;
    proposal.bytes / rate.saturating_mul(targets.max(1)).max(1)
}

/// What moves, and about how long that takes.
fn text(proposal: &Proposal, moved: Moved, rate: u64) -> String {
    let mut text = match moved.partitions {
        0 => "no partition has to move".to_owned(),
        count => format!(
            "{count} of {} move, {}: about {} at {} a second for each broker, a few at a time, while clients go on",
            many(proposal.partitions, "partition"),
            amount(moved.bytes),
            moves::time_text(moved.seconds),
            amount(rate)
        ),
    };
    if proposal.under_way > 0 {
        text.push_str(&format!("; {} under way", many(proposal.under_way, "reassignment")));
    }
    if !proposal.troubles.is_empty() {
        text.push_str(&format!("\nnothing is started while {}", proposal.troubles.join("; ")));
    }
    if !proposal.kept_topics.is_empty() {
        text.push_str(&format!(
            "\n{} can't move: others have set the throttle for all replicas, or none",
            proposal.kept_topics.join(", ")
        ));
    }
    text
}
