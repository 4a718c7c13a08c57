//! What every plan must be before it is run, whatever made it: a second opinion, which shares little with the planner's own way.

use std::collections::{BTreeMap, BTreeSet};

use super::order::dependencies;
use super::{Action, All, Plan, Step};
use crate::kinds;
use crate::model::{Address, Deletion, Operation, Ref, StepId, is_of_kafka};
use crate::observed::Observed;

/// Every reason why `plan` must not be run on what is `observed`, as clauses; none for a plan that is right.
pub fn verify(plan: &Plan, observed: &Observed) -> Vec<String> {
    let mut faults = Vec::new();
    let order = match Order::of(plan) {
        Ok(order) => order,
        Err(faults) => return faults,
    };
    order.what_it_needs_comes_first(&mut faults);
    order.what_it_names_exists(observed, &mut faults);
    order.what_uses_it_goes_first(&mut faults);
    order.one_roll_at_a_time(&mut faults);
    order.access_goes_last(&mut faults);
    order.kafka_runs_first(&mut faults);
    nothing_is_lost_unasked(plan, &mut faults);
    of_what_is_live(plan, observed, &mut faults);
    faults
}

/// A plan's steps, and which come before which.
struct Order<'a> {
    steps: &'a [Step],
    /// For each step the places of those that it names as what it waits for: all before its own.
    after: Vec<Vec<usize>>,
}

impl<'a> Order<'a> {
    /// The order of a plan in which each step stands once, and behind all that it waits for.
    fn of(plan: &'a Plan) -> Result<Order<'a>, Vec<String>> {
        let mut faults = Vec::new();
        let mut places: BTreeMap<StepId, usize> = BTreeMap::new();
        let mut after: Vec<Vec<usize>> = Vec::new();
        let last = All::BOTH.map(|all| plan.steps.iter().rposition(|step| all.has(step)));
        for (place, step) in plan.steps.iter().enumerate() {
            let mut named = Vec::new();
            for needed in &step.after {
                match places.get(needed) {
                    Some(place) => named.push(*place),
                    None if *needed == step.id() => faults.push(format!("{needed} waits for itself")),
                    None => faults.push(format!("{} waits for {needed}, which does not come before it", step.id())),
                }
            }
            if let Some(late) = step.after_all.and_then(|all| last[all as usize]).filter(|late| *late >= place) {
                let late = plan.steps[late].id();
                faults.push(format!("{} waits for {late}, which does not come before it", step.id()));
            }
            after.push(named);
            if places.insert(step.id(), place).is_some() {
                faults.push(format!("{} is there twice", step.id()));
            }
        }
        if faults.is_empty() { Ok(Order { steps: &plan.steps, after }) } else { Err(faults) }
    }

    /// Whether the step at `place` waits for the one at `other`, directly or by way of others. Those are all between the two.
    fn waits(&self, place: usize, other: usize) -> bool {
        let direct = |place: usize| {
            let all = self.steps[place].after_all.is_some_and(|all| all.has(&self.steps[other]));
            all || self.after[place].contains(&other)
        };
        if direct(place) {
            return true;
        }
        let mut seen = BTreeSet::new();
        let mut next = vec![place];
        while let Some(place) = next.pop() {
            let all = self.steps[place].after_all;
            let members = (other + 1..place).filter(|one| all.is_some_and(|all| all.has(&self.steps[*one])));
            let between = self.after[place].iter().copied().filter(|one| *one > other).chain(members);
            for one in between {
                if direct(one) {
                    return true;
                }
                if seen.insert(one) {
                    next.push(one);
                }
            }
        }
        false
    }

    /// Of the places in `awaited` those of which the steps at `places` do not wait for one: each with the first of them. Most steps wait for
    /// all of an [`All`], so it is asked once which are not in that.
    fn not_waiting(&self, places: impl Iterator<Item = usize>, awaited: &[usize]) -> Vec<(usize, usize)> {
        let rest = All::BOTH
            .map(|all| awaited.iter().copied().filter(|one| !all.has(&self.steps[*one])).collect::<Vec<usize>>());
        let mut found = Vec::new();
        for place in places {
            let asked = self.steps[place].after_all.map_or(awaited, |all| &rest[all as usize][..]);
            found.extend(asked.iter().filter(|one| !self.waits(place, **one)).map(|one| (place, *one)));
        }
        found
    }

    /// The places of steps for which `which` is true, by address.
    fn places(&self, which: impl Fn(&Step) -> bool) -> BTreeMap<&'a Address, Vec<usize>> {
        let mut places: BTreeMap<&Address, Vec<usize>> = BTreeMap::new();
        for (place, step) in self.steps.iter().enumerate().filter(|(_, step)| which(step)) {
            places.entry(&step.address).or_default().push(place);
        }
        places
    }

