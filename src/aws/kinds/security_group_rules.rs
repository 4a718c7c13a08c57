//! The rules of each security group: only the ports that Kafka and the hosts need, and nothing from everywhere.
//!
//! A kind of its own, though AWS keeps rules with their group: rules of different groups name each other, so they come
//! after all groups and go before them.

use super::security_group::{fetch, is_default};
use crate::aws::{Aws, Class, Done, failed};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, PrefixListId, SecurityGroup, UserIdGroupPair};
use kstack_core::kinds::SecurityGroupRules;
use kstack_core::kinds::security_group_rules::NetworkRule as Rule;
use kstack_core::model::{FieldChange, Ref, Tags};
use kstack_core::network::{EVERYWHERE, EVERYWHERE_V6};
use kstack_core::observed::Found;
use kstack_core::permissions::{Call, call};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Instant;

/// What [`bring`] calls.
const BRING: &[&Call] = &[
    call("DescribeSecurityGroups"),
    call("AuthorizeSecurityGroupIngress"),
    call("AuthorizeSecurityGroupEgress"),
    call("UpdateSecurityGroupRuleDescriptionsIngress"),
    call("UpdateSecurityGroupRuleDescriptionsEgress"),
    call("RevokeSecurityGroupIngress"),
    call("RevokeSecurityGroupEgress"),
];

impl Driver<Aws> for SecurityGroupRules {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeSecurityGroups")],
        create: BRING,
        update: BRING,
        delete: &[
            call("DescribeSecurityGroups"),
            call("RevokeSecurityGroupIngress"),
            call("RevokeSecurityGroupEgress"),
        ],
        retag: &[],
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let all = aws.groups.since(aws.round(), || fetch(aws)).await?;
        Ok(all
            .iter()
            .filter(|group| !is_default(group))
            .map(|group| {
                let id = group.group_id().unwrap_or_default();
                let spec = SecurityGroupRules {
                    group: Ref::live(Some(id)),
                    ingress: rules_of(group, group.ip_permissions()),
                    egress: rules_of(group, group.ip_permissions_egress()),
                    ipv6: false,
                };
                // The group's own tags say where its rules belong.
                let mut tags = crate::aws::tags_of(Some(group.tags()));
                if let Some(address) = tags.get_mut(kstack_core::model::tag::ADDRESS) {
                    *address = address.replacen("security_group/", "security_group_rules/", 1);
                }
                Found { id: rules_id(id), tags, spec, terminated: false }
            })
            .collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        Ok(rules_id(&ctx.id(&self.group)?)) // There is no call: rules live in their group.
    }

    async fn finish(&self, ctx: &Ctx<'_, Aws>, _: &str) -> Result<(), StepError> {
        bring(self, ctx, None).await
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, _: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        bring(self, ctx, Some(changes)).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, _: &str) -> Result<(), StepError> {
        let empty = SecurityGroupRules { ingress: Vec::new(), egress: Vec::new(), ..self.clone() };
        bring(&empty, ctx, None).await.or_gone()
    }

    async fn retag(_: &Ctx<'_, Aws>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(()) // Rules have no tags of kstack's; their group has.
    }
}

/// The id of a group's rules: no id of AWS's, only different from the group's own.
fn rules_id(group: &str) -> String {
    format!("{group}/rules")
}

/// Permissions as rules, one for each peer.
fn rules_of(group: &SecurityGroup, permissions: &[IpPermission]) -> Vec<Rule> {
    permissions.iter().flat_map(|permission| rules(permission, group.owner_id().unwrap_or_default())).collect()
}

/// One permission as rules, one for each peer. A group of another account than `owner` has that before its id.
fn rules(permission: &IpPermission, owner: &str) -> Vec<Rule> {
    let ports = match (permission.ip_protocol().unwrap_or("-1"), permission.from_port(), permission.to_port()) {
        ("-1", ..) => "all".to_owned(),
        (protocol, Some(from), Some(to)) if from == to => format!("{protocol} {from}"),
        (protocol, Some(from), Some(to)) => format!("{protocol} {from}-{to}"),
        (protocol, ..) => protocol.to_owned(),
    };
    let rule = |peer: Option<&str>, description: Option<&str>| Rule {
        ports: ports.clone(),
        peer: Ref::live(peer),
        description: description.unwrap_or_default().to_owned(),
    };
    let groups = permission.user_id_group_pairs().iter().map(|pair| {
        let id =
            pair.group_id().map(|id| match pair.user_id().filter(|account| !account.is_empty() && *account != owner) {
                Some(account) => format!("{account}/{id}"),
                None => id.to_owned(),
            });
        rule(id.as_deref(), pair.description())
    });
    let blocks = permission.ip_ranges().iter().map(|range| rule(range.cidr_ip(), range.description()));
    let blocks6 = permission.ipv6_ranges().iter().map(|range| rule(range.cidr_ipv6(), range.description()));
    let lists = permission.prefix_list_ids().iter().map(|list| rule(list.prefix_list_id(), list.description()));
    groups.chain(blocks).chain(blocks6).chain(lists).collect()
}

