//! `client`: a small host inside the network with Kafka's own tools, for people. Where brokers run on EC2, its software is that of their
//! hosts; for an MSK cluster, which has none, its keys say what it is.

use super::ec2::check::{check_archive, check_mirror, check_proxy, check_type};
use super::ec2::check_listeners::{listeners, or_plaintext};
use super::ec2::keys::{Archive, Iam, Image, Version};
use super::ec2::{ROOT_GIB, archive, iam};
use super::msk::keys::Msk;
use crate::cloud_init::Os;
use crate::file::read::fields;
use crate::file::{Checker, ListenerName, Nat, Network};
use crate::network::EVERYWHERE;
use crate::pricing::{Bill, HOURS_PER_MONTH, Market};

fields! {
    /// A client host: a small instance in a private subnet with Kafka's tools and the properties of each listener, opened with `kstack shell`. It has no SSH key, and is reached by Session Manager.
    pub struct Client {
        /// The EC2 instance type.
        instance_type: String = "t4g.small".to_owned(),
        /// An image to use instead of the operating system's newest. Without it, a live client host keeps its own.
        image: Option<Image>,
        /// Of an MSK stack: the version of Kafka's tools. A live client host keeps its own when absent. In a stack on EC2 they are the brokers'.
        kafka: Option<Version>,
        /// Of an MSK stack: the operating system, `al2023` when absent. In a stack on EC2 it is the hosts', as are the keys below.
        os: Option<Os>,
        /// Of an MSK stack: where the host downloads Kafka, instead of Apache's archive.
        archive: Option<Archive>,
        /// Of an MSK stack with IAM: where the host downloads aws-msk-iam-auth, a .jar file with all that it needs, instead of Maven Central.
        iam_auth: Option<Archive>,
        /// Of an MSK stack: base URL of a mirror of the operating system's packages.
        package_mirror: Option<String>,
        /// Of an MSK stack: HTTP proxy through which the host downloads packages and Kafka.
        proxy: Option<String>,
        /// Of an MSK stack: the host's IAM role, which lets Session Manager reach it and allows nothing else; `policies` add to that, such as `kafka-cluster:Connect` for a cluster with IAM. Or an instance profile that is there already.
        iam: Option<Iam>,
    }
}

/// The keys that a client host of a stack on EC2 has from the brokers' hosts.
const OF_HOSTS: [&str; 7] = ["kafka", "os", "archive", "iam_auth", "package_mirror", "proxy", "iam"];

/// The version of Kafka's tools beside an MSK cluster, unless the file names one: they work with every version that MSK has.
pub const TOOLS: Version = Version(4, 1, 1);

/// The URL of aws-msk-iam-auth at Maven Central, and the SHA-512 of what is there. Central publishes its SHA-1 only, which is that of the
/// same file.
pub const IAM_AUTH: (&str, &str) = (
    "https://repo1.maven.org/maven2/software/amazon/msk/aws-msk-iam-auth/2.3.9/aws-msk-iam-auth-2.3.9-all.jar",
    "4a0dab65c0934ab27c95f01256275a9138accb61b9e8ee50fee582923be659e3d5927b287be3052b1d7a83b90930a45649a16625108f3e20586ec51d78a8d9a2",
);

impl Client {
    /// From where it downloads, and through which proxy.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &String> {
        let archives = self.archive.iter().chain(&self.iam_auth).map(|archive| &archive.url);
        archives.chain(&self.package_mirror).chain(&self.proxy)
    }
}

/// Notes what is wrong with the client host.
pub(crate) fn check(checker: &mut Checker<'_>) {
    for part in ["cluster", "cluster.ec2", "cluster.msk", "network"] {
        checker.explain_unknown(
            part,
            "client",
            "`client` is a key of the whole file",
            "write it at the left margin, beside `network` and `cluster`",
        );
    }
    let Some(Some(client)) = checker.part::<Option<Client>>("client") else { return };
    check_type("client.instance_type", checker);
    if checker.given("cluster.ec2").is_some() {
        for key in OF_HOSTS {
            let at = format!("client.{key}");
            if checker.given(&at).is_some() {
                let (message, help) = match key {
                    "iam_auth" => (
                        "`iam_auth` is for a cluster of MSK, and this one has its brokers on EC2".to_owned(),
                        "remove it: they know nothing of IAM".to_owned(),
                    ),
                    _ => (
                        format!("in a stack on EC2 the client host has the `{key}` of the brokers' hosts"),
                        format!("remove it, or write `{key}` below `cluster.ec2` for all hosts"),
                    ),
                };
                checker.error(&at, message, help);
            }
        }
        let listeners = listeners(checker);
        let of_others = checker.part::<Network>("network").is_some_and(|network| network.existing.is_some());
        if listeners.clients_ca().is_some() {
            checker.error(
                "client",
                "the client host has a certificate of kstack's authority for clients, which brokers with `clients_ca` don't trust",
                "leave `client` out, and make settings of a client with `kstack credentials`; or leave `clients_ca` out",
            );
        }
        let ways = listeners.ways();
        if ways.iter().all(|way| way.listener == ListenerName::Oauth) {
            checker.error(
                "client",
                "the client host has settings for users and certificates, and these brokers take tokens alone",
                "add `scram: true` or `mtls: true` below `cluster.ec2.listeners`, or leave `client` out",
            );
        }
        if listeners.secured() && of_others {
            checker.error(
                "client",
                "in a network of others the client host has no fixed address, by which alone it could read a certificate of its own",
                or_plaintext(
                    &listeners,
                    "leave `client` out, and make settings of a client with `kstack credentials`",
                ),
            );
        }
        return;
    }
    for (key, archive) in [("archive", &client.archive), ("iam_auth", &client.iam_auth)] {
        if let Some(archive) = archive {
            let example = match key {
                "archive" => "https://files.example.net/kafka_2.13-4.1.1.tgz",
                _ => "https://files.example.net/aws-msk-iam-auth-2.3.9-all.jar",
            };
            check_archive(&format!("client.{key}"), archive, example, checker);
        }
    }
    if let Some(mirror) = &client.package_mirror {
        check_mirror("client.package_mirror", mirror, checker);
    }
    if let Some(proxy) = &client.proxy {
        check_proxy("client.proxy", proxy, checker);
    }
    check_version(&client, checker);
    check_access(&client, checker);
    iam::check_at("client.iam", checker);
    check_outbound(&client, checker);
}

