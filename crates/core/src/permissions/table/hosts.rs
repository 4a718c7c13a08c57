//! IAM, Systems Manager, STS and the Price List. Source: the Service Authorization Reference, "AWS Identity and Access Management",
//! "AWS Systems Manager" and "AWS Price List".

use super::call;
use crate::permissions::Call;
use crate::permissions::OfUsers::Roles;
use crate::permissions::Scope::{
    Account, BoundedRole, ClaimPath, Claims, ImageParameters, NamedPolicies, OfUsers, OwnSessions, ParameterPath,
    Parameters, PassRole, Profile, Role, RoleBoundary, RolePolicies, SessionDocument, SessionInstances, ShellDocuments,
    UnboundRole,
};

pub const CALLS: &[Call] = &[
    call!("iam" "GetRole", Role),
    call!("iam" "ListAttachedRolePolicies", Role),
    call!("iam" "ListRolePolicies", Role),
    call!("iam" "GetRolePolicy", Role),
    call!("iam" "GetRole" of "users", OfUsers(Roles)),
    call!("iam" "GetRolePolicy" of "users", OfUsers(Roles)),
    // IAM has no condition on what is in an inline policy, nor on its name.
    call!("iam" "PutRolePolicy" of "users", OfUsers(Roles)),
    call!("iam" "DeleteRolePolicy" of "users", OfUsers(Roles)),
    call!("iam" "ListRoles", Account),
    call!("iam" "GetPolicy", NamedPolicies),
    call!("iam" "GetPolicyVersion", NamedPolicies),
    Call {
        remedy: "let the policy of these credentials allow `iam:CreateRole` and `iam:TagRole`; where roles are made only with a permissions \
                 boundary, name it with `cluster.ec2.iam.permissions_boundary`, or an instance profile that is there with \
                 `instance_profile`; `kstack policy FILE` prints what each command needs",
        ..call!("iam" "CreateRole", BoundedRole; with "iam:TagRole" Role)
    },
    // IAM has no condition on what is in an inline policy: whoever may put one can give the hosts of this one stack any permission, or any
    // that the boundary leaves.
    call!("iam" "PutRolePolicy", BoundedRole),
    call!("iam" "AttachRolePolicy", RolePolicies),
    call!("iam" "PutRolePermissionsBoundary", RoleBoundary),
    call!("iam" "DeleteRolePermissionsBoundary", UnboundRole),
    call!("iam" "DeleteRolePolicy", Role),
    call!("iam" "DetachRolePolicy", Role),
    call!("iam" "UpdateAssumeRolePolicy", Role),
    call!("iam" "DeleteRole", Role),
    call!("iam" "TagRole", Role),
    call!("iam" "UntagRole", Role),
    call!("iam" "GetInstanceProfile", Profile),
    call!("iam" "ListInstanceProfiles", Account),
    call!("iam" "CreateInstanceProfile", Profile; with "iam:TagInstanceProfile" Profile),
    call!("iam" "AddRoleToInstanceProfile", Profile; with "iam:PassRole" PassRole),
    call!("iam" "RemoveRoleFromInstanceProfile", Profile),
    call!("iam" "DeleteInstanceProfile", Profile),
    call!("iam" "TagInstanceProfile", Profile),
    call!("iam" "UntagInstanceProfile", Profile),
    // It is authorised for the path that is asked for (Systems Manager user guide, "How Parameter Store authorizes parameter retrieval").
    call!("ssm" "GetParametersByPath", ParameterPath),
    call!("ssm" "GetParametersByPath" of "claims", ClaimPath),
    call!("ssm" "GetParameters", ImageParameters),
    // Tags are given when a parameter is made.
    call!("ssm" "PutParameter", Parameters; with "ssm:AddTagsToResource" Parameters),
    call!("ssm" "PutParameter" of "claims", Claims; with "ssm:AddTagsToResource" Claims),
    call!("ssm" "DeleteParameter", Parameters),
    call!("ssm" "DeleteParameters", Parameters),
    call!("ssm" "DeleteParameters" of "claims", Claims),
    // It is authorised for the instance and for the document, each in a statement of its own (Session Manager's guide, "Additional sample
    // IAM policies for Session Manager").
    call!("ssm" "StartSession", SessionInstances; with "ssm:StartSession" SessionDocument),
    call!("ssm" "StartSession" of "shell", SessionInstances; with "ssm:StartSession" ShellDocuments),
    call!("ssm" "TerminateSession", OwnSessions),
    // Every caller may make it (STS API reference, GetCallerIdentity).
    call!("sts" "GetCallerIdentity"),
    call!("pricing" "GetProducts", Account),
];
