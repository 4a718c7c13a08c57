//! Another number of copies for topics: how many they have while replicas move, and the run that changes it, as a rebalance moves them.

use std::collections::BTreeMap;

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::{DescribeConfigsRequest, ListPartitionReassignmentsRequest};
use kafka_protocol::protocol::StrBytes;
use kstack_core::kinds::Topic;
use kstack_core::moves::{Copies, Goal, Marks, Side, is_of_copies};
use kstack_core::text::many;

use super::topic::{TOPIC, seen};
use super::{Kafka, again};
use crate::error::StepError;
use crate::kafka::{Brokers, BrokersError, refused, shape, text};
use crate::moves::{Admin, Event, Orders, run};

const LEAST_IN_SYNC: &str = "min.insync.replicas";

/// How replicas are moved.
#[derive(Debug, Clone)]
pub struct Mover {
    pub orders: Orders,
    /// Whether all brokers share one disk, as processes of one machine do.
    pub one_disk: bool,
    /// Whether MSK runs the brokers.
    pub managed: bool,
    /// Brokers of zones that are evacuated.
    pub evacuated: Marks,
}

impl Mover {
    pub(super) fn admin<'b>(&self, brokers: &'b Brokers<'_>) -> Option<Admin<'b>> {
        let (by_id, link, may_write) = brokers.each();
        let admin = || {
            let admin = Admin::new(by_id.clone(), link, self.one_disk, may_write);
            admin.managed(self.managed).evacuating(self.evacuated.clone())
        };
        (!by_id.is_empty()).then(admin)
    }
}

/// The partitions whose replicas move now, with the replicas that they had before.
pub type Moving = BTreeMap<(String, i32), usize>;

/// The partitions that move now. One that gets another number of copies has the old one until it is done.
pub async fn moving(brokers: &Brokers<'_>) -> Result<Moving, BrokersError> {
    let request = ListPartitionReassignmentsRequest::default().with_timeout_ms(20_000).with_topics(None);
    let asked = again(async || brokers.ask(&request, &[(0, shape::LIST_REASSIGNMENTS_0)]).await).await;
    let answer = match asked {
        // Brokers of MSK may not tell.
        Err(BrokersError::Refused(_)) => return Ok(Moving::new()),
        other => other?,
    };
    let of = answer.topics.into_iter().flat_map(|topic| {
        let name = topic.name.0.to_string();
        let before = move |one: kafka_protocol::messages::list_partition_reassignments_response::OngoingPartitionReassignment| {
            let count = one.replicas.len().saturating_sub(one.adding_replicas.len());
            ((name.clone(), one.partition_index), count)
        };
        topic.partitions.into_iter().map(before)
    });
    Ok(of.collect())
}

/// The number of copies of a topic whose partitions have these: where they differ, one that is not the `wanted` number.
pub fn of(counts: impl Iterator<Item = usize> + Clone, wanted: Option<u32>) -> u32 {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let least = counts.clone().min().map(number).unwrap_or_default();
    let most = counts.max().map(number).unwrap_or_default();
    if wanted == Some(least) { most } else { least }
}

/// Whether a topic's setting is the throttle of a change of its copies that has not come to its end.
pub fn is_cut_off(name: &str, value: &str) -> bool {
    Side::BOTH.iter().any(|side| side.list_key() == name) && value.split(',').any(|one| is_of_copies(one.trim()))
}

/// Asks the brokers how many bytes the topics have whose copies change. What they don't tell stays unknown.
pub async fn weigh(kafka: &Kafka<'_>, brokers: &Brokers<'_>, found: &mut BTreeMap<String, Topic>) {
    let Some(admin) = kafka.mover.as_ref().and_then(|mover| mover.admin(brokers)) else { return };
    let Ok(view) = Box::pin(admin.look()).await else { return };
    for (name, topic) in found {
        let bytes = view.partitions.iter().filter(|((of, _), _)| of == name).map(|(_, one)| one.bytes());
        topic.bytes = Some(bytes.sum());
    }
}

