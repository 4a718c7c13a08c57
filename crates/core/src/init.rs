//! A first stack file, out of a few answers: commented, and with the cheapest brokers that carry the workload.

use crate::check;
use crate::engines::Engine;
use crate::file::{Name, Region};
use crate::instance_types;
use crate::pricing::{Bill, Prices, Reads};
use crate::units::{Rate, TimeSpan};

/// What is asked before a first file is written.
#[derive(Debug, Clone)]
pub struct Answers {
    pub name: Name,
    pub region: Region,
    pub engine: Engine,
    /// Whether the stack is for production; else it is for tests, smaller and without spare hosts.
    pub production: bool,
    pub ingress: Rate,
    pub retention: TimeSpan,
}

/// A first stack file.
#[derive(Debug)]
pub struct FirstFile {
    pub text: String,
    /// `3 × m7g.large`.
    pub brokers: String,
    /// What it costs a month with the workload's traffic, as far as prices are known.
    pub bill: Bill,
}

/// Brokers that are tried: for each engine and purpose, from the smallest type on.
const fn types(engine: Engine, production: bool) -> &'static [&'static str] {
    match (engine, production) {
        (Engine::Ec2, true) => &["m7g.large", "m7g.xlarge", "m7g.2xlarge", "m7g.4xlarge"],
        (Engine::Ec2, false) => &["t4g.medium", "m7g.large", "m7g.xlarge"],
        (Engine::Msk, true) => &["kafka.m7g.large", "kafka.m7g.xlarge", "kafka.m7g.2xlarge", "kafka.m7g.4xlarge"],
        (Engine::Msk, false) => &["kafka.t3.small", "kafka.m7g.large", "kafka.m7g.xlarge"],
    }
}

/// The most brokers that are tried: more is worth thinking about first.
const MOST_BROKERS: u32 = 30;

/// The stack file for the answers. `None` when no brokers that are tried carry the workload.
pub fn first_file(answers: &Answers, prices: &Prices) -> Option<FirstFile> {
    let counts = || (3..=MOST_BROKERS).step_by(3);
    let tried =
        types(answers.engine, answers.production).iter().flat_map(|name| counts().map(move |count| (name, count)));
    let fitting = tried.filter_map(|(name, count)| {
        let text = text(answers, name, count);
        let stack = check::parse("stack.yaml", &text).ok()?.stack;
        let (common, types) = (stack.common(), instance_types::embedded());
        let fits = stack.cluster.size(common, types).is_none_or(|report| report.misfits.is_empty());
        let bill = stack.cluster.cost(common, types, prices, Reads::Leader)?;
        fits.then(|| FirstFile { text, brokers: format!("{count} × {name}"), bill })
    });
    fitting.min_by(|one, other| one.bill.total().total_cmp(&other.bill.total()))
}

fn text(answers: &Answers, instance_type: &str, count: u32) -> String {
    let Answers { name, region, production, ingress, retention, .. } = answers;
    let ingress = ingress.to_string();
    let purpose = if *production { "production" } else { "tests" };
    let on_ec2 = answers.engine == Engine::Ec2;
    let (protected, lifetime) = match production {
        true => ("protected: true                # `kstack destroy` refuses; take it away first\n", ""),
        false => (
            "",
            "# ttl: 8h                     # `kstack reap` destroys the stack, and its data, once this has passed\n",
        ),
    };
    let way_out = match (on_ec2, production) {
        (false, _) => "  nat: none                    # MSK's brokers need no way to the internet",
        (true, true) => {
            "  nat: one-per-zone            # hosts fetch packages and Kafka through it; it costs, and `single` costs less"
        }
        (true, false) => "  nat: single                  # hosts fetch packages and Kafka through it",
    };
    let endpoints = if on_ec2 { "  endpoints: [s3, ssm, ssmmessages, ec2messages]\n" } else { "" };
    let cluster = match (on_ec2, production) {
        (true, true) => format!(
            "  ec2:                         # clients come as users with passwords, over TLS; `kstack explain cluster.ec2.listeners` has more ways
    kafka: 4.1.1
    brokers:
      count: {count:<17} # a multiple of the number of zones
      instance_type: {instance_type:<9} # volumes follow from the workload: `kstack size FILE`
    controllers:
      count: 3
      instance_type: t4g.medium"
        ),
        (true, false) => format!(
            "  ec2:                         # clients come as users with passwords, over TLS; `kstack explain cluster.ec2.listeners` has more ways
    kafka: 4.1.1
    combined: true             # the first three brokers are controllers too
    brokers:
      count: {count:<17} # a multiple of the number of zones
      instance_type: {instance_type:<9} # volumes follow from the workload: `kstack size FILE`"
        ),
        (false, _) => format!(
            "  msk:
    kafka: 3.9.x.kraft
    brokers:
      count: {count:<17} # a multiple of the number of zones
      instance_type: {instance_type:<9} # volumes follow from the workload: `kstack size FILE`
    auth:
      iam: true                # beside it, or in its place: scram, tls
    # logs: {{cloudwatch: {{retention: 30d}}}}  # the brokers' logs, into a log group of CloudWatch"
        ),
    };
    let mechanism = if on_ec2 { "" } else { "mechanism: iam, " };
    format!(
        "# A Kafka cluster for {purpose}, with the cheapest brokers that carry this workload. `kstack explain KEY` says what a key means.
apiVersion: kstack/v1
name: {name}
region: {region}
{protected}{lifetime}network:
  cidr: 10.40.0.0/16           # a block of your own that no network has with which this one is to be connected
  zones: 3
{way_out}
{endpoints}  # clients: [10.20.0.0/16]    # from where clients may connect: blocks, prefix lists, security groups
  # flow_logs: {{retention: 30d}}  # who connected to the brokers, into a log group of CloudWatch
workload:                      # sizes follow from it
  ingress: {ingress:<19} # average, before compression
  peak: 2                      # peak over average
  consumers: 2                 # consumer groups that read everything
  retention: {retention}
  partitions: 300              # of all topics; replicas are counted from the replication factor
cluster:
{cluster}
# alarms: {{notify: \"arn:aws:sns:{region}:123456789012:kafka\"}}   # CloudWatch's, for hosts and volumes
# access:
#   users:
#     orders-api: {{{mechanism}produce: [orders]}}
# topics:
#   orders: {{partitions: 12}}
"
    )
}
