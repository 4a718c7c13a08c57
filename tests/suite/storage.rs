//! Volumes of other types than gp3, on the wire: made, changed in place, and gone again.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Instance, InstanceBlockDeviceMapping, Volume};

use serde_json::json;

use crate::support::aws::{DEV, wait};
use crate::support::proxy::{Call, Fault, Proxy, Weather};
use crate::support::running::through;
use crate::support::{Account, text};

const FILE: &str = "dev.yaml";
const BROKERS: [&str; 3] = ["broker-1", "broker-2", "broker-3"];
const TYPE: &str = "instance_type: t4g.medium";

/// `dev.yaml` with this storage.
fn write(account: &Account, storage: &str) {
    account.write("dev", &[(TYPE, &format!("{TYPE}\n      storage: {storage}"))]);
}

/// Each host's data volume.
fn volumes(account: &Account) -> BTreeMap<String, Volume> {
    let ids: BTreeMap<String, String> =
        account.identities(DEV).into_iter().map(|(host, identity)| (identity.volume, host)).collect();
    let call = account.ec2(DEV).describe_volumes().set_volume_ids(Some(ids.keys().cloned().collect()));
    let all = wait(call.send()).volumes.unwrap_or_default();
    all.into_iter().map(|volume| (ids[volume.volume_id().expect("an id")].clone(), volume)).collect()
}

/// Type, size, IOPS and throughput of each data volume.
fn figures(account: &Account) -> Vec<(String, i32, Option<i32>, Option<i32>)> {
    let of = |volume: Volume| {
        let kind = volume.volume_type().map(|kind| kind.as_str().to_owned());
        (kind.unwrap_or_default(), volume.size().unwrap_or_default(), volume.iops(), volume.throughput())
    };
    volumes(account).into_values().map(of).collect()
}

#[test]
fn a_volume_changes_its_type_in_place() {
    let account = Account::new();
    write(&account, "{type: st1, size: 200 GiB}");
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!(figures(&account), vec![("st1".to_owned(), 200, None, None); 3]);
    let before = (account.identities(DEV), account.instances(DEV));
    for (storage, kind, iops, throughput) in [
        ("{type: gp3, size: 200 GiB, throughput: 200 MiB/s}", "gp3", Some(3000), Some(200)),
        ("{type: io2, size: 200 GiB, iops: 4000}", "io2", Some(4000), None),
        ("{type: st1, size: 200 GiB}", "st1", None, None),
    ] {
        write(&account, storage);
        let plan = account.plan(FILE);
        assert_eq!(plan.steps(), BROKERS.map(|name| format!("update volume/{name}")));
        assert_eq!(text(&plan.step("volume/broker-1")["changes"][0]["after"]), kind);
        account.apply(FILE);
        account.assert_converged(FILE);
        assert_eq!(figures(&account), vec![(kind.to_owned(), 200, iops, throughput); 3]);
    }
    assert_eq!((account.identities(DEV), account.instances(DEV)), before);
    account.destroy(FILE);
}

#[test]
fn a_modification_that_a_dead_run_began_is_the_same_one() {
    // EC2 modifies, then optimises for hours; it takes no other modification meanwhile. Each is asked for twice here.
    for modify in [0.0, 1.0] {
        let mut account = Account::new();
        write(&account, "{type: gp3, size: 200 GiB}");
        account.apply(FILE);
        account.choose(&json!({"times": {"volume_modify": modify, "volume_optimize": 600}}));
        write(&account, "{type: gp3, size: 300 GiB}");
        let twice = |call: &Call| (call.operation == "ModifyVolume").then_some(Fault::Twice);
        let proxy = Proxy::with(Weather { fault: Some(Box::new(twice)), ..Weather::default() });
        through(&mut account, &proxy, &["apply", FILE, "--yes"]).expect(0);
        assert!(figures(&account).iter().all(|(_, size, ..)| *size == 300), "{:?}", figures(&account));
        account.assert_converged(FILE);
        account.destroy(FILE);
    }
}

/// What is attached to the instance of each broker, by device.
fn devices(account: &Account) -> BTreeMap<String, BTreeMap<String, String>> {
    let ids: Vec<String> = account.instances(DEV).into_values().collect();
    let answer = wait(account.ec2(DEV).describe_instances().set_instance_ids(Some(ids)).send());
    let instances = answer.reservations().iter().flat_map(|reservation| reservation.instances());
    let data = |instance: &Instance| {
        let mappings = instance.block_device_mappings().iter().filter(|one| one.device_name() != Some("/dev/xvda"));
        let pair = |one: &InstanceBlockDeviceMapping| {
            Some((one.device_name()?.to_owned(), one.ebs()?.volume_id()?.to_owned()))
        };
        mappings.filter_map(pair).collect()
    };
    let name = |instance: &Instance| {
        let tag = instance.tags().iter().find(|tag| tag.key() == Some("kstack:address"));
        tag.and_then(|tag| tag.value()?.strip_prefix("instance/").map(str::to_owned)).expect("an address")
    };
    instances.map(|instance| (name(instance), data(instance))).collect()
}

