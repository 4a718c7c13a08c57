//! What hosts are made of: volumes, interfaces, instances, placement groups.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::ec2::{done, now};
use super::network::of;
use super::store::{Store, tags, tags_of};
use super::wire::{Answer, Doc, Request, error};

/// The answer of an operation on hosts, if this is one.
pub fn answer(store: &mut Store, asked: &Request) -> Option<Answer> {
    let form = &asked.form;
    Some(match asked.operation.as_str() {
        "CreatePlacementGroup" => {
            let (name, strategy) = (form.get("GroupName"), form.get("Strategy"));
            let mut doc = json!({
                "groupName": name, "groupId": store.fresh("pg"),
                "groupArn": asked.arn("ec2", &format!("placement-group/{name}")), "state": "available",
                "strategy": strategy, "tagSet": tags(form),
            });
            match strategy {
                "spread" => doc["spreadLevel"] = json!("rack"),
                _ => doc["partitionCount"] = json!(form.maybe("PartitionCount").unwrap_or("7")),
            }
            of(json!({"placementGroup": store.add("placement", doc)}))
        }
        "DeletePlacementGroup" => {
            let found = store.all("placement").find(|one| one["groupName"] == form.get("GroupName"));
            let id = found?["groupId"].as_str()?.to_owned();
            store.remove("placement", &id);
            done()
        }
        "CreateNetworkInterface" => {
            let address =
                form.maybe("PrivateIpAddress").or_else(|| form.maybe("PrivateIpAddresses.1.PrivateIpAddress"));
            let (subnet, groups) = (form.get("SubnetId"), form.list("SecurityGroupId"));
            let mut doc = interface(store, asked, subnet, address, &groups, None);
            doc.insert("association".to_owned(), json!({}));
            of(json!({"networkInterface": doc}))
        }
        // Interfaces leave their instance when it is terminated, which comes before.
        "DetachNetworkInterface" => error(400, "InvalidAttachmentID.NotFound", "The attachment does not exist"),
        "CreateVolume" => {
            let given: Vec<&str> = ["AvailabilityZone", "Size", "VolumeType"].map(|name| form.get(name)).into();
            let figure = |name: &str, usual: &str| form.maybe(name).unwrap_or(usual).to_owned();
            let (iops, throughput) = (figure("Iops", "3000"), figure("Throughput", "125"));
            let mut doc = volume(store, asked, [given[0], given[1], given[2]], (&iops, &throughput), tags(form));
            doc.remove("attachmentSet");
            doc.insert("status".to_owned(), json!("creating"));
            Answer::Ec2(doc)
        }
        "AttachVolume" => {
            let (id, instance, device) = (form.get("VolumeId"), form.get("InstanceId"), form.get("Device"));
            let mut answer = attach(store, id, instance, device, false);
            answer.insert("status".to_owned(), json!("attaching"));
            answer.remove("deleteOnTermination");
            Answer::Ec2(answer)
        }
        "DetachVolume" => {
            let volume = store.get_mut("volume", form.get("VolumeId"))?;
            let mut attachment = volume["attachmentSet"][0].as_object()?.clone();
            free(volume);
            let instance = store.get_mut("instance", attachment["instanceId"].as_str()?)?;
            let devices = instance["blockDeviceMapping"].as_array_mut()?;
            devices.retain(|one| one["ebs"]["volumeId"] != form.get("VolumeId"));
            attachment.insert("status".to_owned(), json!("detaching"));
            attachment.remove("deleteOnTermination");
            Answer::Ec2(attachment)
        }
        "RunInstances" => run(store, asked),
        "StopInstances" | "StartInstances" | "TerminateInstances" => {
            let mut all = Vec::new();
            for id in form.list("InstanceId") {
                let (now, next) = match asked.operation.as_str() {
                    "StopInstances" => ((64, "stopping"), (80, "stopped")),
                    "StartInstances" => ((0, "pending"), (16, "running")),
                    _ => ((32, "shutting-down"), (48, "terminated")),
                };
                let before = store.get("instance", id)?["instanceState"].clone();
                if next.1 == "terminated" && before["name"] != "terminated" {
                    end(store, id);
                }
                store.get_mut("instance", id)?["instanceState"] = json!({"code": next.0, "name": next.1});
                all.push(json!({
                    "instanceId": id, "currentState": {"name": now.1, "code": now.0}, "previousState": before,
                }));
            }
            of(json!({"instancesSet": all}))
        }
        "DescribeInstanceAttribute" => {
            let Some(instance) = store.get("instance", form.get("InstanceId")) else {
                return Some(error(400, "InvalidInstanceID.NotFound", "The instance does not exist"));
            };
            let attribute = form.get("Attribute");
            let value = match attribute {
                "userData" => instance["_user_data"].clone(),
                "instanceInitiatedShutdownBehavior" => json!("stop"),
                _ => json!(false),
            };
            of(json!({"instanceId": form.get("InstanceId"), attribute: {"value": value}}))
        }
        "ModifyInstanceAttribute" => done(),
        _ => return None,
    })
}

