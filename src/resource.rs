//! The words that planner, executor and kinds share: addresses, live resources, changes and their effects, the [`Kind`] trait.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::aws::{Aws, CloudError, Ctx};
use crate::design::Design;

pub use crate::engine::Engine;
pub use crate::observed::{Observed, Stray};
pub use crate::operation::{Operation, StepId};

/// A resource's name inside its stack: `subnet/private-a`. It is also the tag `kstack:address`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub kind: String,
    pub name: String,
}

impl Address {
    /// The address of the resource `name` of `kind`.
    pub fn new(kind: &str, name: &str) -> Self {
        Address { kind: kind.to_owned(), name: name.to_owned() }
    }
    /// The address that `text` is, if it is one: a known kind, a slash, a name of lower-case letters, digits and hyphens.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once('/')?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let known = crate::kinds::NAMES.contains(&kind);
        (known && !name.is_empty() && name.len() <= 64 && name.chars().all(plain)).then(|| Address::new(kind, name))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.kind, self.name)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Address::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not an address")))
    }
}

/// A reference to another resource in a spec: its address; in a live spec, the AWS id where no resource of the stack has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ref(pub String);

impl Ref {
    /// A reference to `name` of `kind`.
    pub fn to(kind: &str, name: &str) -> Self {
        Ref(format!("{kind}/{name}"))
    }
    /// A reference as AWS gives it, by id; empty when AWS gives none.
    pub fn live(id: Option<&str>) -> Self {
        Ref(id.unwrap_or_default().to_owned())
    }
}

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// Tag keys of kstack's own.
pub mod tag {
    pub const STACK: &str = "kstack:stack";
    pub const ADDRESS: &str = "kstack:address";
    pub const CLUSTER_ID: &str = "kstack:cluster-id";
    pub const KAFKA: &str = "kstack:kafka";
    pub const OS: &str = "kstack:os";
    pub const CONFIG: &str = "kstack:config";
    pub const RETENTION: &str = "kstack:retention";
    pub const VOTERS: &str = "kstack:voters";
    pub const MIN_INSYNC: &str = "kstack:min-insync-replicas";
    /// What runs Kafka in a VPC: `msk`; absent where it is brokers on EC2.
    pub const ENGINE: &str = "kstack:engine";
    /// What the keys of tags begin with that say which SCRAM secrets the stack has associated.
    pub const SCRAM: &str = "kstack:scram";
    /// When the stack goes by itself: RFC 3339, UTC.
    pub const EXPIRES: &str = "kstack:expires-at";
    pub const PROTECTED: &str = "kstack:protected";
    pub const KMS_KEY: &str = "kstack:kms-key";
    /// The keys of the file's tags that were set, separated by spaces.
    pub const KEYS: &str = "kstack:tags";
    /// All of them begin with this; AWS's own begin with `aws:`.
    pub const OURS: [&str; 2] = ["kstack:", "aws:"];
}

/// A live resource as its kind finds it, references still by AWS id.
#[derive(Debug, Clone)]
pub struct Found<K> {
    pub id: String,
    pub tags: Tags,
    pub spec: K,
    /// Whether it is on its way out (deleting, terminated): it counts as absent, but its id names the generation that was.
    pub ended: bool,
}

/// A live resource, references by address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Live {
    pub id: String,
    pub spec: Value,
    /// All tags, kstack's own among them.
    pub tags: Tags,
}

/// Lists in specs are sets: sorted, so that AWS's order is never a difference.
pub fn sort_lists(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(sort_lists);
            items.sort_by_cached_key(ToString::to_string);
        }
        Value::Object(map) => map.values_mut().for_each(sort_lists),
        _ => {}
    }
}

/// Every address that `spec` names: what it depends on.
pub fn references(spec: &Value) -> BTreeSet<Address> {
    fn walk(value: &Value, out: &mut BTreeSet<Address>) {
        match value {
            Value::String(text) => out.extend(Address::parse(text)),
            Value::Array(items) => items.iter().for_each(|item| walk(item, out)),
            Value::Object(map) => map.values().for_each(|item| walk(item, out)),
            _ => {}
        }
    }
    let mut out = BTreeSet::new();
    walk(spec, &mut out);
    out
}

