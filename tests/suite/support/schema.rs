//! Whether JSON output is as its schema says.

use serde_json::Value;

use super::Run;

/// Where `value` does not match `schema`, whose references are into `root`. Only what the schemas use is known here, and an object
/// is closed unless its schema says otherwise.
pub fn mismatch(value: &Value, schema: &Value, root: &Value, at: &str) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = root.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{name} is defined"));
        return mismatch(value, schema, root, at);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let all: Vec<String> = any.iter().map_while(|one| mismatch(value, one, root, at)).collect();
        return (all.len() == any.len()).then(|| all.join("; or "));
    }
    if let Some(constant) = schema.get("const").filter(|constant| *constant != value) {
        return Some(format!("{at} is {value}, not {constant}"));
    }
    if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) {
        return Some(format!("{at} is {value}"));
    }
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is a type"),
    };
    let types = match &schema["type"] {
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect::<Vec<_>>(),
    };
    if !types.is_empty() && !types.into_iter().any(is) {
        return Some(format!("{at} is {value}, not {}", schema["type"]));
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        return values.iter().enumerate().find_map(|(i, one)| mismatch(one, items, root, &format!("{at}[{i}]")));
    }
    let map = value.as_object().filter(|_| schema["type"] != Value::Null)?;
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(missing) = required.into_iter().find(|key| !map.contains_key(*key)) {
        return Some(format!("{at} has no `{missing}`"));
    }
    map.iter().find_map(|(key, one)| {
        let at = format!("{at}.{key}");
        match schema["properties"].get(key).or(schema.get("additionalProperties")) {
            Some(Value::Bool(true)) => None,
            Some(schema) if schema.is_object() => mismatch(one, schema, root, &at),
            _ => Some(format!("{at} is not in the schema")),
        }
    })
}

/// The schema of an output, as the binary prints it.
pub fn schema(output: &str) -> Value {
    Run::of(std::process::Command::new(env!("CARGO_BIN_EXE_kstack")).args(["schema", "--output", output]))
        .expect(0)
        .json()
}

/// Asserts that an output is as its schema says.
#[track_caller]
pub fn assert_matches(value: &Value, output: &str) {
    let schema = schema(output);
    if let Some(wrong) = mismatch(value, &schema, &schema, "$") {
        panic!("{output}: {wrong}\n{value:#}");
    }
}
