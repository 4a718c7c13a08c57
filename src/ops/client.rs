//! What a client of a secured stack needs: certificates by the stack's authority for clients, users with passwords, and, for an hour, all
//! rights.

use std::net::SocketAddrV4;

use jiff::SignedDuration;

use super::{Failure, kafka};
use crate::aws::papers::new_password;
use crate::clock;
use crate::error::StepError;
use crate::kafka::{Brokers, BrokersError, Server, Via, users};
use crate::pki::{Pair, Signer};
use crate::roll;
use crate::session::Session;
use kstack_core::certificates::{Authority, CLIENT_HOST, Facts, is_user};
use kstack_core::client_files::{Format, Identity, client_file};
use kstack_core::cloud_init::{FROM_ENVIRONMENT, INTERNAL_PORT};
use kstack_core::file::bootstrap_name;
use kstack_core::observed::Observed;
use kstack_core::stack::{ListenerName, Stack};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// As whom a client is to come.
#[derive(Debug, Clone, Copy)]
pub enum Who<'a> {
    /// A user with a certificate of this life.
    Certificate { user: &'a str, life: SignedDuration },
    /// A user with a password; one that has a password already keeps it unless another is asked for.
    Password { user: &'a str, another: bool },
    /// A client with tokens of the issuer that the file names.
    Token,
    /// Who may do everything, for this long, over the brokers' own listener.
    Admin { life: SignedDuration },
}

/// Asks what is needed of the stack as it is live.
pub struct Request<'a> {
    pub stack: &'a Stack,
    pub observed: &'a Observed,
    pub sandbox: bool,
    pub via: &'a Via,
    pub format: Format,
}

