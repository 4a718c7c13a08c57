//! The same EC2 stack made, planned, changed and destroyed by kstack and by Terraform, each in an account of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Options;
use crate::measure::{Cost, run};
use crate::support::proxy::Proxy;
use crate::support::{Account, stack, text};

/// The phases, in the order in which they run.
pub const PHASES: [&str; 5] = ["fresh apply", "no-op plan", "plan of one field", "apply of one field", "destroy"];

/// A tool's costs by phase.
pub type Phases = BTreeMap<String, Cost>;

/// Both tools at one size.
#[derive(Debug, Serialize, Deserialize)]
pub struct Size {
    pub brokers: usize,
    pub kstack: Phases,
    /// Nothing where there is no Terraform.
    pub terraform: Option<Phases>,
}

/// The size in GiB that kstack derives for the data volumes, which Terraform is told.
fn volume_gib(plan: &serde_json::Value) -> u64 {
    let steps = plan["steps"].as_array().expect("steps");
    let volume = steps.iter().find(|step| step["address"] == "volume/broker-1").expect("a volume");
    volume["spec"]["size_gib"].as_u64().expect("a size")
}

/// The stack: prod.yaml's network, and `brokers` that are controllers too, in plaintext, since Terraform makes neither certificates nor users.
fn write(account: &Account, brokers: usize, clients: &str) {
    let count = format!("count: {brokers}");
    let controllers = "    controllers:\n      count: 3\n      instance_type: t4g.medium\n";
    let network = format!("endpoints: [s3, ssm, ssmmessages, ec2messages]\n  clients: [{clients}]");
    let edits = [
        ("count: 6", count.as_str()),
        (controllers, ""),
        ("kafka: 4.1.1", "kafka: 4.1.1\n    listeners: {plaintext: true}\n    combined: true"),
        ("endpoints: [s3, ssm, ssmmessages, ec2messages]", &network),
    ];
    let text = stack("prod", &edits);
    let (text, _) = text.split_once("access:\n").expect("users");
    fs::write(account.path("prod.yaml"), text).expect("a file");
}

/// The one field: a block of addresses of clients, which is one more rule of a security group.
const CLIENTS: &str = "10.50.0.0/16";

pub fn measure(options: &Options) -> Vec<Size> {
    options.brokers.iter().map(|&brokers| size(brokers, options.repeats)).collect()
}

fn size(brokers: usize, repeats: usize) -> Size {
    let mut account = Account::new();
    let direct = account.endpoint.clone();
    write(&account, brokers, "");
    let plan = account.plan("prod.yaml").0;
    let user_data = account.run(&["render", "prod.yaml", "--host", "broker-1"]).expect(0).out;
    let proxy = Proxy::counting();
    account.endpoint.clone_from(&proxy.endpoint);
    let kstack = phases("kstack", brokers, repeats, &proxy, |phase| {
        match phase {
            "plan of one field" => write(&account, brokers, CLIENTS),
            "fresh apply" => write(&account, brokers, ""),
            _ => {}
        }
        account.command(match phase {
            "fresh apply" | "apply of one field" => &["apply", "prod.yaml", "--yes"],
            "destroy" => &["destroy", "prod.yaml", "--yes"],
            _ => &["plan", "prod.yaml"],
        })
    });
    account.endpoint = direct;
    account.assert_nothing_left();
    let terraform = terraform(&Account::new(), brokers, repeats, &plan, &user_data);
    Size { brokers, kstack, terraform }
}

/// Runs every phase; the plans `repeats` times, the others as often as they take no longer than a minute in all, and at
/// least once.
fn phases(tool: &str, brokers: usize, repeats: usize, proxy: &Proxy, command: impl Fn(&str) -> Command) -> Phases {
    let mut all: BTreeMap<String, Vec<Cost>> = BTreeMap::new();
    let mut once = |phase: &str| {
        proxy.take();
        let (output, cost) = run(&mut command(phase));
        let shown = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{tool}, {phase}: {shown}{}", String::from_utf8_lossy(&output.stdout));
        let cost = cost.with(&proxy.take());
        println!(
            "{tool:9} {brokers:4} brokers  {phase:18} {:8.2} s  {:7.2} s CPU  {:6.1} MiB  {:5} calls",
            cost.wall_s, cost.cpu_s, cost.peak_mib, cost.calls
        );
        all.entry(phase.to_owned()).or_default().push(cost);
    };
    let mut spent = 0.0;
    for round in 0..repeats {
        let began = std::time::Instant::now();
        for phase in PHASES {
            let times = if phase.contains("plan") && round == 0 { repeats } else { 1 };
            (0..times).for_each(|_| once(phase));
        }
        spent += began.elapsed().as_secs_f64();
        if spent + spent / (round + 1) as f64 > 60.0 {
            break;
        }
    }
    all.into_iter().map(|(phase, costs)| (phase, Cost::median(&costs))).collect()
}

/// Terraform with its AWS provider, as its own configuration finds it: `TF_CLI_CONFIG_FILE`, the implied mirrors, or the
/// registry; or in the mirror that `TERRAFORM_PLUGINS` names.
fn terraform(
    account: &Account,
    brokers: usize,
    repeats: usize,
    plan: &serde_json::Value,
    user_data: &str,
) -> Option<Phases> {
    let folder = account.folder.path();
    let configuration = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/terraform/main.tf");
    fs::copy(configuration, folder.join("main.tf")).expect("the configuration");
    fs::write(folder.join("user-data"), user_data).expect("a file");
    let mirror = std::env::var_os("TERRAFORM_PLUGINS").map(PathBuf::from);
    if let Some(mirror) = &mirror {
        let text = format!("provider_installation {{\n  filesystem_mirror {{\n    path = {mirror:?}\n  }}\n}}\n");
        fs::write(folder.join("terraform.rc"), text).expect("a file");
    }
    let proxy = Proxy::counting();
    let image =
        plan["steps"].as_array().and_then(|steps| steps.iter().find(|step| step["address"] == "instance/broker-1"));
    let write = |clients: &str| {
        let variables = serde_json::json!({
            "endpoint": proxy.endpoint, "account": account.id, "brokers": brokers, "size_gib": volume_gib(plan),
            "clients": clients.split_whitespace().collect::<Vec<_>>(), "user_data": folder.join("user-data"),
            "image": text(&image.expect("an instance")["spec"]["image"]),
        });
        fs::write(folder.join("terraform.tfvars.json"), variables.to_string()).expect("a file");
    };
    write("");
    let command = |arguments: &[&str]| {
        let mut command = Command::new("terraform");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(name);
        }
        if mirror.is_some() {
            command.env("TF_CLI_CONFIG_FILE", folder.join("terraform.rc"));
        }
        command.env("CHECKPOINT_DISABLE", "1").env("TF_IN_AUTOMATION", "1").current_dir(folder).args(arguments);
        command
    };
    match command(&["init", "-input=false", "-no-color"]).output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            println!("Terraform is left out: it can't be initialised:\n{why}");
            return None;
        }
        Err(error) => {
            println!("Terraform is left out: {error}");
            return None;
        }
    }
    Some(phases("terraform", brokers, repeats, &proxy, |phase| {
        match phase {
            "plan of one field" => write(CLIENTS),
            "fresh apply" => write(""),
            _ => {}
        }
        command(match phase {
            "fresh apply" | "apply of one field" => &["apply", "-auto-approve", "-input=false", "-no-color"],
            "destroy" => &["destroy", "-auto-approve", "-input=false", "-no-color"],
            _ => &["plan", "-input=false", "-no-color"],
        })
    }))
}
