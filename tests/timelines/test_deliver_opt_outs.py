"""Opt-outs in every form, and what alone lifts them."""

import json

import pytest
from sqlalchemy import select

from consumer.clock import DAY, SECOND
from consumer.ledger.schema.tables import inbound_messages
from consumer.onemsg.outcomes import Rejected, Remedy

from .deliver_diary import Diary
from .detect_diary import moment


def published(diary: Diary) -> list[str]:
    return [f"{stop.user_id} {stop.medium} {stop.reason}" for stop in diary.topics.opt_outs]


@pytest.mark.parametrize(
    "text",
    ["STOP", " stop. ", "Stop!!! 🛑", "BAJA", "arrêt", "Désabonner", "Стоп", "stop\npromotions", "停止"],
)
def test_opt_out_words_are_recognised(deliver: Diary, text: str) -> None:
    deliver.knows("maria").hears(text).due("maria").works().says("maria suppressed opted_out").went_out()
    assert published(deliver) == ["maria whatsapp asked_to_stop"]


@pytest.mark.parametrize("text", ["stop by tomorrow?", "baja por maternidad", "please cancel", "I am not interested"])
def test_likely_opt_out_holds_that_person_until_a_clear_word(deliver: Diary, text: str) -> None:
    deliver.knows("maria").hears(text).due("maria").works().says("maria deferred recipient_hold").went_out()
    assert published(deliver) == []
    deliver.at("Mon 09:10").hears("START").due("maria", lapsed="Mon 09:10").works().says(
        "maria cancelled superseded", "maria accepted"
    )


RESUME = {"wa_id": "34612345678", "category": "marketing_messages", "value": "resume", "timestamp": "1767603900"}


@pytest.mark.parametrize("says", ["START", "resume in WhatsApp", "agrees in the shop"])
def test_what_was_held_goes_out_the_moment_it_is_lifted(deliver: Diary, says: str) -> None:
    deliver.knows("maria").hears("please cancel").due("maria").works().says("maria deferred recipient_hold")
    deliver.at("Mon 09:05").detect_is_at()
    if says == "START":
        deliver.hears("START", message="wamid.in.2")
    elif says == "resume in WhatsApp":
        value = {"messaging_product": "whatsapp", "user_preferences": [RESUME]}
        change = {"field": "user_preferences", "value": value}
        deliver.posts(json.dumps({"entry": [{"changes": [change]}]}).encode())
    else:
        deliver.knows("maria", opted_in_at=deliver.clock.now())
    deliver.works().says("maria accepted")


def test_what_was_held_goes_out_only_if_it_still_may(deliver: Diary) -> None:
    """One has come back, of one the contact is gone, one said no in the meantime; the fourth may be written to."""
    for number, user in enumerate(("ana", "ben", "cleo", "dan")):
        deliver.knows(user, name=user.title()).due(user, lapsed=f"Mon 08:0{number}")
    deliver.hears("please cancel").works().unchecked()
    deliver.at("Mon 09:05").detect_is_at().returned("ana", lapsed="Mon 08:00")
    deliver.forgets("ben").knows("cleo", opt_in=False)
    deliver.hears("START", message="wamid.in.2").works()
    said = sorted(f"{each.user_id} {each.status} {each.reason}" for each in deliver.unchecked())
    assert said == [
        "ana cancelled returned", "ben deferred no_contact", "cleo suppressed no_opt_in", "dan accepted None",
    ]  # fmt: skip


