//! Route 53. Source: the Service Authorization Reference, "Amazon Route 53", and the developer guide, "Using IAM policy conditions for
//! fine-grained access control to manage resource record sets".
//!
//! It authorises by no tags: a policy holds the zone of others by its id, and the names in it by the stack's domain.

use super::call;
use crate::permissions::Call;
use crate::permissions::Scope::{Account, NameZones, Names, Region};

pub const CALLS: &[Call] = &[
    call!("route53" "ListHostedZones", Account),
    call!("route53" "ListHostedZonesByVPC", Account; with "ec2:DescribeVpcs" Region),
    call!("route53" "ListTagsForResources", NameZones),
    call!("route53" "ListResourceRecordSets", NameZones),
    call!("route53" "GetHostedZone", NameZones),
    call!("route53" "CreateHostedZone", Account; with "ec2:DescribeVpcs" Region),
    call!("route53" "ChangeTagsForResource", NameZones),
    call!("route53" "ChangeResourceRecordSets", Names),
    // A zone of the stack's own goes with whatever others have put into it.
    call!("route53" "ChangeResourceRecordSets" of "zone", NameZones),
    call!("route53" "DeleteHostedZone", NameZones),
];
