//! Zones that are out, and zones that were emptied.

use super::*;

/// Two brokers and a controller in each of three zones.
fn in_zones() -> Seen {
    let mut seen = well();
    for node in [4, 5, 6] {
        seen.hosts.insert(name(node), host(node));
        let mut broker = seen.told().brokers[0].clone();
        broker.id = node;
        seen.told().brokers.push(broker);
    }
    for (at, one) in seen.told().partitions.values_mut().enumerate() {
        let replicas = [[1, 2, 3], [4, 5, 6], [1, 5, 3]][at].to_vec();
        (one.leader, one.in_sync) = (replicas.first().copied(), replicas.clone());
        one.held = replicas.iter().map(|id| (*id, 10 << 30)).collect();
        one.replicas = replicas;
    }
    for one in seen.hosts.values_mut() {
        one.zone = ["c", "a", "b"][(one.node % 1000 % 3) as usize].to_owned();
    }
    seen
}

#[test]
fn a_zone_whose_hosts_lost_everything_comes_back_broker_by_broker() {
    let mut seen = in_zones();
    for node in [3, 6] {
        seen.lose(node);
    }
    seen.told().voters.insert(1003, false);
    let controller = seen.host("controller-3");
    (controller.machine, controller.lost) = (Machine::Gone, vec!["controller-3".to_owned()]);
    let verdict = seen.decide(Some(0));
    assert!(
        said(&verdict).starts_with("The zone c is out: broker-3, broker-6 and controller-3 are not well"),
        "{}",
        said(&verdict)
    );
    assert_eq!(verdict.remedy, Some(Remedy::Replace("broker-3".to_owned())), "{}", said(&verdict));
    assert!(
        said(&verdict)
            .contains("It votes in the controllers' quorum, and has forgotten what it voted for. Run `kstack apply`")
    );
    // Without its asking they wait, each for as long as was asked.
    assert_eq!(seen.decide(None).remedy, None);
    // One is back; what it had is in sync, and the next one follows.
    let back = seen.host("broker-3");
    (back.machine, back.lost) = (Machine::Runs, Vec::new());
    for broker in seen.told().brokers.iter_mut().filter(|one| one.id == 3) {
        (broker.fenced, broker.silent) = (false, false);
    }
    let verdict = seen.decide(Some(0));
    assert_eq!(verdict.remedy, None, "it is behind still: {}", said(&verdict));
    // Where the run that brought it back died, the next one goes on with that: nobody else would lift its throttle.
    let mut cut = seen.clone();
    let lists = Lists { leader: vec![fetch_entry(0, 1)], follower: vec![fetch_entry(0, 3)] };
    cut.told().lists.insert("orders".to_owned(), lists);
    assert_eq!(cut.decide(Some(0)).remedy, Some(Remedy::Fetch("broker-3".to_owned())));
    for one in seen.told().partitions.values_mut().filter(|one| one.replicas.contains(&3)) {
        one.in_sync.clone_from(&one.replicas);
    }
    assert_eq!(seen.decide(Some(0)).remedy, Some(Remedy::Replace("broker-6".to_owned())));
    // Another zone's host beside it is a second loss.
    seen.out(1);
    seen.host("broker-1").machine = Machine::Gone;
    let verdict = seen.decide(Some(0));
    assert_ne!(verdict.remedy, Some(Remedy::Replace("broker-6".to_owned())), "{}", said(&verdict));
}

#[test]
fn a_zone_that_is_down_comes_back_one_host_at_a_time_controllers_first() {
    let mut seen = in_zones();
    for node in [3, 6] {
        seen.out(node);
    }
    seen.told().voters.insert(1003, false);
    for host in ["broker-3", "broker-6", "controller-3"] {
        seen.host(host).machine = Machine::Stopped;
    }
    let verdict = seen.decide(None);
    assert_eq!(verdict.remedy, Some(Remedy::Start("controller-3".to_owned())), "{}", said(&verdict));
    assert!(said(&verdict).contains("The zone c is out"), "{}", said(&verdict));
    // A second zone's controller is one of a quorum too many.
    seen.told().voters.insert(1001, false);
    seen.host("controller-1").machine = Machine::Stopped;
    let verdict = seen.decide(None);
    assert_eq!(verdict.remedy, None, "{}", said(&verdict));
    assert!(
        said(&verdict).contains("Only 1 of 3 controllers would be left that are up to date."),
        "{}",
        said(&verdict)
    );
}

#[test]
fn a_broker_that_was_emptied_may_stay_down() {
    let mut seen = in_zones();
    for node in [3, 6] {
        seen.out(node);
        seen.host(&name(node)).machine = Machine::Stopped;
    }
    for one in seen.told().partitions.values_mut() {
        one.replicas.retain(|id| ![3, 6].contains(id));
    }
    let mark = crate::moves::Mark { left: crate::moves::Left::Replicas, zone: "c".to_owned() };
    assert_eq!(seen.decide(None).remedy, Some(Remedy::Start("broker-3".to_owned())));
    seen.told().evacuated = [3, 6].map(|id| (id, mark.clone())).into();
    assert_eq!(seen.decide(None), Verdict::default());
    // What is down elsewhere comes back beside it.
    seen.out(1);
    seen.host("broker-1").machine = Machine::Stopped;
    assert_eq!(seen.decide(None).remedy, Some(Remedy::Start("broker-1".to_owned())));
    // One that only leads nothing is missed.
    seen.told().evacuated.values_mut().for_each(|mark| mark.left = crate::moves::Left::Leaders);
    assert!(said(&seen.decide(None)).contains("broker-3 is stopped."));
}
