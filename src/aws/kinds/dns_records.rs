//! The names of a stack's brokers in DNS: one for each, and one for all.
//!
//! They are made by one call, which makes all or none, and only where there is nothing of their names: nothing of others is ever
//! overwritten. In a zone of others the text record that says whose they are is made in the same call.

use std::collections::BTreeMap;

use crate::aws::names::{bare, record, zone_id};
use crate::aws::{Aws, Class, Done};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use aws_sdk_route53::types::{ChangeAction, ResourceRecordSet, RrType};
use kstack_core::kinds::dns_records::{MAIN, is_given, marker, marker_name};
use kstack_core::kinds::{DnsRecords, Kind as _};
use kstack_core::model::{Address, FieldChange, Ref, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::call;

impl Driver<Aws> for DnsRecords {
    const CALLS: Calls = Calls {
        discover: &[call("ListHostedZones"), call("ListResourceRecordSets")],
        create: &[call("ChangeResourceRecordSets")],
        update: &[call("ListResourceRecordSets"), call("ChangeResourceRecordSets")],
        delete: &[call("ListResourceRecordSets"), call("ChangeResourceRecordSets")],
        retag: &[],
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let mut found = Vec::new();
        for zone in aws.every_zone().await?.iter() {
            let (id, domain) = (zone_id(zone.id()), bare(zone.name()));
            if let Some(stack) = aws.stack_of_zone(zone) {
                // In a discovery of every stack, what is in their zones would be a call for each: two records are a zone's own.
                let some = match aws.all() {
                    true => (zone.resource_record_set_count() > Some(2)).then(|| of(id, domain, &[])),
                    false => {
                        let all = aws.own_records().await?;
                        let here: Vec<_> = all.iter().filter(|(of, _)| of == id).map(|(_, one)| one.clone()).collect();
                        Some(of(id, domain, &here)).filter(|spec| !spec.records.is_empty())
                    }
                };
                found.extend(some.map(|spec| ours(stack, spec)));
                continue;
            }
            let stacks = aws.stacks_in(id);
            if stacks.is_empty() {
                continue;
            }
            let all = aws.named_records().await?;
            let all: Vec<_> = all.iter().filter(|(of, _)| of == id).map(|(_, one)| one.clone()).collect();
            found.extend(stacks.iter().flat_map(|stack| in_zone_of_others(aws, stack, id, domain, &all)));
        }
        Ok(found)
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let zone = ctx.id(&self.zone)?;
        let mut all = Vec::new();
        if self.zone.id().is_some() {
            let (name, value) =
                (marker_name(&self.domain), quoted(&marker(&ctx.system.clients.region, ctx.system.stack())));
            all.push(record(&name, RrType::Txt, self.ttl, &[value])?);
        }
        for (name, values) in by_name(&self.records) {
            all.push(record(&name, RrType::A, self.ttl, &values)?);
        }
        let changes = all.into_iter().map(|one| (ChangeAction::Create, one)).collect();
        ctx.system.clients.change_records(&zone, changes).await?;
        Ok(records_id(&zone))
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, _: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        let listed = changes.iter().find(|change| change.field == "records").and_then(|change| change.after.as_array());
        let listed = listed.map(|all| all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect());
        let wanted = by_name(&listed.unwrap_or_else(|| self.records.clone()));
        bring(ctx, &ctx.id(&self.zone)?, &self.domain, RrType::A, &wanted, self.ttl).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, _: &str) -> Result<(), StepError> {
        let (zone, clients) = (ctx.id(&self.zone)?, &ctx.system.clients);
        let marker = marker_name(&self.domain);
        let all = match clients.records(&zone, Some(&self.domain)).await {
            Err(error) if error.class() == Class::NotFound => return Ok(()),
            all => all?,
        };
        let is_marker = |one: &&ResourceRecordSet| *one.r#type() == RrType::Txt && bare(one.name()) == marker;
        let mine = addresses(&all, RrType::A, &self.domain).map(|(_, one)| one).chain(all.iter().filter(is_marker));
        let changes = mine.map(|one| (ChangeAction::Delete, one.clone())).collect();
        clients.change_records(&zone, changes).await.or_gone()
    }

    async fn retag(_: &Ctx<'_, Aws>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(()) // Records have no tags.
    }
}

/// Brings the addresses of one type of the names in `domain` to those that are `wanted`, each name's in one change.
///
/// # Errors
/// AWS's answer.
pub(super) async fn bring(
    ctx: &Ctx<'_, Aws>,
    zone: &str,
    domain: &str,
    kind: RrType,
    wanted: &BTreeMap<String, Vec<String>>,
    ttl: u64,
) -> Result<(), StepError> {
    let clients = &ctx.system.clients;
    let live = clients.records(zone, Some(domain)).await?;
    let live: BTreeMap<&str, &ResourceRecordSet> = addresses(&live, kind.clone(), domain).collect();
    let mut changes = Vec::new();
    for (name, values) in wanted {
        let new = record(name, kind.clone(), ttl, values)?;
        match live.get(name.as_str()) {
            None => changes.push((ChangeAction::Create, new)),
            Some(old) if values_of(old) != *values || old.ttl() != new.ttl() => {
                changes.push((ChangeAction::Upsert, new));
            }
            Some(_) => {}
        }
    }
    let dropped = live.iter().filter(|(name, _)| !wanted.contains_key(**name));
    changes.extend(dropped.map(|(_, old)| (ChangeAction::Delete, (*old).clone())));
    clients.change_records(zone, changes).await
}

fn records_id(zone: &str) -> String {
    format!("{zone}/records")
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

pub(super) fn values_of(record: &ResourceRecordSet) -> Vec<String> {
    let mut values: Vec<String> = record.resource_records().iter().map(|one| one.value().to_owned()).collect();
    values.sort();
    values
}

/// The addresses of each name in `records`, sorted.
fn by_name(records: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, address) in records.iter().filter_map(|one| one.split_once(' ')) {
        all.entry(name.to_owned()).or_default().push(address.to_owned());
    }
    all.values_mut().for_each(|values| values.sort());
    all
}

/// The names in `domain` that kstack gives brokers, with their records of this type.
pub(super) fn addresses<'a>(
    all: &'a [ResourceRecordSet],
    kind: RrType,
    domain: &str,
) -> impl Iterator<Item = (&'a str, &'a ResourceRecordSet)> {
    let given = move |one: &&ResourceRecordSet| *one.r#type() == kind && is_given(bare(one.name()), domain);
    all.iter().filter(given).map(|one| (bare(one.name()), one))
}