/// A new interface with the next free address of its subnet, or with `address`; or, with a description of its own, one that AWS makes
/// for something else.
pub fn interface(
    store: &mut Store,
    asked: &Request,
    subnet: &str,
    address: Option<&str>,
    groups: &[&str],
    managed: Option<&str>,
) -> Doc {
    let id = store.fresh("eni");
    let place = store.get_mut("subnet", subnet).expect("a subnet");
    let free = place["availableIpAddressCount"].as_u64().unwrap_or_default();
    place.insert("availableIpAddressCount".to_owned(), json!(free - 1));
    let (zone, vpc) = (place["availabilityZone"].clone(), place["vpcId"].clone());
    let network: Ipv4Addr =
        place["cidrBlock"].as_str().and_then(|block| block.split('/').next()?.parse().ok()).expect("a block");
    // AWS's own four, then those of other interfaces; hosts name theirs, which are further on in each subnet.
    let taken = store.all("interface").filter(|one| one["subnetId"] == subnet).count();
    let next = || Ipv4Addr::from(u32::from(network) + 1_000 + u32::try_from(taken).expect("few")).to_string();
    let address = address.map_or_else(next, str::to_owned);
    let name = format!("ip-{}.ec2.internal", address.replace('.', "-"));
    let mut own = json!([{"primary": true, "privateDnsName": name, "privateIpAddress": address}]);
    if managed.is_some() {
        own[0].as_object_mut().expect("an address").remove("privateDnsName");
    }
    let tags = if managed.is_some() { json!([]) } else { tags(&asked.form) };
    let doc = json!({
        "availabilityZone": zone, "description": managed.unwrap_or(asked.form.get("Description")),
        "groupSet": super::groups::named(store, groups), "interfaceType": "interface", "ipv6AddressesSet": [],
        "macAddress": "02:00:00:00:00:01", "networkInterfaceId": id, "ownerId": asked.account, "privateDnsName": name,
        "privateIpAddress": address,
        "privateIpAddressesSet": own, "requesterId": "AIDAAAAAAAAAAAAAAAAA", "requesterManaged": managed.is_some(),
        "sourceDestCheck": true, "status": if managed.is_some() { "in-use" } else { "available" },
        "subnetId": subnet, "tagSet": tags, "vpcId": vpc,
    });
    store.add("interface", doc)
}

/// A new volume in a zone, of so many GiB and a type, with these IOPS and MiB/s.
fn volume(store: &mut Store, asked: &Request, what: [&str; 3], speed: (&str, &str), tags: Value) -> Doc {
    let id = store.fresh("vol");
    let doc = json!({
        "iops": speed.0, "tagSet": tags, "volumeType": what[2], "throughput": speed.1, "volumeId": id, "size": what[1],
        "snapshotId": "", "availabilityZone": what[0], "status": "available", "createTime": now(), "attachmentSet": [],
        "encrypted": true, "kmsKeyId": asked.arn("kms", "key/00000000-0000-4000-8000-000000000000"),
    });
    store.add("volume", doc)
}