/// The permission of one rule, with its peer as an id.
fn permission(rule: &Rule) -> IpPermission {
    let (protocol, range) = rule.ports.split_once(' ').unwrap_or((&rule.ports, ""));
    let (from, to) = range.split_once('-').unwrap_or((range, range));
    let peer = rule.peer.id().unwrap_or_default();
    let description = Some(rule.description.clone()).filter(|text| !text.is_empty());
    let builder = IpPermission::builder()
        .ip_protocol(if protocol == "all" { "-1" } else { protocol })
        .set_from_port(from.parse().ok())
        .set_to_port(to.parse().ok());
    let (account, id) = peer.split_once('/').map_or((None, peer), |(account, id)| (Some(account), id));
    if id.starts_with("sg-") {
        let pair = UserIdGroupPair::builder().group_id(id).set_user_id(account.map(str::to_owned));
        builder.user_id_group_pairs(pair.set_description(description).build()).build()
    } else if peer.starts_with("pl-") {
        builder
            .prefix_list_ids(PrefixListId::builder().prefix_list_id(peer).set_description(description).build())
            .build()
    } else if peer.contains(':') {
        builder.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(peer).set_description(description).build()).build()
    } else {
        builder.ip_ranges(IpRange::builder().cidr_ip(peer).set_description(description).build()).build()
    }
}

/// A rule that is gone already: another look tells, since AWS has then removed none of the others either. A group that is not there
/// is something else: what was just made may not be known to this call yet.
pub fn look_again(error: StepError) -> StepError {
    match error.code() {
        Some("InvalidPermission.NotFound") => error.classed(Class::AlreadyDone),
        _ => error,
    }
}

/// What the rules of one direction are to be: those that are there afterwards, and those that may be taken away.
struct Wanted {
    rules: BTreeSet<Rule>,
    /// `None` for all others.
    removable: Option<BTreeSet<Rule>>,
}

/// The wanted rules of the direction `field`: the spec's; or, of an update, what the changes lead to. An update takes away only
/// what its plan knew of, and another operation of the same plan adds what it does not.
fn wanted(
    field: &str,
    spec: &[Rule],
    changes: Option<&[FieldChange]>,
    ctx: &Ctx<'_, Aws>,
) -> Result<Option<Wanted>, StepError> {
    let known = |list: &[Rule]| -> Result<BTreeSet<Rule>, StepError> {
        list.iter().map(|rule| Ok(Rule { peer: Ref::Id(ctx.id(&rule.peer)?), ..rule.clone() })).collect()
    };
    let Some(changes) = changes else { return Ok(Some(Wanted { rules: known(spec)?, removable: None })) };
    let Some(change) = changes.iter().find(|change| change.field == field) else { return Ok(None) };
    let read = |value: &Value| serde_json::from_value::<Vec<Rule>>(value.clone());
    let unreadable = |error: serde_json::Error| StepError::Internal(format!("the change of `{field}`: {error}"));
    let (before, after) = (read(&change.before).map_err(unreadable)?, read(&change.after).map_err(unreadable)?);
    // A group that is gone has no rules in it any more.
    let before: Vec<Rule> = before.into_iter().filter(|rule| ctx.id(&rule.peer).is_ok()).collect();
    Ok(Some(Wanted { rules: known(&after)?, removable: Some(known(&before)?) }))
}

/// The permissions that bring what is `live` to what is wanted: to add, to describe anew, to take away. A rule with another
/// description is the same rule to AWS: adding it would be refused.
fn difference(wanted: &Wanted, live: &BTreeSet<Rule>) -> [Vec<IpPermission>; 3] {
    let there =
        |rule: &Rule, all: &BTreeSet<Rule>| all.iter().any(|one| one.ports == rule.ports && one.peer == rule.peer);
    let removable = |rule: &Rule| wanted.removable.as_ref().is_none_or(|some| there(rule, some));
    let (same, add): (Vec<&Rule>, Vec<&Rule>) = wanted.rules.difference(live).partition(|rule| there(rule, live));
    let gone = live.iter().filter(|rule| !there(rule, &wanted.rules) && removable(rule));
    [
        add.into_iter().map(permission).collect(),
        same.into_iter().map(permission).collect(),
        gone.map(permission).collect(),
    ]
}

