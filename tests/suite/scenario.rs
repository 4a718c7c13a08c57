//! What is done while something goes wrong: a stack, what comes before, a command; and how what is there in the end is judged.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::company::{Company, TAGS};
use crate::msk;
use crate::support::aws::DEV;
use crate::support::proxy::{Call, Proxy};
use crate::support::running::through;
use crate::support::{Account, stack};

/// A stack, what comes before, and the command at which things go wrong.
#[derive(Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    /// The stack file of an account, with edits.
    text: fn(&Account, Edits) -> String,
    /// What is live before the command; nothing when there is none.
    before: Option<Edits>,
    /// What the file has when the command runs.
    after: Edits,
    pub command: &'static str,
    /// The command after a death.
    pub then: &'static str,
    /// Whether others have made the network that the stack is in.
    of_others: bool,
}

type Edits = &'static [(&'static str, &'static str)];

/// A change that rolls brokers and grows their volumes.
const CHANGE: Edits = &[("instance_type: t4g.medium", "instance_type: t4g.large"), ("retention: 1d", "retention: 3d")];

/// Three operations of a cluster, one after the other, and a change of what hangs on it.
const UPDATES: Edits = &[
    ("retention: 3d", "retention: 4d"),
    ("level: per-broker", "level: per-topic-per-broker"),
    ("enable: false", "enable: true"),
    ("max: 8 TiB", "max: 9 TiB"),
];

pub const APPLY: Scenario = Scenario::apply("apply", dev, None, &[]);
pub const ROLL: Scenario = Scenario::apply("roll and grow", dev, Some(&[]), CHANGE);
pub const DESTROY: Scenario = Scenario::destroy("destroy", dev);
pub const UNDO: Scenario = Scenario { name: "apply, then destroy", then: "destroy", ..APPLY };
pub const MSK_APPLY: Scenario = Scenario::apply("MSK apply", msk, None, &[]);
pub const MSK_UPDATE: Scenario = Scenario::apply("MSK updates", msk, Some(&[]), UPDATES);
pub const MSK_DESTROY: Scenario = Scenario::destroy("MSK destroy", msk);

pub const MSK_USERS: Scenario = Scenario::apply("users of MSK", msk, Some(&[]), USERS);
pub const MSK_USERS_DESTROY: Scenario =
    Scenario { before: Some(USERS), after: USERS, ..Scenario::destroy("users of MSK destroyed", msk) };

/// Users with passwords. They have no rights: nobody asks brokers of the sandbox.
const USERS: Edits =
    &[("    orders-api:\n", "    shop: {mechanism: scram}\n    Orders.api_v1: {mechanism: scram}\n    orders-api:\n")];

pub const OTHERS_APPLY: Scenario =
    Scenario { of_others: true, ..Scenario::apply("apply in others' VPC", inside, None, &[]) };
pub const OTHERS_DESTROY: Scenario =
    Scenario { of_others: true, ..Scenario::destroy("destroy in others' VPC", inside) };

pub const NAMES_APPLY: Scenario = Scenario::apply("apply with names", dev, None, NAMES);
pub const NAMES_REMOVE: Scenario = Scenario::apply("names removed", dev, Some(NAMES), &[]);

pub const LINK_APPLY: Scenario = Scenario::apply("apply with PrivateLink", link, None, LINK);
pub const LINK_REMOVE: Scenario = Scenario::apply("PrivateLink removed", link, Some(LINK), &[]);

/// An endpoint of a PrivateLink service, and its names. The service is not in the zone of the NAT gateway, which would get another address.
const LINK: Edits =
    &[("nat: single", "nat: single\n  privatelink: {service: SERVICE, domain: abc123.aws.confluent.cloud}")];

pub const CLIENT_APPLY: Scenario = Scenario::apply("client host made", dev, Some(&[]), CLIENT);
pub const CLIENT_REPLACE: Scenario = Scenario::apply("client host replaced", dev, Some(CLIENT), LARGER_CLIENT);
pub const CLIENT_REMOVE: Scenario = Scenario::apply("client host removed", dev, Some(CLIENT), &[]);

