//! What the role of hosts that speak TLS may read: each host its own papers, and nobody else's. IAM knows a host by the private address
//! that its credentials were given to, and addresses repeat, so by its VPC too. All is allowed by statements, and nothing denied: a
//! condition on what a request does not have never holds.

use serde_json::{Value, json};

use crate::cloud_init::PAPERS;

/// What the statements are about.
#[derive(Debug, Clone, Copy)]
pub struct HostPolicy<'a> {
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: &'a str,
    pub region: &'a str,
    pub account: &'a str,
    pub stack: &'a str,
    /// The id of the VPC that the hosts are in.
    pub vpc: &'a str,
    /// The ARN of the KMS key that encrypts the papers.
    pub key: &'a str,
}

impl<'a> HostPolicy<'a> {
    /// The policy of the hosts of `stack` in `vpc`, whose papers the key with this ARN encrypts: it is in their account and region.
    /// `None` where that is not the ARN of a key.
    pub fn of(stack: &'a str, vpc: &'a str, key: &'a str) -> Option<HostPolicy<'a>> {
        let mut parts = key.splitn(6, ':');
        let mut part = || parts.next();
        let (Some("arn"), Some(partition), Some("kms")) = (part(), part(), part()) else { return None };
        let (region, account, name) = (part()?, part()?, part()?);
        name.starts_with("key/").then_some(HostPolicy { partition, region, account, stack, vpc, key })
    }

    /// The whole policy, as IAM takes it.
    pub fn document(&self) -> String {
        json!({"Version": "2012-10-17", "Statement": self.statements()}).to_string()
    }

    /// The VPC and the key of the policy `document` of the hosts of `stack`, where it is one that kstack writes.
    pub fn read(stack: &str, document: &str) -> Option<(String, String)> {
        let parsed: Value = serde_json::from_str(document).ok()?;
        let [read, decrypt] = parsed["Statement"].as_array()?.as_slice() else { return None };
        let vpc = read["Condition"]["StringEquals"]["aws:Ec2InstanceSourceVpc"].as_str()?;
        let key = decrypt["Resource"].as_str()?;
        let own: Value = serde_json::from_str(&HostPolicy::of(stack, vpc, key)?.document()).ok()?;
        (own == parsed).then(|| (vpc.to_owned(), key.to_owned()))
    }

    /// The statements for a policy of the version 2012-10-17: older ones have no variables.
    pub fn statements(&self) -> Vec<Value> {
        let HostPolicy { partition, region, account, stack, vpc, key } = self;
        let hosts = format!("arn:{partition}:ssm:{region}:{account}:parameter{PAPERS}/{stack}/hosts");
        vec![
            json!({
                "Effect": "Allow",
                "Action": "ssm:GetParameter",
                "Resource": format!("{hosts}/${{aws:Ec2InstanceSourcePrivateIPv4}}/*"),
                "Condition": {"StringEquals": {"aws:Ec2InstanceSourceVpc": vpc}},
            }),
            // Whatever else somebody lets the role read: no host decrypts an authority's key or a user's password. The address is not
            // asked for here, as it is not known whether Systems Manager's own call to KMS has it.
            json!({
                "Effect": "Allow",
                "Action": "kms:Decrypt",
                "Resource": key,
                "Condition": {
                    "StringEquals": {"kms:ViaService": format!("ssm.{region}.amazonaws.com")},
                    "StringLike": {"kms:EncryptionContext:PARAMETER_ARN": format!("{hosts}/*")},
                },
            }),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    use super::*;
    use crate::cloud_init::papers_parameter;

    const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd";
    const POLICY: HostPolicy<'_> = HostPolicy {
        partition: "aws",
        region: "eu-west-1",
        account: "123456789012",
        stack: "prod",
        vpc: "vpc-1",
        key: KEY,
    };

    /// A request, as IAM judges it.
    struct Request {
        action: &'static str,
        resource: String,
        /// What is known of it: the keys of conditions and variables.
        context: BTreeMap<&'static str, String>,
    }

    /// Whether `text` fits `pattern`, in which `*` is anything.
    fn fits(pattern: &[Option<char>], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((None, rest)), _) => (0..=text.len()).any(|skip| fits(rest, &text[skip..])),
            (Some((Some(c), rest)), Some((first, left))) => c == first && fits(rest, left),
            _ => false,
        }
    }

    /// A pattern with the values of its variables, in which a `*` is itself; `None` where one has no value.
    fn pattern(text: &str, context: &BTreeMap<&str, String>) -> Option<Vec<Option<char>>> {
        let star = |c: char| (c != '*').then_some(c);
        let Some((before, rest)) = text.split_once("${") else { return Some(text.chars().map(star).collect()) };
        let (name, after) = rest.split_once('}').expect("a variable's end");
        let mut all: Vec<Option<char>> = before.chars().map(star).collect();
        all.extend(context.get(name)?.chars().map(Some));
        all.extend(pattern(after, context)?);
        Some(all)
    }

    fn matches(text: &str, value: &str, context: &BTreeMap<&str, String>) -> bool {
        pattern(text, context).is_some_and(|pattern| fits(&pattern, &value.chars().collect::<Vec<_>>()))
    }

    fn listed(value: &Value) -> Vec<&str> {
        value
            .as_array()
            .map_or_else(|| value.as_str().into_iter().collect(), |all| all.iter().filter_map(Value::as_str).collect())
    }

