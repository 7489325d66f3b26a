"""Whether a person may be written to, after any diary, is what a plain reading of that diary says."""

from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.clock import DAY, MINUTE, Millis
from consumer.deliver.policy.checks import consent_is_given
from consumer.deliver.sending.facts import FactsGatherer, SenderConfig
from consumer.ledger.schema.rows import ReminderRow

from ..ledger.databases import unused_sqlite
from .deliver_diary import Diary


@dataclass(frozen=True)
class Said:
    """The person writes one word."""

    word: str


@dataclass(frozen=True)
class Written:
    """A contact record is written. `agreed_ago`: so long ago the person agreed, negative for the future."""

    opt_in: bool | None
    agreed_ago: Millis | None
    changed_ago: Millis


@dataclass(frozen=True)
class Deleted:
    """The contact is deleted."""


Statement: TypeAlias = Said | Written | Deleted
STEP = 10 * MINUTE

spans = st.sampled_from([0, 1, STEP - 1, STEP, STEP + 1, 3 * STEP])
records = st.builds(Written, st.sampled_from([True, False, None]), st.none() | spans | st.just(-DAY), spans)
diaries = st.lists(st.builds(Said, st.sampled_from(["stop", "start"])) | records | st.just(Deleted()), max_size=9)
numbers = count(1_000)


def verdict(diary: list[Statement], end: Millis) -> str | None:
    """Read the whole diary: the person's last word, for the number and for the user, and the record's.

    While the contact is deleted nobody knows that the number is this user's. A record speaks for its user, and for the
    number where the latest no was that of both, and the user's still stands.
    """
    stops = {"phone": [0], "user": [0]}
    lifts = {"phone": [0], "user": [0]}
    known, yes, declined, agreed = True, None, 0, 0
    for now, statement in zip(range(end - STEP * len(diary), end, STEP), diary, strict=True):
        match statement:
            case Said(word):
                for subject in ("phone", "user") if known else ("phone",):
                    (stops if word == "stop" else lifts)[subject].append(now)
            case Deleted():
                known, yes, declined, agreed = False, None, 0, 0
            case Written(opt_in, agreed_ago, changed_ago):
                known = True
                if agreed_ago is not None and agreed_ago >= 0:
                    agreed = max(agreed, now - agreed_ago)
                if opt_in is False:
                    yes, declined = False, max(declined, now - changed_ago)
                elif opt_in and now - changed_ago >= declined:
                    yes = True
                said_so_too = max(stops["user"]) == max(stops["phone"]) and max(stops["user"]) >= max(lifts["user"])
                for subject in ("phone", "user") if said_so_too else ("user",):
                    lifts[subject].append(agreed if yes else 0)
    if any(max(stops[each]) and max(stops[each]) >= max(lifts[each]) for each in stops):
        return "opted_out"
    return None if yes else "no_opt_in"


@pytest.fixture(scope="module")
def deliver(tmp_path_factory: pytest.TempPathFactory) -> Diary:
    folder: Path = tmp_path_factory.mktemp("consent")
    return Diary(folder, url=unused_sqlite(folder))


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(diary=diaries)
def test_consent_is_what_a_plain_reading_says(deliver: Diary, diary: list[Statement]) -> None:
    number = next(numbers)
    user, phone = f"u{number}", f"+34612{number:06}"
    deliver.knows(user, phone=phone, opt_in=None)
    for statement in diary:
        now = deliver.clock.now()
        match statement:
            case Said(word):
                deliver.hears(word, phone=phone[1:], message=f"wamid.{number}.{now}")
            case Deleted():
                deliver.forgets(user)
            case Written(opt_in, ago, changed):
                agreed = None if ago is None else now - ago
                deliver.knows(user, phone=phone, opt_in=opt_in, opted_in_at=agreed, updated_at=now - changed)
        deliver.after(STEP)
    assert found(deliver, user, phone) == verdict(diary, deliver.clock.now())


def found(deliver: Diary, user: str, phone: str) -> str | None:
    """Return the reason of the check, for a contact that says no more than it did."""
    deliver.knows(user, phone=phone, opt_in=None)
    deliver.due(user)
    row: ReminderRow = next(row for row in deliver.rows() if row.user_id == user)
    config: SenderConfig = deliver.parts.claims._config
    with deliver.ledger.transaction() as connection:
        facts = FactsGatherer(connection, config, deliver.ledger.hash_key, deliver.clock.now()).facts([row])
    objection = consent_is_given(facts[row.key])
    return None if objection is None else objection.reason
