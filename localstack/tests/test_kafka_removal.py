"""Brokers that are taken away: by MSK's choice those that have no partitions, where processes stand for brokers."""

from localstack_aws_rules.kafka import partitions
from localstack_aws_rules.kafka.store import Cluster


def cluster() -> Cluster:
    arn = "arn:aws:kafka:us-east-1:123456789012:cluster/orders/0b1c-7"
    return Cluster(arn, "orders", "PROVISIONED", {}, {}, brokers={1: "eni-1", 2: "eni-2"})


def test_what_is_on_a_broker_is_in_its_folder(tmp_path, monkeypatch):
    assert partitions.on_broker(cluster(), 1) == []
    monkeypatch.setenv("AWS_RULES_BROKERS", str(tmp_path))
    assert partitions.on_broker(cluster(), 1) == [], "no process stands for it"
    data = tmp_path / "0b1c-7" / "broker-1" / "data"
    for name in ("orders-0", "a-b-12.4f2a-future", "orders-1.4f2a-delete", "__amazon_msk_canary-0", "__cluster_metadata-0"):
        (data / name).mkdir(parents=True)
    (data / "meta.properties").touch()
    assert partitions.on_broker(cluster(), 1) == ["a-b-12.4f2a-future", "orders-0"]
    assert partitions.on_broker(cluster(), 2) == []
