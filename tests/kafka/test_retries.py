"""A request is repeated while the cluster settles, and for nothing else."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from consumer.kafka.clients.error_codes import LEADER_CHANGING
from consumer.kafka.clients.retries import retry_while

ELECTING, DENIED = KafkaError.LEADER_NOT_AVAILABLE, KafkaError.TOPIC_AUTHORIZATION_FAILED


class Broker:
    """Fails with these codes, one a request, then answers."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)
        self.seen: list[str] = []

    def ask(self) -> str:
        self.seen.append("asked")
        if self.codes:
            raise KafkaException(KafkaError(self.codes.pop(0)))
        return "answer"

    def pause(self) -> None:
        self.seen.append("paused")


def test_a_request_is_repeated_after_a_pause_until_it_is_answered() -> None:
    broker = Broker(ELECTING, ELECTING)
    assert retry_while(LEADER_CHANGING, broker.ask, broker.pause) == "answer"
    assert broker.seen == ["asked", "paused", "asked", "paused", "asked"]


def test_another_failure_is_raised_at_once() -> None:
    broker = Broker(ELECTING, DENIED)
    with pytest.raises(KafkaException) as failure:
        retry_while(LEADER_CHANGING, broker.ask, broker.pause)
    assert failure.value.args[0].code() == DENIED
    assert broker.seen == ["asked", "paused", "asked"]


def test_a_cluster_that_never_settles_is_given_up() -> None:
    broker = Broker(*[ELECTING] * 200)
    with pytest.raises(KafkaException):
        retry_while(LEADER_CHANGING, broker.ask, broker.pause)
    assert (broker.seen.count("asked"), broker.seen.count("paused"), broker.seen[-1]) == (100, 99, "asked")
