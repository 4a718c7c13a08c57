//! Leadership after rolls.

use std::time::Duration;

use kstack_core::moves::led_by_others;

use super::{Admin, MoveError};

/// How often the cluster is looked at until all is in sync: rolls have waited for that, and a controller may be a little behind.
const LOOKS: u32 = 10;
const REST: Duration = Duration::from_secs(1);

/// Lets preferred leaders lead again where others do, in one request, once all is in sync. How many partitions that is for.
///
/// # Errors
/// What is in the way.
pub async fn lead_again(admin: &Admin<'_>) -> Result<usize, MoveError> {
    let mut looks = 1;
    loop {
        let view = admin.look().await?;
        match view.troubles().into_iter().next() {
            None => {
                let keys = led_by_others(&view);
                if !keys.is_empty() {
                    admin.elect(&keys).await?;
                }
                return Ok(keys.len());
            }
            Some(why) if looks == LOOKS => return Err(MoveError::Kafka(why)),
            Some(_) => tokio::time::sleep(REST).await,
        }
        looks += 1;
    }
}
