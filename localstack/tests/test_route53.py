"""Route 53: one zone for a reference and for a VPC's domain, and batches of changes of which all are made, or none."""

import pytest
from conftest import refused

ZONE = "kafka.example.internal"


@pytest.fixture
def route53(aws):
    return aws.client("route53")


@pytest.fixture
def vpc(aws):
    return aws.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]


def request(vpc: str, reference: str, name: str = ZONE) -> dict:
    place = {"VPCRegion": "us-east-1", "VPCId": vpc}
    config = {"PrivateZone": True, "Comment": "names"}
    return {"Name": name, "VPC": place, "CallerReference": reference, "HostedZoneConfig": config}


@pytest.fixture
def zone(route53, vpc):
    return route53.create_hosted_zone(**request(vpc, "one"))["HostedZone"]["Id"].removeprefix("/hostedzone/")


def change(action: str, name: str, *values: str, kind: str = "A", ttl: int = 60) -> dict:
    records = [{"Value": value} for value in values]
    return {
        "Action": action,
        "ResourceRecordSet": {"Name": f"{name}.{ZONE}", "Type": kind, "TTL": ttl, "ResourceRecords": records},
    }


def send(*changes: dict) -> dict:
    return {"ChangeBatch": {"Changes": list(changes)}}


def listed(route53, zone: str) -> dict:
    all_of_it = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    mine = [one for one in all_of_it if one["Type"] not in ("NS", "SOA")]
    return {one["Name"]: [value["Value"] for value in one["ResourceRecords"]] for one in mine}


def test_a_reference_makes_one_zone_and_a_vpc_sees_one_of_a_domain(route53, vpc, zone):
    refused("HostedZoneAlreadyExists", route53.create_hosted_zone, **request(vpc, "one", "other.internal"))
    refused("ConflictingDomainExists", route53.create_hosted_zone, **request(vpc, "two"))
    assert len(route53.list_hosted_zones()["HostedZones"]) == 1
    route53.delete_hosted_zone(Id=zone)
    route53.create_hosted_zone(**request(vpc, "two"))


def test_of_a_batch_all_changes_are_made_or_none(route53, zone):
    create = route53.change_resource_record_sets
    create(HostedZoneId=zone, **send(change("CREATE", "broker-1", "10.0.0.1"), change("CREATE", "all", "10.0.0.1")))
    before = listed(route53, zone)
    assert before == {f"broker-1.{ZONE}.": ["10.0.0.1"], f"all.{ZONE}.": ["10.0.0.1"]}
    for wrong in (
        change("CREATE", "broker-1", "10.0.0.9"),
        change("DELETE", "broker-1", "10.0.0.9"),
        change("DELETE", "broker-1", "10.0.0.1", ttl=5),
        change("DELETE", "broker-3", "10.0.0.1"),
        change("CREATE", "broker-3", "nothing"),
        change("CREATE", "note", "without quotes", kind="TXT"),
        change("CREATE", "broker-1", "elsewhere.example.com", kind="CNAME"),
    ):
        more = change("CREATE", "broker-2", "10.0.0.2")
        refused("InvalidChangeBatch", create, HostedZoneId=zone, **send(more, wrong))
        assert listed(route53, zone) == before, wrong
    refused("NoSuchHostedZone", create, HostedZoneId="Z0", **send(change("CREATE", "broker-2", "10.0.0.2")))
    gone, again = change("DELETE", "broker-1", "10.0.0.1"), change("CREATE", "broker-1", "10.0.0.1")
    create(HostedZoneId=zone, **send(gone))
    create(HostedZoneId=zone, **send(again, change("UPSERT", "all", "10.0.0.2", "10.0.0.1")))
    assert listed(route53, zone) == {f"broker-1.{ZONE}.": ["10.0.0.1"], f"all.{ZONE}.": ["10.0.0.2", "10.0.0.1"]}
    refused("HostedZoneNotEmpty", route53.delete_hosted_zone, Id=zone)
