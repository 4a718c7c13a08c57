//! Handlebars templates to user data. Pure: no clock, no network, no environment, no files.
//!
//! The templates are in `cloud-init/`; `host.yaml.hbs` is the cloud-config document, and sees the fields of [`Host`] and of `View`, as those do
//! that it has in it. `client.yaml.hbs` is that of the client host, with the fields of [`ClientHost`].
//!
//! | helper | gives |
//! |---|---|
//! | `{{file "NAME"}}` | that template, rendered, as a YAML scalar |
//! | `{{yaml A B ..}}` | the values, joined, as a YAML scalar |
//! | `{{sh A B ..}}` | the values, joined, as one word of a POSIX shell |
//! | `{{properties A}}`, `{{properties_key A}}` | a value, or a key, of a Java properties file |

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::LazyLock;

use handlebars::{Context, Handlebars, Helper, HelperResult, Output, RenderContext, RenderError, RenderErrorReason};
use serde::{Deserialize, Serialize};

pub use bytes::{decode, encode, fits};
use check::check;
pub use client::{
    ClientHost, ClientPapers, FIRST_BROKERS, FROM_ENVIRONMENT, IamAuth, brokers_placeholder, render_client,
    secured_properties, with_brokers,
};
pub use monitoring::{Download, Exporters, JMX_PORT, NODE_PORT};
pub use phase::{Course, Phase};
use quote::{properties_escape, shell_word, yaml_scalar};
pub use security::{
    CLIENTS_CA, INTERNAL_PORT, MTLS_PORT, OAUTH_PORT, PAPERS, QUORUM_PORT, SCRAM_PORT, Security, Tokens, authority_of,
    authority_parameter, client_address, client_parameter, papers_address, papers_parameter, role_parameter, user_of,
    user_of_role, user_parameter,
};
pub(crate) use templates::JMX_EXPORTER;
pub use templates::KAFKA_TOOL;
use templates::{CLIENT, CLIENTS, HOST, INSTALL, SERVER_PROPERTIES, TEMPLATES};
pub use user_data::UserData;
use view::View;
mod bytes;
mod check;
mod client;
mod monitoring;
mod phase;
pub(crate) mod quote;
mod security;
mod templates;
#[cfg(test)]
mod tests;
mod user_data;
mod view;

/// Stands for the id of the data volume where none is known yet, as in `kstack render`. It is a plain word
/// to the shell and to YAML, and comes out once, so it can be replaced in the rendered text.
pub const VOLUME_ID_PLACEHOLDER: &str = "@volume-id@";

/// Stands for the id of the data volume with this number, from 1 on.
pub fn volume_placeholder(number: u32) -> String {
    match number {
        1 => VOLUME_ID_PLACEHOLDER.to_owned(),
        _ => format!("@volume-{number}-id@"),
    }
}

/// User data with the ids of its volumes, in their order, in place of the placeholders.
pub fn with_volumes(user_data: &str, ids: &[String]) -> String {
    let numbered = (1..).zip(ids);
    numbered.fold(user_data.to_owned(), |text, (number, id)| text.replace(&volume_placeholder(number), id))
}

/// The most bytes that EC2 takes as user data, before base64.
pub const USER_DATA_LIMIT: usize = 16 * 1024;

/// Where clients and brokers reach a broker.
pub const CLIENT_PORT: u16 = 9092;

/// Where every node reaches a controller.
pub const CONTROLLER_PORT: u16 = 9093;

/// Settings that a stack file cannot override: the scripts, the volume or the other hosts depend on them.
pub const RESERVED_SETTINGS: [&str; 16] = [
    "advertised.listeners",
    "broker.id",
    "broker.rack",
    "controller.listener.names",
    "controller.quorum.auto.join.enable",
    "controller.quorum.bootstrap.servers",
    "controller.quorum.voters",
    "inter.broker.listener.name",
    "listener.security.protocol.map",
    "listeners",
    "log.dir",
    "log.dirs",
    "metadata.log.dir",
    "node.id",
    "process.roles",
    "security.inter.broker.protocol",
];

/// Template overrides: file name to text, from the user's override folder. The caller reads the files.
pub type Overrides = BTreeMap<String, String>;

