"""Registration, settings and webhook calls (docs/1msg.md#webhook-registration)."""

from collections.abc import Callable

import pytest

from consumer.sandbox.webhooks.registration import RequestRefused

from .client import MARIA, Client
from .receiver import Receiver


def test_nothing_is_told_until_ack_notifications_are_on(client: Client, receiver: Receiver) -> None:
    client.post("webhook", {"webhookUrl": receiver.url})
    silent = client.send_ok()
    client.post("settings", {"ackNotificationsOn": True})
    told = client.send_ok()
    receiver.wait(lambda: "read" in receiver.statuses(told))
    assert receiver.statuses(told) == ["sent", "delivered", "read"]
    assert receiver.statuses(silent) in ([], ["read"], ["delivered", "read"], ["sent", "delivered", "read"])
    assert client.get("hookInfo", messageId=silent)["hooks"]


def test_a_channel_that_never_asked_is_never_told(client: Client, receiver: Receiver) -> None:
    client.post("webhook", {"webhookUrl": receiver.url})
    client.send_ok(phone="15551230010")  # it goes all the way, then the person writes STOP
    receiver.wait(lambda: bool(receiver.messages()))
    assert receiver.acks() == []


def test_a_status_is_told_in_the_form_seen_in_production(client: Client, receiver: Receiver) -> None:
    client.register(receiver.url)
    sent = client.send_ok()
    receiver.wait(lambda: bool(receiver.acks(sent)))
    body = receiver.bodies[0]
    assert body == {
        "instanceId": client.sandbox.channel_id,
        "ack": [
            {
                "id": sent,
                "chatId": f"{MARIA}@c.us",
                "phone": MARIA,
                "bsuid": body["ack"][0]["bsuid"],
                "userName": None,
                "status": "sent",
                "category": "marketing",
            }
        ],
    }


def test_a_failure_is_told_by_its_text_without_a_code(client: Client, receiver: Receiver) -> None:
    client.register(receiver.url)
    sent = client.send_ok(phone="15551230006")
    receiver.wait(lambda: bool(receiver.acks(sent)))
    (ack,) = receiver.acks(sent)
    assert (ack["status"], ack["error"]) == ("failed", "User's number is part of an experiment")
    assert "130472" not in str(ack)


def test_raw_hooks_are_in_metas_form(client: Client, receiver: Receiver) -> None:
    client.register(receiver.url, rawHooks=True, outgoingEchoOn=True)
    sent = client.send_ok(phone="15551230002")
    receiver.wait(lambda: len(receiver.raw_statuses()) == 1)
    (status,) = receiver.raw_statuses()
    assert (status["id"], status["status"], status["recipient_id"]) == (sent, "failed", "15551230002")
    assert isinstance(status["timestamp"], str)
    assert status["errors"][0]["code"] == 131049
    value = receiver.bodies[0]["entry"][0]["changes"][0]["value"]
    assert value["message_echoes"][0]["id"] == sent
    assert value["message_echoes"][0]["to"] == "15551230002"
    assert not any("ack" in body or "messages" in body for body in receiver.bodies)


def test_the_echo_of_an_outgoing_message_comes_if_asked_for(client: Client, receiver: Receiver) -> None:
    client.register(receiver.url)
    quiet = client.send_ok()
    receiver.wait(lambda: "read" in receiver.statuses(quiet))
    assert receiver.messages() == []
    client.post("settings", {"outgoingEchoOn": True})
    sent = client.send_ok()
    receiver.wait(lambda: bool(receiver.messages()))
    (echo,) = receiver.messages()
    assert (echo["id"], echo["fromMe"], echo["chatId"]) == (sent, True, f"{MARIA}@c.us")
    assert echo["body"].startswith("Hello, Maria!")


