//! The KMS key of a stack whose hosts speak TLS: found whatever happened to it, and gone with the stack as far as KMS lets a key go.

use aws_sdk_kms::types::KeyMetadata;
use aws_sdk_ssm::types::{ParameterStringFilter, ParameterType, ResourceTypeForTagging};

use crate::support::Account;
use crate::support::aws::{DEV, wait};

/// Hosts that speak TLS, with clients by user and password.
const SECURED: (&str, &str) = ("    kafka: 4.1.1", "    kafka: 4.1.1\n    listeners: {scram: true}");
const ALIAS: &str = "alias/kstack-dev";

/// Every key that says it is a stack's, whatever state it is in.
fn keys(account: &Account) -> Vec<KeyMetadata> {
    let kms = account.kms(DEV);
    let all = wait(kms.list_keys().send());
    let ids = all.keys().iter().filter_map(|key| key.key_id());
    let described = ids.map(|id| wait(kms.describe_key().key_id(id).send()).key_metadata.expect("a key"));
    described.filter(|key| key.description().is_some_and(|text| text.contains("kstack"))).collect()
}

fn states(account: &Account) -> Vec<String> {
    let mut all: Vec<String> =
        keys(account).iter().map(|key| key.key_state().expect("a state").as_str().to_owned()).collect();
    all.sort();
    all
}

/// A file that does not say by which listeners clients come.
const UNSAID: (&str, &str) = ("    listeners: {plaintext: true}\n", "");

#[test]
fn a_file_without_listeners_keeps_what_is_live_and_is_one_for_tls_when_the_stack_is_new() {
    let account = Account::new();
    account.apply(&account.write("dev", &[]));
    let file = account.write("dev", &[UNSAID]);
    // Keys are not asked for: nobody may have been allowed that.
    account.choose(&serde_json::json!({"faults": [{"service": "kms", "operation": "*", "error": "AccessDeniedException", "status": 400}]}));
    account.assert_converged(&file);
    let plan = account.run(&["plan", &file]).expect(0).out;
    assert!(plan.contains("`listeners: {plaintext: true}` leaves all as it is"), "{plan}");
    let status = account.run(&["status", &file]).expect(0).out;
    assert!(status.contains(":9092") && !status.contains(":9096"), "{status}");
    account.choose(&serde_json::json!({}));
    account.destroy(&file);
    assert_eq!(states(&account), [""; 0]);
    account.apply(&file);
    account.assert_converged(&file);
    let status = account.run(&["status", &file]).expect(0).out;
    assert!(status.contains(":9096") && !status.contains(":9092"), "{status}");
    assert_eq!(states(&account), ["Enabled"]);
    account.destroy(&file);
    account.assert_nothing_left();
}

#[test]
fn a_stack_has_one_key_until_it_is_destroyed_whatever_happens_to_it() {
    let account = Account::new();
    let file = account.write("dev", &[SECURED]);
    account.apply(&file);
    account.assert_converged(&file);
    let kms = account.kms(DEV);
    let made = keys(&account);
    let [key] = made.as_slice() else { panic!("{made:#?}") };
    let id = key.key_id();
    assert!(wait(kms.get_key_rotation_status().key_id(id).send()).key_rotation_enabled);
    let tags = wait(kms.list_resource_tags().key_id(id).send());
    for wanted in ["kstack:stack", "kstack:address"] {
        assert!(tags.tags().iter().any(|tag| tag.tag_key() == wanted), "{wanted} in {tags:#?}");
    }
    assert!(account.run(&["list", "--region", DEV]).expect(0).out.contains("complete"));
    // A run that died before the alias was made; then others' hands.
    wait(kms.delete_alias().alias_name(ALIAS).send());
    account.apply(&file);
    wait(kms.disable_key().key_id(id).send());
    account.apply(&file);
    wait(kms.schedule_key_deletion().key_id(id).pending_window_in_days(7).send());
    account.apply(&file);
    account.assert_converged(&file);
    assert_eq!(states(&account), ["Enabled"]);
    assert_eq!(wait(kms.describe_key().key_id(ALIAS).send()).key_metadata.expect("a key").key_id(), id);
    account.destroy(&file);
    assert_eq!(states(&account), ["PendingDeletion"]);
    assert!(wait(kms.list_aliases().send()).aliases().iter().all(|one| one.alias_name() != Some(ALIAS)));
    // A stack of the same name gets another key, and finds nothing in its way.
    account.apply(&file);
    account.assert_converged(&file);
    assert_eq!(states(&account), ["Enabled", "PendingDeletion"]);
    account.destroy(&file);
}

