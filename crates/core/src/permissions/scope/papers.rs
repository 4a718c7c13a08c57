//! Where permissions for a stack's keys and certificates hold.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Scope, Subject, Where};
use crate::cloud_init::PAPERS;
use crate::kinds::{kms_key, user_secret};
use crate::stack::RoleName;

/// What the file names of others for users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OfUsers {
    /// The secrets with their passwords.
    Secrets,
    /// The KMS keys that encrypt those.
    SecretKeys,
    /// The roles that get their rights.
    Roles,
}

impl Subject<'_> {
    /// The resources of `scope` and a condition; `None` where the stack has no certificates.
    pub(super) fn papers(&self, scope: Scope) -> Option<(Vec<String>, Value)> {
        let name = &*self.stack.name;
        if !self.stack.has_papers() {
            return None;
        }
        Some(match scope {
            Scope::Papers => {
                (vec!["*".to_owned()], json!({"StringEquals": {"aws:RequestedRegion": &*self.stack.region}}))
            }
            Scope::PaperParameters => (vec![self.arn("ssm", &format!("parameter{PAPERS}/{name}/*"))], Value::Null),
            Scope::AuthorityParameters => {
                let authorities = format!("{PAPERS}/{name}/authorities/*");
                let users = (!self.stack.access.users.is_empty()).then(|| format!("{PAPERS}/{name}/users/*"));
                let all = [authorities].into_iter().chain(users);
                (all.map(|one| self.arn("ssm", &format!("parameter{one}"))).collect(), Value::Null)
            }
            Scope::PaperKey => (vec![self.arn("kms", "key/*")], self.tagged("ResourceTag")),
            Scope::PaperKeyUse => match self.stack.named_papers_key() {
                Some((key, _)) => self.key(key),
                None => return self.papers(Scope::PaperKey),
            },
            Scope::UserSecrets => {
                let name = format!("secret:{}*", user_secret::secret_name(name, ""));
                (vec![self.arn("secretsmanager", &name)], Value::Null)
            }
            Scope::OfUsers(OfUsers::Secrets) => {
                let all: Vec<String> = self.stack.named_secrets().map(|(_, arn)| arn.to_owned()).collect();
                (!all.is_empty()).then_some((all, Value::Null))?
            }
            // The file does not name them.
            Scope::OfUsers(OfUsers::SecretKeys) => {
                self.stack.named_secrets().next()?;
                let service = format!("secretsmanager.{}.amazonaws.com", &*self.stack.region);
                (vec![self.arn("kms", "key/*")], json!({"StringLike": {"kms:ViaService": format!("{service}*")}}))
            }
            Scope::OfUsers(OfUsers::Roles) => {
                let of = |role: &RoleName| match role.home() {
                    Some(_) => vec![role.to_string()],
                    // It may have a path.
                    None => vec![self.iam(&format!("role/{role}")), self.iam(&format!("role/*/{role}"))],
                };
                let all: BTreeSet<String> = self.stack.named_roles().flat_map(|(_, role)| of(role)).collect();
                (!all.is_empty()).then(|| (all.into_iter().collect(), Value::Null))?
            }
            Scope::AnyPaperKey => (vec![self.arn("kms", "key/*")], Value::Null),
            Scope::NewPaperKey => (vec!["*".to_owned()], self.tagged("RequestTag")),
            Scope::PaperAlias => (vec![self.arn("kms", &kms_key::alias(name))], Value::Null),
            _ => return None,
        })
    }
}

/// The same for grants that are given to AWS's services only.
pub(super) fn for_services((resources, condition): Where) -> Where {
    let mut condition = if condition.is_null() { json!({}) } else { condition };
    condition["Bool"] = json!({"kms:GrantIsForAWSResource": "true"});
    (resources, condition)
}