def test_a_person_writes_back(client: Client, receiver: Receiver) -> None:
    client.register(receiver.url)
    own = f"{client.sandbox.base_url}/_sandbox/inbound"
    typed = client.http.post(own, json={"phone": MARIA, "body": "STOP"}).json()["id"]
    tapped = client.http.post(own, json={"phone": MARIA, "body": "Later", "type": "button"}).json()["id"]
    called = client.sandbox.write_back(MARIA, "Gracias")
    receiver.wait(lambda: len(receiver.messages()) == 3)
    assert sorted((m["id"], m["type"], m["body"], m["fromMe"], m["chatId"]) for m in receiver.messages()) == sorted(
        [
            (typed, "chat", "STOP", False, f"{MARIA}@c.us"),
            (tapped, "button", "Later", False, f"{MARIA}@c.us"),
            (called, "chat", "Gracias", False, f"{MARIA}@c.us"),
        ]
    )
    assert client.get("messages", msgId=typed)["messages"][0]["fromMe"] == 0
    assert client.sandbox.messages() == []


def test_somebody_without_a_phone_cannot_write_back(client: Client) -> None:
    with pytest.raises(ValueError, match="digits"):
        client.sandbox.write_back("Maria", "STOP")


def test_a_person_who_writes_back_is_raw_too(client: Client, receiver: Receiver) -> None:
    client.register(receiver.url, rawHooks=True)
    client.sandbox.write_back(MARIA, "STOP")
    client.http.post(
        f"{client.sandbox.base_url}/_sandbox/inbound", json={"phone": MARIA, "body": "Go", "type": "button"}
    )

    def came() -> list[str]:
        values = [body["entry"][0]["changes"][0]["value"] for body in receiver.bodies]
        return sorted(message["type"] for value in values for message in value["messages"])

    receiver.wait(lambda: came() == ["button", "text"])


def test_the_list_of_webhooks_is_replaced_read_back_and_cleared(client: Client) -> None:
    one, two = "http://127.0.0.1:9/a?secret=1", "http://localhost:9/b"
    assert client.get("webhook")["webhookUrl"] == ""
    assert client.post("webhook", {"webhookUrl": one}).json()["set"] is True
    assert client.get("webhook")["webhookUrl"] == one
    client.post("webhook", {"webhookUrl": [one, two]})
    assert client.get("webhook") == {"webhookUrl": [one, two], "webhookStatuses": {one: "active", two: "active"}}
    client.post("webhook", {"webhookUrl": f"{two},{one}"})
    assert client.get("settings")["webhookUrl"] == [two, one]
    assert client.post("settings", {"webhookUrl": ""}).json()["update"] == {"webhookUrl": ""}
    assert client.get("webhook") == {"webhookUrl": "", "webhookStatuses": {}}


@pytest.mark.parametrize(
    "value",
    [
        "",
        None,
        [],
        [1],
        5,
        {},
        "ftp://127.0.0.1/a",
        "not a url",
        "http://",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:0/",
        ["http://[::1"],
    ],
)
def test_what_is_no_list_of_urls_is_refused(shared: Client, value: object) -> None:
    answer = shared.post("webhook", {"webhookUrl": value})
    assert answer.status_code == 400
    assert answer.json()["message"]
    assert shared.get("webhook")["webhookUrl"] == ""


def test_a_channel_has_at_most_five_webhooks(shared: Client) -> None:
    urls = [f"http://127.0.0.1:9/{n}" for n in range(6)]
    assert "at most 5" in shared.post("webhook", {"webhookUrl": urls}).json()["message"]


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook?secret=s3cret",
        "http://127.0.0.1@example.com/s3cret",
        "http://example.com\\@127.0.0.1/s3cret",
        "http://127.0.0.1.example.com/s3cret",
        "http://169.254.169.254/s3cret",
        "http://2130706433/s3cret",
    ],
)
def test_only_this_machine_is_ever_called_and_the_refusal_keeps_the_secret(shared: Client, url: str) -> None:
    for path in ("webhook", "settings"):
        answer = shared.post(path, {"webhookUrl": url})
        assert answer.status_code == 400
        assert "only to this machine" in answer.json()["message"] or "URL" in answer.json()["message"]
        assert "s3cret" not in answer.text
    with pytest.raises(RequestRefused):
        shared.sandbox.register(url)
    assert shared.get("webhook")["webhookUrl"] == ""


def test_another_host_is_called_only_if_it_was_named_at_the_start(start: Callable[..., Client]) -> None:
    client = start(webhook_hosts=("lapse",))
    assert client.post("webhook", {"webhookUrl": "http://lapse:8080/hook"}).status_code == 200
    assert client.post("webhook", {"webhookUrl": "http://elapse:8080/hook"}).status_code == 400


