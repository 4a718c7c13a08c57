//! The two authorities of a stack. Each is one parameter, made whole by one call.

use super::no_call_for;
use crate::aws::papers::{self, Paper, id, parts};
use crate::aws::{Aws, Done, failed};
use crate::clock;
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use crate::pki::Signer;
use jiff::SignedDuration;
use kstack_core::certificates::Authority;
use kstack_core::cloud_init::{authority_of, authority_parameter};
use kstack_core::kinds::certificate_authority::{SOON, ends_soon as ends_soon_text};
use kstack_core::kinds::{CertificateAuthority, Kind as _};
use kstack_core::model::{Address, FieldChange, Ref, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::{call, call_of};

impl Driver<Aws> for CertificateAuthority {
    const CALLS: Calls = Calls {
        discover: &[call("DescribeParameters")],
        create: &[call_of("PutParameter", "papers"), call("DescribeParameters")],
        update: &[],
        delete: &[call_of("DeleteParameter", "papers")],
        retag: &[],
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let all = aws.every_paper().await?;
        Ok(all.iter().filter_map(found).collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let (aws, (authority, number)) = (ctx.system, of(&ctx.address.name)?);
        let name = authority_parameter(aws.stack(), authority, number);
        let making = |error: crate::pki::PkiError| StepError::Internal(error.to_string());
        let signer = Signer::make(authority, number, aws.stack(), clock::now()).map_err(making)?;
        let serial = signer.certificate().serial.clone();
        let told = papers::told(&signer.pair().certificate, &serial, "").map_err(making)?;
        if ctx.make_paper(&name, &ctx.id(&self.key)?, &signer.pair().keystore(), &told).await? {
            aws.keep_signer(authority, number, signer).await;
            return Ok(id(&name, &serial));
        }
        Ok(ctx.made_before(&name).await?.id())
    }

    async fn update(&self, _: &Ctx<'_, Aws>, _: &str, changes: &[FieldChange]) -> Result<(), StepError> {
        changes.first().map_or(Ok(()), |change| Err(no_call_for(change)))
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let call = ctx.system.clients.ssm.delete_parameter().name(parts(id).0);
        call.send().await.map_err(failed("DeleteParameter")).or_gone()
    }

    async fn retag(_: &Ctx<'_, Aws>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(()) // Its name says whose it is.
    }
}

fn of(name: &str) -> Result<(Authority, u32), StepError> {
    Authority::of(name).ok_or_else(|| StepError::Internal(format!("{name} is no authority")))
}

fn found(paper: &Paper) -> Option<Found<CertificateAuthority>> {
    let (one, number) = authority_of(&paper.stack, &paper.parameter)?;
    let soon = |ends: jiff::Timestamp| clock::now() + SignedDuration::from_hours(24 * SOON) > ends;
    let ends_soon = paper.told.as_ref().filter(|told| soon(told.ends));
    let ends_soon = ends_soon.map(|told| ends_soon_text(one, number, &told.ends.strftime("%F").to_string()));
    let subject = paper.told.as_ref().map(|told| told.subject.clone()).unwrap_or_default();
    let spec = CertificateAuthority { subject, key: Ref::live(Some(&paper.key)), ends_soon };
    let address = Address::new(CertificateAuthority::NAME, &one.name(number)).to_string();
    let tags = [(tag::STACK, paper.stack.clone()), (tag::ADDRESS, address)].map(|(key, value)| (key.to_owned(), value));
    Some(Found { id: paper.id(), tags: tags.into(), spec, terminated: false })
}
