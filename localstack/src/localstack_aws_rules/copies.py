"""A copy of an account: all that is in it, under another account's id.

Whoever needs something to be there copies an account in which it was made, instead of making it again. moto and LocalStack keep
an account's state as Python objects that name the account in ARNs and attributes. They are written by pickle as one graph, and
read again with the other id in place of the first, which is as long. What belongs to no account is shared.
"""

import io
import json
import pickle
import sys
import threading
import types
from collections import defaultdict

from localstack.http import Request, Response
from localstack.services.stores import LOCAL_ATTR_PREFIX, AccountRegionBundle
from moto.core.base_backend import AccountSpecificBackend, BackendDict

from localstack_aws_rules import clock
from localstack_aws_rules.settings import reply

LOCKS = (type(threading.Lock()), type(threading.RLock()))
#: what code is, and not state
CODE = (types.ModuleType, types.BuiltinFunctionType, type)


class NotNow(Exception):
    """Why an account can't be copied as it is."""


def bare(kind: type, factory) -> defaultdict:
    """A dictionary of a kind of its own, with nothing in it."""
    made = kind.__new__(kind)
    made.default_factory = factory
    return made


class Writer(pickle.Pickler):
    """Writes an account's state, and leaves out what is shared."""

    def __init__(self, file):
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self.shared: list = []

    def persistent_id(self, thing):
        if isinstance(thing, AccountSpecificBackend):
            return "account", thing.service_name
        if isinstance(thing, LOCKS):
            return "lock", "RLock" if isinstance(thing, LOCKS[1]) else "Lock"
        if isinstance(thing, types.FunctionType) and thing.__closure__:
            raise NotNow(f"{thing.__qualname__} holds state of the account")
        # Keys of KMS never change, and can't be written.
        key = type(thing).__module__.startswith("cryptography.")
        if key or isinstance(thing, (*CODE, types.FunctionType, BackendDict)):
            self.shared.append(thing)
            return "shared", len(self.shared) - 1
        return None

    def reducer_override(self, thing):
        # Python would make one of these anew from its factory alone, and theirs want other arguments.
        if isinstance(thing, defaultdict) and type(thing) is not defaultdict:
            return bare, (type(thing), thing.default_factory), vars(thing), None, iter(thing.items())
        return NotImplemented


class Reader(pickle.Unpickler):
    """Reads it for another account."""

    def __init__(self, file, shared: list, account: str):
        super().__init__(file)
        self.shared, self.account = shared, account

    def persistent_load(self, reference):
        kind, which = reference
        if kind == "account":
            return backends()[which][self.account]
        if kind == "lock":
            return getattr(threading, which)()
        return self.shared[which]


def backends() -> dict[str, BackendDict]:
    """moto's state of every service that was called, by service."""
    return {backend.service_name: backend for backend in list(BackendDict._instances)}


def bundles() -> list[AccountRegionBundle]:
    """LocalStack's own state of every service that was loaded, but for the clock, which has to be at rest."""
    found = {}
    for name, module in list(sys.modules.items()):
        if name.startswith(("localstack.services.", "localstack_aws_rules.")):
            found.update({id(one): one for one in list(vars(module).values()) if isinstance(one, AccountRegionBundle)})
    found.pop(id(clock.stores), None)
    return list(found.values())


def state(account: str) -> dict:
    """All that is in an account: moto's backends, LocalStack's attributes and those that its regions share."""
    all_of_it = {}
    for service, backend in backends().items():
        for region, one in backend[account].items() if account in backend else ():
            all_of_it["moto", service, region] = one
    for number, bundle in enumerate(bundles()):
        for region, store in bundle[account].items() if account in bundle else ():
            own = {name: value for name, value in vars(store).items() if name.startswith(LOCAL_ATTR_PREFIX)}
            all_of_it["store", number, region] = own
            all_of_it["shared", number, None] = bundle[account]._global
    return all_of_it


def copy(account: str, source: str) -> None:
    """Makes `account` a copy of `source`, whatever it was before."""
    for store in clock.stores[source].values():
        with store.lock:
            clock.settle_store(store)
            if store.timers:
                raise NotNow("something is still under way in it")
    file = io.BytesIO()
    writer = Writer(file)
    try:
        writer.dump(state(source))
    except (TypeError, pickle.PicklingError, AttributeError) as wrong:
        raise NotNow(f"it has something that can't be copied: {wrong}") from wrong
    known = bundles()
    for one in (*backends().values(), *known, clock.stores):
        one.pop(account, None)
    text = file.getvalue().replace(source.encode(), account.encode())
    for (kind, which, region), part in Reader(io.BytesIO(text), writer.shared, account).load().items():
        if kind == "moto":
            backends()[which][account][region] = part
        elif kind == "store":
            vars(known[which][account][region]).update(part)
        else:
            known[which][account]._global.update(part)


def serve(request: Request, account: str) -> Response:
    """`PUT` of the account that `account` becomes a copy of."""
    try:
        source = json.loads(request.get_data() or b"{}")["of"]
        if not all(len(one) == 12 and one.isdigit() for one in (account, source)) or account == source:
            raise ValueError("two accounts of twelve digits are needed")
    except (ValueError, TypeError, KeyError) as wrong:
        return reply({"error": f"{wrong}"}, status=400)
    try:
        copy(account, source)
    except NotNow as why:
        return reply({"error": f"the account {source} can't be copied: {why}"}, status=409)
    return reply({"of": source})
