//! AWS: clients, tags, describes that are shared, and the context in which a kind writes. The SDK is named here and in `kinds`.

mod account;
mod alarms;
mod checks;
mod date;
pub mod declared;
mod error;
mod facts;
mod fence;
pub mod kinds;
mod logs;
mod msk_iam;
pub mod names;
mod network_facts;
pub mod papers;
mod params;
mod price_list;
mod rate_limit;
pub mod restart;
mod secrets;
mod sessions;
mod snapshot;
mod surroundings;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_cloudwatch::types::MetricAlarm;
use aws_sdk_ec2::types::{
    Address, Filter, Instance, NatGateway, NetworkInterface, ResourceType, SecurityGroup, Tag, TagSpecification,
    Volume, VpcEndpoint,
};
use aws_sdk_kafka::types::{Cluster, Configuration};
use aws_sdk_route53::types::{HostedZone, ResourceRecordSet};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use self::declared::Declared;
use self::rate_limit::RateLimiter;
use crate::driver::Ctx;
use crate::error::StepError;
use kstack_core::model::{Tags, account_name, tag};
use kstack_core::stack::{Logs, Name};

pub use crate::error::{Class, CloudError};
pub use crate::wait::jitter;
pub use error::{Done, failed};
pub use fence::{Fence, LEASE_ENDED};
pub use msk_iam::MskIam;
pub use price_list::region_prices;
pub use sessions::PortSession;
pub use snapshot::Snapshot;
pub use surroundings::{neighbours, surroundings};

/// How long a resource may take to come up or to go, unless its kind says otherwise.
pub const READY_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// How long a call may go without an answer. Waiting for a token of the rate limiter does not count.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The same for the lease's calls: a lease must be renewed and released in time.
const LEASE_READ_TIMEOUT: Duration = Duration::from_secs(10);

/// [`READ_TIMEOUT`]. Only builds for tests take another time, in seconds, from `KSTACK_TEST_SILENCE`.
fn read_timeout() -> Duration {
    let test = if cfg!(debug_assertions) { std::env::var("KSTACK_TEST_SILENCE").ok() } else { None };
    test.and_then(|seconds| seconds.parse().ok()).map_or(READ_TIMEOUT, Duration::from_secs)
}

/// Where AWS is, as the command line and the file say.
#[derive(Debug, Clone, Default)]
pub struct Place {
    pub region: String,
    /// An endpoint instead of AWS's own, with the dummy credentials of the sandbox.
    pub sandbox: Option<String>,
}

/// The region that the AWS tools would take: from the environment or the profile.
pub async fn default_region() -> Option<String> {
    let provider = aws_config::meta::region::RegionProviderChain::default_provider();
    provider.region().await.map(|region| region.to_string())
}

/// The SDK's clients for one region.
#[derive(Debug, Clone)]
pub struct Clients {
    /// What they are made from: credentials and connections, shared by those of [`Clients::fenced`].
    config: SdkConfig,
    limiter: RateLimiter,
    pub region: String,
    pub ec2: aws_sdk_ec2::Client,
    /// The same without retries: for calls that must not be repeated before a look at what the first one did.
    pub ec2_no_retry: aws_sdk_ec2::Client,
    pub iam: aws_sdk_iam::Client,
    pub msk: aws_sdk_kafka::Client,
    /// The same without retries: MSK's calls take no client token.
    pub msk_no_retry: aws_sdk_kafka::Client,
    /// Application Auto Scaling, which grows the storage of MSK's brokers.
    pub autoscaling: aws_sdk_applicationautoscaling::Client,
    pub route53: aws_sdk_route53::Client,
    /// The same without retries: changes of records take no client token.
    pub route53_no_retry: aws_sdk_route53::Client,
    pub kms: aws_sdk_kms::Client,
    /// The same without retries: CreateKey takes no client token.
    pub kms_no_retry: aws_sdk_kms::Client,
    /// Its calls go through the pace of EC2's, each at its own.
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    pub logs: aws_sdk_cloudwatchlogs::Client,
    /// Secrets Manager. The SDK gives the call that makes a secret a token, the same for each try.
    pub secrets: aws_sdk_secretsmanager::Client,
    pub ssm: aws_sdk_ssm::Client,
    /// The lease's own client, which the fence does not hold back. Its answers set the clock, the same for all who read a lease.
    pub ssm_lease: aws_sdk_ssm::Client,
    /// The same service for sessions, which change nothing of a stack: the fence does not hold them back either.
    sessions: aws_sdk_ssm::Client,
    pub sts: aws_sdk_sts::Client,
}

