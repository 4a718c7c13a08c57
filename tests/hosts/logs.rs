//! The logs of a host that boots are in CloudWatch Logs: sent by itself, with the rights of its role alone, and none is left out when it is
//! interrupted.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::client::PATIENCE;
use crate::cloud::Cloud;
use crate::support::aws::{DEV, wait};
use crate::support::{Account, poll};
use crate::{Host, hosts_of, on_this_machine, with_machines};

const GROUP: &str = "/aws/vendedlogs/kstack/dev/hosts";

/// What is in the stream of `host`.
fn sent(account: &Account, host: &str) -> Vec<String> {
    let logs = account.logs(DEV);
    let streams = wait(logs.describe_log_streams().log_group_name(GROUP).send()).log_streams.unwrap_or_default();
    if !streams.iter().any(|one| one.log_stream_name() == Some(host)) {
        return Vec::new();
    }
    let call = logs.get_log_events().log_group_name(GROUP).log_stream_name(host).start_from_head(true).limit(10_000);
    let events = wait(call.send()).events.unwrap_or_default();
    events.into_iter().filter_map(|one| one.message).collect()
}

/// What the host's own journal has of Kafka and of its preparation, as it is sent.
fn kept(host: &Host) -> Vec<String> {
    let fields = "journalctl --quiet --output=json --unit=kafka.service --unit='kstack-*'";
    let output = host.machine().command(fields).output().expect("nsenter starts");
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let entries = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let said =
        |one: serde_json::Value| Some(format!("{}: {}", one["SYSLOG_IDENTIFIER"].as_str()?, one["MESSAGE"].as_str()?));
    entries.filter_map(said).collect()
}

/// How often Kafka has started.
fn started(lines: &[String]) -> usize {
    lines.iter().filter(|line| line.contains("Kafka Server started")).count()
}

fn on(host: &Host, script: &str) {
    let output = host.machine().command(script).output().expect("nsenter starts");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_host_that_boots_sends_its_logs_and_leaves_none_out_when_it_is_interrupted() {
    with_machines(|ground| {
        let account = Account::new();
        let kafka = on_this_machine(&account, DEV, &ground.kafka, 23) + "\n    logs: {cloudwatch: {retention: 1d}}";
        // A broker that is a cluster: one of three that waits for the others in vain ends each minute, and says nothing when it is stopped then.
        let edits = [
            ("10.20.0.0/16", "10.23.0.0/16\n  zones: 1"),
            ("partitions: 60", "partitions: 60\n  replication_factor: 1\n  min_insync_replicas: 1"),
            ("count: 3", "count: 1"),
            ("kafka: 4.1.1", kafka.as_str()),
        ];
        let file = account.write("dev", &edits);
        let (network, mut hosts) = hosts_of(ground, &account, &file, Vec::new());
        let _cloud = Cloud::start(&account, DEV, &network, &ground.running);
        let host = &mut hosts[0];
        host.launch(ground);
        host.booted();
        let host = &hosts[0];
        assert_ne!(host.address, Ipv4Addr::UNSPECIFIED);
        poll("the start of Kafka in the log group", PATIENCE, || {
            let all = sent(&account, &host.name);
            (started(&all) >= 1 && all.iter().any(|line| line.contains("is formatted"))).then_some(())
        });

        // It is killed while it sends, and Kafka says more meanwhile.
        on(host, "systemctl kill --signal=KILL kstack-logs.service && systemctl restart kafka.service");
        on(host, "sleep 3; systemctl restart kstack-logs.service");
        let all = poll("Kafka's second start in the host's journal", PATIENCE, || {
            let all = kept(host);
            (started(&all) == 2).then_some(all)
        });
        assert!(all.len() > 20, "{all:?}");
        poll("everything that the journal has", PATIENCE, || {
            let there: BTreeSet<String> = sent(&account, &host.name).into_iter().collect();
            all.iter().all(|line| there.contains(line)).then_some(())
        });

        // What Kafka says while it stops is sent before the instance ends, and its disk with it.
        hosts[0].machine.as_mut().expect("a machine").power_off().expect("it runs");
        let all = sent(&account, &hosts[0].name);
        let ends = all.iter().filter(|line| line.contains("Terminating process due to signal SIGTERM")).count();
        assert_eq!(ends, 2, "once when it was restarted, and now: {:?}", all.last());
    });
}
