"""A detect process that comes to grief at a chosen moment.

    python -m tests.faults.member SETTINGS.json [MOMENT SIGNAL]

It sends itself the signal in its first transaction with a reminder: `begun`, `produced` (the outputs are on their
way), `sent` (the offsets too) or `committed`. Without a moment it just works until SIGTERM.
"""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from consumer.config.settings import Settings
from consumer.kafka.clients.transactional_producer import Fenced
from consumer.wiring import detect
from consumer.wiring.shared import Shared

FENCED = 3
"""The exit status of a process that found its place taken."""


class Stumbling:
    """A transactional producer that brings its process down, or to a halt, in the middle of its work."""

    def __init__(self, producer: Producer, moment: str, number: signal.Signals) -> None:
        self._producer = producer
        self._moment = moment
        self._signal = number
        self._asks = False

    def produce(self, topic: str, value: bytes, key: bytes | None, *more: Any, **named: Any) -> None:
        self._asks |= topic.endswith("-reminders") and key is not None  # (a clock has no key)
        self._producer.produce(topic, value, key, *more, **named)

    def send_offsets_to_transaction(self, *arguments: Any) -> None:
        self._reached("begun")
        self._producer.flush(5)
        self._reached("produced")
        self._producer.send_offsets_to_transaction(*arguments)
        self._reached("sent")

    def commit_transaction(self, *arguments: Any) -> None:
        self._producer.commit_transaction(*arguments)
        self._reached("committed")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def _reached(self, moment: str) -> None:
        if self._asks and moment == self._moment:
            self._moment = ""
            os.kill(os.getpid(), self._signal)


def main(file: str, moment: str = "", name: str = "SIGKILL") -> int:
    loop = detect.build(Shared(Settings.model_validate_json(Path(file).read_text())))
    producer = loop._checkpoint._producer
    producer.client = Stumbling(producer.client, moment, signal.Signals[name])  # type: ignore[assignment]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        loop.run(stop)
    except Fenced:
        return FENCED
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
