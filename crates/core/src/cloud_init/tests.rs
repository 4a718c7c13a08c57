//! Renderings: what stands in them, that hostile values come out as themselves, and what is refused.

mod security;

use super::*;
use proptest::prelude::*;

fn host(role: HostRole, os: Os) -> Host {
    let voter = |n: u8| Voter {
        node_id: u32::from(n),
        address: Ipv4Addr::new(10, 40, n, 10),
        directory_id: format!("{n}kU3OEVBNTcwNTJENDM2Qg"),
    };
    Host {
        stack: "prod".to_owned(),
        name: "host-1".to_owned(),
        node_id: 1,
        role,
        os,
        zone_id: "apne2-az1".to_owned(),
        address: Ipv4Addr::new(10, 40, 1, 10),
        volume_id: VOLUME_ID_PLACEHOLDER.to_owned(),
        more_volumes: Vec::new(),
        own_disks: None,
        endpoints: Vec::new(),
        joins: false,
        cluster_id: "MkU3OEVBNTcwNTJENDM2Qg".to_owned(),
        controllers: vec![voter(1), voter(2), voter(3)],
        kafka_version: "4.1.1".to_owned(),
        archive_url: "https://downloads.apache.org/kafka/4.1.1/kafka_2.13-4.1.1.tgz".to_owned(),
        archive_checksum: Checksum::Published(
            "https://downloads.apache.org/kafka/4.1.1/kafka_2.13-4.1.1.tgz.sha512".to_owned(),
        ),
        memory_mib: 16 * 1024,
        settings: BTreeMap::new(),
        replication_factor: 3,
        min_insync_replicas: 2,
        retention_ms: 604_800_000,
        package_mirror: None,
        advertised: None,
        proxy: None,
        listeners: Vec::new(),
        security: None,
        ipv6: false,
        monitoring: None,
        logs: None,
    }
}

fn every_host() -> impl Iterator<Item = Host> {
    [HostRole::Broker, HostRole::Controller, HostRole::Combined].into_iter().flat_map(|role| {
        [Os::Al2023, Os::Debian12, Os::Ubuntu2404].into_iter().flat_map(move |os| {
            let own = || Some(Download { url: "http://10.40.0.2/file".to_owned(), sha512: "0A".repeat(64) });
            let exporters = [None, Some(Exporters::default()), Some(Exporters { agent: own(), node: own() })];
            let around = [(None, None), (Some("http://10.40.0.2:8080/mirror"), Some("http://proxy.example.net:3128"))];
            exporters.into_iter().flat_map(move |monitoring| {
                around.map(|(mirror, proxy)| Host {
                    logs: proxy.map(|_| HostLogs {
                        group: "/aws/vendedlogs/kstack/prod/hosts".to_owned(),
                        region: "ap-northeast-2".to_owned(),
                        endpoint: "https://logs.ap-northeast-2.amazonaws.com".to_owned(),
                    }),
                    package_mirror: mirror.map(str::to_owned),
                    proxy: proxy.map(str::to_owned),
                    monitoring: monitoring.clone(),
                    ..host(role, os)
                })
            })
        })
    })
}

fn plain() -> Overrides {
    Overrides::new()
}

/// The contents of the files that the user data writes, by path.
fn files(user_data: &str) -> BTreeMap<String, String> {
    let document: serde_json::Value = serde_yaml::from_str(user_data).expect("the user data is YAML");
    let text = |file: &serde_json::Value, key: &str| file[key].as_str().expect("text").to_owned();
    let files = document["write_files"].as_array().expect("write_files is a list");
    files.iter().map(|file| (text(file, "path"), text(file, "content"))).collect()
}

