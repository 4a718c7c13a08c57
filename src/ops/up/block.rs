//! The address block of an ephemeral stack, claimed so that no two stacks have the same.

use ipnet::Ipv4Net;
use jiff::Timestamp;

use crate::aws::Class;
use crate::ops::Failure;
use crate::session::Session;
use kstack_core::kinds::Vpc;
use kstack_core::model::Claim;
use kstack_core::network::free_blocks;
use kstack_core::observed::Observed;

/// The stack's address block: that of its VPC, or one that it has claimed already, or a free one.
///
/// # Errors
/// That no block is free; AWS's answer.
pub async fn choose(
    session: &Session,
    observed: &Observed,
    prefix: u8,
    expires_at: Timestamp,
) -> Result<Ipv4Net, Failure> {
    let (clients, stack) = (&session.aws.clients, session.name.to_string());
    let live = observed.of::<Vpc>().values().find_map(|(_, vpc)| vpc.cidr.parse().ok());
    if let Some(block) = live {
        return Ok(block);
    }
    let (claims, vpcs) = tokio::try_join!(clients.claims(), clients.vpc_blocks())?;
    if let Some(claim) = claims.iter().find(|claim| claim.stack == stack && claim.block.prefix_len() == prefix) {
        return Ok(claim.block);
    }
    let taken: Vec<Ipv4Net> = claims.iter().map(|claim| claim.block).chain(vpcs).collect();
    for block in free_blocks(&stack, prefix, &taken) {
        let claim = Claim { stack: stack.clone(), block, expires_at };
        match clients.put_claim(&claim).await {
            Ok(()) => return Ok(block),
            // Another stack was faster; or our own first try arrived and its answer did not.
            Err(error) if error.class() == Class::Conflict => {
                if clients.claims().await?.contains(&claim) {
                    return Ok(block);
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::new("no address block is free: every /16 of 10.0.0.0/8 is used by a VPC or claimed by a stack")
        .hint("delete stacks that are no longer needed with `kstack reap` or `kstack destroy`"))
}
