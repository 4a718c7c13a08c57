//! Topics: all are asked for in three requests, and what many steps change goes out in few.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeConfigsRequest,
    IncrementalAlterConfigsRequest, MetadataRequest, TopicName,
};
use kstack_core::kinds::Topic;
use kstack_core::model::{FieldChange, Tags};
use kstack_core::observed::Found;

use super::gather::Gather;
use super::send::{all_of, each, results};
use super::{Kafka, again, copies};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use crate::kafka::{Brokers, BrokersError, refused, shape, text};
use crate::wait::{Backoff, Look, poll};

/// The kind of resource that a topic is for Kafka's settings, and where the value of a setting is from: the topic itself.
pub(super) const TOPIC: i8 = 2;
const OF_TOPIC: i8 = 1;
const SET: i8 = 0;

/// Kafka's errors that say that something is as it should be, or may be.
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const TOPIC_ALREADY_EXISTS: i16 = 36;
const INVALID_PARTITIONS: i16 = 37;

/// The longest that the controllers may take for a request, in milliseconds.
const TIMEOUT_MS: i32 = 20_000;
/// How long brokers may take to see what the controllers have done.
const SEEN: Duration = Duration::from_secs(60);
/// Topics whose settings are asked for at once: their answer has some 3 KiB for each.
const TOPICS: usize = 5_000;

/// What steps ask that run at the same time.
#[derive(Debug, Default)]
pub struct Topics {
    made: Gather<(String, Topic)>,
    grown: Gather<(String, u32)>,
    set: Gather<(String, Vec<(String, String)>)>,
    gone: Gather<String>,
    copied: Gather<(String, u32)>,
    /// Held by who moves replicas.
    pub(super) moving: tokio::sync::Mutex<()>,
}

fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

/// What the brokers say of topics, and what moved just before.
struct Told {
    moving: copies::Moving,
    topics: Vec<MetadataResponseTopic>,
}

/// What they say of those with these names, or of all.
async fn described(brokers: &Brokers<'_>, names: Option<&[String]>) -> Result<Told, BrokersError> {
    // While replicas move a partition has more for a time.
    let moving = copies::moving(brokers).await?;
    Ok(Told { moving, topics: metadata(brokers, names).await? })
}

async fn metadata(brokers: &Brokers<'_>, names: Option<&[String]>) -> Result<Vec<MetadataResponseTopic>, BrokersError> {
    let one = |name: &String| MetadataRequestTopic::default().with_name(Some(topic(name)));
    let asked = names.map(|names| names.iter().map(one).collect());
    let request = MetadataRequest::default().with_topics(asked).with_allow_auto_topic_creation(false);
    Ok(again(async || brokers.ask(&request, &[(12, shape::METADATA_12)]).await).await?.topics)
}

/// The names of all topics.
///
/// # Errors
/// Why they are not known.
pub async fn all_names(brokers: &Brokers<'_>) -> Result<BTreeSet<String>, StepError> {
    let all = metadata(brokers, None).await?;
    Ok(all.into_iter().filter_map(|one| Some(one.name?.0.to_string())).collect())
}

/// What the cluster has of the topics with these names, of which some are to have so many copies.
pub(super) async fn look(
    brokers: &Brokers<'_>,
    names: &[String],
    copies: &BTreeMap<String, u32>,
) -> Result<BTreeMap<String, Topic>, BrokersError> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let told = described(brokers, Some(names)).await?;
    look_at(brokers, told, copies).await
}

/// What the cluster has of the topics of which brokers have `told`.
async fn look_at(
    brokers: &Brokers<'_>,
    told: Told,
    copies: &BTreeMap<String, u32>,
) -> Result<BTreeMap<String, Topic>, BrokersError> {
    let mut found = BTreeMap::new();
    for one in told.topics {
        let Some(name) = &one.name else { continue };
        if one.error_code == UNKNOWN_TOPIC_OR_PARTITION {
            continue;
        }
        refused(&format!("describing the topic {}", name.0), one.error_code, None)?;
        let name = name.0.to_string();
        let counts = one.partitions.iter().map(|partition| {
            let before = told.moving.get(&(name.clone(), partition.partition_index)).copied();
            before.unwrap_or(partition.replica_nodes.len())
        });
        let spec = Topic {
            partitions: u32::try_from(one.partitions.len()).unwrap_or(u32::MAX),
            replication_factor: copies::of(counts, copies.get(&name).copied()),
            config: BTreeMap::new(),
            cut_off: false,
            bytes: None,
        };
        found.insert(name, spec);
    }
    let names: Vec<String> = found.keys().cloned().collect();
    for some in names.chunks(TOPICS) {
        let one = |name: &String| {
            let resource = DescribeConfigsResource::default().with_resource_type(TOPIC);
            resource.with_resource_name(text(name)).with_configuration_keys(None)
        };
        let request = DescribeConfigsRequest::default().with_resources(some.iter().map(one).collect());
        let answer = again(async || brokers.ask(&request, &[(4, shape::DESCRIBE_CONFIGS_4)]).await).await?;
        for one in answer.results {
            let name = one.resource_name.to_string();
            if one.error_code == UNKNOWN_TOPIC_OR_PARTITION {
                found.remove(&name);
                continue;
            }
            let what = format!("describing the settings of the topic {name}");
            refused(&what, one.error_code, one.error_message.as_ref())?;
            let own = one.configs.into_iter().filter(|setting| setting.config_source == OF_TOPIC);
            let own = own.filter_map(|setting| Some((setting.name.to_string(), setting.value?.to_string())));
            if let Some(spec) = found.get_mut(&name) {
                spec.config = own.collect();
                spec.cut_off = spec.config.iter().any(|(name, value)| copies::is_cut_off(name, value));
            }
        }
    }
    Ok(found)
}