/// A field that differs, by dotted path; `tags.KEY` for a tag. `Null` stands for absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    pub field: String,
    pub before: Value,
    pub after: Value,
}

/// What a change of a field does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The live resource is changed; nothing stops.
    InPlace,
    /// The instance is ended and another started on the same volume and interface.
    Roll,
    /// The resource is deleted and made again.
    Replace,
    /// Nothing is done, and the plan says why.
    Keep(String),
    /// The same, unless the instance is rolled anyway: what starts anew has the new value.
    KeepUntilRoll(String),
    /// The live resource is changed, and data is lost that way: only with `--allow-data-loss`. Why, and a way out.
    Lossy(String, String),
    /// It can't be done: why, and a way out.
    Refuse(String, String),
}

/// What deleting a resource would lose, when the stack file no longer has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deletion {
    Free,
    /// It holds data: only with `--allow-data-loss`, or by `destroy`. Says what is held.
    Data(String),
    /// Not while the stack lives: why, and a way out.
    Refuse(String, String),
}

/// Everything the tool knows about one kind of AWS resource.
#[allow(async_fn_in_trait)] // Used inside this crate only, on one task.
pub trait Kind: Clone + Debug + PartialEq + Serialize + DeserializeOwned {
    /// The kind's name, the first part of its addresses.
    const NAME: &'static str;
    /// Whether the resource carries tags of its own.
    const TAGGED: bool = true;
    /// Whether AWS finds it by its name only: a discovery of every stack then sees it without its tags.
    const NAMED: bool = false;

    /// Whether AWS itself makes no second one at the same address: by the client token, or by a name or address block that
    /// only one may have. Where it does not, the executor looks for longer before it makes one again, and a second one that
    /// nothing uses is deleted by the next plan.
    const UNIQUE: bool = true;

    /// The engine whose stacks alone have such resources; `None` where every stack may.
    const ENGINE: Option<Engine> = None;

    /// Whether AWS gives it for nothing. What another kind costs is in `pricing`, and a gap in every sum until it is there.
    const FREE: bool = false;

    /// The resources of this kind that `design` asks for, by name. References are addresses. Pure.
    fn desired(design: &Design) -> Vec<(String, Self)>;

    /// What comes before the resource `name` although its spec does not name it. Pure.
    fn after(&self, _name: &str) -> Vec<Address> {
        Vec::new()
    }

    /// What `change` does. `anew` says that the new value names a resource that the same plan makes. Pure.
    fn effect(change: &FieldChange, anew: bool) -> Effect;

    /// The operations that `changes` of the `live` resource take, in the order in which they are run; none where one call
    /// does for all. Pure.
    fn operations(&self, _live: &Self, _changes: &[FieldChange]) -> Vec<Operation> {
        Vec::new()
    }

    /// Tags that keep what AWS can't list of the resource; set when it is made. Pure.
    fn tags(&self) -> Tags {
        Tags::new()
    }

    /// What deleting this live resource would lose. Pure.
    fn deletion(&self) -> Deletion {
        Deletion::Free
    }

    /// The live resources of the stack, all at once, with AWS's own defaults and orders normalised.
    async fn discover(aws: &Aws) -> Result<Vec<Found<Self>>, CloudError>;

