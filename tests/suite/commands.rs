//! The commands as a user and a script see them: what they print, where, and how they end.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::aws::{DEV, wait};
use crate::support::{Account, Run, poll, text};

const FILE: &str = "dev.yaml";

fn applied() -> Account {
    let account = Account::new();
    account.write("dev", &[]);
    account.apply(FILE);
    account
}

/// `text` with each of the account's ids, and each time, in place of what differs between runs.
fn plain(account: &Account, text: &str) -> String {
    let text = text.replace(&account.id, "ACCOUNT");
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        for word in line.split_inclusive(' ') {
            let bare = word.trim_end();
            let (prefix, hex) = bare.rsplit_once('-').unwrap_or_default();
            let id = ["vol", "ami", "i"].contains(&prefix) && hex.len() == 17;
            out.push_str(&if id { word.replace(hex, "ID") } else { word.to_owned() });
        }
    }
    out
}

#[test]
fn detailed_exit_codes_tell_nothing_from_changes_and_errors() {
    let account = Account::new();
    account.write("dev", &[]);
    account.run(&["plan", FILE]).expect(0);
    account.run(&["plan", FILE, "--detailed-exitcode"]).expect(2);
    account.run(&["plan", "missing.yaml", "--detailed-exitcode"]).expect(1);
    account.apply(FILE);
    let run = account.run(&["plan", FILE, "--detailed-exitcode"]);
    assert_eq!(
        plain(&account, &run.to_string()),
        "exit code 0\n--- stdout\nStack dev in eu-west-1 (account ACCOUNT)\n\n\
         Warning: security_group/clients:\n      hosts and clients speak plaintext: whoever is on the way can read and change what they send;\n      \
         `scram: true` beside `plaintext: true` brings listeners with TLS beside port 9092\n\nNothing to do: everything else matches the stack file.\n\
         Monthly cost: 84.24 USD now, +0.00 USD with this plan, without traffic, and without gp3 size in eu-west-1 and nat \
         gateway in eu-west-1, whose prices are unknown.\n--- stderr\n"
    );
    let run = account.run(&["plan", FILE, "--markdown", "--detailed-exitcode"]);
    assert_eq!(
        plain(&account, &run.to_string()),
        "exit code 0\n--- stdout\n### Stack `dev` in `eu-west-1`\n\n**Nothing to do.**\n\n- Monthly cost: 84.24 USD now, +0.00 \
         USD with this plan, without traffic, and without gp3 size in eu-west-1 and nat gateway in eu-west-1, whose prices are \
         unknown.\n- **Warning:** `security_group/clients`: \
         hosts and clients speak plaintext: whoever is on the way can read and change what they send; `scram: true` beside `plaintext: true` \
         brings listeners with TLS beside port 9092\n\n<details><summary>The whole plan</summary>\n\n```text\nStack dev in eu-west-1 (account ACCOUNT)\n\nWarning: security_group/clients:\n      hosts and clients speak plaintext: whoever is on the way can read and change what they send;\n      \
         `scram: true` beside `plaintext: true` brings listeners with TLS beside port 9092\n\nNothing to do: \
         everything else matches the stack file.\nMonthly cost: 84.24 USD now, +0.00 USD with this plan, without traffic, and \
         without gp3 size in eu-west-1 and nat gateway in eu-west-1, whose prices are unknown.\n```\n\n</details>\n--- stderr\n"
    );
    // An apply of it asks nothing, and ends well.
    account.run(&["apply", FILE]).expect(0);
    account.destroy(FILE);
    let run = account.run(&["destroy", FILE]);
    assert_eq!(
        run.to_string(),
        "exit code 0\n--- stdout\nNothing to destroy: the stack dev has no live resources.\n--- stderr\n"
    );
}

