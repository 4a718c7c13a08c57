"""What AWS's API of MSK has, and the locked botocore does not know yet.

Since August 2026 UpdateConnectivity turns the access of clients to ZooKeeper on and off, which the way to KRaft asks for; the
cluster's description does not show it, only operations do. Shapes as in aws-sdk-kafka 1.134.0, for Rust.
"""

NAME = "kafka/2018-11-14/service-2"

_ACCESS = {"shape": "ZookeeperAccess", "locationName": "zookeeperAccess"}

#: a JSON patch of the service's description
PATCH = [
    {
        "op": "add",
        "path": "/shapes/ZookeeperAccess",
        "value": {
            "type": "structure",
            "members": {"Enabled": {"shape": "__boolean", "locationName": "enabled"}},
        },
    },
    {"op": "add", "path": "/shapes/UpdateConnectivityRequest/members/ZookeeperAccess", "value": _ACCESS},
    {"op": "add", "path": "/shapes/MutableClusterInfo/members/ZookeeperAccess", "value": _ACCESS},
    {"op": "replace", "path": "/shapes/UpdateConnectivityRequest/required", "value": ["ClusterArn", "CurrentVersion"]},
]
