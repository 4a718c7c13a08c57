//! What Prometheus and Grafana need to watch a stack: where it is scraped, alerts with thresholds from its file, their tests, and a
//! dashboard. One set for both engines, since both have the same metrics. And what is not well in a stack, as `kstack status` tells it. Pure.

mod dashboard;
pub mod findings;
mod rules;

use serde_json::{Value, json};

use crate::cloud_init::{JMX_PORT, NODE_PORT};
use crate::engines::ec2;
use crate::instance_types;
use crate::model::tag;
use crate::stack::Stack;

/// What of the stack counts for alerts.
pub(crate) struct Shape {
    /// Whether brokers are controllers too.
    combined: bool,
    /// The brokers' volumes, in words that follow others.
    volume: String,
    /// How many hosts there are, on EC2.
    hosts: Option<u32>,
}

/// The files by name: of `stack`, and of its MSK brokers' names.
pub fn files(stack: &Stack, brokers: &[String]) -> Vec<(&'static str, String)> {
    let ec2 = stack.cluster.ec2.as_ref();
    let size = ec2.and_then(|ec2| ec2::size(ec2, stack.common(), instance_types::embedded()));
    let shape = Shape {
        combined: ec2.is_some_and(|ec2| ec2.combined),
        volume: size.map(|size| format!("; the volume has {} GiB", size.volume.size_gib)).unwrap_or_default(),
        hosts: ec2.map(|ec2| ec2.brokers.count + if ec2.combined { 0 } else { ec2.voters() }),
    };
    let alerts = rules::alerts(stack, &shape);
    let rules: Vec<Value> = alerts.iter().map(rules::Alert::rule).collect();
    let group = format!("kstack-{}", stack.name);
    let head = |what: &str| format!("# {what} of the stack {}, written by kstack monitoring.\n", stack.name);
    let json = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default() + "\n";
    vec![
        ("prometheus.yml", head("Prometheus's settings") + &scraped(stack, brokers)),
        ("rules.yml", format!("{}groups:\n- name: {group}\n  rules:\n{}", head("Alerts"), list("  ", &rules))),
        (
            "rules-test.yml",
            format!(
                "{}# promtool test rules rules-test.yml\nrule_files: [rules.yml]\nevaluation_interval: 30s\ntests:\n{}",
                head("Tests of the alerts"),
                list(
                    "",
                    rules::cases(&stack.name, &alerts, shape.hosts).as_array().map(Vec::as_slice).unwrap_or_default()
                )
            ),
        ),
        ("dashboard.json", json(&dashboard::dashboard(stack))),
        (rules::RUNBOOK, include_str!("../../../../docs/runbook.md").to_owned()),
    ]
}

/// A YAML list of values as JSON, which is YAML too.
fn list(indent: &str, values: &[Value]) -> String {
    values.iter().map(|value| format!("{indent}- {value}\n")).collect()
}

const LAG: &str = "# Brokers don't know how far consumers are behind. The job `lag` has it from node exporter's textfile collector on this machine: let cron write
# it there each minute, by `kstack lag FILE --openmetrics > FOLDER/kstack.new && mv FOLDER/kstack.new FOLDER/kstack.prom`.
";

/// The settings of Prometheus: hosts on EC2 are found by their tags, brokers of MSK by their names.
fn scraped(stack: &Stack, brokers: &[String]) -> String {
    let mut jobs: Vec<Value> = [("kafka", JMX_PORT), ("node", NODE_PORT)]
        .into_iter()
        .map(|(job, port)| {
            if stack.cluster.ec2.is_none() {
                let targets: Vec<String> = brokers.iter().map(|broker| format!("{broker}:{port}")).collect();
                let host = json!({"source_labels": ["__address__"], "regex": "(b-[0-9]+).*", "target_label": "host"});
                let targets = json!([{"targets": targets, "labels": {"stack": *stack.name}}]);
                return json!({"job_name": job, "static_configs": targets, "relabel_configs": [host]});
            }
            let found = json!({
                "region": *stack.region, "port": port,
                "filters": [
                    {"name": format!("tag:{}", tag::STACK), "values": [*stack.name]},
                    // Those that are stopped are to be missed; those that are terminated have been replaced, or should not be there.
                    {"name": "instance-state-name", "values": ["running", "stopping", "stopped"]},
                ],
            });
            let label = |from: &str, regex: &str, to: &str| json!({"source_labels": [from], "regex": regex, "target_label": to});
            json!({
                "job_name": job, "ec2_sd_configs": [found],
                "relabel_configs": [
                    label("__meta_ec2_tag_kstack_stack", "(.*)", "stack"),
                    label("__meta_ec2_tag_kstack_address", "instance/(.*)", "host"),
                    label("__meta_ec2_availability_zone", "(.*)", "zone"),
                ],
            })
        })
        .collect();
    let keep = json!({"source_labels": ["__name__"], "regex": "kstack_.*", "action": "keep"});
    jobs.push(json!({
        "job_name": "lag", "static_configs": [{"targets": ["127.0.0.1:9100"]}], "metric_relabel_configs": [keep],
    }));
    let how = match stack.cluster.ec2 {
        Some(_) => {
            "# Hosts are found by their tags: the caller needs ec2:DescribeInstances and ec2:DescribeAvailabilityZones.\n"
        }
        None => "",
    };
    format!(
        "{how}{LAG}global: {{scrape_interval: 30s, evaluation_interval: 30s}}\nrule_files: [rules.yml]\nscrape_configs:\n{}",
        list("", &jobs)
    )
}
