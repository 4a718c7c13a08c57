//! What must hold of any bytes: no panic, and an answer that is bounded and harmless to show. The fuzz targets run this without
//! end, and `tests/suite/hostile.rs` for a bounded number of inputs.

use std::sync::OnceLock;

use kstack_core::check::{self, Parsed};
use kstack_core::model::{Address, tag};
use kstack_core::plan::SavedPlan;
use kstack_core::plan::{Plan, render};
use serde_json::json;

use crate::model::{Model, parsed};

/// Text for a terminal: not endless, and without a character that a terminal obeys. Colours are not asked for here.
fn harmless(text: &str) {
    assert!(text.len() < 1024 * 1024, "{} bytes of text", text.len());
    let control = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
    assert_eq!(control, None, "in {text:?}");
}

/// The bytes of a stack file.
pub fn stack_file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match check::parse("stack.yaml", &text) {
        Ok(parsed) => {
            // A line of the file is shown as it is; only its problems are kstack's own words.
            assert_eq!(parsed.warnings.counts().0, 0);
            plan_of(&parsed);
        }
        Err(report) => {
            assert!(report.counts().0 > 0, "an error has a problem");
            let shown = report.render(false);
            assert!(shown.len() < 1024 * 1024, "{} bytes for {} of file", shown.len(), bytes.len());
            for problem in &report.problems {
                assert!(problem.message.len() < 10_000, "{} bytes of message", problem.message.len());
            }
        }
    }
}

/// Plans the stack in an empty account, as far as the account has what the stack asks for.
fn plan_of(parsed: &Parsed) -> Plan {
    let zones = 6;
    Model::empty(&parsed.stack.region, zones).plan(parsed, false)
}

/// A stack with every kind of host, and its plan.
fn known() -> &'static (Parsed, Plan) {
    static KNOWN: OnceLock<(Parsed, Plan)> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let stack = json!({
            "apiVersion": "kstack/v1", "name": "orders", "region": "eu-west-1",
            "tags": {"team": "data platform", "cost-center": "1234"},
            "network": {"cidr": "10.0.0.0/16", "zones": 3, "nat": "single", "endpoints": ["s3"]},
            "workload": {"ingress": "5 MiB/s", "retention": "3d"},
            "cluster": {"ec2": {
                "kafka": "4.1.1",
                "brokers": {"count": 3, "instance_type": "m7g.large"},
                "controllers": {"count": 3, "instance_type": "t4g.medium"},
            }},
        });
        let parsed = parsed(&stack.to_string());
        let plan = plan_of(&parsed);
        assert!(!plan.steps.is_empty());
        (parsed, plan)
    })
}

/// The bytes of a saved plan.
pub fn saved_plan(bytes: &[u8]) {
    match SavedPlan::read(bytes) {
        Err(why) => assert!(why.len() < 2000, "{} bytes: {why}", why.len()),
        Ok(None) => {}
        Ok(Some(saved)) => {
            // What apply does with it before anything else.
            if let Ok(parsed) = saved.source.parsed() {
                let _ = plan_of(&parsed).difference(&saved.steps);
            }
            if let Some(difference) = known().1.difference(&saved.steps) {
                assert!(difference.len() < 100_000 + bytes.len(), "{} bytes", difference.len());
            }
        }
    }
}

/// Tags as AWS gives them back: lines of `RESOURCE KEY VALUE`, the first two as numbers, put onto what is live of a stack. A value is
/// whatever anybody wrote there, up to the 256 characters that AWS takes.
pub fn live_tags(bytes: &[u8]) {
    const KEYS: [&str; 18] = [
        tag::STACK,
        tag::ADDRESS,
        tag::CLUSTER_ID,
        tag::KAFKA,
        tag::OS,
        tag::CONFIG,
        tag::RETENTION,
        tag::VOTERS,
        tag::MIN_INSYNC,
        tag::KMS_KEY,
        tag::KEYS,
        "Name",
        "team",
        tag::ENGINE,
        tag::SCRAM,
        tag::EXPIRES,
        tag::PROTECTED,
        tag::NETWORK,
    ];
    let (parsed, plan) = known();
    let mut model = Model::empty("eu-west-1", 3);
    model.apply(plan);
    let all: Vec<Address> = model.observed.live.keys().cloned().collect();
    let text = String::from_utf8_lossy(bytes);
    let mut moved = Vec::new();
    for line in text.split('\n').take(200) {
        let mut parts = line.splitn(3, ' ');
        let mut number = || parts.next().and_then(|part| part.parse::<usize>().ok()).unwrap_or_default();
        let (resource, key) = (number(), number());
        let value: String = parts.next().unwrap_or_default().chars().take(256).collect();
        let address = &all[resource % all.len()];
        let Some(live) = model.observed.live.get_mut(address) else { continue };
        live.tags.insert(KEYS[key % KEYS.len()].to_owned(), value);
        if KEYS[key % KEYS.len()] == tag::ADDRESS {
            let live = model.observed.live.remove(address).expect("it is there");
            moved.push(kstack_core::observed::Found {
                id: live.id,
                tags: live.tags,
                spec: live.spec,
                terminated: false,
            });
        }
    }
    model.add(moved);
    for plan in [model.plan(parsed, false), model.plan(parsed, true), model.destroy(parsed)] {
        let shown = render(&plan);
        harmless(&anstream_free(&shown));
        let _ = plan.difference(&[]);
    }
}

/// `text` without the colours that kstack itself puts in.
fn anstream_free(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        out.push_str(before);
        let end = after.find(|c: char| !(c.is_ascii_digit() || c == ';')).unwrap_or(after.len());
        match after[end..].strip_prefix('m') {
            Some(tail) => rest = tail,
            None => {
                out.push('\u{1b}');
                rest = after;
            }
        }
    }
    out + rest
}
