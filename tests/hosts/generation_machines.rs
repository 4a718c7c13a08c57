//! Another set of brokers and more controllers on machines that boot: three brokers and three controllers, and then three other brokers and two
//! controllers more, by one apply.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::{ExitStatus, Stdio};

use serde_json::{Value, json};

use crate::client::{Client, PATIENCE};
use crate::heal::Ec2;
use crate::network::Network;
use crate::scale::on;
use crate::support::aws::DEV;
use crate::support::{Account, poll, text};
use crate::{Ground, Host, host_of, hosts_of, on_this_machine, with_machines};

/// Machines that are there as EC2 says.
struct Following<'a> {
    ground: &'a Ground,
    account: &'a Account,
    file: &'a str,
    network: Network,
    hosts: Vec<Host>,
    /// The instance that each machine is, by host.
    instances: BTreeMap<String, String>,
    rolled: Vec<String>,
}

impl Following<'_> {
    /// Boots a machine for each instance that is new, with the user data that EC2 has of it, and ends those whose instance has ended.
    fn follow(&mut self) {
        let there = self.account.instances(DEV);
        for (name, instance) in &self.instances {
            let next = there.get(name).filter(|next| *next != instance);
            assert_eq!(next, None, "the machine of {name} ran on while that was rolled: EC2 stops too fast for it");
        }
        self.instances.retain(|name, _| there.contains_key(name));
        for host in self.hosts.iter_mut().filter(|host| !self.instances.contains_key(&host.name)) {
            host.machine.take().into_iter().for_each(|mut machine| machine.kill());
        }
        let mut told = None;
        for (name, instance) in &there {
            if self.instances.contains_key(name) {
                continue;
            }
            if !self.hosts.iter().any(|host| host.name == *name) {
                // One at a time, since hosts that are rolled meanwhile are looked after, too.
                if told.is_some() {
                    continue;
                }
                let status = self.account.run(&["status", self.file, "--json"]).expect(0).json();
                told = status["hosts"].as_array().expect("hosts").iter().find(|one| one["name"] == *name).cloned();
                let number = self.hosts.len();
                let told = told.as_ref().expect("its host");
                self.hosts.push(host_of(self.ground, self.account, self.file, &self.network, number, told));
            }
            let host = self.hosts.iter_mut().find(|host| host.name == *name).expect("a host");
            if host.launches > 0 {
                self.rolled.push(name.clone());
            }
            host.user_data = Ec2(self.account.ec2(DEV)).user_data(instance);
            host.launch(self.ground);
            self.instances.insert(name.clone(), instance.clone());
        }
    }
}

#[test]
fn another_set_of_brokers_boots_beside_the_live_one_and_takes_its_place_and_two_controllers_join() {
    with_machines(|ground| {
        let mut account = Account::new();
        let kafka = on_this_machine(&account, DEV, &ground.kafka, 27);
        let write = |account: &Account, controllers: u32, count: &str| {
            let controllers = format!("controllers: {{count: {controllers}, instance_type: t4g.small}}");
            let block = ("10.20.0.0/16", "10.27.0.0/16");
            let apart = ("combined: true", controllers.as_str());
            account.write("dev", &[("count: 3", count), block, apart, ("kafka: 4.1.1", kafka.as_str())])
        };
        let file = write(&account, 3, "count: 3");
        let (network, hosts) = hosts_of(ground, &account, &file, Vec::new());
        // From now on kstack asks the brokers.
        account.blind = false;
        let (account, file) = (&account, &*file);
        let (instances, rolled) = (BTreeMap::new(), Vec::new());
        let mut machines = Following { ground, account, file, network, hosts, instances, rolled };
        machines.follow();
        machines.hosts.iter_mut().for_each(Host::booted);
        let client = |status: &Value| {
            let servers: Vec<&str> =
                status["bootstrap_servers"].as_array().expect("servers").iter().map(text).collect();
            Client::new(ground.kafka.clone(), servers.join(","))
        };
        let status = || account.run(&["status", file, "--wait", "--timeout", "10m", "--json"]).expect(0).json();
        let votes = |status: &Value| -> Vec<u64> {
            let mut votes: Vec<u64> = status["kafka"]["voters"]
                .as_array()
                .expect("voters")
                .iter()
                .filter_map(|one| one["node"].as_u64())
                .collect();
            votes.sort_unstable();
            votes
        };
        let first = status();
        assert_eq!(votes(&first), [1001, 1002, 1003]);
        let old = client(&first);
        old.create_topic();
        old.fill("bulk", 6, 24);
        let mut producer = old.produce(ground.running.join("acknowledged.jsonl"));
        producer.expect_more("writing to the old set", 40);

        // As long as a machine here takes to be seen and ended.
        account.choose(&json!({"times": {"instance_stop": 15}}));
        write(account, 5, "count: 3\n      generation: 1");
        let log = ground.running.join("apply.txt");
        let output = || Stdio::from(File::options().create(true).append(true).open(&log).expect("a file"));
        let mut command = account.command(&["apply", file, "--yes"]);
        let mut apply = command.stdout(output()).stderr(output()).spawn().expect("the binary starts");
        let mut ended: Option<ExitStatus> = None;
        poll("the end of the apply", PATIENCE * 3, || {
            machines.follow();
            ended = apply.try_wait().expect("a process");
            ended.map(drop)
        });
        let said = std::fs::read_to_string(&log).expect("the file");
        println!("{said}");
        assert!(ended.is_some_and(|status| status.success()), "{said}");
        assert!(!said.contains("were not elected"), "brokers that have gone are not asked: {said}");
        machines.follow();
        let mut rolled = machines.rolled.clone();
        rolled.sort_unstable();
        assert_eq!(rolled, ["controller-1", "controller-2", "controller-3"], "the old brokers are left as they are");
        machines.hosts.iter_mut().filter(|host| host.machine.is_some()).for_each(Host::booted);
        let last = status();
        assert_eq!(votes(&last), [1001, 1002, 1003, 1004, 1005]);
        let new = client(&last);
        assert_eq!(on(&new), (2001..=2003).collect());
        assert!(new.throttles().is_empty(), "{:?}", new.throttles());
        let plan = account.run(&["plan", file, "--json"]).expect(0).json();
        assert_eq!(plan["steps"], serde_json::json!([]));
        producer.expect_more("writing to the new set", 40);
        producer.stop_and_find_all(&new);
    });
}
