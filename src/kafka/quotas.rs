//! Kafka's quotas of users: the most that each broker takes from one and gives to it. Each function is one request.

use std::collections::BTreeMap;

use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::{AlterClientQuotasRequest, DescribeClientQuotasRequest};
use kafka_protocol::protocol::StrBytes;

use super::shape::Shape::{self, Fixed, List, Tags, Text};
use super::{Brokers, BrokersError, refused};

/// Since Kafka 2.8.
const VERSION: i16 = 1;

/// Throttle time, error with its words, and for each entity what it is, and its quotas.
const DESCRIBE_CLIENT_QUOTAS_1: &[Shape] =
    &[Fixed(4 + 2), Text, List(&[List(&[Text, Text, Tags]), List(&[Text, Fixed(8), Tags]), Tags]), Tags];
/// Throttle time, and for each entity an error with its words.
const ALTER_CLIENT_QUOTAS_1: &[Shape] = &[Fixed(4), List(&[Fixed(2), Text, List(&[Text, Text, Tags]), Tags]), Tags];

const USER: &str = "user";
/// Every entity that has a name or is the default.
const ANY: i8 = 2;

/// Kafka's names of the quotas that the file has: bytes per second, and percent of a thread's time.
pub const PRODUCE: &str = "producer_byte_rate";
pub const CONSUME: &str = "consumer_byte_rate";
pub const REQUEST: &str = "request_percentage";

/// Quotas by Kafka's names of them.
pub type Quotas = BTreeMap<String, f64>;

/// The quotas of each user, whatever client it has; the default of all users is not among them.
///
/// # Errors
/// What the broker said.
pub async fn all(brokers: &Brokers<'_>) -> Result<BTreeMap<String, Quotas>, BrokersError> {
    let user = ComponentData::default().with_entity_type(StrBytes::from_static_str(USER)).with_match_type(ANY);
    let request = DescribeClientQuotasRequest::default().with_components(vec![user.with_match(None)]).with_strict(true);
    let answer = brokers.ask(&request, &[(VERSION, DESCRIBE_CLIENT_QUOTAS_1)]).await?;
    refused("DescribeClientQuotas", answer.error_code, answer.error_message.as_ref())?;
    let of = |entry: &kafka_protocol::messages::describe_client_quotas_response::EntryData| {
        let [entity] = &entry.entity[..] else { return None };
        let values = entry.values.iter().map(|one| (one.key.to_string(), one.value)).collect();
        Some((entity.entity_name.as_ref()?.to_string(), values))
    };
    Ok(answer.entries.unwrap_or_default().iter().filter_map(of).collect())
}

/// Sets quotas of users, or takes those away that are `None`. It may run again. What became of each user is in the same order.
///
/// # Errors
/// That there is no answer, or not for all.
pub async fn alter(
    brokers: &Brokers<'_>,
    users: &[(&str, BTreeMap<&str, Option<f64>>)],
) -> Result<Vec<Result<(), String>>, BrokersError> {
    let entry = |(user, quotas): &(&str, BTreeMap<&str, Option<f64>>)| {
        let op = |(key, value): (&&str, &Option<f64>)| {
            let op = OpData::default().with_key(StrBytes::from_string((*key).to_owned()));
            op.with_value(value.unwrap_or_default()).with_remove(value.is_none())
        };
        let name = StrBytes::from_string((*user).to_owned());
        let entity = EntityData::default().with_entity_type(StrBytes::from_static_str(USER));
        EntryData::default()
            .with_entity(vec![entity.with_entity_name(Some(name))])
            .with_ops(quotas.iter().map(op).collect())
    };
    let request = AlterClientQuotasRequest::default().with_entries(users.iter().map(entry).collect());
    let answer = brokers.change(&request, &[(VERSION, ALTER_CLIENT_QUOTAS_1)]).await?;
    // They come in an order of their own.
    let of = |(user, _): &(&str, BTreeMap<&str, Option<f64>>)| {
        let is = |name: &Option<StrBytes>| name.as_ref().is_some_and(|name| name.as_str() == *user);
        let result = answer.entries.iter().find(|entry| entry.entity.iter().any(|entity| is(&entity.entity_name)));
        let result = result.ok_or_else(|| format!("the broker says nothing of the user {user}"))?;
        let answer = refused("AlterClientQuotas", result.error_code, result.error_message.as_ref());
        answer.map_err(|error| error.to_string())
    };
    Ok(users.iter().map(of).collect())
}