#[test]
fn an_alias_of_anothers_key_is_left_to_it() {
    let account = Account::new();
    let kms = account.kms(DEV);
    let theirs = wait(kms.create_key().description("the company's").send()).key_metadata.expect("a key");
    wait(kms.create_alias().alias_name(ALIAS).target_key_id(theirs.key_id()).send());
    let file = account.write("dev", &[SECURED]);
    let run = account.run(&["apply", &file, "--yes"]).expect(1);
    assert!(run.err.contains("the alias alias/kstack-dev is that of another key"), "{run}");
    let alias = wait(kms.describe_key().key_id(ALIAS).send()).key_metadata.expect("a key");
    assert_eq!(alias.key_id(), theirs.key_id());
    account.destroy(&file);
    assert_eq!(states(&account), ["PendingDeletion"], "kstack's own goes, without an alias");
    let alias = wait(kms.describe_key().key_id(ALIAS).send()).key_metadata.expect("a key");
    assert_eq!((alias.key_id(), alias.key_state().map(|state| state.as_str())), (theirs.key_id(), Some("Enabled")));
}

/// A plan needs no key, and nothing that people or programs read has one.
#[test]
fn no_key_is_in_anything_that_is_told() {
    let account = Account::new();
    let file = account.write("dev", &[SECURED]);
    let mut told = vec![account.run(&["plan", &file, "--json", "--out", "before.plan"]).expect(0)];
    told.push(account.run(&["apply", &file, "--yes", "--json"]).expect(0));
    for command in [
        &["plan", "--json"][..],
        &["plan", "--out", "after.plan"],
        &["status", "--verbose"],
        &["render", "--host", "broker-1"],
    ] {
        let arguments = [&command[..1], &[file.as_str()], &command[1..]].concat();
        told.push(account.run(&arguments).expect(0));
    }
    told.push(account.run(&["destroy", &file, "--yes", "--json"]).expect(0));
    let saved = ["before.plan", "after.plan"].map(|name| std::fs::read_to_string(account.path(name)).expect("a plan"));
    for text in told.iter().flat_map(|run| [&run.out, &run.err]).chain(&saved) {
        assert!(!text.contains("PRIVATE KEY-----\n") && !text.contains("MIGHAgEA"), "{text}");
    }
}

