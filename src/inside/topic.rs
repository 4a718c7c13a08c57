//! Topics: all are asked for in two requests, and what many steps change goes out in few.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeConfigsRequest,
    IncrementalAlterConfigsRequest, MetadataRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use kstack_core::kinds::Topic;
use kstack_core::model::{FieldChange, Tags};
use kstack_core::observed::Found;

use super::gather::Gather;
use super::{Kafka, again};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use crate::kafka::{Brokers, BrokersError, refused, shape, text};
use crate::wait::{Backoff, Look, poll};

/// The kind of resource that a topic is for Kafka's settings, and where the value of a setting is from: the topic itself.
const TOPIC: i8 = 2;
const OF_TOPIC: i8 = 1;
const SET: i8 = 0;

/// Kafka's errors that say that something is as it should be, or may be.
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const TOPIC_ALREADY_EXISTS: i16 = 36;
const INVALID_PARTITIONS: i16 = 37;
/// Those that pass: the request timed out, too few brokers are registered yet, another controller is active, too much was asked at once.
const PASSING: [i16; 4] = [7, 38, 41, 89];
/// For how many seconds those may take to pass.
const PASSES: u32 = 30;

/// The longest that the controllers may take for a request, in milliseconds.
const TIMEOUT_MS: i32 = 20_000;
/// How long brokers may take to see what the controllers have done.
const SEEN: Duration = Duration::from_secs(60);
/// The controllers take at most 10,000 records in a request (Kafka's `MAX_RECORDS_PER_USER_OP`): topics, partitions and settings.
const RECORDS: usize = 4_000;
/// Topics whose settings are asked for at once: their answer has some 3 KiB for each.
const TOPICS: usize = 5_000;

/// What steps ask that run at the same time.
#[derive(Debug, Default)]
pub struct Topics {
    made: Gather<(String, Topic)>,
    grown: Gather<(String, u32)>,
    set: Gather<(String, Vec<(String, String)>)>,
    gone: Gather<String>,
}

/// Kafka's answer to one of many, by the name of its topic: a code, and words.
type Answers = BTreeMap<String, (i16, Option<StrBytes>)>;

fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

