use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::moves::{Broker, Disk, Lists, Partition, Rates, fetch_entry, own_rate};

mod zones;

const NOW: &str = "2026-03-01T10:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn host(node: u32) -> Host {
    Host {
        node,
        zone: format!("zone-{node}"),
        broker: node < 1000,
        votes: node > 1000,
        machine: Machine::Runs,
        lost: Vec::new(),
        failed: Vec::new(),
        own_disks: false,
        addressed: true,
        volume_bytes: 100 << 30,
        lost_since: None,
    }
}

fn name(node: u32) -> String {
    if node < 1000 { format!("broker-{node}") } else { format!("controller-{}", node - 1000) }
}

/// Three brokers and three controllers, all well, and a topic of three replicas.
fn well() -> Seen {
    let nodes = [1, 2, 3, 1001, 1002, 1003];
    let broker = |id| Broker {
        id,
        rack: None,
        fenced: false,
        silent: false,
        disk: Some(Disk { total: 100 << 30, usable: 60 << 30 }),
    };
    let one = Partition {
        replicas: vec![1, 2, 3],
        in_sync: vec![1, 2, 3],
        leader: Some(1),
        held: [1, 2, 3].map(|id| (id, 10 << 30)).into(),
    };
    let view = View {
        quorum: Some(Vec::new()),
        voters: [1001, 1002, 1003].map(|id| (id, true)).into(),
        brokers: [1, 2, 3].map(broker).into(),
        partitions: (0..3).map(|index| (("orders".to_owned(), index), one.clone())).collect(),
        ..View::default()
    };
    Seen {
        hosts: nodes.map(|node| (name(node), host(node))).into(),
        view: Ok(view),
        leaving: Vec::new(),
        pending: None,
        interrupted: false,
    }
}

impl Seen {
    fn host(&mut self, name: &str) -> &mut Host {
        self.hosts.get_mut(name).expect("a host")
    }

    fn told(&mut self) -> &mut View {
        self.view.as_mut().expect("a view")
    }

    /// The broker is out, and the controllers have noticed.
    fn out(&mut self, node: u32) {
        let view = self.told();
        let broker = view.brokers.iter_mut().find(|one| one.id == node).expect("a broker");
        (broker.fenced, broker.silent) = (true, true);
        for one in view.partitions.values_mut() {
            one.in_sync.retain(|id| *id != node);
            one.held.remove(&node);
            one.leader = one.in_sync.first().copied();
        }
    }

    fn lose(&mut self, node: u32) {
        self.out(node);
        let host = self.host(&name(node));
        (host.machine, host.lost) = (Machine::Gone, vec![name(node)]);
    }

    fn decide(&self, after: Option<i64>) -> Verdict {
        decide(self, Asked { now: at(NOW), replace_after: after.map(SignedDuration::from_mins) })
    }
}

fn said(verdict: &Verdict) -> String {
    verdict.wrong.iter().map(|one| format!("{} {}\n", one.what, one.then)).collect()
}

#[test]
fn a_stack_that_is_well_is_left_alone() {
    assert_eq!(well().decide(Some(0)), Verdict::default());
}

#[test]
fn a_host_that_is_down_comes_back_on_its_volumes() {
    for (machine, remedy) in [
        (Machine::Stopped, Remedy::Start("broker-2".to_owned())),
        (Machine::Gone, Remedy::Anew("broker-2".to_owned())),
        (Machine::Impaired("fails EC2's checks".to_owned()), Remedy::Restart("broker-2".to_owned())),
    ] {
        let mut seen = well();
        seen.out(2);
        seen.host("broker-2").machine = machine;
        let verdict = seen.decide(None);
        assert_eq!(verdict.remedy, Some(remedy), "{}", said(&verdict));
        assert_eq!(verdict.wrong.len(), 1);
    }
}

