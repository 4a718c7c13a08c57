//! The hosts really boot: the user data of a stack in machines of this machine, with a real Kafka, and the same settings in plain
//! processes. `cargo test --test hosts -- --nocapture` shows the table at the end.

#![allow(clippy::print_stdout)] // The table is what this is run for.

mod alerts;
mod begun;
mod client;
mod client_host;
mod cloud;
mod controllers;
mod copies;
mod definitions;
mod evacuation;
mod every_request;
mod generation_machines;
mod generations;
mod heal;
mod issuer;
mod lag;
mod logs;
mod machine;
mod migration;
mod mirror;
mod monitoring;
mod moves;
mod msk;
mod network;
mod old_cluster;
mod picture;
mod processes;
mod proxies;
mod requests;
mod room;
mod scale;
mod screens;
mod secured;
mod secured_machines;
mod secured_stack;
mod sessions;
mod settings;
#[allow(dead_code, unused_imports, clippy::type_complexity)] // What both test binaries share.
#[path = "../suite/support/mod.rs"]
mod support;
mod table;
mod tls;
mod topics;
mod tutorial;
mod upgrade;
mod user_secret;
mod users;
mod watch;
mod with;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use aws_sdk_ec2::types::Filter;
use serde_json::Value;

use client::{Client, PATIENCE, Producer, distribution};
use heal::Ec2;
use machine::{Launch, Machine, Volume, image, sweep, trial};
use network::{Network, run};
use room::for_machines;
use secured_machines::Secured;
use support::aws::{DEV, PROD, wait};
use support::{Account, poll, skip, text};

/// Where images are kept and machines run.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("hosts")
}

/// Eleven machines with a Kafka each, of which none grows to its limit in a test.
const MEMORY_KIB: u64 = 9 << 20;

/// What machines need of this machine.
struct Ground {
    image: PathBuf,
    kafka: PathBuf,
    running: PathBuf,
}

/// The memory that is free, in KiB.
fn available() -> Option<u64> {
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    memory.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB")?.parse().ok())
}

/// Whether there is enough of it, after some minutes at most: the cluster beside these may end.
fn has_room() -> bool {
    let start = Instant::now();
    while available().is_some_and(|kib| kib < MEMORY_KIB) {
        if start.elapsed() > 2 * PATIENCE {
            return false;
        }
        std::thread::sleep(Duration::from_secs(5));
    }
    true
}

/// The ground for machines, or why there is none.
fn ground() -> Result<Ground, String> {
    if !rustix::process::geteuid().is_root() {
        return Err("booting machines takes root".to_owned());
    }
    let needed = ["systemd-nspawn", "mmdebstrap", "setpriv", "losetup", "journalctl", "mkfs.xfs"];
    if let Some(missing) =
        needed.into_iter().find(|program| run(program, &["--version"]).is_err() && run(program, &["-V"]).is_err())
    {
        return Err(format!("there is no {missing} on this machine"));
    }
    if !has_room() {
        return Err(format!("less than {} GiB of memory are free", MEMORY_KIB >> 20));
    }
    let kafka = distribution()?;
    let image = image(&folder())?;
    let running = folder().join("running");
    sweep(&running);
    std::fs::create_dir_all(&running).map_err(|error| error.to_string())?;
    trial(&image, &running)?;
    Ok(Ground { image, kafka, running })
}

/// A host of the stack, its volume and interface, and the machine that it runs on now.
struct Host {
    name: String,
    address: Ipv4Addr,
    volume_id: String,
    user_data: String,
    interface: String,
    volume: Volume,
    launches: usize,
    machine: Option<Machine>,
    boot: Duration,
}

impl Host {
    /// Takes the host's present machine away, if it has one, and boots a new one.
    fn launch(&mut self, ground: &Ground) {
        self.machine = None;
        self.launches += 1;
        let instance = format!("i-{}-{}", self.name, self.launches);
        self.machine = Some(Machine::launch(&ground.image, &ground.running, &self.with(&instance)).expect("a machine"));
    }

    fn with<'a>(&'a self, instance: &'a str) -> Launch<'a> {
        Launch {
            name: &self.name,
            instance,
            user_data: &self.user_data,
            interface: &self.interface,
            volume: Some((&self.volume, &self.volume_id)),
        }
    }

    fn machine(&self) -> &Machine {
        self.machine.as_ref().expect("a machine")
    }

    /// Waits until cloud-init has ended, and sees that it had nothing to complain about.
    fn booted(&mut self) {
        self.boot = self.machine().await_boot();
    }

