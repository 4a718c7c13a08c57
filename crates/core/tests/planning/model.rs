//! AWS as a map in memory: what plans are applied to where no AWS is needed. It knows what a step leaves behind, and nothing of calls.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use jiff::Timestamp;
use kstack_core::check::{self, Parsed};
use kstack_core::choose::PlanningInput;
use kstack_core::cloud_init::Overrides;
use kstack_core::design::{Design, Facts, NetworkFacts};
use kstack_core::endpoint_services::{self, EndpointService};
use kstack_core::expiry::{ExpiryRequest, Lifetime};
use kstack_core::instance_types;
use kstack_core::kinds::{self, NetworkInterface, Resource, from_json};
use kstack_core::model::{Address, Ref};
use kstack_core::observed::{Found, Observed};
use kstack_core::plan::applied::{self, rename};
use kstack_core::plan::{self, Plan, Step, Work, make_plan, verify};
use kstack_core::surroundings::Surroundings;
use serde_json::{Value, json};

/// A stack file and the AWS account that it is planned for.
#[derive(Debug, Clone)]
pub struct Model {
    pub facts: Facts,
    pub observed: Observed,
    /// Whether an apply of the stack was complete, as its record tells.
    pub complete: bool,
    /// The time at which plans are made.
    pub now: Timestamp,
    /// What else is in the stack's VPC.
    pub surroundings: Surroundings,
}

/// The stack file `text`, which must have no problems.
pub fn parsed(text: &str) -> Parsed {
    let mut parsed = check::parse("stack.yaml", text).unwrap_or_else(|report| panic!("{}", report.render(false)));
    if let Some((file, _)) = check::clients_ca(text) {
        // Another file has another certificate in it.
        parsed.stack.trust(&format!("-----BEGIN CERTIFICATE-----\n{file}\n-----END CERTIFICATE-----\n"));
    }
    parsed
}

/// A PrivateLink service of others in `region`, which each account of the tests sees, in all zones.
pub fn privatelink(region: &str) -> String {
    format!("com.amazonaws.vpce.{region}.vpce-svc-0123456789abcdef0")
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
                endpoints: endpoint_services::embedded()
                    .iter()
                    .map(|name| (*name).to_owned())
                    .chain([privatelink(region)])
                    .map(|name| {
                        let gateway = ["s3", "dynamodb"].contains(&name.as_str());
                        let zones = names.clone();
                        (name, EndpointService { gateway, interface: true, zones, by_hand: false })
                    })
                    .collect(),
                msk_versions: ["3.7.x", "3.8.x", "3.9.x", "3.9.x.kraft", "4.0.x.kraft", "4.1.x.kraft", "4.2.x.kraft"]
                    .map(str::to_owned)
                    .into(),
                network: NetworkFacts::default(),
                missing_policies: BTreeSet::new(),
                boundary: None,
                papers_key: None,
                bad_secrets: std::collections::BTreeMap::new(),
                missing_roles: BTreeSet::new(),
                images: images.map(|(arch, image)| (arch.to_owned(), image.to_owned())).into(),
            },
            observed: Observed::default(),
            complete: false,
            now: "2026-01-31T12:00:00Z".parse().expect("a time"),
            surroundings: Surroundings::default(),
        }
    }

    /// The plan for `parsed`.
    pub fn plan(&self, parsed: &Parsed, allow_data_loss: bool) -> Plan {
        self.designed(parsed, allow_data_loss).1
    }

    /// The same with the design that it follows.
    pub fn designed(&self, parsed: &Parsed, allow_data_loss: bool) -> (Option<Design>, Plan) {
        let asked = ExpiryRequest { now: self.now, ttl: None };
        let expires = asked.choose(&parsed.stack, Lifetime::of(&self.observed, None, None));
        let mut facts = self.facts.clone();
        // Subnets of others know the stack's own interfaces too.
        for (_, interface) in self.observed.of::<NetworkInterface>().values() {
            let mut subnets = facts.network.subnets.iter_mut();
            let subnet = subnets.find(|subnet| Some(subnet.id.as_str()) == interface.subnet.id());
            let address: Option<Ipv4Addr> = interface.address.parse().ok();
            subnet.into_iter().for_each(|subnet| subnet.used.extend(address.map(Ipv4Net::from)));
        }
        let record = self.complete.then(|| {
            serde_json::from_value(json!({"cluster_id": "", "made_at": self.now, "made_by": "", "applies": 1}))
                .expect("a record")
        });
        let input = PlanningInput { facts, observed: self.observed.clone(), record, expires };
        let (design, plan) = make_plan(&parsed.stack, &input, &Overrides::new(), allow_data_loss);
        (design, self.verified(plan))
    }

    /// The plan that destroys the stack of `parsed`.
    pub fn destroy(&self, parsed: &Parsed) -> Plan {
        let (name, region, account) = (&parsed.stack.name, &parsed.stack.region, &self.facts.account);
        self.verified(plan::destroy(name, region, account, &self.observed, &self.surroundings))
    }

    /// The plan, which must be one that may be run, or is refused.
    fn verified(&self, plan: Plan) -> Plan {
        assert_eq!(verify(&plan, &self.observed), Vec::<String>::new(), "{}", plan::render(&plan));
        plan
    }

    /// Does what `plan` says, step by step, in every stage.
    pub fn apply(&mut self, plan: &Plan) {
        for stage in plan.stages() {
            assert!(stage.refusals.is_empty(), "a refused plan is not applied: {:?}", stage.refusals);
            assert_eq!(verify(stage, &self.observed), Vec::<String>::new(), "{}", plan::render(stage));
            stage.steps.iter().for_each(|step| self.step(step));
        }
    }

    /// Does one step.
    pub fn step(&mut self, step: &Step) {
        let there = self.observed.live.contains_key(&step.address);
        assert_eq!(
            there,
            !matches!(step.work, Work::Create(_)),
            "{} is made once, and changed where it is",
            step.address
        );
        applied::apply_step(step, &mut self.observed);
    }

    /// Takes the resource away, which must be there.
    pub fn end(&mut self, address: &Address) {
        assert!(self.observed.live.contains_key(address), "{address} is not there");
        applied::end(&mut self.observed, address);
    }

    /// Adds resources as a discovery finds them, and places everything anew.
    pub fn add(&mut self, added: Vec<Found<Resource>>) {
        let mut live = std::mem::take(&mut self.observed.live);
        // A discovery finds references by id.
        let ids: Vec<(Address, String)> = live.iter().map(|(address, one)| (address.clone(), one.id.clone())).collect();
        for one in live.values_mut() {
            ids.iter().for_each(|(address, id)| rename(&mut one.spec, address, &Ref::Id(id.clone())));
        }
        let found =
            live.into_values().map(|live| Found { id: live.id, tags: live.tags, spec: live.spec, terminated: false });
        let terminated = std::mem::take(&mut self.observed.terminated);
        let inside = self.observed.inside.clone();
        self.observed = Observed { terminated, inside, ..Observed::collect(found.chain(added).collect()) };
    }
}

/// Sets the field at a dotted path, which must make a spec of the kind.
pub fn set(spec: &mut Resource, field: &str, value: Value) {
    // The keys of a mapping have dots of their own.
    if kinds::field(spec.kind(), field).is_none_or(|one| !one.rule.keyed) {
        let mut json = spec.spec();
        let place = field.split('.').fold(&mut json, |json, key| &mut json[key]);
        *place = value.clone();
        assert!(from_json(spec.kind(), &json).is_some(), "{json} is no spec of a {}", spec.kind());
    }
    applied::set(spec, field, value);
}
