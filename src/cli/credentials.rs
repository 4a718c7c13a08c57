//! `kstack credentials`: what a client of a secured stack is configured with.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use jiff::SignedDuration;

use super::context::Context;
use super::ui;
use super::via::ViaArgs;
use crate::ops::Failure;
use crate::ops::client::{Request, Who};
use crate::ops::msk_client;
use crate::session::{read_stack, write_file};
use kstack_core::choose::settle;
use kstack_core::client_files::{self, CLIENT_ID, CLIENT_SECRET, TOKEN_URL};
use kstack_core::stack::{ClientsCa, ListenerName, Stack, TimeSpan};

/// Make the credentials of a client of a stack whose brokers speak TLS, or of MSK
///
/// A user of an MSK cluster is one of the file, and its settings are what is kept of it. Of brokers on EC2: a user of the listener `scram` gets a new password, which is shown this once; a user of `mtls` gets a new certificate, as often as you
/// ask; one of `oauth` gets the settings, and its tokens from the issuer. None may do anything before an ACL allows it: make ACLs with Kafka's tools and --admin. kstack keeps no copy of what it makes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The stack file
    #[arg(value_name = "FILE")]
    file: String,
    /// The user's name: letters, digits, `.`, `_` and `-`
    #[arg(value_name = "USER", required_unless_present = "admin", conflicts_with = "admin")]
    user: Option<String>,
    /// Allow everything, over the brokers' own listener, for Kafka's tools
    #[arg(long)]
    admin: bool,
    /// How the user proves who it is; default: the first listener of the file
    #[arg(long, value_enum, value_name = "LISTENER", conflicts_with = "admin")]
    by: Option<By>,
    /// How long the certificate is valid; default: a year, and an hour with --admin
    #[arg(long, value_name = "TIME", value_parser = TimeSpan::parse)]
    life: Option<TimeSpan>,
    /// Give a user that has a password another one; clients with the old one are refused from then on
    #[arg(long, conflicts_with = "admin")]
    new_password: bool,
    /// The form of the settings
    #[arg(long, value_enum, default_value = "java")]
    format: Format,
    /// Write the settings to this file, which only you may read
    #[arg(long, value_name = "FILE", conflicts_with = "show", required_unless_present = "show")]
    out: Option<PathBuf>,
    /// Print the settings, with the key or the password in them
    #[arg(long)]
    show: bool,
    #[command(flatten)]
    pub via: ViaArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// A user name and a password (SCRAM-SHA-512)
    Scram,
    /// A certificate
    Mtls,
    /// Tokens of the issuer that the file names (OAUTHBEARER)
    Oauth,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A properties file, for Kafka's tools and Java's clients
    Java,
    /// A JSON object of librdkafka's settings
    Librdkafka,
}

const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Makes the credentials, and prints or writes them.
///
/// # Errors
/// That the stack has no such listener or is not there; AWS's answer, or Kafka's; that the file can't be written.
pub async fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let parsed = read_stack(&args.file)?;
    let stack = &parsed.stack;
    if let Some(path) = &args.out {
        crate::session::check_writable(path).map_err(|error| unwritable(path, &error))?;
    }
    let session = context.session(&stack.region, &stack.name).await?;
    let format = match args.format {
        Format::Java => client_files::Format::Java,
        Format::Librdkafka => client_files::Format::Librdkafka,
    };
    if stack.cluster.msk.is_some() {
        let text = msk_client::settings(&session, stack, user_of_msk(args)?, format).await?;
        return put(&text, args, context);
    }
    session.expect_papers(stack).await?;
    let observed = session.observe().await?;
    let stack = &settle(stack, &observed, None);
    let life = args.life.map(|life| SignedDuration::from_secs(i64::try_from(life.0).unwrap_or(i64::MAX / 2)));
    let first = stack.cluster.ec2.as_ref().and_then(|ec2| ec2.listeners.ways().first().map(|way| way.listener));
    let who = match (&args.user, args.by) {
        (None, _) => Who::Admin { life: life.unwrap_or(HOUR) },
        (Some(_), Some(By::Oauth)) => Who::Token,
        (Some(_), None) if first == Some(ListenerName::Oauth) => Who::Token,
        (Some(user), Some(By::Mtls)) => Who::Certificate { user, life: life.unwrap_or(YEAR) },
        (Some(user), None) if first != Some(ListenerName::Scram) => {
            Who::Certificate { user, life: life.unwrap_or(YEAR) }
        }
        (Some(user), _) => Who::Password { user, another: args.new_password },
    };
    if let (Who::Certificate { user, .. }, Some(ca)) = (&who, clients_ca(stack)) {
        if args.life.is_some() {
            let why = format!("clients have certificates of the CA in {}: kstack makes none, of no life", ca.file);
            return Err(Failure::new(why).hint("leave --life out, and get the certificate from who runs that CA"));
        }
        context.printer.progress(&format!(
            "Clients have certificates of the CA in {}: kstack makes none. Get one with the subject CN={user} from who runs that CA, and add \
             it and its key to the settings.",
            ca.file
        ));
    }
    if matches!(who, Who::Token) {
        context.printer.progress(&format!(
            "Put in where the issuer gives tokens, and the client's id and secret: {TOKEN_URL}, {CLIENT_ID} and {CLIENT_SECRET} stand for them."
        ));
    }
    let request = Request { stack, observed: &observed, sandbox: context.sandbox, via: &context.via, format };
    put(&request.settings(&session, who).await?, args, context)
}

/// The user of an MSK cluster that is asked for: kstack makes nothing new there.
fn user_of_msk(args: &Args) -> Result<&str, Failure> {
    let made = args.by.is_some() || args.life.is_some() || args.new_password;
    match &args.user {
        Some(user) if !made => Ok(user),
        Some(_) => {
            let failure = Failure::new("a user of MSK comes as the stack file says, with what is kept of it");
            Err(failure.hint("leave --by, --life and --new-password out"))
        }
        None => {
            let failure = Failure::new("MSK's brokers let nobody in with all rights");
            Err(failure
                .hint("name a user of the file, or take credentials of AWS that may do everything in the cluster"))
        }
    }
}

/// Prints `text`, or writes it where it is asked for.
fn put(text: &str, args: &Args, context: &Context) -> Result<u8, Failure> {
    match &args.out {
        None => ui::out(text),
        Some(path) => {
            write_file(path, text.as_bytes()).map_err(|error| unwritable(path, &error))?;
            context.printer.progress(&format!("Wrote {}, which only you may read.", path.display()));
        }
    }
    Ok(0)
}

fn clients_ca(stack: &Stack) -> Option<&ClientsCa> {
    stack.cluster.ec2.as_ref()?.listeners.clients_ca()
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{} can't be written: {error}", path.display()))
}
