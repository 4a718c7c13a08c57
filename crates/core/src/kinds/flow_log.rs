//! VPC flow logs: what the VPC's interfaces send and receive, as records in a bucket.

use super::prelude::*;

spec! {
    pub struct FlowLog {
        pub vpc: Ref => Rule::replace().hidden(),
        /// The bucket's ARN, which may end in a folder. AWS changes nothing of a flow log once it is made.
        pub destination: String => Rule::replace(),
    }
}

impl Kind for FlowLog {
    const NAME: &'static str = "flow_log";

    fn desired(design: &Design) -> Vec<(String, Self)> {
        let destination = design.stack.network.flow_logs.as_ref().map(ToString::to_string);
        let log = destination.map(|destination| FlowLog { vpc: design.vpc(), destination });
        log.map(|log| ("main".to_owned(), log)).into_iter().collect()
    }

    fn home(&self) -> Vec<&str> {
        self.vpc.id().into_iter().collect()
    }

    /// What it costs follows from the traffic alone.
    fn price(&self, _: &mut Costs<'_>) {}
}
