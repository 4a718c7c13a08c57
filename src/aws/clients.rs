//! The SDK's clients for one region: credentials, connections, timeouts, and the pace of EC2's calls.

use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use super::declared::Declared;
use super::rate_limit::RateLimiter;
use super::{Fence, Together, date};

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
    pub(super) config: SdkConfig,
    pub(super) limiter: RateLimiter,
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
    pub(super) sessions: aws_sdk_ssm::Client,
    pub sts: aws_sdk_sts::Client,
    /// The stacks that are planned at once, where there are several.
    pub(super) together: Option<Arc<Together>>,
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
        let clients = Self::of(&self.config, &self.region, fence, self.limiter.fenced(fence.clone()));
        Clients { together: self.together.clone(), ..clients }
    }

    /// Whether they ask for several stacks at once.
    pub fn are_shared(&self) -> bool {
        self.together.is_some()
    }

    /// The same for stacks that are planned at once.
    pub fn sharing(&self, together: Together) -> Self {
        Clients { together: Some(Arc::new(together)), ..self.clone() }
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
            together: None,
        }
    }
}
