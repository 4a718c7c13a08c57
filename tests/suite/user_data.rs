//! User data of every role and operating system is valid by cloud-init's own schema.

use std::process::Command;

use kstack_core::cloud_init::{self, Checksum, Host, HostRole, Os, Overrides, Voter};

use crate::support::skip;

/// A host of prod.yaml's stack with a setting that would break out of anything that does not quote it.
pub fn host(role: HostRole, os: Os) -> Host {
    let voter = |node_id: u32| Voter {
        node_id,
        address: [10, 40, 0, 4 + u8::try_from(node_id).expect("a small number")].into(),
        directory_id: format!("AAAAAAAAQACAAAAAAAAAA{node_id}"),
    };
    Host {
        stack: "prod".into(),
        name: "broker-1".into(),
        node_id: 1,
        role,
        os,
        zone_id: "apne2-az1".into(),
        address: [10, 40, 0, 5].into(),
        volume_id: "vol-0123456789abcdef0".into(),
        cluster_id: "MkU3OEVBNTcwNTJENDM2Qg".into(),
        controllers: (1..=3).map(voter).collect(),
        kafka_version: "4.1.1".into(),
        archive_url: "https://archive.apache.org/dist/kafka/4.1.1/kafka_2.13-4.1.1.tgz".into(),
        archive_checksum: Checksum::Sha512("0".repeat(128)),
        memory_mib: 16_384,
        settings: [("log.cleaner.threads".to_owned(), "2 # $(reboot) `x` {{y}} \"quoted\"".to_owned())].into(),
        replication_factor: 3,
        min_insync_replicas: 2,
        retention_ms: 604_800_000,
        package_mirror: None,
        advertised: None,
        proxy: None,
        listeners: Vec::new(),
    }
}

#[test]
fn every_rendering_is_valid_by_cloud_inits_own_schema() {
    if Command::new("cloud-init").arg("--version").output().is_err() {
        return skip("cloud-init is not installed, so its schema can't judge the user data");
    }
    let folder = tempfile::tempdir().unwrap();
    for os in [Os::Al2023, Os::Debian12, Os::Ubuntu2404] {
        for role in [HostRole::Broker, HostRole::Controller, HostRole::Combined] {
            let text = cloud_init::render(&host(role, os), &Overrides::new()).unwrap();
            assert!(cloud_init::encode(&text).unwrap().len() <= 16 * 1024, "{role:?} on {os:?} is too large");
            let path = folder.path().join("user-data.yaml");
            std::fs::write(&path, &text).unwrap();
            let output = Command::new("cloud-init").args(["schema", "--config-file"]).arg(&path).output().unwrap();
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(output.status.success(), "{role:?} on {os:?}: {said}");
        }
    }
}
