//! Whether the AWS in memory answers as LocalStack does: the same session of a tool against both, and what differs in the
//! answers. Of an answer its shape is compared: the status, the code of an error, and each path of the XML or JSON, with
//! whether there is something in it; ids and times are aside. While a tool only reads, how often each path is there is
//! compared too; while it changes things, calls are answered in another order each time, and lists are longer or shorter.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::memory::wire::Request;
use super::memory::{Exchange, Memory};
use super::session::{PHASES, Session, Stack, Tool, reads_only};

/// What differs, and may: the call, the path in its answer (or a part of it), why.
const KNOWN: [(&str, &str, &str); 1] = [(
    "DescribePrefixLists",
    "prefixListSet",
    "LocalStack has the list of S3's addresses in one run, and not in the next; Terraform makes the same calls with either",
)];

/// What of an answer is compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    status: u16,
    /// Paths, with how often each is there.
    paths: BTreeMap<String, usize>,
}

/// What LocalStack is told to do at once, as the model does.
const TIMES: [&str; 6] =
    ["instance_start", "nat_gateway_start", "endpoint_start", "volume_create", "cluster_create", "cluster_delete"];

/// What differs in one session of a tool with three brokers, against LocalStack and against the model; or why the tool can't be used.
pub fn compare(tool: Tool, stack: Stack) -> Result<Vec<String>, String> {
    let record = |passes: bool| -> Result<Vec<Vec<Exchange>>, String> {
        let recorder = Memory::recording(passes);
        let session = Session::new(tool, stack, 3, &recorder.endpoint)?;
        let times: serde_json::Map<String, Value> = TIMES.iter().map(|name| ((*name).to_owned(), json!(0))).collect();
        session.account().choose(&json!({"times": times}));
        recorder.exchanges();
        let phase = |phase: &&str| {
            let output = session.command(phase).output().expect("the tool starts");
            let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            // This sees that the model knows each call.
            recorder.take();
            let who = if passes { "LocalStack" } else { "the model" };
            let failed = || format!("{phase} fails against {who}: {errors}{out}");
            output.status.success().then(|| recorder.exchanges()).ok_or_else(failed)
        };
        PHASES.iter().map(phase).collect()
    };
    let theirs = record(true)?;
    let ours = match record(false) {
        Ok(ours) => ours,
        Err(why) => return Ok(vec![why]),
    };
    let phases = PHASES.map(|phase| (phase, reads_only(phase)));
    let all = differences(&phases, &theirs, &ours).into_iter();
    Ok(all.map(|line| format!("{} {}, {line}", tool.name(), stack.name())).collect())
}

/// What differs between the answers of LocalStack and those of the model to the calls of a session, each in a line. `phases` has
/// the name of each command, and whether it changes nothing: then the length of lists is compared, too. While things change, what a
/// describe shows depends on what came just before: each path of it must be in some answer of the other one's.
fn differences(phases: &[(&str, bool)], localstack: &[Vec<Exchange>], model: &[Vec<Exchange>]) -> Vec<String> {
    let mut out = BTreeSet::new();
    let (seen_theirs, seen_ours) = (seen(localstack), seen(model));
    for ((phase, reads_only), (theirs, ours)) in phases.iter().zip(localstack.iter().zip(model)) {
        let (theirs, ours) = (by_call(theirs), by_call(ours));
        let mut found = |call: &String, line: String| {
            out.insert(format!("{phase}: {call}: {line}"));
        };
        for call in theirs.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
            let (Some(theirs), Some(ours)) = (theirs.get(call), ours.get(call)) else {
                let who = if theirs.contains_key(call) { "LocalStack" } else { "the model" };
                found(call, format!("only {who} is asked"));
                continue;
            };
            if *reads_only {
                let sides = [(theirs, ours, false), (ours, theirs, true)];
                for (shapes, others, turned) in sides {
                    for shape in shapes.difference(others) {
                        let nearest =
                            others.iter().min_by_key(|other| apart(shape, other).len()).expect("one at least");
                        let (one, other) = if turned { (nearest, shape) } else { (shape, nearest) };
                        apart(one, other).into_iter().for_each(|line| found(call, line));
                    }
                }
                continue;
            }
            let (theirs, ours) = (together(theirs), together(ours));
            let name = operation(call);
            if ["Describe", "Get", "List"].iter().any(|verb| name.starts_with(verb)) {
                let unknown = |shape: &Shape, seen: &BTreeMap<String, BTreeSet<String>>| -> Vec<String> {
                    shape.paths.keys().filter(|path| !seen[name].contains(*path)).cloned().collect()
                };
                unknown(&theirs, &seen_ours)
                    .into_iter()
                    .for_each(|path| found(call, format!("{path} is never in the model's answer")));
                unknown(&ours, &seen_theirs)
                    .into_iter()
                    .for_each(|path| found(call, format!("{path} is never in LocalStack's answer")));
            } else {
                apart(&theirs, &ours).into_iter().for_each(|line| found(call, line));
            }
        }
    }
    let known = |line: &String| KNOWN.iter().any(|(call, path, _)| line.contains(call) && line.contains(path));
    out.into_iter().filter(|line| !known(line)).collect()
}