/// The first version whose clients read variables of the environment into properties (KIP-887), as those of SCRAM and TLS do.
const OLDEST_TOOLS: Version = Version(3, 5, 0);

fn check_version(client: &Client, checker: &mut Checker<'_>) {
    let path = "client.kafka";
    let version = client.kafka.unwrap_or(TOOLS);
    if version < OLDEST_TOOLS {
        let message = format!("Kafka {version} is too old for the client host");
        let help = format!(
            "use {OLDEST_TOOLS} or newer, or leave `kafka` out: the tools of {TOOLS} work with every MSK cluster"
        );
        checker.error(path, message, help);
    } else if client.archive.is_none() && archive::pinned(&version.to_string()).is_none() {
        let message = format!(
            "the checksum of Kafka {version} is not known here, so the client host verifies the archive with the one that is published beside it"
        );
        let help = format!(
            "compare it yourself and write `archive: {{url: ..., sha512: ...}}`; or use one of {}",
            archive::versions().join(", ")
        );
        checker.warning(path, message, help);
    } else if client.archive.is_some() && client.kafka.is_none() {
        let message = "`archive` does not say which version of Kafka it has";
        checker.error("client.archive", message, "write `kafka` beside it, such as `kafka: 4.1.1`");
    }
}

/// Where IAM says who may do what in the cluster, and nothing says what the host may do.
fn check_access(client: &Client, checker: &mut Checker<'_>) {
    let msk = checker.part::<Option<Msk>>("cluster.msk").flatten();
    let given = client.iam.as_ref().is_some_and(|iam| iam.instance_profile.is_some() || !iam.policies.is_empty());
    if !given && msk.is_some_and(|msk| msk.access().iam) {
        checker.warning(
            "client",
            "the role of the client host allows nothing in the cluster, so IAM lets nobody connect from there",
            "name a managed policy with `iam: {policies: [...]}` below `client`, which allows `kafka-cluster:Connect` and what its users may do",
        );
    }
}

/// What the host downloads, and how it is reached, where nothing leads out of the stack's own network.
fn check_outbound(client: &Client, checker: &mut Checker<'_>) {
    let Some(net) = checker.part::<Network>("network") else { return };
    let out = net.existing.is_some() || net.routes.iter().any(|route| route.to.to_string() == EVERYWHERE);
    if out || net.nat_gateways() != Nat::None {
        return;
    }
    let endpoint = |name: &str| net.endpoints.iter().any(|one| one.0 == name);
    let mut missing = Vec::new();
    if client.proxy.is_none() {
        let own = endpoint("s3") && client.os.unwrap_or(Os::Al2023) == Os::Al2023;
        if client.package_mirror.is_none() && !own {
            missing.push("the system's packages");
        }
        if client.archive.is_none() {
            missing.push("Kafka");
        }
        let msk = checker.part::<Option<Msk>>("cluster.msk").flatten();
        if client.iam_auth.is_none() && msk.is_some_and(|msk| msk.access().iam) {
            missing.push("aws-msk-iam-auth");
        }
    }
    if let Some((last, rest)) = missing.split_last() {
        let text = if rest.is_empty() { (*last).to_owned() } else { format!("{} and {last}", rest.join(", ")) };
        checker.warning(
            "client",
            format!("with `nat: none` the client host can't download {text}"),
            "write `nat: single` below `network`; or, for a closed network, add `endpoints: [s3]` or a `package_mirror`, and an `archive` and \
             an `iam_auth` that are reached from there; or a `proxy`",
        );
    }
    if !(endpoint("ssm") && endpoint("ssmmessages")) {
        checker.warning(
            "client",
            "with `nat: none` and without the endpoints `ssm` and `ssmmessages`, Session Manager does not reach the client host",
            "write `nat: single` below `network`, or add `endpoints: [ssm, ssmmessages, ec2messages]`",
        );
    }
}

/// Adds what a client host costs for being there.
pub fn charge(bill: &mut Bill, market: Market<'_>, client: Option<&Client>) {
    let Some(client) = client else { return };
    let kind = &client.instance_type;
    let formula = format!("1 × {kind} × {HOURS_PER_MONTH} h");
    bill.charge(market, "client host", &format!("ec2 {kind}"), HOURS_PER_MONTH, formula);
    let formula = format!("1 × {ROOT_GIB} GiB, gp3");
    bill.charge(market, "root volume of the client host", "gp3 size", ROOT_GIB, formula);
}
