//! Rules of Kafka's settings on hosts: `cluster.ec2.config`.

use super::check_listeners::{OTHERS, listeners, or_plaintext};
use super::keys::Version;
use super::listeners::{Listeners, Way};
use crate::engines::kafka_settings::{
    begins_as_kafkas, check_pairs, check_unclean, check_value, find, has_plugin, shown, similar, wrong_name,
};
use crate::engines::rules::settings;
use crate::file::node::{Content, Key, Node};
use crate::file::problem::Problem;
use crate::file::{Checker, secret};
use crate::settings::definitions::{definition, newest};
use crate::settings::{Found, KafkaVersion, Setting, dynamic};

pub(super) const CONFIG: &str = "cluster.ec2.config";

/// Settings of a host that speaks TLS by which it is known who is who, and who may do what; those of each listener, and of all.
const IDENTITY: [&str; 15] = [
    "allow.everyone.if.no.acl.found",
    "authorizer.class.name",
    "principal.builder.class",
    "sasl.enabled.mechanisms",
    "sasl.oauthbearer.expected.audience",
    "sasl.oauthbearer.expected.issuer",
    "sasl.oauthbearer.jwks.endpoint.url",
    "sasl.oauthbearer.jwt.validator.class",
    "sasl.oauthbearer.scope.claim.name",
    "sasl.oauthbearer.sub.claim.name",
    "sasl.server.callback.handler.class",
    "ssl.client.auth",
    "ssl.engine.factory.class",
    "ssl.principal.mapping.rules",
    "super.users",
];
const IDENTITY_HELP: &str = "remove it: with `scram`, `mtls` or `oauth` below `listeners`, the file says who is who, hosts have kstack's certificates, and ACLs say who may do what";

/// Whether `name` is one of those, or of a host's key, its certificates and those that it trusts.
fn is_identity(name: &str) -> bool {
    // A mechanism's own settings win over those of its listener.
    let name = name.strip_prefix("oauthbearer.").unwrap_or(name);
    let papers = ["ssl.key.", "ssl.keystore.", "ssl.truststore."];
    IDENTITY.contains(&name) || name.ends_with("sasl.jaas.config") || papers.iter().any(|begin| name.starts_with(begin))
}

/// Settings that kstack makes for each host, with what says it instead. Source: cloud-init/server.properties.hbs, and what would
/// contradict it.
const OWNED: &[(&[&str], &str)] = &[
    (
        &[
            "advertised.host.name",
            "advertised.listeners",
            "advertised.port",
            "control.plane.listener.name",
            "controller.listener.names",
            "early.start.listeners",
            "host.name",
            "inter.broker.listener.name",
            "listener.security.protocol.map",
            "listeners",
            "port",
            "security.inter.broker.protocol",
        ],
        "remove it: every host has its listeners, `network.clients` says who else may reach them, and `listeners` declares more",
    ),
    (
        &["broker.id", "broker.id.generation.enable", "node.id", "reserved.broker.max.id"],
        "remove it: `brokers.count` and `controllers.count` say which numbers there are",
    ),
    (&["process.roles"], "remove it: `controllers`, or `combined`, says which hosts are controllers"),
    (
        &["controller.quorum.bootstrap.servers", "controller.quorum.voters"],
        "remove it: `controllers`, or `combined`, says which hosts are controllers",
    ),
    (
        &["controller.quorum.auto.join.enable"],
        "remove it: a controller that is taken out of the quorum would join it again at once; `controllers.count` says how many vote, and `kstack apply` lets them join",
    ),
    (&["broker.rack"], "remove it: a broker's rack is its zone, of `network.zones`"),
    (
        &["log.dir", "log.dirs", "metadata.log.dir"],
        "remove it: the data is on the volume of `brokers.storage` and `controllers.storage`",
    ),
];

/// What says in a stack file what the setting `name` says to Kafka, where kstack makes that for each host.
fn owned(name: &str) -> Option<&'static str> {
    OWNED.iter().find(|(names, _)| names.contains(&name)).map(|(_, help)| *help)
}