#[test]
fn what_may_not_be_done_is_said_with_what_helps() {
    type Change = fn(&mut Seen);
    let rows: [(&str, Change, &str); 15] = [
        (
            "Kafka is not asked",
            |seen| seen.view = Err("no broker is reachable".to_owned()),
            "Kafka can't be asked: no broker is reachable.",
        ),
        ("the controllers were not asked", |seen| seen.told().quorum = None, "The controllers don't answer."),
        (
            "no controller is active",
            |seen| seen.told().voters.values_mut().for_each(|fresh| *fresh = false),
            "Only 0 of 3 controllers",
        ),
        (
            "one controller is left",
            |seen| {
                for id in [1001, 1002] {
                    seen.told().voters.insert(id, false);
                }
            },
            "Only 1 of 3 controllers",
        ),
        ("an apply was cut off", |seen| seen.interrupted = true, "The last apply did not come to its end."),
        (
            "the file has changes",
            |seen| seen.pending = Some("broker-1 would be rolled for another `kafka`".to_owned()),
            "changes that are not applied: broker-1",
        ),
        ("another broker is silent", |seen| seen.out(3), "not well either"),
        ("another host is down", |seen| seen.host("broker-3").machine = Machine::Gone, "not well either"),
        (
            "another is starting, and out",
            |seen| {
                seen.out(3);
                seen.host("broker-3").machine = Machine::Changes;
            },
            "not well either",
        ),
        (
            "a replica elsewhere is out of sync",
            |seen| {
                let one = seen.told().partitions.get_mut(&("orders".to_owned(), 1)).expect("a partition");
                one.in_sync = vec![1];
            },
            "orders-1 has a replica out of sync on another broker.",
        ),
        (
            "nobody else has all records",
            |seen| {
                let only = Partition { replicas: vec![2], ..Partition::default() };
                seen.told().partitions.insert(("audit".to_owned(), 0), only);
            },
            "No other broker has all records of partitions of audit.",
        ),
        (
            "the controllers have not noticed",
            |seen| {
                let broker = &mut seen.told().brokers[1];
                (broker.fenced, broker.silent) = (false, false);
            },
            "The controllers take it for alive still.",
        ),
        ("its address is gone", |seen| seen.host("broker-2").addressed = false, "`kstack apply` makes it anew"),
        ("EC2 can't read a volume", |seen| seen.host("broker-2").failed = vec!["vol-1".to_owned()], "Delete it in EC2"),
        ("it votes", |seen| seen.host("broker-2").votes = true, "Run `kstack apply --allow-data-loss`"),
    ];
    for (case, change, why) in rows {
        let mut seen = well();
        seen.lose(2);
        change(&mut seen);
        let verdict = seen.decide(Some(0));
        assert!(!verdict.wrong.is_empty() && verdict.wrong.iter().all(|one| !one.then.is_empty()), "{case}");
        // One that is down comes back although another is, too; but its data is not given up.
        let replaced = matches!(verdict.remedy, Some(Remedy::Replace(_)));
        assert!(!replaced && said(&verdict).contains(why), "{case}: {:?}\n{}", verdict.remedy, said(&verdict));
    }
}

#[test]
fn lost_data_is_given_up_only_after_the_time_that_was_asked_for() {
    let mut seen = well();
    seen.lose(2);
    let verdict = seen.decide(None);
    assert!(verdict.remedy.is_none() && verdict.mark.is_empty(), "{}", said(&verdict));
    assert!(said(&verdict).contains("--replace-after 0s"), "{}", said(&verdict));
    let verdict = seen.decide(Some(15));
    assert_eq!((verdict.remedy.clone(), &verdict.mark[..]), (None, &["broker-2".to_owned()][..]));
    assert!(said(&verdict).contains("from 2026-03-01 10:15 UTC on"), "{}", said(&verdict));
    for (since, due) in [("2026-03-01T09:45:01Z", false), ("2026-03-01T09:45:00Z", true)] {
        seen.host("broker-2").lost_since = Some(at(since));
        let verdict = seen.decide(Some(15));
        assert_eq!(verdict.remedy.is_some(), due, "{since}: {}", said(&verdict));
        assert!(verdict.mark.is_empty() && verdict.unmark.is_empty());
    }
    // Another run's clock may be ahead by a second.
    seen.host("broker-2").lost_since = Some(at("2026-03-01T10:00:01Z"));
    assert_eq!(seen.decide(Some(0)).remedy, Some(Remedy::Replace("broker-2".to_owned())));
    assert_eq!(seen.decide(Some(1)).remedy, None);
    // What was noted of it is void once the volume is there again.
    let mut seen = well();
    seen.host("broker-2").lost_since = Some(at("2026-03-01T09:00:00Z"));
    let verdict = seen.decide(Some(15));
    assert_eq!((verdict.is_well(), &verdict.unmark[..]), (true, &["broker-2".to_owned()][..]));
}

#[test]
fn disks_of_an_instance_are_lost_with_it() {
    for machine in [Machine::Gone, Machine::Stopped] {
        let mut seen = well();
        seen.out(2);
        let host = seen.host("broker-2");
        (host.machine, host.own_disks) = (machine, true);
        assert_eq!(seen.decide(None).remedy, None);
        assert_eq!(seen.decide(Some(0)).remedy, Some(Remedy::Replace("broker-2".to_owned())));
    }
    let mut seen = well();
    seen.out(2);
    let host = seen.host("broker-2");
    (host.machine, host.own_disks) = (Machine::Impaired("fails EC2's checks".to_owned()), true);
    let verdict = seen.decide(Some(0));
    assert!(verdict.remedy.is_none() && said(&verdict).contains("Reboot it in EC2"), "{}", said(&verdict));
}

