"""Fallbacks by e-mail and webhook where WhatsApp is impossible, unless something forbids them."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consumer.clock import DAY, HOUR, MINUTE
from consumer.deliver.operations import pauses
from consumer.ledger import queries
from consumer.onemsg.outcomes import NotTransmitted, Rejected, Remedy, Unknown
from consumer.send_window import Window
from consumer.testing import LEASE, Killed

from .deliver_diary import PLANS
from .detect_diary import moment
from .fallback_diary import FallbackDiary, soon

Begin = Callable[..., FallbackDiary]
NOT_ON_WHATSAPP = Rejected(reason="unreachable", remedy=Remedy.RECIPIENT, error_code=131026)


@pytest.fixture
def begin(ledger_url: str, tmp_path: Path) -> Iterator[Begin]:
    begun: list[FallbackDiary] = []

    def open_diary(**more: Any) -> FallbackDiary:
        begun.append(FallbackDiary(tmp_path, url=ledger_url, **more))
        return begun[-1]

    yield open_diary
    for diary in begun:
        diary.close()


@pytest.fixture
def diary(begin: Begin) -> FallbackDiary:
    return begin()


def test_no_phone_leads_to_email(diary: FallbackDiary) -> None:
    diary.knows_by_mail().due("maria").works()
    diary.tells("maria whatsapp suppressed no_phone", "maria email accepted").mailed("maria@example.com").went_out()
    text = diary.mail.sent[0].content.decode()
    assert "Hello Maria, you have not yet completed account setup:" in text
    assert "https://shop.example/account-setup?user=3Dmaria" in text.replace("=\r\n", "")
    last = diary.topic[-1]
    assert (last.sequence, last.final, last.attempt, last.template) == (1, True, 1, None)  # there will be no report


def test_bad_phone_leads_to_email(diary: FallbackDiary) -> None:
    diary.knows("maria", phone="12", email="maria@example.com").due("maria").works()
    diary.tells("maria whatsapp suppressed bad_phone", "maria email accepted")


def test_unreachable_leads_to_email_now_and_next_time(diary: FallbackDiary) -> None:
    diary.onemsg.answers = [NOT_ON_WHATSAPP]
    diary.knows("maria", email="maria@example.com").due("maria").works()
    diary.tells("maria whatsapp rejected unreachable", "maria whatsapp failed unreachable", "maria email accepted")
    diary.at("Wed 09:00").due("maria", step=1).works()  # the hold on the phone is in force
    diary.tells("maria whatsapp suppressed unreachable", "maria email accepted").went_out("Maria")


def test_reported_failure_leads_to_email_within_the_cap(begin: Begin) -> None:
    diary = begin(caps={DAY: 1})
    diary.knows("maria", email="maria@example.com").due("maria").works().says("maria accepted")
    diary.at("Mon 09:10").detect_is_at().reports("wamid.1", "failed", error="Message undeliverable").works()
    assert isinstance(diary, FallbackDiary)
    diary.tells("maria whatsapp failed unreachable").mailed()
    diary.at("Mon 09:25").detect_is_at().works()
    diary.tells("maria email accepted")
    diary.at("Mon 12:00").due("maria", "checkout").works()
    diary.says("maria suppressed unreachable", "maria deferred frequency_cap")  # the e-mail counts


@pytest.mark.parametrize("late", ["delivered", "read"])
def test_late_delivery_within_a_quarter_of_an_hour_leaves_no_email(diary: FallbackDiary, late: str) -> None:
    diary.knows("maria", email="maria@example.com").due("maria").works().says("maria accepted")
    diary.reports("wamid.1", "failed", error="Message undeliverable").works().says("maria failed unreachable")
    diary.at("Mon 09:14").detect_is_at().reports("wamid.1", late).works().says(f"maria {late}")
    diary.at("Mon 10:00").detect_is_at().works().says_nothing()
    diary.mailed()


def test_medium_that_is_not_configured_any_more(begin: Begin) -> None:
    window = Window(10 * HOUR, 20 * HOUR)
    plans = {name: replace(plan, window=window) for name, plan in PLANS.items()}
    diary = begin(plans=plans, default_zone="UTC").knows_by_mail(timezone="UTC")
    diary.due("maria").works().says("maria suppressed no_phone", "maria deferred quiet_hours")
    diary.fallbacks = [each for each in diary.fallbacks if each.medium == "webhook"]
    diary.crashes_and_restarts().works()
    assert isinstance(diary, FallbackDiary)
    diary.tells("maria email suppressed medium_not_configured", "maria webhook deferred quiet_hours")
    diary.fallbacks = []
    diary.crashes_and_restarts().works()
    diary.tells("maria webhook suppressed medium_not_configured")
    assert diary.topic[-1].final


def test_phone_mended_while_no_medium_is_possible(begin: Begin) -> None:
    diary = begin(media=("email",))
    diary.knows("maria", phone=None, email=None).due("maria").works()
    diary.tells("maria whatsapp suppressed no_phone", "maria email deferred no_email")
    diary.after(MINUTE).knows("maria", phone=None, email="maria@example.com").works()
    diary.tells("maria email accepted")


def test_late_delivery_cancels_the_unsent_email(begin: Begin) -> None:
    window = Window(10 * HOUR, 20 * HOUR)
    plans = {name: replace(plan, window=window) for name, plan in PLANS.items()}
    diary = begin(plans=plans, default_zone="UTC").at("Mon 19:59")
    diary.knows("maria", email="maria@example.com", timezone="UTC").due("maria").works().says("maria accepted")
    diary.at("Mon 20:00").reports("wamid.1", "failed", error="Message undeliverable").works()
    assert isinstance(diary, FallbackDiary)
    diary.at("Mon 20:15").detect_is_at().works()
    diary.tells("maria whatsapp failed unreachable", "maria email deferred quiet_hours")
    diary.at("Mon 23:00").reports("wamid.1", "delivered").works()
    diary.tells("maria whatsapp delivered", "maria email cancelled arrived")
    diary.at("Tue 10:00").detect_is_at().works().says_nothing()
    diary.mailed()


def test_late_delivery_stops_the_second_try_of_the_email(diary: FallbackDiary) -> None:
    diary.mail.answers = [NotTransmitted(reason="connect")]
    diary.knows("maria", email="maria@example.com").due("maria").works().says("maria accepted")
    diary.reports("wamid.1", "failed", error="Message undeliverable").works()
    soon(diary, 15).works()
    diary.tells("maria whatsapp failed unreachable", "maria email rejected connect", "maria email deferred retry_later")
    diary.reports("wamid.1", "read")
    soon(diary).works()
    diary.tells("maria whatsapp read", "maria email cancelled arrived").mailed("maria@example.com")


@pytest.mark.parametrize("ending", ["returned", "completed"])
def test_ending_cancels_the_deferred_email(begin: Begin, ending: str) -> None:
    plans = {name: replace(plan, window=Window(9 * HOUR, 20 * HOUR)) for name, plan in PLANS.items()}
    diary = begin(plans=plans, default_zone="UTC").at("Mon 21:00")
    diary.knows("maria", phone=None, email="maria@example.com", timezone="UTC").due("maria").works()
    diary.says("maria suppressed no_phone", "maria deferred quiet_hours")
    getattr(diary.at("Tue 03:00"), ending)("maria", lapsed="Mon 21:00").works().says(f"maria cancelled {ending}")
    diary.at("Tue 09:00").detect_is_at().works().says_nothing()


@pytest.mark.parametrize("ending", ["returned", "completed"])
def test_ending_before_the_fallback_is_planned(diary: FallbackDiary, ending: str) -> None:
    diary.onemsg.answers = [NOT_ON_WHATSAPP]
    diary.knows("maria", email="maria@example.com").due("maria")
    asyncio.run(diary.parts.sender.step())
    getattr(diary, ending)("maria", lapsed="Mon 09:00").works()
    diary.tells("maria whatsapp rejected unreachable", "maria whatsapp failed unreachable").mailed()


def test_newer_lapse_supersedes_the_deferred_email(begin: Begin) -> None:
    diary = begin(caps={3 * DAY: 1}).knows_by_mail().due("maria", "checkout").works()
    diary.says("maria suppressed no_phone", "maria accepted")
    diary.at("Mon 10:00").due("maria").works().says("maria suppressed no_phone", "maria deferred frequency_cap")
    diary.at("Wed 10:00").due("maria", step=1).works()
    diary.says("maria cancelled superseded", "maria suppressed no_phone", "maria deferred frequency_cap")
    diary.at("Thu 09:00").detect_is_at().works().says("maria accepted")


def test_email_waits_for_window_pause_and_detect(begin: Begin) -> None:
    plans = {name: replace(plan, window=Window(9 * HOUR, 20 * HOUR)) for name, plan in PLANS.items()}
    diary = begin(plans=plans, default_zone="UTC").at("Mon 21:00")
    diary.knows("maria", phone=None, email="maria@example.com", timezone="UTC").due("maria").works()
    diary.says("maria suppressed no_phone", "maria deferred quiet_hours")
    diary.at("Tue 09:00").works().says("maria deferred detect_behind")
    with diary.ledger.transaction() as connection:
        queries.pauses.pause(connection, "account-setup", diary.clock.now())
    diary.detect_is_at().works().says("maria deferred paused")
    with diary.ledger.transaction() as connection:
        assert pauses.resume(connection, "account-setup") == 1
    diary.works().says("maria accepted")


def test_opt_out_stops_every_medium(diary: FallbackDiary) -> None:
    diary.knows("maria", email="maria@example.com").hears("stop").due("maria").works()
    diary.says("maria suppressed opted_out")
    diary.knows_by_mail().due("maria", "checkout").works()  # the phone is gone, the opt-out stays
    diary.tells("maria whatsapp suppressed no_phone", "maria email suppressed opted_out").mailed()


def test_email_needs_consent(diary: FallbackDiary) -> None:
    diary.knows_by_mail(opt_in=False).due("maria").works()
    diary.tells("maria whatsapp suppressed no_phone", "maria email suppressed no_opt_in").called(0).mailed()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"holdout": 0.999999}, "holdout"),
        ({"dry_run": True}, "dry_run"),
        ({"only_users": frozenset[str]()}, "not_selected"),
    ],
)
def test_fallback_respects_holdout_dry_run_and_only_users(begin: Begin, settings: dict[str, Any], reason: str) -> None:
    diary = begin(**settings)
    diary.knows("maria", email="maria@example.com").due("maria").works().says(f"maria suppressed {reason}")
    diary.knows_by_mail("paul", "paul@example.com").due("paul").works()
    diary.tells("paul whatsapp suppressed no_phone", f"paul email suppressed {reason}").mailed().called(0)


@pytest.mark.parametrize(
    "answer",
    [
        Rejected(reason="credential", remedy=Remedy.CHANNEL),
        Rejected(reason="template_missing", remedy=Remedy.CHANNEL, template=True, error_code=132001),
        Rejected(reason="own_number", remedy=Remedy.RECIPIENT, error_code=131021),
        Rejected(reason="not_on_test_list", remedy=Remedy.RECIPIENT, error_code=131030),
        Rejected(reason="unknown_error", remedy=Remedy.MESSAGE),
        Rejected(reason="opted_out", remedy=Remedy.OPT_OUT, error_code=131050),
        NotTransmitted(reason="tls"),
        Unknown(reason="timeout"),
    ],
)
def test_outcomes_that_lead_to_no_fallback(diary: FallbackDiary, answer: Any) -> None:
    diary.onemsg.answers = [answer] * 3
    diary.knows("maria", email="maria@example.com").due("maria").works()
    soon(diary).works()
    soon(diary).works()
    diary.mailed().called(0)


def test_impossible_email_leads_to_the_webhook(diary: FallbackDiary) -> None:
    for user, email in (("ana", None), ("ben", "ben at example"), ("cleo", "cleo@example.com")):
        diary.knows(user, name=user.title(), phone=None, email=email)
    diary.mail.answers = [Rejected(reason="unreachable", remedy=Remedy.RECIPIENT, error_code=550)]
    diary.due("ana").due("ben").due("cleo").works()
    records = {f"{s.user_id} {s.medium} {s.status} {s.reason}" for s in diary.topic if s.medium != "whatsapp"}
    assert records == {
        "ana email suppressed no_email",
        "ana webhook accepted None",
        "ben email suppressed bad_email",
        "ben webhook accepted None",
        "cleo email rejected unreachable",
        "cleo email failed unreachable",
        "cleo webhook accepted None",
    }
    call = json.loads(diary.hook.sent[0].body)
    assert (call["user_id"], call["text"], call["link"]) == ("ana", "Ana!", None)


def test_failed_webhook_leads_nowhere(begin: Begin) -> None:
    diary = begin(media=("webhook",))
    diary.hook.answers = [Rejected(reason="unreachable", remedy=Remedy.RECIPIENT)]
    diary.knows("maria", phone=None).due("maria").works()
    diary.tells(
        "maria whatsapp suppressed no_phone", "maria webhook rejected unreachable", "maria webhook failed unreachable"
    )
    soon(diary).works().says_nothing()


def test_no_fallback_configured(begin: Begin) -> None:
    diary = begin(media=()).knows_by_mail().due("maria").works().says("maria deferred no_phone")
    assert [row.fallback_at for row in diary.rows()] == [None]


def test_email_retry_after_is_obeyed(diary: FallbackDiary) -> None:
    greylisted = Rejected(reason="try_later", remedy=Remedy.TRANSIENT, error_code=451, retry_after=5 * MINUTE)
    diary.mail.answers = [greylisted]
    diary.knows_by_mail().due("maria").works()
    diary.tells(
        "maria whatsapp suppressed no_phone", "maria email rejected try_later", "maria email deferred retry_later"
    )
    assert diary.topic[-1].until == moment("Mon 09:05")
    diary.at("Mon 09:04:59.999").detect_is_at().works().says_nothing()
    diary.at("Mon 09:05").detect_is_at().works().says("maria accepted")
    assert diary.mail.sent[0].message_id == diary.mail.sent[1].message_id


def test_unknown_email_is_never_sent_again(diary: FallbackDiary) -> None:
    diary.mail.answers = [Unknown(reason="reset")]
    diary.knows_by_mail().due("maria").works().says("maria suppressed no_phone", "maria unknown reset")
    diary.at("Tue 08:59").detect_is_at().works().says_nothing()
    diary.at("Tue 09:00").detect_is_at().works().says("maria unresolved gave_up")
    diary.crashes_and_restarts()
    soon(diary).works().says_nothing()
    diary.mailed("maria@example.com").called(0)


def test_email_in_flight_at_a_crash_is_unknown(diary: FallbackDiary) -> None:
    diary.knows_by_mail().due("maria")
    diary.mail.answers = [Killed()]
    with pytest.raises(Killed):
        diary.works()
    diary.crashes_and_restarts()
    diary.after(LEASE - 1).works().says("maria suppressed no_phone")
    diary.after(1).works().says("maria unknown lease_ran_out")
    soon(diary).works().says_nothing()
    diary.mailed("maria@example.com")


def test_refused_credential_stops_email_until_a_probe(diary: FallbackDiary) -> None:
    diary.mail.answers = [Rejected(reason="credential", remedy=Remedy.CHANNEL, error_code=535)]
    diary.knows_by_mail().due("maria").works()
    diary.tells(
        "maria whatsapp suppressed no_phone", "maria email rejected credential", "maria email deferred channel_stopped"
    )
    diary.knows_by_mail("paul", "paul@example.com").due("paul").works()
    diary.tells("paul whatsapp suppressed no_phone", "paul email deferred channel_stopped").called(0)
    soon(diary).works().says("maria accepted", "paul accepted")


def test_crashes_around_the_fallback_planner(begin: Begin) -> None:
    diary = begin()
    diary.knows_by_mail().due("maria")
    asyncio.run(diary.parts.sender.step())
    diary.crashes_and_restarts()
    assert diary.parts.fallback_planner.step() == 1
    diary.crashes_and_restarts()
    assert diary.parts.fallback_planner.step() == 0
    diary.works().says("maria suppressed no_phone", "maria accepted")
    diary.crashes_and_restarts()
    diary.works().says_nothing()
    diary.mailed("maria@example.com")


def test_expired_reminder_gets_no_fallback(diary: FallbackDiary) -> None:
    diary.knows_by_mail().due("maria")
    asyncio.run(diary.parts.sender.step())
    diary.at("Thu 09:00:00.001").detect_is_at().works().says("maria suppressed no_phone")


def test_likely_opt_out_holds_every_medium(diary: FallbackDiary) -> None:
    diary.knows("maria", email="maria@example.com").due("maria").works()
    diary.reports("wamid.1", "failed", error="Message undeliverable").hears("please stop writing me about this")
    soon(diary, 20).works()
    diary.mailed()
    assert [f"{each.medium} {each.reason}" for each in diary.unchecked()][-1] == "email recipient_hold"


@pytest.mark.parametrize("phone", ["+34 699 999 999", None])
def test_likely_opt_out_follows_the_person(diary: FallbackDiary, phone: str | None) -> None:
    diary.knows("maria", email="maria@example.com").hears("please stop writing me about this")
    diary.knows("maria", phone=phone, email="maria@example.com").due("maria").works().went_out()
    diary.mailed()
