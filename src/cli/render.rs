//! `kstack render`: a host's user data, or the whole cluster for another place than AWS.

use super::context::Context;
use super::ui;
use crate::ops::Failure;
use crate::session::read_source;
use kstack_core::choose;
use kstack_core::cloud_init::{volume_placeholder, with_volumes};
use kstack_core::kinds::ClientInstance;
use kstack_core::model::Address;
use kstack_core::targets::compose::{MOST_BROKERS, compose};
use kstack_core::targets::strimzi::strimzi;

/// Print a host's user data, or the cluster for another place: containers of this machine, or Kubernetes
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["host", "target"])))]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// The host, such as `broker-1`, `controller-1` or `client`
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// What to print the whole cluster for, without asking AWS
    #[arg(long, value_name = "TARGET")]
    target: Option<Target>,
    /// With `--target compose`: so many brokers, which are controllers too, in place of the file's nodes
    #[arg(long, value_name = "N", conflicts_with = "host", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_BROKERS)))]
    brokers: Option<u32>,
    /// With `--target compose`: the image, in place of `apache/kafka` of the file's version
    #[arg(long, value_name = "IMAGE", conflicts_with = "host", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    image: Option<String>,
    /// With `--target strimzi`: the namespace of the resources; the one that `kubectl` has, when absent
    #[arg(long, value_name = "NAME", conflicts_with = "host", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    namespace: Option<String>,
    /// With `--target strimzi`: the storage class of the volumes, such as `gp3`; the cluster's default, when absent
    #[arg(long, value_name = "NAME", conflicts_with = "host", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    storage_class: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Target {
    /// A file for `docker compose` or `podman-compose`
    Compose,
    /// Manifests for Kubernetes with the Strimzi operator
    Strimzi,
}

impl Target {
    fn word(self) -> &'static str {
        match self {
            Target::Compose => "compose",
            Target::Strimzi => "strimzi",
        }
    }
}

/// Prints the user data of a host, or the cluster for another place.
///
/// # Errors
/// That the file has problems, that there is no such host, or AWS's answer.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    match (args.target, &args.host) {
        (Some(target), _) => elsewhere(args, target),
        (None, host) => user_data(args, host.as_deref().unwrap_or_default(), context).await,
    }
}

fn elsewhere(args: &Args, target: Target) -> Result<u8, Failure> {
    let (_, parsed) = read_source(&args.file)?;
    let given = [
        ("--brokers", args.brokers.is_some(), Target::Compose),
        ("--image", args.image.is_some(), Target::Compose),
        ("--namespace", args.namespace.is_some(), Target::Strimzi),
        ("--storage-class", args.storage_class.is_some(), Target::Strimzi),
    ];
    if let Some((option, _, other)) = given.into_iter().find(|(_, is, of)| *is && *of != target) {
        return Err(Failure::new(format!("`{option}` is for `--target {}`", other.word())));
    }
    match target {
        Target::Compose => {
            let file = compose(&parsed.stack, args.brokers, args.image.as_deref());
            ui::out(&file.map_err(|error| Failure::new(error.to_string()))?);
        }
        Target::Strimzi => {
            let manifests = strimzi(&parsed.stack, args.namespace.as_deref(), args.storage_class.as_deref());
            ui::out(&manifests.map_err(|none| Failure::new(none.what).hint(none.remedy))?);
        }
    }
    Ok(0)
}

async fn user_data(args: &Args, wanted: &str, context: &Context) -> Result<u8, Failure> {
    let (source, parsed) = read_source(&args.file)?;
    let session = context.session(&parsed.stack.region, &parsed.stack.name).await?;
    let seen = session.look(&parsed).await?;
    let design = choose::design(&parsed.stack, &seen.input, &source.overrides).map_err(Failure::from)?;
    // Of a cluster of MSK placeholders stand for the brokers' names.
    if let Some(client) = design.client.as_ref().filter(|_| wanted == ClientInstance::CLIENT) {
        ui::out(&client.user_data);
        return Ok(0);
    }
    let host = design.hosts.iter().find(|host| host.name == wanted).ok_or_else(|| {
        let names = design.hosts.iter().map(|host| host.name.as_str());
        let names: Vec<&str> = names.chain(design.client.as_ref().map(|_| ClientInstance::CLIENT)).collect();
        let hint = match names.is_empty() {
            true => "MSK makes the hosts of its brokers; `client: {}` would make a client host".to_owned(),
            false => format!("its hosts are {}", names.join(", ")),
        };
        Failure::new(format!("the stack has no host `{wanted}`")).hint(hint)
    })?;
    // Before a volume exists, the placeholder stands for its id.
    let id = |(number, name): (u32, String)| {
        let live = seen.input.observed.live.get(&Address::new("volume", &name));
        live.map_or_else(|| volume_placeholder(number), |live| live.id.clone())
    };
    let ids: Vec<String> = (1..).zip(host.volumes()).map(id).collect();
    let text = host.user_data.text();
    let text = text.map_err(|error| Failure::new(format!("the user data of {wanted} can't be made: {error}")))?;
    ui::out(&with_volumes(&text, &ids));
    Ok(0)
}
