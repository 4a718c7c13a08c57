//! Another set of brokers on machines that boot: three brokers and a controller, and then three others beside them, by one apply.

use std::fs::File;
use std::process::{ExitStatus, Stdio};

use serde_json::Value;

use crate::client::{Client, PATIENCE};
use crate::scale::on;
use crate::support::aws::DEV;
use crate::support::{Account, poll, text};
use crate::{Host, host_of, hosts_of, on_this_machine, with_machines};

const NEW: [&str; 3] = ["broker-2001", "broker-2002", "broker-2003"];

#[test]
fn another_set_of_brokers_boots_beside_the_live_one_and_takes_its_place() {
    with_machines(|ground| {
        let mut account = Account::new();
        let kafka = on_this_machine(&account, DEV, &ground.kafka, 27);
        let write = |account: &Account, count: &str| {
            let controller = ("combined: true", "controllers: {count: 1, instance_type: t4g.small}");
            let block = ("10.20.0.0/16", "10.27.0.0/16");
            account.write("dev", &[block, controller, ("kafka: 4.1.1", kafka.as_str()), ("count: 3", count)])
        };
        let file = write(&account, "count: 3");
        let (network, mut hosts) = hosts_of(ground, &account, &file, Vec::new());
        // From now on kstack asks the brokers.
        account.blind = false;
        hosts.iter_mut().for_each(|host| host.launch(ground));
        hosts.iter_mut().for_each(Host::booted);
        let client = |status: &Value| {
            let servers: Vec<&str> =
                status["bootstrap_servers"].as_array().expect("servers").iter().map(text).collect();
            Client { kafka: ground.kafka.clone(), servers: servers.join(",") }
        };
        let status = || account.run(&["status", &file, "--wait", "--timeout", "10m", "--json"]).expect(0).json();
        let old = client(&status());
        old.create_topic();
        old.fill("bulk", 6, 24);
        let mut producer = old.produce(ground.running.join("acknowledged.jsonl"), 100);
        producer.expect_more("writing to the old set", 200);

        write(&account, "count: 3\n      generation: 1");
        let log = ground.running.join("apply.txt");
        let output = || Stdio::from(File::options().create(true).append(true).open(&log).expect("a file"));
        let mut command = account.command(&["apply", &file, "--yes"]);
        let mut apply = command.stdout(output()).stderr(output()).spawn().expect("the binary starts");
        poll("the new set in EC2", PATIENCE, || {
            let there = account.instances(DEV);
            NEW.iter().all(|name| there.contains_key(*name)).then_some(())
        });
        let seen = account.run(&["status", &file, "--json"]).expect(0).json();
        for one in seen["hosts"].as_array().expect("hosts").iter().filter(|one| NEW.contains(&text(&one["name"]))) {
            hosts.push(host_of(ground, &account, &file, &network, hosts.len(), one));
        }
        hosts.iter_mut().filter(|host| host.machine.is_none()).for_each(|host| host.launch(ground));
        // A machine runs as long as its instance does in EC2.
        let mut ended: Option<ExitStatus> = None;
        poll("the end of the apply", PATIENCE * 3, || {
            let there = account.instances(DEV);
            for host in hosts.iter_mut().filter(|host| !there.contains_key(&host.name)) {
                host.machine.take().into_iter().for_each(|mut machine| machine.kill());
            }
            ended = apply.try_wait().expect("a process");
            ended.map(drop)
        });
        let said = std::fs::read_to_string(&log).expect("the file");
        println!("{said}");
        assert!(ended.is_some_and(|status| status.success()), "{said}");
        hosts.iter_mut().filter(|host| host.machine.is_some()).for_each(Host::booted);
        let new = client(&status());
        assert_eq!(on(&new), (2001..=2003).collect());
        assert!(new.throttles().is_empty(), "{:?}", new.throttles());
        let plan = account.run(&["plan", &file, "--json"]).expect(0).json();
        assert_eq!(plan["steps"], serde_json::json!([]));
        producer.expect_more("writing to the new set", 200);
        producer.stop_and_find_all(&new);
    });
}
