//! Plans of a large cluster with what is inside its Kafka: a sandbox whose hosts are made in LocalStack, and a model of Kafka that stands for
//! their processes. It answers kstack's requests as brokers do, each at the address of its host, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::describe_quorum_response as quorum;
use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsResponse, BrokerId, DescribeClusterResponse, DescribeConfigsRequest, DescribeConfigsResponse,
    DescribeLogDirsResponse, DescribeQuorumResponse, ListPartitionReassignmentsResponse, MetadataRequest,
    MetadataResponse, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable as _, Encodable, StrBytes};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::Options;
use crate::measure::{Cost, run};
use crate::session::Stack;
use crate::support::{Run, cache, sandbox_command, text as word};

const BROKERS: usize = 162;
const TOPICS: usize = 1_000;
const PARTITIONS: usize = 24;
const COPIES: usize = 3;
/// What each replica holds.
const BYTES: i64 = 8 << 30;
const DISK: i64 = 4 << 40;
const PORT: u16 = 9092;

/// Where the value of a setting is from.
const OF_FILE: i8 = 4;
const DEFAULT: i8 = 5;
/// The kind of resource that a topic is.
const TOPIC: i8 = 2;

/// The requests that are answered, and their newest versions.
const ASKED: [(ApiKey, i16); 7] = [
    (ApiKey::ApiVersions, 3),
    (ApiKey::Metadata, 12),
    (ApiKey::DescribeCluster, 2),
    (ApiKey::DescribeQuorum, 2),
    (ApiKey::DescribeConfigs, 4),
    (ApiKey::DescribeLogDirs, 4),
    (ApiKey::ListPartitionReassignments, 0),
];

/// The settings of topics, which brokers tell of each.
const SETTINGS: &str = include_str!("../../crates/core/src/tables/kafka_topic_settings.csv");

/// What plans with what is inside take.
#[derive(Debug, Serialize, Deserialize)]
pub struct Inside {
    pub brokers: usize,
    pub topics: usize,
    pub partitions: usize,
    /// With nothing to do. Its calls are those of Kafka.
    pub plan: Cost,
    /// With three brokers more, to which partitions are to move.
    pub grown: Cost,
}

/// A cluster in balance in which nothing moves.
struct Model {
    id: String,
    /// The address and the rack of each.
    brokers: BTreeMap<i32, (Ipv4Addr, String)>,
    voters: Vec<i32>,
    topics: Vec<String>,
    /// What each broker has in its file.
    file: BTreeMap<String, String>,
    asked: AtomicUsize,
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

impl Model {
    /// The brokers of a partition, in different zones and in turn, and so its leaders.
    fn replicas(&self, topic: usize, index: usize) -> Vec<BrokerId> {
        let ids: Vec<i32> = self.brokers.keys().copied().collect();
        (0..COPIES).map(|copy| BrokerId(ids[(topic * PARTITIONS + index + copy) % ids.len()])).collect()
    }

    fn metadata(&self, asked: &MetadataRequest) -> MetadataResponse {
        let wanted = |name: &String| {
            asked.topics.as_ref().is_none_or(|all| {
                all.iter().any(|one| one.name.as_ref().is_some_and(|one| one.0.as_str() == name.as_str()))
            })
        };
        let whole = asked.topics.as_ref().is_none_or(|all| all.len() >= self.topics.len());
        let partition = |topic: usize, index: usize| {
            let replicas = self.replicas(topic, index);
            let one = MetadataResponsePartition::default().with_partition_index(index as i32);
            one.with_leader_id(replicas[0]).with_replica_nodes(replicas.clone()).with_isr_nodes(replicas)
        };
        let topic = |(number, name): (usize, &String)| {
            let partitions = (0..PARTITIONS).map(|index| partition(number, index)).collect();
            MetadataResponseTopic::default().with_name(Some(TopicName(text(name)))).with_partitions(partitions)
        };
        let all = self.topics.iter().enumerate().filter(|(_, name)| whole || wanted(name));
        MetadataResponse::default().with_cluster_id(Some(text(&self.id))).with_topics(all.map(topic).collect())
    }

