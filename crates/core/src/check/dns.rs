//! Rules of the stack's names in DNS.

use crate::file::{Checker, Network};

/// The longest time to live, in seconds: longer than that a client would look for a broker where it was.
const LONGEST_TTL: u64 = 86_400;

/// Checks the key `network.dns`.
pub fn check(net: &Network, checker: &mut Checker<'_>) {
    let Some(dns) = &net.dns else { return };
    if checker.given("cluster.msk").is_some() {
        checker.error(
            "network.dns",
            "MSK's brokers have names of AWS's own, and their certificates and IAM hold for no others",
            "remove `dns`; `kstack status FILE` prints the names of MSK's brokers",
        );
    }
    if !(1..=LONGEST_TTL).contains(&dns.ttl.0) {
        checker.error(
            "network.dns.ttl",
            format!("a name's answer can't be kept for {}", dns.ttl),
            "use `1s` to `1d`; `60s` is usual",
        );
    }
}
