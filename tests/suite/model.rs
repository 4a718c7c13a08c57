//! AWS as a map in memory: what plans are applied to where no AWS is needed. It knows what a step leaves behind, and nothing of calls.

use std::collections::BTreeSet;

use jiff::Timestamp;
use kstack::check::{self, Parsed};
use kstack::cloud_init::Overrides;
use kstack::design::{Facts, World};
use kstack::expiry::{Asked, Term};
use kstack::instance_types;
use kstack::plan::{self, Action, Plan, Step};
use kstack::resource::{Address, Found, Live, Observed};
use kstack::session::{Source, make_plan};
use serde_json::Value;

/// A stack file and the AWS account that it is planned for.
#[derive(Debug, Clone)]
pub struct Model {
    pub facts: Facts,
    pub observed: Observed,
    /// The time at which plans are made.
    pub now: Timestamp,
}

/// The stack file `text`, which must have no problems.
pub fn parsed(text: &str) -> Parsed {
    check::parse("stack.yaml", text).unwrap_or_else(|report| panic!("{}", report.render(false)))
}

impl Model {
    /// An account with nothing in it, in a region that has the first `zones` of six.
    pub fn empty(region: &str, zones: usize) -> Model {
        let short: String = region.split('-').flat_map(|part| part.chars().take(2)).collect();
        let zone = |(number, letter): (usize, char)| (format!("{region}{letter}"), format!("{short}-az{}", number + 1));
        let names: BTreeSet<String> = ('a'..='f').take(zones).map(|letter| format!("{region}{letter}")).collect();
        let images = [("arm64", "ami-0aaaaaaaaaaaaaaa1"), ("x86_64", "ami-0bbbbbbbbbbbbbbb1")];
        Model {
            facts: Facts {
                account: "123456789012".to_owned(),
                caller: "arn:aws:iam::123456789012:user/operator".to_owned(),
                zones: ('a'..='f').enumerate().take(zones).map(zone).collect(),
                types: instance_types::embedded().clone(),
                offers: instance_types::embedded().keys().map(|name| (name.clone(), names.clone())).collect(),
                msk_versions: ["3.7.x", "3.8.x", "3.9.x", "3.9.x.kraft", "4.0.x.kraft", "4.1.x.kraft"]
                    .map(str::to_owned)
                    .into(),
                images: images.map(|(arch, image)| (arch.to_owned(), image.to_owned())).into(),
            },
            observed: Observed::default(),
            now: "2026-01-31T12:00:00Z".parse().expect("a time"),
        }
    }

    /// The plan for `parsed`.
    pub fn plan(&self, parsed: &Parsed, allow_data_loss: bool) -> Plan {
        let source = Source { file: "stack.yaml".to_owned(), text: String::new(), overrides: Overrides::new() };
        let asked = Asked { now: self.now, ttl: None };
        let expires = asked.choose(&parsed.stack, Term::of(&self.observed, None, None));
        let world = World { facts: self.facts.clone(), observed: self.observed.clone(), record: None, expires };
        make_plan(&source, parsed, &world, allow_data_loss).1
    }

    /// The plan that destroys the stack of `parsed`.
    pub fn destroy(&self, parsed: &Parsed) -> Plan {
        plan::destroy(&parsed.stack.name, &parsed.stack.region, &self.facts.account, &self.observed)
    }

    /// Does what `plan` says, step by step.
    pub fn apply(&mut self, plan: &Plan) {
        assert!(plan.refusals.is_empty(), "a refused plan is not applied: {:?}", plan.refusals);
        plan.steps.iter().for_each(|step| self.step(step));
    }

    /// Does one step.
    pub fn step(&mut self, step: &Step) {
        if matches!(step.action, Action::Roll | Action::Replace | Action::Delete) {
            self.end(&step.address);
        }
        match step.action {
            Action::Create | Action::Roll | Action::Replace => {
                let id = self.new_id(&step.address);
                let spec = step.spec.clone().expect("what is made has a spec");
                self.observed.live.insert(step.address.clone(), Live { id, spec, tags: step.tags.clone() });
            }
            Action::Update => {
                let live = self.observed.live.get_mut(&step.address).expect("what is changed is there");
                for change in &step.changes {
                    match (change.field.strip_prefix("tags."), change.after.as_str()) {
                        (Some(key), Some(value)) => drop(live.tags.insert(key.to_owned(), value.to_owned())),
                        (Some(key), None) => drop(live.tags.remove(key)),
                        (None, _) => set(&mut live.spec, &change.field, change.after.clone()),
                    }
                }
            }
            Action::Delete => {}
        }
    }

    /// `vol-broker-1`, and `vol-broker-1-2` for the next at the same address.
    fn new_id(&self, address: &Address) -> String {
        let earlier = self.observed.ended.get(address).map_or(0, |ended| ended.len());
        let again = if earlier == 0 { String::new() } else { format!("-{}", earlier + 1) };
        format!("{}-{}{again}", prefix(&address.kind), address.name)
    }

    /// Takes the resource away. What named it names an id that is nobody's now; an instance loses its volume.
    pub fn end(&mut self, address: &Address) {
        let live = self.observed.live.remove(address).unwrap_or_else(|| panic!("{address} is not there"));
        if address.kind == "instance" {
            self.observed.ended.entry(address.clone()).or_default().insert(live.id);
        } else {
            let dangling = if address.kind == "volume" { String::new() } else { live.id };
            self.observed.live.values_mut().for_each(|other| rename(&mut other.spec, &address.to_string(), &dangling));
        }
    }

    /// Adds resources as a discovery finds them, and places everything anew.
    pub fn add(&mut self, added: Vec<(String, Found<Value>)>) {
        let name = |kind: &str| *kstack::kinds::NAMES.iter().find(|name| **name == kind).expect("a known kind");
        let mut live = std::mem::take(&mut self.observed.live);
        // A discovery finds references by id.
        let ids: Vec<(String, String)> =
            live.iter().map(|(address, one)| (address.to_string(), one.id.clone())).collect();
        for one in live.values_mut() {
            ids.iter().for_each(|(address, id)| rename(&mut one.spec, address, id));
        }
        let found = live.into_iter().map(|(address, live)| {
            (name(&address.kind), Found { id: live.id, tags: live.tags, spec: live.spec, ended: false })
        });
        let added = added.into_iter().map(|(kind, found)| (name(&kind), found));
        let ended = std::mem::take(&mut self.observed.ended);
        self.observed = Observed { ended, ..Observed::collect(found.chain(added).collect()) };
    }
}

fn prefix(kind: &str) -> &str {
    match kind {
        "volume" => "vol",
        "instance" => "i",
        "network_interface" => "eni",
        "security_group" => "sg",
        "security_group_rules" => "sgr",
        "internet_gateway" => "igw",
        "nat_gateway" => "nat",
        "elastic_ip" => "eipalloc",
        "route_table" => "rtb",
        "vpc_endpoint" => "vpce",
        other => other,
    }
}

/// Sets the field at a dotted path.
pub fn set(spec: &mut Value, field: &str, value: Value) {
    match field.split_once('.') {
        Some((first, rest)) => set(&mut spec[first], rest, value),
        None => spec[field] = value,
    }
}

fn rename(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::String(text) if text == from => to.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, from, to)),
        Value::Object(map) => map.values_mut().for_each(|item| rename(item, from, to)),
        _ => {}
    }
}