#[test]
fn of_several_that_are_down_one_comes_back_and_controllers_first() {
    let mut seen = well();
    seen.out(1);
    seen.out(2);
    seen.told().voters.insert(1003, false);
    for name in ["broker-1", "broker-2", "controller-3"] {
        seen.host(name).machine = Machine::Stopped;
    }
    let verdict = seen.decide(None);
    assert_eq!(verdict.remedy, Some(Remedy::Start("controller-3".to_owned())), "{}", said(&verdict));
    assert_eq!(verdict.wrong.len(), 3);
    assert!(said(&verdict).contains("broker-2 is stopped. One host is brought back at a time"), "{}", said(&verdict));
}

#[test]
fn an_impaired_host_whose_kafka_serves_is_left_alone() {
    let mut seen = well();
    seen.host("broker-2").machine = Machine::Impaired("fails EC2's checks".to_owned());
    let verdict = seen.decide(None);
    assert!(verdict.remedy.is_none() && said(&verdict).contains("serves all the same"), "{}", said(&verdict));
}

#[test]
fn what_an_earlier_run_began_is_brought_to_its_end() {
    let mut seen = well();
    let lists = Lists { leader: vec![fetch_entry(0, 1)], follower: vec![fetch_entry(0, 2)] };
    seen.told().lists.insert("orders".to_owned(), lists);
    seen.told().rates.insert(1, Rates { leader: Some(own_rate(1 << 24)), follower: None });
    assert_eq!(seen.decide(None).remedy, Some(Remedy::Fetch("broker-2".to_owned())));
    // While its host is down that is what is put right.
    seen.out(2);
    seen.host("broker-2").machine = Machine::Stopped;
    assert_eq!(seen.decide(None).remedy, Some(Remedy::Start("broker-2".to_owned())));
}

#[test]
fn a_full_disk_is_told_with_what_helps() {
    let mut seen = well();
    seen.told().brokers[1].disk = Some(Disk { total: 100 << 30, usable: 9 << 30 });
    for one in seen.told().partitions.values_mut() {
        one.held.insert(2, 20 << 30);
    }
    let kept = [("orders".to_owned(), Kept { retention_ms: 7 * 86_400_000 })].into();
    let view = seen.view.clone().expect("a view");
    let all = full(&view, &seen.hosts, 1, &kept, "prod.yaml");
    assert_eq!(
        all,
        [Wrong {
            what: "The disk of broker-2 is full: 9 GiB of 100 GiB are left.".to_owned(),
            then: "Write `storage: {size: 114 GiB}` below `brokers` into prod.yaml and run `kstack apply`: EBS makes volumes larger while they are \
                   in use, at most 4 times within 24 hours. It costs more from then on, so it is not done here. Or keep less: half of its retention \
                   frees of orders (60 GiB on it, kept for 7 days) up to 30 GiB."
                .to_owned(),
        }]
    );
    assert!(full(&View { quorum: None, ..view }, &seen.hosts, 1, &kept, "prod.yaml").is_empty());
    // One that has stopped for it is asked for nothing: what its partitions have elsewhere tells.
    seen.out(2);
    for one in seen.told().partitions.values_mut() {
        one.held.values_mut().for_each(|bytes| *bytes = 31 << 30);
    }
    let verdict = seen.decide(None);
    assert!(
        verdict.remedy.is_none() && said(&verdict).contains("Its disk may be full: its partitions have 93 GiB"),
        "{}",
        said(&verdict)
    );
}

fn machine() -> impl Strategy<Value = Machine> {
    prop_oneof![
        6 => Just(Machine::Runs),
        1 => Just(Machine::Changes),
        1 => Just(Machine::Impaired("fails EC2's checks".to_owned())),
        1 => Just(Machine::Stopped),
        1 => Just(Machine::Gone),
    ]
}

