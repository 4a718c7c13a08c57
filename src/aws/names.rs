//! Hosted zones and their records in Route 53, for the kinds of a stack's names and for what a plan asks about them.
//!
//! A zone gets its tags in a call of its own, after the one that makes it. So it is known by the reference of the latter, which has
//! the stack's name in it and never changes: whenever a run dies, the zone is found again, and nobody can give it to another.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, HostedZone, ResourceRecord, ResourceRecordSet, RrType, TagResourceType,
    VpcRegion,
};

use super::{Aws, Clients, failed};
use crate::error::{Class, StepError};
use kstack_core::design::HostedZoneFacts;
use kstack_core::kinds::hosted_zone::MAIN;
use kstack_core::model::{OWN_ZONE, Tags};
use kstack_core::stack::Stack;

/// How many changes go in one call. Source: Route 53's developer guide, "Quotas", 2026: 1,000, of which an UPSERT counts twice.
const CHANGES: usize = 500;
/// How many resources one call lists the tags of, and how many tags one call sets. Source: Route 53's API reference, 2026.
const TAGS: usize = 10;

/// Whether `stack` has a zone for the names of a PrivateLink service by its file.
pub fn has_privatelink(stack: &Stack) -> bool {
    stack.network.privatelink.as_ref().is_some_and(|link| link.domain.is_some())
}

/// Where the names of the brokers of `stack` are by its file, as its record has it.
pub fn place(stack: &Stack) -> Option<String> {
    let dns = stack.network.dns.as_ref()?;
    Some(dns.existing.as_ref().map_or_else(|| OWN_ZONE.to_owned(), ToString::to_string))
}

/// A domain without the dot at its end.
pub fn bare(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// The same of a name that may begin with an asterisk, which Route 53 lists as its code. Source: its developer guide, "Using an asterisk (*)
/// in the names of hosted zones and records", 2026.
pub fn plain(name: &str) -> String {
    bare(name).replace("\\052", "*")
}

/// The id without its path.
pub fn zone_id(id: &str) -> &str {
    id.strip_prefix("/hostedzone/").unwrap_or(id)
}

impl Aws {
    /// Says that `stack` may have names in `zone`: Route 53 is asked for them from now on. Whether that was not known.
    pub fn expect_names(&self, stack: &str, zone: &str) -> bool {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.entry(stack.to_owned()).or_default().insert(zone.to_owned())
    }

    /// Whether Route 53 is asked at all.
    pub fn expects_names(&self) -> bool {
        !self.names.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The stacks that may have names in `zone`, which is of others.
    pub fn stacks_in(&self, zone: &str) -> Vec<String> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().filter(|(_, zones)| zones.contains(zone)).map(|(stack, _)| stack.clone()).collect()
    }

    /// The reference of the call that makes the zone `name` of the stack.
    pub fn zone_reference(&self, name: &str, token: &str) -> String {
        let more = if name == MAIN { String::new() } else { format!("{name}/") };
        format!("kstack/{}/{}/{more}{token}", self.clients.region, self.stack())
    }

    /// The stack that has made `zone`, where it is one that is worked with, and the zone's name in it.
    pub fn owner_of_zone<'a>(&self, zone: &'a HostedZone) -> Option<(&'a str, &'a str)> {
        let of_region = zone.caller_reference().strip_prefix("kstack/")?.strip_prefix(self.clients.region.as_str())?;
        let (stack, rest) = of_region.strip_prefix('/')?.split_once('/')?;
        let name = rest.split_once('/').map_or(MAIN, |(name, _)| name);
        (self.all() || stack == self.stack()).then_some((stack, name))
    }

    /// The stack that has made `zone` for the names of its brokers.
    pub fn stack_of_zone<'a>(&self, zone: &'a HostedZone) -> Option<&'a str> {
        self.owner_of_zone(zone).filter(|(_, name)| *name == MAIN).map(|(stack, _)| stack)
    }

    /// Every hosted zone of the account, asked for once in a discovery.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn every_zone(&self) -> Result<std::sync::Arc<Vec<HostedZone>>, StepError> {
        let fetch = || async {
            let pages = self.clients.route53.list_hosted_zones().into_paginator().send();
            let pages = pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("ListHostedZones"))?;
            Ok(pages.into_iter().flat_map(|page| page.hosted_zones).collect())
        };
        self.zones.since(self.round(), fetch).await
    }

    /// The records in the stack's own zones, each with its zone's id, asked for once in a discovery.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn own_records(&self) -> Result<std::sync::Arc<Vec<(String, ResourceRecordSet)>>, StepError> {
        let zones = self.every_zone().await?;
        let fetch = || async {
            let mut all = Vec::new();
            for zone in zones.iter().filter(|zone| self.owner_of_zone(zone).is_some()) {
                let id = zone_id(zone.id());
                // A zone that was listed may be gone.
                let records = match self.clients.records(id, None).await {
                    Err(error) if error.class() == Class::NotFound => Vec::new(),
                    records => records?,
                };
                all.extend(records.into_iter().map(|record| (id.to_owned(), record)));
            }
            Ok(all)
        };
        self.records.since(self.round(), fetch).await
    }

    /// The records in zones of others in which stacks may have names, each with its zone's id, asked for once in a discovery.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn named_records(&self) -> Result<std::sync::Arc<Vec<(String, ResourceRecordSet)>>, StepError> {
        let zones = self.every_zone().await?;
        let fetch = || async {
            let mut all = Vec::new();
            for zone in zones.iter().filter(|zone| self.owner_of_zone(zone).is_none()) {
                let (id, domain) = (zone_id(zone.id()), bare(zone.name()));
                // One look for several stacks, and where it is one stack, at its own names only.
                let below = match &self.stacks_in(id)[..] {
                    [] => continue,
                    [stack] => Some(format!("{stack}.{domain}")),
                    _ => None,
                };
                let records = self.clients.records(id, below.as_deref()).await?;
                all.extend(records.into_iter().map(|record| (id.to_owned(), record)));
            }
            Ok(all)
        };
        self.others_records.since(self.round(), fetch).await
    }
}