/// The operation of a call.
fn operation(call: &str) -> &str {
    call.split('(').next().unwrap_or_default()
}

/// The paths of all answers to an operation.
fn seen(phases: &[Vec<Exchange>]) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for exchange in phases.iter().flatten() {
        all.entry(operation(&call(exchange)).to_owned()).or_default().extend(shape(exchange).paths.into_keys());
    }
    all
}

/// What LocalStack's shape and the model's do not have in common.
fn apart(theirs: &Shape, ours: &Shape) -> Vec<String> {
    let mut out = Vec::new();
    if theirs.status != ours.status {
        out.push(format!("LocalStack answers with {}, the model with {}", theirs.status, ours.status));
    }
    for path in theirs.paths.keys().chain(ours.paths.keys()).collect::<BTreeSet<_>>() {
        let (one, other) = (theirs.paths.get(path).unwrap_or(&0), ours.paths.get(path).unwrap_or(&0));
        if one != other {
            out.push(format!("{path} is there {one} times in LocalStack's answer, and {other} times in the model's"));
        }
    }
    out
}

/// All that is in any of `shapes`, once.
fn together(shapes: &BTreeSet<Shape>) -> Shape {
    let mut all = Shape::default();
    for shape in shapes {
        all.status = all.status.max(shape.status);
        all.paths.extend(shape.paths.keys().map(|path| (path.clone(), 1)));
    }
    all
}

/// The shapes of the answers to each call. Two calls are alike when they have the same parameters; what those say does not count, but for
/// the names of attributes and filters.
fn by_call(exchanges: &[Exchange]) -> BTreeMap<String, BTreeSet<Shape>> {
    let mut all: BTreeMap<String, BTreeSet<Shape>> = BTreeMap::new();
    for exchange in exchanges {
        all.entry(call(exchange)).or_default().insert(shape(exchange));
    }
    all
}

fn call(exchange: &Exchange) -> String {
    let asked = Request::read(&exchange.head, exchange.body.as_bytes());
    let mut parameters: Vec<String> =
        asked.form.names().filter(|name| !["Action", "Version"].contains(name)).map(str::to_owned).collect();
    for name in
        asked.form.names().filter(|name| *name == "Attribute" || name.starts_with("Filter") && name.ends_with("Name"))
    {
        parameters.push(asked.form.get(name).to_owned());
    }
    parameters.extend(asked.json.as_object().into_iter().flat_map(serde_json::Map::keys).cloned());
    let parts: Vec<String> = asked.operation.split(['/', ' ']).map(masked).collect();
    format!("{}({})", parts.join(" "), parameters.join(" "))
}

/// A part of a path, if it is no ARN.
fn masked(part: &str) -> String {
    if part.starts_with("arn") { "ARN".to_owned() } else { part.to_owned() }
}

fn shape(exchange: &Exchange) -> Shape {
    let body = exchange.answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let mut paths = BTreeMap::new();
    match serde_json::from_str::<Value>(body) {
        Ok(value) => of_json(&value, "", &mut paths),
        Err(_) => of_xml(body, &mut paths),
    }
    if exchange.status >= 400 {
        let code = paths.keys().find(|path| path.contains("Code")).cloned();
        paths = code.into_iter().map(|code| (code, 1)).collect();
    }
    Shape { status: exchange.status, paths }
}

fn of_json(value: &Value, at: &str, out: &mut BTreeMap<String, usize>) {
    let mut count = |path: String| *out.entry(path).or_default() += 1;
    match value {
        Value::Object(doc) if doc.is_empty() => count(format!("{at} (empty)")),
        Value::Array(all) if all.is_empty() => count(format!("{at} (empty)")),
        Value::Object(doc) => doc.iter().for_each(|(name, value)| of_json(value, &format!("{at}/{name}"), out)),
        Value::Array(all) => all.iter().for_each(|value| of_json(value, &format!("{at}/-"), out)),
        Value::String(text) if at == "/__type" => count(format!("Code {text}")),
        _ => count(at.to_owned()),
    }
}

/// The paths of XML without mixed content, as AWS's is.
fn of_xml(text: &str, out: &mut BTreeMap<String, usize>) {
    let mut open: Vec<&str> = Vec::new();
    // What is behind a tag that begins an element, while no other has come.
    let mut inside = None;
    for part in text.split('<').skip(1) {
        let (tag, behind) = part.split_once('>').unwrap_or((part, ""));
        if tag.starts_with('?') {
            continue;
        }
        let ends = tag.starts_with('/');
        if !ends {
            open.push(tag.split([' ', '/']).next().unwrap_or_default());
            inside = Some(behind);
        }
        if ends || tag.ends_with('/') {
            if let Some(content) = if ends { inside } else { Some("") } {
                let path = open.join("/");
                let path = match content.trim() {
                    "" => format!("{path} (empty)"),
                    code if path.ends_with("Error/Code") => format!("Code {code}"),
                    _ => path,
                };
                *out.entry(path).or_default() += 1;
            }
            open.pop();
            inside = None;
        }
    }
}
