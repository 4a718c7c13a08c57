//! The private hosted zones of a stack's own.

use super::no_id;
use crate::aws::names::{bare, plain, zone_id};
use crate::aws::{Aws, Done, failed};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use aws_sdk_route53::types::{ChangeAction, HostedZoneConfig, ResourceRecordSet, RrType, Vpc, VpcRegion};
use kstack_core::kinds::hosted_zone::PRIVATELINK;
use kstack_core::kinds::{HostedZone, Kind as _, dns_records, privatelink_records};
use kstack_core::model::{Address, FieldChange, Ref, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::{call, call_of};

impl Driver<Aws> for HostedZone {
    const CALLS: Calls = Calls {
        discover: &[call("ListHostedZones"), call("ListTagsForResources"), call("ListResourceRecordSets")],
        create: &[call("CreateHostedZone"), call("ChangeTagsForResource")],
        update: &[],
        delete: &[
            call("ListResourceRecordSets"),
            call_of("ChangeResourceRecordSets", "zone"),
            call("DeleteHostedZone"),
        ],
        retag: &[call("ChangeTagsForResource")],
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let zones = aws.every_zone().await?;
        let own: Vec<_> = zones.iter().filter_map(|zone| Some((zone, aws.owner_of_zone(zone)?))).collect();
        let ids: Vec<String> = own.iter().map(|(zone, _)| zone_id(zone.id()).to_owned()).collect();
        // In a discovery of every stack, what is in their zones would be a call for each.
        let records = if aws.all() || ids.is_empty() { Vec::new() } else { aws.own_records().await?.to_vec() };
        let mut tags = aws.clients.zone_tags(&ids).await?;
        let mut found = Vec::new();
        for (zone, (stack, name)) in own {
            let (id, domain) = (zone_id(zone.id()).to_owned(), bare(zone.name()));
            let mut tags = tags.remove(&id).unwrap_or_default();
            // Whatever its tags say: those that it lacks are set with the others.
            tags.insert(tag::STACK.to_owned(), stack.to_owned());
            tags.insert(tag::ADDRESS.to_owned(), Address::new(Self::NAME, name).to_string());
            let others = records.iter().filter(|(of, one)| *of == id && !is_own(one, name, domain));
            let put_by_others = others.map(|(_, one)| format!("{} {}", plain(one.name()), one.r#type().as_str()));
            let spec =
                HostedZone { domain: domain.to_owned(), vpc: Ref::None, put_by_others: Some(put_by_others.collect()) };
            found.push(Found { id, tags, spec, terminated: false });
        }
        Ok(found)
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let clients = &ctx.system.clients;
        let vpc =
            Vpc::builder().vpc_id(ctx.id(&self.vpc)?).vpc_region(VpcRegion::from(clients.region.as_str())).build();
        let (name, stack) = (&ctx.address.name, ctx.system.stack());
        let what = if name == PRIVATELINK { "Names of the PrivateLink service" } else { "Names" };
        let comment = format!("{what} of the kstack stack {stack}");
        let config = HostedZoneConfig::builder().private_zone(true).comment(comment).build();
        let call = clients.route53_no_retry.create_hosted_zone().name(&self.domain).vpc(vpc);
        let call = call.hosted_zone_config(config).caller_reference(ctx.system.zone_reference(name, ctx.token));
        let answer = call.send().await.map_err(failed("CreateHostedZone"))?;
        let id = answer.hosted_zone.map(|zone| zone_id(zone.id()).to_owned());
        id.ok_or_else(|| no_id("CreateHostedZone"))
    }

    async fn finish(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        ctx.system.clients.tag_zone(id, ctx.tags, &[]).await
    }

    async fn update(&self, _: &Ctx<'_, Aws>, _: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        changes.first().map_or(Ok(()), |change| Err(super::no_call_for(change)))
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let clients = &ctx.system.clients;
        let emptied = async {
            let records = clients.records(id, None).await?.into_iter().filter(|one| !is_zones(one, &self.domain));
            clients.change_records(id, records.map(|one| (ChangeAction::Delete, one)).collect()).await
        };
        emptied.await.or_gone()?;
        let call = clients.route53.delete_hosted_zone().id(id);
        call.send().await.map_err(failed("DeleteHostedZone")).or_gone()
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        // Its own two are taken for granted where it is found, and may be missing.
        let own = [tag::STACK, tag::ADDRESS].into_iter().filter_map(|key| ctx.tags.get_key_value(key));
        let all = own.chain(set).map(|(key, value)| (key.clone(), value.clone())).collect();
        ctx.system.clients.tag_zone(id, &all, unset).await
    }
}

/// Whether the record is one of the two that every zone has by itself.
fn is_zones(record: &ResourceRecordSet, domain: &str) -> bool {
    bare(record.name()) == domain && [RrType::Ns, RrType::Soa].contains(record.r#type())
}

/// Whether the record belongs to the zone `zone` of the stack, or is a name that kstack gives in it.
fn is_own(record: &ResourceRecordSet, zone: &str, domain: &str) -> bool {
    let given = match zone {
        PRIVATELINK => {
            *record.r#type() == RrType::Cname && privatelink_records::is_given(&plain(record.name()), domain)
        }
        _ => {
            let address = [RrType::A, RrType::Aaaa].contains(record.r#type());
            address && dns_records::is_given(bare(record.name()), domain)
        }
    };
    given || is_zones(record, domain)
}
