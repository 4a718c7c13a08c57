//! What `effects` says of the keys of a stack file is what the planner does.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use kstack_core::check;
use kstack_core::effects::{Does, EFFECTS, of};
use kstack_core::offline::foresee;
use kstack_core::plan::{Action, Plan};
use serde::Deserialize;
use serde_json::{Map, Value};

const CASES: &str = include_str!("../../../../tests/effects.yaml");

/// A key that is changed in a stack that was applied.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    key: String,
    #[serde(default = "base")]
    on: String,
    #[serde(default)]
    with: Map<String, Value>,
    to: Value,
    #[serde(default)]
    and: Map<String, Value>,
    effect: String,
}

fn base() -> String {
    "base.yaml".to_owned()
}

/// Writes `value` at a dotted path; `null` takes the key away.
fn put(file: &mut Value, path: &str, value: &Value) {
    let (above, key) = path.rsplit_once('.').map_or((None, path), |(above, key)| (Some(above), key));
    let mut place = file;
    for part in above.iter().flat_map(|above| above.split('.')) {
        if place[part].is_null() {
            place[part] = Value::Object(Map::new());
        }
        place = &mut place[part];
    }
    match value {
        Value::Null => drop(place.as_object_mut().expect("a mapping").remove(key)),
        value => place[key] = value.clone(),
    }
}

fn parsed(file: &Value, key: &str) -> Result<check::Parsed, String> {
    // JSON is YAML.
    check::parse("stack.yaml", &file.to_string()).map_err(|report| format!("{key}: {}", report.render(false)))
}

/// The most that the plan does.
fn does(plan: &Plan) -> Does {
    let has =
        |actions: &[Action]| plan.stages().flat_map(|stage| &stage.steps).any(|step| actions.contains(&step.action()));
    match () {
        () if !plan.refusals.is_empty() => Does::Refused,
        () if has(&[Action::Roll]) => Does::Roll,
        () if has(&[Action::Replace]) => Does::Replace,
        () if has(&[Action::Create, Action::Update, Action::Delete]) => Does::InPlace,
        () => Does::Nothing,
    }
}

/// What the planner does for the case.
fn planned(case: &Case) -> Result<Does, String> {
    let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/plans");
    let text = fs::read_to_string(plans.join(&case.on)).expect("a stack file");
    let mut file: Value = serde_yaml::from_str(&text).expect("YAML");
    case.with.iter().for_each(|(path, value)| put(&mut file, path, value));
    let before = parsed(&file, &case.key)?.stack;
    put(&mut file, &case.key, &case.to);
    case.and.iter().for_each(|(path, value)| put(&mut file, path, value));
    let after = parsed(&file, &case.key)?.stack;
    let now = "2026-01-31T12:00:00Z".parse().expect("a time");
    let plan =
        |allowed| foresee(&before, &after, now, allowed).map_err(|plan| format!("{}: {:?}", case.key, plan.refusals));
    let plain = does(&plan(false)?.plan);
    let allowed = plain == Does::Refused && does(&plan(true)?.plan) != Does::Refused;
    Ok(if allowed { Does::DataLoss } else { plain })
}

#[test]
fn the_planner_does_what_is_said_of_each_key() {
    let cases: Vec<Case> = serde_yaml::from_str(CASES).expect("cases");
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for case in &cases {
        match planned(case) {
            Err(error) => wrong.push(error),
            Ok(found) if case.effect != found.word() => {
                wrong.push(format!("{} to {}: {}, not `{}`", case.key, case.to, found.word(), case.effect));
            }
            Ok(found) => match of(&case.key) {
                Some(said) if said.does.contains(&found) => drop(seen.insert((said.key, found))),
                Some(said) => {
                    wrong.push(format!("{}: {:?} is said, and the planner does {found:?}", case.key, said.does))
                }
                None => wrong.push(format!("{}: nothing is said of it", case.key)),
            },
        }
    }
    let said = EFFECTS.iter().flat_map(|said| said.does.iter().map(|does| (said.key, *does)));
    // Own templates and users of others are not foreseen: the file's folder and the brokers have them.
    let said = said.filter(|(key, _)| !["cluster.ec2.templates", "prune.users"].contains(key));
    wrong.extend(said.filter(|one| !seen.contains(one)).map(|(key, does)| format!("{key}: no case shows {does:?}")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The paths of the keys that have no keys below them.
fn leaves(path: &str, schema: &Value, out: &mut Vec<String>) {
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let each = &value["additionalProperties"];
        match () {
            () if each["properties"].is_object() => leaves(&format!("{path}.*"), each, out),
            () if value["properties"].is_object() => leaves(&path, value, out),
            // A word, or a mapping in its place.
            () => {
                value["oneOf"].as_array().into_iter().flatten().for_each(|one| leaves(&path, one, out));
                out.push(path);
            }
        }
    }
}

#[test]
fn something_is_said_of_every_key() {
    let mut all = Vec::new();
    leaves("", &kstack_core::stack::schema(), &mut all);
    assert!(all.len() > 120, "the schema's keys were not found: {all:?}");
    let silent: Vec<&String> = all.iter().filter(|path| of(path).is_none()).collect();
    assert!(silent.is_empty(), "src/effects.rs does not say what a change of these does: {silent:?}");
    let under = |key: &str| all.iter().any(|path| path == key || path.starts_with(&format!("{key}.")));
    let unknown: Vec<&str> = EFFECTS.iter().map(|one| one.key).filter(|key| !under(key)).collect();
    assert!(unknown.is_empty(), "src/effects.rs has keys that no stack file has: {unknown:?}");
    // Only what makes it another stack, or is the format's own, has no word.
    let wordless: Vec<&str> = EFFECTS.iter().filter(|one| one.does.is_empty()).map(|one| one.key).collect();
    assert_eq!(wordless, ["apiVersion", "name", "region"]);
}