/// Attaches a volume, and gives the attachment.
fn attach(store: &mut Store, id: &str, instance: &str, device: &str, dies: bool) -> Doc {
    let attachment = json!({
        "deleteOnTermination": dies, "volumeId": id, "instanceId": instance, "device": device, "status": "attached",
        "attachTime": now(),
    });
    let volume = store.get_mut("volume", id).expect("a volume");
    volume.insert("status".to_owned(), json!("in-use"));
    volume.insert("attachmentSet".to_owned(), json!([attachment]));
    let ebs = json!({"attachTime": now(), "deleteOnTermination": dies, "status": "attached", "volumeId": id});
    let devices = store.get_mut("instance", instance).expect("an instance")["blockDeviceMapping"].as_array_mut();
    devices.expect("a list").push(json!({"deviceName": device, "ebs": ebs}));
    attachment.as_object().expect("an object").clone()
}

/// A volume that nothing uses any more.
fn free(volume: &mut Doc) {
    volume.insert("status".to_owned(), json!("available"));
    volume.insert("attachmentSet".to_owned(), json!([]));
}

fn run(store: &mut Store, asked: &Request) -> Answer {
    let (form, id) = (&asked.form, store.fresh("i"));
    let eni = form.get("NetworkInterface.1.NetworkInterfaceId");
    let attachment = json!({
        "attachTime": now(), "attachmentId": store.fresh("eni-attach"), "deleteOnTermination": false, "deviceIndex": 0,
        "networkCardIndex": 0, "instanceId": id, "instanceOwnerId": asked.account, "status": "attached",
    });
    let Some(interface) = store.get_mut("interface", eni) else {
        return error(400, "InvalidNetworkInterfaceID.NotFound", "The network interface does not exist");
    };
    interface.insert("status".to_owned(), json!("in-use"));
    interface.insert("attachment".to_owned(), attachment.clone());
    let mut shown = interface.clone();
    let mut attachment = attachment;
    for field in ["instanceId", "instanceOwnerId"] {
        attachment.as_object_mut().expect("an object").remove(field);
    }
    shown.insert("attachment".to_owned(), attachment);
    shown.insert("association".to_owned(), json!({}));
    for field in ["availabilityZone", "requesterId", "requesterManaged", "tagSet"] {
        shown.remove(field);
    }
    shown["privateIpAddressesSet"][0].as_object_mut().expect("an address").remove("privateDnsName");
    let zone = store.get("interface", eni).map(|one| one["availabilityZone"].clone()).unwrap_or_default();
    let [subnet, vpc, address, groups] =
        ["subnetId", "vpcId", "privateIpAddress", "groupSet"].map(|field| shown[field].clone());
    let profile = form.get("IamInstanceProfile.Name");
    let profile = json!({
        "arn": format!("arn:aws:iam::{}:instance-profile/{profile}", asked.account), "id": store.fresh("iip-assoc"),
    });
    let device = form.get("BlockDeviceMapping.1.DeviceName");
    let name =
        format!("ip-{}.{}.compute.internal", address.as_str().unwrap_or_default().replace('.', "-"), asked.region);
    let hibernation = form.maybe("HibernationOptions.Configured");
    let hibernation = hibernation.map_or_else(|| json!({}), |value| json!({"configured": value}));
    let option = |name: &str, usual: &str| form.maybe(&format!("MetadataOptions.{name}")).unwrap_or(usual).to_owned();
    let doc = json!({
        // The model has no images: of those that the benchmark starts all are of this one.
        "architecture": "arm64", "blockDeviceMapping": [], "clientToken": form.get("ClientToken"), "ebsOptimized": false,
        "hypervisor": "xen", "iamInstanceProfile": profile, "networkInterfaceSet": [shown],
        "rootDeviceName": device, "rootDeviceType": "ebs", "groupSet": groups, "sourceDestCheck": true,
        "sriovNetSupport": "simple", "stateReason": {"code": "", "message": ""}, "tagSet": tags(form),
        "virtualizationType": "hvm", "hibernationOptions": hibernation,
        "metadataOptions": {
            "state": "applied", "httpTokens": option("HttpTokens", "optional"), "httpPutResponseHopLimit": 1,
            "httpEndpoint": option("HttpEndpoint", "enabled"), "httpProtocolIpv6": option("HttpProtocolIpv6", "disabled"),
            "instanceMetadataTags": option("InstanceMetadataTags", "disabled"),
        },
        "instanceId": id, "imageId": form.get("ImageId"), "instanceState": {"code": 16, "name": "running"},
        "privateDnsName": name, "reason": "", "amiLaunchIndex": 0, "productCodes": [],
        "instanceType": form.get("InstanceType"), "launchTime": now(),
        "placement": {"groupName": form.get("Placement.GroupName"), "tenancy": "default", "availabilityZone": zone},
        "monitoring": {"state": "disabled"}, "subnetId": subnet, "vpcId": vpc, "privateIpAddress": address,
        "_user_data": form.get("UserData"), "_reservation": store.fresh("r"),
    });
    store.add("instance", doc);
    let kind = form.maybe("BlockDeviceMapping.1.Ebs.VolumeType").unwrap_or("gp3");
    let size = form.maybe("BlockDeviceMapping.1.Ebs.VolumeSize").unwrap_or("15");
    let zone = zone.as_str().unwrap_or_default();
    let root = volume(store, asked, [zone, size, kind], ("3000", "125"), tags_of(form, 2))["volumeId"].clone();
    attach(store, root.as_str().unwrap_or_default(), &id, device, true);
    let mut doc = store.get("instance", &id).expect("it was made").clone();
    doc.insert("instanceState".to_owned(), json!({"code": 0, "name": "pending"}));
    let mut answer = reservation(asked, &doc);
    answer["instancesSet"] = json!([doc]);
    of(answer)
}

