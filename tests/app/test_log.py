"""The log of `lapse run`, from its start to its end, and what it says where it cannot start."""

import json
import signal
import socket
from typing import Any

from tests.app.service import Platform, Service, eventually


def test_log_tells_the_story_and_no_library_speaks_in_it(service: Service, platform: Platform) -> None:
    service.configure(log={"level": "debug", "format": "json"})
    platform.knows("maria", name="Maria", phone="+34 612 000 999")
    platform.knows("paul", name="Paul", phone="+34 612 001 999", opt_in=False)
    platform.flush()
    service.start()
    for user in ("maria", "paul"):
        platform.says(user, "STARTED")
    for _ in range(2_000):
        platform.says("busy", "PROGRESSED")
    platform.flush()

    def both_were_decided() -> bool:
        platform.says("busy", "PROGRESSED")  # a partition in which nothing is heard is not ready to judge by
        platform.flush()
        return bool(service.metric(_READ)) and bool(service.metric(_NO_OPT_IN))

    eventually(both_were_decided, meaning="one message that was read, and one that was not sent")
    assert service.process is not None
    service.process.send_signal(signal.SIGUSR1)
    eventually(lambda: "asyncio/runners.py" in service.log, meaning="it says what its main thread is doing")
    assert service.stop() == 0
    lines = [json.loads(line) for line in service.log.splitlines() if line.startswith("{")]
    told = [line for line in lines if line["level"] != "debug"]
    by_event = {line["event"]: line for line in told}
    assert by_event["ready"]["console"] == f"{service.url}/"
    assert by_event["ready"]["webhook"].endswith("webhooks/1msg/***")
    assert "ledger_upgraded" in by_event
    assert [line["event"] for line in told].count("first_message_sent") == 1
    assert sum(line["sent"] for line in told if line["event"] == "progress") == 1
    assert sum(line["not_sent"].get("no_opt_in", 0) for line in told if line["event"] == "progress") == 1
    for theirs in ("Started server process", "Shutting down", "Context impl", "Running upgrade", "Unclosed"):
        assert theirs not in service.log
    _assert_each_reminder_has_its_story(lines)
    assert service.log.count("busy") == 0
    assert len(told) < 40, "changes of state and trouble, whatever the number of events"


def _assert_each_reminder_has_its_story(lines: list[dict[str, Any]]) -> None:
    """Whoever greps for the id of a reminder finds every published status that it had, in order, with the reasons."""
    stories: dict[str, list[tuple[str, str | None]]] = {}
    for line in lines:
        if line["event"] == "reminder_changed":
            stories.setdefault(line["reminder_id"], []).append((line["status"], line["reason"]))
    [sent] = [story for story in stories.values() if ("read", None) in story]
    assert (sent[0], sent[-1]) == (("accepted", None), ("read", None))
    assert [("suppressed", "no_opt_in")] in stories.values()


_READ = 'lapse_statuses_total{medium="whatsapp",process="account-setup",status="read"}'
_NO_OPT_IN = 'lapse_suppressions_total{process="account-setup",reason="no_opt_in",status="suppressed"}'


def test_taken_port_is_reported_and_nothing_is_left_open(service: Service) -> None:
    with socket.create_server(("127.0.0.1", service.settings["web"]["port"])):
        done = service.command("run")
    assert done.returncode == 1
    assert f"cannot listen on {service.url.removeprefix('http://')}: Address already in use" in done.stderr
    assert "Unclosed" not in done.stderr
