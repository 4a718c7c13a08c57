//! Eventual consistency: what was just made is not listed, and can't be used, for a while.

use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::proxy::{header, refusal};

/// A type of resource as its calls show it.
struct Type {
    create: &'static str,
    describe: &'static str,
    /// The element or the key that has a resource's own id, the first of that name in an item.
    id: &'static str,
    /// The error when a call names one that is not seen yet.
    missing: &'static str,
    service: Service,
}

/// How a service's calls and answers are read.
#[derive(Clone, Copy, PartialEq)]
enum Service {
    Ec2,
    /// Its resources have the names that their creator chose.
    Iam,
    /// With the key of the list in an answer, which is JSON.
    Msk(&'static str),
}

const fn new(create: &'static str, describe: &'static str, id: &'static str, missing: &'static str) -> Type {
    Type { create, describe, id, missing, service: Service::Ec2 }
}

const fn iam(create: &'static str, describe: &'static str, id: &'static str) -> Type {
    Type { create, describe, id, missing: "NoSuchEntity", service: Service::Iam }
}

const fn msk(create: &'static str, describe: &'static str, id: &'static str, list: &'static str) -> Type {
    Type { create, describe, id, missing: "NotFoundException", service: Service::Msk(list) }
}

const TYPES: [Type; 17] = [
    iam("CreateRole", "GetRole", "RoleName"),
    iam("CreateInstanceProfile", "GetInstanceProfile", "InstanceProfileName"),
    msk("Post /v1/configurations", "Get /v1/configurations", "arn", "configurations"),
    msk("Post /api/v2/clusters", "Get /api/v2/clusters", "clusterArn", "clusterInfoList"),
    new("CreateVpc", "DescribeVpcs", "vpcId", "InvalidVpcID.NotFound"),
    new("CreateSubnet", "DescribeSubnets", "subnetId", "InvalidSubnetID.NotFound"),
    new("CreateInternetGateway", "DescribeInternetGateways", "internetGatewayId", "InvalidInternetGatewayID.NotFound"),
    new(
        "CreateEgressOnlyInternetGateway",
        "DescribeEgressOnlyInternetGateways",
        "egressOnlyInternetGatewayId",
        "InvalidGatewayID.NotFound",
    ),
    new("AllocateAddress", "DescribeAddresses", "allocationId", "InvalidAllocationID.NotFound"),
    new("CreateNatGateway", "DescribeNatGateways", "natGatewayId", "NatGatewayNotFound"),
    new("CreateRouteTable", "DescribeRouteTables", "routeTableId", "InvalidRouteTableID.NotFound"),
    new("CreateVpcEndpoint", "DescribeVpcEndpoints", "vpcEndpointId", "InvalidVpcEndpointId.NotFound"),
    new("CreateSecurityGroup", "DescribeSecurityGroups", "groupId", "InvalidGroup.NotFound"),
    new("CreatePlacementGroup", "DescribePlacementGroups", "groupName", "InvalidPlacementGroup.Unknown"),
    new("CreateVolume", "DescribeVolumes", "volumeId", "InvalidVolume.NotFound"),
    new(
        "CreateNetworkInterface",
        "DescribeNetworkInterfaces",
        "networkInterfaceId",
        "InvalidNetworkInterfaceID.NotFound",
    ),
    new("RunInstances", "DescribeInstances", "instanceId", "InvalidInstanceID.NotFound"),
];

struct Hidden {
    of: &'static Type,
    id: String,
    since: Instant,
}

impl Hidden {
    /// Whether a call names it: EC2's and IAM's in its form, MSK's in its path.
    fn named(&self, operation: &str, form: &str) -> bool {
        match self.of.service {
            Service::Ec2 => pairs(form).any(|(_, value)| value == self.id),
            // EC2 writes a point where IAM does not.
            Service::Iam => {
                pairs(form).any(|(key, value)| key.replace('.', "").ends_with(self.of.id) && value == self.id)
            }
            Service::Msk(_) => operation.replace("%3A", ":").replace("%2F", "/").contains(&self.id),
        }
    }
}

/// A form's keys and values.
fn pairs(form: &str) -> impl Iterator<Item = (&str, &str)> {
    form.split('&').filter_map(|pair| pair.split_once('='))
}

/// What was made so lately that AWS does not show it yet.
pub struct Stale {
    /// For how long a new resource is in no list.
    unlisted: Duration,
    /// For how long a call that uses it is answered that there is none.
    unusable: Duration,
    hidden: Mutex<Vec<Hidden>>,
}

impl Stale {
    pub fn new(unlisted: Duration, unusable: Duration) -> Stale {
        Stale { unlisted, unusable, hidden: Mutex::default() }
    }