prop_compose! {
    /// Up to five brokers and controllers, apart or combined, in any state.
    fn seen()(brokers in 1..=5_u32, voters in 1..=5_u32, combined in any::<bool>())(
        hosts in proptest::collection::vec((machine(), prop::bool::weighted(0.2), prop::bool::weighted(0.1), any::<bool>()), 10),
        fenced in proptest::collection::vec(prop::bool::weighted(0.2), 5),
        fresh in proptest::collection::vec(prop::bool::weighted(0.8), 5),
        partitions in proptest::collection::vec(proptest::collection::vec(prop::bool::weighted(0.8), 5), 0..6),
        silent in prop::bool::weighted(0.1),
        unasked in prop::bool::weighted(0.1),
        pending in prop::bool::weighted(0.1),
        interrupted in prop::bool::weighted(0.1),
        brokers in Just(brokers), voters in Just(voters), combined in Just(combined),
    ) -> Seen {
        let voting: BTreeSet<u32> =
            if combined { (1..=brokers).collect() } else { (1001..=1000 + voters).collect() };
        let nodes: BTreeSet<u32> = (1..=brokers).chain(voting.iter().copied()).collect();
        let hosts = nodes.iter().zip(&hosts).map(|(node, (machine, lost, own_disks, seen))| {
            let host = Host {
                votes: voting.contains(node),
                machine: machine.clone(),
                lost: if *lost { vec![name(*node)] } else { Vec::new() },
                own_disks: *own_disks && !voting.contains(node),
                lost_since: seen.then(|| at("2026-03-01T09:50:00Z")),
                ..host(*node)
            };
            (name(*node), host)
        });
        let broker = |(id, fenced): (u32, &bool)| Broker { id, rack: None, fenced: *fenced, silent: *fenced, disk: None };
        let partition = |in_sync: &Vec<bool>| Partition {
            replicas: (1..=brokers).collect(),
            in_sync: (1..=brokers).zip(in_sync).filter(|(_, is)| **is).map(|(id, _)| id).collect(),
            ..Partition::default()
        };
        let view = View {
            quorum: (!unasked).then(Vec::new),
            voters: voting.iter().copied().zip(fresh).collect(),
            brokers: (1..=brokers).zip(&fenced).map(broker).collect(),
            partitions: partitions.iter().zip(0..).map(|(one, index)| (("orders".to_owned(), index), partition(one))).collect(),
            ..View::default()
        };
        Seen {
            hosts: hosts.collect(),
            leaving: Vec::new(),
            view: if silent { Err("no broker is reachable".to_owned()) } else { Ok(view) },
            pending: pending.then(|| "broker-1 would be rolled".to_owned()),
            interrupted,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn nothing_is_done_that_could_lose_a_quorum_or_records(seen in seen(), after in prop_oneof![Just(None), Just(Some(0)), Just(Some(10)), Just(Some(20))]) {
        let verdict = seen.decide(after);
        prop_assert!(verdict.wrong.iter().all(|one| !one.what.is_empty() && !one.then.is_empty()), "{}", said(&verdict));
        let Some(remedy) = &verdict.remedy else { return Ok(()) };
        let host = &seen.hosts[remedy.host()];
        // Nothing without the controllers' word, nor beside another change.
        let view = seen.view.as_ref().expect("asked");
        prop_assert!(view.quorum.is_some() && !seen.interrupted);
        let fresh = view.voters.iter().filter(|(id, fresh)| **fresh && **id != host.node).count();
        prop_assert!(fresh * 2 > view.voters.len() || view.voters.len() <= 2, "{remedy:?} leaves {fresh} voters");
        let others = || view.brokers.iter().filter(|one| one.id != host.node);
        let down = |id: u32| matches!(seen.hosts[&name(id)].machine, Machine::Stopped | Machine::Gone);
        match remedy {
            Remedy::Start(_) => prop_assert_eq!(&host.machine, &Machine::Stopped),
            Remedy::Anew(_) => prop_assert!(host.machine == Machine::Gone && seen.pending.is_none()),
            _ => {}
        }
        match remedy {
            Remedy::Start(_) | Remedy::Anew(_) => {
                prop_assert!(host.lost.is_empty() && !host.own_disks);
                prop_assert!(others().all(|one| one.is_fit() || down(one.id)));
            }
            _ => prop_assert!(others().all(Broker::is_fit), "{remedy:?} beside another that is out"),
        }
        if let Remedy::Replace(_) = remedy {
            prop_assert!(!host.votes && seen.pending.is_none());
            let elsewhere = |one: &Partition| one.in_sync.iter().any(|id| *id != host.node);
            prop_assert!(view.partitions.values().filter(|one| one.replicas.contains(&host.node)).all(elsewhere));
            let since = host.lost_since.map_or(0, |since| at(NOW).duration_since(since).as_mins());
            prop_assert!(after.is_some_and(|after| since >= after));
        }
    }
}

#[test]
fn nothing_of_a_host_that_is_well_is_wrong() {
    let seen = well();
    let none: BTreeMap<String, Kept> = BTreeMap::new();
    assert!(full(seen.view.as_ref().expect("a view"), &seen.hosts, 1, &none, "prod.yaml").is_empty());
}
