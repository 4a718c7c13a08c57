//! The controllers' quorum: who joins it, who leaves it, and who gets another directory since its volume was lost.
//!
//! A voter is removed only when every host that stays asks one that is left: a host that asks removed ones alone is cut off, and does not
//! know. So hosts are told of all controllers first, by rolls; then who joins joins, and last of all who leaves is removed, one after another.

use std::collections::{BTreeMap, BTreeSet};

use super::order::dependencies;
use super::{Action, Note, Plan, Step, Work, missing};
use crate::design::{Design, HostDesign};
use crate::kinds::instance::Asked;
use crate::kinds::voter::leaves;
use crate::kinds::{self, Instance, Kind as _, NetworkInterface, OfKind as _, Resource, Volume, Voter};
use crate::model::{Address, FieldChange, Missing, Tags};
use crate::observed::{Inside, Observed};
use crate::plan::{Creation, LiveTarget};
use crate::refusal::Refusal;
use crate::text::first_of;

/// Why what a controller was on is deleted.
pub(super) const LEFT: &str =
    "it is no longer in the stack file; its controller has left the quorum by then, and the others have what it has";
/// What becomes of a controller that leaves.
const LEAVES: &str = "it is no longer in the stack file: it is removed from the quorum once all others are up to date";
const JOINS: &str =
    "it is in the stack file, and does not vote: it joins the quorum once it has caught up as an observer";
const AGAIN: &str = "its volume was lost: the voter with the old directory is removed, and it joins with its new one, once it has caught up as an observer";
/// What helps where it is not known who votes.
const ASK: &str = "run it where the brokers can be reached, or name a way with --via or --proxy";

/// What is known of who votes.
pub(super) struct Quorum<'a> {
    design: &'a Design,
    observed: &'a Observed,
    /// Who votes by Kafka's word, by host; nobody where Kafka was not asked, or is not there yet.
    voters: BTreeMap<&'a str, &'a Voter>,
}

