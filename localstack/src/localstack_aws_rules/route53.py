"""Route 53: LocalStack's, with AWS's rules for who makes a zone and which changes of records are taken.

moto makes a second zone for a reference that was used, a second record beside one that is there, and a part of a batch that is
refused; and it refuses to make again what was deleted.
"""

import ipaddress
from datetime import UTC, datetime

from localstack.aws.api.route53 import (
    ChangeInfo,
    ChangeResourceRecordSetsResponse,
    ChangeStatus,
    ConflictingDomainExists,
    HostedZoneAlreadyExists,
    InvalidChangeBatch,
    NoSuchHostedZone,
)
from localstack.services.moto import MotoFallbackDispatcher
from localstack.services.plugins import Service
from localstack.services.route53.provider import Route53Provider
from moto.route53.models import RecordSet, route53_backends


def service() -> Service:
    return Service.for_provider(Provider(), dispatch_table_factory=MotoFallbackDispatcher)


def backend(context):
    """moto's state of the account."""
    return route53_backends[context.account_id][context.partition]


def dotted(name: str) -> str:
    return name.lower().rstrip(".") + "."


def key(record) -> tuple:
    return dotted(record["Name"]), record["Type"], record.get("SetIdentifier")


def live_key(record: RecordSet) -> tuple:
    return dotted(record.name), record.type_, record.set_identifier


def values(record) -> list[str]:
    return [one["Value"] for one in record.get("ResourceRecords") or []]


class Provider(Route53Provider):
    def create_hosted_zone(self, context, name, caller_reference, vpc=None, **kwargs):
        zones = backend(context).zones.values()
        if any(zone.caller_reference == caller_reference for zone in zones):
            raise HostedZoneAlreadyExists(f"A hosted zone has already been created with the reference {caller_reference}")
        seen = [zone for zone in zones if vpc and any(one.get("vpc_id") == vpc["VPCId"] for one in zone.vpcs)]
        if any(dotted(zone.name) == dotted(name) for zone in seen):
            raise ConflictingDomainExists(f"The VPC {vpc['VPCId']} has a hosted zone of the domain {name} already")
        return super().create_hosted_zone(context, name, caller_reference, vpc=vpc, **kwargs)

    def change_resource_record_sets(self, context, hosted_zone_id, change_batch, **kwargs):
        """All of a batch's changes are made, or none."""
        zone = backend(context).zones.get(hosted_zone_id.removeprefix("/hostedzone/"))
        if zone is None:
            raise NoSuchHostedZone(f"No hosted zone found with ID: {hosted_zone_id}")
        records = {live_key(record): record for record in zone.rrsets}
        for change in change_batch["Changes"]:
            change_one(zone, records, change["Action"], change["ResourceRecordSet"])
        zone.rrsets = list(records.values())
        info = ChangeInfo(Id="/change/C0000000000", Status=ChangeStatus.INSYNC, SubmittedAt=datetime.now(UTC))
        return ChangeResourceRecordSetsResponse(ChangeInfo=info)


def change_one(zone, records: dict[tuple, RecordSet], action: str, record) -> None:
    name, kind, _ = key(record)
    named = f"[name='{name}', type='{kind}']"
    if not f".{name}".endswith(f".{dotted(zone.name)}"):
        raise InvalidChangeBatch(f"RRSet with DNS name {name} is not permitted in zone {zone.name}")
    live = records.get(key(record))
    if action == "DELETE":
        if live is None:
            raise InvalidChangeBatch(f"Tried to delete resource record set {named} but it was not found")
        if (sorted(live.records), int(live.ttl)) != (sorted(values(record)), int(record.get("TTL") or 0)):
            raise InvalidChangeBatch(f"Tried to delete resource record set {named} but the values do not match")
        del records[key(record)]
        return
    if action == "CREATE" and live is not None:
        raise InvalidChangeBatch(f"Tried to create resource record set {named} but it already exists")
    others = [other for other in records if other[0] == name and other[1] != kind and "CNAME" in (other[1], kind)]
    if others:
        raise InvalidChangeBatch(f"RRSet {named} conflicts with the record of the type {others[0][1]}")
    for value in values(record):
        check(kind, value, named)
    records[key(record)] = RecordSet({**record, "Name": name, "ResourceRecords": values(record)})


def check(kind: str, value: str, named: str) -> None:
    quoted = len(value) >= 2 and value[0] == value[-1] == '"'
    if kind == "TXT" and not quoted:
        raise InvalidChangeBatch(f"Invalid resource record {named}: {value} should be enclosed in quotation marks")
    if kind == "A":
        try:
            ipaddress.IPv4Address(value)
        except ValueError as wrong:
            raise InvalidChangeBatch(f"Invalid resource record {named}: {value} is not a valid IPv4 address") from wrong