const CLIENT: Edits = &[("cluster:", "client: {}\ncluster:")];
const LARGER_CLIENT: Edits = &[("cluster:", "client: {instance_type: t4g.medium}\ncluster:")];

pub const ALARMS_APPLY: Scenario = Scenario::apply("apply with alarms", dev, None, ALARMS);
pub const ALARMS_ROLL: Scenario = Scenario::apply("roll with alarms", dev, Some(ALARMS), ALARMS_CHANGE);
pub const ALARMS_REMOVE: Scenario = Scenario::apply("alarms removed", dev, Some(ALARMS), &[]);
pub const ALARMS_UNDO: Scenario = Scenario { name: "apply with alarms, then destroy", then: "destroy", ..ALARMS_APPLY };
pub const MSK_ALARMS: Scenario = Scenario::apply("MSK alarms added", msk, Some(&[]), MSK_ALARMS_ON);

const ALARMS: Edits = &[("cluster:", "alarms: {notify: \"arn:aws:sns:eu-west-1:123456789012:oncall\"}\ncluster:")];
const ALARMS_CHANGE: Edits = &[ALARMS[0], ("instance_type: t4g.medium", "instance_type: m7g.large")];
const MSK_ALARMS_ON: Edits = &[("cluster:", "alarms: true\ncluster:")];

pub const LOGS_APPLY: Scenario = Scenario::apply("apply with flow logs", dev, None, FLOW_LOGS);
pub const LOGS_DESTROY: Scenario =
    Scenario { before: Some(FLOW_LOGS), after: FLOW_LOGS, ..Scenario::destroy("flow logs destroyed", dev) };
pub const MSK_LOGS: Scenario = Scenario::apply("MSK logs added", msk, Some(&[]), MSK_LOGS_ON);

const FLOW_LOGS: Edits = &[("nat: single", "nat: single\n  flow_logs: {retention: 7d}")];
const MSK_LOGS_ON: Edits = &[("prometheus: true", "prometheus: true\n    logs: {cloudwatch: {retention: 7d}}")];

pub const DUAL_APPLY: Scenario = Scenario::apply("apply with IPv6", dev, None, DUAL);
pub const DUAL_ON: Scenario = Scenario::apply("IPv6 turned on", dev, Some(NAMES), DUAL);

/// IPv6, and names that stand for it too.
const DUAL: Edits = &[("nat: single", "nat: single\n  ipv6: true\n  dns: {zone: kafka.internal, advertise: true}")];
/// Names that brokers advertise, in a zone of the stack's own.
const NAMES: Edits = &[("nat: single", "nat: single\n  dns: {zone: kafka.internal, advertise: true}")];

pub const SECURED_APPLY: Scenario = Scenario::apply("apply with TLS", dev, None, SECURED);
pub const SECURED_UNDO: Scenario = Scenario { name: "apply with TLS, then destroy", then: "destroy", ..SECURED_APPLY };

pub const TO_TLS: Scenario = Scenario::apply("plaintext to TLS", dev, Some(&[]), BOTH);
pub const TO_PLAINTEXT: Scenario = Scenario::apply("TLS to plaintext", dev, Some(BOTH), PLAINTEXT);

/// TLS and plaintext; plaintext alone, by its word.
const BOTH: Edits = &[("    kafka: 4.1.1", "    kafka: 4.1.1\n    listeners: {scram: true, plaintext: true}")];
const PLAINTEXT: Edits = &[("    kafka: 4.1.1", "    kafka: 4.1.1\n    listeners: {plaintext: true}")];

/// A second authority takes the place of the first: two rolls in one run.
pub const SECURED_ROTATE: Scenario = Scenario::apply("another authority signs", dev, Some(SECOND), NEXT);
const SECOND: Edits = &[(
    "    kafka: 4.1.1",
    "    kafka: 4.1.1\n    listeners: {scram: true, mtls: true}\n    authorities: {hosts: [1, 2]}",
)];
const NEXT: Edits = &[(
    "    kafka: 4.1.1",
    "    kafka: 4.1.1\n    listeners: {scram: true, mtls: true}\n    authorities: {hosts: [2]}",
)];

