//! From the rows of a command's calls to policies: actions that are allowed in the same place share a statement.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::scope::{Scope, Subject, Where};
use super::{Call, Permission};

/// How many characters a managed policy has at most; white space does not count. Source: IAM user guide, "IAM and AWS STS quotas".
pub const MANAGED_POLICY_LIMIT: usize = 6144;

/// Policies that together allow `calls` for `subject`, and nothing else: one, or several where one would be larger than a
/// managed policy may be.
pub fn policies(calls: &[&Call], subject: &Subject<'_>) -> Vec<Value> {
    let mut policies = Vec::new();
    let mut statements: Vec<Value> = Vec::new();
    for statement in self::statements(calls, subject) {
        statements.push(statement);
        if size(&policy(&statements)) > MANAGED_POLICY_LIMIT && statements.len() > 1 {
            let last = statements.pop();
            policies.push(policy(&statements));
            statements = last.into_iter().collect();
        }
    }
    policies.push(policy(&statements));
    policies
}

fn policy(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// How many characters of `policy` count for its limit.
pub fn size(policy: &Value) -> usize {
    policy.to_string().chars().count()
}

fn statements(calls: &[&Call], subject: &Subject<'_>) -> Vec<Value> {
    let mut places: Vec<(Where, BTreeSet<&str>)> = Vec::new();
    let mut add = |place: Where, actions: BTreeSet<&'static str>| match places.iter_mut().find(|(one, _)| *one == place)
    {
        Some((_, all)) => all.extend(actions),
        None => places.push((place, actions)),
    };
    let mut by_scope: BTreeMap<Scope, BTreeSet<&'static str>> = BTreeMap::new();
    // What an action makes, of which types, and whether it names something else too.
    let mut made: BTreeMap<&'static str, BTreeSet<Scope>> = BTreeMap::new();
    let mut tagged: BTreeSet<&'static str> = BTreeSet::new();
    for Permission { action, scope } in calls.iter().flat_map(|call| call.permissions) {
        match scope {
            Scope::Made(_) => {
                made.entry(action).or_default().insert(*scope);
            }
            Scope::Tagged(operation) => {
                tagged.insert(operation);
            }
            scope => {
                by_scope.entry(*scope).or_default().insert(action);
            }
        }
    }
    let also = |action: &str| by_scope.values().any(|actions| actions.contains(action));
    let (with_more, alone): (Vec<_>, Vec<_>) = made.iter().partition(|(action, _)| also(action));
    let everything = |scopes: &mut dyn Iterator<Item = &Scope>| {
        let mut places = scopes.filter_map(|scope| subject.place(*scope));
        let (mut resources, condition) = places.next()?;
        resources.extend(places.flat_map(|(resources, _)| resources));
        Some((resources, condition))
    };
    for (scope, actions) in &by_scope {
        if let Some(place) = subject.place(*scope) {
            add(place, actions.clone());
        }
    }
    // Calls that name nothing but what they make can share a statement: none of them makes another's type. The others can't: with the
    // types of all, a subnet could be made in anybody's VPC, because the condition is on the request.
    if let Some(place) = everything(&mut alone.iter().flat_map(|(_, scopes)| scopes.iter())) {
        add(place, alone.iter().map(|(action, _)| **action).collect());
    }
    for (action, scopes) in with_more {
        if let Some(place) = everything(&mut scopes.iter()) {
            add(place, BTreeSet::from([*action]));
        }
    }
    if let Some((resources, mut condition)) =
        tagged.first().and_then(|operation| subject.place(Scope::Tagged(operation)))
    {
        condition["StringEquals"]["ec2:CreateAction"] = json!(tagged);
        add((resources, condition), BTreeSet::from(["ec2:CreateTags"]));
    }
    places.into_iter().map(|((resources, condition), actions)| statement(&resources, &condition, &actions)).collect()
}

fn statement(resources: &[String], condition: &Value, actions: &BTreeSet<&str>) -> Value {
    let mut statement = json!({"Effect": "Allow", "Action": actions, "Resource": resources});
    if !condition.is_null() {
        statement["Condition"] = condition.clone();
    }
    statement
}
