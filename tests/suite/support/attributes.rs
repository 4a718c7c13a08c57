//! What is live with all its attributes, as AWS describes it and in no form of kstack's own, so that two accounts can be compared.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use jiff::Timestamp;

use super::Account;
use super::aws::wait;

/// What a call lists, each item in words.
macro_rules! each {
    ($call:expr, $list:ident) => {
        wait($call.send()).$list().iter().map(|one| format!("{one:?}")).collect::<Vec<String>>()
    };
}

impl Account {
    /// The attributes of what is live in `region` by address, or by name where a resource has no address: its description's
    /// words in order. Ids are replaced by the addresses of what they are of; times and what AWS draws are left out.
    pub fn attributes(&self, region: &str) -> BTreeMap<String, Vec<String>> {
        let (ec2, kafka, iam, scaling) = (self.ec2(region), self.kafka(region), self.iam(), self.scaling(region));
        let reservations = wait(ec2.describe_instances().send());
        let instances = reservations.reservations().iter().flat_map(|one| one.instances());
        let mut all: Vec<String> = instances.map(|one| format!("{one:?}")).collect();
        all.extend(each!(ec2.describe_vpcs(), vpcs));
        all.extend(each!(ec2.describe_subnets(), subnets));
        all.extend(each!(ec2.describe_internet_gateways(), internet_gateways));
        all.extend(each!(ec2.describe_route_tables(), route_tables));
        all.extend(each!(ec2.describe_nat_gateways(), nat_gateways));
        all.extend(each!(ec2.describe_vpc_endpoints(), vpc_endpoints));
        all.extend(each!(ec2.describe_security_groups(), security_groups));
        all.extend(each!(ec2.describe_addresses(), addresses));
        all.extend(each!(ec2.describe_volumes(), volumes));
        all.extend(each!(ec2.describe_network_interfaces(), network_interfaces));
        all.extend(each!(ec2.describe_placement_groups(), placement_groups));
        let ended = ["name: Some(Terminated)", "state: Some(Deleted)"];
        all.retain(|one| ended.iter().all(|state| !one.contains(state)));
        let addresses = wait(ec2.describe_tags().send());
        let addresses: BTreeMap<&str, &str> = addresses
            .tags()
            .iter()
            .filter(|tag| tag.key() == Some("kstack:address"))
            .filter_map(|tag| Some((tag.resource_id()?, tag.value()?)))
            .collect();
        let mut named: Vec<(String, String)> = all
            .into_iter()
            .filter_map(|one| {
                let (_, rest) = one.split_once("key: Some(\"kstack:address\"), value: Some(\"")?;
                Some((rest.split_once('"')?.0.to_owned(), one))
            })
            .collect();
        for role in wait(iam.list_roles().send()).roles() {
            named.push((format!("role {}", role.role_name), format!("{role:?}")));
            let policies = wait(iam.list_role_policies().role_name(&role.role_name).send());
            for name in policies.policy_names() {
                let policy = wait(iam.get_role_policy().role_name(&role.role_name).policy_name(name).send());
                named.push((format!("policy {name}"), policy.policy_document));
            }
        }
        for profile in wait(iam.list_instance_profiles().send()).instance_profiles() {
            named.push((format!("profile {}", profile.instance_profile_name), format!("{profile:?}")));
        }
        for cluster in wait(kafka.list_clusters_v2().send()).cluster_info_list() {
            named.push((format!("cluster {}", cluster.cluster_name().unwrap_or_default()), format!("{cluster:?}")));
        }
        for configuration in wait(kafka.list_configurations().send()).configurations() {
            let name = format!("configuration {}", configuration.name().unwrap_or_default());
            named.push((name, format!("{configuration:?}")));
        }
        let namespace = aws_sdk_applicationautoscaling::types::ServiceNamespace::Kafka;
        let targets = each!(scaling.describe_scalable_targets().service_namespace(namespace), scalable_targets);
        named.extend(targets.into_iter().map(|one| ("scalable target".to_owned(), one)));
        let mut attributes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, text) in named {
            attributes.entry(name).or_default().extend(words(&text, &addresses, &self.id));
        }
        attributes.values_mut().for_each(|words| words.sort_unstable());
        attributes
    }
}

/// The words of a description that are the same wherever the same was made.
fn words(text: &str, addresses: &BTreeMap<&str, &str>, account: &str) -> Vec<String> {
    let mut words = text.split(|c: char| !c.is_alphanumeric() && !"-_./:".contains(c)).filter(|word| !word.is_empty());
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "seconds:" | "subsecond_nanos:" | "role_id:" | "instance_profile_id:" => drop(words.next()),
            // Another one for each try that AWS took for a new one, and for each change.
            "client_token:" | "current_version:" => {
                if words.next() == Some("Some") {
                    words.next();
                }
            }
            _ if drawn(word) => {}
            _ => kept.push(match addresses.get(word) {
                Some(address) => (*address).to_owned(),
                None => without_id(word).replace(account, ""),
            }),
        }
    }
    kept
}

/// Whether it is another word each time: a time, a public address, a name of one or of an MSK broker, a MAC, a Kafka cluster's id.
fn drawn(word: &str) -> bool {
    let public = word.parse::<Ipv4Addr>().is_ok_and(|address| !address.is_private());
    let name = word.contains(".amazonaws.com") && (word.starts_with("ec2-") || word.contains(".kafka."));
    let hex = word.len() == 12 && word.chars().all(|c| c.is_ascii_hexdigit());
    let uuid = word.len() == 22 && word.chars().any(char::is_uppercase) && word.chars().any(char::is_lowercase);
    public
        || name
        || hex
        || uuid
        || word.split(':').count() == 6 && !word.starts_with("arn:")
        || word.parse::<Timestamp>().is_ok()
}

/// A word without the id at its end, such as `vol` for a volume's id.
fn without_id(word: &str) -> &str {
    let mut word = word;
    while let Some((kind, end)) = word.rsplit_once('-')
        && end.len() >= 4
        && end.chars().all(|c| c.is_ascii_hexdigit())
    {
        word = kind;
    }
    // Of an MSK ARN a UUID's first part is left then, which is no word either.
    if word.starts_with("arn:") { word.rsplit_once('/').map_or(word, |(name, _)| name) } else { word }
}