    fn cluster(&self) -> DescribeClusterResponse {
        let broker = |(id, (address, rack)): (&i32, &(Ipv4Addr, String))| {
            let one = DescribeClusterBroker::default().with_broker_id(BrokerId(*id));
            one.with_host(text(&address.to_string())).with_port(i32::from(PORT)).with_rack(Some(text(rack)))
        };
        DescribeClusterResponse::default()
            .with_cluster_id(text(&self.id))
            .with_controller_id(BrokerId(self.voters[0]))
            .with_brokers(self.brokers.iter().map(broker).collect())
    }

    fn quorum(&self) -> DescribeQuorumResponse {
        let replica = |id: &i32| {
            let one = quorum::ReplicaState::default().with_replica_id(BrokerId(*id));
            one.with_log_end_offset(1_000).with_last_caught_up_timestamp(1_000).with_last_fetch_timestamp(1_000)
        };
        let others: Vec<&i32> = self.brokers.keys().filter(|id| !self.voters.contains(id)).collect();
        let partition = quorum::PartitionData::default()
            .with_leader_id(BrokerId(self.voters[0]))
            .with_high_watermark(1_000)
            .with_current_voters(self.voters.iter().map(replica).collect())
            .with_observers(others.into_iter().map(replica).collect());
        let node = |id: &i32| {
            let listener = quorum::Listener::default().with_name(text("CONTROLLER")).with_port(9093);
            let listener = listener.with_host(text(&self.brokers[id].0.to_string()));
            quorum::Node::default().with_node_id(BrokerId(*id)).with_listeners(vec![listener])
        };
        DescribeQuorumResponse::default()
            .with_topics(vec![quorum::TopicData::default().with_partitions(vec![partition])])
            .with_nodes(self.voters.iter().map(node).collect())
    }

    /// The settings that are asked for, or all: of a topic Kafka's defaults, and of a broker those and its file.
    fn configs(&self, one: &DescribeConfigsResource) -> DescribeConfigsResult {
        let named = one.configuration_keys.as_ref().map(|keys| keys.iter().map(ToString::to_string).collect());
        let all = || SETTINGS.lines().skip(1).filter_map(|line| line.split(',').next()).map(str::to_owned).collect();
        let names: Vec<String> = named.unwrap_or_else(all);
        let setting = |name: &String| {
            let own = self.file.get(name).filter(|_| one.resource_type != TOPIC);
            let (value, source) = own.map_or(("9223372036854775807", DEFAULT), |own| (own.as_str(), OF_FILE));
            let synonym = DescribeConfigsSynonym::default().with_name(text(name)).with_source(source);
            let setting = DescribeConfigsResourceResult::default().with_name(text(name)).with_config_source(source);
            // A list of throttled replicas has none by itself.
            let value = if name.ends_with(".throttled.replicas") { "" } else { value };
            let synonym = synonym.with_value(Some(text(value)));
            setting.with_value(Some(text(value))).with_synonyms(vec![synonym])
        };
        DescribeConfigsResult::default()
            .with_resource_type(one.resource_type)
            .with_resource_name(one.resource_name.clone())
            .with_configs(names.iter().map(setting).collect())
    }

    fn disks(&self, me: i32) -> DescribeLogDirsResponse {
        let mine = |number: usize| {
            let here = (0..PARTITIONS).filter(|index| self.replicas(number, *index).contains(&BrokerId(me)));
            let one = |index: usize| {
                DescribeLogDirsPartition::default().with_partition_index(index as i32).with_partition_size(BYTES)
            };
            here.map(one).collect::<Vec<_>>()
        };
        let topics = self.topics.iter().enumerate().map(|(number, name)| (name, mine(number)));
        let topics: Vec<DescribeLogDirsTopic> = topics
            .filter(|(_, partitions)| !partitions.is_empty())
            .map(|(name, partitions)| {
                DescribeLogDirsTopic::default().with_name(TopicName(text(name))).with_partitions(partitions)
            })
            .collect();
        let replicas: usize = topics.iter().map(|one| one.partitions.len()).sum();
        let directory = DescribeLogDirsResult::default()
            .with_log_dir(text("/var/lib/kafka/data"))
            .with_total_bytes(DISK)
            .with_usable_bytes(DISK - replicas as i64 * BYTES)
            .with_topics(topics);
        DescribeLogDirsResponse::default().with_results(vec![directory])
    }