impl Clients {
    /// Clients for `place`, with endpoint, profile and credentials from where the AWS tools take them. `fence` holds back
    /// every mutating call once the lease has ended.
    pub async fn connect(place: &Place, fence: Fence) -> Self {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(place.region.clone()))
            .retry_config(RetryConfig::standard().with_max_attempts(8).with_max_backoff(Duration::from_secs(10)))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(5))
                    .read_timeout(read_timeout())
                    .operation_attempt_timeout(Duration::from_secs(300))
                    .build(),
            );
        if let Some(endpoint) = &place.sandbox {
            loader = loader.endpoint_url(endpoint);
            // LocalStack takes a key of 12 digits as the account id. No other key of the user's is for the sandbox.
            let account = |key: &String| key.len() == 12 && key.chars().all(|c| c.is_ascii_digit());
            let key = std::env::var("AWS_ACCESS_KEY_ID").ok().filter(account).unwrap_or_else(|| "test".to_owned());
            loader =
                loader.credentials_provider(aws_sdk_ec2::config::Credentials::new(key, "test", None, None, "sandbox"));
        }
        let config = loader.load().await;
        let limiter = RateLimiter::new(config.endpoint_url().is_none(), fence.clone());
        Self::of(&config, &place.region, &fence, limiter)
    }

    /// The same for another region, which can only read.
    pub fn in_region(&self, region: &str) -> Self {
        let config = self.config.to_builder().region(Region::new(region.to_owned())).build();
        let fence = Fence::default();
        Self::of(&config, region, &fence, RateLimiter::new(config.endpoint_url().is_none(), fence.clone()))
    }

    /// Whether calls go elsewhere than to AWS itself: then no instance really runs.
    pub fn emulated(&self) -> bool {
        self.config.endpoint_url().is_some()
    }

    /// The same under another fence, for another stack, which shares the connections and EC2's request limits.
    pub fn fenced(&self, fence: &Fence) -> Self {
        Self::of(&self.config, &self.region, fence, self.limiter.fenced(fence.clone()))
    }

    fn of(config: &SdkConfig, region: &str, fence: &Fence, limiter: RateLimiter) -> Self {
        let ec2 = |retry: Option<RetryConfig>| {
            let builder = aws_sdk_ec2::config::Builder::from(config).http_client(limiter.clone());
            let mut builder = builder.interceptor(fence.clone()).interceptor(Declared);
            builder.set_retry_config(retry.or_else(|| config.retry_config().cloned()));
            aws_sdk_ec2::Client::from_conf(builder.build())
        };
        let kafka = |retry: Option<RetryConfig>| {
            let mut builder =
                aws_sdk_kafka::config::Builder::from(config).interceptor(fence.clone()).interceptor(Declared);
            builder.set_retry_config(retry.or_else(|| config.retry_config().cloned()));
            aws_sdk_kafka::Client::from_conf(builder.build())
        };
        let scaling = aws_sdk_applicationautoscaling::config::Builder::from(config)
            .interceptor(fence.clone())
            .interceptor(Declared);
        let route53 = |retry: Option<RetryConfig>| {
            let mut builder =
                aws_sdk_route53::config::Builder::from(config).interceptor(fence.clone()).interceptor(Declared);
            builder.set_retry_config(retry.or_else(|| config.retry_config().cloned()));
            aws_sdk_route53::Client::from_conf(builder.build())
        };
        let kms = |retry: Option<RetryConfig>| {
            let mut builder =
                aws_sdk_kms::config::Builder::from(config).interceptor(fence.clone()).interceptor(Declared);
            builder.set_retry_config(retry.or_else(|| config.retry_config().cloned()));
            aws_sdk_kms::Client::from_conf(builder.build())
        };
        let logs = aws_sdk_cloudwatchlogs::config::Builder::from(config).interceptor(fence.clone());
        let ssm = aws_sdk_ssm::config::Builder::from(config).interceptor(Declared);
        let secrets = aws_sdk_secretsmanager::config::Builder::from(config);
        let soon =
            TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).read_timeout(LEASE_READ_TIMEOUT).build();
        Clients {
            config: config.clone(),
            limiter: limiter.clone(),
            region: region.to_owned(),
            ec2: ec2(None),
            ec2_no_retry: ec2(Some(RetryConfig::disabled())),
            iam: aws_sdk_iam::Client::from_conf(
                aws_sdk_iam::config::Builder::from(config).interceptor(fence.clone()).interceptor(Declared).build(),
            ),
            msk: kafka(None),
            msk_no_retry: kafka(Some(RetryConfig::disabled())),
            autoscaling: aws_sdk_applicationautoscaling::Client::from_conf(scaling.build()),
            route53: route53(None),
            route53_no_retry: route53(Some(RetryConfig::disabled())),
            kms: kms(None),
            kms_no_retry: kms(Some(RetryConfig::disabled())),
            secrets: aws_sdk_secretsmanager::Client::from_conf(
                secrets.interceptor(fence.clone()).interceptor(Declared).build(),
            ),
            cloudwatch: aws_sdk_cloudwatch::Client::from_conf(
                aws_sdk_cloudwatch::config::Builder::from(config)
                    .http_client(limiter.clone())
                    .interceptor(fence.clone())
                    .interceptor(Declared)
                    .build(),
            ),
            logs: aws_sdk_cloudwatchlogs::Client::from_conf(logs.interceptor(Declared).build()),
            ssm: aws_sdk_ssm::Client::from_conf(ssm.clone().interceptor(fence.clone()).build()),
            sessions: aws_sdk_ssm::Client::from_conf(ssm.clone().build()),
            ssm_lease: aws_sdk_ssm::Client::from_conf(ssm.timeout_config(soon).interceptor(date::AwsTime).build()),
            sts: aws_sdk_sts::Client::from_conf(
                aws_sdk_sts::config::Builder::from(config).interceptor(Declared).build(),
            ),
        }
    }
}

