//! The network of EC2: VPCs, subnets, gateways, addresses, route tables and endpoints.

use serde_json::{Value, json};

use super::ec2::{done, now};
use super::store::{Store, tags};
use super::wire::{Answer, Doc, Request, error};

/// The answer of an operation of the network, if this is one.
pub fn answer(store: &mut Store, asked: &Request) -> Option<Answer> {
    let form = &asked.form;
    Some(match asked.operation.as_str() {
        "CreateVpc" => vpc(store, asked),
        "ModifyVpcAttribute" => {
            let vpc = store.get_mut("vpc", form.get("VpcId"))?;
            for (parameter, field) in [("EnableDnsSupport", "_dns_support"), ("EnableDnsHostnames", "_dns_hostnames")] {
                if let Some(value) = form.maybe(&format!("{parameter}.Value")) {
                    vpc.insert(field.to_owned(), json!(value));
                }
            }
            done()
        }
        "DescribeVpcAttribute" => {
            let Some(vpc) = store.get("vpc", form.get("VpcId")) else { return Some(missing("VPC", form.get("VpcId"))) };
            let attribute = form.get("Attribute");
            let value = match attribute {
                "enableDnsSupport" => vpc["_dns_support"].clone(),
                "enableDnsHostnames" => vpc["_dns_hostnames"].clone(),
                _ => json!("false"),
            };
            of(json!({attribute: {"value": value}, "vpcId": form.get("VpcId")}))
        }
        "CreateSubnet" => subnet(store, asked),
        "CreateInternetGateway" => {
            let id = store.fresh("igw");
            let doc =
                json!({"attachmentSet": [], "internetGatewayId": id, "ownerId": asked.account, "tagSet": tags(form)});
            of(json!({"internetGateway": store.add("igw", doc)}))
        }
        "AttachInternetGateway" => {
            let attachment = json!([{"state": "available", "vpcId": form.get("VpcId")}]);
            store.get_mut("igw", form.get("InternetGatewayId"))?.insert("attachmentSet".to_owned(), attachment);
            done()
        }
        "DetachInternetGateway" => {
            let vpc = form.get("VpcId");
            let mapped = |nat: &Doc| nat["vpcId"] == vpc && nat["state"] != "deleted";
            if store.all("nat").any(mapped) {
                return Some(error(400, "DependencyViolation", "The network has some mapped public addresses."));
            }
            store.get_mut("igw", form.get("InternetGatewayId"))?.insert("attachmentSet".to_owned(), json!([]));
            done()
        }
        "AllocateAddress" => {
            let id = store.fresh("eipalloc");
            let number = store.all("address").count();
            let ip = format!("127.1.{}.{}", number / 250, number % 250 + 1);
            let doc = json!({"allocationId": id, "domain": "vpc", "tagSet": tags(form), "publicIp": ip});
            store.add("address", doc);
            of(json!({"allocationId": id, "domain": "vpc", "publicIp": ip}))
        }
        "DescribeAddressesAttribute" => {
            let all = form.list("AllocationId").into_iter().filter_map(|id| store.get("address", id));
            let all: Vec<Value> =
                all.map(|one| json!({"publicIp": one["publicIp"], "allocationId": one["allocationId"]})).collect();
            of(json!({"addressSet": all}))
        }
        // An address leaves with its gateway: who says so afterwards is told that there is nothing any more.
        "DisassociateAddress" => error(400, "InvalidAssociationID.NotFound", "The association ID does not exist"),
        "CreateNatGateway" => nat(store, asked),
        "DeleteNatGateway" => {
            let id = form.get("NatGatewayId");
            let gateway = store.get_mut("nat", id)?;
            gateway.insert("state".to_owned(), json!("deleted"));
            let interface = gateway["natGatewayAddressSet"][0]["networkInterfaceId"].clone();
            store.remove("interface", interface.as_str().unwrap_or_default());
            for address in store.all_mut("address").filter(|one| one.get("networkInterfaceId") == Some(&interface)) {
                for field in ["associationId", "networkInterfaceId", "networkInterfaceOwnerId", "privateIpAddress"] {
                    address.remove(field);
                }
            }
            of(json!({"natGatewayId": id}))
        }
        "CreateRouteTable" => {
            let id = table(store, asked, form.get("VpcId"), tags(form));
            let mut doc = store.get("table", &id)?.clone();
            doc.remove("propagatingVgwSet");
            doc["routeSet"][0].as_object_mut()?.remove("origin");
            of(json!({"routeTable": doc}))
        }
        "AssociateRouteTable" => {
            let (id, table) = (store.fresh("rtbassoc"), form.get("RouteTableId"));
            let association = json!({
                "main": false, "routeTableAssociationId": id, "routeTableId": table, "subnetId": form.get("SubnetId"),
                "associationState": {"state": "associated"},
            });
            store.get_mut("table", table)?["associationSet"].as_array_mut()?.push(association);
            of(json!({"associationId": id}))
        }
        "DisassociateRouteTable" => {
            for table in store.all_mut("table") {
                let all = table["associationSet"].as_array_mut()?;
                all.retain(|one| one["routeTableAssociationId"] != form.get("AssociationId"));
            }
            done()
        }
        "CreateRoute" => {
            let mut route = json!({"destinationCidrBlock": form.get("DestinationCidrBlock")});
            for (parameter, field) in [("GatewayId", "gatewayId"), ("NatGatewayId", "natGatewayId")] {
                if let Some(id) = form.maybe(parameter) {
                    route[field] = json!(id);
                }
            }
            (route["origin"], route["state"]) = (json!("CreateRoute"), json!("active"));
            store.get_mut("table", form.get("RouteTableId"))?["routeSet"].as_array_mut()?.push(route);
            of(json!({"return": true}))
        }
        "DeleteRoute" => {
            let routes = store.get_mut("table", form.get("RouteTableId"))?["routeSet"].as_array_mut()?;
            routes.retain(|one| one["destinationCidrBlock"] != form.get("DestinationCidrBlock"));
            done()
        }
        "CreateVpcEndpoint" => endpoint(store, asked),
        "DeleteVpcEndpoints" => {
            for id in form.list("VpcEndpointId") {
                let endpoint = store.remove("endpoint", id)?;
                for interface in endpoint["networkInterfaceIdSet"].as_array().into_iter().flatten() {
                    store.remove("interface", interface.as_str()?);
                }
                for table in store.all_mut("table") {
                    table["routeSet"].as_array_mut()?.retain(|route| route["gatewayId"] != *id);
                }
            }
            of(json!({"unsuccessful": []}))
        }
        "DescribePrefixLists" => {
            let name = form.get("Filter.1.Value.1");
            of(json!({"prefixListSet": [{"prefixListId": PREFIXES, "prefixListName": name}]}))
        }
        _ => return None,
    })
}

