//! What a release is made of: an archive that is unpacked and used in a bare folder, and everything that names it says the same of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{KSTACK, Run};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const TARGET: &str = "x86_64-unknown-linux-gnu";

fn script(name: &str, arguments: &[&str]) -> Run {
    Run::of(Command::new(format!("{}/.github/release/{name}", env!("CARGO_MANIFEST_DIR"))).args(arguments))
}

#[test]
fn an_archive_is_unpacked_and_used_in_a_bare_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let dist = folder.path().join("dist");
    script("archive", &[KSTACK, TARGET, &dist.display().to_string()]).expect(0);
    let name = format!("kstack-{VERSION}-{TARGET}");
    let archive = dist.join(format!("{name}.tar.gz"));
    let run = |program: &str, arguments: &[&str], at: &Path| {
        Run::of(Command::new(program).args(arguments).current_dir(at)).expect(0)
    };
    run("sha256sum", &["--check", &format!("{name}.tar.gz.sha256")], &dist);
    let bare = folder.path().join("bare");
    fs::create_dir(&bare).expect("a folder");
    run("tar", &["--extract", "--gzip", "--file", &archive.display().to_string()], &bare);
    let unpacked = bare.join(&name);
    for file in ["LICENSE", "README.md", "completions/_kstack", "completions/kstack.bash", "completions/kstack.fish"] {
        assert!(fs::metadata(unpacked.join(file)).is_ok_and(|file| file.len() > 100), "{file}");
    }
    let page = fs::read_to_string(unpacked.join("man/kstack-apply.1")).expect("a manual page");
    assert!(page.contains(".TH kstack-apply 1") && page.contains("\\-\\-allow\\-data\\-loss"), "{page}");
    // Nothing of this machine's but the kernel and the C library.
    let kstack = |arguments: &[&str]| {
        Run::of(Command::new(unpacked.join("kstack")).env_clear().args(arguments).current_dir(&bare)).expect(0)
    };
    assert!(kstack(&["--version"]).out.starts_with(&format!("kstack {VERSION}")));
    kstack(&[
        "init",
        "orders.yaml",
        "--region=eu-west-1",
        "--engine=ec2",
        "--environment=test",
        "--ingress=1 MiB/s",
        "--retention=1d",
    ]);
    kstack(&["check", "orders.yaml"]);
    kstack(&["size", "orders.yaml"]);
}

/// The targets that a text names.
fn targets(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c)));
    let of = |word: &str| {
        let at = ["x86_64-", "aarch64-"].iter().filter_map(|start| word.find(start)).min()?;
        let target = &word[at..];
        (target.ends_with("-musl") || target.ends_with("-darwin")).then(|| target.to_owned())
    };
    words.filter_map(of).collect()
}

#[test]
fn the_workflow_the_formula_and_the_metadata_name_the_same_archives() {
    let read = |path: &str| fs::read_to_string(path).expect(path);
    let built = targets(&read(".github/workflows/release.yml"));
    assert_eq!(built.len(), 4, "{built:?}");
    let folder = tempfile::tempdir().expect("a folder");
    for (number, target) in built.iter().enumerate() {
        let sum = number.to_string().repeat(64);
        let file = folder.path().join(format!("kstack-9.8.7-{target}.tar.gz.sha256"));
        fs::write(file, format!("{sum}  kstack-9.8.7-{target}.tar.gz\n")).expect("a file");
    }
    let formula = script("formula", &["9.8.7", "acme/kstack", &folder.path().display().to_string()]).expect(0).out;
    assert_eq!(targets(&formula), built);
    for (number, target) in built.iter().enumerate() {
        let url = format!("https://github.com/acme/kstack/releases/download/v9.8.7/kstack-9.8.7-{target}.tar.gz");
        let pair = format!("url \"{url}\"\n      sha256 \"{}\"", number.to_string().repeat(64));
        assert!(formula.contains(&pair), "{target}:\n{formula}");
    }
    for left in ["VERSION", "REPOSITORY", "SUM("] {
        assert!(!formula.contains(left), "{left} is left:\n{formula}");
    }
    let manifest = read("Cargo.toml");
    let archive = "{ repo }/releases/download/v{ version }/kstack-{ version }-{ target }.tar.gz";
    assert!(manifest.contains(&format!("pkg-url = \"{archive}\"")), "cargo binstall would look elsewhere");
    assert!(
        manifest.contains("bin-dir = \"kstack-{ version }-{ target }/{ bin }\""),
        "cargo binstall would look elsewhere"
    );
}
