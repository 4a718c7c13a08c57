//! Who is who in a cluster that speaks TLS: each certificate of a stack as facts, without a key and without a clock.
//!
//! A stack has two authorities of its own. That of the hosts signs for brokers, controllers and kstack itself, that of the clients for
//! clients alone: with one for both, a client could get a certificate with a host's subject.

use std::net::Ipv4Addr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::trust::Trust;

/// Certificates begin some time before they are made: clocks differ.
pub const EARLIER: SignedDuration = SignedDuration::from_hours(1);

/// What an authority signs for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Authority {
    Hosts,
    Clients,
}

impl Authority {
    pub const LIFE: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);

    /// The word for it, also in the name of its parameter.
    pub fn word(self) -> &'static str {
        match self {
            Authority::Hosts => "hosts",
            Authority::Clients => "clients",
        }
    }
    /// The name of the one with this number, in its stack and in its parameter: the first has just the word.
    pub fn name(self, number: u32) -> String {
        if number == 1 { self.word().to_owned() } else { format!("{}-{number}", self.word()) }
    }
    /// The authority of this name, and its number.
    pub fn of(name: &str) -> Option<(Authority, u32)> {
        let (word, number) =
            name.split_once('-').map_or(Some((name, 1)), |(word, text)| Some((word, text.parse().ok()?)))?;
        let one = [Authority::Hosts, Authority::Clients].into_iter().find(|one| one.word() == word)?;
        (one.name(number) == name).then_some((one, number))
    }
    /// The common name of its own certificate, by which stacks, and those of one stack, are told apart.
    pub fn common_name(self, stack: &str, number: u32) -> String {
        let further = if number == 1 { String::new() } else { format!(" {number}") };
        format!("kstack {stack} {}{further}", self.word())
    }
}

/// The organizational units by which brokers know who has a certificate of the hosts' authority.
const HOSTS_UNIT: &str = "kstack-hosts";
const ADMINS_UNIT: &str = "kstack-admins";

/// The users of brokers and controllers, and of kstack. Nobody else can have these names: a certificate gives a client a name without
/// `:` or a whole subject, which has `=` (see [`CLIENT_RULES`]); a token gives it a claim without the spaces around it, whatever its issuer
/// writes; and a user with a password is made by a super user alone.
pub const HOST_USER: &str = " kstack:host";
pub const ADMIN_USER: &str = " kstack:admin";

/// The user that the client host is to brokers: it may do what ACLs allow this user.
pub const CLIENT_HOST: &str = "kstack-client-host";

/// How brokers make a user of a subject of the hosts' authority. Java writes a subject by RFC 2253, its last part first. One name for
/// all hosts: `super.users` is read at start alone, and a broker more must not roll the others.
pub const HOST_RULES: &str = "RULE:^OU=kstack-hosts,CN=(broker|controller)-[0-9]+$/ kstack:host/,\
    RULE:^OU=kstack-admins,CN=[^,=]+$/ kstack:admin/,DEFAULT";

/// How brokers make a user of a client's subject: the common name where there is nothing else, or the subject as it is.
pub const CLIENT_RULES: &str = "RULE:^CN=([A-Za-z0-9._-]+)$/$1/,DEFAULT";

/// Whether a certificate with this as its common name gives its client just this name.
pub fn is_user(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// The value of `super.users`.
pub fn super_users() -> String {
    format!("User:{HOST_USER};User:{ADMIN_USER}")
}

/// What a certificate says, but for what its making adds: key, serial number, dates and signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub authority: Authority,
    pub common_name: String,
    pub unit: Option<&'static str>,
    /// By which clients may verify the server.
    pub addresses: Vec<Ipv4Addr>,
    pub names: Vec<String>,
    /// Whether it may be a server's; every one may be a client's.
    pub server: bool,
    pub life: SignedDuration,
}

impl Facts {
    /// How long the certificate of a broker or controller is valid.
    pub const HOST_LIFE: SignedDuration = SignedDuration::from_hours(365 * 24);