    /// Does one call by `forward`, and answers as a part of AWS would that has not heard of everything yet.
    pub fn pass(
        &self,
        operation: &str,
        head: &str,
        body: &[u8],
        forward: impl Fn() -> io::Result<Vec<u8>>,
    ) -> io::Result<Vec<u8>> {
        let reads = ["Describe", "Get", "List"].iter().any(|verb| operation.starts_with(verb));
        let lag = if reads { self.unlisted } else { self.unusable };
        let form = String::from_utf8_lossy(body).into_owned();
        let unseen = |one: &&Hidden| one.since.elapsed() < lag;
        let named = {
            let hidden = self.hidden.lock().expect("no panic");
            hidden.iter().filter(unseen).find(|one| one.named(operation, &form)).map(|one| one.of)
        };
        // Some are named by their own creation.
        if let Some(of) = named.filter(|of| operation != of.create) {
            let (status, code) = match of.service {
                Service::Ec2 => (400, of.missing),
                // EC2 does not say which value it is that it does not know.
                Service::Iam if operation == "RunInstances" => (400, "InvalidParameterValue"),
                Service::Iam | Service::Msk(_) => (404, of.missing),
            };
            return Ok(refusal(head, status, code));
        }
        let answer = forward()?;
        if let Some(of) = TYPES.iter().find(|of| of.create == operation) {
            let text = String::from_utf8_lossy(&answer);
            let chosen = |name: &str| pairs(&form).find(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
            let id = match (of.id, of.service) {
                ("groupName", _) => chosen("GroupName"),
                (id, Service::Iam) => chosen(id),
                (id, Service::Ec2) => element(&text, id).map(str::to_owned),
                (id, Service::Msk(_)) => {
                    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
                    serde_json::from_str(body).ok().and_then(|body: Value| Some(body[id].as_str()?.to_owned()))
                }
            };
            let mut hidden = self.hidden.lock().expect("no panic");
            // The same creation again, by its token, makes nothing new.
            if let Some(id) = id.filter(|id| hidden.iter().all(|one| one.id != *id)) {
                hidden.push(Hidden { of, id, since: Instant::now() });
            }
            return Ok(answer);
        }
        let hidden = self.hidden.lock().expect("no panic");
        let ids: Vec<&Hidden> = hidden.iter().filter(unseen).filter(|one| one.of.describe == operation).collect();
        if ids.is_empty() {
            return Ok(answer);
        }
        let text = String::from_utf8(answer).map_err(io::Error::other)?;
        let (answer_head, body) = text.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no head"))?;
        assert!(header(answer_head, "transfer-encoding").is_none(), "LocalStack gives a length: {answer_head}");
        let listed = match ids[0].of.service {
            Service::Ec2 | Service::Iam => {
                without(body, |item| ids.iter().any(|one| element(item, one.of.id) == Some(&one.id)))
            }
            Service::Msk(list) => {
                let mut body: Value = serde_json::from_str(body).map_err(io::Error::other)?;
                if let Some(items) = body[list].as_array_mut() {
                    items.retain(|item| ids.iter().all(|one| item[one.of.id] != one.id.as_str()));
                }
                body.to_string()
            }
        };
        let head: String = answer_head
            .lines()
            .filter(|line| !line.to_ascii_lowercase().starts_with("content-length:"))
            .map(|line| format!("{line}\r\n"))
            .collect();
        Ok(format!("{head}Content-Length: {}\r\n\r\n{listed}", listed.len()).into_bytes())
    }
}

/// The text of the first element `name`.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once('<')?.0)
}

/// The answer of a describe without those items of its list that `drop` picks.
fn without(xml: &str, drop: impl Fn(&str) -> bool) -> String {
    let (mut out, mut depth, mut item, mut at) = (String::new(), 0_usize, None, 0);
    while let Some(start) = xml[at..].find('<').map(|found| at + found) {
        let end = xml[start..].find('>').map_or(xml.len(), |found| start + found + 1);
        let tag = &xml[start..end];
        let closing = tag.starts_with("</");
        let flat = tag.starts_with("<?") || tag.ends_with("/>");
        if !flat && !closing {
            depth += 1;
            // The answer, its list, an item.
            if depth == 3 && tag == "<item>" {
                out.push_str(&xml[at..start]);
                item = Some(start);
            }
        }
        match item {
            Some(first) if closing && depth == 3 => {
                let text = &xml[first..end];
                if !drop(text) {
                    out.push_str(text);
                }
                item = None;
            }
            Some(_) => {}
            None => out.push_str(&xml[at..end]),
        }
        if closing {
            depth -= 1;
        }
        at = end;
    }
    out.push_str(&xml[at..]);
    out
}

#[test]
fn an_item_is_taken_out_whole() {
    let xml = "<?xml?><A><s>\n<item><vpcId>vpc-1</vpcId><t><item>x</item></t></item> <item><vpcId>vpc-2</vpcId></item></s><n/></A>";
    let left = without(xml, |item| element(item, "vpcId") == Some("vpc-1"));
    assert_eq!(left, "<?xml?><A><s>\n <item><vpcId>vpc-2</vpcId></item></s><n/></A>");
    assert_eq!(without(xml, |_| false), xml);
}
