#![no_main]

#[path = "../../crates/core/tests/planning/model.rs"]
#[allow(dead_code)]
mod model;
#[path = "../targets.rs"]
#[allow(dead_code)]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::stack_file(bytes));
