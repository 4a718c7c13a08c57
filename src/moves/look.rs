//! One look at a live cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResult;
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeLogDirsRequest, ListPartitionReassignmentsRequest};
use kafka_protocol::protocol::StrBytes;

use super::admin::{Admin, MoveError, nodes, refused, text};
use crate::health::{self, KafkaHealth, VOTER_BEHIND_MS};
use crate::kafka::{Server, shape};
use kstack_core::heal::Kept;
use kstack_core::moves::{Broker, Disk, Key, Lists, Marks, Moving, Partition, Rates, Side, View};

/// Kinds of resources that have settings.
pub(super) const TOPIC: i8 = 2;
pub(super) const BROKER: i8 = 4;
/// Where the value of a setting is from: the topic itself.
const OF_TOPIC: i8 = 1;
/// Kafka's default.
const DEFAULT: i8 = 5;

/// How long a topic keeps records, and whether it deletes old ones.
const RETENTION: &str = "retention.ms";
const CLEANUP: &str = "cleanup.policy";

/// Topics of MSK's own, which it keeps on its brokers and moves itself. Source: MSK developer guide, "Remove a broker from an Amazon MSK cluster",
/// 2026.
const OF_MSK: [&str; 2] = ["__amazon_msk_canary", "__amazon_msk_canary_state"];

/// How often metadata and reassignments are asked until both are of one moment.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);

/// What a broker says of itself.
struct Own {
    held: BTreeMap<Key, u64>,
    disk: Option<Disk>,
    rates: Rates,
}

