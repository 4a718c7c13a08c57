//! Plans, each a folder of `tests/plans` and a test of its name: the stack file, what is live, and the plan as people see it.
//!
//! `live.yaml` says what is live (see [`Case`]); `stack.yaml` is what is asked for, unless `live.yaml` names another file.
//! A case with a `plan.md` has the plan as a comment on a pull request too. A new case is a new folder. `KSTACK_UPDATE=1 cargo test -p kstack-core --test plans` writes `plan.txt` anew; read it before committing.

mod named;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use kstack_core::design::{KeyFacts, NetworkFacts, SecretFault};
use kstack_core::endpoint_services::EndpointService;
use kstack_core::features::Levels;
use kstack_core::instance_types::InstanceLimits;
use kstack_core::kinds::{Broker, NetworkInterface, Partitions, Resource, from_json};
use kstack_core::model::{Address, Tags, is_of_kafka};
use kstack_core::moves::{self, Lists, Partition, View, own_entry};
use kstack_core::observed::{Found, Inside};
use kstack_core::offline::foresee;
use kstack_core::plan::{COMMENT, Plan, Planned, Step, cost_delta, markdown, render};
use kstack_core::pricing::embedded;
use kstack_core::surroundings::Neighbour;
use serde::Deserialize;
use serde_json::Value;

#[allow(dead_code, reason = "the properties use the rest")]
#[path = "planning/model.rs"]
mod model;

use model::{Model, parsed, set};

/// What is live, and what is asked of the planner.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Case {
    /// The stack file that is planned, relative to the folder.
    stack: Option<PathBuf>,
    /// The stack file that was applied before; nothing is live without it.
    applied: Option<PathBuf>,
    /// The changes of it that were applied since, one after another; the last may have died half-way.
    begun: Vec<Begun>,
    /// How many zones the region had when that was applied.
    zones: Option<usize>,
    /// What happened since: resources deleted by hand, instances ended,
    remove: Vec<Address>,
    /// fields changed,
    set: BTreeMap<Address, BTreeMap<String, Value>>,
    /// tags set, or removed where there is no value,
    tags: BTreeMap<Address, BTreeMap<String, Option<String>>>,
    /// and resources made under the stack's tag.
    add: Vec<Added>,
    /// What others have in the VPC,
    neighbours: Vec<Neighbour>,
    /// endpoints and groups there that have no tag of the stack's,
    untagged: Vec<Added>,
    /// instances that are protected against termination, and calls that are not allowed.
    locked: Vec<Address>,
    denied: BTreeSet<String>,
    /// What AWS answers now, where it is not what it was.
    zones_now: Option<usize>,
    /// What AWS says of others' networks, now and when it was applied.
    network: NetworkFacts,
    network_now: Option<NetworkFacts>,
    account_now: Option<String>,
    policies_missing: BTreeSet<String>,
    boundary: Option<Value>,
    /// What KMS says of the key for papers that the file names, when it was applied and now.
    papers_key: Option<KeyFacts>,
    /// What is wrong with secrets of users that the file names, and which roles IAM does not have.
    bad_secrets: BTreeMap<String, SecretFault>,
    roles_missing: BTreeSet<String>,
    images_now: BTreeMap<String, String>,
    /// Hours that have passed since it was applied.
    hours_later: i64,
    types_gone: Vec<String>,
    /// Instance types that AWS has and the embedded table lacks.
    types_new: BTreeMap<String, InstanceLimits>,
    /// Endpoint services of others, each with its zones, and those whose owner accepts each endpoint by hand.
    services: BTreeMap<String, BTreeSet<String>>,
    by_hand: BTreeSet<String>,
    /// Those that the account no longer sees.
    services_gone: Vec<String>,
    /// Endpoint services that AWS has, or has elsewhere, each with its zones.
    endpoints_now: BTreeMap<String, BTreeSet<String>>,
    allow_data_loss: bool,
    destroy: bool,
    /// What the brokers tell of where partitions are.
    kafka: Option<Told>,
    /// Why no broker can be asked now.
    unreachable: Option<String>,
}

