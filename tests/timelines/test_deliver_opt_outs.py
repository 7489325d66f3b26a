"""Whoever says stop, in whatever way, hears nothing more until they themselves say otherwise, later."""

import json

import pytest

from consumer.clock import DAY, SECOND
from consumer.config.policy import PolicySettings
from consumer.deliver.recipients.opt_out_words import OptOutWords
from consumer.onemsg.outcomes import Rejected, Remedy
from consumer.records import Contact, Received

from .deliver_diary import Diary
from .detect_diary import moment


def stops(diary: Diary) -> list[str]:
    return [f"{stop.user_id} {stop.medium} {stop.reason}" for stop in diary.topics.opt_outs]


@pytest.mark.parametrize(
    "text",
    ["STOP", " stop. ", "Stop!!! 🛑", "BAJA", "arrêt", "Désabonner", "Стоп", "stop\npromotions", "停止"],
)
def test_a_word_for_stop_is_understood(deliver: Diary, text: str) -> None:
    deliver.knows("maria").hears(text).due("maria").works().says("maria suppressed opted_out").went_out()
    assert stops(deliver) == ["maria whatsapp asked_to_stop"]


@pytest.mark.parametrize("text", ["stop by tomorrow?", "I cannot stop the form", "baja por maternidad", "", "👍", "no"])
def test_whoever_says_more_than_that_wants_something_else(deliver: Diary, text: str) -> None:
    deliver.knows("maria").hears(text).due("maria").works().says("maria accepted")
    assert stops(deliver) == []


def test_every_word_that_is_configured_matches_itself() -> None:
    words = OptOutWords(PolicySettings().stop_words)
    assert all(words.matches(word.upper()) for word in PolicySettings().stop_words)
    assert not words.matches(None)
    assert not OptOutWords(["", "!"]).matches("?")


def test_the_words_are_the_companys_own_where_it_has_any() -> None:
    own = OptOutWords(PolicySettings.model_validate({"opt_out_words": ["genug", "Nein, danke!"]}).stop_words)
    assert [own.matches(text) for text in ("GENUG", "nein danke", "stop", "nein")] == [True, True, False, False]
    assert not OptOutWords(PolicySettings.model_validate({"opt_out_words": []}).stop_words).matches("stop")


def test_what_was_waiting_for_its_moment_is_not_sent_after_a_stop(deliver: Diary) -> None:
    deliver.due("maria").works().says("maria deferred no_contact")
    deliver.at("Mon 10:00").hears("stop").knows("maria", updated_at=moment("Mon 09:30"))
    deliver.detect_is_at().works().says("maria suppressed opted_out").went_out()


def test_a_stop_beats_the_opt_in_that_was_there_before(deliver: Diary) -> None:
    deliver.knows("maria", updated_at=moment("Mon 08:00")).hears("stop")
    deliver.knows("maria", updated_at=moment("Mon 08:59:59.999"))  # an older word that comes late
    deliver.due("maria").works().says("maria suppressed opted_out")


def test_only_a_no_and_then_a_yes_lift_it_and_a_second_stop_counts_again(deliver: Diary) -> None:
    deliver.knows("maria").hears("stop")
    deliver.at("Tue 09:00").knows("maria", opt_in=False).due("maria", "checkout").works()
    deliver.says("maria suppressed opted_out")
    deliver.at("Wed 09:00").knows("maria", opt_in=True).due("maria", "checkout").works().says("maria accepted")
    deliver.at("Thu 09:00").hears("BAJA", message="wamid.in.2").due("maria", "checkout").works()
    deliver.says("maria suppressed opted_out", "maria accepted no_report")
    deliver.at("Fri 09:00").knows("maria", opt_in=True).due("maria", "checkout").works()
    deliver.says("maria suppressed opted_out")  # the no of Tuesday has been used up
    assert [(stop.user_id, stop.occurred_at) for stop in deliver.topics.opt_outs] == [
        ("maria", moment("Mon 09:00")),
        ("maria", moment("Thu 09:00")),
    ]


