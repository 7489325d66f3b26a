"""Templates that cannot be sent, that can again, and the language of each message."""

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
def test_unusable_template_defers_until_it_is_usable(deliver: Diary, now_it_is: Template) -> None:
    deliver.lists(TEMPLATE, ORDER).knows("maria").knows("tom", "Tom", "+34 612 000 000")
    deliver.lists(now_it_is, ORDER).due("maria").works().says("maria deferred template_unusable")
    deliver.due("tom", "checkout").works().says("tom accepted")
    deliver.after(6 * HOUR).detect_is_at().lists(now_it_is, ORDER).works().says_nothing()
    deliver.lists(TEMPLATE, ORDER).works().says("maria accepted").went_out("Tom", "Maria")


def test_reminder_expires_while_the_template_is_unusable(deliver: Diary) -> None:
    deliver.knows("maria").lists(PAUSED).due("maria").works().says("maria deferred template_unusable")
    deliver.after(72 * HOUR + 1).detect_is_at().lists(TEMPLATE).works().says("maria suppressed expired").went_out()


def test_reminder_expires_without_another_list(deliver: Diary) -> None:
    deliver.knows("maria").lists(PAUSED).due("maria").works().says("maria deferred template_unusable")
    assert [row.until for row in deliver.rows()] == [deliver.clock.now() + 72 * HOUR + 1]
    deliver.after(72 * HOUR + 1).detect_is_at().works().says("maria suppressed expired")


def test_return_while_the_template_is_unusable_cancels(deliver: Diary) -> None:
    deliver.knows("maria").lists(PAUSED).due("maria").works().says("maria deferred template_unusable")
    deliver.after(HOUR).detect_is_at().returned("maria", lapsed="Mon 09:00").works().says("maria cancelled returned")
    deliver.lists(TEMPLATE).works().says_nothing().went_out()


def test_usable_template_wakes_reminders_after_a_restart(deliver: Diary) -> None:
    deliver.knows("maria").lists(PAUSED).due("maria").works().says("maria deferred template_unusable")
    deliver.crashes_and_restarts().lists(PAUSED).works().says_nothing()
    deliver.crashes_and_restarts().lists(TEMPLATE).works().says("maria accepted")


def test_row_deferred_during_the_wake_is_woken_by_the_next_check(deliver: Diary) -> None:
    deliver.knows("maria").lists(PAUSED, ORDER).due("maria").works().says("maria deferred template_unusable")
    deliver.lists(TEMPLATE, ORDER)
    assert deliver.parts.template_watcher.recheck_soon  # so the next check comes soon
    with deliver.ledger.transaction() as connection:  # another replica had decided just before
        connection.execute(update(reminders).values(due_at=reminders.c.until))
    deliver.works().says_nothing()
    deliver.lists(TEMPLATE, ORDER).works().says("maria accepted")
    assert not deliver.parts.template_watcher.recheck_soon


def test_empty_and_incomplete_lists_stop_nothing(deliver: Diary) -> None:
    deliver.lists(TEMPLATE).knows("maria")
    for _ in range(5):
        deliver.lists().lists(ORDER, whole=False)
    deliver.onemsg.failure = OneMsgError(ApiErrorKind.UNAVAILABLE, "502 Bad Gateway")
    deliver.lists(PAUSED)
    assert "502" in deliver.parts.template_watcher.detail
    assert deliver.parts.template_watcher.recheck_soon
    deliver.onemsg.failure = None
    deliver.due("maria").works().says("maria accepted")


def test_template_is_gone_after_three_lists_without_it(deliver: Diary) -> None:
    deliver.lists(TEMPLATE, ORDER).knows("maria").knows("tom", "Tom", "+34 612 000 000").lists(ORDER).lists(ORDER)
    deliver.due("maria").works().says("maria accepted")
    deliver.lists(ORDER).due("tom").works().says("tom deferred template_unusable")
    deliver.lists(TEMPLATE, ORDER).works().says("tom accepted")


def test_recovered_template_needs_no_probe(deliver: Diary) -> None:
    deliver.lists(TEMPLATE).knows("maria").knows("tom", "Tom", "+34 612 000 000")
    deliver.onemsg.answers = [REFUSED]
    deliver.due("maria").works().says("maria rejected template_paused", "maria deferred template_unusable")
    deliver.lists(PAUSED).due("tom").works().says("tom deferred template_unusable")
    deliver.after(5 * MINUTE).detect_is_at().lists(TEMPLATE).works()
    deliver.says("maria accepted", "tom accepted")


def test_refused_template_that_the_list_shows_as_good_is_probed(deliver: Diary) -> None:
    deliver.lists(TEMPLATE).knows("maria")
    deliver.onemsg.answers = [REFUSED]
    deliver.due("maria").works().says("maria rejected template_paused", "maria deferred template_unusable")
    deliver.lists(TEMPLATE).works().says_nothing()
    deliver.after(3 * HOUR).detect_is_at().works().says("maria accepted")


def test_changed_category_in_metric_and_detail(deliver: Diary) -> None:
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
def test_language_by_locale(abroad: Diary, locale: str | None, language: str, action: str) -> None:
    abroad.lists(TEMPLATE, SPANISH, BRAZILIAN).knows("maria", locale=locale).due("maria").works()
    (message,) = abroad.onemsg.sent
    assert (message.language, message.params) == (language, ("Maria", action))
    assert [(status.template, status.language) for status in abroad.topic] == [("inactivity_reminder", language)]


def test_action_of_the_activity_in_any_language(abroad: Diary) -> None:
    abroad.knows("maria", locale="es")
    asked = replace(abroad.reminder("DUE", "maria"), action="la foto del DNI")
    abroad.takes(asked).works()
    assert abroad.onemsg.sent[0].params == ("Maria", "la foto del DNI")


def test_unusable_language_falls_back_to_the_default(abroad: Diary) -> None:
    paused = replace(SPANISH, status="PAUSED")
    abroad.lists(TEMPLATE, paused, BRAZILIAN).knows("maria", locale="es").due("maria").works().says("maria accepted")
    assert abroad.onemsg.sent[0].language == "en"


def test_refused_language_falls_back_to_the_default(abroad: Diary) -> None:
    abroad.knows("maria", locale="es").knows("eva", "Eva", "+34 612 000 000", locale="es")
    abroad.onemsg.answers = [REFUSED]
    abroad.due("maria").works().says("maria rejected template_paused", "maria deferred template_unusable")
    abroad.due("eva").works().says("eva accepted")
    assert [message.language for message in abroad.onemsg.sent] == ["es", "en"]


def test_deferred_only_without_any_usable_language(abroad: Diary) -> None:
    abroad.lists(PAUSED, SPANISH, BRAZILIAN).knows("maria", locale="es").knows("tom", "Tom", "+34 612 000 000")
    abroad.due("maria").due("tom").works().says("tom deferred template_unusable", "maria accepted")
    abroad.lists(TEMPLATE, SPANISH, BRAZILIAN).works().says("tom accepted")


def test_parameters_are_cut_to_fit_the_body(deliver: Diary) -> None:
    long = TEMPLATE.body + "x" * (BODY_LIMIT - len(TEMPLATE.body) - 4)
    deliver.lists(replace(TEMPLATE, body=long)).knows("maria").due("maria").works().says("maria accepted")
    assert deliver.onemsg.sent[0].params == ("Maria", "account…")
