//! The rules of each kind of resource: what is wanted, what a change does, what it costs. One file a kind, one list; its driver has its calls.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::{Serialize, Serializer, de::DeserializeOwned};
use serde_json::Value;

use crate::design::Design;
use crate::engines::Engine;
use crate::model::{
    Address, DIFFERS, Deletion, Effect, Field, FieldChange, Fields, Missing, Operation, Ref, References, Tags,
};
use crate::pricing::Costs;
use crate::stack::Logs;

mod access;
mod lists;
mod msk_operation;
mod siblings;

use lists::sort_lists;
pub use msk_operation::{MskOperation, storage_again, to_kraft};
pub use siblings::Siblings;

/// What kstack knows of one kind of resource without asking anybody.
pub trait Kind: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Fields + References {
    /// The kind's name, the first part of its addresses.
    const NAME: &'static str;
    /// Whether the resource carries tags of its own.
    const TAGGED: bool = true;
    /// Whether AWS finds it by its name only: a discovery of every stack then sees it without its tags.
    const NAMED: bool = false;
    /// Whether it is in IAM, which is asked for nothing where hosts take an instance profile of others.
    const IN_IAM: bool = false;
    /// Whether AWS itself makes no second one at the same address: by an idempotency token, or by a name or address block that only one may
    /// have. Where it does not, the executor looks for longer before it makes one again; a duplicate without use goes with the next plan.
    const UNIQUE: bool = true;
    /// The engine whose stacks alone have such resources; `None` where every stack may.
    const ENGINE: Option<Engine> = None;
    /// Whether only stacks with names in DNS have such resources: Route 53 is asked where the file or the record tells of any.
    const OF_NAMES: bool = false;
    /// Whether only stacks whose hosts speak TLS have such resources: they are asked for where the file or the record tells of any.
    const OF_PAPERS: bool = false;
    /// Whether only stacks with a client host have such resources: they are looked for where the file or the record tells of one, and in
    /// stacks on EC2, whose instances are listed anyway.
    const OF_CLIENT: bool = false;
    /// Whether only stacks with IPv6 have such resources: they are looked for where the file has it, or the record tells of it or not at all.
    const OF_IPV6: bool = false;
    /// Whether only stacks with alarms have such resources: CloudWatch is asked where the file or the record tells of any.
    const OF_ALARMS: bool = false;
    /// What a stack has where it has such resources, if that is logs of its own: they are asked for where the file or the record tells of it.
    const OF_LOGS: Logs = Logs::None;
    /// The field whose references are set again when what one names is made anew and gets another id.
    const FOLLOWS: Option<&'static str> = None;
    /// Whether hosts or clients reach something by such resources. Taking one away, or a part of it, comes after everything
    /// that a plan makes or changes: what stands in for it works then, and what needed it is done.
    const ACCESS: bool = false;
    /// Kinds whose resources of the same name tell one making of this resource from the next, beside its own ids.
    const GENERATION_BY: &'static [&'static str] = &[];

    /// The resources of this kind that `design` asks for, by name. References are addresses.
    fn desired(design: &Design) -> Vec<(String, Self)>;

    /// What comes before the resource `name` although its spec does not name it.
    fn after(&self, _name: &str) -> Vec<Address> {
        Vec::new()
    }

    /// The operations that `changes` of the `live` resource take, in the order in which they are run; none where one call
    /// does for all.
    fn operations(&self, _live: &Self, _changes: &[FieldChange]) -> Vec<Operation> {
        Vec::new()
    }

    /// Ids of what the live resource is in or attached to, as far as no resource of the stack has them yet. Where one is no
    /// resource of the stack's at all, the resource is used elsewhere, whatever its tags say; but for the one that says so itself.
    /// Of a wanted resource: what it is to be in of a network of others, which its tag [`NETWORK`](crate::model::tag::NETWORK) then says.
    fn home(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Ids of what has the live resource attached, unless a resource of the stack says that it uses it.
    fn holders(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Moves what others have put onto the live resource to where [`Kind::others`] finds it, once its references are addresses.
    fn set_others_aside(&mut self) {}

    /// What others have put onto the live resource, in words. It stays, and is no difference.
    fn others(&self) -> Vec<String> {
        Vec::new()
    }

    /// What every plan and status must say of that, as a clause; `None` where it can do the stack no harm.
    fn warning(&self) -> Option<String> {
        None
    }

    /// Whether the live resource is itself somebody else's: it is not deleted by a plan, and is taken over where the file has one.
    fn of_others(&self) -> bool {
        false
    }

    /// Tags that keep what AWS can't list of the resource; set when it is made.
    fn tags(&self) -> Tags {
        Tags::new()
    }

    /// What deleting this live resource would lose.
    fn deletion(&self) -> Deletion {
        Deletion::Free
    }

    /// The name of the host, or of whatever else, that the resource `name` is a part of: resources of other kinds have it.
    fn owner(name: &str) -> &str {
        name
    }

    /// Why the resource `name` is wanted and not live.
    fn missing(_name: &str, _siblings: &Siblings<'_>) -> Missing {
        Missing::New
    }

    /// What a roll for `changes` means for the host, as a clause.
    fn roll_reason(&self, _changes: &[FieldChange]) -> &'static str {
        "the host is replaced while the others run; its volume and address are kept"
    }

    /// What an update in one call for `changes` means, as a clause.
    fn update_reason(_changes: &[FieldChange]) -> String {
        DIFFERS.to_owned()
    }

    /// How many minutes it takes to make or delete the resource, or to do the operation of this name on it; none where other
    /// resources of a stack take as long at the same time.
    fn minutes(&self, _operation: Option<&str>) -> u64 {
        0
    }

    /// Whether the live resource is a host that does not run: its roll stops nothing.
    fn is_down(&self) -> bool {
        false
    }

    /// Adds what the resource costs for being there. One that costs nothing adds nothing.
    fn price(&self, costs: &mut Costs<'_>);
}

mod prelude {
    pub(super) use super::{Kind, NEW_STACK, Siblings};
    pub(super) use crate::design::{Design, HostDesign};
    pub(super) use crate::engines::Engine;
    pub(super) use crate::model::{
        Address, Deletion, Effect, FieldChange, Missing, Operation, Ref, Rule, Tags, references, spec, tag,
    };
    pub(super) use crate::pricing::{Costs, HOURS_PER_MONTH};
    pub(super) use crate::stack::Logs;
}

/// Hands the list of all kinds to the macro `$then`: the rules here, and the drivers above, are made from it. A new kind is one
/// line in it. The order is the one in which kinds depend on each other. Those below `kafka` are inside of the cluster.
#[macro_export]
macro_rules! all_kinds {
    ($then:ident) => {
        $then! {
            aws {
                vpc::Vpc,
                internet_gateway::InternetGateway,
                egress_only_gateway::EgressOnlyGateway,
                log_group::LogGroup,
                flow_log_role::FlowLogRole,
                flow_log::FlowLog,
                subnet::Subnet,
                elastic_ip::ElasticIp,
                nat_gateway::NatGateway,
                route_table::RouteTable,
                vpc_endpoint::VpcEndpoint,
                security_group::SecurityGroup,
                security_group_rules::SecurityGroupRules,
                kms_key::KmsKey,
                certificate_authority::CertificateAuthority,
                host_certificate::HostCertificate,
                client_certificate::ClientCertificate,
                kafka_user::KafkaUser,
                role::Role,
                instance_profile::InstanceProfile,
                placement_group::PlacementGroup,
                hosted_zone::HostedZone,
                privatelink_records::PrivatelinkRecords,
                dns_records::DnsRecords,
                volume::Volume,
                network_interface::NetworkInterface,
                instance::Instance,
                dns_aaaa_records::DnsAaaaRecords,
                msk_configuration::MskConfiguration,
                user_secret::UserSecret,
                user_policy::UserPolicy,
                msk_cluster::MskCluster,
                msk_autoscaling::MskAutoscaling,
                msk_scram_association::MskScramAssociation,
                msk_cluster_policy::MskClusterPolicy,
                msk_vpc_connection::MskVpcConnection,
                client_instance::ClientInstance,
                alarm::Alarm,
                dashboard::Dashboard,
            }
            kafka {
                cluster_settings::ClusterSettings,
                topic::Topic,
                scram_credential::ScramCredential,
                user_quota::UserQuota,
                user_rights::UserRights,
                partitions::Partitions,
                broker::Broker,
                voter::Voter,
            }
        }
    };
}

/// Makes the enum of all kinds, and the dispatch to their rules.
macro_rules! rules {
    (aws { $($aws:tt)* } kafka { $($kafka:tt)* }) => {
        rules! { $($aws)* $($kafka)* }
    };
    ($($module:ident::$kind:ident),* $(,)?) => {
        $(pub mod $module; pub use $module::$kind;)*

        /// The names of all kinds, in the order of the list.
        pub const NAMES: &[&str] = &[$(<$kind as Kind>::NAME),*];

        /// The spec of one resource of any kind.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(clippy::large_enum_variant)] // Most resources of a large plan are hosts, the largest.
        pub enum Resource { $($kind($kind),)* }

        $(impl From<$kind> for Resource {
            fn from(spec: $kind) -> Self {
                Resource::$kind(spec)
            }
        })*

        $(impl OfKind for $kind {
            fn of(resource: &Resource) -> Option<&Self> {
                match resource {
                    Resource::$kind(spec) => Some(spec),
                    _ => None,
                }
            }
        })*

        /// Runs `$body` with `$spec` as the kind's own type.
        macro_rules! each_kind {
            ($resource:expr, $spec:ident => $body:expr) => { match $resource { $(Resource::$kind($spec) => $body,)* } };
        }

        /// Runs `$body` with `K` as the type of the kind that is named; `$other` where there is no such kind.
        macro_rules! with_kind {
            ($name:expr, $K:ident => $body:expr, $other:expr) => {{
                let name: &str = $name;
                $(if name == $kind::NAME { type $K = $kind; return $body; })*
                $other
            }};
        }

        impl Resource {
            /// The operations that `changes` of the `live` resource of the same kind take.
            pub fn operations(&self, live: &Resource, changes: &[FieldChange]) -> Vec<Operation> {
                match (self, live) {
                    $((Resource::$kind(wanted), Resource::$kind(live)) => wanted.operations(live, changes),)*
                    _ => Vec::new(),
                }
            }
        }

        /// Every resource that `design` asks for, by address.
        pub fn desired(design: &Design) -> BTreeMap<Address, Resource> {
            let mut all = BTreeMap::new();
            $(all.extend($kind::desired(design).into_iter().map(|(name, spec)| (Address::new($kind::NAME, &name), Resource::$kind(spec))));)*
            all
        }
    };
}

/// A kind's own type, as a resource of any kind may have it.
pub trait OfKind: Kind {
    /// The spec, where the resource is of this kind.
    fn of(resource: &Resource) -> Option<&Self>;
}

all_kinds!(rules);

mod told;
pub use told::*;

/// The remedy where only a new stack can have what is wanted.
pub use crate::model::{NEW_STACK, is_of_kafka};

/// The declaration of a field of `kind`.
pub fn field(kind: &str, name: &str) -> Option<&'static Field> {
    with_kind!(kind, K => K::field(name), None)
}

