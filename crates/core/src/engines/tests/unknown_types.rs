//! Types that the embedded tables lack: AWS has more, and says which. Nothing of them is made up.

use crate::check::parse;
use crate::engines::msk;
use crate::file::{Report, Severity};
use crate::instance_types::embedded;
use crate::pricing::{self, Reads};
use crate::sizing::{Fit, Subject};
use crate::stack::Stack;

fn file(workload: &str, cluster: &str) -> String {
    format!(
        "apiVersion: kstack/v1\nname: t\nregion: us-east-1\nnetwork: {{cidr: 10.0.0.0/16, nat: none, endpoints: [s3, ssm]}}\n\
         workload: {{{workload}}}\ncluster:\n  {cluster}\n"
    )
}

fn on_ec2(instance_type: &str) -> String {
    let cluster =
        format!("ec2: {{kafka: 4.1.1, combined: true, brokers: {{count: 3, instance_type: {instance_type}}}}}");
    file("partitions: 60, ingress: 100 KiB/s", &cluster)
}

fn on_msk(workload: &str, broker_type: &str) -> String {
    file(workload, &format!("msk: {{kafka: 3.9.x.kraft, brokers: {{count: 3, instance_type: {broker_type}}}}}"))
}

/// The stack of `text`, and its warnings.
fn passes(text: &str) -> (Stack, Vec<String>) {
    let parsed = parse("t.yaml", text).unwrap_or_else(|report| panic!("{}", report.render(false)));
    let said = |report: Report| report.problems.into_iter().map(|problem| problem.message).collect();
    (parsed.stack, said(parsed.warnings))
}

/// The type of the report 09, and one of each family that AWS had in 2026 and that can run a broker.
#[test]
fn every_current_family_is_known() {
    for name in [
        "m6a.xlarge",
        "m7a.large",
        "c5.xlarge",
        "m5d.xlarge",
        "i3.xlarge",
        "c6g.large",
        "c8g.large",
        "d3.xlarge",
        "r6id.xlarge",
        "m7gd.xlarge",
        "c5a.large",
        "c5n.large",
        "c6a.large",
        "c6gn.large",
        "c7a.large",
        "c7gn.large",
        "c7i.large",
        "c7i-flex.large",
        "c8i.large",
        "m5n.large",
        "m5zn.large",
        "m6id.large",
        "m6in.large",
        "m7i-flex.large",
        "m8a.large",
        "m8gd.large",
        "r5b.large",
        "r6a.large",
        "r6gd.large",
        "r7a.large",
        "r7iz.large",
        "r8gd.large",
        "r8i.large",
        "i3en.large",
        "i4g.large",
        "i4i.large",
        "i7i.large",
        "i7ie.large",
        "i8g.large",
        "i8ge.large",
        "im4gn.large",
        "is4gen.large",
        "d3en.large",
        "t3a.large",
        "x2gd.large",
        "x8g.large",
        "z1d.large",
    ] {
        // Storage families have no size `large` everywhere.
        let family = name.split_once('.').expect("a family").0;
        assert!(
            embedded().keys().any(|known| known.split_once('.').is_some_and(|(known, _)| known == family)),
            "{name}"
        );
    }
    let (_, warnings) = passes(&on_ec2("m6a.xlarge"));
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn a_type_that_the_table_lacks_is_a_warning_with_the_nearest() {
    for name in ["m99g.large", "m7g.lrage", "u7i-12tb.224xlarge"] {
        let (_, warnings) = passes(&on_ec2(name));
        let expected =
            format!("kstack's table has no instance type `{name}`, so nothing can be sized or priced offline");
        assert!(warnings.contains(&expected), "{name}: {warnings:?}");
    }
    for name in ["kafka.m9g.large", "express.m9g.large", "kafka.m7g.lage"] {
        let (_, warnings) = passes(&on_msk("partitions: 60", name));
        let expected =
            format!("kstack's table has no broker type `{name}` of MSK, so nothing can be said of its limits");
        assert!(warnings.contains(&expected), "{name}: {warnings:?}");
    }
}

#[test]
fn what_can_be_no_type_is_an_error() {
    for (text, message) in [
        (on_ec2("large"), "`large` is not the name of an instance type"),
        (on_ec2("kafka.m7g.large"), "`kafka.m7g.large` is a broker type of MSK, not an instance type of EC2"),
        (on_ec2("m7g_large"), "`m7g_large` is not the name of an instance type"),
        (on_msk("", "m7g.large"), "`m7g.large` is not the name of a broker type of MSK"),
        (on_msk("", "kafka.large"), "`kafka.large` is not the name of a broker type of MSK"),
    ] {
        let report = parse("t.yaml", &text).expect_err(message);
        let errors = report.problems.iter().filter(|problem| problem.severity == Severity::Error);
        assert_eq!(errors.map(|problem| problem.message.as_str()).collect::<Vec<_>>(), [message]);
    }
}

#[test]
fn nothing_of_an_unknown_type_is_made_up() {
    let (stack, _) = passes(&on_ec2("m99g.large"));
    assert_eq!(stack.cluster.size(stack.common(), embedded()), None);
    let bill = stack.cluster.cost(stack.common(), embedded(), pricing::embedded(), Reads::Leader).expect("a bill");
    let gaps = ["ec2 m99g.large in us-east-1", "brokers' volumes, which follow from the limits of m99g.large"];
    assert_eq!(bill.gaps, gaps, "{bill:?}");
    assert!(bill.total() > 0.0, "what is known is on it: {bill:?}");
    // With AWS's own answer it is sized as any other.
    let types = [("m99g.large".to_owned(), embedded()["m7g.large"].clone())].into();
    let sized = stack.cluster.size(stack.common(), &types).expect("a sizing");
    let (known, _) = passes(&on_ec2("m7g.large"));
    let known = known.cluster.size(known.common(), embedded()).expect("a sizing");
    assert_eq!(sized.json["volume"], known.json["volume"]);
}

#[test]
fn volumes_of_msk_follow_from_the_workload_whatever_the_type() {
    let load = "ingress: 4 MiB/s, retention: 3d";
    let ((unknown, _), (known, _)) =
        (passes(&on_msk(load, "kafka.m9g.large")), passes(&on_msk(load, "kafka.m7g.large")));
    let first = |stack: &Stack| msk::first_volume_gib(stack.cluster.msk.as_ref()?, stack.common());
    assert_eq!(first(&unknown), first(&known));
    assert!(first(&known).is_some_and(|gib| gib > 1000), "{:?}", first(&known));
    let (express, _) = passes(&on_msk(load, "express.m9g.large"));
    assert_eq!(first(&express), None);
    let bill = unknown.cluster.cost(unknown.common(), embedded(), pricing::embedded(), Reads::Leader).expect("a bill");
    assert_eq!(bill.gaps, ["msk kafka.m9g.large in us-east-1"]);
    // More than MSK's largest volume is refused, whatever the type.
    let (large, _) = passes(&on_msk("ingress: 40 MiB/s, retention: 90d", "kafka.m9g.large"));
    let misfit = msk::unknown_type_misfit(large.cluster.msk.as_ref().expect("msk"), large.common()).expect("too much");
    assert_eq!((misfit.fit, misfit.subject), (Fit::Impossible, Subject::Data), "{misfit}");
}