/// What a host does in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostRole {
    Broker,
    Controller,
    /// Both in one process: for test clusters.
    Combined,
}

/// The systems that the templates know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Os {
    #[serde(rename = "al2023")]
    Al2023,
    #[serde(rename = "debian-12")]
    Debian12,
    #[serde(rename = "ubuntu-24.04")]
    Ubuntu2404,
}

impl Os {
    /// The word that the stack file has for it.
    pub fn word(self) -> &'static str {
        match self {
            Os::Al2023 => "al2023",
            Os::Debian12 => "debian-12",
            Os::Ubuntu2404 => "ubuntu-24.04",
        }
    }
}

/// A controller that votes from the start.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Voter {
    pub node_id: u32,
    pub address: Ipv4Addr,
    /// The id of its metadata log directory: 22 characters of base64url.
    pub directory_id: String,
}

/// A listener of a broker beside the one for the VPC. It speaks plaintext.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listener {
    /// Kafka's name of it, in capitals.
    pub name: String,
    /// The port that it listens on.
    pub port: u16,
    /// The name or address that it tells clients.
    pub host: String,
    /// The port that it tells them.
    pub advertised_port: u16,
}

/// What the Kafka archive is verified with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Checksum {
    /// The SHA-512, 128 hexadecimal digits.
    Sha512(String),
    /// The HTTPS address of the `.sha512` file that Apache publishes beside the archive.
    Published(String),
}

/// Everything that a host's user data is made from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Host {
    /// The stack's name.
    pub stack: String,
    /// The host's name in the stack, such as `broker-1`.
    pub name: String,
    pub node_id: u32,
    pub role: HostRole,
    pub os: Os,
    /// The zone id, which becomes the rack: `apne2-az1`.
    pub zone_id: String,
    /// The fixed private address.
    pub address: Ipv4Addr,
    /// The data volume, or [`VOLUME_ID_PLACEHOLDER`].
    pub volume_id: String,
    /// The further data volumes, each of which has a log directory too. Hosts with one have the fingerprint that they had before there
    /// could be more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub more_volumes: Vec<String>,
    /// How many disks of the instance's own it has its data on, in place of volumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_disks: Option<u32>,
    /// Kafka's cluster id: 22 characters of base64url.
    pub cluster_id: String,
    /// The controllers that the cluster starts with, the same on every host.
    pub controllers: Vec<Voter>,
    /// Where controllers are asked, where these are others than those that the cluster started with. No part of the fingerprint: which they
    /// are is known by a tag of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Ipv4Addr>,
    /// Whether a controller joins a quorum that is there: Kafka draws the id of its directory. One of the first has the fingerprint that it
    /// had before others could join.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub joins: bool,
    /// 4.0 or newer.
    pub kafka_version: String,
    /// Where the `.tgz` is fetched from: HTTPS, or HTTP with a checksum that is given.
    pub archive_url: String,
    pub archive_checksum: Checksum,
    /// The memory of the instance type, in MiB.
    pub memory_mib: u64,
    /// The stack file's own settings of `server.properties`, without those that fields below have; they win over ours.
    pub settings: BTreeMap<String, String>,
    pub replication_factor: u32,
    pub min_insync_replicas: u32,
    /// How long records are kept, in milliseconds; -1 for ever.
    pub retention_ms: i64,
    /// A base URL with the systems' packages below it: `/debian` and `/debian-security`, `/ubuntu`,
    /// or `/al2023/ARCHITECTURE`.
    pub package_mirror: Option<String>,
    /// The name that a broker tells instead of its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advertised: Option<String>,
    /// The URL of an HTTP proxy for packages and the archive. Hosts without one have the fingerprint that they had before it could be set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Further listeners of a broker; a host without any has the fingerprint that it had before there were some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<Listener>,
    /// How the host speaks TLS; one without it speaks plaintext, and has the fingerprint that it had before there was a choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security: Option<Security>,
    /// Whether a broker listens on IPv6 too. A host that does not has the fingerprint that it had before one could.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ipv6: bool,
    /// Exporters for Prometheus; a host without them has the fingerprint that it had before there were some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<Exporters>,
    /// Where in CloudWatch its logs go; a host that keeps them has the fingerprint that it had before there was a choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logs: Option<HostLogs>,
}