    /// What IAM decides by statements that allow: something must, and a condition on what the request lacks does not hold.
    fn allowed(statements: &[Value], request: &Request) -> bool {
        statements.iter().any(|statement| {
            assert_eq!(statement["Effect"], "Allow");
            let any = |key: &str, value: &str| {
                listed(&statement[key]).iter().any(|text| matches(text, value, &request.context))
            };
            let holds = |(operator, keys): (&String, &Value)| {
                keys.as_object().expect("keys").iter().all(|(key, wanted)| {
                    let Some(value) = request.context.get(key.as_str()) else { return false };
                    match operator.as_str() {
                        "StringEquals" => wanted == value,
                        "StringLike" => listed(wanted).iter().any(|text| matches(text, value, &request.context)),
                        other => panic!("{other} is not known here"),
                    }
                })
            };
            any("Action", request.action)
                && any("Resource", &request.resource)
                && statement["Condition"].as_object().into_iter().flatten().all(holds)
        })
    }

    fn parameter(name: &str) -> String {
        format!("arn:aws:ssm:eu-west-1:123456789012:parameter{name}")
    }

    /// A host's request for a parameter.
    fn read(name: &str, address: Option<&str>, vpc: Option<&str>) -> Request {
        let known = [("aws:Ec2InstanceSourcePrivateIPv4", address), ("aws:Ec2InstanceSourceVpc", vpc)];
        let context = known.into_iter().filter_map(|(key, value)| Some((key, value?.to_owned()))).collect();
        Request { action: "ssm:GetParameter", resource: parameter(name), context }
    }

    /// Systems Manager's request to KMS for a host.
    fn decrypt(name: &str, key: &str, via: Option<&str>) -> Request {
        let known = [
            ("kms:EncryptionContext:PARAMETER_ARN", Some(parameter(name))),
            ("kms:ViaService", via.map(str::to_owned)),
        ];
        let context = known.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        Request { action: "kms:Decrypt", resource: key.to_owned(), context }
    }

    /// What an earlier kstack let every host do.
    fn of_the_managed_policy() -> Vec<Value> {
        vec![json!({"Effect": "Allow", "Action": ["ssm:GetParameter", "ssm:GetParameters"], "Resource": "*"})]
    }

    #[test]
    fn a_policy_reads_as_what_it_was_made_from_and_another_as_nothing() {
        let policy = HostPolicy::of("prod", "vpc-1", KEY).expect("the ARN of a key");
        assert_eq!(policy.document(), POLICY.document());
        let (vpc, key) = ("vpc-1".to_owned(), KEY.to_owned());
        assert_eq!(HostPolicy::read("prod", &policy.document()), Some((vpc, key)));
        assert_eq!(HostPolicy::read("other", &policy.document()), None);
        for (old, new) in [("Allow", "Deny"), ("ssm:GetParameter", "ssm:*"), ("hosts/*", "*")] {
            assert_eq!(HostPolicy::read("prod", &policy.document().replace(old, new)), None, "{old} is {new}");
        }
        for wrong in ["", "key/1", "arn:aws:kms:eu-west-1:123456789012:alias/kstack-prod", "arn:aws:s3:::key/1"] {
            assert!(HostPolicy::of("prod", "vpc-1", wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_host_reads_its_own_papers_and_nothing_else() {
        let own = papers_parameter("prod", Ipv4Addr::new(10, 0, 0, 11));
        let (host, vpc) = (Some("10.0.0.11"), Some("vpc-1"));
        assert_eq!(own, "/kstack-papers/prod/hosts/10.0.0.11/tls");
        let rows = [
            ("its own", read(&own, host, vpc), true),
            ("another host's", read("/kstack-papers/prod/hosts/10.0.0.12/tls", host, vpc), false),
            ("that of a longer address", read("/kstack-papers/prod/hosts/10.0.0.110/tls", host, vpc), false),
            ("an authority's key", read("/kstack-papers/prod/authorities/hosts", host, vpc), false),
            ("a user's password", read("/kstack-papers/prod/users/orders-api", host, vpc), false),
            ("another stack's", read("/kstack-papers/prod-2/hosts/10.0.0.11/tls", host, vpc), false),
            ("a lease", read("/kstack/prod/lease/1", host, vpc), false),
            ("from another VPC", read(&own, host, Some("vpc-2")), false),
            ("without a VPC", read(&own, host, None), false),
            ("without an address", read(&own, None, vpc), false),
            ("with a pattern for an address", read(&own, Some("*"), vpc), false),
        ];
        for (what, request, expected) in &rows {
            assert_eq!(allowed(&POLICY.statements(), request), *expected, "{what}");
            assert!(allowed(&of_the_managed_policy(), request), "the managed policy let hosts read {what}");
        }
        let write = Request { action: "ssm:PutParameter", ..read(&own, host, vpc) };
        assert!(!allowed(&POLICY.statements(), &write));
    }

    #[test]
    fn no_host_decrypts_what_is_not_a_hosts_whatever_else_it_may_read() {
        let via = Some("ssm.eu-west-1.amazonaws.com");
        let own = "/kstack-papers/prod/hosts/10.0.0.11/tls";
        let other = KEY.replace("1234abcd", "5678efab");
        let rows = [
            ("its own", decrypt(own, KEY, via), true),
            ("an authority's key", decrypt("/kstack-papers/prod/authorities/hosts", KEY, via), false),
            ("a user's password", decrypt("/kstack-papers/prod/users/orders-api", KEY, via), false),
            ("another stack's", decrypt("/kstack-papers/prod-2/hosts/10.0.0.11/tls", KEY, via), false),
            ("by itself", decrypt(own, KEY, None), false),
            ("by another service", decrypt(own, KEY, Some("s3.eu-west-1.amazonaws.com")), false),
            ("with another key", decrypt(own, &other, via), false),
        ];
        let widened = [POLICY.statements(), of_the_managed_policy()].concat();
        for (what, request, expected) in rows {
            assert_eq!(allowed(&POLICY.statements(), &request), expected, "{what}");
            assert_eq!(allowed(&widened, &request), expected, "{what}, of a role that somebody widened");
        }
    }
}
