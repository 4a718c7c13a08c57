//! The account as another tool sees it: changes by hand, and what is left of a stack.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::OnceLock;

use aws_sdk_ec2::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_ec2::types::Filter;
use tokio::runtime::{Builder, Runtime};

use super::{Account, sandbox_of};

/// The regions of the stack files.
pub const DEV: &str = "eu-west-1";
pub const PROD: &str = "ap-northeast-2";

/// Waits for an answer of the SDK.
#[track_caller]
pub fn wait<T, E: std::fmt::Debug>(call: impl Future<Output = Result<T, E>>) -> T {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime =
        RUNTIME.get_or_init(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime"));
    runtime.block_on(call).expect("an answer")
}

macro_rules! client {
    ($sdk:ident, $account:expr, $region:expr) => {
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .endpoint_url(sandbox_of(&$account.id))
                .region(Region::new($region.to_owned()))
                .credentials_provider(Credentials::new(&$account.id, "test", None, None, "tests"))
                .build(),
        )
    };
}

/// A host's volume and interface: what a broker must keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub volume: String,
    pub interface: String,
    pub address: String,
}

impl Account {
    /// A bucket of S3 in `region`, by its name. The SDK of S3 is no dependency.
    pub fn bucket(&self, region: &str) -> String {
        let bucket = format!("flow-{}", self.id);
        let scope = format!("{}/20260101/{region}/s3/aws4_request", self.id);
        let headers =
            format!("Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0\r\n");
        let place = format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{region}\
             </LocationConstraint></CreateBucketConfiguration>"
        );
        let path = format!("/{bucket}");
        let made = super::proxy::request_with(sandbox_of(&self.id), "PUT", &path, &headers, &place);
        assert!(made.starts_with("HTTP/1.1 200"), "{made}");
        bucket
    }

    pub fn ec2(&self, region: &str) -> aws_sdk_ec2::Client {
        client!(aws_sdk_ec2, self, region)
    }
    pub fn kafka(&self, region: &str) -> aws_sdk_kafka::Client {
        client!(aws_sdk_kafka, self, region)
    }
    pub fn scaling(&self, region: &str) -> aws_sdk_applicationautoscaling::Client {
        client!(aws_sdk_applicationautoscaling, self, region)
    }
    pub fn iam(&self) -> aws_sdk_iam::Client {
        client!(aws_sdk_iam, self, "us-east-1")
    }
    pub fn ssm(&self, region: &str) -> aws_sdk_ssm::Client {
        client!(aws_sdk_ssm, self, region)
    }
    pub fn secretsmanager(&self, region: &str) -> aws_sdk_secretsmanager::Client {
        client!(aws_sdk_secretsmanager, self, region)
    }

    pub fn cloudwatch(&self, region: &str) -> aws_sdk_cloudwatch::Client {
        client!(aws_sdk_cloudwatch, self, region)
    }
    pub fn logs(&self, region: &str) -> aws_sdk_cloudwatchlogs::Client {
        client!(aws_sdk_cloudwatchlogs, self, region)
    }
    pub fn kms(&self, region: &str) -> aws_sdk_kms::Client {
        client!(aws_sdk_kms, self, region)
    }

    pub fn route53(&self) -> aws_sdk_route53::Client {
        client!(aws_sdk_route53, self, "us-east-1")
    }

    /// Waits until AWS does nothing with the account's cluster.
    pub fn settled(&self, region: &str) {
        super::poll("an active cluster", std::time::Duration::from_secs(30), || {
            let all = wait(self.kafka(region).list_clusters_v2().send());
            let active = Some(&aws_sdk_kafka::types::ClusterState::Active);
            all.cluster_info_list().iter().all(|cluster| cluster.state() == active).then_some(())
        });
    }

    /// Makes a secret, under a key of the account's own, and gives its ARN.
    pub fn secret(&self, region: &str, name: &str, content: &str) -> String {
        let token = format!("{name:0>40}");
        let body = serde_json::json!({
            "Name": name, "SecretString": content, "KmsKeyId": "alias/kafka", "ClientRequestToken": token,
        });
        let (answer, arn) = self.secrets(region, "CreateSecret", &body);
        arn.unwrap_or_else(|| panic!("{answer}"))
    }

    /// The ARN of the secret `name`, if there is one.
    pub fn known_secret(&self, region: &str, name: &str) -> Option<String> {
        self.secrets(region, "DescribeSecret", &serde_json::json!({"SecretId": name})).1
    }

    /// An answer of Secrets Manager, and the ARN in it.
    fn secrets(&self, region: &str, operation: &str, body: &serde_json::Value) -> (String, Option<String>) {
        let scope = format!("{}/20260101/{region}/secretsmanager/aws4_request", self.id);
        let headers = format!(
            "X-Amz-Target: secretsmanager.{operation}\r\nContent-Type: application/x-amz-json-1.1\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0\r\n"
        );
        let answer = super::proxy::request_with(sandbox_of(&self.id), "POST", "/", &headers, &body.to_string());
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let body: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
        let arn = body["ARN"].as_str().map(str::to_owned);
        (answer, arn)
    }

    /// The ids of running instances, by host.
    pub fn instances(&self, region: &str) -> BTreeMap<String, String> {
        let running = Filter::builder().name("instance-state-name").values("running").build();
        let answer = wait(self.ec2(region).describe_instances().filters(running).send());
        let mut hosts = BTreeMap::new();
        for instance in answer.reservations().iter().flat_map(|one| one.instances()) {
            let address = instance.tags().iter().find(|tag| tag.key() == Some("kstack:address"));
            let host = address.and_then(|tag| tag.value()?.strip_prefix("instance/")).expect("an address").to_owned();
            let twice = hosts.insert(host, instance.instance_id().expect("an id").to_owned());
            assert_eq!(twice, None, "two instances run for one host");
        }
        hosts
    }

    /// How many instances are pending or running.
    pub fn started(&self, region: &str) -> usize {
        let live = Filter::builder().name("instance-state-name").values("pending").values("running").build();
        let answer = wait(self.ec2(region).describe_instances().filters(live).send());
        answer.reservations().iter().map(|one| one.instances().len()).sum()
    }

    /// Sees that the account has nothing any more that kstack made, in either region.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        let left: Vec<String> = [DEV, PROD].iter().flat_map(|region| self.look(region).left()).collect();
        assert!(left.is_empty(), "left in account {}: {left:#?}", self.id);
    }

    /// What is there in `region`, each by its address, or by its own name where it has no address, with the ids.
    pub fn inventory(&self, region: &str) -> BTreeMap<String, Vec<String>> {
        self.look(region).inventory()
    }
}
