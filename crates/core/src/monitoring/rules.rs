//! The alerts, with thresholds from the stack.

use serde_json::{Value, json};

use super::Shape;
use crate::sizing::{Demand, mibs};
use crate::stack::Stack;

/// Where the paragraph of an alert is: beside the rules.
pub(super) const RUNBOOK: &str = "runbook.md";

/// An alert.
#[derive(Debug)]
pub(super) struct Alert {
    pub name: &'static str,
    pub expr: String,
    /// How long it must last.
    pub lasts: &'static str,
    /// `page`: somebody must get up. `ticket`: somebody must look at it in the day.
    pub severity: &'static str,
    pub summary: String,
}

impl Alert {
    pub(super) fn annotations(&self, summary: &str) -> Value {
        json!({"summary": summary, "runbook": format!("{RUNBOOK}#{}", self.name.to_lowercase())})
    }

    pub(super) fn rule(&self) -> Value {
        json!({
            "alert": self.name, "expr": self.expr, "for": self.lasts, "labels": {"severity": self.severity},
            "annotations": self.annotations(&self.summary),
        })
    }
}

/// The alerts of `stack`.
pub(super) fn alerts(stack: &Stack, shape: &Shape) -> Vec<Alert> {
    let controller = |name: &str| format!("kafka_controller_KafkaController_Value{{name=\"{name}\"}}");
    let replicas = |name: &str| format!("sum by (stack) (kafka_server_ReplicaManager_Value{{name=\"{name}\"}})");
    let demand = Demand::of(stack.common().workload, stack.common().settings, stack.network.zones.count());
    let peak = demand.peak_mibs * f64::from(1 << 20);
    let free = (1.0 - demand.usable) / 2.0;
    let alert = |name, severity, lasts, expr: String, summary: &str| Alert {
        name,
        expr,
        lasts,
        severity,
        summary: summary.to_owned(),
    };
    let active = controller("ActiveControllerCount");
    // In a combined host two pools mark the same meter in Kafka 4.1, so that it reads twice what it is.
    let idle = if shape.combined { 0.6 } else { 0.3 };
    vec![
        alert(
            "KafkaNoActiveController",
            "page",
            "1m",
            format!("sum by (stack) ({active}) != 1"),
            "{{ $labels.stack }} has {{ $value }} active controllers: without one no leader is elected, and writes may fail",
        ),
        alert(
            "KafkaPartitionsOffline",
            "page",
            "1m",
            format!("max by (stack) ({}) > 0", controller("OfflinePartitionsCount")),
            "{{ $value }} partitions of {{ $labels.stack }} have no leader: they can't be read or written",
        ),
        alert(
            "KafkaPartitionsUnderMinIsr",
            "page",
            "2m",
            format!("{} > 0", replicas("UnderMinIsrPartitionCount")),
            "{{ $value }} partitions of {{ $labels.stack }} take no writes with acks=all",
        ),
        alert(
            "KafkaLogDirectoryOffline",
            "page",
            "1m",
            "kafka_log_LogManager_Value{name=\"OfflineLogDirectoryCount\"} > 0".to_owned(),
            "{{ $labels.host }} of {{ $labels.stack }} has lost a log directory",
        ),
        alert(
            "KafkaDiskFilling",
            "page",
            "5m",
            format!("node_filesystem_avail_bytes{{{DATA}}} / node_filesystem_size_bytes{{{DATA}}} < {free:.3}"),
            &format!(
                "{{{{ $labels.mountpoint }}}} of {{{{ $labels.host }}}} of {{{{ $labels.stack }}}} is nearly full: less than half of the headroom of {:.0} % is left{}",
                100.0 * (1.0 - demand.usable),
                shape.volume
            ),
        ),
        alert(
            "KafkaHostNotScraped",
            "page",
            "5m",
            "up{job=\"kafka\"} == 0".to_owned(),
            "{{ $labels.host }} of {{ $labels.stack }} does not answer: the host, its Kafka or the way to it is down",
        ),
        alert(
            "KafkaBrokerFenced",
            "ticket",
            "15m",
            format!("max by (stack) ({}) > 0", controller("FencedBrokerCount")),
            "{{ $value }} brokers of {{ $labels.stack }} are registered and out of the cluster",
        ),
        alert(
            "KafkaPartitionsUnderReplicated",
            "ticket",
            "15m",
            format!("{} > 0", replicas("UnderReplicatedPartitions")),
            "{{ $value }} partitions of {{ $labels.stack }} lack a copy",
        ),
        alert(
            "KafkaUncleanElection",
            "ticket",
            "0s",
            "sum by (stack) (increase(kafka_controller_ControllerStats_Count{name=\"UncleanLeaderElectionsPerSec\"}[10m])) > 0".to_owned(),
            "a replica of {{ $labels.stack }} that was not in sync became a leader: acknowledged records may be lost",
        ),
        alert(
            "KafkaIngressAboveWorkload",
            "ticket",
            "15m",
            format!(
                "sum by (stack) (rate(kafka_server_BrokerTopicMetrics_Count{{name=\"BytesInPerSec\"}}[5m])) > {peak:.0}"
            ),
            &format!(
                "producers of {{{{ $labels.stack }}}} write more than the {} MiB/s that its file was sized for",
                mibs(demand.peak_mibs)
            ),
        ),
        alert(
            "KafkaHandlersBusy",
            "ticket",
            "10m",
            format!("kafka_server_KafkaRequestHandlerPool_OneMinuteRate{{name=\"RequestHandlerAvgIdlePercent\"}} < {idle}"),
            "the request handlers of {{ $labels.host }} of {{ $labels.stack }} are busy: clients wait",
        ),
    ]
}

