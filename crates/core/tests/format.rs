//! `kstack fmt` over every stack file of the repository: the same meaning, the same comments, and the same again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use kstack_core::check::parse;
use kstack_core::format::format;
use proptest::prelude::*;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(repository().join(folder)).expect("a folder");
    let mut all: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    all.sort();
    all
}

/// Every stack file of the repository that has no problems: those of `stacks`, of the plans, and of `init`.
fn stack_files() -> Vec<(PathBuf, String)> {
    let folders = files("tests/plans").into_iter().filter(|path| path.is_dir());
    let plans = folders.flat_map(|folder| files(&folder.to_string_lossy()));
    let is_stack = |path: &PathBuf| path.extension().is_some_and(|end| end == "yaml") && !path.ends_with("live.yaml");
    let all = files("stacks").into_iter().chain(files("tests/init")).chain(plans.filter(is_stack));
    let read = |path: PathBuf| fs::read_to_string(&path).ok().map(|text| (path, text));
    let found: Vec<(PathBuf, String)> = all.filter_map(read).collect();
    assert!(found.len() > 150, "{}", found.len());
    found
}

fn formatted(name: &Path, text: &str) -> String {
    format(&name.display().to_string(), text).unwrap_or_else(|report| panic!("{}\n{text}", report.render(false)))
}

/// The comments of `text`, found in another way than the formatter finds them: none of these files has a `#` in a value behind a space.
fn comments(text: &str) -> Vec<String> {
    let comment = |line: &str| match line.trim_start().starts_with('#') {
        true => Some(line.trim().to_owned()),
        false => line.find(" #").map(|at| line[at..].trim().to_owned()),
    };
    let mut all: Vec<String> = text.lines().filter_map(comment).collect();
    all.sort();
    all
}

/// Asserts that the formatter keeps what `text` means and its comments, and has nothing to do a second time.
fn keeps(name: &Path, text: &str) -> String {
    let out = formatted(name, text);
    assert_eq!(formatted(name, &out), out, "{} changes a second time", name.display());
    assert_eq!(comments(&out), comments(text), "{}", name.display());
    let stack =
        |text: &str| parse("stack.yaml", text).map(|parsed| parsed.stack).map_err(|report| report.problems.len());
    assert_eq!(stack(&out), stack(text), "{} means something else:\n{out}", name.display());
    out
}

#[test]
fn every_file_means_the_same_and_keeps_its_comments() {
    for (name, text) in stack_files() {
        keeps(&name, &text);
    }
}

#[test]
fn the_examples_and_what_init_writes_are_formatted() {
    for folder in ["stacks", "tests/init"] {
        for path in files(folder) {
            let text = fs::read_to_string(&path).expect("a stack file");
            let out = formatted(&path, &text);
            if std::env::var_os("KSTACK_UPDATE").is_some() && folder == "stacks" {
                fs::write(&path, &out).expect("it is written");
                continue;
            }
            assert!(out == text, "{} is not as `kstack fmt` writes it:\n{out}", path.display());
        }
    }
}

/// How a file is disturbed.
#[derive(Debug, Clone)]
struct Mess {
    file: prop::sample::Index,
    /// Spaces for each level in place of two.
    level: usize,
    /// After so many lines a comment, and an empty line.
    comment: prop::sample::Index,
    empty: prop::sample::Index,
    /// So many blocks of the top level are moved to the front.
    turned: usize,
}

fn mess() -> impl Strategy<Value = Mess> {
    (any::<prop::sample::Index>(), 2..7_usize, any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..9_usize)
        .prop_map(|(file, level, comment, empty, turned)| Mess { file, level, comment, empty, turned })
}

/// `text` with another indentation, a comment, an empty line, and its keys of the top level in another order.
fn disturbed(text: &str, mess: &Mess) -> String {
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| {
            let spaces = line.len() - line.trim_start().len();
            // What is beside a `-` is as far in as the lines below it.
            let rest = match line.trim_start().strip_prefix("- ") {
                Some(item) => format!("-{}{item}", " ".repeat(mess.level - 1)),
                None => line.trim_start().to_owned(),
            };
            format!("{}{rest}", " ".repeat(spaces / 2 * mess.level + spaces % 2))
        })
        .collect();
    let at = mess.comment.index(lines.len() + 1);
    let indent = lines.get(at).map_or(0, |line| line.len() - line.trim_start().len());
    lines.insert(at, format!("{}# a comment of nobody", " ".repeat(indent)));
    let at = mess.empty.index(lines.len() + 1);
    lines.insert(at, String::new());
    let starts: Vec<usize> =
        (0..lines.len()).filter(|at| lines[*at].starts_with(|c: char| c.is_ascii_alphabetic())).collect();
    let turn = starts[mess.turned % starts.len()];
    let (front, back) = lines.split_at(turn);
    [back, front].concat().join("\n") + "\n"
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_disturbed_file_comes_into_order(mess in mess()) {
        static FILES: LazyLock<Vec<(PathBuf, String)>> = LazyLock::new(stack_files);
        // A text of several lines means something else at another indentation.
        let all: Vec<&(PathBuf, String)> = FILES.iter().filter(|(_, text)| !text.contains(": |") && !text.contains(": >")).collect();
        let (name, text) = mess.file.get(&all);
        keeps(name, &disturbed(text, &mess));
    }
}
