//! Addresses: the names of resources inside their stack, and of the steps that change them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest name of a resource, in characters.
const LONGEST_NAME: usize = 64;

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

    /// Reads `kind/name`: a kind of lower-case letters and underscores, a name of lower-case letters, digits and hyphens.
    /// Whether there is such a kind is not asked.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once('/')?;
        let kind_char = |c: char| c.is_ascii_lowercase() || c == '_';
        let name_char = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let reads = |part: &str, fits: &dyn Fn(char) -> bool| {
            !part.is_empty() && part.len() <= LONGEST_NAME && part.chars().all(fits)
        };
        (reads(kind, &kind_char) && reads(name, &name_char)).then(|| Address::new(kind, name))
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

/// A step's identity: its resource, and the operation where each of the resource's changes is a step of its own. Shown as
/// `msk_cluster/main:broker-type`, and as the address alone where there is one step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId {
    pub address: Address,
    pub operation: Option<&'static str>,
}

impl From<Address> for StepId {
    fn from(address: Address) -> Self {
        StepId { address, operation: None }
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.address)?;
        self.operation.map_or(Ok(()), |operation| write!(out, ":{operation}"))
    }
}

impl Serialize for StepId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
