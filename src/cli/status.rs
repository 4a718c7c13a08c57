//! `kstack status`: the stack's hosts, Kafka's health, where clients connect, and what is to be done.

mod beside;
mod evacuated;
mod findings;
mod hosts;
mod told;

use std::collections::BTreeSet;
use std::net::SocketAddrV4;
use std::time::Duration;

use anstyle::AnsiColor;
use jiff::Timestamp;
use serde::Serialize;

use self::evacuated::Evacuated;
use self::hosts::{HostStatus, certificates, hosts, note_served};
use self::told::{KafkaStatus, kafka_of, kafka_text};
use super::context::Context;
use super::msk::{self, Msk};
use super::ui;
use super::via::ViaArgs;
use crate::aws::kinds as drivers;
use crate::aws::kinds::{Sought, msk_status};
use crate::clock;
use crate::health::{self, shortened};
use crate::inside::Beside;
use crate::kafka::Server;
use crate::ops::inside::Looking;
use crate::ops::msk::{health as in_msk, properties, wait};
use crate::ops::{Failure, kafka};
use crate::roll;
use crate::session::read_stack;
use kstack_core::choose::settle;
use kstack_core::cloud_init::CLIENT_PORT;
use kstack_core::design::node_id;
use kstack_core::engines::Engine;
use kstack_core::engines::msk::client_properties::AuthMethod;
use kstack_core::expiry;
use kstack_core::expiry::Lifetime;
use kstack_core::kinds::{ClientInstance, DnsRecords};
use kstack_core::model::Address;
use kstack_core::model::{Holder, Record};
use kstack_core::monitoring::findings::Finding;
use kstack_core::observed::Observed;
use kstack_core::stack::{Ec2, Scalar as _, TimeSpan};

/// Show a stack's brokers and controllers, Kafka's health, the bootstrap servers, and what is to be done
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Wait until Kafka is healthy: every broker registered, every replica in sync; for MSK, until the cluster is ACTIVE
    #[arg(long)]
    wait: bool,
    /// The longest time to wait
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = TimeSpan::parse, requires = "wait")]
    timeout: TimeSpan,
    /// Print the properties of a Kafka client of an MSK cluster that uses this authentication method
    #[arg(long, value_name = "METHOD", value_parser = AuthMethod::parse, conflicts_with_all = ["json", "wait"])]
    client_properties: Option<AuthMethod>,
    /// Show it again and again, each time after this pause; after 5 s where none is given
    #[arg(
        long, value_name = "TIME", value_parser = TimeSpan::parse, num_args = 0..=1, require_equals = true,
        default_missing_value = "5s", conflicts_with_all = ["json", "wait", "client_properties"]
    )]
    watch: Option<TimeSpan>,
    #[command(flatten)]
    pub via: ViaArgs,
}

/// The status for scripts.
#[derive(Debug, Serialize)]
struct Status {
    stack: String,
    region: String,
    /// The number of live resources.
    resources: usize,
    bootstrap_servers: Vec<String>,
    /// The name in DNS that stands for all brokers, with the port; absent where they have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    bootstrap_name: Option<String>,
    hosts: Vec<HostStatus>,
    /// The client host; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<ClientStatus>,
    /// As brokers on EC2 report it.
    #[serde(skip_serializing_if = "Option::is_none")]
    kafka: Option<KafkaStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    msk: Option<Msk>,
    record: Option<Record>,
    /// Who holds the stack's lease.
    lease: Option<Holder>,
    /// When the stack expires.
    expires_at: Option<Timestamp>,
    #[serde(skip)]
    listeners: Option<String>,
    protected: bool,
    /// What others have put onto the stack's resources, and kstack leaves there.
    others: Vec<Others>,
    /// What Kafka has that the stack file does not name; absent where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_in_file: Option<Beside>,
    /// The same for people.
    #[serde(skip)]
    beside: Option<String>,
    /// Zones that are evacuated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evacuated: Vec<Evacuated>,
    /// The alarms of CloudWatch that are on.
    #[serde(skip)]
    alarms: Vec<String>,
    /// What is not well, the most urgent first.
    findings: Vec<Finding>,
}

/// What others have put onto one resource.
#[derive(Debug, Serialize)]
struct Others {
    address: Address,
    /// Each in words.
    what: Vec<String>,
    /// Whether it gives the stack's hosts more than kstack does.
    warning: bool,
}

impl Others {
    /// Everything of the kind on the live resources.
    fn of(observed: &Observed) -> Vec<Others> {
        let all = observed.live.iter().map(|(address, live)| Others {
            address: address.clone(),
            what: live.spec.others(),
            warning: live.spec.warning().is_some(),
        });
        all.filter(|others| !others.what.is_empty()).collect()
    }
}

/// The client host, which `kstack shell` opens.
#[derive(Debug, Serialize)]
struct ClientStatus {
    instance: String,
    instance_type: String,
    /// EC2's state.
    state: String,
    /// The version of Kafka's tools.
    kafka: Option<String>,
}

