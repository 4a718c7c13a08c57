//! Workloads and settings from the file to the plan: what hosts are told, what is warned of, and what is refused.

use kstack_core::choose::PlanningInput;
use kstack_core::cloud_init::{Overrides, server_properties};
use kstack_core::design::Design;
use kstack_core::kinds::{Instance, Kind as _, Resource};
use kstack_core::model::Address;
use kstack_core::observed::Observed;
use kstack_core::plan::{applied, make_plan, render};
use kstack_core::stack::TimeSpan;

use crate::model::{Model, parsed};

fn file(workload: &str, cluster: &str) -> String {
    format!(
        "apiVersion: kstack/v1\nname: fit\nregion: us-east-1\nnetwork: {{cidr: 10.0.0.0/16, nat: single}}\n\
         workload: {{{workload}}}\ncluster: {{{cluster}}}\n"
    )
}

fn on_ec2(workload: &str, config: &str) -> String {
    let brokers = "{count: 3, instance_type: m7g.large}";
    file(workload, &format!("ec2: {{kafka: 4.1.1, combined: true, brokers: {brokers}, config: {{{config}}}}}"))
}

fn on_msk(workload: &str, config: &str) -> String {
    let brokers = "{count: 3, instance_type: kafka.m7g.large}";
    file(workload, &format!("msk: {{kafka: 3.9.x, brokers: {brokers}, config: {{{config}}}}}"))
}

fn design(text: &str) -> Design {
    let model = Model::empty("us-east-1", 3);
    let input = PlanningInput { facts: model.facts, observed: model.observed, record: None, expires: None };
    let (design, plan) = make_plan(&parsed(text).stack, &input, &Overrides::new(), false);
    design.unwrap_or_else(|| panic!("{}", render(&plan)))
}

/// The lines of all hosts' files whose names begin with one of `names`, each once.
fn lines(design: &Design, names: &[&str]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for host in &design.hosts {
        let text = server_properties(&host.cloud).expect("it renders");
        let own = text.lines().filter(|line| names.iter().any(|name| line.starts_with(name)));
        let user_data = host.user_data.text().expect("it renders");
        assert!(user_data.contains("log.dirs"), "the user data has the file");
        found.extend(own.map(str::to_owned).filter(|line| !found.contains(line)).collect::<Vec<_>>());
    }
    found
}

/// Kafka takes `log.retention.ms` before the others: a second line would make the file say one thing and the brokers do another.
#[test]
fn a_host_has_one_line_for_how_long_records_are_kept() {
    for (workload, config, line) in [
        ("retention: 7d", "", "log.retention.ms=604800000"),
        ("ingress: 1 MiB/s", "log.retention.hours: 720", "log.retention.ms=2592000000"),
        ("ingress: 1 MiB/s", "log.retention.minutes: 30", "log.retention.ms=1800000"),
        ("ingress: 1 MiB/s", "log.retention.ms: 1500", "log.retention.ms=1500"),
        ("retention: 1d", "log.retention.hours: 24, log.retention.ms: 86400000", "log.retention.ms=86400000"),
        ("retention: 1d", "log.retention.hours: 24", "log.retention.ms=86400000"),
    ] {
        let names = ["log.retention.ms", "log.retention.minutes", "log.retention.hours"];
        assert_eq!(lines(&design(&on_ec2(workload, config)), &names), [line], "{workload}, {config}");
    }
    let forever = on_ec2("partitions: 30", "log.retention.hours: -1, log.retention.bytes: 10737418240");
    assert_eq!(
        lines(&design(&forever), &["log.retention"]),
        ["log.retention.ms=-1", "log.retention.bytes=10737418240"]
    );
}

#[test]
fn a_host_has_one_line_for_each_number_of_copies() {
    let text = on_ec2("ingress: 1 MiB/s", "default.replication.factor: 2, min.insync.replicas: 1");
    assert_eq!(
        lines(&design(&text), &["default.replication", "min.insync", "offsets.topic.replication"]),
        ["min.insync.replicas=1", "default.replication.factor=2", "offsets.topic.replication.factor=2"]
    );
}

