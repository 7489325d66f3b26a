"""docs/1msg.md#webhook-bodies: every form of them, alone and mixed, and bodies that are none of them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.onemsg.webhook.notifications import Echo, Inbound, Notification, Preference, Progress, StatusReport
from consumer.onemsg.webhook.parser import UnreadableBody, parse_status, parse_webhook


def told(body: object) -> Notification:
    return parse_webhook(json.dumps(body).encode())


def raw(**value: object) -> dict[str, object]:
    """A raw Meta body around one change (docs/1msg.md#raw-bodies-of-meta)."""
    inner = {"messaging_product": "whatsapp", "metadata": {"display_phone_number": "1555"}, **value}
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "WABA", "changes": [{"field": "messages", "value": inner}]}],
    }


ACK = {
    "id": "wamid.AAA",
    "chatId": "15551230000@c.us",
    "phone": "15551230000",
    "bsuid": "US.123",
    "userName": None,
    "status": "delivered",
    "category": "utility",
}
META_FAILED = {
    "id": "wamid.BBB",
    "status": "failed",
    "timestamp": "1790000000",
    "recipient_id": "15551230000",
    "errors": [
        {
            "code": 131049,
            "title": "This message was not delivered",
            "message": "This message was not delivered",
            "error_data": {"details": "healthy ecosystem"},
            "href": "https://developers.facebook.com/",
        }
    ],
}


def test_an_ack_as_production_sends_it() -> None:
    delivered = StatusReport(
        message_id="wamid.AAA", progress=Progress.DELIVERED, recipient="15551230000", whatsapp_id="US.123"
    )
    assert told({"instanceId": "CH1", "ack": [ACK]}) == Notification(statuses=(delivered,))


def test_failed_ack_has_text_without_a_code() -> None:
    item = {**ACK, "status": "failed", "error": "User's number is part of an experiment"}
    [report] = told({"instanceId": "CH1", "ack": [item]}).statuses
    assert (report.progress, report.error_code) == (Progress.FAILED, None)
    assert report.error == "User's number is part of an experiment"


def test_a_failed_ack_with_an_object_is_read_as_well() -> None:
    error = {"code": "131026", "title": "Message undeliverable", "details": "not on WhatsApp"}
    [report] = told({"ack": [{**ACK, "status": "failed", "error": error}]}).statuses
    assert (report.error_code, report.error) == (131026, "not on WhatsApp: Message undeliverable")


def test_hooks_are_read_like_raw_statuses() -> None:
    [report] = told({"hooks": [META_FAILED]}).statuses
    assert report == StatusReport(
        message_id="wamid.BBB",
        progress=Progress.FAILED,
        at=1790000000000,
        error_code=131049,
        error="healthy ecosystem: This message was not delivered",
        recipient="15551230000",
    )
    assert told(raw(statuses=[META_FAILED])).statuses == (report,)


def test_echo_is_distinguished_from_inbound() -> None:
    item = {
        "id": "wamid.BBB",
        "type": "chat",
        "body": "STOP",
        "fromMe": False,
        "self": 0,
        "time": 1790000000,
        "chatId": "15551230000@c.us",
        "author": "15551230000@c.us",
        "senderName": "Maria",
    }
    ours = {**item, "id": "wamid.CCC", "fromMe": True, "author": "15550001111@c.us", "body": "Hello, Maria"}
    said = told({"instanceId": "CH1", "messages": [item, ours]})
    [inbound] = said.inbound
    assert inbound == Inbound(
        message_id="wamid.BBB", sender="15551230000", at=1790000000000, kind="chat", texts=("STOP",)
    )
    [echo] = said.echoes
    assert echo == Echo(message_id="wamid.CCC", recipient="15551230000", at=1790000000000, body="Hello, Maria")


@pytest.mark.parametrize(("from_me", "ours"), [(1, True), ("1", True), ("true", True), (0, False), (None, False)])
def test_from_me_comes_in_many_forms(from_me: object, ours: bool) -> None:
    said = told({"messages": [{"id": "wamid.A", "fromMe": from_me, "chatId": "15551230000@c.us"}]})
    assert (len(said.echoes), len(said.inbound)) == ((1, 0) if ours else (0, 1))


