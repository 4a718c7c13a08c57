//! Volumes of other types than gp3, on the wire: made, changed in place, and gone again.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::Volume;

use crate::support::aws::{DEV, wait};
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
