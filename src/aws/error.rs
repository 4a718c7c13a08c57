//! From the SDK's errors to kstack's, classified by code in this one place.

use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::SdkError;

use super::date::date;
use crate::clock;
use crate::error::{Class, CloudError, StepError};
use jiff::{SignedDuration, Timestamp};
use kstack_core::expiry::age;

/// The error of `operation`, from the SDK's.
pub fn cloud<E>(operation: &'static str) -> impl Fn(SdkError<E, HttpResponse>) -> CloudError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    move |error| {
        let meta = error.meta();
        let code = meta.code().map(str::to_owned);
        let status = error.raw_response().map(|response| response.status().as_u16());
        let request_id = error
            .raw_response()
            .and_then(|response| {
                response.headers().get("x-amzn-requestid").or_else(|| response.headers().get("x-amz-request-id"))
            })
            .map(str::to_owned);
        let shown = DisplayErrorContext(&error).to_string();
        let answered = error.raw_response().and_then(|response| date(response.headers()));
        let skew = code.as_deref().and_then(|code| skew(code, clock::machine(), answered?));
        let class = match &error {
            SdkError::ServiceError(_) if skew.is_some() => Class::Clock,
            SdkError::ServiceError(_) => classify(code.as_deref(), status),
            _ if shown.contains(super::LEASE_ENDED) => Class::LeaseEnded,
            SdkError::ConstructionFailure(_) => Class::Other,
            // The SDK finds credentials while it dispatches; without any, no call was made. Its errors have no code here.
            _ if ["credentials provider", "loading credentials"].iter().any(|words| shown.contains(words)) => {
                Class::Denied
            }
            _ => Class::Unknown,
        };
        let expired = code.as_deref().is_some_and(|code| EXPIRED.contains(&code));
        let message = match (class, skew, meta.message()) {
            (_, Some(skew), _) => skewed(skew, expired),
            (Class::LeaseEnded, ..) => "the lease on the stack has ended".to_owned(),
            (Class::Credentials, ..) if expired => "the AWS credentials have expired".to_owned(),
            (.., Some(message)) => message.to_owned(),
            (Class::Denied, ..) => format!("no credentials were found: {}", causes(&error)),
            _ => causes(&error),
        };
        CloudError { operation: operation.to_owned(), code, message, request_id, class }
    }
}

/// The same as the error of a step.
pub fn failed<E>(operation: &'static str) -> impl Fn(SdkError<E, HttpResponse>) -> StepError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let cloud = cloud(operation);
    move |error| StepError::Cloud(cloud(error))
}

/// The messages of `error` and its causes, in order, each once.
fn causes(error: &dyn std::error::Error) -> String {
    let mut parts: Vec<String> = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = cause.source();
    }
    parts.join(": ")
}

/// What AWS answers to credentials that have expired. EC2 says `RequestExpired`, by its page "Error codes for the Amazon EC2 API"
/// also to a request whose time is too old; STS, IAM and SSM say one of the others ("Common error types" of their references).
const EXPIRED: &[&str] = &["ExpiredToken", "ExpiredTokenException", "RequestExpired"];

/// What AWS answers to a signature with a time that is too far from its own, among other causes: the codes of the SDK's own
/// correction of the clock (`service_clock_skew.rs` of aws-runtime) and of AWS's other SDKs.
const SKEWED: &[&str] = &[
    "AuthFailure",
    "InvalidSignatureException",
    "RequestInTheFuture",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
];

/// Clocks that differ by less are not why a call is refused: the SDK's own threshold. AWS allows five minutes.
const SKEW_THRESHOLD: SignedDuration = SignedDuration::from_mins(4);

/// How far this machine's clock, at `machine`, is ahead of AWS's, where that is why a call that AWS `answered` then may have
/// ended in `code`.
fn skew(code: &str, machine: Timestamp, answered: Timestamp) -> Option<SignedDuration> {
    let skew = machine.duration_since(answered);
    let may_be = EXPIRED.contains(&code) || SKEWED.contains(&code);
    (may_be && skew.abs() >= SKEW_THRESHOLD).then_some(skew)
}

/// That the clock is wrong, and by how much.
fn skewed(ahead: SignedDuration, expired: bool) -> String {
    let way = if ahead.is_negative() { "behind" } else { "ahead of" };
    let or = if expired { ", or the credentials have expired" } else { "" };
    format!("this machine's clock is {} {way} AWS's, which refuses what it signs{or}", age(ahead.abs().as_secs()))
}

