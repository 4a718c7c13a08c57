//! Secrets and roles of others for users of MSK: what is made of them, that nothing of it is left wherever runs die, and that what is
//! others' stays.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::msk::{FILE, account, write};
use crate::support::aws::{DEV, wait};
use crate::support::proxy::{Call, Fault, Proxy, Weather};
use crate::support::running::through;
use crate::support::{Account, Run};

const POLICY: &str = "kstack-orders-eu-west-1-etl";
const THEIRS: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}]}"#;

/// The file with SCRAM, and these users.
fn write_with(account: &Account, users: &str) {
    let access = format!("access:\n  users:\n{users}cluster:\n");
    let cluster = if users.is_empty() { "cluster:\n" } else { &access };
    write(account, &[("auth: {iam: true}", "auth: {iam: true, scram: {}}"), ("cluster:\n", cluster)]);
}

fn users(secret: &str, role: &str) -> String {
    format!("    billing: {{secret: \"{secret}\"}}\n    etl: {{mechanism: iam, role: {role}, produce: [orders]}}\n")
}

fn make_role(account: &Account, name: &str) {
    wait(account.iam().create_role().role_name(name).assume_role_policy_document(THEIRS).send());
    wait(account.iam().put_role_policy().role_name(name).policy_name("theirs").policy_document(THEIRS).send());
}

/// The names of the inline policies of a role, sorted.
fn policies(account: &Account, role: &str) -> Vec<String> {
    let mut names = wait(account.iam().list_role_policies().role_name(role).send()).policy_names;
    names.sort();
    names
}

fn associated(account: &Account) -> BTreeSet<String> {
    let cluster = wait(account.kafka(DEV).list_clusters_v2().send()).cluster_info_list()[0].clone();
    let arn = cluster.cluster_arn().expect("an ARN").to_owned();
    wait(account.kafka(DEV).list_scram_secrets().cluster_arn(arn).send()).secret_arn_list().iter().cloned().collect()
}

/// What kstack notes of users.
fn notes(account: &Account) -> Vec<String> {
    let call = account.ssm(DEV).get_parameters_by_path().path("/kstack-papers/orders").recursive(true);
    wait(call.send()).parameters().iter().filter_map(|one| one.name.clone()).collect()
}

/// Whether a call is about what is others'.
fn of_users(call: &Call) -> bool {
    let note =
        ["PutParameter", "DeleteParameter"].contains(&call.operation.as_str()) && call.body.contains("kstack-papers");
    note || ["PutRolePolicy", "DeleteRolePolicy"].contains(&call.operation.as_str())
        || call.writes() && call.operation.contains('/')
}

/// Applies the file with `fault` at the `number`-th of those calls. Whether there were so many.
fn dies(account: &mut Account, fault: Fault, number: usize) -> bool {
    let seen = AtomicUsize::new(0);
    let hit = move |call: &Call| (of_users(call) && seen.fetch_add(1, Ordering::SeqCst) + 1 == number).then_some(fault);
    let proxy = Proxy::with(Weather { fault: Some(Box::new(hit)), ..Weather::default() });
    let run: Run = through(account, &proxy, &["apply", FILE, "--yes"]);
    let died = run.code == -1;
    assert!(died || run.code == 0, "{fault:?} at {number}: {run}");
    if died {
        account.run(&["unlock", FILE, "--yes"]).expect(0);
    }
    died
}

/// The same, and then until it is done.
fn through_death(account: &mut Account, fault: Fault, number: usize) -> bool {
    let died = dies(account, fault, number);
    if died {
        account.apply(FILE);
    }
    account.assert_converged(FILE);
    died
}

