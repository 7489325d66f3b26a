"""Whether a client that gets no answers is cut off for good, while the brokers are there for everybody else."""

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from consumer.clock import SECOND, Clock, Millis
from consumer.config.kafka import KafkaSettings
from consumer.kafka.clients.settings import client_settings

_PATIENCE: Millis = 30 * SECOND
_PAUSE: Millis = 10 * SECOND
"""Who misses no answer for so long has had one."""
_CALL = 2.0  # seconds


class CutOff(Exception):
    """This client finds no broker any more, and never will; one of a new process would."""


class ConnectionWatchdog:
    """Of one client. A broker that is back, but has not been let into its cluster yet, may say that the cluster has no
    brokers. librdkafka (up to 2.16 at least, its issue 5301) believes it, forgets all addresses and never asks again.
    """

    def __init__(
        self, client: Consumer | Producer | AdminClient, kafka: KafkaSettings, topic: str, clock: Clock
    ) -> None:
        """`topic` is one that is there; only the brokers matter."""
        self._client = client
        self._kafka = kafka
        self._topic = topic
        self._clock = clock
        self._since: Millis = 0  # on the steady clock, as are the others
        self._last: Millis | None = None

    def report_no_answer(self) -> None:
        """It got no answer, once more. Raises CutOff after half a minute of that, if a new client has one at once."""
        now = self._clock.monotonic()
        if self._last is None or now - self._last > _PAUSE:
            self._since = now
        self._last = now
        if now - self._since < _PATIENCE:
            return
        self._since = now  # however it turns out, the next look is as far away
        if not self._answered(self._client) and self._answered(AdminClient(client_settings(self._kafka, {}))):
            raise CutOff(
                "the Kafka client has lost sight of all brokers, though they can be reached, and does not recover from"
                " that (librdkafka issue 5301). Nothing is lost or half written: a restart goes on from the last commit"
            )

    def _answered(self, client: Consumer | Producer | AdminClient) -> bool:
        try:
            return bool(client.list_topics(self._topic, timeout=_CALL).brokers)
        except KafkaException:
            return False
