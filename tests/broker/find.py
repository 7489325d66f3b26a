"""Finds a Kafka broker for tests and benchmarks.

An address in `LAPSE_TEST_BOOTSTRAP`, else Docker, else Kafka's jars with a Java (the machine's, or the one from PyPI).
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from .broker import MISSED_LATE, Broker, NoBroker, answers
from .local import LocalBroker, check_local

ADDRESS = "LAPSE_TEST_BOOTSTRAP"

_T = TypeVar("_T")


# The library of containers is slow to import, and whoever has an address needs none of it.
def _container(*missed_after: int) -> Broker:
    from .container import ContainerBroker

    return ContainerBroker(*missed_after)


def _check_container() -> None:
    from .container import check_container

    check_container()


_KINDS = (_container, LocalBroker)
_CHECKS = (_check_container, check_local)
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
    return _first_possible([partial(_started, kind) for kind in kinds])


def check_kafka(environ: Mapping[str, str] = os.environ) -> None:
    """Raise NoBroker, which says what to do, unless `running_kafka` will have an address to give."""
    if given := environ.get(ADDRESS):
        if not answers(given, timeout_s=10):
            raise NoBroker(f"start the one that {ADDRESS} names ({given}), or unset that variable")
        return
    try:
        check_own_broker()
    except NoBroker as reason:
        raise NoBroker(f"{reason}; or name one in {ADDRESS}") from None


def check_own_broker(checks: Sequence[Callable[[], None]] = _CHECKS) -> None:
    """Raise NoBroker, which says what to do, unless `own_broker` will have one to give."""
    try:
        _first_possible(checks)
    except NoBroker as reason:
        raise NoBroker(f"start Docker, or see to what else is missing for one ({reason})") from None


def _first_possible(ways: Sequence[Callable[[], _T]]) -> _T:
    missing = []
    for way in ways:
        try:
            return way()
        except NoBroker as reason:
            missing.append(str(reason))
    raise NoBroker("; ".join(missing))


def _started(kind: Callable[[], Broker]) -> Broker:
    broker = kind()
    try:
        broker.start()
    except BaseException:
        broker.close()
        raise
    return broker