def test_a_crm_that_writes_everybody_anew_every_night_brings_nobody_back(deliver: Diary) -> None:
    """Each export says yes and is stamped with the present, by a CRM that never heard of the stop."""
    deliver.knows("maria").hears("stop")
    for night in ("Tue 03:00", "Wed 03:00", "Thu 03:00"):
        deliver.at(night).knows("maria").due("maria", "checkout").works().says("maria suppressed opted_out")


def test_the_no_must_be_about_this_stop(deliver: Diary) -> None:
    """A no from before it is about something else, however late the yes comes."""
    deliver.knows("maria", opt_in=False, updated_at=moment("Mon 08:59:59.999")).hears("stop")
    deliver.at("Tue 09:00").knows("maria").due("maria", "checkout").works().says("maria suppressed opted_out")
    deliver.at("Wed 09:00").knows("maria", opt_in=False, updated_at=moment("Mon 09:00"))  # as the topic told it
    deliver.knows("maria").due("maria", "checkout").works().says("maria accepted")


def test_a_yes_that_is_no_later_than_the_no_lifts_nothing(deliver: Diary) -> None:
    deliver.knows("maria").hears("stop").at("Tue 09:00").knows("maria", opt_in=False)
    deliver.knows("maria", updated_at=moment("Tue 09:00")).due("maria", "checkout").works()
    deliver.says("maria suppressed opted_out")
    deliver.after(1).knows("maria").due("maria", "checkout").works().says("maria accepted")


def test_a_no_and_a_yes_in_one_breath_count_and_a_deletion_between_them_does_not(deliver: Diary) -> None:
    deliver.knows("maria").knows("paul", name="Paul", phone="+34 677 777 777")
    deliver.hears("stop").hears("stop", phone="34677777777", message="wamid.in.2")

    def record(user: str, phone: str, opt_in: bool, when: str) -> Received[Contact]:
        said = Contact(user_id=user, name=user, phone=phone, opt_in=opt_in, updated_at=moment(when))
        return deliver.received("contacts", said)

    told = [record("maria", "34612345678", False, "Tue 09:00"), record("maria", "34612345678", True, "Wed 09:00")]
    told.append(record("paul", "34677777777", False, "Tue 09:00"))
    told.append(deliver.received("contacts", None, key=b"paul"))
    told.append(record("paul", "34677777777", True, "Wed 09:00"))
    deliver.at("Wed 09:00").parts.intake.take_contacts(told)
    deliver.due("maria").due("paul").works().says("paul suppressed opted_out", "maria accepted")


def test_a_stop_between_the_no_and_the_yes_stands(deliver: Diary) -> None:
    """They said stop again while the CRM was already turning its no into a yes."""
    deliver.knows("maria").hears("stop").at("Tue 09:00").knows("maria", opt_in=False)
    deliver.at("Tue 10:00").hears("stop", message="wamid.in.2")
    deliver.at("Tue 11:00").knows("maria").due("maria", "checkout").works().says("maria suppressed opted_out")


