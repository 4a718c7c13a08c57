//! `docs/reference.md`: every key of a stack file, made from the schema, which is made from the types. `docs/commands.md` ends with the help of every
//! command.
//!
//! `KSTACK_UPDATE=1 cargo test reference` writes it anew.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use kstack_core::explain::{default, kind, requires};
use serde_json::Value;

use crate::support::{KSTACK, Run};

const HEAD: &str = "# The stack file

Every key, its type, its default, its meaning, and what a change of it does to a live stack. Keys without a default are required, unless they
are optional. `kstack explain KEY` prints the same of one key; `kstack schema` all of it as a JSON Schema, which editors use; `kstack check FILE` tells what is
wrong with a file.

| a change of it | what `apply` does |
|---|---|
| nothing | the live stack stays as it is |
| in place | resources are made, changed or deleted; no host of kstack's stops |
| made anew | a host without data, or another resource, is deleted and made again |
| roll | hosts start again, one after the other, each once the cluster is well |
| refused without `--allow-data-loss` | data would be lost |
| refused | it can't be done; the plan says what can |
";

/// A table of the mapping at `path`, then one of each mapping in it.
fn mapping(path: &str, schema: &Value, out: &mut String) {
    let heading = if path.is_empty() { "The file" } else { path };
    let _ = writeln!(out, "\n## {heading}\n\n{}\n", text(&schema["description"]));
    let Some(keys) = schema["properties"].as_object().filter(|keys| !keys.is_empty()) else { return };
    let _ = writeln!(out, "| key | type | default | meaning | a change of it |\n|---|---|---|---|---|");
    for (key, value) in keys {
        let (kind, default) = (kind(value), default(value, requires(schema, key)));
        let (meaning, change) = (text(&value["description"]), text(&value["x-effect"]));
        let _ = writeln!(out, "| `{key}` | {kind} | {default} | {meaning} | {change} |");
    }
    for (key, value) in keys {
        let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match &value["additionalProperties"] {
            each if each["properties"].is_object() => mapping(&format!("{below}.NAME"), each, out),
            _ if value["properties"].is_object() => mapping(&below, value, out),
            // A mapping that may stand in the place of a word.
            _ => {
                let forms = value["oneOf"].as_array().into_iter().flatten();
                forms.filter(|one| one["properties"].is_object()).for_each(|one| mapping(&below, one, out));
            }
        }
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

/// What `kstack` prints for `arguments` where no terminal has a width.
fn help(arguments: &[&str]) -> String {
    Run::of(Command::new(KSTACK).env_clear().args(arguments)).expect(0).out
}

#[test]
fn the_commands_are_those_of_the_binary() {
    let all = help(&["--help"]);
    let listed = all.lines().take_while(|line| *line != "Options:").filter_map(|line| line.strip_prefix("  "));
    let names: Vec<&str> =
        listed.filter_map(|line| line.split_whitespace().next()).filter(|one| *one != "help").collect();
    assert!(names.contains(&"apply") && names.contains(&"completions"), "{names:?}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    let written = fs::read_to_string(&path).expect("the page");
    let mark = "<!-- help -->\n";
    let (head, _) = written.split_once(mark).expect("the page has a mark");
    // What every command takes is shown once.
    let start = |text: &str| text.find("      --sandbox").expect("an option of every command");
    let mut page = format!("{head}{mark}\nOptions of every command:\n\n```text\n{}```\n", &all[start(&all)..]);
    for name in &names {
        let text = help(&[name, "--help"]);
        let own = text[..start(&text)].trim_end().trim_end_matches("Options:").trim_end();
        let _ = write!(page, "\n### kstack {name}\n\n```text\n{own}\n```\n");
        assert!(head.contains(&format!("`{name}")), "the table of docs/commands.md has no `{name}`");
    }
    if std::env::var_os("KSTACK_UPDATE").is_some() {
        fs::write(&path, &page).expect("the page can be written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/commands.md is not what the commands say: KSTACK_UPDATE=1 cargo test reference");
}