/// Which stacks are worked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    Stack(Name),
    /// Every stack of the account and region: for discovery only.
    All,
}

/// What is known of a stack's keys and certificates before they are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Papers {
    /// There are none, as far as is known.
    #[default]
    None,
    /// The file asks for some.
    Wanted,
    /// The record tells of some: whatever a run has made of them that died is looked for.
    Begun,
}

/// AWS, limited to one stack or for a discovery of all of them.
#[derive(Debug)]
pub struct Aws {
    pub clients: Clients,
    pub scope: Scope,
    /// Whether the MSK cluster with the stack's name is seen as the stack's, although others made it: to plan its adoption.
    pub adopting: bool,
    pub addresses: Snapshot<Address>,
    pub instances: Snapshot<Instance>,
    pub volumes: Snapshot<Volume>,
    pub interfaces: Snapshot<NetworkInterface>,
    pub nat_gateways: Snapshot<NatGateway>,
    pub endpoints: Snapshot<VpcEndpoint>,
    pub groups: Snapshot<SecurityGroup>,
    pub clusters: Snapshot<Cluster>,
    pub configurations: Snapshot<Configuration>,
    pub zones: Snapshot<HostedZone>,
    /// The records of the stack's own zones, each with its zone's id.
    pub records: Snapshot<(String, ResourceRecordSet)>,
    /// The same of zones of others in which stacks may have names.
    pub others_records: Snapshot<(String, ResourceRecordSet)>,
    /// The zones that stacks may have names in, by stack; see [`Aws::expect_names`].
    names: Mutex<BTreeMap<String, BTreeSet<String>>>,
    /// The parameters of their keys and certificates.
    pub parameters: Snapshot<papers::Paper>,
    /// The authorities that this process has, to sign with.
    pub signers: papers::Signers,
    /// What is known of the keys and certificates of stacks; see [`Aws::expect_papers`].
    papers: Mutex<Papers>,
    /// The alarms of the stack, or of all.
    alarms: Snapshot<MetricAlarm>,
    /// Those that are to be deleted.
    leaving: alarms::Leaving,
    /// Whether the stack may have alarms; see [`Aws::expect_alarms`].
    alarms_expected: AtomicBool,
    /// What the stack may have for its logs; see [`Aws::expect_logs`].
    logs: Mutex<Logs>,
    /// Server properties by configuration and revision: a revision never changes.
    pub revisions: tokio::sync::Mutex<BTreeMap<(String, i64), String>>,
    /// When the discovery under way began: describes since then are shared between kinds.
    round: Mutex<Instant>,
}

impl Aws {
    /// AWS for the stack `name`.
    pub fn new(clients: Clients, name: &Name) -> Self {
        Self::of(clients, Scope::Stack(name.clone()))
    }

    /// AWS for a discovery of every stack at once.
    pub fn of_all(clients: Clients) -> Self {
        Self::of(clients, Scope::All)
    }

