"""Logs that a client has errors, and that they are over, once each."""

import structlog
from confluent_kafka import KafkaError

from consumer.kafka.clients.login_errors import login_refusal

_log = structlog.get_logger()


class ClientErrorLog:
    """The transient errors of one client. True while there are any."""

    def __init__(self, client: str) -> None:
        """`client` is its name in the log."""
        self._client = client
        self._reported: set[str] = set()
        self._answered = False

    def __bool__(self) -> bool:
        return bool(self._reported)

    def error_cb(self, error: KafkaError) -> None:
        """Take an error from librdkafka; for the client setting of this name."""
        # Idle connections are closed all the time. It matters when none is left, which is another error.
        if error.code() != KafkaError._TRANSPORT or login_refusal(error):
            self.report(error)

    def report(self, error: KafkaError) -> None:
        """Log an error, unless one of its kind has been logged since the broker last answered."""
        self._answered = False
        if error.name() not in self._reported:
            self._reported.add(error.name())
            advice = {"advice": words} if (words := login_refusal(error)) else {}
            _log.warning("kafka_client_error", client=self._client, error=error.name(), detail=error.str(), **advice)

    def report_answer(self) -> None:
        """Note that the broker answered. Errors are over after two answers in a row: clients report them late."""
        if self._reported and self._answered:
            self._reported.clear()
            _log.info("kafka_client_recovered", client=self._client)
        self._answered = True
