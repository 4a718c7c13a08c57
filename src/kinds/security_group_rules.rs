//! The rules of each security group: only the ports that Kafka and the hosts need, and nothing from everywhere.
//!
//! A kind of its own, though AWS keeps rules with their group: rules of different groups name each other, so they come
//! after all groups and go before them.

use std::collections::BTreeSet;
use std::time::Instant;

use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, PrefixListId, UserIdGroupPair};
use serde::{Deserialize, Serialize};

use super::security_group::{fetch, groups};
use crate::aws::{Aws, Class, CloudError, Ctx, Done, cloud};
use crate::cloud_init::{CLIENT_PORT, CONTROLLER_PORT};
use crate::design::{Design, MskDesign};
use crate::resource::{Effect, FieldChange, Found, Kind, Ref, Tags};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecurityGroupRules {
    pub group: Ref,
    pub ingress: Vec<Rule>,
    pub egress: Vec<Rule>,
}

/// One rule: which ports, from or to whom, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rule {
    /// `tcp 9092`, `tcp 1024-2048`, `all`.
    pub ports: String,
    /// A security group, an address block, or a prefix list.
    pub peer: Ref,
    pub description: String,
}

fn rule(port: u16, peer: Ref, description: &str) -> Rule {
    Rule { ports: format!("tcp {port}"), peer, description: description.to_owned() }
}

impl Kind for SecurityGroupRules {
    const NAME: &'static str = "security_group_rules";
    const FREE: bool = true;
    const TAGGED: bool = false;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        if let Some(msk) = &design.msk {
            return of_msk(design, msk);
        }
        let group = |name: &str| Ref::to("security_group", name);
        let everywhere = || Ref("0.0.0.0/0".to_owned());
        let dedicated = design.dedicated();
        let endpoints = groups(design).iter().any(|(name, _)| *name == "endpoints");
        let clients: Vec<Ref> = design.stack.network.clients.iter().map(|block| Ref(block.to_string())).collect();
        let mut all = Vec::new();
        for (name, _) in groups(design) {
            let (mut ingress, mut egress) = (Vec::new(), Vec::new());
            match name {
                "brokers" => {
                    ingress.push(rule(CLIENT_PORT, group("clients"), "Kafka clients"));
                    ingress.push(rule(CLIENT_PORT, group("brokers"), "Replication between brokers"));
                    ingress.extend(clients.iter().map(|block| rule(CLIENT_PORT, block.clone(), "Kafka clients outside")));
                    egress.push(rule(CLIENT_PORT, group("brokers"), "Replication between brokers"));
                    if dedicated {
                        ingress.push(rule(CLIENT_PORT, group("controllers"), "Controllers to brokers"));
                        egress.push(rule(CONTROLLER_PORT, group("controllers"), "Brokers to controllers"));
                    } else {
                        ingress.push(rule(CONTROLLER_PORT, group("brokers"), "The controllers' quorum"));
                        egress.push(rule(CONTROLLER_PORT, group("brokers"), "The controllers' quorum"));
                    }
                }
                "controllers" => {
                    ingress.push(rule(CONTROLLER_PORT, group("brokers"), "Brokers to controllers"));
                    ingress.push(rule(CONTROLLER_PORT, group("controllers"), "The controllers' quorum"));
                    egress.push(rule(CONTROLLER_PORT, group("controllers"), "The controllers' quorum"));
                    egress.push(rule(CLIENT_PORT, group("brokers"), "Controllers to brokers"));
                }
                "clients" => egress.push(rule(CLIENT_PORT, group("brokers"), "To the Kafka brokers")),
                _ => {
                    ingress.push(rule(443, group("brokers"), "Brokers to AWS services"));
                    if dedicated {
                        ingress.push(rule(443, group("controllers"), "Controllers to AWS services"));
                    }
                }
            }
            if ["brokers", "controllers"].contains(&name) {
                egress.push(rule(443, everywhere(), "Packages, the Kafka archive and AWS services"));
                egress.push(rule(80, everywhere(), "Package mirrors"));
                if endpoints {
                    egress.push(rule(443, group("endpoints"), "AWS services inside the VPC"));
                }
            }
            all.push((name.to_owned(), SecurityGroupRules { group: group(name), ingress, egress }));
        }
        all
    }

    fn effect(_: &FieldChange, _: bool) -> Effect {
        Effect::InPlace
    }

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, CloudError> {
        let all = aws.groups.since(aws.round(), || fetch(aws)).await?;
        Ok(all
            .iter()
            .map(|group| {
                let id = group.group_id().unwrap_or_default();
                let spec = SecurityGroupRules {
                    group: Ref::live(Some(id)),
                    ingress: group.ip_permissions().iter().flat_map(rules).collect(),
                    egress: group.ip_permissions_egress().iter().flat_map(rules).collect(),
                };
                // The group's own tags say where its rules belong.
                let mut tags = crate::aws::tags_of(Some(group.tags()));
                if let Some(address) = tags.get_mut(crate::resource::tag::ADDRESS) {
                    *address = address.replacen("security_group/", "security_group_rules/", 1);
                }
                Found { id: rules_id(id), tags, spec, ended: false }
            })
            .collect())
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<String, CloudError> {
        Ok(rules_id(&ctx.id(&self.group)?)) // There is no call: rules live in their group.
    }

    async fn settle(&self, ctx: &Ctx<'_>, _: &str) -> Result<(), CloudError> {
        self.bring(ctx).await
    }

    async fn update(&self, ctx: &Ctx<'_>, _: &str, _: &[FieldChange]) -> Result<(), CloudError> {
        self.bring(ctx).await
    }

    async fn delete(&self, ctx: &Ctx<'_>, _: &str) -> Result<(), CloudError> {
        let empty = SecurityGroupRules { group: self.group.clone(), ingress: Vec::new(), egress: Vec::new() };
        empty.bring(ctx).await.or_gone()
    }

    async fn retag(_: &Ctx<'_>, _: &str, _: &Tags, _: &[String]) -> Result<(), CloudError> {
        Ok(()) // Rules have no tags of kstack's; their group has.
    }
}