/// The data volumes of a host, on EC2 and on MSK.
const DATA: &str = "job=\"node\",mountpoint=~\"/var/lib/kafka.*|/kafka/datalogs\"";

/// Cases for `promtool test rules`: what must fire, and what must not.
pub(super) fn cases(stack: &str, alerts: &[Alert]) -> Value {
    let series = |name: &str, labels: &str, values: &str| json!({"series": format!("{name}{{{labels},stack=\"{stack}\"}}"), "values": values});
    let value = "kafka_controller_KafkaController_Value";
    let expect = |name: &str, at: &str, labels: Option<Value>, summary: &str| {
        let alert = alerts.iter().find(|alert| alert.name == name);
        let fired = alert.zip(labels).map(|(alert, mut labels)| {
            labels["severity"] = alert.severity.into();
            labels["stack"] = stack.into();
            json!({"exp_labels": labels, "exp_annotations": alert.annotations(summary)})
        });
        json!({"eval_time": at, "alertname": name, "exp_alerts": fired.into_iter().collect::<Vec<Value>>()})
    };
    let host = "job=\"kafka\",host=\"broker-2\"";
    let none = format!("{stack} has 0 active controllers: without one no leader is elected, and writes may fail");
    let down = format!("broker-2 of {stack} does not answer: the host, its Kafka or the way to it is down");
    let full = alerts.iter().find(|alert| alert.name == "KafkaDiskFilling").map(|alert| {
        let labels = [("mountpoint", "/var/lib/kafka"), ("host", "broker-1"), ("stack", stack)];
        labels
            .iter()
            .fold(alert.summary.clone(), |text, (key, value)| text.replace(&format!("{{{{ $labels.{key} }}}}"), value))
    });
    let disk = "job=\"node\",host=\"broker-1\",mountpoint=\"/var/lib/kafka\"";
    json!([
        {
            "name": "the quorum is lost, and the survivor goes on to report zeros", "interval": "30s",
            "input_series": [
                series(value, "name=\"ActiveControllerCount\",host=\"broker-1\"", "1x4 0x40"),
                series(value, "name=\"OfflinePartitionsCount\",host=\"broker-1\"", "0x44"),
                series("kafka_server_ReplicaManager_Value", "name=\"UnderMinIsrPartitionCount\",host=\"broker-1\"", "0x44"),
                series("up", host, "1x4 0x40"),
            ],
            "alert_rule_test": [
                expect("KafkaNoActiveController", "10m", Some(json!({})), &none),
                expect("KafkaHostNotScraped", "10m", Some(json!({"job": "kafka", "host": "broker-2"})), &down),
                expect("KafkaPartitionsOffline", "10m", None, ""),
                expect("KafkaPartitionsUnderMinIsr", "10m", None, ""),
            ],
        },
        {
            "name": "a roll: each host is away for four minutes, and nobody is woken", "interval": "30s",
            "input_series": [
                series(value, "name=\"ActiveControllerCount\",host=\"broker-1\"", "1x40"),
                series(value, "name=\"FencedBrokerCount\",host=\"broker-1\"", "0x4 1x8 0x28"),
                series("kafka_server_ReplicaManager_Value", "name=\"UnderReplicatedPartitions\",host=\"broker-1\"", "0x4 20x8 0x28"),
                series("up", host, "1x4 0x8 1x28"),
            ],
            "alert_rule_test": [
                expect("KafkaHostNotScraped", "6m", None, ""),
                expect("KafkaBrokerFenced", "6m", None, ""),
                expect("KafkaPartitionsUnderReplicated", "6m", None, ""),
                expect("KafkaNoActiveController", "6m", None, ""),
            ],
        },
        {
            "name": "a disk fills", "interval": "30s",
            "input_series": [
                series("node_filesystem_avail_bytes", disk, "50x10 1x40"),
                series("node_filesystem_size_bytes", disk, "100x50"),
            ],
            "alert_rule_test": [
                expect("KafkaDiskFilling", "4m", None, ""),
                expect(
                    "KafkaDiskFilling",
                    "20m",
                    Some(json!({"job": "node", "host": "broker-1", "mountpoint": "/var/lib/kafka"})),
                    &full.unwrap_or_default(),
                ),
            ],
        },
    ])
}
