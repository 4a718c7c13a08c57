//! Hostile input: the fuzz targets over a bounded number of inputs, each with the same seed every time, and what a setting may hold.
//! `KSTACK_HOSTILE=100000 cargo test --test suite hostile` looks further; `fuzz/README.md` says how to fuzz without end.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use kstack_core::cloud_init;
use kstack_core::cloud_init::{Host, HostRole, Os, Overrides};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRng, TestRunner};
use serde_json::Value;

use crate::support::{Account, stack};
use crate::user_data;

#[path = "../../fuzz/targets.rs"]
mod targets;

/// Pieces that are put into inputs: what breaks parsers, terminals, shells and templates.
const PIECES: &[&str] = &[
    "",
    " ",
    "\n",
    "\t",
    "\r\n",
    "\u{0}",
    "\u{1b}[2J",
    "\u{1b}]0;x\u{7}",
    "\u{feff}",
    "\u{202e}",
    "é",
    "🦀",
    "'",
    "\"",
    "`",
    "$(id)",
    "${x}",
    "{{name}}",
    "&a ",
    "*a",
    "[",
    "]",
    "{",
    "}",
    "- ",
    ": ",
    "#",
    "|",
    ">",
    "!!binary ",
    "!x ",
    "%YAML 1.2\n",
    "---\n",
    "...\n",
    "<<: *a",
    "? ",
    "~",
    "null",
    "true",
    ".inf",
    "-1",
    "0",
    "9223372036854775808",
    "1e999",
    "0x7f",
    "99999999999 GiB",
    "../../etc/passwd",
    "vpc/main",
    "volume/broker-1",
    "instance/broker-1",
    "kstack:stack",
    "controller-1=AAAAAAAAAAAAAAAAAAAAAA",
    "{\"kstack_plan\": 3}",
    "[[[[[[[[[[[[[[[[",
    "a: &x [*x, *x]",
];

/// `seed`, changed in a few places.
fn changed(seed: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let length = seed.len().max(1);
    let edit = (
        0..length,
        0..40_usize,
        prop_oneof![3 => proptest::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()), 1 => prop::collection::vec(any::<u8>(), 0..8)],
    );
    prop::collection::vec(edit, 0..6).prop_map(move |edits| {
        let mut bytes = seed.clone();
        for (at, cut, piece) in edits {
            let at = at.min(bytes.len());
            let end = (at + cut * (at % 2)).min(bytes.len());
            bytes.splice(at..end, piece);
        }
        bytes
    })
}

/// Runs `target` on many inputs that are made from `seeds`.
fn many(seeds: Vec<Vec<u8>>, cases: u32, target: fn(&[u8])) {
    let cases = std::env::var("KSTACK_HOSTILE").ok().and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config.clone(), TestRng::deterministic_rng(config.rng_algorithm));
    let input = proptest::sample::select(seeds).prop_flat_map(changed);
    runner
        .run(&input, |bytes| {
            target(&bytes);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

fn files(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let yaml = entries.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let mut paths: Vec<_> = yaml.collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a file")).collect()
}

#[test]
fn any_stack_file_has_a_bounded_answer() {
    let seeds = [files("stacks"), files("tests/bad")].concat();
    assert!(seeds.len() > 20);
    seeds.iter().for_each(|seed| targets::stack_file(seed));
    many(seeds, 600, targets::stack_file);
}

#[test]
fn what_grows_without_end_is_refused() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, of) in "bcdefghijklmnop".chars().zip("abcdefghijklmno".chars()) {
        bomb += &format!("{name}: &{name} [*{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}]\n");
    }
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    let keys: String = (0..60_000).map(|number| format!("k{number}: 1\n")).collect();
    let anchors: String = (0..5_000).map(|number| format!("k{number}: &a{number} [1]\n")).collect();
    let merge: String = (0..5_000).map(|_| "<<: *a\n").collect();
    for text in [
        bomb,
        deep("[", "]"),
        deep("{a: ", "}"),
        deep("- ", ""),
        deep("? ", ""),
        "a".repeat(3_000_000),
        format!("name: \"{}\"", "é".repeat(400_000)),
        keys,
        anchors,
        format!("a: &a {{x: 1}}\n{merge}"),
        "\n".repeat(900_000),
        " ".repeat(900_000),
        "!!binary |\n  AAAA\n".repeat(10_000),
        format!("{{{}}}", (0..15_000).map(|number| format!("k{number}: 1, ")).collect::<String>()),
    ] {
        targets::stack_file(text.as_bytes());
        targets::saved_plan(text.as_bytes());
    }
}