    fn of(clients: Clients, scope: Scope) -> Self {
        Aws {
            clients,
            scope,
            adopting: false,
            addresses: Snapshot::default(),
            instances: Snapshot::default(),
            volumes: Snapshot::default(),
            interfaces: Snapshot::default(),
            nat_gateways: Snapshot::default(),
            endpoints: Snapshot::default(),
            groups: Snapshot::default(),
            clusters: Snapshot::default(),
            configurations: Snapshot::default(),
            zones: Snapshot::default(),
            records: Snapshot::default(),
            others_records: Snapshot::default(),
            names: Mutex::default(),
            parameters: Snapshot::default(),
            signers: papers::Signers::default(),
            papers: Mutex::default(),
            alarms: Snapshot::default(),
            leaving: alarms::Leaving::default(),
            alarms_expected: AtomicBool::default(),
            logs: Mutex::default(),
            revisions: tokio::sync::Mutex::default(),
            round: Mutex::new(Instant::now()),
        }
    }

    /// The stack's name; in a discovery of every stack a text that is nobody's name, neither in the file nor in AWS.
    pub fn stack(&self) -> &str {
        match &self.scope {
            Scope::Stack(name) => name,
            Scope::All => "*",
        }
    }

    /// Whether this is a discovery of every stack.
    pub fn all(&self) -> bool {
        self.scope == Scope::All
    }

    /// Says what is known of keys and certificates: from now on they are asked for. Whether that was less.
    pub fn expect_papers(&self, known: Papers) -> bool {
        let mut papers = self.papers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let more = *papers < known;
        *papers = known.max(*papers);
        more
    }

    /// Says that there are none after all: from now on they are not asked for.
    pub fn expect_no_papers(&self) {
        *self.papers.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Papers::None;
    }

    /// What is known of them.
    pub fn papers(&self) -> Papers {
        *self.papers.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Begins a discovery: what was described before is not used for it.
    pub fn begin_round(&self) {
        *self.round.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Instant::now();
    }

    /// When the discovery under way began.
    pub fn round(&self) -> Instant {
        *self.round.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The filter for what is tagged with this stack, or with any.
    pub fn mine(&self) -> Filter {
        match &self.scope {
            Scope::All => Filter::builder().name("tag-key").values(tag::STACK).build(),
            Scope::Stack(name) => Filter::builder().name(format!("tag:{}", tag::STACK)).values(&**name).build(),
        }
    }

    /// The prefix of names that are unique in an account, not only in a region.
    pub fn global_name(&self, suffix: &str) -> String {
        account_name(self.stack(), &self.clients.region, suffix)
    }

    /// The tags that a name of [`Aws::global_name`] stands for, where AWS lists it without its tags; `None` for another name.
    pub fn tags_of_name(&self, name: &str, suffix: &str, address: &str) -> Option<Tags> {
        let stack = name.strip_prefix("kstack-")?.strip_suffix(&format!("-{}-{suffix}", self.clients.region))?;
        Some(
            [(tag::STACK, stack), (tag::ADDRESS, address)]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        )
    }
}

/// Tags from EC2's list.
pub fn tags_of(tags: Option<&[Tag]>) -> Tags {
    let pairs = tags.unwrap_or_default().iter();
    pairs.map(|tag| (tag.key().unwrap_or_default().to_owned(), tag.value().unwrap_or_default().to_owned())).collect()
}

impl Ctx<'_, Aws> {
    /// The tags for the creating call of an EC2 resource.
    pub fn tag_spec(&self, of: ResourceType) -> TagSpecification {
        TagSpecification::builder().resource_type(of).set_tags(Some(ec2_tags(self.tags))).build()
    }

    /// Sets and removes tags of EC2 resources, all in one call.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn retag_ec2(&self, ids: &[&str], set: &Tags, unset: &[String]) -> Result<(), StepError> {
        if let Some(batch) = self.batch {
            let mut noted = batch.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            noted.extend(ids.iter().map(|id| (*id).to_owned()));
            return Ok(());
        }
        let ids: Option<Vec<String>> = Some(ids.iter().map(|id| (*id).to_owned()).collect());
        let ec2 = &self.system.clients.ec2;
        if !set.is_empty() {
            ec2.create_tags()
                .set_resources(ids.clone())
                .set_tags(Some(ec2_tags(set)))
                .send()
                .await
                .map_err(failed("CreateTags"))?;
        }
        if !unset.is_empty() {
            let keys = unset.iter().map(|key| Tag::builder().key(key).build()).collect();
            ec2.delete_tags().set_resources(ids).set_tags(Some(keys)).send().await.map_err(failed("DeleteTags"))?;
        }
        Ok(())
    }
}

fn ec2_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}
