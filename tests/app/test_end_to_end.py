"""The whole service from outside: activities in, one message per lapse, every status on `delivery-status`."""

import re
import time
from typing import Any

from consumer.clock import MINUTE
from tests.app.service import Platform, Sandbox, Service, eventually

RANK = {"accepted": 0, "sent": 1, "delivered": 2, "read": 3}


def phone(n: int) -> str:
    """Return a Spanish mobile number that the sandbox treats normally."""
    return f"+34 612 {n:03d} 999"


def names_of(kind: str, count: int) -> list[str]:
    return [f"{kind}-{n}" for n in range(count)]


def final(lives: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [life[-1] for life in lives.values() if life[-1]["final"]]


def test_one_message_per_lapse_end_to_end(service: Service, platform: Platform, channel: Sandbox) -> None:
    stalling, finishing, busy = names_of("stalls", 40), names_of("finishes", 40), names_of("busy", 10)
    for n, user in enumerate(stalling + finishing + busy):
        platform.knows(user, name=f"Name {n}", phone=phone(n))
    platform.flush()
    service.start()
    for user in stalling + finishing + busy:
        platform.says(user, "STARTED")
    for user in finishing:
        platform.says(user, "COMPLETED")
    platform.write_bytes("activity", b"nobody", b"these bytes mean nothing")
    platform.flush()

    statuses = platform.reads("delivery_status", "delivery_status")

    def the_stalled_have_read_theirs() -> bool:
        for user in busy:
            platform.says(user, "PROGRESSED")
        platform.flush()
        return len(final(statuses.lives())) >= len(stalling)

    eventually(the_stalled_have_read_theirs, meaning="every reminder has reached a final status")
    sent = channel.messages()
    assert sorted(message["params"][0] for message in sent) == sorted(f"Name {n}" for n in range(40))
    assert {message["params"][1] for message in sent} == {"account setup"}
    lives = statuses.lives()
    assert {life[0]["user_id"] for life in lives.values()} == set(stalling)
    for life in lives.values():
        assert [record["sequence"] for record in life] == sorted(record["sequence"] for record in life)
        ranks = [RANK[record["status"]] for record in life]
        assert ranks == sorted(ranks)
        assert life[0]["status"] == "accepted"
        assert life[-1]["status"] in {"delivered", "read"}
    assert (
        service.metric('lapse_dead_letters_total{reason="unframed",topic="' + f'{platform.names}-activity"' + "}") == 1
    )
    assert service.stop() == 0


def test_return_before_sending_end_to_end(service: Service, platform: Platform, channel: Sandbox) -> None:
    service.start()
    platform.says("maria", "STARTED")  # maria has no contact yet, so the reminder waits
    platform.flush()
    statuses = platform.reads("delivery_status", "delivery_status")
    eventually(
        lambda: any(r["status"] == "deferred" for r in statuses.so_far()), meaning="deferred for want of a contact"
    )
    platform.says("maria", "COMPLETED")
    platform.flush()
    eventually(lambda: any(r["status"] == "cancelled" for r in statuses.so_far()), meaning="cancelled")
    platform.knows("maria", name="Maria", phone=phone(1))
    platform.flush()
    ((first, *_, last),) = statuses.lives().values()
    assert (first["status"], first["reason"]) == ("deferred", "no_contact")
    assert (last["status"], last["reason"], last["final"]) == ("cancelled", "completed", True)
    assert channel.messages() == []
    assert service.stop() == 0


def test_no_consent_end_to_end(service: Service, platform: Platform, channel: Sandbox) -> None:
    endless = "x" * 700_000  # of which no topic takes a record
    platform.knows("consents-not", name="Maria", phone=phone(1), opt_in=False)
    platform.knows("has-no-phone", name="Maria")
    platform.knows("has-letters", name="Maria", phone="+34 CALL ME")
    platform.knows("is-nobody", phone=phone(2))
    platform.knows("long-name", name="Ana\nMaria\t" + "x" * 5_000, phone=phone(3))
    platform.knows(endless, name="Endless", phone=phone(4))
    platform.flush()
    service.start()
    read = 'lapse_deliver_dead_letters_total{reason="not_storable",topic="' + f'{platform.names}-contacts"' + "}"
    eventually(lambda: service.metric(read) == 1, meaning="whose id is longer than the topics take is no contact")
    channel.writes_back(phone(4), "STOP")
    opt_outs = platform.reads("opt_outs", "opt_out")
    eventually(lambda: len(opt_outs.so_far()) == 1, meaning="the phone is opted out, of whomever it is")
    for user in ("consents-not", "has-no-phone", "has-letters", "is-nobody", "long-name"):
        platform.says(user, "STARTED")
    platform.flush()
    statuses = platform.reads("delivery_status", "delivery_status")
    eventually(lambda: len(statuses.lives()) == 5, meaning="all five are decided about")
    eventually(channel.messages, meaning="the only one that can be goes out")
    reasons = {r["user_id"]: r["reason"] for r in statuses.so_far() if r["status"] in {"suppressed", "deferred"}}
    assert reasons == {
        "consents-not": "no_opt_in",
        "has-no-phone": "no_phone",
        "has-letters": "bad_phone",
        "is-nobody": "no_name",
    }
    (message,) = channel.messages()
    assert message["params"][0].startswith("Ana Maria x")
    assert len(message["params"][0]) < 200
    channel.writes_back(phone(3), "STOP")
    eventually(lambda: "long-name" in {r["user_id"] for r in opt_outs.so_far()}, meaning="others can opt out, too")
    backlog = "lapse_outbox_backlog", "lapse_outbox_refused"
    assert [service.metric(name) for name in backlog] == [0, 0]
    assert service.stop() == 0
    assert not re.search(r"612\s?\d{3}\s?999", service.log)


def test_first_start_asks_nobody_about_the_past_and_says_how_many(service: Service, platform: Platform) -> None:
    service.change("source", backfill="0s")
    service.change("policy", expire_after="2h")
    before = int(time.time() * 1000) - 30 * MINUTE
    for n in range(20):
        platform.knows(f"u{n}", name="Ana", phone=f"+34 612 000 {n:03d}")
        platform.says(f"u{n}", "STARTED", occurred_at=before)
    platform.flush()
    service.start()
    counted = 'lapse_lapses_total{outcome="before_start",process="account-setup",step="0"}'
    eventually(lambda: service.metric(counted) == 20, meaning="the lapses of before are counted")
    eventually(lambda: "lapses_before_start_not_asked_for" in service.log, meaning="and told")
    assert service.stop() == 0
    platform.says("u7", "PROGRESSED")
    platform.flush()
    service.start()
    asked = 'lapse_lapses_total{outcome="asked",process="account-setup",step="0"}'
    eventually(lambda: service.metric(asked) == 1, meaning="whoever goes quiet afterwards is asked for, once")
    assert service.metric(counted) == 0
    assert service.stop() == 0
