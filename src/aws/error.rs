//! From the SDK's errors to kstack's, classified by code in this one place.

use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::SdkError;

use crate::error::{Class, CloudError, StepError};

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
        let class = match &error {
            SdkError::ServiceError(_) => classify(code.as_deref(), status),
            _ if shown.contains(super::LEASE_ENDED) => Class::LeaseEnded,
            SdkError::ConstructionFailure(_) => Class::Other,
            // The SDK finds credentials while it dispatches; without any, no call was made. Its errors have no code here.
            _ if ["credentials provider", "loading credentials"].iter().any(|words| shown.contains(words)) => {
                Class::Denied
            }
            _ => Class::Unknown,
        };
        let message = match (class, meta.message()) {
            (Class::LeaseEnded, _) => "the lease on the stack has ended".to_owned(),
            (_, Some(message)) => message.to_owned(),
            (Class::Denied, None) => format!("no credentials were found: {}", causes(&error)),
            (_, None) => causes(&error),
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

/// The class of an error code; codes of EC2, IAM, SSM, STS, MSK and Application Auto Scaling. Never by message.
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
        | "Client.RequestLimitExceeded"
        | "BandwidthLimitExceeded"
        | "SlowDown" => Class::Throttled,
        "UnauthorizedOperation"
        | "AccessDenied"
        | "AccessDeniedException"
        | "AuthFailure"
        | "InvalidClientTokenId"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "SignatureDoesNotMatch"
        | "MissingAuthenticationToken"
        | "UnrecognizedClientException"
        | "OptInRequired"
        | "ForbiddenException"
        | "UnauthorizedException"
        | "Blocked" => Class::Denied,
        "Resource.AlreadyAssociated"
        | "InvalidPermission.Duplicate"
        | "RouteAlreadyExists"
        | "EntityAlreadyExists"
        | "AttachmentAlreadyExists" => Class::AlreadyDone,
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
        | "IncorrectState"
        | "IncorrectInstanceState" => Class::InUse,
        "ParameterAlreadyExists"
        | "IdempotentParameterMismatch"
        | "IdempotentInstanceTerminated"
        | "ConflictException"
        | "InvalidGroup.Duplicate"
        | "InvalidPlacementGroup.Duplicate"
        | "InvalidSubnet.Conflict"
        | "ConcurrentModification" => Class::Conflict,
        "NoSuchEntity"
        | "NoSuchEntityException"
        | "ParameterNotFound"
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
        | "ServiceFailure"
        | "RequestExpired" => Class::Unknown,
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
}

impl<T> Done for Result<T, StepError> {
    fn or_gone(self) -> Result<(), StepError> {
        match self {
            Err(error) if error.class() != Class::NotFound => Err(error),
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
}
