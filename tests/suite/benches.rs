//! What the documents say of speed is what was measured: the tables and the picture are made again from `benches/results`. And it was
//! measured against a model of AWS that answers as LocalStack does.

use std::fs;

#[path = "../../benches/versus/check.rs"]
mod check;
#[allow(dead_code)]
#[path = "../../benches/versus/memory/mod.rs"]
mod memory;
#[allow(dead_code)]
#[path = "../../benches/versus/session.rs"]
mod session;

#[allow(dead_code)]
#[path = "../../benches/versus/report.rs"]
mod report;

#[test]
fn tables_and_the_picture_are_those_of_the_results() {
    for document in report::DOCUMENTS {
        let text = fs::read_to_string(document).expect("the document");
        assert!(text.contains("<!-- table:"), "{document} has no table");
        assert!(
            report::filled(&text) == text,
            "{document} is not what was measured: cargo bench --bench versus -- tables"
        );
    }
    let picture = fs::read_to_string("docs/growth.svg").unwrap_or_default();
    assert!(report::growth_svg(&report::read("growth")) == picture, "docs/growth.svg is not what was measured");
}

#[test]
fn the_model_of_aws_answers_as_localstack_does() {
    for stack in [session::Stack::Ec2, session::Stack::Msk] {
        let found = check::compare(session::Tool::Kstack, stack).expect("the binary is here");
        assert!(found.is_empty(), "{found:#?}");
    }
}