/// The names in `domain` of what is in the zone.
fn of(zone: &str, domain: &str, all: &[ResourceRecordSet]) -> DnsRecords {
    let mut records = Vec::new();
    let mut ttls: Vec<u64> = Vec::new();
    for (name, one) in addresses(all, RrType::A, domain) {
        records.extend(values_of(one).into_iter().map(|value| format!("{name} {value}")));
        ttls.push(ttl_of(one));
    }
    let ttl = one_ttl(ttls);
    DnsRecords { zone: Ref::live(Some(zone)), domain: domain.to_owned(), records, ttl }
}

pub(super) fn ttl_of(record: &ResourceRecordSet) -> u64 {
    record.ttl().and_then(|ttl| u64::try_from(ttl).ok()).unwrap_or_default()
}

/// The time to live of several records. No file has 0, so records that differ are brought to one.
pub(super) fn one_ttl(mut all: Vec<u64>) -> u64 {
    all.sort_unstable();
    all.dedup();
    if let [one] = all[..] { one } else { 0 }
}

fn ours(stack: &str, spec: DnsRecords) -> Found<DnsRecords> {
    let address = Address::new(DnsRecords::NAME, MAIN).to_string();
    let tags = [(tag::STACK, stack.to_owned()), (tag::ADDRESS, address)].map(|(key, value)| (key.to_owned(), value));
    let id = records_id(spec.zone.id().unwrap_or_default());
    Found { id, tags: tags.into(), spec, terminated: false }
}

/// The stack's names in a zone of others; where its mark is missing, each of its names that somebody else has.
fn in_zone_of_others(
    aws: &Aws,
    stack: &str,
    zone: &str,
    domain: &str,
    all: &[ResourceRecordSet],
) -> Vec<Found<DnsRecords>> {
    let domain = format!("{stack}.{domain}");
    let spec = of(zone, &domain, all);
    if is_marked(aws, stack, &domain, all) {
        return vec![ours(stack, spec)];
    }
    let given = all.iter().map(|one| bare(one.name())).filter(|name| is_given(name, &domain));
    let mut ids: Vec<String> = given.map(|name| format!("{zone}/{name}")).collect();
    ids.sort();
    ids.dedup();
    let found = |id| Found { id, tags: Tags::new(), spec: spec.clone(), terminated: false };
    ids.into_iter().map(found).collect()
}

/// Whether what stands beside the names in `domain` says that they are the stack's.
pub(super) fn is_marked(aws: &Aws, stack: &str, domain: &str, all: &[ResourceRecordSet]) -> bool {
    let (name, value) = (marker_name(domain), quoted(&marker(&aws.clients.region, stack)));
    let is_marker = |one: &ResourceRecordSet| {
        *one.r#type() == RrType::Txt && bare(one.name()) == name && values_of(one) == [value.as_str()]
    };
    all.iter().any(is_marker)
}
