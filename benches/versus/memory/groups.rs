//! Security groups and their rules, which a describe of groups shows together by protocol and ports.

use serde_json::{Value, json};

use super::network::of;
use super::store::{Store, tags};
use super::wire::{Answer, Doc, Form, Request, error};

/// The answer of an operation on groups, if this is one.
pub fn answer(store: &mut Store, asked: &Request) -> Option<Answer> {
    let form = &asked.form;
    let group = form.get("GroupId");
    Some(match asked.operation.as_str() {
        "CreateSecurityGroup" => {
            let (vpc, name, text) = (form.get("VpcId"), form.get("GroupName"), form.get("GroupDescription"));
            let id = make(store, asked, vpc, name, text, tags(form));
            let everywhere = json!({"ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0"});
            rule(store, asked, &id, true, &everywhere, json!([]));
            let doc = store.get("group", &id)?;
            of(json!({"groupId": id, "securityGroupArn": doc["securityGroupArn"], "tagSet": doc["tagSet"]}))
        }
        "AuthorizeSecurityGroupIngress" | "AuthorizeSecurityGroupEgress" => {
            let egress = asked.operation.ends_with("Egress");
            let made: Vec<Value> =
                permissions(form).iter().map(|one| rule(store, asked, group, egress, one, tags(form))).collect();
            of(json!({"return": true, "securityGroupRuleSet": made}))
        }
        "RevokeSecurityGroupIngress" | "RevokeSecurityGroupEgress" => {
            let ids = form.list("SecurityGroupRuleId");
            let egress = asked.operation.ends_with("Egress");
            let (wanted, all) = (permissions(form), store.all("rule"));
            let alike = |rule: &Doc, one: &Value| {
                let fields = ["ipProtocol", "fromPort", "toPort", "cidrIpv4"];
                let peer = |rule: &Value| rule["referencedGroupInfo"]["groupId"].clone();
                let rule = Value::Object(rule.clone());
                fields.iter().all(|field| rule.get(field) == one.get(field)) && peer(&rule) == peer(one)
            };
            let goes = |rule: &&Doc| {
                let by_id = ids.iter().any(|id| rule["securityGroupRuleId"] == **id);
                let mine = rule["groupId"] == group && rule["isEgress"] == egress;
                by_id || mine && wanted.iter().any(|one| alike(rule, one))
            };
            let gone: Vec<String> = all.filter(goes).map(id_of).collect();
            // Of rules for IPv6, which no group here has, LocalStack says nothing.
            if gone.is_empty() && !(wanted.is_empty() && ids.is_empty()) {
                return Some(error(
                    400,
                    "InvalidPermission.NotFound",
                    "The specified rule does not exist in this security group.",
                ));
            }
            gone.iter().for_each(|id| drop(store.remove("rule", id)));
            of(json!({"return": true}))
        }
        "DeleteSecurityGroup" => {
            store.remove("group", group)?;
            let own: Vec<String> = store.all("rule").filter(|rule| rule["groupId"] == group).map(id_of).collect();
            own.iter().for_each(|id| drop(store.remove("rule", id)));
            super::ec2::done()
        }
        _ => return None,
    })
}

fn id_of(rule: &Doc) -> String {
    rule["securityGroupRuleId"].as_str().unwrap_or_default().to_owned()
}

/// The group that comes with a VPC: its own members come in, and everything goes out.
pub fn default(store: &mut Store, asked: &Request, vpc: &str) {
    let id = make(store, asked, vpc, "default", "default VPC security group", json!([]));
    let own = json!({"ipProtocol": "-1", "referencedGroupInfo": {"groupId": id, "userId": asked.account}});
    rule(store, asked, &id, false, &own, json!([]));
    rule(store, asked, &id, true, &json!({"ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0"}), json!([]));
}

fn make(store: &mut Store, asked: &Request, vpc: &str, name: &str, description: &str, tags: Value) -> String {
    let id = store.fresh("sg");
    let doc = json!({
        "groupId": id, "ipPermissionsEgress": [], "tagSet": tags, "vpcId": vpc,
        "securityGroupArn": asked.arn("ec2", &format!("security-group/{id}")), "ownerId": asked.account,
        "groupName": name, "groupDescription": description, "ipPermissions": [],
    });
    store.add("group", doc);
    id
}