def test_raw_meta_messages_echoes_and_preferences() -> None:
    inbound = {
        "from": "15551230000",
        "id": "wamid.1",
        "timestamp": "1790000000",
        "type": "text",
        "text": {"body": "Hi"},
    }
    button = {**inbound, "id": "wamid.2", "type": "button", "button": {"text": "Stop", "payload": "x"}}
    reply = {**inbound, "id": "wamid.3", "type": "interactive", "interactive": {"button_reply": {"title": "Later"}}}
    for each in (button, reply):
        del each["text"]
    echo = {"from": "1555", "to": "15551230000", "id": "wamid.4", "timestamp": 1790000001, "text": {"body": "Hello"}}
    stop = {
        "wa_id": "15551230000",
        "detail": "User requested to stop marketing messages",
        "category": "marketing_messages",
        "value": "stop",
        "timestamp": 1790000002,
    }
    said = told(raw(messages=[inbound, button, reply], message_echoes=[echo], user_preferences=[stop]))
    assert [(each.kind, each.texts, each.sender) for each in said.inbound] == [
        ("text", ("Hi",), "15551230000"),
        ("button", ("Stop", "x"), "15551230000"),
        ("interactive", ("Later",), "15551230000"),
    ]
    assert said.echoes == (Echo(message_id="wamid.4", recipient="15551230000", at=1790000001000, body="Hello"),)
    wanted = Preference(sender="15551230000", category="marketing_messages", wanted=False, at=1790000002000)
    assert said.preferences == (wanted,)
    assert said.ignored == 0


def test_all_forms_in_one_body_are_all_read() -> None:
    body = {
        "instanceId": "CH1",
        "ack": [ACK],
        "hooks": [{**META_FAILED, "id": "wamid.2"}],
        "messages": [{"id": "wamid.3", "fromMe": True}, {"id": "wamid.4", "fromMe": False}],
        **raw(statuses=[{**META_FAILED, "id": "wamid.5"}]),
    }
    said = told(body)
    assert [report.message_id for report in said.statuses] == ["wamid.AAA", "wamid.2", "wamid.5"]
    assert [echo.message_id for echo in said.echoes] == ["wamid.3"]
    assert [each.message_id for each in said.inbound] == ["wamid.4"]
    assert said.ignored == 0


@pytest.mark.parametrize(
    ("word", "progress"),
    [
        ("sent", Progress.SENT),
        ("delivered", Progress.DELIVERED),
        ("read", Progress.READ),
        ("viewed", Progress.READ),
        ("played", Progress.READ),
        ("failed", Progress.FAILED),
        ("undelivered", Progress.FAILED),
        ("Delivered ", Progress.DELIVERED),
    ],
)
def test_the_vocabulary_of_statuses(word: str, progress: Progress) -> None:
    [report] = told({"ack": [{"id": "wamid.A", "status": word}]}).statuses
    assert report.progress is progress


@pytest.mark.parametrize("word", ["deleted", "warning", "accepted", "", None, 3, ["sent"]])
def test_other_statuses_change_nothing(word: object) -> None:
    assert told({"ack": [{"id": "wamid.A", "status": word}]}) == Notification(ignored=1)


def test_an_error_beside_a_success_is_no_failure() -> None:
    [report] = told({"ack": [{**ACK, "status": "read", "error": "odd", "errors": [{"code": 131026}]}]}).statuses
    assert (report.progress, report.error, report.error_code) == (Progress.READ, None, None)


@pytest.mark.parametrize(
    ("timestamp", "at"),
    [
        ("1790000000", 1790000000000),
        (1790000000, 1790000000000),
        (1790000000.5, 1790000000500),
        ("1790000000.25", 1790000000250),
        (1790000000123, 1790000000123),
        ("1790000000123", 1790000000123),
        (0, None),
        (-5, None),
        (12345, None),
        (10**30, None),
        (-(10**400), None),
        ("10" * 30, None),
        ("yesterday", None),
        ("١٧٩٠٠٠٠٠٠٠", None),
        ("", None),
        (True, None),
        (None, None),
        ([1790000000], None),
    ],
)
def test_a_time_comes_as_number_or_text_in_seconds_or_milliseconds(timestamp: object, at: int | None) -> None:
    report = parse_status({"id": "wamid.A", "status": "sent", "timestamp": timestamp})
    assert report is not None
    assert report.at == at


