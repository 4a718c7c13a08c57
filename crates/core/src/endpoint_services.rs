//! The services of AWS that have a VPC endpoint, by the last part of their names: `ssm` of `com.amazonaws.us-east-1.ssm`.
//!
//! The table in `tables/endpoint_services.csv` is the list of DescribeVpcEndpointServices as shipped in moto 5.2.5, made by
//! `tests/tables/make`; it serves the offline commands, and finds what a misspelt name was meant to be. Regions differ, and AWS
//! adds services: a plan asks AWS itself, and AWS's answer counts.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::file::problem::nearest;
use crate::tables::Table;

/// What AWS says of one service in one region.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointService {
    /// Whether it has a gateway endpoint.
    pub gateway: bool,
    /// Whether it has an interface endpoint.
    pub interface: bool,
    /// The names of the zones in which it has interfaces.
    pub zones: BTreeSet<String>,
    /// Whether its owner accepts each endpoint by hand: not AWS.
    #[serde(default)]
    pub by_hand: bool,
}

const SERVICES: Table =
    Table { file: "tables/endpoint_services.csv", text: include_str!("tables/endpoint_services.csv") };

static TABLE: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| SERVICES.rows(row).into_iter().collect());

fn row([name]: [&'static str; 1]) -> Option<&'static str> {
    (!name.is_empty()).then_some(name)
}

/// The services of the embedded table.
pub fn embedded() -> &'static BTreeSet<&'static str> {
    &TABLE
}

/// The known service whose name is most like `name`.
pub fn nearest_known(name: &str) -> Option<&'static str> {
    nearest(name, embedded().iter().copied())
}

/// Whether kstack makes a gateway endpoint for the service `name`; for every other it makes an interface endpoint.
pub fn by_gateway(name: &str) -> bool {
    name == "s3"
}

/// The name that AWS has for the service `name` in `region`.
pub fn full_name(region: &str, name: &str) -> String {
    format!("com.amazonaws.{region}.{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_has_its_service() {
        for (name, service) in [
            ("smm", "ssm"),
            ("ssmmesages", "ssmmessages"),
            ("ec2message", "ec2messages"),
            ("secretmanager", "secretsmanager"),
            ("log", "logs"),
            ("ecr-api", "ecr.api"),
        ] {
            assert_eq!(nearest_known(name), Some(service), "{name}");
        }
        assert_eq!(nearest_known("zzzzzz"), None);
    }

    #[test]
    fn every_line_of_the_table_is_read() {
        assert_eq!(SERVICES.bad_row(row), None);
        for name in ["s3", "ssm", "ssmmessages", "ec2messages", "logs", "kms", "secretsmanager", "sts", "ecr.api"] {
            assert!(embedded().contains(name), "{name}");
        }
    }
}
