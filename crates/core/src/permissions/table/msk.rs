//! MSK and Application Auto Scaling. Source: the Service Authorization Reference, "Amazon Managed Streaming for Apache Kafka" and "AWS
//! Application Auto Scaling". What MSK asks of other services in the caller's name is also in AWS's policy AmazonMSKFullAccess.

use super::call;
use crate::permissions::Call;
use crate::permissions::Scope::{
    Alarms, Any, Cluster, ClusterKeyGrants, ClusterKeys, Configuration, Connections, Delivery, KafkaRole, LogBucket,
    LogGroup, LogStream, MadeCluster, MadeConnection, MskEndpoint, MskEndpointIpv6, MskEndpointTags, NewMskEndpoint,
    Others, Own, OwnCluster, OwnConnection, Region, ScalableTargets, SecretKeyGrants, SecretKeys, ServiceRole,
};

/// A change of the stack's cluster.
macro_rules! update {
    ($operation:literal $(, $more:expr)* $(; with $($action:literal $on:expr),*)?) => {
        call!("kafka" $operation, OwnCluster $(, $more)* $(; with $($action $on),*)?)
    };
}

/// A call that gives a cluster its logs. Whether AWS makes a resource policy, a bucket's policy or a role depends on what is there.
/// Source: AmazonMSKFullAccess, and CloudWatch Logs user guide, "Enable logging from AWS services".
macro_rules! logged {
    ($operation:literal, $scope:expr $(; with $($action:literal $on:expr),*)?) => {
        call!(brief "kafka" $operation, $scope; with
            "logs:CreateLogDelivery" Delivery,
            "logs:GetLogDelivery" Delivery,
            "logs:UpdateLogDelivery" Delivery,
            "logs:DeleteLogDelivery" Delivery,
            "logs:ListLogDeliveries" Delivery,
            "logs:PutResourcePolicy" LogGroup,
            "logs:DescribeResourcePolicies" LogGroup,
            "logs:DescribeLogGroups" LogGroup,
            "s3:GetBucketPolicy" LogBucket,
            "s3:PutBucketPolicy" LogBucket,
            "firehose:TagDeliveryStream" LogStream,
            "iam:CreateServiceLinkedRole" ServiceRole("delivery.logs.amazonaws.com")
            $($(, $action $on)*)?)
    };
}