    /// Makes the resource in one call, tagged in that call, and returns its id. The executor repeats it when AWS throttles,
    /// and looks for the resource before it repeats a call whose answer was lost.
    async fn create(&self, ctx: &Ctx<'_>) -> Result<String, CloudError>;

    /// What follows the creating call: attachments, and waiting until the resource can be used. It may run again.
    async fn settle(&self, _ctx: &Ctx<'_>, _id: &str) -> Result<(), CloudError> {
        Ok(())
    }

    /// Brings the live resource to this spec; `changes` names the fields that differ. It may run again.
    async fn update(&self, ctx: &Ctx<'_>, id: &str, changes: &[FieldChange]) -> Result<(), CloudError>;

    /// Deletes the live resource with this spec and waits until it is gone. It may run again.
    async fn delete(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), CloudError>;

    /// Sets and removes tags.
    async fn retag(ctx: &Ctx<'_>, id: &str, set: &Tags, unset: &[String]) -> Result<(), CloudError> {
        ctx.retag_ec2(&[id], set, unset).await
    }
}

/// Makes the enum of all kinds, and the dispatch to them, from one list.
macro_rules! kinds {
    ($($module:ident::$kind:ident),* $(,)?) => {
        $(mod $module; pub use $module::$kind;)*

        /// The names of all kinds.
        pub const NAMES: &[&str] = &[$(<$kind as $crate::resource::Kind>::NAME),*];

        /// The spec of one resource of any kind.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Resource { $($kind($kind),)* }

        /// Runs `$body` with `$spec` as the kind's own type.
        macro_rules! each_kind {
            ($resource:expr, $spec:ident => $body:expr) => { match $resource { $(Resource::$kind($spec) => $body,)* } };
        }

        impl Resource {
            /// The live spec of the kind with this name, if it reads as one.
            pub fn from_live(kind: &str, spec: &serde_json::Value) -> Option<Resource> {
                $(if kind == $kind::NAME { return serde_json::from_value(spec.clone()).ok().map(Resource::$kind); })*
                None
            }
            /// The operations that `changes` of the `live` resource of the same kind take.
            pub fn operations(&self, live: &Resource, changes: &[FieldChange]) -> Vec<Operation> {
                match (self, live) {
                    $((Resource::$kind(wanted), Resource::$kind(live)) => wanted.operations(live, changes),)*
                    _ => Vec::new(),
                }
            }
            /// What `change` does to a resource of `kind`.
            pub fn effect(kind: &str, change: &FieldChange, anew: bool) -> Effect {
                $(if kind == $kind::NAME { return $kind::effect(change, anew); })*
                Effect::Refuse("its kind is not known".to_owned(), "use a newer kstack".to_owned())
            }
        }

        /// Whether AWS itself makes no second resource of this kind at the same address.
        pub fn is_unique(kind: &str) -> bool {
            !($((kind == $kind::NAME && !$kind::UNIQUE))||*)
        }

        /// Whether AWS gives resources of this kind for nothing.
        pub fn is_free(kind: &str) -> bool {
            $((kind == $kind::NAME && $kind::FREE))||*
        }

        /// Whether resources of this kind carry tags of their own.
        pub fn is_tagged(kind: &str) -> bool {
            $((kind == $kind::NAME && $kind::TAGGED))||*
        }

        /// Whether resources of this kind are found by name, and by their tags only when they are asked for one by one.
        pub fn is_named(kind: &str) -> bool {
            $((kind == $kind::NAME && $kind::NAMED))||*
        }

        /// Every resource that `design` asks for, by address.
        pub fn desired(design: &Design) -> std::collections::BTreeMap<Address, Resource> {
            let mut all = std::collections::BTreeMap::new();
            $(all.extend($kind::desired(design).into_iter().map(|(name, spec)| (Address::new($kind::NAME, &name), Resource::$kind(spec))));)*
            all
        }

        /// Everything that is live of the stack that `aws` works for, or of every stack: every kind is asked at once whose
        /// engine, or none where every stack may have such resources, is `asked`.
        ///
        /// # Errors
        /// The first answer of AWS that is not a list.
        pub async fn find(aws: &Aws, asked: impl Fn(Option<Engine>) -> bool) -> Result<Finds, CloudError> {
            $(let $module = async {
                if !asked($kind::ENGINE) {
                    return Ok(Vec::new());
                }
                $kind::discover(aws).await.map(|found| erase::<$kind>(found))
            };)*
            let ($($module,)*) = tokio::try_join!($($module),*)?;
            let mut all = Vec::new();
            $(all.extend($module.into_iter().map(|found| ($kind::NAME, found)));)*
            Ok(all)
        }

        /// The live resources of one kind.
        ///
        /// # Errors
        /// AWS's answer, when it is not a list.
        pub async fn discover_one(aws: &Aws, kind: &str) -> Result<Vec<Found<serde_json::Value>>, CloudError> {
            $(if kind == $kind::NAME { return $kind::discover(aws).await.map(|found| erase::<$kind>(found)); })*
            Ok(Vec::new())
        }
    };
}
pub(crate) use kinds;
