"""Endpoint services that somebody offers: their zones and names, and whom their owner lets in."""

from functools import partial

from conftest import refused


def make_service(aws, zones: str, by_hand: bool) -> dict:
    arn = f"arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/net/{zones}/0123456789abcdef"
    make = aws.ec2.create_vpc_endpoint_service_configuration
    return make(NetworkLoadBalancerArns=[arn], AcceptanceRequired=by_hand)["ServiceConfiguration"]


def described(aws, endpoint_id: str) -> dict:
    return aws.ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint_id])["VpcEndpoints"][0]


def test_an_endpoint_of_somebodys_service_has_a_name_in_each_zone(aws):
    service = make_service(aws, "a-b", by_hand=False)
    listed = aws.ec2.describe_vpc_endpoint_services(ServiceNames=[service["ServiceName"]])["ServiceDetails"][0]
    assert (listed["AcceptanceRequired"], listed["AvailabilityZones"]) == (False, ["us-east-1a", "us-east-1b"])
    subnets = [
        aws.ec2.create_subnet(VpcId=aws.vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"us-east-1{zone}")
        for number, zone in ((201, "a"), (202, "b"), (203, "c"))
    ]
    first, second, third = (subnet["Subnet"]["SubnetId"] for subnet in subnets)
    wanted = {"VpcId": aws.vpc, "ServiceName": service["ServiceName"], "VpcEndpointType": "Interface"}
    create = partial(aws.ec2.create_vpc_endpoint, **wanted)
    refused("InvalidParameter", create, SubnetIds=[first, third], PrivateDnsEnabled=False)
    refused("InvalidParameter", create, SubnetIds=[first], PrivateDnsEnabled=True)
    made = create(SubnetIds=[first], PrivateDnsEnabled=False)["VpcEndpoint"]
    domain = f"{service['ServiceId']}.us-east-1.vpce.amazonaws.com"
    names = [entry["DnsName"] for entry in made["DnsEntries"]]
    whole = names[0].removesuffix(f".{domain}")
    assert names == [f"{whole}.{domain}", f"{whole}-us-east-1a.{domain}"]
    assert whole.startswith(made["VpcEndpointId"])
    modify = partial(aws.ec2.modify_vpc_endpoint, VpcEndpointId=made["VpcEndpointId"])
    refused("InvalidParameter", modify, AddSubnetIds=[third])
    modify(AddSubnetIds=[second])
    names = [entry["DnsName"] for entry in described(aws, made["VpcEndpointId"])["DnsEntries"]]
    assert names[2] == f"{whole}-us-east-1b.{domain}"


def test_the_owner_of_a_service_accepts_and_rejects_endpoints(aws):
    service = make_service(aws, "a", by_hand=True)
    wanted = {"VpcId": aws.vpc, "ServiceName": service["ServiceName"], "VpcEndpointType": "Interface"}
    made = aws.ec2.create_vpc_endpoint(**wanted, PrivateDnsEnabled=False)["VpcEndpoint"]
    assert made["State"] == "pendingAcceptance"
    connection = {"ServiceId": service["ServiceId"], "VpcEndpointIds": [made["VpcEndpointId"]]}
    aws.ec2.reject_vpc_endpoint_connections(**connection)
    assert described(aws, made["VpcEndpointId"])["State"] == "rejected"
    aws.ec2.accept_vpc_endpoint_connections(**connection)
    assert described(aws, made["VpcEndpointId"])["State"] in ("pending", "available")
    another = make_service(aws, "a", by_hand=True)["ServiceId"]
    refused("InvalidVpcEndpointId.NotFound", aws.ec2.accept_vpc_endpoint_connections, **{**connection, "ServiceId": another})
    refused("InvalidVpcEndpointServiceId.NotFound", aws.ec2.accept_vpc_endpoint_connections, **{**connection, "ServiceId": "vpce-svc-0"})
