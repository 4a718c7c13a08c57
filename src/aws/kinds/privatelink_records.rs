//! The names of a PrivateLink service: each leads to a name of the stack's endpoint.
//!
//! What an endpoint is called is known once it is there: its names are read when a record is made, and a discovery tells of each record
//! which endpoint has the name that it leads to.

use std::collections::BTreeMap;

use super::dns_records::{one_ttl, ttl_of, values_of};
use super::vpc_endpoint::{fetch, state};
use crate::aws::names::{bare, plain, record, zone_id};
use crate::aws::{Aws, Class, Done, READY_TIMEOUT};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use aws_sdk_ec2::types::VpcEndpoint;
use aws_sdk_route53::types::{ChangeAction, ResourceRecordSet, RrType};
use kstack_core::kinds::hosted_zone::PRIVATELINK;
use kstack_core::kinds::privatelink_records::{Alias, is_given};
use kstack_core::kinds::vpc_endpoint::ASKED;
use kstack_core::kinds::{Kind as _, PrivatelinkRecords};
use kstack_core::model::{Address, FieldChange, Ref, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::call;
use serde_json::Value;

impl Driver<Aws> for PrivatelinkRecords {
    const CALLS: Calls = Calls {
        discover: &[call("ListHostedZones"), call("ListResourceRecordSets"), call("DescribeVpcEndpoints")],
        create: &[call("DescribeVpcEndpoints"), call("ChangeResourceRecordSets")],
        update: &[call("DescribeVpcEndpoints"), call("ListResourceRecordSets"), call("ChangeResourceRecordSets")],
        delete: &[call("ListResourceRecordSets"), call("ChangeResourceRecordSets")],
        retag: &[],
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let mut found = Vec::new();
        for zone in aws.every_zone().await?.iter() {
            let Some((stack, PRIVATELINK)) = aws.owner_of_zone(zone) else { continue };
            let (id, domain) = (zone_id(zone.id()), bare(zone.name()));
            // In a discovery of every stack, what is in their zones would be a call for each: two records are a zone's own.
            let some = match aws.all() {
                true => (zone.resource_record_set_count() > Some(2)).then(|| of(id, domain, &[], &[])),
                false => {
                    let endpoints = aws.endpoints.since(aws.round(), || fetch(aws)).await?;
                    let all = aws.own_records().await?;
                    let here: Vec<_> = all.iter().filter(|(of, _)| of == id).map(|(_, one)| one.clone()).collect();
                    Some(of(id, domain, &here, &endpoints)).filter(|spec| !spec.names.is_empty())
                }
            };
            found.extend(some.map(|spec| ours(stack, spec)));
        }
        Ok(found)
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let zone = ctx.id(&self.zone)?;
        let mut changes = Vec::new();
        for (name, target) in targets(&self.names, ctx).await? {
            changes.push((ChangeAction::Create, record(&name, RrType::Cname, self.ttl, &[target])?));
        }
        ctx.system.clients.change_records(&zone, changes).await?;
        Ok(records_id(&zone))
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, _: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        let listed = changes.iter().find(|change| change.field == "names").map(|change| &change.after);
        let read = |value: &Value| serde_json::from_value::<Vec<Alias>>(value.clone());
        let listed = listed.map(read).transpose();
        let listed = listed.map_err(|error| StepError::Internal(format!("the change of `names`: {error}")))?;
        let wanted = targets(listed.as_ref().unwrap_or(&self.names), ctx).await?;
        let (zone, clients) = (ctx.id(&self.zone)?, &ctx.system.clients);
        let live = clients.records(&zone, Some(&self.domain)).await?;
        let live: BTreeMap<String, &ResourceRecordSet> = given(&live, &self.domain).collect();
        let mut changes = Vec::new();
        for (name, target) in &wanted {
            let new = record(name, RrType::Cname, self.ttl, std::slice::from_ref(target))?;
            match live.get(name) {
                None => changes.push((ChangeAction::Create, new)),
                Some(old) if values_of(old) != [target.as_str()] || old.ttl() != new.ttl() => {
                    changes.push((ChangeAction::Upsert, new));
                }
                Some(_) => {}
            }
        }
        let dropped = live.iter().filter(|(name, _)| !wanted.contains_key(*name));
        changes.extend(dropped.map(|(_, old)| (ChangeAction::Delete, (*old).clone())));
        clients.change_records(&zone, changes).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, _: &str) -> Result<(), StepError> {
        let (zone, clients) = (ctx.id(&self.zone)?, &ctx.system.clients);
        let all = match clients.records(&zone, Some(&self.domain)).await {
            Err(error) if error.class() == Class::NotFound => return Ok(()),
            all => all?,
        };
        let changes = given(&all, &self.domain).map(|(_, one)| (ChangeAction::Delete, one.clone())).collect();
        clients.change_records(&zone, changes).await.or_gone()
    }

    async fn retag(_: &Ctx<'_, Aws>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(()) // Records have no tags.
    }
}

fn records_id(zone: &str) -> String {
    format!("{zone}/privatelink")
}

fn ours(stack: &str, spec: PrivatelinkRecords) -> Found<PrivatelinkRecords> {
    let address = Address::new(PrivatelinkRecords::NAME, PRIVATELINK).to_string();
    let tags = [(tag::STACK, stack.to_owned()), (tag::ADDRESS, address)].map(|(key, value)| (key.to_owned(), value));
    let id = records_id(spec.zone.id().unwrap_or_default());
    Found { id, tags: tags.into(), spec, terminated: false }
}

/// The names in `domain` that kstack gives, with their records.
fn given<'a>(all: &'a [ResourceRecordSet], domain: &str) -> impl Iterator<Item = (String, &'a ResourceRecordSet)> {
    let of_type = all.iter().filter(|one| *one.r#type() == RrType::Cname);
    of_type.map(|one| (plain(one.name()), one)).filter(move |(name, _)| is_given(name, domain))
}

/// The names in `domain` of what is in the zone.
fn of(zone: &str, domain: &str, all: &[ResourceRecordSet], endpoints: &[VpcEndpoint]) -> PrivatelinkRecords {
    let owner = |target: &str| {
        endpoints.iter().find_map(|endpoint| {
            let id = endpoint.vpc_endpoint_id()?;
            let name = names(endpoint).into_iter().find(|(_, name)| name == target);
            name.map(|(zone, _)| (id.to_owned(), zone))
        })
    };
    let (mut names, mut ttls) = (Vec::new(), Vec::new());
    for (name, one) in given(all, domain) {
        names.extend(values_of(one).into_iter().map(|target| {
            let (id, zone) = owner(bare(&target)).unwrap_or((target, None));
            Alias { name: name.clone(), endpoint: Ref::Id(id), zone }
        }));
        ttls.push(ttl_of(one));
    }
    PrivatelinkRecords { zone: Ref::live(Some(zone)), domain: domain.to_owned(), names, ttl: one_ttl(ttls) }
}

/// What AWS calls the endpoint: the first name leads to each of its interfaces, and those whose first label goes on with a zone's name to
/// the one there.
fn names(endpoint: &VpcEndpoint) -> Vec<(Option<String>, String)> {
    let all: Vec<&str> = endpoint.dns_entries().iter().filter_map(|entry| entry.dns_name()).map(bare).collect();
    let label = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let Some(first) = all.iter().min_by_key(|name| name.len()).map(|name| label(name)) else { return Vec::new() };
    let zone = |name: &str| label(name).strip_prefix(&first)?.strip_prefix('-').map(str::to_owned);
    all.into_iter().map(|name| (zone(name), name.to_owned())).collect()
}

/// What each name is to lead to. An endpoint that comes up gets its names soon; one that its service's owner has to accept may have none.
async fn targets(wanted: &[Alias], ctx: &Ctx<'_, Aws>) -> Result<BTreeMap<String, String>, StepError> {
    let mut ids = Vec::new();
    for alias in wanted {
        ids.push((alias, ctx.id(&alias.endpoint)?));
    }
    let ready = |all: &[VpcEndpoint]| {
        let mut targets = BTreeMap::new();
        for (alias, id) in &ids {
            let target = if id.starts_with("vpce-") && !id.contains('.') {
                let Some(endpoint) = all.iter().find(|one| one.vpc_endpoint_id() == Some(id)) else { return Ok(None) };
                let name = names(endpoint).into_iter().find(|(zone, _)| *zone == alias.zone).map(|(_, name)| name);
                if name.is_none() && state(endpoint) == ASKED {
                    let why = "have the owner of its service accept it, and apply again";
                    return Err(StepError::ended(format!("the endpoint {id} has no names yet"), why));
                }
                let Some(name) = name else { return Ok(None) };
                name
            } else {
                id.clone()
            };
            targets.insert(alias.name.clone(), target);
        }
        Ok(Some(targets))
    };
    let what = "the names of the endpoint";
    ctx.system.endpoints.wait(what, READY_TIMEOUT, || fetch(ctx.system), ready).await
}
