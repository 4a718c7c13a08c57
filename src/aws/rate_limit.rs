//! EC2's request limits: calls wait for a token instead of being throttled, and slow down when they are throttled all the same.
//!
//! EC2 gives each API action of an account and region a bucket of tokens. A call takes one, and a number is added each second. The
//! sizes in `tables/ec2_api_throttle.csv` are those of "Request throttling for the Amazon EC2 API" in EC2's developer guide.
//! CloudWatch's actions have such a rate each, by "CloudWatch service quotas" of its user guide. Other users of the account draw from the same buckets, so a throttled call halves the rate, and answers bring it back.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{ConnectorBuilder, tls};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use kstack_core::tables::Table;

use super::fence::{Fence, LEASE_ENDED, reads};

/// The longest wait of a call: its signature expires after five minutes.
const LONGEST_WAIT: Duration = Duration::from_secs(200);

/// Size and refill a second of each action's bucket.
static LIMITS: LazyLock<BTreeMap<&str, (f64, f64)>> =
    LazyLock::new(|| TABLE.rows(limit).into_iter().chain(CLOUDWATCH).collect());

/// CloudWatch's: as many in a second as there may be in the next.
const CLOUDWATCH: [(&str, (f64, f64)); 3] =
    [("DescribeAlarms", (9.0, 9.0)), ("PutMetricAlarm", (3.0, 3.0)), ("DeleteAlarms", (3.0, 3.0))];

const TABLE: Table = Table { file: "ec2_api_throttle.csv", text: include_str!("../tables/ec2_api_throttle.csv") };

fn limit([action, size, refill]: [&'static str; 3]) -> Option<(&'static str, (f64, f64))> {
    Some((action, (size.parse().ok()?, refill.parse().ok()?)))
}

/// The tokens of one action as this process counts them.
#[derive(Debug, Clone, PartialEq)]
struct Bucket {
    size: f64,
    /// Tokens a second, as documented.
    refill: f64,
    /// Tokens a second that are expected now.
    rate: f64,
    /// Below zero while calls wait for tokens.
    tokens: f64,
    /// When `tokens` was counted, since some moment.
    at: Duration,
}

impl Bucket {
    /// The full bucket of `operation`.
    fn of(operation: &str, now: Duration) -> Bucket {
        let any = if reads(operation) { "reading" } else { "writing" };
        let (size, refill) = LIMITS.get(operation).or_else(|| LIMITS.get(any)).copied().unwrap_or((50.0, 5.0));
        Bucket { size, refill, rate: refill, tokens: size, at: now }
    }

    fn fill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate).min(self.size);
        self.at = self.at.max(now);
    }

    /// Takes a token at `now`, and returns how long to wait for it. First come, first served.
    fn take(&mut self, now: Duration) -> Duration {
        self.fill(now);
        self.tokens -= 1.0;
        Duration::from_secs_f64((-self.tokens / self.rate).clamp(0.0, LONGEST_WAIT.as_secs_f64()))
    }

    /// AWS had no token: none is left, and fewer are added than expected.
    fn refused(&mut self, now: Duration) {
        self.fill(now);
        self.tokens = self.tokens.min(0.0);
        self.rate = (self.rate / 2.0).max(self.refill / 8.0);
    }

    fn answered(&mut self) {
        self.rate = (self.rate + self.refill / 20.0).min(self.refill);
    }
}

/// An HTTP client that respects the buckets of one region, under the fence of one stack. Clones share the buckets.
#[derive(Debug, Clone)]
pub struct RateLimiter {
    region: Arc<Region>,
    fence: Fence,
}

/// What all stacks of a region share.
#[derive(Debug)]
struct Region {
    /// Whether calls go to AWS itself. An emulator has no limits until it throttles a call.
    limited: bool,
    start: Instant,
    buckets: Mutex<BTreeMap<String, Bucket>>,
    /// Connectors with their pools, by connect and read timeout.
    connectors: Mutex<BTreeMap<[Option<Duration>; 2], SharedHttpConnector>>,
}

