use proptest::prelude::*;

use super::*;
use crate::check::parse;
use crate::rights::rights;

const STACK: &str = "apiVersion: kstack/v1\nname: test\nregion: eu-central-1\nnetwork: {cidr: 10.60.0.0/16}\ncluster:\n  ec2:\n    \
    kafka: 4.1.1\n    combined: true\n    listeners: {scram: true, mtls: true}\n    brokers: {count: 3, instance_type: m7g.large}\n";

/// The users that the file has when the block is pasted into it.
fn pasted(block: &str) -> BTreeMap<String, LiveUser> {
    let text = format!("{STACK}{block}");
    let parsed = parse("test.yaml", &text).unwrap_or_else(|report| panic!("{text}\n{}", report.render(false)));
    let of = |(name, mechanism, user): (&str, Mechanism, &crate::file::User)| {
        let quota = &user.quota;
        let quotas = [
            ("producer_byte_rate", quota.produce.map(|rate| rate.0 as f64)),
            ("consumer_byte_rate", quota.consume.map(|rate| rate.0 as f64)),
            ("request_percentage", quota.request.map(ThreadShare::percent)),
        ];
        let quotas = quotas.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        (name.to_owned(), LiveUser { password: mechanism == Mechanism::Scram, rights: rights(user), quotas })
    };
    parsed.stack.users().map(of).collect()
}

#[test]
fn a_block_is_what_the_file_says() {
    let text = r#"access:
  users:
    billing:
      mechanism: mtls
      consume: {topics: [payments], groups: ["billing-*", "with space"]}
    "on":
      produce: ["*"]
      transactions: [tx]
      acls:
        - {topic: "raw.*", allow: [alter-configs, describe-configs], deny: [delete], host: "10.40.0.7"}
        - {cluster: true, allow: [create]}
      quota: {consume: 1025 B/s, produce: 10 MiB/s, request: 50%}
    orders-api:
      produce: [orders, "orders.*"]
"#;
    let users = pasted(text);
    assert_eq!(pasted(&access_block(&users)), users);
    // `allow` is in the order of Kafka's operations.
    assert_eq!(
        access_block(&users),
        text.replace("[alter-configs, describe-configs]", "[describe-configs, alter-configs]")
    );
}

#[test]
fn what_has_no_words_is_told_in_comments() {
    let right = |text: &str| Right::parse(text).expect("a right");
    let user =
        |rights: &[&str]| LiveUser { rights: rights.iter().map(|text| right(text)).collect(), ..LiveUser::default() };
    let mut users = BTreeMap::new();
    users.insert("CN=a\nevil: true".to_owned(), user(&["allow read on topic a"]));
    users.insert("b".to_owned(), user(&["allow describe on delegation-token t\n#"]));
    users.insert(HOST_USER.to_owned(), user(&["allow all on topic *"]));
    users.get_mut("b").expect("b").quotas.insert("controller_mutation_rate".to_owned(), 2.5);
    let block = access_block(&users);
    assert_eq!(
        block,
        "# The user \"CN=a\\nevil: true\" is left out, with 1 ACLs: the file can't have such a name.\n\
         # Left out of b, as the file has no words for it: \"allow describe on delegation-token t\\n#\"\n\
         # Left out of b, as the file has no words for it: the quota \"controller_mutation_rate\" 2.5\n\
         access:\n  users:\n    b:\n      mechanism: mtls\n"
    );
    assert_eq!(access_block(&BTreeMap::new()), "");
}

fn user() -> impl Strategy<Value = LiveUser> {
    let right = prop::sample::select(vec![
        "allow write on topic a",
        "allow describe on topic a",
        "allow read on topic a",
        "allow read on group g",
        "allow write on topics p.*",
        "allow describe on topics p.*",
        "deny all from 10.0.0.7 on topic *",
        "allow read on group ${env:X}",
        "allow read on groups \"q\"*",
        "allow read on group a: {b}",
        "allow all on cluster kafka-cluster",
        "allow write on transactional-id t",
        "allow describe on transactional-id t",
        "allow read on group true",
        "allow read from 2001:db8:0:0:0:0:0:1 on topic 1.0",
    ]);
    let rights = prop::collection::btree_set(right.prop_map(|text| Right::parse(text).expect("a right")), 0..10);
    let quota = prop_oneof![
        (
            prop::sample::select(vec!["producer_byte_rate", "consumer_byte_rate"]),
            (1..1_u64 << 40).prop_map(|rate| rate as f64)
        ),
        (Just("request_percentage"), (1..40_000_u32).prop_map(|share| f64::from(share) / 100.0)),
    ];
    let quotas = prop::collection::btree_map(Just(()), quota, 0..2);
    (any::<bool>(), rights, quotas).prop_map(|(password, rights, quotas)| LiveUser {
        password,
        rights,
        quotas: quotas.into_values().map(|(key, value)| (key.to_owned(), value)).collect(),
    })
}

proptest! {
    #[test]
    fn what_is_exported_and_pasted_is_what_was_live(
        users in prop::collection::btree_map("[A-Za-z0-9._-]{1,12}".prop_filter("reserved", |name| !name.starts_with("kstack")), user(), 0..6)
    ) {
        prop_assert_eq!(pasted(&access_block(&users)), users);
    }
}
