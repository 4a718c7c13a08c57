//! Networks that are not as kstack makes them by itself.

use crate::support::Account;

/// No way to the internet at all: no NAT gateway, no public subnet's route is used, and hosts may reach the mirror's port.
#[test]
fn a_closed_network_is_applied_changed_and_destroyed() {
    const FILE: &str = "closed-network.yaml";
    let account = Account::new();
    account.write("closed-network", &[]);
    let made = account.plan(FILE);
    assert!(made.steps().iter().all(|step| !step.contains("nat_gateway")), "{:?}", made.steps());
    assert!(made.step("security_group_rules/brokers").to_string().contains("tcp 8080"));
    account.apply(FILE);
    account.assert_converged(FILE);
    account.write("closed-network", &[("clients: [10.8.0.0/16]", "clients: [10.8.0.0/16, 10.9.0.0/16]")]);
    assert_eq!(account.plan(FILE).steps(), ["update security_group_rules/brokers"]);
    account.apply(FILE);
    account.assert_converged(FILE);
    account.destroy(FILE);
}
