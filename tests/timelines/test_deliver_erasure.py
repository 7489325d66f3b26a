"""A deleted contact: no personal data is left, and what others rely on stays."""

import json
from base64 import b64encode
from pathlib import Path

import pytest

from consumer.clock import DAY, MINUTE
from consumer.ledger.schema.tables import metadata
from consumer.onemsg.message import TemplateMessage
from consumer.onemsg.outcomes import Accepted, Outcome, Unknown
from consumer.testing import FakeOneMsg

from .deliver_diary import TEMPLATE, Diary

TRACES = ("Maria", "612345678", "612 345 678", "maria@example.com", "my secret words")


def everything(diary: Diary) -> str:
    """Return every value of every table."""
    with diary.ledger.reading() as connection:
        return "\n".join(str(connection.execute(table.select()).all()) for table in metadata.tables.values())


def test_erasure_leaves_no_personal_data(deliver: Diary) -> None:
    deliver.knows("maria", email="maria@example.com").due("maria").works().says("maria accepted")
    deliver.hears("please stop my secret words").posts(b'{"broken": "34612345678", ')
    assert [trace for trace in TRACES if trace not in everything(deliver)] == []
    deliver.forgets("maria")
    assert [trace for trace in TRACES if trace in everything(deliver)] == []
    deliver.reports("wamid.1", "delivered").works().says("maria delivered")  # the record without personal data stays


REAL_ID = f"wamid.HBgL{b64encode(b'34612345678').decode().rstrip('=')}VAgARGBI5QTNDQTVCM0Q0Q0Q2RTY3RTcA"
"""WhatsApp's form, with the number in it."""


def has_erased_the_id(diary: Diary) -> bool:
    return "MzQ2MTIzNDU2Nz" not in everything(diary)


def test_message_of_an_erased_person_is_followed_without_its_id(deliver: Diary) -> None:
    deliver.onemsg.answers = [Accepted(message_id=REAL_ID)]
    deliver.knows("maria").due("maria").works_in_silence().forgets("maria")
    assert has_erased_the_id(deliver)
    deliver.publishes().after(10 * MINUTE).works()
    assert deliver.onemsg.asked == []  # 1MSG could be asked only by the id
    deliver.reports(REAL_ID, "sent", phone="34612345678").reports(REAL_ID, "delivered").works()
    deliver.says("maria accepted", "maria sent", "maria delivered")
    assert {status.message_id for status in deliver.topic} == {None}
    assert has_erased_the_id(deliver)


def test_message_of_an_erased_person_without_a_report_ends_as_others_do(deliver: Diary) -> None:
    deliver.onemsg.answers = [Accepted(message_id=REAL_ID)]
    deliver.knows("maria").due("maria").works().forgets("maria").after(DAY + MINUTE).works().after(MINUTE).works()
    deliver.says("maria accepted", "maria accepted no_report")
    assert deliver.topic[-1].final


def test_answer_that_comes_after_the_erasure_leaves_no_id(deliver: Diary) -> None:
    class ErasedMeanwhile(FakeOneMsg):
        async def send_template(self, message: TemplateMessage) -> Outcome:
            deliver.forgets("maria")
            return Accepted(message_id=REAL_ID)

    deliver.knows("maria").due("maria").talks_to(ErasedMeanwhile(deliver.clock)).works().says("maria accepted")
    assert has_erased_the_id(deliver)
    deliver.reports(REAL_ID, "read").works().says("maria read")


def test_message_that_is_found_after_the_erasure_leaves_no_id(deliver: Diary) -> None:
    deliver.onemsg.answers = [Unknown(reason="timeout")]
    deliver.lists(TEMPLATE).knows("maria").due("maria").works().says("maria unknown timeout").forgets("maria")
    deliver.echoes(REAL_ID).works().says("maria accepted").reports(REAL_ID, "delivered").works().says("maria delivered")
    deliver.after(DAY + MINUTE).works()  # the echo itself is kept for a day
    assert has_erased_the_id(deliver)


def test_stop_that_answers_a_message_of_before_the_erasure_still_counts(deliver: Diary) -> None:
    """From a hidden number, quoting us: the message is known by its digest, and the phone by its hash."""
    deliver.onemsg.answers = [Accepted(message_id=REAL_ID)]
    deliver.knows("maria").due("maria").works().says("maria accepted").forgets("maria")
    stop = {"id": "wamid.in.1", "body": "STOP", "author": "ES.103@lid", "fromMe": False, "quotedMsgId": REAL_ID}
    deliver.posts(json.dumps({"messages": [stop]}).encode()).at("Mon 15:00").detect_is_at()
    deliver.knows("maria").due("maria", "checkout").works().says("maria suppressed opted_out")


def test_erasure_deletes_messages_from_earlier_phones(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().hears("please stop my secret words")
    deliver.knows("maria", phone="+34 699 999 999").forgets("maria")
    assert "my secret words" not in everything(deliver)


def test_erasure_leaves_other_people(deliver: Diary) -> None:
    deliver.knows("maria").knows("paul", name="Paul", phone="+34 677 777 777")
    deliver.hears("please stop this, hello from paul", phone="34677777777", message="wamid.in.2").hears(
        "please stop my secret words"
    )
    deliver.forgets("maria")
    left = everything(deliver)
    assert "hello from paul" in left
    assert "Paul" in left
    assert "my secret words" not in left


@pytest.mark.parametrize("restarts", [False, True])
def test_late_deletion_changes_nothing(deliver: Diary, tmp_path: Path, restarts: bool) -> None:
    deliver.knows("maria").due("maria").works().hears("please stop my secret words")
    late = deliver.received("contacts", None, key=b"maria")
    deliver.knows("maria")
    if restarts:
        deliver.crashes_and_restarts()
    deliver.parts.intake.take_contacts([late])
    assert "my secret words" in everything(deliver)
    assert "34612345678" in everything(deliver)


def test_erased_person_is_in_no_file_of_the_ledger(tmp_path: Path) -> None:
    """SQLite keeps what was deleted in free pages and in its write-ahead log, unless it is told not to."""
    diary = Diary(tmp_path)
    diary.knows("maria", name="María López", phone="+34 612 345 678").due("maria").works().says("maria accepted")
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert any(b"612345678" in file.read_bytes() or b"612 345 678" in file.read_bytes() for file in files)
    diary.forgets("maria")
    for file in files:
        content = file.read_bytes() if file.exists() else b""
        assert b"612345678" not in content, file
        assert b"612 345 678" not in content, file
    diary.close()