/// What `change` does to a resource of `kind`; `None` for a field that is not declared, which a test rules out.
pub fn effect(kind: &str, change: &FieldChange, target_is_new: bool) -> Option<Effect> {
    with_kind!(kind, K => K::effect(change, target_is_new), None)
}

/// The name of the host, or of whatever else, that the resource at `address` is a part of.
pub fn owner(address: &Address) -> &str {
    with_kind!(&address.kind, K => K::owner(&address.name), &address.name)
}

/// Why the resource at `address` is not live.
pub fn missing(address: &Address, siblings: &Siblings<'_>) -> Missing {
    with_kind!(&address.kind, K => K::missing(&address.name, siblings), Missing::New)
}

/// What an update in one call for `changes` means for a resource of `kind`.
pub fn update_reason(kind: &str, changes: &[FieldChange]) -> String {
    with_kind!(kind, K => K::update_reason(changes), String::new())
}

/// The live spec of the kind with this name, if it reads as one.
pub fn from_json(kind: &str, spec: &Value) -> Option<Resource> {
    with_kind!(kind, K => serde_json::from_value::<K>(spec.clone()).ok().map(Resource::from), None)
}

impl Resource {
    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        fn of<K: Kind>(_: &K) -> &'static str {
            K::NAME
        }
        each_kind!(self, spec => of(spec))
    }

    /// The spec as JSON, as plans compare and show it: fields that are not set are absent, lists are sorted.
    pub fn spec(&self) -> Value {
        let mut spec = each_kind!(self, spec => serde_json::to_value(spec)).unwrap_or_default();
        sort_lists(&mut spec);
        spec
    }

    /// What comes before the resource `name` although its spec does not name it.
    pub fn after(&self, name: &str) -> Vec<Address> {
        each_kind!(self, spec => spec.after(name))
    }

    /// See [`Kind::home`].
    pub fn home(&self) -> Vec<&str> {
        each_kind!(self, spec => spec.home())
    }

    /// See [`Kind::holders`].
    pub fn holders(&self) -> Vec<&str> {
        each_kind!(self, spec => spec.holders())
    }

    /// See [`Kind::set_others_aside`].
    pub fn set_others_aside(&mut self) {
        each_kind!(self, spec => spec.set_others_aside());
    }

    /// See [`Kind::others`].
    pub fn others(&self) -> Vec<String> {
        each_kind!(self, spec => spec.others())
    }

    /// See [`Kind::warning`].
    pub fn warning(&self) -> Option<String> {
        each_kind!(self, spec => spec.warning())
    }

    /// See [`Kind::of_others`].
    pub fn of_others(&self) -> bool {
        each_kind!(self, spec => spec.of_others())
    }

    /// Tags that keep what AWS can't list of the resource.
    pub fn tags(&self) -> Tags {
        each_kind!(self, spec => spec.tags())
    }

    /// What a roll to this for `changes` means, as a clause.
    pub fn roll_reason(&self, changes: &[FieldChange]) -> &'static str {
        each_kind!(self, spec => spec.roll_reason(changes))
    }

    /// What deleting this live resource would lose.
    pub fn deletion(&self) -> Deletion {
        each_kind!(self, spec => spec.deletion())
    }

    /// How many minutes it takes to make or delete the resource, or to do the operation of this name on it.
    pub fn minutes(&self, operation: Option<&str>) -> u64 {
        each_kind!(self, spec => spec.minutes(operation))
    }

    /// Whether the live resource is a host that does not run: its roll stops nothing.
    pub fn is_down(&self) -> bool {
        each_kind!(self, spec => spec.is_down())
    }

    /// Adds what the resource costs for being there.
    pub fn price(&self, costs: &mut Costs<'_>) {
        each_kind!(self, spec => spec.price(costs));
    }

    /// Every reference in the spec.
    pub fn refs(&self) -> Vec<&Ref> {
        let mut out = Vec::new();
        each_kind!(self, spec => spec.refs(&mut out));
        out
    }

    /// The same, to change them.
    pub fn refs_mut(&mut self) -> Vec<&mut Ref> {
        let mut out = Vec::new();
        each_kind!(self, spec => spec.refs_mut(&mut out));
        out
    }
}

/// As its spec alone: the kind is in the address beside it.
impl Serialize for Resource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.spec().serialize(serializer)
    }
}
