//! Lists in specs.

use serde_json::Value;

/// Lists in specs are sets: sorted, so that AWS's order is never a difference.
pub fn sort_lists(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(sort_lists);
            items.sort_by_cached_key(ToString::to_string);
        }
        Value::Object(map) => map.values_mut().for_each(sort_lists),
        _ => {}
    }
}