/// The addresses of S3, to which a gateway endpoint leads.
const PREFIXES: &str = "pl-00000000000000001";

/// An answer with what `value` has.
pub fn of(value: Value) -> Answer {
    let Value::Object(doc) = value else { panic!("an answer is an object") };
    Answer::Ec2(doc)
}

fn missing(what: &str, id: &str) -> Answer {
    error(400, "InvalidVpcID.NotFound", &format!("{what} {id} does not exist."))
}

fn vpc(store: &mut Store, asked: &Request) -> Answer {
    let (id, association) = (store.fresh("vpc"), store.fresh("vpc-cidr-assoc"));
    let block = asked.form.get("CidrBlock");
    let doc = store.add(
        "vpc",
        json!({
            "ownerId": asked.account, "instanceTenancy": "default", "ipv6CidrBlockAssociationSet": [],
            "cidrBlockAssociationSet": [
                {"associationId": association, "cidrBlock": block, "cidrBlockState": {"state": "associated"}},
            ],
            "isDefault": false, "tagSet": tags(&asked.form), "vpcId": id, "state": "available", "cidrBlock": block,
            "dhcpOptionsId": "default", "_dns_support": "true", "_dns_hostnames": "false",
        }),
    );
    // What comes with a VPC.
    let main = table(store, asked, &id, json!([]));
    let association = json!([{
        "main": true, "routeTableAssociationId": store.fresh("rtbassoc"), "routeTableId": main,
        "associationState": {"state": "associated"},
    }]);
    store.get_mut("table", &main).expect("it was made").insert("associationSet".to_owned(), association);
    super::groups::default(store, asked, &id);
    let acl = store.fresh("acl");
    let entry = |egress: bool, action: &str, number: u32| json!({"cidrBlock": "0.0.0.0/0", "egress": egress, "protocol": "-1", "ruleAction": action, "ruleNumber": number});
    let entries = [(true, "allow", 100), (true, "deny", 32767), (false, "allow", 100), (false, "deny", 32767)];
    let entries: Vec<Value> = entries.map(|(egress, action, number)| entry(egress, action, number)).into();
    let doc_of_acl = json!({
        "associationSet": [], "entrySet": entries, "default": true, "networkAclId": acl, "tagSet": [], "vpcId": id,
        "ownerId": asked.account,
    });
    store.add("acl", doc_of_acl);
    of(json!({"vpc": doc}))
}

