//! The AWS Price List API. Not exercised here against AWS, and LocalStack has none: a test answers in the documented shape.
//! What the answers say is read in `pricing`.

use aws_config::{BehaviorVersion, Region};
use aws_sdk_pricing::types::{Filter, FilterType};

use super::failed;
use crate::error::StepError;
use kstack_core::engines::price_list;
use kstack_core::pricing::{Prices, read_answer};

/// Where the API is, whatever region it is asked about.
const ENDPOINT_REGION: &str = "us-east-1";

/// Every price of `region` that kstack knows to read.
///
/// # Errors
/// AWS's first answer that is not what was asked for.
pub async fn region_prices(region: &str) -> Result<Prices, StepError> {
    let loader = aws_config::defaults(BehaviorVersion::latest()).region(Region::new(ENDPOINT_REGION));
    let client = aws_sdk_pricing::Client::new(&loader.load().await);
    let mut prices = Prices::default();
    let items = price_list();
    for question in items.iter().flat_map(|items| items.queries) {
        let own = [("regionCode", region)];
        let pairs = own.into_iter().chain(question.filters.iter().copied());
        let filters = pairs.map(|(field, value)| {
            let filter = Filter::builder().r#type(FilterType::TermMatch).field(field).value(value).build();
            filter.map_err(|error| StepError::Internal(error.to_string()))
        });
        let mut pages = client
            .get_products()
            .service_code(question.service)
            .set_filters(Some(filters.collect::<Result<Vec<_>, _>>()?))
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            for product in page.map_err(failed("GetProducts"))?.price_list() {
                read_answer(&items, product, region, &mut prices);
            }
        }
    }
    Ok(prices)
}
