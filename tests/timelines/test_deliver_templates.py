"""A template that can no longer be sent, one that can again, and the language that each person is written to in."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from consumer.clock import HOUR, MINUTE
from consumer.ledger.schema.tables import reminders
from consumer.onemsg.api_errors import ApiErrorKind, OneMsgError
from consumer.onemsg.outcomes import Rejected, Remedy
from consumer.onemsg.templates.listing import Template
from consumer.onemsg.templates.parameters import BODY_LIMIT

from .deliver_diary import PLANS, TEMPLATE, Diary

ORDER = replace(TEMPLATE, name="order_waiting")
PAUSED = replace(TEMPLATE, status="PAUSED")
SPANISH = replace(TEMPLATE, language="es", body="¡Hola, {{1}}! Aún no has completado {{2}}.")
BRAZILIAN = replace(TEMPLATE, language="pt_BR", body="Olá, {{1}}! Você ainda não concluiu {{2}}.")
WORDS = {"es": "el alta", "pt_BR": "o cadastro"}
REFUSED = Rejected(reason="template_paused", remedy=Remedy.CHANNEL, error_code=132015, template=True)


@pytest.fixture
def abroad(ledger_url: str, tmp_path: Path) -> Iterator[Diary]:
    """The template exists in three languages."""
    plans = PLANS | {"account-setup": replace(PLANS["account-setup"], translations=WORDS)}
    diary = Diary(tmp_path, url=ledger_url, plans=plans)
    yield diary
    diary.close()


@pytest.mark.parametrize(
    "now_it_is",
    [
        PAUSED,
        replace(TEMPLATE, status="REJECTED"),
        replace(TEMPLATE, namespace="cccc_dddd"),
        replace(TEMPLATE, variables=("1", "2", "3"), body="{{1}}, {{2}}, {{3}}"),
    ],
)
def test_reminders_wait_while_it_cannot_be_sent_and_go_on_at_once_when_it_can(
    deliver: Diary, now_it_is: Template
) -> None:
    deliver.lists(TEMPLATE, ORDER).knows("maria").knows("tom", "Tom", "+34 612 000 000")
    deliver.lists(now_it_is, ORDER).due("maria").works().says("maria deferred template_unusable")
    deliver.due("tom", "checkout").works().says("tom accepted")
    deliver.after(6 * HOUR).detect_is_at().lists(now_it_is, ORDER).works().says_nothing()
    deliver.lists(TEMPLATE, ORDER).works().says("maria accepted").went_out("Tom", "Maria")


def test_a_reminder_that_grew_too_old_meanwhile_is_not_sent(deliver: Diary) -> None:
    deliver.knows("maria").lists(PAUSED).due("maria").works().says("maria deferred template_unusable")
    deliver.after(72 * HOUR + 1).detect_is_at().lists(TEMPLATE).works().says("maria suppressed expired").went_out()


def test_one_that_waits_without_news_is_looked_at_when_it_is_too_old(deliver: Diary) -> None:
    deliver.knows("maria").lists(PAUSED).due("maria").works().says("maria deferred template_unusable")
    assert [row.until for row in deliver.rows()] == [deliver.clock.now() + 72 * HOUR + 1]
    deliver.after(72 * HOUR + 1).detect_is_at().works().says("maria suppressed expired")


def test_somebody_who_comes_back_meanwhile_is_left_alone(deliver: Diary) -> None:
    deliver.knows("maria").lists(PAUSED).due("maria").works().says("maria deferred template_unusable")
    deliver.after(HOUR).detect_is_at().returned("maria", lapsed="Mon 09:00").works().says("maria cancelled returned")
    deliver.lists(TEMPLATE).works().says_nothing().went_out()


def test_what_waits_is_woken_after_a_restart_too(deliver: Diary) -> None:
    deliver.knows("maria").lists(PAUSED).due("maria").works().says("maria deferred template_unusable")
    deliver.crashes_and_restarts().lists(PAUSED).works().says_nothing()
    deliver.crashes_and_restarts().lists(TEMPLATE).works().says("maria accepted")


def test_a_row_that_fell_asleep_while_the_others_were_woken_is_woken_a_look_later(deliver: Diary) -> None:
    deliver.knows("maria").lists(PAUSED, ORDER).due("maria").works().says("maria deferred template_unusable")
    deliver.lists(TEMPLATE, ORDER)
    assert deliver.parts.template_watcher.recheck_soon  # so the next look comes soon
    with deliver.ledger.transaction() as connection:  # another replica had decided just before
        connection.execute(update(reminders).values(due_at=reminders.c.until))
    deliver.works().says_nothing()
    deliver.lists(TEMPLATE, ORDER).works().says("maria accepted")
    assert not deliver.parts.template_watcher.recheck_soon


def test_lists_that_prove_nothing_stop_nothing(deliver: Diary) -> None:
    deliver.lists(TEMPLATE).knows("maria")
    for _ in range(5):
        deliver.lists().lists(ORDER, whole=False)
    deliver.onemsg.failure = OneMsgError(ApiErrorKind.UNAVAILABLE, "502 Bad Gateway")
    deliver.lists(PAUSED)
    assert "502" in deliver.parts.template_watcher.detail
    assert deliver.parts.template_watcher.recheck_soon
    deliver.onemsg.failure = None
    deliver.due("maria").works().says("maria accepted")


def test_a_template_is_taken_for_gone_at_the_third_list_without_it(deliver: Diary) -> None:
    deliver.lists(TEMPLATE, ORDER).knows("maria").knows("tom", "Tom", "+34 612 000 000").lists(ORDER).lists(ORDER)
    deliver.due("maria").works().says("maria accepted")
    deliver.lists(ORDER).due("tom").works().says("tom deferred template_unusable")
    deliver.lists(TEMPLATE, ORDER).works().says("tom accepted")


def test_a_template_that_was_refused_and_is_shown_as_good_again_is_not_probed_first(deliver: Diary) -> None:
    deliver.lists(TEMPLATE).knows("maria").knows("tom", "Tom", "+34 612 000 000")
    deliver.onemsg.answers = [REFUSED]
    deliver.due("maria").works().says("maria rejected template_paused", "maria deferred template_unusable")
    deliver.lists(PAUSED).due("tom").works().says("tom deferred template_unusable")
    deliver.after(5 * MINUTE).detect_is_at().lists(TEMPLATE).works()
    deliver.says("maria accepted", "tom accepted")


def test_a_template_that_is_refused_though_the_list_shows_it_as_good_is_probed_in_its_time(deliver: Diary) -> None:
    deliver.lists(TEMPLATE).knows("maria")
    deliver.onemsg.answers = [REFUSED]
    deliver.due("maria").works().says("maria rejected template_paused", "maria deferred template_unusable")
    deliver.lists(TEMPLATE).works().says_nothing()
    deliver.after(3 * HOUR).detect_is_at().works().says("maria accepted")


def test_a_category_that_changes_under_it_is_known_and_seen(deliver: Diary) -> None:
    labels = {"template": "inactivity_reminder", "language": "en"}
    registry = deliver.metrics.template_marketing
    deliver.lists(TEMPLATE)
    assert registry.labels(**labels)._value.get() == 0
    deliver.lists(replace(TEMPLATE, category="MARKETING"))
    assert registry.labels(**labels)._value.get() == 1
    assert "inactivity_reminder (en): MARKETING" in deliver.parts.template_watcher.detail


@pytest.mark.parametrize(
    ("locale", "language", "action"),
    [
        ("pt-BR", "pt_BR", "o cadastro"),
        ("pt_BR.UTF-8", "pt_BR", "o cadastro"),
        ("PT", "pt_BR", "o cadastro"),
        ("es_MX", "es", "el alta"),
        ("en_GB", "en", "account setup"),
        ("klingon", "en", "account setup"),
        (None, "en", "account setup"),
    ],
)
def test_each_is_written_to_in_their_language(abroad: Diary, locale: str | None, language: str, action: str) -> None:
    abroad.lists(TEMPLATE, SPANISH, BRAZILIAN).knows("maria", locale=locale).due("maria").works()
    (message,) = abroad.onemsg.sent
    assert (message.language, message.params) == (language, ("Maria", action))
    assert [(status.template, status.language) for status in abroad.topic] == [("inactivity_reminder", language)]


def test_the_activitys_own_words_are_said_in_any_language(abroad: Diary) -> None:
    abroad.knows("maria", locale="es")
    asked = replace(abroad.reminder("DUE", "maria"), action="la foto del DNI")
    abroad.takes(asked).works()
    assert abroad.onemsg.sent[0].params == ("Maria", "la foto del DNI")


def test_where_their_language_cannot_be_sent_the_common_one_is(abroad: Diary) -> None:
    paused = replace(SPANISH, status="PAUSED")
    abroad.lists(TEMPLATE, paused, BRAZILIAN).knows("maria", locale="es").due("maria").works().says("maria accepted")
    assert abroad.onemsg.sent[0].language == "en"


def test_where_their_language_is_refused_the_common_one_is_next(abroad: Diary) -> None:
    abroad.knows("maria", locale="es").knows("eva", "Eva", "+34 612 000 000", locale="es")
    abroad.onemsg.answers = [REFUSED]
    abroad.due("maria").works().says("maria rejected template_paused", "maria deferred template_unusable")
    abroad.due("eva").works().says("eva accepted")
    assert [message.language for message in abroad.onemsg.sent] == ["es", "en"]


def test_they_wait_only_where_no_language_of_theirs_can_be_sent(abroad: Diary) -> None:
    abroad.lists(PAUSED, SPANISH, BRAZILIAN).knows("maria", locale="es").knows("tom", "Tom", "+34 612 000 000")
    abroad.due("maria").due("tom").works().says("tom deferred template_unusable", "maria accepted")
    abroad.lists(TEMPLATE, SPANISH, BRAZILIAN).works().says("tom accepted")


def test_values_are_cut_where_the_whole_text_would_be_too_long(deliver: Diary) -> None:
    long = TEMPLATE.body + "x" * (BODY_LIMIT - len(TEMPLATE.body) - 4)
    deliver.lists(replace(TEMPLATE, body=long)).knows("maria").due("maria").works().says("maria accepted")
    assert deliver.onemsg.sent[0].params == ("Maria", "account…")
