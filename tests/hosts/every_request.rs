//! A change of everything that Kafka has, over a real secured Kafka, cut at each of its requests: the process dies before it, dies after
//! it, or gets no answer to it. What Kafka has is looked at after each, and the last run leaves what the file says and nothing else.
//!
//! It dies after each request, and before every third; one request of each sort gets no answer. `KSTACK_SWEEP=all` takes all of both.

use std::collections::{BTreeMap, BTreeSet};

use kstack_core::check::parse;
use kstack_core::file::{Mechanism, Operation};
use kstack_core::rights::{EVERY_HOST, Right, rights};

use crate::processes::kstack_command;
use crate::room::{beside, block};
use crate::support::Run;
use crate::table::Site;
use crate::topics::steps;

/// Kafka's keys of the requests that change something, and their names.
const CHANGING: [(i16, &str); 8] = [
    (19, "CreateTopics"),
    (20, "DeleteTopics"),
    (30, "CreateAcls"),
    (31, "DeleteAcls"),
    (37, "CreatePartitions"),
    (44, "IncrementalAlterConfigs"),
    (49, "AlterClientQuotas"),
    (51, "AlterUserScramCredentials"),
];

/// A change has fewer requests that change something than this.
const MANY: usize = 60;

/// The stack without what is in its Kafka.
fn base(turn: usize) -> String {
    format!(
        "apiVersion: kstack/v1\nname: every\nregion: us-east-1\nnetwork: {{cidr: 10.{}.0.0/16, nat: single, endpoints: [ssm]}}\n\
         workload: {{ingress: 1 MiB/s, retention: 1d}}\ncluster:\n  ec2:\n    kafka: 4.1.1\n    combined: true\n    \
         listeners: {{scram: true}}\n    config: {{message.max.bytes: {}}}\n    brokers: {{count: 3, instance_type: t4g.medium}}\n",
        block(),
        2_000_000 + turn,
    )
}

/// The file of a turn. From one turn to the next, a topic is made and another is absent; one gets more partitions and other settings; a
/// user comes with a password, a quota and rights, and another goes; a third gets another quota, and rights that have nothing in common
/// with those before, of which one denies; and a setting of the brokers changes.
fn file(turn: usize) -> String {
    let gone = turn.checked_sub(1).map(|before| format!("  made-{before}: {{absent: true}}\n")).unwrap_or_default();
    let clerk = match turn % 2 {
        0 => "consume: {topics: [steady], groups: [clerk]}",
        _ => "acls: [{topic: \"*\", allow: [all], deny: [delete]}]",
    };
    format!(
        "{}topics:\n  steady: {{partitions: {}, config: {{retention.ms: {}}}}}\n  made-{turn}: {{partitions: 2}}\n{gone}\
         access:\n  users:\n    user-{turn}:\n      produce: [made-{turn}]\n      quota: {{produce: {} KiB/s}}\n    \
         clerk:\n      {clerk}\n      quota: {{consume: {} KiB/s}}\n",
        base(turn),
        1 + turn,
        86_400_000 + turn,
        100 + turn,
        200 + turn,
    )
}

/// What a file has of Kafka's.
#[derive(Debug, PartialEq)]
struct Inside {
    /// Each with its partitions and settings.
    topics: BTreeMap<String, (u32, BTreeMap<String, String>)>,
    users: BTreeMap<String, User>,
}

#[derive(Debug, Default, PartialEq)]
struct User {
    password: bool,
    rights: BTreeSet<Right>,
    quota: String,
}

impl Inside {
    fn of(text: &str) -> Inside {
        let parsed = parse("every.yaml", text).unwrap_or_else(|report| panic!("{text}\n{}", report.render(false)));
        let topics = parsed.stack.topics.iter().filter(|(_, topic)| !topic.absent);
        let topics = topics.map(|(name, topic)| (name.clone(), (topic.partitions(), topic.config.clone()))).collect();
        let users = parsed.stack.users().map(|(name, mechanism, user)| {
            let quota = format!("{:?}", user.quota);
            (name.to_owned(), User { password: mechanism == Mechanism::Scram, rights: rights(user), quota })
        });
        Inside { topics, users: users.collect() }
    }

    /// Whether the user may do this to what has this name.
    fn may(&self, user: &str, asked: &Right) -> bool {
        let matches = |right: &&Right| {
            let name = right.name == asked.name || right.name == "*" && !right.prefixed;
            let operation = right.operation == Operation::All || right.operation == asked.operation;
            right.resource == asked.resource && name && operation
        };
        let Some(user) = self.users.get(user) else { return false };
        let matching: Vec<&Right> = user.rights.iter().filter(matches).collect();
        !matching.is_empty() && matching.iter().all(|right| right.allows)
    }
}

