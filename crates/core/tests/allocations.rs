//! What a plan takes of memory, counted and not timed: allocations, and the most bytes at a time, for small and large stacks. They are
//! compared with `allocations.txt` beside this file, with a margin; `KSTACK_UPDATE=1` writes that anew.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use kstack_core::check;
use kstack_core::choose::{PlanningInput, assumed_facts};
use kstack_core::cloud_init::Overrides;
use kstack_core::expiry::{ExpiryRequest, Lifetime};
use kstack_core::observed::Observed;
use kstack_core::plan::{Plan, applied, make_plan};
use kstack_core::stack::Stack;

/// By how much a figure may be above the one that was written down.
const MARGIN: f64 = 1.1;

/// Production with so many brokers.
fn stack(brokers: u32) -> Stack {
    let text = fs::read_to_string("../../stacks/prod.yaml").expect("the stack file");
    let text = text.replacen("count: 6", &format!("count: {brokers}"), 1);
    check::parse("prod.yaml", &text).unwrap_or_else(|report| panic!("{}", report.render(false))).stack
}

fn input(stack: &Stack, observed: Observed) -> PlanningInput {
    let now = "2026-01-31T12:00:00Z".parse().expect("a time");
    let expires = ExpiryRequest { now, ttl: None }.choose(stack, Lifetime::of(&observed, None, None));
    PlanningInput { facts: assumed_facts(stack), observed, record: None, expires }
}

fn plan(stack: &Stack, input: &PlanningInput) -> Plan {
    let plan = make_plan(stack, input, &Overrides::new(), false).1;
    assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
    plan
}

/// A row: brokers, what is live, steps, allocations and the most bytes at a time.
type Row = (u32, &'static str, usize, u64, u64);

fn measured() -> Vec<Row> {
    let mut rows = Vec::new();
    for brokers in [3, 60, 999] {
        let stack = stack(brokers);
        let nothing = input(&stack, Observed::default());
        let mut done = Observed::default();
        applied::apply(&plan(&stack, &nothing), &mut done);
        for (what, input) in [("nothing", &nothing), ("all", &input(&stack, done))] {
            let mut steps = 0;
            let info = allocation_counter::measure(|| steps = plan(&stack, input).steps.len());
            rows.push((brokers, what, steps, info.count_total, info.bytes_max));
        }
    }
    rows
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from("brokers live steps allocations most-bytes\n");
    for (brokers, what, steps, count, bytes) in rows {
        let _ = writeln!(text, "{brokers} {what} {steps} {count} {bytes}");
    }
    text
}

#[test]
fn a_plan_takes_no_more_memory_than_was_written_down() {
    let rows = measured();
    let path = Path::new("tests/allocations.txt");
    if std::env::var_os("KSTACK_UPDATE").is_some() {
        fs::write(path, table(&rows)).expect("the figures can be written");
    }
    let written = fs::read_to_string(path).unwrap_or_default();
    let figures = |line: &str| line.split(' ').skip(3).filter_map(|word| word.parse().ok()).collect::<Vec<f64>>();
    for ((brokers, what, _, count, bytes), line) in rows.iter().zip(written.lines().skip(1)) {
        let known = figures(line);
        assert_eq!(known.len(), 2, "`{line}` has no two figures");
        let now = [*count as f64, *bytes as f64];
        assert!(
            now[0] <= known[0] * MARGIN && now[1] <= known[1] * MARGIN,
            "a plan of {brokers} brokers with {what} there takes {now:?} and took {known:?}: allocations and bytes; where that is \
             meant, KSTACK_UPDATE=1 cargo test -p kstack-core --test allocations"
        );
    }
    assert_eq!(written.lines().count(), rows.len() + 1, "a row is missing in {}", path.display());
}
