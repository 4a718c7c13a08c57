//! An AWS call that failed, and what its class means for what to do next.

use std::fmt;

use kstack_core::permissions;

/// What an error means for what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The resource does not exist, or is not visible yet.
    NotFound,
    /// AWS refused the call because there were too many.
    Throttled,
    /// The credentials do not allow it, or there are none.
    Denied,
    /// The credentials have expired, or are not valid: AWS takes no call with them.
    Credentials,
    /// This machine's clock is so far from AWS's that AWS takes no call that it signs.
    Clock,
    /// The resource is already in the requested state.
    AlreadyDone,
    /// Another resource still uses this one.
    InUse,
    /// Another call came first.
    Conflict,
    /// Whether AWS did it is unknown: no answer, or an answer without an error code.
    Unknown,
    /// This process may no longer write: its lease has ended.
    LeaseEnded,
    Other,
}

impl Class {
    /// Whether every other call of this process would end in the same way.
    pub fn ends_all(self) -> bool {
        matches!(self, Class::Credentials | Class::Clock)
    }
}

/// An AWS call that failed, as the SDK reported it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudError {
    /// The API operation, such as `CreateVolume`.
    pub operation: String,
    pub code: Option<String>,
    pub message: String,
    pub request_id: Option<String>,
    pub class: Class,
}

/// What stands before the hundreds of characters that say in code why EC2 denies a call; `aws sts decode-authorization-message`
/// reads them.
const ENCODED: &str = "Encoded authorization failure message:";

/// Whole with `{:#}`; else without EC2's encoded message, which is shown once and not again in each summary.
impl fmt::Display for CloudError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = match self.message.split_once(ENCODED) {
            Some((before, _)) if !out.alternate() => before.trim_end(),
            _ => &self.message,
        };
        let message = message.strip_suffix('.').unwrap_or(message);
        let what = if self.class == Class::LeaseEnded { "was not sent" } else { "failed" };
        write!(out, "{} {what}: {message}", self.operation)?;
        if let Some(code) = &self.code {
            write!(out, " ({code})")?;
        }
        if let Some(id) = &self.request_id {
            write!(out, " [request {id}]")?;
        }
        Ok(())
    }
}

impl std::error::Error for CloudError {}

impl CloudError {
    /// Whether AWS knows the caller, and its policies don't allow the call: the codes of EC2, of IAM and most services, and of MSK.
    fn lacks_permission(&self) -> bool {
        let codes = ["UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "ForbiddenException"];
        self.code.as_deref().is_some_and(|code| codes.contains(&code)) && permissions::remedy(&self.operation).is_some()
    }

    /// What to do about it, where that is known.
    pub fn remedy(&self) -> Option<&'static str> {
        match self.class {
            Class::Denied if self.lacks_permission() => permissions::remedy(&self.operation),
            Class::Denied => Some("check the credentials (such as AWS_PROFILE) and their permissions"),
            Class::Credentials => Some("get new credentials and run the command again: it continues where it stopped"),
            Class::Clock => Some(
                "set this machine's clock, such as with NTP, and run the command again: it continues where it stopped",
            ),
            Class::Throttled => Some("AWS is throttling calls; run the command again later"),
            Class::Unknown => {
                Some("check the network and AWS_ENDPOINT_URL, and run the command again: it continues where it stopped")
            }
            Class::LeaseEnded => Some("run the command again; `kstack status` shows who is changing the stack now"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_message_is_shown_whole_only_where_it_is_asked_for() {
        let error = CloudError {
            operation: "RunInstances".to_owned(),
            code: Some("UnauthorizedOperation".to_owned()),
            message: format!("You are not authorized to perform this operation. {ENCODED} 5Ab0c"),
            request_id: None,
            class: Class::Denied,
        };
        let short = "RunInstances failed: You are not authorized to perform this operation (UnauthorizedOperation)";
        assert_eq!(error.to_string(), short);
        assert!(format!("{error:#}").contains("message: 5Ab0c (UnauthorizedOperation)"));
        let step: crate::error::StepError = error.into();
        assert_eq!(step.to_string(), short);
        assert!(format!("{step:#}").contains("5Ab0c"));
    }

    #[test]
    fn a_failed_call_says_what_failed_in_the_words_of_the_api() {
        let error = CloudError {
            operation: "CreateVpc".to_owned(),
            code: Some("VpcLimitExceeded".to_owned()),
            message: "The maximum number of VPCs has been reached.".to_owned(),
            request_id: Some("1234".to_owned()),
            class: Class::Other,
        };
        assert_eq!(
            error.to_string(),
            "CreateVpc failed: The maximum number of VPCs has been reached (VpcLimitExceeded) [request 1234]"
        );
        let denied =
            CloudError { class: Class::Denied, code: Some("UnauthorizedOperation".to_owned()), ..error.clone() };
        let remedy = denied.remedy().unwrap_or_default();
        assert!(
            remedy.contains("`ec2:CreateVpc` and `ec2:CreateTags`") && remedy.contains("kstack policy"),
            "{remedy}"
        );
        // Nobody to give a permission to.
        let unknown = CloudError { code: Some("AuthFailure".to_owned()), ..denied };
        assert!(unknown.remedy().is_some_and(|remedy| remedy.contains("AWS_PROFILE")), "{unknown:?}");
        let ended = CloudError { class: Class::LeaseEnded, code: None, request_id: None, ..error };
        assert!(ended.to_string().starts_with("CreateVpc was not sent: "), "{ended}");
    }
}
