//! User data of every role and operating system is valid by cloud-init's own schema, and its scripts do to disks what they should.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use kstack_core::cloud_init::{
    self, Checksum, ClientHost, ClientPapers, Exporters, Host, HostLogs, HostRole, IamAuth, Os, Overrides, Phase,
    Security, Voter, client_parameter,
};

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
        more_volumes: Vec::new(),
        own_disks: None,
        endpoints: Vec::new(),
        joins: false,
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
        monitoring: None,
        logs: None,
        ipv6: false,
        security: None,
    }
}

/// A log group with a long name.
fn logs() -> HostLogs {
    let group = format!("/aws/vendedlogs/kstack/{}/hosts", "prod".repeat(7));
    HostLogs { group, region: "ap-northeast-2".into(), endpoint: "https://logs.ap-northeast-2.amazonaws.com".into() }
}

/// TLS, with each way in for clients.
pub fn security() -> Security {
    let (region, ssm) = ("us-east-1".into(), "https://ssm.us-east-1.amazonaws.com".into());
    Security {
        scram: true,
        mtls: true,
        plaintext: false,
        oauth: None,
        clients_ca: None,
        phase: Phase::Closed,
        names: Vec::new(),
        region,
        ssm,
    }
}

/// A client host with everything that one can have.
fn client(os: Os) -> ClientHost {
    let url = "https://files.example.net/aws-msk-iam-auth.jar".to_owned();
    ClientHost {
        stack: "prod".into(),
        os,
        kafka_version: "4.1.1".into(),
        archive_url: "https://archive.apache.org/dist/kafka/4.1.1/kafka_2.13-4.1.1.tgz".into(),
        archive_checksum: Checksum::Sha512("0".repeat(128)),
        iam_auth: Some(IamAuth { url, sha512: "0".repeat(128) }),
        package_mirror: Some("http://packages.example.net".into()),
        proxy: Some("http://proxy.example.net:3128".into()),
        properties: ["iam", "scram", "tls", "plaintext"]
            .map(|name| (name.to_owned(), format!("bootstrap.servers=b-1:9092\nclient.id={name} # \"$(reboot)\"\n")))
            .into(),
        listener: "iam".into(),
        papers: Some(ClientPapers {
            parameter: client_parameter("prod", [10, 40, 0, 250].into()),
            region: "us-east-1".into(),
            ssm: "https://ssm.us-east-1.amazonaws.com".into(),
        }),
    }
}

#[test]
fn every_rendering_is_valid_by_cloud_inits_own_schema() {
    if Command::new("cloud-init").arg("--version").output().is_err() {
        return skip("cloud-init is not installed, so its schema can't judge the user data");
    }
    let folder = tempfile::tempdir().unwrap();
    let judge = |text: &str, what: &str| {
        assert!(cloud_init::encode(text).unwrap().len() <= 16 * 1024, "{what} is too large");
        let path = folder.path().join("user-data.yaml");
        std::fs::write(&path, text).unwrap();
        let output = Command::new("cloud-init").args(["schema", "--config-file"]).arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{what}: {said}");
    };
    for os in [Os::Al2023, Os::Debian12, Os::Ubuntu2404] {
        for role in [HostRole::Broker, HostRole::Controller, HostRole::Combined] {
            for security in [None, Some(security())] {
                let more_volumes = (2..=11).map(cloud_init::volume_placeholder).collect();
                let (monitoring, logs) = (Some(Exporters::default()), Some(logs()));
                let host = Host { more_volumes, security, monitoring, logs, ..host(role, os) };
                judge(&cloud_init::render(&host, &Overrides::new()).unwrap(), &format!("{role:?} on {os:?}"));
            }
        }
        judge(
            &cloud_init::render_client(&client(os), &Overrides::new()).unwrap(),
            &format!("the client host on {os:?}"),
        );
    }
}

/// The script `name` of the host's user data.
fn script(host: &Host, name: &str) -> String {
    let document: serde_json::Value =
        serde_yaml::from_str(&cloud_init::render(host, &Overrides::new()).expect("user data")).expect("YAML");
    let path = format!("/usr/local/lib/kstack/{name}");
    let files = document["write_files"].as_array().expect("files");
    let file = files.iter().find(|file| file["path"] == path.as_str()).expect("the file");
    file["content"].as_str().expect("a text").to_owned()
}

/// Runs the script with these commands in place of those that need disks and root, and gives what they were called with, and
/// whether it ended well. A command's text is a shell script, which is noted first.
fn run(script: &str, folder: &Path, commands: &[(&str, &str)]) -> (Vec<String>, bool) {
    let bin = folder.join("bin");
    fs::create_dir_all(&bin).expect("a file");
    let log = folder.join("log");
    for (name, body) in commands {
        let text = format!("#!/bin/sh\necho \"{name} $*\" >> {}\n{body}\n", log.display());
        fs::write(bin.join(name), text).expect("a file");
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).expect("a file");
    }
    fs::write(folder.join("script"), script).expect("a file");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a path"));
    let output = Command::new("bash").arg(folder.join("script")).env("PATH", path).output().expect("bash");
    let calls = fs::read_to_string(&log).unwrap_or_default().lines().map(str::to_owned).collect();
    (calls, output.status.success())
}

