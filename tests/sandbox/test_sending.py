"""sendTemplate, answer by answer (docs/1msg.md#answers-to-sendtemplate), against the server as it runs."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from .client import MARIA, Client, variables


def test_an_accepted_message_is_answered_and_reads_as_the_client_will_read_it(client: Client) -> None:
    answer = client.send()
    assert answer.status_code == 200
    value = answer.json()
    assert value == {
        "sent": True,
        "id": value["id"],
        "message": f"Sent to {MARIA}@c.us",
        "description": "Message has been sent to the provider",
    }
    assert value["id"].startswith("wamid.")
    (kept,) = client.sandbox.messages()
    assert kept == {
        "phone": MARIA,
        "template": "inactivity_reminder",
        "language": "en",
        "params": ["Maria", "account setup"],
        "text": "Hello, Maria! We noticed you have not yet completed account setup. "
        "If you would like to continue, we are ready to help.",
        "id": value["id"],
        "status": kept["status"],
        "time": kept["time"],
        "request": 1,
        "requests": 1,
    }


def test_the_token_may_come_in_the_query(client: Client) -> None:
    told = client.sandbox
    answer = httpx.post(
        f"{told.base_url}/{told.channel_id}/sendTemplate", params={"token": told.token}, json=client.body()
    )
    assert answer.json()["sent"] is True


def test_the_token_may_come_in_the_body(client: Client) -> None:
    answer = client.http.post(
        "sendTemplate", json=client.body(token=client.sandbox.token), headers={"Authorization": ""}
    )
    assert answer.json()["sent"] is True


@pytest.mark.parametrize("where", ["missing", "header", "query", "body"])
def test_a_wrong_token_is_refused_and_echoed_wherever_it_came(client: Client, where: str) -> None:
    told = client.sandbox
    url, body = f"{told.base_url}/{told.channel_id}/sendTemplate", client.body()
    headers = {}
    if where == "header":
        headers["Authorization"] = "Bearer stale"
    elif where == "query":
        url, headers["Authorization"] = f"{url}?token=stale", f"Bearer {told.token}"
    elif where == "body":
        body["token"], headers["Authorization"] = "stale", f"Bearer {told.token}"
    answer = httpx.post(url, json=body, headers=headers)
    presented = "" if where == "missing" else "stale"
    assert answer.status_code == 401
    assert answer.json() == {
        "error": f'Wrong token "{presented}" for channel "{told.channel_id}". Please provide token as a GET parameter.'
    }
    assert client.sandbox.messages() == []


def test_another_channel_is_not_here(client: Client) -> None:
    for path in ("sendTemplate", "webhook", "settings"):
        assert client.http.post(f"{client.sandbox.base_url}/OTHER/{path}", json={}).status_code == 404
    for path in ("templates", "messages", "hookInfo", "webhook", "settings", "status"):
        assert client.http.get(f"{client.sandbox.base_url}/OTHER/{path}").status_code == 404


def says(shared: Client, status: int, **changes: Any) -> str:
    """The text of a refusal by HTTP status; nothing was accepted."""
    before = len(shared.sandbox.messages())
    answer = shared.send(**changes)
    assert answer.status_code == status, answer.text
    assert len(shared.sandbox.messages()) == before
    return str(answer.json()["message"])


def code(shared: Client, **changes: Any) -> int:
    """Meta's code in a refusal that comes with 200; nothing was accepted."""
    before = len(shared.sandbox.messages())
    answer = shared.send(**changes)
    value = answer.json()
    assert (answer.status_code, value["sent"]) == (200, False), answer.text
    assert value["message"].startswith(f"(#{value['error']['code']})")
    assert len(shared.sandbox.messages()) == before
    return int(value["error"]["code"])


@pytest.mark.parametrize(
    "changes",
    [{"template": None}, {"template": ""}, {"language": None}, {"language": {"policy": "deterministic"}}],
)
def test_without_name_or_language_the_template_is_not_defined(shared: Client, changes: dict[str, Any]) -> None:
    assert says(shared, 400, **changes) == "template is not defined"


def test_the_language_is_an_object_and_its_policy_deterministic(shared: Client) -> None:
    assert "object" in says(shared, 400, language="en")
    assert "deterministic" in says(shared, 400, language={"policy": "fallback", "code": "en"})


def test_a_missing_or_wrong_namespace_cannot_be_processed(shared: Client) -> None:
    assert "namespace" in says(shared, 422, namespace=None)
    assert "namespace" in says(shared, 422, namespace="somebody_elses")


