//! Parameter Store: parameters with versions, as far as a stack's metadata needs them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::wire::{Answer, Request, error};

/// The parameters of one account in one region, by name.
pub type Parameters = BTreeMap<String, Value>;

/// How many parameters a page has at most, and by itself. Source: AWS Systems Manager API Reference, "GetParametersByPath", 2026.
const PAGE: usize = 10;

/// The answer to a call, or nothing for an operation that the model does not have.
pub fn answer(all: &mut Parameters, asked: &Request) -> Option<Answer> {
    let body = &asked.json;
    let name = body["Name"].as_str().unwrap_or_default();
    Some(match asked.operation.as_str() {
        "PutParameter" => {
            let known = all.get(name);
            if known.is_some() && body["Overwrite"] != true {
                let text = "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.";
                return Some(error(400, "ParameterAlreadyExists", text));
            }
            let version = known.map_or(0, |one| one["Version"].as_u64().unwrap_or_default()) + 1;
            let kind = known.map_or_else(|| body["Type"].clone(), |one| one["Type"].clone());
            let date = jiff::Timestamp::now().as_millisecond() as f64 / 1e3;
            let parameter = json!({
                "Name": name, "Type": kind, "Value": body["Value"], "Version": version, "LastModifiedDate": date,
                "ARN": asked.arn("ssm", &format!("parameter{name}")), "DataType": "text",
            });
            all.insert(name.to_owned(), parameter);
            Answer::Json(json!({"Version": version, "Tier": "Standard"}))
        }
        "GetParametersByPath" => {
            let path = format!("{}/", body["Path"].as_str()?.trim_end_matches('/'));
            let start: usize = body["NextToken"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default();
            let most = body["MaxResults"].as_u64().and_then(|most| usize::try_from(most).ok()).unwrap_or(PAGE);
            let below: Vec<&Value> =
                all.values().filter(|one| one["Name"].as_str().unwrap_or_default().starts_with(&path)).collect();
            let mut answer = json!({"Parameters": below.iter().skip(start).take(most).collect::<Vec<_>>()});
            if start + most < below.len() {
                answer["NextToken"] = json!((start + most).to_string());
            }
            Answer::Json(answer)
        }
        "GetParameters" => {
            let names = body["Names"].as_array()?.iter().filter_map(Value::as_str);
            let (known, others): (Vec<&str>, Vec<&str>) = names.partition(|name| all.contains_key(*name));
            let known: Vec<&Value> = known.iter().map(|name| &all[*name]).collect();
            Answer::Json(json!({"Parameters": known, "InvalidParameters": others}))
        }
        "DeleteParameters" => {
            let names = body["Names"].as_array()?.iter().filter_map(Value::as_str);
            let (gone, others): (Vec<&str>, Vec<&str>) = names.partition(|name| all.remove(*name).is_some());
            Answer::Json(json!({"DeletedParameters": gone, "InvalidParameters": others}))
        }
        _ => return None,
    })
}
