"""The servers of a test run: found before its first test, started once for all of its processes, stopped at its end."""

import secrets
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Client, Connection, Listener
from threading import Lock, Thread
from typing import Any, Protocol

from .activity.real_registry import check_registry, running_registry
from .broker import find
from .broker.broker import NoBroker
from .broker.local import check_local
from .ledger import postgresql
from .ledger.postgresql import NoPostgres


@dataclass(frozen=True)
class Kind:
    """A kind of server that tests may need."""

    name: str
    check: Callable[[], None]
    """Raises NoBroker or NoPostgres, with what to do, where none can be had."""
    run: Callable[[], AbstractContextManager[str]] | None
    """Its address, while it runs; None where each test starts one for itself."""


_KINDS = {
    "kafka": Kind("a Kafka broker", find.check_kafka, find.running_kafka),
    "own_kafka": Kind("a Kafka broker that they may stop", find.check_own_broker, None),
    "local_kafka": Kind("a Kafka broker of this machine", check_local, None),
    "registry": Kind("a Schema Registry", check_registry, running_registry),
    "postgresql": Kind("PostgreSQL", postgresql.check_postgresql, postgresql.running),
}


class Servers(Protocol):
    """What tests see of them, in whatever process they run."""

    def need(self, kinds: Iterable[str]) -> None:
        """Begin to start these kinds, or note in `missing` why one cannot be had."""

    def address(self, kind: str) -> str:
        """Wait for a server to be up. Raises what its start raised; LookupError where no test said it needs one."""


class LocalServers:
    """They are started by this process, which shares them with others through `listen`."""

    def __init__(self, kinds: Mapping[str, Kind] = _KINDS) -> None:
        self.missing = ""
        self._kinds = kinds
        self._checked: set[str] = set()
        self._running: dict[str, Future[str]] = {}
        self._lock = Lock()
        self._pool = ThreadPoolExecutor()
        self._stop = ExitStack()

    def need(self, kinds: Iterable[str]) -> None:
        with self._lock:
            for kind in sorted(set(kinds) - self._checked):
                self._checked.add(kind)
                self._check(kind)
            if not self.missing:
                for kind in kinds:
                    self._start(kind)

    def address(self, kind: str) -> str:
        return self._future(kind).result()

    def close(self) -> None:
        self._pool.shutdown()
        self._stop.close()

    def listen(self) -> tuple[str, bytes]:
        """Where other processes of this machine find them, for RemoteServers."""
        key = secrets.token_bytes()
        listener = Listener(authkey=key)
        Thread(target=self._accept, args=(listener,), daemon=True).start()
        assert isinstance(listener.address, str), "the path of a socket"
        return listener.address, key

    def _check(self, kind: str) -> None:
        try:
            self._kinds[kind].check()
        except (NoBroker, NoPostgres) as reason:
            self.missing = f"The chosen tests need {self._kinds[kind].name}: {reason}"

    def _future(self, kind: str) -> Future[str]:
        with self._lock:
            if kind not in self._checked:
                unannounced: Future[str] = Future()
                unannounced.set_exception(LookupError(f"a test that asks for {kind} lacks the marker for it"))
                return unannounced
            self._start(kind)
            return self._running[kind]

    def _start(self, kind: str) -> None:
        run = self._kinds[kind].run
        if run is not None and kind not in self._running:
            self._running[kind] = self._pool.submit(self._stop.enter_context, run())

    def _accept(self, listener: Listener) -> None:
        while True:
            Thread(target=self._serve, args=(listener.accept(),), daemon=True).start()

    def _serve(self, connection: "Connection[Any, Any]") -> None:
        with connection:
            what, argument = connection.recv()
            if what == "need":
                self.need(argument)
                connection.send(None)
            else:
                connection.send(self._future(argument).exception() or self.address(argument))


class RemoteServers:
    """They are started by another process."""

    def __init__(self, where: str, key: bytes) -> None:
        self._where, self._key = where, key

    def need(self, kinds: Iterable[str]) -> None:
        self._ask("need", sorted(kinds))

    def address(self, kind: str) -> str:
        return str(self._ask("address", kind))

    def _ask(self, what: str, argument: object) -> object:
        with Client(self._where, authkey=self._key) as connection:
            connection.send((what, argument))
            answer: object = connection.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer
