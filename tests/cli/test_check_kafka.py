"""The checks of broker, input topic, registry and ledger, one at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException
from pydantic import SecretStr

from consumer.commands import kafka_probe
from consumer.commands.check.kafka import check_broker, check_input_topic, check_registry
from consumer.commands.check.ledger import check_ledger
from consumer.commands.terminal.exit_codes import CommandFailed
from consumer.commands.terminal.output import CheckResult
from consumer.config.sections.kafka import KafkaSettings, RegistrySettings
from consumer.config.types import Secret
from consumer.ledger.store import Ledger
from consumer.wiring.deliver.ledger import TopicPositions
from tests.http_server import Handler, http_server


def no_topics(_: Ledger | None) -> TopicPositions:
    """Nobody has been at work."""
    return TopicPositions(None, {})


def test_check_result_as_text() -> None:
    assert str(CheckResult(True, "broker answers")) == "✓ broker answers"
    assert str(CheckResult(False, "broker", "start it")) == "✗ broker: start it"


class TestTheBroker:
    def test_answers(self, embedded: str) -> None:
        line, reached = check_broker(KafkaSettings(bootstrap_servers=embedded))
        assert str(line) == f"✓ broker: {embedded} answers (1 in the cluster)"
        assert reached

    def test_is_not_running(self) -> None:
        line, reached = check_broker(KafkaSettings(bootstrap_servers="localhost:9"), timeout_s=1)
        assert reached is None
        assert str(line).startswith(
            "✗ broker: kafka.bootstrap_servers: no answer from localhost:9 within 1 s: is the broker running"
        )

    def test_is_waited_for_with_reports_at_growing_intervals(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Silent:
            """A client whose broker does not answer, without the wait."""

            def __init__(self, settings: object) -> None:
                pass

            def list_topics(self, timeout: float) -> None:
                raise KafkaException(KafkaError(KafkaError._TRANSPORT))

            def poll(self, timeout: float) -> None:
                pass

        reports: list[tuple[int, str]] = []
        monkeypatch.setattr(kafka_probe, "AdminClient", Silent)
        with pytest.raises(CommandFailed):
            kafka_probe.connect(KafkaSettings(bootstrap_servers="h:9"), 30, lambda *report: reports.append(report))
        assert [waited_s for waited_s, _ in reports] == [2, 4, 8, 16]
        assert reports[0][1].startswith("kafka.bootstrap_servers: no answer from h:9 within 2 s: is the broker running")

    def test_host_name_cannot_be_resolved(self) -> None:
        line, _ = check_broker(KafkaSettings(bootstrap_servers="nobody.invalid:9092"), timeout_s=1)
        assert "the host name in nobody.invalid:9092 cannot be resolved" in line.advice

    def test_does_not_use_tls(self) -> None:
        with web_server(200, b"") as url:
            kafka = KafkaSettings(bootstrap_servers=url.removeprefix("http://"), client={"security.protocol": "SSL"})
            line, _ = check_broker(kafka, timeout_s=30)
        assert "TLS with" in line.advice

    def test_invalid_client_settings_are_reported(self) -> None:
        line, _ = check_broker(KafkaSettings(client={"security.protocol": "sesame"}))
        assert line.advice == 'kafka.client: Invalid value "sesame" for configuration property "security.protocol"'


class TestTheInputTopic:
    def test_exists_with_its_partitions(self, embedded: str) -> None:
        _, reached = check_broker(KafkaSettings(bootstrap_servers=embedded))
        assert reached
        assert str(check_input_topic(reached, "user-activity")) == "✓ input topic user-activity: 4 partitions"

    def test_does_not_exist(self, embedded: str) -> None:
        _, reached = check_broker(KafkaSettings(bootstrap_servers=embedded))
        assert reached
        line = check_input_topic(reached, "user-actvity")
        assert not line.ok
        assert line.advice == "does not exist, or may not be read: did you mean user-activity?"
        assert "is source.topic right" in check_input_topic(reached, "zzz").advice


@contextmanager
def web_server(status: int, body: bytes) -> Iterator[str]:
    """Answers everything with the same."""

    class Same(Handler):
        def do_GET(self) -> None:
            self.answer(status, body, Content_Type="application/json")

    with http_server(Same) as url:
        yield url


class TestTheRegistry:
    def test_answers_for_an_unknown_schema(self) -> None:
        with web_server(404, b'{"error_code": 40403, "message": "Schema not found"}') as url:
            assert str(check_registry(RegistrySettings(url=(url,)))) == f"✓ schema registry: {url} answers"

    def test_is_something_else(self) -> None:
        with web_server(404, b'{"error_code": 404, "message": "HTTP 404 Not Found"}') as url:
            assert not check_registry(RegistrySettings(url=(url,))).ok

    def test_wants_another_password(self) -> None:
        with web_server(401, b'{"error_code": 401, "message": "Unauthorized"}') as url:
            line = check_registry(
                RegistrySettings(url=(url,), user="lapse", password=Secret(value=SecretStr("hunter2")))
            )
        assert not line.ok
        assert "schema_registry.user and password, or token" in line.advice
        assert "hunter2" not in str(line)

    def test_does_not_exist(self) -> None:
        line = check_registry(RegistrySettings(url=("http://127.0.0.1:9",)))
        assert (line.ok, "cannot be asked (ConnectError)" in line.advice) == (False, True)


class TestTheLedger:
    def test_opens(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/lapse.db"
        Ledger(url).close()
        assert check_ledger(url, no_topics).ok

    def test_opens_while_the_service_uses_it(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/lapse.db"
        at_work = Ledger(url)
        assert check_ledger(url, no_topics).ok
        at_work.close()

    def test_missing_ledger_is_not_created(self, tmp_path: Path) -> None:
        line = check_ledger(f"sqlite:///{tmp_path}/new/lapse.db", no_topics)
        assert str(line) == f"✓ ledger: {tmp_path}/new/lapse.db will be created at the first start"
        assert list(tmp_path.iterdir()) == []

    def test_is_a_file_of_another_kind(self, tmp_path: Path) -> None:
        (tmp_path / "lapse.db").write_bytes(b"a letter to grandmother" * 100)
        line = check_ledger(f"sqlite:///{tmp_path}/lapse.db", no_topics)
        assert not line.ok
        assert "ledger.url" in line.advice

    @pytest.mark.parametrize("url", ["postgresql+psycopg://lapse:hunter2@127.0.0.1:9/lapse"])
    def test_database_is_not_running(self, url: str) -> None:
        line = check_ledger(url, no_topics)
        assert not line.ok
        assert "is the database running" in line.advice
        assert "hunter2" not in str(line)
