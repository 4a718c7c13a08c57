use proptest::prelude::*;

use super::*;
use crate::kinds::voter::name_of;
use crate::kinds::{ElasticIp, InternetGateway, Resource, Voter, from_json};
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
        Step { operation: Some(crate::model::Operation::CLOSE), ..step("elastic_ip/c", after, work) }
    };
    // Own disks hold data; a roll of such a host is no loss.
    let own_disks = serde_json::json!({"instance_type": "i4i.xlarge", "image": "", "subnet": "", "interface": "",
        "data_volume": "", "profile": "", "http_tokens": "", "state": "running", "storage": "instance-store"});
    let own_disks = || from_json("instance", &own_disks).expect("an instance");
    let roll = Work::Roll { live: target("i-4", own_disks()), changes: Vec::new(), new: new(own_disks()) };
    let gone = |address: &str, after: &[&str]| step(address, after, Work::Delete { live: target(address, ip()) });
    let moves = |after: &[&str]| {
        let (live, wanted) = (target("main", ip()), ip().into());
        step("partitions/main", after, Work::Update { live, wanted, tags: Tags::new(), changes: Vec::new() })
    };
    // A broker that asks one controller alone, of two that vote.
    let voter = |id: u32| {
        let voter = Voter { id, directory: "first".to_owned(), address: String::new() };
        let address = format!("voter/{}", name_of(id));
        (Live { id: address.clone(), spec: voter.clone().into(), tags: Tags::new() }, address, voter)
    };
    let leaves = |id: u32, after: &[&str]| {
        let (_, address, spec) = voter(id);
        step(&address, after, Work::Delete { live: target(&address, spec) })
    };
    let asks = |before: &str, after: Option<&str>| {
        let asking = |mark: &str| {
            let Resource::Instance(instance) = own_disks() else { panic!("an instance") };
            Resource::from(Instance { controllers: Some(mark.to_owned()), ..instance })
        };
        let live = target("i-4", asking(before));
        let wanted = after.map_or_else(|| asking(before), asking);
        match after {
            Some(_) => step("instance/broker-1", &[], Work::Roll { live, changes: Vec::new(), new: new(wanted) }),
            None => {
                step("instance/broker-1", &[], Work::Update { live, wanted, tags: Tags::new(), changes: Vec::new() })
            }
        }
    };
    let rest = || [asks("1002, first 1001", None), leaves(1002, &["instance/broker-1"])];
    assert_eq!(
        faults(rest().into()),
        ["voter/controller-2 leaves instance/broker-1 without a controller that it asks"]
    );
    let told = vec![asks("1002, first 1001", Some("1001 1002, first 1001")), leaves(1002, &["instance/broker-1"])];
    let mut observed = Observed::default();
    for target in told.iter().filter_map(|step| Some((step.address.clone(), step.live()?.clone()))) {
        observed.live.insert(target.0, Live { id: target.1.id, spec: target.1.spec, tags: Tags::new() });
    }
    observed.live.insert(Address::new("voter", "controller-1"), voter(1001).0);
    let plan = Plan { steps: told, ..Plan::empty("dev", "us-east-1", "1", false) };
    assert_eq!(verify(&plan, &observed), Vec::<String>::new(), "it is told of the other one before");
    let cases: [(Vec<Step>, &str); 23] = [
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
        (
            vec![gone("broker/broker-4", &[]), gone("network_interface/broker-4", &[])],
            "network_interface/broker-4 is deleted before broker/broker-4 has left",
        ),
        (vec![gone("broker/broker-4", &[]), gone("network_interface/broker-4", &["broker/broker-4"])], ""),
        (
            vec![gone("broker/broker-4", &[]), gone("broker/broker-5", &[])],
            "broker/broker-4 and broker/broker-5 could leave at once",
        ),
        (
            vec![leaves(1005, &[]), leaves(1004, &[])],
            "voter/controller-5 and voter/controller-4 could change the quorum at once",
        ),
        (
            vec![gone("voter/controller-5", &[]), gone("instance/controller-5", &[])],
            "instance/controller-5 is deleted before voter/controller-5 has left the quorum",
        ),
        (vec![moves(&[]), gone("broker/broker-4", &[])], "broker/broker-4 leaves before what it has has moved"),
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
