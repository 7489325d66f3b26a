"""Templates and webhooks change on 1MSG's side while the service runs, with a real broker."""

from typing import Any

from tests.app.service import SECRET, Platform, Sandbox, Service, eventually, http

THEIRS = "http://127.0.0.1:9/inbox-of-the-channel"


def review(channel: Sandbox, **verdict: str) -> None:
    """Set the template's review result, in all languages."""
    body = {"name": channel.info["template"], **verdict}
    assert http.post(f"{channel.info['base_url']}/_sandbox/templates", json=body).json()["changed"]


def part(service: Service, name: str) -> str:
    found: dict[str, Any] = http.get(f"{service.url}/readyz").json()
    return str(found["parts"][name]["detail"])


def overwrite(channel: Sandbox, *urls: str) -> None:
    url = f"{channel.info['base_url']}/{channel.info['channel_id']}/webhook"
    bearer = {"Authorization": f"Bearer {channel.info['token']}"}
    assert http.post(url, headers=bearer, json={"webhookUrl": list(urls)}).status_code == 200


def test_paused_template_defers_until_approved(service: Service, platform: Platform, channel: Sandbox) -> None:
    service.change("onemsg", look_every="1s", template={"languages": ["es"]})
    service.change("processes", **{"account-setup": {"action": {"default": "account setup", "es": "el alta"}}})
    review(channel, status="PAUSED")
    platform.knows("maria", name="Maria", phone="+34 612 000 999", locale="es-ES")
    platform.flush()
    service.start()
    assert "template_not_approved" in part(service, "templates")
    platform.says("maria", "STARTED")
    platform.flush()
    statuses = platform.reads("delivery_status", "delivery_status")
    eventually(lambda: statuses.so_far(), meaning="the reminder waits")
    first = statuses.so_far()[0]
    assert (first["status"], first["reason"]) == ("deferred", "template_unusable")
    assert channel.messages() == []
    review(channel, status="approved")
    eventually(channel.messages, meaning="it goes out")
    (message,) = channel.messages()
    assert (message["language"], message["params"]) == ("es", ["Maria", "el alta"])
    eventually(lambda: statuses.so_far()[-1]["final"], meaning="its life ends")
    assert {r["language"] for r in statuses.so_far() if r["status"] != "deferred"} == {"es"}
    assert part(service, "templates") == "inactivity_reminder (en): MARKETING; inactivity_reminder (es): MARKETING"
    assert service.metric('lapse_template_marketing{language="en",template="inactivity_reminder"}') == 1
    assert service.stop() == 0


def test_removed_webhook_is_registered_again(service: Service, channel: Sandbox) -> None:
    overwrite(channel, THEIRS, f"{service.url}/webhooks/1msg/an-old-secret-of-ours")
    service.change("onemsg", look_every="1s")
    service.start()
    ours = f"{service.url}/webhooks/1msg/{SECRET}"
    eventually(lambda: channel.webhooks() == [THEIRS, ours], meaning="registered, and the old secret gone")
    overwrite(channel, THEIRS)
    eventually(lambda: channel.webhooks() == [THEIRS, ours], meaning="registered again")
    eventually(lambda: part(service, "webhook") == "registered; others on the list: 1", meaning="and it says so")
    assert service.stop() == 0
    assert SECRET not in service.log
