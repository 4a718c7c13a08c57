//! Canaries where secrets can be: none of them shows in anything that kstack writes, or that AWS keeps of it.

use std::fmt::Write as _;
use std::process::Command;

use aws_sdk_ssm::types::{ParameterType, ResourceTypeForTagging};
use base64::Engine as _;
use flate2::read::GzDecoder;

use crate::ephemeral::{SMALL, later};
use crate::support::aws::{DEV, wait};
use crate::support::{Account, Run, stack};

/// No such word is anywhere by itself.
const CANARY: &str = "CANARY7f3a";

fn run(account: &Account, arguments: &[&str]) -> Run {
    disguised(account.command(arguments))
}

/// A command with secrets for credentials.
fn disguised(mut command: Command) -> Run {
    command
        .env("AWS_SECRET_ACCESS_KEY", format!("{CANARY}-secret-key"))
        .env("AWS_SESSION_TOKEN", format!("{CANARY}-token"));
    // The SDK and the libraries have logs; no part of kstack shows them, at whatever level.
    command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
    Run::of(&mut command)
}

#[track_caller]
fn clean(what: &str, text: &str) {
    assert!(!text.contains(CANARY), "{what}: {text}");
    // Nor in another spelling.
    for other in [base64::engine::general_purpose::STANDARD.encode(CANARY), CANARY.to_lowercase()] {
        assert!(!text.contains(other.trim_end_matches('=')), "{what}: {text}");
    }
}

#[test]
fn credentials_show_in_nothing_that_is_written_or_kept() {
    let account = Account::new();
    let reference = "${file:/etc/kafka/secrets.properties:keystore}";
    let config = format!("config: {{config.providers: file, ssl.keystore.password: \"{reference}\"}}\n    brokers:");
    account.write("dev", &[("brokers:", &config)]);
    let mut all = String::new();
    let file = "dev.yaml";
    for arguments in [
        &["check", file][..],
        &["size", file],
        &["plan", file],
        &["plan", file, "--json"],
        &["plan", file, "--out", "dev.plan"],
        &["apply", file, "--yes", "--json"],
        &["apply", file, "--yes"],
        &["status", file],
        &["status", file, "--json"],
        &["list", "--region", DEV],
        &["render", file, "--host", "broker-1"],
        &["cost", file],
    ] {
        let _ = write!(all, "{:?}: {}", arguments, run(&account, arguments).expect(0));
    }
    all += &std::fs::read_to_string(account.path("dev.plan")).expect("a plan");
    // What AWS has of it: tags, user data, parameters.
    let ec2 = account.ec2(DEV);
    let tags = wait(ec2.describe_tags().send());
    all.extend(tags.tags().iter().map(|tag| format!("{tag:?}\n")));
    for id in account.instances(DEV).into_values() {
        let answer = wait(ec2.describe_instance_attribute().instance_id(id).attribute("userData".into()).send());
        let data = answer.user_data().and_then(|data| data.value()).expect("user data");
        let bytes = base64::engine::general_purpose::STANDARD.decode(data).expect("base64");
        let mut text = String::new();
        if std::io::Read::read_to_string(&mut GzDecoder::new(bytes.as_slice()), &mut text).is_err() {
            text = String::from_utf8_lossy(&bytes).into_owned();
        }
        // Where the secret is kept is there, and may be.
        assert!(text.contains("ssl.keystore.password"), "{text}");
        all += &text;
    }
    let parameters = wait(account.ssm(DEV).get_parameters_by_path().path("/kstack").recursive(true).send());
    all.extend(parameters.parameters().iter().map(|one| format!("{one:?}\n")));
    assert!(all.len() > 50_000 && all.contains("broker-1"), "there is something to look in");
    clean("a run that succeeds", &all);

    // Errors of every part: of AWS, of the network, of the lease, of a saved plan.
    let mut errors = String::new();
    account.choose(&serde_json::json!({"faults": [{"service": "ec2", "operation": "Describe*", "error": "UnauthorizedOperation", "status": 403}]}));
    errors += &run(&account, &["plan", file]).expect(1).to_string();
    errors += &run(&account, &["destroy", file, "--yes"]).expect(1).to_string();
    account.choose(&serde_json::json!({}));
    let mut nowhere = account.command(&["list", "--region", DEV]);
    nowhere
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        .env("AWS_SECRET_ACCESS_KEY", format!("{CANARY}-secret-key"))
        .env("AWS_MAX_ATTEMPTS", "1");
    errors += &Run::of(&mut nowhere).expect(1).to_string();
    clean("a run that fails", &errors);

    let mut ends = run(&account, &["destroy", file, "--yes", "--json"]).expect(0).to_string();
    account.write("ephemeral", &SMALL);
    for arguments in [
        &["up", "ephemeral.yaml", "--name", "pr-1041", "--json"][..],
        &["extend", "pr-1041", "--ttl", "6h", "--region", DEV],
        &["with", "ephemeral.yaml", "--name", "pr-1042", "--", "true"],
    ] {
        ends += &run(&account, arguments).expect(0).to_string();
    }
    ends += &disguised(later(&account, 9, &["reap", "--region", DEV])).expect(0).to_string();
    assert!(ends.contains("pr-1041"), "{ends}");
    clean("a run that destroys", &ends);
    account.assert_nothing_left();
}

