//! References between resources. A reference has a type: a text of the user's is never taken for one, whatever it looks like.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Address;

/// What a spec names: another resource of the stack by its address; or, where no resource of the stack has it, what AWS knows
/// it by (an id, a name, an address block).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ref {
    Address(Address),
    Id(String),
    /// Nothing is named, such as the volume of an instance that has none attached.
    None,
}

impl Ref {
    /// A reference to the resource `name` of `kind`.
    pub fn to(kind: &str, name: &str) -> Self {
        Ref::Address(Address::new(kind, name))
    }

    /// A reference as AWS gives it, by id.
    pub fn live(id: Option<&str>) -> Self {
        match id {
            None | Some("") => Ref::None,
            Some(id) => Ref::Id(id.to_owned()),
        }
    }

    /// What AWS knows it by, where no resource of the stack is named.
    pub fn id(&self) -> Option<&str> {
        match self {
            Ref::Id(id) => Some(id),
            Ref::Address(_) | Ref::None => None,
        }
    }

    /// The address, where a resource of the stack is named.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Ref::Address(address) => Some(address),
            Ref::Id(_) | Ref::None => None,
        }
    }
}

impl Serialize for Ref {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Ref::Address(address) => serializer.collect_str(address),
            Ref::Id(id) => serializer.serialize_str(id),
            Ref::None => serializer.serialize_str(""),
        }
    }
}

/// No id of AWS's reads as an address: ids have a hyphen or a colon before the first slash.
impl<'de> Deserialize<'de> for Ref {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Address::parse(&text).map_or_else(|| Ref::live(Some(&text)), Ref::Address))
    }
}

/// A value that may have references in it. Texts and numbers have none.
pub trait References {
    /// Adds every reference in the value to `out`.
    fn refs<'a>(&'a self, out: &mut Vec<&'a Ref>);
    /// The same, to change them.
    fn refs_mut<'a>(&'a mut self, out: &mut Vec<&'a mut Ref>);
}

impl References for Ref {
    fn refs<'a>(&'a self, out: &mut Vec<&'a Ref>) {
        out.push(self);
    }
    fn refs_mut<'a>(&'a mut self, out: &mut Vec<&'a mut Ref>) {
        out.push(self);
    }
}

impl<T: References> References for Option<T> {
    fn refs<'a>(&'a self, out: &mut Vec<&'a Ref>) {
        self.iter().for_each(|item| item.refs(out));
    }
    fn refs_mut<'a>(&'a mut self, out: &mut Vec<&'a mut Ref>) {
        self.iter_mut().for_each(|item| item.refs_mut(out));
    }
}

impl<T: References> References for Vec<T> {
    fn refs<'a>(&'a self, out: &mut Vec<&'a Ref>) {
        self.iter().for_each(|item| item.refs(out));
    }
    fn refs_mut<'a>(&'a mut self, out: &mut Vec<&'a mut Ref>) {
        self.iter_mut().for_each(|item| item.refs_mut(out));
    }
}

/// Says of plain types that they have no references, and of structs in which fields theirs are.
macro_rules! references {
    ($($plain:ty),* $(,)?) => {
        $(impl $crate::model::References for $plain {
            fn refs<'a>(&'a self, _: &mut Vec<&'a $crate::model::Ref>) {}
            fn refs_mut<'a>(&'a mut self, _: &mut Vec<&'a mut $crate::model::Ref>) {}
        })*
    };
    ($name:ident { $($field:ident),* }) => {
        impl $crate::model::References for $name {
            fn refs<'a>(&'a self, _out: &mut Vec<&'a $crate::model::Ref>) {
                $($crate::model::References::refs(&self.$field, _out);)*
            }
            fn refs_mut<'a>(&'a mut self, _out: &mut Vec<&'a mut $crate::model::Ref>) {
                $($crate::model::References::refs_mut(&mut self.$field, _out);)*
            }
        }
    };
}
pub(crate) use references;

references!(String, bool, u8, u32, u64, i32, jiff::Timestamp, std::collections::BTreeMap<String, String>);
