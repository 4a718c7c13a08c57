//! EC2 and VPC. Source: the Service Authorization Reference, "Amazon EC2" and "Amazon Route 53".
//!
//! EC2 authorises a call for each resource in it: what the call makes, by the tags that it gives it, and everything else that it
//! names. Most describes can't be limited to resources. Tags that are given on creation need ec2:CreateTags for that creation
//! (EC2 user guide, "Grant permission to tag Amazon EC2 resources during creation").

use super::call;
use crate::permissions::Call;
use crate::permissions::OfLogs::{PassRole as FlowLogRole, ToBucket};
use crate::permissions::Scope::{
    Any, DefaultGroup, DefaultGroupTag, FurtherBlocks, GuardDuty, HostedZones, Images, Made, OfLogs, Others, Own,
    OwnIpv6, PassRole, Region, Tagged, VolumeKeyGrants, VolumeKeys,
};

/// A describe of the region.
macro_rules! describe {
    ($operation:literal) => {
        call!("ec2" $operation, Region)
    };
}

/// A creation of a resource of one type, tagged in the call, with what else the call names.
macro_rules! made {
    ($operation:literal, $kind:literal $(, $more:expr)* $(; with $($action:literal $on:expr),*)?) => {
        call!("ec2" $operation, Made($kind) $(, $more)*; with "ec2:CreateTags" Tagged($operation) $($(, $action $on)*)?)
    };
}

/// A change or deletion of what the stack has.
macro_rules! own {
    ($operation:literal $(; with $($action:literal $on:expr),*)?) => {
        call!("ec2" $operation, Own $(; with $($action $on),*)?)
    };
}