/// How many replicas of these topics must be in sync.
async fn least_in_sync(brokers: &Brokers<'_>, names: &[&String]) -> Result<BTreeMap<String, usize>, BrokersError> {
    let one = |name: &&String| {
        let resource = DescribeConfigsResource::default().with_resource_type(TOPIC).with_resource_name(text(name));
        resource.with_configuration_keys(Some(vec![StrBytes::from_static_str(LEAST_IN_SYNC)]))
    };
    let request = DescribeConfigsRequest::default().with_resources(names.iter().map(one).collect());
    let answer = again(async || brokers.ask(&request, &[(4, shape::DESCRIBE_CONFIGS_4)]).await).await?;
    let mut least = BTreeMap::new();
    for one in answer.results {
        let name = one.resource_name.to_string();
        let what = format!("describing the settings of the topic {name}");
        refused(&what, one.error_code, one.error_message.as_ref())?;
        let value = one.configs.into_iter().find(|setting| setting.name.as_str() == LEAST_IN_SYNC);
        let value = value.and_then(|setting| setting.value?.parse().ok());
        least.insert(name, value.unwrap_or(1));
    }
    Ok(least)
}

/// Gives topics these numbers of copies, and tells how far it is. One such run goes on at a time: each lifts what nothing moves for.
pub async fn change(
    kafka: &Kafka<'_>,
    brokers: &Brokers<'_>,
    asked: Vec<(String, u32)>,
    progress: &dyn Fn(String),
) -> Vec<Result<(), String>> {
    let _one = kafka.topics.moving.lock().await;
    let names: Vec<&String> = asked.iter().map(|(name, _)| name).collect();
    let least = match least_in_sync(brokers, &names).await {
        Ok(least) => least,
        Err(error) => return asked.iter().map(|_| Err(error.to_string())).collect(),
    };
    let least = |name: &String| least.get(name).copied().unwrap_or(1);
    let copies = |(name, wanted): &(String, u32)| Copies { wanted: *wanted as usize, least: least(name) };
    let fits = |one: &&(String, u32)| copies(one).wanted >= copies(one).least;
    let goal: BTreeMap<String, Copies> = asked.iter().filter(fits).map(|one| (one.0.clone(), copies(one))).collect();
    let done = if goal.is_empty() { Ok(()) } else { moved(kafka, brokers, goal, progress).await };
    let answer = |one: &(String, u32)| {
        let (name, wanted) = one;
        match fits(&one) {
            true => done.clone(),
            false => Err(format!(
                "{name} can't have {}: its `{LEAST_IN_SYNC}` is {}, and nobody could write with acks=all; lower that first",
                many(wanted, "copy"),
                least(name)
            )),
        }
    };
    asked.iter().map(answer).collect()
}

async fn moved(
    kafka: &Kafka<'_>,
    brokers: &Brokers<'_>,
    goal: BTreeMap<String, Copies>,
    progress: &dyn Fn(String),
) -> Result<(), String> {
    let mover = kafka.mover.as_ref().ok_or("nobody says how fast replicas may be moved")?;
    let admin = mover.admin(brokers).ok_or("which broker is which is not known, so no replica can be moved")?;
    let wanted: BTreeMap<String, u32> =
        goal.iter().map(|(name, one)| (name.clone(), u32::try_from(one.wanted).unwrap_or(u32::MAX))).collect();
    let names: Vec<String> = goal.keys().cloned().collect();
    let mut tell = |event: Event| progress(event.text());
    let ran = Box::pin(run(&admin, mover.orders, &Goal::Copies(goal), &mut tell)).await;
    ran.map_err(|(why, remedy)| match remedy {
        Some(remedy) => format!("{why}; {remedy}"),
        None => format!("{why}; apply again: it goes on where it is"),
    })?;
    let has = |live: &BTreeMap<String, Topic>| {
        names
            .iter()
            .all(|name| live.get(name).is_none_or(|live| live.replication_factor == wanted[name] && !live.cut_off))
    };
    seen(brokers, &names, &wanted, has).await
}

/// The topics of `found` that have another number of copies than they are to have.
pub fn differing(found: &BTreeMap<String, Topic>, wanted: &BTreeMap<String, u32>) -> bool {
    found.iter().any(|(name, topic)| wanted.get(name).is_some_and(|copies| *copies != topic.replication_factor))
}

/// The number of copies that the file asks for, of each topic of it that is to be there.
pub fn wanted(kafka: &Kafka<'_>) -> Result<BTreeMap<String, u32>, StepError> {
    let stack = kafka.stack()?;
    let there = stack.topics.iter().filter(|(_, topic)| !topic.absent);
    let one = |(name, topic): (&String, &kstack_core::stack::Topic)| {
        (name.clone(), topic.replication_factor.unwrap_or(stack.topic_copies()))
    };
    Ok(there.map(one).collect())
}