@pytest.mark.parametrize("values", [(), ("Maria",), ("Maria", "x", "y")])
def test_the_number_of_values_must_be_the_templates(shared: Client, values: tuple[str, ...]) -> None:
    assert says(shared, 422, params=variables(*values)) == (
        f"number of params ({len(values)}) does not match the expected number of params (2)"
    )


@pytest.mark.parametrize("params", [["Maria", "account setup"], "Maria", {"0": "Maria"}])
def test_parameters_of_older_products_are_refused(shared: Client, params: Any) -> None:
    assert "component objects" in says(shared, 400, params=params)


@pytest.mark.parametrize("old", ["hsm", "localizable_params"])
def test_fields_of_older_products_are_refused(shared: Client, old: str) -> None:
    assert old in says(shared, 400, **{old: ["Maria"]})


@pytest.mark.parametrize(
    "phone", ["+15551230000", "1555 123 0000", "call me", "12345", "1" * 16, "015551230000", 15551230000]
)
def test_a_bad_phone_is_refused_with_200(shared: Client, phone: Any) -> None:
    assert code(shared, phone=phone) == 131009


@pytest.mark.parametrize("chat_id", ["15551230000", "US.13491208655302741918@lid", "@c.us", "abc@c.us"])
def test_a_bad_chat_id_is_refused_with_200(shared: Client, chat_id: str) -> None:
    assert code(shared, chatId=chat_id) == 131009


def test_exactly_one_of_phone_and_chat_id_is_wanted(shared: Client) -> None:
    assert "required" in says(shared, 400, phone=None)
    assert "not both" in says(shared, 400, phone=MARIA, chatId=f"{MARIA}@c.us")


def test_a_chat_id_a_group_and_a_bsuid_can_be_written_to(client: Client) -> None:
    assert client.send(chatId=f"{MARIA}@c.us").json()["message"] == f"Sent to {MARIA}@c.us"
    client.send_ok(chatId="120363041234567890@g.us")
    client.send_ok(phone="US.13491208655302741918")
    assert len(client.sandbox.messages()) == 3


def test_routing_by_bsuid_or_username_is_off(shared: Client) -> None:
    assert shared.send(phone=None, bsuid="US.1").json() == {"sent": False, "message": "BSUID routing is disabled"}
    assert shared.send(phone=None, username="maria").json() == {
        "sent": False,
        "message": "Username routing is disabled",
    }


def test_an_unknown_template_or_language_is_132001(shared: Client) -> None:
    assert code(shared, template="nobody_approved_this") == 132001
    assert code(shared, language={"policy": "deterministic", "code": "xx"}) == 132001


@pytest.mark.parametrize(
    ("value", "expected"),
    [("Ma\nria", 100), ("Ma\tria", 100), ("Ma     ria", 100), ("  ", 131008), ("", 131008), ("x" * 1000, 132005)],
)
def test_values_that_whatsapp_would_not_take_are_refused(shared: Client, value: str, expected: int) -> None:
    assert code(shared, params=variables(value, "account setup")) == expected


def test_named_values_buttons_and_headers_do_not_fit_these_templates(shared: Client) -> None:
    named = [{"type": "body", "parameters": [{"type": "text", "parameter_name": "name", "text": "Maria"}] * 2}]
    button = {"type": "button", "sub_type": "url", "index": 0, "parameters": [{"type": "text", "text": "x"}]}
    assert code(shared, params=named) == 132012
    assert code(shared, params=[*variables("Maria", "x"), button]) == 132018
    assert code(shared, params=[{"type": "header", "parameters": []}, *variables("Maria", "x")]) == 132018
    assert code(shared, params=[{"type": "body", "parameters": [{"type": "text", "text": 5}]}]) == 100


def test_a_lifetime_must_suit_the_templates_category(client: Client) -> None:
    assert code(client, messageSendTtlSeconds=60) == 100
    assert code(client, messageSendTtlSeconds="43200") == 100
    client.send_ok(messageSendTtlSeconds=43200)


def test_forms_are_taken_too_nested_or_with_json_inside(client: Client) -> None:
    plain = {"phone": MARIA, "template": "inactivity_reminder", "namespace": client.sandbox.namespace}
    as_json = {"language": '{"policy":"deterministic","code":"es"}', "params": json.dumps(variables("Ana", "el pago"))}
    nested = {
        "language[policy]": "deterministic",
        "language[code]": "de",
        "params[0][type]": "body",
        "params[0][parameters][0][type]": "text",
        "params[0][parameters][0][text]": "Jörg",
        "params[0][parameters][1][type]": "text",
        "params[0][parameters][1][text]": "die Bestellung",
        "messageSendTtlSeconds": "43200",
    }
    for fields in (plain | as_json, plain | nested):
        assert client.http.post("sendTemplate", data=fields).json()["sent"] is True
    assert [row["params"] for row in client.sandbox.messages()] == [["Ana", "el pago"], ["Jörg", "die Bestellung"]]


