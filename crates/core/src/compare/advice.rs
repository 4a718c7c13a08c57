//! What to take, in one sentence, from the numbers of a comparison.

use crate::pricing::{Choice, HOURS_PER_MONTH, Purpose, money};
use crate::units::TimeSpan;

/// USD a month below which a managed service is worth its price: a few hours of an engineer.
const SMALL: f64 = 200.0;

/// The sentence for `choices`, which are sorted by cost; `None` when no price is known in full.
///
/// Combined controllers and development tiers are never advised for production. A stack
/// with a `ttl` is for tests, whatever it runs on.
pub(super) fn advice(choices: &[Choice], ttl: Option<TimeSpan>) -> Option<String> {
    if let Some(ttl) = ttl {
        return for_a_while(choices, ttl);
    }
    let of = |purpose: Purpose| choices.iter().find(|choice| choice.complete() && choice.purpose == purpose);
    let shown = |choice: &Choice| format!("{} ({}) at {} USD a month", choice.name, choice.what, money(choice.usd));
    // For tests, what is cheaper than whatever is taken for production.
    let tests = |taken: &Choice| match of(Purpose::Test).filter(|choice| choice.usd < taken.usd) {
        Some(choice) => format!("; for tests alone {} costs {} USD", choice.name, money(choice.usd)),
        None => String::new(),
    };
    Some(match (of(Purpose::Own), of(Purpose::Managed)) {
        (Some(own), Some(managed)) => {
            let more = managed.usd - own.usd;
            let who = managed.terms.patches;
            if more <= 0.0 {
                format!(
                    "Take {}: it is {} USD cheaper than {}, and {who} patches and repairs it{}.",
                    shown(managed),
                    money(-more),
                    shown(own),
                    tests(managed)
                )
            } else if more <= SMALL {
                format!(
                    "Take {}: for a cluster this small, {} USD more than {} is less than the hours that you would spend on patching and repairing it{}.",
                    shown(managed),
                    money(more),
                    shown(own),
                    tests(managed)
                )
            } else {
                format!(
                    "Take {} if you can operate it: a service that {who} patches and repairs costs {} USD more ({:.0} %), with {}{}.",
                    shown(own),
                    money(more),
                    more / own.usd * 100.0,
                    shown(managed),
                    tests(own)
                )
            }
        }
        (Some(only), None) | (None, Some(only)) => {
            format!("Take {}: it is the only choice for production whose prices are all known.", shown(only))
        }
        (None, None) => return None,
    })
}

/// The sentence for a stack with a lifetime of `ttl`: the cheapest of those with brokers in its own VPC, for that time.
fn for_a_while(choices: &[Choice], ttl: TimeSpan) -> Option<String> {
    let hours = ttl.0 as f64 / 3600.0;
    let mut known = choices.iter().filter(|choice| choice.complete() && choice.brokers.is_some());
    let taken = known.next()?;
    let shown = |choice: &Choice| {
        format!(
            "{} ({}) at {} USD for that time",
            choice.name,
            choice.what,
            money(choice.usd / HOURS_PER_MONTH * hours)
        )
    };
    let managed = |choice: &Choice| choice.terms.patches != "you";
    let other = known.find(|choice| managed(choice) != managed(taken)).map(shown);
    let against = other.map(|other| format!(", against {other}")).unwrap_or_default();
    Some(format!(
        "For the stack's lifetime of {ttl}, take {}{against}: it expires before it needs a patch.",
        shown(taken)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::Terms;

    fn choice(name: &str, purpose: Purpose, usd: f64) -> Choice {
        let terms = Terms { patches: "AWS", heals: "AWS", versions: "", reach: "" };
        Choice {
            name: name.to_owned(),
            what: "3".to_owned(),
            brokers: None,
            storage_gib: 0.0,
            usd,
            estimated: false,
            limit: String::new(),
            purpose,
            terms,
            bill: Default::default(),
        }
    }

    #[test]
    fn the_numbers_decide() {
        let of = |own: f64, managed: f64, test: f64| {
            let all = [("own", Purpose::Own, own), ("MSK", Purpose::Managed, managed), ("test", Purpose::Test, test)];
            advice(&all.map(|(name, purpose, usd)| choice(name, purpose, usd)), None).unwrap_or_default()
        };
        assert_eq!(
            of(1000.0, 800.0, 9000.0),
            "Take MSK (3) at 800.00 USD a month: it is 200.00 USD cheaper than own (3) at 1,000.00 USD a month, and AWS patches and repairs it."
        );
        assert_eq!(
            of(300.0, 450.0, 50.0),
            "Take MSK (3) at 450.00 USD a month: for a cluster this small, 150.00 USD more than own (3) at 300.00 USD a month is less than the hours that you would spend on patching and repairing it; for tests alone test costs 50.00 USD."
        );
        assert_eq!(
            of(1000.0, 1500.0, 9000.0),
            "Take own (3) at 1,000.00 USD a month if you can operate it: a service that AWS patches and repairs costs 500.00 USD more (50 %), with MSK (3) at 1,500.00 USD a month."
        );
    }

    #[test]
    fn a_price_that_is_not_known_takes_no_part() {
        let mut own = choice("own", Purpose::Own, 1.0);
        own.bill.gaps.push("a price".to_owned());
        let managed = choice("MSK", Purpose::Managed, 1500.0);
        let sentence = advice(&[own.clone(), managed], None).unwrap_or_default();
        assert_eq!(
            sentence,
            "Take MSK (3) at 1,500.00 USD a month: it is the only choice for production whose prices are all known."
        );
        assert_eq!(advice(&[own], None), None);
    }

    #[test]
    fn a_stack_of_hours_takes_the_cheapest_for_its_time() {
        let mut all =
            [("test", Purpose::Test, 730.0), ("own", Purpose::Own, 1460.0), ("MSK", Purpose::Managed, 1500.0)]
                .map(|(name, purpose, usd)| Choice { brokers: Some(3), ..choice(name, purpose, usd) });
        all[0].terms.patches = "you";
        all[1].terms.patches = "you";
        assert_eq!(
            advice(&all, Some(TimeSpan(4 * 3600))).unwrap_or_default(),
            "For the stack's lifetime of 4h, take test (3) at 4.00 USD for that time, against MSK (3) at 8.22 USD for that time: it expires before it needs a patch."
        );
        all[0].brokers = None;
        let sentence = advice(&all, Some(TimeSpan(730 * 3600))).unwrap_or_default();
        assert!(sentence.starts_with("For the stack's lifetime of 730h, take own (3) at 1,460.00 USD"), "{sentence}");
    }
}