impl ClientStatus {
    fn of(observed: &Observed) -> Option<ClientStatus> {
        let (live, one) = observed.of::<ClientInstance>().remove(ClientInstance::CLIENT)?;
        Some(ClientStatus {
            instance: live.id.clone(),
            instance_type: one.instance_type.clone(),
            state: one.state.clone(),
            kafka: one.kafka.clone(),
        })
    }
}

/// Shows the live resources of a stack and Kafka's health.
///
/// # Errors
/// That there is no such stack, that it did not become healthy in time, or AWS's answer.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let Some(every) = args.watch else { return Box::pin(once(args, context)).await };
    loop {
        Box::pin(once(args, context)).await?;
        tokio::time::sleep(Duration::from_secs(every.0)).await;
    }
}

async fn once(args: &Args, context: &Context) -> Result<u8, Failure> {
    let parsed = read_stack(&args.file)?;
    let stack = &parsed.stack;
    let session = context.session(&stack.region, &stack.name).await?;
    let (engine, sought) = (Engine::of(stack), Sought::of(stack));
    if args.wait && engine == Engine::Msk {
        let notes = |text: &str| context.printer.progress(text);
        wait(&session.aws, Duration::from_secs(args.timeout.0), &notes).await?;
    }
    let cluster = async {
        match engine {
            Engine::Msk => msk_status(&session.aws).await,
            Engine::Ec2 => Ok(None),
        }
    };
    session.aws.begin_round();
    let ((found, metadata), cluster) = tokio::try_join!(session.find_with_metadata(stack, sought), cluster)?;
    let observed = drivers::with_others(&session.aws, sought, found, metadata.record.as_ref()).await?;
    let stack = &settle(stack, &observed, metadata.record.as_ref());
    if let Some(method) = args.client_properties {
        ui::out(&properties(method, cluster.as_ref())?);
        return Ok(0);
    }
    let of_msk = async {
        let cluster = cluster.as_ref()?;
        let ids: BTreeSet<u32> = cluster.brokers.iter().map(|broker| broker.id).collect();
        Some(kafka_of(&in_msk(&session, cluster, &context.via).await, &ids))
    };
    let of_msk = Box::pin(of_msk).await;
    let mut told = None;
    if of_msk.as_ref().is_some_and(|kafka| kafka.reachable) {
        let looking = Looking { sandbox: context.sandbox, via: &context.via };
        told = Some(beside::of_msk(&session, stack, &observed, looking).await);
    }
    let msk = cluster.map(|cluster| Msk::of(cluster, &observed));
    let now = clock::now();
    let lease = metadata.holder(now).cloned();
    let term = Lifetime::of(&observed, metadata.record.as_ref(), None);
    let mut hosts = hosts(&observed);
    let servers: Vec<SocketAddrV4> = kafka::brokers(&observed, context.sandbox).into_values().collect();
    let ids = hosts.iter().filter(|host| host.name.starts_with("broker-")).filter_map(|host| node_id(&host.name));
    let ids: BTreeSet<u32> = ids.collect();
    // Who may not sign with the stack's authority sees all else.
    let link = kafka::link(&session, &context.via, roll::trust(&observed).as_ref()).await;
    let asked: Vec<Server> = servers.iter().map(|one| (*one).into()).collect();
    let health = match link {
        Err(error) => Err(error.to_string()),
        Ok(link) => {
            if args.wait && !ids.is_empty() {
                context.printer.progress("Waiting until Kafka is healthy ...");
                let limit = Duration::from_secs(args.timeout.0);
                // One more look reports the state at the end, whatever it is.
                let _ = health::wait_until(&asked, &link, limit, |one| one.problems(&ids)).await;
            }
            let health = health::ask(&asked, &link).await;
            if health.is_ok() {
                told = Some(beside::by(&asked, link, stack, &observed).await);
            } else {
                link.way.close().await;
            }
            health.map_err(|error| error.to_string())
        }
    };
    if let Ok(cluster) = &health {
        note_served(&mut hosts, cluster);
    }
    let kafka = match engine {
        Engine::Ec2 => Some(kafka_of(&health, &ids)),
        Engine::Msk => of_msk,
    };
    let names = observed.of::<DnsRecords>().into_values().next().map(|(_, one)| one);
    let port = stack.cluster.ec2.as_ref().map_or(CLIENT_PORT, Ec2::client_port);
    // Where clients are to come, and not kstack.
    let way = stack.cluster.ec2.as_ref().and_then(|ec2| ec2.listeners.ways().first().map(|way| way.kafka_name()));
    let local = kafka::local_brokers(&observed, &way.unwrap_or_default());
    let in_vpc = || roll::brokers_at(&observed, port).into_values().collect();
    let mut status = Status {
        stack: stack.name.to_string(),
        region: stack.region.to_string(),
        resources: observed.live.len(),
        bootstrap_servers: match &msk {
            Some(msk) => msk.bootstrap_servers(),
            None => if context.sandbox && !local.is_empty() { local } else { in_vpc() }
                .iter()
                .map(ToString::to_string)
                .collect(),
        },
        bootstrap_name: names.and_then(|one| one.bootstrap()).map(|name| format!("{name}:{port}")),
        hosts,
        client: ClientStatus::of(&observed),
        kafka,
        msk,
        record: metadata.record,
        lease,
        expires_at: term.at(),
        listeners: super::listeners::said(&observed),
        protected: term == Lifetime::Protected,
        others: Others::of(&observed),
        beside: told.as_ref().map(beside::text),
        not_in_file: told.and_then(Result::ok),
        evacuated: Evacuated::of(&observed, health.as_ref().ok()),
        alarms: session.aws.alarms_on().await?,
        findings: Vec::new(),
    };
    status.findings = findings::of(&args.file, &status);
    match args.watch {
        _ if args.json => ui::json(&status),
        None => ui::out(&text(&status, now, context.printer.verbose())),
        Some(every) => {
            let head = format!("{}, again every {every}; Ctrl-C ends it\n\n", now.strftime("%F %T UTC"));
            ui::page(&(head + &text(&status, now, context.printer.verbose())));
        }
    }
    // AWS's own word on an MSK cluster is what was waited for.
    match status.kafka.filter(|kafka| args.wait && engine == Engine::Ec2 && !kafka.healthy) {
        Some(kafka) => {
            let problems = shortened(&kafka.problems);
            Err(Failure::new(format!("Kafka is not healthy after {}: {problems}", args.timeout)))
        }
        None => Ok(0),
    }
}