/// Adds rules, and then takes others away, until the live group has the wanted ones; of an update, as far as `changes` go. The
/// calls take no token: it looks first.
async fn bring(
    spec: &SecurityGroupRules,
    ctx: &Ctx<'_, Aws>,
    changes: Option<&[FieldChange]>,
) -> Result<(), StepError> {
    let (aws, ec2) = (ctx.system, &ctx.system.clients.ec2);
    let id = ctx.id(&spec.group)?;
    let (ingress, egress) =
        (wanted("ingress", &spec.ingress, changes, ctx)?, wanted("egress", &spec.egress, changes, ctx)?);
    let all = aws.groups.since(Instant::now(), || fetch(aws)).await?;
    let live = all.iter().find(|group| group.group_id() == Some(id.as_str()));
    let live_in = live.map(|group| rules_of(group, group.ip_permissions()).into_iter().collect()).unwrap_or_default();
    let live_out = match live {
        Some(group) => rules_of(group, group.ip_permissions_egress()).into_iter().collect(),
        // Not visible yet: a new group lets everything out.
        None => {
            let everywhere = [Some(EVERYWHERE), spec.ipv6.then_some(EVERYWHERE_V6)].into_iter().flatten();
            let all = |to: &str| Rule { ports: "all".into(), peer: Ref::Id(to.into()), description: String::new() };
            everywhere.map(all).collect()
        }
    };
    let [add_in, same_in, gone_in] = ingress.map(|wanted| difference(&wanted, &live_in)).unwrap_or_default();
    let [add_out, same_out, gone_out] = egress.map(|wanted| difference(&wanted, &live_out)).unwrap_or_default();
    if !add_in.is_empty() {
        let call = ec2.authorize_security_group_ingress().group_id(&id).set_ip_permissions(Some(add_in));
        call.send().await.map_err(failed("AuthorizeSecurityGroupIngress"))?;
    }
    if !add_out.is_empty() {
        let call = ec2.authorize_security_group_egress().group_id(&id).set_ip_permissions(Some(add_out));
        call.send().await.map_err(failed("AuthorizeSecurityGroupEgress"))?;
    }
    if !same_in.is_empty() {
        let call = ec2.update_security_group_rule_descriptions_ingress().group_id(&id);
        let answer = call.set_ip_permissions(Some(same_in)).send().await;
        answer.map_err(failed("UpdateSecurityGroupRuleDescriptionsIngress")).map_err(look_again)?;
    }
    if !same_out.is_empty() {
        let call = ec2.update_security_group_rule_descriptions_egress().group_id(&id);
        let answer = call.set_ip_permissions(Some(same_out)).send().await;
        answer.map_err(failed("UpdateSecurityGroupRuleDescriptionsEgress")).map_err(look_again)?;
    }
    if !gone_in.is_empty() {
        let call = ec2.revoke_security_group_ingress().group_id(&id).set_ip_permissions(Some(gone_in));
        call.send().await.map_err(failed("RevokeSecurityGroupIngress")).map_err(look_again)?;
    }
    if !gone_out.is_empty() {
        let call = ec2.revoke_security_group_egress().group_id(&id).set_ip_permissions(Some(gone_out));
        call.send().await.map_err(failed("RevokeSecurityGroupEgress")).map_err(look_again)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is asked for is what is found again: for every kind of peer.
    #[test]
    fn each_peer_is_found_as_it_was_asked_for() {
        let owner = "123456789012";
        let peers = [
            "10.0.0.0/8",
            "fd00::/8",
            "pl-0123456789abcdef0",
            "sg-0123456789abcdef0",
            "210987654321/sg-0123456789abcdef0",
        ];
        for peer in peers {
            let asked = Rule {
                ports: "tcp 9092".to_owned(),
                peer: Ref::Id(peer.to_owned()),
                description: "Kafka clients outside".to_owned(),
            };
            let mut permission = permission(&asked);
            // EC2 says the account of each group, the group's own too.
            let pairs = permission.user_id_group_pairs.iter_mut().flatten();
            pairs.for_each(|pair| pair.user_id = Some(pair.user_id.take().unwrap_or_else(|| owner.to_owned())));
            assert_eq!(rules(&permission, owner), [asked]);
        }
    }
}
