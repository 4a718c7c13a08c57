//! Kafka's access control lists: who may do what. Each function is one request, for as many as there are.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest};
use kafka_protocol::protocol::StrBytes;

use super::shape::Shape::{self, Fixed, List, Tags, Text};
use super::{Brokers, BrokersError, refused, text};
use kstack_core::file::Operation;
use kstack_core::rights::{ResourceType, Right};

/// Since Kafka 2.5.
const VERSION: i16 = 2;

/// Throttle time, error with its words, and for each resource its type, name and pattern, and who may do what with it from where.
const DESCRIBE_ACLS_2: &[Shape] =
    &[Fixed(4 + 2), Text, List(&[Fixed(1), Text, Fixed(1), List(&[Text, Text, Fixed(1 + 1), Tags]), Tags]), Tags];
/// Throttle time, and an error with its words for each list.
const CREATE_ACLS_2: &[Shape] = &[Fixed(4), List(&[Fixed(2), Text, Tags]), Tags];
/// Throttle time, and for each filter an error with its words, and what it deleted.
const DELETE_ACLS_2: &[Shape] = &[
    Fixed(4),
    List(&[Fixed(2), Text, List(&[Fixed(2), Text, Fixed(1), Text, Fixed(1), Text, Text, Fixed(1 + 1), Tags]), Tags]),
    Tags,
];

/// Kafka's code where brokers ask nobody what he may do.
const SECURITY_DISABLED: i16 = 54;

/// Kafka's numbers: of everything of a sort, and of patterns and permissions.
const ANY: i8 = 1;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
const DENY: i8 = 2;
const ALLOW: i8 = 3;
/// What stands before the name of a user.
const USER: &str = "User:";

const RESOURCES: [(ResourceType, i8); 6] = [
    (ResourceType::Topic, 2),
    (ResourceType::Group, 3),
    (ResourceType::Cluster, 4),
    (ResourceType::TransactionalId, 5),
    (ResourceType::DelegationToken, 6),
    (ResourceType::User, 7),
];
const OPERATIONS: [(Operation, i8); 13] = [
    (Operation::All, 2),
    (Operation::Read, 3),
    (Operation::Write, 4),
    (Operation::Create, 5),
    (Operation::Delete, 6),
    (Operation::Alter, 7),
    (Operation::Describe, 8),
    (Operation::ClusterAction, 9),
    (Operation::DescribeConfigs, 10),
    (Operation::AlterConfigs, 11),
    (Operation::IdempotentWrite, 12),
    (Operation::CreateTokens, 13),
    (Operation::DescribeTokens, 14),
];

/// The number of `one`. Every value is in its table, which a test holds.
fn number<T: PartialEq>(table: &[(T, i8)], one: &T) -> i8 {
    table.iter().find(|(value, _)| value == one).map_or(0, |(_, number)| *number)
}

fn value<T: Copy>(table: &[(T, i8)], number: i8) -> Option<T> {
    table.iter().find(|(_, one)| *one == number).map(|(value, _)| *value)
}

/// Who may do what, by the user's name.
pub type Rights = BTreeMap<String, BTreeSet<Right>>;

/// Everything that any user may do or must not; `None` where brokers ask nobody what he may do. What this kstack has no words for, as a
/// newer Kafka may have, is left out.
///
/// # Errors
/// What the broker said.
pub async fn all(brokers: &Brokers<'_>) -> Result<Option<Rights>, BrokersError> {
    let request = DescribeAclsRequest::default()
        .with_resource_type_filter(ANY)
        .with_resource_name_filter(None)
        .with_pattern_type_filter(ANY)
        .with_principal_filter(None)
        .with_host_filter(None)
        .with_operation(ANY)
        .with_permission_type(ANY);
    let answer = brokers.ask(&request, &[(VERSION, DESCRIBE_ACLS_2)]).await?;
    if answer.error_code == SECURITY_DISABLED {
        return Ok(None);
    }
    refused("DescribeAcls", answer.error_code, answer.error_message.as_ref())?;
    let mut rights = Rights::new();
    for of in &answer.resources {
        let Some(resource) = value(&RESOURCES, of.resource_type) else { continue };
        for acl in &of.acls {
            let (Some(operation), Some(user)) =
                (value(&OPERATIONS, acl.operation), acl.principal.as_str().strip_prefix(USER))
            else {
                continue;
            };
            rights.entry(user.to_owned()).or_default().insert(Right {
                resource,
                name: of.resource_name.to_string(),
                prefixed: of.pattern_type == PREFIXED,
                host: acl.host.to_string(),
                operation,
                allows: acl.permission_type == ALLOW,
            });
        }
    }
    Ok(Some(rights))
}

