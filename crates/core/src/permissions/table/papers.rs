//! KMS and Parameter Store, for a stack's certificates. Source: the Service Authorization Reference, "AWS Key Management Service" and "AWS
//! Systems Manager", and the guide of Parameter Store, "AWS KMS encryption for AWS Systems Manager Parameter Store SecureString parameters".
//!
//! A key is known by its tags; what is done with an alias is authorised for the alias and for the key.

use super::call;
use crate::permissions::Call;
use crate::permissions::Scope::{
    Account, AnyPaperKey, AuthorityParameters, NewPaperKey, PaperAlias, PaperKey, PaperKeyUse, PaperParameters, Papers,
};

pub const CALLS: &[Call] = &[
    call!("kms" "DescribeKey", AnyPaperKey),
    call!("kms" "ListKeys", Account),
    call!("kms" "ListAliases", Account),
    call!("kms" "ListResourceTags", AnyPaperKey),
    call!("kms" "GetKeyRotationStatus", PaperKey),
    call!("kms" "CreateKey", NewPaperKey; with "kms:TagResource" NewPaperKey),
    call!("kms" "CreateAlias", PaperAlias; with "kms:CreateAlias" PaperKey),
    // Of the key that had it too, which is to be deleted.
    call!("kms" "UpdateAlias", PaperAlias; with "kms:UpdateAlias" PaperKey),
    call!("kms" "DeleteAlias", PaperAlias; with "kms:DeleteAlias" PaperKey),
    call!("kms" "EnableKeyRotation", PaperKey),
    call!("kms" "EnableKey", PaperKey),
    call!("kms" "CancelKeyDeletion", PaperKey),
    call!("kms" "ScheduleKeyDeletion", PaperKey),
    call!("kms" "TagResource" of "key", PaperKey),
    call!("kms" "UntagResource" of "key", PaperKey),
    // It has no narrower scope.
    call!("ssm" "DescribeParameters", Papers),
    call!("ssm" "PutParameter" of "papers", PaperParameters; with "ssm:AddTagsToResource" PaperParameters, "kms:Encrypt" PaperKeyUse),
    call!("ssm" "GetParameters" of "papers", AuthorityParameters; with "kms:Decrypt" PaperKeyUse),
    call!("ssm" "DeleteParameter" of "papers", PaperParameters),
];
