//! IAM and STS: roles with their policies, instance profiles, and who asks.

use std::collections::BTreeMap;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::wire::{Answer, Doc, Form, Request, error};

/// The IAM of one account: roles and profiles by name.
#[derive(Default)]
pub struct Iam {
    roles: BTreeMap<String, Role>,
    profiles: BTreeMap<String, Profile>,
}

struct Role {
    doc: Doc,
    /// Inline policies by name, and the ARNs of attached ones.
    inline: BTreeMap<String, String>,
    attached: Vec<String>,
}

struct Profile {
    doc: Doc,
    roles: Vec<String>,
}

/// The answer to a call, or nothing for an operation that the model does not have.
pub fn answer(iam: &mut Iam, asked: &Request) -> Option<Answer> {
    let form = &asked.form;
    let (role, profile) = (form.get("RoleName"), form.get("InstanceProfileName"));
    let of_profile = asked.operation.ends_with("InstanceProfile");
    let creates = asked.operation.starts_with("Create");
    if form.maybe("RoleName").is_some() && !creates && !iam.roles.contains_key(role) {
        return Some(error(404, "NoSuchEntity", &format!("Role {role} not found")));
    }
    if of_profile && !creates && !iam.profiles.contains_key(profile) {
        return Some(error(404, "NoSuchEntity", &format!("Instance profile {profile} not found")));
    }
    let root = format!("arn:aws:iam::{}:root", asked.account);
    Some(match asked.operation.as_str() {
        "GetCallerIdentity" => result(json!({"UserId": "AKIAIOSFODNN7EXAMPLE", "Account": asked.account, "Arn": root})),
        "GetUser" => result(json!({"User": {
            "UserId": asked.account, "Arn": root, "CreateDate": now(), "PasswordLastUsed": now(),
        }})),
        "CreateRole" => {
            let id = format!("AROA{:017}", iam.roles.len() + 1);
            let mut doc = json!({
                "Path": form.get("Path"), "RoleName": role, "RoleId": id,
                "Arn": format!("arn:aws:iam::{}:role/{role}", asked.account), "CreateDate": now(),
                "AssumeRolePolicyDocument": coded(form.get("AssumeRolePolicyDocument")),
                "Description": form.maybe("Description"), "MaxSessionDuration": form.maybe("MaxSessionDuration"),
                "Tags": tags(form),
            });
            let answer = result(json!({"Role": doc}));
            doc["MaxSessionDuration"] = json!(form.maybe("MaxSessionDuration").unwrap_or("3600"));
            doc["RoleLastUsed"] = json!({});
            let Value::Object(doc) = doc else { return None };
            iam.roles.insert(role.to_owned(), Role { doc, inline: BTreeMap::new(), attached: Vec::new() });
            answer
        }
        "GetRole" => result(json!({"Role": iam.roles[role].doc})),
        "DeleteRole" => {
            iam.roles.remove(role);
            Answer::Query(None)
        }
        "PutRolePolicy" => {
            let (name, text) = (form.get("PolicyName").to_owned(), form.get("PolicyDocument").to_owned());
            iam.roles.get_mut(role)?.inline.insert(name, text);
            Answer::Query(None)
        }
        "GetRolePolicy" => {
            let name = form.get("PolicyName");
            let Some(text) = iam.roles[role].inline.get(name) else {
                return Some(error(404, "NoSuchEntity", &format!("The role policy {name} cannot be found.")));
            };
            result(json!({"RoleName": role, "PolicyName": name, "PolicyDocument": coded(text)}))
        }
        "DeleteRolePolicy" => {
            iam.roles.get_mut(role)?.inline.remove(form.get("PolicyName"));
            Answer::Query(None)
        }
        "ListRolePolicies" => {
            let names: Vec<&String> = iam.roles[role].inline.keys().collect();
            result(json!({"PolicyNames": names, "IsTruncated": false}))
        }
        "AttachRolePolicy" => {
            iam.roles.get_mut(role)?.attached.push(form.get("PolicyArn").to_owned());
            Answer::Query(None)
        }
        "DetachRolePolicy" => {
            iam.roles.get_mut(role)?.attached.retain(|arn| arn != form.get("PolicyArn"));
            Answer::Query(None)
        }
        "ListAttachedRolePolicies" => {
            let one = |arn: &String| json!({"PolicyName": arn.rsplit('/').next(), "PolicyArn": arn});
            let all: Vec<Value> = iam.roles[role].attached.iter().map(one).collect();
            result(json!({"AttachedPolicies": all, "IsTruncated": false}))
        }
        "ListInstanceProfilesForRole" => {
            let with = |one: &&Profile| one.roles.iter().any(|name| name == role);
            let all: Vec<Value> = iam.profiles.values().filter(with).map(|one| iam.shown(one)).collect();
            result(json!({"InstanceProfiles": all}))
        }
        "CreateInstanceProfile" => {
            let id = format!("AIPA{:017}", iam.profiles.len() + 1);
            let doc = json!({
                "Path": form.get("Path"), "InstanceProfileName": profile, "InstanceProfileId": id,
                "Arn": format!("arn:aws:iam::{}:instance-profile/{profile}", asked.account), "CreateDate": now(),
                "Roles": [], "Tags": tags(form),
            });
            let answer = result(json!({"InstanceProfile": doc}));
            let Value::Object(doc) = doc else { return None };
            iam.profiles.insert(profile.to_owned(), Profile { doc, roles: Vec::new() });
            answer
        }
        "GetInstanceProfile" => result(json!({"InstanceProfile": iam.shown(&iam.profiles[profile])})),
        "AddRoleToInstanceProfile" => {
            iam.profiles.get_mut(profile)?.roles.push(role.to_owned());
            Answer::Query(None)
        }
        "RemoveRoleFromInstanceProfile" => {
            iam.profiles.get_mut(profile)?.roles.retain(|name| name != role);
            Answer::Query(None)
        }
        "DeleteInstanceProfile" => {
            iam.profiles.remove(profile);
            Answer::Query(None)
        }
        "ListRoles" => {
            let all: Vec<&Doc> = iam.roles.values().map(|role| &role.doc).collect();
            result(json!({"Roles": all, "IsTruncated": false}))
        }
        "ListInstanceProfiles" => {
            let all: Vec<Value> = iam.profiles.values().map(|one| iam.shown(one)).collect();
            result(json!({"InstanceProfiles": all, "IsTruncated": false}))
        }
        _ => return None,
    })
}

impl Iam {
    fn shown(&self, profile: &Profile) -> Value {
        let mut doc = profile.doc.clone();
        let roles: Vec<&Doc> = profile.roles.iter().filter_map(|name| Some(&self.roles.get(name)?.doc)).collect();
        doc.insert("Roles".to_owned(), json!(roles));
        json!(doc)
    }
}

fn result(value: Value) -> Answer {
    let Value::Object(doc) = value else { panic!("a result is an object") };
    Answer::Query(Some(doc))
}

fn tags(form: &Form) -> Value {
    let pairs = form.pairs("Tags.member", "Key", "Value");
    pairs.into_iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

/// A policy document as IAM gives it.
fn coded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}