/// A stack file that was applied.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Begun {
    stack: PathBuf,
    /// The stage in which the run died, and the step before which it did; it did not where there is none.
    #[serde(default)]
    stage: usize,
    before: Option<Address>,
}

/// Where partitions are, as the brokers tell it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Told {
    topics: BTreeMap<String, ToldTopic>,
    /// Brokers that are fenced.
    fenced: BTreeSet<u32>,
    /// Bytes that the log directories of each broker have; without it that is not known.
    disk_mib: Option<u64>,
    /// Topics of which kstack has begun to move a partition.
    throttled: BTreeSet<String>,
    /// Brokers that are not registered any more.
    gone: BTreeSet<u32>,
    /// The levels of features that are finalized.
    features: Option<Levels>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToldTopic {
    /// The brokers of each partition.
    on: Vec<Vec<u32>>,
    /// The size of each partition.
    mib: u64,
}

impl Told {
    fn view(&self, model: &Model) -> View {
        let mut view = View { quorum: Some(Vec::new()), ..View::default() };
        let mut held: BTreeMap<u32, u64> = BTreeMap::new();
        for (name, topic) in &self.topics {
            for (index, on) in topic.on.iter().enumerate() {
                let bytes = topic.mib << 20;
                on.iter().for_each(|id| *held.entry(*id).or_default() += bytes);
                let in_sync: Vec<u32> = on.iter().copied().filter(|id| !self.fenced.contains(id)).collect();
                let partition = Partition {
                    replicas: on.clone(),
                    leader: in_sync.first().copied(),
                    held: in_sync.iter().map(|id| (*id, bytes)).collect(),
                    in_sync,
                };
                view.partitions.insert((name.clone(), index as u32), partition);
            }
            if self.throttled.contains(name) {
                let lists = Lists { leader: vec![own_entry(0, 1)], follower: Vec::new() };
                view.lists.insert(name.clone(), lists);
            }
        }
        let interfaces = model.observed.of::<NetworkInterface>();
        // MSK's brokers are in one zone after another.
        let ids: Vec<&String> = model.facts.zones.values().collect();
        let of_msk = |id: u32| ids[(id as usize - 1) % ids.len()].clone();
        let zone = |name: &str| {
            let subnet = interfaces.get(name)?.1.subnet.address()?.name.clone();
            let zones = model.facts.zones.iter();
            zones.filter(|(zone, _)| zone.ends_with(&subnet[subnet.len() - 1..])).map(|(_, id)| id.clone()).next()
        };
        view.brokers = model
            .observed
            .of::<Broker>()
            .into_iter()
            .map(|(name, (_, broker))| moves::Broker {
                id: broker.id,
                rack: if interfaces.is_empty() { Some(of_msk(broker.id)) } else { zone(name) },
                fenced: self.fenced.contains(&broker.id),
                silent: self.fenced.contains(&broker.id),
                disk: self.disk_mib.map(|mib| moves::Disk {
                    total: mib << 20,
                    usable: (mib << 20).saturating_sub(held.get(&broker.id).copied().unwrap_or_default()),
                }),
            })
            .collect();
        view
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Added {
    kind: String,
    id: String,
    tags: Tags,
    spec: Option<Value>,
}

impl Added {
    fn untagged(&self) -> Found<Resource> {
        let spec = self.spec.as_ref().and_then(|spec| from_json(&self.kind, spec));
        let spec = spec.unwrap_or_else(|| panic!("the spec of {} does not read", self.id));
        Found { id: self.id.clone(), tags: self.tags.clone(), spec, terminated: false }
    }
}

/// The model as the case has it, and the plan in it.
fn plan(folder: &Path, case: &Case) -> (Model, Plan) {
    let read = |name: &Path| fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name:?}: {error}"));
    let wanted = parsed(&read(case.stack.as_deref().unwrap_or(Path::new("stack.yaml"))));
    let zones = case.zones.unwrap_or(3);
    let mut model = Model::empty(&wanted.stack.region, zones);
    model.facts.network.clone_from(&case.network);
    model.facts.papers_key.clone_from(&case.papers_key);
    let interface = |(name, zones): (&String, &BTreeSet<String>)| {
        let by_hand = case.by_hand.contains(name);
        (name.clone(), EndpointService { interface: true, zones: zones.clone(), gateway: false, by_hand })
    };
    model.facts.endpoints.extend(case.services.iter().map(interface));
    if let Some(before) = &case.applied {
        let first = model.plan(&parsed(&read(before)), false);
        model.apply(&first);
    }
    for begun in &case.begun {
        let plan = model.plan(&parsed(&read(&begun.stack)), false);
        assert_eq!(plan.refusals, vec![]);
        let Some(last) = &begun.before else {
            model.apply(&plan);
            continue;
        };
        for (number, stage) in plan.stages().take(begun.stage + 1).enumerate() {
            let done = stage.steps.iter().take_while(|step| number < begun.stage || step.address != *last);
            done.for_each(|step| model.step(step));
        }
    }
    case.remove.iter().for_each(|address| model.end(address));
    for (address, fields) in &case.set {
        let live = model.observed.live.get_mut(address).unwrap_or_else(|| panic!("{address} is not live"));
        fields.iter().for_each(|(field, value)| set(&mut live.spec, field, value.clone()));
    }
    for (address, tags) in &case.tags {
        let live = model.observed.live.get_mut(address).unwrap_or_else(|| panic!("{address} is not live"));
        for (key, value) in tags {
            match value {
                Some(value) => live.tags.insert(key.clone(), value.clone()),
                None => live.tags.remove(key),
            };
        }
    }
    if !case.add.is_empty() {
        // Where the case has no spec, it is that of another resource of the kind, live or wanted.
        let live = model.observed.live.values().map(|live| live.spec.clone());
        let wanted = model.plan(&wanted, false).steps.into_iter().filter_map(|step| step.wanted().cloned());
        let others: Vec<Resource> = live.chain(wanted).collect();
        let found = |one: &Added| {
            let spec = match &one.spec {
                None => others.iter().find(|other| other.kind() == one.kind).cloned(),
                Some(spec) => from_json(&one.kind, spec),
            };
            let spec = spec.unwrap_or_else(|| panic!("the spec of {} does not read", one.id));
            Found { id: one.id.clone(), tags: one.tags.clone(), spec, terminated: false }
        };
        model.add(case.add.iter().map(found).collect());
    }
    let home = &mut model.surroundings;
    home.neighbours.clone_from(&case.neighbours);
    home.denied.clone_from(&case.denied);
    home.locked = case.locked.iter().map(|address| model.observed.live[address].id.clone()).collect();
    home.found = case.untagged.iter().map(Added::untagged).collect();
    model.surroundings.adopt_into(&mut model.observed);
    model.facts.zones = Model::empty(&wanted.stack.region, case.zones_now.unwrap_or(zones)).facts.zones;
    if let Some(network) = &case.network_now {
        model.facts.network.clone_from(network);
    }
    model.facts.missing_policies.clone_from(&case.policies_missing);
    model.facts.bad_secrets.clone_from(&case.bad_secrets);
    model.facts.missing_roles.clone_from(&case.roles_missing);
    model.facts.boundary.clone_from(&case.boundary);
    model.now += SignedDuration::from_hours(case.hours_later);
    model.facts.images.extend(case.images_now.clone());
    let everywhere: BTreeSet<String> = model.facts.zones.keys().cloned().collect();
    model.facts.offers.extend(case.types_new.keys().map(|name| (name.clone(), everywhere.clone())));
    model.facts.types.extend(case.types_new.clone());
    model.facts.types.retain(|name, _| !case.types_gone.contains(name));
    model.facts.offers.retain(|name, _| !case.types_gone.contains(name));
    model.facts.endpoints.extend(case.endpoints_now.iter().map(interface));
    model.facts.endpoints.retain(|name, _| !case.services_gone.contains(name));
    if let Some(account) = &case.account_now {
        model.facts.account.clone_from(account);
    }
    if let Some(told) = &case.kafka {
        model.observed.features.clone_from(&told.features);
        let gone = |address: &Address| {
            address.kind == "broker" && told.gone.iter().any(|id| address.name == format!("broker-{id}"))
        };
        model.observed.live.retain(|address, _| !gone(address));
        let view = told.view(&model);
        let live = model.observed.live.get_mut(&Address::new("partitions", "main")).expect("there is a cluster");
        let Resource::Partitions(before) = &live.spec else { panic!("there is another one") };
        live.spec = Partitions { view: Some(Box::new(view)), ..before.clone() }.into();
    }
    if let Some(why) = &case.unreachable {
        model.observed.live.retain(|address, _| !is_of_kafka(&address.kind));
        model.observed.inside = Inside::Unknown(why.clone());
    }
    let plan = if case.destroy { model.destroy(&wanted) } else { model.plan(&wanted, case.allow_data_loss) };
    // What can be run leaves nothing to do.
    if plan.refusals.is_empty() {
        let mut after = model.clone();
        after.apply(&plan);
        let again = if case.destroy { after.destroy(&wanted) } else { after.plan(&wanted, false) };
        assert!(again.steps.is_empty() && again.refusals.is_empty(), "{}:\n{}", folder.display(), render(&again));
    }
    (model, plan)
}

fn case(path: &Path) -> named::Outcome {
    let folder = path.parent().ok_or("no folder")?;
    let case: Case = serde_yaml::from_str(&fs::read_to_string(path)?)?;
    let (model, plan) = plan(folder, &case);
    held(&folder.join("plan.txt"), &anstream::adapter::strip_str(&render(&plan)).to_string())?;
    foreseen(folder, &case, &plan)?;
    // The plan as a comment on a pull request, where the case has one.
    let comment = folder.join("plan.md");
    if comment.exists() {
        let cost = cost_delta(&plan, &model.observed, embedded());
        held(&comment, &markdown(&[Planned { file: "stack.yaml", plan: Ok((&plan, &cost)), diagram: None }], COMMENT))?;
    }
    Ok(())
}

/// Where nothing happened since the file before was applied, the same is foreseen without AWS.
fn foreseen(folder: &Path, case: &Case, plan: &Plan) -> named::Outcome {
    // Only AWS knows that these do not exist.
    const UNKNOWN: [&str; 2] = ["endpoint-misspelt", "type-unknown"];
    let Some(before) = &case.applied else { return Ok(()) };
    if UNKNOWN.iter().any(|name| folder.ends_with(name)) {
        return Ok(());
    }
    let asked = ["stack", "applied", "zones", "allow_data_loss"];
    let text = fs::read_to_string(folder.join("live.yaml"))?;
    let keys: BTreeMap<String, Value> = serde_yaml::from_str(&text)?;
    if keys.keys().any(|key| !asked.contains(&key.as_str())) {
        return Ok(());
    }
    let read = |name: &Path| fs::read_to_string(folder.join(name)).map(|text| parsed(&text).stack);
    let (before, after) = (read(before)?, read(case.stack.as_deref().unwrap_or(Path::new("stack.yaml")))?);
    let foreseen = foresee(&before, &after, "2026-01-31T12:00:00Z".parse()?, case.allow_data_loss);
    let foreseen = foreseen.map_err(|refused| render(&refused))?.plan;
    let steps = |plan: &Plan| -> Vec<String> {
        let said = |step: &Step| format!("{:?} {}: {}", step.action(), step.id(), step.reason);
        plan.steps.iter().map(said).collect()
    };
    let refused = |plan: &Plan| -> Vec<String> { plan.refusals.iter().map(|one| one.reason.clone()).collect() };
    assert_eq!((steps(&foreseen), refused(&foreseen)), (steps(plan), refused(plan)), "{}", render(&foreseen));
    Ok(())
}

/// That the file `expectation` has what is `printed`.
fn held(expectation: &Path, printed: &str) -> named::Outcome {
    if std::env::var_os("KSTACK_UPDATE").is_some() {
        fs::write(expectation, printed)?;
    }
    let expected = fs::read_to_string(expectation).unwrap_or_default();
    if printed == expected {
        return Ok(());
    }
    Err(format!("expected\n{expected}\n== but it was\n{printed}\nKSTACK_UPDATE=1 takes the new plan over.").into())
}

fn main() {
    let live = |folder: PathBuf| Some(folder.join("live.yaml")).filter(|file| file.exists());
    named::run("tests/plans", |root| named::entries(root).into_iter().filter_map(live).collect(), case)
}
