"""How large a record the dead letters' topic takes, asked of the broker when it matters."""

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from consumer.clock import MINUTE, Clock, Millis
from consumer.kafka.clients import topics
from consumer.kafka.clients.client_settings import MAX_RECORD_BYTES

ALWAYS_TAKEN_BYTES = 100_000
"""Up to this size nobody is asked: no topic of records takes less."""
_DEFAULT_BYTES = 1_048_588
"""Kafka's own max.message.bytes, which counts where the broker does not tell the topic's."""
_ASK_AGAIN_AFTER_MS: Millis = MINUTE
_REQUEST_TIMEOUT_S = 5.0
_log = structlog.get_logger()


class SizeLimit:
    """The topic's `max.message.bytes`, or what our own clients write, if that is less."""

    def __init__(self, admin: AdminClient, topic: str, clock: Clock) -> None:
        self._admin = admin
        self._topic = topic
        self._clock = clock
        self._bytes = _DEFAULT_BYTES
        self._asked_at: Millis | None = None  # monotonic

    def takes(self, size: int) -> bool:
        """Return whether the topic takes a record of this many bytes, all included."""
        if size <= ALWAYS_TAKEN_BYTES:
            return True
        now = self._clock.monotonic()
        if self._asked_at is None or now - self._asked_at >= _ASK_AGAIN_AFTER_MS:
            self._asked_at, self._bytes = now, self._ask()
        return size <= self._bytes

    def _ask(self) -> int:
        try:
            state = topics.inspect(self._admin, [self._topic], timeout_s=_REQUEST_TIMEOUT_S).get(self._topic)
        except KafkaException as failure:
            _log.info("dead_letter_limit_unknown", error=failure.args[0].name(), assumed_bytes=self._bytes)
            return self._bytes
        if state is None or state.config is None:
            return _DEFAULT_BYTES
        return min(int(state.config.get("max.message.bytes", _DEFAULT_BYTES)), MAX_RECORD_BYTES)