impl Clients {
    /// The records of `zone`; those at or below `domain`, where one is named.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn records(&self, zone: &str, domain: Option<&str>) -> Result<Vec<ResourceRecordSet>, StepError> {
        let inside = |name: &str| {
            domain.is_none_or(|domain| {
                bare(name).strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            })
        };
        let mut call = self.route53.list_resource_record_sets().hosted_zone_id(zone);
        call = call.set_start_record_name(domain.map(str::to_owned));
        let mut all = Vec::new();
        loop {
            let page = call.clone().send().await.map_err(failed("ListResourceRecordSets"))?;
            let ours = all.len();
            all.extend(page.resource_record_sets.into_iter().filter(|record| inside(record.name())));
            // They are sorted by domain: a page without any is behind them all.
            if !page.is_truncated || all.len() == ours && domain.is_some() {
                return Ok(all);
            }
            call = call.set_start_record_name(page.next_record_name).set_start_record_type(page.next_record_type);
            call = call.set_start_record_identifier(page.next_record_identifier);
        }
    }

    /// Changes the records of `zone`: of each call's changes all are made, or none.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn change_records(
        &self,
        zone: &str,
        changes: Vec<(ChangeAction, ResourceRecordSet)>,
    ) -> Result<(), StepError> {
        for some in changes.chunks(CHANGES) {
            let mut batch = ChangeBatch::builder();
            for (action, record) in some {
                let change = Change::builder().action(action.clone()).resource_record_set(record.clone()).build();
                batch = batch.changes(change.map_err(|error| StepError::Internal(error.to_string()))?);
            }
            let batch = batch.build().map_err(|error| StepError::Internal(error.to_string()))?;
            let call = self.route53_no_retry.change_resource_record_sets().hosted_zone_id(zone).change_batch(batch);
            call.send().await.map_err(failed("ChangeResourceRecordSets"))?;
        }
        Ok(())
    }

    /// The tags of hosted zones, by their ids.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn zone_tags(&self, ids: &[String]) -> Result<BTreeMap<String, Tags>, StepError> {
        let mut all = BTreeMap::new();
        for some in ids.chunks(TAGS) {
            let call = self.route53.list_tags_for_resources().resource_type(TagResourceType::Hostedzone);
            let answer = call.set_resource_ids(Some(some.to_vec())).send().await;
            for set in answer.map_err(failed("ListTagsForResources"))?.resource_tag_sets {
                let pairs = set.tags.unwrap_or_default().into_iter();
                let tags = pairs.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect();
                all.insert(set.resource_id.unwrap_or_default(), tags);
            }
        }
        Ok(all)
    }

    /// Sets and removes tags of a hosted zone.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn tag_zone(&self, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        let call =
            || self.route53.change_tags_for_resource().resource_type(TagResourceType::Hostedzone).resource_id(id);
        let tags: Vec<_> = set
            .iter()
            .map(|(key, value)| aws_sdk_route53::types::Tag::builder().key(key).value(value).build())
            .collect();
        for some in tags.chunks(TAGS) {
            let answer = call().set_add_tags(Some(some.to_vec())).send().await;
            answer.map_err(failed("ChangeTagsForResource"))?;
        }
        for some in unset.chunks(TAGS) {
            let answer = call().set_remove_tag_keys(Some(some.to_vec())).send().await;
            answer.map_err(failed("ChangeTagsForResource"))?;
        }
        Ok(())
    }

    /// The hosted zone that `stack` names by its id; `None` where the account has none with it.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn hosted_zone_of(&self, stack: &Stack) -> Result<Option<HostedZoneFacts>, StepError> {
        let Some(id) = stack.network.dns.as_ref().and_then(|dns| dns.existing.as_ref()) else { return Ok(None) };
        let answer = match self.route53.get_hosted_zone().id(&**id).send().await.map_err(failed("GetHostedZone")) {
            Err(error) if error.class() == Class::NotFound => return Ok(None),
            answer => answer?,
        };
        let vpcs = answer.vpcs().iter().filter_map(|vpc| vpc.vpc_id.clone()).collect();
        Ok(answer.hosted_zone.map(|zone| HostedZoneFacts {
            id: id.to_string(),
            name: bare(zone.name()).to_owned(),
            private: zone.config().is_some_and(|config| config.private_zone()),
            vpcs,
        }))
    }

    /// The domains of the hosted zones that `vpc` sees, by their ids; not asked where `stack` makes none in it.
    ///
    /// # Errors
    /// AWS's answer.
    pub async fn zones_of_vpc(&self, vpc: &str, stack: &Stack) -> Result<BTreeMap<String, String>, StepError> {
        let mut all = BTreeMap::new();
        let of_brokers = stack.network.dns.as_ref().is_some_and(|dns| dns.existing.is_none());
        if !of_brokers && !has_privatelink(stack) {
            return Ok(all);
        }
        let mut call = self.route53.list_hosted_zones_by_vpc().vpc_id(vpc);
        call = call.vpc_region(VpcRegion::from(self.region.as_str()));
        loop {
            let page = call.clone().send().await.map_err(failed("ListHostedZonesByVPC"))?;
            let zones = page.hosted_zone_summaries.into_iter();
            all.extend(zones.map(|zone| (zone_id(zone.hosted_zone_id()).to_owned(), bare(zone.name()).to_owned())));
            match page.next_token {
                Some(token) => call = call.next_token(token),
                None => return Ok(all),
            }
        }
    }
}

/// A record of `name` with its values.
///
/// # Errors
/// That it has none.
pub fn record(name: &str, kind: RrType, ttl: u64, values: &[String]) -> Result<ResourceRecordSet, StepError> {
    let fault = |error: aws_smithy_types::error::operation::BuildError| StepError::Internal(error.to_string());
    let mut set = ResourceRecordSet::builder().name(name).r#type(kind).ttl(i64::try_from(ttl).unwrap_or(i64::MAX));
    for value in values {
        set = set.resource_records(ResourceRecord::builder().value(value).build().map_err(fault)?);
    }
    set.build().map_err(fault)
}