/// Reads a properties file by the rules of `java.util.Properties.load`; the last line of a name wins.
fn load_properties(text: &str) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::new();
    for line in text.lines().map(|line| line.trim_start_matches([' ', '\t', '\x0c'])) {
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut parts = [Vec::<u16>::new(), Vec::new()];
        let mut part = 0;
        let mut chars = line.chars().peekable();
        while let Some(c) = chars.next() {
            let unit = match c {
                '\\' => match chars.next().expect("no line ends within an escape") {
                    'n' => u16::from(b'\n'),
                    'r' => u16::from(b'\r'),
                    't' => u16::from(b'\t'),
                    'u' => u16::from_str_radix(&chars.by_ref().take(4).collect::<String>(), 16).expect("hex"),
                    c => c as u16,
                },
                '=' | ':' | ' ' | '\t' if part == 0 => {
                    part = 1;
                    while chars
                        .next_if(|next| " \t".contains(*next) || (" \t".contains(c) && "=:".contains(*next)))
                        .is_some()
                    {}
                    continue;
                }
                c => c as u16,
            };
            parts[part].push(unit);
        }
        let [key, value] = parts.map(|units| String::from_utf16(&units).expect("UTF-16"));
        properties.insert(key, value);
    }
    properties
}

fn loaded(host: &Host) -> BTreeMap<String, String> {
    let user_data = render(host, &plain()).expect("renders");
    load_properties(&files(&user_data)["/etc/kafka/server.properties"])
}

#[test]
fn every_role_and_system_renders_to_cloud_config() {
    for host in every_host() {
        let user_data = render(&host, &plain()).expect("renders");
        assert!(user_data.starts_with("#cloud-config\n"));
        let files = files(&user_data);
        assert!(files["/usr/local/lib/kstack/install-kafka"].starts_with("#!/usr/bin/env bash\n"));
        assert!(files["/etc/systemd/system/kafka.service"].contains("\nRequires=kstack-prepare.service\n"));
        assert!(files.values().all(|content| !content.contains("{{")));
        // There is room for what a file and templates add.
        assert!(bytes::compressed(&user_data, flate2::Compression::best()).len() < USER_DATA_LIMIT * 5 / 8);
    }
}

/// A host that sends its logs is told where to; one that keeps them has nothing of it.
#[test]
fn logs_are_sent_where_it_is_asked_for() {
    for host in every_host() {
        let user_data = render(&host, &plain()).expect("renders");
        let Some(logs) = &host.logs else {
            assert!(!user_data.contains("kstack-logs") && !user_data.contains("ship-logs"));
            continue;
        };
        let unit = &files(&user_data)["/etc/systemd/system/kstack-logs.service"];
        let told = [&*logs.region, &*logs.endpoint, &*logs.group, &*host.name].join(" ");
        assert!(unit.contains(&format!("/usr/local/lib/kstack/ship-logs {told}\n")), "{unit}");
    }
}

/// A host without exporters has nothing of them, and one with them starts Kafka without them too.
#[test]
fn exporters_are_where_they_are_asked_for() {
    for host in every_host() {
        let user_data = render(&host, &plain()).expect("renders");
        let files = files(&user_data);
        let Some(exporters) = &host.monitoring else {
            assert!(!user_data.contains("exporter") && !user_data.contains("11001"));
            continue;
        };
        let script = &files["/usr/local/lib/kstack/install-exporters"];
        let digits = if exporters.agent.is_some() { "0a".repeat(64) } else { "f81d876e8110cbab".to_owned() };
        assert!(
            script.contains(&format!("sum='{digits}"))
                && script.contains("10.40.1.10:11001:/etc/kafka/jmx-exporter.yaml")
        );
        assert_eq!(script.contains("apt-get"), exporters.node.is_none() && host.os != Os::Al2023);
        assert_eq!(script.contains("sha256sum"), exporters.node.is_none() && host.os == Os::Al2023);
        let checked = std::process::Command::new("bash").args(["-n", "-c", script]).output().expect("bash runs");
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        assert!(files["/etc/systemd/system/kafka.service"].contains("\nEnvironmentFile=-/etc/kafka/exporter.env\n"));
        let prepare = &files["/etc/systemd/system/kstack-prepare.service"];
        assert!(prepare.contains("\nExecStart=-/usr/local/lib/kstack/install-exporters\n"));
        assert!(files["/etc/systemd/system/node-exporter.service"].contains("--web.listen-address=10.40.1.10:11002 "));
    }
}

#[test]
fn the_same_host_gives_the_same_bytes() {
    for host in every_host() {
        let once = encode(&render(&host, &plain()).expect("renders")).expect("fits");
        assert_eq!(once, encode(&render(&host.clone(), &plain()).expect("renders")).expect("fits"));
    }
}

