//! How many calls the commands make, counted at the HTTP layer.

use std::collections::BTreeMap;

use crate::support::Account;
use crate::support::proxy::{Call, Proxy};

/// A plan that finds nothing to do makes at most so many calls, however many brokers there are.
pub const PLAN_CALLS: usize = 28;
/// And for the papers of its hosts: the key, its tags and rotation, the parameters, and the role's policy for them.
pub const PAPERS_CALLS: usize = 5;
/// The calls of one broker's creation: its volume, its interface, its instance and what they need.
const CALLS_A_BROKER: usize = 6;

/// Operations with their counts, for failures.
fn counted(calls: &[Call]) -> String {
    let mut counts: BTreeMap<(usize, &str), usize> = BTreeMap::new();
    for call in calls {
        *counts.entry((call.round, &call.operation)).or_default() += 1;
    }
    counts.iter().map(|((round, operation), count)| format!("round {round}: {count} {operation}\n")).collect()
}

/// The calls of the apply, and of a plan after it, of a stack with so many brokers.
fn calls(brokers: usize) -> (Vec<Call>, Vec<Call>) {
    let mut account = Account::new();
    let direct = account.endpoint.clone();
    let count = format!("count: {brokers}");
    let file = account.write("dev", &[("count: 3", &count)]);
    let proxy = Proxy::counting();
    account.endpoint.clone_from(&proxy.endpoint);
    account.apply(&file);
    let applied = proxy.take();
    let rounds = Proxy::in_rounds();
    account.endpoint.clone_from(&rounds.endpoint);
    account.assert_converged(&file);
    account.endpoint = direct;
    account.destroy(&file);
    (applied, rounds.take())
}

#[test]
fn the_calls_of_a_plan_do_not_grow_with_the_brokers_and_those_of_an_apply_grow_little() {
    let (small_apply, small) = calls(3);
    let (large_apply, large) = calls(60);
    let operations = |calls: &[Call]| {
        let mut names: Vec<String> = calls.iter().map(|call| call.operation.clone()).collect();
        names.sort();
        names
    };
    let same = operations(&small) == operations(&large);
    assert!(same, "a plan of 3 brokers:\n{}\nand one of 60:\n{}", counted(&small), counted(&large));
    assert!(small.len() <= PLAN_CALLS, "{} calls:\n{}", small.len(), counted(&small));
    for calls in [&small, &large] {
        let rounds = calls.iter().map(|call| call.round).max();
        assert!(rounds <= Some(2), "{rounds:?} rounds:\n{}", counted(calls));
    }
    let more = large_apply.len() - small_apply.len();
    assert!(
        more <= 57 * CALLS_A_BROKER,
        "{more} calls more for 57 brokers more:\n{}\nwith 3 brokers:\n{}",
        counted(&large_apply),
        counted(&small_apply)
    );
}
