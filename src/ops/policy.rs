//! Which IAM permissions a command needs for a stack file: from the calls that the drivers of its kinds declare.

use serde_json::Value;

use super::Failure;
use crate::aws::Aws;
use crate::aws::declared::{
    ADOPT, AUTHORITIES, DESTROY, DESTROY_EC2, INSIDE_MSK, LEASE, PLAN, PLAN_EC2, PLAN_ENDPOINTS, PLAN_EXISTING,
    PLAN_GROUPS, PLAN_MSK, PLAN_POLICIES, PLAN_PREFIX_LISTS, PLAN_ROLES, PLAN_ROUTES, PLAN_SECRETS, PLAN_ZONE,
    PLAN_ZONES_OF_VPC, READ_SECRETS, RELEASE, RESTART, ROLL, SESSIONS, SHELL, SURROUNDINGS,
};
use crate::aws::kinds::CALLS;
use crate::aws::names::has_privatelink;
use crate::driver::{Calls, Driver};
use kstack_core::choose::assumed_design;
use kstack_core::cloud_init::Overrides;
use kstack_core::engines::Engine;
use kstack_core::kinds::{self, ClientInstance, Resource};
use kstack_core::permissions::{self, Call, Subject};
use kstack_core::stack::{Peer, Stack};

/// A command that a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyFor {
    Plan,
    Apply,
    Adopt,
    Destroy,
    Shell,
}

/// The least policies with which `command` can be run for `stack`, made without asking AWS: one, or several where one would be
/// larger than a managed policy may be.
///
/// # Errors
/// Why the file can't be designed, whatever AWS has.
pub fn policies(stack: &Stack, overrides: &Overrides, command: PolicyFor) -> Result<Vec<Value>, Failure> {
    let design = assumed_design(stack, overrides)?;
    let wanted = kinds::desired(&design);
    let calls = calls(stack, wanted.values(), command);
    Ok(permissions::policies(&calls, &Subject::new(stack, wanted.values())))
}

/// What the user `name` of the file may do, who comes to MSK with IAM.
///
/// # Errors
/// That the file has no such user, or that it comes in another way.
pub fn client_policy(stack: &Stack, name: &str) -> Result<Value, Failure> {
    let account = stack.account.as_ref().map_or("*", |account| &account.0);
    stack.client_policy(name, account).ok_or_else(|| match stack.users().find(|(user, ..)| *user == name) {
        None => Failure::new(format!("the stack file has no user {name}")).hint("add it below `access.users`"),
        Some((_, mechanism, _)) => {
            let why = format!("the user {name} comes with `{}`, and not with IAM", mechanism.word());
            Failure::new(why).hint("its rights are in Kafka, where the file is applied; it needs no policy")
        }
    })
}

