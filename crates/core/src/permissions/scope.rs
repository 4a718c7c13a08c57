//! Where a permission holds: the resources, and the conditions, as far as AWS lets them be named before there is anything.

mod alarms;
mod logs;
mod msk_endpoints;
mod names;
mod papers;
mod sessions;

pub use logs::OfLogs;
pub use papers::OfUsers;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::kinds::{InstanceProfile, Resource, Role};
use crate::model::{account_name, tag};
use crate::stack::{ConfigurationChoice, Iam, Image, Msk, PolicyArn, Stack, SubnetChoice, VpcChoice};
use crate::surroundings::GUARD_DUTY;

/// Where a permission holds. Scopes that the file has nothing of, such as a key that it does not name, hold nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everything in the region: the action has no narrower one.
    Region,
    /// Everything in the account: the same of a service without regions.
    Account,
    /// EC2 resources of one type, whoever made them.
    Any(&'static str),
    /// The EC2 resources with the stack's tag.
    Own,
    /// The VPC (`vpc`), the subnets, route tables, security groups and IPAM pools of others that the file names.
    Others(&'static str),
    /// The stack's VPC, where the file has further address blocks for it.
    FurtherBlocks,
    /// What the stack has, where the file has IPv6.
    OwnIpv6,
    /// A security group without any stack's tag: the default group of a new VPC, which can't be given one when it is made.
    DefaultGroup,
    /// The stack's tag, and no other, on such a group.
    DefaultGroupTag,
    /// EC2 resources of one type that GuardDuty has put somewhere, which it marks.
    GuardDuty(&'static str),
    /// EC2 resources of one type that the call makes with the stack's tag.
    Made(&'static str),
    /// Tags that this call gives to what it makes.
    Tagged(&'static str),
    /// The file's image, or every image: the newest is another one next week.
    Images,
    /// The hosts' role.
    Role,
    /// The same, with the boundary that the file names.
    BoundedRole,
    /// The same, to put that boundary.
    RoleBoundary,
    /// The same, to take a boundary off, which only a file without one does.
    UnboundRole,
    /// The same, for the policies that the file names.
    RolePolicies,
    /// The managed policies that the file names.
    NamedPolicies,
    /// The hosts' role, for EC2.
    PassRole,
    /// The hosts' instance profile.
    Profile,
    /// The stack's leases and record.
    Parameters,
    /// The path of those.
    ParameterPath,
    /// The stack's claims on address blocks.
    Claims,
    /// The path of every stack's claims.
    ClaimPath,
    /// The parameters in which publishers keep the newest images.
    ImageParameters,
    /// The stack's instances, as Systems Manager knows them.
    SessionInstances,
    /// The document that forwards ports.
    SessionDocument,
    /// The documents that run a command on an instance.
    ShellDocuments,
    /// The sessions that the caller has started.
    OwnSessions,
    /// The cluster with the stack's name, whoever made it.
    Cluster,
    /// The same, with the stack's tag.
    OwnCluster,
    /// The same, made with the stack's tag.
    MadeCluster,
    /// The VPC connections to a cluster with the stack's name, whoever made them.
    Connections,
    /// The same, with the stack's tag.
    OwnConnection,
    /// The same, made with the stack's tag.
    MadeConnection,
    /// The stack's configuration, which has no tags.
    Configuration,
    /// Targets of Application Auto Scaling that are MSK's. Their names are not known before.
    ScalableTargets,
    /// The alarms of target tracking.
    Alarms,
    /// The stack's alarms, by their names; and its dashboard.
    OwnAlarms,
    OwnDashboard,
    /// The role of an AWS service, made by the first who needs it in the account.
    ServiceRole(&'static str),
    /// MSK's own role.
    KafkaRole,
    /// Endpoints that MSK makes with its tags.
    NewMskEndpoint,
    /// The tags of those.
    MskEndpointTags,
    /// Endpoints with MSK's tags.
    MskEndpoint,
    /// The same of a serverless cluster, where the file has IPv6.
    MskEndpointIpv6,
    /// The KMS key of the hosts' volumes.
    VolumeKeys,
    /// Grants on it for AWS's services.
    VolumeKeyGrants,
    /// The KMS key of the MSK cluster.
    ClusterKeys,
    /// Grants on it for AWS's services.
    ClusterKeyGrants,
    /// The KMS keys of SCRAM secrets, which the file does not name.
    SecretKeys,
    /// Grants on them for AWS's services.
    SecretKeyGrants,
    /// The delivery of the cluster's logs, wherever to; CloudWatch Logs, the bucket and the Firehose stream for them.
    Delivery,
    LogGroup,
    LogBucket,
    LogStream,
    /// What the stack has for logs of its own.
    OfLogs(OfLogs),
    /// Hosted zones, which the services of interface endpoints have.
    HostedZones,
    /// The hosted zone of the stack's names: the one that the file names, or any, of which the stack's own is one.
    NameZones,
    /// The stack's names in it.
    Names,
    /// The KMS key of the stack's certificates, by its tag.
    PaperKey,
    /// The key that encrypts them: that one, or the file's.
    PaperKeyUse,
    /// Any key, to look at what it says of itself: the stack's own is not known before, and may have no alias.
    AnyPaperKey,
    /// That key as it is made.
    NewPaperKey,
    /// Its alias.
    PaperAlias,
    /// Everything in the region, where the stack has certificates.
    Papers,
    /// The parameters with the stack's keys and certificates.
    PaperParameters,
    /// The secrets with the passwords of MSK's users.
    UserSecrets,
    /// What the file names of others for users.
    OfUsers(OfUsers),
    /// Those of its authorities, whose keys sign.
    AuthorityParameters,
}

/// What a policy is for.
#[derive(Debug)]
pub struct Subject<'a> {
    pub stack: &'a Stack,
    /// Whether it has an endpoint with private DNS.
    private_dns: bool,
}

/// The resources and the condition of a statement; `Value::Null` for no condition.
pub type Where = (Vec<String>, Value);

impl<'a> Subject<'a> {
    /// What a policy for `stack` is for, of which `wanted` are the resources by the file.
    pub fn new<'r>(stack: &'a Stack, wanted: impl IntoIterator<Item = &'r Resource>) -> Subject<'a> {
        let mut subject = Subject { stack, private_dns: false };
        for resource in wanted {
            if let Resource::VpcEndpoint(endpoint) = resource {
                subject.private_dns |= endpoint.private_dns == Some(true);
            }
        }
        subject
    }

    fn partition(&self) -> &'static str {
        self.stack.region.partition()
    }

    /// The account that the file names, or any.
    fn account(&self) -> &str {
        self.stack.account.as_ref().map_or("*", |account| &account.0)
    }

    /// The ARN of `resource` of `service` in the stack's region and account.
    fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.partition(), &*self.stack.region, self.account())
    }

    fn iam(&self, resource: &str) -> String {
        format!("arn:{}:iam::{}:{resource}", self.partition(), self.account())
    }

    /// A resource of IAM's that the stack has once, with the file's path in its ARN; nowhere, where the stack has no role of its own.
    fn of_account(&self, kind: &str, suffix: &str) -> Option<Vec<String>> {
        let path = self.named_iam().and_then(|iam| iam.path.as_ref()).map_or("/", |path| path);
        let name = account_name(&self.stack.name, &self.stack.region, suffix);
        self.stack.has_own_role().then(|| vec![self.iam(&format!("{kind}{path}{name}"))])
    }

    fn named_iam(&self) -> Option<&'a Iam> {
        self.stack.iam()
    }

    fn boundary(&self) -> Option<&'a PolicyArn> {
        self.named_iam()?.permissions_boundary.as_ref()
    }

    /// The hosts' role, and that it has the boundary which the file names.
    fn bounded(&self) -> Option<Where> {
        let condition = self.boundary().map(|arn| json!({"StringEquals": {"iam:PermissionsBoundary": &**arn}}));
        Some((self.of_account("role", Role::SUFFIX)?, condition.unwrap_or_default()))
    }

    /// The same, for the policies that the file names.
    fn for_policies(&self) -> Option<Where> {
        let policies = self.named_iam().map(|iam| &iam.policies).filter(|policies| !policies.is_empty())?;
        let (role, mut condition) = self.bounded()?;
        condition["ArnEquals"] = json!({"iam:PolicyARN": policies});
        Some((role, condition))
    }

    /// The role that is passed to EC2: of an instance profile of others, its name is not known.
    fn passed(&self) -> Where {
        let services: &[&str] = match self.partition() {
            "aws-cn" => &["ec2.amazonaws.com", "ec2.amazonaws.com.cn"],
            _ => &["ec2.amazonaws.com"],
        };
        let role = self.of_account("role", Role::SUFFIX).unwrap_or_else(|| vec![self.iam("role/*")]);
        (role, json!({"StringEquals": {"iam:PassedToService": services}}))
    }

    fn parameters(&self, paths: &[&str]) -> Vec<String> {
        paths.iter().map(|path| self.arn("ssm", &format!("parameter/kstack/{path}"))).collect()
    }

    fn tagged(&self, key: &str) -> Value {
        json!({"StringEquals": {(format!("aws:{key}/{}", tag::STACK)): &*self.stack.name}})
    }

    fn msk(&self) -> Option<&'a Msk> {
        self.stack.cluster.msk.as_ref()
    }

    /// Where a key is that the file names by its ARN, its id or an alias. A policy names keys by ARN only, and an alias by a
    /// condition (KMS developer guide, "Use aliases to control access to KMS keys").
    fn key(&self, key: &str) -> Where {
        let alias = key.find("alias/").map(|at| &key[at..]);
        match alias {
            Some(alias) => {
                (vec![self.arn("kms", "key/*")], json!({"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}}))
            }
            None if key.starts_with("arn:") => (vec![key.to_owned()], Value::Null),
            None => (vec![self.arn("kms", &format!("key/{key}"))], Value::Null),
        }
    }

    /// Where the resources of one type are that the file names and others have made.
    fn others(&self, kind: &str) -> Option<Where> {
        let network = &self.stack.network;
        let all = || vec![self.arn("ec2", &format!("{kind}/*"))];
        let of = |ids: &[String]| ids.iter().map(|id| self.arn("ec2", &format!("{kind}/{id}"))).collect();
        let tagged = |tags: &BTreeMap<String, String>| {
            let all: Map<_, _> = tags.iter().map(|(k, v)| (format!("aws:ResourceTag/{k}"), json!(v))).collect();
            json!({"StringEquals": all})
        };
        if kind == "ipam-pool" {
            // IPAM's resources are of no region (Service Authorization Reference, "Amazon EC2").
            let pool = network.ipam_pool.as_ref()?;
            return Some((
                vec![format!("arn:{}:ec2::{}:ipam-pool/{pool}", self.partition(), self.account())],
                Value::Null,
            ));
        }
        if kind == "security-group" {
            let ids: Vec<String> = network.security_groups.iter().map(|id| id.0.clone()).collect();
            return (!ids.is_empty()).then(|| (of(&ids), Value::Null));
        }
        let existing = network.existing.as_ref()?;
        Some(match (kind, &existing.vpc, &existing.subnets) {
            ("vpc", VpcChoice::Id(id), _) => (of(std::slice::from_ref(&id.0)), Value::Null),
            ("vpc", VpcChoice::Tags(tags), _) | ("subnet", _, SubnetChoice::Tags(tags)) => (all(), tagged(tags)),
            ("subnet", _, SubnetChoice::Ids(ids)) => {
                (of(&ids.iter().map(|id| id.0.clone()).collect::<Vec<_>>()), Value::Null)
            }
            // Nobody knows the route tables before, and their VPC may be known.
            (_, VpcChoice::Id(id), _) => {
                (all(), json!({"ArnLike": {"ec2:Vpc": self.arn("ec2", &format!("vpc/{}", id.0))}}))
            }
            (_, VpcChoice::Tags(_), _) => (all(), Value::Null),
        })
    }

    /// Where `scope` is; nowhere, where the file has nothing of it.
    pub fn place(&self, scope: Scope) -> Option<Where> {
        let stack = self.stack;
        let own = || self.tagged("ResourceTag");
        let cluster = || vec![self.arn("kafka", &format!("cluster/{}/*", &*stack.name))];
        // The account of the cluster, its name, and an id.
        let connections = || vec![self.arn("kafka", &format!("vpc-connection/*/{}/*", &*stack.name))];
        let name = &*stack.name;
        let groups = || vec![self.arn("ec2", "security-group/*")];
        let untagged = || json!({"Null": {(format!("aws:ResourceTag/{}", tag::STACK)): "true"}});
        let volume_key = || stack.cluster.ec2.as_ref()?.kms_key.as_deref().map(|key| self.key(key));
        let cluster_key = || self.msk()?.encryption.kms_key.as_deref().map(|key| self.key(key));
        let secret_keys = || {
            let scram = self.msk()?.auth.scram.as_ref()?;
            (!scram.secrets.is_empty() || stack.has_papers()).then(|| (vec![self.arn("kms", "key/*")], Value::Null))
        };
        Some(match scope {
            Scope::Region => (vec!["*".to_owned()], json!({"StringEquals": {"aws:RequestedRegion": &*stack.region}})),
            Scope::Account => (vec!["*".to_owned()], Value::Null),
            Scope::Any(kind) => (vec![self.arn("ec2", &format!("{kind}/*"))], Value::Null),
            Scope::Own => (vec![self.arn("ec2", "*")], own()),
            Scope::FurtherBlocks if stack.network.secondary_cidrs.is_empty() && !stack.network.ipv6 => return None,
            Scope::OwnIpv6 if !stack.network.ipv6 => return None,
            Scope::FurtherBlocks | Scope::OwnIpv6 => return self.place(Scope::Own),
            Scope::Others(kind) => self.others(kind)?,
            Scope::DefaultGroup => (groups(), untagged()),
            Scope::DefaultGroupTag => {
                let mut condition = self.tagged("RequestTag");
                condition["Null"] = untagged()["Null"].take();
                condition["ForAllValues:StringEquals"] = json!({"aws:TagKeys": [tag::STACK]});
                (groups(), condition)
            }
            Scope::GuardDuty(kind) => {
                let marked = json!({"Null": {(format!("aws:ResourceTag/{GUARD_DUTY}")): "false"}});
                (vec![self.arn("ec2", &format!("{kind}/*"))], marked)
            }
            Scope::Made(kind) => (vec![self.arn("ec2", &format!("{kind}/*"))], self.tagged("RequestTag")),
            Scope::Tagged(operation) => {
                let mut condition = self.tagged("RequestTag");
                condition["StringEquals"]["ec2:CreateAction"] = json!([operation]);
                (vec![self.arn("ec2", "*")], condition)
            }
            Scope::Images => {
                let of_hosts = stack.cluster.ec2.as_ref().map(|ec2| ec2.image.as_ref());
                let of_client = stack.client.as_ref().map(|client| client.image.as_ref());
                let images: BTreeSet<_> = of_hosts.into_iter().chain(of_client).collect();
                let arn = |image: &str| format!("arn:{}:ec2:{}::image/{image}", self.partition(), &*stack.region);
                let named = |image: &Option<&Image>| image.map_or_else(|| arn("*"), |image| arn(image));
                match images.contains(&None) {
                    true => (vec![arn("*")], Value::Null),
                    false if images.is_empty() => return None,
                    false => (images.iter().map(named).collect(), Value::Null),
                }
            }
            Scope::Role => (self.of_account("role", Role::SUFFIX)?, Value::Null),
            Scope::BoundedRole => self.bounded()?,
            Scope::RoleBoundary if self.boundary().is_none() => return None,
            Scope::RoleBoundary => self.bounded()?,
            Scope::UnboundRole if self.boundary().is_some() => return None,
            Scope::UnboundRole => (self.of_account("role", Role::SUFFIX)?, Value::Null),
            Scope::RolePolicies => self.for_policies()?,
            Scope::NamedPolicies => {
                let policies = self.named_iam().map(Iam::named_policies).filter(|policies| !policies.is_empty())?;
                (policies.into_iter().map(ToString::to_string).collect(), Value::Null)
            }
            Scope::PassRole => self.passed(),
            Scope::Profile => (self.of_account("instance-profile", InstanceProfile::SUFFIX)?, Value::Null),
            Scope::Parameters => (self.parameters(&[&format!("{name}/*")]), Value::Null),
            Scope::ParameterPath => (self.parameters(&[name, &format!("{name}/*")]), Value::Null),
            Scope::Claims => (self.parameters(&["_cidr/*"]), own()),
            Scope::ClaimPath => (self.parameters(&["_cidr", "_cidr/*"]), Value::Null),
            Scope::ImageParameters => {
                // Public parameters belong to no account.
                (vec![format!("arn:{}:ssm:{}::parameter/aws/service/*", self.partition(), &*stack.region)], Value::Null)
            }
            Scope::SessionInstances | Scope::SessionDocument | Scope::ShellDocuments | Scope::OwnSessions => {
                (self.sessions(scope)?, self.of_sessions(scope))
            }
            Scope::Cluster => (cluster(), Value::Null),
            Scope::OwnCluster => (cluster(), own()),
            Scope::MadeCluster => (cluster(), self.tagged("RequestTag")),
            Scope::Connections => (connections(), Value::Null),
            Scope::OwnConnection => (connections(), own()),
            Scope::MadeConnection => (connections(), self.tagged("RequestTag")),
            Scope::Configuration => {
                let others = match self.msk().and_then(|msk| msk.configuration.as_ref()) {
                    Some(ConfigurationChoice::Others(one)) => Some(one.arn.clone()),
                    _ => None,
                };
                let own = self.arn("kafka", &format!("configuration/kstack-{name}/*"));
                (std::iter::once(own).chain(others).collect(), Value::Null)
            }
            Scope::ScalableTargets => self.scalable_targets(),
            Scope::Alarms => (vec![self.arn("cloudwatch", "alarm:TargetTracking-*")], Value::Null),
            Scope::OwnAlarms => (vec![self.own_alarms()], Value::Null),
            Scope::OwnDashboard => (vec![self.own_dashboard()], Value::Null),
            Scope::ServiceRole(logs::DELIVERY) if self.msk()?.logs.firehose.is_none() => return None,
            Scope::ServiceRole(service) => (
                vec![self.iam(&format!("role/aws-service-role/{service}/*"))],
                json!({"StringEquals": {"iam:AWSServiceName": service}}),
            ),
            Scope::KafkaRole => {
                (vec![self.iam("role/aws-service-role/kafka.amazonaws.com/AWSServiceRoleForKafka*")], Value::Null)
            }
            Scope::NewMskEndpoint | Scope::MskEndpointTags | Scope::MskEndpoint | Scope::MskEndpointIpv6 => {
                (vec![self.arn("ec2", "vpc-endpoint/*")], self.of_msk_endpoint(scope)?)
            }
            Scope::VolumeKeys => volume_key()?,
            Scope::VolumeKeyGrants => papers::for_services(volume_key()?),
            Scope::ClusterKeys => cluster_key()?,
            Scope::ClusterKeyGrants => papers::for_services(cluster_key()?),
            Scope::SecretKeys => secret_keys()?,
            Scope::SecretKeyGrants => papers::for_services(secret_keys()?),
            Scope::Delivery | Scope::LogGroup | Scope::LogBucket | Scope::LogStream => self.logs(scope)?,
            Scope::OfLogs(of) => self.own_logs(of)?,
            Scope::NameZones => (self.name_zones()?, Value::Null),
            Scope::Names => (self.name_zones()?, self.below_domain()?),
            Scope::Papers
            | Scope::UserSecrets
            | Scope::OfUsers(_)
            | Scope::PaperKey
            | Scope::PaperKeyUse
            | Scope::AnyPaperKey
            | Scope::NewPaperKey
            | Scope::PaperAlias
            | Scope::PaperParameters
            | Scope::AuthorityParameters => self.papers(scope)?,
            Scope::HostedZones if !self.private_dns => return None,
            Scope::HostedZones => (vec![format!("arn:{}:route53:::hostedzone/*", self.partition())], Value::Null),
        })
    }
}
