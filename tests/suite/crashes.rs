//! Killed with no chance to clean up: running again finishes the work, with nothing twice and nothing lost.

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::support::aws::{DEV, wait};
use crate::support::proxy::{Call, Fault, Proxy, Weather};
use crate::support::running::through;
use crate::support::{Account, poll};

const FILE: &str = "dev.yaml";

/// Starts `command`, kills it when it has shown so many events, and ends the lease that it leaves.
fn kill_after(account: &Account, command: &str, events: usize) {
    let mut shown = 0;
    let mut run = account.spawn(&[command, FILE, "--yes", "--json"]);
    let reached = run.until(|_| {
        shown += 1;
        shown == events
    });
    assert!(reached, "{command} has only {shown} events");
    run.signal(Signal::KILL);
    run.end(Duration::from_secs(120)).expect(-1);
    account.run(&["unlock", FILE, "--yes"]).expect(0);
}

#[test]
fn an_apply_that_is_killed_is_finished_by_the_next() {
    // Of 2 + 2 * 31 events.
    for events in [14, 40] {
        let account = Account::new();
        account.write("dev", &[]);
        kill_after(&account, "apply", events);
        account.apply(FILE);
        account.assert_converged(FILE);
        let status = account.run(&["status", FILE, "--json"]).expect(0).json();
        assert_eq!(status["resources"], 31, "after {events} events");
        assert_eq!((account.identities(DEV).len(), account.instances(DEV).len()), (3, 3));
        account.destroy(FILE);
    }
}

#[test]
fn a_roll_that_is_killed_is_finished_by_the_next_and_keeps_its_data() {
    // Of 2 + 2 * 3 events: while the first instance ends, and while the last comes up.
    for events in [2, 6] {
        let account = Account::new();
        account.write("dev", &[]);
        account.apply(FILE);
        let (identities, instances) = (account.identities(DEV), account.instances(DEV));
        account.write("dev", &[("instance_type: t4g.medium", "instance_type: t4g.large")]);
        kill_after(&account, "apply", events);
        account.apply(FILE);
        account.assert_converged(FILE);
        assert_eq!(account.identities(DEV), identities);
        let rolled = account.instances(DEV);
        assert!(rolled.len() == 3 && rolled.iter().all(|(name, id)| *id != instances[name]), "{rolled:?}");
        account.destroy(FILE);
    }
}

/// Applies a change that rolls every broker, and is killed by `fault` at its first call of `operation`.
fn roll_until(account: &mut Account, operation: &'static str, fault: Fault) {
    account.write("dev", &[]);
    account.apply(FILE);
    account.write("dev", &[("instance_type: t4g.medium", "instance_type: t4g.large")]);
    let fault = move |call: &Call| (call.operation == operation).then_some(fault);
    let proxy = Proxy::with(Weather { fault: Some(Box::new(fault)), ..Weather::default() });
    through(account, &proxy, &["apply", FILE, "--yes"]).expect(-1);
    account.run(&["unlock", FILE, "--yes"]).expect(0);
}

#[test]
fn after_a_death_in_a_roll_no_other_broker_stops_before_the_new_one_is_checked() {
    let mut account = Account::new();
    // With no Kafka to ask, the first new broker's checks were never waited for.
    roll_until(&mut account, "RunInstances", Fault::KillAfter);
    let proxy = Proxy::counting();
    through(&mut account, &proxy, &["apply", FILE, "--yes"]).expect(0);
    let calls: Vec<String> = proxy.take().into_iter().map(|call| call.operation).collect();
    let first = |operation: &str| calls.iter().position(|one| one == operation).expect("such a call");
    assert!(first("DescribeInstanceStatus") < first("TerminateInstances"), "{calls:?}");
    account.destroy(FILE);
}

#[test]
fn a_roll_that_died_is_finished_also_when_aws_has_forgotten_the_old_instance() {
    let mut account = Account::new();
    account.choose(&json!({"times": {"terminated_kept": 0}}));
    roll_until(&mut account, "TerminateInstances", Fault::KillAfter);
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!((account.identities(DEV).len(), account.instances(DEV).len()), (3, 3));
    account.destroy(FILE);
}

/// Instances, volumes and interfaces are described beside each other, and one may end in between: what it has seems to be with somebody
/// else's then.
#[test]
fn an_instance_that_ends_between_two_descriptions_makes_nothing_anothers() {
    let mut account = Account::new();
    account.choose(&json!({"times": {"terminated_kept": 0}}));
    account.write("dev", &[]);
    account.apply(FILE);
    let (ec2, id) = (account.ec2(DEV), account.instances(DEV).remove("broker-1").expect("a broker"));
    let (seen, ended) = (Mutex::new(BTreeSet::new()), OnceLock::new());
    let hit = move |call: &Call| {
        seen.lock().expect("no panic").insert(call.operation.clone());
        if call.operation == "DescribeInstances" {
            ended.get_or_init(|| {
                let both = ["DescribeVolumes", "DescribeNetworkInterfaces"];
                let asked = || both.iter().all(|one| seen.lock().expect("no panic").contains(*one)).then_some(());
                poll("the other descriptions", Duration::from_secs(30), asked);
                // They are answered.
                std::thread::sleep(Duration::from_secs(1));
                wait(ec2.terminate_instances().instance_ids(&id).send());
                poll("the end of the instance", Duration::from_secs(30), || {
                    wait(ec2.describe_instances().send())
                        .reservations()
                        .iter()
                        .all(|one| one.instances().iter().all(|one| one.instance_id() != Some(&id)))
                        .then_some(())
                });
            });
        }
        None
    };
    let proxy = Proxy::with(Weather { fault: Some(Box::new(hit)), ..Weather::default() });
    let run = through(&mut account, &proxy, &["plan", FILE]).expect(0);
    assert!(run.out.contains("+ instance/broker-1") && !run.out.contains("can't be run"), "{run}");
    account.apply(FILE);
    account.destroy(FILE);
}

#[test]
fn a_destroy_that_is_killed_is_finished_by_the_next() {
    let account = Account::new();
    account.write("dev", &[]);
    account.apply(FILE);
    kill_after(&account, "destroy", 20);
    account.destroy(FILE);
}

#[test]
fn volumes_whose_key_could_not_be_used_are_made_by_the_next_apply_with_another() {
    let account = Account::new();
    account.write("dev", &[("    brokers:", "    kms_key: alias/kafka-data\n    brokers:")]);
    account.choose(&json!({"times": {"volume_create": 2}}));
    let run = account.run(&["apply", FILE, "--yes"]).expect(1);
    assert!(run.err.contains(": AWS deleted the volume vol-"), "{run}");
    assert!(
        run.err.contains("right after its creation") && run.err.contains("check that the caller may use the KMS key"),
        "{run}"
    );
    // AWS remembers the client tokens of the volumes that are gone.
    account.write("dev", &[]);
    account.apply(FILE);
    account.assert_converged(FILE);
    account.destroy(FILE);
}
