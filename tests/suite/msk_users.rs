//! Users of MSK clusters: passwords in Secrets Manager, and what is not lost of them.

use serde_json::Value;

use crate::msk::{FILE, account, write};
use crate::support::Account;
use crate::support::aws::{DEV, wait};

/// Users of both kinds. Those with passwords have no rights: nobody asks brokers of the sandbox.
const USERS: [(&str, &str); 2] = [
    ("auth: {iam: true}", "auth: {iam: true, scram: {}}"),
    (
        "cluster:\n",
        "access:\n  users:\n    billing: {}\n    Orders.api_v1: {}\n    etl: {mechanism: iam, produce: [orders]}\ncluster:\n",
    ),
];

const SECRET: &str = "AmazonMSK_kstack/orders/billing";

fn value(account: &Account) -> Value {
    let answer = wait(account.secretsmanager(DEV).get_secret_value().secret_id(SECRET).send());
    serde_json::from_str(answer.secret_string().expect("a text")).expect("JSON")
}

fn password(account: &Account) -> String {
    value(account)["password"].as_str().expect("a password").to_owned()
}

#[test]
fn passwords_are_kept_in_secrets_that_the_cluster_takes_and_shown_to_nobody_unasked() {
    let account = account();
    write(&account, &USERS);
    let mut all = account.run(&["plan", FILE]).expect(0).to_string();
    all += &account.run(&["apply", FILE, "--yes", "--json"]).expect(0).to_string();
    account.assert_converged(FILE);
    assert_eq!(value(&account)["username"], "billing");
    let password = password(&account);
    assert_eq!(password.len(), 32, "as many characters as nobody guesses");
    let cluster = wait(account.kafka(DEV).list_clusters_v2().send()).cluster_info_list()[0].clone();
    let arn = cluster.cluster_arn().expect("an ARN");
    let taken = wait(account.kafka(DEV).list_scram_secrets().cluster_arn(arn).send());
    assert_eq!(taken.secret_arn_list().len(), 2, "{taken:?}");

    // What a client gets.
    let settings = account.run(&["credentials", FILE, "billing", "--show"]).expect(0);
    assert!(settings.out.contains(&format!("username=\"billing\" password=\"{password}\"")), "{settings}");
    assert!(!settings.out.contains("truststore"), "MSK's certificates are public: {settings}");
    let settings = account.run(&["credentials", FILE, "etl", "--show"]).expect(0);
    assert!(settings.out.contains("sasl.mechanism=AWS_MSK_IAM"), "{settings}");
    let run = account.run(&["credentials", FILE, "etl", "--show", "--format", "librdkafka"]).expect(1);
    assert!(run.err.contains("librdkafka has no settings for IAM"), "{run}");
    let run = account.run(&["credentials", FILE, "nobody", "--show"]).expect(1);
    assert!(run.err.contains("the stack file has no user nobody"), "{run}");
    let run = account.run(&["credentials", FILE, "--admin", "--show"]).expect(1);
    assert!(run.err.contains("MSK's brokers let nobody in with all rights"), "{run}");

    // No password is anywhere else.
    for command in [&["plan", FILE, "--json"][..], &["status", FILE, "--json"], &["plan", FILE, "--out", "a.plan"]] {
        all += &account.run(command).expect(0).to_string();
    }
    all += &std::fs::read_to_string(account.path("a.plan")).expect("a plan");
    let described = wait(account.secretsmanager(DEV).describe_secret().secret_id(SECRET).send());
    let parameters = wait(account.ssm(DEV).get_parameters_by_path().path("/kstack").recursive(true).send());
    all += &format!("{described:?} {cluster:?} {parameters:?}");
    assert!(all.contains("user_secret/billing") && !all.contains(&password), "{all}");
    account.destroy(FILE);
}

/// What of stacks/msk.yaml changes to what, and the steps that this plans. What topics have is not known where no broker answers, so they
/// have none.
const ROWS: [(&str, &str, &[&str]); 5] = [
    ("partitions: 48", "partitions: 60", &[]),
    ("      produce: [orders]\n", "      produce: [orders]\n      role: etl\n", &["create user_policy/orders-api"]),
    ("produce: [orders]", "produce: [orders, \"orders.*\"]", &["update user_policy/orders-api"]),
    ("      role: etl\n", "", &["delete user_policy/orders-api"]),
    ("  orders.returns:\n    partitions: 6\n", "  orders.returns:\n    partitions: 12\n", &[]),
];

#[test]
fn the_example_of_msk_is_made_changed_row_by_row_and_destroyed() {
    let mut account = account();
    let own = ("region: us-east-1", "region: eu-west-1");
    let file = account.write("msk", &[own]);
    // Plans ask brokers, whose names lead nowhere here, and applies do not.
    account.blind = false;
    let fresh = account.plan(&file).steps();
    for step in ["create msk_cluster/main", "create topic/orders", "create topic/orders.returns"] {
        assert!(fresh.iter().any(|one| one == step), "{step}: {fresh:?}");
    }
    assert!(!fresh.iter().any(|step| step.contains("user_rights")), "IAM is asked what they may do: {fresh:?}");
    let policy = account.run(&["policy", &file, "--client", "billing"]).expect(0).json().to_string();
    assert!(policy.contains("kafka-cluster:ReadData") && policy.contains("/orders*"), "{policy}");
    let apply = |account: &mut Account| {
        account.blind = true;
        account.apply(&file);
        account.blind = false;
        account.assert_converged(&file);
    };
    apply(&mut account);
    let role = account.iam().create_role().role_name("etl").assume_role_policy_document("{}");
    wait(role.send());
    let mut text = std::fs::read_to_string(account.path(&file)).expect("the file");
    for (before, after, planned) in ROWS {
        assert_eq!(text.matches(before).count(), 1, "`{before}` in\n{text}");
        text = text.replacen(before, after, 1);
        std::fs::write(account.path(&file), &text).expect("a file");
        assert_eq!(account.plan(&file).steps(), planned, "{after}");
        let held = account.run(&["plan", &file]).expect(0);
        assert!(held.out.contains("2 topics of the stack file have no step"), "{held}");
        apply(&mut account);
    }
    wait(account.iam().delete_role().role_name("etl").send());
    account.destroy(&file);
}

#[test]
fn a_password_comes_back_with_its_user_and_a_name_that_waits_is_no_obstacle() {
    let account = account();
    write(&account, &USERS);
    account.apply(FILE);
    let first = password(&account);
    // Somebody deletes it, and it waits.
    wait(account.secretsmanager(DEV).delete_secret().secret_id(SECRET).recovery_window_in_days(7).send());
    let plan = account.plan(FILE);
    assert_eq!(plan.step("user_secret/billing")["action"], "create", "{:#}", plan.0);
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!(password(&account), first, "nothing is lost");
    // A stack that is made again has another key, and the old secret waits under the old one.
    account.destroy(FILE);
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_ne!(password(&account), first);
    account.destroy(FILE);
}

#[test]
fn a_secret_of_others_is_not_taken() {
    let account = account();
    let content = "{\"username\": \"billing\", \"password\": \"theirs\"}";
    wait(account.secretsmanager(DEV).create_secret().name(SECRET).secret_string(content).send());
    write(&account, &USERS);
    let run = account.run(&["apply", FILE, "--yes"]).expect(1);
    assert!(run.err.contains(&format!("the secret {SECRET} is not the stack's")), "{run}");
    account.run(&["destroy", FILE, "--yes"]).expect(0);
    assert_eq!(password(&account), "theirs");
}
