"""A service is whole before a second call gets to it."""

import threading
import time
from types import SimpleNamespace

from localstack.aws.handlers import service_plugin
from localstack.services.plugins import Service

from localstack_aws_rules.providers import load_services_whole


def test_a_second_call_waits_until_the_operations_are_there(monkeypatch):
    monkeypatch.setattr(service_plugin, "is_api_enabled", lambda name: True)
    monkeypatch.setattr(service_plugin.ServiceLoader, "require_service", service_plugin.ServiceLoader.require_service)
    getattr(load_services_whole, "fn", load_services_whole)()
    there = threading.Event()

    def slowly(skeleton):
        time.sleep(0.3)
        there.set()

    manager = SimpleNamespace(exists=lambda name: True, require=lambda name: Service(name))
    loader = service_plugin.ServiceLoader(manager, SimpleNamespace(add_skeleton=slowly))
    context = SimpleNamespace(service=SimpleNamespace(service_name="ec2"))
    first = threading.Thread(target=loader, args=(None, context, None))
    first.start()
    while "ec2" not in loader.loaded_services:
        time.sleep(0.001)
    loader(None, context, None)
    assert there.is_set()
    first.join()