def test_start_that_arrives_before_an_earlier_likely_stop(deliver: Diary) -> None:
    deliver.knows("maria").at("Mon 09:05").hears("START")
    late = {"id": "wamid.in.0", "type": "chat", "body": "please cancel", "author": "34612345678@c.us"}
    deliver.posts(json.dumps({"messages": [{**late, "time": deliver.clock.now() // 1000 - 60}]}).encode())
    deliver.due("maria").works().says("maria accepted")


def test_hold_that_lasts_longer_than_the_reminder_ends_with_it(deliver: Diary) -> None:
    deliver.knows("maria").hears("please cancel").due("maria").works().says("maria deferred recipient_hold")
    deliver.at("Thu 09:01").detect_is_at().works().says("maria suppressed expired")


def test_likely_opt_out_is_not_forgotten_over_another_hold(deliver: Diary) -> None:
    """It was reported that she cannot be reached, and then she was: what she wrote still stands."""
    deliver.knows("maria").due("maria").works().says("maria accepted").hears("please cancel").at("Mon 09:05")
    deliver.reports("wamid.1", "failed", errors=[{"code": 131026}]).works().says("maria failed unreachable")
    deliver.reports("wamid.1", "delivered").works().says("maria delivered")
    deliver.at("Mon 12:00").detect_is_at().due("maria", "checkout").works().says("maria deferred recipient_hold")


def test_last_words_of_each_phone_are_kept(deliver: Diary) -> None:
    """Whoever writes all day fills neither the ledger nor the console. Words of unknown people are not kept."""

    def said(number: int, author: str) -> dict[str, object]:
        at = deliver.clock.now() // SECOND
        return {"id": f"w.{author}.{number:02}", "body": f"please cancel {number}", "author": author, "time": at}

    deliver.knows("maria").knows("paul", phone="+34 677 777 777")
    for first in (0, 10):
        messages = [said(first + each, "34612345678@c.us") for each in range(10)]
        deliver.posts(json.dumps({"messages": [*messages, said(first, "34677777777@c.us")]}).encode()).after(SECOND)
    deliver.posts(json.dumps({"messages": [said(99, "ES.103@lid")]}).encode())
    with deliver.ledger.reading() as connection:
        words = sorted(connection.scalars(select(inbound_messages.c.body)))
    assert words == sorted(f"please cancel {each}" for each in (0, 10, *range(15, 20)))
    deliver.due("maria").due("paul").works().says("maria deferred recipient_hold", "paul deferred recipient_hold")


WRITER: dict[str, object] = {"author": "34612345678@c.us", "fromMe": False, "time": 1767603600}
NORMALISED: list[dict[str, object]] = [
    {"type": "chat", "body": "STOP"},
    {"id": "", "type": "chat", "body": "STOP"},
    {"id": "x" * 600, "type": "chat", "body": "STOP"},
    {"id": "w.1", "type": "edit", "edit": {"message": {"text": {"body": "STOP"}}}},
    {"id": "w.1", "type": "edited_message", "editedMessage": {"conversation": {"text": "stop"}}},
    {"id": "w.1", "type": "video", "body": "https://cdn.example/1.mp4", "caption": "stop please"},
    {"id": "w.1", "type": "audio", "audio": {"caption": "STOP"}},
    {"id": "w.1", "type": "reaction", "body": "STOP", "quotedMsgId": "wamid.1"},
    {"id": "w.1", "type": "reaction", "reaction": {"emoji": "STOP"}},
    {"id": "w.1", "type": "button", "body": "No, gracias", "button": {"payload": "STOP"}},
    {"id": "w.1", "type": "interactive", "interactive": {"list_reply": {"id": "STOP", "title": "Nunca"}}},
    {"id": "w.1", "type": "list_response", "body": "Nunca", "selectedRowId": "STOP"},
    {"id": "w.1", "type": "from_the_future", "somewhere": [{"else": {"text": "STOP"}}]},
    {"id": "w.1", "fromMe": "?", "type": "chat", "body": "STOP"},
]
RAW_WRITER: dict[str, object] = {"from": "34612345678", "timestamp": "1767603600"}
RAW: list[dict[str, object]] = [
    {"type": "text", "text": {"body": "STOP"}},
    {"id": "w.1", "type": "edit", "edit": {"original_message_id": "w.0", "message": {"text": {"body": "STOP"}}}},
    {"id": "w.1", "type": "audio", "audio": {"id": "1", "caption": "STOP"}},
    {"id": "w.1", "type": "video", "video": {"id": "1", "caption": "Stop. Thank you"}},
    {"id": "w.1", "type": "document", "document": {"filename": "a.pdf", "caption": "STOP"}},
    {"id": "w.1", "type": "sticker", "sticker": {"caption": "STOP"}},
    {"id": "w.1", "type": "reaction", "reaction": {"message_id": "w.0", "emoji": "🆂🆃🅾🅿"}},
    {"id": "w.1", "type": "interactive", "interactive": {"button_reply": {"id": "STOP", "title": "Nunca"}}},
    {"id": "w.1", "type": "interactive", "interactive": {"list_reply": {"id": "1", "description": "STOP"}}},
    {"id": "w.1", "type": "unsupported", "text": {"body": "STOP"}, "errors": [{"code": 131051}]},
]


def meta(**value: object) -> dict[str, object]:
    return {"entry": [{"changes": [{"field": "messages", "value": value}]}]}


def test_stop_is_understood_wherever_it_stands(deliver: Diary) -> None:
    """Each form is written by somebody else."""
    preference = {"wa_id": WRITER["author"], "value": "stop", "timestamp": "1767603600"}
    forms: list[object] = [
        *({"messages": [{**WRITER, **message}]} for message in NORMALISED),
        *(meta(messages=[{**RAW_WRITER, **message}]) for message in RAW),
        [{"messages": [{**WRITER, "body": "STOP"}]}],
        meta(user_preferences=[preference]),
    ]
    for number, form in enumerate(forms):
        phone = f"346123450{number:02}"
        user = f"{number} {json.dumps(form)}"
        deliver.knows(user, phone=f"+{phone}").due(user)
        deliver.posts(json.dumps(form).replace("34612345678", phone).encode())
    deliver.works()
    assert {each.user_id for each in deliver.topic if each.reason != "opted_out"} == set()
    assert len(deliver.topic) == len(forms)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "chat", "body": "please cancel"},
        {"id": "w.1", "type": "video", "caption": "I am not interested"},
        {"id": "w.1", "type": "interactive", "interactive": {"nfm_reply": {"response_json": '{"opt_out": true}'}}},
    ],
    ids=lambda message: str(message["type"]),
)
def test_likely_stop_is_kept_for_an_operator_wherever_it_stands(deliver: Diary, message: dict[str, object]) -> None:
    body = json.dumps({"messages": [{**WRITER, **message}]}).encode()
    deliver.knows("maria").posts(body, body).due("maria").works().says("maria deferred recipient_hold")
    with deliver.ledger.reading() as connection:
        words = list(connection.scalars(select(inbound_messages.c.body)))
    assert len(words) == 1
    assert words[0] in str(message)


@pytest.mark.parametrize(
    "message",
    [
        {"id": "w.1", "type": "chat", "body": "who is this?", "senderName": "Basta", "quotedMsgBody": "STOP"},
        {"id": "w.1", "type": "chat", "body": "hello", "context": {"body": "STOP"}, "chatName": "Stop"},
        {"id": "w.1", "type": "chat", "body": "hello", "referral": {"headline": "STOP", "body": "STOP"}},
        {"id": "STOP", "type": "STOP"},
    ],
)
def test_words_of_others_are_no_stop(deliver: Diary, message: dict[str, object]) -> None:
    deliver.knows("maria").posts(json.dumps({"messages": [{**WRITER, **message}]}).encode())
    deliver.due("maria").works().says("maria accepted")


def test_stop_button_of_a_marketing_template_is_an_opt_out(deliver: Diary) -> None:
    button = {"text": "Zaprzestań promocji", "payload": "STOP"}
    raw = {"id": "wamid.IN", "from": "34612345678", "timestamp": "1767603600", "type": "button", "button": button}
    body = {"entry": [{"changes": [{"field": "messages", "value": {"messages": [raw]}}]}]}
    deliver.knows("maria").posts(json.dumps(body).encode()).due("maria").works().says("maria suppressed opted_out")


@pytest.mark.parametrize("again", ["START", "start please"])
def test_start_lifts_an_opt_out(deliver: Diary, again: str) -> None:
    deliver.knows("maria").hears("stop").at("Mon 09:05").hears(again)
    deliver.due("maria", lapsed="Mon 09:05").works().says("maria accepted")


@pytest.mark.parametrize("text", ["I cannot stop the form", "I'll stop by tomorrow", "", "👍", "no"])
def test_longer_texts_are_not_opt_outs(deliver: Diary, text: str) -> None:
    deliver.knows("maria").hears(text).due("maria").works().says("maria accepted")
    assert published(deliver) == []


def test_opt_out_stops_a_deferred_reminder(deliver: Diary) -> None:
    deliver.due("maria").works().says("maria deferred no_contact")
    deliver.at("Mon 10:00").hears("stop").knows("maria", updated_at=moment("Mon 09:30"))
    deliver.detect_is_at().works().says("maria suppressed opted_out").went_out()


def test_opt_out_overrides_an_earlier_opt_in(deliver: Diary) -> None:
    deliver.knows("maria", updated_at=moment("Mon 08:00")).hears("stop")
    deliver.knows("maria", updated_at=moment("Mon 08:59:59.999"))  # an older record that comes late
    deliver.due("maria").works().says("maria suppressed opted_out")


def test_repeated_opt_out_does_not_undo_a_later_opt_in(deliver: Diary) -> None:
    body = said("stop", "Mon 09:00")
    deliver.knows("maria").posts(body, body).works()
    deliver.at("Tue 09:00").knows("maria", opted_in_at=moment("Tue 08:00")).posts(body)
    deliver.due("maria", "checkout").works().says("maria accepted")
    assert published(deliver) == ["maria whatsapp asked_to_stop"]


def test_later_opt_out_is_published_again(deliver: Diary) -> None:
    """A new ledger must not take an agreement between the two for the person's last word."""
    deliver.knows("maria").hears("stop").at("Wed 09:00").hears("stop", message="wamid.in.2").works()
    deliver.at("Thu 09:00").knows("maria", opted_in_at=moment("Tue 09:00")).due("maria").works()
    deliver.says("maria suppressed opted_out")
    assert [stop.occurred_at for stop in deliver.topics.opt_outs] == [moment("Mon 09:00"), moment("Wed 09:00")]


def test_start_that_arrives_before_an_earlier_stop(deliver: Diary) -> None:
    deliver.knows("maria").at("Mon 10:00").hears("start").posts(said("stop", "Mon 09:00"))
    deliver.due("maria").works().says("maria accepted")
    assert published(deliver) == []


def test_stop_and_start_in_the_same_second(deliver: Diary) -> None:
    deliver.knows("maria").posts(said("start", "Mon 09:00")).posts(said("stop", "Mon 09:00"))
    deliver.due("maria").works().says("maria suppressed opted_out")


def said(text: str, when: str) -> bytes:
    """Return a webhook body: the client wrote this at that moment."""
    message = {"id": f"wamid.{text}", "type": "chat", "body": text, "fromMe": False, "author": "34612345678@c.us"}
    return json.dumps({"messages": [{**message, "time": moment(when) // 1_000}]}).encode()


def test_opt_out_by_phone_counts_for_every_user_with_it(deliver: Diary) -> None:
    deliver.knows("maria").knows("paul", name="Paul", phone="0034 612-345-678").hears("stop").works()
    assert published(deliver) == ["maria whatsapp asked_to_stop", "paul whatsapp asked_to_stop"]
    deliver.knows("new").due("new").works().says("new suppressed opted_out")


def test_opt_out_follows_the_user_to_a_new_phone(deliver: Diary) -> None:
    deliver.knows("maria").hears("stop").knows("maria", phone="+34 699 999 999").due("maria").works()
    deliver.says("maria suppressed opted_out")


@pytest.mark.parametrize("phone", ["+34 699 999 999", None])
def test_reply_counts_for_the_user_written_to_at_that_phone(deliver: Diary, phone: str | None) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted")
    deliver.at("Mon 20:00").detect_is_at().knows("maria", phone=phone).hears("stop").works()
    assert published(deliver) == ["maria whatsapp asked_to_stop"]
    deliver.knows("maria", phone="+34 688 888 888").due("maria", "checkout").works().says("maria suppressed opted_out")


def test_reply_after_a_month_counts_for_nobody(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted").knows("maria", phone="+34 699 999 999")
    deliver.after(30 * DAY + SECOND).hears("stop").works().says("maria accepted no_report")
    deliver.due("maria", "checkout").works().says("maria accepted")
    assert published(deliver) == []


def test_opt_out_in_another_form_of_the_phone(deliver: Diary) -> None:
    deliver.knows("maria", phone="+52 55 1234 5678").hears("stop", phone="5215512345678").due("maria").works()
    deliver.says("maria suppressed opted_out")


def test_opt_out_survives_erasure(deliver: Diary) -> None:
    deliver.knows("maria").hears("stop").forgets("maria").due("maria").works().says("maria deferred no_contact")
    deliver.after(1).knows("maria", opt_in=True).works().says("maria suppressed opted_out")
    deliver.knows("again").due("again").works().says("again suppressed opted_out")


def test_opt_outs_from_whatsapp_are_published(deliver: Diary) -> None:
    """Error code 131050, and docs/1msg.md#opting-in-and-out, user_preferences."""
    deliver.knows("maria").knows("paul", name="Paul", phone="+34 677 777 777")
    deliver.onemsg.answers = [Rejected(reason="opted_out", remedy=Remedy.OPT_OUT, error_code=131050)]
    deliver.due("maria").works()
    preference = {"wa_id": "34677777777", "category": "marketing_messages", "value": "stop"}
    value = {"user_preferences": [preference]}
    deliver.posts(json.dumps({"entry": [{"changes": [{"value": value}]}]}).encode()).works()
    assert published(deliver) == ["maria whatsapp opted_out", "paul whatsapp stopped_in_whatsapp"]


def test_failed_publication_is_repeated(deliver: Diary) -> None:
    deliver.knows("maria").hears("stop")

    deliver.topics.failure_before = ConnectionError("no broker")
    with pytest.raises(ConnectionError):
        deliver.publishes()
    deliver.crashes_and_restarts().publishes()
    assert published(deliver) == ["maria whatsapp asked_to_stop"]


def test_stored_opt_out_hides_the_phone(deliver: Diary) -> None:
    deliver.knows("maria").hears("stop")
    with deliver.ledger.reading() as connection:
        kept = str(connection.exec_driver_sql("SELECT * FROM opt_outs").all())
    assert "612345678" not in kept