impl RateLimiter {
    pub fn new(limited: bool, fence: Fence) -> RateLimiter {
        let (buckets, connectors) = (Mutex::default(), Mutex::default());
        RateLimiter { region: Arc::new(Region { limited, start: Instant::now(), buckets, connectors }), fence }
    }

    /// The same buckets and connections under another fence, for another stack.
    pub fn fenced(&self, fence: Fence) -> RateLimiter {
        RateLimiter { region: Arc::clone(&self.region), fence }
    }

    fn with<R>(&self, operation: &str, make: bool, run: impl FnOnce(&mut Bucket, Duration) -> R) -> Option<R> {
        let now = self.region.start.elapsed();
        let mut buckets = self.region.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if make && !buckets.contains_key(operation) {
            buckets.insert(operation.to_owned(), Bucket::of(operation, now));
        }
        buckets.get_mut(operation).map(|bucket| run(bucket, now))
    }
}

impl HttpClient for RateLimiter {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let key = [settings.connect_timeout(), settings.read_timeout()];
        let mut connectors = self.region.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        let connector = connectors.entry(key).or_insert_with(|| {
            // As the SDK makes its own.
            let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc);
            let mut builder = ConnectorBuilder::default().tls_provider(provider).connector_settings(settings.clone());
            builder.set_sleep_impl(components.sleep_impl()).set_proxy_config(Some(ProxyConfig::from_env()));
            SharedHttpConnector::new(builder.build())
        });
        SharedHttpConnector::new(RateLimited { limiter: self.clone(), connector: connector.clone() })
    }
}

/// A connector whose calls wait for a token.
#[derive(Debug)]
struct RateLimited {
    limiter: RateLimiter,
    connector: SharedHttpConnector,
}

impl HttpConnector for RateLimited {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (limiter, connector) = (self.limiter.clone(), self.connector.clone());
        HttpConnectorFuture::new(async move {
            let operation = operation(request.uri(), request.body().bytes().unwrap_or_default());
            let wait = limiter.with(&operation, limiter.region.limited, Bucket::take).unwrap_or_default();
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
                // The lease may have ended meanwhile.
                if !reads(&operation) && !limiter.fence.open() {
                    return Err(ConnectorError::other(LEASE_ENDED.into(), None));
                }
            }
            let answer = connector.call(request).await;
            match &answer {
                // EC2 answers 503 to what is too much, and to little else.
                Ok(response) if response.status().as_u16() == 503 => {
                    limiter.with(&operation, true, Bucket::refused);
                }
                Ok(_) => _ = limiter.with(&operation, false, |bucket, _| bucket.answered()),
                Err(_) => {}
            }
            answer
        })
    }
}