/// Checks every setting by itself. Runs before what counts settings.
pub(super) fn check(checker: &mut Checker<'_>) {
    let version = version(checker);
    let resolves = checker.entries(CONFIG).iter().any(|(key, _)| key.name == "config.providers");
    let of_file = listeners(checker);
    let own = if of_file.secured() { ["internal", "quorum"] } else { ["plaintext", "controller"] };
    let listeners = own.into_iter().chain(of_file.ways().iter().map(Way::word)).collect();
    let host = Host { version, resolves, plugin: has_plugin(CONFIG, version, checker), of_file, listeners };
    for (key, value) in checker.entries(CONFIG) {
        host.check(key, value, checker);
    }
    check_unclean(CONFIG, checker);
    let counting = settings(CONFIG, checker);
    let otherwise = |name: &str| match (Setting::named(name), counting) {
        (Some(setting), Some(settings)) if Setting::COPIES.contains(&setting) => Some(settings.copies.into()),
        (Some(setting), Some(settings)) if Setting::MIN_INSYNC.contains(&setting) => Some(settings.min_insync.into()),
        _ => definition(name, version)?.default_number(),
    };
    check_pairs(CONFIG, version, otherwise, checker);
    check_connections(checker);
    check_ignored(version, checker);
}

/// Only what brokers change while they run can be other than the file says.
fn check_ignored(version: KafkaVersion, checker: &mut Checker<'_>) {
    const IGNORED: &str = "cluster.ec2.ignore_drift";
    let Some(Some(names)) = checker.part::<Option<Vec<String>>>(IGNORED) else { return };
    for (index, name) in names.iter().enumerate().filter(|(_, name)| !dynamic::names(version).any(|one| one == *name)) {
        let message = format!("`{}` is no setting that brokers change for all while they run", name.escape_debug());
        let help = match definition(name, version) {
            Some(_) => "remove it: hosts have it as the file says, and change it by a roll",
            None => "write a setting by Kafka's own name, such as `log.retention.ms`",
        };
        checker.error(&format!("{IGNORED}.{index}"), message, help);
    }
}

/// Source: `validateValues` of Kafka's `KafkaConfig`.
fn check_connections(checker: &mut Checker<'_>) {
    let (name, overrides) = ("max.connections.per.ip", "max.connections.per.ip.overrides");
    let zero = checker.entries(CONFIG).iter().find(|(key, _)| key.name == name);
    if let Some((_, value)) = zero.filter(|_| checker.text_of(CONFIG, name).trim() == "0")
        && checker.text_of(CONFIG, overrides).trim().is_empty()
    {
        let message = format!("`{name}` can't be 0 without `{overrides}`: nobody could connect");
        checker.error_at(value.at, message, format!("name who may connect in `{overrides}`, or remove it"));
    }
}

/// The stack's Kafka; the newest known where the file has none that reads, and the oldest possible for one that is too old.
fn version(checker: &Checker<'_>) -> KafkaVersion {
    let given = checker.part::<Version>("cluster.ec2.kafka");
    given.map_or(newest(), |version| version.max(super::check::OLDEST_KAFKA).numbers())
}

/// What the settings of a file have in common.
struct Host {
    version: KafkaVersion,
    /// Whether Kafka puts secrets and the like in the place of references.
    resolves: bool,
    /// Whether a class that is not Kafka's reads settings of its own.
    plugin: bool,
    /// What the file says of listeners.
    of_file: Listeners,
    /// The listeners that it has, as `listener.name.LISTENER.` names them.
    listeners: Vec<&'static str>,
}