impl<'a> Quorum<'a> {
    pub(super) fn of(design: &'a Design, observed: &'a Observed) -> Quorum<'a> {
        let voters = observed.of::<Voter>().into_iter().map(|(name, (_, voter))| (name, voter));
        let known = observed.unknown_inside().is_none();
        Quorum { design, observed, voters: voters.filter(|_| known).collect() }
    }

    /// Who is to vote.
    fn wanted(&self) -> impl Iterator<Item = &'a HostDesign> {
        self.design.hosts.iter().filter(|host| host.votes())
    }

    /// Whether the host of the resource goes with its controller, of which it is known that it leaves, or has left.
    pub(super) fn leaves(&self, address: &Address) -> bool {
        let of_host = [Voter::NAME, Instance::NAME, NetworkInterface::NAME, Volume::NAME];
        of_host.contains(&address.kind.as_str())
            && leaves(&self.design.stack, kinds::owner(address))
            && !self.voters.is_empty()
    }

    /// Why a resource of such a host goes.
    pub(super) fn reason(address: &Address) -> &'static str {
        if address.kind == Voter::NAME { LEAVES } else { LEFT }
    }

    /// Why the lost volume at `address`, of a controller with a host of its own, is made anew: the others have what it had.
    pub(super) fn again(&self, address: &Address) -> Option<String> {
        let own = address.kind == Volume::NAME && address.name.starts_with("controller-");
        (own && self.lost().contains(address.name.as_str())).then(|| {
            format!(
                "the volume of {} is gone: an empty one is created, and Kafka copies the quorum's log to it",
                address.name
            )
        })
    }

    /// The hosts that vote, or are to, whose volumes are lost.
    fn lost(&self) -> BTreeSet<&'a str> {
        let lost = |host: &&str| {
            let address = Address::new(Volume::NAME, host);
            !self.observed.live.contains_key(&address)
                && !self.observed.is_contested(&address)
                && (matches!(missing(&address, self.observed), Missing::Lost { .. }) || self.had_volume(host))
        };
        self.wanted().map(|host| host.name.as_str()).chain(self.voters.keys().copied()).filter(lost).collect()
    }

    /// Whether a controller of which nothing is left had a volume: it started with the quorum, or another host asks it, and hosts are told of
    /// controllers only once these are there.
    fn had_volume(&self, host: &str) -> bool {
        let wanted = self.wanted().find(|one| one.name == host && one.joins.is_some());
        let Some(id) = wanted.map(|one| one.cloud.node_id) else { return false };
        let first = self.first();
        let mut others = self.observed.of::<Instance>().into_iter().filter(|(name, _)| *name != host);
        first.contains(&id) || others.any(|(_, (_, instance))| instance.asks(&first).contains(&id))
    }

    /// With whom the quorum started.
    fn first(&self) -> BTreeSet<u32> {
        self.observed.of::<Volume>().values().find_map(|(_, volume)| volume.first_voters()).unwrap_or_default()
    }

    /// Refuses to let a controller join of whom brokers that leave don't know, if the active one could then be one that they don't ask: they
    /// are not rolled any more. And to let one leave with an older Kafka than the file's, whose registration would hold features back.
    fn refuse_left_behind(&self, plan: &mut Plan) {
        let of_voters = |step: &&Step| step.address.kind == Voter::NAME;
        let joins = plan.steps.iter().filter(of_voters).any(|step| step.live().is_none());
        let all: BTreeSet<u32> = self.wanted().map(|host| host.cloud.node_id).collect();
        let (first, instances) = (self.first(), self.observed.of::<Instance>());
        // Asked ones and a majority have one in common.
        let finds = |asks: &BTreeSet<u32>| asks.intersection(&all).count() + all.len() / 2 + 1 > all.len();
        let of_file = |name: &str| self.design.hosts.iter().any(|host| host.name == name);
        let blind = instances.iter().find(|(name, (_, instance))| {
            name.starts_with("broker-") && !of_file(name) && !finds(&instance.asks(&first))
        });
        if let Some((name, _)) = blind.filter(|_| joins) {
            plan.refusals.push(Refusal::general(
                format!("{name} leaves, and is not told of the controllers that join: it would be cut off once one of these is the active one"),
                "first write `controllers.count` with the live brokers and apply; then the brokers that come or go",
            ));
        }
        let file = self.design.stack.cluster.ec2.as_ref().map(|ec2| ec2.kafka.to_string()).unwrap_or_default();
        let leaving = plan.steps.iter().filter(of_voters).filter(|step| step.wanted().is_none());
        let older = leaving.filter_map(|step| {
            let kafka = instances.get(step.address.name.as_str())?.1.kafka.clone()?;
            (kafka != file).then(|| (step.address.name.clone(), kafka))
        });
        if let Some((name, kafka)) = older.into_iter().next() {
            plan.refusals.push(Refusal::general(
                format!(
                    "{name} would leave with Kafka {kafka}, and the file has {file}: its registration stays, and features could not be \
                     finalized above {kafka}"
                ),
                "first change `kafka` with the live `controllers.count` and apply; then lower the count",
            ));
        }
    }

    /// Refuses what can't be done with the quorum as it is, and adds the steps by which who is to vote does.
    pub(super) fn plan(&self, plan: &mut Plan) {
        self.refuse_other_hosts(plan);
        self.refuse_lost_majority(plan);
        self.refuse_unasked(plan);
        self.tell_what_hosts_ask(plan);
        let mut steps = Vec::new();
        for host in self.wanted() {
            let address = Address::new(Voter::NAME, &host.name);
            let own = self.voters.get(host.name.as_str());
            // Before there is a cluster, those vote with whom it will start.
            let first = self.voters.is_empty() && host.joins.is_none();
            match (own, &host.joins) {
                (Some(own), Some(old)) if own.directory == *old => steps.push(self.again_as(&address, own, host)),
                (None, _) if host.broker() || first || self.observed.unknown_inside().is_some() => {}
                (None, _) => {
                    let spec = voter(host, "its own".to_owned());
                    let tags = super::tags(self.design, &address, &spec);
                    let creation = Creation { spec, tags, generation: String::new() };
                    steps.push(Step::new(&address, JOINS, Work::Create(creation)));
                }
                (Some(_), _) => {}
            }
        }
        let again = steps.iter().filter(|step| step.live().is_some());
        let again: BTreeSet<String> = again.map(|step| step.address.name.clone()).collect();
        if !again.is_empty() {
            keep_what_leads_to(&again, &mut plan.steps);
            steps.retain(|step| step.live().is_some());
        }
        // One after another, and who leaves leaves last; of those first who have nothing to vote with.
        let mut before = Vec::new();
        let lost = self.lost();
        let dead = |step: &Step| {
            let name = step.address.name.as_str();
            lost.contains(name) || self.voters.get(name).is_some_and(|voter| self.is_emptied(name, voter))
        };
        let mut leaving: Vec<&mut Step> =
            plan.steps.iter_mut().filter(|step| step.address.kind == Voter::NAME).rev().collect();
        leaving.sort_by_key(|step| !dead(step));
        for step in steps.iter_mut().chain(leaving) {
            step.after.append(&mut before);
            before.push(step.id());
        }
        plan.steps.extend(steps);
        super::scale::watched_until_it_left(plan, Voter::NAME);
        self.refuse_left_behind(plan);
        self.say(plan);
    }

    /// A host without a mark asks the first ones.
    fn tell_what_hosts_ask(&self, plan: &mut Plan) {
        for step in &mut plan.steps {
            let Work::Roll { changes, .. } = &mut step.work else { continue };
            for change in changes.iter_mut().filter(|one| one.field == "controllers" && one.before.is_null()) {
                let first = change.after.as_str().and_then(Asked::parse).map(|asked| asked.first);
                change.before = first.map(|first| Asked { of: first.clone(), first }.to_string()).into();
            }
        }
    }

    /// The step that gives a voter another directory.
    fn again_as(&self, address: &Address, own: &Voter, host: &HostDesign) -> Step {
        let live = &self.observed.live[address];
        let directory = format!("another than {}", own.directory);
        let change = FieldChange {
            field: "directory".to_owned(),
            before: own.directory.clone().into(),
            after: directory.clone().into(),
        };
        let live = LiveTarget { id: live.id.clone(), spec: live.spec.clone(), tags: live.tags.clone() };
        let work = Work::Update { live, wanted: voter(host, directory), tags: Tags::new(), changes: vec![change] };
        Step::new(address, AGAIN, work)
    }

    /// Says what is not known, and what stays behind of those who leave.
    fn say(&self, plan: &mut Plan) {
        let main = Address::new(Voter::NAME, "quorum");
        if let Inside::Unknown(why) = &self.observed.inside {
            let joined: Vec<String> =
                self.wanted().filter(|host| host.joins.is_some()).map(|host| host.name.clone()).collect();
            if !joined.is_empty() {
                let text = format!(
                    "it is not known who votes, and so whether {} has to join the quorum: {why}; {ASK}",
                    first_of(&joined)
                );
                plan.notes.push(Note { warning: true, ..Note::of(&main, text) });
            }
        }
        let gone = plan.steps.iter().filter(|step| step.address.kind == Voter::NAME && step.live().is_some());
        let gone: Vec<String> =
            gone.filter(|step| step.wanted().is_none()).map(|step| step.address.name.clone()).collect();
        if !gone.is_empty() {
            let text = format!(
                "Kafka before 4.4 keeps the registration of {} with the version that it has now, and sets no metadata.version above that;\n\
                 hosts have {} among those that they ask until their next roll",
                first_of(&gone),
                if gone.len() == 1 { "it" } else { "them" }
            );
            plan.notes.push(Note::of(&main, text));
        }
    }

    /// Hosts of the other role would start a quorum of their own, which knows nothing of the cluster.
    fn refuse_other_hosts(&self, plan: &mut Plan) {
        let Some(ec2) = &self.design.stack.cluster.ec2 else { return };
        let other = if ec2.combined { "controller-" } else { "broker-" };
        let volumes = self.observed.of::<Volume>();
        let votes = |(name, (_, volume)): (&&str, &(_, &Volume))| name.starts_with(other) && volume.voters.is_some();
        if volumes.iter().any(votes) {
            let reason = match ec2.combined {
                true => "the live quorum has controllers of its own, and the file has the brokers as controllers",
                false => "the live quorum is on the brokers, and the file has controllers of their own",
            };
            plan.refusals.push(Refusal::general(
                format!("{reason}: the quorum keeps its hosts"),
                "keep `combined` as it is; or create a second stack, copy the data with `kstack mirror`, and destroy this one",
            ));
        }
    }

    /// Empty volumes for a majority of the voters would elect a leader without the cluster's metadata, whatever was allowed.
    fn refuse_lost_majority(&self, plan: &mut Plan) {
        // Of a voter whose volume is new nothing is left either.
        let emptied = |(name, voter): (&&'a str, &&Voter)| self.is_emptied(name, voter).then_some(*name);
        let lost = self.lost();
        let (gone, all): (BTreeSet<&str>, usize) = match self.voters.is_empty() {
            true => (lost.clone(), self.wanted().count()),
            false => {
                let gone = self.voters.keys().copied().filter(|name| lost.contains(name));
                (gone.chain(self.voters.iter().filter_map(emptied)).collect(), self.voters.len())
            }
        };
        let names: Vec<&str> = gone.iter().copied().collect();
        if gone.len() * 2 >= all && !lost.is_empty() && !gone.is_empty() {
            plan.refusals.push(Refusal::general(
                format!("the volumes of {} are lost, and with them the majority of the controllers' quorum", names.join(", ")),
                "restore the volumes from snapshots and tag them as before; without them, the cluster's metadata is gone: destroy the stack and create it again",
            ));
        } else if let Some(host) = lost.first().filter(|_| self.voters.is_empty()) {
            let why = self.observed.unknown_inside().unwrap_or("the brokers have not told who votes");
            // Another host may come back all the same.
            plan.refusals.push(Refusal::at(
                &Address::new(Volume::NAME, host),
                format!("the volume of {host} is lost, and it is not known who votes, and by which directory: {why}"),
                format!("{ASK}; or restore the volume from a snapshot and tag it as before"),
            ));
        }
    }

    /// Whether the volume of the host was lost, and is there again without what the voter had.
    fn is_emptied(&self, host: &str, voter: &Voter) -> bool {
        let volume = self.observed.live.get(&Address::new(Volume::NAME, host)).and_then(|live| Volume::of(&live.spec));
        volume.is_some_and(|volume| volume.joins.as_ref() == Some(&voter.directory))
    }

    /// Nobody whose vote may count is deleted.
    fn refuse_unasked(&self, plan: &mut Plan) {
        let owners = self.observed.live.keys().filter(|address| address.kind != Voter::NAME).map(kinds::owner);
        let leaving: BTreeSet<&str> = owners.filter(|host| leaves(&self.design.stack, host)).collect();
        if leaving.is_empty() || !self.voters.is_empty() {
            return;
        }
        let names: Vec<String> = leaving.iter().map(|host| (*host).to_owned()).collect();
        let why = self.observed.unknown_inside().unwrap_or("the quorum does not run yet");
        let first = Address::new(Instance::NAME, leaving.first().copied().unwrap_or_default());
        plan.refusals.push(Refusal::at(
            &first,
            format!("the stack file has no {} any more, and it is not known who votes: {why}", first_of(&names)),
            format!("{ASK}; or keep `controllers.count` as it was"),
        ));
    }
}

