//! Storage that MSK's brokers grow by themselves: a target and a policy of Application Auto Scaling.
//!
//! Both calls put one setting in place of another, so they may run again. The policy goes before the cluster.

use super::msk::{found_part, part_id, tags, usable};
use crate::aws::{Aws, Done, failed};
use crate::driver::{Calls, Ctx, Driver};
use crate::error::StepError;
use aws_sdk_applicationautoscaling::types::{
    MetricType, PolicyType, PredefinedMetricSpecification, ScalableDimension, ScalableTarget, ScalingPolicy,
    ServiceNamespace, TargetTrackingScalingPolicyConfiguration,
};
use kstack_core::kinds::MskAutoscaling;
use kstack_core::model::{FieldChange, Ref, Tags, tag};
use kstack_core::observed::Found;
use kstack_core::permissions::call;

const POLICY: &str = "kstack-broker-storage";
const PART: &str = "autoscaling";

impl Driver<Aws> for MskAutoscaling {
    const CALLS: Calls = Calls {
        discover: &[call("ListClustersV2"), call("DescribeScalableTargets"), call("DescribeScalingPolicies")],
        create: &[call("RegisterScalableTarget"), call("PutScalingPolicy")],
        update: &[call("RegisterScalableTarget"), call("PutScalingPolicy")],
        delete: &[call("DeleteScalingPolicy"), call("DescribeScalingPolicies"), call("DeregisterScalableTarget")],
        retag: &[],
    };

    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, StepError> {
        let mut found = Vec::new();
        for cluster in usable(aws).await? {
            let arn = cluster.cluster_arn().unwrap_or_default();
            let (target, policies) = tokio::try_join!(target(aws, arn), policies(aws, arn))?;
            if target.is_none() && policies.is_empty() {
                continue;
            }
            let (own, others): (Vec<_>, Vec<_>) = policies.into_iter().partition(|one| one.policy_name() == POLICY);
            let mut others: Vec<String> =
                others.iter().map(|one| format!("the scaling policy {}", one.policy_name())).collect();
            // The stack makes none without a policy, unless it dies between the two.
            if own.is_empty() && others.is_empty() && tags(&cluster).contains_key(tag::ADOPTED) {
                others.push("the scalable target of the storage".to_owned());
            }
            let policy = own.into_iter().next();
            let max = target.and_then(|target| u64::try_from(target.max_capacity()).ok());
            let wanted = policy.and_then(|policy| policy.target_tracking_scaling_policy_configuration);
            let spec = MskAutoscaling {
                cluster: Ref::live(Some(arn)),
                max_gib: max.unwrap_or_default(),
                target_percent: wanted.map_or(0, |one| one.target_value().round() as u32),
                others: (!others.is_empty()).then_some(others),
            };
            found.push(found_part(&cluster, PART, spec));
        }
        Ok(found)
    }

    async fn create(&self, ctx: &Ctx<'_, Aws>) -> Result<String, StepError> {
        Ok(part_id(&ctx.id(&self.cluster)?, PART)) // The calls are in `finish`: either may run again.
    }

    async fn finish(&self, ctx: &Ctx<'_, Aws>, _: &str) -> Result<(), StepError> {
        let arn = ctx.id(&self.cluster)?;
        let scaling = &ctx.system.clients.autoscaling;
        let call = scaling.register_scalable_target().service_namespace(ServiceNamespace::Kafka).resource_id(&arn);
        let call = call.scalable_dimension(ScalableDimension::KafkaBrokerStorageVolumeSize).min_capacity(1);
        let call = call.max_capacity(i32::try_from(self.max_gib).unwrap_or(i32::MAX));
        call.send().await.map_err(failed("RegisterScalableTarget"))?;
        let metric = MetricType::KafkaBrokerStorageUtilization;
        let metric = PredefinedMetricSpecification::builder().predefined_metric_type(metric).build();
        let metric = metric.map_err(|error| StepError::Internal(error.to_string()))?;
        let tracking = TargetTrackingScalingPolicyConfiguration::builder()
            .target_value(self.target_percent.into())
            .predefined_metric_specification(metric)
            .disable_scale_in(true)
            .build()
            .map_err(|error| StepError::Internal(error.to_string()))?;
        let call = scaling.put_scaling_policy().policy_name(POLICY).service_namespace(ServiceNamespace::Kafka);
        let call = call.resource_id(&arn).scalable_dimension(ScalableDimension::KafkaBrokerStorageVolumeSize);
        let call = call.policy_type(PolicyType::TargetTrackingScaling);
        let call = call.target_tracking_scaling_policy_configuration(tracking);
        call.send().await.map_err(failed("PutScalingPolicy")).map(drop)
    }

    async fn update(&self, ctx: &Ctx<'_, Aws>, id: &str, _: &[FieldChange]) -> Result<(), StepError> {
        self.finish(ctx, id).await
    }

    async fn delete(&self, ctx: &Ctx<'_, Aws>, id: &str) -> Result<(), StepError> {
        let arn = id.strip_suffix(&part_id("", PART)).unwrap_or(id);
        let scaling = &ctx.system.clients.autoscaling;
        let dimension = ScalableDimension::KafkaBrokerStorageVolumeSize;
        let call = scaling.delete_scaling_policy().policy_name(POLICY).service_namespace(ServiceNamespace::Kafka);
        let call = call.resource_id(arn).scalable_dimension(dimension.clone());
        call.send().await.map_err(failed("DeleteScalingPolicy")).or_gone()?;
        // Without the target, the policies of others would be gone, too.
        if !policies(ctx.system, arn).await?.is_empty() {
            return Ok(());
        }
        let call = scaling.deregister_scalable_target().service_namespace(ServiceNamespace::Kafka);
        let call = call.resource_id(arn).scalable_dimension(dimension);
        call.send().await.map_err(failed("DeregisterScalableTarget")).or_gone()
    }

    async fn retag(_: &Ctx<'_, Aws>, _: &str, _: &Tags, _: &[String]) -> Result<(), StepError> {
        Ok(()) // The cluster has the tags.
    }
}

async fn target(aws: &Aws, arn: &str) -> Result<Option<ScalableTarget>, StepError> {
    let call = aws.clients.autoscaling.describe_scalable_targets().service_namespace(ServiceNamespace::Kafka);
    let answer = call.resource_ids(arn).send().await.map_err(failed("DescribeScalableTargets"))?;
    Ok(answer.scalable_targets.unwrap_or_default().into_iter().next())
}

/// The policies of the storage: kstack's own, and others of other names, which are left alone.
async fn policies(aws: &Aws, arn: &str) -> Result<Vec<ScalingPolicy>, StepError> {
    let call = aws.clients.autoscaling.describe_scaling_policies().service_namespace(ServiceNamespace::Kafka);
    let answer = call.resource_id(arn).send().await.map_err(failed("DescribeScalingPolicies"))?;
    Ok(answer.scaling_policies.unwrap_or_default())
}