impl Host {
    fn check(&self, key: &Key, value: &Node, checker: &mut Checker<'_>) {
        let name = key.name.as_str();
        if let Some(help) = owned(name) {
            return checker.error_at(key.at, format!("`{name}` is set by kstack for each host"), help);
        }
        if name.is_empty() || name.contains(char::is_whitespace) {
            let message = format!("`{}` is not the name of a Kafka setting", name.escape_debug());
            return checker.error_at(key.at, message, "a name has letters, digits, dots and hyphens, and no spaces");
        }
        if secret::is_secret(name) && !matches!(&value.content, Content::Scalar(text) if secret::is_reference(text)) {
            let help = "set `config.providers` and write a reference to the secret, such as `${file:/etc/kafka/secrets.properties:keystore}`";
            let message = format!("the value of `{name}` is a secret, and secrets do not belong in a stack file");
            return checker.error_at(key.at, message, help);
        }
        let of_listener = name.strip_prefix("listener.name.").and_then(|rest| rest.split_once('.'));
        let own = of_listener.is_none_or(|(listener, _)| self.listeners.contains(&listener));
        if self.of_file.secured() && own && is_identity(of_listener.map_or(name, |(_, own)| own)) {
            let help = or_plaintext(&self.of_file, IDENTITY_HELP);
            return checker.error_at(key.at, format!("`{name}` is set by kstack for each host"), help);
        }
        match of_listener {
            Some((listener, own)) => self.check_listener(listener, own, key, value, checker),
            None => self.check_known(name, key, value, checker),
        }
    }

    /// A setting for one of the listeners.
    fn check_listener(&self, listener: &str, own: &str, key: &Key, value: &Node, checker: &mut Checker<'_>) {
        let further = checker.entries(OTHERS).iter().any(|(key, _)| key.name == listener);
        if !self.listeners.contains(&listener) && !further {
            let message = format!("no host has a listener `{listener}`, which `{}` is for", key.name);
            let help = match self.of_file.secured() {
                false => {
                    "remove it: hosts have `plaintext` for clients and brokers, `controller`, and what `listeners.others` names"
                }
                true => {
                    "remove it: hosts have `internal` and `quorum` for each other, and what `listeners` names for clients"
                }
            };
            let help = or_plaintext(&self.of_file, help);
            return checker.error_at(key.at, message, help);
        }
        match find(own, self.version) {
            Found::Known(definition) => check_value(key, value, definition, self.resolves, checker),
            // Behind a mechanism's name there are settings of that mechanism.
            found => {
                if let Some((message, help)) = wrong_name(own, found, self.version) {
                    checker.error_at(key.at, message, help);
                }
            }
        }
    }

    fn check_known(&self, name: &str, key: &Key, value: &Node, checker: &mut Checker<'_>) {
        let found = find(name, self.version);
        if let Found::Known(definition) = found {
            return check_value(key, value, definition, self.resolves, checker);
        }
        if let Some((message, help)) = wrong_name(name, found, self.version) {
            return checker.error_at(key.at, message, help);
        }
        if found != Found::Unknown || self.plugin {
            return;
        }
        let message = format!("Kafka {} has no setting `{name}`, and ignores it", shown(self.version.min(newest())));
        let near = similar(name, self.version).map(|near| format!("the nearest one is `{near}`"));
        let plugins =
            "a plugin's own settings are taken as they are where the file sets its class, as `metric.reporters` does";
        let help = near.into_iter().chain([plugins.to_owned()]).collect::<Vec<_>>().join("; ");
        // A plugin's names begin with a word of its own.
        checker.problems.push(match begins_as_kafkas(name, self.version) {
            true => Problem::new(key.at, message).help(help),
            false => Problem::warning(key.at, message).help(help),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud_init::RESERVED_SETTINGS;

    #[test]
    fn what_no_host_may_be_given_is_refused_with_the_key_that_does_it() {
        for name in RESERVED_SETTINGS {
            assert!(owned(name).is_some_and(|help| help.contains('`')), "{name}");
        }
    }

    #[test]
    fn a_name_that_is_owned_is_one_of_kafkas() {
        for name in OWNED.iter().flat_map(|(names, _)| *names) {
            let known = |version| !matches!(find(name, version), Found::Unknown | Found::Topic(_));
            assert!(known((4, 1, 1)), "{name}");
        }
    }
}
