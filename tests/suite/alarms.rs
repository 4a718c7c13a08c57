//! Alarms of CloudWatch, and their dashboard: made with the stack, brought back by hand-made changes, moved with hosts that are rolled, gone with it.

use aws_sdk_cloudwatch::types::{ComparisonOperator, MetricAlarm, StateValue, Statistic};

use crate::support::Account;
use crate::support::aws::{DEV, wait};
use crate::support::proxy::Proxy;

const FILE: &str = "dev.yaml";
const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:oncall";
const ON: (&str, &str) = ("cluster:", "alarms: {notify: \"arn:aws:sns:eu-west-1:123456789012:oncall\"}\ncluster:");

/// The stack's alarm with this name in it.
fn alarm(account: &Account, name: &str) -> MetricAlarm {
    let id = format!("kstack/dev/{name}");
    let all = wait(account.cloudwatch(DEV).describe_alarms().alarm_names(&id).send());
    all.metric_alarms().first().unwrap_or_else(|| panic!("no alarm {id}")).clone()
}

/// What the alarm's one dimension is.
fn watched(account: &Account, name: &str) -> String {
    alarm(account, name).dimensions()[0].value().expect("a value").to_owned()
}

/// The body of the stack's dashboard.
fn dashboard(account: &Account) -> String {
    let all = account.look(DEV).dashboards;
    let own = all.iter().find(|(name, _)| name == "kstack-eu-west-1-dev");
    own.unwrap_or_else(|| panic!("{all:?}")).1.clone()
}

/// The calls to CloudWatch of a command, sorted.
fn calls(account: &mut Account, command: &[&str]) -> Vec<String> {
    let (direct, proxy) = (account.endpoint.clone(), Proxy::counting());
    account.endpoint.clone_from(&proxy.endpoint);
    account.run(command).expect(0);
    account.endpoint = direct;
    let all = proxy.take().into_iter().filter(|call| call.service == "monitoring");
    let mut all: Vec<String> = all.map(|call| call.operation).collect();
    all.sort_unstable();
    all
}