/// Hosts that speak TLS.
const SECURED: Edits = &[("    kafka: 4.1.1", "    kafka: 4.1.1\n    listeners: {scram: true, mtls: true}")];

pub const FILE: &str = "stack.yaml";

fn link(account: &Account, edits: Edits) -> String {
    stack("dev", edits).replace("SERVICE", &crate::privatelink::service(account, DEV, "b-c", false))
}

fn dev(_: &Account, edits: Edits) -> String {
    stack("dev", edits)
}

/// `stacks/msk.yaml` with everything that hangs on a cluster: storage that grows by itself, which the file has, SCRAM and a policy.
fn msk(account: &Account, edits: Edits) -> String {
    let name = "AmazonMSK_sweep";
    let secret = account.known_secret(DEV, name);
    let content = r#"{"username": "orders", "password": "not-secret"}"#;
    let secret = secret.unwrap_or_else(|| account.secret(DEV, name, content));
    let auth = format!("iam: true\n      scram: {{secrets: [\"{secret}\"]}}");
    let policy = format!(
        "policy: {{Version: \"2012-10-17\", Statement: [{{Effect: Allow, Principal: {{AWS: \"arn:aws:iam::{}:root\"}}, \
         Action: [\"kafka:CreateVpcConnection\"], Resource: \"*\"}}]}}\n    monitoring:",
        account.id
    );
    let own =
        [("region: us-east-1", "region: eu-west-1"), ("iam: true", auth.as_str()), ("monitoring:", policy.as_str())];
    stack("msk", &[&own, edits].concat())
}

/// The small cluster in a network of others, with an endpoint that is missing there.
fn inside(_: &Account, edits: Edits) -> String {
    let network = [("cidr: 10.20.0.0/16", TAGS), ("nat: single\n  endpoints: [s3]", "endpoints: [ssm, ssmmessages]")];
    stack("dev", &[&network, edits].concat())
}

/// A scenario without any fault.
#[derive(Default)]
pub struct Whole {
    /// The account in which all is as it is before the command, to be copied.
    before: String,
    /// The calls that its command makes.
    pub calls: Vec<Call>,
    /// What is there then, by address, with the ids.
    there: BTreeMap<String, Vec<String>>,
    /// The same with its attributes.
    attributes: BTreeMap<String, Vec<String>>,
    /// What others have, as it was before, and what an account has by itself.
    others: BTreeMap<String, String>,
}

/// What came of a scenario with faults, beside one without.
#[derive(Debug)]
pub struct Verdict {
    pub orphans: usize,
    pub duplicates: usize,
    /// Volumes and clusters that were there, and are gone or others.
    pub lost: usize,
    /// What is more, less or different, in words; empty when all is as it should be.
    pub differences: Vec<String>,
}

impl Scenario {
    const fn apply(
        name: &'static str,
        text: fn(&Account, Edits) -> String,
        before: Option<Edits>,
        after: Edits,
    ) -> Scenario {
        Scenario { name, text, before, after, command: "apply", then: "apply", of_others: false }
    }
    const fn destroy(name: &'static str, text: fn(&Account, Edits) -> String) -> Scenario {
        Scenario { name, text, before: Some(&[]), after: &[], command: "destroy", then: "destroy", of_others: false }
    }

    fn write(self, account: &Account, edits: Edits) {
        std::fs::write(account.path(FILE), (self.text)(account, edits)).expect("a file");
    }

