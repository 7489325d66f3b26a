"""A deleted contact: no personal data is left, and what others rely on stays."""

from pathlib import Path

import pytest

from consumer.ledger.schema.tables import metadata

from .deliver_diary import Diary

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
