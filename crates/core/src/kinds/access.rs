//! A change of access in two operations: what is added first, and what is taken away last.

use serde_json::Value;

use crate::model::{DIFFERS, FieldChange, Operation};

/// The operations of `changes`, whose lists are rules, routes or the like. Items of `field` that have the values of `key(field)` in
/// common are one and the same to AWS, and the new one takes the place of the old one in one call; without keys, an item is
/// only itself.
///
/// Between the two operations is a state of its own, with both what was and what is wanted: where a run ends there, the next plan
/// has what is taken away left.
pub fn operations(changes: &[FieldChange], key: fn(&str) -> &'static [&'static str]) -> Vec<Operation> {
    let (mut open, mut close) = (Vec::new(), Vec::new());
    for change in changes {
        let (Value::Array(before), Value::Array(after)) = (&change.before, &change.after) else {
            open.push(change.clone());
            continue;
        };
        let keys = key(&change.field);
        let same = |one: &Value, other: &Value| match keys {
            [] => one == other,
            keys => keys.iter().all(|key| one[key] == other[key]),
        };
        let gone = before.iter().filter(|old| !after.iter().any(|new| same(old, new)));
        let mut both: Vec<Value> = after.iter().chain(gone).cloned().collect();
        both.sort_by_cached_key(ToString::to_string);
        let (both, field) = (Value::Array(both), || change.field.clone());
        if both != change.before {
            open.push(FieldChange { field: field(), before: change.before.clone(), after: both.clone() });
        }
        if both != change.after {
            close.push(FieldChange { field: field(), before: both, after: change.after.clone() });
        }
    }
    let all = [
        (Operation::OPEN, DIFFERS, open),
        (Operation::CLOSE, "access is taken away after everything else is made or changed", close),
    ];
    let some = all.into_iter().filter(|(_, _, changes)| !changes.is_empty());
    some.map(|(name, reason, changes)| Operation { name, reason: reason.to_owned(), changes }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_added_comes_before_what_is_taken_away() {
        let rule = |port: &str, text: &str| json!({"ports": port, "peer": "sg-1", "description": text});
        let key: fn(&str) -> &'static [&'static str] = |field| if field == "rules" { &["ports", "peer"] } else { &[] };
        let (one, other, said) = (rule("tcp 1", "a"), rule("tcp 2", "a"), rule("tcp 1", "b"));
        // Before, after; what stands between the two, where there are two operations.
        let cases = [
            (
                json!([one]),
                json!([other]),
                vec![(Operation::OPEN, json!([one, other])), (Operation::CLOSE, json!([other]))],
            ),
            (json!([one]), json!([one, other]), vec![(Operation::OPEN, json!([one, other]))]),
            (json!([one, other]), json!([other]), vec![(Operation::CLOSE, json!([other]))]),
            // The same rule to AWS: it is described anew, and never missing.
            (json!([one]), json!([said]), vec![(Operation::OPEN, json!([said]))]),
            (
                json!([one, other]),
                json!([said]),
                vec![(Operation::OPEN, json!([said, other])), (Operation::CLOSE, json!([said]))],
            ),
            (json!([]), json!([]), vec![]),
        ];
        for (before, after, expected) in cases {
            let sorted = |value: &Value| {
                let mut items = value.as_array().cloned().unwrap_or_default();
                items.sort_by_cached_key(ToString::to_string);
                Value::Array(items)
            };
            let change = FieldChange { field: "rules".to_owned(), before: sorted(&before), after: sorted(&after) };
            let found = operations(std::slice::from_ref(&change), key);
            let found: Vec<(&str, Value)> = found.iter().map(|one| (one.name, one.changes[0].after.clone())).collect();
            let expected: Vec<(&str, Value)> = expected.iter().map(|(name, state)| (*name, sorted(state))).collect();
            assert_eq!(found, expected, "{change:?}");
        }
    }

    #[test]
    fn what_is_no_list_is_changed_at_once() {
        let change = FieldChange { field: "group".to_owned(), before: json!("a"), after: json!("b") };
        let all = operations(std::slice::from_ref(&change), |_| &[]);
        assert_eq!(
            all.iter().map(|one| (one.name, one.changes.clone())).collect::<Vec<_>>(),
            [(Operation::OPEN, vec![change])]
        );
    }
}
