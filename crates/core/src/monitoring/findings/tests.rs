use super::*;

fn seen() -> Seen<'static> {
    let kafka = Kafka { active_controller: true, ..Kafka::default() };
    Seen { file: "prod.yaml", kafka: Some(Ok(kafka)), ..Seen::default() }
}

fn with(kafka: Kafka) -> Seen<'static> {
    Seen { kafka: Some(Ok(kafka)), ..seen() }
}

fn ill() -> Kafka {
    Kafka { active_controller: false, offline: 1, under_min_insync: 4, under_replicated: 9, ..Kafka::default() }
}

#[test]
fn a_well_stack_has_no_findings() {
    assert_eq!(findings(&seen()), []);
    assert_eq!(findings(&Seen { msk: Some("ACTIVE"), ..seen() }), []);
}

#[test]
fn each_thing_that_is_not_well_is_said_with_what_helps() {
    let kafka = || Kafka { active_controller: true, ..Kafka::default() };
    let rows: [(Seen<'_>, Severity, &str, &str); 16] = [
        (with(Kafka { active_controller: false, ..kafka() }), Severity::Page, "No controller is active", "journalctl"),
        (with(Kafka { offline: 1, ..kafka() }), Severity::Page, "1 partition has no leader", "bring those back"),
        (with(Kafka { offline: 2, ..kafka() }), Severity::Page, "2 partitions have no leader", "elect no other"),
        (with(Kafka { under_min_insync: 3, ..kafka() }), Severity::Page, "3 partitions refuse writes", "roll nothing"),
        (with(Kafka { under_replicated: 6, ..kafka() }), Severity::Ticket, "6 partitions have a replica", "look again"),
        (
            with(Kafka { not_serving: vec!["broker 2 is fenced".to_owned()], ..kafka() }),
            Severity::Ticket,
            "Broker 2 is fenced.",
            "`journalctl --unit kafka`",
        ),
        (
            Seen { down: vec!["broker-2 (stopped)".to_owned()], ..seen() },
            Severity::Page,
            "broker-2 (stopped)",
            "`kstack apply prod.yaml`",
        ),
        (
            Seen { ended: vec!["broker-2".to_owned()], ..seen() },
            Severity::Page,
            "have ended",
            "`kstack recover prod.yaml`",
        ),
        (
            Seen { ending: vec!["broker-2".to_owned()], ..seen() },
            Severity::Ticket,
            "end soon",
            "`kstack apply prod.yaml`",
        ),
        (
            Seen { serving_others: vec!["broker-2 (1)".to_owned()], ..seen() },
            Severity::Ticket,
            "other certificates than they should have started with: broker-2 (1)",
            "roll them",
        ),
        (Seen { interrupted: true, ..seen() }, Severity::Ticket, "was not completed", "`kstack apply prod.yaml`"),
        (
            Seen { kafka: Some(Err("no broker answers".to_owned())), ..seen() },
            Severity::Ticket,
            "no broker answers",
            "`--via`",
        ),
        (
            Seen { alarms: vec!["broker-1-cpu".to_owned()], place: ("eu-west-1", "prod"), ..seen() },
            Severity::Ticket,
            "are on: broker-1-cpu.",
            "--region eu-west-1 --alarm-name-prefix kstack/prod/",
        ),
        (Seen { msk: Some("FAILED"), ..seen() }, Severity::Page, "could not make", "`kstack destroy prod.yaml`"),
        (Seen { msk: Some("HEALING"), ..seen() }, Severity::Ticket, "replaces a broker", "Wait"),
        (Seen { msk: Some("MAINTENANCE"), ..seen() }, Severity::Ticket, "at work", "Wait"),
    ];
    for (seen, severity, what, remedy) in rows {
        let all = findings(&seen);
        assert_eq!(all.len(), 1, "{all:?}");
        assert_eq!(all[0].severity, severity, "{all:?}");
        assert!(all[0].what.contains(what) && all[0].remedy.contains(remedy), "{all:?}");
        assert!(all[0].what.ends_with('.') && all[0].remedy.ends_with('.'), "{all:?}");
        // MSK heals by itself, and whatever else is ill is helped by a command or in EC2.
        let named = ["`", "Wait", "in EC2"].iter().any(|how| all[0].remedy.contains(how));
        assert!(named, "no command: {all:?}");
    }
}

#[test]
fn the_most_urgent_comes_first_and_hosts_that_are_down_are_the_remedy() {
    let seen = Seen { down: vec!["broker-1".to_owned()], interrupted: true, ..with(ill()) };
    let all = findings(&seen);
    assert!(all.is_sorted_by_key(|one| one.severity), "{all:?}");
    assert_eq!(all.len(), 5, "replicas out of sync are not said beside partitions that are worse off: {all:?}");
    let of_kafka = all.iter().filter(|one| one.alert.is_some());
    assert!(
        of_kafka.clone().count() == 3 && of_kafka.clone().all(|one| one.remedy.contains("Bring the hosts back")),
        "{all:?}"
    );
}

#[test]
fn what_a_roll_does_is_no_reason_to_get_up() {
    let kafka = Kafka { active_controller: true, under_replicated: 6, ..Kafka::default() };
    let seen = Seen { down: vec!["broker-1".to_owned()], being_changed: true, interrupted: true, ..with(kafka) };
    let all = findings(&seen);
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(
        all.iter().all(|one| one.severity == Severity::Ticket && one.remedy.contains("look again when that is done")),
        "{all:?}"
    );
}

#[test]
fn every_alert_that_is_named_is_one_with_a_paragraph() {
    let kafka = Kafka { not_serving: vec!["broker 2 is fenced".to_owned()], ..ill() };
    let under = with(Kafka { active_controller: true, under_replicated: 1, ..Kafka::default() });
    let runbook = include_str!("../../../../../docs/runbook.md");
    let all = [findings(&with(kafka)), findings(&under)].concat();
    let named: Vec<&str> = all.iter().filter_map(|one| one.alert).collect();
    assert_eq!(named.len(), 5, "{named:?}");
    assert!(named.iter().all(|alert| runbook.contains(&format!("## {alert}\n"))), "{named:?}");
}