    /// Whoever needs a resource waits for every step that makes or changes it, but for one that only takes access away.
    fn what_it_needs_comes_first(&self, faults: &mut Vec<String>) {
        let made = self.places(|step| step.action() != Action::Delete && step.operation != Some(Operation::CLOSE));
        for (place, step) in self.steps.iter().enumerate() {
            let Some(wanted) = step.wanted() else { continue };
            for needed in dependencies(&step.address, wanted) {
                for other in made.get(&needed).into_iter().flatten().filter(|other| !self.waits(place, **other)) {
                    faults.push(format!("{} needs {}, and does not wait for it", step.id(), self.steps[*other].id()));
                }
            }
        }
    }

    /// A resource is deleted after every step that lets go of it.
    fn what_uses_it_goes_first(&self, faults: &mut Vec<String>) {
        let deleted = self.places(|step| step.action() == Action::Delete);
        for (place, step) in self.steps.iter().enumerate() {
            let Some(live) = step.live() else { continue };
            for used in dependencies(&step.address, &live.spec) {
                for gone in deleted.get(&used).into_iter().flatten().filter(|gone| !self.waits(**gone, place)) {
                    faults.push(format!("{} is deleted while {} still uses it", self.steps[*gone].address, step.id()));
                }
            }
        }
    }

    /// Rules, routes and ways out are taken away only after everything that is made or changed.
    fn access_goes_last(&self, faults: &mut Vec<String>) {
        let takes = |step: &Step| match step.action() {
            Action::Delete => kinds::is_access(&step.address.kind),
            _ => step.operation == Some(Operation::CLOSE),
        };
        let changes = |step: &Step| step.action() != Action::Delete && !takes(step);
        let changes: Vec<usize> = self.places(changes).into_values().flatten().collect();
        for (place, other) in self.not_waiting(self.places(takes).into_values().flatten(), &changes) {
            let (place, other) = (self.steps[place].id(), self.steps[other].id());
            faults.push(format!("{place} takes access away before {other} is done"));
        }
    }

    /// What Kafka has is made, changed and deleted after everything that is made or changed of what it runs on.
    fn kafka_runs_first(&self, faults: &mut Vec<String>) {
        let inside = |step: &Step| is_of_kafka(&step.address.kind);
        let outside = |step: &Step| !inside(step) && !step.closes() && step.action() != Action::Delete;
        let outside: Vec<usize> = self.places(outside).into_values().flatten().collect();
        let mut late = self.not_waiting(self.places(inside).into_values().flatten(), &outside);
        // One is enough to tell what is wrong.
        late.dedup_by_key(|(place, _)| *place);
        for (place, other) in late {
            let (place, other) = (self.steps[place].id(), self.steps[other].id());
            faults.push(format!("{place} does not wait for {other}, on which Kafka runs"));
        }
    }

    /// Whatever a wanted spec names is made by the plan, or live and not deleted.
    fn what_it_names_exists(&self, observed: &Observed, faults: &mut Vec<String>) {
        let made = self.places(|step| step.action() != Action::Delete);
        let deleted = self.places(|step| step.action() == Action::Delete);
        for step in self.steps {
            for named in step.wanted().iter().flat_map(|wanted| wanted.refs()).filter_map(Ref::address) {
                let stays = observed.live.contains_key(named) && !deleted.contains_key(named);
                // A plan with a contested address is refused; it names no more faults.
                if !made.contains_key(named) && !stays && !observed.is_contested(named) {
                    faults.push(format!("{} names {named}, which does not exist then", step.id()));
                }
            }
        }
    }

