"""Any order of events on any medium: no message twice, and none after a return or an opt-out."""

import tempfile
from collections import Counter
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from sqlalchemy import select

from consumer.clock import DAY, HOUR, MINUTE, SECOND
from consumer.deliver.lifecycle import Status
from consumer.ledger import queries
from consumer.ledger.schema.tables import attempts
from consumer.onemsg.outcomes import NotTransmitted, Outcome, Rejected, Remedy, Unknown
from consumer.testing import Killed

from ..timelines.fallback_diary import FallbackDiary

ANSWERS: list[Outcome | BaseException] = [
    Killed(),
    Unknown(reason="timeout"),
    NotTransmitted(reason="connect"),
    Rejected(reason="unreachable", remedy=Remedy.RECIPIENT),
    Rejected(reason="try_later", remedy=Remedy.TRANSIENT, retry_after=5 * MINUTE),
    Rejected(reason="credential", remedy=Remedy.CHANNEL),
]
answers = st.lists(st.sampled_from(ANSWERS), max_size=2)
steps = st.one_of(
    st.tuples(st.just("works"), answers, answers, answers),
    st.tuples(st.just("works"), answers, answers, answers),
    st.tuples(st.sampled_from(["due", "due", "returned", "completed"]), st.sampled_from([0, 1])),
    st.tuples(st.just("knows"), st.booleans(), st.booleans()),
    st.tuples(st.just("passes"), st.sampled_from([SECOND, 31 * SECOND, 10 * MINUTE, HOUR, 25 * HOUR])),
    st.tuples(st.just("reports"), st.integers(1, 4), st.sampled_from(["delivered", "read", "failed"])),
    st.tuples(st.just("stops")),
    st.tuples(st.just("crashes")),
)


def live(diary: FallbackDiary, happens: tuple[object, ...]) -> None:
    match happens:
        case ("works", list(whatsapp), list(mail), list(hook)):
            diary.onemsg.answers, diary.mail.answers, diary.hook.answers = list(whatsapp), list(mail), list(hook)
            try:
                diary.detect_is_at().works()
            except Killed:
                diary.crashes_and_restarts()
            diary.onemsg.answers, diary.mail.answers, diary.hook.answers = [], [], []
        case ("due" | "returned" | "completed" as kind, int(step)):
            getattr(diary, kind)("ana", step=step, lapsed="Wed 09:00" if step else "Mon 09:00")
        case ("knows", bool(by_phone), bool(by_mail)):
            phone, address = "+34 612 345 678" if by_phone else None, "ana@example.com" if by_mail else None
            diary.knows("ana", name="Ana", phone=phone, email=address)
        case ("passes", int(span)):
            diary.after(span)
        case ("reports", int(number), str(status)):
            error = {"error": "Message undeliverable"} if status == "failed" else {}
            diary.reports(f"wamid.{number}", status, **error)
        case ("stops",):
            diary.hears("stop", message=f"in.{diary.clock.now()}")
        case ("crashes",):
            diary.crashes_and_restarts()


def gone_out(diary: FallbackDiary) -> int:
    return len(diary.onemsg.sent) + len(diary.mail.sent) + len(diary.hook.sent)


def known(diary: FallbackDiary) -> bool:
    """Return whether the opt-out is stored for the user."""
    with diary.ledger.reading() as connection:
        return bool(queries.opt_outs.opted_out_since(connection, {"user:ana"}))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(steps, min_size=4, max_size=14))
def test_no_medium_repeats_another_or_itself_in_any_story(story: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        diary = FallbackDiary(Path(folder))
        diary.knows("ana", name="Ana", email="ana@example.com").due("ana")
        stopped: int | None = None
        try:
            for happens in story:
                live(diary, happens)
                if happens[0] == "stops" and stopped is None and known(diary):
                    stopped = gone_out(diary)
            live(diary, ("passes", 4 * DAY))
            live(diary, ("works", [], [], []))
            assert stopped in (None, gone_out(diary))
            with diary.ledger.reading() as connection:
                a = attempts.c
                went = connection.execute(
                    select(a.reminder_id, a.medium, a.started_at).where(a.may_have_been_sent)
                ).all()
            rows = {row.key: row for row in diary.rows()}
        finally:
            diary.close()
    assert max(Counter((row.reminder_id, row.medium) for row in went).values(), default=0) <= 1
    for reminder_id, medium, started_at in went:
        for other in rows.values():
            if other.reminder_id != reminder_id or other.medium == medium:
                continue
            # Nothing goes out on a second medium while the first is unknown or unresolved.
            assert not (other.status in {Status.UNKNOWN, Status.UNRESOLVED} and (other.attempted_at or 0) < started_at)
        ended = [m for m in (rows[reminder_id, medium].returned_at, rows[reminder_id, medium].completed_at) if m]
        assert all(started_at <= moment for moment in ended)
