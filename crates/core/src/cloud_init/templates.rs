//! The templates of this kstack, by file name.

pub(super) const HOST: &str = "host.yaml.hbs";
pub(super) const CLIENT: &str = "client.yaml.hbs";
/// The templates of the client host alone.
pub(super) const CLIENTS: [&str; 4] = [CLIENT, "client-profile.sh.hbs", "install-iam-auth.sh.hbs", "kafka-tool.sh.hbs"];
/// Runs Kafka's tools with the brokers and the properties of a stack.
pub const KAFKA_TOOL: &str = include_str!("../../../../cloud-init/kafka-tool.sh.hbs");
/// What the JMX exporter is asked for: a template without anything to put in.
pub(crate) const JMX_EXPORTER: &str = include_str!("../../../../cloud-init/jmx-exporter.yaml.hbs");
/// Those that it shares with the other hosts.
pub(super) const INSTALL: &str = "install-kafka.sh.hbs";
pub(super) const SERVER_PROPERTIES: &str = "server.properties.hbs";

/// Every template, by file name.
pub(super) const TEMPLATES: [(&str, &str); 18] = [
    (HOST, include_str!("../../../../cloud-init/host.yaml.hbs")),
    (SERVER_PROPERTIES, include_str!("../../../../cloud-init/server.properties.hbs")),
    ("log4j2.yaml.hbs", include_str!("../../../../cloud-init/log4j2.yaml.hbs")),
    (INSTALL, include_str!("../../../../cloud-init/install-kafka.sh.hbs")),
    ("mount-data.sh.hbs", include_str!("../../../../cloud-init/mount-data.sh.hbs")),
    ("fetch-papers.sh.hbs", include_str!("../../../../cloud-init/fetch-papers.sh.hbs")),
    ("warn-of-end.sh.hbs", include_str!("../../../../cloud-init/warn-of-end.sh.hbs")),
    ("format-storage.sh.hbs", include_str!("../../../../cloud-init/format-storage.sh.hbs")),
    ("kstack-prepare.service.hbs", include_str!("../../../../cloud-init/kstack-prepare.service.hbs")),
    ("kafka.service.hbs", include_str!("../../../../cloud-init/kafka.service.hbs")),
    (CLIENT, include_str!("../../../../cloud-init/client.yaml.hbs")),
    (CLIENTS[1], include_str!("../../../../cloud-init/client-profile.sh.hbs")),
    (CLIENTS[2], include_str!("../../../../cloud-init/install-iam-auth.sh.hbs")),
    (CLIENTS[3], KAFKA_TOOL),
    ("install-exporters.sh.hbs", include_str!("../../../../cloud-init/install-exporters.sh.hbs")),
    ("jmx-exporter.yaml.hbs", JMX_EXPORTER),
    ("node-exporter.service.hbs", include_str!("../../../../cloud-init/node-exporter.service.hbs")),
    ("ship-logs.py.hbs", include_str!("../../../../cloud-init/ship-logs.py.hbs")),
];
