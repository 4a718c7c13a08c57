//! Dashboards of CloudWatch. PutDashboard makes or changes one by its name, so whoever lost its answer calls again. Two tags are given when
//! it is made, for people and for policies of theirs: CloudWatch takes none from later calls, and tells none with the dashboard.

use aws_sdk_cloudwatch::types::Tag;
use kstack_core::kinds::dashboard::{is_own, name, prefix};
use kstack_core::kinds::{Dashboard, Kind as _};
use kstack_core::model::{Address, FieldChange, Ref, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::call;

use crate::aws::{Aws, Done, failed};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::{Class, StepError};

impl Driver<Aws> for Dashboard {
    const CALLS: Calls = Calls {
        discover: &[call("GetDashboard")],
        create: &[call("PutDashboard")],
        update: &[call("PutDashboard")],
        delete: &[call("DeleteDashboards")],
        retag: &[],
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let mut all = Vec::new();
        for name in aws.dashboard_names().await? {
            let answer = aws.clients.cloudwatch.get_dashboard().dashboard_name(&name).send().await;
            let body = match answer.map_err(failed("GetDashboard")) {
                Err(error) if error.class() == Class::NotFound => continue,
                answer => answer?.dashboard_body.unwrap_or_default(),
            };
            let stack = name.strip_prefix(&prefix(&aws.clients.region)).unwrap_or_default();
            let address = Address::new(Dashboard::NAME, "main").to_string();
            let tags = [(tag::STACK, stack.to_owned()), (tag::ADDRESS, address)];
            let tags = tags.map(|(key, value)| (key.to_owned(), value)).into();
            let tags = if is_own(&body, stack) { tags } else { Tags::new() };
            all.push(Found { id: name, tags, spec: Dashboard::live(&body), terminated: false });
        }
        Ok(all)
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        put(self, ctx).await
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, _: &str, _: &[FieldChange]) -> Result<(), StepError> {
        put(self, ctx).await.map(drop)
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let call = ctx.system.clients.cloudwatch.delete_dashboards().dashboard_names(id);
        call.send().await.map(drop).map_err(failed("DeleteDashboards")).or_gone()
    }

    async fn retag(_: &Ctx<'_, Aws>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(()) // Its tags never change.
    }
}

/// Makes the dashboard, or brings it to what it is to be, and returns its name.
async fn put(dashboard: &Dashboard, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
    let (stack, clients) = (ctx.system.stack(), &ctx.system.clients);
    let shown: Vec<Ref> = dashboard.of.iter().map(|shown| shown.of.clone()).collect();
    let body = dashboard.body(&ctx.all_ids(&shown)?);
    let id = name(&clients.region, stack);
    let tags = [(tag::STACK, stack.to_owned()), (tag::ADDRESS, ctx.address.to_string())];
    let tags = tags.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    let call = clients.cloudwatch.put_dashboard().dashboard_name(&id).dashboard_body(body).set_tags(Some(tags));
    call.send().await.map_err(failed("PutDashboard"))?;
    Ok(id)
}
