//! The README's pictures: a real plan, as a terminal shows it, and the stack that it is of. `KSTACK_UPDATE=1 cargo test picture` draws them anew.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use kstack_core::model::Address;
use kstack_core::plan::render;

use crate::model::{Model, parsed, set};
use crate::support::{KSTACK, Run};

/// The production stack after a week: more retention, a newer Kafka, and two things that somebody did by hand.
fn plan() -> String {
    let text = fs::read_to_string("stacks/prod.yaml").expect("the stack file");
    let before = parsed(&text);
    let mut model = Model::empty("ap-northeast-2", 3);
    let first = model.plan(&before, false);
    model.apply(&first);
    model.end(&Address::new("instance", "broker-5"));
    let rules =
        model.observed.live.get_mut(&Address::new("security_group_rules", "brokers")).expect("the brokers' rules");
    let mut ingress = rules.spec.spec()["ingress"].clone();
    ingress
        .as_array_mut()
        .expect("rules")
        .push(json!({"ports": "tcp 22", "peer": "0.0.0.0/0", "description": "just for a minute"}));
    set(&mut rules.spec, "ingress", ingress);
    let after = parsed(&text.replace("retention: 7d", "retention: 10d").replace("kafka: 4.1.1", "kafka: 4.2.0"));
    render(&model.plan(&after, false))
}

#[test]
fn it_is_what_a_plan_looks_like() {
    let drawn = anstyle_svg::Term::new().render_svg(&format!("$ kstack plan stacks/prod.yaml\n{}", plan()));
    let path = Path::new("docs/plan.svg");
    if std::env::var_os("KSTACK_UPDATE").is_some() {
        fs::write(path, &drawn).expect("the picture can be written");
    }
    let written = fs::read_to_string(path).unwrap_or_default();
    assert!(written == drawn, "docs/plan.svg is not what a plan looks like: KSTACK_UPDATE=1 cargo test picture");
    for part in ["-/+", "instance/broker-5", "tcp 22 0.0.0.0/0", "to roll"] {
        assert!(drawn.contains(part), "the picture should show {part}");
    }
}

#[test]
fn the_stack_is_drawn_as_kstack_draws_it() {
    let drawn = Run::of(Command::new(KSTACK).args(["diagram", "stacks/prod.yaml"])).expect(0).out;
    let path = Path::new("docs/diagram.svg");
    if std::env::var_os("KSTACK_UPDATE").is_some() {
        fs::write(path, &drawn).expect("the picture can be written");
    }
    let written = fs::read_to_string(path).unwrap_or_default();
    assert!(written == drawn, "docs/diagram.svg is not how the stack is drawn: KSTACK_UPDATE=1 cargo test picture");
}