/// An instance in its reservation, as a describe shows it.
pub fn reservation(asked: &Request, instance: &Doc) -> Value {
    json!({
        "reservationId": instance["_reservation"], "ownerId": asked.account, "groupSet": [], "instancesSet": [instance],
    })
}

/// What leaves an instance that is terminated.
fn end(store: &mut Store, id: &str) {
    let instance = store.get_mut("instance", id).expect("an instance");
    let fields = [
        "blockDeviceMapping",
        "iamInstanceProfile",
        "networkInterfaceSet",
        "groupSet",
        "subnetId",
        "vpcId",
        "privateIpAddress",
    ];
    fields.iter().for_each(|field| drop(instance.remove(*field)));
    let text = "Client.UserInitiatedShutdown";
    let reason = json!({"code": text, "message": format!("{text}: User initiated shutdown")});
    instance.insert("stateReason".to_owned(), reason);
    instance.insert("reason".to_owned(), json!("User initiated"));
    let own = |volume: &&mut Doc| volume["attachmentSet"][0]["instanceId"] == id;
    let mut gone = Vec::new();
    for volume in store.all_mut("volume").filter(own) {
        if volume["attachmentSet"][0]["deleteOnTermination"] == true {
            gone.push(volume["volumeId"].as_str().unwrap_or_default().to_owned());
        }
        free(volume);
    }
    gone.iter().for_each(|id| drop(store.remove("volume", id)));
    for interface in
        store.all_mut("interface").filter(|one| one.get("attachment").is_some_and(|at| at["instanceId"] == id))
    {
        interface.remove("attachment");
        interface.insert("status".to_owned(), json!("available"));
    }
}