/// The rules of an MSK stack: the listeners that are on, from the client group and from the file's clients outside; the
/// latter alone reach the public side. What brokers say to each other goes by AWS's own network.
fn of_msk(design: &Design, msk: &MskDesign) -> Vec<(String, SecurityGroupRules)> {
    let group = |name: &str| Ref::to("security_group", name);
    let listeners = super::msk::listeners(msk.provisioned.as_ref());
    let exporters = msk.provisioned.as_ref().map(super::Provisioned::exporter_ports).unwrap_or_default();
    let mut all = Vec::new();
    for (name, _) in groups(design) {
        let (mut ingress, mut egress) = (Vec::new(), Vec::new());
        match name {
            "brokers" => {
                for one in &listeners {
                    ingress.push(rule(one.port, group("clients"), one.what));
                    for block in &design.stack.network.clients {
                        let ports = [Some(one.port), one.public_port].into_iter().flatten();
                        ingress.extend(ports.map(|port| rule(port, Ref(block.to_string()), one.what)));
                    }
                }
                ingress.extend(exporters.iter().map(|(port, what)| rule(*port, group("clients"), what)));
            }
            "clients" => {
                egress.extend(listeners.iter().map(|one| rule(one.port, group("brokers"), one.what)));
                egress.extend(exporters.iter().map(|(port, what)| rule(*port, group("brokers"), what)));
            }
            _ => ingress.push(rule(443, group("clients"), "Kafka clients to AWS services")),
        }
        all.push((name.to_owned(), SecurityGroupRules { group: group(name), ingress, egress }));
    }
    all
}

/// The id of a group's rules: no id of AWS's, only different from the group's own.
fn rules_id(group: &str) -> String {
    format!("{group}/rules")
}

/// One permission as rules, one for each peer.
fn rules(permission: &IpPermission) -> Vec<Rule> {
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
    let groups = permission.user_id_group_pairs().iter().map(|pair| rule(pair.group_id(), pair.description()));
    let blocks = permission.ip_ranges().iter().map(|range| rule(range.cidr_ip(), range.description()));
    let blocks6 = permission.ipv6_ranges().iter().map(|range| rule(range.cidr_ipv6(), range.description()));
    let lists = permission.prefix_list_ids().iter().map(|list| rule(list.prefix_list_id(), list.description()));
    groups.chain(blocks).chain(blocks6).chain(lists).collect()
}

