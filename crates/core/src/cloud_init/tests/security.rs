//! Hosts that speak TLS, and those with IPv6.

use super::*;

/// With each way in for clients that there is.
fn security() -> Security {
    Security {
        scram: true,
        mtls: true,
        plaintext: false,
        phase: Phase::Closed,
        oauth: None,
        clients_ca: None,
        names: Vec::new(),
        region: "eu-west-1".to_owned(),
        ssm: "https://ssm.eu-west-1.amazonaws.com".to_owned(),
    }
}

#[test]
fn a_host_that_speaks_tls_has_no_listener_without_it() {
    let of = |role| loaded(&Host { security: Some(security()), ..host(role, Os::Debian12) });
    let address = "10.40.1.10";
    let clients = format!("INTERNAL://{address}:9091,MTLS://{address}:9094,SCRAM://{address}:9096");
    let (broker, controller, combined) = (of(HostRole::Broker), of(HostRole::Controller), of(HostRole::Combined));
    assert_eq!(broker["listeners"], clients);
    assert_eq!(broker["listener.security.protocol.map"], "INTERNAL:SSL,MTLS:SSL,SCRAM:SASL_SSL,QUORUM:SSL");
    assert_eq!(controller["listeners"], format!("QUORUM://{address}:9095"));
    assert_eq!(controller["listener.security.protocol.map"], "QUORUM:SSL");
    assert_eq!(combined["listeners"], format!("{clients},QUORUM://{address}:9095"));
    for host in [&broker, &controller, &combined] {
        assert_eq!(host["advertised.listeners"], host["listeners"]);
        assert_eq!(host["controller.listener.names"], "QUORUM");
        let bootstrap = &host["controller.quorum.bootstrap.servers"];
        assert_eq!(bootstrap, "10.40.1.10:9095,10.40.2.10:9095,10.40.3.10:9095");
        assert_eq!(host["super.users"], "User: kstack:host;User: kstack:admin");
        assert_eq!(host["listener.name.quorum.ssl.client.auth"], "required");
        assert_eq!(host["allow.everyone.if.no.acl.found"], "false");
    }
    for host in [&broker, &combined] {
        assert_eq!(host["inter.broker.listener.name"], "INTERNAL");
        assert_eq!(host["listener.name.internal.ssl.principal.mapping.rules"], crate::certificates::HOST_RULES);
        assert_eq!(host["listener.name.mtls.ssl.principal.mapping.rules"], crate::certificates::CLIENT_RULES);
        assert!(!host.contains_key("ssl.client.auth"), "it would ask clients with passwords for certificates");
    }
    let names =
        Host { advertised: Some("broker-1.kafka.example.com".to_owned()), ..host(HostRole::Combined, Os::Debian12) };
    let names = loaded(&Host { security: Some(security()), ..names });
    let told = "MTLS://broker-1.kafka.example.com:9094,SCRAM://broker-1.kafka.example.com:9096";
    assert_eq!(names["advertised.listeners"], format!("INTERNAL://{address}:9091,{told},QUORUM://{address}:9095"));
    assert_eq!(names["listeners"], combined["listeners"]);
    let alone = Security { mtls: false, plaintext: true, ..security() };
    let alone = loaded(&Host { security: Some(alone), ..host(HostRole::Broker, Os::Debian12) });
    assert!(alone["listeners"].ends_with(":9091,SCRAM://10.40.1.10:9096,PLAINTEXT://10.40.1.10:9092"), "{alone:?}");
    assert!(alone.keys().all(|key| !key.starts_with("listener.name.mtls.")), "{alone:?}");
    let format = format_arguments(&Host { security: Some(security()), ..host(HostRole::Combined, Os::Debian12) });
    assert!(format.last().is_some_and(|voters| voters.starts_with("1@10.40.1.10:9095:1kU3")), "{format:?}");
}

#[test]
fn on_the_way_from_plaintext_a_host_has_both_and_uses_what_its_phase_says() {
    let address = "10.40.1.10";
    let of = |role, phase| {
        let security = Security { phase, ..security() };
        loaded(&Host { security: Some(security), ..host(role, Os::Debian12) })
    };
    let clients =
        format!("INTERNAL://{address}:9091,MTLS://{address}:9094,SCRAM://{address}:9096,PLAINTEXT://{address}:9092");
    let voters = format!("QUORUM://{address}:9095,CONTROLLER://{address}:9093");
    let maps = "INTERNAL:SSL,MTLS:SSL,SCRAM:SASL_SSL,PLAINTEXT:PLAINTEXT,QUORUM:SSL,CONTROLLER:PLAINTEXT";
    for (phase, controllers, brokers, port) in [
        (Phase::Open, "CONTROLLER,QUORUM", "PLAINTEXT", 9093),
        (Phase::Switched, "QUORUM,CONTROLLER", "INTERNAL", 9095),
    ] {
        let (broker, controller) = (of(HostRole::Broker, phase), of(HostRole::Controller, phase));
        let combined = of(HostRole::Combined, phase);
        assert_eq!(broker["listeners"], clients);
        assert_eq!(controller["listeners"], voters);
        assert_eq!(combined["listeners"], format!("{clients},{voters}"));
        assert_eq!(combined["advertised.listeners"], combined["listeners"]);
        // A broker knows how to speak to controllers by both.
        assert_eq!(broker["listener.security.protocol.map"], maps);
        assert_eq!(controller["listener.security.protocol.map"], "QUORUM:SSL,CONTROLLER:PLAINTEXT");
        for host in [&broker, &controller, &combined] {
            assert_eq!(host["controller.listener.names"], controllers);
            assert!(host["controller.quorum.bootstrap.servers"].starts_with(&format!("10.40.1.10:{port},")));
            assert_eq!(host["super.users"], format!("{};User:ANONYMOUS", crate::certificates::super_users()));
            assert_eq!(host["allow.everyone.if.no.acl.found"], "true");
        }
        assert_eq!(
            (&broker["inter.broker.listener.name"], &combined["inter.broker.listener.name"]),
            (&brokers.to_owned(), &brokers.to_owned())
        );
    }
}

