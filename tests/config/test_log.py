"""What is logged, and what is masked."""

import io
import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import structlog
from pydantic import SecretStr
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from consumer import log
from consumer.clock import MINUTE, ManualClock
from consumer.config.sections.service import LogSettings

TOKEN = 'tok"en\\with-quotes'

Written = Callable[[], str]


@pytest.fixture(params=["console", "json"])
def written(request: pytest.FixtureRequest) -> Iterator[Written]:
    """Sets the log up in both forms; gives what has been written."""
    yield from _set_up(request.param)


@pytest.fixture
def lines() -> Iterator[Written]:
    yield from _set_up("json")


@pytest.fixture
def clocked() -> Iterator[tuple[Written, ManualClock]]:
    clock = ManualClock()
    for written in _set_up("json", clock):
        yield written, clock


def _set_up(form: Literal["console", "json"], clock: ManualClock | None = None) -> Iterator[Written]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    log.configure(LogSettings(level="info", format=form), [SecretStr(TOKEN), SecretStr("ab")], stream, clock=clock)
    yield stream.getvalue
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def _only_line(written: Written) -> dict[str, Any]:
    (line,) = written().splitlines()
    loaded: dict[str, Any] = json.loads(line)
    return loaded


def test_event_is_one_line_with_its_fields(lines: Written) -> None:
    structlog.get_logger().info("commit_done", partition=3, seconds=0.25, topics=("a", "b"), about=None)
    event = _only_line(lines)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "commit_done",
        "level": "info",
        "partition": 3,
        "seconds": 0.25,
        "topics": ["a", "b"],
        "about": None,
    }


def test_libraries_write_to_the_same_log(lines: Written) -> None:
    logging.getLogger("some.library").warning("lost %s", "something")
    assert _only_line(lines)["event"] == "lost something"


def test_events_below_the_level_are_not_logged(written: Written) -> None:
    structlog.get_logger().debug("detail")
    logging.getLogger("some.library").debug("detail")
    assert written() == ""


@pytest.mark.parametrize("client", ["httpx", "httpx2"])  # the second is the registry's
def test_http_client_requests_are_not_logged(written: Written, client: str) -> None:
    logging.getLogger(client).info("HTTP Request: GET https://api/CH1/messages?chatId=15551230000@c.us")
    assert written() == ""


@pytest.mark.parametrize(
    "told",
    [
        "POST /webhooks/1msg/hunter2 HTTP/1.1",
        "https://lapse.example.com/webhooks/1msg/hunter2?x=1",
        "Authorization: Bearer hunter2",
        "{'authorization': 'bearer hunter2'}",
        "GET https://api.1msg.io/CH1/status?token=hunter2",
        "https://api/CH1/messages?limit=1&chatId=hunter2@c.us&x=1",
        "postgresql+psycopg://lapse:hunter2@db/lapse",
    ],
)
def test_secrets_in_addresses_and_headers_are_masked(written: Written, told: str) -> None:
    structlog.get_logger().warning("call_failed", error=told)
    logging.getLogger("some.library").error(told)
    assert "hunter2" not in written()
    assert written().count(log.MASK) == 2


def test_known_secret_is_masked_everywhere(lines: Written) -> None:
    structlog.get_logger().info("odd", text=f"a{TOKEN}b", nested={"x": [TOKEN, SecretStr("s")]}, short="ab")
    event = _only_line(lines)
    assert event["text"] == f"a{log.MASK}b"
    assert event["nested"] == {"x": [log.MASK, "**********"]}
    assert event["short"] == "ab"


@pytest.mark.parametrize("key", ["phone", "email", "token", "password", "secret", "authorization", "chat_id"])
def test_personal_and_secret_fields_are_masked(lines: Written, key: str) -> None:
    structlog.get_logger().info("sent", **{key: "hunter2"})
    assert _only_line(lines)[key] == log.MASK


def _raise_for(text: str) -> None:
    raise ValueError(text)


def test_exception_is_one_line_with_its_kind_and_place_and_none_of_its_text(written: Written) -> None:
    try:
        _raise_for("invalid literal: '15551230000'")
    except ValueError:
        structlog.get_logger().exception("send_failed")
        logging.getLogger("some.library").exception("its own words")
    (ours, theirs) = written().splitlines()
    for line in (ours, theirs):
        assert "ValueError" in line
        assert re.search(r"test_log.py:\d+ _raise_for < test_log.py:\d+ test_exception", line)
        assert "15551230000" not in line


def test_what_the_system_says_is_told(lines: Written, tmp_path: Path) -> None:
    try:
        (tmp_path / "15551230000").read_bytes()
    except OSError:
        structlog.get_logger().exception("not_stored")
    assert _only_line(lines)["reason"] == "No such file or directory"


def test_what_the_database_says_is_told(lines: Written) -> None:
    try:
        with create_engine("sqlite://", hide_parameters=True).connect() as connection:
            connection.execute(text("SELECT :it FROM missing"), {"it": "15551230000"})
    except DBAPIError:
        structlog.get_logger().exception("not_stored")
    assert _only_line(lines)["reason"] == "no such table: missing"


def test_kind_of_the_cause_is_told(lines: Written) -> None:
    try:
        try:
            _raise_for("1")
        except ValueError as error:
            raise KeyError("2") from error
    except KeyError:
        structlog.get_logger().exception("send_failed")
    event = _only_line(lines)
    assert (event["raised"], event["cause"]) == ("KeyError", "ValueError")


def test_text_of_others_neither_commands_a_terminal_nor_begins_a_line(written: Written) -> None:
    odd = "a\x1b[31mb\n2026-01-01T00:00:00Z [info] ready\ud800\u202ec"
    structlog.get_logger().warning("call_failed", error=odd, nested={odd: [odd]})
    (line,) = written().splitlines()
    assert line.isprintable()
    line.encode()


def test_long_text_is_cut(lines: Written) -> None:
    structlog.get_logger().warning("call_failed", error="x" * 1_000_000)
    assert len(_only_line(lines)["error"]) == log.MAX_TEXT_CHARACTERS + 1


def test_flood_of_one_warning_is_bounded_and_leaves_others_alone(clocked: tuple[Written, ManualClock]) -> None:
    written, clock = clocked
    for n in range(1_000):
        structlog.get_logger().warning("contact_without_user", offset=n)
        logging.getLogger("some.library").warning("lost connection %s", n)
    structlog.get_logger().error("stopped")
    structlog.get_logger().info("progress")
    counts = Counter(json.loads(line)["event"].split(" ")[0] for line in written().splitlines())
    assert counts == {"contact_without_user": 100, "lost": 100, "stopped": 1, "progress": 1}
    clock.advance(MINUTE)
    structlog.get_logger().warning("contact_without_user", offset=1_000)
    assert json.loads(written().splitlines()[-1])["left_out_before"] == 900