/// Three volumes: the second holds a file system already.
fn three_volumes() -> Host {
    let more_volumes = vec!["vol-0000000000000000b".to_owned(), "vol-0000000000000000c".to_owned()];
    Host { more_volumes, ..host(HostRole::Broker, Os::Debian12) }
}

#[test]
fn each_volume_is_found_by_its_serial_number_and_mounted_at_its_own_place() {
    let folder = tempfile::tempdir().unwrap();
    let disks = "printf '/dev/nvme3n1 vol0000000000000000c\\n/dev/nvme1n1 vol0123456789abcdef0\\n/dev/nvme2n1 vol0000000000000000b\\n'";
    let commands = [
        ("lsblk", disks),
        ("mountpoint", "exit 1"),
        ("blkid", "for last; do :; done; [ $last = /dev/nvme2n1 ] && echo xfs || exit 2"),
        ("wipefs", "for last; do :; done; [ $last = /dev/nvme2n1 ] && echo xfs || true"),
        ("xfs_db", "echo 'fname = \"kstack-data\"'; echo 'inprogress = 0'"),
        ("mkfs.xfs", ""),
        ("mkdir", ""),
        ("mount", ""),
    ];
    let (calls, well) = run(&script(&three_volumes(), "mount-data"), folder.path(), &commands);
    assert!(well, "{calls:#?}");
    let did: Vec<&str> = calls
        .iter()
        .map(String::as_str)
        .filter(|call| ["mkfs.xfs ", "mount "].iter().any(|name| call.starts_with(name)))
        .collect();
    let expected = [
        "mkfs.xfs -q -L kstack-new /dev/nvme1n1",
        "mount --types xfs --options noatime /dev/nvme1n1 /var/lib/kafka",
        "mount --types xfs --options noatime /dev/nvme2n1 /var/lib/kafka-2",
        "mkfs.xfs -q -L kstack-new /dev/nvme3n1",
        "mount --types xfs --options noatime /dev/nvme3n1 /var/lib/kafka-3",
    ];
    assert_eq!(did, expected);
}

#[test]
fn a_volume_that_holds_something_else_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let commands = [
        ("lsblk", "echo '/dev/nvme1n1 vol0123456789abcdef0'"),
        ("mountpoint", "exit 1"),
        ("blkid", "echo ext4"),
        ("wipefs", "echo ext4"),
        ("mkfs.xfs", ""),
        ("mount", ""),
    ];
    let (calls, well) = run(&script(&three_volumes(), "mount-data"), folder.path(), &commands);
    assert!(!well && !calls.iter().any(|call| call.starts_with("mkfs") || call.starts_with("mount -")), "{calls:#?}");
}

#[test]
fn only_new_volumes_are_formatted_beside_those_that_kafka_has_used() {
    let folder = tempfile::tempdir().unwrap();
    let mounts = ["kafka", "kafka-2", "kafka-3"].map(|name| folder.path().join(name));
    mounts.iter().for_each(|mount| fs::create_dir_all(mount.join("data")).unwrap());
    fs::write(mounts[0].join("data/meta.properties"), "").unwrap();
    mounts[1..].iter().for_each(|mount| fs::write(mount.join("new"), "").unwrap());
    // What a format that was cut off has left.
    fs::write(mounts[2].join("data/bootstrap.checkpoint"), "").unwrap();
    let label =
        "for last; do :; done; [ -e $last/new ] && echo 'label = \"kstack-new\"' || echo 'label = \"kstack-data\"'";
    let commands = [("xfs_io", label), ("chown", ""), ("sync", ""), ("kafka-storage.sh", "")];
    let text = script(&three_volumes(), "format-storage");
    let text = text.replace("/var/lib/kafka", &mounts[0].display().to_string()).replace("/opt/kafka/bin/", "");
    let (calls, well) = run(&text, folder.path(), &commands);
    assert!(well, "{calls:#?}");
    let formats: Vec<&String> = calls.iter().filter(|call| call.starts_with("kafka-storage.sh")).collect();
    assert_eq!(
        formats,
        [
            "kafka-storage.sh format --ignore-formatted --cluster-id MkU3OEVBNTcwNTJENDM2Qg --config /etc/kafka/server.properties --no-initial-controllers"
        ]
    );
    assert!(!mounts[2].join("data/bootstrap.checkpoint").exists());
    let labelled: Vec<&String> = calls.iter().filter(|call| call.contains("label -s kstack-data")).collect();
    assert_eq!(labelled.len(), 2, "{labelled:#?}");
    // One that Kafka has used and whose directory is gone is a person's to decide about.
    fs::remove_file(mounts[0].join("data/meta.properties")).unwrap();
    assert!(!run(&text, folder.path(), &commands).1);
}

