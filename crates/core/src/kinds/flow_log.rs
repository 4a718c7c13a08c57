//! VPC flow logs: what the VPC's interfaces send and receive, as records in a bucket of others or in a log group of the stack's.

use super::prelude::*;
use super::{FlowLogRole, LogGroup};
use crate::stack::{FLOW_LOGS, FlowLogs};

spec! {
    pub struct FlowLog {
        pub vpc: Ref => Rule::replace().hidden(),
        /// The bucket's ARN, which may end in a folder; or the log group. AWS changes nothing of a flow log once it is made.
        pub destination: Ref => Rule::replace(),
        /// The role by which records get into a log group; none for a bucket.
        #[serde(default = "no_role")]
        pub role: Ref => Rule::replace().hidden(),
    }
}

fn no_role() -> Ref {
    Ref::None
}

impl Kind for FlowLog {
    const NAME: &'static str = "flow_log";

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let log = design.stack.network.flow_logs.as_ref().map(|logs| match logs {
            FlowLogs::Bucket(arn) => {
                FlowLog { vpc: design.vpc(), destination: Ref::Id(arn.to_string()), role: Ref::None }
            }
            FlowLogs::Own(_) => FlowLog {
                vpc: design.vpc(),
                destination: Ref::to(LogGroup::NAME, FLOW_LOGS),
                role: Ref::to(FlowLogRole::NAME, "main"),
            },
        });
        log.map(|log| ("main".to_owned(), log)).into_iter().collect()
    }

    fn home(&self) -> Vec<&str> {
        self.vpc.id().into_iter().collect()
    }

    /// What it costs follows from the traffic alone.
    fn price(&self, _: &mut Costs<'_>) {}
}
