//! `docs/reference.md`: every key of a stack file, made from the schema, which is made from the types.
//!
//! `KSTACK_UPDATE=1 cargo test reference` writes it anew.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

const HEAD: &str = "# The stack file

Every key, its type, its default and its meaning. Keys without a default are required, unless they are optional.
`kstack schema` prints the same as a JSON Schema, which editors use; `kstack check FILE` tells what is wrong with a file.
";

/// A table of the mapping at `path`, then one of each mapping in it.
fn mapping(path: &str, schema: &Value, out: &mut String) {
    let heading = if path.is_empty() { "The file" } else { path };
    let _ = writeln!(out, "\n## {heading}\n\n{}\n", text(&schema["description"]));
    let Some(keys) = schema["properties"].as_object().filter(|keys| !keys.is_empty()) else { return };
    let _ = writeln!(out, "| key | type | default | meaning |\n|---|---|---|---|");
    let required = |key: &str| schema["required"].as_array().is_some_and(|keys| keys.iter().any(|one| one == key));
    for (key, value) in keys {
        let default = match &value["default"] {
            _ if required(key) => "required".to_owned(),
            Value::Null => "optional".to_owned(),
            Value::Object(_) => "its own defaults".to_owned(),
            Value::Array(items) if items.is_empty() => "none".to_owned(),
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        let _ = writeln!(out, "| `{key}` | {} | {default} | {} |", kind(value), text(&value["description"]));
    }
    for (key, value) in keys {
        let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match &value["additionalProperties"] {
            each if each["properties"].is_object() => mapping(&format!("{below}.NAME"), each, out),
            _ if value["properties"].is_object() => mapping(&below, value, out),
            _ => {}
        }
    }
}

/// A type in few words.
fn kind(schema: &Value) -> String {
    let code = |value: &Value| format!("`{}`", text(value));
    if let Some(word) = schema.get("const") {
        return code(word);
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(code).collect::<Vec<_>>().join(", ");
    }
    if let Some(either) = schema["oneOf"].as_array() {
        return either.iter().map(kind).collect::<Vec<_>>().join(", or ");
    }
    if let Some(example) = schema["examples"].as_array().and_then(|examples| examples.first()) {
        return format!("such as {}", code(example));
    }
    match schema["type"].as_str() {
        Some("array") => format!("list: {}", kind(&schema["items"])),
        Some("object") if schema["additionalProperties"]["properties"].is_object() => {
            "mapping of names to mappings".to_owned()
        }
        Some("object") if schema["additionalProperties"].is_object() => "mapping of texts to texts".to_owned(),
        Some("object") => "mapping".to_owned(),
        Some("integer") => "whole number".to_owned(),
        Some("boolean") => "`true`, `false`".to_owned(),
        Some("number") => "number".to_owned(),
        _ => "text".to_owned(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn the_reference_is_that_of_the_types() {
    let mut page = HEAD.to_owned();
    mapping("", &kstack_core::stack::schema(), &mut page);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference.md");
    if std::env::var_os("KSTACK_UPDATE").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
        fs::write(&path, &page).expect("the page can be written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/reference.md is not that of the types: KSTACK_UPDATE=1 cargo test reference");
    assert!(page.contains("| `retention` | such as `7d` | `7d` |"), "the tables have the types and the defaults");
}