#[test]
fn the_volume_id_stands_in_one_place() {
    for host in every_host() {
        let user_data = render(&host, &plain()).expect("renders");
        assert_eq!(user_data.matches(VOLUME_ID_PLACEHOLDER).count(), 1);
        let known = render(&Host { volume_id: "vol-0123456789abcdef0".to_owned(), ..host }, &plain()).expect("renders");
        assert_eq!(user_data.replace(VOLUME_ID_PLACEHOLDER, "vol-0123456789abcdef0"), known);
    }
}

#[test]
fn the_roles_have_their_settings() {
    let broker = loaded(&Host { node_id: 4, ..host(HostRole::Broker, Os::Al2023) });
    assert_eq!(broker["process.roles"], "broker");
    assert_eq!(broker["broker.rack"], "apne2-az1");
    assert_eq!(broker["listeners"], "PLAINTEXT://10.40.1.10:9092");
    let quorum = "10.40.1.10:9093,10.40.2.10:9093,10.40.3.10:9093";
    assert_eq!(broker["controller.quorum.bootstrap.servers"], quorum);

    let controller = loaded(&host(HostRole::Controller, Os::Debian12));
    assert_eq!(controller["listeners"], "CONTROLLER://10.40.1.10:9093");
    assert_eq!(controller["min.insync.replicas"], "2");
    assert!(!controller.contains_key("inter.broker.listener.name"));

    let combined = loaded(&host(HostRole::Combined, Os::Ubuntu2404));
    assert_eq!(combined["process.roles"], "broker,controller");
    assert_eq!(combined["advertised.listeners"], "PLAINTEXT://10.40.1.10:9092,CONTROLLER://10.40.1.10:9093");
}

#[test]
fn further_listeners_come_after_those_that_every_broker_has() {
    let listener = |name: &str, port, host: &str, advertised_port| Listener {
        name: name.to_owned(),
        port,
        host: host.to_owned(),
        advertised_port,
    };
    let listeners = vec![listener("PARTNER", 9192, "b-1.example.com", 9192), listener("ON-SITE", 9292, "kafka", 9301)];
    let broker = loaded(&Host { listeners: listeners.clone(), ..host(HostRole::Broker, Os::Al2023) });
    let bound = ",PARTNER://10.40.1.10:9192,ON-SITE://10.40.1.10:9292";
    let told = ",PARTNER://b-1.example.com:9192,ON-SITE://kafka:9301";
    assert_eq!(broker["listeners"], format!("PLAINTEXT://10.40.1.10:9092{bound}"));
    assert_eq!(broker["advertised.listeners"], format!("PLAINTEXT://10.40.1.10:9092{told}"));
    assert_eq!(
        broker["listener.security.protocol.map"],
        "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PARTNER:PLAINTEXT,ON-SITE:PLAINTEXT"
    );
    let combined = loaded(&Host { listeners, ..host(HostRole::Combined, Os::Al2023) });
    assert_eq!(combined["listeners"], format!("PLAINTEXT://10.40.1.10:9092,CONTROLLER://10.40.1.10:9093{bound}"));
    let hostile = vec![listener("A", 9192, "b,C://d", 9192)];
    let error =
        render(&Host { listeners: hostile, ..host(HostRole::Broker, Os::Al2023) }, &plain()).expect_err("refused");
    assert!(error.to_string().contains("a listener's host of host `host-1` is `b,C://d`"), "{error}");
}

#[test]
fn only_first_controllers_format_with_the_quorum() {
    let format = |host: &Host| {
        let user_data = render(host, &plain()).expect("renders");
        let script = files(&user_data)["/usr/local/lib/kstack/format-storage"].clone();
        let arguments = format_arguments(host);
        let last = arguments.last().expect("has arguments");
        assert!(script.contains(last), "the script and format_arguments agree");
        last.clone()
    };
    let all = "1@10.40.1.10:9093:1kU3OEVBNTcwNTJENDM2Qg,2@10.40.2.10:9093:2kU3OEVBNTcwNTJENDM2Qg,\
               3@10.40.3.10:9093:3kU3OEVBNTcwNTJENDM2Qg";
    assert_eq!(format(&host(HostRole::Controller, Os::Al2023)), all);
    assert_eq!(format(&host(HostRole::Combined, Os::Al2023)), all);
    assert_eq!(format(&Host { node_id: 4, ..host(HostRole::Controller, Os::Al2023) }), "--no-initial-controllers");
    assert_eq!(format(&Host { node_id: 4, ..host(HostRole::Broker, Os::Al2023) }), "--no-initial-controllers");
}