def test_nan_and_infinity_are_no_timestamps() -> None:
    [report] = parse_webhook(b'{"ack": [{"id": "a", "status": "sent", "timestamp": NaN, "time": Infinity}]}').statuses
    assert report.at is None


@pytest.mark.parametrize(
    ("fields", "recipient"),
    [
        ({"chatId": "15551230000@c.us"}, "15551230000"),
        ({"phone": 15551230000}, "15551230000"),
        ({"phone": "+15551230000"}, "15551230000"),
        ({"recipient_id": "5215512345678", "phone": "525512345678"}, "5215512345678"),
        ({"phone": None, "chatId": "15551230000@s.whatsapp.net"}, "15551230000"),
        ({"chatId": "120363000000000000@g.us"}, None),
        ({"chatId": "123456789012345@lid"}, None),
        ({"phone": "US.123", "chatId": "US.123@lid"}, None),
        ({"phone": {}, "chatId": []}, None),
    ],
)
def test_the_recipient_is_digits_or_unknown(fields: dict[str, object], recipient: str | None) -> None:
    [report] = told({"ack": [{"id": "wamid.A", "status": "sent", **fields}]}).statuses
    assert report.recipient == recipient


@pytest.mark.parametrize("message_id", [None, "", "  ", {}, True, "a\u0000b", "\ud800", "x" * 513])
def test_item_without_an_id_is_ignored(message_id: object) -> None:
    said = told({"ack": [{**ACK, "id": message_id}, ACK], "messages": [{"id": message_id, "fromMe": True}]})
    assert [report.message_id for report in said.statuses] == ["wamid.AAA"]
    assert said.ignored == 2


def test_incomplete_raw_items_are_ignored() -> None:
    preferences = [{"wa_id": "15551230000", "category": "marketing_messages", "value": "perhaps"}, {"value": "stop"}]
    said = told(raw(messages=[{"from": "1555"}], message_echoes=[{"to": "1555"}, 7], user_preferences=preferences))
    assert said == Notification(ignored=5)


def test_an_id_may_be_a_number() -> None:
    [report] = told({"ack": [{"id": 41, "status": "sent"}]}).statuses
    assert report.message_id == "41"
    assert told({"ack": [{"id": 10**50, "status": "sent"}]}).ignored == 1


def test_unreadable_items_do_not_affect_others() -> None:
    said = told({"ack": ["odd", None, 7, [ACK], ACK], "hooks": "odd", "messages": 3, "entry": [1, {"changes": None}]})
    assert [report.message_id for report in said.statuses] == ["wamid.AAA"]
    assert said.ignored == 8


def test_one_object_in_place_of_a_list_is_a_list_of_one() -> None:
    assert len(told({"ack": ACK}).statuses) == 1


@pytest.mark.parametrize(
    "body",
    [{}, {"type": "calls", "instanceId": "CH1"}, {"object": "page", "entry": [{"changes": [{"value": {"x": 1}}]}]}],
)
def test_a_body_of_another_kind_is_counted_as_ignored(body: object) -> None:
    assert told(body) == Notification(ignored=1)


def test_empty_list_has_no_items() -> None:
    assert told({"instanceId": "CH1", "ack": []}) == Notification(ignored=1)


@pytest.mark.parametrize(
    "body", [b"", b"hello", b"[]", b"null", b"3", b'"ack"', b'{"ack": [', b"\xff\xff", b"\x00", b'{"a":' * 99999]
)
def test_body_that_is_no_json_object_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableBody) as raised:
        parse_webhook(body)
    assert str(raised.value).startswith("not a JSON")


