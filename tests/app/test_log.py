"""The log of `lapse run`, from its start to its end, and what it says where it cannot start."""

import signal
import socket

from tests.app.service import Platform, Service, eventually


def test_log_tells_the_story_and_no_library_speaks_in_it(service: Service, platform: Platform) -> None:
    platform.knows("maria", name="Maria", phone="+34 612 000 999")
    platform.knows("paul", name="Paul", phone="+34 612 001 999", opt_in=False)
    platform.flush()
    service.start()
    eventually(lambda: " ready " in service.log, meaning="ready")
    for user in ("maria", "paul"):
        platform.says(user, "STARTED")
    platform.flush()

    def both_were_decided() -> bool:
        platform.says("busy", "PROGRESSED")  # a partition in which nothing is heard is not ready to judge by
        platform.flush()
        return bool(service.metric(_ACCEPTED)) and bool(service.metric(_NO_OPT_IN))

    eventually(both_were_decided, meaning="one message, and one that was not sent")
    assert service.process is not None
    service.process.send_signal(signal.SIGUSR1)
    eventually(lambda: "asyncio/runners.py" in service.log, meaning="it says what its main thread is doing")
    assert service.stop() == 0
    log = service.log
    assert "ledger_upgraded" in log
    assert f"console={service.url}/" in log
    assert "webhooks/1msg/***" in log
    assert log.count("first_message_sent") == 1
    assert "sent=1" in log
    assert "'no_opt_in': 1" in log
    for theirs in ("Started server process", "Shutting down", "Context impl", "Running upgrade", "Unclosed"):
        assert theirs not in log


_ACCEPTED = 'lapse_sends_total{outcome="accepted",process="account-setup",reason=""}'
_NO_OPT_IN = 'lapse_suppressions_total{process="account-setup",reason="no_opt_in",status="suppressed"}'


def test_taken_port_is_reported_and_nothing_is_left_open(service: Service) -> None:
    with socket.create_server(("127.0.0.1", service.settings["web"]["port"])):
        done = service.command("run")
    assert done.returncode == 1
    assert f"cannot listen on {service.url.removeprefix('http://')}: Address already in use" in done.stderr
    assert "Unclosed" not in done.stderr