/// A configuration keeps the file's own words: another revision would restart the brokers for nothing.
#[test]
fn an_msk_configuration_has_one_source_too() {
    let retention = |workload: &str, config: &str| {
        let msk = design(&on_msk(workload, config)).msk.expect("a cluster");
        msk.properties.into_iter().filter(|one| one.starts_with("log.retention")).collect::<Vec<_>>()
    };
    assert_eq!(retention("retention: 1d", ""), ["log.retention.ms=86400000"]);
    assert_eq!(retention("ingress: 1 MiB/s", "log.retention.hours: 720"), ["log.retention.hours=720"]);
    assert_eq!(retention("ingress: 1 MiB/s", "log.retention.minutes: 30"), ["log.retention.minutes=30"]);
}

/// The sizes of the design are those of `kstack size`.
#[test]
fn volumes_are_made_for_the_settings() {
    for config in ["log.retention.hours: 720", "log.retention.ms: \"2592000000\""] {
        let load = "ingress: 2 MiB/s, partitions: 60";
        assert!(design(&on_ec2(load, config)).hosts.iter().all(|host| host.volume.size_gib == 6389), "{config}");
        let msk = design(&on_msk(load, config)).msk.expect("a cluster");
        assert_eq!(msk.provisioned.expect("brokers").volume_gib, Some(6389), "{config}");
    }
}

/// As where AWS knows an instance type that the embedded table lacks, so that no check has sized it.
#[test]
fn what_no_volume_holds_is_refused_by_the_plan_too() {
    for (text, reason) in [
        (on_ec2("ingress: 2 MiB/s", ""), "A gp3 volume has 65536 GiB at most"),
        (on_msk("ingress: 2 MiB/s", ""), "Volumes of at most 16384 GiB are"),
    ] {
        let mut parsed = parsed(&text);
        parsed.stack.workload.retention = TimeSpan(5000 * 86_400);
        let plan = Model::empty("us-east-1", 3).plan(&parsed, false);
        assert!(plan.steps.is_empty(), "{}", render(&plan));
        let [refusal] = plan.refusals.as_slice() else { panic!("{}", render(&plan)) };
        assert!(refusal.reason.starts_with(reason) && refusal.remedy.contains("keep records for"), "{refusal:?}");
    }
}

#[test]
fn what_fits_tightly_is_a_warning_of_check_and_plan() {
    let text = on_ec2("ingress: 60 MiB/s, retention: 1h", "");
    let parsed = parsed(&text);
    let of_check = parsed.warnings.render(false);
    assert!(of_check.contains("warning: the peak of 120 MiB/s is"), "{of_check}");
    assert!(of_check.contains("--> stack.yaml:5:21"), "at the ingress: {of_check}");
    let plan = Model::empty("us-east-1", 3).plan(&parsed, false);
    assert!(plan.refusals.is_empty() && !plan.steps.is_empty(), "{}", render(&plan));
    assert!(render(&plan).contains(": The peak of 120 MiB/s is"), "{}", render(&plan));
    let json = serde_json::to_value(&plan).expect("JSON");
    assert!(json["warnings"][0].as_str().is_some_and(|text| text.starts_with("The peak of 120 MiB/s")), "{json}");
}

#[test]
fn what_does_not_fit_without_a_part_is_a_warning_of_check_and_plan() {
    let text = on_ec2("ingress: 13 MiB/s, consumers: 8, retention: 1h", "");
    let parsed = parsed(&text);
    let of_check = parsed.warnings.render(false);
    assert!(of_check.contains("warning: while one broker or one zone is gone, the 2 brokers left"), "{of_check}");
    assert!(of_check.contains("--> stack.yaml:5:21"), "at the ingress: {of_check}");
    let plan = Model::empty("us-east-1", 3).plan(&parsed, false);
    assert!(plan.refusals.is_empty() && !plan.steps.is_empty(), "{}", render(&plan));
    assert!(render(&plan).contains(": While one broker or one zone is gone, the 2 brokers left"), "{}", render(&plan));
}