    /// A broker or controller. The facts follow from the host alone, so that a new certificate always fits in the place of an old one.
    pub fn host(stack: &str, host: &str, address: Ipv4Addr) -> Facts {
        Facts {
            authority: Authority::Hosts,
            common_name: host.to_owned(),
            unit: Some(HOSTS_UNIT),
            addresses: vec![address],
            names: vec![format!("{host}.{stack}.kstack.internal")],
            server: true,
            life: Facts::HOST_LIFE,
        }
    }

    /// kstack itself, for a run.
    pub fn admin() -> Facts {
        Facts {
            authority: Authority::Hosts,
            common_name: "kstack".to_owned(),
            unit: Some(ADMINS_UNIT),
            addresses: Vec::new(),
            names: Vec::new(),
            server: false,
            life: SignedDuration::from_hours(1),
        }
    }

    /// A client; `None` where its certificate would give it another name.
    pub fn client(user: &str, life: SignedDuration) -> Option<Facts> {
        is_user(user).then(|| Facts {
            authority: Authority::Clients,
            common_name: user.to_owned(),
            unit: None,
            addresses: Vec::new(),
            names: Vec::new(),
            server: false,
            life,
        })
    }

    /// The client host, a user as any other: its certificate ends, and is renewed, as a host's.
    pub fn client_host() -> Facts {
        Facts {
            authority: Authority::Clients,
            common_name: CLIENT_HOST.to_owned(),
            unit: None,
            addresses: Vec::new(),
            names: Vec::new(),
            server: false,
            life: Facts::HOST_LIFE,
        }
    }

    /// The subject as Java and `openssl x509 -nameopt RFC2253` write it.
    pub fn subject(&self) -> String {
        let unit = self.unit.map(|unit| format!("OU={unit},")).unwrap_or_default();
        format!("{unit}CN={}", self.common_name)
    }
}

/// What is known of a certificate beside its parameter, whose value is secret: the parameter's description. Whoever plans reads this
/// alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub subject: String,
    /// In hexadecimal.
    pub serial: String,
    pub begins: Timestamp,
    pub ends: Timestamp,
    /// The serial number of the certificate of the authority that signed it; its own, where it is an authority's.
    pub by: String,
    /// That of the authority of the clients that the host trusts.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub clients: String,
    /// The names beside the address.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub names: Vec<String>,
    /// The authorities that the host has it with.
    #[serde(skip_serializing_if = "Trust::is_first", default)]
    pub trust: Trust,
    /// The one before it, with which a process may still run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<Life>,
    /// When the instance had started that ran as this was written: one that started since has this. By EC2's clock, or kstack's for a reboot,
    /// which comes hours after a launch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub running: Option<Timestamp>,
}

/// From when to when a certificate is valid, and with which authorities a host has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    pub begins: Timestamp,
    pub ends: Timestamp,
    #[serde(skip_serializing_if = "Trust::is_first", default)]
    pub trust: Trust,
}

/// When the certificates of a host end: of the one that its process should have started with, by what AWS tells, and of the one that its
/// broker serves, where that was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ends {
    pub started_with: Option<Timestamp>,
    pub served: Option<Timestamp>,
}

impl Ends {
    /// That they are two certificates, in words; `None` where they are one, or one of both is not known.
    pub fn difference(self, host: &str) -> Option<String> {
        let (started_with, served) = (self.started_with?, self.served?);
        let date = |at: Timestamp| at.strftime("%F %R:%S UTC").to_string();
        (served != started_with)
            .then(|| format!("{host} ({}, and should be one that ends {})", date(served), date(started_with)))
    }
}

/// How far AWS's clock and kstack's may be apart, at most, for what they say to be compared.
const CLOCKS: SignedDuration = SignedDuration::from_secs(60);

impl Told {
    /// The life of the certificate that a process has which started then; `None` where nothing tells of it. A process never takes
    /// another one while it runs: Kafka's quorum keeps what it started with (KAFKA-20025).
    pub fn started_with(&self, started: Timestamp) -> Option<Life> {
        let since = self.running.map_or(started + CLOCKS >= self.begins + EARLIER, |running| started > running);
        if since { Some(self.life()) } else { self.before.clone() }
    }

    /// Its own life, with the authorities that are told.
    pub fn life(&self) -> Life {
        Life { begins: self.begins, ends: self.ends, trust: self.trust.clone() }
    }

