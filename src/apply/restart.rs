//! The restart of hosts with new certificates, all at once.

use std::collections::BTreeSet;

use crate::aws::declared::{RESTART, during};
use crate::aws::{Aws, kinds as drivers, restart};
use crate::driver::{Ctx, IdMap};
use crate::error::StepError;
use crate::wait::retry;
use kstack_core::kinds::{Instance, Kind as _};
use kstack_core::model::{Address, Tags};

/// Gives each of `hosts`, by name and instance, a new certificate; then stops all instances, and starts them again. `stopped` hears that
/// all have stopped. It may run again, wherever it was cut short.
///
/// # Errors
/// The first call that failed.
pub async fn all(aws: &Aws, hosts: &[(String, String)], stopped: impl FnOnce()) -> Result<(), StepError> {
    let (ids, tags) = (IdMap::default(), Tags::new());
    for (host, _) in hosts {
        let address = Address::new(Instance::NAME, host);
        let ctx = Ctx {
            system: aws,
            address: &address,
            tags: &tags,
            token: "",
            ids: &ids,
            progress: &|_| (),
            check_instance: false,
            batch: None,
        };
        retry(|| drivers::renew_certificate(&ctx)).await?;
    }
    let instances: BTreeSet<String> = hosts.iter().map(|(_, id)| id.clone()).collect();
    during([RESTART, &[]], async {
        retry(|| restart::stop_all(aws, &instances)).await?;
        stopped();
        retry(|| restart::start_all(aws, &instances)).await
    })
    .await
}