@pytest.mark.parametrize("raw", [b"", b"not json", b"[1, 2]", b'"text"', b"[" * 100_000, b"\xff\xfe", b"x" * 1_000_001])
def test_a_body_that_is_no_object_is_a_bad_request(shared: Client, raw: bytes) -> None:
    answer = shared.http.post("sendTemplate", content=raw)
    assert answer.status_code == 400
    assert "JSON object" in answer.json()["message"]


@pytest.mark.parametrize("fields", ["a[b]=1&a=2&a[c]=3", "a[x][y]=1&a[x]=2&a[x][z]=3", "a" + "[b]" * 20 + "=1"])
def test_a_form_that_contradicts_itself_is_a_bad_request(shared: Client, fields: str) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert shared.http.post("sendTemplate", content=fields, headers=headers).status_code == 400


def test_a_lone_surrogate_in_a_name_comes_through(client: Client) -> None:
    raw = json.dumps(client.body(params=variables("\ud800", "x")))
    assert client.http.post("sendTemplate", content=raw.encode()).json()["sent"] is True
    assert (
        client.http.get(f"{client.sandbox.base_url}/_sandbox/messages").json()["messages"][0]["params"][0] == "\ud800"
    )


def test_more_than_the_rate_is_429_and_not_accepted(start: Callable[..., Client]) -> None:
    client = start(rate=3.0)
    answers = [client.send() for _ in range(12)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert {answer.text for answer in refused} == {'{"message":"rate limit"}'}
    assert len(client.sandbox.messages()) == 12 - len(refused)


def test_a_paused_template_is_refused_until_it_is_approved_again(client: Client) -> None:
    own = f"{client.sandbox.base_url}/_sandbox/templates"
    for status, expected in (("PAUSED", 132015), ("DISABLED", 132016), ("REJECTED", 132001)):
        assert client.http.post(own, json={"name": "inactivity_reminder", "status": status}).json() == {"changed": 5}
        assert code(client) == expected
    client.http.post(own, json={"name": "inactivity_reminder", "status": "APPROVED"})
    client.send_ok()


def test_a_template_changes_under_its_senders(client: Client) -> None:
    own = f"{client.sandbox.base_url}/_sandbox/templates"
    three = {"name": "inactivity_reminder", "language": "en", "body": "{{1}}, {{2}}, {{3}}", "category": "UTILITY"}
    assert client.http.post(own, json=three).json() == {"changed": 1}
    assert client.send().status_code == 422
    client.http.post(own, json={"name": "inactivity_reminder", "status": "gone"})
    assert code(client) == 132001
    for wrong in ({}, {"name": "x"}, {"name": "x", "status": 7}, {"status": "PAUSED"}):
        assert client.http.post(own, json=wrong).status_code == 400


def test_a_channel_changes_under_its_senders(client: Client) -> None:
    own = f"{client.sandbox.base_url}/_sandbox/channel"
    client.http.post(own, json={"status": "disconnected", "namespace": "another"}).raise_for_status()
    assert client.http.get("status").json()["status"] == "disconnected"
    assert client.send().status_code == 422
    for wrong in ({}, {"blocked": 1}, {"status": ""}, {"namespace": None}, {"blocekd": True}):
        assert client.http.post(own, json=wrong).status_code == 400


def test_a_blocked_channel_answers_403_in_plain_text_until_it_is_released(client: Client) -> None:
    own = f"{client.sandbox.base_url}/_sandbox/channel"
    assert client.http.post(own, json={"blocked": True}).status_code == 200
    answer = client.send()
    assert (answer.status_code, answer.headers["content-type"]) == (403, "text/plain; charset=utf-8")
    client.http.post(own, json={"blocked": False})
    client.send_ok()


def test_what_is_under_way_when_the_client_gives_up_was_sent_nevertheless(start: Callable[..., Client]) -> None:
    client = start(latency=300)
    with pytest.raises(Exception, match="timed out"):
        client.http.post("sendTemplate", json=client.body(), timeout=0.1)
    assert len(client.sandbox.messages()) == 1


def test_requests_to_one_phone_are_counted_also_where_they_were_refused_afterwards(client: Client) -> None:
    phone = "15551230016"  # always 429
    client.send(phone=phone)
    client.send_ok()
    client.send_ok()
    own = client.http.get(f"{client.sandbox.base_url}/_sandbox/messages").json()
    assert (own["requests"], own["accepted"]) == (3, 2)
    assert [row["requests"] for row in own["messages"]] == [2, 2]
    assert [row["request"] for row in own["messages"]] == [2, 3]
