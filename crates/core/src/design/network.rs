//! The network of a stack where others made it: what AWS says of it, and what of it the stack uses.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use super::{Design, Zone};
use crate::endpoint_services::{by_gateway, full_name};
use crate::model::Ref;

/// What AWS says of the VPC, subnets, groups and lists that a file names. Empty where it names none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkFacts {
    /// The VPCs of the region that `network.existing.vpc` means.
    pub vpcs: Vec<VpcFacts>,
    /// The subnets that `network.existing.subnets` means, of whichever VPC.
    pub subnets: Vec<SubnetFacts>,
    /// Others' endpoints in the VPC.
    pub endpoints: Vec<EndpointFacts>,
    /// The VPC of each security group that the file names, by the group's id.
    pub groups: BTreeMap<String, String>,
    /// The address family (`IPv4`, `IPv6`) of each prefix list that the file names, by the list's id.
    pub prefix_lists: BTreeMap<String, String>,
    /// The VPCs that each gateway of the file's routes is attached to, by the gateway's id. `None` where nobody asked.
    pub gateways: Option<BTreeMap<String, BTreeSet<String>>>,
    /// The hosted zone that the file names by its id.
    pub hosted_zone: Option<HostedZoneFacts>,
    /// The domains of the hosted zones that are associated with an existing VPC, by their ids; asked where the stack is to have a zone
    /// of its own in it.
    pub zones_of_vpc: BTreeMap<String, String>,
}

/// A hosted zone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostedZoneFacts {
    pub id: String,
    /// Its domain, without a dot at its end.
    pub name: String,
    pub private: bool,
    /// The ids of the VPCs that it is associated with: a private one has at least one. Empty where it is not known.
    #[serde(default)]
    pub vpcs: Vec<String>,
}

/// A VPC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VpcFacts {
    pub id: String,
    /// All its IPv4 blocks.
    pub blocks: Vec<Ipv4Net>,
    pub dns_support: bool,
    pub dns_hostnames: bool,
    /// Whether it has an IPv6 block.
    #[serde(default)]
    pub ipv6: bool,
}

/// A subnet with its route table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubnetFacts {
    pub id: String,
    pub vpc: String,
    /// The name of its zone.
    pub zone: String,
    /// Its IPv4 block; a subnet may have IPv6 alone.
    pub block: Option<Ipv4Net>,
    /// Its IPv6 block, where it has one.
    #[serde(default)]
    pub ipv6: Option<Ipv6Net>,
    /// How many of its addresses are free, as EC2 counts them.
    pub free: u32,
    /// Addresses and blocks of addresses that interfaces in it have.
    #[serde(default)]
    pub used: Vec<Ipv4Net>,
    /// Its route table: that associated with it, or else the VPC's main one.
    pub route_table: String,
    /// What its active default route leads to, such as `nat-0123456789abcdef0`.
    #[serde(default)]
    pub default_route: Option<String>,
}

impl SubnetFacts {
    /// Whether addresses of the internet are reached directly, which takes a public address.
    pub fn is_public(&self) -> bool {
        self.default_route.as_deref().is_some_and(|target| target.starts_with("igw-"))
    }
    /// Whether a host without a public address reaches what is outside of the VPC.
    pub fn leads_out(&self) -> bool {
        self.default_route.is_some() && !self.is_public()
    }
}

/// An endpoint that the stack did not make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndpointFacts {
    /// Such as `com.amazonaws.eu-west-1.ssm`.
    pub service: String,
    /// The route tables that a gateway endpoint is in.
    #[serde(default)]
    pub route_tables: Vec<String>,
    /// Whether the service's public name leads to it: an interface endpoint that hosts use without knowing of it.
    #[serde(default)]
    pub private_dns: bool,
}

/// What is chosen for the endpoint of a PrivateLink service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateLinkDesign {
    /// The stack's zones that the service is in, each with an interface of the endpoint.
    pub zones: Vec<Zone>,
    /// The names of the stack's other zones.
    pub without: Vec<String>,
    /// Whether the service's owner accepts each endpoint by hand.
    pub by_hand: bool,
    /// Whether the live endpoint waits for that.
    pub asked: bool,
}

/// The network that a stack is in, where it is not its own.
#[derive(Debug, Clone, PartialEq)]
pub struct ExistingNetwork {
    /// The VPC's id.
    pub vpc: String,
    /// All the VPC's IPv4 blocks.
    pub blocks: Vec<Ipv4Net>,
    /// Whether it has an IPv6 block.
    pub ipv6: bool,
    /// The subnets that are used, by the name of their zone.
    pub subnets: BTreeMap<String, SubnetFacts>,
    pub endpoints: Vec<EndpointFacts>,
}

impl ExistingNetwork {
    /// The route tables of the subnets that lead to no gateway endpoint of `service` yet, each once.
    pub fn tables_without(&self, service: &str) -> Vec<String> {
        let there = |table: &String| {
            self.endpoints.iter().any(|one| one.service == service && one.route_tables.contains(table))
        };
        let mut tables: Vec<String> = self.subnets.values().map(|subnet| subnet.route_table.clone()).collect();
        tables.sort();
        tables.dedup();
        tables.retain(|table| !there(table));
        tables
    }

    /// Whether there is an endpoint of the service `name` that serves the subnets already: its public name leads to one in the VPC, or
    /// all the route tables to a gateway.
    pub fn has_endpoint(&self, region: &str, name: &str) -> bool {
        let service = full_name(region, name);
        match by_gateway(name) {
            true => self.tables_without(&service).is_empty(),
            false => self.endpoints.iter().any(|one| one.service == service && one.private_dns),
        }
    }
}

impl Design {
    /// The VPC.
    pub fn vpc(&self) -> Ref {
        match &self.existing {
            Some(existing) => Ref::Id(existing.vpc.clone()),
            None => Ref::to("vpc", "main"),
        }
    }

    /// The subnet of `zone` that hosts and brokers are in.
    pub fn private_subnet(&self, zone: &Zone) -> Ref {
        self.subnet(zone, "private")
    }

    /// The subnet of `zone` for public brokers and endpoints' interfaces. Where others made the network, it is that of the hosts.
    pub fn public_subnet(&self, zone: &Zone) -> Ref {
        self.subnet(zone, "public")
    }

    fn subnet(&self, zone: &Zone, reach: &str) -> Ref {
        match &self.existing {
            Some(existing) => Ref::live(existing.subnets.get(&zone.name).map(|subnet| subnet.id.as_str())),
            None => Ref::to("subnet", &format!("{reach}-{}", zone.key)),
        }
    }
}
