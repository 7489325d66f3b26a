"""A Kafka broker for tests, whoever runs it: what it can be told to do, and how it is set up."""

import random
import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping
from time import monotonic
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

START_WITHIN = 120.0
"""Seconds. It takes two on a quiet machine."""

MISSED_SOON = 3_000
"""Milliseconds. After a kill the controller lets a broker in again when it has missed its predecessor for so long."""
MISSED_LATE = 60_000
"""One that was paused for longer than this would be back without being let in, and say that there are no brokers. What
librdkafka makes of that (its issue 5301), any client of a test may meet."""

# Linux lends ports from 32768 on to outgoing connections, other systems from 49152. Below that, nobody takes a
# broker's port while it is down, and no client that keeps trying to connect can end up connected to itself.
_PORTS = range(20_000, 32_000)


class NoBroker(Exception):
    """There is no way to a broker; the text says what is missing."""


class BrokerFailed(Exception):
    """A broker that should have started did not; the text ends with what it said last."""


class Broker(ABC):
    """One broker at one address. A restart keeps the address and everything that was acknowledged."""

    bootstrap: str

    @abstractmethod
    def start(self) -> None:
        """Returns when it answers. Raises BrokerFailed."""

    @abstractmethod
    def stop(self) -> None:
        """In good order, as for a planned restart."""

    @abstractmethod
    def kill(self) -> None:
        """At once, as by a power cut."""

    @abstractmethod
    def pause(self) -> None:
        """Connections stay open and nobody answers, until `resume`."""

    @abstractmethod
    def resume(self) -> None: ...

    @abstractmethod
    def close(self) -> None:
        """For good; whatever it stored is gone."""

    @abstractmethod
    def alive(self) -> bool:
        """Whether it still runs, answering or not."""

    @abstractmethod
    def last_words(self) -> str:
        """The end of its log."""

    def wait_until_up(self) -> None:
        """Returns when a client gets an answer. Raises BrokerFailed when it has ended, or takes too long."""
        deadline = monotonic() + START_WITHIN
        while not answers(self.bootstrap):
            if not self.alive() or monotonic() > deadline:
                raise BrokerFailed(f"the broker at {self.bootstrap} did not start. It said:\n{self.last_words()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def answers(bootstrap: str, timeout_s: float = 0.5) -> bool:
    """Whether a broker does at this address."""
    try:
        # (Without the level librdkafka would complain on stderr of each attempt.)
        AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(timeout=timeout_s)
    except KafkaException:
        return False
    return True


def properties(port: int, controller_port: int, *, listen: str, log_dir: str, missed_after: int) -> Mapping[str, str]:
    """The settings of a single broker that is its own controller (KRaft), at 127.0.0.1:`port` for its clients."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "listeners": f"PLAINTEXT://{listen}:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "log.dirs": log_dir,
        # One broker has no other to copy to.
        "default.replication.factor": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # Fewer files to make on first use.
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.num.partitions": "1",
        "log.cleaner.dedupe.buffer.size": "16777216",
        "broker.session.timeout.ms": str(missed_after),
        "broker.heartbeat.interval.ms": "500",
        # The first member of a group need not wait for others.
        "group.initial.rebalance.delay.ms": "0",
        # So that a test may have a member given up for dead soon.
        "group.min.session.timeout.ms": "1000",
        # And a transaction that a killed process left open ended as soon as its time is up.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
        # A topic is there because somebody asked for it.
        "auto.create.topics.enable": "false",
        # Stories in tests are told in other years; their records must not be too old to keep.
        "log.retention.ms": "-1",
    }


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    taken: list[int] = []
    while len(taken) < count:
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if port not in taken and _binds(probe, port):
                taken.append(port)
    return taken


def _binds(probe: socket.socket, port: int) -> bool:
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True
