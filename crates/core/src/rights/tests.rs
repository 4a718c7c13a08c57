use proptest::prelude::*;

use super::*;
use crate::file::node::parse;
use crate::file::read::Read as _;

fn user(text: &str) -> User {
    let mut problems = Vec::new();
    let user = User::read(&parse(text).expect("YAML"), &mut problems);
    user.unwrap_or_else(|| panic!("{text}: {problems:?}"))
}

fn shown(text: &str) -> Vec<String> {
    let mut shown: Vec<String> = rights(&user(text)).iter().map(ToString::to_string).collect();
    shown.sort();
    shown
}

/// The file's words, and Kafka's.
#[test]
fn grants_are_kafkas_lists() {
    let table: &[(&str, &[&str])] = &[
        ("{}", &[]),
        ("produce: [orders]", &["allow describe on topic orders", "allow write on topic orders"]),
        ("produce: [orders.*]", &["allow describe on topics orders.*", "allow write on topics orders.*"]),
        ("produce: ['*']", &["allow describe on topic *", "allow write on topic *"]),
        (
            "consume: {topics: [payments], groups: [api*]}",
            &["allow describe on topic payments", "allow read on groups api*", "allow read on topic payments"],
        ),
        (
            "{produce: [a], consume: {topics: [a]}}",
            &["allow describe on topic a", "allow read on topic a", "allow write on topic a"],
        ),
        (
            "transactions: [tx-*]",
            &["allow describe on transactional-ids tx-*", "allow write on transactional-ids tx-*"],
        ),
        (
            "acls: [{topic: raw.*, allow: [alter-configs], deny: [delete], host: 10.0.0.7}]",
            &["allow alter-configs from 10.0.0.7 on topics raw.*", "deny delete from 10.0.0.7 on topics raw.*"],
        ),
        ("acls: [{cluster: true, allow: [create]}]", &["allow create on cluster kafka-cluster"]),
        (
            "acls: [{group: a b, allow: [all], host: '2001:db8::1'}]",
            &["allow all from 2001:db8:0:0:0:0:0:1 on group a b"],
        ),
        ("acls: [{transactional_id: '*', deny: [write]}]", &["deny write on transactional-id *"]),
    ];
    for (text, expected) in table {
        assert_eq!(shown(text), *expected, "{text}");
    }
}

#[test]
fn what_kafka_has_is_written_in_grants_where_they_fit() {
    let of = |all: &[&str]| written(&all.iter().map(|text| Right::parse(text).expect("a right")).collect());
    let both = of(&["allow write on topic a", "allow describe on topic a", "allow read on topic a"]);
    assert_eq!((both.produce.len(), both.consume.topics.len(), both.acls.len()), (1, 1, 0));
    // Half of a grant is none.
    let half = of(&["allow write on topic a"]);
    assert_eq!((half.produce.len(), half.acls[0].allow.as_slice()), (0, &[Operation::Write][..]));
    // Nor is one for an address.
    let host = of(&["allow write from 10.0.0.7 on topic a", "allow describe from 10.0.0.7 on topic a"]);
    assert_eq!((host.produce.len(), host.acls.len()), (0, 1));
    // What the file can't say is told, never made into something else.
    let unsaid = [
        "allow read on topic a*",
        "allow describe on delegation-token t",
        "allow read on group  x",
        "allow read from 2001:db8::1 on topic a",
        "allow read from example.com on topic a",
        "allow delete on cluster kafka-cluster",
        "deny all on user u",
    ];
    let all = of(&unsaid);
    assert_eq!(all.unsaid.len(), unsaid.len(), "{:?}", all.unsaid);
    assert_eq!(Written { unsaid: Vec::new(), ..all }, Written::default());
}

fn right() -> impl Strategy<Value = Right> {
    let operations: Vec<Operation> = [
        "all",
        "read",
        "write",
        "create",
        "delete",
        "alter",
        "describe",
        "cluster-action",
        "describe-configs",
        "alter-configs",
        "idempotent-write",
        "create-tokens",
        "describe-tokens",
    ]
    .iter()
    .map(|word| Operation::parse(word).expect("an operation"))
    .collect();
    let name = prop_oneof!["[a-c.]{1,3}", Just("*".to_owned()), Just("kafka-cluster".to_owned()), "[ -~]{1,6}"];
    let host = prop_oneof![
        3 => Just(EVERY_HOST.to_owned()),
        1 => Just("10.0.0.7".to_owned()),
        1 => Just("2001:db8:0:0:0:0:0:1".to_owned()),
        1 => Just("::1".to_owned())
    ];
    let of = prop::sample::select(ResourceType::ALL.to_vec());
    (of, name, any::<bool>(), host, prop::sample::select(operations), any::<bool>()).prop_map(
        |(resource, name, prefixed, host, operation, allows)| Right {
            resource,
            name,
            prefixed,
            host,
            operation,
            allows,
        },
    )
}

proptest! {
    #[test]
    fn a_text_of_a_right_is_that_right(right in right()) {
        prop_assert_eq!(Right::parse(&right.to_string()), Some(right));
    }

    #[test]
    fn what_is_written_means_what_kafka_has(all in prop::collection::btree_set(right(), 0..40)) {
        let Written { produce, consume, transactions, acls, unsaid } = written(&all);
        let user = User { mechanism: None, secret: None, role: None, produce, consume, transactions, acls, quota: crate::file::Quota::NONE };
        let mut again = rights(&user);
        prop_assert!(again.is_disjoint(&unsaid.iter().cloned().collect()));
        again.extend(unsaid);
        prop_assert_eq!(again, all);
    }

    #[test]
    fn no_right_is_too_much_at_any_moment(
        live in prop::collection::btree_set(right(), 0..12), wanted in prop::collection::btree_set(right(), 0..12), asked in right(),
    ) {
        // What is asked: one operation on one name from one address.
        let matches = |right: &Right| {
            let name = match right.prefixed {
                true => asked.name.starts_with(&right.name),
                false => right.name == asked.name || right.name == "*",
            };
            let host = right.host == EVERY_HOST || right.host == asked.host;
            let operation = right.operation == Operation::All || right.operation == asked.operation;
            right.resource == asked.resource && name && host && operation
        };
        let may = |all: &BTreeSet<Right>| {
            all.iter().any(|right| right.allows && matches(right)) && !all.iter().any(|right| !right.allows && matches(right))
        };
        let mut now = live.clone();
        for (gives, part) in GIVES.into_iter().zip(in_order(&live, &wanted)) {
            // Each may be done before the next one of the same part.
            for right in part {
                if gives { now.insert(right.clone()); } else { now.remove(right); }
                prop_assert!(!may(&now) || may(&live) || may(&wanted));
            }
        }
        prop_assert_eq!(now, wanted);
    }

    #[test]
    fn a_broken_text_is_no_right(text in "(allow|deny)? ?[a-z-]{0,8} ?(from [0-9.]{0,9})? ?(on topics? )?[a-z*]{0,3}") {
        if let Some(right) = Right::parse(&text) {
            prop_assert_eq!(right.to_string(), text);
        }
    }
}
