"""Repeats a request while the cluster settles: leaders are elected, coordinators are found."""

from collections.abc import Callable, Collection
from typing import TypeVar

from confluent_kafka import KafkaException

_MAX_ATTEMPTS = 100
T = TypeVar("T")


def retry_while(codes: Collection[int], request: Callable[[], T], pause: Callable[[], object]) -> T:
    """Return what `request` returns; `pause` and repeat it while it fails with one of these codes of Kafka.

    Raises KafkaException: any other failure, or the last of a hundred.
    """
    for _ in range(_MAX_ATTEMPTS - 1):
        try:
            return request()
        except KafkaException as failure:
            if failure.args[0].code() not in codes:
                raise
            pause()
    return request()