    /// Of two rolls one waits for the other, controllers before brokers; and the first waits for every host that starts or
    /// changes anyway.
    fn one_roll_at_a_time(&self, faults: &mut Vec<String>) {
        let rolls = self.places(|step| step.action() == Action::Roll).into_values().flatten();
        let mut rolls: Vec<usize> = rolls.collect();
        rolls.sort_unstable();
        let controller = |place: usize| self.steps[place].address.name.starts_with("controller-");
        for pair in rolls.windows(2).filter(|pair| controller(pair[1]) && !controller(pair[0])) {
            let (one, other) = (self.steps[pair[0]].id(), self.steps[pair[1]].id());
            faults.push(format!("{one} is rolled before {other}: a broker must not be newer than its controllers"));
        }
        if let Some(first) = rolls.first() {
            let rolled = &self.steps[*first];
            let moving = |step: &Step| {
                step.address.kind == rolled.address.kind && matches!(step.action(), Action::Create | Action::Update)
            };
            let waited = self.places(moving).into_values().flatten().filter(|place| !self.waits(*first, *place));
            faults.extend(
                waited.map(|place| format!("{} is rolled while {} starts", rolled.id(), self.steps[place].id())),
            );
        }
        for pair in rolls.windows(2).filter(|pair| !self.waits(pair[1], pair[0])) {
            let (one, other) = (self.steps[pair[0]].id(), self.steps[pair[1]].id());
            faults.push(format!("{one} and {other} could be rolled at once"));
        }
    }
}

/// What holds data is deleted or replaced only where that was asked for, or the plan is refused.
fn nothing_is_lost_unasked(plan: &Plan, faults: &mut Vec<String>) {
    if plan.data_loss_allowed || !plan.refusals.is_empty() {
        return;
    }
    for step in &plan.steps {
        let deletes = matches!(step.action(), Action::Delete | Action::Replace);
        let data = step.live().is_some_and(|live| matches!(live.spec.deletion(), Deletion::Data(_)));
        // A cluster that AWS deletes already is lost whatever the plan does.
        let going = step.changes().iter().any(|change| change.field == "state" && change.before == "deleting");
        if deletes && data && !going {
            faults.push(format!("{} would lose data, and --allow-data-loss was not given", step.id()));
        }
    }
}

