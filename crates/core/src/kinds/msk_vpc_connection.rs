//! Managed VPC connections: how clients of another VPC of the account reach the cluster by PrivateLink.
//!
//! MSK changes none: another subnet, group or way to authenticate is another connection. It goes before the cluster's way in is turned
//! off, and is made once that is on.

use super::prelude::*;

/// The state of a connection that clients can use.
pub const AVAILABLE: &str = "available";

spec! {
    pub struct MskVpcConnection {
        pub state: String => Rule::by(state).hidden(),
        pub cluster: Ref => Rule::replace().hidden(),
        /// `iam`, `scram` or `tls`.
        pub auth: String => Rule::replace(),
        /// The clients' VPC.
        pub vpc: Ref => Rule::replace(),
        /// Of the clients, one for each zone.
        pub subnets: Vec<Ref> => Rule::replace().hidden(),
        pub security_groups: Vec<Ref> => Rule::replace().hidden(),
    }
}

impl Kind for MskVpcConnection {
    const NAME: &'static str = "msk_vpc_connection";
    const ENGINE: Option<Engine> = Some(Engine::Msk);
    const UNIQUE: bool = false;

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let all = design.stack.cluster.msk.iter().flat_map(|msk| &msk.vpc_connections);
        let connection = |one: &crate::stack::ConnectionKeys| {
            let spec = MskVpcConnection {
                state: AVAILABLE.to_owned(),
                cluster: Ref::to(super::MskCluster::NAME, "main"),
                auth: one.auth.word().to_owned(),
                vpc: Ref::Id(one.vpc.0.clone()),
                subnets: one.subnets.iter().map(|id| Ref::Id(id.0.clone())).collect(),
                security_groups: one.security_groups.iter().map(|id| Ref::Id(id.0.clone())).collect(),
            };
            (one.name.0.clone(), spec)
        };
        all.map(connection).collect()
    }

    fn home(&self) -> Vec<&str> {
        self.vpc.id().into_iter().collect()
    }

    fn minutes(&self, _: Option<&str>) -> u64 {
        15
    }

    /// AWS bills the cluster's ways in and the data; a connection by itself costs nothing (MSK pricing, "Private connectivity", 2026).
    fn price(&self, _: &mut Costs<'_>) {}
}

/// One that came up is waited for; one that clients no longer get through is made again, unless somebody at the cluster said no.
fn state(change: &FieldChange, _: bool) -> Effect {
    match change.before.as_str().unwrap_or_default() {
        "creating" => Effect::InPlace,
        "rejected" | "rejecting" => Effect::Refuse {
            reason: "the connection was rejected at the cluster, and clients can't use it".to_owned(),
            remedy:
                "remove it below `cluster.msk.vpc_connections`; or delete it in MSK, and the next apply makes it again"
                    .to_owned(),
        },
        _ => Effect::Replace,
    }
}