impl Admin<'_> {
    /// Looks at the cluster.
    ///
    /// # Errors
    /// Why it does not show itself.
    pub async fn look(&self) -> Result<View, MoveError> {
        let (health, moving) = self.at_one_moment().await?;
        let ids = self.ids();
        let asked: Vec<u32> =
            health.brokers.iter().filter(|one| !one.fenced && ids.contains(&one.node)).map(|one| one.node).collect();
        let own = futures::future::join_all(asked.iter().map(|id| async move { (*id, self.own(*id).await) }));
        let topics: BTreeSet<String> = health.partitions.iter().map(|one| one.topic.clone()).collect();
        let (own, lists) = tokio::join!(own, self.lists(&topics));
        let own: BTreeMap<u32, Own> = own.into_iter().filter_map(|(id, one)| Some((id, one.ok()?))).collect();
        let mut partitions: BTreeMap<Key, Partition> = BTreeMap::new();
        for one in health.partitions {
            if self.managed && OF_MSK.contains(&one.topic.as_str()) {
                continue;
            }
            let partition =
                Partition { replicas: one.replicas, in_sync: one.isr, leader: one.leader, held: BTreeMap::new() };
            partitions.insert((one.topic, one.index), partition);
        }
        for (id, own) in &own {
            for (key, bytes) in &own.held {
                // The folder of a topic that is being deleted belongs to no partition.
                if let Some(partition) = partitions.get_mut(key) {
                    partition.held.insert(*id, *bytes);
                }
            }
        }
        let broker = |one: health::BrokerHealth| Broker {
            id: one.node,
            rack: one.rack,
            fenced: one.fenced,
            silent: !own.contains_key(&one.node),
            disk: own.get(&one.node).and_then(|own| own.disk).filter(|_| !self.one_disk),
        };
        let mut quorum = Vec::new();
        if health.controller.is_none() {
            quorum.push("there is no active controller".to_owned());
        }
        let behind = health.voters.iter().filter(|voter| voter.behind_ms > VOTER_BEHIND_MS);
        quorum.extend(behind.map(|voter| format!("controller {} is behind the active one", voter.node)));
        let active = health.controller.is_some();
        let fresh = |voter: &health::QuorumVoter| active && voter.behind_ms <= VOTER_BEHIND_MS;
        let view = View {
            voters: health.voters.iter().map(|voter| (voter.node, fresh(voter))).collect(),
            quorum: Some(quorum),
            brokers: health.brokers.into_iter().map(broker).collect(),
            rates: own.iter().map(|(id, own)| (*id, own.rates)).collect(),
            partitions,
            moving,
            lists: lists?,
            leaving: BTreeSet::new(),
            evacuated: Marks::new(),
        };
        let view = if self.managed { self.of_service(view) } else { view };
        let view = view.evacuating(&self.evacuated);
        Ok(match &self.stay {
            Some(stay) => view.staying(stay),
            None => view,
        })
    }

    /// What is seen without what is the service's own: its topics, and brokers that it has no more, which nothing names.
    fn of_service(&self, mut view: View) -> View {
        view.moving.retain(|(topic, _), _| !OF_MSK.contains(&topic.as_str()));
        view.lists.retain(|topic, _| !OF_MSK.contains(&topic.as_str()));
        let gone = |broker: &Broker| !self.servers.contains_key(&broker.id) && !view.names(broker.id);
        let gone: BTreeSet<u32> = view.brokers.iter().filter(|broker| gone(broker)).map(|broker| broker.id).collect();
        view.brokers.retain(|broker| !gone.contains(&broker.id));
        view
    }

    /// The partitions as one broker sees them, and the controllers' list of reassignments, when nothing has changed in between: else
    /// one that has just ended looks as if its partition had more replicas.
    async fn at_one_moment(&self) -> Result<(KafkaHealth, BTreeMap<Key, Moving>), MoveError> {
        let servers: Vec<Server> = self.servers.values().cloned().collect();
        for _ in 0..TRIES {
            let before = self.reassignments().await?;
            let health =
                health::ask(&servers, self.link).await.map_err(|error| MoveError::Silent(error.to_string()))?;
            let fits = |(key, moving): (&Key, &Moving)| {
                let seen = health.partitions.iter().find(|one| one.topic == key.0 && one.index == key.1);
                seen.is_none_or(|one| same(&one.replicas, &moving.replicas))
            };
            if before.iter().all(fits) && self.reassignments().await? == before {
                return Ok((health, before));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(MoveError::Silent(
            "the partitions and the reassignments change too fast to be seen at one moment".to_owned(),
        ))
    }

    async fn reassignments(&self) -> Result<BTreeMap<Key, Moving>, MoveError> {
        let request = ListPartitionReassignmentsRequest::default().with_timeout_ms(20_000).with_topics(None);
        let answer = self.ask_any(&request, &[(0, shape::LIST_REASSIGNMENTS_0)]).await?;
        refused("ListPartitionReassignments", answer.error_code, answer.error_message.as_ref())?;
        let of_topic = answer.topics.into_iter().flat_map(|topic| {
            let name = topic.name.0.to_string();
            topic.partitions.into_iter().map(move |one| {
                let moving = Moving {
                    replicas: nodes(&one.replicas),
                    adding: nodes(&one.adding_replicas),
                    removing: nodes(&one.removing_replicas),
                };
                ((name.clone(), u32::try_from(one.partition_index).unwrap_or_default()), moving)
            })
        });
        Ok(of_topic.collect())
    }

    /// What is on the broker's disks, and its rates. Both are asked of the broker itself; another one does not know them.
    async fn own(&self, id: u32) -> Result<Own, MoveError> {
        let request = DescribeLogDirsRequest::default().with_topics(None);
        let answer = self.ask(id, &request, &[(4, shape::DESCRIBE_LOG_DIRS_4)]).await?;
        refused("DescribeLogDirs", answer.error_code, None)?;
        let (mut held, mut disk) = (BTreeMap::new(), Some(Disk { total: 0, usable: 0 }));
        for directory in answer.results {
            refused(&format!("DescribeLogDirs of {}", directory.log_dir), directory.error_code, None)?;
            let sizes = (u64::try_from(directory.total_bytes), u64::try_from(directory.usable_bytes));
            disk = match (disk, sizes) {
                (Some(disk), (Ok(total), Ok(usable))) => {
                    Some(Disk { total: disk.total.saturating_add(total), usable: disk.usable.saturating_add(usable) })
                }
                _ => None,
            };
            for topic in directory.topics {
                for one in topic.partitions.iter().filter(|one| !one.is_future_key) {
                    let key = (topic.name.0.to_string(), u32::try_from(one.partition_index).unwrap_or_default());
                    held.insert(key, u64::try_from(one.partition_size).unwrap_or_default());
                }
            }
        }
        let results = self.describe(Some(id), BROKER, &[id.to_string()], Side::rate_key).await?;
        let rate = |side: Side| {
            let one = results.first()?.configs.iter().find(|one| one.name.as_str() == side.rate_key())?;
            one.value.as_ref().filter(|_| one.config_source != DEFAULT)?.parse::<u64>().ok()
        };
        Ok(Own { held, disk, rates: Rates { leader: rate(Side::Leader), follower: rate(Side::Follower) } })
    }

    /// The lists of throttled replicas of these topics, where they have some.
    async fn lists(&self, topics: &BTreeSet<String>) -> Result<BTreeMap<String, Lists>, MoveError> {
        if topics.is_empty() {
            return Ok(BTreeMap::new());
        }
        let names: Vec<String> = topics.iter().cloned().collect();
        let results = self.describe(None, TOPIC, &names, Side::list_key).await?;
        let entries = |one: &DescribeConfigsResult, side: Side| -> Vec<String> {
            let mine = one.configs.iter().find(|one| one.name.as_str() == side.list_key());
            let value = mine.filter(|one| one.config_source == OF_TOPIC).and_then(|one| one.value.as_ref());
            let parts = value.map(|value| value.split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>());
            parts.unwrap_or_default().into_iter().filter(|part| !part.is_empty()).collect()
        };
        let lists = results.iter().map(|one| {
            let lists = Lists { leader: entries(one, Side::Leader), follower: entries(one, Side::Follower) };
            (one.resource_name.to_string(), lists)
        });
        Ok(lists.filter(|(_, lists)| lists.all().next().is_some()).collect())
    }

    /// How long these topics keep records, where they delete them by age.
    ///
    /// # Errors
    /// That none answers.
    pub async fn kept(&self, topics: &BTreeSet<String>) -> Result<BTreeMap<String, Kept>, MoveError> {
        let names: Vec<String> = topics.iter().cloned().collect();
        let results = self.described(None, TOPIC, &names, &[RETENTION, CLEANUP]).await?;
        let of = |one: DescribeConfigsResult| {
            let value = |key: &str| {
                let setting = one.configs.iter().find(|setting| setting.name.as_str() == key);
                setting.and_then(|setting| setting.value.as_ref()).map(|value| value.as_str().to_owned())
            };
            let deletes = value(CLEANUP).is_some_and(|policy| policy.contains("delete"));
            let retention_ms = value(RETENTION)?.parse().ok().filter(|_| deletes)?;
            Some((one.resource_name.to_string(), Kept { retention_ms }))
        };
        Ok(results.into_iter().filter_map(of).collect())
    }

    /// The settings of both sides, of resources of one kind; asked of a broker, or of any.
    async fn describe(
        &self,
        broker: Option<u32>,
        kind: i8,
        names: &[String],
        key: fn(Side) -> &'static str,
    ) -> Result<Vec<DescribeConfigsResult>, MoveError> {
        self.described(broker, kind, names, &Side::BOTH.map(key)).await
    }

    /// Settings with these keys.
    async fn described(
        &self,
        broker: Option<u32>,
        kind: i8,
        names: &[String],
        keys: &[&'static str],
    ) -> Result<Vec<DescribeConfigsResult>, MoveError> {
        let keys: Vec<StrBytes> = keys.iter().map(|key| StrBytes::from_static_str(key)).collect();
        let resource = |name: &String| {
            let of = DescribeConfigsResource::default().with_resource_type(kind).with_resource_name(text(name));
            of.with_configuration_keys(Some(keys.clone()))
        };
        let request = DescribeConfigsRequest::default().with_resources(names.iter().map(resource).collect());
        let shapes: &[(i16, &[shape::Shape])] = &[(4, shape::DESCRIBE_CONFIGS_4)];
        let answer = match broker {
            Some(broker) => self.ask(broker, &request, shapes).await?,
            None => self.ask_any(&request, shapes).await?,
        };
        if kind == BROKER {
            for one in &answer.results {
                refused("DescribeConfigs", one.error_code, one.error_message.as_ref())?;
            }
        }
        // A topic that has gone meanwhile has an error and no settings.
        Ok(answer.results)
    }
}

/// Whether both name the same brokers.
fn same(one: &[u32], other: &[u32]) -> bool {
    one.len() == other.len() && one.iter().all(|id| other.contains(id))
}
