//! KMS, Parameter Store and Secrets Manager, for a stack's certificates and passwords. Source: the Service Authorization Reference, "AWS Key
//! Management Service", "AWS Systems Manager" and "AWS Secrets Manager", and the guide of Parameter Store, "AWS KMS encryption for AWS Systems Manager Parameter Store SecureString parameters".
//!
//! A key is known by its tags; what is done with an alias is authorised for the alias and for the key.

use super::call;
use crate::permissions::Call;
use crate::permissions::OfUsers::{SecretKeys, Secrets};
use crate::permissions::Scope::{
    Account, AnyPaperKey, AuthorityParameters, NewPaperKey, OfUsers, PaperAlias, PaperKey, PaperKeyUse,
    PaperParameters, Papers, UserSecrets,
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
    // It has no narrower scope.
    call!("secretsmanager" "ListSecrets", Papers),
    // Source: Secrets Manager user guide, "Secret encryption and decryption", permissions for the KMS key.
    call!("secretsmanager" "CreateSecret", UserSecrets; with "secretsmanager:TagResource" UserSecrets, "kms:GenerateDataKey" PaperKeyUse, "kms:Decrypt" PaperKeyUse),
    call!("secretsmanager" "DescribeSecret", UserSecrets),
    call!("secretsmanager" "GetSecretValue", UserSecrets; with "kms:Decrypt" PaperKeyUse),
    call!("secretsmanager" "DescribeSecret" of "others", OfUsers(Secrets)),
    call!("secretsmanager" "GetSecretValue" of "others", OfUsers(Secrets); with "kms:Decrypt" OfUsers(SecretKeys)),
    call!("secretsmanager" "RestoreSecret", UserSecrets),
    call!("secretsmanager" "DeleteSecret", UserSecrets),
    call!("secretsmanager" "TagResource" of "secret", UserSecrets),
    call!("secretsmanager" "UntagResource" of "secret", UserSecrets),
];