def test_texts_have_no_unstorable_characters() -> None:
    [inbound] = told({"messages": [{"id": "wamid.A", "body": "a\x00b\ud800c", "type": "chat"}]}).inbound
    assert inbound.texts == ("a\ufffdb\ufffdc",)
    [long] = told({"messages": [{"id": "wamid.A", "body": "x" * 100_000, "type": "y" * 100}]}).inbound
    assert (len(long.texts[0]), len(long.kind)) == (4096, 40)


def test_repr_has_no_number_or_text() -> None:
    item = {"id": "wamid.A", "body": "my secret", "chatId": "15551230000@c.us", "author": "15551230000@c.us"}
    failed = {**ACK, "status": "failed", "error": "15551230000 is not on WhatsApp"}
    said = repr(told({"ack": [failed], "messages": [item, {**item, "fromMe": 1}]}))
    assert "15551230000" not in said
    assert "secret" not in said


holders = st.sampled_from(
    ["ack", "hooks", "messages", "entry", "changes", "value", "statuses", "message_echoes", "user_preferences"]
)
fields = st.sampled_from(["id", "status", "error", "errors", "code", "title", "details", "error_data", "timestamp"])
others = st.sampled_from(
    [
        *("time", "wa_id", "fromMe", "chatId", "phone", "body", "type", "text", "category", "contacts", "user_id"),
        *("from_user_id", "to_user_id", "recipient_user_id", "recipient_id", "bsuid", "authorBsuid", "context"),
        *(
            "interactive",
            "button",
            "button_reply",
            "list_reply",
            "payload",
            "caption",
            "from",
            "to",
            "author",
            "quotedMsgId",
        ),
    ]
)
keys = holders | fields | others
words = st.sampled_from(["failed", "sent", "wamid.A", "15551230000@c.us", "stop", "marketing_messages", "1790000000"])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | words
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6), max_leaves=40
)


@pytest.mark.slow
@given(st.dictionaries(keys, documents, max_size=6))
def test_any_json_object_is_read(body: dict[str, object]) -> None:
    said = told(body)
    for report in said.statuses:
        assert report.message_id
        assert report.message_id.encode()
        assert (report.error or "").isprintable()
        assert report.recipient is None or report.recipient.isdigit()
    assert said.statuses or said.echoes or said.inbound or said.preferences or said.ignored


@given(st.binary(max_size=300) | documents.map(lambda body: json.dumps(body).encode()))
def test_any_bytes_are_read_or_unreadable(body: bytes) -> None:
    try:
        said = parse_webhook(body)
    except UnreadableBody:
        return
    assert isinstance(said, Notification)


@pytest.mark.parametrize(
    "names",
    [
        {"author": "ES.103@lid"},
        {"chatId": "ES.103@lid"},
        {"authorBsuid": "ES.103", "chatId": "12345678901234@lid"},
        {"author": " ES.103@lid "},
    ],
)
def test_hidden_number_has_an_id_and_no_phone(names: dict[str, str]) -> None:
    [message] = told({"messages": [{"id": "wamid.1", "body": "STOP", "fromMe": False, **names}]}).inbound
    assert (message.sender, message.whatsapp_id) == (None, "ES.103")


def test_answer_names_the_message_that_it_quotes() -> None:
    [message] = told({"messages": [{"id": "wamid.2", "fromMe": False, "quotedMsgId": "wamid.1"}]}).inbound
    [raw_message] = told(raw(messages=[{"id": "wamid.2", "context": {"id": "wamid.1"}}])).inbound
    assert message.quoted_id == raw_message.quoted_id == "wamid.1"


def test_ids_in_bodies_of_meta() -> None:
    contacts = [{"wa_id": "15551230000", "user_id": "US.123"}, {"wa_id": "15551230001"}, {"user_id": "US.125"}, 7]
    status = {"id": "wamid.1", "status": "read", "recipient_user_id": "US.123"}
    stop = {"category": "marketing_messages", "value": "stop", "user_id": "US.ENT.123"}
    said = told(raw(contacts=contacts, statuses=[status], user_preferences=[stop]))
    assert [(person.phone, person.whatsapp_id) for person in said.people] == [("15551230000", "US.123")]
    assert (said.statuses[0].whatsapp_id, said.preferences[0].whatsapp_id) == ("US.123", "US.ENT.123")
    assert said.preferences[0].sender is None
