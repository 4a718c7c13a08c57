"""What is on brokers: MSK takes none away that has partitions.

Where processes stand for the brokers, each keeps its data in `AWS_RULES_BROKERS/ID/broker-NUMBER/data`, with a folder for each
partition; ID is the end of the cluster's ARN. Brokers without such a folder have nothing on them. Source: MSK developer guide, "Remove a
broker from an Amazon MSK cluster".
"""

import os
import re
from pathlib import Path

from localstack_aws_rules.kafka.store import Cluster

# MSK moves these by itself, and the log of the controllers is no partition of a user's
NOT_OF_USERS = {"__amazon_msk_canary", "__amazon_msk_canary_state", "__cluster_metadata"}
FOLDER = re.compile(r"(.+)-\d+(\.[0-9a-f]+-future)?")


def on_broker(cluster: Cluster, number: int) -> list[str]:
    """The partitions of users on the broker; one that is being deleted is none."""
    root = os.environ.get("AWS_RULES_BROKERS")
    if not root:
        return []
    data = Path(root) / cluster.arn.rpartition("/")[2] / f"broker-{number}" / "data"
    try:
        names = sorted(entry.name for entry in os.scandir(data) if entry.is_dir())
    except OSError:
        return []
    found = ((name, FOLDER.fullmatch(name)) for name in names if not name.endswith("-delete"))
    return [name for name, match in found if match and match[1] not in NOT_OF_USERS]
