//! The differences between what is wanted and what is live, for any kind: by comparing specs as JSON. Pure.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::model::{FieldChange, Tags, tag};

/// The fields that `wanted` sets and that `live` has differently. A field that is absent or null in `wanted` is of no concern.
pub fn fields(wanted: &Value, live: &Value) -> Vec<FieldChange> {
    let mut out = Vec::new();
    walk("", wanted, live, &mut out);
    out
}

fn walk(path: &str, wanted: &Value, live: &Value, out: &mut Vec<FieldChange>) {
    match (wanted, live) {
        (Value::Null, _) => {}
        (Value::Object(wanted), Value::Object(live)) => {
            for (key, value) in wanted {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(&path, value, live.get(key).unwrap_or(&Value::Null), out);
            }
        }
        (wanted, live) if wanted == live => {}
        (wanted, live) => {
            out.push(FieldChange { field: path.to_owned(), before: live.clone(), after: wanted.clone() });
        }
    }
}

/// The differences in tags. Tags that kstack never set, such as those of a billing tool, are of no concern: which ones it
/// set is kept in the tag `kstack:tags`.
pub fn tags(wanted: &Tags, live: &Tags) -> Vec<FieldChange> {
    let change = |key: &str, before: Option<&String>, after: Option<&String>| FieldChange {
        field: format!("tags.{key}"),
        before: before.map_or(Value::Null, |value| Value::String(value.clone())),
        after: after.map_or(Value::Null, |value| Value::String(value.clone())),
    };
    let own = [tag::KEYS, tag::EXPIRES, tag::PROTECTED, tag::ROLE_POLICY, tag::ROLE_POLICIES, tag::ROLE_BOUNDARY];
    let compared = |key: &str| own.contains(&key) || !tag::OURS.iter().any(|prefix| key.starts_with(prefix));
    let mut out: Vec<FieldChange> = wanted
        .iter()
        .filter(|(key, value)| compared(key) && live.get(*key) != Some(value))
        .map(|(key, value)| change(key, live.get(key), Some(value)))
        .collect();
    let managed: BTreeSet<&str> = live.get(tag::KEYS).map(|keys| keys.split(' ').collect()).unwrap_or_default();
    let dropped = managed.iter().filter(|key| !wanted.contains_key(**key) && live.contains_key(**key));
    out.extend(dropped.map(|key| change(key, live.get(*key), None)));
    let ended = own.iter().filter(|key| live.contains_key(**key) && !wanted.contains_key(**key));
    out.extend(ended.map(|key| change(key, live.get(*key), None)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_fields_that_are_wanted_are_compared() {
        let wanted = json!({"size_gib": 200, "kms_key": null, "nested": {"a": 1}});
        let live = json!({"size_gib": 100, "kms_key": "alias/x", "nested": {"a": 1, "b": 2}, "more": true});
        let changes = fields(&wanted, &live);
        assert_eq!(changes.len(), 1);
        assert_eq!(
            (changes[0].field.as_str(), &changes[0].before, &changes[0].after),
            ("size_gib", &json!(100), &json!(200))
        );
    }

    #[test]
    fn foreign_tags_stay_and_dropped_ones_go() {
        let tags_of =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Tags>();
        let live = tags_of(&[
            ("team", "a"),
            ("old", "1"),
            ("billing", "x"),
            ("kstack:tags", "old team"),
            ("kstack:kafka", "4.1.1"),
        ]);
        let wanted = tags_of(&[("team", "b"), ("kstack:tags", "team")]);
        let fields: Vec<String> = tags(&wanted, &live).into_iter().map(|change| change.field).collect();
        assert_eq!(fields, ["tags.kstack:tags", "tags.team", "tags.old"]);
    }
}