def test_settings_are_updated_in_part_and_say_what_changed(client: Client) -> None:
    before = client.get("settings")
    assert before["ackNotificationsOn"] is False
    answer = client.post("settings", {"ackNotificationsOn": True, "rawHooks": False, "unheardOf": 1}).json()
    assert answer["update"] == {"ackNotificationsOn": True}
    assert client.get("settings") == before | {"ackNotificationsOn": True}
    form = client.http.post("settings", data={"rawHooks": "true", "ackNotificationsOn": "0"}).json()
    assert form["update"] == {"rawHooks": True, "ackNotificationsOn": False}
    assert client.post("settings", {"rawHooks": "perhaps"}).status_code == 400
    assert client.post("settings", {"guaranteedHooks": None}).status_code == 400


def test_every_webhook_is_told_and_one_that_is_down_disturbs_nobody(client: Client, receiver: Receiver) -> None:
    client.register("http://127.0.0.1:9/down", receiver.url)
    sent = client.send_ok()
    receiver.wait(lambda: receiver.statuses(sent) == ["sent", "delivered", "read"])


def test_without_guaranteed_hooks_a_refused_status_is_gone(client: Client, receiver: Receiver) -> None:
    receiver.answers = [503]
    client.register(receiver.url)
    sent = client.send_ok()
    receiver.wait(lambda: "read" in receiver.statuses(sent))
    assert receiver.statuses(sent) == ["sent", "delivered", "read"]  # each once, the first one in vain
    assert client.sandbox.stats()["callbacks"]["failed"] == 1


def test_with_guaranteed_hooks_a_refused_status_comes_again(client: Client, receiver: Receiver) -> None:
    receiver.answers = [503, 500]
    client.register(receiver.url, guaranteedHooks=True)
    sent = client.send_ok()
    receiver.wait(lambda: len(receiver.statuses(sent)) >= 5 and client.sandbox.stats()["callbacks"]["failed"] == 2)
    assert set(receiver.statuses(sent)) == {"sent", "delivered", "read"}


def test_a_redirect_is_not_followed(client: Client, receiver: Receiver) -> None:
    receiver.answers = [307]
    client.register(receiver.url)
    sent = client.send_ok()
    receiver.wait(lambda: "read" in receiver.statuses(sent))
    assert client.sandbox.stats()["callbacks"]["failed"] == 1
    assert receiver.statuses(sent) == ["sent", "delivered", "read"]


def test_a_webhook_that_keeps_failing_is_disabled_until_the_list_is_posted_again(
    start: Callable[..., Client], receiver: Receiver
) -> None:
    client = start(disable_after=2)
    receiver.answers = [500, 500]
    client.register(receiver.url)
    client.send_ok()
    receiver.wait(lambda: len(receiver.bodies) == 2)

    def states() -> set[str]:
        return set(client.get("webhook")["webhookStatuses"].values())

    while states() != {"disabled"}:
        client.send_ok()
    came = len(receiver.bodies)
    client.post("settings", {"webhookUrl": receiver.url})
    assert states() == {"disabled"}
    assert len(receiver.bodies) == came
    client.post("webhook", {"webhookUrl": receiver.url})
    assert states() == {"active"}
    sent = client.send_ok()
    receiver.wait(lambda: "read" in receiver.statuses(sent))


def test_a_process_that_starts_a_sandbox_can_register_its_webhook_at_once(client: Client, receiver: Receiver) -> None:
    client.sandbox.register(receiver.url)
    sent = client.send_ok()
    receiver.wait(lambda: "read" in receiver.statuses(sent))
    assert client.sandbox.messages()[0]["status"] == "read"


@pytest.mark.slow
def test_many_statuses_at_once_share_bodies_and_none_is_lost(client: Client, receiver: Receiver) -> None:
    client.register(receiver.url)
    sent = {client.send_ok(phone=f"1555123{n:04d}") for n in range(1000, 1200)}
    receiver.wait(lambda: len(receiver.acks()) == 600)
    for message_id in sent:
        assert set(receiver.statuses(message_id)) == {"sent", "delivered", "read"}
    assert len(receiver.bodies) < 600
