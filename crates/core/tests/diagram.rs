//! Pictures of stack files, as files of `tests/diagram`. `KSTACK_UPDATE=1 cargo test -p kstack-core --test diagram` draws them anew;
//! look at them before committing.

use std::fs;
use std::path::{Path, PathBuf};

use kstack_core::check::parse;
use kstack_core::choose::{PlanningInput, assumed_design, design};
use kstack_core::cloud_init::Overrides;
use kstack_core::design::Design;
use kstack_core::diagram::{BrokerSeen, Diagram, KafkaSeen, Picture, Rect, Seen, ZonesBy};
use kstack_core::model::Address;

#[allow(dead_code, reason = "the properties use the rest")]
#[path = "planning/model.rs"]
mod model;

use model::{Model, parsed, set};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The design of a stack file as it is made without AWS.
fn designed(text: &str) -> Design {
    let stack = parse("stack.yaml", text).unwrap_or_else(|report| panic!("{}", report.render(false))).stack;
    assumed_design(&stack, &Overrides::new()).unwrap_or_else(|refusals| panic!("{refusals:?}"))
}

fn diagram(text: &str) -> Diagram {
    Diagram::of(&designed(text), ZonesBy::File).folded()
}

/// Every stack file of the repository, by its name.
fn stacks() -> Vec<(String, String)> {
    let files = fs::read_dir(repository().join("stacks")).expect("the stack files");
    let mut all: Vec<(String, String)> = files
        .map(|file| file.expect("a file").path())
        .map(|path| {
            (path.file_stem().expect("a name").to_string_lossy().into_owned(), fs::read_to_string(&path).expect("text"))
        })
        .collect();
    all.sort();
    all
}