def test_a_stop_that_is_told_twice_is_published_once_and_does_not_undo_a_later_opt_in(deliver: Diary) -> None:
    wrote = {"id": "wamid.in", "type": "chat", "body": "stop", "fromMe": False, "author": "34612345678@c.us"}
    body = json.dumps({"messages": [{**wrote, "time": moment("Mon 09:00") // 1_000}]}).encode()
    deliver.knows("maria").posts(body, body).works()
    deliver.at("Tue 09:00").knows("maria", opt_in=False).after(1).knows("maria").posts(body)
    deliver.due("maria", "checkout").works().says("maria accepted")
    assert stops(deliver) == ["maria whatsapp asked_to_stop"]


def test_a_no_and_a_yes_that_are_newer_count_even_if_they_were_heard_first(deliver: Diary) -> None:
    wrote = {"id": "wamid.in", "type": "chat", "body": "stop", "fromMe": False, "author": "34612345678@c.us"}
    deliver.at("Tue 09:00").knows("maria", opt_in=False).after(1).knows("maria")
    deliver.posts(json.dumps({"messages": [{**wrote, "time": moment("Mon 09:00") // 1_000}]}).encode())
    deliver.due("maria").works().says("maria accepted")
    assert stops(deliver) == []


def test_a_number_speaks_for_every_user_who_has_it_and_for_those_who_get_it(deliver: Diary) -> None:
    deliver.knows("maria").knows("paul", name="Paul", phone="0034 612-345-678").hears("stop").works()
    assert stops(deliver) == ["maria whatsapp asked_to_stop", "paul whatsapp asked_to_stop"]
    deliver.knows("new").due("new").works().says("new suppressed opted_out")


def test_a_user_who_said_stop_is_not_written_to_at_another_number(deliver: Diary) -> None:
    deliver.knows("maria").hears("stop").knows("maria", phone="+34 699 999 999").due("maria").works()
    deliver.says("maria suppressed opted_out")


@pytest.mark.parametrize("phone", ["+34 699 999 999", None])
def test_an_answer_is_theirs_who_were_written_to_even_if_their_contact_has_changed_since(
    deliver: Diary, phone: str | None
) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted")
    deliver.at("Mon 20:00").detect_is_at().knows("maria", phone=phone).hears("stop").works()
    assert stops(deliver) == ["maria whatsapp asked_to_stop"]
    deliver.knows("maria", phone="+34 688 888 888").due("maria", "checkout").works().says("maria suppressed opted_out")


def test_after_a_month_a_number_may_be_somebody_elses(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted").knows("maria", phone="+34 699 999 999")
    deliver.after(30 * DAY + SECOND).hears("stop").works().says("maria accepted no_report")
    deliver.due("maria", "checkout").works().says("maria accepted")
    assert stops(deliver) == []


def test_a_number_that_whatsapp_writes_in_its_own_way_is_the_same_number(deliver: Diary) -> None:
    deliver.knows("maria", phone="+52 55 1234 5678").hears("stop", phone="5215512345678").due("maria").works()
    deliver.says("maria suppressed opted_out")


def test_it_survives_the_deletion_of_the_person(deliver: Diary) -> None:
    deliver.knows("maria").hears("stop").forgets("maria").due("maria").works().says("maria deferred no_contact")
    deliver.after(1).knows("maria", opt_in=True).works().says("maria suppressed opted_out")
    deliver.knows("again").due("again").works().says("again suppressed opted_out")


def test_what_whatsapp_itself_tells_of_is_published_too(deliver: Diary) -> None:
    """Contract §10, 131050, and §11, user_preferences."""
    deliver.knows("maria").knows("paul", name="Paul", phone="+34 677 777 777")
    deliver.onemsg.answers = [Rejected(reason="opted_out", remedy=Remedy.OPT_OUT, error_code=131050)]
    deliver.due("maria").works()
    preference = {"wa_id": "34677777777", "category": "marketing_messages", "value": "stop"}
    value = {"user_preferences": [preference]}
    deliver.posts(json.dumps({"entry": [{"changes": [{"value": value}]}]}).encode()).works()
    assert stops(deliver) == ["maria whatsapp opted_out", "paul whatsapp stopped_in_whatsapp"]


def test_what_could_not_be_published_is_published_next_time(deliver: Diary) -> None:
    deliver.knows("maria").hears("stop")

    deliver.topics.failure_before = ConnectionError("no broker")
    with pytest.raises(ConnectionError):
        deliver.publishes()
    deliver.crashes_and_restarts().publishes()
    assert stops(deliver) == ["maria whatsapp asked_to_stop"]


def test_what_is_kept_of_a_number_does_not_show_it(deliver: Diary) -> None:
    deliver.knows("maria").hears("stop")
    with deliver.ledger.reading() as connection:
        kept = str(connection.exec_driver_sql("SELECT * FROM opt_outs").all())
    assert "612345678" not in kept
