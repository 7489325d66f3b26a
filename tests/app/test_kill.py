"""SIGKILL and restart: nothing twice, nothing lost, and what was in flight is unknown."""

import pytest

from tests.app.service import Platform, Sandbox, Service, eventually

USERS = 60


def sent_to(channel: Sandbox) -> list[str]:
    return sorted(message["phone"] for message in channel.messages())


def test_kill_while_sending_loses_and_doubles_nothing(
    service: Service,
    platform: Platform,
    channel: Sandbox,
) -> None:
    for n in range(USERS):
        platform.knows(f"user-{n}", name="Maria", phone=f"+34 612 {n:03d} 999")
        platform.says(f"user-{n}", "STARTED")
    platform.flush()
    service.start()
    eventually(lambda: len(channel.messages()) >= 5, meaning="the first messages are out")
    service.kill()
    service.start()
    statuses = platform.reads("delivery_status", "delivery_status")

    def everybody_is_accounted_for() -> bool:
        latest = {life[-1]["user_id"]: life[-1] for life in statuses.lives().values()}
        return len(latest) == USERS and all(r["final"] or r["status"] == "unknown" for r in latest.values())

    eventually(everybody_is_accounted_for, meaning="every reminder is final or unknown")
    assert len(sent_to(channel)) == len(set(sent_to(channel)))
    unknown = {life[-1]["reminder_id"] for life in statuses.lives().values() if life[-1]["status"] == "unknown"}
    assert len(sent_to(channel)) >= USERS - len(unknown)
    assert service.stop() == 0


@pytest.mark.parametrize("channel", [("--latency", "4000")], indirect=True)
def test_attempt_in_flight_at_a_kill_is_unknown(
    service: Service,
    platform: Platform,
    channel: Sandbox,
) -> None:
    platform.knows("maria", name="Maria", phone="+34 612 345 999")
    platform.says("maria", "STARTED")
    platform.flush()
    service.change("onemsg", timeout="6s")
    service.start()
    eventually(lambda: service.metric("lapse_sends_in_flight") == 1, meaning="the request is on its way")
    service.kill()
    service.start()
    statuses = platform.reads("delivery_status", "delivery_status")
    eventually(
        lambda: any(r["status"] == "unknown" for r in statuses.so_far()), meaning="the interrupted attempt is unknown"
    )
    assert len(channel.messages()) <= 1
    assert service.stop() == 0


def test_restart_does_not_wait_for_the_former_session(
    service: Service,
    platform: Platform,
    channel: Sandbox,
) -> None:
    platform.knows("maria", name="Maria", phone="+34 612 345 999")
    platform.flush()
    service.change("kafka", client={"session.timeout.ms": 240_000})
    service.start()
    service.kill()
    service.start()
    platform.says("maria", "STARTED")
    platform.flush()
    eventually(lambda: len(channel.messages()) == 1, meaning="a message long before the killed one's session ends")
    assert service.stop() == 0
