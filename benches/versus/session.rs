//! A stack in the hands of a tool: the files and the commands of each phase, for kstack, Terraform and OpenTofu.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Account, stack, text};

/// The phases, in the order in which they run.
pub const PHASES: [&str; 5] = ["fresh apply", "no-op plan", "plan of one field", "apply of one field", "destroy"];

/// Whether a phase changes nothing.
pub fn reads_only(phase: &str) -> bool {
    phase.contains("plan")
}

/// What is made: by kstack from a file of `stacks`, by the others from one of `benches/terraform`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stack {
    /// The network of prod.yaml, and brokers that are controllers too, in plaintext, since Terraform makes neither certificates
    /// nor users.
    Ec2,
    /// The cluster of msk.yaml, without users, topics and storage that grows by itself: LocalStack has no tags for Application Auto
    /// Scaling, and Terraform asks for them.
    Msk,
}

impl Stack {
    pub fn name(self) -> &'static str {
        match self {
            Stack::Ec2 => "ec2",
            Stack::Msk => "msk",
        }
    }

    /// The one field: a block of addresses of clients, which is one more rule of a security group.
    fn clients(self) -> &'static str {
        match self {
            Stack::Ec2 => "10.60.0.0/16",
            Stack::Msk => "10.70.0.0/16",
        }
    }

    /// The stack file with `brokers`, and with the blocks of addresses `clients`.
    pub fn file(self, brokers: usize, clients: &str) -> String {
        let count = format!("count: {brokers}");
        match self {
            Stack::Ec2 => {
                let network = format!("endpoints: [s3, ssm, ssmmessages, ec2messages]\n  clients: [{clients}]");
                let edits = [
                    ("count: 6", count.as_str()),
                    ("    controllers:\n      count: 3\n      instance_type: t4g.medium\n", ""),
                    ("kafka: 4.1.1", "kafka: 4.1.1\n    listeners: {plaintext: true}\n    combined: true"),
                    ("endpoints: [s3, ssm, ssmmessages, ec2messages]", &network),
                ];
                stack("prod", &edits).split_once("access:\n").expect("users").0.to_owned()
            }
            Stack::Msk => {
                let network = format!("zones: 3\n  clients: [{clients}]");
                let storage = "      storage:\n        max: 8 TiB             # the first size follows from the workload; MSK grows volumes up to this\n";
                let edits = [("count: 3", count.as_str()), ("zones: 3", &network), (storage, "")];
                stack("msk", &edits).split_once("access:\n").expect("users").0.to_owned()
            }
        }
    }
}

/// Whose commands they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    Kstack,
    Terraform,
    /// With `-parallelism=64` in place of its default, 10.
    Terraform64,
    OpenTofu,
}

impl Tool {
    pub const ALL: [Tool; 4] = [Tool::Kstack, Tool::Terraform, Tool::Terraform64, Tool::OpenTofu];

    pub fn name(self) -> &'static str {
        match self {
            Tool::Kstack => "kstack",
            Tool::Terraform => "terraform",
            Tool::Terraform64 => "terraform-64",
            Tool::OpenTofu => "opentofu",
        }
    }

    /// The program; OpenTofu's is the one of the path, or what `benches/peers/build` has built.
    fn program(self) -> PathBuf {
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/tofu");
        match self {
            Tool::OpenTofu if built.exists() => built,
            Tool::OpenTofu => "tofu".into(),
            _ => "terraform".into(),
        }
    }
}

/// The folders of providers below `registry`: NAMESPACE/NAME/VERSION/PLATFORM.
fn providers(registry: &Path) -> Vec<PathBuf> {
    let below = |all: Vec<PathBuf>| -> Vec<PathBuf> {
        let inside = |one: PathBuf| fs::read_dir(one).into_iter().flatten().flatten().map(|entry| entry.path());
        all.into_iter().flat_map(inside).filter(|path| path.is_dir()).collect()
    };
    (0..4).fold(vec![registry.to_owned()], |all, _| below(all))
}

/// One stack and one tool, in an account and a folder of their own.
pub struct Session {
    account: Account,
    tool: Tool,
    stack: Stack,
    brokers: usize,
    /// What Terraform's configuration is told, besides the clients.
    variables: Value,
    more: Vec<(&'static str, String)>,
}

impl Session {
    /// A session that asks `endpoint`; or why the tool can't be used.
    pub fn new(tool: Tool, stack: Stack, brokers: usize, endpoint: &str) -> Result<Session, String> {
        let mut account = Account::new();
        endpoint.clone_into(&mut account.endpoint);
        let mut session = Session { account, tool, stack, brokers, variables: Value::Null, more: Vec::new() };
        session.write("");
        // AWS's images and types are asked of LocalStack before anything is measured.
        let plan = session.account.plan("stack.yaml").0;
        if tool != Tool::Kstack {
            session.initialise(&plan)?;
        }
        Ok(session)
    }

