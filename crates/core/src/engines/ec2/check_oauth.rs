//! Rules of `cluster.ec2.listeners.oauth`.

use super::check_listeners::has_way_out;
use super::keys::Version;
use super::listeners::Listeners;
use crate::cloud_init::is_url;
use crate::file::{Checker, Network};

const OAUTH: &str = "cluster.ec2.listeners.oauth";

/// The first Kafka whose validator of tokens a file names (KIP-1139), and with which it is known that a false token is refused.
const FIRST: Version = Version(4, 1, 0);

pub(super) fn check(listeners: &Listeners, checker: &mut Checker<'_>) {
    let Some(oauth) = &listeners.oauth else { return };
    let at = |key: &str| format!("{OAUTH}.{key}");
    if let Some(kafka) = checker.part::<Version>("cluster.ec2.kafka").filter(|kafka| *kafka < FIRST) {
        checker.error(
            OAUTH,
            format!("Kafka {kafka} can't be told by which validator it looks at tokens"),
            format!("take Kafka {FIRST} or newer, or let clients come by `scram` or `mtls`"),
        );
    }
    for (key, value, what) in [
        ("issuer", &oauth.issuer, "what the `iss` of a token is, such as `https://login.example.com/realms/kafka`"),
        ("audience", &oauth.audience, "what the `aud` of a token has, such as `kafka`"),
        ("claim", &oauth.claim, "the name of a claim that each token has, such as `sub` or `client_id`"),
    ] {
        // Kafka drops the spaces around what it compares.
        if value.is_empty() || value.trim() != value || value.chars().any(char::is_control) {
            let message = match value.is_empty() {
                true => format!("`{key}` is empty: no token has that"),
                false => format!("no token has `{}` for its `{key}`", value.escape_debug()),
            };
            checker.error(&at(key), message, format!("write {what}"));
        }
    }
    let jwks = &oauth.jwks;
    // Of several URLs, commas make a list; a shell and systemd read the others otherwise.
    if !is_url(jwks, &["https://"]) || jwks.contains(['%', ',', '*', '?', '[']) {
        let message = format!("`{}` is not a URL from which brokers can fetch the issuer's keys", jwks.escape_debug());
        let help = "write an https URL without `%`, `,`, `*`, `?` and `[`: the `jwks_uri` of the issuer's `/.well-known/openid-configuration`";
        checker.error(&at("jwks"), message, help);
    }
    if checker.part::<Network>("network").is_some_and(|net| !has_way_out(&net)) {
        let message = "with `nat: none` brokers reach no server outside of the VPC, and without the issuer's keys they take no token";
        checker.warning(
            &at("jwks"),
            message,
            "make sure that this server is reached from the VPC, or add NAT gateways",
        );
    }
}