/// Sees that what Kafka has now is on the way from one to the other, and that nobody may do what it may do neither before nor afterwards.
fn on_the_way(now: &Inside, before: &Inside, after: &Inside) {
    for (name, topic) in &now.topics {
        let of = [before.topics.get(name), after.topics.get(name)];
        let partitions = of.iter().flatten().any(|one| one.0 == topic.0);
        let settings = of.iter().flatten().any(|one| one.1 == topic.1);
        assert!(partitions && settings, "{name}: {topic:?}, and not {of:?}");
    }
    let stays = |name: &&String| after.topics.contains_key(*name) && !now.topics.contains_key(*name);
    assert_eq!(before.topics.keys().find(stays), None, "a topic of both is not there: {now:?}");
    let all = [now, before, after].map(|one| one.users.values().flat_map(|user| &user.rights));
    let all: BTreeSet<&Right> = all.into_iter().flatten().collect();
    let names: BTreeSet<(_, &String)> = all.iter().map(|right| (right.resource, &right.name)).collect();
    for (name, user) in &now.users {
        for (resource, of) in &names {
            for operation in resource.operations() {
                let (name_of, host) = ((*of).clone(), EVERY_HOST.to_owned());
                let (resource, operation) = (*resource, *operation);
                let asked = Right { resource, name: name_of, prefixed: false, host, operation, allows: true };
                let may = [now, before, after].map(|one| one.may(name, &asked));
                assert!(!may[0] || may[1] || may[2], "{name} may {asked}, too early or too late: {now:#?}");
            }
        }
        // A name without a password is anybody's who gets to use it.
        assert!(user.password || user.rights.is_empty(), "{name} has rights and no password: {now:#?}");
        let quotas = [before, after].map(|one| one.users.get(name).map(|user| user.quota.as_str()));
        let none = format!("{:?}", kstack_core::file::Quota::NONE);
        assert!(user.quota == none || quotas.contains(&Some(&user.quota)), "{name}: {}", user.quota);
    }
}

struct Every {
    site: Site,
    file: String,
    requests: String,
}

impl Every {
    fn write(&self, text: &str) {
        std::fs::write(&self.file, text).expect("a file");
    }

    /// A run with this fault, and the requests that changed something, in order.
    fn apply(&self, fault: &str) -> (Run, Vec<i16>) {
        std::fs::write(&self.requests, "").expect("a file");
        let mut command = kstack_command(&self.site.kafka, &["apply", &self.file, "--yes", "--allow-data-loss"]);
        command.env("KSTACK_TEST_SETTLE", "0").env("KSTACK_TEST_DIE_IN_KAFKA", fault);
        let run = Run::of(command.env("KSTACK_TEST_REQUESTS", &self.requests));
        let text = std::fs::read_to_string(&self.requests).expect("what was asked");
        let changing = |key: &i16| CHANGING.iter().any(|(one, _)| one == key);
        (run, text.lines().filter_map(|line| line.parse().ok()).filter(changing).collect())
    }

    /// What `kstack export` prints.
    fn exported(&self) -> String {
        let exported = self.site.run(&["export", &self.file]).expect(0).out;
        assert!(!exported.contains('#'), "it has words for all of it: {exported}");
        exported
    }

    /// What Kafka has now. A name that has a quota and no password yet is exported as one of a certificate, for which brokers that have
    /// `scram` alone have no listener.
    fn now(&self, turn: usize) -> Inside {
        Inside::of(&(base(turn).replace("{scram: true}", "{scram: true, mtls: true}") + &self.exported()))
    }

    /// Sees that Kafka has what the file of the turn says, once and nothing else, and that there is nothing more to do.
    fn arrived(&self, turn: usize) {
        assert_eq!(self.now(turn), Inside::of(&file(turn)));
        assert_eq!(steps(&self.site.kafka, &self.file, &[]), Vec::<String>::new());
    }