/// Where in CloudWatch a host's logs go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostLogs {
    /// The name of the log group; the stream is the host's own.
    pub group: String,
    pub region: String,
    /// The URL of CloudWatch Logs there.
    pub endpoint: String,
}

impl Host {
    /// How far it is on its way from plaintext to TLS.
    pub fn phase(&self) -> Phase {
        self.security.as_ref().map_or(Phase::Plaintext, |security| security.phase)
    }
}

/// Why no user data could be made.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("the override folder has `{name}`, which is no template; the templates are {known}")]
    UnknownOverride { name: String, known: String },
    #[error("the template `{template}` cannot be used{}: {reason}", place(*.line, *.column))]
    Template { template: String, line: Option<usize>, column: Option<usize>, reason: String },
    #[error("the setting `{name}` cannot be set in the stack file, since kstack derives it for each host")]
    ReservedSetting { name: String },
    #[error("{field} of host `{host}` is `{value}`, but must be {expected}")]
    Value { host: String, field: &'static str, value: String, expected: &'static str },
    #[error("the user data has {bytes} bytes, compressed where that helps, and EC2 takes at most {USER_DATA_LIMIT}")]
    TooLarge { bytes: usize },
}

fn place(line: Option<usize>, column: Option<usize>) -> String {
    match (line, column) {
        (Some(line), Some(column)) => format!(" (line {line}, column {column})"),
        (Some(line), None) => format!(" (line {line})"),
        _ => String::new(),
    }
}

/// The Java heap, in MiB.
///
/// A broker gets three eighths of the memory, at most 6 GiB, and leaves the rest to the page cache: Kafka's
/// documentation runs busy brokers with 6 GiB, which this rule reaches on a host of 16 GiB. A controller keeps
/// its metadata in the heap and needs little cache: half of the memory, at most 4 GiB (the documentation gives
/// a controller about 5 GB in all). Never less than 256 MiB.
pub fn heap_mib(memory_mib: u64, role: HostRole) -> u64 {
    match role {
        HostRole::Broker | HostRole::Combined => (memory_mib * 3 / 8).clamp(256, 6 * 1024),
        HostRole::Controller => (memory_mib / 2).clamp(256, 4 * 1024),
    }
}

/// The user data of a host, as text.
pub fn render(host: &Host, overrides: &Overrides) -> Result<String, TemplateError> {
    check(host)?;
    let view = View::of(host);
    of_overrides(overrides, |registry| registry.render(HOST, &view).map_err(|error| render_error(HOST, &error)))
}

/// Renders with the templates of this kstack, or with `overrides` in place of some.
fn of_overrides(
    overrides: &Overrides,
    render: impl FnOnce(&Handlebars<'_>) -> Result<String, TemplateError>,
) -> Result<String, TemplateError> {
    match overrides.is_empty() {
        true => render(&BUILT_IN),
        false => render(&registry(overrides)?),
    }
}

/// The overrides that a host is made from: with `client`, those of the client host; else those of the others.
pub fn overrides_of(overrides: &Overrides, client: bool) -> Overrides {
    let of = |name: &str| CLIENTS.contains(&name) == client || client && name == INSTALL;
    overrides.iter().filter(|(name, _)| of(name)).map(|(name, text)| (name.clone(), text.clone())).collect()
}

/// The templates of this kstack, parsed once for all hosts.
static BUILT_IN: LazyLock<Handlebars<'static>> =
    LazyLock::new(|| registry(&Overrides::new()).expect("the built-in templates parse"));

/// The host's `server.properties` by itself, as the built-in template has it. Unlike in [`render`], `settings`
/// may name reserved ones, so that a Kafka can be started outside of a host.
pub fn server_properties(host: &Host) -> Result<String, TemplateError> {
    BUILT_IN.render(SERVER_PROPERTIES, &View::of(host)).map_err(|error| render_error(SERVER_PROPERTIES, &error))
}

/// The arguments of `kafka-storage.sh format` for a host, after the command itself, without `--config`.
pub fn format_arguments(host: &Host) -> Vec<String> {
    let view = View::of(host);
    let mut arguments = vec!["--cluster-id".to_owned(), host.cluster_id.clone()];
    if view.is_voter {
        arguments.extend(["--initial-controllers".to_owned(), view.initial_controllers]);
    } else {
        arguments.push("--no-initial-controllers".to_owned());
    }
    arguments
}

/// How hosts may fetch what they verify.
pub const SCHEMES: [&str; 2] = ["https://", "http://"];

/// Whether `text` is a URL of one of `schemes` that comes out of the templates as itself.
pub fn is_url(text: &str, schemes: &[&str]) -> bool {
    let visible = text.chars().all(|c| c.is_ascii_graphic() && !"\"'`\\<>{}".contains(c));
    visible && schemes.iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme))
}

