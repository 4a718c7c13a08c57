//! A cluster whose brokers are connected: what any work asks of it that goes beyond a single question.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request};

use super::{Answers, Broker, Cluster, Place, cluster, connect, groups, offsets};
use crate::health::AskError;
use crate::kafka::shape::Shape;
use crate::kafka::{Link, Server};
use crate::lag::GroupLag;

/// A cluster, with a connection to each of its brokers that answers.
pub struct Reached {
    /// The cluster's own id.
    pub id: String,
    /// The broker that has described it.
    first: Server,
    pub(super) brokers: BTreeMap<i32, Broker>,
    /// Who leads each partition that has a leader.
    pub(super) leaders: BTreeMap<Place, i32>,
    /// Every partition.
    pub partitions: BTreeSet<Place>,
    /// The broker that takes changes of topics.
    pub controller: i32,
    /// Brokers that don't answer.
    pub silent: Vec<u32>,
}

/// Connects to every broker of a cluster; as [`super::ask`] does.
///
/// # Errors
/// As [`super::ask`].
pub async fn reach(known: &BTreeMap<i32, Server>, others: &[Server], link: &Link) -> Result<Reached, AskError> {
    let first: Vec<Server> = known.values().chain(others).cloned().collect();
    link.way.find(&first).await;
    let (mut open, mut failed) = connect(&first, link).await;
    let (server, cluster) = cluster(&mut open, &mut failed).await?;
    let places: BTreeMap<i32, Server> =
        cluster.brokers.iter().map(|(node, told)| (*node, known.get(node).unwrap_or(told).clone())).collect();
    let tried: BTreeSet<&Server> = first.iter().collect();
    let new: Vec<Server> = places.values().filter(|one| !tried.contains(one)).cloned().collect();
    link.way.find(&new).await;
    open.extend(connect(&new, link).await.0);
    let brokers: BTreeMap<i32, Broker> =
        places.iter().filter_map(|(node, at)| Some((*node, open.remove(at)?))).collect();
    let silent = places.keys().filter(|node| !brokers.contains_key(node));
    let silent = silent.filter_map(|node| u32::try_from(*node).ok()).collect();
    let Cluster { id, leaders, partitions, controller, .. } = cluster;
    Ok(Reached { id, first: server, brokers, leaders, partitions, controller, silent })
}

impl Reached {
    /// The groups of every broker that answers, or the one named `only`, with their committed offsets. A broker that does not is silent from
    /// then on.
    ///
    /// # Errors
    /// What the only broker said.
    pub async fn groups(&mut self, only: Option<&str>) -> Result<Vec<GroupLag>, AskError> {
        let mut all = Vec::new();
        let asked = self.brokers.iter_mut().map(async |(node, broker)| (*node, groups(broker, only).await));
        for (node, groups) in futures::future::join_all(asked).await {
            match groups {
                Ok(groups) => all.extend(groups),
                Err(why) if self.brokers.len() == 1 => {
                    return Err(AskError::Answer { broker: self.first.clone(), why });
                }
                Err(_) => {
                    self.brokers.remove(&node);
                    self.silent.extend(u32::try_from(node).ok());
                }
            }
        }
        all.sort_by(|a, b| a.group.cmp(&b.group));
        Ok(all)
    }

    /// Asks each leader for an offset of each of its partitions by a time: `EARLIEST`, `LATEST`, or milliseconds.
    pub async fn offsets(&mut self, wanted: &BTreeMap<Place, i64>) -> Answers {
        offsets(&mut self.brokers, &self.leaders, wanted).await
    }

    /// Asks the leader of a partition, in this version.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask_leader<R>(
        &mut self,
        place: &Place,
        request: &R,
        version: i16,
        shape: &[Shape],
    ) -> Result<R::Response, String>
    where
        R: Request + Encodable + HeaderVersion,
        R::Response: Decodable + HeaderVersion,
    {
        let leader = self.leaders.get(place).copied();
        let leader = leader.ok_or_else(|| format!("{}-{} has no leader", place.0, place.1))?;
        self.ask_node(leader, request, version, shape).await
    }

    /// Asks this broker, in this version.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask_node<R>(
        &mut self,
        node: i32,
        request: &R,
        version: i16,
        shape: &[Shape],
    ) -> Result<R::Response, String>
    where
        R: Request + Encodable + HeaderVersion,
        R::Response: Decodable + HeaderVersion,
    {
        let broker = self.brokers.get_mut(&node).ok_or_else(|| format!("broker {node} does not answer"))?;
        let version = broker.newest(R::KEY, version..=version);
        let version = version
            .ok_or_else(|| format!("the Kafka of broker {node} is too old or too new for what is asked of it"))?;
        broker.call(request, version, shape).await
    }

    /// A broker that answers.
    pub fn any(&self) -> Option<i32> {
        self.brokers.keys().next().copied()
    }
}