    /// The same, as Kafka's own tools show it.
    fn shown(&self, turn: usize) {
        let admin = self.site.path("admin.properties");
        if !std::path::Path::new(&admin).exists() {
            self.site.run(&["credentials", &self.file, "--admin", "--out", &admin]).expect(0);
        }
        let live: BTreeSet<String> = self.site.live();
        let of_brokers = |line: &&String| line.starts_with("broker 2: ");
        let bytes = format!("broker 2: message.max.bytes={}", 2_000_000 + turn);
        assert!(live.contains(&bytes), "{bytes}");
        let found: BTreeSet<&str> = live.iter().filter(|line| !of_brokers(line)).map(String::as_str).collect();
        let mut expected = vec![
            format!("steady {}x3", turn + 1),
            format!("steady: retention.ms={}", 86_400_000 + turn),
            format!("made-{turn} 2x3"),
            format!("user-{turn}: SCRAM-SHA-512"),
            format!("user-{turn}: producer_byte_rate={:.1}", (100 + turn) as f64 * 1024.0),
            format!("user-{turn}: ALLOW WRITE TOPIC LITERAL made-{turn} *"),
            format!("user-{turn}: ALLOW DESCRIBE TOPIC LITERAL made-{turn} *"),
            "clerk: SCRAM-SHA-512".to_owned(),
            format!("clerk: consumer_byte_rate={:.1}", (200 + turn) as f64 * 1024.0),
        ];
        let rights: &[&str] = match turn % 2 {
            0 => &["READ TOPIC LITERAL steady", "DESCRIBE TOPIC LITERAL steady", "READ GROUP LITERAL clerk"],
            _ => &["ALL TOPIC LITERAL *"],
        };
        expected.extend(rights.iter().map(|right| format!("clerk: ALLOW {right} *")));
        expected.extend((turn % 2 == 1).then(|| "clerk: DENY DELETE TOPIC LITERAL * *".to_owned()));
        assert_eq!(found, expected.iter().map(String::as_str).collect());
    }
}

/// The requests of these keys, as they are called.
fn names(keys: &BTreeSet<i16>) -> Vec<&'static str> {
    CHANGING.iter().filter(|(key, _)| keys.contains(key)).map(|(_, name)| *name).collect()
}

#[test]
fn a_change_of_everything_in_kafka_is_cut_at_every_request() {
    let Some((_room, kafka)) = beside() else { return };
    let site = Site { kafka, folder: tempfile::tempdir().expect("a folder") };
    let every = Every { file: site.path("every.yaml"), requests: site.path("requests"), site };
    every.write(&file(0));
    every.site.run(&["apply", &every.file, "--yes"]).expect(0);
    every.arrived(0);

    // Killed before the first request that is left, or after it, until none is left.
    let whole = std::env::var_os("KSTACK_SWEEP").is_some();
    let faults: &[&str] = if whole { &["-1", "1"] } else { &["-1", "1", "1", "1"] };
    let (before, after) = (Inside::of(&file(0)), Inside::of(&file(1)));
    every.write(&file(1));
    let (mut kills, mut killed) = (0, BTreeSet::new());
    let all: BTreeSet<i16> = CHANGING.iter().map(|(key, _)| *key).collect();
    for fault in faults.iter().copied().cycle() {
        let (run, asked) = every.apply(fault);
        if run.code == 0 {
            assert!(asked.is_empty(), "before it there was something left: {run}");
            break;
        }
        assert_eq!(run.code, -1, "it is killed: {run}");
        assert_eq!(asked.len(), usize::from(fault == "1"), "{asked:?}");
        killed.extend(asked);
        kills += 1;
        every.site.run(&["unlock", &every.file, "--yes"]).expect(0);
        on_the_way(&every.now(1), &before, &after);
        assert!(kills < MANY, "it comes to no end");
    }
    assert_eq!(names(&killed), names(&all));
    every.arrived(1);
    every.shown(1);

    // A change more for each of its requests, or sorts of them, whose answer is lost.
    let (mut turn, mut lost) = (1, BTreeSet::new());
    let mut asked = loop {
        let nth = turn;
        turn += 1;
        every.write(&file(turn));
        let (run, now) = every.apply(&format!("~{nth}"));
        run.expect(0);
        every.arrived(turn);
        if now.len() < nth {
            break now;
        }
        lost.insert(now[nth - 1]);
        if !whole {
            break now;
        }
        assert!(turn < MANY, "it comes to no end");
    };
    // Requests come in another order each time: a sort that was missed has its own turn.
    while let Some(missed) = all.difference(&lost).next() {
        turn += 1;
        every.write(&file(turn));
        let nth = asked.iter().position(|key| key == missed).expect("it is asked in each turn") + 1;
        let (run, now) = every.apply(&format!("~{nth}"));
        run.expect(0);
        every.arrived(turn);
        lost.extend(now.get(nth - 1));
        asked = now;
        assert!(turn < MANY, "it comes to no end");
    }
    every.shown(turn);
    println!("{kills} runs were killed at a request; {} got no answer to one.", turn - 2);

    // What is exported can be pasted into a file that has nothing of it.
    every.write(&(base(turn) + &every.exported()));
    assert_eq!(steps(&every.site.kafka, &every.file, &[]), Vec::<String>::new());
    every.site.run(&["destroy", &every.file, "--yes"]).expect(0);
    every.site.run(&["sandbox", "stop"]);
}
