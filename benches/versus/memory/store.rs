//! What is kept: the resources of an account in a region, by kind and id, as the documents that their describes show.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::wire::{Doc, Form};

/// How a kind is described.
pub struct Kind {
    pub name: &'static str,
    pub describe: &'static str,
    /// The list in the answer.
    pub set: &'static str,
    /// The field with the id.
    pub id: &'static str,
    /// The parameter that names ids, and the error for one that is not there.
    pub asked: &'static str,
    pub missing: &'static str,
}

const fn kind(row: [&'static str; 6]) -> Kind {
    let [name, describe, set, id, asked, missing] = row;
    Kind { name, describe, set, id, asked, missing }
}

/// EC2's kinds: name, describe, list, id, parameter, error.
#[rustfmt::skip]
pub const KINDS: [Kind; 20] = [
    kind(["vpc", "DescribeVpcs", "vpcSet", "vpcId", "VpcId", "InvalidVpcID.NotFound"]),
    kind(["subnet", "DescribeSubnets", "subnetSet", "subnetId", "SubnetId", "InvalidSubnetID.NotFound"]),
    kind(["igw", "DescribeInternetGateways", "internetGatewaySet", "internetGatewayId", "InternetGatewayId", "InvalidInternetGatewayID.NotFound"]),
    kind(["eigw", "DescribeEgressOnlyInternetGateways", "egressOnlyInternetGatewaySet", "egressOnlyInternetGatewayId", "EgressOnlyInternetGatewayId", "InvalidGatewayID.NotFound"]),
    kind(["address", "DescribeAddresses", "addressesSet", "allocationId", "AllocationId", "InvalidAllocationID.NotFound"]),
    kind(["nat", "DescribeNatGateways", "natGatewaySet", "natGatewayId", "NatGatewayId", "NatGatewayNotFound"]),
    kind(["table", "DescribeRouteTables", "routeTableSet", "routeTableId", "RouteTableId", "InvalidRouteTableID.NotFound"]),
    kind(["acl", "DescribeNetworkAcls", "networkAclSet", "networkAclId", "NetworkAclId", "InvalidNetworkAclID.NotFound"]),
    kind(["group", "DescribeSecurityGroups", "securityGroupInfo", "groupId", "GroupId", "InvalidGroup.NotFound"]),
    kind(["rule", "DescribeSecurityGroupRules", "securityGroupRuleSet", "securityGroupRuleId", "SecurityGroupRuleId", "InvalidSecurityGroupRuleId.NotFound"]),
    kind(["endpoint", "DescribeVpcEndpoints", "vpcEndpointSet", "vpcEndpointId", "VpcEndpointId", "InvalidVpcEndpointId.NotFound"]),
    kind(["placement", "DescribePlacementGroups", "placementGroupSet", "groupId", "GroupName", "InvalidPlacementGroup.Unknown"]),
    kind(["volume", "DescribeVolumes", "volumeSet", "volumeId", "VolumeId", "InvalidVolume.NotFound"]),
    kind(["interface", "DescribeNetworkInterfaces", "networkInterfaceSet", "networkInterfaceId", "NetworkInterfaceId", "InvalidNetworkInterfaceID.NotFound"]),
    kind(["instance", "DescribeInstances", "reservationSet", "instanceId", "InstanceId", "InvalidInstanceID.NotFound"]),
    kind(["flow", "DescribeFlowLogs", "flowLogSet", "flowLogId", "FlowLogId", "InvalidFlowLogId.NotFound"]),
    kind(["peering", "DescribeVpcPeeringConnections", "vpcPeeringConnectionSet", "vpcPeeringConnectionId", "VpcPeeringConnectionId", "InvalidVpcPeeringConnectionID.NotFound"]),
    kind(["vpn", "DescribeVpnGateways", "vpnGatewaySet", "vpnGatewayId", "VpnGatewayId", "InvalidVpnGatewayID.NotFound"]),
    kind(["transit", "DescribeTransitGatewayVpcAttachments", "transitGatewayVpcAttachments", "transitGatewayAttachmentId", "TransitGatewayAttachmentIds", "InvalidTransitGatewayAttachmentID.NotFound"]),
    kind(["modification", "DescribeVolumesModifications", "volumeModificationSet", "volumeId", "VolumeId", "InvalidVolumeModification.NotFound"]),
];

/// The kind of that name.
pub fn named(name: &str) -> &'static Kind {
    KINDS.iter().find(|kind| kind.name == name).unwrap_or_else(|| panic!("there is no kind `{name}`"))
}

