//! Features of a cluster: which levels a broker supports, which are finalized, and raising those.

use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, UpdateFeaturesRequest};
use kstack_core::features::{Levels, Raise, Ranges};

use super::shape;
use super::{Brokers, BrokersError, refused, text};

/// How long the controllers may take for an update, in milliseconds: what Kafka's own tool gives them.
const UPDATE_TIMEOUT_MS: i32 = 60_000;
/// An update that raises, and lowers nothing.
const UPGRADE: i8 = 1;

/// What a broker says of features.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// What it supports itself.
    pub supported: Ranges,
    /// What is finalized in the cluster, as far as it has heard.
    pub finalized: Levels,
}

fn told(answer: &ApiVersionsResponse) -> Told {
    let supported = answer.supported_features.iter();
    let finalized = answer.finalized_features.iter();
    Told {
        supported: supported.map(|one| (one.name.to_string(), (one.min_version, one.max_version))).collect(),
        finalized: finalized.map(|one| (one.name.to_string(), one.max_version_level)).collect(),
    }
}

/// Asks the broker with this id, or any, for features.
///
/// # Errors
/// Why there is no answer.
pub async fn ask(brokers: &Brokers<'_>, node: Option<u32>) -> Result<Told, BrokersError> {
    let software = (text("kstack"), text(env!("CARGO_PKG_VERSION")));
    let request = ApiVersionsRequest::default().with_client_software_name(software.0);
    let request = request.with_client_software_version(software.1);
    // Version 3 leaves out what can be off.
    let shapes: [(i16, &[shape::Shape]); 2] = [(3, shape::API_VERSIONS_3), (4, shape::API_VERSIONS_3)];
    let answer = match node {
        Some(node) => brokers.ask_node(node, &request, &shapes).await?,
        None => brokers.ask(&request, &shapes).await?,
    };
    refused("ApiVersions", answer.error_code, None)?;
    Ok(told(&answer))
}

/// Raises the features, all of them or none; or only asks whether that would be done.
///
/// # Errors
/// Kafka's reason not to, with its words; or that there is no answer, and it may have been done.
pub async fn update(brokers: &Brokers<'_>, raises: &[Raise], validate_only: bool) -> Result<(), BrokersError> {
    let one = |raise: &Raise| {
        let key = FeatureUpdateKey::default().with_feature(text(&raise.feature));
        key.with_max_version_level(raise.to).with_upgrade_type(UPGRADE)
    };
    let request = UpdateFeaturesRequest::default().with_timeout_ms(UPDATE_TIMEOUT_MS).with_validate_only(validate_only);
    let request = request.with_feature_updates(raises.iter().map(one).collect());
    // From version 2 on it is all or nothing, and has one error.
    let shapes: [(i16, &[shape::Shape]); 1] = [(2, shape::UPDATE_FEATURES_2)];
    let answer = match validate_only {
        true => brokers.ask(&request, &shapes).await?,
        false => brokers.change(&request, &shapes).await?,
    };
    refused("UpdateFeatures", answer.error_code, answer.error_message.as_ref())
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::messages::UpdateFeaturesResponse;
    use kafka_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
    use kafka_protocol::protocol::Encodable;

    use super::*;
    use crate::kafka::shape::{Shape, walk};

    fn fits<T: Encodable>(answer: &T, version: i16, shape: &[Shape]) {
        let mut bytes = BytesMut::new();
        answer.encode(&mut bytes, version).expect("it can be written");
        assert_eq!(walk(shape, &bytes).map(<[u8]>::len), Some(0), "version {version}");
        for end in 0..bytes.len() {
            assert_eq!(walk(shape, &bytes[..end]), None, "cut off at {end}");
        }
    }

    fn answer() -> ApiVersionsResponse {
        let supported = SupportedFeatureKey::default().with_name(text("metadata.version"));
        let finalized = FinalizedFeatureKey::default().with_name(text("metadata.version"));
        ApiVersionsResponse::default()
            .with_api_keys(vec![ApiVersion::default().with_api_key(18).with_max_version(4)])
            .with_supported_features(vec![supported.with_min_version(7).with_max_version(27)])
            .with_finalized_features(vec![finalized.with_max_version_level(25).with_min_version_level(25)])
            .with_finalized_features_epoch(9)
    }

    #[test]
    fn the_shapes_are_those_of_the_answers() {
        fits(&answer(), 3, shape::API_VERSIONS_3);
        fits(&answer(), 4, shape::API_VERSIONS_3);
        let refusal = UpdateFeaturesResponse::default().with_error_code(95).with_error_message(Some(text("no")));
        fits(&refusal, 2, shape::UPDATE_FEATURES_2);
    }

    #[test]
    fn features_are_read_from_the_tagged_fields() {
        let told = told(&answer());
        assert_eq!(told.supported["metadata.version"], (7, 27));
        assert_eq!(told.finalized["metadata.version"], 25);
    }

    /// The list of a tagged field that announces more than is there would have memory reserved for all of it.
    #[test]
    fn a_tagged_list_is_walked_too() {
        let mut bytes = BytesMut::new();
        answer().encode(&mut bytes, 4).expect("it can be written");
        let name = bytes.windows(8).position(|part| part == b"metadata").expect("the feature");
        // Its length, and before that the number of features.
        bytes[name - 2] = 0x7f;
        assert_eq!(walk(shape::API_VERSIONS_3, &bytes), None);
    }
}