#[test]
fn alarms_are_made_kept_moved_and_removed_with_the_stack() {
    let mut account = Account::new();
    account.write("dev", &[]);
    account.apply(FILE);
    assert_eq!(calls(&mut account, &["plan", FILE]), Vec::<String>::new(), "a stack without alarms asks for none");

    account.write("dev", &[ON]);
    account.apply(FILE);
    account.assert_converged(FILE);
    let hosts = account.instances(DEV);
    assert_eq!(watched(&account, "broker-2-status"), hosts["broker-2"]);
    let volume = account.identities(DEV)["broker-2"].volume.clone();
    assert_eq!(watched(&account, "broker-2-iops"), volume);
    let one = alarm(&account, "broker-1-cpu");
    assert_eq!((one.alarm_actions(), one.ok_actions()), (&[TOPIC.to_owned()][..], &[TOPIC.to_owned()][..]));
    let arn = one.alarm_arn().expect("an ARN");
    let tags = wait(account.cloudwatch(DEV).list_tags_for_resource().resource_arn(arn).send());
    assert!(tags.tags().iter().any(|tag| tag.key() == Some("kstack:stack") && tag.value() == Some("dev")), "{tags:?}");
    let asked = ["DescribeAlarms", "GetDashboard"];
    assert_eq!(calls(&mut account, &["plan", FILE]), asked, "one list tells all of them");
    let body = dashboard(&account);
    assert!(body.contains(&hosts["broker-2"]) && body.contains(&volume) && body.contains(arn), "{body}");

    // What was changed by hand is put right; another stack whose name begins the same, and what others have, stay as they are.
    let cloudwatch = account.cloudwatch(DEV);
    wait(cloudwatch.disable_alarm_actions().alarm_names("kstack/dev/broker-1-cpu").send());
    wait(cloudwatch.delete_alarms().alarm_names("kstack/dev/broker-2-iops").send());
    let put = |body: String| cloudwatch.put_dashboard().dashboard_name("kstack-eu-west-1-dev").dashboard_body(body);
    wait(put(body.replace("Processors busy", "Busy")).send());
    let other = cloudwatch.put_metric_alarm().alarm_name("kstack/dev-2/broker-1-cpu").evaluation_periods(1).period(60);
    let other = other.namespace("AWS/EC2").metric_name("CPUUtilization").statistic(Statistic::Average).threshold(1.0);
    wait(other.clone().comparison_operator(ComparisonOperator::GreaterThanThreshold).send());
    assert_eq!(
        account.plan(FILE).steps(),
        ["update alarm/broker-1-cpu", "create alarm/broker-2-iops", "update dashboard/main"]
    );
    account.apply(FILE);
    account.assert_converged(FILE);

    // An alarm that is on is told by status, in the same call.
    let state = cloudwatch.set_alarm_state().alarm_name("kstack/dev/broker-1-cpu").state_value(StateValue::Alarm);
    wait(state.state_reason("a test").send());
    let status = account.run(&["status", FILE]).expect(0);
    assert!(status.out.contains("Alarms of CloudWatch are on: broker-1-cpu."), "{status}");
    assert_eq!(calls(&mut account, &["status", FILE]), asked);
    assert_eq!(dashboard(&account), body, "as it was");

    // Rolled hosts are other instances, which the same run's alarms watch.
    let larger = ("instance_type: t4g.medium", "instance_type: m7g.large");
    account.write("dev", &[ON, larger]);
    account.apply(FILE);
    account.assert_converged(FILE);
    let rolled = account.instances(DEV);
    assert_ne!(rolled["broker-2"], hosts["broker-2"]);
    assert_eq!(watched(&account, "broker-2-status"), rolled["broker-2"]);
    assert_eq!(watched(&account, "broker-2-iops"), volume);
    let moved = dashboard(&account);
    assert!(moved.contains(&rolled["broker-2"]) && !moved.contains(&hosts["broker-2"]), "{moved}");
    let kept = alarm(&account, "broker-1-cpu");
    assert_eq!(kept.state_value(), Some(&StateValue::Alarm), "a change keeps the state");
    let names: Vec<String> = account.look(DEV).alarms.into_iter().filter_map(|one| one.alarm_name).collect();
    assert!(names.iter().all(|name| !name.ends_with("credits")), "such types have no credits: {names:?}");

    // Somebody else's alarm or dashboard is not written over.
    account.write("dev", &[larger]);
    let deleted = calls(&mut account, &["apply", FILE, "--yes"]);
    assert_eq!(deleted.iter().filter(|one| *one == "DeleteAlarms").count(), 1, "{deleted:?}");
    account.assert_converged(FILE);
    wait(other.alarm_name("kstack/dev/broker-1-cpu").comparison_operator(ComparisonOperator::LessThanThreshold).send());
    wait(put("{\"widgets\": []}".to_owned()).send());
    account.write("dev", &[ON, larger]);
    let refused = account.run(&["plan", FILE]);
    for name in ["kstack/dev/broker-1-cpu (alarm)", "kstack-eu-west-1-dev (dashboard)"] {
        let says = format!("{name} has a name of the stack's, and nothing there says that it is the stack's");
        assert!(refused.out.contains(&says), "{refused}");
    }
    wait(cloudwatch.delete_alarms().alarm_names("kstack/dev/broker-1-cpu").send());
    wait(cloudwatch.delete_dashboards().dashboard_names("kstack-eu-west-1-dev").send());

    account.apply(FILE);
    account.run(&["destroy", FILE, "--yes"]).expect(0);
    wait(cloudwatch.delete_alarms().alarm_names("kstack/dev-2/broker-1-cpu").send());
    account.assert_nothing_left();
}

#[test]
fn alarms_of_an_msk_cluster_watch_its_brokers_by_their_numbers() {
    let account = crate::msk::account();
    let own = ("region: us-east-1", "region: eu-west-1");
    account.write("msk", &[own, ("cluster:", "alarms: true\ncluster:")]);
    account.apply("msk.yaml");
    account.assert_converged("msk.yaml");
    let all = account.look(DEV).alarms;
    let names: Vec<&str> = all.iter().filter_map(|one| one.alarm_name()).collect();
    let cpu = all.iter().find(|one| one.alarm_name().is_some_and(|name| name.ends_with("/broker-2-cpu")));
    let cpu = cpu.unwrap_or_else(|| panic!("{names:?}"));
    assert_eq!(cpu.metrics().len(), 3, "two metrics and their sum");
    assert!(cpu.alarm_actions().is_empty());
    assert!(names.iter().any(|name| name.ends_with("/offline")), "{names:?}");
    let listed = account.run(&["list", "--region", DEV]).expect(0);
    assert!(listed.out.contains("orders"), "{listed}");
    let shown = account.look(DEV).dashboards;
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert!(shown[0].1.contains(r#""Broker ID","2""#) && shown[0].1.contains("m1x0 + m1x1"), "{shown:?}");
    account.run(&["destroy", "msk.yaml", "--yes"]).expect(0);
    account.assert_nothing_left();
}