/// Filters whose names are not the field's, in other letters.
const FILTERS: [(&str, &str); 9] = [
    ("attachment.vpc-id", "attachmentSet.vpcId"),
    ("attachment.instance-id", "attachmentSet.instanceId"),
    ("attachment.device", "attachmentSet.device"),
    ("association.route-table-association-id", "associationSet.routeTableAssociationId"),
    ("association.subnet-id", "associationSet.subnetId"),
    ("association.main", "associationSet.main"),
    ("instance-state-name", "instanceState.name"),
    ("requester-vpc-info.vpc-id", "requesterVpcInfo.vpcId"),
    ("accepter-vpc-info.vpc-id", "accepterVpcInfo.vpcId"),
];

/// The EC2 of one account in one region.
#[derive(Default)]
pub struct Store {
    kept: BTreeMap<&'static str, BTreeMap<String, Doc>>,
    last: u64,
}

impl Store {
    /// An id that no other resource has.
    pub fn fresh(&mut self, prefix: &str) -> String {
        self.last += 1;
        format!("{prefix}-{:017x}", self.last)
    }

    /// Keeps `doc` as one of `kind`, under its id, and gives a copy.
    pub fn add(&mut self, kind: &'static str, doc: Value) -> Doc {
        let Value::Object(doc) = doc else { panic!("a document of {kind}") };
        let id = doc[named(kind).id].as_str().expect("an id").to_owned();
        self.kept.entry(kind).or_default().insert(id, doc.clone());
        doc
    }

    pub fn get(&self, kind: &str, id: &str) -> Option<&Doc> {
        self.kept.get(kind)?.get(id)
    }

    pub fn get_mut(&mut self, kind: &str, id: &str) -> Option<&mut Doc> {
        self.kept.get_mut(kind)?.get_mut(id)
    }

    pub fn remove(&mut self, kind: &str, id: &str) -> Option<Doc> {
        self.kept.get_mut(kind)?.remove(id)
    }

    /// All of a kind, as they were made.
    pub fn all(&self, kind: &str) -> impl Iterator<Item = &Doc> {
        self.kept.get(kind).into_iter().flat_map(BTreeMap::values)
    }

    pub fn all_mut(&mut self, kind: &str) -> impl Iterator<Item = &mut Doc> {
        self.kept.get_mut(kind).into_iter().flat_map(BTreeMap::values_mut)
    }

    /// Whatever has the id.
    pub fn any_mut(&mut self, id: &str) -> Option<&mut Doc> {
        self.kept.values_mut().find_map(|all| all.get_mut(id))
    }

    /// What a describe asks for: by ids, or by filters; or the id that is not there.
    pub fn asked(&self, kind: &Kind, form: &Form) -> Result<Vec<&Doc>, String> {
        let mut ids = form.list(kind.asked);
        // Some describes have another list for ids.
        ids.extend(form.list(&format!("{}s", kind.asked)));
        let mut found: Vec<&Doc> = Vec::new();
        for id in &ids {
            let by_name = |doc: &&Doc| kind.name == "placement" && doc["groupName"] == **id;
            let one = self.get(kind.name, id).or_else(|| self.all(kind.name).find(by_name));
            found.push(one.ok_or_else(|| (*id).to_owned())?);
        }
        if ids.is_empty() {
            found = self.all(kind.name).collect();
        }
        for item in form.items("Filter") {
            let (name, wanted) = (form.get(&format!("{item}Name")), form.list(&format!("{item}Value")));
            found.retain(|doc| values(doc, name).iter().any(|value| wanted.contains(&value.as_str())));
        }
        Ok(found)
    }
}

/// The values that a filter sees.
fn values(doc: &Doc, filter: &str) -> Vec<String> {
    if let Some(key) = filter.strip_prefix("tag:") {
        let tags = doc.get("tagSet").and_then(Value::as_array).into_iter().flatten();
        return tags.filter(|tag| tag["key"] == key).map(|tag| text(&tag["value"])).collect();
    }
    let path =
        FILTERS.iter().find(|(name, _)| *name == filter).map_or_else(|| camel(filter), |(_, path)| (*path).to_owned());
    let mut at: Vec<&Value> = Vec::new();
    let mut parts = path.split('.');
    at.extend(doc.get(parts.next().unwrap_or_default()));
    for part in parts {
        at = at.into_iter().flat_map(flat).filter_map(|value| value.get(part)).collect();
    }
    at.into_iter().flat_map(flat).map(text).collect()
}

fn flat(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |all| all.iter().collect())
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `vpc-id` as `vpcId`.
fn camel(filter: &str) -> String {
    let mut parts = filter.split('-');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| out + &part[..1].to_uppercase() + &part[1..])
}

/// The tags that a creation gives, as its describe shows them.
pub fn tags(form: &Form) -> Value {
    tags_of(form, 1)
}

/// The tags of the call's specification of that number: an instance has one, and its volumes have another.
pub fn tags_of(form: &Form, number: usize) -> Value {
    let pairs = form.pairs(&format!("TagSpecification.{number}.Tag"), "Key", "Value");
    pairs.into_iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
}