/// Keeps a rule with what `of` has, and gives it as its creation answers.
fn rule(store: &mut Store, asked: &Request, group: &str, egress: bool, what: &Value, tags: Value) -> Value {
    let id = store.fresh("sgr");
    let mut doc = json!({"securityGroupRuleId": id, "groupId": group, "isEgress": egress});
    for field in ["ipProtocol", "fromPort", "toPort", "cidrIpv4", "referencedGroupInfo", "description"] {
        if let Some(value) = what.get(field) {
            doc[field] = value.clone();
        }
    }
    doc["tagSet"] = tags;
    if let Some(peer) = doc.get_mut("referencedGroupInfo") {
        peer["userId"] = json!(asked.account);
    }
    let mut doc = Value::Object(store.add("rule", doc));
    // A describe does not tell it.
    doc["groupOwnerId"] = json!(asked.account);
    doc
}

/// The rules that a call names, one for each peer.
fn permissions(form: &Form) -> Vec<Value> {
    let mut all = Vec::new();
    for item in form.items("IpPermissions") {
        let mut base = json!({"ipProtocol": form.get(&format!("{item}IpProtocol"))});
        // A rule for all protocols is one for all ports, whatever is said of them.
        let ports = [("FromPort", "fromPort"), ("ToPort", "toPort")];
        for (parameter, field) in ports.into_iter().filter(|_| form.get(&format!("{item}IpProtocol")) != "-1") {
            if let Some(port) = form.maybe(&format!("{item}{parameter}")) {
                base[field] = json!(port.parse::<i64>().unwrap_or_default());
            }
        }
        let mut with = |peer: &str, field: &str, value: Value| {
            let mut one = base.clone();
            one[field] = value;
            if let Some(text) = form.maybe(&format!("{peer}Description")) {
                one["description"] = json!(text);
            }
            all.push(one);
        };
        for peer in form.items(&format!("{item}Groups")) {
            with(&peer, "referencedGroupInfo", json!({"groupId": form.get(&format!("{peer}GroupId"))}));
        }
        for peer in form.items(&format!("{item}IpRanges")) {
            with(&peer, "cidrIpv4", json!(form.get(&format!("{peer}CidrIp"))));
        }
    }
    all
}

/// A group as its describe shows it, with its rules.
pub fn shown(store: &Store, group: &Doc) -> Doc {
    let mut doc = group.clone();
    for (field, egress) in [("ipPermissions", false), ("ipPermissionsEgress", true)] {
        let mut all: Vec<Value> = Vec::new();
        for rule in store.all("rule").filter(|rule| rule["groupId"] == group["groupId"] && rule["isEgress"] == egress) {
            let key = ["ipProtocol", "fromPort", "toPort"];
            let at = all.iter().position(|one| key.iter().all(|field| one.get(field) == rule.get(*field)));
            let at = at.unwrap_or_else(|| {
                let mut one = json!({});
                key.iter()
                    .filter(|field| rule.contains_key(**field))
                    .for_each(|field| one[*field] = rule[*field].clone());
                for list in ["groups", "ipRanges", "ipv6Ranges", "prefixListIds"] {
                    one[list] = json!([]);
                }
                all.push(one);
                all.len() - 1
            });
            let mut peer = json!({});
            if let Some(text) = rule.get("description") {
                peer["description"] = text.clone();
            }
            let list = match rule.get("referencedGroupInfo") {
                Some(info) => {
                    (peer["userId"], peer["groupId"]) = (info["userId"].clone(), info["groupId"].clone());
                    "groups"
                }
                None => {
                    peer["cidrIp"] = rule["cidrIpv4"].clone();
                    "ipRanges"
                }
            };
            all[at][list].as_array_mut().expect("a list").push(peer);
        }
        doc.insert(field.to_owned(), json!(all));
    }
    doc
}

/// Groups by their ids, with their names.
pub fn named(store: &Store, ids: &[&str]) -> Value {
    let one =
        |id: &&str| json!({"groupId": id, "groupName": store.get("group", id).map(|group| group["groupName"].clone())});
    ids.iter().map(one).collect()
}
