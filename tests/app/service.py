"""`lapse run` and `lapse sandbox` as processes, and what can be seen of them from outside."""

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import fastavro
import httpx
import yaml
from confluent_kafka import Consumer, Producer

from tests.app.processes import LapseProcess, run_lapse

SCHEMAS = Path(__file__).parents[2] / "schemas"
SECRET = "a-webhook-secret-of-the-tests"
LAPSE = [sys.executable, "-m", "consumer.cli"]
http = httpx.Client(timeout=60, limits=httpx.Limits(max_keepalive_connections=0))
"""Waits as long as a busy machine may need. A connection for each request, since services are killed meanwhile."""


def eventually(what: Callable[[], Any], seconds: float = 120.0, *, meaning: object = "") -> Any:
    """Call until the result is true, and return it. Fails with `meaning` after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {meaning or what}"
        time.sleep(0.1)
    return answer


class Sandbox:
    """A running `lapse sandbox`; `info` is what it prints: its address, token and template."""

    def __init__(self, info: dict[str, str], process: LapseProcess) -> None:
        self.info = info
        self.process = process

    def messages(self) -> list[dict[str, Any]]:
        answer = http.get(f"{self.info['base_url']}/_sandbox/messages").json()
        return list(answer["messages"] if isinstance(answer, dict) else answer)

    def writes_back(self, phone: str, text: str) -> None:
        """Have the person with this number write to the channel."""
        digits = "".join(filter(str.isdigit, phone))
        answer = http.post(f"{self.info['base_url']}/_sandbox/inbound", json={"phone": digits, "body": text})
        assert answer.status_code == 200

    def webhooks(self) -> list[str]:
        """Return the URLs to which the channel reports."""
        bearer = {"Authorization": f"Bearer {self.info['token']}"}
        answer = http.get(f"{self.info['base_url']}/{self.info['channel_id']}/webhook", headers=bearer)
        urls = answer.json()["webhookUrl"]
        return [url for url in ([urls] if isinstance(urls, str) else urls) if url]


@contextmanager
def sandbox(*arguments: str) -> Iterator[Sandbox]:
    with tempfile.NamedTemporaryFile("r") as output:
        process = LapseProcess(["sandbox", "--port", "0", *arguments], _environment({}), Path(output.name))
        try:
            yield Sandbox(json.loads(eventually(lambda: _first_line(output), meaning="what it listens on")), process)
        finally:
            process.terminate()
            process.wait(60)


class Service:
    """`lapse run` with a configuration; it may be killed and started again. `environment` is that of the next start."""

    def __init__(self, folder: Path, settings: dict[str, Any], token: str) -> None:
        self.folder = folder
        self.settings = settings
        self._file = folder / "lapse.yaml"
        self._file.write_text(yaml.safe_dump(settings))
        self._log = folder / "log.txt"
        self._log.touch()
        self.environment = _environment({"ONEMSG_TOKEN": token, "WEBHOOK_SECRET": SECRET})
        self.process: LapseProcess | subprocess.Popen[str] | None = None
        self.tree: Path | None = None
        """The folder of the checkout that it runs from, if that is another one than ours."""

    def configure(self, **sections: Any) -> None:
        """Replace these sections of the configuration."""
        self.settings |= sections
        self._file.write_text(yaml.safe_dump(self.settings))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings['web']['port']}"

    @property
    def log(self) -> str:
        return self._log.read_text()

    def change(self, section: str, **keys: Any) -> None:
        """Change keys of one section; they apply from the next start."""
        self.settings[section] = _over(self.settings[section], keys)
        self._file.write_text(yaml.safe_dump(self.settings))

    def start(self, *arguments: str) -> "Service":
        self.launch(*arguments)
        eventually(self.ready, 180, meaning=f"ready; its log is in {self.folder}")
        return self

    def launch(self, *arguments: str) -> None:
        """Start the process, and do not wait until it is ready: perhaps it never is."""
        command = ["run", "--config", str(self._file), *arguments]
        if self.tree is None:
            self.process = LapseProcess(command, self.environment, self._log)
            return
        with self._log.open("a") as log:
            # Python looks for modules in the current folder first.
            self.process = subprocess.Popen(
                [*LAPSE, *command], stdout=log, stderr=log, text=True, env=self.environment, cwd=self.tree
            )

    def ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log[-3000:]
        try:
            return http.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """Send SIGKILL."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)

    def stop(self) -> int:
        """Send SIGTERM, as an orchestrator does. Returns the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(60)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_lapse([*arguments, "--config", str(self._file)], self.environment)

    def metric(self, line: str) -> float:
        """Return the value of a metric; `line` is its name and labels as on the page. 0 if it is absent."""
        for text in http.get(f"{self.url}/metrics").text.splitlines():
            if text.startswith(line + " "):
                return float(text.rsplit(" ", 1)[1])
        return 0.0


def settings(bootstrap: str, channel: Sandbox, folder: Path, names: str, port: int) -> dict[str, Any]:
    """Return a configuration with spans of seconds; all its topics begin with `names`."""
    info = channel.info
    topics = ("contacts", "reminders", "delivery_status", "opt_outs", "dead_letters", "state")
    return {
        "kafka": {"bootstrap_servers": bootstrap, "group_prefix": names, "instance": "one"},
        "topics": {topic: f"{names}-{topic}" for topic in topics},
        "source": {"topic": f"{names}-activity", "backfill": "10m"},
        "processes": {
            "account-setup": {"action": "account setup", "remind_after": ["3s"]},
            "checkout": {"action": "your order", "remind_after": ["4s"]},
        },
        "detect": {"commit_interval": "200ms", "allowed_lateness": "300ms", "settle": "200ms", "forget_after": "1d"},
        "onemsg": {
            "base_url": info["base_url"],
            "channel_id": info["channel_id"],
            "token": {"env": "ONEMSG_TOKEN"},
            "template": {key: info[key] for key in ("namespace", "language")} | {"name": info["template"]},
            "timeout": "2s",
        },
        "policy": {"expire_after": "10m", "max_staleness": "30s", "max_per_user": {}},
        "tracking": {"poll_after": "2s", "give_up_after": "10m"},
        "ledger": {"url": f"sqlite:///{folder / 'lapse.db'}"},
        "web": {
            "port": port,
            "public_url": f"http://127.0.0.1:{port}",
            "webhook_secret": {"env": "WEBHOOK_SECRET"},
            "register_webhook": True,
        },
    }


class Platform:
    """The company's side: a producer and a consumer that use the schema files and no code of Lapse."""

    def __init__(self, bootstrap: str, names: str) -> None:
        self._bootstrap = bootstrap
        self.names = names
        settings = {"bootstrap.servers": bootstrap, "linger.ms": 5, "allow.auto.create.topics": False}
        # Which records are too large the broker judges by their compressed bytes.
        settings |= {"message.max.bytes": 4_000_000, "compression.type": "gzip"}
        self._producer = Producer(settings)
        self._schemas = {name: fastavro.schema.load_schema(str(SCHEMAS / f"{name}.avsc")) for name in _FILES}

    def says(
        self, user: str, kind: str, process: str = "account-setup", headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        now = int(time.time() * 1000)
        activity = {"event_id": f"{user}-{kind}-{now}", "user_id": user, "process": process, "kind": kind}
        record = {"action": None, "occurred_at": now} | activity | more
        self.write_bytes("activity", user.encode(), self.bytes_of("user_activity", record), headers)

    def knows(self, user: str, **contact: Any) -> None:
        blank = dict.fromkeys(("name", "phone", "locale", "timezone", "email"))
        fields = {"user_id": user, "opt_in": True, "updated_at": int(time.time() * 1000)}
        self.write("contacts", user, "contact", blank | fields | contact)

    def write(self, topic: str, user: str, schema: str, record: dict[str, Any]) -> None:
        self.write_bytes(topic, user.encode(), self.bytes_of(schema, record))

    def write_bytes(self, topic: str, key: bytes, value: bytes | None, headers: dict[str, str] | None = None) -> None:
        self.write_into(f"{self.names}-{topic}", key, value, headers)

    def write_into(self, topic: str, key: bytes, value: bytes | None, headers: dict[str, str] | None = None) -> None:
        """Write into the topic of this whole name."""
        pairs: list[tuple[str, str | bytes | None]] = list((headers or {}).items())
        self._producer.produce(topic, value, key, headers=pairs, on_delivery=_taken)
        self._producer.poll(0)

    def flush(self) -> None:
        assert self._producer.flush(30) == 0

    def reads(self, topic: str, schema: str) -> "Reading":
        return Reading(self._bootstrap, f"{self.names}-{topic}", self._schemas[schema])

    def bytes_of(self, schema: str, record: dict[str, Any]) -> bytes:
        """Return the record in Avro single-object encoding."""
        out = io.BytesIO()
        canonical = fastavro.schema.to_parsing_canonical_form(self._schemas[schema])
        print_of = bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))
        out.write(b"\xc3\x01" + print_of)
        fastavro.schemaless_writer(out, self._schemas[schema], record)
        return out.getvalue()