/// Every topic of the cluster but Kafka's own.
///
/// # Errors
/// Why they are not known.
pub async fn every(brokers: &Brokers<'_>) -> Result<BTreeMap<String, Topic>, StepError> {
    let mut told = described(brokers, None).await?;
    told.topics.retain(|one| !one.is_internal);
    Ok(look_at(brokers, told, &BTreeMap::new()).await?)
}

/// Whether the `live` topic has what is `wanted` of it.
fn is_as(wanted: &Topic, live: &Topic) -> bool {
    let has = |(name, value): (&String, &String)| live.config.get(name) == Some(value);
    wanted.partitions == live.partitions
        && wanted.replication_factor == live.replication_factor
        && wanted.config.iter().all(has)
}

/// Waits until brokers see what the controllers have done.
pub(super) async fn seen(
    brokers: &Brokers<'_>,
    names: &[String],
    copies: &BTreeMap<String, u32>,
    done: impl Fn(&BTreeMap<String, Topic>) -> bool,
) -> Result<(), String> {
    let waited = poll("the brokers seeing what was changed", SEEN, Backoff::STATE, async || {
        let live = look(brokers, names, copies).await?;
        Ok(if done(&live) { Look::Ready(()) } else { Look::Missing(String::new()) })
    });
    waited.await.map_err(|error| error.to_string())
}

async fn create(brokers: &Brokers<'_>, asked: Vec<(String, Topic)>) -> Vec<Result<(), String>> {
    let setting = |(name, value): (&String, &String)| {
        CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
    };
    let one = |(name, spec): &(String, Topic)| {
        CreatableTopic::default()
            .with_name(topic(name))
            .with_num_partitions(i32::try_from(spec.partitions).unwrap_or(i32::MAX))
            .with_replication_factor(i16::try_from(spec.replication_factor).unwrap_or(i16::MAX))
            .with_configs(spec.config.iter().map(setting).collect())
    };
    let weigh: fn(&(String, Topic)) -> (&str, usize) =
        |(name, spec)| (name, 1 + spec.partitions as usize + spec.config.len());
    let answers = each(&asked, weigh, async |some: &[&(String, Topic)]| {
        let topics = some.iter().map(|topic| one(topic)).collect();
        let request = CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(TIMEOUT_MS);
        let answer = brokers.change(&request, &[(7, shape::CREATE_TOPICS_7)]).await?;
        Ok(answer.topics.into_iter().map(|one| (one.name.0.to_string(), (one.error_code, one.error_message))).collect())
    })
    .await;
    // One that is there by now may be from a request whose answer was lost.
    let there = |answer: &Option<(i16, String)>| answer.as_ref().is_none_or(|(code, _)| *code == TOPIC_ALREADY_EXISTS);
    let names: Vec<String> =
        asked.iter().zip(&answers).filter(|(_, answer)| there(answer)).map(|((name, _), _)| name.clone()).collect();
    let all = |live: &BTreeMap<String, Topic>| names.iter().all(|name| live.contains_key(name));
    if let Err(why) = seen(brokers, &names, &BTreeMap::new(), all).await {
        return all_of(&asked, &why);
    }
    let live = match look(brokers, &names, &BTreeMap::new()).await {
        Ok(live) => live,
        Err(error) => return all_of(&asked, &error),
    };
    let same = |index: usize| live.get(&asked[index].0).is_some_and(|live| is_as(&asked[index].1, live));
    let said = |answer: Option<(i16, String)>| {
        answer.map(|(code, why)| match code {
            TOPIC_ALREADY_EXISTS => {
                (code, "somebody else has made the topic meanwhile, and not as the stack file says; plan again".to_owned())
            }
            _ => (code, why),
        })
    };
    let answers = answers.into_iter().map(said).collect();
    results(answers, |index, code| code == TOPIC_ALREADY_EXISTS && same(index))
}

