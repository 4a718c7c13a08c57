//! The client host boots too, and `kstack shell` runs Kafka's tools on it. Session Manager is stood in for: by an endpoint that
//! starts sessions, and by a program in place of AWS's plugin, which enters the machine.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use kstack_core::engines::client::IAM_AUTH;

use crate::client::PATIENCE;
use crate::machine::{Launch, Machine};
use crate::network::{Network, run};
use crate::sessions;
use crate::support::aws::DEV;
use crate::support::{Account, Run, poll, skip};
use crate::{Ground, folder, on_this_machine};

/// The number of its interface, which no broker has.
const NUMBER: usize = 90;

/// Runs the command of the session's request in the machine, as somebody who is not root. Its exit code is the command's.
const PLUGIN: &str = r#"#!/usr/bin/env python3
import json, os, sys
if sys.argv[1:] == ["--version"]:
    print("1.2.700.0"); sys.exit()
response, region, operation, profile, request, endpoint = sys.argv[1:]
if response == "AWS_SSM_START_SESSION_RESPONSE":
    response = os.environ[response]
response, request = json.loads(response), json.loads(request)
assert operation == "StartSession" and endpoint.startswith("http"), sys.argv
assert response["TokenValue"] == "TOKEN" and request["Target"].startswith("i-"), (response, request)
assert request["DocumentName"] in ("AWS-StartInteractiveCommand", "AWS-StartNonInteractiveCommand"), request
command = request["Parameters"]["command"][0]
os.environ.clear()
os.environ.update({"HOME": "/tmp", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
os.execvp("nsenter", ["nsenter", "--target", "LEADER", "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd",
    "--setgid", "65534", "--setuid", "65534", "sh", "-c", command])
"#;

/// The private address of the stack's client host.
fn address(account: &Account, region: &str) -> Ipv4Addr {
    let instances = account.look(region).instances;
    let client = |tag: &aws_sdk_ec2::types::Tag| tag.value() == Some("client_instance/client");
    let found = instances.iter().find(|one| one.tags().iter().any(client));
    found.and_then(|one| one.private_ip_address()?.parse().ok()).expect("its address")
}

/// Writes [`PLUGIN`] for `machine` below `folder`, and gives the path with it.
fn plugin(folder: &Path, machine: &Machine) -> String {
    let text = PLUGIN.replace("TOKEN", sessions::TOKEN).replace("LEADER", &machine.leader().expect("it runs"));
    let path = folder.join("session-manager-plugin");
    fs::write(&path, text).expect("a program");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a program");
    format!("{}:{}", folder.display(), std::env::var("PATH").expect("a path"))
}

/// Boots a machine with this user data, waits until its tools are there, and gives it with how long cloud-init took.
fn boot(ground: &Ground, instance: &str, user_data: &str, interface: &str) -> (Machine, Duration) {
    let launch = Launch { name: "client", instance, user_data, interface, volume: None };
    let machine = Machine::launch(&ground.image, &ground.running, &launch).expect("a machine");
    let boot = machine.await_boot();
    poll("Kafka's tools on the client host", PATIENCE, || {
        machine.read("usr/local/lib/kstack/bin/kafka-topics.sh").map(drop)
    });
    (machine, boot)
}

/// Boots the client host of `file`, whose brokers run, and works with them through `kstack shell`.
pub fn prove(ground: &Ground, account: &Account, file: &str, network: &Network) {
    let address = address(account, DEV);
    let user_data = account.run(&["render", file, "--host", "client"]).expect(0).out;
    let interface = network.interface(NUMBER, address).expect("an interface");
    let (machine, took) = boot(ground, "i-client-1", &user_data, &interface);
    let programs = tempfile::tempdir().expect("a folder");
    let path = plugin(programs.path(), &machine);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let endpoint = runtime.block_on(sessions::start(&[]));
    let shell = |command: &[&str], input: &Path| {
        let mut shell = account.command(&[&["shell", file][..], command].concat());
        shell.env("PATH", &path).env("AWS_ENDPOINT_URL_SSM", &endpoint.url);
        Run::of(shell.stdin(fs::File::open(input).expect("a file")))
    };
    let nothing = Path::new("/dev/null");
    shell(&["--", "kafka-topics.sh", "--create", "--topic", "client"], nothing).expect(0);
    let list = shell(&["--", "kafka-topics.sh", "--list"], nothing).expect(0);
    assert!(list.out.lines().any(|line| line == "client"), "{list}");
    let numbers = programs.path().join("numbers");
    fs::write(&numbers, "1\n2\n3\n").expect("a file");
    shell(&["--", "kafka-console-producer.sh", "--topic", "client"], &numbers).expect(0);
    let arguments = ["--", "kafka-console-consumer.sh", "--topic", "client", "--from-beginning", "--max-messages", "3"];
    let read = shell(&arguments, nothing).expect(0);
    assert_eq!(read.out.lines().collect::<Vec<_>>(), ["1", "2", "3"], "{read}");
    // Without a command it is a shell, which reads what is typed; the exit code is its own.
    let typed = programs.path().join("typed");
    fs::write(&typed, "id -u; echo \"$KSTACK_NAME at $KAFKA_BOOTSTRAP_SERVERS\"; exit 7\n").expect("a file");
    let typed = shell(&[], &typed).expect(7);
    assert!(typed.out.contains("65534\n") && typed.out.contains("dev at 10.28."), "{typed}");
    let asked = endpoint.asked.lock().expect("nobody fails with it");
    let calls = |name: &str| asked.iter().filter(|(operation, _)| operation == name).count();
    assert_eq!((calls("StartSession"), calls("TerminateSession")), (5, 5), "each session is ended");
    println!("The client host booted in {:.1} s, and `kstack shell` worked on it.", took.as_secs_f64());
}

/// Boots the client host of `file` in `region`, whose brokers speak TLS, and gives the topics that it sees through `kstack shell`, by its
/// own certificate.
pub fn topics(ground: &Ground, account: &Account, file: &str, region: &str, network: &Network) -> Vec<String> {
    let address = address(account, region);
    let user_data = account.run(&["render", file, "--host", "client"]).expect(0).out;
    let interface = network.interface(NUMBER, address).expect("an interface");
    let (machine, _) = boot(ground, "i-client-1", &user_data, &interface);
    let programs = tempfile::tempdir().expect("a folder");
    let path = plugin(programs.path(), &machine);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let endpoint = runtime.block_on(sessions::start(&[]));
    let mut shell = account.command(&["shell", file, "--", "kafka-topics.sh", "--list"]);
    let list = Run::of(shell.env("PATH", &path).env("AWS_ENDPOINT_URL_SSM", &endpoint.url)).expect(0);
    list.out.lines().map(str::to_owned).collect()
}

/// The real aws-msk-iam-auth, from Maven Central.
fn iam_auth() -> Result<std::path::PathBuf, String> {
    let (url, _) = IAM_AUTH;
    let path = folder().join(url.rsplit('/').next().unwrap_or_default());
    if !path.exists() {
        let part = path.with_extension("part").display().to_string();
        run("curl", &["--fail", "--silent", "--show-error", "--max-time", "120", "--output", &part, url])?;
        fs::rename(&part, &path).map_err(|error| error.to_string())?;
    }
    Ok(path)
}

/// The client host beside an MSK cluster has the classes by which Kafka's tools sign for IAM: those with the checksum that kstack knows.
#[test]
fn a_client_host_of_msk_boots_with_the_login_module_of_iam() {
    crate::with_machines(|ground| {
        let jar = match iam_auth() {
            Ok(jar) => jar,
            Err(why) => return skip(&format!("aws-msk-iam-auth can't be had here: {why}")),
        };
        let account = Account::new();
        let name = jar.file_name().expect("a name").to_string_lossy().into_owned();
        let tools = on_this_machine(&account, "us-east-1", &ground.kafka, 50).replace("\n    ", ", ");
        let client = format!(
            "client: {{{tools}, iam_auth: {{url: \"http://10.50.255.254/{name}\", sha512: {}}}}}\ncluster:",
            IAM_AUTH.1
        );
        let file = account.write("msk", &[("cluster:", &client)]);
        let mut network = Network::new(Ipv4Addr::new(10, 50, 255, 254), 16).expect("a bridge");
        let archive = ground.kafka.with_file_name(crate::archive(&ground.kafka));
        network.serve(vec![archive, jar]);
        let user_data = account.run(&["render", &file, "--host", "client"]).expect(0).out;
        let interface = network.interface(NUMBER, Ipv4Addr::new(10, 50, 0, 4)).expect("an interface");
        let (machine, _) = boot(ground, "i-client-msk", &user_data, &interface);
        let mut inside = Command::new("nsenter");
        inside.args(["--target", &machine.leader().expect("it runs"), "--mount", "--pid", "--root", "--wd"]);
        inside.args(["bash", "-lc", "kafka-run-class.sh software.amazon.msk.auth.iam.IAMLoginModule"]);
        let said = Run::of(inside.stdin(Stdio::null()));
        assert!(
            said.err.contains("Main method not found in class software.amazon.msk.auth.iam.IAMLoginModule"),
            "{said}"
        );
        let properties = machine.read("etc/kafka/iam.properties").expect("a file");
        assert!(properties.contains("sasl.mechanism=AWS_MSK_IAM"), "{properties}");
    });
}