fn registry(overrides: &Overrides) -> Result<Handlebars<'static>, TemplateError> {
    if let Some(name) = overrides.keys().find(|name| !TEMPLATES.iter().any(|(known, _)| known == name)) {
        let known = TEMPLATES.map(|(known, _)| format!("`{known}`")).join(", ");
        return Err(TemplateError::UnknownOverride { name: name.clone(), known });
    }
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    registry.register_escape_fn(handlebars::no_escape);
    registry.register_helper("file", Box::new(file_helper));
    registry.register_helper("yaml", text_helper(|text| yaml_scalar(text, 6)));
    registry.register_helper("sh", text_helper(shell_word));
    registry.register_helper("properties", text_helper(|text| properties_escape(text, false)));
    registry.register_helper("properties_key", text_helper(|text| properties_escape(text, true)));
    for (name, built_in) in TEMPLATES {
        let text = overrides.get(name).map_or(built_in, String::as_str);
        registry.register_template_string(name, text).map_err(|error| TemplateError::Template {
            template: name.to_owned(),
            line: error.pos().map(|(line, _)| line),
            column: error.pos().map(|(_, column)| column),
            reason: error.reason().to_string(),
        })?;
    }
    Ok(registry)
}

fn render_error(template: &str, error: &RenderError) -> TemplateError {
    TemplateError::Template {
        template: error.template_name.clone().unwrap_or_else(|| template.to_owned()),
        line: error.line_no,
        column: error.column_no,
        reason: match error.reason() {
            RenderErrorReason::MissingVariable(Some(name)) => format!("there is no `{name}`"),
            reason => reason.to_string(),
        },
    }
}

/// A helper of the templates, as handlebars calls it.
type BoxedHelper = Box<dyn handlebars::HelperDef + Send + Sync>;

/// A helper that joins its parameters and puts `convert` of them out.
fn text_helper(convert: fn(&str) -> String) -> BoxedHelper {
    Box::new(
        move |h: &Helper, _: &Handlebars, _: &Context, _: &mut RenderContext, out: &mut dyn Output| -> HelperResult {
            let mut text = String::new();
            for param in h.params() {
                match param.value() {
                    serde_json::Value::String(value) => text.push_str(value),
                    serde_json::Value::Number(value) => text.push_str(&value.to_string()),
                    _ => {
                        let name = param.relative_path().map_or("a value", String::as_str);
                        let reason = match param.is_value_missing() {
                            true => format!("there is no `{name}`"),
                            false => format!("`{}` needs text or a number, which `{name}` is not", h.name()),
                        };
                        return Err(RenderErrorReason::Other(reason).into());
                    }
                }
            }
            Ok(out.write(&convert(&text))?)
        },
    )
}

fn file_helper(
    h: &Helper,
    registry: &Handlebars,
    context: &Context,
    render_context: &mut RenderContext,
    out: &mut dyn Output,
) -> HelperResult {
    let name = h.param(0).and_then(|param| param.value().as_str()).unwrap_or_default();
    // One level, so that no template can contain itself.
    let whole = |name: &str| [HOST, CLIENT].contains(&name);
    if whole(name) || render_context.get_root_template_name().is_none_or(|root| !whole(root)) {
        let why = format!("`file` puts the other templates into `{HOST}` and `{CLIENT}` only");
        return Err(RenderErrorReason::Other(why).into());
    }
    let text = registry.render_with_context(name, context)?;
    Ok(out.write(&yaml_scalar(&text, 6))?)
}
