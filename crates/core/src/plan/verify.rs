//! What every plan must be before it is run, whatever made it: a second opinion, which shares little with the planner's own way.

use std::collections::BTreeMap;

use super::order::dependencies;
use super::{Action, Plan, Step};
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
    /// For each step a bit for each step that it waits for, directly or by way of others.
    before: Vec<Vec<u64>>,
}

impl<'a> Order<'a> {
    /// The order of a plan in which each step stands once, and behind all that it waits for.
    fn of(plan: &'a Plan) -> Result<Order<'a>, Vec<String>> {
        let mut faults = Vec::new();
        let mut places: BTreeMap<StepId, usize> = BTreeMap::new();
        let mut before: Vec<Vec<u64>> = Vec::new();
        for (place, step) in plan.steps.iter().enumerate() {
            let mut bits = vec![0_u64; plan.steps.len().div_ceil(64)];
            for needed in &step.after {
                match places.get(needed) {
                    Some(place) => {
                        bits.iter_mut().zip(&before[*place]).for_each(|(bit, more)| *bit |= more);
                        bits[place / 64] |= 1 << (place % 64);
                    }
                    None if *needed == step.id() => faults.push(format!("{needed} waits for itself")),
                    None => faults.push(format!("{} waits for {needed}, which does not come before it", step.id())),
                }
            }
            before.push(bits);
            if places.insert(step.id(), place).is_some() {
                faults.push(format!("{} is there twice", step.id()));
            }
        }
        if faults.is_empty() { Ok(Order { steps: &plan.steps, before }) } else { Err(faults) }
    }

    /// Whether the step at `place` waits for the one at `other`.
    fn waits(&self, place: usize, other: usize) -> bool {
        self.before[place][other / 64] >> (other % 64) & 1 == 1
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
        for place in self.places(takes).into_values().flatten() {
            let early = self.places(changes).into_values().flatten().filter(|other| !self.waits(place, *other));
            faults.extend(early.map(|other| {
                format!("{} takes access away before {} is done", self.steps[place].id(), self.steps[other].id())
            }));
        }
    }

    /// What Kafka has is made, changed and deleted after everything that is made or changed of what it runs on.
    fn kafka_runs_first(&self, faults: &mut Vec<String>) {
        let inside = |step: &Step| is_of_kafka(&step.address.kind);
        let outside = |step: &Step| !inside(step) && !step.closes() && step.action() != Action::Delete;
        for place in self.places(inside).into_values().flatten() {
            let late = self.places(outside).into_values().flatten().find(|other| !self.waits(place, *other));
            faults.extend(late.map(|other| {
                format!("{} does not wait for {}, on which Kafka runs", self.steps[place].id(), self.steps[other].id())
            }));
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
mod tests {
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
        Step { address: parse(address), operation: None, reason: String::new(), work, after }
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
        let cases: [(Vec<Step>, &str); 15] = [
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