#[test]
fn without_a_terminal_and_without_yes_nothing_is_changed() {
    let account = Account::new();
    account.write("dev", &[]);
    let run = account.run(&["apply", FILE]);
    assert_eq!(
        run.err,
        "error: the plan needs approval, but standard input is not a terminal; nothing was changed\n\
         hint: run with --yes, or save the plan with `kstack plan --out` and apply it\n"
    );
    assert!(run.expect(1).out.contains("Plan: 31 to create"));
    account.assert_nothing_left();
    account.apply(FILE);
    let run = account.run(&["destroy", FILE]).expect(1);
    assert_eq!(
        run.err,
        "error: the plan needs approval, but standard input is not a terminal; nothing was changed\n\
         hint: run with --yes\n"
    );
    let run = account.run(&["unlock", FILE]).expect(1);
    assert_eq!(
        run.err,
        "error: unlocking needs approval, but standard input is not a terminal\nhint: run with --yes\n"
    );
    account.assert_converged(FILE);
    account.destroy(FILE);
}

#[test]
fn a_saved_plan_runs_as_it_was_shown_or_not_at_all() {
    let account = Account::new();
    account.write("dev", &[]);
    let elsewhere = account.run(&["plan", FILE, "--out", "/dev/null"]).expect(1);
    assert_eq!(
        elsewhere.err,
        "error: the plan can't be saved as /dev/null: it is not a plain file; name a file, or a path at which nothing is\n"
    );
    let run = account.run(&["plan", FILE, "--out", "plan.json"]).expect(0);
    assert_eq!(run.err, "The plan is saved. Run it with: kstack apply plan.json\n");
    // The file may change after that: the plan has its own.
    account.write("dev", &[("count: 3", "count: 6")]);
    account.run(&["apply", "plan.json"]).expect(0);
    account.write("dev", &[]);
    account.assert_converged(FILE);

    let again = account.run(&["apply", "plan.json"]).expect(1);
    assert!(again.err.contains("the live resources have changed since the plan was made"), "{again}");

    account.write("dev", &[("team: data-platform", "team: streaming")]);
    account.run(&["plan", FILE, "--out", "plan.json"]).expect(0);
    let instance = &account.instances(DEV)["broker-2"];
    wait(account.ec2(DEV).terminate_instances().instance_ids(instance).send());
    let before = account.identities(DEV);
    let run = account.run(&["apply", "plan.json"]).expect(1);
    assert_eq!(
        run.err,
        "error: the live resources have changed since the plan was made: instance/broker-2 had the action update and now has create; \
         nothing was changed\nhint: review the new plan and approve it\n"
    );
    assert_eq!((account.identities(DEV), account.instances(DEV).len()), (before, 2));

    account.run(&["plan", FILE, "--out", "plan.json"]).expect(0);
    let mut other = Account::new();
    std::mem::swap(&mut other.folder, &mut { account }.folder);
    let run = other.run(&["apply", "plan.json"]).expect(1);
    assert!(run.err.contains("the plan was made for account"), "{run}");
    other.assert_nothing_left();
}

#[test]
fn events_are_json_lines_and_every_step_starts_and_ends_once() {
    let account = Account::new();
    account.write("dev", &[]);
    for command in ["apply", "destroy"] {
        let run = account.run(&[command, FILE, "--yes", "--json"]).expect(0);
        assert_eq!(run.err, "");
        let events = run.events();
        let plan = &events[0]["plan"];
        let mut steps: Vec<&str> =
            plan["steps"].as_array().expect("steps").iter().map(|step| text(&step["address"])).collect();
        steps.sort_unstable();
        for kind in ["started", "done"] {
            let of_kind = events.iter().filter(|event| event["event"] == kind);
            let mut addresses: Vec<&str> = of_kind.map(|event| text(&event["address"])).collect();
            addresses.sort_unstable();
            assert_eq!(addresses, steps, "{kind}");
        }
        let last = events.last().expect("events");
        assert_eq!((&last["event"], &last["complete"], &last["done"]), (&"finished".into(), &true.into(), &31.into()));
        assert_eq!(events.len(), 2 + 2 * 31);
    }
    account.assert_nothing_left();
}

