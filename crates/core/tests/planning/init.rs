//! First stack files: each is a fixture, fits its workload, and plans.

use std::fs;
use std::path::Path;

use kstack_core::init::{Answers, first_file};
use kstack_core::instance_types;
use kstack_core::pricing::embedded;
use kstack_core::stack::{Engine, Name, Rate, Region, Scalar as _, TimeSpan};

use super::model::{Model, parsed};

fn answers(engine: Engine, production: bool, ingress: &str, retention: &str) -> Answers {
    Answers {
        name: Name::parse("orders").expect("a name"),
        region: Region::parse("us-east-1").expect("a region"),
        engine,
        production,
        ingress: Rate::parse(ingress).expect("a rate"),
        retention: TimeSpan::parse(retention).expect("a duration"),
    }
}

#[test]
fn first_files_fit_and_plan() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/init");
    let mut usd = Vec::new();
    for (name, asked) in [
        ("ec2-production", answers(Engine::Ec2, true, "10 MiB/s", "7d")),
        ("ec2-test", answers(Engine::Ec2, false, "1 MiB/s", "1d")),
        ("ec2-large", answers(Engine::Ec2, true, "200 MiB/s", "3d")),
        ("msk-production", answers(Engine::Msk, true, "10 MiB/s", "7d")),
        ("msk-test", answers(Engine::Msk, false, "1 MiB/s", "1d")),
    ] {
        let first = first_file(&asked, embedded()).unwrap_or_else(|| panic!("{name}: no brokers carry it"));
        let path = folder.join(format!("{name}.yaml"));
        if std::env::var_os("KSTACK_UPDATE").is_some() {
            fs::create_dir_all(&folder).expect("the folder can be made");
            fs::write(&path, &first.text).expect("the file can be written");
        }
        assert_eq!(fs::read_to_string(&path).unwrap_or_default(), first.text, "{name}");
        let file = parsed(&first.text);
        // Logs are for whoever has a place for them, and a burstable type is told of where tests get one.
        let warnings = file.warnings.render(false);
        let known = ["has no VPC flow logs", "logs of a protected cluster", "once its burst credits are used up"];
        let places: usize = known.iter().map(|one| warnings.matches(one).count()).sum();
        assert_eq!(file.warnings.counts(), (0, places), "{name}: {warnings}");
        let report = file.stack.cluster.size(file.stack.common(), instance_types::embedded());
        assert_eq!(report.map(|report| report.misfits).unwrap_or_default(), [], "{name}");
        let plan = Model::empty("us-east-1", 3).plan(&file, false);
        assert!(plan.refusals.is_empty() && plan.steps.len() > 5, "{name}: {:?}", plan.refusals);
        // What is commented out is right too, once it is wanted.
        let whole = first
            .text
            .replace("\n# ", "\n")
            .replace("\n  # ", "\n  ")
            .replace("\n    # ", "\n    ")
            .replace("\n#   ", "\n  ")
            .replace("BUCKET", "kafka-flow-logs");
        assert_ne!(whole, first.text, "{name}");
        let whole = parsed(&whole);
        assert!(!whole.stack.topics.is_empty(), "{name}");
        usd.push(first.bill.total());
    }
    assert!(usd[1] < usd[0] && usd[0] < usd[2] && usd[4] < usd[3], "{usd:?}");
    assert!(first_file(&answers(Engine::Ec2, false, "5 GiB/s", "7d"), embedded()).is_none());
}