    /// How often the machine's preparation has said this.
    fn said(&self, what: &str) -> usize {
        self.machine().journal(&["kstack-prepare"]).lines().filter(|line| line.contains(what)).count()
    }
}

/// Boots every host of the file, breaks one, boots one anew, and counts the records; they speak TLS where they are `secured` in a region.
fn prove(ground: &Ground, account: &Account, file: &str, secured: Option<&str>) {
    let (network, hosts) = hosts_of(ground, account, file, Vec::new());
    let secured = secured.map(|region| Secured::start(ground, account, region, "prod", &network));
    let mut proof = Proof { ground, account, file, network: &network, hosts, secured, done: false };
    proof.run();
    proof.done = true;
}

/// The hosts of the file, applied and not launched, on a network where Kafka's archive and `files` are served.
fn hosts_of(ground: &Ground, account: &Account, file: &str, files: Vec<PathBuf>) -> (Network, Vec<Host>) {
    account.run(&["apply", file, "--yes"]).expect(0);
    let status = account.run(&["status", file, "--json"]).expect(0).json();
    let cidr: Vec<&str> = text(&status["hosts"][0]["address"]).split('.').collect();
    let mut network =
        Network::new(Ipv4Addr::new(10, cidr[1].parse().expect("a number"), 255, 254), 16).expect("a bridge");
    let served = [vec![ground.kafka.with_file_name(archive(&ground.kafka))], files].concat();
    network.serve(served);
    let hosts = status["hosts"].as_array().expect("hosts").iter().enumerate();
    let hosts = hosts.map(|(number, host)| host_of(ground, account, file, &network, number, host)).collect();
    (network, hosts)
}

/// The host that `status` tells of, not launched, as the one with this number on the network.
fn host_of(ground: &Ground, account: &Account, file: &str, network: &Network, number: usize, status: &Value) -> Host {
    let name = text(&status["name"]).to_owned();
    let address = text(&status["address"]).parse().expect("an address");
    Host {
        volume_id: text(&status["volume"]).to_owned(),
        user_data: account.run(&["render", file, "--host", &name]).expect(0).out,
        interface: network.interface(number, address).expect("an interface"),
        address,
        volume: Volume::new(ground.running.join(format!("{name}.img"))).expect("a volume"),
        name,
        launches: 0,
        machine: None,
        boot: Duration::ZERO,
    }
}

fn archive(kafka: &Path) -> String {
    format!("{}.tgz", kafka.file_name().unwrap_or_default().to_string_lossy())
}

struct Proof<'a> {
    ground: &'a Ground,
    account: &'a Account,
    file: &'a str,
    network: &'a Network,
    hosts: Vec<Host>,
    secured: Option<Secured>,
    done: bool,
}