pub const CALLS: &[Call] = &[
    describe!("DescribeAddresses"),
    describe!("DescribeAvailabilityZones"),
    describe!("DescribeEgressOnlyInternetGateways"),
    describe!("DescribeFlowLogs"),
    describe!("DescribeIamInstanceProfileAssociations"),
    describe!("DescribeInstances"),
    describe!("DescribeInstanceStatus"),
    describe!("DescribeInstanceTypeOfferings"),
    describe!("DescribeInstanceTypes"),
    describe!("DescribeInternetGateways"),
    describe!("DescribeManagedPrefixLists"),
    describe!("DescribeNatGateways"),
    describe!("DescribeNetworkAcls"),
    describe!("DescribeNetworkInterfaces"),
    describe!("DescribePlacementGroups"),
    describe!("DescribeRegions"),
    describe!("DescribeRouteTables"),
    describe!("DescribeSecurityGroups"),
    describe!("DescribeSubnets"),
    describe!("DescribeTransitGatewayVpcAttachments"),
    describe!("DescribeVolumes"),
    describe!("DescribeVolumesModifications"),
    describe!("DescribeVpcEndpoints"),
    describe!("DescribeVpcEndpointServices"),
    describe!("DescribeVpcPeeringConnections"),
    describe!("DescribeVpcs"),
    describe!("DescribeVpnGateways"),
    own!("DescribeInstanceAttribute"),
    call!("ec2" "DescribeVpcAttribute", Own, Others("vpc")),
    made!("CreateVpc", "vpc", Others("ipam-pool")),
    own!("ModifyVpcAttribute"),
    call!("ec2" "AssociateVpcCidrBlock", FurtherBlocks),
    own!("DeleteVpc"),
    // EC2 delivers to a bucket by CloudWatch Logs (VPC user guide, "Publish flow logs to Amazon S3"). No s3:PutBucketPolicy: with it EC2
    // overwrites the policy of a bucket that is not kstack's ("Amazon S3 bucket permissions for flow logs").
    made!("CreateFlowLogs", "vpc-flow-log", Own, Others("vpc"); with
        "logs:CreateLogDelivery" OfLogs(ToBucket),
        "logs:DeleteLogDelivery" OfLogs(ToBucket),
        "iam:PassRole" OfLogs(FlowLogRole)),
    // What an earlier file had may have been for a bucket.
    own!("DeleteFlowLogs"; with "logs:DeleteLogDelivery" Region),
    made!("CreateInternetGateway", "internet-gateway"),
    own!("AttachInternetGateway"),
    own!("DetachInternetGateway"),
    own!("DeleteInternetGateway"),
    made!("CreateEgressOnlyInternetGateway", "egress-only-internet-gateway", Own),
    own!("DeleteEgressOnlyInternetGateway"),
    made!("CreateSubnet", "subnet", Own),
    call!("ec2" "AssociateSubnetCidrBlock", OwnIpv6),
    own!("DeleteSubnet"),
    made!("AllocateAddress", "elastic-ip"),
    own!("ReleaseAddress"),
    made!("CreateNatGateway", "natgateway", Own),
    own!("DeleteNatGateway"),
    made!("CreateRouteTable", "route-table", Own),
    own!("CreateRoute"),
    own!("ReplaceRoute"),
    own!("DeleteRoute"),
    own!("AssociateRouteTable"),
    own!("ReplaceRouteTableAssociation"),
    own!("DisassociateRouteTable"),
    own!("DeleteRouteTable"),
    // An endpoint with private DNS is associated with a hosted zone of the service's. EC2 asks for the describes in the caller's name.
    made!("CreateVpcEndpoint", "vpc-endpoint", Own, Others("vpc"), Others("subnet"), Others("route-table"),
        Others("security-group"); with
        "ec2:DescribeSecurityGroups" Region,
        "ec2:DescribeSubnets" Region,
        "ec2:DescribeVpcs" Region,
        "route53:AssociateVPCWithHostedZone" HostedZones),
    own!("ModifyVpcEndpoint"; with "route53:AssociateVPCWithHostedZone" HostedZones),
    own!("DeleteVpcEndpoints"),
    // GuardDuty's endpoint and its group have no tag of the stack's, and go with the stack's VPC. The condition is that of GuardDuty's own
    // role (AWS managed policy AmazonGuardDutyServiceRolePolicy).
    call!("ec2" "DeleteVpcEndpoints" of "GuardDuty", GuardDuty("vpc-endpoint")),
    made!("CreateSecurityGroup", "security-group", Own, Others("vpc")),
    own!("AuthorizeSecurityGroupIngress"),
    own!("AuthorizeSecurityGroupEgress"),
    own!("RevokeSecurityGroupIngress"),
    own!("RevokeSecurityGroupEgress"),
    own!("UpdateSecurityGroupRuleDescriptionsIngress"),
    own!("UpdateSecurityGroupRuleDescriptionsEgress"),
    own!("DeleteSecurityGroup"),
    call!("ec2" "DeleteSecurityGroup" of "GuardDuty", GuardDuty("security-group")),
    // EC2 makes a VPC's default group by itself, and CreateVpc gives tags to the VPC alone. A condition can name the group's VPC by its ARN
    // (ec2:Vpc), which nobody knows before, and not by the VPC's tags: so what is left is that the group has no stack's tag. Once it is
    // closed it has the stack's.
    call!("ec2" "RevokeSecurityGroupIngress" of "default group", Own, DefaultGroup),
    call!("ec2" "RevokeSecurityGroupEgress" of "default group", Own, DefaultGroup),
    call!("ec2" "CreateTags" of "default group", Own, DefaultGroupTag),
    made!("CreatePlacementGroup", "placement-group"),
    own!("DeletePlacementGroup"),
    // EBS user guide, "Requirements for Amazon EBS encryption". Its kms:ReEncrypt is for snapshots, of which kstack makes no volumes.
    made!("CreateVolume", "volume"; with
        "kms:CreateGrant" VolumeKeyGrants,
        "kms:DescribeKey" VolumeKeys,
        "kms:GenerateDataKeyWithoutPlaintext" VolumeKeys),
    own!("ModifyVolume"),
    own!("DeleteVolume"),
    own!("AttachVolume"; with "kms:CreateGrant" VolumeKeyGrants, "kms:Decrypt" VolumeKeys),
    made!("CreateNetworkInterface", "network-interface", Own, Others("subnet"), Others("security-group")),
    call!("ec2" "ModifyNetworkInterfaceAttribute", Own, Others("security-group")),
    call!("ec2" "AssignIpv6Addresses", OwnIpv6),
    own!("DeleteNetworkInterface"),
    // The root volume is made with the instance. For an interface that is there already, RunInstances has no condition on its tags: it is
    // held by the subnet and the security groups, which have.
    made!("RunInstances", "instance", Made("volume"), Own, Others("subnet"), Others("security-group"), Any("network-interface"), Images; with
        "iam:PassRole" PassRole),
    own!("StartInstances"; with "kms:CreateGrant" VolumeKeyGrants, "kms:Decrypt" VolumeKeys),
    own!("StopInstances"),
    own!("RebootInstances"),
    own!("TerminateInstances"),
    own!("ModifyInstanceAttribute"),
    own!("ModifyInstanceMetadataOptions"),
    own!("AssociateIamInstanceProfile"; with "iam:PassRole" PassRole),
    own!("ReplaceIamInstanceProfileAssociation"; with "iam:PassRole" PassRole),
    own!("CreateTags"),
    own!("DeleteTags"),
];
