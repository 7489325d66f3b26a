"""What is logged, and what is masked."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
import structlog
from pydantic import SecretStr

from consumer import log
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


def _set_up(form: Literal["console", "json"]) -> Iterator[Written]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    log.configure(LogSettings(level="info", format=form), [SecretStr(TOKEN), SecretStr("ab")], stream)
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


def test_traceback_has_no_local_variables(written: Written) -> None:
    phone, token = "".join(["1555", "1230000"]), "".join(["hunt", "er2"])
    try:
        raise ValueError(f"GET https://api/status?token={token} for nobody but {len(phone)} digits")
    except ValueError:
        structlog.get_logger().exception("send_failed")
    assert f"ValueError: GET https://api/status?token={log.MASK} for nobody but 11 digits" in written()
    assert token not in written()
    assert phone not in written()