impl Proof<'_> {
    fn run(&mut self) {
        self.hosts.iter_mut().for_each(|host| host.launch(self.ground));
        self.hosts.iter_mut().for_each(Host::booted);
        let status = self.healthy();
        for broker in status["kafka"]["brokers"].as_array().expect("brokers") {
            let host =
                self.hosts.iter().find(|host| host.name == format!("broker-{}", broker["node"])).expect("its host");
            let rack = format!("broker.rack={}", text(&broker["rack"]));
            assert!(host.user_data.lines().any(|line| line.trim() == rack), "{}: {rack}", host.name);
        }
        for host in &self.hosts {
            assert_eq!(host.said("making an XFS file system"), 1, "{}", host.name);
            assert_eq!(host.said("is formatted"), 1, "{}", host.name);
        }
        let servers: Vec<&str> = status["bootstrap_servers"].as_array().expect("servers").iter().map(text).collect();
        let client = Client::new(self.ground.kafka.clone(), servers.join(","));
        match &mut self.secured {
            Some(secured) => secured.prove(self.account, self.file, &self.hosts),
            None => client.create_topic(),
        }
        // One client comes by certificate, and the other by password.
        let settings = |user: &str| self.secured.as_ref().map(|secured| secured.settings(user));
        let (writer, reader) = (settings("etl"), settings("orders-api"));
        if self.secured.is_some() {
            // The client host is a user with an ACL for one of the two topics.
            let seen = client_host::topics(self.ground, self.account, self.file, PROD, self.network);
            assert_eq!(seen, [client::TOPIC]);
        } else if status.get("client").is_some() {
            client_host::prove(self.ground, self.account, self.file, self.network);
        }
        let mut producer = client.produce_by(writer.as_deref(), self.ground.running.join("acknowledged.jsonl"));
        producer.expect_more("writing to the new topic", 40);

        for victim in 0..self.hosts.len() {
            if ["broker-2", "controller-2"].contains(&self.hosts[victim].name.as_str()) {
                self.lose(victim, &producer);
            }
        }

        if self.secured.is_some() {
            self.replace("broker-1", &producer);
        }

        // The same instance again: what its first boot enabled starts, and cloud-init does nothing a second time.
        let again = self.hosts.iter().position(|host| host.name == "broker-3").expect("broker-3");
        let machine = self.hosts[again].machine.take().expect("a machine");
        let instance = format!("i-broker-3-{}", self.hosts[again].launches);
        let machine = machine.restart(&self.hosts[again].with(&instance)).expect("a second boot");
        self.hosts[again].machine = Some(machine);
        poll("Kafka missing broker-3, or having it back", PATIENCE, || {
            (self.hosts[again].said("has been formatted before") == 1).then_some(())
        });
        self.healthy();
        assert_eq!(self.hosts[again].said("making an XFS file system"), 1, "the volume was formatted again");

        producer.expect_more("writing with all brokers back", 20);
        let (acknowledged, found) = (producer.stop(), client.read_by(reader.as_deref()));
        let missing: Vec<&u64> = acknowledged.difference(&found).collect();
        assert!(
            missing.is_empty(),
            "{} of {} acknowledged records are missing: {missing:?}",
            missing.len(),
            acknowledged.len()
        );
        if let Some(secured) = &self.secured {
            secured.look(&self.hosts);
        }
        self.table(&acknowledged.len());
    }

    /// A power cut, and then a new instance with the old volume and address, as in a roll.
    fn lose(&mut self, victim: usize, producer: &Producer) {
        let name = self.hosts[victim].name.clone();
        self.hosts[victim].machine.as_mut().expect("a machine").kill();
        poll(&format!("Kafka missing {name}"), PATIENCE, || {
            let kafka = &self.account.run(&["status", self.file, "--json"]).expect(0).json()["kafka"];
            let noticed = kafka["under_replicated"].as_u64()? > 0 || !name.starts_with("broker");
            (noticed && kafka["healthy"] == false).then_some(())
        });
        // Two replicas of three, or two controllers, are enough to go on.
        producer.expect_more(&format!("writing without {name}"), 60);
        self.hosts[victim].launch(self.ground);
        self.hosts[victim].booted();
        self.healthy();
        assert_eq!(self.hosts[victim].said("making an XFS file system"), 0, "{name}: the volume was formatted again");
        assert_eq!(self.hosts[victim].said("has been formatted before"), 1, "{name}");
    }

    /// The instance and the volume of a broker are gone, in EC2 too. `kstack heal` makes both anew, and the new instance boots with the user data
    /// that EC2 has of it, on an empty disk.
    fn replace(&mut self, name: &str, producer: &Producer) {
        let victim = self.hosts.iter().position(|host| host.name == name).expect("a host");
        self.hosts[victim].machine = None;
        let ec2 = Ec2(self.account.ec2(PROD));
        ec2.end(name, true);
        let kafka = || self.account.run(&["status", self.file, "--json"]).expect(0).json()["kafka"].clone();
        let fenced = |kafka: &Value| {
            kafka["brokers"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one["node"] == 1 && one["fenced"] == true))
        };
        poll(&format!("the controllers missing {name}"), PATIENCE, || fenced(&kafka()).then_some(()));
        producer.expect_more(&format!("writing without {name}"), 20);
        let mut heal = self.account.command(&["heal", self.file, "--yes", "--replace-after", "0s"]);
        let heal = heal.env_remove("KSTACK_TEST_NOBODY").stdout(Stdio::piped()).stderr(Stdio::piped());
        let heal = heal.spawn().expect("the binary starts");
        let instance = poll(&format!("a new instance of {name}"), PATIENCE, || ec2.instance(name));
        let host = &mut self.hosts[victim];
        host.user_data = ec2.user_data(&instance);
        let lost = std::mem::replace(&mut host.volume_id, ec2.volume(name).expect("a volume"));
        assert_ne!(host.volume_id, lost);
        host.volume = Volume::new(self.ground.running.join(format!("{name}-new.img"))).expect("a volume");
        host.launch(self.ground);
        host.booted();
        let healed = heal.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&[healed.stdout, healed.stderr].concat()).into_owned();
        println!("{said}");
        assert!(healed.status.success() && said.contains(&format!("{name} is back, and has fetched ")), "{said}");
        self.healthy();
        assert_eq!(self.hosts[victim].said("making an XFS file system"), 1, "{name}: on an empty disk");
        producer.expect_more(&format!("writing with {name} again"), 20);
    }

    /// Waits, by kstack itself, until Kafka is healthy.
    fn healthy(&self) -> Value {
        self.account.run(&["status", self.file, "--wait", "--timeout", "10m", "--json"]).expect(0).json()
    }

    fn table(&self, records: &usize) {
        let status = self.healthy();
        println!("\nHOST          BOOT     CLOUD-INIT  ROLE         IN SYNC");
        for host in &self.hosts {
            let role =
                host.user_data.lines().find_map(|line| line.trim().strip_prefix("process.roles=")).unwrap_or_default();
            let role = if role == "broker,controller" { "combined" } else { role };
            let in_sync = if status["kafka"]["healthy"] == true { "yes" } else { "no" };
            println!("{:12}  {:5.1} s  done        {role:11}  {in_sync}", host.name, host.boot.as_secs_f64());
        }
        println!("{records} records acknowledged, and none missing.");
    }
}