#[test]
fn status_shows_hosts_and_where_clients_reach_them() {
    let account = Account::new();
    account.write("dev", &[]);
    let run = account.run(&["status", FILE]);
    assert_eq!(
        run.to_string(),
        "exit code 0\n--- stdout\nThe stack dev has no live resources in eu-west-1.\n--- stderr\n"
    );
    account.apply(FILE);
    let run = account.run(&["status", FILE]).expect(0);
    let shown: Vec<String> = plain(&account, &run.out).lines().map(str::to_owned).collect();
    assert_eq!(
        shown[..7],
        [
            "Stack dev in eu-west-1: 31 resources",
            "",
            "HOST      ZONE        TYPE        STATE    KAFKA  ADDRESS      VOLUME                 SIZE",
            "broker-1  eu-west-1a  t4g.medium  running  4.1.1  10.20.0.10   vol-ID  166 GiB",
            "broker-2  eu-west-1b  t4g.medium  running  4.1.1  10.20.32.11  vol-ID  166 GiB",
            "broker-3  eu-west-1c  t4g.medium  running  4.1.1  10.20.64.12  vol-ID  166 GiB",
            "",
        ]
    );
    assert_eq!(shown[7], "Bootstrap servers: 10.20.0.10:9092,10.20.32.11:9092,10.20.64.12:9092");
    // Who answers at these addresses depends on the machine: elsewhere on it, hosts may have been booted with them.
    assert!(shown[8].starts_with("Kafka: "), "{}", shown[8]);
    assert!(shown[9].starts_with("Warning: hosts and clients speak plaintext: "), "{}", shown[9]);
    assert!(shown[10].starts_with("Created by arn:aws:iam::ACCOUNT:root at 20"), "{}", shown[10]);

    let json = account.run(&["status", FILE, "--json"]).expect(0).json();
    let identities = account.identities(DEV);
    let hosts = json["hosts"].as_array().expect("hosts");
    assert_eq!(hosts.len(), 3);
    for host in hosts {
        let identity = &identities[text(&host["name"])];
        assert_eq!((text(&host["volume"]), text(&host["address"])), (&*identity.volume, &*identity.address));
        assert_eq!(host["state"], "running");
    }
    assert_eq!(json["lease"], Value::Null);
    wait(account.ec2(DEV).stop_instances().instance_ids(text(&hosts[1]["instance"])).send());
    let status = poll("a host that has stopped", Duration::from_secs(60), || {
        let status = account.run(&["status", FILE]).expect(0);
        status.out.contains("(stopped)").then_some(status)
    });
    let broker = status.out.lines().find(|line| line.starts_with("broker-2")).expect("a line");
    assert!(broker.contains("stop"), "{status}");
    let told = format!("Hosts are down: broker-2 (stopped).\n          Run `kstack apply {FILE}`: it starts hosts");
    assert!(status.out.contains(&told), "{status}");
    let found = account.run(&["status", FILE, "--json"]).expect(0).json()["findings"][0].clone();
    assert_eq!((&found["severity"], found.get("alert")), (&"page".into(), None), "{found:#}");
    // A broker that was stopped by hand is started again.
    assert_eq!(account.plan(FILE).steps(), ["update instance/broker-2"]);
    account.apply(FILE);
    account.assert_converged(FILE);
    account.destroy(FILE);
}