#[test]
fn a_host_that_speaks_tls_fetches_its_papers_before_its_storage_is_formatted() {
    for plain in every_host() {
        let files_of = |host: &Host| files(&render(host, &self::plain()).expect("renders"));
        let prepare = "/etc/systemd/system/kstack-prepare.service";
        let before = files_of(&plain);
        assert!(!before.contains_key("/usr/local/lib/kstack/fetch-papers") && !before[prepare].contains("papers"));
        let secured = files_of(&Host { security: Some(security()), ..plain });
        let script = &secured["/usr/local/lib/kstack/fetch-papers"];
        assert!(script.contains("\nparameter='/kstack-papers/prod/hosts/10.40.1.10/tls'\n"), "{script}");
        let place = |step: &str| secured[prepare].find(step).unwrap_or_else(|| panic!("{step}"));
        assert!(place("/install-kafka") < place("/fetch-papers") && place("/fetch-papers") < place("/format-storage"));
        let warns = |files: &BTreeMap<String, String>| files.keys().filter(|path| path.contains("warn")).count();
        assert_eq!((warns(&before), warns(&secured)), (0, 3), "a script, its unit and its timer");
    }
    let outside = |change: fn(&mut Security)| {
        let mut security = security();
        change(&mut security);
        let host = Host { security: Some(security), ..host(HostRole::Broker, Os::Al2023) };
        render(&host, &plain()).expect_err("refused").to_string()
    };
    assert!(outside(|one| one.region = "eu\" -o /etc/x".to_owned()).starts_with("the region of host `host-1`"));
    assert!(outside(|one| one.ssm = "http://ssm".to_owned()).contains("must be an https URL"));
}

#[test]
fn a_broker_with_ipv6_listens_on_every_address_and_tells_the_same() {
    let listeners =
        vec![Listener { name: "PARTNER".into(), port: 9192, host: "b-1.example.com".into(), advertised_port: 9192 }];
    let of = |ipv6| loaded(&Host { ipv6, listeners: listeners.clone(), ..host(HostRole::Combined, Os::Al2023) });
    let (plain, dual) = (of(false), of(true));
    assert_eq!(dual["listeners"], "PLAINTEXT://:9092,CONTROLLER://10.40.1.10:9093,PARTNER://:9192");
    assert_eq!(dual["advertised.listeners"], plain["advertised.listeners"]);
}

#[test]
fn brokers_trust_the_users_own_ca_of_clients_and_the_issuer_of_tokens_where_there_are_any() {
    let ca = "-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n";
    let tokens = Tokens {
        issuer: "https://login.example.com/realms/\u{fc}".to_owned(),
        audience: "kafka".to_owned(),
        jwks: "https://login.example.com/keys".to_owned(),
        claim: "client_id".to_owned(),
    };
    let with = |security| Host { security: Some(security), ..host(HostRole::Combined, Os::Debian12) };
    let own = with(Security { clients_ca: Some(ca.to_owned()), oauth: Some(tokens.clone()), ..security() });
    let (own, plain) = ((loaded(&own), files(&render(&own, &plain()).expect("renders"))), with(security()));
    let (plain, before) = (loaded(&plain), files(&render(&plain, &self::plain()).expect("renders")));
    assert_eq!(own.0["listener.name.mtls.ssl.truststore.location"], CLIENTS_CA);
    assert_eq!(own.1[CLIENTS_CA], ca);
    assert_eq!(plain["listener.name.mtls.ssl.truststore.location"], "/etc/kafka/tls/clients-ca.pem");
    assert!(!before.contains_key(CLIENTS_CA));
    assert!(own.0["listeners"].contains(",OAUTH://10.40.1.10:9097,"), "{}", own.0["listeners"]);
    assert!(own.0["listener.security.protocol.map"].contains(",OAUTH:SASL_SSL,"));
    assert_eq!(own.0["listener.name.oauth.sasl.oauthbearer.expected.issuer"], tokens.issuer);
    let service = "/etc/systemd/system/kafka.service";
    let option = "-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=";
    assert!(own.1[service].contains(&format!("headless=true {option}{}\"\n", tokens.jwks)), "{}", own.1[service]);
    assert!(!before[service].contains(option) && plain.keys().all(|key| !key.contains("oauth")), "{plain:?}");
    for wrong in ["https://a,https://b", "https://a/%20", "ftp://a", "https://a/\"x"] {
        let tokens = Tokens { jwks: wrong.to_owned(), ..tokens.clone() };
        let error = render(&with(Security { oauth: Some(tokens), ..security() }), &self::plain());
        assert!(error.is_err_and(|error| error.to_string().contains("the address of the issuer's keys")), "{wrong}");
    }
}