/// What the cluster has of the topics with these names.
async fn look(brokers: &Brokers<'_>, names: &[String]) -> Result<BTreeMap<String, Topic>, BrokersError> {
    let mut found = BTreeMap::new();
    if names.is_empty() {
        return Ok(found);
    }
    let asked = names.iter().map(|name| MetadataRequestTopic::default().with_name(Some(topic(name)))).collect();
    let request = MetadataRequest::default().with_topics(Some(asked)).with_allow_auto_topic_creation(false);
    let answer = again(async || brokers.ask(&request, &[(12, shape::METADATA_12)]).await).await?;
    for one in answer.topics {
        let Some(name) = &one.name else { continue };
        if one.error_code == UNKNOWN_TOPIC_OR_PARTITION {
            continue;
        }
        refused(&format!("describing the topic {}", name.0), one.error_code, None)?;
        // While replicas move a partition has more for a time.
        let copies = one.partitions.iter().map(|partition| partition.replica_nodes.len()).min().unwrap_or_default();
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let spec = Topic {
            partitions: number(one.partitions.len()),
            replication_factor: number(copies),
            config: BTreeMap::new(),
        };
        found.insert(name.0.to_string(), spec);
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
    let request = MetadataRequest::default().with_topics(None).with_allow_auto_topic_creation(false);
    let answer = again(async || brokers.ask(&request, &[(12, shape::METADATA_12)]).await).await?;
    let others = answer.topics.into_iter().filter(|one| !one.is_internal);
    let names: Vec<String> = others.filter_map(|one| Some(one.name?.0.to_string())).collect();
    Ok(look(brokers, &names).await?)
}

/// Whether the `live` topic has what is `wanted` of it.
fn is_as(wanted: &Topic, live: &Topic) -> bool {
    let has = |(name, value): (&String, &String)| live.config.get(name) == Some(value);
    wanted.partitions == live.partitions
        && wanted.replication_factor == live.replication_factor
        && wanted.config.iter().all(has)
}

/// Waits until brokers see what the controllers have done.
async fn seen(
    brokers: &Brokers<'_>,
    names: &[String],
    done: impl Fn(&BTreeMap<String, Topic>) -> bool,
) -> Result<(), String> {
    let waited = poll("the brokers seeing what was changed", SEEN, Backoff::STATE, async || {
        let live = look(brokers, names).await?;
        Ok(if done(&live) { Look::Ready(()) } else { Look::Missing(String::new()) })
    });
    waited.await.map_err(|error| error.to_string())
}

/// Sends all of `asked` in requests that are not too large, again where an error may pass. `weigh` gives the name of each, and its
/// records. The answers are in the order of `asked`: none where it was done.
async fn each<Q>(
    asked: &[Q],
    weigh: fn(&Q) -> (&str, usize),
    mut send: impl AsyncFnMut(&[&Q]) -> Result<Answers, BrokersError>,
) -> Vec<Option<(i16, String)>> {
    let mut answers: Vec<Option<(i16, String)>> =
        asked.iter().map(|_| Some((0, "there is no answer".to_owned()))).collect();
    let mut left: Vec<usize> = (0..asked.len()).collect();
    for pass in 0..=PASSES {
        let mut passing = Vec::new();
        let mut rest = &left[..];
        while !rest.is_empty() {
            let mut records = 0;
            let fit = rest.iter().take_while(|index| {
                records += weigh(&asked[**index]).1;
                records <= RECORDS
            });
            let (some, after) = rest.split_at(fit.count().max(1));
            rest = after;
            let questions: Vec<&Q> = some.iter().map(|index| &asked[*index]).collect();
            let sent = again(async || send(&questions).await).await;
            for index in some {
                let name = weigh(&asked[*index]).0;
                answers[*index] = match &sent {
                    Err(error) => Some((0, error.to_string())),
                    Ok(told) => told.get(name).and_then(|(code, words)| {
                        if PASSING.contains(code) {
                            passing.push(*index);
                        }
                        refused("Kafka's answer", *code, words.as_ref()).err().map(|why| (*code, why.to_string()))
                    }),
                };
            }
        }
        left = passing;
        if left.is_empty() || pass == PASSES {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    answers
}

/// The answers as results; one that `fine` takes is none to complain of.
fn results(answers: Vec<Option<(i16, String)>>, fine: impl Fn(usize, i16) -> bool) -> Vec<Result<(), String>> {
    let one = |(index, answer): (usize, Option<(i16, String)>)| match answer {
        Some((code, why)) if !fine(index, code) => Err(why),
        Some(_) | None => Ok(()),
    };
    answers.into_iter().enumerate().map(one).collect()
}

/// The same error for all.
fn all_of<T>(asked: &[T], error: &impl ToString) -> Vec<Result<(), String>> {
    asked.iter().map(|_| Err(error.to_string())).collect()
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
    if let Err(why) = seen(brokers, &names, all).await {
        return all_of(&asked, &why);
    }
    let live = match look(brokers, &names).await {
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
    if let Err(why) = seen(brokers, &names, all).await {
        return all_of(&asked, &why);
    }
    let live = match look(brokers, &names).await {
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
    match seen(brokers, &names, all).await {
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
    match seen(brokers, &names, BTreeMap::is_empty).await {
        Ok(()) => results,
        Err(why) => all_of(&asked, &why),
    }
}

impl<'a> Driver<Kafka<'a>> for Topic {
    /// Calls are AWS's.
    const CALLS: Calls = Calls { discover: &[], create: &[], update: &[], delete: &[], retag: &[] };

    async fn discover(kafka: &Kafka<'a>) -> Result<Vec<Found<Self>>, StepError> {
        let names: Vec<String> = kafka.stack()?.topics.keys().cloned().collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let found = look(kafka.brokers().await?, &names).await?;
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
        let mut settings = Vec::new();
        for change in changes {
            match (change.field.as_str(), change.field.strip_prefix("config."), change.after.as_str()) {
                ("partitions", ..) => {
                    let one = (id.to_owned(), self.partitions);
                    topics.grown.ask(one, async |asked| grow(brokers, asked).await).await?;
                }
                (_, Some(name), Some(value)) => settings.push((name.to_owned(), value.to_owned())),
                (field, ..) => {
                    return Err(StepError::Internal(format!("no request changes the field `{field}`")));
                }
            }
        }
        if settings.is_empty() {
            return Ok(());
        }
        topics.set.ask((id.to_owned(), settings), async |asked| set(brokers, asked).await).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Kafka<'a>>, id: &str) -> Result<(), StepError> {
        let brokers = ctx.system.brokers().await?;
        ctx.system.topics.gone.ask(id.to_owned(), async |asked| delete(brokers, asked).await).await
    }

    async fn retag(_: &Ctx<'_, Kafka<'a>>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests are not too large, one whose answer is lost is sent again, and so is what Kafka could not do just then.
    #[tokio::test]
    async fn all_is_sent_until_there_is_an_answer_that_stays() {
        let asked: Vec<(String, u32)> =
            [("a", 1500), ("b", 1500), ("c", 1500), ("d", 9000)].map(|(name, count)| (name.to_owned(), count)).into();
        let mut sent = Vec::new();
        let answers = each(
            &asked,
            |(name, count)| (name, *count as usize),
            async |some: &[&(String, u32)]| {
                let names: String = some.iter().map(|(name, _)| name.as_str()).collect();
                sent.push(names.clone());
                let again = sent.iter().filter(|one| **one == names).count() > 1;
                if names == "c" && !again {
                    return Err(BrokersError::Lost("the connection broke".to_owned()));
                }
                let code = |name: &str| match name {
                    "b" => TOPIC_ALREADY_EXISTS,
                    "d" if !again => PASSING[0],
                    _ => 0,
                };
                Ok(some.iter().map(|(name, _)| (name.clone(), (code(name), None))).collect())
            },
        )
        .await;
        assert_eq!(sent, ["ab", "c", "c", "d", "d"]);
        let codes: Vec<Option<i16>> = answers.iter().map(|answer| answer.as_ref().map(|(code, _)| *code)).collect();
        assert_eq!(codes, [None, Some(TOPIC_ALREADY_EXISTS), None, None]);
        let fine = results(answers, |index, code| index == 1 && code == TOPIC_ALREADY_EXISTS);
        assert!(fine.iter().all(Result::is_ok), "{fine:?}");
    }
}
