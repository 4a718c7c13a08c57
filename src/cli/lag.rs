//! `kstack lag`: how far consumer groups are behind.

use serde::Serialize;

use super::context::Context;
use super::ui;
use super::via::ViaArgs;
use crate::lag::{GroupLag, Lags, PartitionLag, openmetrics};
use crate::ops::{Failure, lag};
use crate::session::read_source;
use kstack_core::expiry::age;
use kstack_core::text::{Align, many, table};

/// Show how far consumer groups are behind, in records and in time
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// Only this group, with its partitions
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print metrics in OpenMetrics' text format, for node exporter's textfile collector or a file of your own
    #[arg(long, conflicts_with = "json")]
    openmetrics: bool,
    #[command(flatten)]
    pub via: ViaArgs,
}

/// The lag for scripts.
#[derive(Debug, Serialize)]
struct Output<'a> {
    stack: &'a str,
    region: &'a str,
    /// Whether every broker answered, and each said all that was asked.
    complete: bool,
    #[serde(flatten)]
    lags: &'a Lags,
}

/// Shows the lag of a stack's consumer groups.
///
/// # Errors
/// That no broker can be asked, that there is no such group, or AWS's answer.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let (_, parsed) = read_source(&args.file)?;
    let stack = &parsed.stack;
    let session = context.session(&stack.region, &stack.name).await?;
    let only = args.group.as_deref();
    let lags = Box::pin(lag::lags(&session, stack, context.sandbox, &context.via, only)).await?;
    if let Some(group) = only.filter(|_| lags.groups.is_empty()) {
        let failure = Failure::new(format!("the brokers know no consumer group `{group}`"));
        return Err(match silent(&lags) {
            Some(silent) => failure.hint(silent),
            None => failure.hint(format!("`kstack lag {}` lists the groups", args.file)),
        });
    }
    if args.json {
        let (name, region) = (&*stack.name.0, &*stack.region.0);
        ui::json(&Output { stack: name, region, complete: complete(&lags), lags: &lags });
    } else if args.openmetrics {
        ui::out(&openmetrics(&stack.name.0, &lags));
    } else {
        ui::out(&text(&lags, only.is_some()));
    }
    Ok(0)
}

fn complete(lags: &Lags) -> bool {
    let known = |one: &GroupLag| one.problem.is_none() && one.partitions.iter().all(|one| one.records.is_some());
    lags.silent.is_empty() && lags.groups.iter().all(known)
}

/// That brokers don't answer, and what is missing therefore.
fn silent(lags: &Lags) -> Option<String> {
    let nodes: Vec<String> = lags.silent.iter().map(ToString::to_string).collect();
    let (who, whose) = match nodes.len() {
        0 => return None,
        1 => (format!("broker {} does not answer", nodes[0]), "it coordinates"),
        _ => (format!("brokers {} do not answer", nodes.join(", ")), "they coordinate"),
    };
    Some(format!("{who}: groups that {whose} are missing"))
}

fn records(records: Option<u64>) -> String {
    records.map_or_else(|| "-".to_owned(), |records| records.to_string())
}

fn time(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(0.0) => "0s".to_owned(),
        Some(seconds) if seconds < 1.0 => "under 1s".to_owned(),
        Some(seconds) => age(seconds as i64),
    }
}

/// A row for each topic of a group, or for each partition where the group was named.
fn text(lags: &Lags, by_partition: bool) -> String {
    let mut rows = Vec::new();
    for group in &lags.groups {
        let head = || [group.group.clone(), group.state.clone()];
        let mut rest = &group.partitions[..];
        while let Some(first) = rest.first() {
            let of_topic = |one: &&PartitionLag| one.topic == first.topic;
            let count = if by_partition { 1 } else { rest.iter().take_while(of_topic).count() };
            let (these, others) = rest.split_at(count);
            let sum = GroupLag { partitions: these.to_vec(), ..group.clone() };
            let which = if by_partition { first.partition.to_string() } else { count.to_string() };
            let lag = [first.topic.clone(), which, records(sum.records()), time(sum.seconds())];
            rows.push(head().into_iter().chain(lag).collect::<Vec<String>>());
            rest = others;
        }
        if group.partitions.is_empty() {
            rows.push(head().into_iter().chain(["-"; 4].map(str::to_owned)).collect());
        }
    }
    if !rows.is_empty() {
        let partitions = if by_partition { "PARTITION" } else { "PARTITIONS" };
        rows.insert(0, ["GROUP", "STATE", "TOPIC", partitions, "RECORDS", "OLDEST UNREAD"].map(str::to_owned).to_vec());
    }
    let left = Align::Left;
    let mut out = match rows.is_empty() {
        true => "No consumer group has committed an offset.\n".to_owned(),
        false => table(&rows, &[left, left, left, Align::Right, Align::Right, Align::Right]),
    };
    for group in &lags.groups {
        if let Some(problem) = &group.problem {
            out.push_str(&format!("{}: {problem}.\n", group.group));
        }
        let mut problems: Vec<(&str, usize, &str)> = Vec::new();
        for one in &group.partitions {
            let Some(problem) = &one.problem else { continue };
            match problems.last_mut().filter(|last| (last.0, last.2) == (one.topic.as_str(), problem.as_str())) {
                Some(last) => last.1 += 1,
                None => problems.push((&one.topic, 1, problem)),
            }
        }
        for (topic, count, problem) in problems {
            out.push_str(&format!("{}: {topic}, {}: {problem}.\n", group.group, many(count, "partition")));
        }
    }
    if let Some(silent) = silent(lags) {
        out.push_str(&format!("Note: {silent}.\n"));
    }
    out
}
