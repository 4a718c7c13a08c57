//! Every call to AWS in the program's sources has a row in the table of permissions, and every row is of a call.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use kstack_core::permissions;

/// Every Rust source below `folder`, by its path, with its text up to its tests.
fn sources(folder: &Path, out: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a readable file");
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
            out.push((path.display().to_string(), text));
        }
    }
}

/// The sources of the calls, without white space.
fn aws() -> Vec<(String, String)> {
    let mut all = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src/aws"), &mut all);
    all.into_iter().map(|(file, text)| (file, text.split_whitespace().collect())).collect()
}

/// The texts that come right after `before`, up to their closing quote.
fn texts<'a>(source: &'a str, before: &str) -> BTreeSet<&'a str> {
    source.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// The operations whose failures `source` names: each call does, by a test below. `list!` is a macro of the surroundings.
fn made(source: &str) -> BTreeSet<&str> {
    &texts(source, "failed(\"") | &texts(source, "list!(\"")
}

/// The operations that `source` declares.
fn declared(source: &str) -> BTreeSet<&str> {
    &texts(source, "call(\"") | &texts(source, "call_of(\"")
}

#[test]
fn every_call_has_a_row_and_is_declared_and_every_row_is_of_a_call() {
    let all = aws();
    let everything =
        |of: fn(&str) -> BTreeSet<&str>| -> BTreeSet<&str> { all.iter().flat_map(|(_, text)| of(text)).collect() };
    let rows: BTreeSet<&str> = permissions::all().map(|call| call.operation).collect();
    let (made, declared) = (everything(made), everything(declared));
    assert!(made.len() > 100, "{made:?}");
    let missing: Vec<_> = made.difference(&rows).collect();
    assert!(missing.is_empty(), "no row in crates/core/src/permissions/table: {missing:?}");
    let stale: Vec<_> = rows.difference(&made).collect();
    assert!(stale.is_empty(), "rows of calls that nothing makes: {stale:?}");
    let undeclared: Vec<_> = made.difference(&declared).collect();
    assert!(undeclared.is_empty(), "in no CALLS of a driver, and not in src/aws/declared.rs: {undeclared:?}");
}

#[test]
fn a_driver_declares_what_its_own_file_calls() {
    let mut drivers = 0;
    for (file, text) in aws() {
        if !text.contains("constCALLS:Calls=") {
            continue;
        }
        drivers += 1;
        let made = made(&text);
        // Of a discovery of every stack, and of a roll's look at the user data: these have lists of their own.
        let others = BTreeSet::from(["ListRoles", "ListInstanceProfiles", "ListAliases", "DescribeInstanceAttribute"]);
        let missing: Vec<_> = made.difference(&declared(&text)).filter(|one| !others.contains(*one)).copied().collect();
        assert!(missing.is_empty(), "{file} does not declare {missing:?}");
    }
    assert!(drivers >= 20, "{drivers} drivers");
}

/// A call whose failure were not named would be in no table: the number of sent calls is that of the names.
#[test]
fn every_call_that_is_sent_names_its_operation() {
    for (file, text) in aws() {
        let sent = text.matches(".send()").count();
        let named = text.matches("failed(\"").count() + text.matches("failed($operation)").count();
        assert!(named >= sent, "{file}: {sent} calls are sent, and {named} failures named");
    }
}
