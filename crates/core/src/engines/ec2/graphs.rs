//! What a dashboard shows of hosts and volumes on EC2: what CloudWatch knows without an agent. Sources as in `alarms`.

use crate::engines::alarms::Watched;
use crate::engines::graphs::Graph;

const fn graph(title: &'static str, of: Watched, metric: &'static str, statistic: &'static str, seconds: u32) -> Graph {
    Graph { title, of, metric, statistic, seconds }
}

pub const ALL: [Graph; 10] = [
    graph("Failed status checks", Watched::Host, "AWS/EC2 StatusCheckFailed", "Maximum", 300),
    graph("Processors busy, %", Watched::Host, "AWS/EC2 CPUUtilization", "Average", 300),
    graph("Received, bytes in 5 minutes", Watched::Host, "AWS/EC2 NetworkIn", "Sum", 300),
    graph("Sent, bytes in 5 minutes", Watched::Host, "AWS/EC2 NetworkOut", "Sum", 300),
    graph("Written, bytes in a minute", Watched::Volume, "AWS/EBS VolumeWriteBytes", "Sum", 60),
    graph("Read, bytes in a minute", Watched::Volume, "AWS/EBS VolumeReadBytes", "Sum", 60),
    graph("More operations asked for than the volume does", Watched::Volume, IOPS, "Maximum", 60),
    graph("More throughput asked for than the volume has", Watched::Volume, THROUGHPUT, "Maximum", 60),
    graph("Operations that wait", Watched::Volume, "AWS/EBS VolumeQueueLength", "Average", 60),
    graph("No I/O completed", Watched::Volume, "AWS/EBS VolumeStalledIOCheck", "Maximum", 60),
];

const IOPS: &str = "AWS/EBS VolumeIOPSExceededCheck";
const THROUGHPUT: &str = "AWS/EBS VolumeThroughputExceededCheck";