/// The permission of one rule, with its peer as an id.
fn permission(rule: &Rule) -> IpPermission {
    let (protocol, range) = rule.ports.split_once(' ').unwrap_or((&rule.ports, ""));
    let (from, to) = range.split_once('-').unwrap_or((range, range));
    let peer = rule.peer.0.as_str();
    let description = Some(rule.description.clone()).filter(|text| !text.is_empty());
    let builder = IpPermission::builder()
        .ip_protocol(if protocol == "all" { "-1" } else { protocol })
        .set_from_port(from.parse().ok())
        .set_to_port(to.parse().ok());
    if peer.starts_with("sg-") {
        builder.user_id_group_pairs(UserIdGroupPair::builder().group_id(peer).set_description(description).build()).build()
    } else if peer.starts_with("pl-") {
        builder.prefix_list_ids(PrefixListId::builder().prefix_list_id(peer).set_description(description).build()).build()
    } else if peer.contains(':') {
        builder.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(peer).set_description(description).build()).build()
    } else {
        builder.ip_ranges(IpRange::builder().cidr_ip(peer).set_description(description).build()).build()
    }
}

/// A rule that is gone already: another look tells, since AWS has then removed none of the others either. A group that is not there
/// is something else: what was just made may not be known to this call yet.
fn look_again(error: CloudError) -> CloudError {
    match error.code.as_deref() {
        Some("InvalidPermission.NotFound") => CloudError { class: Class::AlreadyDone, ..error },
        _ => error,
    }
}

impl SecurityGroupRules {
    /// Adds and removes rules until the live group has these. The calls take no token: it looks first. A rule is removed
    /// before one is added, since a rule with another description is the same rule to AWS.
    async fn bring(&self, ctx: &Ctx<'_>) -> Result<(), CloudError> {
        let (aws, ec2) = (ctx.aws, &ctx.aws.clients.ec2);
        let id = ctx.id(&self.group)?;
        let all = aws.groups.since(Instant::now(), || fetch(aws)).await?;
        let live = all.iter().find(|group| group.group_id() == Some(id.as_str()));
        let known = |list: &[Rule]| -> Result<BTreeSet<Rule>, CloudError> {
            list.iter().map(|rule| Ok(Rule { peer: Ref(ctx.id(&rule.peer)?), ..rule.clone() })).collect()
        };
        let split = |wanted: &BTreeSet<Rule>, live: BTreeSet<Rule>| {
            let add: Vec<IpPermission> = wanted.difference(&live).map(permission).collect();
            let remove: Vec<IpPermission> = live.difference(wanted).map(permission).collect();
            (add, remove)
        };
        let live_in = live.map(|group| group.ip_permissions().iter().flat_map(rules).collect()).unwrap_or_default();
        let live_out = match live {
            Some(group) => group.ip_permissions_egress().iter().flat_map(rules).collect(),
            // Not visible yet: a new group lets everything out.
            None => BTreeSet::from([Rule { ports: "all".into(), peer: Ref("0.0.0.0/0".into()), description: String::new() }]),
        };
        let (add_in, remove_in) = split(&known(&self.ingress)?, live_in);
        let (add_out, remove_out) = split(&known(&self.egress)?, live_out);
        if !remove_in.is_empty() {
            let call = ec2.revoke_security_group_ingress().group_id(&id).set_ip_permissions(Some(remove_in));
            call.send().await.map_err(cloud("RevokeSecurityGroupIngress")).map_err(look_again)?;
        }
        if !remove_out.is_empty() {
            let call = ec2.revoke_security_group_egress().group_id(&id).set_ip_permissions(Some(remove_out));
            call.send().await.map_err(cloud("RevokeSecurityGroupEgress")).map_err(look_again)?;
        }
        if !add_in.is_empty() {
            let call = ec2.authorize_security_group_ingress().group_id(&id).set_ip_permissions(Some(add_in));
            call.send().await.map_err(cloud("AuthorizeSecurityGroupIngress"))?;
        }
        if !add_out.is_empty() {
            let call = ec2.authorize_security_group_egress().group_id(&id).set_ip_permissions(Some(add_out));
            call.send().await.map_err(cloud("AuthorizeSecurityGroupEgress"))?;
        }
        Ok(())
    }
}
