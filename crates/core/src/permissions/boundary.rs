//! What a permissions boundary surely forbids, by its document. What depends on conditions or resources is not known here.

use serde_json::Value;

/// The `actions` that a policy with this `document` allows nowhere, whatever else allows them, when it is a boundary.
pub fn forbidden<'a>(document: &Value, actions: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let statements = list(&document["Statement"]);
    let with = |effect: &str| {
        let effect = effect.to_owned();
        statements.iter().copied().filter(move |one| one["Effect"] == effect.as_str())
    };
    let allowed = |action: &str| with("Allow").any(|one| names(one, action));
    // A denial with a condition, or of some resources, may leave what is needed.
    let whole = |one: &Value| {
        one["Condition"].is_null() && list(&one["Resource"]).iter().any(|resource| resource.as_str() == Some("*"))
    };
    let denied = |action: &str| with("Deny").any(|one| whole(one) && names(one, action));
    actions.into_iter().filter(|action| !allowed(action) || denied(action)).collect()
}

/// A value that may stand for itself or be in a list.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

/// Whether a statement is about `action`.
fn names(statement: &Value, action: &str) -> bool {
    let any = |patterns: &Value| list(patterns).into_iter().filter_map(Value::as_str).any(|one| fits(one, action));
    match &statement["NotAction"] {
        Value::Null => any(&statement["Action"]),
        not => !any(not),
    }
}

/// Whether a pattern of IAM's, with `*` for any characters and `?` for one, fits an action. Neither minds case.
fn fits(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase().into_bytes(), action.to_ascii_lowercase().into_bytes());
    let (mut at, mut place) = (0, 0);
    // Where the last star is, and where in the action what follows it was tried.
    let mut star: Option<(usize, usize)> = None;
    while place < action.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, place));
                at += 1;
            }
            Some(c) if *c == b'?' || *c == action[place] => {
                at += 1;
                place += 1;
            }
            _ => match star {
                Some((back, tried)) => {
                    star = Some((back, tried + 1));
                    at = back + 1;
                    place = tried + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ACTIONS: [&str; 2] = ["ssm:UpdateInstanceInformation", "ssmmessages:OpenDataChannel"];

    #[test]
    fn a_pattern_fits_as_iam_says() {
        for pattern in ["*", "ssm:*", "SSM:updateinstanceinformation", "ssm:Update*", "s?m:*Instance*", "ssm:*Info*ion"]
        {
            assert!(fits(pattern, ACTIONS[0]), "{pattern}");
        }
        for pattern in ["", "ssm", "ssm:Update", "ssmmessages:*", "ssm:?", "ssm:*Instances*", "*:Update"] {
            assert!(!fits(pattern, ACTIONS[0]), "{pattern}");
        }
    }

    #[test]
    fn only_what_is_surely_forbidden_counts() {
        let allow = |action: Value| json!({"Effect": "Allow", "Action": action, "Resource": "*"});
        let deny = |more: Value| {
            let mut one = json!({"Effect": "Deny", "Action": "ssm:*", "Resource": "*"});
            one.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            one
        };
        let all = ACTIONS.to_vec();
        let cases = [
            (json!([allow(json!("*"))]), vec![]),
            (json!(allow(json!(["ssm:*", "ssmmessages:*"]))), vec![]),
            (json!([allow(json!("s3:*"))]), all.clone()),
            (json!([]), all.clone()),
            (json!([allow(json!("ssmmessages:*"))]), vec![ACTIONS[0]]),
            (json!([{"Effect": "Allow", "NotAction": ["iam:*"], "Resource": "*"}]), vec![]),
            (json!([{"Effect": "Allow", "NotAction": "ssm:*", "Resource": "*"}]), vec![ACTIONS[0]]),
            (json!([allow(json!("*")), deny(json!({}))]), vec![ACTIONS[0]]),
            (
                json!([allow(json!("*")), deny(json!({"Condition": {"Bool": {"aws:SecureTransport": "false"}}}))]),
                vec![],
            ),
            (json!([allow(json!("*")), deny(json!({"Resource": ["arn:aws:ssm:*:*:parameter/*"]}))]), vec![]),
            (json!([allow(json!("*")), {"Effect": "Deny", "NotAction": "ssm:*", "Resource": "*"}]), vec![ACTIONS[1]]),
        ];
        for (statements, expected) in cases {
            let document = json!({"Version": "2012-10-17", "Statement": statements});
            assert_eq!(forbidden(&document, ACTIONS), expected, "{document}");
        }
    }
}
