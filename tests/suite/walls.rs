//! The walls between the parts of kstack, held by reading the sources: what may be named where.

use std::fs;
use std::path::{Path, PathBuf};

/// Every Rust source below `src`, by its path from there, with its text.
fn sources() -> Vec<(String, String)> {
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
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    let name = |path: &Path| path.strip_prefix(&root).expect("a path below src").to_string_lossy().replace('\\', "/");
    paths.iter().map(|path| (name(path), fs::read_to_string(path).expect("a readable file"))).collect()
}

/// Whether the file is `place`, or in the folder or module of that name.
fn is_in(file: &str, place: &str) -> bool {
    let module = place.trim_end_matches(".rs");
    file == format!("{module}.rs") || file.starts_with(&format!("{module}/"))
}

/// Whether `text` names `word` as a whole, not as a part of a longer name.
fn names(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + word.len()..].chars().next());
        let open_end = word.ends_with(|c| !part(c)) || word.ends_with('_');
        !before.is_some_and(part) && (open_end || !after.is_some_and(part))
    })
}

/// Asserts that no line outside of comments names one of `words` in the files that `wall` is about.
fn assert_unnamed(words: &[&str], wall: impl Fn(&str) -> bool, why: &str) {
    let files: Vec<(String, String)> = sources().into_iter().filter(|(file, _)| wall(file)).collect();
    assert!(!files.is_empty(), "the wall stands around no file: {why}");
    let mut broken = Vec::new();
    for (file, text) in &files {
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            broken.extend(
                words.iter().filter(|word| names(code, word)).map(|word| format!("src/{file}:{}: {word}", number + 1)),
            );
        }
    }
    assert!(broken.is_empty(), "{why}\n  {}", broken.join("\n  "));
}

#[test]
fn words_are_found_as_wholes() {
    assert!(names("use aws_sdk_ec2::Client;", "aws_sdk_") && names("println!(\"x\")", "println!"));
    assert!(
        !names("eprintln!(\"x\")", "println!") && !names("an_Instantly", "Instant") && !names("Instantly", "Instant")
    );
    assert!(is_in("plan/text.rs", "plan") && is_in("sizing.rs", "sizing") && !is_in("planner.rs", "plan"));
}

#[test]
fn the_sdk_is_named_in_aws_and_kinds_only() {
    assert_unnamed(
        &["aws_sdk_", "aws_config", "aws_smithy_"],
        |file| !is_in(file, "aws") && !is_in(file, "kinds"),
        "Wall: AWS's SDK is named in src/aws and src/kinds only, so that all else can be tested without it, and a change of \
         the SDK stays there. Wrap what is needed in src/aws.",
    );
}

#[test]
fn only_the_screen_prints() {
    let printers = ["cli/ui.rs", "cli/error.rs", "cli/view.rs", "main.rs"];
    assert_unnamed(
        &["print!", "println!", "eprint!", "eprintln!", "stdout()", "stderr()"],
        |file| !printers.contains(&file),
        "Wall: only src/cli/ui.rs, error.rs and view.rs write to the terminal, so that results, progress and colours have one \
         home. Return text, or emit an event.",
    );
}

#[test]
fn pure_modules_ask_nothing_of_the_world() {
    let pure = ["stack", "sizing", "cloud_init", "design", "network", "plan", "instance_types", "expiry", "msk"];
    let tests = |file: &str| file.contains("tests"); // A module's tests may read files.
    for module in pure {
        assert_unnamed(
            &[
                "std::fs",
                "std::env",
                "std::net::Tcp",
                "TcpStream",
                "TcpListener",
                "UdpSocket",
                "SystemTime",
                "Instant",
                "Timestamp::now",
                "Zoned::now",
                "tokio",
                "fastrand",
                "std::process",
                "std::thread",
            ],
            |file| is_in(file, module) && !tests(file),
            "Wall: stack, sizing, cloud_init, design, network, plan and instance_types are pure: no files, environment, network, \
             clock or chance, so that the same input gives the same plan, byte for byte. Pass in what they need.",
        );
    }
}

#[test]
fn nothing_is_left_to_be_done() {
    assert_unnamed(
        &["todo!", "unimplemented!", "dbg!"],
        |_| true,
        "Wall: what is in the program works; what is not done is an issue, not a macro that ends the process.",
    );
}

#[test]
fn files_stay_short() {
    const MOST: usize = 450;
    let long: Vec<String> = sources()
        .into_iter()
        .map(|(file, text)| (file, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST)
        .map(|(file, lines)| format!("src/{file}: {lines} lines"))
        .collect();
    assert!(
        long.is_empty(),
        "Wall: a file has one subject and at most {MOST} lines; split it.\n  {}",
        long.join("\n  ")
    );
}