/// The class of an error code; codes of EC2, IAM, SSM, STS, MSK, KMS, Secrets Manager, Route 53 and Application Auto Scaling. Never by message.
fn classify(code: Option<&str>, status: Option<u16>) -> Class {
    let Some(code) = code else {
        return if status.is_some_and(|status| status >= 500) { Class::Unknown } else { Class::Other };
    };
    match code {
        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyUpdates"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "EC2ThrottledException"
        | "PriorRequestNotComplete"
        | "Client.RequestLimitExceeded"
        | "BandwidthLimitExceeded"
        | "SlowDown" => Class::Throttled,
        "UnauthorizedOperation"
        | "AccessDenied"
        | "AccessDeniedException"
        | "AuthFailure"
        | "OptInRequired"
        | "ForbiddenException"
        | "UnauthorizedException"
        | "Blocked" => Class::Denied,
        _ if EXPIRED.contains(&code) => Class::Credentials,
        "RequestInTheFuture" | "RequestTimeTooSkewed" => Class::Clock,
        "IncompleteSignature"
        | "IncompleteSignatureException"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => Class::Credentials,
        "Resource.AlreadyAssociated"
        | "InvalidPermission.Duplicate"
        | "RouteAlreadyExists"
        | "EntityAlreadyExists"
        | "AttachmentAlreadyExists"
        // KMS's: of an alias, and of a key that is in the state in which a call would bring it.
        | "AlreadyExistsException"
        | "KMSInvalidStateException" => Class::AlreadyDone,
        "DependencyViolation"
        | "InvalidIPAddress.InUse"
        | "InvalidNetworkInterface.InUse"
        | "VolumeInUse"
        | "InvalidParameterValue.InUse"
        | "DeleteConflict"
        | "DeleteConflictException"
        | "InvalidGroup.InUse"
        | "InvalidPlacementGroup.InUse"
        | "ConcurrentUpdateException"
        | "HostedZoneNotEmpty"
        | "IncorrectState"
        | "IncorrectInstanceState" => Class::InUse,
        "ParameterAlreadyExists"
        | "ResourceExistsException"
        | "IdempotentParameterMismatch"
        | "IdempotentInstanceTerminated"
        | "ConflictException"
        | "HostedZoneAlreadyExists"
        | "InvalidChangeBatch"
        | "InvalidGroup.Duplicate"
        | "InvalidPlacementGroup.Duplicate"
        | "InvalidSubnet.Conflict"
        | "ConcurrentModification" => Class::Conflict,
        "NoSuchEntity"
        | "NoSuchEntityException"
        | "ParameterNotFound"
        | "NoSuchHostedZone"
        | "ResourceNotFound"
        | "Gateway.NotAttached"
        | "NatGatewayNotFound"
        | "InvalidPlacementGroup.Unknown" => Class::NotFound,
        // A definite no, although some of these come with status 500.
        "InsufficientInstanceCapacity"
        | "InsufficientHostCapacity"
        | "InsufficientVolumeCapacity"
        | "InsufficientAddressCapacity"
        | "InsufficientFreeAddressesInSubnet"
        | "InsufficientCapacity" => Class::Other,
        "InternalError"
        | "InternalFailure"
        | "InternalServerError"
        | "InternalServerErrorException"
        | "InternalServiceException"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "Unavailable"
        | "ServiceFailure" => Class::Unknown,
        _ if code.ends_with(".NotFound") || code.ends_with("NotFoundException") || code.ends_with(".Malformed") => {
            Class::NotFound
        }
        _ if status.is_some_and(|status| status >= 500) => Class::Unknown,
        _ => Class::Other,
    }
}

/// Helpers on the results of calls.
pub trait Done {
    /// Success also when there is nothing to do it to: for deleting.
    ///
    /// # Errors
    /// Any other error.
    fn or_gone(self) -> Result<(), StepError>;
    /// Success also when it has been done already.
    ///
    /// # Errors
    /// Any other error.
    fn or_done(self) -> Result<(), StepError>;
}

impl<T> Done for Result<T, StepError> {
    fn or_gone(self) -> Result<(), StepError> {
        match self {
            Err(error) if error.class() != Class::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn or_done(self) -> Result<(), StepError> {
        match self {
            Err(error) if error.class() != Class::AlreadyDone => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_a_class() {
        for (code, class) in [
            ("InvalidVpcID.NotFound", Class::NotFound),
            ("ParameterNotFound", Class::NotFound),
            ("RequestLimitExceeded", Class::Throttled),
            ("UnauthorizedOperation", Class::Denied),
            ("DependencyViolation", Class::InUse),
            ("InternalError", Class::Unknown),
            ("InvalidParameterValue", Class::Other),
        ] {
            assert_eq!(classify(Some(code), Some(400)), class, "{code}");
        }
        assert_eq!(classify(None, Some(503)), Class::Unknown);
    }

    #[test]
    fn what_no_other_call_would_pass_is_neither_a_bad_network_nor_a_missing_permission() {
        for code in [
            "RequestExpired",
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "IncompleteSignature",
        ] {
            for status in [400, 401, 403, 500, 503] {
                let class = classify(Some(code), Some(status));
                assert!(class == Class::Credentials && class.ends_all(), "{code} with {status}: {class:?}");
            }
        }
        for code in ["RequestTimeTooSkewed", "RequestInTheFuture"] {
            let class = classify(Some(code), Some(403));
            assert!(class == Class::Clock && class.ends_all(), "{code}: {class:?}");
        }
        // AuthFailure also says that one thing is not the caller's, such as an address.
        for code in ["AuthFailure", "AccessDenied", "UnauthorizedOperation", "AccessDeniedException"] {
            let class = classify(Some(code), Some(403));
            assert!(class == Class::Denied && !class.ends_all(), "{code}: {class:?}");
        }
    }

    #[test]
    fn a_wrong_clock_is_told_by_the_answers_date() {
        let aws: Timestamp = "2026-01-31T12:00:00Z".parse().expect("a time");
        let seconds =
            |code, ahead: i64| skew(code, aws + SignedDuration::from_secs(ahead), aws).map(|skew| skew.as_secs());
        for code in EXPIRED.iter().chain(SKEWED) {
            let cases =
                [(0, None), (30, None), (-239, None), (240, Some(240)), (-3600, Some(-3600)), (86_400, Some(86_400))];
            for (ahead, expected) in cases {
                assert_eq!(seconds(code, ahead), expected, "{code}, {ahead} s ahead");
            }
        }
        for code in ["AccessDenied", "UnauthorizedOperation", "InvalidParameterValue", "RequestLimitExceeded"] {
            assert_eq!(seconds(code, 3600), None, "{code} is no matter of time");
        }
        let text = "this machine's clock is 10m 5s ahead of AWS's, which refuses what it signs";
        assert_eq!(skewed(SignedDuration::from_secs(605), false), text);
        let text =
            "this machine's clock is 1h behind AWS's, which refuses what it signs, or the credentials have expired";
        assert_eq!(skewed(SignedDuration::from_secs(-3600), true), text);
    }
}