impl Request<'_> {
    /// The client's settings, with what is secret in them.
    ///
    /// # Errors
    /// That the stack has no such listener, or the user a password already; AWS's answer, or Kafka's.
    pub async fn settings(&self, session: &Session, who: Who<'_>) -> Result<String, Failure> {
        let ways = self.stack.cluster.ec2.as_ref().map(|ec2| ec2.listeners.ways()).unwrap_or_default();
        let has = |listener| ways.iter().any(|way| way.listener == listener);
        let missing = |key: &str| {
            let hint = format!("write `{key}: true` below `cluster.ec2.listeners`, and apply the file");
            Failure::new(format!("the stack {} has no listener for such clients", self.stack.name)).hint(hint)
        };
        let Some(trust) = roll::trust(self.observed) else {
            let failure = Failure::new(format!("no host of the stack {} speaks TLS", self.stack.name));
            return Err(failure.hint("apply the file first; a stack in plaintext needs no credentials"));
        };
        // Of two that take each other's place a client trusts both.
        let trusted = session.aws.trusted(&trust).await?;
        let ca = trusted.hosts;
        match who {
            Who::Certificate { user, life } => {
                if !has(ListenerName::Tls) {
                    return Err(missing("mtls"));
                }
                if self.stack.has_own_clients_ca() {
                    let bootstrap = self.servers(ListenerName::Tls).join(",");
                    return Ok(client_file(self.format, &bootstrap, Some(&ca), Identity::OwnCertificate));
                }
                let facts = Facts::client(user, life).ok_or_else(|| no_user(user))?;
                let newest = trust.clients.last().copied().unwrap_or(1);
                let signer = session.aws.signer(Authority::Clients, newest, None).await?;
                let pair = sign(&signer, &facts)?;
                Ok(self.certificate(&self.servers(ListenerName::Tls).join(","), &ca, &pair))
            }
            Who::Token => {
                if !has(ListenerName::Oauth) {
                    let failure =
                        Failure::new(format!("the stack {} has no listener for such clients", self.stack.name));
                    return Err(failure.hint("write `oauth` below `cluster.ec2.listeners`, and apply the file"));
                }
                Ok(client_file(self.format, &self.servers(ListenerName::Oauth).join(","), Some(&ca), Identity::Token))
            }
            Who::Admin { life } => {
                let pair = sign(&trusted.signer, &Facts { life, ..Facts::admin() })?;
                Ok(self.certificate(&self.inside().join(","), &ca, &pair))
            }
            Who::Password { user, another } => {
                if !has(ListenerName::Scram) {
                    return Err(missing("scram"));
                }
                if !is_user(user) {
                    return Err(no_user(user));
                }
                let password = self.password(session, user, another).await?;
                let identity = Identity::Scram { user, password: &password };
                Ok(client_file(self.format, &self.servers(ListenerName::Scram).join(","), Some(&ca), identity))
            }
        }
    }

    /// The settings of the client host, where a process of this machine stands for it: as the host itself, or, without a listener for
    /// certificates, as the user whom the environment names.
    ///
    /// # Errors
    /// As [`Request::settings`].
    pub async fn of_client_host(&self, session: &Session) -> Result<String, Failure> {
        let ways = self.stack.cluster.ec2.as_ref().map(|ec2| ec2.listeners.ways()).unwrap_or_default();
        if ways.iter().any(|way| way.listener == ListenerName::Tls) {
            return self.settings(session, Who::Certificate { user: CLIENT_HOST, life: HOUR }).await;
        }
        let trust = roll::trust(self.observed).unwrap_or_default();
        let ca = session.aws.trusted(&trust).await?.hosts;
        let identity = Identity::Scram { user: "${env:KAFKA_USERNAME}", password: "${env:KAFKA_PASSWORD}" };
        let servers = self.servers(ListenerName::Scram).join(",");
        Ok(client_file(self.format, &servers, Some(&ca), identity) + FROM_ENVIRONMENT)
    }

    fn certificate(&self, bootstrap: &str, ca: &str, pair: &Pair) -> String {
        let identity = Identity::Certificate { certificate: &pair.certificate, key: pair.key.expose() };
        client_file(self.format, bootstrap, Some(ca), identity)
    }

    /// The password of `user`: the one that is kept, of a user of the file; else a new one, which brokers know from now on.
    async fn password(&self, session: &Session, user: &str, another: bool) -> Result<String, Failure> {
        let name = user.to_owned();
        if let Some(secret) = self.stack.access.users.get(user).and_then(|user| user.secret.as_deref()) {
            if another {
                let failure =
                    Failure::new(format!("the password of {user} is the one of the secret that the file names"));
                return Err(failure.hint("change the secret, and apply the file: the user gets its password then"));
            }
            return Ok(session.aws.secret_password(secret, user).await?.expose().to_owned());
        }
        let kept = match self.stack.access.users.contains_key(user) {
            true => session.aws.passwords(std::slice::from_ref(&name)).await?.remove(user),
            false => None,
        };
        match (kept, self.stack.access.users.contains_key(user)) {
            (Some(password), _) if !another => return Ok(password.expose().to_owned()),
            (Some(_), _) => {
                let hint = "delete the user's parameter in Systems Manager and apply the file: the user gets another password then";
                return Err(
                    Failure::new(format!("the password of {user} is kept, and goes by the stack file")).hint(hint)
                );
            }
            (None, true) => {
                let hint = "apply the file first: the user gets its password then";
                return Err(Failure::new(format!("no password is kept of the user {user}")).hint(hint));
            }
            (None, false) => {}
        }
        let servers: Vec<Server> =
            kafka::brokers(self.observed, self.sandbox).into_values().map(Server::from).collect();
        let brokers =
            Brokers::new(servers, kafka::link(session, self.via, roll::trust(self.observed).as_ref()).await?, &|| true);
        let asked = async {
            let failed = |error: BrokersError| error.to_string();
            if !another && users::with_passwords(&brokers, Some(&[user])).await.map_err(failed)?.contains(user) {
                return Ok(None);
            }
            let password = new_password()?;
            let given = users::alter_passwords(&brokers, &[(user, Some(&password))]).await.map_err(failed)?;
            given.into_iter().collect::<Result<(), String>>().map(|()| Some(password))
        };
        let asked = asked.await;
        brokers.close().await;
        let failed = |why: String| Failure::new(format!("the user {user} gets no password: {why}"));
        asked.map_err(failed)?.ok_or_else(|| {
            Failure::new(format!("the user {user} has a password, which Kafka tells nobody"))
                .hint("use the one that it was given, or give it another with --new-password: clients with the old one are refused from then on")
        })
    }

    /// Where clients reach the brokers by this listener: by their common name where they have one that others are told.
    fn servers(&self, listener: ListenerName) -> Vec<String> {
        let ways = self.stack.cluster.ec2.as_ref().map(|ec2| ec2.listeners.ways()).unwrap_or_default();
        let Some(way) = ways.into_iter().find(|way| way.listener == listener) else { return Vec::new() };
        if self.sandbox {
            let local = kafka::local_brokers(self.observed, &way.kafka_name());
            if !local.is_empty() {
                return local.iter().map(ToString::to_string).collect();
            }
        }
        match self.stack.network.dns.as_ref().filter(|dns| dns.advertise) {
            Some(dns) => vec![format!("{}:{}", bootstrap_name(&dns.domain(&self.stack.name)), way.port)],
            None => shown(roll::brokers_at(self.observed, way.port).into_values()),
        }
    }

    /// Where kstack reaches them.
    pub fn inside(&self) -> Vec<String> {
        match kafka::brokers(self.observed, self.sandbox) {
            local if !local.is_empty() => shown(local.into_values()),
            _ => shown(roll::brokers_at(self.observed, INTERNAL_PORT).into_values()),
        }
    }
}

fn shown(all: impl Iterator<Item = SocketAddrV4>) -> Vec<String> {
    all.map(|one| one.to_string()).collect()
}

fn sign(signer: &Signer, facts: &Facts) -> Result<Pair, StepError> {
    signer.sign(facts, clock::now()).map_err(|error| StepError::ended("there is no certificate", error.to_string()))
}

fn no_user(user: &str) -> Failure {
    Failure::new(format!("`{user}` is no name of a user"))
        .hint("take letters, digits, `.`, `_` and `-`, 64 at most: a certificate then gives the client just this name")
}
