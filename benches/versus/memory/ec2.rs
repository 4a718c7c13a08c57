//! EC2: which operation is whose, every describe, and every deletion that has nothing of its own.

use serde_json::{Value, json};

use super::network::of;
use super::store::{KINDS, Kind, Store};
use super::wire::{Answer, Doc, Request, error};
use super::{groups, hosts, network};

/// Deletions of something by its id, with nothing else to it: operation, kind.
const DELETIONS: [(&str, &str); 7] = [
    ("DeleteVpc", "vpc"),
    ("DeleteSubnet", "subnet"),
    ("DeleteInternetGateway", "igw"),
    ("ReleaseAddress", "address"),
    ("DeleteRouteTable", "table"),
    ("DeleteVolume", "volume"),
    ("DeleteNetworkInterface", "interface"),
];

/// The answer to a call, or nothing for an operation that the model does not have.
pub fn answer(store: &mut Store, asked: &Request) -> Option<Answer> {
    let own =
        network::answer(store, asked).or_else(|| groups::answer(store, asked)).or_else(|| hosts::answer(store, asked));
    if own.is_some() {
        return own;
    }
    if let Some(kind) = KINDS.iter().find(|kind| kind.describe == asked.operation) {
        return Some(describe(store, kind, asked));
    }
    if let Some((_, name)) = DELETIONS.iter().find(|(operation, _)| *operation == asked.operation) {
        return Some(delete(store, name, asked));
    }
    match asked.operation.as_str() {
        "CreateTags" | "DeleteTags" => {
            for id in asked.form.list("ResourceId") {
                let doc = store.any_mut(id)?;
                let all = doc["tagSet"].as_array_mut()?;
                for (key, value) in asked.form.pairs("Tag", "Key", "Value") {
                    all.retain(|tag| tag["key"] != key);
                    if asked.operation == "CreateTags" {
                        all.push(json!({"key": key, "value": value}));
                    }
                }
            }
            Some(done())
        }
        // Tags that AWS itself gives, which nothing here has.
        "DescribeTags" => Some(of(json!({"tagSet": []}))),
        _ => None,
    }
}

fn describe(store: &Store, kind: &Kind, asked: &Request) -> Answer {
    let all = match store.asked(kind, &asked.form) {
        Ok(all) => all,
        Err(id) => return error(400, kind.missing, &format!("The {} '{id}' does not exist", kind.name)),
    };
    let most: usize = asked.form.get("MaxResults").parse().unwrap_or(usize::MAX);
    let start: usize = asked.form.get("NextToken").parse().unwrap_or_default();
    let shown = |doc: &&Doc| -> Value {
        match kind.name {
            "group" => json!(groups::shown(store, doc)),
            "instance" => hosts::reservation(asked, doc),
            _ => json!(doc),
        }
    };
    let page: Vec<Value> = all.iter().skip(start).take(most).map(shown).collect();
    let next = start.saturating_add(most);
    of(json!({kind.set: page, "nextToken": (next < all.len()).then(|| next.to_string())}))
}

fn delete(store: &mut Store, name: &'static str, asked: &Request) -> Answer {
    let kind = KINDS.iter().find(|kind| kind.name == name).expect("a kind");
    let id = asked.form.get(kind.asked);
    let Some(gone) = store.remove(name, id) else {
        return error(400, kind.missing, &format!("The {name} '{id}' does not exist"));
    };
    match name {
        // What came with a VPC goes with it.
        "vpc" => {
            for (kind, field) in [("table", "routeTableId"), ("acl", "networkAclId"), ("group", "groupId")] {
                let own = store.all(kind).filter(|one| one["vpcId"] == id);
                let own: Vec<String> = own.filter_map(|one| Some(one[field].as_str()?.to_owned())).collect();
                own.iter().for_each(|one| drop(store.remove(kind, one)));
            }
        }
        "subnet" => {
            for acl in store.all_mut("acl") {
                acl["associationSet"].as_array_mut().expect("a list").retain(|one| one["subnetId"] != id);
            }
        }
        "interface" => {
            if let Some(subnet) = store.get_mut("subnet", gone["subnetId"].as_str().unwrap_or_default()) {
                let free = subnet["availableIpAddressCount"].as_u64().unwrap_or_default();
                subnet.insert("availableIpAddressCount".to_owned(), json!(free + 1));
            }
        }
        _ => {}
    }
    done()
}

/// The answer of what only says that it was done.
pub fn done() -> Answer {
    Answer::Ec2(Doc::new())
}

/// The time, as EC2 says it.
pub fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