    /// The scenario when nothing goes wrong, which is run once for all tests.
    pub fn whole(self) -> &'static Whole {
        static ALL: Mutex<BTreeMap<&str, &OnceLock<Whole>>> = Mutex::new(BTreeMap::new());
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        let one = *all.entry(self.name).or_insert_with(|| Box::leak(Box::default()));
        drop(all);
        one.get_or_init(|| self.measure())
    }

    fn measure(self) -> Whole {
        let mut account = msk::account();
        if self.of_others {
            Company::make(&account, DEV, 67);
        }
        let others = account.look(DEV).others();
        if let Some(before) = self.before {
            self.write(&account, before);
            account.apply(FILE);
        }
        let before = Account::beside(&account.id);
        before.become_copy_of(&account.id);
        self.write(&account, self.after);
        let proxy = Proxy::counting();
        through(&mut account, &proxy, &[self.command, FILE, "--yes"]).expect(0);
        if self.then != self.command {
            account.run(&[self.then, FILE, "--yes"]).expect(0);
        }
        let look = account.look(DEV);
        let (there, attributes) = (look.inventory(), account.attributes(&look));
        if self.then != "destroy" {
            assert!(attributes.len() >= 15, "{attributes:?}");
        }
        let whole = Whole { before: before.id, calls: proxy.take(), there, attributes, others };
        self.clear(&account, &whole);
        whole
    }

    /// An account for runs of the scenario, one after the other.
    pub fn account(self, whole: &Whole) -> Account {
        let account = Account::beside(&whole.before);
        msk::choose(&account);
        account
    }

    /// Brings the account to where the command begins.
    pub fn prepare(self, account: &Account, whole: &Whole) {
        account.become_copy_of(&whole.before);
        self.write(account, self.after);
    }

    /// Leaves nothing.
    pub fn clear(self, account: &Account, whole: &Whole) {
        if self.then != "destroy" {
            account.run(&["destroy", FILE, "--yes"]).expect(0);
        }
        if self.of_others {
            assert_eq!(account.look(DEV).others(), whole.others);
        } else {
            account.assert_nothing_left();
        }
    }

    /// Judges what is there in the end; `held` is the data that must still be there, as it was before.
    pub fn judge(self, account: &Account, whole: &Whole, held: &BTreeMap<String, String>) -> Verdict {
        let look = account.look(DEV);
        let (there, attributes, after) = (look.inventory(), account.attributes(&look), look.data());
        let (mut orphans, mut duplicates) = (0, 0);
        let mut differences = Vec::new();
        for (name, ids) in &there {
            let expected = whole.there.get(name).map_or(0, Vec::len);
            match expected {
                0 => orphans += ids.len(),
                _ => duplicates += ids.len().saturating_sub(expected),
            }
            if ids.len() != expected {
                differences.push(format!("{expected} of {name} expected: {}", ids.join(" ")));
            }
        }
        let missing = whole.there.keys().filter(|name| !there.contains_key(*name));
        differences.extend(missing.map(|name| format!("no {name}")));
        for (name, expected) in &whole.attributes {
            let found = attributes.get(name).map_or(&[][..], Vec::as_slice);
            let (more, less) = (without(found, expected), without(expected, found));
            if !more.is_empty() || !less.is_empty() {
                differences.push(format!("{name} has {more:?} instead of {less:?}"));
            }
        }
        let lost = match self.then {
            "destroy" => 0,
            _ => held.iter().filter(|(name, id)| after.get(*name) != Some(id)).count(),
        };
        let kept = look.others();
        let touched = whole.others.iter().filter(|(id, text)| self.of_others && kept.get(*id) != Some(text));
        differences.extend(touched.map(|(id, _)| format!("{id} is another's, and was touched")));
        if lost > 0 {
            differences.push(format!("data before: {held:?}, and after: {after:?}"));
        }
        if self.then != "destroy" && account.run(&["plan", FILE, "--detailed-exitcode"]).code != 0 {
            differences.push("the next plan is not empty".to_owned());
        }
        Verdict { orphans, duplicates, lost, differences }
    }
}

/// The words of `these` that `others` do not have, or not as often.
fn without<'a>(these: &'a [String], others: &[String]) -> Vec<&'a str> {
    let mut others: Vec<&String> = others.iter().collect();
    let missing = these.iter().filter(|word| match others.iter().position(|other| other == word) {
        Some(at) => {
            others.swap_remove(at);
            false
        }
        None => true,
    });
    missing.map(String::as_str).collect()
}