#[test]
fn a_file_without_an_end_is_not_read_to_its_end() {
    let account = Account::new();
    for command in [&["check", "/dev/zero"][..], &["plan", "/dev/zero"], &["apply", "/dev/zero", "--yes"]] {
        let run = account.run(command).expect(1);
        assert!(run.err.contains("/dev/zero can't be read: it has more than 64 MiB"), "{run:.200}");
    }
}

#[test]
fn any_saved_plan_has_a_bounded_answer() {
    let account = Account::new();
    account.write("dev", &[]);
    account.run(&["plan", "dev.yaml", "--out", "dev.plan"]).expect(0);
    let saved = std::fs::read(account.path("dev.plan")).expect("a plan");
    targets::saved_plan(&saved);
    let mut seeds = vec![saved.clone(), b"{\"kstack_plan\": 3}".to_vec()];
    // The same with each part gone, or something else in its place.
    let value: Value = serde_json::from_slice(&saved).expect("JSON");
    for key in value.as_object().expect("an object").keys() {
        for other in [
            Value::Null,
            serde_json::json!([]),
            serde_json::json!({"a": 1}),
            serde_json::json!(7),
            serde_json::json!([[], null, {"address": 7, "action": []}]),
        ] {
            let mut broken = value.clone();
            broken[key] = other;
            seeds.push(broken.to_string().into_bytes());
        }
    }
    seeds.iter().for_each(|seed| targets::saved_plan(seed));
    many(seeds, 300, targets::saved_plan);
}

#[test]
fn any_tags_that_aws_gives_back_make_a_plan() {
    let mut seeds = vec![Vec::new()];
    for key in 0..13 {
        seeds.push((0..60).map(|resource| format!("{resource} {key} x\n")).collect::<String>().into_bytes());
        seeds.extend(PIECES.iter().map(|piece| format!("{} {key} {piece}", key * 7 + piece.len()).into_bytes()));
    }
    seeds.iter().for_each(|seed| targets::live_tags(seed));
    many(seeds, 150, targets::live_tags);
}

/// A host of a stack whose settings are `settings`.
fn host(settings: BTreeMap<String, String>, archive_url: &str) -> Host {
    Host { settings, archive_url: archive_url.into(), ..user_data::host(HostRole::Combined, Os::Debian12) }
}

/// The files that user data has cloud-init write.
fn written(user_data: &str) -> BTreeMap<String, String> {
    let document: Value = serde_yaml::from_str(user_data).expect("YAML");
    let keys: Vec<&String> = document.as_object().expect("a mapping").keys().collect();
    assert!(keys.iter().all(|key| !key.contains("evil")), "{keys:?}");
    let files = document["write_files"].as_array().expect("a list").iter();
    files
        .map(|file| {
            (file["path"].as_str().expect("a path").to_owned(), file["content"].as_str().expect("text").to_owned())
        })
        .collect()
}