    /// The answer to a request, as the broker `me` gives it.
    fn answer(&self, me: i32, mut request: Bytes) -> BytesMut {
        let number = |at: usize| i16::from_be_bytes([request[at], request[at + 1]]);
        let (key, version) = (ApiKey::try_from(number(0)).expect("a request"), number(2));
        let head = RequestHeader::decode(&mut request, key.request_header_version(version)).expect("its head");
        let mut out = BytesMut::new();
        let own = ResponseHeader::default().with_correlation_id(head.correlation_id);
        own.encode(&mut out, key.response_header_version(version)).expect("memory");
        self.asked.fetch_add(1, Ordering::Relaxed);
        fn put<T: Encodable>(answer: &T, out: &mut BytesMut, version: i16) {
            answer.encode(out, version).expect("memory");
        }
        match key {
            ApiKey::ApiVersions => {
                let one = |(key, newest): &(ApiKey, i16)| {
                    ApiVersion::default().with_api_key(*key as i16).with_max_version(*newest)
                };
                put(&ApiVersionsResponse::default().with_api_keys(ASKED.iter().map(one).collect()), &mut out, version);
            }
            ApiKey::Metadata => {
                let asked = MetadataRequest::decode(&mut request, version).expect("a request");
                put(&self.metadata(&asked), &mut out, version);
            }
            ApiKey::DescribeCluster => put(&self.cluster(), &mut out, version),
            ApiKey::DescribeQuorum => put(&self.quorum(), &mut out, version),
            ApiKey::DescribeConfigs => {
                let asked = DescribeConfigsRequest::decode(&mut request, version).expect("a request");
                let results = asked.resources.iter().map(|one| self.configs(one)).collect();
                put(&DescribeConfigsResponse::default().with_results(results), &mut out, version);
            }
            ApiKey::DescribeLogDirs => put(&self.disks(me), &mut out, version),
            ApiKey::ListPartitionReassignments => {
                put(&ListPartitionReassignmentsResponse::default(), &mut out, version);
            }
            other => panic!("the model of Kafka does not know {other:?}"),
        }
        out
    }
}

async fn serve(model: Arc<Model>, me: i32, mut stream: TcpStream) -> std::io::Result<()> {
    loop {
        let mut request = vec![0; stream.read_u32().await? as usize];
        stream.read_exact(&mut request).await?;
        let answer = model.answer(me, request.into());
        stream.write_u32(u32::try_from(answer.len()).expect("short")).await?;
        stream.write_all(&answer).await?;
    }
}

/// Serves at the addresses of all brokers, as long as the runtime lives.
fn start(model: &Arc<Model>) -> tokio::runtime::Runtime {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    for (id, (address, _)) in &model.brokers {
        let listener = runtime.block_on(TcpListener::bind((*address, PORT))).expect("a port");
        let (model, id) = (Arc::clone(model), *id);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(Arc::clone(&model), id, stream));
            }
        });
    }
    runtime
}

/// The processes' part of the sandbox: a folder for each host, as if Kafka ran there, and a process that stands for all.
struct Hosts(Child);