/// The id of a new route table.
fn table(store: &mut Store, asked: &Request, vpc: &str, tags: Value) -> String {
    let id = store.fresh("rtb");
    let block = store.get("vpc", vpc).map(|vpc| vpc["cidrBlock"].clone());
    let local =
        json!({"destinationCidrBlock": block, "gatewayId": "local", "origin": "CreateRouteTable", "state": "active"});
    let doc = json!({
        "associationSet": [], "routeTableId": id, "routeSet": [local], "tagSet": tags, "vpcId": vpc,
        "ownerId": asked.account, "propagatingVgwSet": [],
    });
    store.add("table", doc);
    id
}

/// The id of a zone, such as `apne2-az1` of `ap-northeast-2a`.
fn zone_id(region: &str, zone: &str) -> String {
    let mut parts = region.split('-');
    let (continent, direction) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let short: String = ["north", "south", "east", "west", "central"]
        .iter()
        .filter(|part| direction.contains(**part))
        .map(|part| &part[..1])
        .collect();
    let number = zone.bytes().last().unwrap_or(b'a').saturating_sub(b'`');
    format!("{continent}{short}{}-az{number}", parts.next().unwrap_or_default())
}

fn subnet(store: &mut Store, asked: &Request) -> Answer {
    let (form, id) = (&asked.form, store.fresh("subnet"));
    let (block, zone, vpc) = (form.get("CidrBlock"), form.get("AvailabilityZone"), form.get("VpcId"));
    let bits: u32 = block.rsplit('/').next().and_then(|bits| bits.parse().ok()).unwrap_or(28);
    let doc = json!({
        "availabilityZoneId": zone_id(&asked.region, zone), "ownerId": asked.account,
        "assignIpv6AddressOnCreation": false, "ipv6CidrBlockAssociationSet": [], "tagSet": tags(form),
        "subnetArn": asked.arn("ec2", &format!("subnet/{id}")), "ipv6Native": false,
        "privateDnsNameOptionsOnLaunch": {"hostnameType": "ip-name"}, "subnetId": id, "state": "available", "vpcId": vpc,
        // AWS keeps five addresses of each.
        "cidrBlock": block, "availableIpAddressCount": (1_u64 << (32 - bits.min(28))) - 5, "availabilityZone": zone,
        "defaultForAz": false, "mapPublicIpOnLaunch": false,
    });
    let mut doc = store.add("subnet", doc);
    let association = store.fresh("aclassoc");
    for acl in store.all_mut("acl").filter(|acl| acl["vpcId"] == vpc) {
        let one = json!({"networkAclAssociationId": association, "networkAclId": acl["networkAclId"], "subnetId": id});
        acl["associationSet"].as_array_mut().expect("a list").push(one);
    }
    doc.remove("privateDnsNameOptionsOnLaunch");
    of(json!({"subnet": doc}))
}

