//! `kstack heal` by EC2's word alone: when it says nothing, what it refuses, and that it leaves a stack alone that somebody else changes. What it
//! does to a real Kafka is in `tests/hosts/heal.rs`.

use std::time::Duration;

use crate::lease::write_lease;
use crate::support::Account;
use crate::support::aws::{DEV, wait};

const FILE: &str = "dev.yaml";

#[test]
fn it_is_quiet_while_all_is_well_and_does_nothing_without_kafkas_word() {
    let account = Account::new();
    account.write("dev", &[]);
    let none = account.run(&["heal", FILE, "--yes"]).expect(1);
    assert!(none.err.contains("the stack dev has no hosts"), "{none}");
    account.apply(FILE);
    let quiet = account.run(&["heal", FILE, "--yes", "--replace-after", "0s"]).expect(0);
    assert_eq!((&*quiet.out, &*quiet.err), ("", ""));

    let instances = account.instances(DEV);
    wait(account.ec2(DEV).terminate_instances().instance_ids(&instances["broker-2"]).send());
    for arguments in [&["heal", FILE, "--dry-run"][..], &["heal", FILE, "--yes", "--replace-after", "0s"]] {
        let refused = account.run(arguments).expect(1);
        assert!(refused.out.starts_with("broker-2 has no instance any more; its volumes are there.\n"), "{refused}");
        assert!(refused.out.contains("Kafka can't be asked: its hosts have no Kafka."), "{refused}");
        assert!(refused.out.contains("`kstack apply`"), "{refused}");
    }
    assert_eq!(account.started(DEV), 2, "nothing was started");

    // Who rolls hosts has one down on purpose.
    write_lease(&account, 99, jiff::Timestamp::now() + Duration::from_secs(600));
    let busy = account.run(&["heal", FILE, "--yes"]).expect(0);
    assert!(
        busy.out.starts_with("Another kstack process is changing the stack: arn:aws:iam::000000000001:user/ann"),
        "{busy}"
    );
    account.run(&["unlock", FILE, "--yes"]).expect(0);
    account.run(&["apply", FILE, "--yes"]).expect(0);
    assert_eq!(account.run(&["heal", FILE, "--yes"]).expect(0).out, "");
    account.destroy(FILE);
}

#[test]
fn what_it_is_not_for_is_said() {
    let account = Account::new();
    account.write("msk", &[]);
    let refused = account.run(&["heal", "msk.yaml", "--yes"]).expect(1);
    assert!(refused.err.contains("MSK brings back brokers of its own clusters by itself"), "{refused}");
    let refused = account.run(&["heal", FILE, "--replace-after", "soon"]).expect(1);
    assert!(refused.err.contains("`soon` is not a duration"), "{refused}");
}
