//! The walls between the parts of kstack, held by reading the sources: which module may import which, and what may be named where.
//!
//! A module is a file or folder directly below a crate's `src`. Each crate's table lists its modules from the bottom up, and a
//! module imports only from modules above it in the list: so there is no circle and no import upwards. What the compiler holds by
//! itself, such as the core's ignorance of AWS's SDK, needs no test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of the core, each below those that may use it.
const CORE: &[&str] = &[
    "text",
    "effects",
    "units",
    "digest",
    "trust",
    "certificates",
    "client_files",
    "tables",
    "moves",
    "instance_types",
    "cloud_init",
    "host_policy",
    "file",
    "rights",
    "mirror",
    "network",
    "endpoint_services",
    "settings",
    "features",
    "sizing",
    "pricing",
    "engines",
    "stack",
    "explain",
    "check",
    "format",
    "compare",
    "model",
    "monitoring",
    "design",
    "kinds",
    "observed",
    "evacuation",
    "refusal",
    "surroundings",
    "permissions",
    "expiry",
    "choose",
    "targets",
    "diagram",
    "plan",
    "heal",
    "finalize",
    "init",
    "offline",
    "describe",
];

/// The modules of the program.
const PROGRAM: &[&str] = &[
    "clock", "pki", "error", "wait", "driver", "aws", "lease", "kafka", "health", "lag", "mirror", "moves", "inside",
    "sandbox", "roll", "apply", "session", "survey", "ops", "cli",
];

/// A crate's sources: its folder below the repository, and its modules from the bottom up.
const CRATES: &[(&str, &[&str])] = &[("crates/core/src", CORE), ("src", PROGRAM)];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every Rust source below `folder` of the repository, by its path from there, with its text.
fn sources(folder: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                out.push(path);
            }
        }
    }
    let root = repository().join(folder);
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    let name = |path: &Path| path.strip_prefix(&root).expect("a path below the folder").to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), fs::read_to_string(path).expect("a readable file"))).collect()
}

/// The source without comments and texts: what is left is code.
fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', '/', '\'']) {
        let (before, found) = rest.split_at(at);
        out.push_str(before);
        let skip = match found.as_bytes() {
            [b'/', b'/', ..] => found.find('\n').unwrap_or(found.len()),
            [b'"', ..] if before.ends_with('r') || before.ends_with('#') => {
                let hashes = before.len() - before.trim_end_matches('#').len();
                let end = format!("\"{}", "#".repeat(hashes));
                found[1..].find(&end).map_or(found.len(), |at| at + 1 + end.len())
            }
            [b'"', ..] => {
                let mut escaped = false;
                let end = found[1..].char_indices().find(|(_, c)| {
                    let is = *c == '"' && !escaped;
                    escaped = *c == '\\' && !escaped;
                    is
                });
                end.map_or(found.len(), |(at, _)| at + 2)
            }
            // A character, such as a quote; a lifetime has no second quote near it.
            [b'\'', b'\\', ..] => found[2..].find('\'').map_or(1, |at| at + 3),
            [b'\'', ..] => found.char_indices().nth(2).filter(|(_, c)| *c == '\'').map_or(1, |(at, _)| at + 1),
            _ => 1,
        };
        if skip == 1 {
            out.push_str(&found[..1]);
        }
        rest = &found[skip..];
    }
    out + rest
}

/// The source without its tests, which may use what stands above and what the machine has.
fn without_tests<'a>(file: &str, text: &'a str) -> &'a str {
    if file.ends_with("tests.rs") || file.contains("tests/") {
        return "";
    }
    text.find("#[cfg(test)]\nmod tests {").map_or(text, |tests| &text[..tests])
}

