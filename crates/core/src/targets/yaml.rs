//! Values as YAML that readers of YAML 1.1 and 1.2 take for the same: whatever could be anything else is quoted.

use serde_json::Value;

use crate::cloud_init::quote::yaml_scalar;

/// The value as a YAML document, with its keys in their order.
pub fn document(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out
}

/// Words that some readers take for truth values or for nothing.
const MEANT: [&str; 10] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan"];

fn scalar(text: &str, indent: usize) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') && text.chars().all(plain);
    match word && !MEANT.contains(&text.to_lowercase().as_str()) {
        true => text.to_owned(),
        false => yaml_scalar(text, indent),
    }
}

/// A key is on one line, whatever it is.
fn key(text: &str) -> String {
    if text.contains('\n') { Value::from(text).to_string() } else { scalar(text, 0) }
}

/// Writes `value` below a key or a hyphen that stands at `indent`, or at the top.
fn write(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                out.push_str(&format!("{:indent$}{}:", "", self::key(key)));
                below(value, indent, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                match item {
                    // The first key stands behind the hyphen.
                    Value::Object(map) if !map.is_empty() => {
                        let mut text = String::new();
                        write(item, indent + 2, &mut text);
                        out.push_str(&format!("{:indent$}- {}", "", &text[indent + 2..]));
                    }
                    _ => {
                        out.push_str(&format!("{:indent$}-", ""));
                        below(item, indent, out);
                    }
                }
            }
        }
        other => out.push_str(&format!("{:indent$}{}\n", "", flat(other, indent))),
    }
}

/// Writes what follows a key or a hyphen at `indent`.
fn below(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            write(value, indent + 2, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            write(value, indent + 2, out);
        }
        other => out.push_str(&format!(" {}\n", flat(other, indent))),
    }
}

fn flat(value: &Value, indent: usize) -> String {
    match value {
        Value::String(text) => {
            let text = scalar(text, indent + 2);
            text.strip_suffix('\n').map(str::to_owned).unwrap_or(text)
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let word = prop_oneof![
            "[ -~]{0,12}",
            "([a-z$#: -]{1,8}\n){1,3}",
            any::<String>(),
            Just("yes".to_owned()),
            Just("0o7".to_owned()),
            Just("1:30".to_owned()),
            Just("~".to_owned()),
            Just("- a".to_owned()),
            Just("\n\na\n".to_owned()),
        ];
        let leaf = prop_oneof![
            word.clone().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(4, 32, 4, move |inner| {
            let map = prop::collection::vec((word.clone(), inner.clone()), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect()));
            prop_oneof![prop::collection::vec(inner, 0..4).prop_map(Value::from), map]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_it_was(value in any_value()) {
            let text = document(&value);
            let read: Value = serde_yaml::from_str(&text).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
            prop_assert_eq!(read, value, "{}", text);
        }
    }

    #[test]
    fn scripts_are_blocks_and_what_could_be_misread_is_quoted() {
        let value = json!({"a": "set -e\nrun\n", "b": ["on", "3.10", {"c": "x", "d": []}], "e": {}, "f": "4g", "g": 3});
        let expected =
            "a: |\n  set -e\n  run\nb:\n  - \"on\"\n  - \"3.10\"\n  - c: x\n    d: []\ne: {}\nf: \"4g\"\ng: 3\n";
        assert_eq!(document(&value), expected);
    }
}