/// Gives users rights; one that they have already is no error. What became of each is in the same order.
///
/// # Errors
/// That there is no answer, or not for all.
pub async fn give(brokers: &Brokers<'_>, all: &[(&str, &Right)]) -> Result<Vec<Result<(), String>>, BrokersError> {
    let creation = |(user, right): &(&str, &Right)| {
        AclCreation::default()
            .with_resource_type(number(&RESOURCES, &right.resource))
            .with_resource_name(text(&right.name))
            .with_resource_pattern_type(pattern(right))
            .with_principal(text(&format!("{USER}{user}")))
            .with_host(text(&right.host))
            .with_operation(number(&OPERATIONS, &right.operation))
            .with_permission_type(permission(right))
    };
    let request = CreateAclsRequest::default().with_creations(all.iter().map(creation).collect());
    let answer = brokers.change(&request, &[(VERSION, CREATE_ACLS_2)]).await?;
    let results = answer.results.iter();
    whole(all.len(), results.map(|one| said("CreateAcls", one.error_code, one.error_message.as_ref())).collect())
}

/// Takes just these rights from users; one that they do not have is no error. What became of each is in the same order.
///
/// # Errors
/// That there is no answer, or not for all.
pub async fn take(brokers: &Brokers<'_>, all: &[(&str, &Right)]) -> Result<Vec<Result<(), String>>, BrokersError> {
    let filter = |(user, right): &(&str, &Right)| {
        DeleteAclsFilter::default()
            .with_resource_type_filter(number(&RESOURCES, &right.resource))
            .with_resource_name_filter(Some(text(&right.name)))
            .with_pattern_type_filter(pattern(right))
            .with_principal_filter(Some(text(&format!("{USER}{user}"))))
            .with_host_filter(Some(text(&right.host)))
            .with_operation(number(&OPERATIONS, &right.operation))
            .with_permission_type(permission(right))
    };
    let request = DeleteAclsRequest::default().with_filters(all.iter().map(filter).collect());
    let answer = brokers.change(&request, &[(VERSION, DELETE_ACLS_2)]).await?;
    let results = answer.filter_results.iter().map(|one| {
        said("DeleteAcls", one.error_code, one.error_message.as_ref())?;
        one.matching_acls.iter().try_for_each(|one| said("DeleteAcls", one.error_code, one.error_message.as_ref()))
    });
    whole(all.len(), results.collect())
}

fn whole(asked: usize, results: Vec<Result<(), String>>) -> Result<Vec<Result<(), String>>, BrokersError> {
    match results.len() == asked {
        true => Ok(results),
        false => Err(BrokersError::Lost(format!("the broker says what became of {} of {asked} rights", results.len()))),
    }
}

fn pattern(right: &Right) -> i8 {
    if right.prefixed { PREFIXED } else { LITERAL }
}

fn permission(right: &Right) -> i8 {
    if right.allows { ALLOW } else { DENY }
}

/// The error of one of many, in words.
fn said(what: &str, code: i16, words: Option<&StrBytes>) -> Result<(), String> {
    refused(what, code, words).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_and_operation_has_a_number() {
        for resource in ResourceType::ALL {
            assert_ne!(number(&RESOURCES, &resource), 0, "{resource:?}");
            for operation in resource.operations().iter().chain([&Operation::All]) {
                assert_ne!(number(&OPERATIONS, operation), 0, "{operation:?}");
            }
        }
    }
}