pub const CALLS: &[Call] = &[
    call!("kafka" "ListClustersV2", Region),
    call!("kafka" "ListConfigurations", Region),
    call!("kafka" "ListKafkaVersions", Region),
    call!("kafka" "DescribeClusterV2", Cluster),
    call!("kafka" "DescribeClusterOperationV2", Region),
    call!("kafka" "ListClusterOperationsV2", Cluster),
    call!("kafka" "ListNodes", Cluster),
    call!("kafka" "GetBootstrapBrokers", Region),
    call!("kafka" "GetCompatibleKafkaVersions", Region),
    call!("kafka" "ListScramSecrets", Cluster),
    call!("kafka" "GetClusterPolicy", Cluster),
    call!("kafka" "DescribeConfiguration", Configuration),
    call!("kafka" "DescribeConfigurationRevision", Configuration),
    call!("kafka" "CreateConfiguration", Configuration),
    call!("kafka" "UpdateConfiguration", Configuration),
    call!("kafka" "DeleteConfiguration", Configuration),
    // The reference lists the endpoints for every creation. MSK tags its own.
    logged!("CreateClusterV2", MadeCluster; with
        "kafka:TagResource" MadeCluster,
        "ec2:DescribeSecurityGroups" Region,
        "ec2:DescribeSubnets" Region,
        "ec2:DescribeVpcs" Region,
        "ec2:DescribeVpcEndpoints" Region,
        "ec2:DescribeVpcAttribute" Own,
        "ec2:DescribeVpcAttribute" Others("vpc"),
        "ec2:CreateVpcEndpoint" Own,
        "ec2:CreateVpcEndpoint" Others("vpc"),
        "ec2:CreateVpcEndpoint" Others("subnet"),
        "ec2:CreateVpcEndpoint" Others("security-group"),
        "ec2:CreateVpcEndpoint" NewMskEndpoint,
        "ec2:CreateTags" MskEndpointTags,
        "ec2:DeleteVpcEndpoints" MskEndpoint,
        "iam:CreateServiceLinkedRole" ServiceRole("kafka.amazonaws.com"),
        "iam:AttachRolePolicy" KafkaRole,
        "iam:PutRolePolicy" KafkaRole,
        "kms:CreateGrant" ClusterKeyGrants,
        "kms:DescribeKey" ClusterKeys),
    update!("DeleteCluster"; with
        "ec2:DescribeVpcAttribute" Own,
        "ec2:DescribeVpcAttribute" Others("vpc"),
        "ec2:DescribeVpcEndpoints" Region,
        "ec2:DeleteVpcEndpoints" MskEndpoint),
    update!("UpdateStorage"),
    update!("UpdateClusterKafkaVersion"),
    update!("UpdateClusterConfiguration", Configuration),
    update!("UpdateBrokerType"),
    update!("UpdateBrokerCount"),
    update!("UpdateRebalancing"),
    // The endpoint is for IPv6 (MSK developer guide, "Configure dual-stack network type", of serverless clusters).
    update!("UpdateConnectivity"; with
        "ec2:DescribeRouteTables" Region,
        "ec2:DescribeSubnets" Region,
        "ec2:ModifyVpcEndpoint" MskEndpointIpv6),
    logged!("UpdateMonitoring", OwnCluster),
    update!("UpdateSecurity"; with "kms:RetireGrant" SecretKeys),
    update!("TagResource"),
    // A cluster that others made has no tag of the stack's yet.
    call!("kafka" "TagResource" of "adoption", MadeCluster),
    update!("UntagResource"),
    call!("kafka" "ListVpcConnections", Region),
    call!("kafka" "DescribeVpcConnection", Connections),
    // Beside its own action, the reference asks for those on the clients' VPC, and for the endpoint that MSK makes there.
    call!(brief "kafka" "CreateVpcConnection", MadeConnection, Cluster; with
        "kafka:TagResource" MadeConnection,
        "ec2:DescribeSecurityGroups" Region,
        "ec2:DescribeSubnets" Region,
        "ec2:DescribeVpcs" Region,
        "ec2:DescribeVpcAttribute" Any("vpc"),
        "ec2:CreateVpcEndpoint" Any("vpc"),
        "ec2:CreateVpcEndpoint" Any("subnet"),
        "ec2:CreateVpcEndpoint" Any("security-group"),
        "ec2:CreateVpcEndpoint" NewMskEndpoint,
        "ec2:CreateTags" MskEndpointTags,
        "iam:CreateServiceLinkedRole" ServiceRole("kafka.amazonaws.com")),
    call!("kafka" "DeleteVpcConnection", OwnConnection; with
        "ec2:DescribeVpcEndpoints" Region,
        "ec2:DeleteVpcEndpoints" MskEndpoint),
    call!("kafka" "TagResource" of "connections", OwnConnection),
    call!("kafka" "UntagResource" of "connections", OwnConnection),
    update!("BatchAssociateScramSecret"; with
        "kms:CreateGrant" SecretKeyGrants,
        "kms:RetireGrant" SecretKeys),
    update!("BatchDisassociateScramSecret"; with "kms:RetireGrant" SecretKeys),
    update!("PutClusterPolicy"),
    update!("DeleteClusterPolicy"),
    call!("application-autoscaling" "DescribeScalableTargets", Region),
    call!("application-autoscaling" "DescribeScalingPolicies", Region),
    // Beside its own actions, a caller needs those by which the target is scaled and the policy's alarms are kept (Application
    // Auto Scaling user guide, "Identity-based policy examples").
    call!("application-autoscaling" "RegisterScalableTarget", ScalableTargets; with
        "kafka:DescribeCluster" Cluster,
        "kafka:DescribeClusterOperation" Region,
        "kafka:UpdateBrokerStorage" OwnCluster,
        "iam:CreateServiceLinkedRole" ServiceRole("kafka.application-autoscaling.amazonaws.com")),
    call!("application-autoscaling" "PutScalingPolicy", ScalableTargets; with
        "cloudwatch:DescribeAlarms" Region,
        "cloudwatch:PutMetricAlarm" Alarms),
    call!("application-autoscaling" "DeleteScalingPolicy", ScalableTargets; with
        "cloudwatch:DescribeAlarms" Region,
        "cloudwatch:DeleteAlarms" Alarms),
    call!("application-autoscaling" "DeregisterScalableTarget", ScalableTargets),
];
