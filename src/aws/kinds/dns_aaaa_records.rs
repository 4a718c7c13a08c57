//! The IPv6 addresses of a stack's brokers in DNS, under the same names as those of IPv4.
//!
//! A discovery tells of each address whose interface has it; which address an interface has is read when a record is made.

use std::collections::BTreeMap;

use super::dns_records::{addresses, bring, is_marked, one_ttl, ttl_of, values_of};
use super::network_interface::{fetch, own_ipv6};
use crate::aws::names::{bare, record, zone_id};
use crate::aws::{Aws, Class, Done, READY_TIMEOUT};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use aws_sdk_ec2::types::NetworkInterface;
use aws_sdk_route53::types::{ChangeAction, ResourceRecordSet, RrType};
use kstack_core::kinds::dns_aaaa_records::{MAIN, NameOf};
use kstack_core::kinds::{DnsAaaaRecords, Kind as _};
use kstack_core::model::{Address, FieldChange, Ref, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::call;
use serde_json::Value;

impl Driver<Aws> for DnsAaaaRecords {
    const CALLS: Calls = Calls {
        discover: &[call("ListHostedZones"), call("ListResourceRecordSets"), call("DescribeNetworkInterfaces")],
        create: &[call("DescribeNetworkInterfaces"), call("ChangeResourceRecordSets")],
        update: &[call("DescribeNetworkInterfaces"), call("ListResourceRecordSets"), call("ChangeResourceRecordSets")],
        delete: &[call("ListResourceRecordSets"), call("ChangeResourceRecordSets")],
        retag: &[],
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        // In a discovery of every stack, what is in their zones would be a call for each: the names of IPv4 stand for these.
        if aws.all() {
            return Ok(Vec::new());
        }
        let interfaces = aws.interfaces.since(aws.round(), || fetch(aws)).await?;
        let mut found = Vec::new();
        for zone in aws.every_zone().await?.iter() {
            let (id, domain) = (zone_id(zone.id()), bare(zone.name()));
            let here = |all: &[(String, ResourceRecordSet)]| -> Vec<ResourceRecordSet> {
                all.iter().filter(|(of, _)| of == id).map(|(_, one)| one.clone()).collect()
            };
            let mut add = |stack: &str, domain: &str, all: &[ResourceRecordSet]| {
                let spec = of(id, domain, all, &interfaces);
                found.extend(Some(spec).filter(|spec| !spec.names.is_empty()).map(|spec| ours(stack, spec)));
            };
            if let Some(stack) = aws.stack_of_zone(zone) {
                add(stack, domain, &here(&aws.own_records().await?));
                continue;
            }
            let stacks = aws.stacks_in(id);
            if stacks.is_empty() {
                continue;
            }
            let all = here(&aws.named_records().await?);
            for stack in stacks {
                let domain = format!("{stack}.{domain}");
                // Whose they are is said for the names of IPv4 and these at once.
                if is_marked(aws, &stack, &domain, &all) {
                    add(&stack, &domain, &all);
                }
            }
        }
        Ok(found)
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let zone = ctx.id(&self.zone)?;
        let mut changes = Vec::new();
        for (name, values) in values(&self.names, ctx).await? {
            changes.push((ChangeAction::Create, record(&name, RrType::Aaaa, self.ttl, &values)?));
        }
        ctx.system.clients.change_records(&zone, changes).await?;
        Ok(records_id(&zone))
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, _: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        let listed = changes.iter().find(|change| change.field == "names").map(|change| &change.after);
        let read = |value: &Value| serde_json::from_value::<Vec<NameOf>>(value.clone());
        let listed = listed.map(read).transpose();
        let listed = listed.map_err(|error| StepError::Internal(format!("the change of `names`: {error}")))?;
        let wanted = values(listed.as_ref().unwrap_or(&self.names), ctx).await?;
        bring(ctx, &ctx.id(&self.zone)?, &self.domain, RrType::Aaaa, &wanted, self.ttl).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, _: &str) -> Result<(), StepError> {
        let (zone, clients) = (ctx.id(&self.zone)?, &ctx.system.clients);
        let all = match clients.records(&zone, Some(&self.domain)).await {
            Err(error) if error.class() == Class::NotFound => return Ok(()),
            all => all?,
        };
        let mine = addresses(&all, RrType::Aaaa, &self.domain);
        let changes = mine.map(|(_, one)| (ChangeAction::Delete, one.clone())).collect();
        clients.change_records(&zone, changes).await.or_gone()
    }

    async fn retag(_: &Ctx<'_, Aws>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(()) // Records have no tags.
    }
}

fn records_id(zone: &str) -> String {
    format!("{zone}/aaaa")
}

fn ours(stack: &str, spec: DnsAaaaRecords) -> Found<DnsAaaaRecords> {
    let address = Address::new(DnsAaaaRecords::NAME, MAIN).to_string();
    let tags = [(tag::STACK, stack.to_owned()), (tag::ADDRESS, address)].map(|(key, value)| (key.to_owned(), value));
    let id = records_id(spec.zone.id().unwrap_or_default());
    Found { id, tags: tags.into(), spec, terminated: false }
}

/// The names in `domain` of what is in the zone, each with the interface that has its address, or with the address where none has.
fn of(zone: &str, domain: &str, all: &[ResourceRecordSet], interfaces: &[NetworkInterface]) -> DnsAaaaRecords {
    let owner = |address: &str| {
        let mut having = interfaces.iter().filter(|one| own_ipv6(one).is_some_and(|own| address.parse() == Ok(own)));
        having.find_map(|one| one.network_interface_id()).unwrap_or(address).to_owned()
    };
    let (mut names, mut ttls) = (Vec::new(), Vec::new());
    for (name, one) in addresses(all, RrType::Aaaa, domain) {
        let of = values_of(one).into_iter().map(|value| owner(&value));
        names.extend(of.map(|id| NameOf { name: name.to_owned(), interface: Ref::Id(id) }));
        ttls.push(ttl_of(one));
    }
    DnsAaaaRecords { zone: Ref::live(Some(zone)), domain: domain.to_owned(), names, ttl: one_ttl(ttls) }
}

/// The addresses of each name, sorted: those that the interfaces have, which are waited for.
async fn values(names: &[NameOf], ctx: &Ctx<'_, Aws>) -> Result<BTreeMap<String, Vec<String>>, StepError> {
    let mut ids = Vec::new();
    for one in names {
        ids.push((one.name.clone(), ctx.id(&one.interface)?));
    }
    let ready = |all: &[NetworkInterface]| {
        let address = |id: &str| match id.starts_with("eni-") {
            true => own_ipv6(all.iter().find(|one| one.network_interface_id() == Some(id))?).map(|own| own.to_string()),
            false => Some(id.to_owned()),
        };
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, id) in &ids {
            let Some(address) = address(id) else { return Ok(None) };
            values.entry(name.clone()).or_default().push(address);
        }
        values.values_mut().for_each(|values| values.sort());
        Ok(Some(values))
    };
    let what = "the IPv6 addresses of the interfaces";
    ctx.system.interfaces.wait(what, READY_TIMEOUT, || fetch(ctx.system), ready).await
}
