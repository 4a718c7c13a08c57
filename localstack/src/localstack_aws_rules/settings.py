"""Every time the rules wait for, and how a test chooses faults and times of its own.

A time is an environment variable in seconds: `AWS_RULES_` and its name in capitals. Waits are a
fraction of a second by default, so that tests see each state pass by without losing time; the
windows in which AWS counts are as long as AWS's, because nothing waits for them.

While LocalStack runs, `PUT /_aws_rules/ACCOUNT` sets both for one account (see README.md).
"""

import fnmatch
import json
import os
import threading
import time

from localstack.aws.api import CommonServiceException
from localstack.http import Request, Response

PREFIX = "AWS_RULES_"
DEFAULTS = {
    # EC2: how long a state lasts
    "instance_start": 0.2,
    "instance_stop": 0.2,
    "nat_gateway_start": 0.2,
    "nat_gateway_stop": 0.2,
    "endpoint_start": 0.2,
    "endpoint_stop": 0.2,
    "volume_create": 0.1,
    "volume_modify": 0.2,
    "volume_optimize": 0.2,
    # EC2: how long something is remembered
    "terminated_kept": 3600.0,
    "volume_modify_window": 86400.0,
    # MSK: how long a cluster is CREATING and DELETING, an operation takes, a broker restarts
    "cluster_create": 0.3,
    "cluster_delete": 0.3,
    "cluster_update": 0.3,
    "broker_reboot": 0.3,
    # MSK: how long after a growth of storage the next is refused
    "storage_cooling_off": 21600.0,
}

FAULT_MEMBERS = {"service", "operation", "error", "message", "status", "delay", "outcome", "count"}

_chosen: dict[str, dict] = {}
_lock = threading.Lock()


def seconds(account: str, name: str) -> float:
    """The time of that name: the account's, else the environment's, else the default."""
    times = _chosen.get(account, {}).get("times", {})
    return float(times.get(name) or 0) if name in times else from_environment(name)


def from_environment(name: str) -> float:
    return float(os.environ.get(PREFIX + name.upper()) or DEFAULTS[name])


def choose(account: str, wanted: dict) -> dict:
    """Takes an account's times and faults in place of those it had; ValueError says what is wrong."""
    times, faults = wanted.get("times", {}), wanted.get("faults", [])
    if unknown := set(wanted) - {"times", "faults"}:
        raise ValueError(f"unknown member: {', '.join(sorted(unknown))}")
    if unknown := set(times) - set(DEFAULTS):
        raise ValueError(f"unknown time: {', '.join(sorted(unknown))}")
    for fault in faults:
        if unknown := set(fault) - FAULT_MEMBERS:
            raise ValueError(f"unknown member of a fault: {', '.join(sorted(unknown))}")
        if not {"service", "operation"} <= set(fault):
            raise ValueError("a fault needs service and operation")
    chosen = {"times": dict(times), "faults": [dict(fault) for fault in faults]}
    with _lock:
        _chosen[account] = chosen
    return chosen


def take_fault(account: str, service: str, operation: str, outcome: bool) -> dict | None:
    """The first fault that is meant for a call, counted down. `outcome` asks for one that shows later."""
    with _lock:
        faults = _chosen.get(account, {}).get("faults", [])
        for fault in faults:
            meant = fault["service"] == service and fnmatch.fnmatch(operation, fault["operation"])
            if meant and ("outcome" in fault) == outcome:
                if "count" in fault:
                    fault["count"] -= 1
                    if fault["count"] <= 0:
                        faults.remove(fault)
                return dict(fault)
    return None


def fail_on_demand(account: str, service: str, operation: str) -> None:
    """Slows or refuses a call that a fault was chosen for."""
    fault = take_fault(account, service, operation, outcome=False)
    if fault is None:
        return
    time.sleep(float(fault.get("delay", 0)))
    if "error" in fault:
        status = int(fault.get("status", 400))
        message = fault.get("message", "Chosen by a test.")
        raise CommonServiceException(fault["error"], message, status_code=status, sender_fault=status < 500)


def serve(request: Request, account: str) -> Response:
    """`GET`, `PUT` and `DELETE` of what is chosen for an account."""
    if request.method == "DELETE":
        with _lock:
            _chosen.pop(account, None)
    elif request.method == "PUT":
        try:
            choose(account, json.loads(request.get_data() or b"{}"))
        except (ValueError, TypeError, AttributeError) as wrong:
            return reply({"error": str(wrong)}, status=400)
    chosen = _chosen.get(account, {})
    times = {name: seconds(account, name) for name in DEFAULTS}
    return reply({"times": times, "faults": chosen.get("faults", [])})


def reply(body: dict, status: int = 200) -> Response:
    return Response(json.dumps(body), status=status, mimetype="application/json")