#[test]
fn the_stack_files_settings_win() {
    let settings = BTreeMap::from([("num.io.threads".to_owned(), "32".to_owned())]);
    assert_eq!(loaded(&Host { settings, ..host(HostRole::Broker, Os::Al2023) })["num.io.threads"], "32");
}

#[test]
fn hostile_settings_come_out_as_themselves() {
    let hostile = [
        "",
        " leading and trailing ",
        "quotes \" ' ` and \\ backslash \\",
        "two\nlines\r\n\tand a tab",
        "$(touch /tmp/x) ${HOME} $HOME `id` ; | & > <",
        "{{name}} {{{stack}}} {{#if x}}",
        "# ! = : % @volume-id@ * & - ? |",
        "한글 ü 🦀 \u{0} \u{7f} \u{85} \u{2028} \u{feff}",
        "\u{c}form feed",
        "key: value\n  - item\n...\n---\n",
    ];
    for value in hostile {
        for name in ["some.setting", "a key: with=all #of !it\n\\", " ü"] {
            let settings = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            assert_eq!(loaded(&Host { settings, ..host(HostRole::Broker, Os::Debian12) })[name], value);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_setting_comes_out_as_itself(name in "\\PC{1,12}", value in any::<String>()) {
        prop_assume!(!RESERVED_SETTINGS.contains(&name.as_str()));
        let settings = BTreeMap::from([(name.clone(), value.clone())]);
        prop_assert_eq!(&loaded(&Host { settings, ..host(HostRole::Controller, Os::Al2023) })[&name], &value);
    }

    #[test]
    fn any_text_is_one_yaml_scalar(text in "(?s)(\\PC|[ \n\t:#'\"|-]){0,40}|([ -~]{0,6}\n){1,4}") {
        let document = format!("a:\n  - b:\n      c: {}\n    d: 1\n", yaml_scalar(&text, 8));
        let document: serde_json::Value = serde_yaml::from_str(&document).expect("YAML");
        prop_assert_eq!(document["a"][0]["b"]["c"].as_str(), Some(text.as_str()));
        prop_assert_eq!(&document["a"][0]["d"], 1);
    }
}

#[test]
fn a_value_that_cannot_stand_in_a_script_is_refused() {
    let refused = |change: fn(&mut Host)| {
        let mut host = host(HostRole::Broker, Os::Debian12);
        change(&mut host);
        render(&host, &plain()).expect_err("refused").to_string()
    };
    assert_eq!(
        refused(|host| host.kafka_version = "4.1.1$(id)".to_owned()),
        "the Kafka version of host `host-1` is `4.1.1$(id)`, but must be made of ASCII letters, digits, `.`, `_`, `-` and `@`"
    );
    assert_eq!(
        refused(|host| host.archive_url = "http://example.org/kafka.tgz".to_owned()),
        "the archive's address of host `host-1` is `http://example.org/kafka.tgz`, but must be an https URL, \
         since its checksum is fetched too"
    );
    assert!(refused(|host| host.archive_checksum = Checksum::Sha512("abc".to_owned())).contains("128 hexadecimal"));
    assert!(refused(|host| host.package_mirror = Some("http://x/\"\n".to_owned())).contains("package mirror"));
    assert!(refused(|host| host.cluster_id = "-kU3OEVBNTcwNTJENDM2Qg".to_owned()).contains("cluster id"));
    assert_eq!(
        refused(|host| _ = host.settings.insert("node.id".to_owned(), "7".to_owned())),
        "the setting `node.id` cannot be set in the stack file, since kstack derives it for each host"
    );
}

#[test]
fn an_override_replaces_a_template() {
    let overrides = Overrides::from([("log4j2.yaml.hbs".to_owned(), "# for {{name}}\n".to_owned())]);
    let user_data = render(&host(HostRole::Broker, Os::Al2023), &overrides).expect("renders");
    assert_eq!(files(&user_data)["/etc/kafka/log4j2.yaml"], "# for host-1\n");
}

#[test]
fn faults_in_overrides_say_where_they_are() {
    let fault = |name: &str, text: &str| {
        let overrides = Overrides::from([(name.to_owned(), text.to_owned())]);
        render(&host(HostRole::Broker, Os::Al2023), &overrides).expect_err("refused").to_string()
    };
    assert_eq!(
        fault("hots.yaml.hbs", ""),
        "the override folder has `hots.yaml.hbs`, which is no template; the templates are `host.yaml.hbs`, \
         `server.properties.hbs`, `log4j2.yaml.hbs`, `install-kafka.sh.hbs`, `mount-data.sh.hbs`, \
         `fetch-papers.sh.hbs`, `warn-of-end.sh.hbs`, `format-storage.sh.hbs`, `kstack-prepare.service.hbs`, `kafka.service.hbs`, `client.yaml.hbs`, \
         `client-profile.sh.hbs`, `install-iam-auth.sh.hbs`, `kafka-tool.sh.hbs`, \
         `install-exporters.sh.hbs`, `jmx-exporter.yaml.hbs`, `node-exporter.service.hbs`, `ship-logs.py.hbs`"
    );
    let at = |template: &str, line: u8, column: u8, reason: &str| {
        format!("the template `{template}` cannot be used (line {line}, column {column}): {reason}")
    };
    let properties = "server.properties.hbs";
    assert_eq!(fault(properties, "node.id=1\nrack={{zone}}\n"), at(properties, 2, 6, "there is no `zone`"));
    assert_eq!(fault(properties, "a={{sh zone}}\n"), at(properties, 1, 3, "there is no `zone`"));
    assert_eq!(
        fault(properties, "a={{sh settings}}\n"),
        at(properties, 1, 3, "`sh` needs text or a number, which `settings` is not")
    );
    assert!(fault(HOST, "#cloud-config\n{{#if settings}}\n").contains("(line 3, column 1): invalid handlebars syntax"));
    let nested = "`file` puts the other templates into `host.yaml.hbs` and `client.yaml.hbs` only";
    assert_eq!(fault(HOST, "{{file \"host.yaml.hbs\"}}"), at(HOST, 1, 1, nested));
    assert_eq!(fault(properties, "{{file \"kafka.service.hbs\"}}"), at(properties, 1, 1, nested));
    assert_eq!(fault(HOST, "{{file \"nothing\"}}"), at(HOST, 1, 1, "Template not found nothing"));
}

#[test]
fn what_ec2_cannot_take_is_refused() {
    assert_eq!(encode("short").expect("fits"), b"short", "compression would make it longer");
    let mut state = 1u32;
    let noise = (0..40_000).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from((state >> 25) as u8)
    });
    let noise: String = noise.collect();
    let error = encode(&noise).expect_err("too large").to_string();
    assert!(error.ends_with("bytes, compressed where that helps, and EC2 takes at most 16384"), "{error}");
    let long = "a".repeat(40_000);
    let bytes = encode(&long).expect("fits");
    assert!(bytes.starts_with(&[0x1f, 0x8b]), "gzip");
    assert_eq!(bytes[4..8], [0; 4], "no time in it");
}

#[test]
fn the_heap_leaves_room_for_the_page_cache() {
    assert_eq!(heap_mib(16 * 1024, HostRole::Broker), 6 * 1024);
    assert_eq!(heap_mib(8 * 1024, HostRole::Broker), 3 * 1024);
    assert_eq!(heap_mib(512 * 1024, HostRole::Broker), 6 * 1024);
    assert_eq!(heap_mib(2 * 1024, HostRole::Combined), 768);
    assert_eq!(heap_mib(4 * 1024, HostRole::Controller), 2 * 1024);
    assert_eq!(heap_mib(32 * 1024, HostRole::Controller), 4 * 1024);
    assert_eq!(heap_mib(512, HostRole::Broker), 256);
}

#[test]
fn a_shell_word_is_not_evaluated() {
    let hostile = "a'b \"c\" $(echo x) `echo y` $HOME \\ * {{z}} ; #\n'";
    let script = format!("printf %s {}", quote::shell_word(hostile));
    let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("sh runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), hostile);
}