#[test]
fn what_a_setting_holds_reaches_a_script_and_its_files_as_itself() {
    let values = [
        "plain",
        "",
        "  spaces  ",
        "it's \"quoted\"",
        "$(touch evil) `touch evil` ${HOME} $HOME",
        "{{name}} {{{stack}}}",
        "#cloud-config\nruncmd: [touch evil]\n",
        "a\nb\r\n\nc\n\n",
        "'; touch evil; '",
        "\\'\\\\ \\n %s %d",
        "!! & | ; < > * ? [a-z] ~",
        "\nEOF\ntouch evil\n",
        "한글 ü 🦀",
        "\t\u{1}\u{1b}[2J",
    ];
    let settings: BTreeMap<String, String> =
        values.iter().enumerate().map(|(number, value)| (format!("setting.{number}"), (*value).to_owned())).collect();
    // A script with the quoting that every template of a host uses: one file for each setting.
    let script = "#!/bin/sh\nset -eu\n{{#each settings}}\nprintf %s {{sh this}} > {{sh @key}}\n{{/each}}\nprintf %s {{sh archive_url}} > url\n";
    let overrides = Overrides::from([("install-kafka.sh.hbs".to_owned(), script.to_owned())]);
    let url = "https://example.org/$(touch$IFS!evil);touch&evil|evil/kafka.tgz";
    let files = written(&cloud_init::render(&host(settings.clone(), url), &overrides).expect("user data"));
    for shell in ["sh", "bash"] {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("run"), &files["/usr/local/lib/kstack/install-kafka"]).expect("a file");
        let run =
            Command::new(shell).arg("run").current_dir(folder.path()).env_clear().env("PATH", "/usr/bin:/bin").output();
        let run = run.expect("a shell");
        assert!(run.status.success() && run.stderr.is_empty(), "{shell}: {}", String::from_utf8_lossy(&run.stderr));
        for (name, value) in &settings {
            assert_eq!(&std::fs::read_to_string(folder.path().join(name)).expect("a file"), value, "{shell}: {name}");
        }
        assert_eq!(std::fs::read_to_string(folder.path().join("url")).expect("a file"), url);
        assert_eq!(
            std::fs::read_dir(folder.path()).expect("a folder").count(),
            values.len() + 2,
            "nothing else was made"
        );
    }
}

#[test]
fn the_hosts_own_scripts_take_values_as_words() {
    let url = "https://example.org/$(touch$IFS!evil);touch&evil|evil/kafka.tgz";
    let files = written(&cloud_init::render(&host(BTreeMap::new(), url), &Overrides::new()).expect("user data"));
    let folder = tempfile::tempdir().expect("a folder");
    let scripts: Vec<&String> =
        files.iter().filter(|(path, _)| path.starts_with("/usr/local/lib/kstack/")).map(|(_, text)| text).collect();
    assert_eq!(scripts.len(), 3);
    for script in &scripts {
        let check = Command::new("bash").args(["-n", "-c", script]).output().expect("bash");
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    }
    // The lines that take values, run as they stand.
    let assignments: String = scripts
        .iter()
        .flat_map(|script| script.lines())
        .filter(|line| ["version=", "archive_url=", "volumes="].iter().any(|name| line.starts_with(name)))
        .map(|line| format!("{line}\n"))
        .collect();
    let script =
        format!("set -euo pipefail\n{assignments}printf '%s\\n' \"$version\" \"$archive_url\" \"${{volumes[@]}}\"");
    let run = Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output().expect("bash");
    assert_eq!(String::from_utf8_lossy(&run.stdout), format!("4.1.1\n{url}\nvol-0123456789abcdef0\n"), "{script}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0, "nothing was made");
}

#[test]
fn names_that_could_leave_their_place_are_refused() {
    let account = Account::new();
    for name in ["../../etc", "a/b", "$(id)", "`id`", "a b", "a\\nb", "{{name}}", "-rf", "'; id; '", "é"] {
        let text = stack("dev", &[("name: dev", &format!("name: \"{name}\""))]);
        std::fs::write(account.path("bad.yaml"), text).expect("a file");
        let run = account.run(&["check", "bad.yaml"]).expect(1);
        assert!(run.err.contains("bad.yaml:3:"), "{name}: {run:.200}");
    }
}
