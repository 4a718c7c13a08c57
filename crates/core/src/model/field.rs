//! The fields of a spec, each with what a difference in it does. A field is declared with its rule, or does not compile.

use super::{Effect, FieldChange};

/// A field of a spec, and its rule.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub rule: Rule,
}

/// What a difference in a field does, and how the field is shown.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    effect: RuleEffect,
    /// Whether the line of a new resource shows the field.
    pub shown: bool,
    /// What is said of a difference instead of both values, where those say nothing to people.
    pub says: Option<&'static str>,
    /// Whether the field is a mapping, whose keys are compared one by one: `config.retention.ms` is a key of `config`.
    pub keyed: bool,
}

#[derive(Debug, Clone, Copy)]
enum RuleEffect {
    InPlace,
    Roll,
    UntilRoll,
    Replace,
    Fixed {
        what: &'static str,
        remedy: &'static str,
    },
    /// `true` when the new value names a resource that the same plan makes.
    By(fn(&FieldChange, bool) -> Effect),
    /// The field's own fields stand in its place.
    Nested(&'static [Field]),
    /// The field is an input of the creation alone, and never compared: it is not in the serialized spec.
    CreationOnly,
}

impl Rule {
    const fn new(effect: RuleEffect) -> Self {
        Rule { effect, shown: true, says: None, keyed: false }
    }
    /// The live resource is changed in place.
    pub const fn in_place() -> Self {
        Rule::new(RuleEffect::InPlace)
    }
    /// The host is rolled.
    pub const fn roll() -> Self {
        Rule::new(RuleEffect::Roll)
    }
    /// Nothing is done for it: the host has the new value from its next roll on.
    pub const fn until_roll() -> Self {
        Rule::new(RuleEffect::UntilRoll)
    }
    /// The resource is replaced.
    pub const fn replace() -> Self {
        Rule::new(RuleEffect::Replace)
    }
    /// AWS can't change `what` on a live resource.
    pub const fn fixed(what: &'static str, remedy: &'static str) -> Self {
        Rule::new(RuleEffect::Fixed { what, remedy })
    }
    /// It depends on the values; the function also hears whether the new value names a resource that the same plan makes.
    pub const fn by(effect: fn(&FieldChange, bool) -> Effect) -> Self {
        Rule::new(RuleEffect::By(effect))
    }
    /// The field is a struct whose fields stand in its place.
    pub const fn nested(fields: &'static [Field]) -> Self {
        Rule::new(RuleEffect::Nested(fields))
    }
    /// The field is an input of the creation alone, and not compared.
    pub const fn creation_only() -> Self {
        Rule::new(RuleEffect::CreationOnly)
    }
    /// The same, not shown in the line of a new resource: it is the same for all, or says nothing to people.
    pub const fn hidden(mut self) -> Self {
        self.shown = false;
        self
    }
    /// The same, with what is said of a difference instead of both values.
    pub const fn saying(mut self, text: &'static str) -> Self {
        self.says = Some(text);
        self
    }

    /// The same of each key of a mapping.
    pub const fn keyed(mut self) -> Self {
        self.keyed = true;
        self
    }

    /// What `change` of the field does.
    fn effect(&self, change: &FieldChange, target_is_new: bool) -> Option<Effect> {
        Some(match self.effect {
            RuleEffect::InPlace => Effect::InPlace,
            RuleEffect::Roll => Effect::Roll,
            RuleEffect::UntilRoll => Effect::UntilRoll,
            RuleEffect::Replace => Effect::Replace,
            RuleEffect::Fixed { what, remedy } => fixed(what, remedy),
            RuleEffect::By(effect) => effect(change, target_is_new),
            RuleEffect::Nested(_) | RuleEffect::CreationOnly => return None,
        })
    }
}

/// The refusal for a field that AWS can't change on a live resource.
pub fn fixed(what: &str, remedy: &str) -> Effect {
    Effect::Refuse { reason: format!("{what} can't be changed on a live resource"), remedy: remedy.to_owned() }
}

/// A spec whose fields are declared with their rules.
pub trait Fields {
    /// Every field, in the order of the struct.
    const FIELDS: &'static [Field];

    /// The declaration of the serialized field `name`.
    fn field(name: &str) -> Option<&'static Field> {
        find(Self::FIELDS, name)
    }

    /// The names of the fields that the serialized spec has.
    fn serialized_fields() -> Vec<&'static str> {
        names(Self::FIELDS)
    }

    /// What `change` does; `None` when no such field is declared. `target_is_new` says that the new value names a resource that
    /// the same plan makes.
    fn effect(change: &FieldChange, target_is_new: bool) -> Option<Effect> {
        Self::field(&change.field)?.rule.effect(change, target_is_new)
    }
}

fn names(fields: &'static [Field]) -> Vec<&'static str> {
    let names = |field: &'static Field| match field.rule.effect {
        RuleEffect::Nested(fields) => names(fields),
        RuleEffect::CreationOnly => Vec::new(),
        _ => vec![field.name],
    };
    fields.iter().flat_map(names).collect()
}

fn find(fields: &'static [Field], name: &str) -> Option<&'static Field> {
    fields.iter().find_map(|field| match field.rule.effect {
        RuleEffect::Nested(fields) => find(fields, name),
        RuleEffect::CreationOnly => None,
        _ if field.rule.keyed => {
            let rest = name.strip_prefix(field.name)?;
            (rest.is_empty() || rest.starts_with('.')).then_some(field)
        }
        _ => (field.name == name).then_some(field),
    })
}

/// Declares a spec: a struct with serde's form of it, its references, and for each field what a difference in it does.
macro_rules! spec {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$field_meta:meta])* pub $field:ident: $type:ty => $rule:expr,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }
        impl $crate::model::Fields for $name {
            const FIELDS: &'static [$crate::model::Field] =
                &[$($crate::model::Field { name: stringify!($field), rule: $rule }),*];
        }
        $crate::model::references!($name { $($field),* });
    };
}
pub(crate) use spec;