#[test]
fn list_finds_every_stack_of_the_account() {
    let account = applied();
    let other = account.write_as("other.yaml", "dev", &[("name: dev", "name: other")]);
    account.apply(&other);
    let run = account.run(&["list", "--region", DEV]).expect(0);
    let rows: Vec<Vec<&str>> = run.out.lines().map(|line| line.split_whitespace().take(4).collect()).collect();
    assert_eq!(rows[0], ["STACK", "BROKERS", "CONTROLLERS", "AGE"]);
    assert_eq!((&rows[1][..3], &rows[2][..3]), (&["dev", "3", "0"][..], &["other", "3", "0"][..]), "{run}");
    let json = account.run(&["list", "--region", DEV, "--json"]).expect(0).json();
    let names: Vec<&str> = json["stacks"].as_array().expect("stacks").iter().map(|one| text(&one["name"])).collect();
    assert_eq!(names, ["dev", "other"]);
    assert_eq!(json["stacks"][0]["lease"], Value::Null);
    let without = account.run(&["list"]).expect(1);
    assert_eq!(without.err, "error: no region is set\nhint: use --region, or set AWS_REGION\n");
    account.run(&["destroy", &other, "--yes"]).expect(0);
    account.destroy(FILE);
    assert_eq!(account.run(&["list", "--region", DEV]).expect(0).out, "There are no stacks in eu-west-1.\n");
}

#[test]
fn render_prints_the_user_data_that_the_host_gets() {
    let account = Account::new();
    account.write("dev", &[]);
    let render = |host: &str| account.run(&["render", FILE, "--host", host]);
    let before = render("broker-1").expect(0).out;
    assert!(before.starts_with("#cloud-config\n"), "{before}");
    assert!(before.contains("10.20.0.10"), "{before}");
    account.apply(FILE);
    let after = render("broker-1").expect(0).out;
    let volume = &account.identities(DEV)["broker-1"].volume;
    assert!(after.contains(&volume.replace("vol-", "vol")) || after.contains(volume.as_str()), "{volume} in {after}");
    let run = render("broker-4");
    assert_eq!(
        run.to_string(),
        "exit code 1\n--- stdout\n--- stderr\nerror: the stack has no host `broker-4`\n\
         hint: its hosts are broker-1, broker-2, broker-3\n"
    );
    account.destroy(FILE);
}

#[test]
fn errors_say_what_to_do() {
    let account = Account::new();
    account.write("dev", &[]);
    let run = account.run(&["plan", "missing.yaml"]).expect(1);
    assert_eq!(run.err, "error: missing.yaml can't be read: No such file or directory\n");
    let run = Run::of(account.command(&["plan", FILE]).env_remove("AWS_ACCESS_KEY_ID")).expect(1);
    assert!(run.err.contains("no credentials were found"), "{run}");
    assert!(run.err.contains("hint: check the credentials"), "{run}");
    account.write("dev", &[("region: eu-west-1", "region: eu-west-1\naccount: \"999999999999\"")]);
    for command in [&["plan", FILE][..], &["apply", FILE, "--yes"], &["destroy", FILE, "--yes"]] {
        let run = account.run(command).expect(1);
        assert!(run.to_string().contains("999999999999") && run.to_string().contains(&account.id), "{run}");
    }
    account.assert_nothing_left();
}

#[test]
fn an_endpoint_that_does_not_answer_is_named() {
    let mut account = Account::new();
    account.write("dev", &[]);
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr()).expect("a port").port();
    account.endpoint = format!("http://127.0.0.1:{port}");
    // What would try for ever fails here.
    let run = account.spawn(&["plan", FILE]).end(std::time::Duration::from_secs(600)).expect(1);
    assert!(run.err.contains("hint: check the network and AWS_ENDPOINT_URL"), "{run}");
}

