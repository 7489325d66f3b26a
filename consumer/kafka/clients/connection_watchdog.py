"""Finds out that a client has lost its brokers for good while every other client reaches them."""

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from consumer.clock import SECOND, Clock, Millis
from consumer.config.sections.kafka import KafkaSettings
from consumer.kafka.clients.client_settings import client_settings

_CHECK_AFTER_MS: Millis = 30 * SECOND
_ANSWERED_AFTER_MS: Millis = 10 * SECOND  # a client that reports no missing answer for so long has had one
_REQUEST_TIMEOUT_S = 2.0


class CutOff(Exception):
    """This client finds no broker any more and never will. A client of a new process would."""


class ConnectionWatchdog:
    """Watches one client.

    A broker that is back, but not yet part of its cluster again, may say that the cluster has no brokers. librdkafka
    (up to 2.16 at least, its issue 5301) believes it, forgets all addresses and never asks again.
    """

    def __init__(
        self, client: Consumer | Producer | AdminClient, kafka: KafkaSettings, topic: str, clock: Clock
    ) -> None:
        """`topic` is any that exists; only the brokers matter."""
        self._client = client
        self._kafka = kafka
        self._topic = topic
        self._clock = clock
        self._unanswered_since: Millis = 0  # monotonic
        self._last_report: Millis | None = None

    def report_no_answer(self) -> None:
        """Note one more missing answer. After half a minute of them, raise CutOff if a new client is answered at
        once."""
        now = self._clock.monotonic()
        if self._last_report is None or now - self._last_report > _ANSWERED_AFTER_MS:
            self._unanswered_since = now
        self._last_report = now
        if now - self._unanswered_since < _CHECK_AFTER_MS:
            return
        self._unanswered_since = now  # whatever the check finds, the next one is as far away
        if not self._is_answered(self._client) and self._is_answered(AdminClient(client_settings(self._kafka, {}))):
            raise CutOff(
                "the Kafka client has lost sight of all brokers, though they can be reached, and does not recover from"
                " that (librdkafka issue 5301). Nothing is lost or half written: a restart goes on from the last commit"
            )

    def _is_answered(self, client: Consumer | Producer | AdminClient) -> bool:
        try:
            return bool(client.list_topics(self._topic, timeout=_REQUEST_TIMEOUT_S).brokers)
        except KafkaException:
            return False