/// What is made does not exist, and what is changed or deleted exists under its id.
fn of_what_is_live(plan: &Plan, observed: &Observed, faults: &mut Vec<String>) {
    for step in &plan.steps {
        let live = observed.live.get(&step.address).map(|live| live.id.as_str());
        match step.live() {
            None if live.is_some() => faults.push(format!("{} would be made twice", step.address)),
            Some(target) if live != Some(&target.id) => {
                faults.push(format!("the resource at {} is no longer {}", step.address, target.id));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kinds::{ElasticIp, InternetGateway, Kind as _, Resource, Volume, from_json};
    use crate::model::{Ref, Tags};
    use crate::observed::Live;
    use crate::plan::{Creation, LiveTarget, Work};

    fn new(spec: impl Into<Resource>) -> Creation {
        Creation { spec: spec.into(), tags: Tags::new(), generation: String::new() }
    }

    fn target(id: &str, spec: impl Into<Resource>) -> LiveTarget {
        LiveTarget { id: id.to_owned(), spec: spec.into(), tags: Tags::new() }
    }

    fn step(address: &str, after: &[&str], work: Work) -> Step {
        let parse = |text: &str| Address::parse(text).expect("an address");
        let after = after.iter().map(|text| StepId::from(parse(text))).collect();
        Step { address: parse(address), operation: None, reason: String::new(), work, after, after_all: None }
    }

    fn ip() -> ElasticIp {
        ElasticIp::default()
    }

    fn gateway() -> InternetGateway {
        InternetGateway { vpc: Ref::to("elastic_ip", "a") } // Any reference will do.
    }

    fn volume() -> Resource {
        let spec = serde_json::json!({"zone": "a", "kind": "gp3", "size_gib": 1, "iops": 3000, "throughput_mibs": 125, "encrypted": true});
        from_json(Volume::NAME, &spec).expect("a volume")
    }

    fn faults(steps: Vec<Step>) -> Vec<String> {
        let mut observed = Observed::default();
        for target in steps.iter().filter_map(|step| Some((step.address.clone(), step.live()?.clone()))) {
            let live = Live { id: target.1.id, spec: target.1.spec, tags: Tags::new() };
            observed.live.insert(target.0, live);
        }
        verify(&Plan { steps, ..Plan::empty("dev", "us-east-1", "1", false) }, &observed)
    }

    /// Steps of every sort in an order that can be run, each behind some of those before it.
    pub fn any_steps() -> impl Strategy<Value = Vec<Step>> {
        let one = (0..6_u8, 0..3_usize, prop::collection::vec(any::<prop::sample::Index>(), 0..3));
        prop::collection::vec(one, 1..25).prop_map(|sorts| {
            let mut steps: Vec<Step> = Vec::new();
            for (number, (sort, waits, behind)) in sorts.into_iter().enumerate() {
                let (kind, work) = match sort {
                    0 | 1 => ("elastic_ip", Work::Create(new(ip()))),
                    2 | 3 => ("topic", Work::Create(new(ip()))),
                    4 => ("elastic_ip", Work::Delete { live: target("eip-1", ip()) }),
                    _ => ("topic", Work::Delete { live: target("eip-1", ip()) }),
                };
                let named = behind.iter().filter(|_| !steps.is_empty()).map(|index| index.get(&steps).id());
                let after: BTreeSet<StepId> = named.collect();
                let after_all = [None, Some(All::Cluster), Some(All::Changes)][waits];
                let address = Address::new(kind, &format!("n{number}"));
                let after = after.into_iter().collect();
                steps.push(Step { address, operation: None, reason: String::new(), work, after, after_all });
            }
            // Who waits for all of something is behind the last of it.
            for place in 0..steps.len() {
                let late = |all: All| steps[place..].iter().any(|step| all.has(step));
                if steps[place].after_all.is_some_and(late) {
                    steps[place].after_all = None;
                }
            }
            steps
        })
    }

    proptest! {
        /// What waits for what is what follows from each step's own waits, by the plain definition.
        #[test]
        fn who_waits_for_whom_is_the_closure_of_what_steps_wait_for(steps in any_steps()) {
            let plan = Plan { steps, ..Plan::empty("dev", "us-east-1", "1", false) };
            let order = Order::of(&plan).expect("an order");
            let mut closure: Vec<BTreeSet<usize>> = Vec::new();
            for (place, step) in plan.steps.iter().enumerate() {
                let direct = |one: &usize| {
                    let other = &plan.steps[*one];
                    step.after.contains(&other.id()) || step.after_all.is_some_and(|all| all.has(other))
                };
                let direct: Vec<usize> = (0..place).filter(direct).collect();
                let mut all: BTreeSet<usize> = direct.iter().flat_map(|one| closure[*one].clone()).collect();
                all.extend(direct);
                closure.push(all);
            }
            for (place, all) in closure.iter().enumerate() {
                let waits: BTreeSet<usize> = (0..plan.steps.len()).filter(|other| order.waits(place, *other)).collect();
                prop_assert_eq!(&waits, all, "{}", place);
            }
        }
    }

    #[test]
    fn each_fault_is_found() {
        let made = |address: &str, after: &[&str]| step(address, after, Work::Create(new(ip())));
        let rolled = |address: &str, after: &[&str]| {
            let live = target("i-1", ip());
            step(address, after, Work::Roll { live, changes: Vec::new(), new: new(ip()) })
        };
        let (a, b) = ("elastic_ip/a", "elastic_ip/b");
        let changed = |address: &str| {
            let work =
                Work::Update { live: target("i-2", ip()), wanted: ip().into(), tags: Tags::new(), changes: Vec::new() };
            step(address, &[], work)
        };
        let endpoint = serde_json::json!({"vpc": "", "service": "", "kind": "", "route_tables": [], "subnets": [],
            "security_groups": [], "state": ""});
        let endpoint = from_json("vpc_endpoint", &endpoint).expect("an endpoint");
        let closed = |after: &[&str]| {
            let (live, wanted) = (target("eip-3", ip()), ip().into());
            let work = Work::Update { live, wanted, tags: Tags::new(), changes: Vec::new() };
            Step { operation: Some(Operation::CLOSE), ..step("elastic_ip/c", after, work) }
        };
        // Own disks hold data; a roll of such a host is no loss.
        let own_disks = serde_json::json!({"instance_type": "i4i.xlarge", "image": "", "subnet": "", "interface": "",
            "data_volume": "", "profile": "", "http_tokens": "", "state": "running", "storage": "instance-store"});
        let own_disks = || from_json("instance", &own_disks).expect("an instance");
        let roll = Work::Roll { live: target("i-4", own_disks()), changes: Vec::new(), new: new(own_disks()) };
        let cases: [(Vec<Step>, &str); 17] = [
            (vec![made(a, &[]), made(b, &[a])], ""),
            (vec![made(a, &[a])], "elastic_ip/a waits for itself"),
            (vec![made(a, &[b]), made(b, &[])], "elastic_ip/a waits for elastic_ip/b, which does not come before it"),
            (vec![made(a, &[]), made(a, &[])], "elastic_ip/a is there twice"),
            (
                vec![made(a, &[]), step("internet_gateway/main", &[], Work::Create(new(gateway())))],
                "internet_gateway/main needs elastic_ip/a, and does not wait for it",
            ),
            (
                vec![
                    step(a, &[], Work::Delete { live: target("eip-1", ip()) }),
                    step("internet_gateway/main", &[], Work::Delete { live: target("igw-1", gateway()) }),
                ],
                "elastic_ip/a is deleted while internet_gateway/main still uses it",
            ),
            (vec![rolled(a, &[]), rolled(b, &[])], "elastic_ip/a and elastic_ip/b could be rolled at once"),
            (vec![rolled(a, &[]), rolled(b, &[a])], ""),
            (
                vec![rolled("elastic_ip/broker-1", &[]), rolled("elastic_ip/controller-1", &["elastic_ip/broker-1"])],
                "elastic_ip/broker-1 is rolled before elastic_ip/controller-1: a broker must not be newer than its controllers",
            ),
            (vec![changed(a), rolled(b, &[])], "elastic_ip/b is rolled while elastic_ip/a starts"),
            (
                vec![step("internet_gateway/main", &[], Work::Create(new(gateway())))],
                "internet_gateway/main names elastic_ip/a, which does not exist then",
            ),
            (vec![made(a, &[]), closed(&[])], "elastic_ip/c:close takes access away before elastic_ip/a is done"),
            (vec![made(a, &[]), closed(&[a])], ""),
            (
                vec![made(a, &[]), step("vpc_endpoint/ssm", &[], Work::Delete { live: target("vpce-1", endpoint) })],
                "vpc_endpoint/ssm takes access away before elastic_ip/a is done",
            ),
            (
                vec![step("volume/broker-1", &[], Work::Delete { live: target("vol-1", volume()) })],
                "volume/broker-1 would lose data, and --allow-data-loss was not given",
            ),
            (
                vec![step("instance/broker-1", &[], Work::Delete { live: target("i-4", own_disks()) })],
                "instance/broker-1 would lose data, and --allow-data-loss was not given",
            ),
            (vec![step("instance/broker-1", &[], roll)], ""),
        ];
        for (steps, fault) in cases {
            let expected: Vec<&str> = Some(fault).filter(|fault| !fault.is_empty()).into_iter().collect();
            assert_eq!(faults(steps), expected);
        }
        let plan = Plan { steps: vec![made(a, &[])], ..Plan::empty("dev", "us-east-1", "1", false) };
        let live = Live { id: "eip-1".to_owned(), spec: ip().into(), tags: Tags::new() };
        let observed = Observed { live: [(Address::new("elastic_ip", "a"), live)].into(), ..Observed::default() };
        assert_eq!(verify(&plan, &observed), ["elastic_ip/a would be made twice"]);
        let gone = Plan { steps: vec![rolled(b, &[])], ..plan };
        assert_eq!(verify(&gone, &observed), ["the resource at elastic_ip/b is no longer i-1"]);
    }
}
