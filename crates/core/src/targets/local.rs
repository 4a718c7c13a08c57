//! The cluster of a stack file as one of a few small processes: the same settings, with what a machine of one's own has not taken away.

use std::collections::BTreeMap;

use crate::engines::ec2::keys::{Brokers, Ec2, Storage, Version};
use crate::engines::msk::configuration;
use crate::engines::msk::keys::Msk;
use crate::settings;
use crate::stack::Stack;
use crate::text::many;

/// What runs.
pub(super) struct Local {
    pub kafka: Version,
    pub brokers: u32,
    /// Dedicated controllers; where there are none, the first brokers are controllers too.
    pub controllers: u32,
    pub voters: u32,
    pub copies: u32,
    pub min_insync: u32,
    /// Whether there are fewer copies than the file asks for.
    fewer: bool,
    /// The file's own settings.
    pub settings: BTreeMap<String, String>,
    /// Whether only users of the file are let in, with what it lets them do.
    pub users: bool,
    /// What is not as it is in AWS, a sentence each.
    pub differs: Vec<String>,
}

/// The releases of Kafka that MSK's `x` stands for, and the last of each that Apache has as an image. Before 3.9 brokers and controllers
/// don't find each other as kstack's hosts do.
const LAST: [Version; 3] = [Version(3, 9, 1), Version(4, 0, 1), Version(4, 1, 1)];
/// What serverless clusters stand for.
const SERVERLESS: Version = Version(3, 9, 1);

/// Settings that count copies, which can't be more than brokers.
const COPIES: &str = "replication.factor";
const MIN_INSYNC: [&str; 2] = ["min.isr", "min.insync.replicas"];

impl Local {
    /// The cluster of `stack`: every node of it, or as many brokers, which are controllers too.
    pub fn of(stack: &Stack, brokers: Option<u32>) -> Local {
        let mut differs = Vec::new();
        let mut ec2 = match (&stack.cluster.ec2, &stack.cluster.msk) {
            (Some(ec2), _) => ec2.clone(),
            (None, msk) => of_msk(stack, msk.as_ref(), &mut differs),
        };
        if let Some(count) = brokers {
            if ec2.controllers.is_some() {
                differs.push("Brokers are controllers too.".to_owned());
            }
            if count != ec2.brokers.count {
                differs.push(format!("It has {} in place of {}.", many(count, "broker"), ec2.brokers.count));
            }
            (ec2.brokers.count, ec2.combined, ec2.controllers) = (count, true, None);
        }
        let count = ec2.brokers.count;
        let asked = stack.common().settings;
        let copies = asked.copies.min(count);
        let fewer = copies < asked.copies;
        let min_insync = if fewer { asked.min_insync.min(copies.saturating_sub(1).max(1)) } else { asked.min_insync };
        if fewer {
            differs.push(format!(
                "Each partition has {copies} of its {} copies, and a write needs {min_insync} of them.",
                asked.copies
            ));
        }
        let mut settings = settings::others(&ec2.config);
        for (name, value) in &mut settings {
            limit(name, value, count, min_insync, fewer);
        }
        let users = stack.users().next().is_some();
        let controllers = match ec2.combined {
            true => 0,
            false => ec2.controllers.as_ref().map_or(0, |controllers| controllers.count),
        };
        security(stack, &ec2, users, &mut differs);
        Local {
            kafka: ec2.kafka,
            brokers: count,
            controllers,
            voters: ec2.voters(),
            copies,
            min_insync,
            fewer,
            settings,
            users,
            differs,
        }
    }

    /// Copies of a topic that asks for this many.
    pub fn copies_of(&self, asked: Option<u32>) -> u32 {
        asked.unwrap_or(self.copies).min(self.brokers)
    }

    /// The settings of a topic.
    pub fn topic_settings<'a>(&self, config: &'a BTreeMap<String, String>) -> BTreeMap<&'a str, String> {
        let one = |(name, value): (&'a String, &String)| {
            let mut value = value.clone();
            limit(name, &mut value, self.brokers, self.min_insync, self.fewer);
            (name.as_str(), value)
        };
        config.iter().map(one).collect()
    }
}