_FILES = ("user_activity", "contact", "reminder", "delivery_status", "opt_out")


class Reading:
    """Reads all of a topic, decoded with the schema file alone."""

    def __init__(self, bootstrap: str, topic: str, schema: Any) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"outsider-{topic}-{os.getpid()}-{time.monotonic_ns()}",
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
            }
        )
        self._consumer.subscribe([topic])
        self._schema = schema
        self._seen: list[dict[str, Any]] = []
        self.headers: list[dict[str, bytes]] = []
        """Of each record so far."""

    def so_far(self) -> list[dict[str, Any]]:
        for message in self._consumer.consume(1000, 0.3):
            value = message.value()
            if message.error() is None and value is not None:
                record = fastavro.schemaless_reader(io.BytesIO(value[10:]), self._schema, None)
                self._seen.append(dict(record))  # type: ignore[arg-type]
                self.headers.append(dict(message.headers() or []))  # type: ignore[arg-type]
        return self._seen

    def lives(self) -> dict[str, list[dict[str, Any]]]:
        """Return the records by reminder, in order."""
        lives: dict[str, list[dict[str, Any]]] = {}
        for record in self.so_far():
            lives.setdefault(record["reminder_id"], []).append(record)
        return lives

    def close(self) -> None:
        self._consumer.close()


def _first_line(file: IO[str]) -> str | None:
    file.seek(0)
    line = file.readline()
    return line if line.endswith("\n") else None


def _over(settings: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    deeper = {key: _over(settings[key], value) for key, value in keys.items() if isinstance(settings.get(key), dict)}
    return settings | keys | deeper


def _taken(error: object, message: object) -> None:
    assert error is None, error


def _environment(more: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("LAPSE_")} | more