    /// The same, renewed after `old`, while a process may run that has `started` then: it is known for what it has until it starts again,
    /// however often a run renews and dies before that.
    pub fn renewed(self, old: Option<&Told>, started: Option<Timestamp>) -> Told {
        let before = started.and_then(|started| old?.started_with(started));
        Told { before, running: started, ..self }
    }
}

impl Life {
    /// Whether it is time for another at `now`.
    pub fn is_due(&self, now: Timestamp) -> bool {
        now >= renew_at(self.begins, self.ends)
    }
}

/// When a certificate is to be renewed: with a third of its life left.
pub fn renew_at(begins: Timestamp, ends: Timestamp) -> Timestamp {
    ends - begins.duration_until(ends) / 3
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: SignedDuration = SignedDuration::from_hours(24);

    fn life(begins: Timestamp, ends: Timestamp) -> Life {
        Life { begins, ends, trust: Trust::default() }
    }

    #[test]
    fn an_authority_has_a_number_and_a_name() {
        for (name, expected) in [("hosts", (Authority::Hosts, 1)), ("clients-12", (Authority::Clients, 12))] {
            assert_eq!((Authority::of(name), expected.0.name(expected.1).as_str()), (Some(expected), name));
        }
        for name in ["", "host", "hosts-", "hosts-1", "hosts-02", "hosts-x", "clients-2-2"] {
            assert_eq!(Authority::of(name), None, "{name}");
        }
        assert_eq!(Authority::Hosts.common_name("prod", 1), "kstack prod hosts");
        assert_eq!(Authority::Clients.common_name("prod", 2), "kstack prod clients 2");
    }

    #[test]
    fn a_subject_has_its_last_part_first() {
        let address = Ipv4Addr::new(10, 40, 0, 11);
        assert_eq!(Facts::host("prod", "broker-1", address).subject(), "OU=kstack-hosts,CN=broker-1");
        assert_eq!(Facts::admin().subject(), "OU=kstack-admins,CN=kstack");
        assert_eq!(Facts::client("orders-api", DAY).map(|one| one.subject()).as_deref(), Some("CN=orders-api"));
        assert_eq!(Some(Facts::client_host()), Facts::client(CLIENT_HOST, Facts::HOST_LIFE), "a user as any other");
    }

    #[test]
    fn no_client_can_be_named_as_a_super_user() {
        for name in [HOST_USER, ADMIN_USER] {
            assert!(!is_user(name) && !name.contains('='), "{name}");
            assert!(HOST_RULES.contains(&format!("/{name}/")) && super_users().contains(&format!("User:{name}")));
        }
        for name in ["", "a b", "a,OU=kstack-hosts", "a=b", "a:b", "ü", "a/b", "*", &"a".repeat(65)] {
            assert_eq!(Facts::client(name, DAY), None, "{name}");
        }
    }

    #[test]
    fn a_broker_that_serves_another_certificate_than_it_started_with_is_told_where_both_are_known() {
        let at = |second| Timestamp::from_second(second).expect("a date");
        let difference = |started_with: Option<i64>, served: Option<i64>| {
            Ends { started_with: started_with.map(at), served: served.map(at) }.difference("broker-1")
        };
        for (started_with, served) in [(None, None), (Some(0), None), (None, Some(0)), (Some(86_400), Some(86_400))] {
            assert_eq!(difference(started_with, served), None);
        }
        let told = "broker-1 (1970-01-01 00:00:00 UTC, and should be one that ends 1970-01-02 00:00:00 UTC)";
        assert_eq!(difference(Some(86_400), Some(0)).as_deref(), Some(told));
    }

    #[test]
    fn a_process_has_the_certificate_that_was_there_when_it_started() {
        let at = |text: &str| -> Timestamp { format!("2026-{text}:00Z").parse().expect("a date") };
        let (old, begins, ends) = (life(at("01-01T00:00"), at("07-01T00:00")), at("06-01T00:00"), at("12-01T00:00"));
        let (made, new) = (begins + EARLIER, life(begins, ends));
        let told = |before: Option<&Life>| Told {
            subject: String::new(),
            serial: String::new(),
            begins,
            ends,
            by: String::new(),
            clients: String::new(),
            names: Vec::new(),
            trust: Trust::default(),
            before: before.cloned(),
            running: None,
        };
        assert_eq!(told(Some(&old)).started_with(made), Some(new.clone()));
        assert_eq!(told(Some(&old)).started_with(made - SignedDuration::from_secs(59)), Some(new), "clocks differ");
        assert_eq!(told(Some(&old)).started_with(made - SignedDuration::from_mins(2)), Some(old.clone()));
        assert_eq!(told(None).started_with(made - SignedDuration::from_mins(2)), None);
        assert!(old.is_due(at("05-02T00:00")) && !old.is_due(at("04-30T00:00")));
        let text = serde_json::to_string(&told(Some(&old))).expect("JSON");
        assert_eq!(serde_json::from_str::<Told>(&text).expect("the same"), told(Some(&old)));
    }

    /// Source of the limit: the API reference of Systems Manager, `PutParameter`, `Description`.
    #[test]
    fn what_is_told_of_the_longest_names_fits_into_a_description() {
        // Controllers have no names in DNS.
        let (host, stack, zone) = ("broker-1000", "s".repeat(30), "z".repeat(200));
        let facts = Facts::host(&stack, host, Ipv4Addr::LOCALHOST);
        let below = |name: &str| format!("{name}.{stack}.{zone}");
        // A serial number has at most 20 bytes (RFC 5280, 4.1.2.2), and one more where its first bit is set.
        let (number, ends) = ("f".repeat(42), Timestamp::UNIX_EPOCH);
        // While one authority takes the place of another.
        let trust = Trust { signer: 10, hosts: [10, 11].into(), clients: [10, 11].into() };
        let told = Told {
            subject: facts.subject(),
            serial: number.clone(),
            begins: ends,
            ends,
            by: number.clone(),
            clients: number,
            names: facts.names.into_iter().chain([below(host), below("bootstrap")]).collect(),
            trust: trust.clone(),
            before: Some(Life { begins: ends, ends, trust }),
            running: Some(ends),
        };
        let text = serde_json::to_string(&told).expect("JSON");
        assert!(text.len() <= 1024, "{} characters: {text}", text.len());
    }

    #[test]
    fn a_process_is_known_for_what_it_has_however_often_a_run_renews_and_dies() {
        let of = |day: i64| {
            let begins =
                Timestamp::from_second(1_800_000_000).expect("a date") + DAY * i32::try_from(day).expect("days");
            let (subject, serial, by, clients) = (String::new(), day.to_string(), String::new(), String::new());
            let (ends, names, trust) = (begins + DAY * 365, Vec::new(), Trust::default());
            Told { subject, serial, begins, ends, by, clients, names, trust, before: None, running: None }
        };
        let life = |told: &Told| Some(life(told.begins, told.ends));
        let (first, started) = (of(0), of(0).begins + EARLIER + SignedDuration::from_mins(5));
        let second = of(300).renewed(Some(&first), Some(started));
        let third = of(310).renewed(Some(&second), Some(started));
        assert_eq!((second.started_with(started), third.started_with(started)), (life(&first), life(&first)));
        let soon = started + SignedDuration::from_secs(1);
        assert_eq!(third.started_with(soon), life(&third), "EC2's own times tell two starts apart");
        let again = third.begins + EARLIER + SignedDuration::from_mins(5);
        assert_eq!(third.started_with(again), life(&third));
        let fourth = of(600).renewed(Some(&third), Some(again));
        assert_eq!(fourth.started_with(again), life(&third), "the one before that is forgotten");
        assert_eq!(of(600).renewed(Some(&third), None).before, None, "nothing runs");
    }

    #[test]
    fn a_certificate_is_renewed_with_a_third_of_its_life_left() {
        let begins: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a date");
        assert_eq!(renew_at(begins, begins + DAY * 90), begins + DAY * 60);
        let life = Facts::host("prod", "broker-1", Ipv4Addr::LOCALHOST).life;
        assert_eq!(renew_at(begins, begins + life).to_string(), "2026-09-01T08:00:00Z");
    }
}