async fn grow(brokers: &Brokers<'_>, asked: Vec<(String, u32)>) -> Vec<Result<(), String>> {
    let weigh: fn(&(String, u32)) -> (&str, usize) = |(name, count)| (name, 1 + *count as usize);
    let answers = each(&asked, weigh, async |some: &[&(String, u32)]| {
        let one = |(name, count): &(String, u32)| {
            let count = i32::try_from(*count).unwrap_or(i32::MAX);
            CreatePartitionsTopic::default().with_name(topic(name)).with_count(count).with_assignments(None)
        };
        let topics = some.iter().map(|topic| one(topic)).collect();
        let request = CreatePartitionsRequest::default().with_topics(topics).with_timeout_ms(TIMEOUT_MS);
        let answer =
            brokers.change(&request, &[(2, shape::CREATE_PARTITIONS_2), (3, shape::CREATE_PARTITIONS_2)]).await?;
        let of = answer.results.into_iter();
        Ok(of.map(|one| (one.name.0.to_string(), (one.error_code, one.error_message))).collect())
    })
    .await;
    // Kafka says so of a topic that has that many by now.
    let may_be = |answer: &Option<(i16, String)>| answer.as_ref().is_none_or(|(code, _)| *code == INVALID_PARTITIONS);
    let names: Vec<String> =
        asked.iter().zip(&answers).filter(|(_, answer)| may_be(answer)).map(|((name, _), _)| name.clone()).collect();
    let wanted: BTreeMap<&String, u32> = asked.iter().map(|(name, count)| (name, *count)).collect();
    let all = |live: &BTreeMap<String, Topic>| {
        names.iter().all(|name| live.get(name).is_none_or(|live| live.partitions >= wanted[name]))
    };
    if let Err(why) = seen(brokers, &names, &BTreeMap::new(), all).await {
        return all_of(&asked, &why);
    }
    let live = match look(brokers, &names, &BTreeMap::new()).await {
        Ok(live) => live,
        Err(error) => return all_of(&asked, &error),
    };
    let same = |index: usize| live.get(&asked[index].0).is_some_and(|live| live.partitions == asked[index].1);
    results(answers, |index, code| code == INVALID_PARTITIONS && same(index))
}

async fn set(brokers: &Brokers<'_>, asked: Vec<(String, Vec<(String, String)>)>) -> Vec<Result<(), String>> {
    type Settings = (String, Vec<(String, String)>);
    let weigh: fn(&Settings) -> (&str, usize) = |(name, settings)| (name, 1 + settings.len());
    let answers = each(&asked, weigh, async |some: &[&Settings]| {
        let setting = |(name, value): &(String, String)| {
            AlterableConfig::default().with_name(text(name)).with_config_operation(SET).with_value(Some(text(value)))
        };
        let one = |(name, settings): &Settings| {
            let resource = AlterConfigsResource::default().with_resource_type(TOPIC).with_resource_name(text(name));
            resource.with_configs(settings.iter().map(setting).collect())
        };
        let resources = some.iter().map(|topic| one(topic)).collect();
        let request = IncrementalAlterConfigsRequest::default().with_resources(resources);
        let answer = brokers.change(&request, &[(1, shape::INCREMENTAL_ALTER_CONFIGS_1)]).await?;
        let of = answer.responses.into_iter();
        Ok(of.map(|one| (one.resource_name.to_string(), (one.error_code, one.error_message))).collect())
    })
    .await;
    let done: Vec<&Settings> =
        asked.iter().zip(&answers).filter(|(_, answer)| answer.is_none()).map(|(one, _)| one).collect();
    let names: Vec<String> = done.iter().map(|(name, _)| name.clone()).collect();
    let all = |live: &BTreeMap<String, Topic>| {
        let has = |live: &Topic, (name, value): &(String, String)| live.config.get(name) == Some(value);
        done.iter().all(|(name, settings)| live.get(name).is_none_or(|live| settings.iter().all(|one| has(live, one))))
    };
    match seen(brokers, &names, &BTreeMap::new(), all).await {
        Ok(()) => results(answers, |_, _| false),
        Err(why) => all_of(&asked, &why),
    }
}

