//! What is live with all its attributes, as AWS describes it and in no form of kstack's own, so that two accounts can be compared.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;

use super::Account;
use super::aws::wait;
use super::look::Look;

impl Account {
    /// The attributes of what `look` saw by address, or by name where a resource has no address: its description's words in
    /// order. Ids are replaced by the addresses of what they are of; times and what AWS draws are left out.
    pub fn attributes(&self, look: &Look) -> BTreeMap<String, Vec<String>> {
        let addresses = look.addresses();
        let mut all = Vec::new();
        all.extend(look.instances.iter().map(words_of));
        all.extend(look.vpcs.iter().map(words_of));
        all.extend(look.subnets.iter().map(words_of));
        all.extend(look.gateways.iter().map(words_of));
        all.extend(look.egress_only.iter().map(words_of));
        all.extend(look.tables.iter().map(words_of));
        all.extend(look.nats.iter().map(words_of));
        all.extend(look.endpoints.iter().map(words_of));
        all.extend(look.groups.iter().map(words_of));
        all.extend(look.addresses.iter().map(words_of));
        all.extend(look.volumes.iter().map(words_of));
        all.extend(look.interfaces.iter().map(words_of));
        all.extend(look.placements.iter().map(words_of));
        let ended = ["name: Some(Terminated)", "state: Some(Deleted)"];
        all.retain(|one| ended.iter().all(|state| !one.contains(state)));
        let mut named: Vec<(String, String)> = all
            .into_iter()
            .filter_map(|one| {
                let (_, rest) = one.split_once("key: Some(\"kstack:address\"), value: Some(\"")?;
                Some((rest.split_once('"')?.0.to_owned(), one))
            })
            .collect();
        let alarm = |name: Option<&str>| format!("alarm {}", name.unwrap_or_default());
        named.extend(look.alarms.iter().map(|one| (alarm(one.alarm_name()), words_of(one))));
        named.extend(look.dashboards.clone());
        let group = |name: Option<&str>| format!("log group {}", name.unwrap_or_default());
        named.extend(look.log_groups.iter().map(|one| (group(one.log_group_name()), words_of(one))));
        let iam = self.iam();
        for role in &look.roles {
            named.push((format!("role {}", role.role_name), words_of(role)));
            let policies = wait(iam.list_role_policies().role_name(&role.role_name).send());
            for name in policies.policy_names() {
                let policy = wait(iam.get_role_policy().role_name(&role.role_name).policy_name(name).send());
                let text = policy.policy_document;
                let text = look.keys.iter().fold(text, |text, key| text.replace(key.as_str(), "the-key"));
                named.push((format!("policy {name}"), text));
            }
        }
        let profile = |name: &str| format!("profile {name}");
        named.extend(look.profiles.iter().map(|one| (profile(&one.instance_profile_name), words_of(one))));
        let cluster = |name: Option<&str>| format!("cluster {}", name.unwrap_or_default());
        named.extend(look.clusters.iter().map(|one| (cluster(one.cluster_name()), words_of(one))));
        let configuration = |name: Option<&str>| format!("configuration {}", name.unwrap_or_default());
        named.extend(look.configurations.iter().map(|one| (configuration(one.name()), words_of(one))));
        named.extend(look.targets.iter().map(|one| ("scalable target".to_owned(), words_of(one))));
        for (zone, tags, records) in &look.zones {
            named.push((format!("zone {}", zone.name()), tags.clone()));
            named.extend(records.iter().map(|one| (format!("record {}", one.name()), words_of(one))));
        }
        let mut attributes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, text) in named {
            attributes.entry(name).or_default().extend(words(&text, &addresses, &self.id));
        }
        attributes.values_mut().for_each(|words| words.sort_unstable());
        attributes
    }
}

fn words_of(description: impl std::fmt::Debug) -> String {
    format!("{description:?}")
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
            // Fingerprints of secrets' ARNs and of a policy, which have the account's id in them.
            tag if tag.starts_with("kstack:scram") || tag == "kstack:cluster-policy" => {
                if words.next() == Some(":") {
                    words.next();
                }
                kept.push(tag.to_owned());
            }
            _ if drawn(word) => {}
            // Amazon gives another block each time, of which an address has the same end.
            ipv6 if ipv6.parse::<Ipv6Addr>().is_ok() => {
                kept.extend(ipv6.rsplit_once("::").map(|(_, end)| end.to_owned()))
            }
            _ => kept.push(match addresses.get(word) {
                Some(address) => (*address).to_owned(),
                None => without_id(word).replace(account, ""),
            }),
        }
    }
    kept
}

/// Whether it is another word each time: a time, a public address, a name of one, of an endpoint or of an MSK broker, a hosted
/// zone, a MAC, a Kafka cluster's id.
fn drawn(word: &str) -> bool {
    let block = word != "::/0" && word.parse::<ipnet::Ipv6Net>().is_ok_and(|block| block.prefix_len() < 128);
    let public = word.parse::<Ipv4Addr>().is_ok_and(|address| !address.is_private());
    let name = word.contains(".amazonaws.com") && (word.starts_with("ec2-") || word.contains(".kafka."));
    let name = name || word.starts_with("vpce-") && word.contains('.');
    let hex = [12, 13].contains(&word.len()) && word.chars().all(|c| c.is_ascii_hexdigit());
    let uuid = word.len() == 22 && word.chars().any(char::is_uppercase) && word.chars().any(char::is_lowercase);
    public
        || block
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
