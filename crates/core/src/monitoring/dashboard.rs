//! A dashboard for Grafana.

use serde_json::{Value, json};

use crate::stack::Stack;

/// What is asked, and its legend.
type Target = (&'static str, &'static str);

/// A panel: title, unit, and what is asked.
type Panel = (&'static str, &'static str, &'static [Target]);

const PANELS: &[Panel] = &[
    (
        "Active controllers",
        "none",
        &[("sum(kafka_controller_KafkaController_Value{name=\"ActiveControllerCount\",STACK})", "active")],
    ),
    (
        "Brokers",
        "none",
        &[
            ("max(kafka_controller_KafkaController_Value{name=\"ActiveBrokerCount\",STACK})", "active"),
            ("max(kafka_controller_KafkaController_Value{name=\"FencedBrokerCount\",STACK})", "fenced"),
            ("count(up{job=\"kafka\",STACK} == 0) or vector(0)", "not scraped"),
        ],
    ),
    (
        "Partitions that are not well",
        "none",
        &[
            ("max(kafka_controller_KafkaController_Value{name=\"OfflinePartitionsCount\",STACK})", "offline"),
            ("sum(kafka_server_ReplicaManager_Value{name=\"UnderMinIsrPartitionCount\",STACK})", "under min ISR"),
            ("sum(kafka_server_ReplicaManager_Value{name=\"UnderReplicatedPartitions\",STACK})", "under-replicated"),
        ],
    ),
    (
        "From producers",
        "Bps",
        &[("rate(kafka_server_BrokerTopicMetrics_Count{name=\"BytesInPerSec\",topic=\"\",STACK}[5m])", "{{host}}")],
    ),
    (
        "To consumers",
        "Bps",
        &[("rate(kafka_server_BrokerTopicMetrics_Count{name=\"BytesOutPerSec\",topic=\"\",STACK}[5m])", "{{host}}")],
    ),
    (
        "Free space of data volumes",
        "percentunit",
        &[(
            "node_filesystem_avail_bytes{mountpoint=~\"/var/lib/kafka.*|/kafka/datalogs\",STACK} / node_filesystem_size_bytes{mountpoint=~\"/var/lib/kafka.*|/kafka/datalogs\",STACK}",
            "{{host}} {{mountpoint}}",
        )],
    ),
    (
        "Produce, 99th percentile",
        "ms",
        &[("kafka_network_RequestMetrics_99thPercentile{name=\"TotalTimeMs\",request=\"Produce\",STACK}", "{{host}}")],
    ),
    (
        "Fetch by consumers, 99th percentile",
        "ms",
        &[(
            "kafka_network_RequestMetrics_99thPercentile{name=\"TotalTimeMs\",request=\"FetchConsumer\",STACK}",
            "{{host}}",
        )],
    ),
    (
        "Idle request handlers",
        "percentunit",
        &[(
            "kafka_server_KafkaRequestHandlerPool_OneMinuteRate{name=\"RequestHandlerAvgIdlePercent\",STACK}",
            "{{host}}",
        )],
    ),
    (
        "Busy processors",
        "percentunit",
        &[("1 - avg by (host) (rate(node_cpu_seconds_total{mode=\"idle\",STACK}[5m]))", "{{host}}")],
    ),
    ("Heap in use", "bytes", &[("java_lang_Memory_HeapMemoryUsage_used{STACK}", "{{host}}")]),
    ("Writes to disks", "Bps", &[("sum by (host) (rate(node_disk_written_bytes_total{STACK}[5m]))", "{{host}}")]),
    (
        "Consumers behind",
        "s",
        &[("max by (group, topic) (kstack_consumer_group_lag_seconds{STACK})", "{{group}} {{topic}}")],
    ),
];

pub(super) fn dashboard(stack: &Stack) -> Value {
    let of_stack = format!("stack=\"{}\"", stack.name);
    let panels: Vec<Value> = (0..)
        .zip(PANELS)
        .map(|(index, (title, unit, targets))| {
            let targets: Vec<Value> = ('A'..)
                .zip(*targets)
                .map(|(id, (expr, legend))| {
                    json!({"refId": id.to_string(), "expr": expr.replace("STACK", &of_stack), "legendFormat": legend})
                })
                .collect();
            json!({
                "id": index + 1, "type": "timeseries", "title": title, "targets": targets,
                "datasource": {"type": "prometheus", "uid": "${datasource}"},
                "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
                "gridPos": {"x": index % 3 * 8, "y": index / 3 * 8, "w": 8, "h": 8},
            })
        })
        .collect();
    json!({
        "title": format!("Kafka: {}", stack.name), "uid": format!("kstack-{}", stack.name), "schemaVersion": 39,
        "tags": ["kstack"], "refresh": "30s", "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]},
        "panels": panels,
    })
}
