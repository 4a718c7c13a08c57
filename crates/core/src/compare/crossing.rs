//! Where one way of running a cluster becomes cheaper than another, found by search over the ingress.

use serde::Serialize;

/// Where another choice becomes the cheapest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Crossing {
    /// Average ingress before compression, in MiB/s, at which both cost the same, within 1 %.
    pub ingress_mibs: f64,
    /// The cheapest below it.
    pub below: String,
    /// The cheapest above it.
    pub above: String,
}

/// Steps of the first pass, each a fixed factor larger, from `LEAST_MIBS` to `MOST_MIBS`.
const STEPS: i32 = 24;
/// The ingress at which the search begins and ends.
const LEAST_MIBS: f64 = 0.1;
const MOST_MIBS: f64 = 1000.0;

/// Every ingress from 0.1 to 1,000 MiB/s at which `cheapest` returns another name. Two changes within one step of the first
/// pass, a factor of about 1.5, are missed.
pub(super) fn crossings(cheapest: impl Fn(f64) -> Option<String>) -> Vec<Crossing> {
    let mut found = Vec::new();
    let step = (MOST_MIBS / LEAST_MIBS).powf(1.0 / f64::from(STEPS));
    let mut below = (LEAST_MIBS, cheapest(LEAST_MIBS));
    for index in 1..=STEPS {
        let rate = LEAST_MIBS * step.powi(index);
        let above = (rate, cheapest(rate));
        if let (Some(one), Some(other)) = (&below.1, &above.1)
            && one != other
        {
            let (mut low, mut high, mut name) = (below.0, above.0, other.clone());
            while high / low > 1.01 {
                let middle = (low * high).sqrt();
                match cheapest(middle) {
                    Some(found) if found == *one => low = middle,
                    Some(found) => (high, name) = (middle, found),
                    None => break,
                }
            }
            found.push(Crossing { ingress_mibs: (low * high).sqrt(), below: one.clone(), above: name });
        }
        below = above;
    }
    found
}

/// The ingress at which `dearer_later` first costs as much as `cheaper_later`, to a millionth of a MiB/s; `None` when it does not
/// up to 1,000 MiB/s.
pub(super) fn break_even(dearer_later: impl Fn(f64) -> f64, cheaper_later: impl Fn(f64) -> f64) -> Option<f64> {
    let ahead = |rate: f64| dearer_later(rate) < cheaper_later(rate);
    if !ahead(0.0) || ahead(MOST_MIBS) {
        return None;
    }
    let (mut low, mut high) = (0.0, MOST_MIBS);
    while high - low > 1e-6 {
        let middle = (low + high) / 2.0;
        if ahead(middle) { low = middle } else { high = middle }
    }
    Some((low + high) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crossing_is_found_where_it_is() {
        let found = crossings(|rate| Some(if rate < 7.0 { "a" } else { "b" }.to_owned()));
        let [only] = found.as_slice() else { panic!("{found:?}") };
        assert!((only.ingress_mibs / 7.0 - 1.0).abs() < 0.01);
        assert_eq!((only.below.as_str(), only.above.as_str()), ("a", "b"));
        assert_eq!(crossings(|_| Some("a".to_owned())), []);
    }

    #[test]
    fn a_break_even_is_found_where_it_is() {
        assert!((break_even(|rate| 10.0 + rate * 2.0, |_| 20.0).unwrap() - 5.0).abs() < 1e-5);
        assert_eq!(break_even(|rate| rate, |_| 1e9), None);
        assert_eq!(break_even(|rate| 10.0 + rate, |_| 5.0), None);
    }
}