impl Hosts {
    fn new(model: &Model) -> Hosts {
        let folder = cache().join(format!("sandbox/of-{}/kafka/{}", std::process::id(), model.id));
        for (id, (address, _)) in &model.brokers {
            let host = folder.join(format!("broker-{id}"));
            fs::create_dir_all(&host).expect("a folder");
            let properties = format!("node.id={id}\nadvertised.listeners=PLAINTEXT://{address}:{PORT}\n");
            fs::write(host.join("server.properties"), properties).expect("a file");
        }
        // A host runs where a process names its folder.
        let host = folder.join("broker-1");
        let mut command = Command::new("sh");
        command.args(["-c", "read -r _"]).arg(&host).stdin(Stdio::piped());
        let child = command.spawn().expect("it starts");
        fs::write(host.join("pid"), child.id().to_string()).expect("a file");
        Hosts(child)
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

pub fn measure(options: &Options) -> Inside {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("prod.yaml").display().to_string();
    let edits = [("10.40.0.0/16", "10.97.0.0/16"), ("partitions: 600 ", "partitions: 24000 ")];
    let plain = edits.iter().fold(Stack::Ec2.file(BROKERS, ""), |text, (old, new)| text.replacen(old, new, 1));
    let command = |arguments: &[&str]| {
        let mut command = sandbox_command(std::process::id());
        command.arg("--sandbox").args(arguments);
        command
    };
    let said = |arguments: &[&str]| Run::of(&mut command(arguments)).expect(0);
    fs::write(&file, &plain).expect("a file");
    said(&["apply", &file, "--yes"]);
    let status = said(&["status", &file, "--json"]).json();
    let user_data = said(&["render", &file, "--host", "broker-1"]).out;
    let brokers = status["hosts"].as_array().expect("hosts").iter().map(|host| {
        let id = word(&host["name"]).strip_prefix("broker-").expect("a broker").parse().expect("a number");
        let [_, b, c, d] = word(&host["address"]).parse::<Ipv4Addr>().expect("an address").octets();
        (id, (Ipv4Addr::new(127, b, c, d), word(&host["zone"]).to_owned()))
    });
    let topics: Vec<String> = (1..=TOPICS).map(|number| format!("events-{number:04}")).collect();
    let (_, id) = user_data.split_once("--cluster-id ").expect("a cluster's id");
    let id = id.split_whitespace().next().expect("a cluster's id").trim_matches('\'');
    let pairs = user_data.lines().filter_map(|line| line.trim().split_once('='));
    let model = Arc::new(Model {
        id: id.to_owned(),
        brokers: brokers.collect(),
        voters: vec![1, 2, 3],
        file: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        asked: AtomicUsize::new(0),
        topics,
    });
    let topic = |name: &String| format!("  {name}: {{partitions: {PARTITIONS}}}\n");
    let all = format!("{plain}topics:\n{}", model.topics.iter().map(topic).collect::<String>());
    fs::write(&file, all).expect("a file");
    let _runtime = start(&model);
    let hosts = Hosts::new(&model);
    let tools = folder.path().join("kafka/bin");
    fs::create_dir_all(&tools).expect("a folder");
    fs::write(tools.join("kafka-server-start.sh"), "").expect("a file");
    let planned = |what: &str, code: i32| {
        let once = |_| {
            let before = model.asked.load(Ordering::Relaxed);
            let mut plan = command(&["plan", &file, "--detailed-exitcode"]);
            let (output, cost) = run(plan.env("KSTACK_SANDBOX_KAFKA", folder.path().join("kafka")));
            let told = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{told}{errors}");
            let calls = model.asked.load(Ordering::Relaxed) - before;
            assert!(calls > 0 && !told.contains("not known"), "{told}");
            assert_eq!(told.contains("partitions move, "), code == 2, "{told}");
            Cost { calls, ..cost }
        };
        let cost = Cost::median(&(0..options.repeats).map(once).collect::<Vec<_>>());
        println!(
            "{what:40} {:8.2} s  {:7.2} s CPU  {:6.1} MiB  {:5} requests",
            cost.wall_s, cost.cpu_s, cost.peak_mib, cost.calls
        );
        cost
    };
    let plan = planned("no-op plan", 0);
    let more = fs::read_to_string(&file).expect("a file");
    let more = more.replacen(&format!("count: {BROKERS}"), &format!("count: {}", BROKERS + 3), 1);
    fs::write(&file, more).expect("a file");
    let grown = planned("plan of three brokers more", 2);
    fs::write(&file, &plain).expect("a file");
    drop(hosts);
    said(&["destroy", &file, "--yes"]);
    said(&["sandbox", "stop"]);
    Inside { brokers: BROKERS, topics: TOPICS, partitions: TOPICS * PARTITIONS, plan, grown }
}
