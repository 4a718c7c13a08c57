//! AWS's time, by the header `Date` of its answers. Leases and expiries are dated by it, since the clocks of two machines differ.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;
use jiff::Timestamp;

use crate::clock;

/// When AWS wrote an answer, to the second; nothing where the answer does not say so.
pub fn date(headers: &Headers) -> Option<Timestamp> {
    // An answer from a cache on the way is of another time, as RFC 9111 has it.
    let cached = headers.get("age").is_some();
    let text = headers.get("date").filter(|_| !cached)?;
    Timestamp::from_second(DateTime::from_str(text.trim(), Format::HttpDate).ok()?.secs()).ok()
}

/// Sets the clock by each answer that arrives.
#[derive(Debug, Clone, Copy)]
pub struct AwsTime;

#[dyn_dispatch_hint]
impl Intercept for AwsTime {
    fn name(&self) -> &'static str {
        "kstack clock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(at) = date(context.response().headers()) {
            clock::heard(at);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_dated_by_its_header_and_by_nothing_else() {
        let at = |name: &'static str, value: &'static str, age: Option<&'static str>| {
            let mut headers = Headers::new();
            headers.insert(name, value);
            if let Some(age) = age {
                headers.insert("age", age);
            }
            date(&headers).map(|at| at.to_string())
        };
        let time = Some("2026-01-31T12:00:05Z".to_owned());
        assert_eq!(at("Date", "Sat, 31 Jan 2026 12:00:05 GMT", None), time);
        assert_eq!(at("Date", "Sat, 31 Jan 2026 12:00:05 GMT", Some("60")), None, "it is from a cache");
        for text in ["", "now", "2026-01-31T12:00:05Z", "Sat, 99 Jan 2026 12:00:05 GMT"] {
            assert_eq!(at("date", text, None), None, "{text}");
        }
        assert_eq!(at("last-modified", "Sat, 31 Jan 2026 12:00:05 GMT", None), None);
    }
}
