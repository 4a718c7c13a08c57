//! `kstack diagram`: a picture of a stack, as SVG.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::context::Context;
use super::ui;
use super::via::ViaArgs;
use crate::aws::kinds::{MskStatus, msk_status};
use crate::health::{self, KafkaHealth};
use crate::kafka::Server;
use crate::ops::msk::health as in_msk;
use crate::ops::{Failure, kafka};
use crate::roll;
use crate::session::{Session, check_writable, read_source};
use kstack_core::check::Parsed;
use kstack_core::choose::{self, assumed_design};
use kstack_core::cloud_init::Overrides;
use kstack_core::design::{Design, node_id};
use kstack_core::diagram::{BrokerSeen, Diagram, KafkaSeen, Picture, Seen, ZonesBy};
use kstack_core::engines::Engine;
use kstack_core::kinds::{Instance, Subnet};
use kstack_core::observed::Observed;

/// Draw a stack as SVG: its network, zones, hosts and volumes, and the ways in and out
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// Ask AWS and the brokers: draw what is up, and how many partitions each broker leads
    #[arg(long)]
    live: bool,
    /// The file to write, such as `stack.svg`; an earlier one is replaced. Standard output when absent
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    pub via: ViaArgs,
}

/// Draws a stack.
///
/// # Errors
/// That the file has problems or can't be designed, that the picture can't be written, or AWS's answer.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let unwritable =
        |path: &PathBuf, error: std::io::Error| Failure::new(format!("{} can't be written: {error}", path.display()));
    if let Some(path) = &args.out {
        check_writable(path).map_err(|error| unwritable(path, error))?;
    }
    let (source, parsed) = read_source(&args.file)?;
    let diagram = match args.live {
        true => live(&parsed, &source.overrides, context).await?,
        false => Diagram::of(&assumed_design(&parsed.stack, &source.overrides)?, ZonesBy::File),
    };
    let picture = Picture::of(&diagram.folded()).svg();
    match &args.out {
        Some(path) => std::fs::write(path, picture).map_err(|error| unwritable(path, error))?,
        None => ui::file(&picture),
    }
    Ok(0)
}

/// The picture of the live stack.
async fn live(parsed: &Parsed, overrides: &Overrides, context: &Context) -> Result<Diagram, Failure> {
    let session = context.session(&parsed.stack.region, &parsed.stack.name).await?;
    let seen = session.look(parsed).await?;
    let observed = &seen.input.observed;
    let design = choose::design(&parsed.stack, &seen.input, overrides)?;
    let (kafka, msk) = match Engine::of(&parsed.stack) {
        Engine::Ec2 => (of_hosts(&session, observed, context).await, Vec::new()),
        Engine::Msk => match msk_status(&session.aws).await? {
            Some(cluster) => {
                let ids: BTreeSet<u32> = cluster.brokers.iter().map(|broker| broker.id).collect();
                let health = Box::pin(in_msk(&session, &cluster, &context.via)).await;
                (health.map(|health| told(&health, &ids)), by_zone(&cluster, observed, &design))
            }
            None => (Err("there is no cluster".to_owned()), Vec::new()),
        },
    };
    Ok(Diagram::of(&design, ZonesBy::Aws).live(&parsed.stack, &Seen { observed, kafka, msk }))
}

/// What brokers on EC2 say, or why they can't be asked.
async fn of_hosts(session: &Session, observed: &Observed, context: &Context) -> Result<KafkaSeen, String> {
    let servers: Vec<Server> = kafka::brokers(observed, context.sandbox).into_values().map(Server::from).collect();
    let ids: BTreeSet<u32> = observed
        .of::<Instance>()
        .keys()
        .filter(|name| name.starts_with("broker-"))
        .filter_map(|name| node_id(name))
        .collect();
    let link =
        kafka::link(session, &context.via, roll::trust(observed).as_ref()).await.map_err(|error| error.to_string())?;
    let health = health::ask(&servers, &link).await;
    link.way.close().await;
    health.map(|health| told(&health, &ids)).map_err(|error| error.to_string())
}

/// What the picture has of Kafka's word; `expected` are the node ids of the brokers.
fn told(health: &KafkaHealth, expected: &BTreeSet<u32>) -> KafkaSeen {
    let faults = health.not_serving(expected);
    let mut brokers: BTreeMap<u32, BrokerSeen> = BTreeMap::new();
    for broker in &health.brokers {
        let name = format!("broker {} ", broker.node);
        let fault = faults.get(&broker.node).map(|why| why.strip_prefix(&name).unwrap_or(why).to_owned());
        brokers.insert(broker.node, BrokerSeen { fault, leads: 0 });
    }
    for leader in health.partitions.iter().filter_map(|partition| partition.leader) {
        brokers.entry(leader).or_default().leads += 1;
    }
    KafkaSeen { problems: health.problems(expected), controller: health.controller, brokers }
}

/// The zone of each broker of MSK, by its subnet: the stack's own, or one of others.
fn by_zone(cluster: &MskStatus, observed: &Observed, design: &Design) -> Vec<(u32, String)> {
    let own = observed.of::<Subnet>();
    let own = own.values().map(|(live, subnet)| (live.id.as_str(), subnet.zone.as_str()));
    let others = design.existing.iter().flat_map(|existing| existing.subnets.values());
    let zones: BTreeMap<&str, &str> = own.chain(others.map(|one| (one.id.as_str(), one.zone.as_str()))).collect();
    let zone = |subnet: &str| zones.get(subnet).map(|zone| (*zone).to_owned());
    cluster.brokers.iter().filter_map(|broker| Some((broker.id, zone(&broker.subnet)?))).collect()
}