#[test]
fn the_instances_own_disks_keep_their_places_by_their_serial_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let model = "Amazon EC2 NVMe Instance Storage";
    let disks = format!(
        "printf 'vol0123 /dev/nvme0n1 Amazon Elastic Block Store\\nAWSB /dev/nvme1n1 {model}\\nAWSA /dev/nvme2n1 {model}\\n'"
    );
    let commands = [
        ("lsblk", disks.as_str()),
        ("mountpoint", "exit 1"),
        ("blkid", "exit 2"),
        ("wipefs", ""),
        ("mkfs.xfs", ""),
        ("mkdir", ""),
        ("mount", ""),
    ];
    let host = Host { own_disks: Some(2), ..host(HostRole::Broker, Os::Al2023) };
    let (calls, well) = run(&script(&host, "mount-data"), folder.path(), &commands);
    assert!(well, "{calls:#?}");
    let did: Vec<&str> = calls.iter().map(String::as_str).filter(|call| call.starts_with("mount ")).collect();
    let expected = [
        "mount --types xfs --options noatime /dev/nvme2n1 /var/lib/kafka",
        "mount --types xfs --options noatime /dev/nvme1n1 /var/lib/kafka-2",
    ];
    assert_eq!(did, expected);
}

/// The script of the exporters on `os`, with its places in `folder`, and whether downloads have the pinned checksums.
fn install_exporters(os: Os, folder: &Path, machine: &str, verified: bool) -> (Vec<String>, bool) {
    let host = Host { monitoring: Some(Exporters::default()), ..host(HostRole::Broker, os) };
    let text = script(&host, "install-exporters");
    let text = ["/etc/kafka/exporter.env", "/opt/jmx-exporter", "/opt/node-exporter", "/opt/.node-exporter"]
        .iter()
        .fold(text, |text, place| text.replace(place, &format!("{}{place}", folder.display())));
    for place in ["etc/kafka", "opt"] {
        fs::create_dir_all(folder.join(place)).expect("a folder");
    }
    let check = format!("cat >> {}/sums; {verified}", folder.display());
    let commands = [
        ("curl", "while [ $1 != --output ]; do shift; done; : > $2"),
        ("sha512sum", check.as_str()),
        ("sha256sum", check.as_str()),
        ("uname", &format!("echo {machine}")),
        ("tar", "while [ $1 != --directory ]; do shift; done; : > $2/node_exporter"),
        ("systemctl", ""),
        ("apt-get", ""),
        ("sync", ""),
    ];
    run(&text, folder, &commands)
}

#[test]
fn exporters_are_fetched_and_verified_on_each_system() {
    let systems = [
        (Os::Al2023, "aarch64", "arm64"),
        (Os::Al2023, "x86_64", "amd64"),
        (Os::Debian12, "x86_64", ""),
        (Os::Ubuntu2404, "x86_64", ""),
    ];
    for (os, machine, architecture) in systems {
        let folder = tempfile::tempdir().unwrap();
        let (calls, well) = install_exporters(os, folder.path(), machine, true);
        assert!(well, "{os:?}: {calls:#?}");
        let options = fs::read_to_string(folder.path().join("etc/kafka/exporter.env")).unwrap();
        assert!(options.contains("agent.jar=10.40.0.5:11001:/etc/kafka/jmx-exporter.yaml"), "{options}");
        let did = |what: &str| calls.iter().any(|call| call.contains(what));
        assert!(did("jmx_prometheus_javaagent-1.0.1.jar") && did("systemctl start --no-block node-exporter.service"));
        assert_eq!(did(&format!("linux-{architecture}.tar.gz")), os == Os::Al2023, "{calls:#?}");
        // The package that Debian and Ubuntu have may be installed on this machine.
        let packaged = Command::new("prometheus-node-exporter").arg("--version").output().is_ok();
        assert_eq!(did("apt-get "), os != Os::Al2023 && !packaged, "{calls:#?}");
        let sums = fs::read_to_string(folder.path().join("sums")).unwrap();
        let pinned = if machine == "aarch64" { "848f1399" } else { "becb950e" };
        assert!(sums.starts_with("f81d876e8110cbab") && (os != Os::Al2023 || sums.contains(pinned)), "{sums}");
    }
}

#[test]
fn an_exporter_that_is_not_what_was_pinned_is_left_out_and_kafka_starts_without_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("etc/kafka")).unwrap();
    fs::write(folder.path().join("etc/kafka/exporter.env"), "of an earlier boot").unwrap();
    let (calls, well) = install_exporters(Os::Al2023, folder.path(), "aarch64", false);
    assert!(well, "it only says what is wrong");
    assert!(!folder.path().join("etc/kafka/exporter.env").exists());
    assert!(!calls.iter().any(|call| call.starts_with("systemctl")), "{calls:#?}");
}