fn text(status: &Status, now: Timestamp, verbose: bool) -> String {
    if status.resources == 0 {
        return format!("The stack {} has no live resources in {}.\n", status.stack, status.region);
    }
    let mut out = format!("Stack {} in {}: {} resources\n\n", status.stack, status.region, status.resources);
    if let Some(cluster) = &status.msk {
        out.push_str(&msk::text(cluster));
        let brokers = cluster.brokers();
        out.extend(status.kafka.as_ref().map(|kafka| format!("\n{}", kafka_text(kafka, brokers))));
    } else if let Some(kafka) = &status.kafka {
        out.push_str(&on_ec2(status, kafka));
    }
    status.evacuated.iter().for_each(|one| out.push_str(&format!("{}\n", one.said)));
    out.extend(status.beside.clone());
    if let Some(client) = &status.client {
        let tools = client.kafka.as_deref().map(|kafka| format!(", tools of Kafka {kafka}")).unwrap_or_default();
        let ClientStatus { instance, instance_type, state, .. } = client;
        out.push_str(&format!("Client host: {instance}, {instance_type}, {state}{tools}\n"));
    }
    if let Some(record) = &status.record {
        out.push_str(&format!("Created by {} at {}\n", record.made_by, record.made_at.strftime("%F %T UTC")));
    }
    if let Some(at) = status.expires_at {
        out.push_str(&format!("Expires: {}\n", expiry::shown(at, now)));
    }
    if status.protected {
        out.push_str("Protected: `destroy` and `reap` refuse to delete it\n");
    }
    if let Some(holder) = &status.lease {
        out.push_str(&format!(
            "Being changed by: {} on {} (process {}) since {}\n",
            holder.who,
            holder.host,
            holder.pid,
            holder.since.strftime("%F %T UTC")
        ));
    }
    for others in status.others.iter().filter(|others| verbose || others.warning) {
        let yellow = AnsiColor::Yellow.on_default();
        let head = match others.warning {
            true => format!("{yellow}Warning{yellow:#}: {}: others have given it", others.address),
            false => format!("{}: put there by others, and left", others.address),
        };
        out.push_str(&format!("{head}:\n"));
        others.what.iter().for_each(|what| out.push_str(&format!("  {what}\n")));
    }
    out.push_str(&findings::text(status));
    out
}

/// Brokers and controllers on EC2, where clients connect, and Kafka's health.
fn on_ec2(status: &Status, kafka: &KafkaStatus) -> String {
    let cell = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let rows: Vec<Vec<String>> = status
        .hosts
        .iter()
        .map(|host| {
            let volumes: Vec<String> = std::iter::once(cell(&host.volume)).chain(host.more_volumes.clone()).collect();
            let volumes = volumes.join(", ");
            let size = host.volume_gib.map_or_else(|| "-".to_owned(), |size| format!("{size} GiB"));
            vec![
                host.name.clone(),
                cell(&host.zone),
                cell(&host.instance_type),
                host.state.clone().unwrap_or_else(|| "no instance".to_owned()),
                cell(&host.kafka),
                cell(&host.address),
                volumes,
                size,
            ]
        })
        .collect();
    let mut out = ui::table(&["HOST", "ZONE", "TYPE", "STATE", "KAFKA", "ADDRESS", "VOLUME", "SIZE"], &rows);
    out.push_str(&format!("\nBootstrap servers: {}\n", status.bootstrap_servers.join(",")));
    if let Some(name) = &status.bootstrap_name {
        out.push_str(&format!("Bootstrap name: {name}\n"));
    }
    let brokers = status.hosts.iter().filter(|host| host.name.starts_with("broker-")).count();
    out.push_str(&kafka_text(kafka, brokers));
    out.push_str(&certificates(&status.hosts));
    out.extend(status.listeners.clone());
    out
}
