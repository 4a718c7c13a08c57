//! Hosts that somebody else takes away, healed over a real secured Kafka while records are written: an instance that ends, and one that is lost with its
//! volume. Runs of `kstack heal` are killed, each after one request.

use std::path::Path;
use std::time::Duration;

use aws_sdk_ec2::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_ec2::types::{Filter, InstanceAttributeName, VolumeState};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::begun::Begun;
use crate::client::PATIENCE;
use crate::moves::{TOPICS, hasty};
use crate::processes::{kill, kstack};
use crate::support::aws::{DEV, wait};
use crate::support::{Run, poll, text};

/// EC2 of the sandbox, as somebody else uses it.
pub struct Ec2(pub aws_sdk_ec2::Client);

impl Ec2 {
    pub fn of(kafka: &Path) -> Ec2 {
        let sandbox = kstack(kafka, &["sandbox", "status", "--json"]).expect(0).json();
        let config = aws_sdk_ec2::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(text(&sandbox["endpoint"]))
            .region(Region::new(DEV))
            .credentials_provider(Credentials::new("test", "test", None, None, "tests"));
        Ec2(aws_sdk_ec2::Client::from_conf(config.build()))
    }

    /// The id of the host's instance that runs; none, where none does.
    pub fn instance(&self, host: &str) -> Option<String> {
        let filter = |name: &str, value: String| Filter::builder().name(name).values(value).build();
        let call = self.0.describe_instances().filters(filter("tag:kstack:address", format!("instance/{host}")));
        let answer = wait(call.filters(filter("instance-state-name", "running".to_owned())).send());
        let mut all = answer.reservations().iter().flat_map(|one| one.instances());
        all.next().and_then(|one| one.instance_id().map(str::to_owned))
    }

    /// What a machine of this instance boots with.
    pub fn user_data(&self, instance: &str) -> String {
        let attribute = InstanceAttributeName::UserData;
        let answer = wait(self.0.describe_instance_attribute().instance_id(instance).attribute(attribute).send());
        let data = answer.user_data().and_then(|data| data.value()).expect("user data");
        kstack_core::cloud_init::decode(&STANDARD.decode(data).expect("base64")).expect("text")
    }

    /// The id of the host's volume, where it is there.
    pub fn volume(&self, host: &str) -> Option<String> {
        let filter = Filter::builder().name("tag:kstack:address").values(format!("volume/{host}")).build();
        let answer = wait(self.0.describe_volumes().filters(filter).send());
        answer.volumes().first().and_then(|one| one.volume_id().map(str::to_owned))
    }

    /// Since when the host's data is noted as lost.
    fn lost_since(&self, host: &str) -> Option<String> {
        let filter = Filter::builder().name("tag:kstack:address").values(format!("network_interface/{host}")).build();
        let answer = wait(self.0.describe_network_interfaces().filters(filter).send());
        let tags = answer.network_interfaces().first().expect("an interface").tag_set();
        let tag = tags.iter().find(|tag| tag.key() == Some("kstack:lost-since"));
        tag.and_then(|tag| tag.value().map(str::to_owned))
    }

    /// Stops the host's instance.
    pub fn stop(&self, host: &str) {
        let instance = self.instance(host).expect("an instance");
        wait(self.0.stop_instances().instance_ids(&instance).send());
        poll("the stop of the instance", PATIENCE, || self.instance(host).is_none().then_some(()));
    }

    /// Ends the host's instance, and deletes its volume as soon as nothing has it any more, where that is `lost`.
    pub fn end(&self, host: &str, lost: bool) {
        let volume = self.volume(host).expect("a volume");
        let instance = self.instance(host).expect("an instance");
        wait(self.0.terminate_instances().instance_ids(&instance).send());
        poll("the end of the instance", PATIENCE, || self.instance(host).is_none().then_some(()));
        if lost {
            poll("the volume being free", PATIENCE, || {
                let answer = wait(self.0.describe_volumes().volume_ids(&volume).send());
                (answer.volumes().first()?.state() == Some(&VolumeState::Available)).then_some(())
            });
            wait(self.0.delete_volume().volume_id(&volume).send());
        }
    }
}

/// Runs it until it comes to its end: each run but the last is killed after one request that changes something in EC2 or in Kafka, and `between` is
/// done with the number of those before. While the broker starts, a run says so, as under cron.
fn healed(kafka: &Path, arguments: &[&str], between: impl Fn(usize)) -> (usize, Run) {
    let mut kills = 0;
    for _ in 0..200 {
        let ran = hasty(kafka, arguments, Some(1));
        match ran.code {
            0 => return (kills, ran),
            1 if ran.out.contains("does not serve") || ran.out.contains("are up to date") => {
                std::thread::sleep(Duration::from_millis(500));
            }
            1 => panic!("{ran}"),
            _ => {
                kills += 1;
                kstack(kafka, &["unlock", arguments[1], "--yes"]).expect(0);
                between(kills);
            }
        }
    }
    panic!("it comes to no end");
}

