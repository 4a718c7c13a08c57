#![no_main]

#[path = "../../tests/suite/model.rs"]
#[allow(dead_code)]
mod model;
#[path = "../targets.rs"]
#[allow(dead_code)]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::saved_plan(bytes));
