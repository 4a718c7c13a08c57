//! `kstack mirror`: another cluster, copied into a stack by MirrorMaker 2.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::context::Context;
use super::ui;
use crate::ops::mirror::{Cutover, Request, Status};
use crate::ops::{Failure, Signals, mirror};
use crate::session::{read_file, read_source};
use kstack_core::check::Parsed;
use kstack_core::mirror::{ClientSettings, Topics};
use kstack_core::text::many;

/// Copy another cluster into a stack while both are used, by MirrorMaker 2
///
/// Topics keep their names; records, settings, rights to read and the positions of consumer groups are copied, again and again until you end
/// it. Nothing is written to the other cluster. kstack runs MirrorMaker of a Kafka distribution on this machine, which must reach both clusters.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Copy until Ctrl-C; another run goes on where it was
    Run(RunArgs),
    /// Show how far the copy is
    Status(StatusArgs),
    /// Let writers and groups of a topic in at the stack: once nobody writes to it at the other cluster and all of it is copied
    Cutover(CutoverArgs),
}

#[derive(Debug, clap::Args)]
struct Which {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// The other cluster's brokers, HOST:PORT with commas between; default: `bootstrap.servers` of --from-config
    #[arg(long, value_name = "SERVERS", required_unless_present = "from_config")]
    from: Option<String>,
    /// A client properties file for the other cluster, as Kafka's own tools take it: for TLS, SCRAM and so on
    #[arg(long, value_name = "FILE")]
    from_config: Option<PathBuf>,
    /// The other way round: from the stack into the other cluster, which is then written to. Only for topics that were cut over
    #[arg(long)]
    back: bool,
}

#[derive(Debug, clap::Args)]
struct TopicsArg {
    /// Topics, or beginnings of their names with `*` after them, with commas between
    #[arg(long, value_name = "TOPICS", default_value = "*", value_parser = Topics::parse)]
    topics: Topics,
}

#[derive(Debug, clap::Args)]
struct CutoverArgs {
    #[command(flatten)]
    which: Which,
    /// The topic
    #[arg(value_name = "TOPIC")]
    topic: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    topics: TopicsArg,
    /// The folder of a Kafka distribution on this machine, 4.0 or newer
    #[arg(long, value_name = "FOLDER", env = "KAFKA_HOME")]
    kafka: PathBuf,
}

#[derive(Debug, clap::Args)]
struct StatusArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    topics: TopicsArg,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Which {
    /// The stack, and how the other cluster is reached.
    fn read(&self) -> Result<(Parsed, ClientSettings), Failure> {
        let (_, parsed) = read_source(&self.file)?;
        let settings = match &self.from_config {
            Some(path) => settings(path)?,
            None => ClientSettings::default(),
        };
        Ok((
            parsed,
            match &self.from {
                Some(servers) => settings.with("bootstrap.servers", servers),
                None => settings,
            },
        ))
    }
}

fn settings(path: &Path) -> Result<ClientSettings, Failure> {
    let wrong = |why: String| Failure::new(format!("{} can't be read: {why}", path.display()));
    let bytes = read_file(path).map_err(|error| wrong(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is no text in UTF-8".to_owned()))?;
    ClientSettings::read(&text).map_err(wrong)
}

/// Mirrors, or shows how far that is.
///
/// # Errors
/// That a file has problems, a cluster can't be asked, or MirrorMaker does not run.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let every = Topics::parse("*").map_err(Failure::new)?;
    let (which, topics) = match &args.what {
        What::Run(args) => (&args.which, &args.topics.topics),
        What::Status(args) => (&args.which, &args.topics.topics),
        What::Cutover(args) => (&args.which, &every),
    };
    let (parsed, other) = which.read()?;
    let request = Request { stack: &parsed.stack, other: &other, topics, back: which.back };
    let session = context.session(&parsed.stack.region, &parsed.stack.name).await?;
    let signals = Signals::listen()?;
    let task = context.task(&signals);
    match &args.what {
        What::Run(args) => {
            let tell = |text: &str| context.printer.progress(text);
            Box::pin(mirror::run(&session, &request, &args.kafka, &task, tell)).await?;
        }
        What::Status(args) => {
            let status = Box::pin(mirror::status(&session, &request, &task)).await?;
            if args.json {
                ui::json(&status);
            } else {
                ui::out(&text(&status));
            }
        }
        What::Cutover(args) => {
            let tell = |text: &str| context.printer.progress(text);
            let done = Box::pin(mirror::cutover(&session, &request, &args.topic, &task, tell)).await?;
            if args.json {
                ui::json(&done);
            } else {
                ui::out(&cut(&done, which));
            }
        }
    }
    Ok(0)
}

fn cut(done: &Cutover, which: &Which) -> String {
    let (topic, place) = (&done.topic, if which.back { "other cluster" } else { "stack" });
    let mut out = format!(
        "Nobody writes to {topic} at the {}, and {} are copied.\n",
        if which.back { "stack" } else { "other cluster" },
        many(done.partitions, "partition")
    );
    for (group, again) in &done.groups {
        out.push_str(&match again {
            0 => format!("The group {group} goes on at the end.\n"),
            again => format!("The group {group} goes on {again} offsets before the end.\n"),
        });
    }
    done.rights.iter().for_each(|right| out.push_str(&format!("Gave {right}\n")));
    done.notes.iter().for_each(|note| out.push_str(&format!("{note}\n")));
    out.push_str(&format!("Writers and groups of {topic} may start at the {place}.\n"));
    out
}

fn text(status: &Status) -> String {
    let rows: Vec<Vec<String>> = status
        .topics
        .iter()
        .map(|one| {
            let left = one.left.map_or_else(|| "-".to_owned(), |left| left.to_string());
            vec![one.topic.clone(), one.partitions.to_string(), left, one.problem.clone().unwrap_or_default()]
        })
        .collect();
    let table = match rows.is_empty() {
        true => "The other cluster has no such topic.\n".to_owned(),
        false => ui::table(&["topic", "partitions", "to copy", ""], &rows),
    };
    let runs =
        if status.runs { "MirrorMaker copies." } else { "No MirrorMaker copies now: `kstack mirror run` starts it." };
    format!("{table}{runs}\n")
}
