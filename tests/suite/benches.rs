//! What the documents say of speed is what was measured: the tables and the picture are made again from `benches/results`.

use std::fs;

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