/// MSK's own quotas are noted once, in MSK's words.
#[test]
fn a_quota_is_said_once() {
    let warned = |text: &str| parsed(text).warnings.problems.into_iter().map(|one| one.message).collect::<Vec<_>>();
    let serverless = file("ingress: 60 MiB/s, peak: 4, partitions: 1000", "msk: {serverless: true}");
    let serverless = warned(&serverless.replace("nat: single", "nat: none"));
    assert_eq!(serverless, ["240.0 MiB/s in at the peak exceed the quota of 200 MiB/s of a serverless cluster"]);
    let partitions = warned(&on_msk("partitions: 2000", "").replace("nat: single", "nat: none"));
    assert!(partitions.len() == 1 && partitions[0].contains("above which MSK refuses updates"), "{partitions:?}");
}

#[test]
fn settings_that_cut_short_are_warned_of() {
    let warned = |text: &str, of: &str| {
        let report = parsed(text).warnings;
        assert!(report.render(false).contains(of), "{}", report.render(false));
    };
    let bytes = "log.retention.bytes: 1073741824";
    let load = "ingress: 2 MiB/s, partitions: 60";
    warned(&on_ec2(load, bytes), "partitions have 1 GiB after 8h, before the 7d of a workload without `retention`");
    warned(
        &on_msk(load, &format!("{bytes}, log.retention.hours: 720")),
        "before the 30d of `log.retention.hours` (line 6",
    );
    warned(&on_ec2(load, "log.cleanup.policy: compact"), "sizes count on those of the last 7d");
    assert_eq!(parsed(&on_ec2(load, "log.cleanup.policy: \"compact,delete\"")).warnings.problems, []);
    // What is the same twice is no contradiction.
    let same = on_ec2(
        "ingress: 2 MiB/s, retention: 30d, replication_factor: 3",
        "log.retention.hours: 720, default.replication.factor: 3, offsets.topic.replication.factor: 3",
    );
    assert_eq!(parsed(&same).warnings.problems, []);
}

/// What a host starts with is made for those that a plan starts, and is known to be taken by EC2 before one of them is stopped, whatever it is
/// rolled for.
#[test]
fn a_host_that_ec2_would_not_start_is_not_stopped() {
    let text = on_ec2("ingress: 1 MiB/s", "");
    let stack = parsed(&text).stack;
    let model = Model::empty("us-east-1", 3);
    let input = |observed| PlanningInput { facts: model.facts.clone(), observed, record: None, expires: None };
    // Letters that no compression makes fewer.
    let mut state = 1_u32;
    let mut letter = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + (state >> 24) as u8 % 26)
    };
    let noise: String = (0..60 * 1024).map(|_| letter()).collect();
    let (plain, large) = (Overrides::new(), Overrides::from([("log4j2.yaml.hbs".to_owned(), format!("# {noise}\n"))]));
    let mut observed = model.observed.clone();
    applied::apply(&make_plan(&stack, &input(observed.clone()), &plain, false).1, &mut observed);
    let rolled = |observed: &Observed, overrides: &Overrides| {
        let (design, plan) = make_plan(&stack, &input(observed.clone()), overrides, false);
        let refused = plan.refusals.iter().filter(|one| one.reason.contains("EC2 takes at most 16384")).count();
        assert_eq!(plan.refusals.len(), refused, "{}", render(&plan));
        (design.expect("a design"), plan.steps.len(), refused)
    };
    assert_eq!((rolled(&observed, &plain).1, rolled(&observed, &plain).2), (0, 0));
    let (design, steps, refused) = rolled(&observed, &large);
    assert_eq!((steps, refused), (3, 3), "another template rolls each");
    // Hosts that run with it, such as those of a kstack whose own templates were shorter.
    for host in &design.hosts {
        let live = observed.live.get_mut(&Address::new(Instance::NAME, &host.name)).expect("the host");
        let Resource::Instance(instance) = &mut live.spec else { panic!("an instance") };
        instance.config = Some(host.config.clone());
    }
    assert_eq!((rolled(&observed, &large).1, rolled(&observed, &large).2), (0, 0));
    let live = observed.live.get_mut(&Address::new(Instance::NAME, "broker-2")).expect("the host");
    let Resource::Instance(instance) = &mut live.spec else { panic!("an instance") };
    instance.instance_type = "m7g.xlarge".to_owned();
    assert_eq!((rolled(&observed, &large).1, rolled(&observed, &large).2), (1, 1), "it is rolled for another type");
}