/// The calls of `command`. Every kind of the file's engine is looked for, and may have to be deleted, since an earlier file may have
/// had it; only what the file has is made and changed.
fn calls<'a>(
    stack: &Stack,
    wanted: impl Iterator<Item = &'a Resource> + Clone,
    command: PolicyFor,
) -> Vec<&'static Call> {
    let (engine, dns) = (Engine::of(stack), stack.network.dns.as_ref());
    let link = has_privatelink(stack);
    let own_zone = link || dns.is_some_and(|dns| dns.existing.is_none());
    let provisioned = stack.cluster.msk.as_ref().is_some_and(|msk| !msk.serverless);
    let client = stack.client.is_some();
    let instances = engine == Engine::Ec2 || client;
    let mut lists = match command {
        PolicyFor::Shell => return [CLIENT.discover, SHELL].into_iter().flatten().copied().collect(),
        PolicyFor::Destroy if instances => vec![LEASE, RELEASE, SURROUNDINGS, DESTROY, DESTROY_EC2],
        PolicyFor::Destroy => vec![LEASE, RELEASE, SURROUNDINGS, DESTROY],
        PolicyFor::Plan | PolicyFor::Apply | PolicyFor::Adopt => match engine {
            Engine::Ec2 => vec![PLAN, PLAN_EC2],
            Engine::Msk if provisioned => vec![PLAN, PLAN_MSK],
            Engine::Msk => vec![PLAN],
        },
    };
    if command != PolicyFor::Destroy {
        let network = &stack.network;
        let groups = !network.security_groups.is_empty() || stack.peers().any(|peer| matches!(peer, Peer::Group(_)));
        let prefix_lists = stack.peers().any(|peer| matches!(peer, Peer::PrefixList(_)));
        let asked = [
            (!network.endpoints.is_empty() || network.privatelink.is_some(), PLAN_ENDPOINTS),
            (network.existing.is_some(), PLAN_EXISTING),
            (groups, PLAN_GROUPS),
            (prefix_lists, PLAN_PREFIX_LISTS),
            (!network.routes.is_empty(), PLAN_ROUTES),
            // Where the file names none, it is allowed nowhere.
            (instances, PLAN_POLICIES),
            // The type and the image of the client host.
            (client && engine == Engine::Msk, PLAN_EC2),
            (stack.named_secrets().next().is_some(), PLAN_SECRETS),
            (stack.named_roles().next().is_some(), PLAN_ROLES),
            (dns.is_some_and(|dns| dns.existing.is_some()), PLAN_ZONE),
            (network.existing.is_some() && own_zone, PLAN_ZONES_OF_VPC),
        ];
        lists.extend(asked.into_iter().filter(|(is, _)| *is).map(|(_, list)| list));
    }
    let plans = matches!(command, PolicyFor::Plan | PolicyFor::Apply);
    // With another number of brokers their partitions move.
    if plans && stack.cluster.msk.as_ref().is_some_and(|msk| msk.standard() || stack.has_inside()) {
        lists.push(INSIDE_MSK);
    }
    if stack.has_inside() && plans {
        if engine == Engine::Ec2 {
            lists.push(SESSIONS);
        }
        if stack.secured() {
            lists.extend([AUTHORITIES, READ_SECRETS]);
        }
    }
    if command == PolicyFor::Apply {
        lists.extend([LEASE, SURROUNDINGS]);
        if engine == Engine::Ec2 {
            lists.extend([ROLL, SESSIONS]);
            if stack.secured() {
                lists.push(RESTART);
            }
        }
    }
    if command == PolicyFor::Adopt {
        lists.extend([LEASE, ADOPT]);
    }
    // Names in DNS, keys, certificates, alarms and log groups are asked for by the file alone, and by the record of a stack that had them.
    // So are instances where none are brokers.
    let asked = |kind: &str, of: &Option<Engine>| {
        of.is_none_or(|of| of == engine)
            && (!kinds::is_of_names(kind) || dns.is_some() || link)
            && (!kinds::is_of_papers(kind) || stack.has_papers())
            && (!kinds::is_of_alarms(kind) || stack.has_alarms(false))
            && kinds::of_logs(kind) <= stack.logs()
            && (!kinds::is_of_client(kind) || instances)
    };
    for (kind, _, calls) in CALLS.iter().filter(|(kind, of, _)| asked(kind, of)) {
        lists.push(calls.discover);
        if matches!(command, PolicyFor::Apply | PolicyFor::Destroy) {
            lists.push(calls.delete);
        }
        if command == PolicyFor::Apply && wanted.clone().any(|resource| resource.kind() == *kind) {
            lists.extend([calls.create, calls.update, calls.retag]);
        }
    }
    // The client host of a stack on EC2 asks MSK for no brokers.
    let of_engine = |call: &&'static Call| {
        engine == Engine::Msk || !call.permissions.iter().any(|permission| permission.action.starts_with("kafka:"))
    };
    lists.into_iter().flatten().copied().filter(of_engine).collect()
}

/// The calls of the client host's driver.
const CLIENT: Calls = <ClientInstance as Driver<Aws>>::CALLS;
