"""What keeps everything from being sent is told at once: by health, by a gauge, and by one line of the log."""

from typing import Any

import pytest

from tests.app.service import Platform, Sandbox, Service, eventually, http


def parts(service: Service) -> dict[str, dict[str, Any]]:
    answer = http.get(f"{service.url}/readyz")
    assert answer.status_code == 200, "another process could do no better"
    return dict(answer.json()["parts"])


def is_blocked(service: Service, reason: str) -> bool:
    return service.metric(f'lapse_sending_blocked{{reason="{reason}"}}') == 1


def change(channel: Sandbox, **fields: object) -> None:
    assert http.post(f"{channel.info['base_url']}/_sandbox/channel", json=fields).is_success


def problem_of(service: Service, reason: str) -> str:
    """Return what health says of the sender once the gauge names this reason; the log must have told it once."""
    eventually(lambda: is_blocked(service, reason), meaning=f"blocked by {reason}: {parts(service)}")
    sender = parts(service)["sender"]
    assert not sender["ok"]
    eventually(lambda: service.log.count("sending_blocked") == 1, meaning="one line says so")
    return str(sender["detail"])


def test_wrong_token(service: Service, platform: Platform) -> None:
    service.environment["ONEMSG_TOKEN"] = "a-token-of-somebody-else"
    for n in range(5):
        platform.knows(f"u{n}", name="Ana", phone=f"+34 612 {n:03d} 999")
        platform.says(f"u{n}", "STARTED")
    platform.flush()
    service.start()
    assert "1MSG does not take the token: onemsg.token must be the current token" in problem_of(service, "credential")
    assert not parts(service)["templates"]["ok"]
    asked = 'lapse_lapses_total{outcome="asked",process="account-setup",step="0"}'
    eventually(lambda: service.metric(asked) == 5, meaning="all five are asked for")
    assert service.stop() == 0
    assert service.log.count("sending_blocked") == 1
    assert service.log.count("list_failed") + service.log.count("poll_failed") <= 1


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ({"namespace": "another_namespace"}, "is not in the configured namespace: write namespace: "),
        ({"name": "nobody_made_this"}, "template nobody_made_this does not exist on this channel: create it"),
        ({"language": "da"}, "template inactivity_reminder does not exist in da: it exists in "),
    ],
)
def test_template_that_cannot_be_sent(service: Service, template: dict[str, str], said: str) -> None:
    service.change("onemsg", template=template)
    service.start()
    assert said in problem_of(service, "template_unusable")
    assert said in parts(service)["templates"]["detail"]
    assert service.stop() == 0


def test_channel_that_is_not_connected_and_is_again(service: Service, channel: Sandbox) -> None:
    service.change("onemsg", look_every="1s")
    change(channel, status="disconnected")
    service.start()
    assert "the channel is disconnected: nothing can be sent until it is connected" in problem_of(
        service, "not_connected"
    )
    change(channel, status="connected")
    eventually(lambda: parts(service)["sender"]["ok"], meaning="it is well again")
    assert not is_blocked(service, "not_connected")
    assert service.log.count("sending_possible") == 1
    assert service.stop() == 0


def test_pause_is_no_fault_but_the_gauge_tells_it(service: Service) -> None:
    service.start()
    assert service.command("pause").returncode == 0
    eventually(lambda: is_blocked(service, "paused"), meaning="the gauge tells the pause")
    assert parts(service)["sender"] == {"ok": True, "detail": "paused: everything"}
    assert service.command("resume").returncode == 0
    eventually(lambda: not is_blocked(service, "paused"), meaning="and its end")
    assert service.stop() == 0