impl Drop for Proof<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        for host in self.hosts.iter().filter(|host| host.machine.is_some()) {
            let journal = host.machine().journal(&["kstack-prepare", "kafka"]);
            let lines: Vec<&str> = journal.lines().collect();
            println!("--- {}\n{}", host.name, lines[lines.len().saturating_sub(25)..].join("\n"));
        }
    }
}

/// The edits that a stack file needs for this machine, all of them documented settings: the image and its system, and where Kafka's
/// archive is. The addresses are no other test's: the suite's kstack would find a Kafka there.
fn on_this_machine(account: &Account, region: &str, kafka: &Path, network: u8) -> String {
    // LocalStack has none of Debian's images, and what is in an image makes no difference to it.
    let arm = Filter::builder().name("architecture").values("arm64").build();
    let images = wait(account.ec2(region).describe_images().filters(arm).send()).images.unwrap_or_default();
    let image = images.first().and_then(|image| image.image_id()).expect("an image");
    let sums = std::fs::read_to_string(kafka.with_file_name(format!("{}.sha512", archive(kafka)))).expect("a checksum");
    let sha512 = sums.split_whitespace().next().expect("a checksum");
    let url = format!("http://10.{network}.255.254/{}", archive(kafka));
    format!("kafka: 4.1.1\n    os: debian-12\n    image: {image}\n    archive: {{url: \"{url}\", sha512: {sha512}}}")
}

/// Runs `test` on machines, or says why there are none.
fn with_machines(test: impl FnOnce(&Ground)) {
    let _room = for_machines();
    let start = Instant::now();
    match ground() {
        Ok(ground) => {
            test(&ground);
            println!("{:.0} s in all.", start.elapsed().as_secs_f64());
        }
        Err(why) => skip(&format!("no machines can be booted here: {why}")),
    }
    sweep(&folder().join("running"));
}

#[test]
fn combined_brokers_boot_fail_and_come_back() {
    with_machines(|ground| {
        let account = Account::new();
        let kafka = on_this_machine(&account, DEV, &ground.kafka, 28);
        let edits =
            [("10.20.0.0/16", "10.28.0.0/16"), ("kafka: 4.1.1", kafka.as_str()), ("cluster:", "client: {}\ncluster:")];
        let file = account.write("dev", &edits);
        prove(ground, &account, &file, None);
    });
}

#[test]
fn brokers_with_controllers_of_their_own_boot_with_tls_fail_and_come_back() {
    with_machines(|ground| {
        let account = Account::new();
        let edits = [
            (
                "kafka: 4.1.1",
                on_this_machine(&account, PROD, &ground.kafka, 48) + "\n    listeners: {scram: true, mtls: true}",
            ),
            ("10.40.0.0/16", "10.48.0.0/16".to_owned()),
            ("cluster:\n", "client: {}\ncluster:\n".to_owned()),
            ("count: 6", "count: 3".to_owned()),
            ("instance_type: t4g.medium", "instance_type: t4g.small".to_owned()),
            ("instance_type: m7g.xlarge", "instance_type: t4g.medium".to_owned()),
            ("ingress: 40 MiB/s ", "ingress: 1 MiB/s ".to_owned()),
        ];
        let file = account.write("prod", &edits.each_ref().map(|(old, new)| (*old, new.as_str())));
        // Users and topics of its own, which are held back until the hosts have booted.
        let text = std::fs::read_to_string(account.path(&file)).expect("the file");
        let (without, _) = text.split_once("access:\n").expect("users");
        std::fs::write(account.path(&file), without.to_owned() + secured_machines::ACCESS).expect("the file");
        prove(ground, &account, &file, Some(PROD));
    });
}