/// Compares with the file of this name, or writes it.
fn expect(name: &str, text: &str) {
    let path = repository().join("tests/diagram").join(name);
    if std::env::var_os("KSTACK_UPDATE").is_some() {
        fs::write(&path, text).expect("it is written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "{name} differs from what is drawn; KSTACK_UPDATE=1 writes it anew");
}

/// A production stack of 27 brokers, with everything that takes room.
const BIG: &str = "apiVersion: kstack/v1
name: a-name-of-thirty-letters-long1
region: ap-northeast-2
network:
  cidr: 10.40.0.0/16
  nat: single
  endpoints: [s3, dynamodb, ssm, ssmmessages, ec2messages, kms, logs, secretsmanager, monitoring]
  clients: [10.0.0.0/12, 172.16.0.0/12, pl-0f3a8c6d5e9b27104, 123456789012/sg-0e6b4d8f2a7c91530, 192.168.0.0/16, 100.64.0.0/10]
  monitors: [10.99.0.0/24]
  routes:
    - {to: 10.0.0.0/9, via: tgw-0123456789abcdef0}
    - {to: 172.16.0.0/12, via: pcx-0123456789abcdef0}
workload: {ingress: 900 MiB/s, compression: 2.5, retention: 14d, partitions: 20000}
cluster:
  ec2:
    kafka: 4.1.1
    listeners: {scram: true, mtls: true}
    brokers: {count: 27, instance_type: m7g.8xlarge}
    controllers: {count: 5, instance_type: m7g.large}
client: {}
";

#[test]
fn they_are_as_they_were() {
    for name in ["dev", "prod", "msk", "existing-vpc", "msk-serverless", "dual-stack"] {
        let text = fs::read_to_string(repository().join(format!("stacks/{name}.yaml"))).expect("a stack file");
        expect(&format!("{name}.svg"), &Picture::of(&diagram(&text)).svg());
    }
    expect("big.svg", &Picture::of(&diagram(BIG)).svg());
}

#[test]
fn comments_have_it_as_a_chart_in_which_texts_stay_texts() {
    let prod = fs::read_to_string(repository().join("stacks/prod.yaml")).expect("a stack file");
    let chart = diagram(&prod).mermaid();
    expect("prod.mmd", &chart);
    expect("big.mmd", &diagram(BIG).mermaid());
    // Names of others, such as those of AWS, may be anything.
    let hostile = "x\"]\n```\n</details>\nend <script>alert(1)</script> %% `; @all #35;";
    let mut diagram = diagram(&prod);
    diagram.network = hostile.to_owned();
    diagram.zones[0].subnets[0].parts[0].name = hostile.to_owned();
    let shown = diagram.mermaid();
    assert_eq!(shown.lines().count(), chart.lines().count());
    assert_eq!(shown.matches('"').count(), chart.matches('"').count());
    for part in ["script>", "</", "%%", "`", "@"] {
        assert!(!shown.contains(part), "{part}: {shown}");
    }
    let svg = Picture::of(&diagram).svg();
    assert!(!svg.contains("<script") && svg.contains("&lt;script&gt;"), "{svg}");
}

/// The live stack of `text`, on which something has happened, and what its brokers say.
fn live(
    text: &str,
    happened: impl FnOnce(&mut Model),
    kafka: Result<KafkaSeen, String>,
    msk: &[(u32, &str)],
) -> Diagram {
    let parsed = parsed(text);
    let mut model = Model::empty(&parsed.stack.region, 3);
    let plan = model.plan(&parsed, false);
    model.apply(&plan);
    happened(&mut model);
    let (facts, observed) = (model.facts.clone(), model.observed.clone());
    let input = PlanningInput { facts, observed, record: None, expires: None };
    let design = design(&parsed.stack, &input, &Overrides::new()).unwrap_or_else(|refusals| panic!("{refusals:?}"));
    let msk = msk.iter().map(|(id, zone)| (*id, (*zone).to_owned())).collect();
    let seen = Seen { observed: &model.observed, kafka, msk };
    Diagram::of(&design, ZonesBy::Aws).live(&parsed.stack, &seen).folded()
}

/// Brokers 1 to `count`, of which each leads so many partitions, but for one that is out.
fn led(count: u32, leads: usize, out: u32) -> KafkaSeen {
    let broker = |node| {
        let fault = (node == out).then(|| "is fenced".to_owned());
        (node, BrokerSeen { leads: if fault.is_some() { 0 } else { leads + node as usize }, fault })
    };
    let problems = match out {
        0 => Vec::new(),
        node => vec![format!("broker {node} is fenced"), "12 partitions with a replica out of sync".to_owned()],
    };
    KafkaSeen { problems, controller: Some(1002), brokers: (1..=count).map(broker).collect() }
}

#[test]
fn a_live_one_shows_what_is_up_and_where_leaders_are() {
    let read = |name: &str| fs::read_to_string(repository().join(format!("stacks/{name}.yaml"))).expect("a stack file");
    let happened = |model: &mut Model| {
        model.end(&Address::new("instance", "broker-5"));
        model.end(&Address::new("nat_gateway", "c"));
        let controller = model.observed.live.get_mut(&Address::new("instance", "controller-3")).expect("a controller");
        set(&mut controller.spec, "state", "stopped".into());
        let broker = model.observed.live.get_mut(&Address::new("instance", "broker-1")).expect("a broker");
        set(&mut broker.spec, "instance_type", "m7g.2xlarge".into());
    };
    let prod = live(&read("prod"), happened, Ok(led(6, 100, 5)), &[]);
    expect("prod-live.svg", &Picture::of(&prod).svg());
    let own: String = BIG.lines().filter(|line| !line.contains("pl-")).map(|line| format!("{line}\n")).collect();
    let well = live(&own, |_| (), Ok(led(27, 700, 0)), &[]);
    expect("big-live.svg", &Picture::of(&well).svg());
    let zones = [(1, "us-east-1a"), (2, "us-east-1b"), (3, "us-east-1c")];
    let unknown = Err("no broker answers at b-1.orders.kafka.us-east-1.amazonaws.com:9098".to_owned());
    let msk = live(&read("msk"), |_| (), unknown, &zones);
    expect("msk-live.svg", &Picture::of(&msk).svg());
    // What is written is not made by its own code: what must be read there.
    let prod = Picture::of(&prod).svg();
    for part in
        ["no instance", "m7g.2xlarge", "stopped", "not there", "leads 104 partitions", "running, the active controller"]
    {
        assert!(prod.contains(part), "{part}");
    }
    let well = Picture::of(&well).svg();
    let sum: usize = (1..=27).step_by(3).map(|node| 700 + node).sum();
    assert!(well.contains("all running, lead") && well.contains(&format!("{sum} partitions")), "{sum}");
}

#[test]
fn every_text_is_in_its_box_and_over_no_other() {
    for (name, text) in stacks().into_iter().chain([("big".to_owned(), BIG.to_owned())]) {
        let picture = Picture::of(&diagram(&text));
        let mut texts = Vec::new();
        for shape in &picture.boxes {
            let (around, title) = (shape.place, &shape.title);
            let right = |rect: Rect| (rect.x + rect.width, rect.y + rect.height);
            assert!(
                around.x >= 0 && right(around).0 <= picture.width && right(around).1 <= picture.height,
                "{name}: {title}"
            );
            for text in &shape.texts {
                let place = text.place();
                let inside = place.x >= around.x
                    && place.y >= around.y
                    && right(place).0 <= right(around).0
                    && right(place).1 <= right(around).1;
                assert!(inside, "{name}: `{}` is not in the box of {title}: {place:?} {around:?}", text.text);
                texts.push((text, place));
            }
        }
        for (at, (one, place)) in texts.iter().enumerate() {
            for (other, under) in &texts[at + 1..] {
                let apart = place.x + place.width <= under.x
                    || under.x + under.width <= place.x
                    || place.y + place.height <= under.y
                    || under.y + under.height <= place.y;
                assert!(apart, "{name}: `{}` is over `{}`", one.text, other.text);
            }
        }
    }
}
