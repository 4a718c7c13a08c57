//! Where permissions for a stack's keys and certificates hold.

use serde_json::{Value, json};

use super::{Scope, Subject, Where};
use crate::cloud_init::PAPERS;
use crate::kinds::{kms_key, user_secret};

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
