//! `kstack render`: a host's user data.

use super::context::Context;
use super::ui;
use crate::ops::Failure;
use crate::session::read_source;
use kstack_core::choose;
use kstack_core::cloud_init::{volume_placeholder, with_volumes};
use kstack_core::kinds::ClientInstance;
use kstack_core::model::Address;

/// Print a host's user data
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// The host, such as `broker-1`, `controller-1` or `client`
    #[arg(long, value_name = "HOST")]
    host: String,
}

/// Prints the user data of a host.
///
/// # Errors
/// That the file has problems, that there is no such host, or AWS's answer.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let (source, parsed) = read_source(&args.file)?;
    let session = context.session(&parsed.stack.region, &parsed.stack.name).await?;
    let seen = session.look(&parsed).await?;
    let design = choose::design(&parsed.stack, &seen.input, &source.overrides).map_err(Failure::from)?;
    // Of a cluster of MSK placeholders stand for the brokers' names.
    if let Some(client) = design.client.as_ref().filter(|_| args.host == ClientInstance::CLIENT) {
        ui::out(&client.user_data);
        return Ok(0);
    }
    let host = design.hosts.iter().find(|host| host.name == args.host).ok_or_else(|| {
        let names = design.hosts.iter().map(|host| host.name.as_str());
        let names: Vec<&str> = names.chain(design.client.as_ref().map(|_| ClientInstance::CLIENT)).collect();
        let hint = match names.is_empty() {
            true => "MSK makes the hosts of its brokers; `client: {}` would make a client host".to_owned(),
            false => format!("its hosts are {}", names.join(", ")),
        };
        Failure::new(format!("the stack has no host `{}`", args.host)).hint(hint)
    })?;
    // Before a volume exists, the placeholder stands for its id.
    let id = |(number, name): (u32, String)| {
        let live = seen.input.observed.live.get(&Address::new("volume", &name));
        live.map_or_else(|| volume_placeholder(number), |live| live.id.clone())
    };
    let ids: Vec<String> = (1..).zip(host.volumes()).map(id).collect();
    ui::out(&with_volumes(&host.user_data, &ids));
    Ok(0)
}
