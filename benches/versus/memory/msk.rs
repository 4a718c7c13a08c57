//! MSK: clusters, which are ready at once, and configurations.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::store::Store;
use super::wire::{Answer, Doc, Request, error};

/// The MSK of one account in one region, by ARN: clusters as the second version of the API shows them, and configurations with
/// their revisions.
#[derive(Default)]
pub struct Msk {
    clusters: BTreeMap<String, Value>,
    configurations: BTreeMap<String, Value>,
    last: usize,
}

/// The answer to a call, or nothing for one that the model does not have.
pub fn answer(msk: &mut Msk, ec2: &mut Store, asked: &Request) -> Option<Answer> {
    let path = asked.path.trim_start_matches("/api/v2").trim_start_matches("/v1").trim_start_matches('/');
    let second = asked.path.starts_with("/api/v2");
    // An ARN has slashes itself: `configurations/ARN/revisions/1`.
    let (sort, rest) = path.split_once('/').unwrap_or((path, ""));
    let (arn, part) = match rest.split('/').collect::<Vec<_>>().as_slice() {
        [one, two, three, part @ ..] => (format!("{one}/{two}/{three}"), part.join("/")),
        _ => (rest.to_owned(), String::new()),
    };
    Some(match (asked.method.as_str(), sort, arn.as_str(), part.as_str()) {
        ("POST", "clusters", "", "") => create(msk, ec2, asked, second),
        ("GET", "clusters", "", "") => {
            let name = asked.query.get("clusterNameFilter");
            let named = |one: &&Value| one["clusterName"].as_str().is_some_and(|own| own.starts_with(name));
            Answer::Json(json!({"clusterInfoList": msk.clusters.values().filter(named).collect::<Vec<_>>()}))
        }
        ("GET" | "DELETE", "clusters", arn, part) => {
            let Some(cluster) = msk.clusters.get(arn) else {
                return Some(error(
                    404,
                    "NotFoundException",
                    &format!("The cluster with the ARN {arn} does not exist."),
                ));
            };
            match part {
                "" if asked.method == "DELETE" => {
                    msk.clusters.remove(arn);
                    let own: Vec<String> =
                        ec2.all("interface").filter(|one| one["description"] == arn).map(id_of).collect();
                    own.iter().for_each(|id| drop(ec2.remove("interface", id)));
                    Answer::Json(json!({"clusterArn": arn, "state": "DELETING"}))
                }
                "" => Answer::Json(json!({"clusterInfo": if second { cluster.clone() } else { first(cluster) }})),
                "policy" => error(404, "NotFoundException", "The cluster has no cluster policy."),
                "bootstrap-brokers" => {
                    let name = cluster["clusterName"].as_str()?;
                    let one =
                        |number: u32| format!("b-{number}.{name}.000000.c1.kafka.{}.amazonaws.com:9098", asked.region);
                    let all = [1, 2, 3].map(one).join(",");
                    Answer::Json(json!({"bootstrapBrokerStringSaslIam": all}))
                }
                _ => return None,
            }
        }
        ("POST", "configurations", "", "") => {
            msk.last += 1;
            let name = asked.json["name"].as_str()?;
            let arn = asked.arn("kafka", &format!("configuration/{name}/{}", unique(msk.last)));
            let (date, text) = (now(), asked.json["description"].as_str().unwrap_or_default());
            let revision = json!({"revision": 1, "creationTime": date, "description": text});
            let mut doc =
                json!({"arn": arn, "creationTime": date, "latestRevision": revision, "name": name, "state": "ACTIVE"});
            let answer = Answer::Json(doc.clone());
            doc["description"] = json!(text);
            let versions = &asked.json["kafkaVersions"];
            doc["kafkaVersions"] = if versions.is_null() { json!([]) } else { versions.clone() };
            doc["_properties"] = asked.json["serverProperties"].clone();
            msk.configurations.insert(arn, doc);
            answer
        }
        ("GET", "configurations", "", "") => {
            Answer::Json(json!({"configurations": msk.configurations.values().map(shown).collect::<Vec<_>>()}))
        }
        ("GET" | "DELETE", "configurations", arn, part) => {
            let Some(one) = msk.configurations.get(arn) else {
                return Some(error(400, "BadRequestException", "Configuration ARN does not exist."));
            };
            if asked.method == "DELETE" {
                msk.configurations.remove(arn);
                return Some(Answer::Json(json!({"arn": arn, "state": "DELETING"})));
            }
            if part.is_empty() {
                return Some(Answer::Json(shown(one)));
            }
            let mut revision = json!({"arn": arn, "creationTime": one["creationTime"]});
            if let Some(text) = one.get("description") {
                revision["description"] = text.clone();
            }
            (revision["revision"], revision["serverProperties"]) = (json!(1), one["_properties"].clone());
            Answer::Json(revision)
        }
        ("GET", "vpc-connections", "", "") => Answer::Json(json!({"vpcConnections": []})),
        ("GET", "compatible-kafka-versions", "", "") => {
            let cluster = msk.clusters.get(asked.query.get("clusterArn"))?;
            let version = &cluster["provisioned"]["currentBrokerSoftwareInfo"]["kafkaVersion"];
            let later = ["4.0.x.kraft", "4.1.x.kraft"];
            Answer::Json(json!({"compatibleKafkaVersions": [{"sourceVersion": version, "targetVersions": later}]}))
        }
        _ => return None,
    })
}

