"""What happens after a while: no thread waits for it, the next call makes it so.

One clock and one lock for each account and region, which EC2 and MSK share: MSK's interfaces
hold EC2's subnets, so what is due in one service shows in the other.
"""

import threading
import time
from collections.abc import Callable

from localstack.aws.api import RequestContext
from localstack.services.stores import AccountRegionBundle, BaseStore, LocalAttribute


class ClockStore(BaseStore):
    #: held while a call is served: moto's backends are plain dicts without locks
    lock = LocalAttribute(default=threading.RLock)
    #: (due time, what then happens), in no order
    timers: list[tuple[float, Callable[[], None]]] = LocalAttribute(default=list)


stores = AccountRegionBundle("ec2", ClockStore)


def store(context: RequestContext) -> ClockStore:
    return stores[context.account_id][context.region]


def later(context: RequestContext, delay: float, action: Callable[[], None]) -> None:
    store(context).timers.append((time.time() + delay, action))


def settle(context: RequestContext) -> None:
    """Does all that is due, in order of time."""
    settle_store(store(context))


def settle_store(of: ClockStore) -> None:
    timers, now = of.timers, time.time()
    for timer in sorted((t for t in timers if t[0] <= now), key=lambda t: t[0]):
        timers.remove(timer)
        timer[1]()


def serve(handler: Callable, context: RequestContext, request: dict):
    """Lets what is due happen, then serves one call for each account and region at a time.

    One Python process runs one call at a time anyway, so nothing is lost.
    """
    with store(context).lock:
        settle(context)
        return handler(context, request)