    /// The account, for what LocalStack is told of it.
    pub fn account(&self) -> &Account {
        &self.account
    }

    fn path(&self, name: &str) -> PathBuf {
        self.account.path(name)
    }

    /// The files with these blocks of clients.
    fn write(&self, clients: &str) {
        fs::write(self.path("stack.yaml"), self.stack.file(self.brokers, clients)).expect("a file");
        let mut variables = self.variables.clone();
        if !variables.is_null() {
            variables["clients"] = clients.split_whitespace().collect();
            fs::write(self.path("terraform.tfvars.json"), variables.to_string()).expect("a file");
        }
    }

    /// What the other tools need: the configuration, what kstack has derived for it, and the provider, as the tool's own configuration finds
    /// it (`TF_CLI_CONFIG_FILE`, the implied mirrors, or the registry), or in the mirror that `TERRAFORM_PLUGINS` names.
    fn initialise(&mut self, plan: &Value) -> Result<(), String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/terraform");
        fs::copy(folder.join(format!("{}.tf", self.stack.name())), self.path("main.tf")).expect("the configuration");
        let steps = plan["steps"].as_array().expect("steps");
        let spec = |address: &str| {
            steps.iter().find(|step| step["address"] == address).map(|step| step["spec"].clone()).expect("a step")
        };
        self.variables = match self.stack {
            Stack::Ec2 => {
                let user_data = self.account.run(&["render", "stack.yaml", "--host", "broker-1"]).expect(0).out;
                fs::write(self.path("user-data"), user_data).expect("a file");
                json!({
                    "size_gib": spec("volume/broker-1")["size_gib"], "image": spec("instance/broker-1")["image"],
                    "user_data": self.path("user-data"),
                })
            }
            Stack::Msk => {
                let spec_of = spec("msk_configuration/main");
                let lines =
                    spec_of["properties"].as_array().expect("a list").iter().map(|line| format!("{}\n", text(line)));
                json!({"size_gib": spec("msk_cluster/main")["volume_gib"], "properties": lines.collect::<String>()})
            }
        };
        self.variables["endpoint"] = json!(self.account.endpoint);
        self.variables["account"] = json!(self.account.id);
        self.variables["brokers"] = json!(self.brokers);
        self.write("");
        if let Some(mirror) = std::env::var_os("TERRAFORM_PLUGINS").map(PathBuf::from) {
            // OpenTofu looks for the same provider under the name of its own registry.
            let all = self.path("mirror");
            for path in providers(&mirror.join("registry.terraform.io")) {
                for registry in ["registry.terraform.io", "registry.opentofu.org"] {
                    let link = all
                        .join(registry)
                        .join(path.strip_prefix(mirror.join("registry.terraform.io")).expect("below it"));
                    fs::create_dir_all(link.parent().expect("a folder")).expect("a folder");
                    symlink(&path, link).expect("a link");
                }
            }
            let text = format!("provider_installation {{\n  filesystem_mirror {{\n    path = {all:?}\n  }}\n}}\n");
            fs::write(self.path("terraform.rc"), text).expect("a file");
            self.more.push(("TF_CLI_CONFIG_FILE", self.path("terraform.rc").to_string_lossy().into_owned()));
        }
        if self.tool == Tool::Terraform64 {
            ["TF_CLI_ARGS_plan", "TF_CLI_ARGS_apply", "TF_CLI_ARGS_destroy"]
                .iter()
                .for_each(|name| self.more.push((name, "-parallelism=64".to_owned())));
        }
        let output = self.peer(&["init"]).output().map_err(|error| error.to_string())?;
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    fn peer(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.tool.program());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(name);
        }
        command
            .env("CHECKPOINT_DISABLE", "1")
            .env("TF_IN_AUTOMATION", "1")
            .envs(self.more.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.account.folder.path()).args(arguments).args(["-input=false", "-no-color"]);
        command
    }

    /// The command of a phase, after its files are written.
    pub fn command(&self, phase: &str) -> Command {
        match phase {
            "plan of one field" => self.write(self.stack.clients()),
            "fresh apply" => self.write(""),
            _ => {}
        }
        let what = match phase {
            "fresh apply" | "apply of one field" => "apply",
            "destroy" => "destroy",
            _ => "plan",
        };
        let changes = what != "plan";
        match self.tool {
            Tool::Kstack if changes => self.account.command(&[what, "stack.yaml", "--yes"]),
            Tool::Kstack => self.account.command(&[what, "stack.yaml"]),
            _ if changes => self.peer(&[what, "-auto-approve"]),
            _ => self.peer(&[what]),
        }
    }
}