#[test]
fn passwords_of_users_show_in_nothing_that_is_written_or_kept() {
    let account = Account::new();
    let secured = ("    kafka: 4.1.1", "    kafka: 4.1.1\n    listeners: {scram: true}");
    let file = account.write("dev", &[secured]);
    account.apply(&file);
    let text = std::fs::read_to_string(account.path(&file)).expect("a file");
    let users = "access:\n  users:\n    orders-api: {produce: [orders]}\n    billing: {consume: {topics: [orders], groups: [billing]}}\n";
    std::fs::write(account.path(&file), format!("{text}\n{users}")).expect("a file");
    // No broker can be asked here: what is kept of users is made all the same.
    let mut all = run(&account, &["apply", &file, "--yes", "--json"]).expect(0).to_string();
    let ssm = account.ssm(DEV);
    let name = "/kstack-papers/dev/users/orders-api";
    let kept = wait(ssm.get_parameter().name(name).with_decryption(true).send()).parameter.expect("a parameter");
    let generated = kept.value().expect("a password").to_owned();
    assert_eq!(generated.len(), 32);
    let canary = format!("{CANARY}{}", "x".repeat(22));
    wait(ssm.put_parameter().name(name).value(&canary).r#type(ParameterType::SecureString).overwrite(true).send());
    for arguments in [
        &["check", &file][..],
        &["plan", &file],
        &["plan", &file, "--json"],
        &["plan", &file, "--markdown"],
        &["plan", &file, "--out", "users.plan"],
        &["apply", &file, "--yes", "--json"],
        &["status", &file, "--verbose"],
        &["status", &file, "--json"],
        &["list", "--region", DEV],
        &["render", &file, "--host", "broker-1"],
    ] {
        let _ = write!(all, "{arguments:?}: {}", run(&account, arguments).expect(0));
    }
    // Unasked, a user's password is shown to nobody; here it can't be asked for, as no broker can.
    all += &run(&account, &["credentials", &file, "orders-api"]).to_string();
    all += &std::fs::read_to_string(account.path("users.plan")).expect("a plan");
    let tags = wait(account.ec2(DEV).describe_tags().send());
    all.extend(tags.tags().iter().map(|tag| format!("{tag:?}\n")));
    let parameters = wait(ssm.get_parameters_by_path().path("/").recursive(true).send());
    let told = parameters.parameters().iter().filter(|one| one.name() != Some(name));
    all.extend(told.map(|one| format!("{one:?}\n")));
    let tags = ssm.list_tags_for_resource().resource_type(ResourceTypeForTagging::Parameter).resource_id(name);
    all += &format!("{:?}", wait(tags.send()).tag_list());
    all += &run(&account, &["destroy", &file, "--yes", "--json"]).expect(0).to_string();
    assert!(all.contains("orders-api"), "there is something to look in");
    clean("users", &all);
    assert!(!all.contains(&generated), "the password that was generated");
    account.assert_nothing_left();
}

#[test]
fn a_secret_that_a_stack_file_has_is_refused_and_not_shown() {
    let account = Account::new();
    let secrets = [
        "ssl.keystore.password",
        "ssl.key.password",
        "ssl.truststore.password",
        "ssl.keystore.key",
        "sasl.jaas.config",
        "listener.name.clients.scram-sha-512.sasl.jaas.config",
        "listener.name.internal.ssl.keystore.password",
        "password.encoder.secret",
        "delegation.token.secret.key",
        "sasl.oauthbearer.client.credentials.client.secret",
        "my.plugin.api.key",
    ];
    for name in secrets {
        for value in [
            format!("{CANARY}-1"),
            format!("\"{CANARY} and more\""),
            format!("|\n        first\n        {CANARY}"),
            format!("x${{file:/a:b}}{CANARY}"),
        ] {
            let config = format!("config:\n      {name}: {value}\n    brokers:");
            let text = stack("dev", &[("brokers:", &config)]);
            // With the secret alone, with another problem beside it, and in a file that is no YAML.
            for text in [text.clone(), text.replace("count: 3", "cuont: 3"), format!("{text}\n  broken: [")] {
                std::fs::write(account.path("bad.yaml"), text).expect("a file");
                for command in
                    [&["check", "bad.yaml"][..], &["plan", "bad.yaml", "--json"], &["apply", "bad.yaml", "--yes"]]
                {
                    // Each command reads the file in the same way: the first of them in every case, the others for one name.
                    if command[0] == "check" || name == secrets[0] {
                        let run = run(&account, command).expect(1);
                        clean(name, &run.to_string());
                    }
                }
            }
        }
    }
    for (key, value) in [
        ("package_mirror", "http://me:CANARY7f3a@10.0.0.2/mirror"),
        ("archive", "{url: \"https://me:CANARY7f3a@example.org/k.tgz\", sha512: x}"),
        ("archive", "{url: \"ftp://me:CANARY7f3a@example.org/k.tgz\", sha512: x}"),
    ] {
        account.write("dev", &[("brokers:", &format!("{key}: {value}\n    brokers:"))]);
        let run = run(&account, &["check", "dev.yaml"]).expect(1);
        clean(key, &run.to_string());
    }
}