/// Keeps the steps that bring these hosts back, and what they wait for: as long as a voter is out no other host may be stopped. The rest
/// follows in the next stage.
fn keep_what_leads_to(hosts: &BTreeSet<String>, steps: &mut Vec<Step>) {
    let of_host = |step: &Step| {
        let kinds = [Volume::NAME, NetworkInterface::NAME, Instance::NAME];
        kinds.contains(&step.address.kind.as_str()) && hosts.contains(kinds::owner(&step.address))
    };
    let mut kept: BTreeSet<Address> =
        steps.iter().filter(|step| of_host(step)).map(|step| step.address.clone()).collect();
    loop {
        let needed = |step: &Step| step.wanted().map(|wanted| dependencies(&step.address, wanted)).unwrap_or_default();
        let of_kept = steps.iter().filter(|step| kept.contains(&step.address));
        let more: BTreeSet<Address> = of_kept.flat_map(needed).filter(|address| !kept.contains(address)).collect();
        let more = more.into_iter().filter(|address| steps.iter().any(|step| step.address == *address));
        let before = kept.len();
        let more: Vec<Address> = more.filter(|address| address.kind != Instance::NAME).collect();
        kept.extend(more);
        if kept.len() == before {
            break;
        }
    }
    let makes = |step: &Step| step.action() != Action::Delete && !step.closes();
    steps.retain(|step| kept.contains(&step.address) && makes(step));
}

fn voter(host: &HostDesign, directory: String) -> Resource {
    Voter { id: host.cloud.node_id, directory, address: host.address.to_string() }.into()
}
