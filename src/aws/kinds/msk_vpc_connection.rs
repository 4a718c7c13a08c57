//! Managed VPC connections, by which clients of another VPC reach the cluster. The list has no tags: each is described.

use std::collections::BTreeMap;

use super::msk::usable;
use super::msk_cluster::retag;
use super::no_id;
use crate::aws::{Aws, Class, Done, READY_TIMEOUT, failed};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use crate::wait::{Backoff, Look, poll};
use aws_sdk_kafka::operation::describe_vpc_connection::DescribeVpcConnectionOutput;
use aws_sdk_kafka::types::VpcConnectionState;
use kstack_core::kinds::MskVpcConnection;
use kstack_core::model::{FieldChange, Ref, Tags};
use kstack_core::observed::Found;
use kstack_core::permissions::{call, call_of};

/// The words of the file for MSK's ways to authenticate.
const METHODS: [(&str, &str); 3] = [("iam", "SASL_IAM"), ("scram", "SASL_SCRAM"), ("tls", "TLS")];

impl Driver<Aws> for MskVpcConnection {
    const CALLS: Calls = Calls {
        discover: &[call("ListClustersV2"), call("ListVpcConnections"), call("DescribeVpcConnection")],
        create: &[call("CreateVpcConnection"), call("DescribeVpcConnection")],
        update: &[call("DescribeVpcConnection")],
        delete: &[call("DeleteVpcConnection"), call("DescribeVpcConnection")],
        retag: &[call_of("TagResource", "connections"), call_of("UntagResource", "connections")],
    };

    /// Those to the stack's cluster, which MSK lists for the account that made them.
    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let clusters: Vec<_> =
            usable(aws).await?.into_iter().filter(|cluster| cluster.provisioned().is_some()).collect();
        let Some(cluster) = clusters.first().and_then(|cluster| cluster.cluster_arn()) else { return Ok(Vec::new()) };
        let pages = aws.clients.msk.list_vpc_connections().into_paginator().items().send();
        let all = pages.collect::<Result<Vec<_>, _>>().await.map_err(failed("ListVpcConnections"))?;
        let own = all
            .iter()
            .filter(|one| one.target_cluster_arn() == Some(cluster))
            .filter_map(|one| one.vpc_connection_arn());
        let each = own
            .map(|arn| async move { Ok::<_, StepError>(describe(aws, arn).await?.map(|one| (arn.to_owned(), one))) });
        let described = futures::future::try_join_all(each).await?;
        Ok(described.into_iter().flatten().filter_map(|(arn, one)| found(arn, one)).collect())
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        let method = METHODS.iter().find(|(word, _)| *word == self.auth).map_or(self.auth.as_str(), |(_, name)| name);
        let call = ctx.system.clients.msk_no_retry.create_vpc_connection().target_cluster_arn(ctx.id(&self.cluster)?);
        let call = call.authentication(method).vpc_id(ctx.id(&self.vpc)?);
        let call = call.set_client_subnets(Some(ctx.all_ids(&self.subnets)?));
        let call = call.set_security_groups(Some(ctx.all_ids(&self.security_groups)?));
        let answer = call.set_tags(Some(ctx.tags.clone().into_iter().collect())).send().await;
        answer.map_err(failed("CreateVpcConnection"))?.vpc_connection_arn.ok_or_else(|| no_id("CreateVpcConnection"))
    }

    async fn finish(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        poll("the creation of the VPC connection", READY_TIMEOUT, Backoff::LONG, async || {
            match describe(ctx.system, id).await?.and_then(|one| one.state) {
                Some(VpcConnectionState::Available) => Ok(Look::Ready(())),
                None | Some(VpcConnectionState::Creating) => Ok(Look::Missing("it is not available yet".to_owned())),
                Some(state) => Err(StepError::ended(
                    "the VPC connection did not come up",
                    format!("its state is {}", state.as_str()),
                )),
            }
        })
        .await
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, _: &[FieldChange]) -> Result<(), StepError> {
        self.finish(ctx, id).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let deleting = describe(ctx.system, id).await?.and_then(|one| one.state) == Some(VpcConnectionState::Deleting);
        if !deleting {
            let call = ctx.system.clients.msk.delete_vpc_connection().arn(id);
            call.send().await.map_err(failed("DeleteVpcConnection")).or_gone()?;
        }
        poll("the deletion of the VPC connection", READY_TIMEOUT, Backoff::LONG, async || {
            match describe(ctx.system, id).await? {
                None => Ok(Look::Ready(())),
                Some(_) => Ok(Look::Missing("it is still there".to_owned())),
            }
        })
        .await
    }

    async fn retag(ctx: &Ctx<'_, Aws>, id: &str, set: &Tags, unset: &[String]) -> Result<(), StepError> {
        retag(ctx, id, set, unset).await
    }
}

/// The connection as it is now; none where MSK knows it no more.
async fn describe(aws: &Aws, arn: &str) -> Result<Option<DescribeVpcConnectionOutput>, StepError> {
    match aws.clients.msk.describe_vpc_connection().arn(arn).send().await.map_err(failed("DescribeVpcConnection")) {
        Err(error) if error.class() == Class::NotFound => Ok(None),
        answer => Ok(Some(answer?)),
    }
}

/// One that has a stack's tag.
fn found(arn: String, one: DescribeVpcConnectionOutput) -> Option<Found<MskVpcConnection>> {
    let tags: Tags = one.tags.unwrap_or_default().into_iter().collect::<BTreeMap<_, _>>();
    if !tags.contains_key(kstack_core::model::tag::STACK) {
        return None;
    }
    let state = one.state.map(|state| state.as_str().to_lowercase()).unwrap_or_default();
    let refs = |ids: Option<Vec<String>>| -> Vec<Ref> {
        ids.unwrap_or_default().into_iter().map(|id| Ref::live(Some(&id))).collect()
    };
    let auth = one.authentication.unwrap_or_default();
    let word = METHODS.iter().find(|(_, name)| *name == auth).map_or(auth.as_str(), |(word, _)| word);
    let spec = MskVpcConnection {
        cluster: Ref::live(one.target_cluster_arn.as_deref()),
        auth: word.to_owned(),
        vpc: Ref::live(one.vpc_id.as_deref()),
        subnets: refs(one.subnets),
        security_groups: refs(one.security_groups),
        state: state.clone(),
    };
    Some(Found { id: arn, tags, spec, terminated: state == "deleting" })
}