#[test]
fn failed_steps_hold_back_what_needs_them_and_running_again_finishes() {
    let account = Account::new();
    account.write("dev", &[]);
    let fault = |operation: &str| serde_json::json!({"service": "ec2", "operation": operation, "error": "VolumeLimitExceeded", "message": "You have reached your volume limit.", "count": 1});
    account.choose(&serde_json::json!({"faults": [fault("CreateVolume")]}));
    let run = account.run(&["apply", FILE, "--yes", "--verbose"]).expect(1);
    let lines: Vec<&str> = run.err.lines().collect();
    let failed = lines.iter().find(|line| line.starts_with("failed")).expect("a failed step");
    let address = failed.split_whitespace().nth(1).expect("an address").trim_end_matches(':');
    let host = address.strip_prefix("volume/").expect("a volume");
    for kind in ["network_interface", "instance"] {
        assert!(
            lines.iter().any(|line| line.starts_with(&format!("skipped    {kind}/{host}: it waits for "))),
            "{run}"
        );
    }
    assert!(lines.contains(&"error: 1 step failed, and 2 steps waited for them"), "{run}");
    assert!(
        run.out.lines().any(|line| line.starts_with("Ended after ") && line.ends_with("; 28 of 31 steps.")),
        "{run}"
    );
    let cause =
        format!("caused by: {address}: CreateVolume failed: You have reached your volume limit (VolumeLimitExceeded)");
    assert!(lines.iter().any(|line| line.starts_with(&cause)), "{run}");
    assert!(
        lines.last().is_some_and(|line| line.starts_with("hint: fix the cause and run the command again")),
        "{run}"
    );
    let mut left = [
        format!("create volume/{host}"),
        format!("create network_interface/{host}"),
        format!("create instance/{host}"),
    ];
    left.sort();
    let mut steps = account.plan(FILE).steps();
    steps.sort();
    assert_eq!(steps, left);
    account.apply(FILE);
    account.assert_converged(FILE);
    // A long run is told by counts, and by what went wrong: the first failure at the end, with what to do.
    account.choose(&serde_json::json!({"faults": [{"service": "ec2", "operation": "DeleteNetworkInterface", "error": "UnauthorizedOperation", "status": 403, "count": 3}]}));
    let run = account.run(&["destroy", FILE, "--yes"]).expect(1);
    let lines: Vec<&str> = run.err.lines().collect();
    let starting = |word: &str| lines.iter().filter(|line| line.starts_with(word)).count();
    assert_eq!((starting("ended   "), starting("deleted "), starting("failed  ")), (10, 0, 3), "{run}");
    assert_eq!(starting("skipped "), 1, "{run}");
    let first = lines.iter().find_map(|line| line.strip_prefix("failed     ")).expect("a failed step");
    let causes: Vec<&&str> = lines.iter().filter(|line| line.starts_with("caused by: network_interface/")).collect();
    let (address, _) = first.split_once(':').expect("an address");
    assert!(causes.len() == 3 && causes[2].starts_with(&format!("caused by: {address}: ")), "{run}");
    account.destroy(FILE);
}

#[test]
fn a_usage_error_is_an_error_and_help_is_not() {
    let run = |arguments: &[&str]| Run::of(Command::new(crate::support::KSTACK).args(arguments));
    assert!(run(&["--help"]).expect(0).out.contains("Usage: kstack"));
    assert!(run(&["nonsense"]).expect(1).err.contains("unrecognized subcommand"));
    let both = run(&["status", "--quiet", "--verbose", "missing.yaml"]).expect(1).err;
    assert!(both.contains("'--quiet' cannot be used with '--verbose'"), "{both}");
    // Colours as asked, whatever standard error is.
    let red = "\u{1b}[1m\u{1b}[31merror:";
    for (when, colours) in [("always", true), ("auto", false), ("never", false)] {
        let err = run(&["check", "missing.yaml", "--color", when]).expect(1).err;
        assert_eq!(err.contains(red), colours, "{when}: {err:?}");
    }
}

#[test]
fn status_looks_again_and_again() {
    let account = Account::new();
    account.write("dev", &[]);
    let mut watch = account.command(&["status", FILE, "--watch=1s"]).stdout(Stdio::piped()).spawn().expect("it starts");
    let lines = BufReader::new(watch.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let pages = lines.filter(|line| line.ends_with("UTC, again every 1s; Ctrl-C ends it")).take(2).count();
    watch.kill().expect("it has no end of its own");
    watch.wait().expect("it ends");
    assert_eq!(pages, 2);
}