/// The module that a file is in.
fn module(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

/// The modules that `code` names by `crate::`, also in groups: `crate::{stack, plan::Plan}`.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let word = |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    for (at, start) in code.match_indices("crate::") {
        let own = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$');
        let rest = &code[at + start.len()..];
        if !own {
            continue;
        }
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut begins = true;
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                c if c.is_whitespace() => {}
                _ if begins && depth == 0 => {
                    found.insert(word(&group[at..]));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    found
}

#[test]
fn imports_lead_down() {
    let mut wrong = Vec::new();
    for (folder, modules) in CRATES {
        let place = |name: &str| modules.iter().position(|module| *module == name);
        let mut edges: BTreeMap<(String, String), String> = BTreeMap::new();
        for (file, text) in sources(folder) {
            let from = module(&file);
            if ["lib", "main"].contains(&from) {
                continue;
            }
            if place(from).is_none() {
                wrong.push(format!("{folder}/{file}: the module `{from}` is not in the table of this test"));
            }
            for to in imports(&code(without_tests(&file, &text))) {
                if to != from && place(&to).is_some() {
                    edges.entry((from.to_owned(), to)).or_insert_with(|| format!("{folder}/{file}"));
                }
            }
        }
        for ((from, to), file) in edges {
            if place(&from).is_some_and(|from| place(&to) > Some(from)) {
                wrong.push(format!("{file}: `{from}` imports `{to}`, which stands above it"));
            }
        }
        for name in *modules {
            let root = repository().join(folder);
            if !root.join(format!("{name}.rs")).exists() && !root.join(name).is_dir() {
                wrong.push(format!("{folder}: there is no module `{name}`; take it out of the table"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "Wall: a module imports only from modules before it in the table, so that there is no circle.\n  {}",
        wrong.join("\n  ")
    );
}

/// Asserts that no code names one of `words` in the files that `wall` is about.
fn assert_unnamed(folder: &str, words: &[&str], wall: impl Fn(&str) -> bool, why: &str) {
    let files: Vec<(String, String)> = sources(folder).into_iter().filter(|(file, _)| wall(file)).collect();
    assert!(!files.is_empty(), "the wall stands around no file: {why}");
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let mut broken = Vec::new();
    for (file, text) in &files {
        let code = code(without_tests(file, text));
        for word in words {
            let open_end = word.ends_with(|c| !part(c)) || word.ends_with('_');
            let named = code.match_indices(word).any(|(at, _)| {
                let (before, after) = (code[..at].chars().next_back(), code[at + word.len()..].chars().next());
                !before.is_some_and(part) && (open_end || !after.is_some_and(part))
            });
            if named {
                broken.push(format!("{folder}/{file}: {word}"));
            }
        }
    }
    assert!(broken.is_empty(), "{why}\n  {}", broken.join("\n  "));
}

#[test]
fn the_core_asks_nothing_of_the_machine() {
    assert_unnamed(
        "crates/core/src",
        &[
            "std::fs",
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "std::{",
            "HashMap",
            "HashSet",
            "std::env",
            "std::process",
            "std::thread",
            "SystemTime",
            "Instant",
            "Timestamp::now",
            "Zoned::now",
            "print!",
            "println!",
            "eprint!",
            "eprintln!",
        ],
        |file| !file.contains("tests"), // A module's tests may run programs.
        "Wall: the core has no clock, files, network, environment or screen, and no order by chance: the same input gives the same \
         result. Name modules of std in full, so that this test sees them.",
    );
}

#[test]
fn no_engine_imports_another() {
    for (engine, other) in [("ec2", "msk"), ("msk", "ec2")] {
        let folder = format!("engines/{engine}/");
        assert_unnamed(
            "crates/core/src",
            &[&format!("engines::{other}"), &format!("super::{other}"), &format!("{other}::")],
            |file| file.starts_with(&folder),
            "Wall: no engine imports another; what both need stands below them.",
        );
    }
}

#[test]
fn the_sdk_is_named_in_aws_only() {
    assert_unnamed(
        "src",
        &["aws_sdk_", "aws_config", "aws_smithy_"],
        |file| module(file) != "aws",
        "Wall: AWS's SDK is named in src/aws only, so that a change of it stays there. Wrap what is needed there.",
    );
}

#[test]
fn what_counts_is_asked_of_settings() {
    assert_unnamed(
        "crates/core/src",
        &["workload.retention", "workload.replication_factor", "workload.min_insync_replicas"],
        |file| !["settings", "check"].contains(&module(file)),
        "Wall: the file's settings of Kafka may have these too. Ask `settings::Settings`, as sizes, prices, designs and hosts do.",
    );
}

#[test]
fn only_the_screen_prints() {
    let printers = ["cli/ui.rs", "cli/error.rs", "cli/view.rs", "main.rs"];
    assert_unnamed(
        "src",
        &["print!", "println!", "eprint!", "eprintln!", "stdout()", "stderr()"],
        |file| !printers.contains(&file),
        "Wall: printing is in src/cli/{ui,error,view}.rs only, so that a library user sees nothing, and tests can read all of it.",
    );
}

#[test]
fn code_is_told_from_texts_and_comments() {
    let text = "let a = \"crate::x \\\" // no\"; // crate::y\nlet b = r#\"crate::z \"quoted\" \"#; let c = '\"'; let d: &'a str = crate::w::V;";
    assert_eq!(imports(&code(text)), BTreeSet::from(["w".to_owned()]));
    let group = "use crate::{a::B, c::{D, E}, f};\nuse $crate::g::H; use kstack_crate::i;";
    assert_eq!(imports(&code(group)), ["a", "c", "f"].map(str::to_owned).into());
}

#[test]
fn files_stay_short() {
    const MOST: usize = 450;
    let long: Vec<String> = CRATES
        .iter()
        .flat_map(|(folder, _)| {
            sources(folder).into_iter().map(move |(file, text)| (format!("{folder}/{file}"), text.lines().count()))
        })
        .filter(|(_, lines)| *lines > MOST)
        .map(|(file, lines)| format!("{file}: {lines} lines"))
        .collect();
    assert!(
        long.is_empty(),
        "Wall: a file has one subject and at most {MOST} lines; split it.\n  {}",
        long.join("\n  ")
    );
}
