//! `kstack status`: the stack's hosts as they are, and where clients reach them.

use serde::Serialize;

use super::error::Failure;
use super::{place, ui};
use crate::cloud_init::CLIENT_PORT;
use crate::kinds::{Instance, NetworkInterface, Volume};
use crate::lease::{Holder, Record};
use crate::plan::rank;
use crate::resource::{Address, Engine, Observed};
use crate::session::{Session, Source};

/// Show brokers and controllers with zone, type, state, address and volume, and the bootstrap servers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The status for scripts.
#[derive(Debug, Serialize)]
struct Status {
    stack: String,
    region: String,
    /// Resources that are live.
    resources: usize,
    bootstrap_servers: Vec<String>,
    hosts: Vec<Host>,
    record: Option<Record>,
    /// Who works on the stack at the moment.
    lease: Option<Holder>,
}

#[derive(Debug, Serialize)]
struct Host {
    name: String,
    zone: Option<String>,
    instance: Option<String>,
    instance_type: Option<String>,
    /// EC2's state; absent when there is no instance.
    state: Option<String>,
    kafka: Option<String>,
    address: Option<String>,
    volume: Option<String>,
    volume_gib: Option<u64>,
}

pub async fn run(args: &Args, sandbox: bool) -> Result<u8, Failure> {
    let (_, parsed) = Source::read(&args.file)?;
    let stack = &parsed.stack;
    let session = Session::open(&place(&stack.region, sandbox)?, &stack.name).await;
    session.aws.begin_round();
    let (observed, papers) =
        tokio::try_join!(session.observe(Engine::of(stack)), session.aws.clients.papers(&stack.name))?;
    let now = jiff::Timestamp::now();
    let lease = papers.leases.into_values().next_back().filter(|holder| holder.holds(now));
    let hosts = hosts(&observed);
    let brokers = hosts.iter().filter(|host| host.name.starts_with("broker-"));
    let status = Status {
        stack: stack.name.to_string(),
        region: stack.region.to_string(),
        resources: observed.live.len(),
        bootstrap_servers: brokers
            .filter_map(|host| Some(format!("{}:{CLIENT_PORT}", host.address.as_ref()?)))
            .collect(),
        hosts,
        record: papers.record,
        lease,
    };
    if args.json {
        ui::json(&status);
    } else {
        ui::out(&text(&status));
    }
    Ok(0)
}

fn hosts(observed: &Observed) -> Vec<Host> {
    let (volumes, interfaces, instances) =
        (observed.of::<Volume>(), observed.of::<NetworkInterface>(), observed.of::<Instance>());
    let mut names: Vec<&str> = volumes.keys().chain(interfaces.keys()).chain(instances.keys()).copied().collect();
    names.sort_by_cached_key(|name| rank(&Address::new("instance", name)));
    names.dedup();
    let host = |name: &str| {
        let (volume, instance) = (volumes.get(name), instances.get(name));
        Host {
            name: name.to_owned(),
            zone: volume.map(|(_, volume)| volume.zone.clone()),
            instance: instance.map(|(live, _)| live.id.clone()),
            instance_type: instance.map(|(_, instance)| instance.instance_type.clone()),
            state: instance.map(|(_, instance)| instance.state.clone()),
            kafka: instance.and_then(|(_, instance)| instance.kafka.clone()),
            address: interfaces.get(name).map(|(_, interface)| interface.address.clone()),
            volume: volume.map(|(live, _)| live.id.clone()),
            volume_gib: volume.map(|(_, volume)| volume.size_gib),
        }
    };
    names.into_iter().map(host).collect()
}

fn text(status: &Status) -> String {
    if status.resources == 0 {
        return format!("Nothing of the stack {} is live in {}.\n", status.stack, status.region);
    }
    let cell = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let rows: Vec<Vec<String>> = status
        .hosts
        .iter()
        .map(|host| {
            let size = host.volume_gib.map_or_else(|| "-".to_owned(), |size| format!("{size} GiB"));
            vec![
                host.name.clone(),
                cell(&host.zone),
                cell(&host.instance_type),
                host.state.clone().unwrap_or_else(|| "no instance".to_owned()),
                cell(&host.kafka),
                cell(&host.address),
                cell(&host.volume),
                size,
            ]
        })
        .collect();
    let mut out = format!("Stack {} in {}: {} resources\n\n", status.stack, status.region, status.resources);
    out.push_str(&ui::table(&["HOST", "ZONE", "TYPE", "STATE", "KAFKA", "ADDRESS", "VOLUME", "SIZE"], &rows));
    out.push_str(&format!("\nBootstrap servers: {}\n", status.bootstrap_servers.join(",")));
    if let Some(record) = &status.record {
        out.push_str(&format!("Made by {} at {}\n", record.made_by, record.made_at.strftime("%F %T UTC")));
    }
    if let Some(holder) = &status.lease {
        out.push_str(&format!(
            "At work: {} on {} (process {}) since {}\n",
            holder.who,
            holder.host,
            holder.pid,
            holder.since.strftime("%F %T UTC")
        ));
    }
    out
}