#[test]
fn a_broker_that_lost_its_instance_or_its_volume_is_healed_under_writes() {
    let apart = ("combined: true", "controllers: {count: 3, instance_type: t4g.small}");
    let Some(mut begun) = Begun::new(&[apart], "t4g.medium", "t4g.medium") else { return };
    begun.client.fill("bulk", 6, 24);
    begun.throttle_as_others("bulk");
    let (kafka, file, client, producer) = (&begun.kafka, &begun.file, &begun.client, &begun.producer);
    let ec2 = Ec2::of(kafka);

    let quiet = begun.run(&["heal", file, "--yes", "--replace-after", "0s"]).expect(0);
    assert_eq!((&*quiet.out, &*quiet.err), ("", ""), "all is well");

    // Its instance ends: another one starts on the same volume.
    let (volume, first) = (ec2.volume("broker-2"), ec2.instance("broker-2"));
    ec2.end("broker-2", false);
    kill("broker-2");
    let told = begun.run(&["heal", file, "--dry-run"]).expect(0);
    println!("{told}");
    assert!(told.out.starts_with("broker-2 has no instance any more; its volumes are there.\n"), "{told}");
    assert_eq!(ec2.instance("broker-2"), None, "a dry run changes nothing");
    let (kills, last) = healed(kafka, &["heal", file, "--yes"], |_| {});
    println!("{kills} runs were killed; the last one ended with:\n{last}");
    assert!(kills > 0);
    begun.run(&["status", file, "--wait", "--timeout", "2m"]).expect(0);
    assert_eq!(ec2.volume("broker-2"), volume);
    assert!(ec2.instance("broker-2").is_some_and(|id| Some(id) != first));
    begun.unthrottled();
    producer.expect_more("writing after the first loss", 20);

    // Its volume goes with it.
    client.say(
        TOPICS,
        &["--create", "--topic", "single", "--replica-assignment", "2", "--config", "min.insync.replicas=1"],
    );
    ec2.end("broker-2", true);
    kill("broker-2");
    let fenced = || {
        let told = begun.run(&["status", file, "--json"]).expect(0).json();
        let brokers = told["kafka"]["brokers"].as_array()?.clone();
        brokers.iter().any(|one| one["node"] == 2 && one["fenced"] == true).then_some(())
    };
    poll("the controllers missing broker 2", PATIENCE, fenced);
    let all = |more: &[&str]| begun.run(&[&["heal", file, "--yes"], more].concat()).expect(1);
    let refused = all(&["--replace-after", "0s"]);
    assert!(refused.out.contains("No other broker has all records of partitions of single."), "{refused}");
    client.say(TOPICS, &["--delete", "--topic", "single"]);
    let unasked = all(&[]);
    println!("{unasked}");
    assert!(unasked.out.contains("run it with `--replace-after 0s`"), "{unasked}");
    assert_eq!(ec2.volume("broker-2"), None);
    // What noted the loss already is the run that was refused.
    let noted = ec2.lost_since("broker-2").expect("a note");
    let waits = all(&["--replace-after", "15m"]);
    println!("{waits}");
    assert!(waits.out.contains("It gets an empty disk from ") && ec2.lost_since("broker-2") == Some(noted), "{waits}");
    // The leaders are throttled before the broker is there.
    let throttled = || {
        let throttles = client.throttles();
        let all = |side: &str, entry: &str| throttles.iter().any(|one| one.contains(side) && one.contains(entry));
        let lists = all("follower.replication.throttled.replicas", "0000:2") && all("leader", "0000:1");
        assert!(lists, "{throttles:?}");
    };
    let asked = ["heal", file, "--yes", "--replace-after", "0s"];
    let (kills, last) = healed(kafka, &asked, |kills| {
        if kills == 1 {
            throttled()
        }
    });
    println!("{kills} runs were killed, each after one request; the last one ended with:\n{last}");
    assert!(kills > 6, "{kills}");
    assert!(ec2.volume("broker-2").is_some_and(|id| Some(id) != volume));
    assert_eq!(ec2.lost_since("broker-2"), None);
    let quiet = begun.run(&["heal", file, "--yes"]).expect(0);
    assert_eq!(quiet.out, "", "all is well again");
    begun.arrived(&[1, 2, 3]);
    begun.end();
}