/// The action that a request's form begins with; or that its path ends in, as CloudWatch's does.
fn operation(uri: &str, form: &[u8]) -> String {
    if let Some((_, operation)) = uri.rsplit_once("/operation/") {
        return operation.to_owned();
    }
    let first = form.split(|byte| *byte == b'&').next().unwrap_or_default();
    String::from_utf8_lossy(first.strip_prefix(b"Action=").unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// EC2's own bucket: at `now`, lets a call through or refuses it.
    struct Aws(Bucket);

    impl Aws {
        fn call(&mut self, now: Duration) -> bool {
            self.0.fill(now);
            let there = self.0.tokens >= 1.0 - 1e-6;
            self.0.tokens -= f64::from(u8::from(there));
            there
        }
    }

    #[test]
    fn the_table_has_every_bucket() {
        assert_eq!(TABLE.bad_row(limit), None);
        assert!(LIMITS.len() >= 20, "{LIMITS:?}");
        let of = |operation: &str| {
            (Bucket::of(operation, Duration::ZERO).size, Bucket::of(operation, Duration::ZERO).refill)
        };
        assert_eq!(of("DescribeVolumes"), (100.0, 20.0));
        assert_eq!(of("RunInstances"), (50.0, 5.0));
        assert_eq!(of("CreateVolume"), (100.0, 5.0));
        assert_eq!(of("CreateVpcEndpoint"), (4.0, 0.3));
        assert_eq!(of("PutMetricAlarm"), (3.0, 3.0));
    }

    #[test]
    fn an_action_is_read_from_the_form() {
        let ec2 = "https://ec2.eu-west-1.amazonaws.com/";
        assert_eq!(operation(ec2, b"Action=CreateVpc&Version=2016-11-15"), "CreateVpc");
        assert_eq!(operation(ec2, b"{}"), "");
        let path =
            "https://monitoring.eu-west-1.amazonaws.com/service/GraniteServiceVersion20100801/operation/PutMetricAlarm";
        assert_eq!(operation(path, b""), "PutMetricAlarm");
    }

    #[test]
    fn a_small_apply_waits_for_nothing_and_a_large_one_for_the_refill() {
        let mut bucket = Bucket::of("RunInstances", Duration::ZERO);
        let waits: Vec<f64> = (0..100).map(|_| bucket.take(Duration::ZERO).as_secs_f64()).collect();
        assert!(waits[..50].iter().all(|wait| *wait == 0.0));
        assert_eq!((waits[50], waits[99]), (0.2, 10.0));
    }

    #[test]
    fn stacks_of_a_region_take_from_the_same_buckets() {
        let first = RateLimiter::new(true, Fence::default());
        let second = first.fenced(Fence::default());
        let take = |limiter: &RateLimiter| limiter.with("RunInstances", true, Bucket::take).unwrap_or_default();
        let waits: Vec<Duration> = (0..25).flat_map(|_| [take(&first), take(&second)]).collect();
        assert!(waits.iter().all(Duration::is_zero), "{waits:?}");
        assert!(!take(&second).is_zero(), "the two have emptied it");
    }

    #[test]
    fn a_refusal_slows_down_and_answers_bring_the_pace_back() {
        let mut bucket = Bucket::of("RunInstances", Duration::ZERO);
        bucket.refused(Duration::ZERO);
        assert_eq!((bucket.rate, bucket.take(Duration::ZERO).as_secs_f64()), (2.5, 0.4));
        (0..20).for_each(|_| bucket.refused(Duration::ZERO));
        assert_eq!(bucket.rate, 5.0 / 8.0, "it never stands still");
        (0..20).for_each(|_| bucket.answered());
        assert_eq!(bucket.rate, 5.0);
    }

    proptest! {
        #[test]
        fn who_minds_a_full_bucket_is_never_refused(pauses in prop::collection::vec(0..400_u64, 1..300)) {
            let mut mine = Bucket::of("CreateNatGateway", Duration::ZERO);
            let mut aws = Aws(mine.clone());
            let (mut now, mut sent) = (Duration::ZERO, Duration::ZERO);
            for pause in pauses {
                now += Duration::from_millis(pause);
                let at = now + mine.take(now);
                if at - now >= LONGEST_WAIT { break; }
                prop_assert!(at >= sent, "who comes first goes first");
                sent = at;
                prop_assert!(aws.call(at), "refused at {at:?}");
            }
        }

        #[test]
        fn who_shares_a_bucket_gets_through_in_bounded_time(left in 0.0..50.0_f64, share in 0.2..1.0_f64, calls in 1..60_usize) {
            // Others have emptied it down to `left`, and take all but a share of what comes back.
            let mut mine = Bucket::of("RunInstances", Duration::ZERO);
            let mut aws = Aws(Bucket { tokens: left, refill: 5.0 * share, rate: 5.0 * share, ..mine.clone() });
            let (mut now, mut tries) = (Duration::ZERO, 0);
            for _ in 0..calls {
                loop {
                    now += mine.take(now);
                    tries += 1;
                    if aws.call(now) { mine.answered(); break; }
                    mine.refused(now);
                    now += Duration::from_millis(100);
                }
            }
            prop_assert!(tries <= calls * 6 + 10, "{tries} tries for {calls} calls");
            prop_assert!(now <= Duration::from_secs(2 * 60 * 8), "{now:?}");
        }
    }
}
