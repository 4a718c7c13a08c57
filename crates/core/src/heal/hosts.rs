//! The hosts of a stack as EC2 has them, and what of a plan is done for one of them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Host, Machine};
use crate::design::{Design, HostDesign};
use crate::kinds::{self, Instance, Kind as _, NetworkInterface, OfKind as _, Resource, Volume};
use crate::model::{Address, FieldChange, tag};
use crate::observed::Observed;
use crate::plan::{Action, LiveTarget, Plan, Step, Work, reduced};

/// What changes in a roll and is no change of the file: hosts get it with every start.
const OF_STARTS: [&str; 4] = ["certificate", "data_volume", "more_volumes", "state"];

/// The hosts of `design`, of which `observed` is live. `impaired` are instances that fail EC2's checks, each with how; `failed` volumes that EC2
/// can't read any more.
pub fn hosts(
    design: &Design,
    observed: &Observed,
    impaired: &BTreeMap<String, String>,
    failed: &BTreeSet<String>,
) -> BTreeMap<String, Host> {
    let (instances, volumes, interfaces) =
        (observed.of::<Instance>(), observed.of::<Volume>(), observed.of::<NetworkInterface>());
    let one = |host: &HostDesign| {
        let own: Vec<_> = host.volumes().into_iter().map(|name| (volumes.get(name.as_str()), name)).collect();
        let machine = match instances.get(host.name.as_str()) {
            None => Machine::Gone,
            Some((live, spec)) => match (spec.state.as_str(), impaired.get(&live.id)) {
                ("stopped", _) => Machine::Stopped,
                ("running", Some(how)) => Machine::Impaired(how.clone()),
                ("running", None) => Machine::Runs,
                _ => Machine::Changes,
            },
        };
        let interface = interfaces.get(host.name.as_str());
        let lost_since = interface.and_then(|(live, _)| live.tags.get(tag::LOST_SINCE)?.parse().ok());
        let live = || own.iter().filter_map(|(volume, _)| *volume);
        Host {
            node: host.cloud.node_id,
            zone: design.zones[host.zone].name.clone(),
            broker: host.broker(),
            votes: host.votes(),
            machine,
            lost: own.iter().filter(|(volume, _)| volume.is_none()).map(|(_, name)| name.clone()).collect(),
            failed: live().filter(|(live, _)| failed.contains(&live.id)).map(|(live, _)| live.id.clone()).collect(),
            own_disks: host.cloud.own_disks.is_some(),
            addressed: interface.is_some(),
            volume_bytes: live().map(|(_, spec)| spec.size_gib << 30).sum(),
            lost_since,
        }
    };
    design.hosts.iter().map(|host| (host.name.clone(), one(host))).collect()
}

/// The live hosts of brokers and controllers that `design` has no more, and that are stopped.
pub fn leaving(design: &Design, observed: &Observed) -> Vec<String> {
    let of_file = |name: &str| design.hosts.iter().any(|host| host.name == name);
    let stopped = observed.of::<Instance>().into_iter().filter(|(_, (_, instance))| instance.state == "stopped");
    stopped.map(|(name, _)| name.to_owned()).filter(|name| !of_file(name)).collect()
}

/// What of the stack file `plan` would change of hosts with which nothing is the matter, as a clause.
pub fn pending(plan: &Plan, hosts: &BTreeMap<String, Host>) -> Option<String> {
    let well = |name: &str| {
        hosts
            .get(name)
            .is_some_and(|host| !matches!(host.machine, Machine::Gone | Machine::Stopped) && host.lost.is_empty())
    };
    let of_file = |step: &Step| {
        step.changes()
            .iter()
            .find(|change| !OF_STARTS.contains(&change.field.as_str()))
            .map(|change| change.field.clone())
    };
    let rolls = plan.steps.iter().filter(|step| step.action() == Action::Roll && well(&step.address.name));
    let first = rolls.filter_map(|step| Some((step.address.name.clone(), of_file(step)?))).next();
    let text = first.map(|(host, field)| format!("{host} would be rolled for another `{field}`"));
    text.or_else(|| plan.then.as_ref().map(|_| "hosts are on their way to other listeners or authorities".to_owned()))
}

/// What of `plan` brings `host` back, and nothing else of it: the volumes that it lacks, its instance, and what follows that, such as alarms. One that
/// is stopped is started as it is, whatever the file would change of it.
pub fn part(plan: &Plan, host: &str, observed: &Observed) -> Plan {
    let only =
        |step: &Step, fields: &[&str]| step.changes().iter().all(|change| fields.contains(&change.field.as_str()));
    let of_host = |step: &Step| match (step.address.kind.as_str(), step.action()) {
        _ if kinds::owner(&step.address) != host => false,
        (Volume::NAME, action) => action == Action::Create,
        (Instance::NAME, Action::Create | Action::Roll) => true,
        (Instance::NAME, Action::Update) => only(step, &OF_STARTS),
        _ => false,
    };
    let follows = |step: &Step| {
        let field = kinds::follows(&step.address.kind);
        field.is_some_and(|field| step.action() == Action::Update && only(step, &[field]))
    };
    let mut whole = plan.clone();
    let address = Address::new(Instance::NAME, host);
    let live = observed.live.get(&address).filter(|live| live.spec.is_down());
    let makes = plan.steps.iter().any(|step| step.action() == Action::Create && of_host(step));
    if let Some((live, wanted)) = live.filter(|_| !makes).and_then(|live| Some((live, started(&live.spec)?))) {
        let rolled = |step: &Step| step.address == address && !only(step, &OF_STARTS);
        if whole.steps.iter().any(rolled) {
            let change = |field: &str, before: &str, after: &str| FieldChange {
                field: field.to_owned(),
                before: before.into(),
                after: after.into(),
            };
            let target = LiveTarget { id: live.id.clone(), spec: live.spec.clone(), tags: live.tags.clone() };
            let changes = vec![change("state", "stopped", "running")];
            let work = Work::Update { live: target, wanted, tags: live.tags.clone(), changes };
            whole.steps.retain(|step| !rolled(step));
            whole.steps.push(Step::new(&address, "it is stopped", work));
        }
    }
    let mut reduced = reduced(&whole, |step| of_host(step) || follows(step), observed);
    reduced.refusals.retain(|refusal| refusal.address.as_ref().is_none_or(|address| kinds::owner(address) == host));
    reduced
}

/// The instance as it is, and running.
fn started(spec: &Resource) -> Option<Resource> {
    Instance::of(spec).map(|instance| Instance { state: "running".to_owned(), ..instance.clone() }.into())
}
