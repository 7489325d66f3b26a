"""Silence is no statement: what files and records say about consent, and what they cannot take back."""

import json
from collections.abc import Callable

import pytest

from consumer.clock import HOUR, SECOND
from consumer.deliver.policy.checks import CheckRules
from consumer.records import Contact, Received
from consumer.testing import RULES

from .deliver_diary import Diary
from .detect_diary import moment

EVERYBODY = CheckRules(require_opt_in=False, expire_after=RULES.expire_after, max_staleness=RULES.max_staleness)


def test_stop_survives_a_silent_file_and_the_nightly_yes(deliver: Diary) -> None:
    """Maria writes STOP; then a file without a consent column comes, and then the CRM's yes about everybody."""
    deliver.knows("maria").hears("stop")
    deliver.at("Tue 03:00").knows("maria", opt_in=None).due("maria", "checkout").works()
    deliver.at("Wed 03:00").knows("maria", opt_in=True).due("maria", "checkout").works()
    deliver.at("Thu 03:00").knows("maria", opt_in=False).after(HOUR).knows("maria", opt_in=True)
    deliver.due("maria", "checkout").works().says(*["maria suppressed opted_out"] * 3).went_out()


def test_agreement_later_than_the_stop_lifts_it(deliver: Diary) -> None:
    deliver.knows("maria").hears("stop")
    deliver.at("Tue 09:00").knows("maria", opted_in_at=moment("Mon 09:00")).due("maria", "checkout").works()
    deliver.says("maria suppressed opted_out")  # not later
    deliver.at("Tue 10:00").knows("maria", opted_in_at=moment("Mon 09:00:00.001")).due("maria", "checkout").works()
    deliver.says("maria accepted")
    assert [(each.subject[:5], each.at) for each in deliver.topics.lifted] == [
        (kind, moment("Mon 09:00:00.001")) for kind in ("phone", "user:")
    ]
    deliver.at("Wed 09:00").hears("BAJA", message="wamid.in.2").knows("maria", opted_in_at=moment("Mon 12:00"))
    deliver.due("maria", "checkout").works().says("maria suppressed opted_out")


def test_agreement_read_before_the_stop_arrives(deliver: Diary) -> None:
    deliver.at("Tue 09:00").knows("maria", opted_in_at=moment("Tue 08:00"))
    deliver.hears("stop").works()
    deliver.due("maria").works().says("maria suppressed opted_out")
    deliver.at("Wed 09:00").knows("maria", opted_in_at=moment("Wed 08:00"))
    deliver.posts(said_stop("Wed 07:00")).due("maria", "checkout").works().says("maria accepted")


def said_stop(when: str) -> bytes:
    message = {"id": "wamid.in.2", "type": "chat", "body": "STOP", "fromMe": False, "author": "34612345678@c.us"}
    return json.dumps({"messages": [{**message, "time": moment(when) // SECOND}]}).encode()


@pytest.mark.parametrize("opt_in", [False, None])
def test_agreement_lifts_nothing_without_a_yes(deliver: Diary, opt_in: bool | None) -> None:
    deliver.knows("maria", opt_in=None).hears("stop").at("Tue 09:00")
    deliver.knows("maria", opt_in=opt_in, opted_in_at=moment("Tue 08:00")).due("maria").works()
    deliver.says("maria suppressed opted_out")


def test_agreement_alone_renews_a_yes_that_is_known(deliver: Diary) -> None:
    deliver.knows("maria").hears("stop").at("Tue 09:00")
    deliver.knows("maria", opt_in=None, opted_in_at=moment("Tue 08:00")).due("maria").works().says("maria accepted")


def test_agreement_in_the_future_is_none(deliver: Diary) -> None:
    """An export that stamps the end of time must not lift every opt-out to come."""
    deliver.knows("maria", opted_in_at=moment("Mon 09:00") + 10**12).hears("stop").at("Tue 09:00")
    deliver.knows("maria", opted_in_at=moment("Mon 09:00") + 10**12).due("maria").works()
    deliver.says("maria suppressed opted_out")
    deliver.knows("maria", opted_in_at=moment("Tue 09:03")).due("maria", "checkout").works()
    deliver.says("maria accepted")  # a clock that is a little ahead


def test_silence_keeps_what_the_record_said(deliver: Diary) -> None:
    deliver.knows("maria").at("Mon 10:00").knows("maria", opt_in=None).due("maria").works().says("maria accepted")
    deliver.knows("paul", phone="+34 677 777 777", opt_in=False).at("Mon 11:00")
    deliver.knows("paul", phone="+34 677 777 777", opt_in=None).due("paul").works().says("paul suppressed no_opt_in")


def test_silence_from_the_beginning_is_no_consent(deliver: Diary) -> None:
    deliver.knows("maria", opt_in=None).due("maria").works().says("maria suppressed no_opt_in")


def test_no_of_the_record_counts_where_no_yes_is_needed(begin: Callable[..., Diary]) -> None:
    deliver = begin(rules=EVERYBODY).knows("maria", opt_in=None).due("maria").works().says("maria accepted")
    deliver.knows("paul", phone="+34 677 777 777", opt_in=False).due("paul").works().says("paul suppressed no_opt_in")


def test_no_of_the_record_is_lifted_by_its_later_yes(deliver: Diary) -> None:
    deliver.knows("maria", opt_in=False).due("maria").works().says("maria suppressed no_opt_in")
    deliver.at("Mon 10:00").knows("maria", updated_at=moment("Mon 08:59")).due("maria", "checkout").works()
    deliver.says("maria suppressed no_opt_in")  # an older yes that comes late
    deliver.at("Mon 10:30").knows("maria").due("maria", "checkout").works().says("maria accepted")


def test_start_is_no_yes_of_the_record(deliver: Diary) -> None:
    deliver.knows("maria", opt_in=False).hears("start").due("maria").works().says("maria suppressed no_opt_in")


def test_deletion_forgets_the_record_and_keeps_the_opt_out(deliver: Diary) -> None:
    deliver.knows("maria", opted_in_at=moment("Mon 08:00")).hears("stop").forgets("maria")
    deliver.at("Tue 09:00").knows("maria").knows("again").due("maria").works().says("maria suppressed opted_out")
    deliver.due("again").works().says("again suppressed opted_out")
    deliver.knows("paul", phone="+34 677 777 777").forgets("paul").knows("paul", phone="+34 677 777 777", opt_in=None)
    deliver.due("paul").works().says("paul suppressed no_opt_in")


def test_statements_of_one_batch_count_in_order(deliver: Diary) -> None:
    def record(user: str, opt_in: bool | None) -> Received[Contact]:
        contact = Contact(user_id=user, name="A", phone="+34 677 777 777", opt_in=opt_in, updated_at=0)
        return deliver.received("contacts", contact)

    records = [record("anna", True), record("anna", None), record("bea", True), record("bea", False)]
    records += [record("bea", None), record("carl", False), deliver.received("contacts", None, key=b"carl")]
    records += [record("carl", True)]
    deliver.parts.intake.take_contacts(records)
    deliver.parts.intake.take_contacts(records[:5])  # read again after a crash
    for user in ("anna", "bea", "carl"):
        deliver.due(user)
    deliver.works()
    deliver.at("Wed 09:00").works()
    assert {f"{s.user_id} {s.status} {s.reason}" for s in deliver.topic if s.status != "deferred"} >= {
        "anna accepted None",
        "bea suppressed no_opt_in",
    }