fn nat(store: &mut Store, asked: &Request) -> Answer {
    let form = &asked.form;
    let (subnet, allocation) = (form.get("SubnetId"), form.get("AllocationId"));
    let (id, association) = (store.fresh("nat"), store.fresh("eipassoc"));
    let vpc = store.get("subnet", subnet).map(|subnet| subnet["vpcId"].clone()).unwrap_or_default();
    let group = store.all("group").find(|group| group["vpcId"] == vpc && group["groupName"] == "default");
    let group = group.and_then(|group| group["groupId"].as_str()).unwrap_or_default().to_owned();
    let text = format!("Interface for NAT Gateway {id}");
    let interface = super::hosts::interface(store, asked, subnet, None, &[&group], Some(&text));
    let ip = interface["privateIpAddress"].clone();
    let interface = interface["networkInterfaceId"].clone();
    let address = store.get_mut("address", allocation).expect("an address");
    let public = address["publicIp"].clone();
    address.insert("associationId".to_owned(), json!(association));
    address.insert("networkInterfaceId".to_owned(), interface.clone());
    address.insert("networkInterfaceOwnerId".to_owned(), json!(asked.account));
    address.insert("privateIpAddress".to_owned(), ip.clone());
    let of_interface = json!({
        "allocationId": allocation, "associationId": association, "ipOwnerId": asked.account,
        "publicDnsName": format!("ip-{}.ec2.internal", public.as_str().unwrap_or_default().replace('.', "-")), "publicIp": public,
    });
    let one = store.get_mut("interface", interface.as_str().unwrap_or_default()).expect("it was made");
    one.insert("association".to_owned(), of_interface);
    let mut doc = store.add(
        "nat",
        json!({
            "natGatewayId": id, "subnetId": subnet, "vpcId": vpc, "state": "available", "createTime": now(),
            "connectivityType": "public",
            "natGatewayAddressSet": [{
                "allocationId": allocation, "publicIp": public, "associationId": association,
                "networkInterfaceId": interface, "privateIp": ip,
            }],
            "tagSet": tags(form),
        }),
    );
    doc.insert("state".to_owned(), json!("pending"));
    of(json!({"natGateway": doc, "clientToken": form.maybe("ClientToken")}))
}

fn endpoint(store: &mut Store, asked: &Request) -> Answer {
    let (form, id) = (&asked.form, store.fresh("vpce"));
    let (vpc, service, subnets) = (form.get("VpcId"), form.get("ServiceName"), form.list("SubnetId"));
    let groups = form.list("SecurityGroupId");
    let of_gateway = subnets.is_empty();
    let text = format!("VPC Endpoint Interface {id}");
    let interfaces: Vec<Value> = subnets
        .iter()
        .map(|subnet| super::hosts::interface(store, asked, subnet, None, &groups, Some(&text)))
        .map(|one| one["networkInterfaceId"].clone())
        .collect();
    let short = service.rsplit('.').next().unwrap_or_default();
    let names =
        json!([{"dnsName": format!("{id}.{short}.{}.vpce.localhost", asked.region), "hostedZoneId": "Z0000000000000"}]);
    let open = r#"{"Version": "2008-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}"#;
    let doc = json!({
        "vpcEndpointId": id, "vpcEndpointType": if of_gateway { "Gateway" } else { "Interface" }, "vpcId": vpc,
        "serviceName": service, "state": "available", "policyDocument": form.maybe("PolicyDocument").unwrap_or(open),
        "routeTableIdSet": form.list("RouteTableId"), "subnetIdSet": subnets, "groupSet": super::groups::named(store, &groups),
        "privateDnsEnabled": form.maybe("PrivateDnsEnabled").unwrap_or("false"), "networkInterfaceIdSet": interfaces,
        "dnsEntrySet": if of_gateway { json!([]) } else { names }, "creationTimestamp": now(), "tagSet": tags(form),
        "ownerId": asked.account, "dnsOptions": {"dnsRecordIpType": "ipv4"}, "ipAddressType": "ipv4",
        "requesterManaged": false,
    });
    for table in form.list("RouteTableId") {
        let route = json!({
            "destinationPrefixListId": PREFIXES, "gatewayId": id, "origin": "CreateRoute", "state": "active",
        });
        store.get_mut("table", table).expect("a table")["routeSet"].as_array_mut().expect("a list").push(route);
    }
    let mut doc: Doc = store.add("endpoint", doc);
    ["dnsOptions", "ipAddressType", "requesterManaged"].iter().for_each(|field| drop(doc.remove(*field)));
    doc.insert("state".to_owned(), json!(if of_gateway { "available" } else { "pending" }));
    of(json!({"vpcEndpoint": doc}))
}