/// Application Auto Scaling, of which the benchmark's stacks have nothing.
pub fn scaling(asked: &Request) -> Option<Answer> {
    match asked.operation.as_str() {
        "DescribeScalableTargets" => Some(Answer::Json(json!({"ScalableTargets": []}))),
        "DescribeScalingPolicies" => Some(Answer::Json(json!({"ScalingPolicies": []}))),
        _ => None,
    }
}

/// A configuration without what is the model's own.
fn shown(one: &Value) -> Value {
    let mut doc = one.clone();
    doc.as_object_mut().expect("an object").remove("_properties");
    doc
}

fn create(msk: &mut Msk, ec2: &mut Store, asked: &Request, second: bool) -> Answer {
    msk.last += 1;
    let name = asked.json["clusterName"].as_str().unwrap_or_default();
    let arn = asked.arn("kafka", &format!("cluster/{name}/{}", unique(msk.last)));
    let mut provisioned = if second { asked.json["provisioned"].clone() } else { asked.json.clone() };
    let provisioned_brokers = provisioned["numberOfBrokerNodes"].as_u64().unwrap_or_default();
    let inner = provisioned.as_object_mut().expect("a cluster");
    ["clusterName", "tags"].iter().for_each(|field| drop(inner.remove(*field)));
    let configuration = inner.remove("configurationInfo").unwrap_or_default();
    let version = inner.remove("kafkaVersion").unwrap_or_default();
    inner.insert("currentBrokerSoftwareInfo".to_owned(), json!({
        "kafkaVersion": version, "configurationArn": configuration["arn"], "configurationRevision": configuration["revision"],
    }));
    inner.insert("storageMode".to_owned(), json!("LOCAL"));
    inner.insert("customerActionStatus".to_owned(), json!("NONE"));
    let nodes = &mut provisioned["brokerNodeGroupInfo"];
    // An interface of each broker, in the subnets in turn.
    let texts = |field: &str| -> Vec<String> {
        nodes[field].as_array().into_iter().flatten().filter_map(|one| Some(one.as_str()?.to_owned())).collect()
    };
    let (subnets, groups) = (texts("clientSubnets"), texts("securityGroups"));
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    let brokers = usize::try_from(provisioned_brokers).unwrap_or_default();
    for subnet in subnets.iter().cycle().take(brokers) {
        let made = super::hosts::interface(ec2, asked, subnet, None, &groups, Some(&arn));
        let one = ec2.get_mut("interface", &id_of(&made)).expect("it was made");
        one["privateIpAddressesSet"][0]["privateDnsName"] = made["privateDnsName"].clone();
    }
    nodes["brokerAZDistribution"] = json!("DEFAULT");
    nodes["zoneIds"] = json!(["use1-az1", "use1-az2", "use1-az3"]);
    nodes["connectivityInfo"] = json!({"publicAccess": {"type": "DISABLED"}, "networkType": "IPV4"});
    let tls = &mut provisioned["clientAuthentication"]["tls"];
    if tls.is_null() {
        *tls = json!({"enabled": false});
    }
    tls["certificateAuthorityArnList"] = json!([]);
    provisioned["encryptionInfo"]["encryptionAtRest"] =
        json!({"dataVolumeKMSKeyId": asked.arn("kms", "alias/aws/kafka")});
    let cluster = json!({
        "clusterArn": arn, "clusterName": name, "creationTime": now(), "currentVersion": "K000000000000", "state": "ACTIVE",
        "tags": asked.json["tags"], "clusterType": "PROVISIONED", "provisioned": provisioned,
    });
    msk.clusters.insert(arn.clone(), cluster);
    let mut answer = json!({"clusterArn": arn, "clusterName": name, "state": "CREATING"});
    if second {
        answer["clusterType"] = json!("PROVISIONED");
    }
    Answer::Json(answer)
}

fn id_of(interface: &Doc) -> String {
    interface["networkInterfaceId"].as_str().unwrap_or_default().to_owned()
}

/// A cluster as the first version of the API shows it.
fn first(cluster: &Value) -> Value {
    let mut doc = cluster.as_object().expect("an object").clone();
    doc.remove("clusterType");
    if let Some(Value::Object(inner)) = doc.remove("provisioned") {
        doc.extend(inner);
    }
    json!(doc)
}

/// The end of an ARN.
fn unique(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012x}-{number}")
}

fn now() -> String {
    super::ec2::now()
}
