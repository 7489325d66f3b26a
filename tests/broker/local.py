"""A broker run by the Java of this machine."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.halting import halt

from . import class_cache
from .broker import MISSED_SOON, Broker, BrokerFailed, free_ports, properties
from .jars import cached_folder, kafka_jars
from .java import find_java

_CLUSTER = "bGFwc2UtdGVzdC1icm9rZQ"  # any 16 bytes in base64
_SMALL = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
_STOP_WITHIN = 60.0  # seconds, before stopping becomes killing
_LOG_TAIL = 4_000  # characters


def check_local() -> None:
    """Raise NoBroker where this machine cannot run one; fetch the jars where they are missing."""
    find_java()
    kafka_jars()


class LocalBroker(Broker):
    """A process of this machine, its files in a temporary folder. It does not outlive this one, however that ends."""

    def __init__(
        self,
        missed_after: int = MISSED_SOON,
        more: Mapping[str, str] | None = None,
        listeners: Mapping[str, int] | None = None,
        java_options: Sequence[str] | None = None,
    ) -> None:
        """`more` are settings of the broker, `listeners` the ports of further listeners, by name; `java_options` in
        place of those that make it start quickly.

        Raises NoBroker where this machine cannot run one.
        """
        self._java = find_java()
        self._jars = kafka_jars()
        if java_options is None:
            java_options = class_cache.options_for(self._java, self._jars.name, _start_and_stop)
        self._java_options = [*_SMALL, *java_options]
        port, controller_port = free_ports(2)
        self.bootstrap = f"127.0.0.1:{port}"
        self._folder = tempfile.TemporaryDirectory(prefix="lapse-kafka-")
        root = Path(self._folder.name)
        self._log = root / "broker.log"
        self._config = root / "server.properties"
        self.data = root / "data"
        data = str(self.data)
        settings = dict(properties(port, controller_port, listen="127.0.0.1", log_dir=data, missed_after=missed_after))
        for name, its_port in (listeners or {}).items():
            for key in ("listeners", "advertised.listeners"):
                settings[key] += f",{name}://127.0.0.1:{its_port}"
        self._config.write_text("".join(f"{key}={value}\n" for key, value in {**settings, **(more or {})}.items()))
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if self._process is None:
            self._format()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command("kafka.Kafka", str(self._config)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests; they stop the broker when they are done with it
            )
        self._guard = guard(self._process.pid, self._folder.name)
        self.wait_until_up()

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        halt(self._running())

    def resume(self) -> None:
        self._running().send_signal(signal.SIGCONT)

    def close(self) -> None:
        if self.alive():
            self.kill()
        self._folder.cleanup()

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def last_words(self) -> str:
        return self._log.read_text(errors="replace")[-_LOG_TAIL:]

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "start it first"
        return self._process

    def _end(self, how: signal.Signals) -> None:
        process = self._running()
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)  # a paused one would not hear it
        try:
            process.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._guard is not None:
            dismiss(self._guard)
            self._guard = None

    def _format(self) -> None:
        """Give it an empty storage. All brokers begin with the same, so it is made but once: a Java takes a second."""
        shutil.copytree(cached_folder(f"{self._jars.name}-storage", self._make_storage), self.data)

    def _make_storage(self, folder: Path) -> None:
        config = self._config.with_name("storage.properties")
        config.write_text(f"{self._config.read_text()}log.dirs={folder}\n")  # of two lines of one key the last counts
        tool = ["kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", str(config)]
        done = subprocess.run(self._command(*tool), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BrokerFailed(f"its storage could not be formatted. It said:\n{done.stdout}{done.stderr}")

    def _command(self, *arguments: str) -> list[str]:
        return [str(self._java), *self._java_options, "-cp", f"{self._jars}{os.sep}*", *arguments]


def _start_and_stop(java_options: Sequence[str]) -> None:
    with LocalBroker(java_options=java_options) as broker:
        broker.start()
        broker.stop()


def guard(process_id: int, folder: str) -> "subprocess.Popen[bytes]":
    """A shell that waits for our end of a pipe to close, as by our sudden death: it kills the process and tidies up."""
    script = 'read -r _; kill -9 "$0"; rm -rf "$1"'
    command = ["sh", "-c", script, str(process_id), folder]
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)


def dismiss(guard: "subprocess.Popen[bytes]") -> None:
    """Before its pipe closes: the number it would kill may soon be somebody else's."""
    guard.kill()
    guard.communicate()
