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
    let controller = |name: &str| format!("kafka_controller_KafkaController_Value{{name=\"{name}\",STACK}}");
    let replicas = |name: &str| format!("sum by (stack) (kafka_server_ReplicaManager_Value{{name=\"{name}\",STACK}})");
    // A Prometheus may watch several stacks, and the thresholds are those of this one.
    let of_stack = format!("stack=\"{}\"", stack.name);
    let demand = Demand::of(stack.common().workload, stack.common().settings, stack.network.zones.count());
    let peak = demand.peak_mibs * f64::from(1 << 20);
    let free = (1.0 - demand.usable) / 2.0;
    let alert = |name, severity, lasts, expr: String, summary: &str| Alert {
        name,
        expr: expr.replace("STACK", &of_stack),
        lasts,
        severity,
        summary: summary.to_owned(),
    };
    let active = controller("ActiveControllerCount");
    // Where no host is left that could be scraped, there is no series that could say so. MSK's own controllers aren't scraped.
    let none = match shape.hosts {
        Some(_) => format!(" or sum by (stack) (absent({active})) - 1"),
        None => String::new(),
    };
    // In a combined host two pools mark the same meter in Kafka 4.1, so that it reads twice what it is.
    let idle = if shape.combined { 0.6 } else { 0.3 };
    let mut all = vec![
        alert(
            "KafkaNoActiveController",
            "page",
            "1m",
            format!("(sum by (stack) ({active}){none}) != 1"),
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
            "kafka_log_LogManager_Value{name=\"OfflineLogDirectoryCount\",STACK} > 0".to_owned(),
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
            "up{job=\"kafka\",STACK} == 0".to_owned(),
            "{{ $labels.host }} of {{ $labels.stack }} does not answer: the host, its Kafka or the way to it is down",
        ),
        alert(
            "KafkaBrokerFenced",
            "ticket",
            "15m",
            format!("max by (stack) ({}) > 0 {ROLLS}", controller("FencedBrokerCount")),
            "{{ $value }} brokers of {{ $labels.stack }} are registered and out of the cluster",
        ),
        alert(
            "KafkaPartitionsUnderReplicated",
            "ticket",
            "15m",
            format!("{} > 0 {ROLLS}", replicas("UnderReplicatedPartitions")),
            "{{ $value }} partitions of {{ $labels.stack }} lack a copy",
        ),
        alert(
            "KafkaUncleanElection",
            "ticket",
            "0s",
            "sum by (stack) (increase(kafka_controller_ControllerStats_Count{name=\"UncleanLeaderElectionsPerSec\",STACK}[10m])) > 0".to_owned(),
            "a replica of {{ $labels.stack }} that was not in sync became a leader: acknowledged records may be lost",
        ),
        alert(
            "KafkaIngressAboveWorkload",
            "ticket",
            "15m",
            format!(
                // MSK's brokers tell it of each topic, too.
                "sum by (stack) (rate(kafka_server_BrokerTopicMetrics_Count{{name=\"BytesInPerSec\",topic=\"\",STACK}}[5m])) > {peak:.0}"
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
            format!("kafka_server_KafkaRequestHandlerPool_OneMinuteRate{{name=\"RequestHandlerAvgIdlePercent\",STACK}} < {idle}"),
            "the request handlers of {{ $labels.host }} of {{ $labels.stack }} are busy: clients wait",
        ),
        alert(
            "KafkaLagGrowing",
            "ticket",
            "5m",
            format!("max by (stack, group, topic) ({LAG} > 600 and delta({LAG}[10m]) > 0)"),
            "{{ $labels.group }} of {{ $labels.stack }} is {{ $value | humanizeDuration }} behind in {{ $labels.topic }}, and falls further behind",
        ),
    ];
    // Prometheus forgets instances that are gone, so their `up` is no 0.
    all.extend(shape.hosts.map(|hosts| {
        alert(
            "KafkaHostsMissing",
            "page",
            "15m",
            format!("count by (stack) (up{{job=\"kafka\",STACK}}) < {hosts}"),
            &format!("{{{{ $labels.stack }}}} has {{{{ $value }}}} instances, and should have {hosts}"),
        )
    }));
    all
}

/// In a roll one broker after another is away, and the moment between two is shorter than Prometheus looks: all of it would count as one.
/// Two hosts that have started in the last minutes are a roll; one that does so again and again is none.
const ROLLS: &str = "unless on (stack) count by (stack) (count by (stack, host) (changes(kafka_server_app_info_start_time_ms{STACK}[15m]) > 0)) > 1";

/// What `kstack lag --openmetrics` writes.
const LAG: &str = "kstack_consumer_group_lag_seconds{STACK}";

/// The data volumes of a host, on EC2 and on MSK.
const DATA: &str = "job=\"node\",mountpoint=~\"/var/lib/kafka.*|/kafka/datalogs\",STACK";

/// Cases for `promtool test rules`: what must fire, and what must not.
pub(super) fn cases(stack: &str, alerts: &[Alert], hosts: Option<u32>) -> Value {
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
    let behind = format!("billing of {stack} is 30m 0s behind in orders, and falls further behind");
    let lag = "group=\"billing\",topic=\"orders\",partition=\"0\"";
    let (under, started) = ("kafka_server_ReplicaManager_Value", "kafka_server_app_info_start_time_ms");
    let lacking = format!("20 partitions of {stack} lack a copy");
    let mut roll = vec![
        series(value, "name=\"ActiveControllerCount\",host=\"broker-1\"", "1x60"),
        series(value, "name=\"FencedBrokerCount\",host=\"broker-1\"", "0x4 1x48 0x8"),
        series(under, "name=\"UnderReplicatedPartitions\",host=\"broker-1\"", "0x4 20x48 0x8"),
        series("up", host, "1x12 0x8 1x40"),
    ];
    // It has been away from so many half minutes on, and then it has started again.
    roll.extend((0..6).map(|host| {
        let away = 4 + 8 * host;
        series(started, &format!("host=\"broker-{host}\",id=\"{host}\""), &format!("1x{away} _x7 2x{}", 53 - away))
    }));
    let disk = "job=\"node\",host=\"broker-1\",mountpoint=\"/var/lib/kafka\"";
    let mut all = vec![
        json!({
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
        }),
        json!({
            "name": "a roll: each host is away for four minutes, one right after another, and nobody is woken", "interval": "30s",
            "input_series": roll,
            "alert_rule_test": [
                expect("KafkaHostNotScraped", "6m", None, ""),
                expect("KafkaNoActiveController", "6m", None, ""),
                expect("KafkaBrokerFenced", "20m", None, ""),
                expect("KafkaPartitionsUnderReplicated", "20m", None, ""),
                expect("KafkaPartitionsUnderReplicated", "26m", None, ""),
            ],
        }),
        json!({
            "name": "a broker starts again and again", "interval": "30s",
            "input_series": [
                series(under, "name=\"UnderReplicatedPartitions\",host=\"broker-1\"", "0x4 20x50"),
                series(started, "host=\"broker-1\",id=\"1\"", "1x54"),
                series(started, "host=\"broker-2\",id=\"2\"", "1+1x54"),
            ],
            "alert_rule_test": [expect("KafkaPartitionsUnderReplicated", "20m", Some(json!({})), &lacking)],
        }),
        json!({
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
        }),
        json!({
            "name": "a group reads more slowly than others write, and later catches up", "interval": "30s",
            // Half a minute later each half a minute, and then minutes less.
            "input_series": [series("kstack_consumer_group_lag_seconds", lag, "0+30x60 1800-180x10 0x30")],
            "alert_rule_test": [
                expect("KafkaLagGrowing", "9m", None, ""),
                expect("KafkaLagGrowing", "30m", Some(json!({"group": "billing", "topic": "orders"})), &behind),
                expect("KafkaLagGrowing", "40m", None, ""),
            ],
        }),
    ];
    if let Some(hosts) = hosts.filter(|hosts| *hosts > 1) {
        let missing = format!("{stack} has {} instances, and should have {hosts}", hosts - 1);
        let up = |count: u32, values: &str| -> Vec<Value> {
            (0..count).map(|host| series("up", &format!("job=\"kafka\",host=\"host-{host}\""), values)).collect()
        };
        let one_goes = [up(hosts - 1, "1x60"), vec![series("up", "job=\"kafka\",host=\"gone\"", "1x4 _x56")]].concat();
        all.push(json!({
            "name": "an instance is gone, and nothing is left that could be scraped of it", "interval": "30s",
            "input_series": one_goes,
            "alert_rule_test": [
                expect("KafkaHostsMissing", "12m", None, ""),
                expect("KafkaHostsMissing", "28m", Some(json!({})), &missing),
            ],
        }));
        all.push(json!({
            "name": "all instances are gone", "interval": "30s",
            "input_series": [series(value, "name=\"ActiveControllerCount\",host=\"broker-1\"", "1x4 _x40")],
            "alert_rule_test": [expect("KafkaNoActiveController", "15m", Some(json!({})), &none)],
        }));
    }
    all.into()
}