/// Lowers a count of copies to what `brokers` can have.
fn limit(name: &str, value: &mut String, brokers: u32, min_insync: u32, fewer: bool) {
    let most = match name {
        _ if name.ends_with(COPIES) => brokers,
        _ if fewer && MIN_INSYNC.iter().any(|end| name.ends_with(end)) => min_insync,
        _ => return,
    };
    if value.trim().parse::<i64>().is_ok_and(|asked| asked > i64::from(most)) {
        *value = most.to_string();
    }
}

/// Brokers that have what MSK's have.
fn of_msk(stack: &Stack, msk: Option<&Msk>, differs: &mut Vec<String>) -> Ec2 {
    let count = msk.and_then(|msk| msk.brokers.as_ref()).map_or(3, |brokers| brokers.count);
    let mut ec2 =
        Ec2::combined(Brokers { count, instance_type: String::new(), storage: Storage::DERIVED, generation: 0 });
    let named = msk.and_then(|msk| msk.kafka.as_ref());
    ec2.kafka = named.map_or(SERVERLESS, |version| {
        let (major, minor, patch) = version.numbers();
        let last = LAST.into_iter().rev().find(|last| (last.0, last.1) <= (major, minor)).unwrap_or(LAST[0]);
        match (last.0, last.1) == (major, minor) {
            true if patch == u32::MAX => last,
            true => Version(major, minor, patch),
            // Newer than the table, or older than what can run here.
            false if (major, minor) > (last.0, last.1) && patch != u32::MAX => Version(major, minor, patch),
            false if (major, minor) > (last.0, last.1) => Version(major, minor, 0),
            false => last,
        }
    });
    let told = named.map_or_else(|| "a serverless cluster".to_owned(), |version| format!("MSK's {version}"));
    differs.push(format!("Apache Kafka {} runs in place of {told}.", ec2.kafka));
    if named.is_some_and(|version| !version.is_kraft()) && ec2.kafka.0 < 4 {
        differs.push("Metadata are kept by KRaft, and not by ZooKeeper.".to_owned());
    }
    if msk.is_some_and(|msk| msk.configuration.is_some()) {
        differs.push("The settings of the configuration that the file names are not known here.".to_owned());
    }
    let settings = msk.and_then(|msk| configuration::server_properties(msk, stack.common().settings));
    ec2.config = settings.unwrap_or_default();
    ec2.config.remove("custom.advertised.listeners");
    // MSK's own default, which ZooKeeper's versions have as well.
    differs.push(
        "Brokers have MSK's counts of threads and Apache's defaults otherwise; storage does not grow, and nothing is tiered."
            .to_owned(),
    );
    ec2
}

/// What is not the same of who comes in.
fn security(stack: &Stack, ec2: &Ec2, users: bool, differs: &mut Vec<String>) {
    let secured = stack.cluster.msk.is_some() || ec2.listeners.secured();
    match (users, secured) {
        (true, _) => {
            differs.push(
                "Nothing is encrypted. Every user of the file comes with a password, which is its name, whatever it has in AWS: a \
                 certificate, a token, or IAM. It may do what the file says."
                    .to_owned(),
            );
            differs.push(
                "Port 9091 inside of the network is the brokers' own: whoever reaches it there is a super user."
                    .to_owned(),
            );
        }
        (false, true) => differs.push(
            "The file has no users: whoever reaches a broker may do everything, without encryption or a password."
                .to_owned(),
        ),
        (false, false) => {}
    }
    if !ec2.listeners.others.is_empty() {
        differs.push("There are no listeners for other networks.".to_owned());
    }
    if ec2.brokers.storage.volumes > 1 {
        differs.push("Each broker has one volume.".to_owned());
    }
    if ec2.templates.is_some() {
        differs.push("Templates of your own are not used.".to_owned());
    }
}
