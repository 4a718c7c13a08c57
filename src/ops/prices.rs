//! The prices in use for a region: AWS's own while they are fresh, over the embedded table. Reads and writes their file.

use std::fs;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use super::Failure;
use crate::aws::region_prices;
use crate::sandbox;
use crate::session::write_file;
use kstack_core::observed::Observed;
use kstack_core::plan::{CostDelta, Plan, cost_delta};
use kstack_core::pricing::{CAPTURED, PriceAnswer, Prices, embedded};

/// How long prices from AWS are preferred to the embedded table.
const FRESH: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Prices of one region, and where they come from.
pub struct RegionPrices {
    pub prices: Prices,
    /// A sentence.
    pub source: String,
}

impl RegionPrices {
    /// AWS's own prices while they are fresh, over the embedded table.
    pub fn load(region: &str) -> RegionPrices {
        let mut prices = embedded().clone();
        let answer = fs::read(file(region)).ok().and_then(|text| serde_json::from_slice::<PriceAnswer>(&text).ok());
        let fresh = answer.filter(|answer| {
            let asked = answer.asked.parse::<Timestamp>();
            answer.region == region && asked.is_ok_and(|asked| Timestamp::now().duration_since(asked) < FRESH)
        });
        let source = match &fresh {
            Some(answer) => format!(
                "Prices of {region}: {} from the AWS Price List, read {}; the rest from the embedded table of {CAPTURED}.",
                answer.prices.len(),
                answer.asked.split('T').next().unwrap_or_default()
            ),
            None => format!(
                "Prices of {region}: the embedded table of {CAPTURED}; `kstack prices refresh` reads AWS's current ones."
            ),
        };
        prices.prefer(fresh.map(|answer| answer.prices).unwrap_or_default());
        RegionPrices { prices, source }
    }
}

/// How the plan changes the monthly cost of the live resources.
pub fn cost_of(plan: &Plan, live: &Observed) -> CostDelta {
    cost_delta(plan, live, &RegionPrices::load(&plan.region).prices)
}

/// Reads the region's prices from the AWS Price List and keeps them. Returns how many there are, and in which file.
///
/// # Errors
/// AWS's answer, that it has no prices of the region, or that they can't be written.
pub async fn refresh(region: &str) -> Result<(usize, PathBuf), Failure> {
    let prices = region_prices(region).await?;
    if prices.is_empty() {
        return Err(Failure::new(format!("the AWS Price List has none of kstack's prices for {region}"))
            .hint("check the region's name; the embedded table stays in use"));
    }
    let count = prices.len();
    let answer = PriceAnswer { asked: Timestamp::now().to_string(), region: region.to_owned(), prices };
    let path = file(region);
    let written = path.parent().map_or(Ok(()), fs::create_dir_all);
    let text = serde_json::to_string(&answer).unwrap_or_default();
    written
        .and_then(|()| write_file(&path, text.as_bytes()))
        .map_err(|error| Failure::new(format!("{} can't be written: {error}", path.display())))?;
    Ok((count, path))
}

/// Beside the sandbox, in the user's cache.
fn file(region: &str) -> PathBuf {
    let sandbox = sandbox::folder();
    sandbox.parent().unwrap_or(&sandbox).join("prices").join(format!("{region}.json"))
}
