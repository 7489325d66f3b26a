"""Finds a Kafka broker for tests and benchmarks, in the order of design §8.

An address in `LAPSE_TEST_BOOTSTRAP`, else Docker, else Kafka's jars with a Java of this machine.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from .broker import MISSED_LATE, Broker, NoBroker
from .local import LocalBroker

ADDRESS = "LAPSE_TEST_BOOTSTRAP"


def _container(*missed_after: int) -> Broker:
    # Only now: its library is slow to import, and whoever has an address needs none of it.
    from .container import ContainerBroker

    return ContainerBroker(*missed_after)


_KINDS = (_container, LocalBroker)
PAUSABLE = tuple(partial(kind, MISSED_LATE) for kind in _KINDS)
"""Kinds of brokers that the cluster does not give up while they are paused, and lets in late after a kill."""


@contextmanager
def running_kafka(environ: Mapping[str, str] = os.environ) -> Iterator[str]:
    """The address (bootstrap servers) of a broker that answers. Raises NoBroker, BrokerFailed."""
    if given := environ.get(ADDRESS):
        yield given
        return
    with own_broker() as broker:
        yield broker.bootstrap


def own_broker(kinds: Sequence[Callable[[], Broker]] = _KINDS) -> Broker:
    """A started broker that is nobody else's, to be stopped, paused and killed. Close it, or leave it to `with`.

    Of the first kind that this machine can run. Raises NoBroker, which says what each of them misses; BrokerFailed.
    """
    missing = []
    for kind in kinds:
        try:
            return _started(kind())
        except NoBroker as reason:
            missing.append(str(reason))
    raise NoBroker("; ".join(missing))


def _started(broker: Broker) -> Broker:
    try:
        broker.start()
    except BaseException:
        broker.close()
        raise
    return broker