#[test]
fn what_others_have_for_users_is_used_and_left_wherever_runs_die() {
    let mut account = account();
    let content = |user: &str| format!("{{\"username\": \"{user}\", \"password\": \"canary-of-{user}\"}}");
    let secret = account.secret(DEV, "AmazonMSK_billing", &content("billing"));
    let theirs = account.secret(DEV, "AmazonMSK_theirs", &content("theirs"));
    make_role(&account, "etl");

    // What is not there is said before anything is made.
    write_with(&account, &users(&secret.replace("billing", "nobody"), "nobody"));
    let run = account.run(&["apply", FILE, "--yes"]).expect(1);
    for what in ["there is no secret arn:aws:secretsmanager", "there is no role nobody in IAM"] {
        assert!(run.out.contains(what) || run.err.contains(what), "{run}");
    }
    assert!(wait(account.kafka(DEV).list_clusters_v2().send()).cluster_info_list().is_empty());

    write_with(&account, "");
    account.apply(FILE);
    let arn =
        wait(account.kafka(DEV).list_clusters_v2().send()).cluster_info_list()[0].cluster_arn().map(str::to_owned);
    wait(
        account
            .kafka(DEV)
            .batch_associate_scram_secret()
            .cluster_arn(arn.expect("an ARN"))
            .secret_arn_list(&theirs)
            .send(),
    );

    let mut deaths = 0;
    for number in 1..=5 {
        let fault = [Fault::KillBefore, Fault::KillAfter][number % 2];
        write_with(&account, &users(&secret, "etl"));
        deaths += usize::from(through_death(&mut account, fault, number));
        assert_eq!(associated(&account), BTreeSet::from([secret.clone(), theirs.clone()]), "{number}");
        assert_eq!(policies(&account, "etl"), [POLICY, "theirs"], "{number}");
        write_with(&account, "");
        deaths += usize::from(through_death(&mut account, fault, number));
        assert_eq!(associated(&account), BTreeSet::from([theirs.clone()]), "{number}");
        assert_eq!(policies(&account, "etl"), ["theirs"], "{number}");
        // No broker can be asked here, so its rights may be there still: the note that it was the stack's stays.
        assert_eq!(notes(&account), ["/kstack-papers/orders/users/billing"], "{number}");
    }
    assert!(deaths > 5, "{deaths} runs died");

    // Drift is put right, and another role takes the place of the first.
    write_with(&account, &users(&secret, "etl"));
    let mut shown = account.run(&["apply", FILE, "--yes", "--json"]).expect(0).to_string();
    let put = account.iam().put_role_policy().role_name("etl").policy_name(POLICY).policy_document(THEIRS);
    wait(put.send());
    assert_eq!(account.plan(FILE).steps(), ["update user_policy/etl"]);
    make_role(&account, "next");
    write_with(&account, &users(&secret, "next"));
    account.apply(FILE);
    account.assert_converged(FILE);
    assert_eq!(
        (policies(&account, "etl"), policies(&account, "next")),
        (vec!["theirs".to_owned()], vec![POLICY.to_owned(), "theirs".to_owned()])
    );

    // Who takes the user out after a run that died between two roles finds the policy on both.
    for number in 1..=4 {
        write_with(&account, &users(&secret, "etl"));
        account.apply(FILE);
        write_with(&account, &users(&secret, "next"));
        assert!(dies(&mut account, Fault::KillAfter, number), "a change of roles has no call {number}");
        write_with(&account, "");
        account.apply(FILE);
        assert_eq!(
            (policies(&account, "etl"), policies(&account, "next")),
            (vec!["theirs".to_owned()], vec!["theirs".to_owned()]),
            "{number}"
        );
    }
    write_with(&account, &users(&secret, "next"));
    account.apply(FILE);

    // The password is told to who asks for it, and nowhere else.
    let settings = account.run(&["credentials", FILE, "billing", "--show"]).expect(0);
    assert!(settings.out.contains("canary-of-billing"), "{settings}");
    for command in [&["plan", FILE, "--json"][..], &["status", FILE, "--json"], &["policy", FILE]] {
        shown += &account.run(command).expect(0).to_string();
    }
    assert!(shown.contains("role/next") && shown.contains(&format!("the associated secret {theirs}")), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");

    account.run(&["destroy", FILE, "--yes"]).expect(0);
    assert_eq!(policies(&account, "next"), ["theirs"]);
    for name in ["AmazonMSK_billing", "AmazonMSK_theirs"] {
        let kept = wait(account.secretsmanager(DEV).describe_secret().secret_id(name).send());
        assert!(kept.deleted_date().is_none() && kept.tags().is_empty(), "{kept:?}");
    }
    assert_eq!(notes(&account), Vec::<String>::new());
}