/// Who may not ask for decryption sees what a key made of it, and hosts' user data has no more than the parameter's name.
#[test]
fn what_is_secret_is_encrypted_with_the_stacks_key() {
    let account = Account::new();
    let file = account.write("dev", &[SECURED]);
    account.apply(&file);
    let ssm = account.ssm(DEV);
    let listed = wait(ssm.get_parameters_by_path().path("/kstack-papers").recursive(true).send());
    assert_eq!(listed.parameters().len(), 5, "three hosts and two authorities");
    for parameter in listed.parameters() {
        assert_eq!(parameter.r#type(), Some(&ParameterType::SecureString), "{parameter:?}");
        assert!(!parameter.value().expect("a value").contains("BEGIN"), "{parameter:?}");
    }
    for name in listed.parameters().iter().filter_map(|one| one.name()) {
        let tags = ssm.list_tags_for_resource().resource_type(ResourceTypeForTagging::Parameter).resource_id(name);
        let tags = wait(tags.send()).tag_list.unwrap_or_default();
        assert!(tags.iter().any(|tag| (tag.key(), tag.value()) == ("kstack:stack", "dev")), "{name}: {tags:?}");
    }
    let key = wait(account.kms(DEV).describe_key().key_id(ALIAS).send()).key_metadata.expect("a key");
    let path = ParameterStringFilter::builder().key("Path").option("Recursive").values("/kstack-papers");
    let described = wait(ssm.describe_parameters().parameter_filters(path.build().expect("a filter")).send());
    assert_eq!(described.parameters().len(), 5);
    for one in described.parameters() {
        assert_eq!(one.key_id(), key.arn(), "{one:?}");
    }
    account.destroy(&file);
}

/// A key of the company's is used, and neither made, changed nor deleted.
#[test]
fn a_key_that_the_file_names_encrypts_everything_and_stays() {
    let account = Account::new();
    let kms = account.kms(DEV);
    let theirs = wait(kms.create_key().description("the company's").send()).key_metadata.expect("a key");
    let (id, arn) = (theirs.key_id(), theirs.arn().expect("an ARN"));
    wait(kms.create_alias().alias_name("alias/company").target_key_id(id).send());
    let with = |key: &str| {
        let listeners = format!("    kafka: 4.1.1\n    listeners: {{scram: true, kms_key: {key}}}");
        account.write("dev", &[("    kafka: 4.1.1", &listeners)])
    };
    // What can't be used is told before anything is made.
    let file = with("alias/compny");
    let run = account.run(&["apply", &file, "--yes"]).expect(1);
    assert!(run.out.contains("there is no KMS key alias/compny in eu-west-1"), "{run}");
    let file = with("alias/company");
    wait(kms.disable_key().key_id(id).send());
    let run = account.run(&["apply", &file, "--yes"]).expect(1);
    assert!(run.out.contains("the KMS key alias/company can't be used: its state is Disabled"), "{run}");
    assert!(account.instances(DEV).is_empty());
    wait(kms.enable_key().key_id(id).send());

    account.apply(&file);
    account.assert_converged(&file);
    assert!(keys(&account).is_empty(), "kstack makes none");
    let path = ParameterStringFilter::builder().key("Path").option("Recursive").values("/kstack-papers");
    let described =
        wait(account.ssm(DEV).describe_parameters().parameter_filters(path.build().expect("a filter")).send());
    assert_eq!(described.parameters().len(), 5);
    for one in described.parameters() {
        assert_eq!(one.key_id(), Some(arn), "{one:?}");
    }
    let role = account.iam().get_role_policy().role_name("kstack-dev-eu-west-1-role").policy_name("kstack-papers");
    let document = wait(role.send()).policy_document;
    let document = percent_encoding::percent_decode_str(&document).decode_utf8().expect("text").into_owned();
    assert!(document.contains(arn), "{document}");
    // By its ARN it is the same key.
    account.assert_converged(&with(arn));
    let policy = account.run(&["policy", &with("alias/company"), "--apply"]).expect(0);
    assert!(policy.out.contains("\"kms:ResourceAliases\": \"alias/company\""), "{policy}");
    // A live stack keeps its key.
    let file = account.write("dev", &[SECURED]);
    let refusals = account.plan(&file).refusals().join("\n");
    assert!(refusals.contains("the KMS key that encrypts an authority's key can't be changed"), "{refusals}");
    account.destroy(&with("alias/company"));
    let after = wait(kms.describe_key().key_id(id).send()).key_metadata.expect("a key");
    assert_eq!(after.key_state().map(|state| state.as_str()), Some("Enabled"));
}

#[test]
fn certificates_with_the_longest_names_and_two_authorities_of_each_kind_are_kept() {
    let account = Account::new();
    let label = "kafka-of-the-order-processing-platform-of-the-company";
    let zone = format!("zone: {label}.{label}.{label}.example.internal");
    let authorities = "    listeners: {scram: true, mtls: true}\n    authorities: {hosts: [1, 2], clients: [1, 2]}";
    let secured = format!("    kafka: 4.1.1\n{authorities}");
    let edits = [
        ("name: names", "name: order-processing-in-production"),
        ("    kafka: 4.1.1", &secured),
        ("zone: kafka.example.internal", &zone),
    ];
    let file = account.write("names", &edits);
    account.apply(&file);
    let ssm = account.ssm(DEV);
    let ours = ParameterStringFilter::builder().key("Type").values("SecureString").build().expect("a filter");
    let all = wait(ssm.describe_parameters().parameter_filters(ours).send()).parameters.unwrap_or_default();
    let sizes = all.iter().map(|one| {
        let value = wait(ssm.get_parameter().name(one.name().expect("a name")).with_decryption(true).send());
        value.parameter.and_then(|one| one.value).expect("a value").len()
    });
    let longest = sizes.max().expect("parameters");
    assert!(longest > 4096, "{longest} bytes fit the standard tier, so this shows nothing");
    account.run(&["plan", &file, "--detailed-exitcode"]).expect(0);
    account.run(&["destroy", &file, "--yes"]).expect(0);
}
