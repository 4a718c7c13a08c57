//! Clients with certificates of a CA of the user's own: its file beside the stack file, and what hosts get of it.

use std::fs;

use jiff::{SignedDuration, Timestamp};
use kstack::pki::Signer;
use kstack_core::certificates::{Authority, Facts};

use crate::support::Account;
use crate::support::aws::{DEV, wait};

const OWN: (&str, &str) = ("    kafka: 4.1.1", "    kafka: 4.1.1\n    listeners: {mtls: {clients_ca: pki/ca.pem}}");
const STACKS: (&str, &str) = ("    kafka: 4.1.1", "    kafka: 4.1.1\n    listeners: {mtls: true}");

fn ca(name: &str) -> Signer {
    Signer::make(Authority::Clients, 1, name, Timestamp::now()).expect("an authority")
}

/// The stack's parameters with keys and certificates.
fn papers(account: &Account) -> Vec<String> {
    let listed = wait(account.ssm(DEV).get_parameters_by_path().path("/kstack-papers").recursive(true).send());
    let mut all: Vec<String> = listed.parameters().iter().filter_map(|one| one.name().map(str::to_owned)).collect();
    all.sort();
    all
}

#[test]
fn each_problem_of_the_file_is_told_where_the_stack_file_names_it() {
    let account = Account::new();
    let file = account.write("dev", &[OWN]);
    let line =
        fs::read_to_string(account.path(&file)).expect("the file").lines().position(|one| one.contains("clients_ca"));
    let place = format!("dev.yaml:{}:36", line.expect("a line") + 1);
    let refused = |parts: &[&str]| {
        let run = account.run(&["check", &file]).expect(1);
        for part in parts.iter().chain([&place.as_str(), &"= help: "]) {
            assert!(run.err.contains(part), "{part}: {run}");
        }
        assert!(!run.err.contains("PRIVATE KEY-----\n") && !run.err.contains("MIGHAgEA"), "{run}");
    };
    refused(&["`pki/ca.pem` can't be read: No such file"]);
    fs::create_dir(account.path("pki")).expect("a folder");
    let put = |text: &str| fs::write(account.path("pki/ca.pem"), text).expect("a file");
    let company = ca("company");
    let facts = Facts::client("orders", SignedDuration::from_hours(24)).expect("a user");
    let client = company.sign(&facts, Timestamp::now()).expect("a certificate");
    put(&format!("{}{}", company.pair().keystore().expose(), client.certificate));
    refused(&["here is a private key", "the certificate of `CN=orders` is not one of a CA"]);
    put("ca");
    refused(&["has no certificate in PEM"]);
    // Beside what is wrong with the stack file itself.
    let broken = account.write_as("broken.yaml", "dev", &[OWN, ("region: eu-west-1", "region: europe")]);
    let run = account.run(&["check", &broken]).expect(1);
    assert!(run.err.contains("has no certificate in PEM") && run.err.contains("broken.yaml: 2 errors"), "{run}");
    // Its certificate would be kstack's own, which these brokers don't trust.
    let client = account.write_as("client.yaml", "dev", &[OWN, ("cluster:", "client: {}\ncluster:")]);
    let run = account.run(&["check", &client]).expect(1);
    assert!(run.err.contains("which brokers with `clients_ca` don't trust"), "{run}");
    // By the clock of the run.
    put(&company.pair().certificate);
    account.run(&["check", &file]).expect(0);
    let at =
        |now: Timestamp| crate::support::Run::of(account.command(&["check", &file]).env("KSTACK_NOW", now.to_string()));
    let ends = company.certificate().ends;
    let soon = at(ends - SignedDuration::from_hours(24)).expect(0);
    assert!(soon.err.contains("warning: ") && soon.err.contains("no client comes in by it then"), "{soon}");
    let ended = at(ends).expect(1);
    assert!(ended.err.contains("the CA `CN=kstack company clients` ended at"), "{ended}");
}

#[test]
fn a_stack_with_a_ca_of_the_users_has_no_authority_for_clients() {
    let account = Account::new();
    let file = account.write("dev", &[OWN]);
    fs::create_dir(account.path("pki")).expect("a folder");
    let put = |one: &Signer| fs::write(account.path("pki/ca.pem"), &one.pair().certificate).expect("a file");
    let (company, other) = (ca("company"), ca("other"));
    put(&company);
    // A saved plan has what the file had when it was saved.
    account.run(&["plan", &file, "--out", "saved.plan"]).expect(0);
    fs::remove_file(account.path("pki/ca.pem")).expect("it is there");
    account.run(&["apply", "saved.plan", "--yes"]).expect(0);
    put(&company);
    account.assert_converged(&file);
    let hosts = papers(&account);
    assert_eq!(hosts.len(), 4, "three hosts and their authority: {hosts:?}");
    assert!(hosts.iter().all(|name| !name.ends_with("/clients")), "{hosts:?}");
    let rendered = account.run(&["render", &file, "--host", "broker-1"]).expect(0);
    let line = company.pair().certificate.lines().nth(1).expect("a line").to_owned();
    assert!(rendered.out.contains("/etc/kafka/clients-ca.pem") && rendered.out.contains(&line), "{rendered}");
    // Whoever runs that CA gives certificates.
    let run = account.run(&["credentials", &file, "orders", "--show"]).expect(0);
    assert!(run.err.contains("Clients have certificates of the CA in pki/ca.pem: kstack makes none."), "{run}");
    assert!(run.out.contains(":9094") && run.out.contains("ssl.truststore.certificates="), "{run}");
    assert!(!run.out.contains("PRIVATE KEY"), "{run}");
    let run = account.run(&["credentials", &file, "orders", "--show", "--life", "1d"]).expect(1);
    assert!(run.err.contains("leave --life out"), "{run}");
    // Another CA rolls the brokers and changes nothing else; then one that kstack makes, and back.
    put(&other);
    assert_eq!(
        account.plan(&file).steps(),
        ["roll instance/broker-1", "roll instance/broker-2", "roll instance/broker-3"]
    );
    account.apply(&file);
    account.assert_converged(&file);
    for (edit, count) in [(STACKS, 5), (OWN, 4)] {
        account.write("dev", &[edit]);
        account.apply(&file);
        account.assert_converged(&file);
        assert_eq!(papers(&account).len(), count, "{edit:?}");
    }
    // Destroying needs no CA.
    fs::remove_file(account.path("pki/ca.pem")).expect("it is there");
    account.destroy(&file);
}