#[test]
fn a_broker_gets_a_second_volume_by_a_roll_and_never_loses_it() {
    let account = Account::new();
    write(&account, "{size: 50 GiB}");
    account.apply(FILE);
    let (identities, one) = (account.identities(DEV), devices(&account));
    assert!(one.values().all(|data| data.keys().eq(["/dev/sdf"])), "{one:#?}");

    write(&account, "{size: 50 GiB, volumes: 3}");
    let plan = account.plan(FILE);
    let created = BROKERS.iter().flat_map(|name| [2, 3].map(|number| format!("create volume/{name}-{number}")));
    let expected: BTreeSet<String> = created.chain(BROKERS.map(|name| format!("roll instance/{name}"))).collect();
    assert_eq!(plan.steps().into_iter().collect::<BTreeSet<_>>(), expected);
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!(account.identities(DEV), identities, "the first volumes and the addresses are kept");
    let three = devices(&account);
    assert!(three.values().all(|data| data.keys().eq(["/dev/sdf", "/dev/sdg", "/dev/sdh"])), "{three:#?}");
    assert!(three.iter().all(|(host, data)| data["/dev/sdf"] == identities[host].volume), "{three:#?}");

    let host = &account.run(&["status", FILE, "--json"]).expect(0).json()["hosts"][0];
    let (name, more) = (text(&host["name"]), &host["more_volumes"]);
    assert_eq!((text(&more[0]), text(&more[1])), (&*three[name]["/dev/sdg"], &*three[name]["/dev/sdh"]));
    assert_eq!(host["volume_gib"], 150);
    let rendered = account.run(&["render", FILE, "--host", name]).expect(0).out;
    assert!(three[name].values().all(|id| rendered.contains(id.as_str())), "{rendered}");
    assert!(
        rendered.contains("log.dirs=/var/lib/kafka/data,/var/lib/kafka-2/data,/var/lib/kafka-3/data"),
        "{rendered}"
    );

    // One that is no longer attached is attached again, at the place where it was.
    let (instance, volume) = (&account.instances(DEV)["broker-2"], &three["broker-2"]["/dev/sdg"]);
    wait(account.ec2(DEV).detach_volume().volume_id(volume).instance_id(instance).force(true).send());
    assert_eq!(account.plan(FILE).steps(), ["update instance/broker-2"]);
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!(devices(&account), three);

    write(&account, "{size: 50 GiB, volumes: 2}");
    let refusals = account.plan(FILE).refusals().join("\n");
    assert!(refusals.contains("volume/broker-1-3: ") && refusals.contains("50 GiB of data"), "{refusals}");
    account.run(&["apply", FILE, "--yes"]).expect(1);
    assert_eq!(devices(&account), three);
    account.run(&["apply", FILE, "--yes", "--allow-data-loss"]).expect(0);
    account.assert_converged(FILE);
    let two = devices(&account);
    assert!(two.values().all(|data| data.keys().eq(["/dev/sdf", "/dev/sdg"])), "{two:#?}");
    account.destroy(FILE);
}

#[test]
fn brokers_on_disks_of_their_own_have_no_volumes_and_say_what_a_roll_loses() {
    let account = Account::new();
    let write = |kind: &str| {
        let brokers = format!("instance_type: {kind}\n      storage: {{type: instance-store}}");
        let controllers = "controllers: {count: 3, instance_type: t4g.medium}";
        account.write("dev", &[(TYPE, &brokers), ("combined: true", controllers)]);
    };
    write("m6gd.xlarge");
    account.apply(FILE);
    account.assert_converged(FILE);
    let none = devices(&account);
    assert!(BROKERS.iter().all(|name| none[*name].is_empty()) && none["controller-1"].len() == 1, "{none:#?}");
    let rendered = account.run(&["render", FILE, "--host", "broker-1"]).expect(0).out;
    assert!(
        rendered.contains("waiting for the instance's own disks: 1") && !rendered.contains("@volume"),
        "{rendered}"
    );

    write("m6gd.2xlarge");
    let plan = account.plan(FILE);
    assert_eq!(plan.steps(), BROKERS.map(|name| format!("roll instance/{name}")));
    let reason = text(&plan.step("instance/broker-1")["reason"]).to_owned();
    assert!(reason.contains("it loses its replicas, and fetches them again from the others"), "{reason}");
    account.apply(FILE);
    account.assert_converged(FILE);

    wait(account.ec2(DEV).terminate_instances().instance_ids(&account.instances(DEV)["broker-2"]).send());
    let plan = account.plan(FILE);
    assert_eq!(plan.steps(), ["create instance/broker-2"]);
    let reason = text(&plan.step("instance/broker-2")["reason"]).to_owned();
    assert!(reason.contains("its instance is gone, and its data with it"), "{reason}");
    account.apply(FILE);
    account.assert_converged(FILE);
    account.destroy(FILE);
}
