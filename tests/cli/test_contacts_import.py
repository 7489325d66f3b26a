"""`lapse contacts import` on a real broker: the whole file, or nothing."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from consumer.activity.record_codec import RecordCodec
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import SystemClock
from consumer.records import Contact
from tests.broker.topics import FreshTopics, fresh_name
from tests.cli.conftest import Lapse, command, environment, write
from tests.halting import halt
from tests.kafka.committed import Seen, committed, wait_until_written

PLENTY = 15_000
"""Rows: more than a command writes before a test has seen the first of them."""


@pytest.fixture
def lapse(lapse_here: Lapse) -> Lapse:
    return lapse_here


@pytest.fixture
def contacts(tmp_path: Path, kafka: str, topics: FreshTopics) -> str:
    """The topic that `lapse` in this folder imports onto."""
    topic = topics(1, about="contacts")
    write(tmp_path, content(kafka, topic))
    return topic


def content(kafka: str, topic: str) -> dict[str, Any]:
    return {
        "processes": {"checkout": {"action": "your order", "remind_after": ["2h"]}},
        "kafka": {"bootstrap_servers": kafka, "group_prefix": fresh_name("lapse")},
        "topics": {"contacts": topic},
        "policy": {"default_region": "ES"},
    }


def contact_of(seen: Seen) -> Contact:
    assert seen.value is not None
    return RecordCodec(WriterSchemas(SystemClock())).decode(Contact, seen.value)


def plenty(folder: Path) -> None:
    rows = (f"u{number},Ann,+3460{number:07},yes\n" for number in range(PLENTY))
    (folder / "plenty.csv").write_text("user_id,name,phone,opt_in\n" + "".join(rows))


@contextmanager
def importing(folder: Path, kafka: str, topic: str) -> "Iterator[subprocess.Popen[str]]":
    """An import of plenty that has written something, has not finished, and is halted until SIGCONT."""
    plenty(folder)
    process = subprocess.Popen(
        command("contacts", "import", "plenty.csv"),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    with process:
        wait_until_written(kafka, topic)
        halt(process)
        yield process


def test_contacts_are_imported(lapse: Lapse, tmp_path: Path, kafka: str, contacts: str) -> None:
    (tmp_path / "people.csv").write_text(
        "user_id;Name;Phone;Opt_In;Updated_At\n"
        'u1;"Ann, of\nSpain";600 123 456;yes;2026-01-01T00:00:00Z\n'
        "u2;;;;1767225600000\n",
        encoding="utf-8-sig",
    )
    done = lapse("contacts", "import", "people.csv")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"2 contacts imported to {contacts}\n", "")
    first, second = committed(kafka, contacts)
    assert (first.key, second.key) == (b"u1", b"u2")
    assert contact_of(first) == Contact(
        user_id="u1", name="Ann, of\nSpain", phone="+34600123456", opt_in=True, updated_at=1_767_225_600_000
    )
    assert contact_of(second) == Contact(user_id="u2", updated_at=1_767_225_600_000)


def test_file_says_only_what_its_columns_say(lapse: Lapse, tmp_path: Path, kafka: str, contacts: str) -> None:
    """A second import, before anybody has read the first, keeps what it does not mention; an empty cell empties."""
    columns = "user_id,name,phone,email,opt_in,opted_in_at,updated_at"
    first = f"{columns}\nu1,Ann,+34600123456,ann@example.com,yes,2026-01-01,2026-01-02\n"
    (tmp_path / "first.csv").write_text(first)
    (tmp_path / "second.csv").write_text("user_id,phone,opt_in\nu1,,\nu2,+34600123457,no\n")
    for name in ("first.csv", "second.csv"):
        done = lapse("contacts", "import", name)
        assert done.returncode == 0, done.stderr
    before, ann, bob = map(contact_of, committed(kafka, contacts))
    assert (before.phone, ann) == ("+34600123456", replace(before, phone=None))
    assert (bob.opt_in, bob.name) == (False, None)


def test_deletion_reaches_the_partition_of_the_record(
    lapse: Lapse, tmp_path: Path, kafka: str, topics: FreshTopics
) -> None:
    topic = topics(4, about="contacts")
    write(tmp_path, content(kafka, topic))
    producer = Producer({"bootstrap.servers": kafka})
    codec = RecordCodec(WriterSchemas(SystemClock()))
    for partition in (2, 3):  # two programs with different partitioners
        producer.produce(
            topic, codec.encode(Contact(user_id="u1", name="Ann", updated_at=1), topic), b"u1", partition=partition
        )
    producer.flush()
    (tmp_path / "gone.csv").write_text("user_id\nu1\n")
    assert lapse("contacts", "import", "gone.csv", "--delete").returncode == 0
    assert sorted((seen.partition, seen.value is None) for seen in committed(kafka, topic)) == [
        (2, False),
        (2, True),
        (3, False),
        (3, True),
    ]


def test_one_invalid_row_prevents_the_import(lapse: Lapse, tmp_path: Path, kafka: str, contacts: str) -> None:
    (tmp_path / "people.csv").write_text("user_id,phone\nu1,+34600123456\nu2,+3460012345678901\nu1,\n,\nu3,\n")
    done = lapse("contacts", "import", "people.csv")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "people.csv: 2 of 4 rows are invalid, so nothing was written",
        "line 3: phone: no number has this form: write the country code, as in +34 …",
        "line 4: user_id: is already on line 2",
    ]
    assert committed(kafka, contacts) == []


def test_at_most_fifty_invalid_rows_are_listed(lapse: Lapse, tmp_path: Path, contacts: str) -> None:
    (tmp_path / "people.csv").write_text("user_id,phone\n" + "".join(f"u{n},555{n:02}x\n" for n in range(60)))
    done = lapse("contacts", "import", "people.csv")
    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines)) == (1, 52)
    assert (lines[1].split(":")[0], lines[50].split(":")[0], lines[51]) == ("line 2", "line 51", "and 10 more")
    assert "555" not in done.stderr


def test_dry_run_needs_no_broker(lapse: Lapse, tmp_path: Path) -> None:
    write(tmp_path, content("nobody.invalid:9092", "contacts"))
    (tmp_path / "good.csv").write_text("user_id\nu1\n")
    (tmp_path / "bad.csv").write_text("user_id,email\nu1,nowhere\n")
    good, bad = (
        lapse("contacts", "import", "good.csv", "--dry-run"),
        lapse("contacts", "import", "bad.csv", "--dry-run"),
    )
    assert (good.returncode, good.stdout) == (0, "1 contact could be imported; nothing was written\n")
    assert (bad.returncode, bad.stdout) == (1, "")
    assert bad.stderr.splitlines()[1].startswith("line 2: email: ")


def test_skip_bad_imports_the_others_and_writes_a_file(lapse: Lapse, tmp_path: Path, kafka: str, contacts: str) -> None:
    (tmp_path / "people.csv").write_text(
        'Record ID;Phone Number;Owner;Name\nu1;600 123 456;Bob;Ann\nu2;x;"Bob\nBobson";"Be\nth"\nu3;;;Carl\n'
    )
    options = ("--map", "Record ID=user_id", "--map", "Phone Number=phone", "--skip-bad", "refused.csv")
    done = lapse("contacts", "import", "people.csv", *options)
    assert (done.returncode, done.stdout) == (0, f"2 contacts imported to {contacts}\n")
    assert done.stderr.splitlines()[-1] == "people.csv: ignored columns: owner"
    assert done.stderr.splitlines()[0] == "people.csv: 1 of 3 rows is invalid: now in refused.csv"
    assert [seen.key for seen in committed(kafka, contacts)] == [b"u1", b"u3"]
    assert (tmp_path / "refused.csv").read_text() == (
        'Record ID;Phone Number;Owner;Name\nu2;x;"Bob\nBobson";"Be\nth"\n'
    )
    assert (tmp_path / "refused.csv").stat().st_mode & 0o077 == 0
    again = lapse("contacts", "import", "people.csv", *options)
    assert (again.returncode, "refused.csv exists already" in again.stderr) == (1, True)


def test_dry_run_with_skip_bad_writes_no_file(lapse: Lapse, tmp_path: Path) -> None:
    write(tmp_path, content("nobody.invalid:9092", "contacts"))
    (tmp_path / "people.csv").write_text("user_id,email\nu1,nowhere\nu2,\n")
    done = lapse("contacts", "import", "people.csv", "--dry-run", "--skip-bad", "refused.csv")
    assert (done.returncode, done.stdout) == (0, "1 contact could be imported; nothing was written\n")
    assert done.stderr.splitlines()[0] == "people.csv: 1 of 2 rows is invalid: would be in refused.csv"
    assert not (tmp_path / "refused.csv").exists()


def test_skip_bad_fails_if_no_row_is_left(lapse: Lapse, tmp_path: Path) -> None:
    write(tmp_path, content("nobody.invalid:9092", "contacts"))
    (tmp_path / "people.csv").write_text("user_id,email\nu1,nowhere\n")
    done = lapse("contacts", "import", "people.csv", "--skip-bad", "refused.csv")
    assert (done.returncode, done.stdout) == (1, "")
    assert not (tmp_path / "refused.csv").exists()


@pytest.mark.parametrize("item", ["Phone Number", "=phone", "Phone=telephone"])
def test_invalid_mapping_is_explained(lapse: Lapse, tmp_path: Path, item: str) -> None:
    write(tmp_path, content("nobody.invalid:9092", "contacts"))
    (tmp_path / "people.csv").write_text("user_id\nu1\n")
    done = lapse("contacts", "import", "people.csv", "--dry-run", "--map", item)
    assert done.returncode == 2
    assert "Phone Number=phone" in done.stderr


def test_delete_by_user_id(lapse: Lapse, tmp_path: Path, kafka: str, contacts: str) -> None:
    (tmp_path / "gone.csv").write_text("user_id\nu1\nu2\n")
    done = lapse("contacts", "import", "gone.csv", "--delete")
    assert (done.returncode, done.stdout) == (0, f"2 contacts deleted from {contacts}\n")
    assert [(seen.key, seen.value) for seen in committed(kafka, contacts)] == [(b"u1", None), (b"u2", None)]


def test_delete_refuses_a_file_with_other_columns(lapse: Lapse, tmp_path: Path, kafka: str, contacts: str) -> None:
    (tmp_path / "people.csv").write_text("user_id,name\nu1,Ann\n")
    done = lapse("contacts", "import", "people.csv", "--delete")
    assert done.returncode == 1
    assert done.stderr == "people.csv: the column name is unknown: known are user_id\n"
    assert committed(kafka, contacts) == []


def test_header_alone_is_imported_but_an_empty_file_is_refused(lapse: Lapse, tmp_path: Path, contacts: str) -> None:
    (tmp_path / "nobody.csv").write_text("user_id,name\n")
    (tmp_path / "nothing.csv").write_text("")
    nobody, nothing = lapse("contacts", "import", "nobody.csv"), lapse("contacts", "import", "nothing.csv")
    assert (nobody.returncode, nobody.stdout) == (0, f"0 contacts imported to {contacts}\n")
    assert (nothing.returncode, nothing.stderr) == (
        1,
        "nothing.csv: is empty: the first line must name the columns\n",
    )


def test_killed_import_leaves_nothing_and_does_not_block_the_next(
    lapse: Lapse, tmp_path: Path, kafka: str, contacts: str
) -> None:
    with importing(tmp_path, kafka, contacts) as process:
        process.kill()
    assert committed(kafka, contacts) == []
    (tmp_path / "people.csv").write_text("user_id\nu1\n")
    assert lapse("contacts", "import", "people.csv").returncode == 0
    assert [seen.key for seen in committed(kafka, contacts)] == [b"u1"]


def test_interrupted_import_is_aborted(tmp_path: Path, kafka: str, contacts: str) -> None:
    with importing(tmp_path, kafka, contacts) as process:
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        _, said = process.communicate(timeout=60)
        assert process.returncode != 0
    assert "Traceback" not in said
    assert committed(kafka, contacts) == []


def test_file_that_changes_during_the_import_is_refused(tmp_path: Path, kafka: str, contacts: str) -> None:
    with importing(tmp_path, kafka, contacts) as process:
        with (tmp_path / "plenty.csv").open("a") as file:
            file.write("another,Bob,,\n")
        process.send_signal(signal.SIGCONT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (1, "the file was changed while it was read, so nothing was imported\n")
    assert committed(kafka, contacts) == []


def test_second_import_fences_the_first(lapse: Lapse, tmp_path: Path, kafka: str, contacts: str) -> None:
    (tmp_path / "people.csv").write_text("user_id\nu1\n")
    with importing(tmp_path, kafka, contacts) as process:
        assert lapse("contacts", "import", "people.csv").returncode == 0
        process.send_signal(signal.SIGCONT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.startswith("another import has started")
    assert said.endswith("nothing was imported; to be sure, import it again\n")
    assert len(said.splitlines()) == 1
    assert [seen.key for seen in committed(kafka, contacts)] == [b"u1"]


def test_missing_topic_is_named(lapse: Lapse, tmp_path: Path, kafka: str) -> None:
    write(tmp_path, content(kafka, "contcats"))
    (tmp_path / "people.csv").write_text("user_id\nu1\n")
    done = lapse("contacts", "import", "people.csv")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "the topic contcats does not exist: create it, or run `lapse topics --create`\n"


@pytest.mark.slow
def test_pipe_is_refused(tmp_path: Path) -> None:
    write(tmp_path, content("nobody.invalid:9092", "contacts"))
    done = subprocess.run(
        command("contacts", "import", "/dev/stdin"),
        cwd=tmp_path,
        env=environment(),
        input="user_id\nu1\n",
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1
    assert "cannot be read twice" in done.stderr


def test_missing_file_is_wrong_usage(lapse: Lapse, tmp_path: Path) -> None:
    write(tmp_path, content("nobody.invalid:9092", "contacts"))
    done = lapse("contacts", "import", "people.csv")
    assert done.returncode == 2
    assert "people.csv" in done.stderr


@pytest.mark.parametrize("arguments", [(), ("import",)])
def test_help_describes_the_file(lapse: Lapse, arguments: tuple[str, ...]) -> None:
    done = lapse("contacts", *arguments, "--help")
    assert done.returncode == 0
    assert ("opt_in" in done.stdout) == bool(arguments)