async fn delete(brokers: &Brokers<'_>, asked: Vec<String>) -> Vec<Result<(), String>> {
    let answers = each(
        &asked,
        |name| (name, 1),
        async |some: &[&String]| {
            let topics = some.iter().map(|name| DeleteTopicState::default().with_name(Some(topic(name)))).collect();
            let request = DeleteTopicsRequest::default().with_topics(topics).with_timeout_ms(TIMEOUT_MS);
            let answer = brokers.change(&request, &[(6, shape::DELETE_TOPICS_6)]).await?;
            let of = answer.responses.into_iter();
            Ok(of.filter_map(|one| Some((one.name?.0.to_string(), (one.error_code, one.error_message)))).collect())
        },
    )
    .await;
    let results = results(answers, |_, code| code == UNKNOWN_TOPIC_OR_PARTITION);
    let names: Vec<String> =
        asked.iter().zip(&results).filter(|(_, result)| result.is_ok()).map(|(name, _)| name.clone()).collect();
    match seen(brokers, &names, &BTreeMap::new(), BTreeMap::is_empty).await {
        Ok(()) => results,
        Err(why) => all_of(&asked, &why),
    }
}

impl<'a> Driver<Kafka<'a>> for Topic {
    /// Calls are AWS's.
    const CALLS: Calls = Calls { discover: &[], create: &[], update: &[], delete: &[], retag: &[] };

    async fn discover(kafka: &Kafka<'a>) -> Result<Vec<Found<Self>>, StepError> {
        let stack = kafka.stack()?;
        let names: Vec<String> = stack.topics.keys().cloned().collect();
        let prunes = !stack.prune.topics.is_empty();
        if names.is_empty() && !prunes {
            return Ok(Vec::new());
        }
        let (brokers, wanted) = (kafka.brokers().await?, copies::wanted(kafka)?);
        let mut told = described(brokers, if prunes { None } else { Some(&names) }).await?;
        // What others have elsewhere is none of the file's.
        told.topics.retain(|one| {
            let name = one.name.as_ref().map(|name| name.0.as_str()).unwrap_or_default();
            stack.topics.contains_key(name) || !one.is_internal && stack.prunes_topic(name).is_some()
        });
        let mut found = look_at(brokers, told, &wanted).await?;
        if copies::differing(&found, &wanted) {
            copies::weigh(kafka, brokers, &mut found).await;
        }
        let one = |(id, spec)| Found { id, tags: Tags::new(), spec, terminated: false };
        Ok(found.into_iter().map(one).collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Kafka<'a>>) -> Result<String, StepError> {
        let (brokers, name) = (ctx.system.brokers().await?, ctx.address.name.clone());
        let one = (name.clone(), self.clone());
        ctx.system.topics.made.ask(one, async |asked| create(brokers, asked).await).await?;
        Ok(name)
    }

    async fn update(&self, ctx: &Ctx<'_, Kafka<'a>>, id: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        let (brokers, topics) = (ctx.system.brokers().await?, &ctx.system.topics);
        let (mut settings, mut copied, mut fewer) = (Vec::new(), false, false);
        for change in changes {
            match (change.field.as_str(), change.field.strip_prefix("config."), change.after.as_str()) {
                ("partitions", ..) => {
                    let one = (id.to_owned(), self.partitions);
                    topics.grown.ask(one, async |asked| grow(brokers, asked).await).await?;
                }
                ("replication_factor", ..) => {
                    (copied, fewer) = (true, change.before.as_u64() > change.after.as_u64());
                }
                ("cut_off", ..) => copied = true,
                (_, Some(name), Some(value)) => settings.push((name.to_owned(), value.to_owned())),
                (field, ..) => {
                    return Err(StepError::Internal(format!("no request changes the field `{field}`")));
                }
            }
        }
        let set = async {
            if settings.is_empty() {
                return Ok(());
            }
            topics.set.ask((id.to_owned(), settings), async |asked| set(brokers, asked).await).await
        };
        let copied = async {
            if !copied {
                return Ok(());
            }
            let one = (id.to_owned(), self.replication_factor);
            let change = async |asked| copies::change(ctx.system, brokers, asked, ctx.progress).await;
            topics.copied.ask(one, change).await
        };
        // At no moment fewer copies than must be in sync.
        match fewer {
            true => set.await.map(|()| copied)?.await,
            false => copied.await.map(|()| set)?.await,
        }
    }

    async fn delete(&self, ctx: &Ctx<'_, Kafka<'a>>, id: &str) -> Result<(), StepError> {
        let brokers = ctx.system.brokers().await?;
        ctx.system.topics.gone.ask(id.to_owned(), async |asked| delete(brokers, asked).await).await
    }

    async fn retag(_: &Ctx<'_, Kafka<'a>>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(())
    }
}
